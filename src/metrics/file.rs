//! A file of all numbers, for node_exporter's textfile collector: replaced whole, again and again. It
//! is written by a thread of its own, so that a slow disk holds up nobody.

use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::Metrics;
use crate::stage::{self, Staged, Wanted};

/// The name that log lines carry.
const TARGET: &str = "metrics";
/// The least and the most time between two writes: each goes down to the disk, and collectors come
/// every 15 s or less often.
const PAUSE: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(15));

/// Whoever collects is another user.
const WANTED: Wanted = Wanted {
    mode: Some(0o644),
    uid: None,
    gid: None,
};

/// Writes the file now and about every `interval`, for ever.
///
/// # Errors
/// When no thread can be started.
pub fn keep(path: PathBuf, metrics: Arc<Metrics>, interval: Duration) -> io::Result<()> {
    let pause = interval.clamp(PAUSE.0, PAUSE.1);
    let write_on = move || {
        for left in stage::sweep(&path) {
            log::debug!(target: TARGET, "removed {}, left by an earlier run", left.display());
        }
        let mut failing = false;
        loop {
            // A panic in here is a bug, and no reason to stop telling how things are.
            let written = panic::catch_unwind(AssertUnwindSafe(|| write(&path, &metrics)));
            let written = written.unwrap_or_else(|_| Err("the writer failed".to_owned()));
            failing = tell(&path, written, failing);
            thread::sleep(pause);
        }
    };
    let builder = thread::Builder::new().name("metrics file".to_owned());
    builder.spawn(write_on).map(drop)
}

/// Writes the file once; that it cannot be written is logged.
pub fn write_once(path: &Path, metrics: &Metrics) {
    tell(path, write(path, metrics), false);
}

/// Writes the file. What is wrong is one line, with what to do.
fn write(path: &Path, metrics: &Metrics) -> Result<(), String> {
    let staged = Staged::write(path, metrics.text(), WANTED);
    let installed = staged.and_then(|staged| staged.install(false));
    installed.map(drop).map_err(|error| error.to_string())
}

/// Says once that the file cannot be written, and once that it can be again. Returns whether it
/// cannot.
fn tell(path: &Path, written: Result<(), String>, failing: bool) -> bool {
    match (written, failing) {
        (Err(error), false) => {
            log::warn!(target: TARGET, "no metrics are written: {error}");
            true
        }
        (Ok(()), true) => {
            log::info!(target: TARGET, "metrics are written to {} again", path.display());
            false
        }
        (Err(_), true) => true,
        (Ok(()), false) => false,
    }
}
