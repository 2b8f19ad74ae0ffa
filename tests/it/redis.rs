//! checkredismaster with real servers and without Sentinels: who is the master, and who is not.

use std::time::{Duration, Instant};

use crate::listed::{Listed, wait_for_more, wait_for_more_ok};
use crate::support::free_port;
use crate::support::redis::{Redis, list};

/// A master and its replicas, listed in this order, and a tag.
fn group(replicas: usize) -> (Vec<Redis>, Listed) {
    let group = Redis::group(replicas);
    let listed = Listed::redis(&list(&group));
    (group, listed)
}

/// What is said of a second master.
const TWO: &str = "says that it is the master too";

#[test]
fn the_master_is_found_by_the_votes_of_its_replicas_wherever_it_is_in_the_list() {
    let group = Redis::group(2);
    let listed = Listed::redis(&list(group.iter().rev()));
    let checker = listed.settled(&[]);
    let master = group[0].endpoint();
    assert_eq!(
        listed.kv().value,
        listed.value(&master, group[2].port() + 5000)
    );
    assert_eq!(listed.kv().flags, 1);
    checker.wait_for_log(&format!("set new {master} to consul redis6379 ok: "));
    checker.wait_for_log(&format!("redis6379 in consul is ok: {master} is up"));
    let index = listed.index();
    wait_for_more_ok(&checker, 5);
    assert_eq!(listed.index(), index, "written again without a reason");
}

#[test]
fn replicas_that_know_their_master_by_another_name_vote_for_it_too() {
    let group = Redis::group(2);
    for replica in &group[1..] {
        replica.replicate_from_address("localhost", group[0].port());
        replica.wait_until_replica_of(&group[0]);
    }
    let fresh = Redis::start();
    let listed = Listed::redis(&format!("{},{}", fresh.endpoint(), list(&group)));
    let _checker = listed.checker(&[]);
    listed.wait_until_at(&group[0].endpoint());
}

#[test]
fn a_fresh_empty_master_is_never_elected_next_to_one_with_replicas() {
    let group = Redis::group(2);
    let fresh = Redis::start();
    let listed = Listed::redis(&format!("{},{}", fresh.endpoint(), list(&group)));
    let checker = listed.checker(&[]);
    // It is a second master, and it is said.
    wait_for_more(&checker, TWO, 2);
    assert_eq!(listed.current(), group[0].endpoint(), "{}", checker.log());
    let index = listed.index();
    group[0].kill();
    wait_for_more(&checker, "nobody can take over", 2);
    assert_eq!(listed.index(), index, "{}", checker.log());
    // With its replicas gone too, it is still not what was the master before.
    group[1].kill();
    group[2].kill();
    wait_for_more(&checker, "nobody can take over", 2);
    assert_eq!(listed.index(), index, "{}", checker.log());
}

#[test]
fn a_fresh_empty_master_is_not_elected_from_a_list_whose_others_are_down() {
    let fresh = Redis::start();
    let dead = format!("127.0.0.1:{}", free_port());
    let listed = Listed::redis(&format!("{},{dead}", fresh.endpoint()));
    let (code, said) = listed.once(&[]);
    assert_eq!(code, 2, "{said}");
    assert!(listed.consul.get(&listed.key).is_none(), "{said}");
}

#[test]
fn the_only_server_of_a_list_needs_no_votes() {
    let (group, listed) = group(0);
    let checker = listed.settled(&[]);
    assert_eq!(listed.current(), group[0].endpoint());
    let index = listed.index();
    group[0].kill();
    checker.wait_for_log("nobody can take over");
    group[0].restart();
    wait_for_more_ok(&checker, 2);
    assert_eq!(listed.index(), index);
}

