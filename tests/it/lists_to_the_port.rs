//! From a memcached or a Redis master to the port that an application uses.

use std::time::Duration;

use crate::chain::{Front, outage};
use crate::listed::{Listed, wait_for_more_ok};
use crate::scene::{CHECK, Scene};
use crate::support::checker::{Checker, CheckerBuilder};
use crate::support::consul::Consul;
use crate::support::memcached::{self, Memcached};
use crate::support::redis::{self, Redis};
use crate::support::sentinel::{NAME, Sentinels};
use crate::support::{free_port, seconds, wait_until};

/// How long an application waits for an answer.
const MOMENT: Duration = Duration::from_millis(250);

/// The command of a tag's kind, on its Consul and proxied on this port.
fn checker(listed: &Listed, front: &Front) -> Checker {
    listed.checker(&["--proxyport", &front.port.to_string()])
}

#[track_caller]
fn wait_until_at_memcached(port: u16, server: &Memcached) {
    let what = format!("port {port} leads to {}", server.endpoint());
    let pid = Some(server.daemon().pid());
    wait_until(&what, seconds(30), || {
        memcached::pid_behind(port, MOMENT) == pid
    });
}

#[track_caller]
fn wait_until_at_redis(port: u16, server: &Redis) {
    let what = format!("port {port} leads to {}", server.endpoint());
    wait_until(&what, seconds(30), || {
        redis::port_behind(port, MOMENT) == Some(server.port())
    });
}

#[test]
fn run_with_a_file_moves_a_memcached_port_on_a_kill_and_a_hang() {
    let servers = [Memcached::start(), Memcached::start()];
    let front = Front::start();
    let run = front.run(&format!(
        "[mem11211]\ntype=memcached\nserver={}\nproxyport={}\n{CHECK}",
        memcached::list(&servers),
        front.port
    ));
    wait_until_at_memcached(front.port, &servers[0]);
    wait_for_more_ok(&run, 2);
    let answers = || memcached::pid_behind(front.port, MOMENT).is_some();
    let (took, _) = outage(answers, || servers[0].kill());
    wait_until_at_memcached(front.port, &servers[1]);
    // The exact figure is the benchmark's.
    assert!(took < Duration::from_millis(500), "{took:?}");
    run.wait_for_log("haproxy: mem11211/memcached moved from ");
    assert_eq!(
        run.count("reloaded with"),
        1,
        "only the new port took a reload"
    );
    servers[0].restart();
    wait_for_more_ok(&run, 3);
    wait_until_at_memcached(front.port, &servers[1]);
    let (took, _) = outage(answers, || servers[1].stop());
    wait_until_at_memcached(front.port, &servers[0]);
    assert!(took < seconds(5), "{took:?}");
    servers[1].cont();
}

#[test]
fn checkmemcached_on_consul_moves_the_port_through_confd() {
    let servers = [Memcached::start(), Memcached::start()];
    let front = Front::start();
    let listed = Listed::memcached(&memcached::list(&servers));
    let confd = front.watch(&listed.consul, &front.resource(&front.switching()));
    let _checker = checker(&listed, &front);
    wait_until_at_memcached(front.port, &servers[0]);
    // A session that is open when its server dies ends with it.
    servers[0].kill();
    wait_until_at_memcached(front.port, &servers[1]);
    confd.wait_for_log("its old sessions are cut");
}

#[test]
fn a_redis_port_follows_a_sentinel_failover() {
    let group = Redis::group(2);
    let sentinels = Sentinels::start(&group);
    let front = Front::start();
    let run = front.run(&format!(
        "[redis6379]\ntype=redismaster\nserver={}\nsentinel={}\nmaster_name={NAME}\n\
         proxyport={}\n{CHECK}",
        redis::list(&group),
        sentinels.list(),
        front.port
    ));
    wait_until_at_redis(front.port, &group[0]);
    wait_for_more_ok(&run, 2);
    group[0].kill();
    let old = group[0].endpoint();
    let new = sentinels.wait_for_master(|master| master != old);
    let new = group.iter().find(|one| one.endpoint() == new).unwrap();
    wait_until_at_redis(front.port, new);
    // The old one comes back: the port does not.
    group[0].restart();
    group[0].wait_until_replica_of(new);
    wait_for_more_ok(&run, 3);
    wait_until_at_redis(front.port, new);
    run.wait_for_log("haproxy: redis6379/redis moved from ");
}

