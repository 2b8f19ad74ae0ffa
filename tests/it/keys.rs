//! How checkers read their keys from Consul: by questions that wait for news, and what becomes of
//! that when Consul, its ACLs or other writers are not as one would like.

use std::fmt::Write;
use std::time::{Duration, Instant};

use crate::listed::{Listed, QUICK, wait_for_more_ok};
use crate::support::checker::{Checker, CheckerBuilder};
use crate::support::consul::Consul;
use crate::support::memcached::Memcached;
use crate::support::tap::Tap;
use crate::support::{patience, seconds, wait_until};

/// What Consul may hold a question for, rounded up.
const WAIT: u64 = 3;

fn key(tag: &str) -> String {
    format!("haproxy/memcached/{tag}")
}

/// A section for each tag, all on one server.
fn conf(tags: &[String], server: &Memcached) -> String {
    let mut conf = String::new();
    for (port, tag) in (1..).zip(tags) {
        let server = server.endpoint();
        let section = format!("[{tag}]\ntype=memcached\nserver={server}\nproxyport={port}\n");
        let _ = write!(conf, "{section}");
    }
    conf
}

fn checker(tags: &[String], server: &Memcached, consul: &str) -> CheckerBuilder {
    CheckerBuilder::new("checkmemcached")
        .conf(&conf(tags, server))
        .args(["--consul", consul])
        .args(QUICK)
}

fn is_ok(tag: &str) -> String {
    format!("is ok: {tag} in consul")
}

/// Waits until each tag was well this many times more.
#[track_caller]
fn wait_for_each(checker: &Checker, tags: &[String], times: usize) {
    let wanted = |tag: &String| (is_ok(tag), checker.count(&is_ok(tag)) + times);
    let wanted: Vec<(String, usize)> = tags.iter().map(wanted).collect();
    for (ok, count) in &wanted {
        checker.wait_for_count(ok, *count);
    }
}

fn tags(count: usize) -> Vec<String> {
    (1..=count).map(|number| format!("t{number}")).collect()
}

#[test]
fn many_tags_cost_consul_one_query_while_nothing_changes() {
    let (consul, cache) = (Consul::start(), Memcached::start());
    let tap = Tap::before(consul.endpoint());
    let tags = tags(30);
    let checker = checker(&tags, &cache, &tap.endpoint()).start();
    wait_for_each(&checker, &tags, 2);
    // The last of the writes may still be asked about.
    std::thread::sleep(Duration::from_secs(WAIT));
    tap.clear();
    let started = Instant::now();
    wait_for_each(&checker, &tags, 30);
    let took = started.elapsed().as_secs();
    let asked = tap.asked();
    // Each list is asked for by one of the tags, for all of them: their keys when something changes or
    // after some seconds, their orders every 2 s.
    let most = usize::try_from(2 + took / 2).unwrap();
    for list in [
        "GET /v1/kv/haproxy/memcached/?recurse&index=",
        "GET /v1/kv/haproxy/overrides/memcached/?recurse",
    ] {
        let of_it = asked.iter().filter(|line| line.starts_with(list)).count();
        assert!((1..=most).contains(&of_it), "in {took} s: {asked:#?}");
    }
    assert!(asked.len() <= 2 * most, "in {took} s: {asked:#?}");
    for question in &asked {
        assert!(question.contains("?recurse"), "{question}");
    }
}

#[test]
fn one_tag_asks_for_its_own_key_alone_and_one_look_asks_without_waiting() {
    let (consul, cache) = (Consul::start(), Memcached::start());
    let tap = Tap::before(consul.endpoint());
    let one = tags(1);
    let checker = checker(&one, &cache, &tap.endpoint()).start();
    wait_for_each(&checker, &one, 10);
    let paths = ["", "overrides/"].map(|part| format!("/v1/kv/haproxy/{part}memcached/t1?"));
    let asked = tap.asked();
    assert!(
        asked.iter().any(|line| line.contains("index=")),
        "{asked:#?}"
    );
    for question in &asked {
        let bare = format!("{question}?");
        assert!(paths.iter().any(|path| bare.contains(path)), "{question}");
    }
    drop(checker);
    for options in [["--once"], ["--dry-run"]] {
        tap.clear();
        let checker = self::checker(&one, &cache, &tap.endpoint())
            .args(options)
            .start();
        checker.wait_for_log(&is_ok("t1"));
        wait_until("it has asked", seconds(10), || !tap.asked().is_empty());
        for question in tap.asked() {
            let bare = format!("{question}?");
            assert!(paths.iter().any(|path| bare.contains(path)), "{question}");
            assert!(!question.contains("index="), "{question}");
        }
    }
}

