//! Replicas of several sources, delayed ones, and those that count positions in files: with the
//! words of MariaDB and of MySQL.

use crate::scene::{CHECK, KEY, Scene, endpoint_of, wait_for_more_ok};
use crate::support::checker::CheckerBuilder;
use crate::support::consul::Consul;
use crate::support::instance::Instance;
use crate::support::mariadb::MariaDb;
use crate::support::mysql97::Mysql97;
use crate::support::replication::in_parallel;
use crate::support::{seconds, wait_until};

/// Gives a server something to replicate.
fn write(server: &Instance) {
    server.sql_all(&["CREATE DATABASE more", "CREATE TABLE more.t (a INT)"]);
}

/// Where a server's binary log ends: its file, and the position in it.
fn position(server: &Instance, question: &str) -> (String, String) {
    let row = server.query(question).remove(0);
    (row[0].clone(), row[1].clone())
}

/// Waits until a channel of a MariaDB is this far behind.
fn wait_for_lag(server: &MariaDb, channel: &str) {
    wait_until("the channel lags", seconds(30), || {
        let rows = server.query_named("SHOW ALL SLAVES STATUS");
        let mut of_channel = rows.iter().filter(|row| row["Connection_name"] == channel);
        of_channel.any(|row| row["Seconds_Behind_Master"].parse().unwrap_or(0) > 2)
    });
}

#[test]
fn a_mariadb_replica_of_two_sources_is_ours_and_is_as_late_as_the_later_one() {
    let scene = Scene::start(2);
    let foreigner = MariaDb::start();
    let checker = scene.checker(&format!("{CHECK}max_lag=2\n"));
    wait_for_more_ok(&checker, 2);
    let (used, other) = scene.used_and_other();
    let index = scene.kv().modify_index;
    let change = format!(
        "CHANGE MASTER 'eu' TO MASTER_HOST='127.0.0.1', MASTER_PORT={}, MASTER_USER='repl', \
         MASTER_PASSWORD='repl', MASTER_USE_GTID=no, MASTER_DELAY=3600",
        foreigner.port()
    );
    used.sql_all(&[&change, "START SLAVE 'eu'"]);
    wait_until("the second channel runs", seconds(20), || {
        let rows = used.query_named("SHOW ALL SLAVES STATUS");
        rows.len() == 2 && rows.iter().all(|row| row["Slave_SQL_Running"] == "Yes")
    });
    wait_for_more_ok(&checker, 3);
    assert_eq!(scene.kv().modify_index, index, "{}", checker.log());
    // The delayed channel is the foreign one: the replica is late all the same.
    write(&foreigner);
    wait_for_lag(used, "eu");
    scene.wait_until_at(other);
    checker.wait_for_log("s is over 2 s");
    // With the foreign channel only, it is not ours any more.
    used.sql_all(&["STOP SLAVE", "RESET SLAVE ALL"]);
    other.kill();
    scene.wait_until_at(&scene.db.primary);
    checker.wait_for_count("degraded: the primary is standing in", 3);
    assert_eq!(scene.current(), scene.db.primary.endpoint());
}

#[test]
fn a_named_channel_that_stopped_is_named() {
    let scene = Scene::start(2);
    let foreigner = MariaDb::start();
    let checker = scene.checker(CHECK);
    wait_for_more_ok(&checker, 2);
    let (used, other) = scene.used_and_other();
    let change = format!(
        "CHANGE MASTER 'eu' TO MASTER_HOST='127.0.0.1', MASTER_PORT={}, MASTER_USER='repl', \
         MASTER_PASSWORD='repl'",
        foreigner.port()
    );
    used.sql(&change);
    scene.wait_until_at(other);
    checker.wait_for_log("channel eu: SQL thread is not running (No)");
}

