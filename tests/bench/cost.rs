//! What a check costs: CPU time and instructions, of us and of who asks the same server the same.

use std::process::Command;
use std::thread;

use crate::Bench;
use crate::figures::{Figures, Unit};
use crate::peers::{FLOOR, PERL, Peers};
use crate::scene::{KEY, section};
use crate::stage::Stage;
use crate::support::checker::{Checker, CheckerBuilder, binary};
use crate::support::haproxy::HaProxy;
use crate::support::{free_port, program, seconds, wait_until};
use crate::table::{Line, Theirs};
use crate::watch::{cpu_time, wait_for_next};

const CPU: Unit = Unit("µs");
const INSTRUCTIONS: Unit = Unit("thousand");
const CPU_TIME: &str = "CPU time of a";
const WITH_FILES: &str = "the floor with a file read and a line written";
/// Said once in each check.
const OK: &str = "is ok";
/// Checks of a round at 20 a second, and at one a second.
const CHECKS: [usize; 2] = [40, 4];
/// Between two checks, in ms: the shortest that may be set, and the default.
const INTERVALS: [u64; 2] = [50, 1000];

/// What a process is asked with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Consul,
    Store,
    Floor,
    /// The floor, which also reads a file and writes a line, as a cycle does.
    FloorAndFiles,
    Original,
}

struct Scene<'a> {
    stage: &'a Stage,
    peers: &'a Peers,
}

pub fn measure(bench: &Bench) -> Vec<Line> {
    let scene = Scene {
        stage: bench.stage(),
        peers: &bench.peers,
    };
    // Somebody has to say first who is in use.
    drop(scene.start(Who::Consul, None, 1000));
    let mut lines = Vec::new();
    for (interval, checks) in INTERVALS.into_iter().zip(CHECKS) {
        lines.extend(scene.cpu(interval, checks, bench.rounds(4)));
    }
    lines.extend(scene.instructions());
    lines
}

