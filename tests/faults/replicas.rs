//! What happens to the replica in use, and to the way to it.

use std::fs;
use std::process::Command;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use crate::between::{Between, Way};
use crate::matrix::{Came, Watch, rows};
use crate::scene::{CHECK, KEY, Scene, wait_for_more_ok};
use crate::site::{SilentNames, Site};
use crate::support::checker::Checker;
use crate::support::disk::Disk;
use crate::support::mariadb::{MariaDb, Options};
use crate::support::template::must_succeed;
use crate::support::{becomes_true, free_port, program, seconds, wait_until};

rows! {
    killed: "the replica in use is killed" => "it is left at once";
    stopped: "it is stopped (SIGSTOP)" => "it is left after `fall` timeouts";
    cut_both_ways: "its cable is pulled" => "it is left after `fall` timeouts";
    cut_one_way: "its answers are lost, questions get there" => "it is left after `fall` timeouts";
    slow_by_300_ms: "it answers 300 ms late, `timeout=3`" => "it stays: a check has three round trips";
    slow_by_300_ms_and_a_short_timeout: "it answers 300 ms late, `timeout=0.5`" => "it is left: a check does not end in time";
    slow_by_3_s: "it answers 3 s late" => "it is left after `fall` timeouts";
    #[ignore = "slow: make faults"]
    loss: "30 % of the packets to it are lost, for 20 s" => "it stays, or is left once";
    reset_after_the_greeting: "it resets after its greeting" => "it is left at once: twice is certain";
    stalls_in_mid_packet: "it stalls in the middle of its greeting" => "it is left after `fall` timeouts";
    too_many_connections: "it takes no more connections" => "it is left after `fall` looks";
    #[ignore = "slow: make faults"]
    disk_full: "the disk under its data is full, `max_lag=2`" => "it is left when its lag is over the limit";
    no_names: "the name service does not answer" => "nothing moves: the trouble is our own";
}

/// Two replicas, a checker that is content, and a clock.
fn settled(more: &str) -> (Scene, Checker) {
    let scene = Scene::start(2);
    let checker = scene.checker(&format!("{CHECK}{more}"));
    wait_for_more_ok(&checker, 2);
    (scene, checker)
}

fn left_when(fault: impl FnOnce(&MariaDb)) -> Came {
    let (scene, _checker) = settled("");
    let (used, other) = scene.used_and_other();
    let watch = Watch::start(&scene.consul, KEY);
    fault(used);
    scene.wait_until_at(other);
    let came = watch.came_right(1);
    used.cont();
    came
}

fn killed() -> Came {
    left_when(|used| used.kill())
}

fn stopped() -> Came {
    left_when(|used| used.stop())
}

/// Hosts on a network, and the tag on the first replica.
fn on_a_network(fault: impl FnOnce(&Site)) -> (Site, Checker, Watch) {
    let site = Site::start();
    let checker = site.checker();
    site.wait_until_at(1);
    wait_for_more_ok(&checker, 2);
    let watch = Watch::start(&site.consul, KEY);
    fault(&site);
    (site, checker, watch)
}

fn cut_both_ways() -> Came {
    let (site, _checker, watch) = on_a_network(|site| site.network.cut(&site.hosts[1]));
    site.wait_until_at(2);
    watch.came_right(1)
}

fn cut_one_way() -> Came {
    let (site, _checker, watch) = on_a_network(|site| {
        let route = format!("{}/32", site.proxy.address());
        let mut command = site.hosts[1].command("ip");
        must_succeed(command.args(["route", "add", "blackhole", &route]));
    });
    site.wait_until_at(2);
    watch.came_right(1)
}

fn loss() -> Came {
    let (site, checker, watch) = on_a_network(|site| {
        for words in [
            "add table ip t",
            "add chain ip t c { type filter hook input priority 0 ; }",
            "add rule ip t c numgen random mod 100 < 30 drop",
        ] {
            must_succeed(site.hosts[1].command("nft").arg(words));
        }
    });
    let moved = || site.current().as_deref() == Some(site.servers[2].endpoint().as_str());
    let has_moved = becomes_true(seconds(20), moved);
    match has_moved {
        true => watch.came_right(1),
        false => {
            wait_for_more_ok(&checker, 2);
            watch.nothing_came()
        }
    }
}

/// Two replicas, the tag on one that is reached through a proxy.
struct Behind {
    scene: Scene,
    between: Between,
    checker: Checker,
    _server: MariaDb,
}

