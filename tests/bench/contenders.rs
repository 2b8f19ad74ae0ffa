//! Who checks the same server in the same way, for what it costs: we, and the floor.

use crate::Bench;
use crate::peers::Peers;
use crate::scene::{KEY, section};
use crate::stage::Stage;
use crate::support::checker::{Checker, CheckerBuilder, binary};
use crate::support::program;

pub const WITH_FILES: &str = "the floor with a file read and a line written";
/// Said once in each check.
pub const OK: &str = "is ok";

/// What a process is asked with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    Consul,
    Store,
    Floor,
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
            Who::Store => {
                let builder = ours("run").conf(&conf);
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
            Who::Floor | Who::FloorAndFiles => {
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
                self.asked(builder.file("keys.json", keys), interval)
                    .args(file)
                    .start()
            }
            Who::Original => {
                let builder = self.peers.original().expect("it is given").conf(&conf);
                builder.args(["--tag", "slave"]).args(consul).start()
            }
        };
        checker.wait_for_count(OK, 2);
        checker
    }

    /// The floor's words: the same server, account and statement.
    fn asked(&self, floor: CheckerBuilder, interval: u64) -> CheckerBuilder {
        let current = self.stage.current();
        let (host, port) = current.rsplit_once(':').expect("host:port");
        floor
            .args([host, port, "monitor", "s3cret", "SHOW ALL SLAVES STATUS"])
            .arg(interval.to_string())
    }
}
