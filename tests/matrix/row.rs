//! One server of one version: where it comes from, what it went through, and how long that took.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::tree::Tree;
use crate::support::{program, servers_dir};

/// A server that a row is about.
#[derive(Debug)]
pub struct Server {
    pub name: &'static str,
    /// What its version begins with; a suite that has another by now fails the row.
    wanted: &'static str,
    pub from: From,
}

#[derive(Debug, Clone, Copy)]
pub enum From {
    /// A suite of Debian, unpacked in a tree for `tests/it/support/tree.rs`.
    Tree {
        suite: &'static str,
        package: &'static str,
    },
    /// A group of `tests/setup.sh` that is of another suite anyway.
    Installed {
        suite: &'static str,
        group: &'static str,
    },
    /// No package has it: a program of ours speaks its protocol.
    Imitation,
}

impl Server {
    pub const fn in_tree(
        name: &'static str,
        wanted: &'static str,
        suite: &'static str,
        package: &'static str,
    ) -> Server {
        let from = From::Tree { suite, package };
        Server { name, wanted, from }
    }

    pub const fn installed(
        name: &'static str,
        wanted: &'static str,
        suite: &'static str,
        group: &'static str,
    ) -> Server {
        let from = From::Installed { suite, group };
        Server { name, wanted, from }
    }

    pub const fn imitated(name: &'static str, wanted: &'static str) -> Server {
        let from = From::Imitation;
        Server { name, wanted, from }
    }

    /// Fetches what is not there yet.
    pub fn unpack(&self) {
        let what = match self.from {
            From::Tree { suite, package } => format!("{package}@{suite}"),
            From::Installed { group, .. } => group.to_owned(),
            From::Imitation => return,
        };
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/setup.sh");
        let output = Command::new(script).arg(&what).output().expect("setup.sh");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let why = said.lines().find(|line| line.starts_with("E: "));
        // Which mirror it was is nobody's business.
        let words = why.unwrap_or("tests/setup.sh failed").split_whitespace();
        let why: Vec<&str> = words.filter(|word| !word.contains("://")).collect();
        assert!(output.status.success(), "cannot be had: {}", why.join(" "));
    }

    /// Its programs in place of the system's, as long as this lives.
    pub fn enter(&self) -> Option<Tree> {
        match self.from {
            From::Tree { suite, package } => Some(Tree::enter(&format!("{package}@{suite}"))),
            From::Installed { .. } | From::Imitation => None,
        }
    }

    /// The version that its program says it is.
    pub fn version(&self) -> String {
        let mut command = match self.from {
            From::Imitation => return self.wanted.to_owned(),
            From::Installed { group, .. } => {
                let mut command = Command::new(program("chroot"));
                command
                    .arg(servers_dir().join(group))
                    .arg("/usr/sbin/mysqld");
                command
            }
            From::Tree { package, .. } => Command::new(program(match package {
                "mariadb" => "mariadbd",
                "redis" | "valkey" => "redis-server",
                other => other,
            })),
        };
        let asked = if self.name == "HAProxy" {
            "-v"
        } else {
            "--version"
        };
        let output = command.arg(asked).output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let version = number_in(&said).unwrap_or_else(|| panic!("it has no version: {said:?}"));
        let fits = version == self.wanted || version.starts_with(&format!("{}.", self.wanted));
        assert!(
            fits,
            "wanted is {}, and the suite has {version}",
            self.wanted
        );
        version
    }

    fn suite(&self) -> &'static str {
        match self.from {
            From::Tree { suite, .. } | From::Installed { suite, .. } => suite,
            From::Imitation => "not in Debian",
        }
    }
}

/// The first word that is a version: `10.5.23` of `Ver 10.5.23-MariaDB-0+deb11u1`.
fn number_in(said: &str) -> Option<String> {
    let words = said
        .split_whitespace()
        .map(|word| word.trim_start_matches("v="));
    let numbers = words.map(|word| {
        let end = word.find(|c: char| !c.is_ascii_digit() && c != '.');
        &word[..end.unwrap_or(word.len())]
    });
    numbers
        .filter(|text| text.contains('.') && !text.starts_with('.'))
        .map(str::to_owned)
        .next()
}

/// What one server went through.
#[derive(Debug)]
pub struct Row {
    name: &'static str,
    suite: &'static str,
    version: String,
    cells: BTreeMap<&'static str, String>,
    /// The step that is under way.
    step: &'static str,
    failure: Option<String>,
}

impl Row {
    pub fn of(server: &Server) -> Row {
        Row {
            name: server.name,
            suite: server.suite(),
            version: server.wanted.to_owned(),
            cells: BTreeMap::new(),
            step: "",
            failure: None,
        }
    }

    pub fn set_version(&mut self, version: String) {
        self.version = version;
    }

    pub fn version(&self) -> &str {
        &self.version
    }

    pub fn title(&self) -> String {
        format!("{} {} ({})", self.name, self.version, self.suite)
    }

    pub fn is_good(&self) -> bool {
        self.failure.is_none()
    }

    /// Runs all of it; a panic is the row's failure. Returns what is to be seen meanwhile.
    pub fn run(&mut self, all: impl FnOnce(&mut Row)) -> String {
        let ended = catch_unwind(AssertUnwindSafe(|| all(self)));
        if let Err(panic) = ended {
            self.failure = Some(text_of(panic.as_ref()));
        }
        let mut text = self.result();
        for (step, cell) in &self.cells {
            let _ = write!(text, "; {step} {cell}");
        }
        text
    }

    /// A step whose time is of interest: what it returns is when that began.
    pub fn timed(&mut self, step: &'static str, go: impl FnOnce() -> Instant) {
        self.step = step;
        let took = go().elapsed();
        self.put(step, milliseconds(took));
    }

    /// A step that is right or wrong; what it returns is for its cell.
    pub fn step(&mut self, step: &'static str, go: impl FnOnce() -> String) {
        self.step = step;
        let cell = go();
        self.put(step, cell);
    }

    fn put(&mut self, step: &'static str, cell: String) {
        self.cells.insert(step, cell);
        self.step = "";
    }

    pub fn line(&self, steps: &[&str]) -> String {
        let mut line = format!("| {} {} | {} |", self.name, self.version, self.suite);
        for step in steps {
            let cell = self.cells.get(step).map_or("–", String::as_str);
            let _ = write!(line, " {cell} |");
        }
        let _ = write!(line, " {} |", self.result());
        line
    }

    fn result(&self) -> String {
        match &self.failure {
            None => "ok".to_owned(),
            Some(why) if self.step.is_empty() => format!("**failed**: {why}"),
            Some(why) => format!("**failed** at {}: {why}", self.step),
        }
    }
}

pub fn milliseconds(time: Duration) -> String {
    format!("{} ms", time.as_millis())
}

/// A panic's message, as much of it as fits into a cell.
fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("a panic");
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let mut line = lines.next().unwrap_or_default().to_owned();
    // A log follows, and its end says why.
    if line.ends_with(':') {
        line = format!("{line} {}", lines.next_back().unwrap_or_default());
    }
    line.chars().take(160).collect::<String>().replace('|', "/")
}
