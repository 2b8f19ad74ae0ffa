//! Clocks on what other processes do: when a log says something, when an application behind a port
//! is greeted, how much CPU time a process took.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::peers::Peers;
use crate::support::checker::{Checker, CheckerBuilder};

/// How often a file is looked at.
const LOOK: Duration = Duration::from_micros(100);

/// The moment of a fault, by both clocks.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    pub at: Instant,
    /// In ns, as the application counts.
    of_day: u128,
}

impl Moment {
    pub fn now() -> Moment {
        let of_day = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        Moment {
            at: Instant::now(),
            of_day: of_day.as_nanos(),
        }
    }
}

/// An application that connects to a port every 5 ms.
#[derive(Debug)]
pub struct Application(Checker);

/// One of its tries.
struct Try {
    ended: u128,
    version: Option<String>,
}

impl Application {
    pub fn start(peers: &Peers, port: u16, netns: Option<&str>) -> Application {
        let mut builder = CheckerBuilder::of("greet", peers.tool("greet"))
            .args(["127.0.0.1".to_owned(), port.to_string()]);
        if let Some(netns) = netns {
            builder = builder.netns(netns);
        }
        Application(builder.start())
    }

    /// Whether the last tries were all greeted with this version.
    pub fn is_at(&self, version: &str) -> bool {
        let tries = self.tries();
        let last = tries.iter().rev().take(5);
        tries.len() >= 5 && last.into_iter().all(|one| one.is(version))
    }

    /// How long after the fault the first greeting with this version was, in ms, and how many
    /// tries had failed by then.
    pub fn greeted_after(&self, fault: Moment, version: &str) -> Option<(f64, f64)> {
        let mut failed = 0.0;
        for one in self.tries() {
            if one.ended < fault.of_day {
                continue;
            }
            if one.is(version) {
                return Some(((one.ended - fault.of_day) as f64 / 1e6, failed));
            }
            failed += f64::from(u8::from(one.version.is_none()));
        }
        None
    }

    fn tries(&self) -> Vec<Try> {
        let log = self.0.log();
        // The last line may be half written.
        let whole = log.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole.lines().filter_map(Try::read).collect()
    }
}

impl Try {
    fn read(line: &str) -> Option<Try> {
        let mut words = line.split(' ').skip(1);
        let ended = words.next()?.parse().ok()?;
        let version = words.next().filter(|word| *word != "-");
        Some(Try {
            ended,
            version: version.map(str::to_owned),
        })
    }

    fn is(&self, version: &str) -> bool {
        self.version.as_deref() == Some(version)
    }
}

/// Waits in a thread until a file is longer than now, or another one; gives the moment.
pub fn change_of(path: PathBuf, limit: Duration) -> JoinHandle<Option<Instant>> {
    let state = |path: &Path| {
        fs::metadata(path).ok().map(|file| {
            let written = (file.mtime(), file.mtime_nsec());
            (file.ino(), file.len(), written)
        })
    };
    let (before, start) = (state(&path), Instant::now());
    thread::spawn(move || {
        while start.elapsed() < limit {
            if state(&path) != before {
                return Some(Instant::now());
            }
            thread::sleep(LOOK);
        }
        None
    })
}

/// Waits for the next line with this text in a log; its end is where a window may begin.
pub fn wait_for_next(process: &Checker, text: &str) -> usize {
    let before = process.count(text);
    let start = Instant::now();
    loop {
        let count = process.count(text);
        if count > before {
            return count;
        }
        let log = process.daemon().log_tail();
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "no {text:?}:\n{log}"
        );
        thread::sleep(Duration::from_millis(1));
    }
}

/// The CPU time of a process so far, in µs, its ended threads included.
pub fn cpu_time(peers: &Peers, pid: u32) -> f64 {
    let output = Command::new(peers.tool("cputime"))
        .arg(pid.to_string())
        .output();
    let said = String::from_utf8(output.expect("cputime runs").stdout).unwrap();
    said.trim().parse::<f64>().expect("nanoseconds") / 1e3
}

/// A number of /proc/PID/status.
pub fn status(pid: u32, name: &str) -> f64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
