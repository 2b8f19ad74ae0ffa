//! One cycle of one tag: read the key, check the server it names, decide, elect, write.
//!
//! The whole program in one function. Checkers and stores meet only here; only here is decided
//! to write, and each cycle ends in one `Outcome` that says what was done and why.

mod orders;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use self::orders::Orders;
use crate::backend::{Backend, Cause, Key};
use crate::backoff::Backoff;
use crate::checker::{Candidate, Checker, Degraded, Health, Survey, Wake};
use crate::elect::{self, Exclusion};
use crate::endpoint::{Endpoint, Port};
use crate::hysteresis::{Fall, Rise, Verdict};
use crate::outcome::Outcome;
use crate::random::random;
use crate::store::{Entry, Store, StoreError, Swap, Version};

/// The first pause after the store failed while the server in use was fine.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest such pause: how late a repaired store may be noticed.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// What reading and writing the key may take in one cycle: each of them the store's own timeout,
/// twice where a request is repeated.
const STORE_TIME: Duration = Duration::from_secs(15);

/// How a tag is to be treated.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The port on the HAProxy host, where the configuration names one.
    pub proxy_port: Option<Port>,
    /// The port where neither the configuration nor the key names one.
    pub default_proxy_port: Port,
    /// Failures in a row before a server is left.
    pub fall: u32,
    /// Successes in a row before a voluntary move.
    pub rise: u32,
    /// From the start of one cycle to the next.
    pub interval: Duration,
    /// The time for one check, and so from one inconclusive failure to the next look.
    pub timeout: Duration,
    /// Seconds of lag that are still fine.
    pub max_lag: u64,
    /// Servers that are never elected.
    pub exclude: Vec<Exclusion>,
    /// Decide and say so, but write nothing.
    pub dry_run: bool,
}

/// One tag at work.
pub struct Tag {
    key: Key,
    policy: Policy,
    checker: Box<dyn Checker>,
    store: Arc<dyn Store>,
    orders: Orders,
    memory: Memory,
}

/// What one cycle came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// What was done, and why.
    pub outcome: Outcome,
    /// When the next cycle is due.
    pub next: Instant,
    /// How the server that the key named was, if it was looked at.
    pub seen: Option<Health>,
}

/// What a tag remembers from cycle to cycle.
#[derive(Debug)]
struct Memory {
    /// The last value that the store gave, or took.
    backend: Option<Backend>,
    fall: Fall,
    rise: Rise,
    /// Whether the server in use failed in the last cycle.
    failing: bool,
    /// How the server in use was in this cycle.
    seen: Option<Health>,
    store_pause: Backoff,
    store_error: Option<StoreError>,
    /// When the last cycle was that asked for another one at once.
    hurried_at: Option<Instant>,
    /// When the first cycle started: what this tag's own moment in the interval is.
    first: Option<Instant>,
    /// Whether a configured proxy port was compared with the key.
    port_is_settled: bool,
}

/// What stood in the key when its server had to be left.
struct Left<'a> {
    backend: Option<&'a Backend>,
    version: Version,
    why: String,
}

impl Tag {
    /// A tag that has not been looked at yet.
    pub fn new(key: Key, policy: Policy, checker: Box<dyn Checker>, store: Arc<dyn Store>) -> Tag {
        let memory = Memory {
            backend: None,
            fall: Fall::new(policy.fall),
            rise: Rise::new(policy.rise),
            failing: false,
            seen: None,
            store_pause: Backoff::new(FIRST_PAUSE, LONGEST_PAUSE),
            store_error: None,
            hurried_at: None,
            first: None,
            port_is_settled: false,
        };
        Tag {
            orders: Orders::new(policy.exclude.clone()),
            key,
            policy,
            checker,
            store,
            memory,
        }
    }

    /// Runs one cycle.
    pub fn run(&mut self) -> Report {
        let started = Instant::now();
        let outcome = self.decide(started);
        Report {
            next: self.next(&outcome, started),
            outcome,
            seen: self.memory.seen.take(),
        }
    }

    /// How long a cycle may take when everything takes as long as it may: a check and a survey,
    /// which asks the primary before the candidates, twice the timeout for each; and the store.
    pub fn longest_cycle(&self) -> Duration {
        self.policy.timeout * 8 + STORE_TIME
    }

