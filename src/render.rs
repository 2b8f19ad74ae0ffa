//! One resource brought about: validate, render, compare, move HAProxy, check, install, reload.
//!
//! Owns the order of steps and what is said of each; the steps themselves are in the files beside
//! and in `template`, `stage`, `command` and `haproxy`. The file on disk is replaced only by one
//! that passed its check. Servers that HAProxy knows move to their validated addresses whatever
//! becomes of the file and of a reload.

pub mod entries;
pub mod state;
pub mod steering;

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::time::{Duration, Instant};

use log::Level;

use crate::backend::Cause;
use crate::backoff::Backoff;
use crate::command;
use crate::notify;
use crate::random::random;
use crate::render::entries::{Checked, Entries};
use crate::render::state::State;
use crate::render::steering::{Steered, Steering};
use crate::resource::Resource;
use crate::source::Snapshot;
use crate::stage::{self, Staged, Wanted};
use crate::template::Template;

/// The least time between two reloads: each leaves an old HAProxy process behind for a while.
const RELOAD_GAP: Duration = Duration::from_secs(2);
/// How long after a reload HAProxy is compared with its file: until then the old process answers.
const SETTLED: Duration = Duration::from_secs(1);
/// The pause before a failed reload is tried again, at first and at most.
const RELOAD_PAUSE: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(60));

/// The name that log lines carry.
pub const TARGET: &str = "confd";

/// How a run treats its resources.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Manner {
    /// Render and compare, but change nothing.
    pub noop: bool,
    /// Write the file, but neither check nor reload.
    pub sync_only: bool,
    /// Leave the staged file where it is.
    pub keep_stage_file: bool,
    /// Let an empty store empty a file.
    pub allow_empty: bool,
}

/// One resource at work.
#[derive(Debug)]
pub struct Renderer {
    resource: Resource,
    template: Template,
    steering: Option<Steering>,
    manner: Manner,
    entries: Entries,
    state: State,
    reload_pause: Backoff,
    reloaded_at: Option<Instant>,
    told: Vec<String>,
}

/// What a pass did.
#[derive(Debug, Default)]
pub struct Report {
    /// What was logged.
    pub lines: Vec<(Level, String)>,
    /// Whether anything failed.
    pub failed: bool,
    /// When something that is still to be done should be tried.
    pub again_at: Option<Instant>,
    /// How many servers HAProxy was moved to without a reload.
    pub switched: u64,
    /// Whether a reload was tried, and whether it worked.
    pub reload: Option<bool>,
}

impl Renderer {
    /// Reads the resource's template, and what an earlier process left behind.
    ///
    /// # Errors
    /// One line: the template cannot be read or parsed, or the socket is not one.
    pub fn new(resource: Resource, manner: Manner) -> Result<Renderer, String> {
        let path = resource.src.display().to_string();
        let text = fs::read_to_string(&resource.src).map_err(|e| format!("reading {path}: {e}"))?;
        let template = Template::parse(&path, &text).map_err(|e| e.to_string())?;
        let steering = resource.haproxy.as_ref().map(Steering::new).transpose();
        let bad = |e| format!("{}: [haproxy] socket: {e}", resource.file.display());
        let steering = steering.map_err(bad)?;
        for path in stage::sweep(&resource.dest) {
            log::info!(target: TARGET, "removed {}, left by an earlier run", path.display());
        }
        let state = State::load(&resource.dest);
        Ok(Renderer {
            entries: Entries::recall(state.entries()),
            reload_pause: Backoff::new(RELOAD_PAUSE.0, RELOAD_PAUSE.1),
            reloaded_at: None,
            told: Vec::new(),
            resource,
            template,
            steering,
            manner,
            state,
        })
    }

    /// The resource.
    pub fn resource(&self) -> &Resource {
        &self.resource
    }

