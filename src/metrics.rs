//! What is counted of all tags and of the renderer, for Prometheus; and whether a tag is well, for
//! load balancers. Threads put numbers in, at the end of a cycle or of a pass; nobody waits here for
//! longer than another one takes for that.
//!
//! Owns the numbers and their names. `text` writes them, `file` keeps a file of them, and `pages`
//! answers requests; the log is `report`'s.

mod families;
mod file;
mod names;
mod pages;
mod tag;
mod text;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub use self::file::{keep, write_once};
pub use self::pages::Pages;
use self::tag::Numbers;
use self::text::Page;
use crate::backend::Key;
use crate::moment::unix_time;
use crate::report::Cycle;

/// The numbers of one process.
#[derive(Default)]
pub struct Metrics {
    tags: Mutex<BTreeMap<String, Arc<TagMetrics>>>,
    files: Mutex<BTreeMap<String, Passes>>,
    source_errors: AtomicU64,
}

/// The numbers of one tag. Only its thread changes them, so that nobody waits for another tag.
#[derive(Debug)]
pub struct TagMetrics {
    kind: &'static str,
    numbers: Mutex<Numbers>,
}

/// What a pass of the renderer did for one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pass {
    /// Whether anything failed.
    pub failed: bool,
    /// Servers that HAProxy was moved to without a reload.
    pub switched: u64,
    /// Whether HAProxy was to be reloaded, and whether that worked.
    pub reload: Option<bool>,
}

/// All passes so far.
#[derive(Debug, Default)]
struct Passes {
    renders: u64,
    failures: u64,
    switches: u64,
    reloads: u64,
    reload_failures: u64,
}

/// How a tag is, for somebody who sends clients to it. One line each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// Its server serves.
    Serving(String),
    /// It does not, or nobody can tell.
    NotServing(String),
}

impl Metrics {
    /// The numbers of a tag, which is known from now on.
    pub fn tag(&self, key: &Key) -> Arc<TagMetrics> {
        let mut tags = lock(&self.tags);
        let new = || {
            Arc::new(TagMetrics {
                kind: key.kind().word(),
                numbers: Mutex::new(Numbers::new()),
            })
        };
        Arc::clone(tags.entry(key.tag().to_string()).or_insert_with(new))
    }

    /// A file that will be rendered.
    pub fn expect_file(&self, file: &str) {
        lock(&self.files).entry(file.to_owned()).or_default();
    }

    /// A pass has ended for this file.
    pub fn count_pass(&self, file: &str, pass: Pass) {
        if let Some(passes) = lock(&self.files).get_mut(file) {
            passes.count(pass);
        }
    }

    /// The renderer could not read its keys.
    pub fn count_source_error(&self) {
        self.source_errors.fetch_add(1, Ordering::Relaxed);
    }

    /// How the tag is at `now`; `None` if there is no such tag here.
    pub fn condition(&self, tag: &str, now: Instant) -> Option<Condition> {
        let tags = lock(&self.tags);
        tags.get(tag)
            .map(|found| lock(&found.numbers).condition(tag, now))
    }

    /// All numbers, in the text format of Prometheus.
    pub fn text(&self) -> String {
        self.text_at(Instant::now(), unix_time())
    }

    /// `now` and `since` 1970 are the same moment: what is shown is a time of day, but what is kept
    /// is not, so that a clock that is set moves them all alike.
    fn text_at(&self, now: Instant, since: Duration) -> String {
        let mut page = Page::default();
        let version = env!("CARGO_PKG_VERSION");
        page.family(&names::BUILD);
        page.sample(&[("version", version)], 1.0);
        self.write_tags(now, since, &mut page);
        self.write_files(&mut page);
        page.into_text()
    }

    fn write_files(&self, page: &mut Page) {
        let files = lock(&self.files);
        if files.is_empty() {
            return;
        }
        type Number = fn(&Passes) -> u64;
        let families: [(_, Number); 5] = [
            (&names::RENDERS, |passes| passes.renders),
            (&names::RENDER_FAILURES, |passes| passes.failures),
            (&names::SWITCHES, |passes| passes.switches),
            (&names::RELOADS, |passes| passes.reloads),
            (&names::RELOAD_FAILURES, |passes| passes.reload_failures),
        ];
        for (name, number) in families {
            page.family(name);
            for (file, passes) in files.iter() {
                page.sample(&[("file", file)], number(passes) as f64);
            }
        }
        page.family(&names::SOURCE_ERRORS);
        page.sample(&[], self.source_errors.load(Ordering::Relaxed) as f64);
    }
}

impl TagMetrics {
    /// A cycle has ended; the next one is to have ended before `due`.
    pub fn count(&self, cycle: Cycle<'_>, due: Instant) {
        lock(&self.numbers).count(cycle, due);
    }

    /// The command that is run after a move has failed.
    pub fn count_hook_failure(&self) {
        lock(&self.numbers).hook_failures += 1;
    }
}

impl Passes {
    fn count(&mut self, pass: Pass) {
        self.renders += 1;
        self.failures += u64::from(pass.failed);
        self.switches += pass.switched;
        self.reloads += u64::from(pass.reload.is_some());
        self.reload_failures += u64::from(pass.reload == Some(false));
    }
}

/// Every change is made in one go, so a panic elsewhere leaves the numbers whole.
fn lock<T>(numbers: &Mutex<T>) -> MutexGuard<'_, T> {
    numbers.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

#[cfg(test)]
mod tests;
