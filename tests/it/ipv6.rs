//! IPv6 from the conf file through the key to the port: on loopback, and between hosts.

use crate::chain::Front;
use crate::listed::{Listed, wait_for_more_ok};
use crate::scene::{CHECK, KEY, section, value};
use crate::support::checker::CheckerBuilder;
use crate::support::consul::Consul;
use crate::support::mariadb::{MariaDb, Options};
use crate::support::memcached::{self, Memcached};
use crate::support::netns::Network;
use crate::support::redis::{self, Redis};
use crate::support::replication::{Replication, in_parallel};
use crate::support::{free_port, seconds, wait_until};

/// On `::1`, which is also what it reports to its primary.
fn on_loopback() -> Options {
    let options = Options::default();
    Options {
        bind: "::1".to_owned(),
        report: Some(("::1".to_owned(), options.port)),
        ..options
    }
}

#[test]
fn a_mysql_port_is_moved_between_ipv6_replicas() {
    let db = Replication::with(on_loopback(), (0..2).map(|_| on_loopback()));
    let front = Front::start();
    let conf = section("slave", &db.primary, CHECK).replace("13351", &front.port.to_string());
    assert!(conf.contains("host=::1\n"), "{conf}");
    let run = front.run(&conf);
    let id = || front.server_id();
    let mut used = None;
    wait_until("the port leads to a replica", seconds(30), || {
        used = db.replicas.iter().find(|r| id() == Some(r.server_id()));
        used.is_some()
    });
    let used = used.unwrap();
    let is_other = |r: &&MariaDb| r.server_id() != used.server_id();
    let other = db.replicas.iter().find(is_other).unwrap();
    used.kill();
    wait_until("the port leads to the other", seconds(30), || {
        id() == Some(other.server_id())
    });
    run.wait_for_log("haproxy: slave/mysql moved from ");
    assert_eq!(run.count("reloaded with"), 1, "{}", run.log());
    let server = format!("server mysql ::1:{} ", other.port());
    wait_until("the file has it too", seconds(10), || {
        front.haproxy.config().contains(&server)
    });
}

#[test]
fn replicas_on_other_hosts_are_found_by_their_ipv6_addresses() {
    const PORT: u16 = 3301;
    let network = Network::new();
    let proxy = network.host("proxy");
    let hosts = ["primary", "replica"].map(|name| network.host(name));
    let options = hosts.iter().map(|host| Options {
        bind: host.address6().to_string(),
        report: None,
        ..Options::on_host(host, PORT)
    });
    let consul = Consul::start_on(&proxy);
    let servers = in_parallel(options, MariaDb::with);
    servers[1].replicate_from(&servers[0]);
    let conf = section("slave", &servers[0], CHECK);
    let checker = CheckerBuilder::new("checkmysqlslave")
        .conf(&conf)
        .args(["--consul", &consul.endpoint()])
        .netns(proxy.namespace())
        .start();
    checker.wait_for_log("slave in consul is ok");
    let kv = consul.get(KEY).expect("a key");
    assert_eq!(kv.value, value("slave", servers[1].host(), PORT));
}

#[test]
fn memcached_and_redis_lists_take_ipv6_addresses_in_brackets() {
    let on_loopback = || memcached::Options {
        bind: "::1".to_owned(),
        ..memcached::Options::default()
    };
    let servers = [(); 2].map(|()| Memcached::with(on_loopback()));
    let listed = Listed::memcached(&memcached::list(&servers));
    let checker = listed.settled(&[]);
    let at = |port: u16| format!("::1:{port}");
    assert_eq!(listed.current(), at(servers[0].port()));
    servers[0].kill();
    listed.wait_until_at(&at(servers[1].port()));
    wait_for_more_ok(&checker, 1);
    let master = Redis::with(redis::Options {
        bind: "::1".to_owned(),
        ..redis::Options::default()
    });
    let dead = format!("[::1]:{}", free_port());
    let listed = Listed::redis(&format!("[::1]:{}", master.port()));
    let _checker = listed.settled(&[]);
    assert_eq!(listed.current(), at(master.port()));
    let (code, said) = Listed::redis(&dead).once(&[]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains(&dead), "{said}");
}
