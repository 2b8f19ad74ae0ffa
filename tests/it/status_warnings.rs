//! The warnings of `status`, each with what it warns of.

use std::net::TcpListener;

use crate::chain::{Chain, greets};
use crate::scene::{CHECK, KEY, Scene, value, wait_for_status};
use crate::status::{line_with, status};
use crate::support::checker::{CheckerBuilder, Finished};
use crate::support::mariadb::MariaDb;
use crate::support::replication::Replication;
use crate::support::seconds;

fn of(scene: &Scene, options: &[&str]) -> Finished {
    let finished = status(&scene.conf(CHECK), &scene.consul.endpoint(), options);
    println!("{}", finished.stdout);
    finished
}

#[track_caller]
fn warns(finished: &Finished, code: i32, text: &str, next: &str) {
    let said = finished.stdout.split_whitespace().collect::<Vec<_>>();
    let said = said.join(" ");
    assert_eq!(finished.code, Some(code), "{said}");
    assert!(said.contains(&format!("! {text}")), "{said}");
    assert!(said.contains(&format!("do: {next}")), "{said}");
}

#[test]
fn the_primary_in_use_and_then_nobody_left() {
    let scene = Scene::start(1);
    let (primary, replica) = (&scene.db.primary, &scene.db.replicas[0]);
    scene.point_at(primary);
    replica.sql("STOP SLAVE SQL_THREAD");
    wait_for_status(replica, "Slave_SQL_Running", |value| value == "No");
    let on_primary = of(&scene, &[]);
    let text = "clients read from the primary, for none of 1 replicas is ready";
    warns(&on_primary, 1, text, "SHOW SLAVE STATUS");

    replica.sql("START SLAVE SQL_THREAD");
    wait_for_status(replica, "Slave_SQL_Running", |value| value == "Yes");
    scene.point_at(replica);
    primary.kill();
    let alone = of(&scene, &[]);
    let text = format!("nobody can take over when {} fails", replica.endpoint());
    // Its threads are stopped too: it serves what it has.
    warns(&alone, 1, &text, "start another replica");
}

#[test]
fn a_replica_of_another_primary() {
    let scene = Scene::start(1);
    let elsewhere = Replication::start(1);
    let stray = &elsewhere.replicas[0];
    scene.point_at(&scene.db.replicas[0]);
    let conf = scene.conf(&format!("{CHECK}replicas={}\n", stray.endpoint()));
    let finished = status(&conf, &scene.consul.endpoint(), &[]);
    println!("{}", finished.stdout);
    let text = format!("{} is a replica of another primary", stray.endpoint());
    warns(
        &finished,
        1,
        &text,
        &format!("is {} still", scene.db.primary.endpoint()),
    );
}

#[test]
fn a_missing_grant_with_the_statement_to_run() {
    let scene = Scene::start(1);
    scene.point_at(&scene.db.replicas[0]);
    let conf = scene.conf(CHECK).replace("user=monitor", "user=noprocess");
    let finished = status(&conf, &scene.consul.endpoint(), &[]);
    println!("{}", finished.stdout);
    let next = format!(
        "on {}: GRANT PROCESS ON *.* TO 'noprocess'@",
        scene.db.primary.endpoint()
    );
    warns(&finished, 1, "the account lacks a privilege", &next);
}

#[test]
fn a_malformed_key_that_no_checker_has_mended() {
    let scene = Scene::start(1);
    scene.consul.put(KEY, "{\"name\":\"slave\"}");
    let finished = of(&scene, &[]);
    let text = format!("the value of {KEY} is not one of ours");
    warns(&finished, 2, &text, "checkmysqlslave --tag slave --once");
    let best = scene.db.replicas[0].endpoint();
    let text = format!("{best} could take over");
    let next = "systemctl status 'checkmysqlslave@*'";
    warns(&finished, 2, &text, next);
}

#[test]
fn two_tags_with_one_port_in_their_keys() {
    let scene = Scene::start(1);
    let replica = &scene.db.replicas[0];
    scene.point_at(replica);
    let second = value("second", replica.host(), replica.port());
    scene.consul.put("haproxy/mysqlslave/second", &second);
    let section = scene.conf(CHECK);
    let conf = section.clone()
        + &section
            .replace("[slave]", "[second]")
            .replace("13351", "13352");
    let finished = status(&conf, &scene.consul.endpoint(), &[]);
    println!("{}", finished.stdout);
    warns(
        &finished,
        1,
        "port 13351 is wanted by slave too",
        "give one of the two",
    );
}

#[test]
fn a_port_that_another_program_has() {
    let scene = Scene::start(1);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let replica = &scene.db.replicas[0];
    let value = value("slave", replica.host(), replica.port()).replace("13351", &port);
    scene.consul.put(KEY, &value);
    let finished = of(&scene, &[]);
    let pid = std::process::id();
    warns(
        &finished,
        1,
        &format!("port {port} is taken by "),
        &format!("stop process {pid}"),
    );
}

#[test]
fn where_haproxy_sends_clients_is_asked_at_its_socket() {
    let chain = Chain::start(2);
    let (confd, checker) = chain.on_consul(&chain.resource(&chain.switching()));
    let (used, other) = chain.used_and_other();
    let confdir = confd.daemon().dir().join("confd").display().to_string();
    let look = || {
        let finished = CheckerBuilder::new("status")
            .conf(&chain.conf())
            .args(["--consul", &chain.scene.consul.endpoint()])
            .args(["--confdir", &confdir])
            .run_to_end(seconds(30));
        println!("{}", finished.stdout);
        finished
    };
    let at = |said: &Finished, server: &MariaDb| {
        let line = line_with(&said.stdout, &server.endpoint()).to_owned();
        line.split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let good = look();
    assert_eq!(good.code, Some(0), "{}", good.stdout);
    assert_eq!(at(&good, used)[3], "here");
    assert!(!good.stdout.contains("not asked"));

    // Nobody moves anything any more; HAProxy is turned by hand.
    drop(checker);
    confd.daemon().kill();
    let ask = |order: &str| {
        chain
            .haproxy
            .ask(&format!("set server slave/mysql {order}"))
    };
    ask("state maint");
    let held = look();
    assert_eq!(at(&held, used)[3], "maint");
    let next = format!(
        "echo 'set server slave/mysql state ready' | socat - {}",
        chain.haproxy.socket()
    );
    warns(&held, 2, "slave/mysql is in maintenance in HAProxy", &next);
    ask(&format!("addr {} port {}", other.host(), other.port()));
    ask("state ready");
    let elsewhere = look();
    assert_eq!(at(&elsewhere, used)[3], "no");
    assert_eq!(at(&elsewhere, other)[2], "here");
    let text = format!(
        "HAProxy sends clients to {}, which is not",
        other.endpoint()
    );
    warns(&elsewhere, 1, &text, "systemctl status confd_haproxy");
    ask(&format!("addr {} port {}", used.host(), used.port()));
    ask("health down");
    let down = look();
    assert_eq!(at(&down, used)[3], "down");
    warns(
        &down,
        2,
        "HAProxy's own check says that the server is down",
        "journalctl",
    );
    assert!(greets(chain.port) || down.code == Some(2));

    chain.haproxy.kill();
    let silent = look();
    let line = format!(
        "HAProxy not asked: haproxy at {}: connection refused",
        chain.haproxy.socket()
    );
    assert!(silent.stdout.contains(&line), "{}", silent.stdout);
    assert_eq!(silent.code, Some(0), "{}", silent.stdout);
}
