//! checkmysqlslave with real MariaDB servers on loopback: when it moves, where, and when not.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use crate::scene::{CHECK, KEY, Scene, TIMEOUT, value, wait_for_more_ok, wait_for_status};
use crate::support::mariadb::{MariaDb, Options};
use crate::support::{seconds, wait_until};

#[test]
fn the_first_election_finds_the_replicas_by_what_they_report() {
    let scene = Scene::start(2);
    let checker = scene.checker(CHECK);
    checker.wait_for_log("there is no slave in consul");
    wait_until("the key is there", seconds(20), || {
        scene.consul.get(KEY).is_some()
    });
    let mut replicas: Vec<u16> = scene.db.replicas.iter().map(|r| r.port()).collect();
    replicas.sort_unstable();
    // Both are up and equal: the lower address wins, whoever looks.
    assert_eq!(scene.kv().value, value("slave", "127.0.0.1", replicas[0]));
    assert_eq!(scene.kv().flags, 1);
    checker.wait_for_log(&format!(
        "set new 127.0.0.1:{} to consul slave ok",
        replicas[0]
    ));
    checker.wait_for_log("slave in consul is ok");
    checker.wait_for_log(&format!(
        "connect to 127.0.0.1, {}, monitor, xxxxxxxx ...",
        scene.db.primary.port()
    ));
    let index = scene.kv().modify_index;
    wait_for_more_ok(&checker, 5);
    assert_eq!(
        scene.kv().modify_index,
        index,
        "written again without a reason"
    );
    assert!(
        !checker.log().contains("s3cret"),
        "the password is in the log"
    );
}

#[test]
fn a_killed_replica_is_left_at_once() {
    let scene = Scene::start(2);
    let checker = scene.checker(CHECK);
    wait_for_more_ok(&checker, 2);
    let (used, other) = scene.used_and_other();
    let killed = Instant::now();
    used.kill();
    scene.wait_until_at(other);
    // Far less than one interval; the exact figure is the benchmark's.
    assert!(
        killed.elapsed() < Duration::from_millis(300),
        "{:?}",
        killed.elapsed()
    );
    assert_eq!(scene.kv().flags, 1, "not a forced move");
    checker.wait_for_log(&format!("{} is down: connection refused", used.endpoint()));
    // The server that was left comes back: nothing happens.
    let index = scene.kv().modify_index;
    used.restart();
    wait_until("it replicates again", seconds(20), || used.replicates());
    wait_for_more_ok(&checker, 5);
    assert_eq!(scene.kv().modify_index, index, "moved back");
}

#[test]
fn a_hung_replica_is_left_after_fall_timeouts() {
    let scene = Scene::start(2);
    let checker = scene.checker(CHECK);
    wait_for_more_ok(&checker, 2);
    let (used, other) = scene.used_and_other();
    let stopped = Instant::now();
    used.stop();
    scene.wait_until_at(other);
    let took = stopped.elapsed();
    assert!(
        took > TIMEOUT && took < TIMEOUT * 2 + Duration::from_millis(1500),
        "{took:?}"
    );
    checker.wait_for_log(&format!(
        "{} is down: no answer in 1 s (1 of 2)",
        used.endpoint()
    ));
    used.cont();
    let index = scene.kv().modify_index;
    wait_for_more_ok(&checker, 5);
    assert_eq!(scene.kv().modify_index, index, "moved back");
}

#[test]
fn a_replica_whose_sql_thread_stopped_is_left_for_one_that_is_up() {
    let scene = Scene::start(2);
    let checker = scene.checker(CHECK);
    wait_for_more_ok(&checker, 2);
    let (used, other) = scene.used_and_other();
    used.sql("STOP SLAVE SQL_THREAD");
    scene.wait_until_at(other);
    assert_eq!(
        scene.kv().flags,
        2,
        "the sessions on a server that serves may finish"
    );
    checker.wait_for_log("SQL thread is not running");
    // Nobody is better than a stopped replica when both are stopped.
    other.sql("STOP SLAVE SQL_THREAD");
    checker.wait_for_count(&format!("slave stays on {}: degraded", other.endpoint()), 4);
    assert_eq!(scene.current(), other.endpoint());
}

