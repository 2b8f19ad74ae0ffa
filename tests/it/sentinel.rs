//! checkredismaster with three real Sentinels: the port follows what most of them say, and nothing
//! else.

use std::time::{Duration, Instant};

use crate::listed::{Listed, wait_for_more, wait_for_more_ok};
use crate::support::consul::{Consul, Seen};
use crate::support::redis::{Options, Redis, list};
use crate::support::sentinel::{NAME, Sentinels};
use crate::support::{seconds, wait_until};

/// A master, two replicas, three Sentinels, and a tag that knows all of them.
struct Watched {
    group: Vec<Redis>,
    sentinels: Sentinels,
    listed: Listed,
}

impl Watched {
    fn start() -> Watched {
        Watched::with(Redis::group(2), "")
    }

    fn with(group: Vec<Redis>, more: &str) -> Watched {
        let sentinels = Sentinels::with(&group, more);
        let listed = Listed::redis_in(Consul::start()).servers(&[
            "--server",
            &list(&group),
            "--sentinel",
            &sentinels.list(),
            "--master-name",
            NAME,
        ]);
        Watched {
            group,
            sentinels,
            listed,
        }
    }

    fn server_at(&self, endpoint: &str) -> &Redis {
        let mut group = self.group.iter();
        group
            .find(|one| one.endpoint() == endpoint)
            .expect("one of the group")
    }

    /// Waits until the Sentinels agree on another master than this, and says which.
    fn next_master(&self, old: &Redis) -> &Redis {
        let old = old.endpoint();
        self.server_at(&self.sentinels.wait_for_master(|master| master != old))
    }
}

#[test]
fn the_key_follows_a_sentinel_failover_within_a_cycle_and_not_back_to_the_old_master() {
    let watched = Watched::start();
    let listed = &watched.listed;
    let checker = listed.settled(&[]);
    let old = &watched.group[0];
    assert_eq!(listed.current(), old.endpoint());
    let history = listed.consul.history(&listed.key);
    old.kill();
    let new = watched.next_master(old);
    let agreed = Instant::now();
    listed.wait_until_at(&new.endpoint());
    // An interval of 0.3 s, and two round trips.
    assert!(
        agreed.elapsed() < Duration::from_millis(1300),
        "{:?}",
        agreed.elapsed()
    );
    assert_eq!(listed.kv().flags, 1, "the old one is dead");
    checker.wait_for_log(&format!(
        "set new {} to consul redis6379 ok: ",
        new.endpoint()
    ));
    old.restart();
    old.wait_until_replica_of(new);
    wait_for_more_ok(&checker, 3);
    let was_at = |seen: &Seen| {
        seen.kv
            .as_ref()
            .map(|kv| crate::scene::endpoint_of(&kv.value))
    };
    let ways: Vec<_> = history.seen().iter().map(was_at).collect();
    assert_eq!(
        ways,
        [Some(old.endpoint()), Some(new.endpoint())],
        "{}",
        checker.log()
    );
}

#[test]
fn a_hung_master_is_left_when_the_sentinels_have_chosen_another_one() {
    let watched = Watched::start();
    let listed = &watched.listed;
    let checker = listed.settled(&[]);
    let old = &watched.group[0];
    old.stop();
    let new = watched.next_master(old);
    listed.wait_until_at(&new.endpoint());
    let index = listed.index();
    old.cont();
    old.wait_until_replica_of(new);
    wait_for_more_ok(&checker, 3);
    assert_eq!(listed.index(), index, "{}", checker.log());
}

#[test]
fn a_failover_on_demand_is_followed_though_nobody_died() {
    let watched = Watched::start();
    let listed = &watched.listed;
    let checker = listed.settled(&[]);
    watched.sentinels.0[0].ask(&["SENTINEL", "FAILOVER", NAME]);
    let new = watched.next_master(&watched.group[0]);
    listed.wait_until_at(&new.endpoint());
    wait_for_more_ok(&checker, 2);
}

#[test]
fn with_sentinels_alone_the_master_is_found_and_the_proxy_port_is_11379() {
    let mut watched = Watched::start();
    let words = [
        "--sentinel",
        &watched.sentinels.list(),
        "--master-name",
        NAME,
    ];
    watched.listed = watched.listed.servers(&words);
    let listed = &watched.listed;
    let checker = listed.settled(&[]);
    let master = watched.group[0].endpoint();
    assert_eq!(listed.kv().value, listed.value(&master, 11_379));
    watched.group[0].kill();
    let new = watched.next_master(&watched.group[0]);
    listed.wait_until_at(&new.endpoint());
    wait_for_more_ok(&checker, 2);
}

#[test]
fn sentinels_may_stand_in_the_conf_file() {
    let watched = Watched::start();
    let conf = format!(
        "[redis6379]\ntype=redismaster\nsentinel={}\nmaster_name={NAME}\n\
         timeout=1\ninterval=0.3\n",
        watched.sentinels.list()
    );
    let checker = crate::support::checker::CheckerBuilder::new("checkredismaster")
        .conf(&conf)
        .args(["--consul", &watched.listed.consul.endpoint()])
        .start();
    wait_for_more_ok(&checker, 2);
    assert_eq!(watched.listed.current(), watched.group[0].endpoint());
}

