//! The loop of a test: cases until the time is over, and what must be true of all of them.

use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::mutate::Random;

/// What this process may have used at most, in kB: ten times what it needs, and far less than one
/// length taken at its word.
const MOST_KB: u64 = 1 << 17;

/// Runs `case` until the time is over. A panic is reported with the seed and the case's number.
pub fn run(name: &str, mut case: impl FnMut(&mut Random)) {
    let seed = number("FUZZ_SEED").unwrap_or_else(fresh_seed);
    println!("{name}: FUZZ_SEED={seed}");
    let only = number("FUZZ_CASE");
    let limit = Duration::from_secs(number("FUZZ_SECONDS").unwrap_or(6));
    let trace = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-{name}"));
    let (start, mut done) = (Instant::now(), 0);
    while start.elapsed() < limit {
        let this = only.unwrap_or(done);
        // For the case that ends the process: a panic is told below.
        fs::write(&trace, format!("FUZZ_SEED={seed} FUZZ_CASE={this}\n")).unwrap();
        let run = AssertUnwindSafe(|| case(&mut Random::of(seed, this)));
        if let Err(panic) = panic::catch_unwind(run) {
            println!("{name} failed: repeat it with FUZZ_SEED={seed} FUZZ_CASE={this}");
            panic::resume_unwind(panic);
        }
        done += 1;
        if only.is_some() {
            break;
        }
    }
    let peak = peak_kb();
    println!("{name}: {done} cases, {peak} kB at most");
    assert!(peak < MOST_KB, "{name}: {peak} kB, with FUZZ_SEED={seed}");
    // As long as nobody asks for one case, the loop must have done something.
    assert!(only.is_some() || done > 20, "only {done} cases");
    fs::remove_file(trace).unwrap();
}

/// What may be said to a person: without control characters, so that it stays in its line.
#[track_caller]
pub fn is_one_line(text: &str) {
    assert!(!text.chars().any(char::is_control), "{text:?}");
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

fn fresh_seed() -> u64 {
    let now = std::time::SystemTime::now();
    let since = now.duration_since(std::time::UNIX_EPOCH).unwrap();
    u64::try_from(since.as_nanos() % 1_000_000_007).unwrap()
}

/// The most memory that this process ever held.
fn peak_kb() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let words = line.expect("VmHWM").split_whitespace();
    words.into_iter().nth(1).unwrap().parse().unwrap()
}
