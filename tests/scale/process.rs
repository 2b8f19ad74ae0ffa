//! What a process takes: memory, threads, descriptors and time on a processor, now and at most.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Memory in kB, and counts.
#[derive(Debug, Default, Clone, Copy)]
pub struct Held {
    pub rss_kb: u64,
    /// The most memory that it ever had.
    pub peak_kb: u64,
    pub threads: u64,
    pub descriptors: usize,
}

pub fn held(pid: u32) -> Held {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let field = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok())
            .unwrap_or_default()
    };
    Held {
        rss_kb: field("VmRSS:"),
        peak_kb: field("VmHWM:"),
        threads: field("Threads:"),
        descriptors: fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count),
    }
}

/// Seconds on a processor, of a process or a thread; the clock of /proc has 100 ticks a second.
pub fn cpu(stat: &str) -> f64 {
    let text = fs::read_to_string(stat).unwrap_or_default();
    let fields: Vec<&str> = text
        .rsplit_once(')')
        .map(|(_, rest)| rest.split_whitespace().collect())
        .unwrap_or_default();
    let ticks = |at: usize| {
        fields
            .get(at)
            .and_then(|text| text.parse::<f64>().ok())
            .unwrap_or_default()
    };
    (ticks(11) + ticks(12)) / 100.0
}

pub fn cpu_of(pid: u32) -> f64 {
    cpu(&format!("/proc/{pid}/stat"))
}

/// How many connections of this machine were refused, since it started.
pub fn refused() -> u64 {
    let text = fs::read_to_string("/proc/net/snmp").unwrap_or_default();
    let mut lines = text.lines().filter(|line| line.starts_with("Tcp:"));
    let (names, values) = (lines.next(), lines.next());
    let place = names
        .and_then(|names| names.split(' ').position(|name| name == "AttemptFails"))
        .unwrap_or(0);
    values
        .and_then(|values| values.split(' ').nth(place)?.parse().ok())
        .unwrap_or_default()
}

/// Looks at a process twenty times a second, and keeps the most that it had.
#[derive(Debug)]
pub struct Peaks {
    most: Arc<Mutex<Held>>,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Peaks {
    pub fn of(pid: u32) -> Peaks {
        let (most, ended) = (
            Arc::new(Mutex::new(held(pid))),
            Arc::<AtomicBool>::default(),
        );
        let thread = thread::spawn({
            let (most, ended) = (Arc::clone(&most), Arc::clone(&ended));
            move || {
                while !ended.load(Ordering::SeqCst) {
                    let now = held(pid);
                    let mut most = most.lock().unwrap();
                    most.rss_kb = most.rss_kb.max(now.rss_kb);
                    most.peak_kb = most.peak_kb.max(now.peak_kb);
                    most.threads = most.threads.max(now.threads);
                    most.descriptors = most.descriptors.max(now.descriptors);
                    drop(most);
                    thread::sleep(Duration::from_millis(50));
                }
            }
        });
        Peaks {
            most,
            ended,
            thread: Some(thread),
        }
    }

    pub fn most(&self) -> Held {
        *self.most.lock().unwrap()
    }
}

impl Drop for Peaks {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Room for a socket of every server, as far as this machine gives it: three thousand tags have nine
/// thousand listeners here.
pub fn raise_limits() {
    let limit = getrlimit(Resource::Nofile);
    let limit = Rlimit {
        current: limit.maximum,
        ..limit
    };
    setrlimit(Resource::Nofile, limit).expect("up to the hard limit");
}