#[test]
fn a_replica_is_left_at_once_and_never_written() {
    let (group, listed) = group(2);
    listed.point_at(&group[1].endpoint());
    let checker = listed.settled(&[]);
    assert_eq!(listed.current(), group[0].endpoint());
    assert_eq!(listed.kv().flags, 1);
    checker.wait_for_log(&format!(
        "{} is down: not the master: ",
        group[1].endpoint()
    ));
    assert_eq!(
        checker.count("(1 of 2)"),
        0,
        "one look is enough: {}",
        checker.log()
    );
    let index = listed.index();
    group[0].kill();
    wait_for_more(&checker, "nobody can take over", 3);
    assert_eq!(listed.index(), index, "{}", checker.log());
}

#[test]
fn a_server_listed_twice_has_one_vote() {
    let masters = [Redis::start(), Redis::start()];
    let replicas: Vec<Redis> = (0..3).map(|_| Redis::start()).collect();
    replicas[0].replicate_from(&masters[0]);
    replicas[1].replicate_from(&masters[1]);
    replicas[2].replicate_from(&masters[1]);
    let twice = format!("{0},{0},{0}", replicas[0].endpoint());
    let servers = format!("{},{twice},{}", list(&masters), list(&replicas[1..]));
    let listed = Listed::redis(&servers);
    let (_, said) = listed.once(&[]);
    assert_eq!(listed.current(), masters[1].endpoint(), "{said}");
}

#[test]
fn of_two_masters_with_as_many_votes_neither_is_elected() {
    let masters = [Redis::start(), Redis::start()];
    let replicas = [Redis::start(), Redis::start()];
    replicas[0].replicate_from(&masters[0]);
    replicas[1].replicate_from(&masters[1]);
    let listed = Listed::redis(&format!("{},{}", list(&masters), list(&replicas)));
    let (code, said) = listed.once(&[]);
    assert_eq!(code, 2, "{said}");
    assert!(listed.consul.get(&listed.key).is_none(), "{said}");
}

#[test]
fn of_two_masters_the_current_one_is_kept_and_it_is_said() {
    let (group, listed) = group(2);
    let checker = listed.settled(&[]);
    let index = listed.index();
    group[1].promote();
    group[2].replicate_from(&group[1]);
    checker.wait_for_log(&format!(
        "redis6379 stays on {}: degraded: {} {TWO}",
        group[0].endpoint(),
        group[1].endpoint()
    ));
    wait_for_more(&checker, TWO, 3);
    assert_eq!(listed.index(), index, "{}", checker.log());
    let (code, said) = listed.once(&[]);
    assert_eq!(code, 1, "{said}");
    // With the old one turned into a replica, there is one master again.
    group[0].begin_to_replicate_from(&group[1]);
    listed.wait_until_at(&group[1].endpoint());
    wait_for_more_ok(&checker, 2);
}

#[test]
fn a_promotion_by_hand_is_followed_and_the_old_master_that_comes_back_is_not() {
    let (group, listed) = group(2);
    let checker = listed.settled(&[]);
    let index = listed.index();
    group[0].kill();
    wait_for_more(&checker, "nobody can take over", 2);
    assert_eq!(listed.index(), index, "a replica was written");
    let line = format!("redis6379 stays as it is: {} is down", group[0].endpoint());
    checker.wait_for_log(&line);
    group[1].promote();
    listed.wait_until_at(&group[1].endpoint());
    assert_eq!(listed.kv().flags, 1);
    checker.wait_for_log(&format!(
        "set new {} to consul redis6379 ok: ",
        group[1].endpoint()
    ));
    checker.wait_for_log(&format!("{} is up; forced move", group[1].endpoint()));
    group[2].replicate_from(&group[1]);
    let index = listed.index();
    group[0].restart();
    assert_eq!(group[0].role(), "master");
    wait_for_more(&checker, TWO, 3);
    assert_eq!(listed.index(), index, "moved back");
    // As a replica it is no trouble any more.
    group[0].replicate_from(&group[1]);
    wait_for_more_ok(&checker, 3);
    assert_eq!(listed.index(), index);
}

