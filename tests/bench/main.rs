//! Measures, and asserts nothing: us and others side by side, in one table. `make bench`.
//!
//! `ONLY=cost,memory` runs these parts and writes nothing; `ROUNDS=3` sets the rounds of all parts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    missing_docs,
    unreachable_pub,
    dead_code,
    clippy::wildcard_enum_match_arm
)]

#[path = "../it/chain.rs"]
mod chain;
mod contenders;
mod cost;
mod failover;
mod figures;
mod instructions;
#[path = "../it/listed.rs"]
mod listed;
mod lists;
mod memory;
mod page;
mod peers;
mod renderer;
#[path = "../it/scene.rs"]
mod scene;
mod size;
mod stage;
mod startup;
#[path = "../it/support/mod.rs"]
mod support;
mod table;
mod watch;
mod ways;

use std::cell::OnceCell;
use std::env;
use std::process::ExitCode;
use std::time::Instant;

use peers::Peers;
use stage::Stage;
use table::Line;

/// What `ONLY=` calls a part, and what it measures.
type Part = (&'static str, fn(&Bench) -> Vec<Line>);

const PARTS: &[Part] = &[
    ("failover", failover::on_loopback),
    ("cut", failover::on_a_network),
    ("cost", cost::measure),
    ("instructions", instructions::measure),
    ("memory", memory::measure),
    ("start", startup::measure),
    ("size", size::measure),
    ("renderer", renderer::measure),
    ("lists", lists::measure),
];

/// A run.
struct Bench {
    peers: Peers,
    rounds: Option<usize>,
    stage: OnceCell<Stage>,
}

impl Bench {
    /// The rounds of a part that usually has so many.
    fn rounds(&self, usual: usize) -> usize {
        self.rounds.unwrap_or(usual)
    }

    /// The servers on loopback, for all parts that need them.
    fn stage(&self) -> &Stage {
        self.stage.get_or_init(Stage::on_loopback)
    }
}

fn main() -> ExitCode {
    let (parts, rounds) = match (chosen(), rounds()) {
        (Ok(parts), Ok(rounds)) => (parts, rounds),
        (Err(problem), _) | (_, Err(problem)) => {
            eprintln!("{problem}");
            return ExitCode::FAILURE;
        }
    };
    let bench = Bench {
        peers: Peers::find(),
        rounds,
        stage: OnceCell::new(),
    };
    let mut all = Vec::new();
    for (name, measure) in &parts {
        let start = Instant::now();
        all.extend(measure(&bench));
        eprintln!("{name}: {} s", start.elapsed().as_secs());
    }
    print!("{}", table::table(&all));
    if parts.len() == PARTS.len() {
        page::write(&all, &bench.peers);
    }
    ExitCode::SUCCESS
}

/// The parts that `ONLY` names, or all.
fn chosen() -> Result<Vec<&'static Part>, String> {
    let only = env::var("ONLY").unwrap_or_default();
    let words = only.split([',', ' ']).filter(|word| !word.is_empty());
    let part = |word: &str| {
        let found = PARTS.iter().find(|(name, _)| *name == word);
        found.ok_or_else(|| {
            let all: Vec<&str> = PARTS.iter().map(|(name, _)| *name).collect();
            format!("there is no part {word}; there are: {}", all.join(" "))
        })
    };
    let parts: Vec<&Part> = words.map(part).collect::<Result<_, _>>()?;
    Ok(if parts.is_empty() {
        PARTS.iter().collect()
    } else {
        parts
    })
}

fn rounds() -> Result<Option<usize>, String> {
    let text = env::var("ROUNDS").unwrap_or_default();
    match text.parse() {
        _ if text.is_empty() => Ok(None),
        Ok(rounds) if rounds > 0 => Ok(Some(rounds)),
        _ => Err(format!("ROUNDS={text} is no number of rounds")),
    }
}