#[test]
fn a_key_moved_by_somebody_else_is_followed_within_a_cycle() {
    let caches = [Memcached::start(), Memcached::start()];
    let servers = caches.each_ref().map(Memcached::endpoint);
    let listed = Listed::memcached(&servers.join(","));
    let checker = listed.settled(&[]);
    let mut best = Duration::MAX;
    for round in 1..=6 {
        let wanted = &servers[round % 2];
        let line = format!("current {wanted} is ok");
        let before = checker.count(&line);
        let started = Instant::now();
        listed.point_at(wanted);
        wait_until("it is followed", seconds(10), || {
            checker.count(&line) > before
        });
        best = best.min(started.elapsed());
    }
    // A cycle is 0.3 s here; the answer to a question that nothing has woken takes 2.8 s.
    assert!(best < patience(Duration::from_millis(900)), "{best:?}");
    assert_eq!(checker.count("set new"), 1, "{}", checker.log());
}

#[test]
fn a_hung_consul_is_noticed_in_seconds_and_the_checks_go_on_meanwhile() {
    let cache = Memcached::start();
    let listed = Listed::memcached(&cache.endpoint());
    let checker = listed.settled(&[]);
    let index = listed.index();
    listed.consul.stop();
    let started = Instant::now();
    let line = format!(
        "mem11211 stays on {}, which is up: reading {} from consul http://{}: timed out after",
        cache.endpoint(),
        listed.key,
        listed.consul.endpoint()
    );
    checker.wait_for_log(&line);
    let took = started.elapsed();
    assert!(took < patience(seconds(9)), "{took:?}");
    // If each look waited for Consul in vain, this would take 12 s.
    let started = Instant::now();
    checker.wait_for_count(&line, checker.count(&line) + 4);
    let took = started.elapsed();
    assert!(took < patience(seconds(4)), "{took:?}");
    listed.consul.cont();
    wait_for_more_ok(&checker, 2);
    assert_eq!(listed.index(), index);
}

#[test]
fn a_token_that_cannot_read_one_key_of_many_never_takes_it_for_absent() {
    let (consul, cache) = (Consul::start_acl(), Memcached::start());
    let tags = tags(2);
    let rule = format!("key \"{}\" {{ policy = \"write\" }}", key("t1"));
    let token = consul.token("first", &rule);
    let value = r#"{"name":"t2", "host":"10.0.0.1", "port":1, "proxyport":2}"#;
    consul.put(&key("t2"), value);
    let checker = checker(&tags, &cache, &consul.endpoint())
        .env("CONSUL_HTTP_TOKEN", &token.secret)
        .start();
    wait_for_each(&checker, &tags[..1], 10);
    let denied = format!("read permission on {} is missing", key("t2"));
    checker.wait_for_count(&denied, 2);
    assert_eq!(checker.count("there is no t2"), 0, "{}", checker.log());
    assert_eq!(consul.value(&key("t2")), value);
}

#[test]
fn where_consul_denies_lists_each_key_is_asked_for() {
    let (consul, cache) = (Consul::start_acl_for_lists(), Memcached::start());
    let tags = tags(2);
    let rule = |tag: &String| {
        let key = key(tag);
        let orders = key.replace("haproxy/", "haproxy/overrides/");
        format!(
            "key \"{key}\" {{ policy = \"write\" }}\nkey \"{orders}\" {{ policy = \"read\" }}\n"
        )
    };
    let token = consul.token("both", &tags.iter().map(rule).collect::<String>());
    let list = consul.request_as(&token.secret, "GET", "/v1/kv/haproxy/memcached/?recurse");
    assert_eq!(list.status, 403, "{}", list.text());
    let checker = checker(&tags, &cache, &consul.endpoint())
        .env("CONSUL_HTTP_TOKEN", &token.secret)
        .start();
    wait_for_each(&checker, &tags, 5);
    // Not "403" alone: each line opens with a time in milliseconds.
    assert_eq!(checker.count(": 403 "), 0, "{}", checker.log());
    assert_eq!(checker.count("set new"), 2, "{}", checker.log());
}

#[test]
fn a_key_deleted_among_many_is_made_again_at_once() {
    let (consul, cache) = (Consul::start(), Memcached::start());
    let tags = tags(3);
    let checker = checker(&tags, &cache, &consul.endpoint()).start();
    wait_for_each(&checker, &tags, 2);
    for round in 1..=3 {
        consul.delete(&key("t2"));
        wait_until("it is there again", seconds(10), || {
            consul.get(&key("t2")).is_some()
        });
        checker.wait_for_count("there is no t2 in consul", round + 1);
    }
    assert_eq!(checker.count("set new"), 6, "{}", checker.log());
}