#[test]
fn checkredismaster_on_consul_moves_the_port_after_a_promotion_by_hand() {
    let group = Redis::group(2);
    let front = Front::start();
    let listed = Listed::redis(&redis::list(&group));
    let _confd = front.watch(&listed.consul, &front.resource(&front.switching()));
    let checker = checker(&listed, &front);
    wait_until_at_redis(front.port, &group[0]);
    wait_for_more_ok(&checker, 2);
    group[0].kill();
    group[1].promote();
    group[2].begin_to_replicate_from(&group[1]);
    wait_until_at_redis(front.port, &group[1]);
}

/// No checker: the key goes on naming it, and HAProxy's own look is the last gate.
#[test]
fn a_redis_that_was_demoted_gets_no_clients_though_the_key_still_names_it() {
    let group = Redis::group(1);
    let front = Front::start();
    let listed = Listed::redis_in(Consul::start());
    let value = listed.value(&group[0].endpoint(), front.port);
    listed.consul.put(&listed.key, &value);
    let _confd = front.watch(&listed.consul, &front.resource(&front.switching()));
    wait_until_at_redis(front.port, &group[0]);
    group[1].promote();
    group[0].replicate_from(&group[1]);
    let leads_nowhere = || redis::port_behind(front.port, MOMENT).is_none();
    wait_until("the port is closed", seconds(30), leads_nowhere);
    assert_eq!(listed.kv().value, value);
    group[0].promote();
    wait_until_at_redis(front.port, &group[0]);
}

#[test]
fn run_looks_after_tags_of_all_three_types() {
    let scene = Scene::start(1);
    let caches = [Memcached::start(), Memcached::start()];
    let group = Redis::group(1);
    let front = Front::start();
    let (cache_port, redis_port) = (free_port(), free_port());
    let conf = format!(
        "{}[mem11211]\ntype=memcached\nserver={}\nproxyport={cache_port}\n{CHECK}\
         [redis6379]\ntype=redismaster\nserver={}\nproxyport={redis_port}\n{CHECK}",
        scene.conf(CHECK).replace("13351", &front.port.to_string()),
        memcached::list(&caches),
        redis::list(&group),
    );
    let run = front.run(&conf);
    wait_until("the MySQL port greets", seconds(30), || {
        crate::chain::greets(front.port)
    });
    wait_until_at_memcached(cache_port, &caches[0]);
    wait_until_at_redis(redis_port, &group[0]);
    caches[0].kill();
    wait_until_at_memcached(cache_port, &caches[1]);
    group[0].kill();
    group[1].promote();
    wait_until_at_redis(redis_port, &group[1]);
    assert!(crate::chain::greets(front.port), "{}", run.log());
}

#[test]
fn each_command_runs_the_sections_of_its_own_type() {
    let cache = Memcached::start();
    let group = Redis::group(1);
    let consul = Consul::start();
    let conf = format!(
        "[slave3301]\nhost=127.0.0.1\nport=1\nuser=u\n\
         [mem11211]\ntype=memcached\nserver={}\n[redis6379]\ntype=redismaster\nserver={}\n",
        cache.endpoint(),
        redis::list(&group)
    );
    let keys = [
        "haproxy/memcached/mem11211",
        "haproxy/redismaster/redis6379",
    ];
    for (command, there) in [
        ("checkmemcached", [true, false]),
        ("checkredismaster", [true, true]),
    ] {
        let finished = CheckerBuilder::new(command)
            .conf(&conf)
            .args(["--consul", &consul.endpoint(), "--once"])
            .run_to_end(seconds(30));
        let said = finished.stdout + &finished.stderr;
        assert_eq!(finished.code, Some(0), "{command}: {said}");
        assert_eq!(keys.map(|key| consul.get(key).is_some()), there, "{said}");
    }
}