#[test]
fn with_one_sentinel_down_or_hung_the_other_two_are_enough() {
    let watched = Watched::start();
    let listed = &watched.listed;
    let checker = listed.settled(&[]);
    watched.sentinels.0[0].kill();
    wait_for_more_ok(&checker, 3);
    watched.sentinels.0[0].restart();
    watched.sentinels.0[1].stop();
    wait_for_more_ok(&checker, 3);
    watched.sentinels.0[1].cont();
    watched.sentinels.0[2].kill();
    let old = &watched.group[0];
    old.kill();
    let new = watched.next_master(old);
    listed.wait_until_at(&new.endpoint());
    wait_for_more_ok(&checker, 2);
}

#[test]
fn without_a_majority_the_current_master_is_kept_and_nobody_is_elected() {
    let watched = Watched::start();
    let listed = &watched.listed;
    let checker = listed.settled(&[]);
    let index = listed.index();
    watched.sentinels.0[0].kill();
    watched.sentinels.0[1].stop();
    let master = watched.group[0].endpoint();
    let line = format!("redis6379 stays on {master}: degraded: ");
    wait_for_more(&checker, &line, 3);
    let said = checker.log();
    let last = said.lines().rfind(|one| one.contains(&line)).unwrap();
    assert!(last.contains("1 of 3"), "how many answer: {last}");
    let (code, said) = listed.once(&[]);
    assert_eq!(code, 1, "{said}");
    // Not even a promotion by hand is believed.
    watched.group[0].kill();
    watched.group[1].promote();
    watched.group[2].begin_to_replicate_from(&watched.group[1]);
    wait_for_more(&checker, "nobody can take over", 3);
    assert_eq!(listed.index(), index, "{}", checker.log());
    watched.sentinels.0[1].cont();
    watched.sentinels.0[0].restart();
    let new = watched.sentinels.wait_for_master(|one| one != master);
    listed.wait_until_at(&new);
    wait_for_more_ok(&checker, 2);
}

#[test]
fn a_key_that_names_a_replica_is_put_right_by_the_sentinels() {
    let watched = Watched::start();
    let listed = &watched.listed;
    listed.point_at(&watched.group[1].endpoint());
    let checker = listed.settled(&[]);
    assert_eq!(
        listed.current(),
        watched.group[0].endpoint(),
        "{}",
        checker.log()
    );
}

#[test]
fn a_name_that_the_sentinels_do_not_know_elects_nobody() {
    let mut watched = Watched::start();
    let words = [
        "--sentinel",
        &watched.sentinels.list(),
        "--master-name",
        "nobody",
    ];
    watched.listed = watched.listed.servers(&words);
    let (code, said) = watched.listed.once(&[]);
    assert_ne!(code, 0, "{said}");
    assert!(
        watched.listed.consul.get(&watched.listed.key).is_none(),
        "{said}"
    );
    assert!(said.contains("nobody"), "the name is in the log: {said}");
}

#[test]
fn sentinels_and_servers_may_each_have_a_password() {
    let options = (0..3).map(|_| Options::default().password("s3cret"));
    let group = Redis::group_with(options);
    let open = Watched::with(group, "");
    let words = open.listed.servers.clone();
    for sentinel in &open.sentinels.0 {
        // A Sentinel's own password is set last, as the fixture has none.
        let set = sentinel.ask(&["ACL", "SETUSER", "default", "on", ">hidden"]);
        assert_eq!(set.text(), "OK");
    }
    let conf = format!(
        "[redis6379]\ntype=redismaster\nserver={}\nsentinel={}\nmaster_name={NAME}\n\
         password=s3cret\nsentinel_password=hidden\ntimeout=1\ninterval=0.3\n",
        words[1], words[3]
    );
    let checker = crate::support::checker::CheckerBuilder::new("checkredismaster")
        .conf(&conf)
        .args(["--consul", &open.listed.consul.endpoint()])
        .start();
    wait_for_more_ok(&checker, 2);
    for secret in ["s3cret", "hidden"] {
        assert!(!checker.log().contains(secret), "a password is in the log");
    }
    // Without the Sentinels' password there is no majority.
    drop(checker);
    let without = conf.replace("sentinel_password=hidden\n", "");
    let finished = crate::support::checker::CheckerBuilder::new("checkredismaster")
        .conf(&without)
        .args(["--consul", &open.listed.consul.endpoint(), "--once"])
        .run_to_end(seconds(30));
    assert_ne!(finished.code, Some(0), "{}", finished.stdout);
}

#[test]
fn when_all_watched_servers_are_down_the_key_stays_and_follows_when_they_are_back() {
    let watched = Watched::start();
    let listed = &watched.listed;
    let checker = listed.settled(&[]);
    let index = listed.index();
    for server in &watched.group {
        server.kill();
    }
    wait_for_more(&checker, "nobody can take over", 3);
    assert_eq!(listed.index(), index, "{}", checker.log());
    for server in &watched.group {
        server.restart();
    }
    let is_followed = || Some(listed.current()) == watched.sentinels.agreed();
    wait_until(
        "the key names the Sentinels' master",
        seconds(60),
        is_followed,
    );
    wait_for_more_ok(&checker, 2);
}
