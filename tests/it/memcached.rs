//! checkmemcached with real servers: which one it takes, when it moves, and when not.

use std::time::{Duration, Instant};

use crate::listed::{Listed, wait_for_more, wait_for_more_ok};
use crate::support::checker::{CheckerBuilder, run_to_end};
use crate::support::memcached::{Memcached, list};
use crate::support::misbehave::{Misbehaving, Mode};
use crate::support::{free_port, seconds, wait_until};

fn servers(count: usize) -> (Vec<Memcached>, Listed) {
    let servers: Vec<Memcached> = (0..count).map(|_| Memcached::start()).collect();
    let listed = Listed::memcached(&list(&servers));
    (servers, listed)
}

/// A port where nobody listens, as a server of the list.
fn nobody() -> String {
    format!("127.0.0.1:{}", free_port())
}

#[test]
fn the_first_server_of_the_list_is_taken_and_kept() {
    let (servers, listed) = servers(3);
    let checker = listed.settled(&[]);
    let first = servers[0].endpoint();
    let value = listed.value(&first, servers[0].port() + 5000);
    assert_eq!(listed.kv().value, value);
    assert_eq!(listed.kv().flags, 1);
    checker.wait_for_log(&format!("set new alive {first} with tag mem11211 ok: "));
    checker.wait_for_log(&format!("current {first} is ok: "));
    let index = listed.index();
    wait_for_more_ok(&checker, 5);
    assert_eq!(listed.index(), index, "written again without a reason");
    assert!(servers[0].client().stat("cmd_set").unwrap() > 0, "it sets");
    assert!(servers[0].client().stat("get_hits").unwrap() > 0, "it gets");
}

#[test]
fn the_order_of_the_list_decides_and_the_dead_are_passed_over() {
    let servers: Vec<Memcached> = (0..2).map(|_| Memcached::start()).collect();
    let mut ports: Vec<u16> = servers.iter().map(Memcached::port).collect();
    ports.sort_unstable();
    let [low, high] = [ports[0], ports[1]].map(|port| format!("127.0.0.1:{port}"));
    let dead = nobody();
    let listed = Listed::memcached(&format!("{dead},{high},{low}"));
    let checker = listed.settled(&[]);
    assert_eq!(listed.current(), high, "{}", checker.log());
    let dead_port: u16 = dead.rsplit_once(':').unwrap().1.parse().unwrap();
    let expected = listed.value(&high, dead_port + 5000);
    assert_eq!(
        listed.kv().value,
        expected,
        "the proxy port is that of the first of the list"
    );
}

#[test]
fn a_killed_memcached_is_left_at_once_and_not_gone_back_to() {
    let (servers, listed) = servers(2);
    let checker = listed.settled(&[]);
    let (first, second) = (servers[0].endpoint(), servers[1].endpoint());
    let killed = Instant::now();
    servers[0].kill();
    listed.wait_until_at(&second);
    // Less than an interval; the exact figure is the benchmark's.
    let took = killed.elapsed();
    assert!(took < Duration::from_millis(300), "{took:?}");
    assert_eq!(listed.kv().flags, 1, "not a forced move");
    checker.wait_for_log(&format!(
        "set new alive {second} with tag mem11211 ok: {first} is down"
    ));
    checker.wait_for_log(&format!("{second} is up; forced move"));
    let index = listed.index();
    servers[0].restart();
    wait_for_more_ok(&checker, 5);
    assert_eq!(listed.index(), index, "moved back");
}

#[test]
fn a_hung_memcached_is_left_after_fall_timeouts_and_not_gone_back_to() {
    let (servers, listed) = servers(2);
    let checker = listed.settled(&[]);
    let stopped = Instant::now();
    servers[0].stop();
    listed.wait_until_at(&servers[1].endpoint());
    let took = stopped.elapsed();
    // The look under way may have begun just before.
    let (least, most) = (Duration::from_secs(1), Duration::from_millis(3500));
    assert!(took > least && took < most, "{took:?}");
    let line = format!(
        "{} is down: no answer in 1 s (1 of 2)",
        servers[0].endpoint()
    );
    checker.wait_for_log(&line);
    servers[0].cont();
    let index = listed.index();
    wait_for_more_ok(&checker, 5);
    assert_eq!(listed.index(), index, "moved back");
}

#[test]
fn when_all_are_down_the_key_stays_and_the_first_that_is_back_is_taken_within_a_cycle() {
    let (servers, listed) = servers(2);
    let checker = listed.settled(&[]);
    servers[1].kill();
    let index = listed.index();
    servers[0].kill();
    checker.wait_for_log("there is no alive server! mem11211 stays as it is: ");
    assert_eq!(listed.index(), index, "written without a server");
    let back = Instant::now();
    servers[1].restart();
    listed.wait_until_at(&servers[1].endpoint());
    // An interval of 0.3 s, a check, and a restart.
    assert!(
        back.elapsed() < Duration::from_millis(1500),
        "{:?}",
        back.elapsed()
    );
    wait_for_more_ok(&checker, 2);
}