    /// Brings the target in line with what a source holds.
    pub fn pass(&mut self, snapshot: &Snapshot, now: Instant) -> Report {
        let mut report = Report::default();
        let own = self.own(snapshot);
        let checked = self.entries.check(&own);
        self.tell_problems(&checked.problems, &mut report);
        let done = self.current().and_then(|current| {
            let text = self.render(&checked, &current)?;
            self.bring_about(&text, &current, &checked, now, &mut report);
            Ok(())
        });
        if let Err(problem) = done {
            report.fail(problem);
        }
        // However the pass went, what is on disk was good, and may still have to be taken over.
        self.reload_if_pending(now, &mut report);
        report
    }

    /// Does what is left to do from earlier passes, where a source does not answer.
    pub fn catch_up(&mut self, now: Instant) -> Report {
        let mut report = Report::default();
        self.reload_if_pending(now, &mut report);
        report
    }

    /// The target's text; empty if there is no target yet.
    fn current(&self) -> Result<String, String> {
        match fs::read(&self.resource.dest) {
            Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
            Err(error) => Err(format!("reading {}: {error}", self.dest())),
        }
    }

    /// The keys under the resource's own, without its prefix.
    fn own(&self, snapshot: &Snapshot) -> Snapshot {
        let is_own = |key: &str| {
            let is_under = |own: &String| {
                let own = own.trim_end_matches('/');
                key.strip_prefix(own)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            };
            self.resource.keys.iter().any(is_under)
        };
        let strip = |key: &str| {
            key.strip_prefix(self.resource.prefix.trim_end_matches('/'))
                .unwrap_or(key)
                .to_owned()
        };
        let own = snapshot.pairs.iter().filter(|(key, _)| is_own(key));
        Snapshot {
            pairs: own.map(|(key, pair)| (strip(key), pair.clone())).collect(),
        }
    }

    fn tell_problems(&mut self, problems: &[String], report: &mut Report) {
        if self.told != problems {
            for problem in problems
                .iter()
                .filter(|problem| !self.told.contains(problem))
            {
                report.say(Level::Error, problem.clone());
            }
            self.told = problems.to_vec();
        }
    }

    /// An empty answer may mean "denied", and an empty file would close every port: neither
    /// replaces something.
    fn render(&self, checked: &Checked, current: &str) -> Result<String, String> {
        let (dest, keys) = (self.resource.dest.display(), self.resource.keys.join(", "));
        let guarded = !self.manner.allow_empty && !current.trim().is_empty();
        if guarded && checked.pairs.is_empty() {
            return Err(format!(
                "there is nothing to render under {keys}: the keys are gone, or the token may not \
                 read them; {dest} stays as it is (--allow-empty renders it all the same)"
            ));
        }
        let text = self
            .template
            .render(&checked.pairs)
            .map_err(|e| e.to_string())?;
        if guarded && text.trim().is_empty() {
            return Err(format!(
                "the template gives an empty file; {dest} stays as it is"
            ));
        }
        Ok(text)
    }

    fn bring_about(
        &mut self,
        text: &str,
        current: &str,
        checked: &Checked,
        now: Instant,
        report: &mut Report,
    ) {
        let switched = self.switch(text, current, &checked.causes, report);
        let dest = self.resource.dest.display().to_string();
        let staged = match Staged::write(&self.resource.dest, text, self.wanted()) {
            Ok(staged) => staged,
            Err(error) => {
                report.fail(error.to_string());
                if !switched {
                    self.move_known(text, &checked.causes, report);
                }
                return;
            }
        };
        let differences = staged.differences();
        if differences.is_empty() {
            report.say(Level::Debug, format!("Target config {dest} in sync"));
            self.remember(report);
            return self.mend_drift(text, now, report);
        }
        for difference in differences {
            report.say(Level::Debug, format!("{dest} {difference}"));
        }
        report.say(Level::Info, format!("Target config {dest} out of sync"));
        if self.manner.noop {
            report.say(
                Level::Warn,
                format!("Noop mode enabled. {dest} will not be modified"),
            );
            return self.set_aside(staged, report);
        }
        if let Err(problem) = self.check(&staged) {
            self.set_aside(staged, report);
            let moved = switched || self.move_known(text, &checked.causes, report);
            let stands = if moved {
                "; haproxy has the new addresses all the same"
            } else {
                ""
            };
            return report.fail(format!("{problem}; {dest} stays as it is{stands}"));
        }
        self.install(staged, switched, report);
    }

