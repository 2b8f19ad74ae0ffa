//! From the start of a process to the end of its first check.

use std::thread;
use std::time::{Duration, Instant};

use crate::Bench;
use crate::figures::{Figures, Unit};
use crate::peers::{FLOOR, PERL};
use crate::scene::section;
use crate::support::checker::CheckerBuilder;
use crate::table::{Line, Theirs};

const MS: Unit = Unit("ms");

pub fn measure(bench: &Bench) -> Vec<Line> {
    let stage = bench.stage();
    let conf = section("slave", stage.primary(), "");
    let consul = ["--consul".to_owned(), stage.consul.endpoint()];
    let ours = || {
        CheckerBuilder::new("checkmysqlslave")
            .conf(&conf)
            .args(&consul)
    };
    // The key is there: a start as most are.
    first_ok(ours());
    let port = stage.primary().port().to_string();
    let floor = || {
        CheckerBuilder::of("floor", bench.peers.tool("floor"))
            .args(["127.0.0.1", &port, "monitor", "s3cret"])
            .args(["SHOW ALL SLAVES STATUS", "1000"])
    };
    let original = || {
        let builder = bench.peers.original()?.conf(&conf);
        Some(builder.args(["--tag", "slave"]).args(&consul))
    };
    let (mut seen, mut floors, mut originals) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..bench.rounds(10) {
        seen.push(first_ok(ours()));
        floors.push(first_ok(floor()));
        originals.extend(original().map(first_ok));
    }
    let what = "start to the first check's end";
    let ours = Figures::new(MS, seen);
    let originals = (!originals.is_empty()).then(|| Figures::new(MS, originals));
    vec![
        Line::new(
            what,
            ours.clone(),
            FLOOR,
            Theirs::Measured(Figures::new(MS, floors)),
        )
        .quoted(),
        Line::new(what, ours, PERL, Theirs::given(originals)),
    ]
}

/// How long it takes in ms until it says that something is ok.
fn first_ok(builder: CheckerBuilder) -> f64 {
    let start = Instant::now();
    let process = builder.start();
    while process.count("is ok") == 0 {
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "{}",
            process.log()
        );
        thread::sleep(Duration::from_micros(100));
    }
    start.elapsed().as_secs_f64() * 1e3
}