fn behind(more: &str) -> Behind {
    let scene = Scene::start(1);
    let port = free_port();
    let server = MariaDb::with(Options {
        report: Some(("127.0.0.1".to_owned(), port)),
        ..Options::default()
    });
    let between = Between::at(port, server.endpoint());
    server.replicate_from(&scene.db.primary);
    let value = crate::scene::value("slave", "127.0.0.1", port);
    scene.consul.put(KEY, &value);
    let conf = if more.is_empty() { CHECK } else { more };
    let checker = scene.checker(conf);
    wait_for_more_ok(&checker, 2);
    assert_eq!(scene.current(), between.endpoint());
    Behind {
        scene,
        between,
        checker,
        _server: server,
    }
}

fn left_behind(way: Way, more: &str) -> Came {
    let behind = behind(more);
    let watch = Watch::start(&behind.scene.consul, KEY);
    behind.between.set(way);
    behind.scene.wait_until_at(&behind.scene.db.replicas[0]);
    watch.came_right(1)
}

fn slow_by_300_ms() -> Came {
    let scene = Scene::start(1);
    let between = Between::new(scene.db.replicas[0].endpoint());
    let value = crate::scene::value("slave", "127.0.0.1", between.port);
    scene.consul.put(KEY, &value);
    let checker = scene.checker("timeout=3\ninterval=0.3\n");
    wait_for_more_ok(&checker, 2);
    let watch = Watch::start(&scene.consul, KEY);
    between.set(Way::Slow(Duration::from_millis(300)));
    wait_for_more_ok(&checker, 3);
    watch.nothing_came()
}

fn slow_by_300_ms_and_a_short_timeout() -> Came {
    left_behind(
        Way::Slow(Duration::from_millis(300)),
        "timeout=0.5\ninterval=0.3\n",
    )
}

fn slow_by_3_s() -> Came {
    left_behind(Way::Slow(seconds(3)), "")
}

fn reset_after_the_greeting() -> Came {
    left_behind(Way::ResetAfterGreeting, "")
}

fn stalls_in_mid_packet() -> Came {
    left_behind(Way::StallAfter(20), "")
}

fn too_many_connections() -> Came {
    let (scene, checker) = settled("");
    let (used, other) = scene.used_and_other();
    used.sql("SET GLOBAL max_connections=10");
    let (stop, stopped) = mpsc::channel::<()>();
    let port = used.port();
    let watch = Watch::start(&scene.consul, KEY);
    thread::scope(|scope| {
        scope.spawn(move || crowd(port, &stopped));
        scene.wait_until_at(other);
        let came = watch.came_right(1);
        checker.wait_for_log("is down: too many connections");
        drop(stop);
        came
    })
}

/// An application that takes every connection it can get, until it is told to stop.
fn crowd(port: u16, stopped: &mpsc::Receiver<()>) {
    let mut clients = Vec::new();
    while stopped.recv_timeout(Duration::from_millis(1)) == Err(RecvTimeoutError::Timeout) {
        let options = mysql::OptsBuilder::new()
            .ip_or_hostname(Some("127.0.0.1"))
            .tcp_port(port)
            .user(Some("app"))
            .pass(Some("app"))
            .prefer_socket(false);
        clients.extend(mysql::Conn::new(options));
    }
}

/// Replication stands still for want of space and says that it runs; only its lag tells.
fn disk_full() -> Came {
    let (scene, checker) = settled("max_lag=2\n");
    let (used, other) = scene.used_and_other();
    let data = used.daemon().dir().join("data");
    let kept = used.daemon().dir().join("kept");
    used.kill();
    scene.wait_until_at(other);
    fs::rename(&data, &kept).unwrap();
    fs::create_dir(&data).unwrap();
    let disk = Disk::mount(&data, 160 << 10);
    must_succeed(
        Command::new(program("cp"))
            .arg("-a")
            .arg(kept.join("."))
            .arg(&data),
    );
    used.restart();
    wait_until("it replicates", seconds(20), || used.replicates());
    scene.db.primary.sql_all(&[
        "CREATE DATABASE full",
        "CREATE TABLE full.t (a INT PRIMARY KEY AUTO_INCREMENT, b LONGBLOB)",
    ]);
    used.wait_for_value(
        "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema='full'",
        "1",
    );
    // A move by hand to the server that is to have no space.
    scene.point_at(used);
    let watch = Watch::start(&scene.consul, KEY);
    assert!(fs::write(data.join("fill"), vec![0; 200 << 20]).is_err());
    for _ in 0..3 {
        let insert = "INSERT INTO full.t (b) VALUES (REPEAT('x', 4000000))";
        scene.db.primary.sql(insert);
    }
    scene.wait_until_at(other);
    let came = watch.came_right(1);
    let why = format!("{} is degraded: lag", used.endpoint());
    checker.wait_for_log(&why);
    used.kill();
    drop(disk);
    came
}

fn no_names() -> Came {
    let silence = SilentNames::start();
    let watch = Watch::start(&silence.consul, KEY);
    let line = "whose health is unknown: the name service did not answer for db1.example";
    silence.checker.wait_for_count(line, 3);
    watch.nothing_came()
}
