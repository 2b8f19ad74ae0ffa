//! Proof that the fixtures of memcached, Redis and Sentinel do what the other tests rely on.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use crate::support::memcached::{self, Memcached};
use crate::support::netns::Network;
use crate::support::old_memcached::OldMemcached;
use crate::support::redis::{self, Redis};
use crate::support::resp::Reply;
use crate::support::sentinel::Sentinels;
use crate::support::{seconds, wait_until};

#[test]
fn a_memcached_keeps_items_and_a_restarted_one_is_empty() {
    let server = Memcached::start();
    server.set("item", "value");
    assert_eq!(server.get("item").as_deref(), Some("value"));
    assert_eq!(server.client().ask("flush_all\r\n").unwrap(), "OK");
    assert_eq!(server.get("item"), None);
    server.set("item", "value");
    server.kill();
    let refused = TcpStream::connect(server.endpoint()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    server.restart();
    assert_eq!(server.get("item"), None);
    let pid = memcached::pid_behind(server.port(), seconds(1));
    assert_eq!(pid, Some(server.daemon().pid()));
}

/// The first failure throws the old item out, which makes room for the next one: of a key that was
/// there before the memory was full, every second `set` succeeds.
#[test]
fn a_full_memcached_without_eviction_refuses_new_keys_and_every_second_set_of_an_old_one() {
    let server = Memcached::with(memcached::Options::small_without_eviction());
    server.set("old", "value");
    server.fill();
    let full = "SERVER_ERROR out of memory storing object";
    let mut client = server.client();
    for length in [1, 8, 16, 36, 64] {
        assert_eq!(client.set("new", &"x".repeat(length)).unwrap(), full);
    }
    let answers: Vec<String> = (0..4)
        .map(|_| client.set("old", "value").unwrap())
        .collect();
    assert_eq!(answers, [full, "STORED", full, "STORED"]);
}

#[test]
fn a_memcached_with_accounts_says_that_a_client_is_not_authenticated() {
    let server = Memcached::with(memcached::Options::default().account("app:s3cret"));
    let ask = |request| server.client().ask(request).unwrap();
    assert_eq!(ask("get a\r\n"), "CLIENT_ERROR unauthenticated");
    assert_eq!(ask("mn\r\n"), "CLIENT_ERROR unauthenticated");
    // The first `set` is the login.
    let refused = "CLIENT_ERROR bad authentication token format";
    assert_eq!(ask("set a 0 0 1\r\nx\r\n"), refused);
    assert_eq!(ask("set a 0 0 10\r\napp s3cret\r\n"), "STORED");
}

#[test]
fn an_old_memcached_knows_set_and_get_and_no_meta_commands() {
    let server = OldMemcached::start();
    let address: SocketAddr = server.endpoint().parse().unwrap();
    let mut client = memcached::Client::connect(address, seconds(5)).unwrap();
    assert_eq!(client.ask("mn\r\n").unwrap(), "ERROR");
    assert_eq!(client.set("a", "x").unwrap(), "STORED");
    assert_eq!(client.get("a").unwrap().as_deref(), Some("x"));
    assert!(server.has("a"));
}

#[test]
fn a_memcached_on_a_host_is_reached_from_its_network() {
    let network = Network::new();
    let (here, there) = (network.host("here"), network.host("there"));
    let server = Memcached::with(memcached::Options::on_host(&there, 11211));
    let address: SocketAddr = server.endpoint().parse().unwrap();
    assert!(here.can_connect(address, seconds(5)));
    server.kill();
    assert!(!here.can_connect(address, seconds(5)));
}

#[test]
fn redis_replicas_get_the_keys_of_their_master_and_stay_replicas_after_a_restart() {
    let start = Instant::now();
    let group = Redis::group(2);
    println!("Redis::group(2): {:?}", start.elapsed());
    group[0].set("a", "x");
    wait_until("the key arrives", seconds(10), || {
        group[2].get("a").as_deref() == Some("x")
    });
    assert_eq!(
        [0, 1, 2].map(|i: usize| group[i].role()),
        ["master", "slave", "slave"]
    );
    group[2].restart();
    group[2].wait_until_replica_of(&group[0]);
    group[1].promote();
    group[2].replicate_from(&group[1]);
    group[0].replicate_from(&group[1]);
    assert_eq!(
        [0, 1, 2].map(|i: usize| group[i].role()),
        ["slave", "master", "slave"]
    );
    assert_eq!(
        redis::port_behind(group[1].port(), seconds(1)),
        Some(group[1].port())
    );
    group[1].kill();
    group[1].restart();
    assert_eq!(group[1].role(), "master");
    assert_eq!(group[1].get("a"), None, "without persistence it is empty");
}

#[test]
fn a_redis_that_is_slow_to_load_says_so_and_tells_its_role() {
    let server = Redis::with(redis::Options::default().slow_to_load());
    server.save(20_000);
    server.restart();
    let Ok(Reply::Error(error)) = server.try_ask(&["PING"]) else {
        panic!("it has loaded already")
    };
    assert_eq!(error, "LOADING Redis is loading the dataset in memory");
    assert_eq!(server.role(), "master");
    server.finish_loading();
    assert_eq!(server.get("k1").as_deref(), Some("v"));
}

#[test]
fn a_redis_with_a_password_wants_it_and_its_replica_has_it() {
    let options = (0..2).map(|_| redis::Options::default().password("s3cret"));
    let group = Redis::group_with(options);
    group[0].set("a", "x");
    let address = SocketAddr::from(([127, 0, 0, 1], group[0].port()));
    let mut stranger = crate::support::resp::Session::tcp(address, seconds(5)).unwrap();
    assert_eq!(
        stranger.ask(&["PING"]).unwrap(),
        Reply::Error("NOAUTH Authentication required.".to_owned())
    );
}

#[test]
fn sentinels_find_each_other_and_agree_on_a_new_master_after_a_kill() {
    let group = Redis::group(2);
    let start = Instant::now();
    let sentinels = Sentinels::start(&group);
    println!("Sentinels::start: {:?}", start.elapsed());
    assert_eq!(sentinels.agreed(), Some(group[0].endpoint()));
    let start = Instant::now();
    group[0].kill();
    let new = sentinels.wait_for_master(|master| master != group[0].endpoint());
    println!("a Sentinel failover: {:?}", start.elapsed());
    let new = group.iter().find(|one| one.endpoint() == new).unwrap();
    wait_until("it is the master", seconds(20), || new.role() == "master");
    group[0].restart();
    let start = Instant::now();
    group[0].wait_until_replica_of(new);
    println!("the old master is demoted: {:?}", start.elapsed());
}

#[test]
fn hosts_that_are_split_off_see_one_another_and_nobody_else() {
    let network = Network::new();
    let hosts = ["a", "b", "c"].map(|name| network.host(name));
    let servers = hosts
        .each_ref()
        .map(|host| Redis::with(redis::Options::on_host(host, 6379)));
    let sees = |from: usize, to: usize| {
        let address: SocketAddr = servers[to].endpoint().parse().unwrap();
        hosts[from].can_connect(address, std::time::Duration::from_millis(500))
    };
    assert!(sees(0, 1) && sees(0, 2));
    network.split_off(&[&hosts[0], &hosts[1]]);
    assert!(sees(0, 1) && !sees(0, 2) && !sees(2, 0));
    network.rejoin(&[&hosts[0], &hosts[1]]);
    wait_until("they see all again", seconds(10), || {
        sees(0, 2) && sees(2, 0)
    });
}
