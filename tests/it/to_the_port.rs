//! From a killed replica to the port that an application uses: checker, store, renderer, HAProxy.

use std::time::{Duration, Instant};

use mysql::prelude::Queryable;

use crate::chain::{Chain, greets};
use crate::support::{seconds, wait_until};

#[test]
fn run_with_a_file_store_brings_the_port_up_and_moves_it_on_a_kill_and_a_hang() {
    let chain = Chain::start(2);
    let run = chain.run_with_store();
    run.wait_for_log("slave in file is ok");
    wait_until("the port greets", seconds(20), || greets(chain.port));
    let (used, other) = chain.used_and_other();
    let (outage, _) = chain.outage(|| used.kill());
    chain.wait_until_at(other);
    // The exact figure is the benchmark's.
    assert!(outage < Duration::from_millis(500), "{outage:?}");
    run.wait_for_log(&format!(
        "haproxy: slave/mysql moved from {} to {}",
        used.endpoint(),
        other.endpoint()
    ));
    assert_eq!(
        run.count("reloaded with"),
        1,
        "only the new port took a reload"
    );
    used.restart();
    wait_until("it replicates again", seconds(20), || used.replicates());
    run.wait_for_count("slave in file is ok", run.count("slave in file is ok") + 2);
    let (outage, _) = chain.outage(|| other.stop());
    chain.wait_until_at(used);
    assert!(outage < seconds(5), "{outage:?}");
    let line = format!("server mysql {}", used.endpoint());
    wait_until("the file follows", seconds(20), || {
        chain.haproxy.config().contains(&line)
    });
    other.cont();
}

#[test]
fn confd_watch_on_consul_moves_haproxy_through_its_socket() {
    let chain = Chain::start(2);
    let (confd, _checker) = chain.on_consul(&chain.resource(&chain.switching()));
    let (used, other) = chain.used_and_other();
    let (outage, _) = chain.outage(|| used.kill());
    chain.wait_until_at(other);
    assert!(outage < Duration::from_millis(500), "{outage:?}");
    confd.wait_for_log("its old sessions are cut");
    assert_eq!(confd.count("reloaded with"), 1, "{}", confd.log());
}

#[test]
fn without_a_socket_haproxy_is_reloaded() {
    let chain = Chain::start(2);
    let (confd, _checker) = chain.on_consul(&chain.resource(""));
    let (used, other) = chain.used_and_other();
    used.kill();
    chain.wait_until_at(other);
    confd.wait_for_count("reloaded with", 2);
}

#[test]
fn a_socket_that_is_missing_or_denied_means_a_reload() {
    let chain = Chain::start(2);
    let table = "[haproxy]\nsocket = \"/nonexistent/stats\"\n";
    let (confd, _checker) = chain.on_consul(&chain.resource(table));
    let (used, other) = chain.used_and_other();
    used.kill();
    chain.wait_until_at(other);
    confd.wait_for_log("haproxy is reloaded instead");
}

#[test]
fn sessions_end_after_a_forced_move_and_finish_after_a_voluntary_one() {
    let chain = Chain::start(2);
    let run = chain.run_with_store();
    run.wait_for_log("slave in file is ok");
    wait_until("the port greets", seconds(20), || greets(chain.port));
    let (used, other) = chain.used_and_other();
    let session = || mysql::Conn::new(chain.application(seconds(5))).expect("a session");
    let id = |session: &mut mysql::Conn| -> mysql::Result<Option<u32>> {
        session.query_first("SELECT @@server_id")
    };
    let mut lasting = session();
    used.sql("STOP SLAVE SQL_THREAD");
    chain.wait_until_at(other);
    assert_eq!(
        id(&mut lasting).unwrap(),
        Some(used.server_id()),
        "its session may finish"
    );
    used.sql("START SLAVE SQL_THREAD");
    wait_until("it replicates again", seconds(20), || used.replicates());
    let mut doomed = session();
    assert_eq!(id(&mut doomed).unwrap(), Some(other.server_id()));
    other.stop();
    chain.wait_until_at(used);
    // The server hangs and will never answer, but the session has ended.
    let asked = Instant::now();
    assert!(id(&mut doomed).is_err());
    assert!(asked.elapsed() < seconds(4), "the session went on");
    other.cont();
}
