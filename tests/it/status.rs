//! `confd_haproxy status`, with real servers of all three kinds: what it says, and its exit code.

use std::time::Instant;

use serde_json::Value;

use crate::scene::{CHECK, KEY, Scene, value};
use crate::support::checker::{CheckerBuilder, Finished, binary};
use crate::support::consul::Consul;
use crate::support::memcached::{self, Memcached};
use crate::support::redis::{self, Redis};
use crate::support::{free_port, seconds};

const MEMCACHED: &str = "haproxy/memcached/mem11211";
const REDIS: &str = "haproxy/redismaster/redis6379";

/// What `status` says of a conf file and a Consul.
pub fn status(conf: &str, consul: &str, options: &[&str]) -> Finished {
    CheckerBuilder::new("status")
        .conf(conf)
        // Not what this machine may have in /etc/confd.
        .args(["--consul", consul, "--confdir", "/nonexistent"])
        .args(options)
        .run_to_end(seconds(30))
}

/// The table's line with this tag or server in it.
pub fn line_with<'a>(said: &'a str, text: &str) -> &'a str {
    let mut lines = said.lines().skip(1);
    lines.find(|line| line.contains(text)).unwrap_or_default()
}

#[test]
fn status_tells_how_every_tag_of_every_kind_is_and_changes_nothing() {
    let scene = Scene::start(1);
    let caches = [Memcached::start(), Memcached::start()];
    let group = Redis::group(1);
    let ports = [free_port(), free_port()];
    let conf = format!(
        "{}[mem11211]\ntype=memcached\nserver={}\nproxyport={}\n\
         [redis6379]\ntype=redismaster\nserver={}\nproxyport={}\n",
        scene.conf(CHECK),
        memcached::list(&caches),
        ports[0],
        redis::list(&group),
        ports[1],
    );
    let consul = scene.consul.endpoint();
    let empty = status(&conf, &consul, &[]);
    assert_eq!(empty.code, Some(2), "{}", empty.stdout);
    assert!(empty.stdout.starts_with("CRITICAL: 3 of 3 tags: "));
    assert!(empty.stdout.contains("there is no mem11211 in consul"));
    for key in [KEY, MEMCACHED, REDIS] {
        assert!(scene.consul.get(key).is_none(), "{key} was written");
    }

    let replica = &scene.db.replicas[0];
    scene.point_at(replica);
    let put = |key, tag, port| {
        let own = ports[usize::from(key == REDIS)].to_string();
        let value = value(tag, "127.0.0.1", port).replace("13351", &own);
        scene.consul.put(key, &value);
    };
    put(MEMCACHED, "mem11211", caches[1].port());
    put(REDIS, "redis6379", group[0].port());
    let good = status(&conf, &consul, &[]);
    assert_eq!(good.code, Some(0), "{}", good.stdout);
    assert!(
        good.stdout
            .starts_with("OK: 3 of 3 tags are on a healthy server\n")
    );
    assert!(line_with(&good.stdout, "slave ").contains("up, lag 0 s"));
    let other = line_with(&good.stdout, &caches[0].endpoint());
    assert!(
        other.trim_start().starts_with("or ") && other.ends_with("up"),
        "{other}"
    );
    assert!(good.stdout.contains("\nHAProxy not asked: no resource in "));
    let replica_of_redis = line_with(&good.stdout, &group[1].endpoint());
    assert!(replica_of_redis.contains("not the master: a replica of"));

    // A replica that was elected by hand, and a dead cache.
    put(REDIS, "redis6379", group[1].port());
    caches[1].kill();
    let bad = status(&conf, &consul, &["--json"]);
    assert_eq!(bad.code, Some(2), "{}", bad.stdout);
    let told: Value = serde_json::from_str(&bad.stdout).unwrap();
    let states = [0, 1, 2].map(|index| told["tags"][index]["state"].as_str().unwrap());
    assert_eq!(states, ["ok", "down", "down"], "{}", bad.stdout);
    assert_eq!(
        told["tags"][1]["server"]["health"],
        "down: connection refused"
    );
    let one = status(&conf, &consul, &["--tag", "slave"]);
    assert_eq!(one.code, Some(0), "{}", one.stdout);
}

#[test]
fn status_without_a_store_that_answers_is_unknown_and_still_shows_the_servers() {
    let cache = Memcached::start();
    let conf = format!("[mem11211]\ntype=memcached\nserver={}\n", cache.endpoint());
    let nobody = format!("127.0.0.1:{}", free_port());
    let finished = status(&conf, &nobody, &[]);
    assert_eq!(finished.code, Some(3), "{}", finished.stdout);
    assert!(
        finished
            .stdout
            .starts_with("UNKNOWN: 1 of 1 tags: mem11211: ")
    );
    assert!(line_with(&finished.stdout, &cache.endpoint()).ends_with("up"));
    let stored = CheckerBuilder::new("status").conf(&conf).file(
        "keys.json",
        &format!(
            r#"{{"haproxy": {{"memcached": {{"mem11211": "{}"}}}}}}"#,
            value("mem11211", "127.0.0.1", cache.port()).replace('"', "\\\"")
        ),
    );
    let store = stored.dir().join("keys.json");
    let finished = stored
        .args(["--confdir", "/nonexistent"])
        .arg("--store")
        .arg(store)
        .run_to_end(seconds(30));
    let said = finished.stdout + &finished.stderr;
    assert!(said.starts_with("OK: 1 of 1 tags"), "{said}");
}