impl Scene<'_> {
    /// Started, below this program where there is one; and it checks.
    fn start(&self, who: Who, below: Option<&[&str]>, interval: u64) -> Checker {
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

    /// CPU time of a check at this interval, in turns.
    fn cpu(&self, interval: u64, checks: usize, rounds: usize) -> Vec<Line> {
        let original =
            (interval == 1000 && self.peers.original().is_some()).then_some(Who::Original);
        let all = [
            Some(Who::Consul),
            Some(Who::Floor),
            Some(Who::Store),
            Some(Who::FloorAndFiles),
            original,
        ];
        let mut seen = Vec::new();
        for _ in 0..rounds {
            match interval {
                // Each rests nearly all the time: all at once.
                1000 => thread::scope(|scope| {
                    let at_once = all.into_iter().flatten();
                    let threads = at_once
                        .map(|who| (who, scope.spawn(move || self.window(who, interval, checks))));
                    let threads: Vec<_> = threads.collect();
                    seen.extend(threads.into_iter().map(|(who, t)| (who, t.join().unwrap())));
                }),
                _ => {
                    for who in all.into_iter().flatten() {
                        seen.push((who, self.window(who, interval, checks)));
                    }
                }
            }
        }
        let of = |who: Who| {
            let values = seen.iter().filter(|(w, _)| *w == who).map(|(_, v)| *v);
            let values: Vec<f64> = values.collect();
            (!values.is_empty()).then(|| Figures::new(CPU, values))
        };
        let theirs = |who| Theirs::given(of(who));
        let ours = |who| of(who).expect("rounds");
        let rate = match interval {
            1000 => "1 s",
            _ => "50 ms",
        };
        let store = &format!("{CPU_TIME} cycle of `run --store`, every {rate}");
        let consul = &format!("{CPU_TIME} cycle with Consul, every {rate}");
        let line = |what, who, peer, other| Line::new(what, ours(who), peer, theirs(other));
        let mut lines = vec![
            line(store, Who::Store, FLOOR, Who::Floor),
            line(store, Who::Store, WITH_FILES, Who::FloorAndFiles),
        ];
        let by_consul = line(consul, Who::Consul, FLOOR, Who::Floor);
        if interval == 1000 {
            lines.push(by_consul.quoted());
            let perl = theirs(Who::Original);
            lines.push(Line::new(consul, ours(Who::Consul), PERL, perl));
        } else {
            lines.push(by_consul);
            let own = Theirs::Measured(self.haproxy(rounds));
            let peer = "HAProxy's own check, which asks nothing";
            lines.push(Line::new(store, ours(Who::Store), peer, own));
        }
        lines
    }

    /// µs for one check, from the end of one to the end of another.
    fn window(&self, who: Who, interval: u64, checks: usize) -> f64 {
        let process = self.start(who, None, interval);
        let pid = process.daemon().pid();
        let first = wait_for_next(&process, OK);
        let before = cpu_time(self.peers, pid);
        process.wait_for_count(OK, first + checks - 1);
        let last = wait_for_next(&process, OK);
        (cpu_time(self.peers, pid) - before) / (last - first) as f64
    }

    /// HAProxy's own check, which logs in and asks nothing.
    fn haproxy(&self, rounds: usize) -> Figures {
        let sections = format!(
            "listen own\n    bind 127.0.0.1:{}\n    option mysql-check user plain\n    \
             server one {} check inter 50ms\n",
            free_port(),
            self.stage.current()
        );
        let haproxy = HaProxy::start(&sections);
        wait_until("the server is up", seconds(5), || {
            haproxy.ask("show stat").lines().any(|line| {
                line.starts_with("own,one,") && line.contains(",UP,") && line.contains(",L7OK,")
            })
        });
        let info = haproxy.ask("show info");
        let pid = info.lines().find_map(|line| line.strip_prefix("Pid: "));
        let pid = pid.and_then(|text| text.parse().ok()).expect("a worker");
        let values = (0..rounds).map(|_| {
            let before = cpu_time(self.peers, pid);
            thread::sleep(seconds(1));
            (cpu_time(self.peers, pid) - before) / 20.0
        });
        Figures::new(CPU, values)
    }

    /// By the processor's counter, or by valgrind of what is not the kernel's.
    fn instructions(&self) -> Vec<Line> {
        let has_counter = perf(&["true"], "instructions:u").is_some();
        let kinds: &[&str] = match has_counter {
            true => &["instructions:u", "instructions:k"],
            false => &["instructions outside the kernel"],
        };
        let count = |who, kind| match has_counter {
            true => self.counted(who, kind),
            false => self.simulated(who),
        };
        let mut lines = Vec::new();
        for kind in kinds {
            let figures = |who| Some(Figures::new(INSTRUCTIONS, [count(who, kind)? / 1e3]));
            let what = |of: &str| format!("{kind} of a {of}");
            let pairs = [
                (
                    Who::Store,
                    "cycle of `run --store`",
                    Who::FloorAndFiles,
                    WITH_FILES,
                ),
                (Who::Consul, "cycle with Consul", Who::Floor, FLOOR),
            ];
            for (who, of, other, peer) in pairs {
                lines.push(match (figures(who), figures(other)) {
                    (Some(ours), Some(theirs)) => {
                        Line::new(&what(of), ours, peer, Theirs::Measured(theirs))
                    }
                    _ => Line::empty(&what(of), "not counted on this machine"),
                });
            }
        }
        lines
    }

    fn counted(&self, who: Who, event: &str) -> Option<f64> {
        let process = self.start(who, None, 50);
        let before = process.count(OK);
        let count = perf(
            &["-p", &process.daemon().pid().to_string(), "sleep", "3"],
            event,
        )?;
        Some(count / (process.count(OK) - before) as f64)
    }

    /// What 100 checks more take.
    fn simulated(&self, who: Who) -> Option<f64> {
        let words = [
            "valgrind",
            "--tool=callgrind",
            "--callgrind-out-file=/dev/null",
        ];
        std::env::split_paths(&std::env::var_os("PATH")?)
            .find(|dir| dir.join(words[0]).is_file())?;
        let run = |checks: usize| {
            let process = self.start(who, Some(&words), 50);
            process.wait_for_count(OK, checks);
            let done = process.count(OK);
            process.daemon().terminate();
            let log = process.log();
            let total = log.lines().find_map(|line| line.split_once("Collected :"));
            let total: f64 = total?.1.trim().parse().ok()?;
            Some((done as f64, total))
        };
        let ((few, start), (many, end)) = (run(20)?, run(120)?);
        Some((end - start) / (many - few))
    }
}

/// A counter of the processor while something runs; none where it cannot be read.
fn perf(words: &[&str], event: &str) -> Option<f64> {
    let mut command = Command::new("perf");
    command.args(["stat", "-x,", "-e", event]).args(words);
    let said = String::from_utf8(command.output().ok()?.stderr).ok()?;
    let line = said.lines().find(|line| line.contains(event))?;
    line.split(',').next()?.parse().ok()
}
