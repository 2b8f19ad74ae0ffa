//! docs/performance.md, and the lines of it that the README has.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::peers::Peers;
use crate::support::program;
use crate::table::{Line, between, table};

/// Where the README's figures begin and end.
pub const MARKS: [&str; 2] = ["<!-- make bench: from here -->\n", "<!-- to here -->"];

const HEAD: &str = "\
# Performance

<!-- Written by `make bench`. Do not edit: tests/bench/page.rs has the words. -->

What `make bench` measured, all of it in one run on one machine, with real servers. Each line has our
median, that of somebody beside us, and how many times as much ours is: below 1 we take less. In
brackets are the least and the most, and the number of rounds. Where two are compared they take turns,
or see the very same fault.

";

const METHOD: &str = "
## Who is beside us

- **The floor** is a client of some hundred lines of C (`tests/bench/floor.c`), compiled by `gcc -O2`:
  connect, log in by `mysql_native_password`, ask the same statement, read the rows, quit. It keeps
  nothing, decides nothing, and stops at the first error. Where it says so, it is something else that
  cannot be avoided: the end of an idle connection as a blocked read sees it, Consul's answer to a
  blocking query, a file written, flushed and renamed.
- **HAProxy's own check** is what one would do without us: two `server` lines in one `listen`, the second
  a `backup`, with `option mysql-check` and `inter 1s fall 3`. It sees a replica that has gone; not one
  that lags or replicates no more.
- **The Perl script** and **confd** are what this program takes the place of. They are run if
  `ORIGINAL=dir` names a checkout and `CONFD=path` a binary, and are *not given* otherwise.

## How it was measured

- *Failovers* are with the default settings (`interval=1`, `timeout=1`, `fall=2`), a MariaDB primary and
  two replicas. *Kill* is SIGKILL and *hang* SIGSTOP, on loopback; *cut* is a cable pulled out of a
  network of namespaces. The time begins right before the signal or the command.
- *Noticed*: the first line of the checker's log after the kill, looked for every 0.1 ms. Most of it is
  the kernel's, which takes the dead server apart before it closes its connections: an idle connection of
  the bench's own shows how long.
- *To the key*: a blocking query, as a renderer has it, shows the other server.
- *To the port*: the first greeting of the other replica, which is known by its version. The application
  tries every 5 ms and waits 250 ms. *never*: not within 15 s.
- *CPU time* is user and system time of the whole process by the kernel's clock, its ended threads too,
  from the end of one check to the end of a later one. A cycle of `run --store` is a MySQL check, a look
  at a file of some hundred bytes, and two lines in the log; the second floor does all of that, so its
  line is the one that compares checks. A cycle with Consul is what checkmysqlslave does. One a second
  is what users have: caches are cold and cores asleep, for the floor too: to wake a server's
  core costs its client something, which it does not on a machine that is busy.
- *Instructions* are counted by `perf`; on a machine without such a counter by valgrind, which sees
  nothing of the kernel's.
- *RSS* counts the pages of the binary that are in use. All tags look at the same replica.
- *Start* is from before the fork to the first line that says that all is well, with the key there.
- *Renderer*: the shipped template, without `check_cmd` and `reload_cmd`; one key of all changes; until
  the file is another one, looked for every 0.1 ms.

All is on one machine, servers and the bench with it, and nothing is pinned to a core: a few ms are
noise where servers, Consul and HAProxy are all at work, and a file that is flushed takes as long as the
disk does.
";

/// Writes the page, and its lines into the README.
pub fn write(lines: &[Line], peers: &Peers) {
    let text = format!("{HEAD}{}\n{}{METHOD}", machine(peers), table(lines));
    fs::write(path("docs/performance.md"), text).expect("the page can be written");
    let readme = fs::read_to_string(path("README.md")).expect("README.md");
    let quoted = table(lines.iter().filter(|line| line.is_quoted()));
    let [from, to] = MARKS;
    let readme = between(&readme, from, to, &format!("\n{quoted}\n")).expect("the README's marks");
    fs::write(path("README.md"), readme).expect("README.md can be written");
}

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// On what, of what, and when.
fn machine(peers: &Peers) -> String {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let consul = crate::support::servers_dir().join("consul/usr/bin/consul");
    let version = |program: PathBuf, word: &str, option: &str| {
        let said = said(Command::new(program).arg(option));
        let mut words = said.split_whitespace().skip_while(|w| *w != word).skip(1);
        words.next().unwrap_or("of unknown version").to_owned()
    };
    let confd = match peers.confd_path() {
        Some(path) => format!(", confd {}", version(path.to_owned(), "confd", "-version")),
        None => String::new(),
    };
    format!(
        "On {}: {}; {cores} cores, Linux {}, MariaDB {}, HAProxy {}, Consul {}, gcc {}{confd}.\n",
        said(Command::new("date").args(["-u", "+%Y-%m-%d"])),
        product(),
        said(Command::new("uname").arg("-r")),
        version(program("mariadbd"), "Ver", "--version"),
        version(program("haproxy"), "version", "-v"),
        version(consul, "Consul", "version"),
        said(Command::new(program("gcc")).arg("-dumpfullversion")),
    )
}

/// The product's version and the commit that was measured. What is written here does not count.
fn product() -> String {
    let git = |words: &[&str]| {
        let mut command = Command::new("git");
        said(command.args(words).current_dir(path("")))
    };
    let commit = git(&["rev-parse", "--short=10", "HEAD"]);
    let others = [":!docs/performance.md", ":!README.md"];
    let changed = git(&[&["status", "--porcelain", "--", "."], others.as_slice()].concat());
    let changed = if changed.is_empty() { "" } else { ", changed" };
    let version = env!("CARGO_PKG_VERSION");
    format!("confd_haproxy {version} ({commit}{changed})")
}

fn said(command: &mut Command) -> String {
    let output = command.output().expect("it runs");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
