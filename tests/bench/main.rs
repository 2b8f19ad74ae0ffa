//! Measures, and asserts nothing: how long a failover takes, and what a tag costs. `make bench`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    missing_docs,
    unreachable_pub,
    dead_code,
    clippy::wildcard_enum_match_arm
)]

#[path = "../it/chain.rs"]
mod chain;
#[path = "../it/listed.rs"]
mod listed;
mod lists;
#[path = "../it/scene.rs"]
mod scene;
#[path = "../it/support/mod.rs"]
mod support;

use std::fmt::Write;
use std::fs;
use std::time::{Duration, Instant};

use chain::Chain;
use scene::{KEY, Scene, endpoint_of, section, wait_for_more_ok};
use support::checker::{Checker, CheckerBuilder};
use support::consul::Seen;
use support::mariadb::MariaDb;
use support::{seconds, wait_until};

const KILLS: usize = 10;
const STOPS: usize = 5;

fn main() {
    let scene = Scene::start(2);
    failovers(&scene);
    costs(&scene, 1);
    costs(&scene, 20);
    drop(scene);
    let chain = Chain::start(2);
    {
        let _run = chain.run_with_store();
        outages(&chain, "run --store, Runtime API");
    }
    let checker = chain.checker();
    {
        let _confd = chain.confd_watch(&chain.resource(&chain.switching()));
        outages(&chain, "Consul and confd -watch, Runtime API");
    }
    let _confd = chain.confd_watch(&chain.resource(""));
    outages(&chain, "Consul and confd -watch, reload");
    drop(checker);
    lists::memcached();
    lists::redis();
}

/// From a kill to the first greeting through the port.
fn outages(chain: &Chain, how: &str) {
    wait_until("the port greets", seconds(30), || chain::greets(chain.port));
    let (mut times, mut lost) = (Vec::new(), 0);
    for _ in 0..KILLS {
        let (used, other) = chain.used_and_other();
        let (outage, failed) = chain.outage(|| used.kill());
        chain.wait_until_at(other);
        times.push(outage);
        lost += failed;
        used.restart();
        wait_until("it replicates again", seconds(30), || used.replicates());
        // More than a cycle, so that every part has come to rest.
        std::thread::sleep(Duration::from_millis(2500));
    }
    print(
        &format!("{how}: kill -9, greeting after"),
        "ms",
        &times,
        |d| d.as_secs_f64() * 1e3,
    );
    println!(
        "    connections lost by a client that reconnects every 5 ms: {lost} in {KILLS} rounds"
    );
}

/// Rounds of a fault on the replica in use, with the settings that a user has by default.
fn failovers(scene: &Scene) {
    let checker = scene.checker("");
    wait_for_more_ok(&checker, 2);
    let kills = (0..KILLS).map(|_| {
        round(
            scene,
            &checker,
            |server| server.kill(),
            |server| {
                server.restart();
                wait_until("it replicates again", seconds(30), || server.replicates());
            },
        )
    });
    print(
        "kill -9, key moved after",
        "ms",
        &kills.collect::<Vec<_>>(),
        |d| d.as_secs_f64() * 1e3,
    );
    let stops = (0..STOPS).map(|_| {
        round(
            scene,
            &checker,
            |server| server.stop(),
            |server| server.cont(),
        )
    });
    print(
        "SIGSTOP, key moved after",
        "s",
        &stops.collect::<Vec<_>>(),
        |d| d.as_secs_f64(),
    );
}

fn round(
    scene: &Scene,
    checker: &Checker,
    fault: impl Fn(&MariaDb),
    repair: impl Fn(&MariaDb),
) -> Duration {
    let (used, other) = scene.used_and_other();
    let history = scene.consul.history(KEY);
    let start = Instant::now();
    fault(used);
    scene.wait_until_at(other);
    let moved_at = || {
        let is_there = |seen: &Seen| {
            seen.kv
                .as_ref()
                .is_some_and(|kv| endpoint_of(&kv.value) == other.endpoint())
        };
        history
            .seen()
            .into_iter()
            .find(is_there)
            .map(|seen| seen.at)
    };
    wait_until("the history saw the move", seconds(5), || {
        moved_at().is_some()
    });
    let took = moved_at().expect("seen just now") - start;
    repair(used);
    wait_for_more_ok(checker, 2);
    took
}

/// Memory, threads and CPU of a process with so many tags, after some seconds.
fn costs(scene: &Scene, tags: usize) {
    let conf = (0..tags).fold(String::new(), |mut conf, number| {
        let section = section(&format!("t{number}"), &scene.db.primary, "");
        writeln!(
            conf,
            "{}",
            section.replace("13351", &(20_000 + number).to_string())
        )
        .unwrap();
        conf
    });
    let checker = CheckerBuilder::new("checkmysqlslave")
        .conf(&conf)
        .args(["--consul", &scene.consul.endpoint()])
        .start();
    wait_for_more_ok(&checker, tags * 3);
    let pid = checker.daemon().pid();
    let before = cpu(pid);
    wait_for_more_ok(&checker, tags * 10);
    let per_check = (cpu(pid) - before) / (tags * 10) as f64;
    println!(
        "{tags:>3} tags: RSS {} kB (peak {} kB), {} threads, {:.2} ms CPU per cycle",
        status(pid, "VmRSS"),
        status(pid, "VmHWM"),
        status(pid, "Threads"),
        per_check * 1e3
    );
}

fn status(pid: u32, name: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// User and system time in seconds; the clock of /proc has 100 ticks a second.
fn cpu(pid: u32) -> f64 {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = text
        .rsplit_once(')')
        .unwrap()
        .1
        .split_whitespace()
        .collect();
    let ticks = |at: usize| fields[at].parse::<f64>().unwrap();
    (ticks(11) + ticks(12)) / 100.0
}

fn print(what: &str, unit: &str, times: &[Duration], scale: impl Fn(Duration) -> f64) {
    let mut values: Vec<f64> = times.iter().map(|time| scale(*time)).collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let median = match values.len() % 2 {
        0 => (values[middle - 1] + values[middle]) / 2.0,
        _ => values[middle],
    };
    let (least, most) = (values[0], values[values.len() - 1]);
    println!(
        "{what}: median {median:.2} {unit} ({least:.2} to {most:.2}, {} rounds)",
        values.len()
    );
}
