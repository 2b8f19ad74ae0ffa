//! docs/compatibility.md: a section for each group. A run writes the sections of the groups that
//! it ran, and leaves the others as they are.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::row::Row;

const HEAD: &str = "\
# Compatibility

<!-- Written by `make test-matrix`. Do not edit: tests/matrix/page.rs has the words. -->

What was run with which server, by `make test-matrix` and nothing else. The servers are those of
Debian's suites, started by the test. Each is in use by a tag (`timeout=1`, `interval=0.3`, `fall=2`)
and goes through:

- **election**: from the start of the checker, without a key, until the key names a server;
- **kill**: from SIGKILL to the server in use until the key names another one;
- **hang**: the same with SIGSTOP: it accepts and does not answer, for two timeouts;
- **return**: the killed server is back and well, and the key stays where it is. That it can be taken
  again is seen in the next step, which leaves it nothing else.

Times are of one run on a machine that had other work too. `make bench` measures.
";

/// The page.
pub struct Page {
    sections: BTreeMap<String, String>,
}

/// What a group's section is made of.
pub struct Section<'a> {
    pub title: &'a str,
    pub name: &'a str,
    pub steps: &'a [&'a str],
    pub rows: &'a [Row],
}

impl Page {
    /// The page as it is; none is one without sections.
    pub fn read() -> Page {
        let text = fs::read_to_string(path()).unwrap_or_default();
        let sections = text.split("\n## ").skip(1).filter_map(|section| {
            let (title, body) = section.split_once('\n')?;
            Some((title.to_owned(), body.trim().to_owned()))
        });
        Page {
            sections: sections.collect(),
        }
    }

    pub fn put(&mut self, section: &Section<'_>) {
        let mut text = format!(
            "`make test-matrix ONLY={}`, on {} with {}.\n\n",
            section.name,
            said(Command::new("date").args(["-u", "+%Y-%m-%d"])),
            product(),
        );
        let steps = section.steps.join(" | ");
        let _ = writeln!(text, "| server | Debian | {steps} | result |");
        let _ = writeln!(text, "|{}", " --- |".repeat(section.steps.len() + 3));
        for row in section.rows {
            let _ = writeln!(text, "{}", row.line(section.steps));
        }
        let notes = notes(section.name);
        if !notes.is_empty() {
            let _ = write!(text, "\n{notes}");
        }
        self.sections
            .insert(section.title.to_owned(), text.trim().to_owned());
    }

    pub fn write(&self, order: &[&str]) {
        let mut text = HEAD.to_owned();
        for title in order {
            if let Some(body) = self.sections.get(*title) {
                let _ = write!(text, "\n## {title}\n\n{body}\n");
            }
        }
        fs::write(path(), text).expect("the page can be written");
    }
}

/// What is said below a group's table.
fn notes(group: &str) -> &'static str {
    match group {
        "mysql" => {
            "**primary**: with both replicas dead, until the primary stands in; then one is back, and \
             the\nkey with it. MySQL 5.7, 8.0 and 8.4 are not in Debian: how their answers are read is \
             tested with\ntables of their columns, in `tests/rows`.\n"
        }
        "memcached" => {
            "The last one is no server that was packaged: a program of the tests that knows `set`, \
             `get`,\n`version` and `flush_all` only, and answers everything else with `ERROR`.\n"
        }
        "redis" => {
            "**by hand**: no Sentinels; the master is killed, a replica is promoted, and the time is \
             from the\npromotion. All else is with three Sentinels of the same version \
             (`down-after-milliseconds` 1000),\nand most of the time is theirs.\n"
        }
        "haproxy" => {
            "**templates**: `haproxy -c` of what every shipped template makes of no key, two and many. \
             **switch**:\nthe Runtime API moves a server, until a new connection is led there; **reload**: \
             the same by\nSIGUSR2. The rest is `run --store` with two memcached behind a port, and the \
             times are how long\nan application that tries every 5 ms, and waits 250 ms for an answer, was without one:\na try that HAProxy keeps for a retry of its own takes those 250 ms.\n"
        }
        _ => "",
    }
}

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/compatibility.md")
}

/// The product's version and the commit that was tested. The page itself does not count.
fn product() -> String {
    let git = |words: &[&str]| {
        let mut command = Command::new("git");
        said(command.args(words).current_dir(env!("CARGO_MANIFEST_DIR")))
    };
    let commit = git(&["rev-parse", "--short=10", "HEAD"]);
    let changed = git(&[
        "status",
        "--porcelain",
        "--",
        ".",
        ":!docs/compatibility.md",
    ]);
    let changed = if changed.is_empty() { "" } else { ", changed" };
    format!(
        "confd_haproxy {} ({commit}{changed})",
        env!("CARGO_PKG_VERSION")
    )
}

fn said(command: &mut Command) -> String {
    let output = command.output().expect("it runs");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