#[test]
fn a_hung_master_is_left_after_fall_timeouts_for_the_one_that_was_promoted() {
    let (group, listed) = group(2);
    let checker = listed.settled(&[]);
    let index = listed.index();
    let stopped = Instant::now();
    group[0].stop();
    checker.wait_for_log("nobody can take over");
    let took = stopped.elapsed();
    let (least, most) = (Duration::from_secs(1), Duration::from_secs(6));
    assert!(took > least && took < most, "{took:?}");
    checker.wait_for_log(&format!(
        "{} is down: no answer in 1 s (1 of 2)",
        group[0].endpoint()
    ));
    assert_eq!(listed.index(), index);
    group[1].promote();
    group[2].begin_to_replicate_from(&group[1]);
    listed.wait_until_at(&group[1].endpoint());
    let index = listed.index();
    group[0].cont();
    wait_for_more(&checker, TWO, 2);
    assert_eq!(listed.index(), index, "moved back");
}

#[test]
fn when_all_redis_servers_are_down_the_key_stays_and_all_is_well_when_they_are_back() {
    let (group, listed) = group(2);
    let checker = listed.settled(&[]);
    let index = listed.index();
    for server in &group {
        server.kill();
    }
    wait_for_more(&checker, "nobody can take over", 2);
    for server in &group {
        server.restart();
    }
    wait_for_more_ok(&checker, 3);
    assert_eq!(listed.index(), index, "{}", checker.log());
}

#[test]
fn one_master_among_ten_servers_is_found_and_followed() {
    let (group, _) = group(9);
    let listed = Listed::redis(&list(group.iter().rev()));
    let checker = listed.settled(&[]);
    assert_eq!(listed.current(), group[0].endpoint());
    group[0].kill();
    group[5].promote();
    for replica in group[1..]
        .iter()
        .filter(|one| one.port() != group[5].port())
    {
        replica.begin_to_replicate_from(&group[5]);
    }
    listed.wait_until_at(&group[5].endpoint());
    wait_for_more_ok(&checker, 2);
}

#[test]
fn one_pass_of_checkredismaster_decides_and_exits_with_the_state() {
    let (group, listed) = group(1);
    let (code, said) = listed.once(&["--dry-run"]);
    assert_eq!(code, 2, "the tag points nowhere: {said}");
    assert!(listed.consul.get(&listed.key).is_none());
    let (code, said) = listed.once(&[]);
    assert_eq!(code, 0, "{said}");
    group[0].stop();
    let (code, said) = listed.once(&["--timeout", "0.3"]);
    assert_eq!(code, 2, "{said}");
    group[1].promote();
    let (code, said) = listed.once(&["--timeout", "0.3"]);
    // One pass has no memory of who replicated from whom: the only master left is either taken
    // because it says so of itself, or nobody is.
    assert!(code == 0 || code == 2, "{code}: {said}");
    listed.consul.kill();
    let (code, said) = listed.once(&["--timeout", "0.3"]);
    assert_eq!(code, 3, "{said}");
}

#[test]
fn two_checkers_of_one_redis_tag_write_each_move_once() {
    let (group, listed) = group(2);
    let checkers = [listed.checker(&[]), listed.checker(&[])];
    for checker in &checkers {
        wait_for_more_ok(checker, 1);
    }
    let history = listed.consul.history(&listed.key);
    for round in 1..=5 {
        // Once: the tag may move as soon as the next one is promoted.
        let current = listed.current();
        let is_used = |server: &&Redis| server.endpoint() == current;
        let used = group.iter().find(is_used).expect("one is in use");
        let next = group.iter().find(|one| !is_used(one)).unwrap();
        used.kill();
        next.promote();
        for other in group
            .iter()
            .filter(|one| !is_used(one) && one.port() != next.port())
        {
            other.begin_to_replicate_from(next);
        }
        listed.wait_until_at(&next.endpoint());
        used.restart();
        used.replicate_from(next);
        for checker in &checkers {
            wait_for_more(checker, &format!("is ok: {} is up", next.endpoint()), 2);
        }
        assert_eq!(history.changes(), round, "{:?}", history.values());
    }
    let written: usize = checkers.iter().map(|one| one.count("set new")).sum();
    assert_eq!(written, 6, "one election and five moves");
}
