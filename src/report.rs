//! When an outcome is worth a line. In the foreground each cycle says what it did, as the original
//! does, but that nobody can take over is said less and less often; in the journal, which keeps
//! everything, only what changed is said, and once a minute the rest. A move, and that there was none
//! where there was a reason for one, is said with how long the fault has lasted.

mod fault;

use std::mem::{Discriminant, discriminant};
use std::time::{Duration, Instant};

use log::Level;

use self::fault::Fault;
use crate::backend::Key;
use crate::checker::{Degraded, Health};
use crate::endpoint::Endpoint;
use crate::outcome::{Outcome, Step, StepResult};

/// How often an unchanged state is said again where it is not said each time.
const REMINDER: Duration = Duration::from_secs(60);

/// For how long a failure that was said twice is not said again in the foreground, at first; each
/// time it is twice as long, up to `REMINDER`.
const FIRST_REST: Duration = Duration::from_secs(1);

/// Writes the outcomes of one tag to the log.
#[derive(Debug)]
pub struct Reporter {
    key: Key,
    store: &'static str,
    quiet: bool,
    last: Option<Said>,
    fault: Fault,
}

/// A cycle that has ended.
#[derive(Debug, Clone, Copy)]
pub struct Cycle<'a> {
    /// What it came to.
    pub outcome: &'a Outcome,
    /// How the server that the key named was, if it was looked at.
    pub seen: Option<&'a Health>,
    /// When it started.
    pub started: Instant,
    /// When it ended.
    pub ended: Instant,
}

/// What was said last.
#[derive(Debug)]
struct Said {
    gist: Gist,
    at: Instant,
    /// How long the same is not said again in the foreground, if it is that nobody can take over.
    pause: Duration,
}

/// What makes two outcomes the same news: the kind, the server and the kind of health, not the
/// seconds of lag.
#[derive(Debug, PartialEq, Eq)]
struct Gist {
    outcome: Discriminant<Outcome>,
    server: Option<Endpoint>,
    health: Option<(Discriminant<Health>, Option<Discriminant<Degraded>>)>,
}

impl Reporter {
    /// A reporter that says everything, or (`quiet`) only news.
    pub fn new(key: Key, store: &'static str, quiet: bool) -> Reporter {
        Reporter {
            key,
            store,
            quiet,
            last: None,
            fault: Fault::default(),
        }
    }

    /// Logs what a cycle came to, if that is to be logged.
    pub fn report(&mut self, cycle: Cycle<'_>) {
        let Cycle { outcome, seen, .. } = cycle;
        let lasted = self
            .fault
            .observe(outcome, seen, cycle.started, cycle.ended);
        let is_worth_a_line = self.is_worth_a_line(outcome, cycle.ended);
        let tag = self.key.tag().as_str();
        if !is_worth_a_line && !log::log_enabled!(target: tag, Level::Debug) {
            return;
        }
        let (level, line) = outcome.line(&self.key, self.store);
        let level = if is_worth_a_line { level } else { Level::Debug };
        match outcome.step() {
            Some(step) => say(tag, level, &line, &step, lasted),
            None => log::log!(target: tag, level, "{line}"),
        }
    }

    fn is_worth_a_line(&mut self, outcome: &Outcome, now: Instant) -> bool {
        let gist = Gist::of(outcome);
        let Some(last) = self.last.as_ref().filter(|last| last.gist == gist) else {
            let (at, pause) = (now, Duration::ZERO);
            self.last = Some(Said { gist, at, pause });
            return true;
        };
        let may_rest = matches!(outcome, Outcome::NoCandidate { .. });
        let pause = match (self.quiet, may_rest) {
            (true, _) => REMINDER,
            (false, true) => last.pause,
            (false, false) => Duration::ZERO,
        };
        if now.duration_since(last.at) < pause {
            return false;
        }
        let pause = (last.pause * 2).clamp(FIRST_REST, REMINDER);
        self.last = Some(Said {
            gist,
            at: now,
            pause,
        });
        true
    }
}