#[test]
fn the_server_of_the_key_may_come_back_itself() {
    let (servers, listed) = servers(1);
    let checker = listed.settled(&[]);
    let index = listed.index();
    servers[0].kill();
    checker.wait_for_log("there is no alive server!");
    servers[0].restart();
    wait_for_more_ok(&checker, 2);
    assert_eq!(listed.index(), index, "nothing to write");
}

#[test]
fn while_nobody_is_alive_the_log_backs_off_and_the_checks_do_not() {
    let ill = Misbehaving::start(Mode::Close);
    let listed = Listed::memcached(&ill.endpoint());
    let checker = listed.checker(&["--interval", "0.05"]);
    let line = "there is no alive server!";
    checker.wait_for_log(line);
    // More than sixty cycles, of which each makes one connection or two.
    ill.wait_for_connections(ill.connections() + 130);
    let said = checker.count(line);
    assert!(said < 25, "{said} lines in more than sixty cycles");
    assert!(listed.consul.get(&listed.key).is_none());
}

#[test]
fn a_server_that_is_listed_twice_is_asked_once() {
    let (first, second) = (nobody(), nobody());
    let listed = Listed::memcached(&format!("{first},{second},{first},{second},{second}"));
    let (code, said) = listed.once(&[]);
    assert_eq!(code, 2, "{said}");
    let line = said
        .lines()
        .find(|line| line.contains("there is no alive server!"));
    let line = line.unwrap_or_else(|| panic!("{said}"));
    assert_eq!(line.matches(second.as_str()).count(), 1, "{line}");
    // With what has no other name.
    let server = Memcached::start();
    let endpoint = server.endpoint();
    let listed = Listed::memcached(&format!("{endpoint},{endpoint}"));
    let (code, said) = listed.once(&[]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(listed.current(), endpoint);
}

#[test]
fn a_list_of_ten_is_gone_down_from_the_first_to_the_last() {
    let (servers, listed) = servers(10);
    let checker = listed.settled(&[]);
    let history = listed.consul.history(&listed.key);
    for pair in servers.windows(2) {
        assert_eq!(listed.current(), pair[0].endpoint());
        pair[0].kill();
        listed.wait_until_at(&pair[1].endpoint());
        wait_for_more_ok(&checker, 1);
    }
    wait_until("nine moves", seconds(5), || history.changes() == 9);
}

#[test]
fn without_flush_the_items_of_the_new_server_stay() {
    let (servers, listed) = servers(2);
    servers[1].set("item", "old");
    let _checker = listed.settled(&[]);
    servers[0].kill();
    listed.wait_until_at(&servers[1].endpoint());
    assert_eq!(servers[1].get("item").as_deref(), Some("old"));
}

#[test]
fn with_flush_the_new_server_is_empty_before_the_key_names_it_and_the_one_in_use_is_left_alone() {
    let (servers, listed) = servers(2);
    listed.point_at(&servers[0].endpoint());
    servers[0].set("item", "fresh");
    servers[1].set("item", "old");
    let checker = listed.settled(&["--flush"]);
    assert_eq!(servers[0].get("item").as_deref(), Some("fresh"));
    assert_eq!(servers[1].get("item").as_deref(), Some("old"));
    servers[0].kill();
    listed.wait_until_at(&servers[1].endpoint());
    assert_eq!(servers[1].get("item"), None, "{}", checker.log());
    servers[1].set("item", "fresh");
    wait_for_more_ok(&checker, 3);
    assert_eq!(servers[1].get("item").as_deref(), Some("fresh"));
}

#[test]
fn the_list_and_flush_may_stand_in_the_conf_file() {
    let servers = [Memcached::start(), Memcached::start()];
    let listed = Listed::memcached("");
    let proxy_port = free_port();
    let conf = format!(
        "[other]\nhost=127.0.0.1\nport=1\nuser=u\n\
         [mem11211]\ntype=memcached\nserver={}\nflush=yes\nproxyport={proxy_port}\n\
         timeout=1\ninterval=0.3\n",
        list(&servers)
    );
    servers[1].set("item", "old");
    let checker = CheckerBuilder::new("checkmemcached")
        .conf(&conf)
        .args(["--tag", "mem11211", "--consul", &listed.consul.endpoint()])
        .start();
    wait_for_more_ok(&checker, 2);
    let value = listed.value(&servers[0].endpoint(), proxy_port);
    assert_eq!(listed.kv().value, value);
    servers[0].kill();
    listed.wait_until_at(&servers[1].endpoint());
    assert_eq!(servers[1].get("item"), None, "{}", checker.log());
}

#[test]
fn a_proxy_port_stays_as_the_key_has_it_unless_one_is_named() {
    let (servers, listed) = servers(2);
    listed.point_at(&servers[0].endpoint());
    let checker = listed.settled(&[]);
    servers[0].kill();
    listed.wait_until_at(&servers[1].endpoint());
    assert_eq!(
        listed.kv().value,
        listed.value(&servers[1].endpoint(), 16_211)
    );
    drop(checker);
    let (code, said) = listed.once(&["--proxyport", "16212"]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(
        listed.kv().value,
        listed.value(&servers[1].endpoint(), 16_212)
    );
}

#[test]
fn an_excluded_memcached_is_never_elected() {
    let (servers, listed) = servers(3);
    let _checker = listed.settled(&["--exclude", &servers[1].endpoint()]);
    servers[0].kill();
    listed.wait_until_at(&servers[2].endpoint());
}

#[test]
fn neither_a_list_nor_a_conf_file_is_exit_code_254_as_in_the_original() {
    for args in [
        &[
            "checkmemcached",
            "--tag",
            "mem11211",
            "--consul",
            "127.0.0.1:1",
        ][..],
        &["checkmemcached"],
    ] {
        let finished = run_to_end(args);
        assert_eq!(finished.code, Some(254), "{args:?}: {}", finished.stderr);
        let sentence = "both --server and --consul option must have value";
        assert!(
            finished.stderr.contains(sentence),
            "{args:?}: {}",
            finished.stderr
        );
    }
    assert_eq!(run_to_end(&["checkmemcached", "--help"]).code, Some(0));
}

#[test]
fn one_pass_of_checkmemcached_decides_and_exits_with_the_state() {
    let (servers, listed) = servers(2);
    let (code, said) = listed.once(&["--dry-run"]);
    assert_eq!(code, 2, "the tag points nowhere: {said}");
    assert!(listed.consul.get(&listed.key).is_none());
    let (code, said) = listed.once(&[]);
    assert_eq!(code, 0, "{said}");
    // A hung server is left within the one pass.
    servers[0].stop();
    let (code, said) = listed.once(&["--timeout", "0.3"]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(listed.current(), servers[1].endpoint());
    let (code, said) = listed.once(&["--timeout", "0.3", "--exclude", &servers[1].endpoint()]);
    assert_eq!(code, 1, "excluded, but nobody else is there: {said}");
    servers[1].kill();
    let (code, said) = listed.once(&["--timeout", "0.3"]);
    assert_eq!(code, 2, "{said}");
    listed.consul.kill();
    let (code, said) = listed.once(&[]);
    assert_eq!(code, 3, "{said}");
}

#[test]
fn two_checkers_of_one_memcached_tag_write_each_move_once() {
    let (servers, listed) = servers(2);
    let checkers = [listed.checker(&[]), listed.checker(&[])];
    for checker in &checkers {
        wait_for_more_ok(checker, 1);
    }
    let history = listed.consul.history(&listed.key);
    for round in 1..=10 {
        let current = listed.current();
        let is_used = |server: &&Memcached| server.endpoint() == current;
        let used = servers.iter().find(is_used).expect("one is in use");
        let other = servers.iter().find(|one| !is_used(one)).unwrap();
        used.kill();
        listed.wait_until_at(&other.endpoint());
        used.restart();
        let index = listed.index();
        for checker in &checkers {
            wait_for_more(checker, &format!("current {} is ok", other.endpoint()), 2);
        }
        assert_eq!(listed.index(), index, "round {round}: written again");
        assert_eq!(history.changes(), round, "{:?}", history.values());
    }
    let written: usize = checkers.iter().map(|one| one.count("set new alive")).sum();
    assert_eq!(written, 11, "one election and ten moves");
}

#[test]
fn a_malformed_value_of_a_memcached_tag_is_replaced_and_a_move_by_hand_respected() {
    let (servers, listed) = servers(2);
    let checker = listed.settled(&[]);
    for bad in ["", "null", "{\"name\":\"mem11211\"}", "127.0.0.1:11211"] {
        listed.consul.put(&listed.key, bad);
        listed.wait_until_at(&servers[0].endpoint());
    }
    listed.point_at(&servers[1].endpoint());
    let index = listed.index();
    wait_for_more(
        &checker,
        &format!("current {} is ok", servers[1].endpoint()),
        3,
    );
    assert_eq!(listed.index(), index);
}
