//! The numbers of one tag, how a cycle changes them, and what they say of the tag.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::names::{self, Name};
use super::text::{Labels, Page};
use super::Condition;
use crate::backend::Key;
use crate::checker::{Degraded, Fault, Health};
use crate::endpoint::Endpoint;
use crate::outcome::{MoveReason, Outcome, Refusal, State, StepResult};
use crate::report::Cycle;

/// For how long a tag whose server serves counts as well while the store cannot be read: a restart of
/// an agent is no reason to take clients away.
const GRACE: Duration = Duration::from_secs(10);

/// The numbers of a tag.
#[derive(Debug)]
pub(super) struct Tag {
    kind: &'static str,
    cycles: u64,
    checks: u64,
    failures: BTreeMap<&'static str, u64>,
    moves: BTreeMap<&'static str, u64>,
    refusals: BTreeMap<&'static str, u64>,
    store_errors: u64,
    lag: Option<u64>,
    server: Option<Endpoint>,
    last_good: Option<Instant>,
    last_move: Option<Instant>,
    /// When the store last answered.
    store_answered: Option<Instant>,
    last: Option<Last>,
}

/// The last cycle.
#[derive(Debug)]
struct Last {
    ended: Instant,
    /// By when the next one is to have ended.
    due: Instant,
    state: State,
    /// Whether the tag's server serves, as far as it was looked at.
    serves: bool,
    /// Whether the store could not be used.
    blind: bool,
    /// In a few words, the tag's name first.
    brief: String,
}

impl Tag {
    pub(super) fn new(key: &Key) -> Tag {
        // From 0 on, so that the first of them is an increase.
        let moves = MoveReason::ALL.map(|reason| (reason.word(), 0));
        let refusals = Refusal::ALL.map(|refusal| (refusal.word(), 0));
        Tag {
            kind: key.kind().word(),
            cycles: 0,
            checks: 0,
            failures: BTreeMap::new(),
            moves: moves.into(),
            refusals: refusals.into(),
            store_errors: 0,
            lag: None,
            server: None,
            last_good: None,
            last_move: None,
            store_answered: None,
            last: None,
        }
    }

    pub(super) fn count(&mut self, cycle: Cycle<'_>, due: Instant) {
        let Cycle { outcome, ended, .. } = cycle;
        self.cycles += 1;
        if let Some(seen) = cycle.seen {
            self.look(seen, ended);
        }
        if let Some(named) = outcome.named() {
            self.server = named.cloned();
        }
        if let Some(step) = outcome.step() {
            let (counts, word) = match step.result {
                StepResult::Moved(reason) => {
                    self.server = step.to.cloned();
                    self.last_move = Some(ended);
                    (&mut self.moves, reason.word())
                }
                StepResult::Refused(refusal) => (&mut self.refusals, refusal.word()),
            };
            *counts.entry(word).or_default() += 1;
        }
        if let Outcome::Moved {
            to, dry_run: false, ..
        } = outcome
        {
            self.lag = lag(&to.health);
        }
        let blind = is_blind(outcome);
        self.store_errors += u64::from(blind);
        if !blind {
            self.store_answered = Some(ended);
        }
        self.last = Some(Last {
            ended,
            due,
            state: outcome.state(),
            serves: serves(outcome),
            blind,
            brief: outcome.brief(cycle.tag),
        });
    }

    fn look(&mut self, seen: &Health, at: Instant) {
        self.checks += 1;
        self.lag = lag(seen);
        match word(seen) {
            None => self.last_good = Some(at),
            Some(word) => *self.failures.entry(word).or_default() += 1,
        }
    }

    /// How the tag that is called `name` is at `now`.
    pub(super) fn condition(&self, name: &str, now: Instant) -> Condition {
        let Some(last) = &self.last else {
            return Condition::NotServing(format!("{name}: nothing is known yet"));
        };
        if now > last.due {
            let age = now.saturating_duration_since(last.ended).as_secs();
            let text = format!("{name}: nobody has looked for {age} s; {}", last.brief);
            return Condition::NotServing(text);
        }
        let answered = self.store_answered;
        let in_time = answered.is_some_and(|at| now.saturating_duration_since(at) <= GRACE);
        match last.serves && (!last.blind || in_time) {
            true => Condition::Serving(last.brief.clone()),
            false => Condition::NotServing(last.brief.clone()),
        }
    }
}

/// Whether the tag's server serves: the one that the key names after the cycle.
fn serves(outcome: &Outcome) -> bool {
    match outcome {
        // The look counts, and not whether the store could be asked.
        Outcome::Blind { health, .. } => health.serves(),
        outcome => matches!(outcome.state(), State::Ok | State::Degraded),
    }
}

fn is_blind(outcome: &Outcome) -> bool {
    matches!(
        outcome,
        Outcome::Blind { .. } | Outcome::StoreFailed { .. }
    )
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

/// All tags, family by family. `now` and `seconds` (since 1970) are the same moment.
pub(super) fn write(tags: &BTreeMap<String, Tag>, now: Instant, seconds: f64, page: &mut Page) {
    if tags.is_empty() {
        return;
    }
    let ago = |at: Instant| seconds - now.saturating_duration_since(at).as_secs_f64();
    let mut one = |name: &Name, number: &dyn Fn(&Tag) -> Option<f64>| {
        let sample = |(tag, numbers): (&String, &Tag)| Some((of(tag), number(numbers)?));
        page.family(name, tags.iter().filter_map(sample));
    };
    one(&names::CYCLES, &|tag| Some(tag.cycles as f64));
    one(&names::CHECKS, &|tag| Some(tag.checks as f64));
    one(&names::STORE_ERRORS, &|tag| Some(tag.store_errors as f64));
    one(&names::STATE, &|tag| {
        let state = tag.last.as_ref().map_or(State::Unknown, |last| last.state);
        Some(f64::from(state.code()))
    });
    one(&names::LAG, &|tag| tag.lag.map(|lag| lag as f64));
    one(&names::LAST_CYCLE, &|tag| {
        tag.last.as_ref().map(|last| ago(last.ended))
    });
    one(&names::LAST_GOOD, &|tag| tag.last_good.map(ago));
    one(&names::LAST_MOVE, &|tag| tag.last_move.map(ago));
    let mut many = |name: &Name, counts: fn(&Tag) -> &BTreeMap<&'static str, u64>| {
        let of_tag = |(tag, numbers)| {
            let samples = counts(numbers).iter();
            samples.map(move |(word, count)| (with(tag, "reason", word), *count as f64))
        };
        page.family(name, tags.iter().flat_map(of_tag));
    };
    many(&names::FAILURES, |tag| &tag.failures);
    many(&names::MOVES, |tag| &tag.moves);
    many(&names::REFUSALS, |tag| &tag.refusals);
    let info = |(tag, numbers): (&String, &Tag)| {
        let server = numbers.server.as_ref()?.to_string();
        let mut labels = with(tag, "kind", numbers.kind);
        labels.push(("server", server));
        Some((labels, 1.0))
    };
    page.family(&names::SERVER, tags.iter().filter_map(info));
}

fn of(tag: &str) -> Labels {
    vec![("tag", tag.to_owned())]
}

fn with(tag: &str, label: &'static str, value: &str) -> Labels {
    vec![("tag", tag.to_owned()), (label, value.to_owned())]
}
