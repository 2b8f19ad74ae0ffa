//! Runs resources against a source: once, at intervals, or whenever something changes.

use std::thread;
use std::time::{Duration, Instant};

use log::Level;

use crate::backoff::Backoff;
use crate::random::random;
use crate::render::{Renderer, Report, TARGET};
use crate::source::Source;

/// How long a watch waits before it looks after the files all the same: somebody may have edited
/// one.
const LOOK_AGAIN: Duration = Duration::from_secs(60);
/// How often an unchanged trouble is said again.
const REMINDER: Duration = Duration::from_secs(60);
/// The pause after a source failed, at first and at most.
const SOURCE_PAUSE: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// Resources and where their keys come from.
#[derive(Debug)]
pub struct Job {
    source: Box<dyn Source>,
    renderers: Vec<Renderer>,
    trouble: Option<(String, Instant)>,
}

impl Job {
    /// A job that has done nothing yet.
    pub fn new(source: Box<dyn Source>, renderers: Vec<Renderer>) -> Job {
        Job {
            source,
            renderers,
            trouble: None,
        }
    }

    /// One pass of every resource. Returns whether all went well.
    pub fn once(&mut self) -> bool {
        let (answered, reports) = self.pass();
        answered && reports.iter().all(|report| !report.failed)
    }

    /// A pass at each interval, for ever, and earlier where a reload is still to be made.
    pub fn every(&mut self, interval: Duration) -> ! {
        loop {
            let (_, reports) = self.pass();
            thread::sleep(time_left(&reports, interval));
        }
    }

    /// A pass whenever something changed, for ever.
    pub fn watch(&mut self) -> ! {
        let mut pause = Backoff::new(SOURCE_PAUSE.0, SOURCE_PAUSE.1);
        loop {
            let (_, reports) = self.pass();
            match self.source.wait(time_left(&reports, LOOK_AGAIN)) {
                Ok(_) => pause.succeeded(),
                Err(error) => {
                    self.tell(&error.to_string());
                    pause.failed(Instant::now(), random());
                    thread::sleep(pause.remaining(Instant::now()));
                }
            }
        }
    }

    /// Whether the source answered, and what was done. Without an answer, what is left to do from
    /// earlier passes is done.
    fn pass(&mut self) -> (bool, Vec<Report>) {
        let read = self.source.read();
        match &read {
            Err(error) => self.tell(&error.to_string()),
            Ok(_) if self.trouble.take().is_some() => {
                log::info!(target: TARGET, "{} answers again", self.source.name());
            }
            Ok(_) => {}
        }
        let pass = |renderer: &mut Renderer| match &read {
            Ok(snapshot) => renderer.pass(snapshot, Instant::now()),
            Err(_) => renderer.catch_up(Instant::now()),
        };
        (read.is_ok(), self.renderers.iter_mut().map(pass).collect())
    }

    /// Says a trouble when it is new, and now and then as long as it lasts.
    fn tell(&mut self, trouble: &str) {
        let is_old = self
            .trouble
            .as_ref()
            .is_some_and(|(text, at)| text == trouble && at.elapsed() < REMINDER);
        let level = if is_old { Level::Debug } else { Level::Error };
        if !is_old {
            self.trouble = Some((trouble.to_owned(), Instant::now()));
        }
        log::log!(target: TARGET, level, "{trouble}; the files stay as they are");
    }
}

fn time_left(reports: &[Report], at_most: Duration) -> Duration {
    let next = reports.iter().filter_map(|report| report.again_at).min();
    let left = next.map(|at| at.saturating_duration_since(Instant::now()));
    left.unwrap_or(at_most).min(at_most)
}
