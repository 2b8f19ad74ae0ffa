//! A master and two replicas, by hand and with Sentinels.

use std::time::Instant;

use crate::listed::{Listed, wait_for_more_ok};
use crate::row::{Row, Server};
use crate::support::consul::Consul;
use crate::support::redis::{Redis, list};
use crate::support::sentinel::{NAME, Sentinels};

pub const STEPS: &[&str] = &["by hand", "election", "kill", "return", "hang"];

pub fn go(_: &Server, row: &mut Row) {
    by_hand(row);
    with_sentinels(row);
}

fn by_hand(row: &mut Row) {
    let group = Redis::group(2);
    let listed = Listed::redis(&list(&group));
    let _checker = listed.settled(&[]);
    assert_eq!(listed.current(), group[0].endpoint());
    row.timed("by hand", || {
        group[0].kill();
        let start = Instant::now();
        group[1].promote();
        group[2].begin_to_replicate_from(&group[1]);
        listed.wait_until_at(&group[1].endpoint());
        start
    });
}

fn with_sentinels(row: &mut Row) {
    let group = Redis::group(2);
    let sentinels = Sentinels::start(&group);
    let listed = Listed::redis_in(Consul::start()).servers(&[
        "--server",
        &list(&group),
        "--sentinel",
        &sentinels.list(),
        "--master-name",
        NAME,
    ]);
    let mut started = None;
    row.timed("election", || {
        let start = Instant::now();
        started = Some(listed.checker(&[]));
        listed.wait_until_at(&group[0].endpoint());
        start
    });
    let checker = started.expect("started above");
    wait_for_more_ok(&checker, 2);
    let server_at = |endpoint: &str| {
        let mut all = group.iter();
        all.find(|one| one.endpoint() == endpoint)
            .expect("one of the group")
    };
    let next = |old: &Redis| {
        let old = old.endpoint();
        server_at(&sentinels.wait_for_master(|master| master != old))
    };
    let mut second = &group[0];
    row.timed("kill", || {
        let start = Instant::now();
        group[0].kill();
        second = next(&group[0]);
        listed.wait_until_at(&second.endpoint());
        start
    });
    row.step("return", || {
        let index = listed.index();
        group[0].restart();
        group[0].wait_until_replica_of(second);
        wait_for_more_ok(&checker, 3);
        assert_eq!(listed.index(), index, "the key moved back");
        "stays".to_owned()
    });
    let replicas: Vec<&Redis> = group
        .iter()
        .filter(|one| one.endpoint() != second.endpoint())
        .collect();
    for replica in &replicas {
        replica.wait_until_replica_of(second);
    }
    sentinels.wait_until_they_know(&replicas);
    row.timed("hang", || {
        let start = Instant::now();
        second.stop();
        listed.wait_until_at(&next(second).endpoint());
        start
    });
    second.cont();
    wait_for_more_ok(&checker, 2);
}
