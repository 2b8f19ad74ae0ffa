//! Wrong passwords and missing privileges: our own trouble, said loudly, and no reason to move.

use crate::scene::{CHECK, KEY, Scene, wait_for_more_ok};
use crate::support::checker::CheckerBuilder;

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
