//! checkmemcached and servers that are ill, full, denied, cut off, or no memcached at all.

use std::time::{Duration, Instant};

use crate::listed::{Listed, leaves_nothing_behind, wait_for_more, wait_for_more_ok};
use crate::support::consul::Consul;
use crate::support::mariadb::MariaDb;
use crate::support::memcached::{Memcached, Options, list};
use crate::support::misbehave::{Misbehaving, Mode};
use crate::support::netns::Network;
use crate::support::old_memcached::OldMemcached;
use crate::support::redis::Redis;

/// The key names an ill server, and a good one is in the list: it is left with these words.
#[track_caller]
fn is_left(ill: &str, words: &str) {
    let good = Memcached::start();
    let listed = Listed::memcached(&format!("{ill},{}", good.endpoint()));
    listed.point_at(ill);
    let checker = listed.checker(&[]);
    checker.wait_for_log(&format!("{ill} is down: {words}"));
    listed.wait_until_at(&good.endpoint());
    assert_eq!(listed.kv().flags, 1, "not a forced move");
    // Nor is it elected.
    let index = listed.index();
    good.kill();
    checker.wait_for_log("there is no alive server!");
    assert_eq!(listed.index(), index, "{}", checker.log());
}

#[test]
fn a_memcached_that_closes_or_resets_is_left() {
    for mode in [Mode::Close, Mode::Reset] {
        is_left(
            &Misbehaving::start(mode).endpoint(),
            "connection closed by the server",
        );
    }
}

#[test]
fn a_memcached_that_accepts_and_says_nothing_or_drops_packets_is_left() {
    for mode in [Mode::Silent, Mode::Full] {
        is_left(&Misbehaving::start(mode).endpoint(), "no answer in 1 s");
    }
}

#[test]
fn a_real_redis_is_no_memcached() {
    is_left(&Redis::start().endpoint(), "does not speak the protocol");
}

#[test]
fn a_real_mariadb_is_no_memcached() {
    is_left(&MariaDb::start().endpoint(), "does not speak the protocol");
}

#[test]
fn a_real_web_server_is_no_memcached() {
    is_left(&Consul::start().endpoint(), "does not speak the protocol");
}

#[test]
fn garbage_is_no_memcached() {
    let server = Misbehaving::start(Mode::garbage());
    is_left(&server.endpoint(), "does not speak the protocol");
}

/// The checker's own item is there when the memory gets full, so that every second `set` of it
/// succeeds: that must not be taken for health.
#[test]
fn a_memcached_that_got_full_and_evicts_nothing_is_left_and_never_elected() {
    let full = Memcached::with(Options::small_without_eviction());
    let good = Memcached::start();
    let listed = Listed::memcached(&list([&full, &good]));
    let checker = listed.settled(&[]);
    assert_eq!(listed.current(), full.endpoint());
    full.fill();
    listed.wait_until_at(&good.endpoint());
    let words = "is down: not serving: ";
    checker.wait_for_log(&format!("{} {words}", full.endpoint()));
    checker.wait_for_log("out of memory storing object");
    assert_eq!(listed.kv().flags, 1, "not a forced move");
    wait_for_more_ok(&checker, 2);
}

#[test]
fn a_memcached_that_was_full_before_is_never_elected() {
    let full = Memcached::with(Options::small_without_eviction());
    full.fill();
    let good = Memcached::start();
    let listed = Listed::memcached(&list([&full, &good]));
    let checker = listed.settled(&[]);
    assert_eq!(listed.current(), good.endpoint(), "{}", checker.log());
}

#[test]
fn of_two_memcacheds_that_are_full_the_one_in_use_is_kept() {
    let pair = [(); 2].map(|()| Memcached::with(Options::small_without_eviction()));
    let listed = Listed::memcached(&list(&pair));
    let checker = listed.settled(&[]);
    // Both have held the value that is written in a check, so that either has room for it at times.
    pair[0].fill();
    listed.wait_until_at(&pair[1].endpoint());
    wait_for_more_ok(&checker, 2);
    let index = listed.index();
    pair[1].fill();
    let cry = "there is no alive server! mem11211 stays as it is: ";
    wait_for_more(&checker, cry, 4);
    assert_eq!(listed.index(), index, "{}", checker.log());
}

#[test]
fn a_memcached_that_wants_a_login_is_our_own_trouble_and_moves_nothing() {
    let closed = Memcached::with(Options::default().account("app:s3cret"));
    let good = Memcached::start();
    let listed = Listed::memcached(&list([&closed, &good]));
    // It is not elected, though it is the first.
    let checker = listed.settled(&[]);
    assert_eq!(listed.current(), good.endpoint(), "{}", checker.log());
    // And it is not left.
    listed.point_at(&closed.endpoint());
    let index = listed.index();
    let line = format!("{}, whose health is unknown: ", closed.endpoint());
    checker.wait_for_count(&line, 4);
    assert_eq!(listed.index(), index, "{}", checker.log());
    let (code, said) = listed.once(&[]);
    assert_eq!(code, 3, "{said}");
}

#[test]
fn an_old_memcached_is_asked_in_its_own_words() {
    let old = OldMemcached::start();
    let listed = Listed::memcached(&old.endpoint());
    let checker = listed.settled(&[]);
    assert_eq!(listed.current(), old.endpoint(), "{}", checker.log());
    assert!(old.has("consul_conn_key"));
}

#[test]
fn a_memcached_whose_link_is_cut_is_left() {
    let network = Network::new();
    let proxy = network.host("proxy");
    let hosts = ["first", "second"].map(|name| network.host(name));
    let servers = hosts
        .each_ref()
        .map(|host| Memcached::with(Options::on_host(host, 11211)));
    let mut listed = Listed::memcached(&list(&servers));
    listed.consul = Consul::start_on(&proxy);
    let checker = listed.builder(&[]).netns(proxy.namespace()).start();
    wait_for_more_ok(&checker, 2);
    assert_eq!(listed.current(), servers[0].endpoint());
    let cut = Instant::now();
    network.cut(&hosts[0]);
    listed.wait_until_at(&servers[1].endpoint());
    assert!(
        cut.elapsed() < Duration::from_secs(6),
        "{:?}",
        cut.elapsed()
    );
    network.cut(&hosts[1]);
    checker.wait_for_log("there is no alive server!");
    network.mend(&hosts[1]);
    wait_for_more(
        &checker,
        &format!("current {} is ok", servers[1].endpoint()),
        1,
    );
    assert_eq!(listed.current(), servers[1].endpoint());
}

/// One that is stopped, and one that is stopped with a queue for one connection.
#[test]
fn a_thousand_checks_of_hung_memcacheds_leave_no_thread_and_no_descriptor_behind() {
    let servers = [
        Memcached::start(),
        Memcached::with(Options::default().args(&["-b", "1"])),
    ];
    let endpoints = servers.each_ref().map(Memcached::endpoint);
    let words = ["checkmemcached", "--verbose"];
    leaves_nothing_behind(words, "memcached", &endpoints, |hang| {
        for server in &servers {
            if hang {
                server.stop();
            } else {
                server.cont();
            }
        }
    });
}
