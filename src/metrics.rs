//! What is counted of all tags and of the renderer, for Prometheus; and whether a tag is well, for
//! load balancers. Threads put numbers in, at the end of a cycle or of a pass; nobody waits here for
//! longer than another one takes for that.
//!
//! Owns the numbers and their names. `text` writes them, `file` keeps a file of them, and `pages`
//! answers requests; the log is `report`'s.

mod file;
mod names;
mod pages;
mod tag;
mod text;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

pub use self::file::{keep, write};
pub use self::pages::answer;
use self::tag::Tag;
use self::text::Page;
use crate::backend::Key;
use crate::clock;
use crate::report::Cycle;

/// The numbers of one process.
#[derive(Default)]
pub struct Metrics {
    numbers: Mutex<Numbers>,
}

/// All that is counted.
#[derive(Debug, Default)]
struct Numbers {
    tags: BTreeMap<String, Tag>,
    files: BTreeMap<String, Passes>,
    source_errors: u64,
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

/// How a tag is, for somebody who sends clients to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// Its server serves. One line.
    Serving(String),
    /// It does not, or nobody can tell. One line that says why.
    NotServing(String),
}

impl Metrics {
    /// A tag that will be looked at.
    pub fn expect(&self, key: &Key) {
        let tag = key.tag().to_string();
        self.lock().tags.entry(tag).or_insert_with(|| Tag::new(key));
    }

    /// A file that will be rendered.
    pub fn expect_file(&self, file: &str) {
        self.lock().files.entry(file.to_owned()).or_default();
    }

    /// A cycle has ended; the next one is to have ended before `due`.
    pub fn count_cycle(&self, key: &Key, cycle: Cycle<'_>, due: Instant) {
        let mut numbers = self.lock();
        let tag = numbers.tags.entry(key.tag().to_string());
        tag.or_insert_with(|| Tag::new(key)).count(cycle, due);
    }

    /// A pass has ended for this file.
    pub fn count_pass(&self, file: &str, pass: Pass) {
        let mut numbers = self.lock();
        numbers
            .files
            .entry(file.to_owned())
            .or_default()
            .count(pass);
    }

    /// The renderer could not read its keys.
    pub fn count_source_error(&self) {
        self.lock().source_errors += 1;
    }

    /// How the tag is at `now`; `None` if there is no such tag here.
    pub fn condition(&self, tag: &str, now: Instant) -> Option<Condition> {
        let numbers = self.lock();
        numbers.tags.get(tag).map(|found| found.condition(tag, now))
    }

    /// All numbers, in the text format of Prometheus.
    pub fn text(&self) -> String {
        self.lock().text(Instant::now(), clock::unix_seconds())
    }

    /// Every change is made in one go, so a panic elsewhere leaves the numbers whole.
    fn lock(&self) -> MutexGuard<'_, Numbers> {
        self.numbers.lock().unwrap_or_else(PoisonError::into_inner)
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

impl Numbers {
    /// The page. `now` and `seconds` are the same moment: seconds since 1970 are what is shown, but
    /// not what is kept, so that a clock that is set moves them all alike.
    fn text(&self, now: Instant, seconds: f64) -> String {
        let mut page = Page::default();
        let version = env!("CARGO_PKG_VERSION").to_owned();
        page.family(&names::BUILD, [(vec![("version", version)], 1.0)]);
        tag::write(&self.tags, now, seconds, &mut page);
        self.write_files(&mut page);
        page.into_text()
    }

    fn write_files(&self, page: &mut Page) {
        if self.files.is_empty() {
            return;
        }
        let mut family = |name, number: fn(&Passes) -> u64| {
            let labels = |file: &String| vec![("file", file.clone())];
            let samples = self.files.iter();
            page.family(name, samples.map(|(f, p)| (labels(f), number(p) as f64)));
        };
        family(&names::RENDERS, |passes| passes.renders);
        family(&names::RENDER_FAILURES, |passes| passes.failures);
        family(&names::SWITCHES, |passes| passes.switches);
        family(&names::RELOADS, |passes| passes.reloads);
        family(&names::RELOAD_FAILURES, |passes| passes.reload_failures);
        let errors = self.source_errors as f64;
        page.family(&names::SOURCE_ERRORS, [(Vec::new(), errors)]);
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

#[cfg(test)]
mod tests;
