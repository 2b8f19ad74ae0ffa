//! What a tag costs in memory.

use std::fmt::Write;

use crate::Bench;
use crate::figures::{Figures, Unit};
use crate::peers::{FLOOR, PERL};
use crate::scene::section;
use crate::stage::Stage;
use crate::support::checker::{Checker, CheckerBuilder};
use crate::table::{Line, Theirs};
use crate::watch::status;

const KB: Unit = Unit("kB");
const THREADS: Unit = Unit("");
const TAGS: [usize; 3] = [1, 20, 100];

pub fn measure(bench: &Bench) -> Vec<Line> {
    let stage = bench.stage();
    let rounds = bench.rounds(2);
    let perl = perl(bench, stage);
    let mut lines = Vec::new();
    let mut ends = Vec::new();
    for tags in TAGS {
        let seen: Vec<(f64, f64, f64)> = (0..rounds)
            .map(|_| after_some_cycles(stage, tags))
            .collect();
        let name = match tags {
            1 => "1 tag".to_owned(),
            _ => format!("{tags} tags"),
        };
        let rss = Figures::new(KB, seen.iter().map(|(rss, ..)| *rss));
        let theirs = Theirs::given(perl.map(|one| Figures::new(KB, [one * tags as f64])));
        let line = Line::new(
            &format!("RSS, {name}"),
            rss.clone(),
            &format!("{PERL}, a process each"),
            theirs,
        );
        lines.push(line);
        if tags == 1 {
            let floor = Theirs::Measured(Figures::new(KB, [floor(bench, stage)]));
            lines.push(Line::new("RSS, 1 tag", rss.clone(), FLOOR, floor).quoted());
        }
        if tags == 100 {
            let peak = Figures::new(KB, seen.iter().map(|(_, peak, _)| *peak));
            lines.push(Line::alone("RSS at most since the start, 100 tags", peak));
            let threads = Figures::new(THREADS, seen.iter().map(|(.., threads)| *threads));
            lines.push(Line::alone("threads, 100 tags", threads));
        }
        ends.push(rss.median());
    }
    let slope = (ends[2] - ends[0]) / (TAGS[2] - TAGS[0]) as f64;
    let theirs = Theirs::given(perl.map(|one| Figures::new(KB, [one])));
    let ours = Figures::new(KB, [slope]);
    lines.push(Line::new("RSS for each tag more, from 1 to 100", ours, PERL, theirs).quoted());
    lines
}

/// RSS, its peak and the threads of a process with so many tags.
fn after_some_cycles(stage: &Stage, tags: usize) -> (f64, f64, f64) {
    let conf = (0..tags).fold(String::new(), |mut conf, number| {
        let section = section(&format!("t{number}"), stage.primary(), "");
        let port = (20_000 + number).to_string();
        let _ = writeln!(conf, "{}", section.replace("13351", &port));
        conf
    });
    let checker = CheckerBuilder::new("checkmysqlslave")
        .conf(&conf)
        .args(["--consul", &stage.consul.endpoint()])
        .start();
    checker.wait_for_count("is ok", tags * 4);
    let pid = checker.daemon().pid();
    let of = |name| status(pid, name);
    (of("VmRSS"), of("VmHWM"), of("Threads"))
}

fn floor(bench: &Bench, stage: &Stage) -> f64 {
    let builder = CheckerBuilder::of("floor", bench.peers.tool("floor"))
        .args(["127.0.0.1", &stage.primary().port().to_string()])
        .args(["monitor", "s3cret", "SHOW ALL SLAVES STATUS", "100"]);
    rss(&builder.start())
}

fn perl(bench: &Bench, stage: &Stage) -> Option<f64> {
    let builder = bench
        .peers
        .original()?
        .conf(&section("slave", stage.primary(), ""));
    let builder = builder.args(["--tag", "slave", "--consul", &stage.consul.endpoint()]);
    Some(rss(&builder.start()))
}

fn rss(process: &Checker) -> f64 {
    process.wait_for_count("is ok", 4);
    status(process.daemon().pid(), "VmRSS")
}