    /// Moves HAProxy before anything else is done, where nothing but servers' addresses changes.
    /// Returns whether it has the new addresses now.
    fn switch(
        &self,
        text: &str,
        current: &str,
        causes: &BTreeMap<String, Cause>,
        report: &mut Report,
    ) -> bool {
        let Some(steering) = self.steering() else {
            return false;
        };
        match steering.switch(current, text, causes) {
            Steered::Moved(lines) => {
                report.moved(lines);
                true
            }
            Steered::Alike => false,
            Steered::NeedsReload(why) => {
                report.say(Level::Info, why);
                false
            }
        }
    }

    /// HAProxy may have other addresses than its file: a switch that fell into a reload is lost,
    /// and somebody may have moved a server by hand. What the file says is put right.
    fn mend_drift(&self, text: &str, now: Instant, report: &mut Report) {
        let Some(steering) = self.steering() else {
            return;
        };
        let settles_at = self
            .reloaded_at
            .map(|at| at + SETTLED)
            .filter(|at| now < *at);
        if let Some(at) = settles_at {
            return report.again(at);
        }
        // Nobody knows what the sessions are on now, so the key's cause says nothing of them.
        match steering.mend(text, &BTreeMap::new()) {
            Ok(lines) => {
                let said = |line| format!("{line}; it was not what the file says");
                report.moved(lines.into_iter().map(said));
            }
            Err(problem) => {
                report.fail(format!("haproxy is not what its file says: {problem}"));
            }
        }
    }

    /// Moves the servers that HAProxy knows to where a file wants them that cannot be installed:
    /// what is wrong with it must not keep a tag on a dead server. Returns whether any was moved.
    fn move_known(
        &self,
        text: &str,
        causes: &BTreeMap<String, Cause>,
        report: &mut Report,
    ) -> bool {
        let Some(steering) = self.steering() else {
            return false;
        };
        let lines = match steering.mend(text, causes) {
            Ok(lines) => lines,
            Err(problem) => {
                report.fail(problem);
                return false;
            }
        };
        let moved = !lines.is_empty();
        report.moved(lines);
        moved
    }

    /// HAProxy's socket, if it may be used. Also while HAProxy has yet to take its file over: a
    /// reload that fails must not keep a tag from moving.
    fn steering(&self) -> Option<&Steering> {
        let idle = self.manner.noop || self.manner.sync_only;
        self.steering.as_ref().filter(|_| !idle)
    }

    fn check(&self, staged: &Staged) -> Result<(), String> {
        let Some(check) = self.resource.check_command(staged.path()) else {
            return Ok(());
        };
        if self.manner.sync_only {
            return Ok(());
        }
        let result = run(&check, self.resource.check_cmd_timeout);
        result.map_err(|failure| format!("Config check failed: {failure}"))
    }

    /// Removes a staged file that is not used, or leaves it for people to look at.
    fn set_aside(&self, staged: Staged, report: &mut Report) {
        if self.manner.keep_stage_file {
            let path = staged.keep();
            report.say(
                Level::Info,
                format!("Keeping staged file: {}", path.display()),
            );
        }
    }

    /// Replaces the target. What is still to be done is written down before, so that it is not
    /// forgotten if this process ends right after.
    fn install(&mut self, staged: Staged, switched: bool, report: &mut Report) {
        let reloads = self.resource.reload_cmd.is_some() && !self.manner.sync_only;
        self.state.reload_pending |= reloads && !switched;
        self.state.set_entries(self.entries.remembered());
        if let Err(error) = self.state.save(&self.resource.dest) {
            return report.fail(format!("writing the state of {}: {error}", self.dest()));
        }
        let dest = self.dest();
        match staged.install(true) {
            Ok(installed) => {
                report.say_all(Level::Warn, installed.warnings);
                report.say(
                    Level::Info,
                    format!("Target config {dest} has been updated"),
                );
            }
            Err(error) => report.fail(error.to_string()),
        }
    }