#[test]
fn a_replica_that_lags_too_far_is_left_and_not_taken_back_before_it_has_caught_up() {
    let scene = Scene::start(2);
    let more = format!("{CHECK}max_lag=2\n");
    let checker = scene.checker(&more);
    wait_for_more_ok(&checker, 2);
    let (used, other) = scene.used_and_other();
    used.sql_all(&[
        "STOP SLAVE",
        "CHANGE MASTER TO MASTER_DELAY=3600",
        "START SLAVE",
    ]);
    scene
        .db
        .primary
        .sql_all(&["CREATE DATABASE lag", "CREATE TABLE lag.t (a INT)"]);
    wait_for_status(used, "Seconds_Behind_Master", |lag| {
        lag.parse().unwrap_or(0) > 2
    });
    scene.wait_until_at(other);
    checker.wait_for_log("s is over 2 s");
    // With the other one dead, a lagging replica is better than the primary.
    other.kill();
    scene.wait_until_at(used);
    checker.wait_for_log(&format!(
        "slave stays on {}: degraded: lag",
        used.endpoint()
    ));
}

#[test]
fn a_replica_of_another_primary_is_left_and_never_elected() {
    let scene = Scene::start(2);
    let foreigner = MariaDb::start();
    let checker = scene.checker(CHECK);
    wait_for_more_ok(&checker, 2);
    let (used, other) = scene.used_and_other();
    used.replicate_from(&foreigner);
    scene.wait_until_at(other);
    checker.wait_for_log(&format!(
        "{} is down: not a replica of ours",
        used.endpoint()
    ));
    other.kill();
    // The foreign replica answers, but the primary stands in.
    scene.wait_until_at(&scene.db.primary);
}

#[test]
fn with_the_primary_dead_the_remembered_replicas_are_still_there_to_move_to() {
    let scene = Scene::start(2);
    let checker = scene.checker(CHECK);
    wait_for_more_ok(&checker, 2);
    let (used, other) = scene.used_and_other();
    scene.db.primary.kill();
    wait_for_status(used, "Slave_IO_Running", |state| state != "Yes");
    wait_for_status(other, "Slave_IO_Running", |state| state != "Yes");
    let stays = format!("slave stays on {}: degraded", used.endpoint());
    checker.wait_for_count(&stays, 2);
    used.kill();
    scene.wait_until_at(other);
    // All dead: the key stays, and it is said who was asked.
    other.kill();
    checker.wait_for_log("nobody can take over");
    assert_eq!(scene.current(), other.endpoint());
    // All back.
    scene.db.primary.restart();
    other.restart();
    wait_for_more_ok(&checker, 2);
    assert_eq!(scene.current(), other.endpoint());
}

#[test]
fn the_primary_stands_in_when_no_replica_is_left_and_gives_way_when_one_returns() {
    let scene = Scene::start(1);
    let checker = scene.checker(CHECK);
    let replica = &scene.db.replicas[0];
    scene.wait_until_at(replica);
    wait_for_more_ok(&checker, 2);
    replica.kill();
    scene.wait_until_at(&scene.db.primary);
    checker.wait_for_log("degraded: the primary is standing in");
    replica.restart();
    scene.wait_until_at(replica);
    assert_eq!(scene.kv().flags, 2, "the primary serves: a voluntary move");
}

#[test]
fn with_fallback_keep_the_primary_never_stands_in() {
    let scene = Scene::start(1);
    let checker = scene.checker(&format!("{CHECK}fallback=keep\n"));
    let replica = &scene.db.replicas[0];
    scene.wait_until_at(replica);
    replica.kill();
    checker.wait_for_count("nobody can take over", 2);
    assert_eq!(scene.current(), replica.endpoint());
}

