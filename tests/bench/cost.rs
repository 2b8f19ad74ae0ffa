//! The CPU time of a check.

use std::thread;
use std::time::Duration;

use crate::Bench;
use crate::contenders::{Contenders, OK, WITH_FILES, Who};
use crate::figures::{Figures, Unit};
use crate::peers::{FLOOR, PERL};
use crate::support::haproxy::HaProxy;
use crate::support::{free_port, seconds, wait_until};
use crate::table::{Line, Theirs};
use crate::watch::{cpu_time, wait_for_next};

const CPU: Unit = Unit("µs");
const SETTLED: Duration = Duration::from_secs(5);
const CHECK: &str = "CPU time of a check that finds nothing new";
const SILENT: &str = "the floor without lines";
const STORE: &str = "CPU time of a cycle of `run --store`";
const CONSUL: &str = "CPU time of a cycle with Consul";

pub fn measure(bench: &Bench) -> Vec<Line> {
    let contenders = Contenders::of(bench);
    let mut lines = contenders.at_the_shortest(bench.rounds(4));
    lines.extend(contenders.at_the_default(bench.rounds(4)));
    lines
}

impl Contenders<'_> {
    /// CPU time of a cycle at the shortest interval, in turns.
    fn at_the_shortest(&self, rounds: usize) -> Vec<Line> {
        let all = [
            Who::Silent,
            Who::SilentFloor,
            Who::Consul,
            Who::Floor,
            Who::Store,
            Who::FloorAndFiles,
        ];
        let of = self.in_turns(&all, 50, 40, rounds);
        let line = |what: &str, who, peer, other| {
            let what = format!("{what}, every 50 ms");
            Line::new(&what, of(who), peer, Theirs::Measured(of(other)))
        };
        let own = Theirs::Measured(self.haproxy(rounds));
        let peer = "HAProxy's own check, which asks nothing";
        vec![
            line(CHECK, Who::Silent, SILENT, Who::SilentFloor),
            line(STORE, Who::Store, FLOOR, Who::Floor),
            line(STORE, Who::Store, WITH_FILES, Who::FloorAndFiles),
            Line::new(&format!("{STORE}, every 50 ms"), of(Who::Store), peer, own),
            line(CONSUL, Who::Consul, FLOOR, Who::Floor),
        ]
    }

    /// The same at the interval that users have, which takes its time.
    fn at_the_default(&self, rounds: usize) -> Vec<Line> {
        let original = self.peers.original().map(|_| Who::Original);
        let all: Vec<Who> = [Who::Silent, Who::SilentFloor, Who::Consul, Who::Floor]
            .into_iter()
            .chain(original)
            .collect();
        let of = self.in_turns(&all, 1000, 12, rounds);
        let what = &format!("{CONSUL}, every 1 s");
        let floor = Theirs::Measured(of(Who::Floor));
        let perl = Theirs::given(original.map(&of));
        let silent = Theirs::Measured(of(Who::SilentFloor));
        let check = format!("{CHECK}, every 1 s");
        vec![
            Line::new(&check, of(Who::Silent), SILENT, silent).quoted(),
            Line::new(what, of(Who::Consul), FLOOR, floor).quoted(),
            Line::new(what, of(Who::Consul), PERL, perl),
        ]
    }

    /// One at a time: whoever runs beside another finds its processor awake.
    fn in_turns(
        &self,
        all: &[Who],
        interval: u64,
        checks: usize,
        rounds: usize,
    ) -> impl Fn(Who) -> Figures {
        let turns = (0..rounds).flat_map(|_| all);
        let seen: Vec<(Who, f64)> = turns
            .map(|who| (*who, self.window(*who, interval, checks)))
            .collect();
        move |who| {
            let of = seen.iter().filter(|(other, _)| *other == who);
            Figures::new(CPU, of.map(|(_, took)| *took))
        }
    }

    /// µs for one check, from the end of one to the end of another.
    fn window(&self, who: Who, interval: u64, checks: usize) -> f64 {
        let process = self.start(who, None, interval);
        let pid = process.daemon().pid();
        if matches!(who, Who::Silent | Who::SilentFloor) {
            return self.silent_window(pid, interval, checks);
        }
        let first = wait_for_next(&process, OK);
        let before = cpu_time(self.peers, pid);
        process.wait_for_count(OK, first + checks - 1);
        let last = wait_for_next(&process, OK);
        (cpu_time(self.peers, pid) - before) / (last - first) as f64
    }

    /// The same of one that says nothing, for so long.
    fn silent_window(&self, pid: u32, interval: u64, checks: usize) -> f64 {
        // A file of keys that was just written is read in each cycle.
        thread::sleep(SETTLED);
        // To the middle between two checks.
        let first = self.checks();
        wait_until("the next check", seconds(5), || self.checks() > first);
        thread::sleep(Duration::from_millis(interval / 2));
        let (first, before) = (self.checks(), cpu_time(self.peers, pid));
        thread::sleep(Duration::from_millis(interval) * u32::try_from(checks).expect("few"));
        let (last, after) = (self.checks(), cpu_time(self.peers, pid));
        (after - before) / (last - first) as f64
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
}
