//! Many tags in one process: their servers, which are a responder's, Consul with a meter before it, and the
//! checkers as systemd would run them. Owns what is started and what is seen of it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixDatagram;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use crate::hosts::{Hosts, Who, port};
use crate::lateness::{self, Lateness};
use crate::memcached::Memcached;
use crate::meter::{Meter, Traffic};
use crate::mysql::Mysql;
use crate::process::{self, Held};
use crate::redis::{Masters, Redis};
use crate::responder::{Arrival, Responder};
use crate::support::checker::{Checker, CheckerBuilder};
use crate::support::consul::Consul;
use crate::support::{program, seconds, wait_until};

pub const INTERVAL: Duration = Duration::from_secs(1);

/// A kind of server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Mysql,
    Memcached,
    Redis,
    /// MySQL, with a renderer in the same process.
    Run,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Kind::Mysql => "MySQL",
            Kind::Memcached => "memcached",
            Kind::Redis => "Redis",
            Kind::Run => "`run`: MySQL, and a renderer",
        }
    }

    fn command(self) -> &'static str {
        match self {
            Kind::Mysql => "checkmysqlslave",
            Kind::Memcached => "checkmemcached",
            Kind::Redis => "checkredismaster",
            Kind::Run => "run",
        }
    }

    /// The first part of a key.
    fn prefix(self) -> &'static str {
        match self {
            Kind::Mysql | Kind::Run => "haproxy/mysqlslave",
            Kind::Memcached => "haproxy/memcached",
            Kind::Redis => "haproxy/redismaster",
        }
    }

    /// The two hosts whose servers are in use: half of the tags is at each.
    pub fn halves(self) -> [usize; 2] {
        match self {
            // Host 0 has the primaries.
            Kind::Mysql | Kind::Run => [1, 2],
            Kind::Memcached | Kind::Redis => [0, 1],
        }
    }
}

/// All of it.
pub struct Site {
    pub kind: Kind,
    pub tags: usize,
    pub responder: Responder,
    pub consul: Consul,
    pub meter: Meter,
    pub checker: Checker,
    masters: Masters,
}

/// A while in which nothing happened.
#[derive(Debug, Clone)]
pub struct Quiet {
    pub held: Held,
    /// Shares of one processor: of the checkers, the responder and Consul.
    pub cpu: [f64; 3],
    pub late: Lateness,
    pub traffic: Traffic,
    pub time: Duration,
}

impl Site {
    /// The keys are there, half of them at each of the two hosts; these hosts hang from the start.
    pub fn start(kind: Kind, tags: usize, hung: &[usize]) -> Site {
        process::raise_limits();
        let hosts = Hosts::new(3, tags);
        let masters: Masters = Arc::new(
            (0..tags)
                .map(|tag| half(kind, tag, tags))
                .map(AtomicUsize::new)
                .collect(),
        );
        let (responder, conf) = match kind {
            Kind::Mysql | Kind::Run => (
                Responder::start(&hosts, Mysql::new(&hosts)),
                Mysql::conf(&hosts, ""),
            ),
            Kind::Memcached => (
                Responder::start(&hosts, Memcached),
                Memcached::conf(&hosts, ""),
            ),
            Kind::Redis => (
                Responder::start(&hosts, Redis::new(&hosts, &masters)),
                Redis::conf(&hosts, ""),
            ),
        };
        hung.iter().for_each(|host| responder.hang(*host));
        let consul = Consul::start_persistent();
        seed(&consul, kind, &hosts);
        let meter = Meter::start(&consul.endpoint());
        let builder = CheckerBuilder::new(kind.command())
            .conf(&conf)
            .args(["--consul", &meter.endpoint()]);
        let builder = if kind == Kind::Run {
            with_renderer(builder)
        } else {
            builder
        };
        let builder = as_by_systemd(builder);
        Site {
            checker: builder.start(),
            kind,
            tags,
            responder,
            consul,
            meter,
            masters,
        }
    }

    pub fn pid(&self) -> u32 {
        self.checker.daemon().pid()
    }

    /// Waits until every tag was checked, and what was learnt at the start is done.
    pub fn wait_until_all_run(&self) -> Vec<Arrival> {
        let mut all = Vec::new();
        wait_until("every tag is checked", seconds(60), || {
            all.extend(self.responder.arrivals());
            let halves = self.kind.halves();
            let mut seen: Vec<usize> = all
                .iter()
                .filter(|arrival| halves.contains(&arrival.who.host))
                .map(|arrival| arrival.who.tag)
                .collect();
            seen.sort_unstable();
            seen.dedup();
            seen.len() == self.tags
        });
        all
    }

    /// What it is like for a while.
    pub fn quiet(&self, time: Duration) -> Quiet {
        let places = self.places();
        let stats = || {
            [
                process::cpu_of(self.pid()),
                process::cpu(&self.responder.stat),
                process::cpu_of(self.consul.daemon().pid()),
            ]
        };
        self.responder.arrivals();
        self.meter.traffic();
        let (start, before) = (Instant::now(), stats());
        thread::sleep(time);
        let (time, after) = (start.elapsed(), stats());
        let share = |at: usize| (after[at] - before[at]) / time.as_secs_f64();
        let arrivals = self.responder.arrivals();
        Quiet {
            held: process::held(self.pid()),
            cpu: [share(0), share(1), share(2)],
            late: self.late(&arrivals, &places, |_| true),
            traffic: self.meter.traffic(),
            time,
        }
    }

