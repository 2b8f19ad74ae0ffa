//! What a row is, what is measured, and the page.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::support::consul::{Consul, History};
use crate::{checkers, clock, consuls, haproxies, replicas};

/// A fault, and what must happen.
#[derive(Debug)]
pub struct Row {
    pub name: &'static str,
    pub fault: &'static str,
    pub must: &'static str,
}

/// What came of a fault: how long it took until all was right again, and how often the key was
/// written.
#[derive(Debug)]
pub struct Came {
    pub took: Option<Duration>,
    pub writes: usize,
}

/// A table of rows, and a test for each; those marked as slow run in `make faults` only.
macro_rules! rows {
    ($($(#[$slow:meta])* $name:ident: $fault:literal => $must:literal;)*) => {
        pub const ROWS: &[crate::matrix::Row] = &[$(crate::matrix::Row {
            name: concat!(module_path!(), "::", stringify!($name)),
            fault: $fault,
            must: $must,
        }),*];
        const PLACE: &str = module_path!();
        mod row {
            $(#[test]
            $(#[$slow])*
            fn $name() {
                let name = format!("{}::{}", super::PLACE, stringify!($name));
                crate::matrix::record(&name, super::$name());
            })*
        }
    };
}
pub(crate) use rows;

/// The clock of a fault: from the moment it is made.
#[derive(Debug)]
pub struct Watch {
    history: History,
    start: Instant,
}

impl Watch {
    pub fn start(consul: &Consul, key: &str) -> Watch {
        Watch {
            history: consul.history(key),
            start: Instant::now(),
        }
    }

    /// It is only now that anything can get right.
    pub fn restart(&mut self) {
        self.start = Instant::now();
    }

    /// All is right now, and the key was written so many times.
    #[track_caller]
    pub fn came_right(self, writes: usize) -> Came {
        let took = Some(self.start.elapsed());
        self.came(took, writes)
    }

    /// Nothing had to change.
    #[track_caller]
    pub fn nothing_came(self) -> Came {
        self.came(None, 0)
    }

    /// How long it is since then.
    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    #[track_caller]
    fn came(self, took: Option<Duration>, wanted: usize) -> Came {
        let late = Duration::from_millis(500);
        crate::support::becomes_true(late, || self.history.changes() > wanted);
        let writes = self.history.changes();
        assert_eq!(writes, wanted, "writes: {:?}", self.history.values());
        Came { took, writes }
    }
}

fn all() -> impl Iterator<Item = &'static Row> {
    [
        replicas::ROWS,
        consuls::ROWS,
        haproxies::ROWS,
        checkers::ROWS,
        clock::ROWS,
    ]
    .into_iter()
    .flatten()
}

fn results() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("faults")
}

fn page() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/faults.md")
}

/// Keeps what came of a row, for the page.
pub fn record(name: &str, came: Came) {
    let took = match came.took {
        Some(took) => format!("{:.2} s", took.as_secs_f64()),
        None => "–".to_owned(),
    };
    fs::create_dir_all(results()).unwrap();
    let text = format!("{took} | {}", came.writes);
    println!("{name}: {text}");
    fs::write(results().join(name), text).unwrap();
}

fn start_of(row: &Row) -> String {
    format!("| {} | {} | ", row.fault, row.must)
}

#[test]
fn the_page_has_the_rows_that_there_are() {
    let text = fs::read_to_string(page()).expect("docs/faults.md: make faults");
    let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("| ")).collect();
    // Behind the head and its rule.
    let there: Vec<&str> = lines.into_iter().skip(2).collect();
    let wanted: Vec<&Row> = all().collect();
    assert_eq!(there.len(), wanted.len(), "make faults");
    for (line, row) in there.iter().zip(wanted) {
        assert!(line.starts_with(&start_of(row)), "{line}: make faults");
    }
}

#[test]
#[ignore = "writes into the tree: make faults"]
fn the_page_is_written() {
    let mut text = "\
# Faults

Written by `make faults` from what the tests in `tests/faults` measured. Each row is a test with real
servers: MariaDB 10.11, Consul 1.8, HAProxy 2.6, on one machine of two cores. The checkers run with
`timeout=1`, `interval=0.3` and `fall=2`. The time is that from the fault, or where the row says so
from its repair, to the right state, which is looked at every 10 ms; the writes are those to the key. A dash: nothing had
to change, and nothing did.

| fault | what must happen | time | writes |
| --- | --- | --- | --- |
"
    .to_owned();
    for row in all() {
        let result = fs::read_to_string(results().join(row.name));
        let result = result.unwrap_or_else(|_| panic!("{} has not run: make faults", row.name));
        text += &format!("{}{result} |\n", start_of(row));
    }
    text += "\nThe links are cut by the cable of a network namespace, by a route (one way) and by \
             nftables (loss); the kernel\nof the test machine has no netem, so slow servers are real \
             ones behind a proxy that delays. Where its\nclock jumps, the checker asks libfaketime \
             for the time of day, in a build that loads its libc.\n";
    fs::write(page(), text).unwrap();
}

#[test]
fn of_all_decisions_only_the_end_of_a_pin_depends_on_the_time_of_day() {
    // `moment`, and confd's `datetime`; the log's times are made by its crate.
    let clocks = ["moment.rs", "template/functions/texts.rs"];
    assert_eq!(sources_with("SystemTime"), clocks);
    // What operators type and see, and how checkers obey.
    let readers = [
        "commands/operate.rs",
        "commands/operate/moving.rs",
        "commands/operate/ordering.rs",
        "commands/status.rs",
        "cycle/orders.rs",
    ];
    assert_eq!(sources_with("Moment::now()"), readers);
}

/// The files below `src` that have this text in them, in order.
fn sources_with(text: &str) -> Vec<String> {
    let src = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut dirs = vec![src.clone()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
            } else if fs::read_to_string(&path).unwrap().contains(text) {
                found.push(path.strip_prefix(&src).unwrap().display().to_string());
            }
        }
    }
    found.sort();
    found
}