#[test]
fn an_excluded_replica_is_never_elected() {
    let scene = Scene::start(2);
    let mut ports: Vec<u16> = scene.db.replicas.iter().map(|r| r.port()).collect();
    ports.sort_unstable();
    let checker = scene.checker(&format!("{CHECK}exclude=127.0.0.1:{}\n", ports[0]));
    scene.wait_until_at_endpoint(&format!("127.0.0.1:{}", ports[1]));
    wait_for_more_ok(&checker, 1);
    scene.used_and_other().0.kill();
    scene.wait_until_at(&scene.db.primary);
}

#[test]
fn a_promoted_replica_is_left_because_it_is_no_replica_any_more() {
    let scene = Scene::start(2);
    let checker = scene.checker(CHECK);
    wait_for_more_ok(&checker, 2);
    let (used, other) = scene.used_and_other();
    used.sql_all(&["STOP SLAVE", "RESET SLAVE ALL"]);
    scene.wait_until_at(other);
    checker.wait_for_log(&format!("{} is down: not a replica;", used.endpoint()));
}

#[test]
fn after_a_switch_over_the_replicas_of_the_new_primary_are_still_ours() {
    let scene = Scene::start(2);
    let checker = scene.checker(CHECK);
    wait_for_more_ok(&checker, 2);
    let (used, promoted) = scene.used_and_other();
    promoted.sql_all(&["STOP SLAVE", "RESET SLAVE ALL"]);
    scene.db.primary.replicate_from(promoted);
    let index = scene.kv().modify_index;
    used.replicate_from(promoted);
    wait_for_more_ok(&checker, 5);
    // The thread was stopped for a moment, which is no reason to move to a primary.
    assert_eq!(scene.kv().modify_index, index, "{}", checker.log());
    // The old primary is a replica now, and may be elected as one.
    used.kill();
    scene.wait_until_at(&scene.db.primary);
    wait_for_more_ok(&checker, 1);
}

#[test]
fn a_server_that_takes_no_more_connections_is_left() {
    let scene = Scene::start(1);
    let used = MariaDb::with(Options::default().arg("--max-connections=10"));
    let used_port = used.port();
    used.replicate_from(&scene.db.primary);
    scene.point_at(&used);
    let checker = scene.checker(CHECK);
    wait_for_more_ok(&checker, 2);
    thread::scope(|scope| {
        let (stop, stopped) = mpsc::channel::<()>();
        scope.spawn(move || crowd(used_port, &stopped));
        scene.wait_until_at(&scene.db.replicas[0]);
        checker.wait_for_log("is down: too many connections");
        drop(stop);
    });
}

/// An application that takes every connection it can get, until it is told to stop.
fn crowd(port: u16, stopped: &mpsc::Receiver<()>) {
    let mut clients = Vec::new();
    while stopped.recv_timeout(Duration::from_millis(1)) == Err(RecvTimeoutError::Timeout) {
        let options = mysql::OptsBuilder::new()
            .ip_or_hostname(Some("127.0.0.1"))
            .tcp_port(port)
            .user(Some("app"))
            .pass(Some("app"))
            .prefer_socket(false);
        clients.extend(mysql::Conn::new(options));
    }
}

#[test]
fn a_server_that_closes_idle_connections_is_not_asked_in_a_busy_loop() {
    let scene = Scene::start(1);
    let replica = &scene.db.replicas[0];
    replica.sql("SET GLOBAL wait_timeout=1");
    let checker = scene.checker("timeout=1\ninterval=5\n");
    checker.wait_for_log("slave in consul is ok");
    let before = connections(replica);
    // Each close starts a check early, and each of these in vain makes the next one wait longer.
    wait_for_more_ok(&checker, 4);
    assert!(
        connections(replica) - before < 10,
        "{}",
        connections(replica) - before
    );
    assert_eq!(scene.current(), replica.endpoint());
}

fn connections(server: &MariaDb) -> u64 {
    let rows = server.query("SHOW GLOBAL STATUS LIKE 'Connections'");
    rows[0][1].parse().unwrap()
}
