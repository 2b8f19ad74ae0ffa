//! What most tests of checkmysqlslave begin with: a primary, replicas, Consul, and a tag.

use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::support::checker::{Checker, CheckerBuilder};
use crate::support::consul::{Consul, Kv};
use crate::support::mariadb::{MariaDb, Options};
use crate::support::replication::Replication;
use crate::support::{seconds, wait_until};

pub const KEY: &str = "haproxy/mysqlslave/slave";

/// A MariaDB replication on loopback, and a Consul that keeps its keys when it is killed.
pub struct Scene {
    pub consul: Consul,
    pub db: Replication,
}

impl Scene {
    pub fn start(replicas: usize) -> Scene {
        Scene::with(Options::default(), replicas)
    }

    pub fn with(primary: Options, replicas: usize) -> Scene {
        let options = (0..replicas).map(|_| Options::default());
        thread::scope(|scope| {
            let consul = scope.spawn(Consul::start_persistent);
            let db = Replication::with(primary, options);
            Scene {
                consul: consul.join().expect("consul starts"),
                db,
            }
        })
    }

    /// The tag's section, with these lines besides.
    pub fn conf(&self, more: &str) -> String {
        section("slave", &self.db.primary, more)
    }

    /// A checker of the tag, with these lines in its section and these options, not yet started.
    pub fn checker_with(&self, more: &str, options: &[&str]) -> CheckerBuilder {
        CheckerBuilder::new("checkmysqlslave")
            .conf(&self.conf(more))
            .args(["--consul", &self.consul.endpoint()])
            .args(options)
    }

    /// A running checker.
    pub fn checker(&self, more: &str) -> Checker {
        self.checker_with(more, &[]).start()
    }

    /// One cycle: the exit code, and what it said.
    pub fn once(&self, more: &str, options: &[&str]) -> (i32, String) {
        let finished = self
            .checker_with(more, options)
            .arg("--once")
            .run_to_end(seconds(30));
        (
            finished.code.expect("it ends by itself"),
            finished.stdout + &finished.stderr,
        )
    }

    /// Writes the key.
    pub fn point_at(&self, server: &MariaDb) {
        self.consul
            .put(KEY, &value("slave", server.host(), server.port()));
    }

    /// The key, as it is now.
    pub fn kv(&self) -> Kv {
        self.consul.get(KEY).expect("the key exists")
    }

    /// The server that the key names: `host:port`.
    pub fn current(&self) -> String {
        endpoint_of(&self.kv().value)
    }

    /// Waits until the key names this server.
    #[track_caller]
    pub fn wait_until_at(&self, server: &MariaDb) {
        self.wait_until_at_endpoint(&server.endpoint());
    }

    #[track_caller]
    pub fn wait_until_at_endpoint(&self, endpoint: &str) {
        wait_until(&format!("the key names {endpoint}"), seconds(30), || {
            self.consul
                .get(KEY)
                .is_some_and(|kv| endpoint_of(&kv.value) == endpoint)
        });
    }

    /// The replica in use, and another one.
    pub fn used_and_other(&self) -> (&MariaDb, &MariaDb) {
        let current = self.current();
        let used = self.db.replica_at(&current);
        let other = self.db.replicas.iter().find(|r| r.endpoint() != current);
        (used, other.expect("a second replica"))
    }
}

/// A conf file's section for a tag, proxied on port 13351.
pub fn section(tag: &str, primary: &MariaDb, more: &str) -> String {
    format!(
        "[{tag}]\nhost={}\nport={}\nuser=monitor\npassword=s3cret\nproxyport=13351\n{more}\n",
        primary.host(),
        primary.port()
    )
}

/// A key's value in the original's byte form.
pub fn value(tag: &str, host: &str, port: u16) -> String {
    format!(r#"{{"name":"{tag}", "host":"{host}", "port":{port}, "proxyport":13351}}"#)
}

/// `host:port` of a key's value; empty if it is not ours.
pub fn endpoint_of(value: &str) -> String {
    let Ok(value) = serde_json::from_str::<Value>(value) else {
        return String::new();
    };
    match (value["host"].as_str(), value["port"].as_u64()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        _ => String::new(),
    }
}

/// Waits until a checker has said that all is well this many times more.
#[track_caller]
pub fn wait_for_more_ok(checker: &Checker, times: usize) {
    let ok = "in consul is ok";
    checker.wait_for_count(ok, checker.count(ok) + times);
}

/// Waits until a replica's threads stand as wanted.
#[track_caller]
pub fn wait_for_status(server: &MariaDb, column: &str, wanted: impl Fn(&str) -> bool) {
    wait_until(
        &format!("{column} on {}", server.endpoint()),
        seconds(30),
        || {
            let rows = server.query_named("SHOW SLAVE STATUS");
            rows.first()
                .is_some_and(|row| row.get(column).is_some_and(|value| wanted(value)))
        },
    );
}

/// Short enough for tests, long enough for a busy machine.
pub const CHECK: &str = "timeout=1\ninterval=0.3\n";
/// `timeout=` in that.
pub const TIMEOUT: Duration = Duration::from_secs(1);
