//! How long a failover of a memcached and of a Redis master takes, until the key has moved.

use std::time::{Duration, Instant};

use crate::Bench;
use crate::figures::{Figures, Unit};
use crate::listed::{Listed, wait_for_more_ok};
use crate::scene::endpoint_of;
use crate::support::checker::Checker;
use crate::support::consul::{Consul, History, Seen};
use crate::support::memcached::{self, Memcached};
use crate::support::redis::{self, Redis};
use crate::support::sentinel::{NAME, Sentinels};
use crate::support::{seconds, wait_until};
use crate::table::Line;

pub fn measure(bench: &Bench) -> Vec<Line> {
    let mut lines = memcached(bench);
    lines.extend(redis(bench));
    lines
}

/// A checker with the settings that a user has by default: the last ones given hold.
fn checker(listed: &Listed) -> Checker {
    listed.settled(&["--timeout", "1", "--interval", "1"])
}

const MS: Unit = Unit("ms");

fn figures(times: impl IntoIterator<Item = Duration>) -> Figures {
    Figures::new(MS, times.into_iter().map(|time| time.as_secs_f64() * 1e3))
}

/// When the key named this server first.
fn moved_at(history: &History, endpoint: &str) -> Instant {
    let is_there = |seen: &Seen| {
        let kv = seen.kv.as_ref();
        kv.is_some_and(|kv| endpoint_of(&kv.value) == endpoint)
    };
    let mut at = None;
    wait_until("the history saw the move", seconds(30), || {
        at = history
            .seen()
            .into_iter()
            .find(is_there)
            .map(|seen| seen.at);
        at.is_some()
    });
    at.expect("seen just now")
}

/// A kill moves at once, a hang after two timeouts.
fn memcached(bench: &Bench) -> Vec<Line> {
    let servers = [Memcached::start(), Memcached::start()];
    let listed = Listed::memcached(&memcached::list(&servers));
    let checker = checker(&listed);
    let round = |fault: &dyn Fn(&Memcached), repair: &dyn Fn(&Memcached)| {
        let current = listed.current();
        let is_used = |server: &&Memcached| server.endpoint() == current;
        let used = servers.iter().find(is_used).expect("one is in use");
        let other = servers.iter().find(|one| !is_used(one)).expect("another");
        let history = listed.consul.history(&listed.key);
        let start = Instant::now();
        fault(used);
        let took = moved_at(&history, &other.endpoint()) - start;
        repair(used);
        wait_for_more_ok(&checker, 2);
        took
    };
    let kills = (0..bench.rounds(4)).map(|_| round(&Memcached::kill, &Memcached::restart));
    let kills = Line::alone("memcached: kill, to the key", figures(kills));
    let hangs = (0..bench.rounds(2)).map(|_| round(&Memcached::stop, &Memcached::cont));
    let hangs = Line::alone("memcached: hang, to the key", figures(hangs));
    vec![kills, hangs]
}

/// The time from the Sentinels' agreement is the checker's; the rest is theirs.
fn redis(bench: &Bench) -> Vec<Line> {
    let group = Redis::group(2);
    let sentinels = Sentinels::start(&group);
    let listed = Listed::redis_in(Consul::start()).servers(&[
        "--server",
        &redis::list(&group),
        "--sentinel",
        &sentinels.list(),
        "--master-name",
        NAME,
    ]);
    let checker = checker(&listed);
    let round = |fault: &dyn Fn(&Redis), repair: &dyn Fn(&Redis)| {
        let current = listed.current();
        let at = |endpoint: &str| group.iter().find(|one| one.endpoint() == endpoint);
        let used = at(&current).expect("one is in use");
        let history = listed.consul.history(&listed.key);
        let start = Instant::now();
        fault(used);
        let new = sentinels.wait_for_master(|master| master != current);
        let agreed = Instant::now();
        let moved = moved_at(&history, &new);
        repair(used);
        let new = at(&new).expect("one of the group");
        used.wait_until_replica_of(new);
        let others: Vec<&Redis> = group
            .iter()
            .filter(|one| one.port() != new.port())
            .collect();
        sentinels.wait_until_they_know(&others);
        wait_for_more_ok(&checker, 2);
        // The fixture looks every 10 ms, and so may be later than the checker.
        (moved - start, moved.saturating_duration_since(agreed))
    };
    let kills = (0..bench.rounds(3)).map(|_| round(&Redis::kill, &Redis::restart));
    let mut lines = rows("kill", kills.unzip()).to_vec();
    let hangs = (0..bench.rounds(2)).map(|_| round(&Redis::stop, &Redis::cont));
    lines.extend(rows("hang", hangs.unzip()));
    lines
}

fn rows(fault: &str, (whole, ours): (Vec<Duration>, Vec<Duration>)) -> [Line; 2] {
    let what = format!("Redis, three Sentinels: {fault}, to the key");
    let after = format!("{what} after they agree");
    [
        Line::alone(&what, figures(whole)),
        Line::alone(&after, figures(ours)),
    ]
}