/// A line with what a collector wants to have in fields of their own.
fn say(tag: &str, level: Level, line: &str, step: &Step<'_>, lasted: Option<Duration>) {
    let place = |server: Option<&Endpoint>| server.map(ToString::to_string);
    let (from, to) = (place(step.from), place(step.to));
    let end = lasted.map_or_else(String::new, |time| match step.result {
        StepResult::Moved(_) => format!("; the fault lasted {}", seconds(time)),
        StepResult::Refused(_) => format!("; the fault has lasted {}", seconds(time)),
    });
    let lasted_ms = lasted.and_then(|time| u64::try_from(time.as_millis()).ok());
    log::log!(
        target: tag,
        level,
        from = from.as_deref(),
        to = to.as_deref(),
        reason = step.reason.as_str(),
        lasted_ms = lasted_ms;
        "{line}{end}"
    );
}

/// As exact as is of use: `0.02 s`, `75 s`.
fn seconds(time: Duration) -> String {
    match time.as_secs() {
        0..10 => format!("{:.2} s", time.as_secs_f64()),
        seconds => format!("{seconds} s"),
    }
}

impl Gist {
    fn of(outcome: &Outcome) -> Gist {
        let (server, health) = match outcome {
            Outcome::Kept { server, health }
            | Outcome::Falling { server, health, .. }
            | Outcome::Blind { server, health, .. } => (Some(server), Some(health)),
            Outcome::Moved { to, .. } => (Some(&to.server), Some(&to.health)),
            Outcome::NoCandidate { server, .. } | Outcome::StoreFailed { server, .. } => {
                (server.as_ref(), None)
            }
            Outcome::Pinned { server, health, .. } => (server.as_ref(), health.as_ref()),
            Outcome::PortChanged { server, .. } => (Some(server), None),
            Outcome::LostRace { wanted } => (Some(wanted), None),
        };
        Gist {
            outcome: discriminant(outcome),
            server: server.cloned(),
            health: health.map(|health| match health {
                Health::Degraded(degraded) => (discriminant(health), Some(discriminant(degraded))),
                Health::Up { .. } | Health::Down(_) | Health::Unknown(_) => {
                    (discriminant(health), None)
                }
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Kind;
    use crate::checker::Survey;

    fn reporter(quiet: bool) -> Reporter {
        let key = Key::new(Kind::MysqlSlave, "slave3301".parse().unwrap());
        Reporter::new(key, "consul", quiet)
    }

    fn kept(lag: u64) -> Outcome {
        let server = "10.0.0.2:1".parse().unwrap();
        Outcome::Kept {
            server,
            health: Health::Up { lag: Some(lag) },
        }
    }

    #[test]
    fn the_journal_gets_news_and_a_reminder_each_minute() {
        let mut reporter = reporter(true);
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        assert!(reporter.is_worth_a_line(&kept(0), start));
        assert!(!reporter.is_worth_a_line(&kept(3), after(1)));
        let degraded = Outcome::Kept {
            server: "10.0.0.2:1".parse().unwrap(),
            health: Health::Degraded(Degraded::StandIn),
        };
        assert!(reporter.is_worth_a_line(&degraded, after(2)));
        assert!(reporter.is_worth_a_line(&kept(0), after(3)));
        assert!(!reporter.is_worth_a_line(&kept(0), after(62)));
        assert!(reporter.is_worth_a_line(&kept(0), after(63)));
        assert!(!reporter.is_worth_a_line(&kept(0), after(64)));
    }

    #[test]
    fn the_foreground_gets_every_line() {
        let mut reporter = reporter(false);
        for _ in 0..3 {
            assert!(reporter.is_worth_a_line(&kept(0), Instant::now()));
        }
    }

    #[test]
    fn that_nobody_can_take_over_is_said_less_and_less_often() {
        let mut reporter = reporter(false);
        let start = Instant::now();
        let nobody = Outcome::NoCandidate {
            server: None,
            why: "all are down".to_owned(),
            survey: Survey::default(),
        };
        let mut said = Vec::new();
        for second in 0..200 {
            if reporter.is_worth_a_line(&nobody, start + Duration::from_secs(second)) {
                said.push(second);
            }
        }
        assert_eq!(said, [0, 1, 2, 4, 8, 16, 32, 64, 124, 184]);
        assert!(reporter.is_worth_a_line(&kept(0), start + Duration::from_secs(200)));
        assert!(reporter.is_worth_a_line(&nobody, start + Duration::from_secs(201)));
    }
}
