//! Who checks the same server in the same way, for what it costs: we, and the floor.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use crate::Bench;
use crate::peers::Peers;
use crate::scene::{KEY, section};
use crate::stage::{Replica, Stage};
use crate::support::checker::{Checker, CheckerBuilder, binary};
use crate::support::{program, wait_until};

pub const WITH_FILES: &str = "the floor with a file read and a line written";
/// Said once in each check.
pub const OK: &str = "is ok";

/// What a process is asked with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    Consul,
    Store,
    /// As systemd runs it: a check that finds nothing new says nothing.
    Silent,
    Floor,
    SilentFloor,
    /// The floor, which also reads a file and writes a line, as a cycle does.
    FloorAndFiles,
    Original,
}

/// Whom they ask, and what else runs.
#[derive(Debug, Clone, Copy)]
pub struct Contenders<'a> {
    pub stage: &'a Stage,
    pub peers: &'a Peers,
}

impl<'a> Contenders<'a> {
    pub fn of(bench: &'a Bench) -> Contenders<'a> {
        let contenders = Contenders {
            stage: bench.stage(),
            peers: &bench.peers,
        };
        // Somebody has to say first who is in use.
        drop(contenders.start(Who::Consul, None, 1000));
        contenders
    }

    /// Started, below this program where there is one; and it checks.
    pub fn start(&self, who: Who, below: Option<&[&str]>, interval: u64) -> Checker {
        let seconds = interval as f64 / 1e3;
        let conf = section(
            "slave",
            self.stage.primary(),
            &format!("interval={seconds}"),
        );
        let consul = ["--consul".to_owned(), self.stage.consul.endpoint()];
        let words = below.unwrap_or_default();
        let ours = |command| match words.split_first() {
            None => CheckerBuilder::new(command),
            Some((first, rest)) => CheckerBuilder::of(command, program(first))
                .args(rest)
                .arg(binary())
                .arg(command),
        };
        let checker = match who {
            Who::Consul => ours("checkmysqlslave").conf(&conf).args(consul).start(),
            Who::Store | Who::Silent => {
                let builder = ours("run").conf(&conf);
                let builder = match who {
                    Who::Silent => as_by_systemd(builder),
                    _ => builder,
                };
                let dir = builder.dir().display().to_string();
                let resource =
                    "[template]\nsrc = \"t\"\ndest = \"{dir}/out\"\nkeys = [\"/haproxy\"]\n";
                builder
                    .file("confd/conf.d/r.toml", &resource.replace("{dir}", &dir))
                    .file(
                        "confd/templates/t",
                        "{{getv \"/haproxy/mysqlslave/slave\"}}\n",
                    )
                    .args(["--confdir", &format!("{dir}/confd")])
                    .args(["--store", &format!("{dir}/keys.json")])
                    .start()
            }
            Who::Floor | Who::SilentFloor | Who::FloorAndFiles => {
                let floor = self.peers.tool("floor");
                let builder = match words.split_first() {
                    None => CheckerBuilder::of("floor", floor),
                    Some((first, rest)) => CheckerBuilder::of("floor", program(first))
                        .args(rest)
                        .arg(floor),
                };
                let keys = builder.dir().join("keys.json");
                let file = (who == Who::FloorAndFiles).then_some(keys);
                let keys = &self.stage.consul.value(KEY);
                let pace = match who {
                    Who::SilentFloor => format!("-{interval}"),
                    _ => interval.to_string(),
                };
                self.asked(builder.file("keys.json", keys), &pace)
                    .args(file)
                    .start()
            }
            Who::Original => {
                let builder = self.peers.original().expect("it is given").conf(&conf);
                builder.args(["--tag", "slave"]).args(consul).start()
            }
        };
        match who {
            Who::Silent | Who::SilentFloor => {
                let checks = || self.checks();
                let before = checks();
                wait_until("it checks", Duration::from_secs(20), || {
                    checks() > before + 2
                });
            }
            _ => checker.wait_for_count(OK, 2),
        }
        checker
    }

    /// The floor's words: the same server, account and statement.
    fn asked(&self, floor: CheckerBuilder, pace: &str) -> CheckerBuilder {
        let current = self.stage.current();
        let (host, port) = current.rsplit_once(':').expect("host:port");
        floor
            .args([host, port, "monitor", "s3cret", "SHOW ALL SLAVES STATUS"])
            .arg(pace)
    }

    /// How many times the replicas were asked for their status so far, as they say. Whoever keeps its keys
    /// in a file may use the one that Consul's key does not name.
    pub fn checks(&self) -> u64 {
        let current = self.stage.current();
        let used = self.stage.replica_at(&current);
        let asked = |replica: Replica<'_>| -> u64 {
            let rows = replica
                .server()
                .query("SHOW GLOBAL STATUS LIKE 'Com_show_slave_status'");
            let count = rows.first().and_then(|row| row.get(1)?.parse().ok());
            count.expect("the server counts")
        };
        asked(used) + asked(used.other())
    }
}

/// Its log is the journal's, as far as it can tell.
fn as_by_systemd(builder: CheckerBuilder) -> CheckerBuilder {
    let log = builder.dir().join("log");
    fs::write(&log, "").expect("the directory is ours");
    let log = fs::metadata(&log).expect("it was written");
    builder.env("JOURNAL_STREAM", &format!("{}:{}", log.dev(), log.ino()))
}
