//! Wrong passwords and missing privileges: our own trouble, said loudly, and no reason to move.

use crate::scene::{CHECK, KEY, Scene, wait_for_more_ok};
use crate::support::checker::CheckerBuilder;
use crate::support::mysql97::Mysql97;

#[test]
fn a_wrong_password_is_unknown_and_moves_nothing() {
    let scene = Scene::start(2);
    scene.point_at(&scene.db.replicas[1]);
    let index = scene.kv().modify_index;
    let conf = scene.conf(CHECK).replace("s3cret", "wr0ng");
    let checker = CheckerBuilder::new("checkmysqlslave")
        .conf(&conf)
        .args(["--consul", &scene.consul.endpoint()])
        .start();
    checker.wait_for_count(
        "whose health is unknown: Access denied for user 'monitor'",
        3,
    );
    assert_eq!(scene.kv().modify_index, index);
    assert!(
        !checker.log().contains("wr0ng"),
        "the password is in the log"
    );
}

#[test]
fn without_the_process_privilege_the_primary_does_not_stand_in() {
    let scene = Scene::start(1);
    let replica = &scene.db.replicas[0];
    scene.point_at(replica);
    let conf = scene.conf(CHECK).replace("user=monitor", "user=noprocess");
    let checker = CheckerBuilder::new("checkmysqlslave")
        .conf(&conf)
        .args(["--consul", &scene.consul.endpoint()])
        .start();
    wait_for_more_ok(&checker, 2);
    checker.wait_for_log("GRANT PROCESS ON *.* TO 'noprocess'");
    replica.kill();
    checker.wait_for_count("nobody can take over", 2);
    checker.wait_for_log("replicas may be hidden");
    assert_eq!(scene.current(), replica.endpoint());
}

#[test]
fn without_the_privilege_for_the_list_of_replicas_the_grant_is_named_and_nobody_stands_in() {
    let scene = Scene::start(1);
    scene
        .db
        .primary
        .sql("REVOKE REPLICATION MASTER ADMIN ON *.* FROM monitor@'%'");
    let (code, said) = scene.once(CHECK, &[]);
    // The replica listens on another port than the primary, so it cannot be found.
    assert_eq!(code, 2, "{said}");
    assert!(
        said.contains("GRANT REPLICATION MASTER ADMIN ON *.* TO 'monitor'"),
        "{said}"
    );
    assert!(
        scene.consul.get(KEY).is_none(),
        "the primary stands in for replicas not seen"
    );
}

#[test]
fn without_the_privilege_for_the_status_the_grant_is_named() {
    let scene = Scene::start(1);
    let conf = scene
        .conf(CHECK)
        .replace("user=monitor", "user=app")
        .replace("s3cret", "app");
    let finished = CheckerBuilder::new("checkmysqlslave")
        .conf(&conf)
        .args(["--consul", &scene.consul.endpoint(), "--once"])
        .run_to_end(crate::support::seconds(30));
    assert_eq!(finished.code, Some(2), "{}", finished.stdout);
    assert!(
        finished
            .stdout
            .contains("GRANT SLAVE MONITOR ON *.* TO 'app'"),
        "{}",
        finished.stdout
    );
    assert!(scene.consul.get(KEY).is_none());
}

#[test]
fn a_token_is_neither_logged_nor_sent_in_a_url() {
    let scene = Scene::start(1);
    let token = "e95597e0-4045-11e7-a9ef-b6ba84687927";
    let builder = scene.checker_with(CHECK, &["--debug", "--once"]);
    let finished = builder
        .env("CONSUL_HTTP_TOKEN", token)
        .run_to_end(crate::support::seconds(30));
    let said = finished.stdout + &finished.stderr;
    assert_eq!(finished.code, Some(0), "{said}");
    assert!(!said.contains(token), "{said}");
    assert!(!scene.consul.daemon().log().contains(token));
}

/// Checks once as this account, and says how that went.
fn once_as(scene: &Scene, user: &str) -> (Option<i32>, String) {
    let conf = scene.conf(CHECK).replace("monitor", user);
    let finished = CheckerBuilder::new("checkmysqlslave")
        .conf(&conf)
        .args(["--consul", &scene.consul.endpoint(), "--once"])
        .run_to_end(crate::support::seconds(30));
    (finished.code, finished.stdout + &finished.stderr)
}

#[test]
fn every_way_of_mariadb_to_keep_a_password_is_spoken() {
    let scene = Scene::start(1);
    let create = [
        "INSTALL SONAME 'auth_ed25519'",
        "CREATE USER native@'%' IDENTIFIED VIA mysql_native_password USING PASSWORD('s3cret')",
        "CREATE USER curve@'%' IDENTIFIED VIA ed25519 USING PASSWORD('s3cret')",
        "GRANT PROCESS, SLAVE MONITOR, REPLICATION MASTER ADMIN ON *.* TO native@'%', curve@'%'",
    ];
    for server in [&scene.db.primary, &scene.db.replicas[0]] {
        // Not in the binary log: each has them by itself.
        server.sql_all(&[&["SET sql_log_bin=0"], &create[..]].concat());
    }
    for user in ["native", "curve"] {
        let (code, said) = once_as(&scene, user);
        assert_eq!(code, Some(0), "{user}: {said}");
        assert_eq!(scene.current(), scene.db.replicas[0].endpoint());
    }
}

#[test]
fn caching_sha2_is_spoken_also_when_the_server_has_forgotten_the_password() {
    let consul = crate::support::consul::Consul::start();
    let server = Mysql97::start();
    let replica = Mysql97::start();
    replica.replicate_from(&server);
    let plugins = server.query("SELECT plugin FROM mysql.user WHERE user='monitor'");
    assert_eq!(plugins, [["caching_sha2_password"]]);
    let conf = format!(
        "[slave]\nhost=127.0.0.1\nport={}\nuser=monitor\npassword=s3cret\n\
         proxyport=13351\nget_server_public_key=yes\n{CHECK}",
        server.port()
    );
    // The first time, and the third, the server wants the password itself and not a proof of it.
    for forget in [false, false, true] {
        if forget {
            server.sql("FLUSH PRIVILEGES");
            replica.sql("FLUSH PRIVILEGES");
        }
        let finished = CheckerBuilder::new("checkmysqlslave")
            .conf(&conf)
            .args(["--consul", &consul.endpoint(), "--once"])
            .run_to_end(crate::support::seconds(30));
        assert_eq!(finished.code, Some(0), "{}", finished.stdout);
    }
}