#[test]
fn a_mariadb_replica_by_file_and_position_is_used_left_and_taken_back() {
    let scene = Scene::start(2);
    let (file, at) = position(&scene.db.primary, "SHOW MASTER STATUS");
    let change = format!(
        "CHANGE MASTER TO MASTER_USE_GTID=no, MASTER_LOG_FILE='{file}', MASTER_LOG_POS={at}"
    );
    for replica in &scene.db.replicas {
        replica.sql_all(&["STOP SLAVE", &change, "START SLAVE"]);
        wait_until("it replicates", seconds(20), || replica.replicates());
        let status = &replica.query_named("SHOW SLAVE STATUS")[0];
        assert_eq!(status["Using_Gtid"], "No");
    }
    let checker = scene.checker(CHECK);
    wait_for_more_ok(&checker, 2);
    let (used, other) = scene.used_and_other();
    used.kill();
    scene.wait_until_at(other);
    used.restart();
    wait_until("it replicates again", seconds(20), || used.replicates());
    wait_for_more_ok(&checker, 2);
    other.sql("STOP SLAVE SQL_THREAD");
    scene.wait_until_at(used);
}

#[test]
fn mysql_channels_positions_and_delays_are_understood_too() {
    let consul = Consul::start();
    let servers = in_parallel(0..4, |_| Mysql97::start());
    let [primary, first, second, foreigner] = &servers[..] else {
        panic!("four servers");
    };
    // One by GTID, one by file and position.
    first.replicate_from(primary);
    let (file, at) = position(primary, "SHOW BINARY LOG STATUS");
    let source = |port: u16| {
        format!(
            "SOURCE_HOST='127.0.0.1', SOURCE_PORT={port}, SOURCE_USER='repl', \
             SOURCE_PASSWORD='repl', GET_SOURCE_PUBLIC_KEY=1"
        )
    };
    let change = format!(
        "CHANGE REPLICATION SOURCE TO {}, SOURCE_AUTO_POSITION=0, SOURCE_LOG_FILE='{file}', \
         SOURCE_LOG_POS={at}",
        source(primary.port())
    );
    second.sql_all(&[&change, "START REPLICA"]);
    wait_until("it replicates", seconds(20), || second.replicates());
    let conf = format!(
        "[slave]\nhost=127.0.0.1\nport={}\nuser=monitor\npassword=s3cret\nproxyport=13351\n\
         get_server_public_key=yes\nmax_lag=2\nexclude={}\n{CHECK}",
        primary.port(),
        first.endpoint(),
    );
    let checker = CheckerBuilder::new("checkmysqlslave")
        .conf(&conf)
        .args(["--consul", &consul.endpoint()])
        .start();
    wait_for_more_ok(&checker, 2);
    let current = || {
        let kv = consul.get(KEY);
        kv.map(|kv| endpoint_of(&kv.value)).unwrap_or_default()
    };
    assert_eq!(current(), second.endpoint(), "{}", checker.log());
    // A second channel is no trouble, until it is late.
    let change = format!(
        "CHANGE REPLICATION SOURCE TO {}, SOURCE_AUTO_POSITION=1, SOURCE_DELAY=3600 \
         FOR CHANNEL 'eu'",
        source(foreigner.port())
    );
    second.sql_all(&[&change, "START REPLICA FOR CHANNEL 'eu'"]);
    wait_until("the second channel runs", seconds(20), || {
        let rows = second.query_named("SHOW REPLICA STATUS");
        rows.len() == 2 && rows.iter().all(|row| row["Replica_SQL_Running"] == "Yes")
    });
    wait_for_more_ok(&checker, 3);
    assert_eq!(current(), second.endpoint(), "{}", checker.log());
    write(foreigner);
    checker.wait_for_log("s is over 2 s");
    // The other replica is excluded, and one that is late is better than the primary.
    assert_eq!(current(), second.endpoint(), "{}", checker.log());
    second.sql("STOP REPLICA FOR CHANNEL 'eu'");
    checker.wait_for_log("channel eu: SQL thread is not running (No)");
    second.sql("RESET REPLICA ALL FOR CHANNEL 'eu'");
    wait_for_more_ok(&checker, 2);
}
