//! `confd_haproxy move` of a MySQL tag: to a replica that is fit, and to none that is not.

use crate::operate::Desk;
use crate::scene::{CHECK, KEY, Scene, wait_for_more_ok, wait_for_status};
use crate::support::mariadb::MariaDb;
use crate::support::replication::Replication;

#[test]
fn a_move_goes_to_a_replica_that_is_up_and_its_checker_keeps_it() {
    let scene = Scene::start(2);
    let desk = Desk::new(&scene.conf(CHECK), &["--consul", &scene.consul.endpoint()]);
    let checker = scene.checker(CHECK);
    wait_for_more_ok(&checker, 2);
    let (used, other) = scene.used_and_other();
    let (from, to) = (used.endpoint(), other.endpoint());
    desk.does(
        &["move", "slave", &to],
        &format!("slave moved from {from} to {to}, which is up, lag 0 s"),
    );
    assert_eq!(scene.current(), to);
    assert_eq!(scene.kv().flags, 3, "by hand: the old sessions may finish");
    wait_for_more_ok(&checker, 3);
    assert_eq!(scene.current(), to);
    checker.wait_for_log(&format!("slave in consul is ok: {to} is up"));
    // From one that is dead, its sessions end.
    desk.does(&["pin", "slave"], "is pinned to");
    other.kill();
    desk.does(&["move", "slave", &from, "--force"], "moved from");
    assert_eq!(scene.kv().flags, 1);
}

#[test]
fn a_server_that_is_dead_foreign_stopped_or_lagging_is_refused_in_one_line() {
    let scene = Scene::start(2);
    let elsewhere = Replication::start(1);
    let (other, stray) = (&elsewhere.primary, &elsewhere.replicas[0]);
    let [used, ill] = [&scene.db.replicas[0], &scene.db.replicas[1]];
    scene.point_at(used);
    let conf = scene.conf(&format!("{CHECK}max_lag=2\n"));
    let desk = Desk::new(&conf, &["--consul", &scene.consul.endpoint()]);
    let index = scene.kv().modify_index;
    let refuses = |server: &MariaDb, why: &str| {
        let endpoint = server.endpoint();
        let said = format!("not moved: {endpoint} is {why}");
        desk.refuses(&["move", "slave", &endpoint], 1, &[&said]);
    };
    refuses(stray, "down: not a replica of ");
    refuses(other, "down: not a replica");
    ill.sql("STOP SLAVE SQL_THREAD");
    wait_for_status(ill, "Slave_SQL_Running", |value| value == "No");
    refuses(ill, "degraded: ");
    ill.sql_all(&[
        "STOP SLAVE",
        "CHANGE MASTER TO MASTER_DELAY=3600",
        "START SLAVE",
    ]);
    let statements = ["CREATE DATABASE lag", "CREATE TABLE lag.t (a INT)"];
    scene.db.primary.sql_all(&statements);
    wait_for_status(ill, "Seconds_Behind_Master", |lag| {
        lag.parse().unwrap_or(0) > 2
    });
    refuses(ill, "degraded: lag ");
    assert_eq!(scene.kv().modify_index, index, "nothing was written");
    // With --force it goes there, and says what becomes of it.
    desk.does(
        &["move", "slave", &ill.endpoint(), "--force"],
        "checkers may move it on: confd_haproxy pin slave keeps it there",
    );
    ill.kill();
    scene.point_at(used);
    refuses(ill, "down: connection refused; --force moves all the same");
    assert_eq!(scene.consul.get(KEY).unwrap().flags, 0);
}