    /// Writes the good values down where that is not done yet: a file that is in sync may be real
    /// confd's work, and the values must stand in the next process too.
    fn remember(&mut self, report: &mut Report) {
        let is_new = self.state.set_entries(self.entries.remembered());
        if !is_new || self.manner.noop {
            return;
        }
        if let Err(error) = self.state.save(&self.resource.dest) {
            let dest = self.dest();
            report.say(Level::Warn, format!("writing the state of {dest}: {error}"));
        }
    }

    /// Reloads, if that is due and may be tried.
    fn reload_if_pending(&mut self, now: Instant, report: &mut Report) {
        let idle = self.manner.noop || self.manner.sync_only || !self.state.reload_pending;
        let (Some(reload), false) = (&self.resource.reload_cmd, idle) else {
            return;
        };
        let gap = self
            .reloaded_at
            .map(|at| (at + RELOAD_GAP).saturating_duration_since(now));
        let pause = gap
            .unwrap_or_default()
            .max(self.reload_pause.remaining(now));
        if !pause.is_zero() {
            return report.again(now + pause);
        }
        self.reloaded_at = Some(now);
        let done = run(reload, self.resource.reload_cmd_timeout);
        report.reload = Some(done.is_ok());
        match done {
            Ok(()) => {
                self.reload_pause.succeeded();
                self.state.reload_pending = false;
                if self.steering.is_some() {
                    report.again(now + SETTLED);
                }
                // Before it is said: whoever ends this process then need not reload again.
                let saved = self.state.save(&self.resource.dest);
                report.say(Level::Info, format!("reloaded with: {reload}"));
                if let Err(error) = saved {
                    report.fail(format!("writing the state of {}: {error}", self.dest()));
                }
            }
            Err(failure) => {
                self.reload_pause.failed(now, random());
                let pause = self.reload_pause.remaining(now);
                report.again(now + pause);
                report.fail(format!(
                    "reload failed: {failure}; the old file is still in force, trying again in {} s",
                    pause.as_secs().max(1)
                ));
            }
        }
    }

    fn wanted(&self) -> Wanted {
        let Resource { mode, uid, gid, .. } = self.resource;
        Wanted { mode, uid, gid }
    }

    fn dest(&self) -> String {
        self.resource.dest.display().to_string()
    }
}

impl Report {
    /// Logs at once, so that the log has the time of the step and not that of the pass.
    fn say(&mut self, level: Level, line: String) {
        log::log!(target: TARGET, level, "{line}");
        self.lines.push((level, line));
    }

    /// HAProxy was moved: a line for each server.
    fn moved(&mut self, lines: impl IntoIterator<Item = String>) {
        let before = self.lines.len();
        self.say_all(Level::Warn, lines);
        self.switched += (self.lines.len() - before) as u64;
    }

    fn say_all(&mut self, level: Level, lines: impl IntoIterator<Item = String>) {
        for line in lines {
            self.say(level, line);
        }
    }

    /// Asks for another pass then, if none is asked for before.
    fn again(&mut self, at: Instant) {
        self.again_at = Some(self.again_at.map_or(at, |earlier| earlier.min(at)));
    }

    fn fail(&mut self, line: String) {
        self.failed = true;
        self.say(Level::Error, line);
    }
}

/// Runs a command of the resource, without our secrets in its environment, and without what
/// systemd wants to know of us: a HAProxy that is started would answer it.
fn run(line: &str, timeout: Duration) -> Result<(), String> {
    let ours = notify::VARIABLES.into_iter().chain(["CONSUL_HTTP_TOKEN"]);
    let without: Vec<(&str, Option<&str>)> = ours.map(|name| (name, None)).collect();
    command::run(line, timeout, &without).or_failure(timeout)
}

#[cfg(test)]
mod tests;