    /// Waits for the next cycle, or for the server in use to close its idle connection.
    pub fn wait(&mut self, until: Instant) -> Wake {
        match until.saturating_duration_since(Instant::now()) {
            Duration::ZERO => Wake::Elapsed,
            left => self.checker.wait(left),
        }
    }

    /// The tag's key.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// Successes in a row before a voluntary move.
    pub fn rise(&self) -> u32 {
        self.policy.rise
    }

    /// The store's word in log lines.
    pub fn store_name(&self) -> &'static str {
        self.store.name()
    }

    fn decide(&mut self, now: Instant) -> Outcome {
        let entry = self.read(now);
        if entry.is_ok() {
            self.orders.refresh(&*self.store, &self.key, now);
        }
        match entry {
            Ok(Entry::Present {
                backend, version, ..
            }) if backend.name != *self.key.tag() => {
                let why = format!("{} holds the name {}", self.key, backend.name);
                self.leave(Left {
                    backend: None,
                    version,
                    why,
                })
            }
            Ok(Entry::Present {
                backend,
                cause,
                version,
            }) => self.look_after(backend, cause, version),
            Ok(Entry::Absent) => {
                let why = format!("there is no {} in {}", self.key.tag(), self.store.name());
                self.leave(Left {
                    backend: None,
                    version: Version::ABSENT,
                    why,
                })
            }
            Ok(Entry::Malformed { problem, version }) => {
                let why = format!("the value of {} is malformed: {problem}", self.key);
                self.leave(Left {
                    backend: None,
                    version,
                    why,
                })
            }
            Err(error) => self.look_on(error),
        }
    }

    /// Asks the store; after a failure not each time, as long as nothing depends on it.
    fn read(&mut self, now: Instant) -> Result<Entry, StoreError> {
        let can_wait = self.memory.backend.is_some() && !self.memory.failing;
        if let Some(error) = &self.memory.store_error
            && can_wait
            && !self.memory.store_pause.ready(now)
        {
            return Err(error.clone());
        }
        let since = Instant::now();
        let answer = self.store.read(&self.key);
        self.took(since, format_args!("reading {}", self.key));
        match &answer {
            Ok(_) => self.memory.store_pause.succeeded(),
            Err(_) => self.memory.store_pause.failed(now, random()),
        }
        self.memory.store_error = answer.as_ref().err().cloned();
        answer
    }

    /// The key names a server: is it well?
    fn look_after(&mut self, backend: Backend, cause: Cause, version: Version) -> Outcome {
        self.memory.follow(&backend);
        let (health, verdict) = self.check(&backend.server);
        match (verdict, health) {
            (Verdict::Fallen, health) => {
                let why = format!("{} is {health}", backend.server);
                self.leave(Left {
                    backend: Some(&backend),
                    version,
                    why,
                })
            }
            (Verdict::Falling { seen, needed }, health) => Outcome::Falling {
                server: backend.server,
                health,
                seen,
                needed,
            },
            (Verdict::Standing, Health::Degraded(degraded)) => {
                self.improve(&backend, degraded, version)
            }
            (Verdict::Standing, health) => {
                self.memory.rise.reset();
                self.settle_port(&backend, cause, version)
                    .unwrap_or(Outcome::Kept {
                        server: backend.server,
                        health,
                    })
            }
        }
    }

    /// The store cannot be asked: watch the last known server, and write nothing.
    fn look_on(&mut self, error: StoreError) -> Outcome {
        let Some(backend) = self.memory.backend.clone() else {
            return Outcome::StoreFailed {
                server: None,
                error,
            };
        };
        let (health, _) = self.check(&backend.server);
        Outcome::Blind {
            server: backend.server,
            health,
            error,
        }
    }

    fn check(&mut self, server: &Endpoint) -> (Health, Verdict) {
        let since = Instant::now();
        let health = self.checker.check(server);
        self.took(since, format_args!("checking {server}, {health}"));
        let health = elect::as_excluded(self.orders.exclude(), server, &health);
        self.memory.seen = Some(health.clone());
        let verdict = self.memory.fall.observe(&health);
        self.memory.failing = verdict != Verdict::Standing;
        (health, verdict)
    }

    /// A forced move: away from a server that is lost, or from a key that names none.
    fn leave(&mut self, left: Left<'_>) -> Outcome {
        // Somebody may have let it go.
        let mut has_asked = self.orders.pin().is_some();
        if has_asked {
            self.orders.ask(&*self.store, &self.key, Instant::now());
        }
        if let Some((pin, by)) = self.orders.pin() {
            return self.stay(left, pin.server, by);
        }
        let current = left.backend.map(|backend| &backend.server);
        let mut survey = self.survey(current);
        while let Some(best) = elect::forced(&survey.candidates, self.orders.exclude()).cloned() {
            // Now that it could move, and not each time that it cannot: the store has as little to do
            // where nobody can take over as where all is well.
            if !has_asked {
                has_asked = true;
                self.orders.ask(&*self.store, &self.key, Instant::now());
                if let Some((pin, by)) = self.orders.pin() {
                    return self.stay(left, pin.server, by);
                }
                continue;
            }
            match self.prepare(best) {
                Ok(best) => return self.write(&left, &best, Cause::Forced),
                Err(failed) => survey.replace(failed),
            }
        }
        Outcome::NoCandidate {
            server: current.cloned(),
            why: left.why,
            survey,
        }
    }

    /// An operator has pinned the tag: it moves nowhere. Only a key that names no server at all is
    /// written, with the server that it is pinned to.
    fn stay(&mut self, left: Left<'_>, pinned: Endpoint, by: String) -> Outcome {
        let server = left.backend.map(|backend| backend.server.clone());
        if server.is_none() {
            let health = self.checker.check(&pinned);
            let candidate = Candidate {
                server: pinned,
                health,
                place: 0,
            };
            if candidate.health.serves() {
                return self.write(&left, &candidate, Cause::Forced);
            }
        }
        Outcome::Pinned {
            server,
            health: None,
            why: left.why,
            by,
        }
    }

    /// Makes a candidate ready to be written; one that fails then is given back as an error.
    fn prepare(&mut self, best: Candidate) -> Result<Candidate, Candidate> {
        if self.policy.dry_run {
            return Ok(best);
        }
        let since = Instant::now();
        let health = self.checker.prepare(&best);
        self.took(since, format_args!("preparing {}, {health}", best.server));
        let serves = health.serves();
        let best = Candidate { health, ..best };
        if serves { Ok(best) } else { Err(best) }
    }

    /// A voluntary move: away from a server that serves, to one that has proved to be better.
    fn improve(&mut self, backend: &Backend, degraded: Degraded, version: Version) -> Outcome {
        if let Some((_, by)) = self.orders.pin() {
            let health = Health::Degraded(degraded);
            return Outcome::Pinned {
                server: Some(backend.server.clone()),
                why: format!("{} is {health}", backend.server),
                health: Some(health),
                by,
            };
        }
        let survey = self.survey(Some(&backend.server));
        self.memory.rise.observe(&survey.candidates);
        let (rise, policy) = (&self.memory.rise, &self.policy);
        let best = elect::voluntary(
            &survey.candidates,
            self.orders.exclude(),
            policy.max_lag,
            |server| rise.is_steady(server),
        );
        let health = Health::Degraded(degraded);
        match best.cloned().and_then(|best| self.prepare(best).ok()) {
            Some(best) => {
                let why = format!("{} is {health}", backend.server);
                self.write(
                    &Left {
                        backend: Some(backend),
                        version,
                        why,
                    },
                    &best,
                    Cause::Voluntary,
                )
            }
            None => Outcome::Kept {
                server: backend.server.clone(),
                health,
            },
        }
    }

    /// Whoever is being left is no candidate, whatever the checker says.
    fn survey(&mut self, current: Option<&Endpoint>) -> Survey {
        let since = Instant::now();
        let mut survey = self.checker.survey(current);
        survey
            .candidates
            .retain(|candidate| Some(&candidate.server) != current);
        let count = survey.candidates.len();
        self.took(since, format_args!("asking all others, {count}"));
        survey
    }

    fn write(&mut self, left: &Left<'_>, best: &Candidate, cause: Cause) -> Outcome {
        let old = left.backend;
        let proxy_port = self
            .policy
            .proxy_port
            .or(old.map(|backend| backend.proxy_port));
        let backend = Backend {
            name: self.key.tag().clone(),
            server: best.server.clone(),
            proxy_port: proxy_port.unwrap_or(self.policy.default_proxy_port),
        };
        let moved = Outcome::Moved {
            from: old.map(|backend| backend.server.clone()),
            to: best.clone(),
            cause,
            why: left.why.clone(),
            dry_run: self.policy.dry_run,
        };
        self.put(&backend, cause, left.version).unwrap_or(moved)
    }

    /// Once after the start: a proxy port that the configuration names, and the key does not have,
    /// is put right. Not each time, or two configurations could fight over it.
    fn settle_port(&mut self, old: &Backend, cause: Cause, version: Version) -> Option<Outcome> {
        let port = self
            .policy
            .proxy_port
            .filter(|port| *port != old.proxy_port)?;
        if std::mem::replace(&mut self.memory.port_is_settled, true) {
            return None;
        }
        let backend = Backend {
            proxy_port: port,
            ..old.clone()
        };
        let changed = Outcome::PortChanged {
            server: old.server.clone(),
            from: old.proxy_port,
            to: port,
            dry_run: self.policy.dry_run,
        };
        Some(self.put(&backend, cause, version).unwrap_or(changed))
    }

    /// Writes, unless this is a dry run. `None` is success.
    fn put(&mut self, backend: &Backend, cause: Cause, expected: Version) -> Option<Outcome> {
        if self.policy.dry_run {
            return None;
        }
        let since = Instant::now();
        let swap = self.store.write(&self.key, backend, cause, expected);
        self.took(since, format_args!("writing {}", self.key));
        match swap {
            Ok(Swap::Stored) => {
                self.memory.follow(backend);
                None
            }
            Ok(Swap::Lost) => Some(Outcome::LostRace {
                wanted: backend.server.clone(),
            }),
            Err(error) => Some(Outcome::StoreFailed {
                server: Some(backend.server.clone()),
                error,
            }),
        }
    }

    /// Says with --debug what a step took.
    fn took(&self, since: Instant, step: fmt::Arguments<'_>) {
        let (tag, time) = (self.key.tag().as_str(), since.elapsed());
        log::debug!(target: tag, "{step}: {:.1} ms", time.as_secs_f64() * 1000.0);
    }

    /// When to look again: at once after a move (to see the new server well) and after a lost race,
    /// but not twice within an interval; one timeout after the last look while a server is
    /// failing; else at this tag's own moment in the interval.
    fn next(&mut self, outcome: &Outcome, started: Instant) -> Instant {
        let first = *self.memory.first.get_or_insert(started);
        let regular = next_turn(first, started, self.policy.interval);
        match outcome {
            Outcome::Moved { dry_run: false, .. } | Outcome::LostRace { .. } => {
                let before = self.memory.hurried_at.replace(started);
                match before.is_some_and(|at| started < at + self.policy.interval) {
                    true => regular,
                    false => started,
                }
            }
            Outcome::Falling { .. } => regular.min(started + self.policy.timeout),
            Outcome::Moved { .. }
            | Outcome::Kept { .. }
            | Outcome::Blind { .. }
            | Outcome::NoCandidate { .. }
            | Outcome::Pinned { .. }
            | Outcome::PortChanged { .. }
            | Outcome::StoreFailed { .. } => regular,
        }
    }
}

impl Memory {
    /// Takes note of what the key holds; what was counted for another server is void.
    fn follow(&mut self, backend: &Backend) {
        if self
            .backend
            .as_ref()
            .is_none_or(|known| known.server != backend.server)
        {
            self.fall.reset();
            self.rise.reset();
            self.failing = false;
        }
        if self.backend.as_ref() != Some(backend) {
            self.backend = Some(backend.clone());
        }
    }
}

/// The next of the moments that are whole intervals after `first`, for a cycle that has `started`; the one
/// after that, if less than a quarter of an interval is left. So the starts of many tags, which are
/// spread, stay so: also after a fault that made all of them look at the same time.
fn next_turn(first: Instant, started: Instant, interval: Duration) -> Instant {
    let since = started.saturating_duration_since(first).as_nanos();
    let Some(gone) = since.checked_rem(interval.as_nanos()) else {
        return started;
    };
    // Less than an interval, which is no more than hours.
    let gone = Duration::from_nanos(u64::try_from(gone).unwrap_or_default());
    match interval - gone {
        left if left < interval / 4 => started + left + interval,
        left => started + left,
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tag({})", self.key)
    }
}

#[cfg(test)]
pub(crate) mod tests;
