//! When an outcome is worth a line. In the foreground each cycle says what it did, as the original
//! does; in the journal, which keeps everything, only what changed, and once a minute the rest.

use std::mem::{Discriminant, discriminant};
use std::time::{Duration, Instant};

use log::Level;

use crate::backend::TagName;
use crate::checker::{Degraded, Health};
use crate::outcome::Outcome;

/// How often an unchanged state is said again where it is not said each time.
const REMINDER: Duration = Duration::from_secs(60);

/// Writes the outcomes of one tag to the log.
#[derive(Debug)]
pub struct Reporter {
    tag: TagName,
    store: &'static str,
    quiet: bool,
    last: Option<(Gist, Instant)>,
}

/// What makes two outcomes the same news: the kind, the server and the kind of health, not the
/// seconds of lag.
#[derive(Debug, PartialEq, Eq)]
struct Gist {
    outcome: Discriminant<Outcome>,
    server: Option<String>,
    health: Option<(Discriminant<Health>, Option<Discriminant<Degraded>>)>,
}

impl Reporter {
    /// A reporter that says everything, or (`quiet`) only news.
    pub fn new(tag: TagName, store: &'static str, quiet: bool) -> Reporter {
        Reporter {
            tag,
            store,
            quiet,
            last: None,
        }
    }

    /// Logs the outcome of a cycle that ended at `now`, if it is to be logged.
    pub fn report(&mut self, outcome: &Outcome, now: Instant) {
        let (level, line) = outcome.line(&self.tag, self.store);
        let level = if self.is_worth_a_line(outcome, now) {
            level
        } else {
            Level::Debug
        };
        log::log!(target: self.tag.as_str(), level, "{line}");
    }

    fn is_worth_a_line(&mut self, outcome: &Outcome, now: Instant) -> bool {
        let gist = Gist::of(outcome);
        let is_old = self
            .last
            .as_ref()
            .is_some_and(|(last, at)| *last == gist && now.duration_since(*at) < REMINDER);
        if is_old {
            return !self.quiet;
        }
        self.last = Some((gist, now));
        true
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
            Outcome::PortChanged { server, .. } => (Some(server), None),
            Outcome::LostRace { wanted } => (Some(wanted), None),
        };
        Gist {
            outcome: discriminant(outcome),
            server: server.map(ToString::to_string),
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

    fn kept(lag: u64) -> Outcome {
        let server = "10.0.0.2:1".parse().unwrap();
        Outcome::Kept {
            server,
            health: Health::Up { lag },
        }
    }

    #[test]
    fn the_journal_gets_news_and_a_reminder_each_minute() {
        let mut reporter = Reporter::new("slave3301".parse().unwrap(), "consul", true);
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
        let mut reporter = Reporter::new("slave3301".parse().unwrap(), "consul", false);
        for _ in 0..3 {
            assert!(reporter.is_worth_a_line(&kept(0), Instant::now()));
        }
    }
}