    /// The lateness of the checks of those tags that please.
    pub fn late(
        &self,
        arrivals: &[Arrival],
        places: &BTreeMap<usize, usize>,
        pleases: impl Fn(usize) -> bool,
    ) -> Lateness {
        let tags = (0..self.tags).filter(|tag| pleases(*tag)).count();
        let is_checked = |who: Who| pleases(who.tag) && places.get(&who.tag) == Some(&who.host);
        lateness::lateness(arrivals, INTERVAL, is_checked, tags)
    }

    /// At which host each tag's key is.
    pub fn places(&self) -> BTreeMap<usize, usize> {
        let path = format!("/v1/kv/{}?recurse", self.kind.prefix());
        let answer = self.consul.request("GET", &path, b"");
        let keys: Vec<Value> = serde_json::from_slice(&answer.body).unwrap_or_default();
        let hosts = self.responder.hosts();
        let place = |key: &Value| {
            let tag = key["Key"].as_str()?.rsplit_once("/t")?.1.parse().ok()?;
            let text = BASE64.decode(key["Value"].as_str()?).ok()?;
            let value: Value = serde_json::from_slice(&text).ok()?;
            let ip = value["host"].as_str()?;
            let host = (0..hosts.count).find(|host| hosts.ip(*host).to_string() == ip)?;
            Some((tag, host))
        };
        keys.iter().filter_map(place).collect()
    }

    /// Waits until no key is at this host; how long it took for half of those that were there, and for all.
    pub fn wait_until_left(&self, host: usize, limit: Duration) -> Option<(Duration, Duration)> {
        let start = Instant::now();
        let there = || self.places().values().filter(|at| **at == host).count();
        let first = self.tags.div_ceil(2);
        let mut half = None;
        while start.elapsed() < limit {
            let left = there();
            if left <= first / 2 {
                half.get_or_insert(start.elapsed());
            }
            if left == 0 {
                return Some((half?, start.elapsed()));
            }
            thread::sleep(Duration::from_millis(50));
        }
        None
    }

    /// Redis only: the masters of a host are put to another one, as Sentinels would.
    pub fn promote(&self, from: usize, to: usize) {
        for master in self.masters.iter() {
            let _ = master.compare_exchange(from, to, Ordering::SeqCst, Ordering::SeqCst);
        }
    }
}

fn half(kind: Kind, tag: usize, tags: usize) -> usize {
    let [first, second] = kind.halves();
    if tag < tags.div_ceil(2) {
        first
    } else {
        second
    }
}

/// Consul takes 64 keys at once.
fn seed(consul: &Consul, kind: Kind, hosts: &Hosts) {
    let operation = |tag: usize| {
        let ip = hosts.ip(half(kind, tag, hosts.tags));
        let more = match kind {
            Kind::Mysql | Kind::Run => 4000,
            Kind::Memcached | Kind::Redis => 5000,
        };
        let (port, proxy) = (port(tag), port(tag) + more);
        let value = format!(
            "{{\"name\":\"t{tag:04}\", \"host\":\"{ip}\", \"port\":{port}, \"proxyport\":{proxy}}}"
        );
        json!({"KV": {
            "Verb": "set", "Key": format!("{}/t{tag:04}", kind.prefix()),
            "Value": BASE64.encode(value),
        }})
    };
    let all: Vec<usize> = (0..hosts.tags).collect();
    for some in all.chunks(64) {
        let operations: Vec<Value> = some.iter().map(|tag| operation(*tag)).collect();
        let body = Value::Array(operations).to_string();
        let answer = consul.request("PUT", "/v1/txn", body.as_bytes());
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
}

/// With a log that holds news only, and somebody who is told.
fn as_by_systemd(builder: CheckerBuilder) -> CheckerBuilder {
    let log = builder.dir().join("log");
    fs::write(&log, "").unwrap();
    let log = fs::metadata(&log).unwrap();
    let path = builder.dir().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    thread::spawn(move || {
        let mut message = [0; 4096];
        while socket.recv(&mut message).is_ok() {}
    });
    builder
        .env("JOURNAL_STREAM", &format!("{}:{}", log.dev(), log.ino()))
        .env("NOTIFY_SOCKET", path.to_str().unwrap())
        .env("WATCHDOG_USEC", "60000000")
}

/// The shipped template, checked by a real HAProxy that is never started.
fn with_renderer(builder: CheckerBuilder) -> CheckerBuilder {
    let template = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/confd/templates/haproxy.cfg.tmpl"
    );
    let confdir = builder.dir().join("confd");
    let resource = format!(
        "[template]\nsrc = \"haproxy.cfg.tmpl\"\ndest = \"{}\"\nkeys = [\"/haproxy/mysqlslave\"]\n\
         check_cmd = \"{} -c -f {{{{.src}}}}\"\nreload_cmd = \"true\"\n",
        builder.dir().join("haproxy.cfg").display(),
        program("haproxy").display(),
    );
    builder
        .file("confd/conf.d/haproxy.toml", &resource)
        .file(
            "confd/templates/haproxy.cfg.tmpl",
            &fs::read_to_string(template).unwrap(),
        )
        .arg("--confdir")
        .arg(confdir)
}
