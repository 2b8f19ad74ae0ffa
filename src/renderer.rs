//! Runs resources against a source: once, at intervals, or whenever something changes.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use log::Level;

use crate::backoff::Backoff;
use crate::metrics::{Metrics, Pass};
use crate::progress::{Progress, Worry};
use crate::random::random;
use crate::render::{Renderer, Report, TARGET};
use crate::source::{Snapshot, Source, SourceError};

/// How long a watch waits before it looks after the files all the same: somebody may have edited
/// one.
const LOOK_AGAIN: Duration = Duration::from_secs(60);
/// How often an unchanged trouble is said again.
const REMINDER: Duration = Duration::from_secs(60);
/// The pause after a source failed, at first and at most.
const SOURCE_PAUSE: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// How long a pass is followed by a rest at most, in which more changes gather.
const LONGEST_REST: Duration = Duration::from_millis(100);

/// What reading all keys may take, and finding out that they cannot be read.
const READING: Duration = Duration::from_secs(30);
/// What a resource may take besides its commands: HAProxy's socket, and the disk.
const RENDERING: Duration = Duration::from_secs(30);
/// What one key may cost: a template may ask the name service for it, more than once.
const NAMING: Duration = Duration::from_secs(6);

/// Resources and where their keys come from.
#[derive(Debug)]
pub struct Job {
    source: Box<dyn Source>,
    renderers: Vec<Renderer>,
    trouble: Option<(String, Instant)>,
    metrics: Option<Arc<Metrics>>,
}

impl Job {
    /// A job that has done nothing yet.
    pub fn new(source: Box<dyn Source>, renderers: Vec<Renderer>) -> Job {
        Job {
            source,
            renderers,
            trouble: None,
            metrics: None,
        }
    }

    /// The same, counted.
    #[must_use]
    pub fn counted(mut self, metrics: Option<Arc<Metrics>>) -> Job {
        if let Some(metrics) = &metrics {
            for renderer in &self.renderers {
                metrics.expect_file(&file(renderer));
            }
        }
        self.metrics = metrics;
        self
    }

    /// One pass of every resource. Returns whether all went well.
    pub fn once(&mut self) -> bool {
        let read = self.read();
        let reports = self.bring_about(&read);
        read.is_ok() && reports.iter().all(|report| !report.failed)
    }

    /// A pass at each interval, for ever, and earlier where a reload is still to be made.
    pub fn every(&mut self, interval: Duration, progress: &Progress) -> ! {
        loop {
            let reports = self.pass(progress);
            let pause = time_left(&reports, interval);
            progress.expect_within(pause);
            thread::sleep(pause);
        }
    }

    /// A pass whenever something changed, for ever.
    pub fn watch(&mut self, progress: &Progress) -> ! {
        let mut pause = Backoff::new(SOURCE_PAUSE.0, SOURCE_PAUSE.1);
        loop {
            let started = Instant::now();
            let reports = self.pass(progress);
            let rested = Instant::now() + rest_after(started.elapsed());
            let at_most = time_left(&reports, LOOK_AGAIN);
            progress.expect_within(at_most + SOURCE_PAUSE.1);
            match self.source.wait(at_most) {
                Ok(_) => {
                    pause.succeeded();
                    thread::sleep(rested.saturating_duration_since(Instant::now()));
                }
                Err(error) => {
                    self.tell(&error.to_string());
                    pause.failed(Instant::now(), random());
                    thread::sleep(pause.remaining(Instant::now()));
                }
            }
        }
    }

    /// One pass that says how it gets on.
    fn pass(&mut self, progress: &Progress) -> Vec<Report> {
        progress.expect_within(READING);
        let read = self.read();
        let keys = read.as_ref().map_or(0, |snapshot| snapshot.pairs.len());
        progress.expect_within(self.longest_rendering(keys));
        let reports = self.bring_about(&read);
        let (worry, state) = self.state(read.err(), &reports);
        progress.say(worry, &format!("renderer: {state}"));
        reports
    }

    fn read(&mut self) -> Result<Snapshot, SourceError> {
        let started = Instant::now();
        let read = self.source.read();
        let time = started.elapsed().as_secs_f64() * 1000.0;
        log::debug!(target: TARGET, "reading {}: {time:.1} ms", self.source.name());
        if let (Some(metrics), Err(_)) = (&self.metrics, &read) {
            metrics.count_source_error();
        }
        match &read {
            Err(error) => self.tell(&error.to_string()),
            Ok(_) if self.trouble.take().is_some() => {
                log::info!(target: TARGET, "{} answers again", self.source.name());
            }
            Ok(_) => {}
        }
        read
    }

    /// Every resource in turn. Without an answer of the source, what is left to do from earlier
    /// passes is done.
    fn bring_about(&mut self, read: &Result<Snapshot, SourceError>) -> Vec<Report> {
        let metrics = self.metrics.as_deref();
        let pass = |renderer: &mut Renderer| {
            let started = Instant::now();
            let report = match read {
                Ok(snapshot) => renderer.pass(snapshot, started),
                Err(_) => renderer.catch_up(started),
            };
            let (file, time) = (file(renderer), started.elapsed().as_secs_f64() * 1000.0);
            log::debug!(target: TARGET, "a pass over {file}: {time:.1} ms");
            if let Some(metrics) = metrics {
                metrics.count_pass(&file, counted(&report));
            }
            report
        };
        self.renderers.iter_mut().map(pass).collect()
    }

    /// When each command and each name takes as long as it may.
    fn longest_rendering(&self, keys: usize) -> Duration {
        let names = NAMING.saturating_mul(u32::try_from(keys).unwrap_or(u32::MAX));
        let one = |renderer: &Renderer| {
            let resource = renderer.resource();
            let commands = resource
                .check_cmd_timeout
                .saturating_add(resource.reload_cmd_timeout);
            commands.saturating_add(names).saturating_add(RENDERING)
        };
        self.renderers
            .iter()
            .map(one)
            .fold(Duration::ZERO, Duration::saturating_add)
    }

    fn state(&self, error: Option<SourceError>, reports: &[Report]) -> (Worry, String) {
        if let Some(error) = error {
            return (Worry::Unclear, error.to_string());
        }
        let problems = reports.iter().flat_map(|report| &report.lines);
        let mut problem = problems
            .filter(|(level, _)| *level == Level::Error)
            .map(|(_, line)| line);
        let failed = reports.iter().any(|report| report.failed);
        match problem.next_back() {
            Some(line) if failed => (Worry::Failing, line.clone()),
            Some(_) | None if failed => (Worry::Failing, "failed, see the log".to_owned()),
            Some(_) | None => (Worry::None, "all in sync".to_owned()),
        }
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

/// The file that it writes, as the resource names it.
fn file(renderer: &Renderer) -> String {
    renderer.resource().dest.display().to_string()
}

fn counted(report: &Report) -> Pass {
    Pass {
        failed: report.failed,
        switched: report.switched,
        reload: report.reload,
    }
}

/// As long as the pass took, up to a limit: when keys change all the time, as when a host with many tags
/// dies, half of a processor is left for the checkers. The first change never waits.
fn rest_after(pass: Duration) -> Duration {
    pass.min(LONGEST_REST)
}

fn time_left(reports: &[Report], at_most: Duration) -> Duration {
    let next = reports.iter().filter_map(|report| report.again_at).min();
    let left = next.map(|at| at.saturating_duration_since(Instant::now()));
    left.unwrap_or(at_most).min(at_most)
}
