//! The instructions of a check.

use std::process::Command;

use crate::Bench;
use crate::contenders::{Contenders, OK, WITH_FILES, Who};
use crate::figures::{Figures, Unit};
use crate::peers::FLOOR;
use crate::table::{Line, Theirs};

const INSTRUCTIONS: Unit = Unit("thousand");

/// By the processor's counter, or by valgrind of what is not the kernel's.
pub fn measure(bench: &Bench) -> Vec<Line> {
    let contenders = Contenders::of(bench);
    let has_counter = perf(&["true"], "instructions:u").is_some();
    let kinds: &[&str] = match has_counter {
        true => &["instructions:u", "instructions:k"],
        false => &["instructions outside the kernel"],
    };
    let count = |who, kind| match has_counter {
        true => counted(contenders, who, kind),
        false => simulated(contenders, who),
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

fn counted(contenders: Contenders<'_>, who: Who, event: &str) -> Option<f64> {
    let process = contenders.start(who, None, 50);
    let before = process.count(OK);
    let count = perf(
        &["-p", &process.daemon().pid().to_string(), "sleep", "3"],
        event,
    )?;
    Some(count / (process.count(OK) - before) as f64)
}

/// What 100 checks more take.
fn simulated(contenders: Contenders<'_>, who: Who) -> Option<f64> {
    let words = [
        "valgrind",
        "--tool=callgrind",
        "--callgrind-out-file=/dev/null",
    ];
    std::env::split_paths(&std::env::var_os("PATH")?).find(|dir| dir.join(words[0]).is_file())?;
    let run = |checks: usize| {
        let process = contenders.start(who, Some(&words), 50);
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

/// A counter of the processor while something runs; none where it cannot be read.
fn perf(words: &[&str], event: &str) -> Option<f64> {
    let mut command = Command::new("perf");
    command.args(["stat", "-x,", "-e", event]).args(words);
    let said = String::from_utf8(command.output().ok()?.stderr).ok()?;
    let line = said.lines().find(|line| line.contains(event))?;
    line.split(',').next()?.parse().ok()
}
