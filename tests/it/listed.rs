//! What most tests of checkmemcached and checkredismaster begin with: a list of servers, Consul,
//! and a tag.

use crate::scene::endpoint_of;
use crate::support::checker::{Checker, CheckerBuilder};
use crate::support::consul::{Consul, Kv};
use crate::support::{becomes_true, seconds, wait_until};

/// Quick enough for tests, slow enough for a busy machine.
pub const QUICK: &[&str] = &["--timeout", "1", "--interval", "0.3"];
/// The part of a line that says that the server in use is well, whatever the command.
const WELL: &str = " ok: ";

/// One tag of a list of servers, in a Consul of its own.
pub struct Listed {
    pub consul: Consul,
    pub command: &'static str,
    pub tag: &'static str,
    pub key: String,
    /// `--server`, or more words that name the servers.
    pub servers: Vec<String>,
}

impl Listed {
    /// A tag of memcached servers: `a:p,b:p`.
    pub fn memcached(list: &str) -> Listed {
        Listed::new(Consul::start(), "checkmemcached", "mem11211", "memcached")
            .servers(&["--server", list])
    }

    /// A tag of Redis servers: `a:p,b:p`.
    pub fn redis(list: &str) -> Listed {
        Listed::redis_in(Consul::start()).servers(&["--server", list])
    }

    /// A tag of Redis servers that are still to be named, in this Consul.
    pub fn redis_in(consul: Consul) -> Listed {
        Listed::new(consul, "checkredismaster", "redis6379", "redismaster")
    }

    fn new(consul: Consul, command: &'static str, tag: &'static str, kind: &str) -> Listed {
        let key = format!("haproxy/{kind}/{tag}");
        let servers = Vec::new();
        Listed {
            consul,
            command,
            tag,
            key,
            servers,
        }
    }

    /// The words that name the servers.
    pub fn servers(mut self, words: &[&str]) -> Listed {
        self.servers = words.iter().map(|word| (*word).to_owned()).collect();
        self
    }

    /// A checker of the tag with these options, not yet started.
    pub fn builder(&self, options: &[&str]) -> CheckerBuilder {
        CheckerBuilder::new(self.command)
            .args(&self.servers)
            .args(["--tag", self.tag, "--consul", &self.consul.endpoint()])
            .args(QUICK)
            .args(options)
    }

    /// A running checker.
    pub fn checker(&self, options: &[&str]) -> Checker {
        self.builder(options).start()
    }

    /// A running checker that has said twice that all is well.
    pub fn settled(&self, options: &[&str]) -> Checker {
        let checker = self.checker(options);
        wait_for_more_ok(&checker, 2);
        checker
    }

    /// One cycle: the exit code, and what it said.
    pub fn once(&self, options: &[&str]) -> (i32, String) {
        let builder = self.builder(options).arg("--once");
        let finished = builder.run_to_end(seconds(30));
        (
            finished.code.expect("it ends by itself"),
            finished.stdout + &finished.stderr,
        )
    }

    /// A value of the key in the original's byte form.
    pub fn value(&self, endpoint: &str, proxy_port: u16) -> String {
        let (host, port) = endpoint.rsplit_once(':').expect("host:port");
        let tag = self.tag;
        format!(r#"{{"name":"{tag}", "host":"{host}", "port":{port}, "proxyport":{proxy_port}}}"#)
    }

    /// Writes the key.
    pub fn point_at(&self, endpoint: &str) {
        self.consul.put(&self.key, &self.value(endpoint, 16_211));
    }

    /// The key, as it is now.
    pub fn kv(&self) -> Kv {
        self.consul.get(&self.key).expect("the key exists")
    }

    /// Which write of the key was the last one.
    pub fn index(&self) -> u64 {
        self.kv().modify_index
    }

    /// The server that the key names; empty without a key.
    pub fn current(&self) -> String {
        let kv = self.consul.get(&self.key);
        kv.map(|kv| endpoint_of(&kv.value)).unwrap_or_default()
    }

    /// Waits until the key names this server.
    #[track_caller]
    pub fn wait_until_at(&self, endpoint: &str) {
        let what = format!("the key names {endpoint}");
        wait_until(&what, seconds(30), || self.current() == endpoint);
    }
}

/// Waits until a checker has said that all is well this many times more.
#[track_caller]
pub fn wait_for_more_ok(checker: &Checker, times: usize) {
    wait_for_more(checker, WELL, times);
}

/// Waits until a checker has said this in so many more lines.
#[track_caller]
pub fn wait_for_more(checker: &Checker, text: &str, times: usize) {
    checker.wait_for_count(text, checker.count(text) + times);
}

/// A process with five tags for each of these servers. When they hang, each is checked a thousand
/// times; then they go on, and it has the threads and descriptors that it had before. `words` are
/// the command and what makes it say everything.
#[track_caller]
pub fn leaves_nothing_behind(
    words: [&str; 2],
    kind: &str,
    servers: &[String],
    set_hanging: impl Fn(bool),
) {
    const TAGS: usize = 5;
    let consul = Consul::start();
    let mut conf = String::new();
    for (number, server) in servers
        .iter()
        .cycle()
        .take(TAGS * servers.len())
        .enumerate()
    {
        let port = number + 1;
        conf += &format!("[t{number}]\ntype={kind}\nserver={server}\nproxyport={port}\n");
    }
    let checker = CheckerBuilder::new(words[0])
        .conf(&conf)
        .arg(words[1])
        .args(["--consul", &consul.endpoint(), "--fall", "100"])
        .args(["--timeout", "0.02", "--interval", "0.05"])
        .start();
    let wait_for_each = |text: &str, times: usize, limit: u64| {
        for server in servers {
            let is_it = |line: &&str| line.contains(server.as_str()) && line.contains(text);
            let said = || checker.log().lines().filter(is_it).count();
            let enough = said() + times;
            let what = format!("{times} checks of {server}: {text}");
            wait_until(&what, seconds(limit), || said() >= enough);
        }
    };
    wait_for_each(WELL, 20 * TAGS, 30);
    let pid = checker.daemon().pid();
    let counts = || (count(pid, "task"), count(pid, "fd"));
    let before = (0..20)
        .map(|_| counts())
        .fold((0, 0), |most, now| (most.0.max(now.0), most.1.max(now.1)));
    set_hanging(true);
    wait_for_each("no answer in 0.02 s", 1000, 120);
    // A probe of each tag may be under way, and one more that outlived its deadline.
    let spare = 2 * TAGS * servers.len();
    wait_until("few threads and descriptors", seconds(10), || {
        let now = counts();
        now.0 <= before.0 + spare && now.1 <= before.1 + spare
    });
    set_hanging(false);
    wait_for_each(WELL, 5 * TAGS, 30);
    // Connections to Consul stay open: as many as tags asked it at the same time.
    let pool = TAGS * servers.len();
    let least = std::cell::Cell::new((usize::MAX, usize::MAX));
    let fell = becomes_true(seconds(20), || {
        let (now, seen) = (counts(), least.get());
        least.set((seen.0.min(now.0), seen.1.min(now.1)));
        now.0 <= before.0 && now.1 <= before.1 + pool
    });
    assert!(
        fell,
        "threads and descriptors were {before:?}, and not less than {:?} after",
        least.get()
    );
}

/// How many threads (`task`) or descriptors (`fd`) a process has.
fn count(pid: u32, what: &str) -> usize {
    let entries = std::fs::read_dir(format!("/proc/{pid}/{what}"));
    entries.expect("the process is there").count()
}
