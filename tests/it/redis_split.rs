//! Networks that fall into two parts, each with a Redis master of its own.

use crate::listed::{Listed, wait_for_more, wait_for_more_ok};
use crate::support::checker::Checker;
use crate::support::consul::Consul;
use crate::support::netns::{NetHost, Network};
use crate::support::redis::{Options, Redis, list};
use crate::support::sentinel::{NAME, Sentinel, Sentinels};
use crate::support::{seconds, wait_until};

/// A proxy host with Consul and the checker, and three hosts with a Redis each.
struct Site {
    // Servers end before their hosts do.
    checker: Option<Checker>,
    listed: Listed,
    group: Vec<Redis>,
    proxy: NetHost,
    hosts: Vec<NetHost>,
    network: Network,
}

impl Site {
    fn start() -> Site {
        let network = Network::new();
        let proxy = network.host("proxy");
        let hosts: Vec<NetHost> = ["a", "b", "c"].map(|name| network.host(name)).into();
        let group = Redis::group_with(hosts.iter().map(|host| Options::on_host(host, 6379)));
        let listed = Listed::redis_in(Consul::start_on(&proxy));
        Site {
            checker: None,
            listed: listed.servers(&["--server", &list(&group)]),
            group,
            proxy,
            hosts,
            network,
        }
    }

    fn check(&mut self) {
        let builder = self.listed.builder(&[]).netns(self.proxy.namespace());
        let checker = self.checker.insert(builder.start());
        wait_for_more_ok(checker, 2);
    }

    fn checker(&self) -> &Checker {
        self.checker.as_ref().expect("it was started")
    }

    /// The proxy and the old master on one side, the others on the other.
    fn split(&self) {
        self.network.split_off(&[&self.proxy, &self.hosts[0]]);
    }

    fn rejoin(&self) {
        self.network.rejoin(&[&self.proxy, &self.hosts[0]]);
    }
}

/// A Sentinel on each host of a site, and the checker told of them.
fn watched(site: &mut Site) -> Sentinels {
    let sentinels = Sentinels::on_hosts(&site.hosts, 26379, &site.group);
    let (servers, watchers) = (list(&site.group), sentinels.list());
    site.listed.servers = [
        "--server",
        &servers,
        "--sentinel",
        &watchers,
        "--master-name",
        NAME,
    ]
    .map(str::to_owned)
    .into();
    sentinels
}

#[test]
fn on_the_side_without_a_majority_the_old_master_is_kept_and_left_when_the_sides_meet() {
    let mut site = Site::start();
    let sentinels = watched(&mut site);
    site.check();
    let (listed, old) = (&site.listed, site.group[0].endpoint());
    assert_eq!(listed.current(), old);
    let index = listed.index();
    site.split();
    let degraded = format!("redis6379 stays on {old}: degraded: ");
    wait_for_more(site.checker(), &degraded, 1);
    let has_left = |one: &Sentinel| one.master().is_some_and(|master| master != old);
    wait_until(
        "the other side has a master of its own",
        seconds(60),
        || sentinels.0[1..].iter().all(has_left),
    );
    assert_eq!(site.group[0].role(), "master", "two masters");
    wait_for_more(site.checker(), &degraded, 3);
    assert_eq!(listed.index(), index, "{}", site.checker().log());
    site.rejoin();
    let new = sentinels.wait_for_master(|master| master != old);
    listed.wait_until_at(&new);
    wait_for_more_ok(site.checker(), 3);
    assert_eq!(listed.current(), new);
}

#[test]
fn on_the_side_with_the_majority_the_new_master_is_followed_and_kept_when_the_old_one_returns() {
    let mut site = Site::start();
    let sentinels = watched(&mut site);
    site.check();
    let (listed, old) = (&site.listed, site.group[0].endpoint());
    site.network.cut(&site.hosts[0]);
    let new = sentinels.wait_for_master(|master| master != old);
    listed.wait_until_at(&new);
    let index = listed.index();
    wait_for_more_ok(site.checker(), 2);
    assert_eq!(site.group[0].role(), "master", "two masters");
    site.network.mend(&site.hosts[0]);
    let is_replica = || site.group[0].role() == "slave";
    wait_until("the old master is demoted", seconds(60), is_replica);
    wait_for_more_ok(site.checker(), 3);
    assert_eq!(listed.index(), index, "{}", site.checker().log());
}

#[test]
fn without_sentinels_the_current_of_two_masters_is_kept_when_the_sides_meet() {
    let mut site = Site::start();
    site.check();
    let (listed, old) = (&site.listed, site.group[0].endpoint());
    let index = listed.index();
    site.split();
    site.group[1].promote();
    site.group[2].begin_to_replicate_from(&site.group[1]);
    site.group[2].wait_until_replica_of(&site.group[1]);
    site.rejoin();
    let two = format!(
        "{} says that it is the master too",
        site.group[1].endpoint()
    );
    wait_for_more(site.checker(), &two, 3);
    assert_eq!(listed.index(), index, "{}", site.checker().log());
    assert_eq!(listed.current(), old);
    // A person decides.
    site.group[0].begin_to_replicate_from(&site.group[1]);
    listed.wait_until_at(&site.group[1].endpoint());
    wait_for_more_ok(site.checker(), 2);
}

#[test]
fn a_master_whose_link_is_cut_is_left_for_the_one_that_was_promoted() {
    let mut site = Site::start();
    site.check();
    let listed = &site.listed;
    let index = listed.index();
    site.network.cut(&site.hosts[0]);
    wait_for_more(site.checker(), "nobody can take over", 2);
    assert_eq!(listed.index(), index, "a replica was written");
    site.group[1].promote();
    listed.wait_until_at(&site.group[1].endpoint());
    site.group[2].begin_to_replicate_from(&site.group[1]);
    wait_for_more_ok(site.checker(), 2);
}
