//! The numbers of one tag, how a cycle changes them, and what they say of the tag. A cycle that finds
//! what the last one found allocates nothing.

use std::time::Instant;

use super::Condition;
use crate::checker::{Degraded, Fault, Health};
use crate::endpoint::Endpoint;
use crate::outcome::{MoveReason, Outcome, State, StepResult};
use crate::report::Cycle;

/// The numbers of a tag.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    pub(super) cycles: u64,
    pub(super) checks: u64,
    pub(super) failures: Counts,
    pub(super) moves: Counts,
    pub(super) refusals: Counts,
    pub(super) store_errors: u64,
    pub(super) hook_failures: u64,
    pub(super) lag: Option<u64>,
    /// Where the tag points, as far as it is known.
    pub(super) server: Option<Endpoint>,
    pub(super) last_good: Option<Instant>,
    pub(super) last_move: Option<Instant>,
    pub(super) last: Option<Last>,
}

/// The last cycle.
#[derive(Debug)]
pub(super) struct Last {
    pub(super) ended: Instant,
    pub(super) state: State,
    /// By when the next one is to have ended.
    due: Instant,
    /// How the tag's server is, as far as it was looked at.
    server: State,
    /// Whether the store could not be used.
    blind: bool,
}

/// How often each of a few words was counted.
#[derive(Debug, Default)]
pub(super) struct Counts(Vec<(&'static str, u64)>);

impl Counts {
    /// From 0 on, so that the first of them is an increase.
    fn of(words: impl IntoIterator<Item = &'static str>) -> Counts {
        Counts(words.into_iter().map(|word| (word, 0)).collect())
    }

    fn count(&mut self, word: &'static str) {
        match self.0.iter_mut().find(|(known, _)| *known == word) {
            Some((_, number)) => *number += 1,
            None => self.0.push((word, 1)),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.0.iter().copied()
    }
}

impl Numbers {
    pub(super) fn new() -> Numbers {
        Numbers {
            moves: Counts::of(MoveReason::ALL.map(MoveReason::word)),
            ..Numbers::default()
        }
    }

    /// Takes note of a cycle. The next one is to have ended before `due`.
    pub(super) fn count(&mut self, cycle: Cycle<'_>, due: Instant) {
        let Cycle { outcome, ended, .. } = cycle;
        self.cycles += 1;
        if let Some(seen) = cycle.seen {
            self.look(seen, ended);
        }
        if let Some(named) = outcome.named() {
            self.point_at(named);
        }
        match outcome.result() {
            Some(StepResult::Moved(reason)) => {
                self.moves.count(reason.word());
                self.last_move = Some(ended);
            }
            Some(StepResult::Refused(refusal)) => self.refusals.count(refusal.word()),
            None => {}
        }
        if let Outcome::Moved {
            to, dry_run: false, ..
        } = outcome
        {
            self.point_at(Some(&to.server));
            self.lag = lag(&to.health);
        }
        let blind = is_blind(outcome);
        self.store_errors += u64::from(blind);
        let state = outcome.state();
        let server = server_state(outcome, state);
        self.last = Some(Last {
            ended,
            state,
            due,
            server,
            blind,
        });
    }

    fn look(&mut self, seen: &Health, at: Instant) {
        self.checks += 1;
        self.lag = lag(seen);
        match word(seen) {
            None => self.last_good = Some(at),
            Some(word) => self.failures.count(word),
        }
    }

    fn point_at(&mut self, server: Option<&Endpoint>) {
        if self.server.as_ref() != server {
            self.server = server.cloned();
            self.lag = self.lag.filter(|_| self.server.is_some());
        }
    }

    /// How the tag that is called `name` is at `now`.
    pub(super) fn condition(&self, name: &str, now: Instant) -> Condition {
        let Some(last) = &self.last else {
            return Condition::NotServing(format!("{name}: nothing is known yet"));
        };
        let place = match &self.server {
            Some(server) => server.to_string(),
            None => "nowhere".to_owned(),
        };
        let blind = if last.blind {
            "; the store cannot be used"
        } else {
            ""
        };
        let line = format!("{name}: {place}, {}{blind}", state_word(last.server));
        if now > last.due {
            let age = now.saturating_duration_since(last.ended).as_secs();
            return Condition::NotServing(format!("{line}; nobody has looked for {age} s"));
        }
        match last.server {
            State::Ok | State::Degraded => Condition::Serving(line),
            State::Down | State::Unknown => Condition::NotServing(line),
        }
    }
}

fn state_word(state: State) -> &'static str {
    match state {
        State::Ok => "up",
        State::Degraded => "degraded",
        State::Down => "down",
        State::Unknown => "unknown",
    }
}

/// How the server is that the key names after the cycle. A store that cannot be used says nothing of
/// it: clients are where they are, and served.
fn server_state(outcome: &Outcome, state: State) -> State {
    if let Outcome::Blind { health, .. } = outcome {
        return State::of(health);
    }
    state
}

fn is_blind(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Blind { .. } | Outcome::StoreFailed { .. })
}

fn lag(health: &Health) -> Option<u64> {
    match health {
        Health::Up { lag } => *lag,
        Health::Degraded(Degraded::Lagging { lag, .. }) => Some(*lag),
        Health::Degraded(_) | Health::Down(_) | Health::Unknown(_) => None,
    }
}

/// The word for what is wrong with a server; `None` if nothing is.
fn word(health: &Health) -> Option<&'static str> {
    Some(match health {
        Health::Up { .. } => return None,
        Health::Unknown(_) => "unknown",
        Health::Degraded(degraded) => match degraded {
            Degraded::Lagging { .. } => "lagging",
            Degraded::StandIn => "stand_in",
            Degraded::Stopped(_) => "stopped",
            Degraded::Excluded => "excluded",
            Degraded::ReadOnly(_) => "read_only",
            Degraded::Split(_) => "split",
            Degraded::Unwatched(_) => "unwatched",
        },
        Health::Down(fault) => match fault {
            Fault::Refused => "refused",
            Fault::Reset => "reset",
            Fault::TimedOut(_) => "timeout",
            Fault::Unreachable(_) => "unreachable",
            Fault::TooManyConnections => "too_many_connections",
            Fault::NotServing(_) => "not_serving",
            Fault::NotReplica => "not_replica",
            Fault::Foreign(_) => "foreign",
            Fault::NotMaster(_) => "not_master",
            Fault::Protocol(_) => "protocol",
        },
    })
}

#[cfg(test)]
mod tests;
