//! Whole conversations of real servers, mutated: whatever is said is a health, in time.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use confd_haproxy::checker::memcached::{self, MemcachedChecker};
use confd_haproxy::checker::mysql::{self, MysqlChecker};
use confd_haproxy::checker::redis::{self, RedisChecker};
use confd_haproxy::checker::{Checker, Health};
use confd_haproxy::endpoint::Endpoint;
use confd_haproxy::haproxy::diff::ServerChange;
use confd_haproxy::haproxy::runtime::{Runtime, Sessions};
use confd_haproxy::resolve::Resolver;
use confd_haproxy::secret::Secret;

use crate::alone::alone;
use crate::cases::run;
use crate::mutate::Random;
use crate::replay::{Replay, Turns, recording};

const TIMEOUT: Duration = Duration::from_millis(50);
/// What a busy machine may add to twice the timeout.
const SLACK: Duration = Duration::from_secs(2);

#[test]
fn a_mysql_server_that_talks_nonsense_has_a_health_and_ends_nobody() {
    let me = "servers::a_mysql_server_that_talks_nonsense_has_a_health_and_ends_nobody";
    alone(me, || {
        let recordings = [
            "mariadb-primary",
            "mariadb-replica",
            "mysql-primary",
            "mysql-replica",
        ]
        .map(recording);
        let peer = Replay::start();
        let server: Endpoint = peer.endpoint.parse().unwrap();
        let mut panics = 0;
        run("mysql", |random| {
            let turns = repacked(random, &recordings);
            match random.one_in(2) {
                true => peer.mutate(random, &recordings),
                false => peer.say(turns),
            }
            let primary = match random.one_in(2) {
                true => server.clone(),
                false => "127.0.0.1:1".parse().unwrap(),
            };
            let mut checker = MysqlChecker::new(mysql::Settings {
                tag: "t".parse().unwrap(),
                primary,
                user: "monitor".to_owned(),
                password: Secret::new("s3cret"),
                // The key that a server shows is one more thing to be mutated.
                tls: None,
                get_public_key: true,
                timeout: TIMEOUT,
                max_lag: 30,
                fallback: true,
                replicas: Vec::new(),
                resolver: Resolver::system(),
                connect_level: log::Level::Debug,
            });
            let health = in_time(|| checker.check(&server));
            panics += usize::from(health.to_string().contains("the check gave up"));
            if random.one_in(8) {
                checker.survey(None);
            }
        });
        println!("the parser panicked {panics} times");
    });
}

#[test]
fn a_memcached_that_talks_nonsense_has_a_health_and_ends_nobody() {
    let me = "servers::a_memcached_that_talks_nonsense_has_a_health_and_ends_nobody";
    alone(me, || {
        let recordings = [recording("memcached")];
        let peer = Replay::start();
        let server: Endpoint = peer.endpoint.parse().unwrap();
        run("memcached", |random| {
            peer.mutate(random, &recordings);
            let mut checker = MemcachedChecker::new(memcached::Settings {
                servers: vec![server.clone()],
                flush: random.one_in(2),
                timeout: TIMEOUT,
                resolver: Resolver::system(),
            });
            in_time(|| checker.check(&server));
        });
    });
}

#[test]
fn a_redis_or_a_sentinel_that_talks_nonsense_has_a_health_and_ends_nobody() {
    let me = "servers::a_redis_or_a_sentinel_that_talks_nonsense_has_a_health_and_ends_nobody";
    alone(me, || {
        let servers = ["redis-master", "redis-replica"].map(recording);
        let sentinels = [recording("sentinel")];
        let (peer, watcher) = (Replay::start(), Replay::start());
        let server: Endpoint = peer.endpoint.parse().unwrap();
        run("redis", |random| {
            peer.mutate(random, &servers);
            watcher.mutate(random, &sentinels);
            let with_sentinel = random.one_in(2);
            let mut checker = RedisChecker::new(redis::Settings {
                servers: vec![server.clone()],
                sentinels: match with_sentinel {
                    true => vec![watcher.endpoint.parse().unwrap()],
                    false => Vec::new(),
                },
                master_name: "mymaster".to_owned(),
                account: redis::Account::default(),
                sentinel_account: redis::Account::default(),
                tls: None,
                timeout: TIMEOUT,
                resolver: Resolver::system(),
            });
            in_time(|| checker.check(&server));
            if random.one_in(4) {
                checker.survey(None);
            }
        });
    });
}

#[test]
fn an_haproxy_that_talks_nonsense_is_an_error_and_never_a_success() {
    let recordings = [recording("haproxy")];
    let peer = Replay::start();
    let runtime = Runtime::parse(&peer.endpoint).unwrap();
    run("haproxy", |random| {
        peer.mutate(random, &recordings);
        let change = ServerChange {
            proxy: "a".to_owned(),
            server: "s".to_owned(),
            from: "127.0.0.1:1".to_owned(),
            to_ip: "127.0.0.9".parse().unwrap(),
            to_port: "9".parse().unwrap(),
        };
        let error = runtime.switch(&[(change, Sessions::Cut)]);
        let addresses: BTreeMap<_, _> = runtime.addresses().unwrap_or_default();
        // It was never told of 127.0.0.9, so who says that all is done must have said so itself.
        if error.is_ok() {
            assert!(
                addresses
                    .values()
                    .any(|(ip, _)| ip.to_string() == "127.0.0.9")
            );
        }
    });
}

fn in_time(check: impl FnOnce() -> Health) -> Health {
    let started = Instant::now();
    let health = check();
    let took = started.elapsed();
    assert!(took < TIMEOUT * 2 + SLACK, "{took:?}: {health}");
    health
}

/// A recording with the payloads of some packets changed, and their lengths right again: most
/// other changes are noticed before anybody looks into a packet.
fn repacked(random: &mut Random, recordings: &[Turns]) -> Turns {
    let mut turns = random.pick(recordings).clone();
    let others: Vec<Vec<u8>> = recordings.iter().flatten().cloned().collect();
    for _ in 0..1 + random.below(3) {
        let at = random.below(turns.len());
        let mut packets = packets(&turns[at]);
        if !packets.is_empty() {
            let place = random.below(packets.len());
            let (sequence, payload) = &mut packets[place];
            match random.below(8) {
                0 => payload.clear(),
                1 => *sequence = sequence.wrapping_add(1),
                _ => random.change(payload, &others),
            }
        }
        let packed = packets.iter().flat_map(|(sequence, payload)| {
            let length = u32::try_from(payload.len()).unwrap().to_le_bytes();
            [&length[..3], &[*sequence], payload].concat()
        });
        turns[at] = packed.collect();
    }
    turns
}

/// The whole packets in some bytes: sequence number and payload.
fn packets(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut found = Vec::new();
    while let [a, b, c, sequence, rest @ ..] = bytes {
        let length = usize::try_from(u32::from_le_bytes([*a, *b, *c, 0])).unwrap();
        let Some((payload, after)) = rest.split_at_checked(length) else {
            break;
        };
        found.push((*sequence, payload.to_vec()));
        bytes = after;
    }
    found
}