/// Four tags whose eight servers all hang.
#[test]
fn many_hung_servers_take_as_long_as_one() {
    let caches: Vec<Memcached> = (0..8).map(|_| Memcached::start()).collect();
    let consul = Consul::start();
    let mut conf = String::new();
    for (number, pair) in caches.chunks(2).enumerate() {
        let (tag, port) = (format!("mem{number}"), 20_000 + number);
        conf += &format!(
            "[{tag}]\ntype=memcached\ntimeout=1\nproxyport={port}\nserver={}\n",
            memcached::list(pair)
        );
        let value = value(&tag, "127.0.0.1", pair[0].port()).replace("13351", &port.to_string());
        consul.put(&format!("haproxy/memcached/{tag}"), &value);
    }
    caches.iter().for_each(Memcached::stop);
    let began = Instant::now();
    let finished = status(&conf, &consul.endpoint(), &[]);
    let took = began.elapsed();
    caches.iter().for_each(Memcached::cont);
    assert_eq!(finished.code, Some(2), "{}", finished.stdout);
    assert_eq!(finished.stdout.matches("no answer in 1 s").count(), 8 + 4);
    // A check and a survey, a second each, and some patience with a busy machine.
    assert!(took < seconds(4), "{took:?}");
}

#[test]
fn watch_shows_picture_after_picture_marks_what_is_new_and_ends_with_its_reader() {
    let caches = [Memcached::start(), Memcached::start()];
    let conf = format!(
        "[mem11211]\ntype=memcached\nserver={}\n",
        memcached::list(&caches)
    );
    let builder = CheckerBuilder::new("status").conf(&conf).file(
        "keys.json",
        &format!(
            r#"{{"haproxy": {{"memcached": {{"mem11211": "{}"}}}}}}"#,
            value("mem11211", "127.0.0.1", caches[0].port()).replace('"', "\\\"")
        ),
    );
    let store = builder.dir().join("keys.json").display().to_string();
    let watch = builder
        .args(["--confdir", "/nonexistent", "--store", &store])
        .args(["--watch", "0.2"])
        .start();
    watch.wait_for_count("OK: 1 of 1 tags", 2);
    caches[0].kill();
    watch.wait_for_log("CRITICAL: 1 of 1 tags: mem11211 is on ");
    watch.wait_for_log("*mem11211");
    watch.wait_for_log("do: systemctl status 'checkmemcached@*'");
    assert!(!watch.log().contains('\u{1b}'), "{}", watch.log());

    // As `status --watch | head -1`: the reader is gone, and that is no error.
    let script = format!(
        "\"$0\" status --conf {conf} --store {store} --confdir /nonexistent --watch=0.2 | head -1",
        conf = watch.daemon().dir().join("db.conf").display()
    );
    let piped = CheckerBuilder::of("piped", "/bin/sh")
        .args(["-c", &script])
        .arg(binary())
        .run_to_end(seconds(20));
    assert_eq!(piped.stdout.lines().count(), 1, "{}", piped.stdout);
    assert_eq!(piped.stderr, "");
}

#[test]
fn there_are_colours_on_a_terminal_unless_the_environment_forbids_them() {
    let cache = Memcached::start();
    let conf = format!("[mem11211]\ntype=memcached\nserver={}\n", cache.endpoint());
    for (variable, value, is_coloured) in [
        ("TERM", "xterm", true),
        ("TERM", "dumb", false),
        ("NO_COLOR", "1", false),
    ] {
        // `script` gives it a terminal.
        let terminal = CheckerBuilder::of("script", "script").env("TERM", "xterm");
        let dir = terminal.dir().display().to_string();
        let command = format!(
            "{} status --conf {dir}/db.conf --store {dir}/keys.json --confdir /nonexistent",
            binary().display()
        );
        let finished = terminal
            .file("db.conf", &conf)
            .env(variable, value)
            .args(["-qec", &command, "/dev/null"])
            .run_to_end(seconds(20));
        assert_eq!(finished.code, Some(2), "{finished:?}");
        let is_red = finished.stdout.starts_with("\u{1b}[1;31mCRITICAL");
        assert_eq!(is_red, is_coloured, "{variable}={value}: {finished:?}");
        assert_eq!(finished.stdout.contains('\u{1b}'), is_coloured);
    }
}
