//! Whether a cycle moved its tag, or had a reason to and did not: from where, to where, and why. What
//! log lines carry besides their text, and what counts as a refusal.

use super::Outcome;
use crate::backend::Cause;
use crate::checker::Health;
use crate::endpoint::Endpoint;

/// A move, or that there was none although there was a reason for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step<'a> {
    /// Where the tag pointed, if anywhere and if that is known.
    pub from: Option<&'a Endpoint>,
    /// Where it points now, or was to point.
    pub to: Option<&'a Endpoint>,
    /// What was wrong.
    pub reason: String,
    /// What became of it.
    pub result: StepResult,
}

/// What became of a reason to move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepResult {
    /// The key was written.
    Moved(MoveReason),
    /// It was not.
    Refused(Refusal),
}

/// Why a tag was moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MoveReason {
    /// Its server was lost.
    Down,
    /// Its server served, and another one was better.
    Degraded,
    /// Its key named no server.
    NoServer,
}

/// Why a tag was not moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Nobody could take over.
    NoCandidate,
    /// The server serves, and nobody was better.
    NobodyBetter,
    /// Nobody can tell how the server is.
    Unclear,
    /// Somebody else was quicker.
    LostRace,
    /// The store could not be asked, or did not take the value.
    Store,
    /// An operator has pinned the tag.
    Pinned,
    /// It is a dry run.
    DryRun,
}

impl MoveReason {
    /// All of them.
    pub const ALL: [MoveReason; 3] = [MoveReason::Down, MoveReason::Degraded, MoveReason::NoServer];

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            MoveReason::Down => "down",
            MoveReason::Degraded => "degraded",
            MoveReason::NoServer => "no_server",
        }
    }
}

impl Refusal {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Refusal::NoCandidate => "no_candidate",
            Refusal::NobodyBetter => "nobody_better",
            Refusal::Unclear => "unclear",
            Refusal::LostRace => "lost_race",
            Refusal::Store => "store",
            Refusal::Pinned => "pinned",
            Refusal::DryRun => "dry_run",
        }
    }
}

impl Outcome {
    /// Whether the tag was moved, or had a reason to and was not; `None` where it had none.
    pub fn result(&self) -> Option<StepResult> {
        let refusal = match self {
            Outcome::Moved { dry_run: true, .. } => Refusal::DryRun,
            Outcome::Moved { from, cause, .. } => {
                return Some(StepResult::Moved(match (from, cause) {
                    (None, _) => MoveReason::NoServer,
                    (Some(_), Cause::Voluntary) => MoveReason::Degraded,
                    (Some(_), Cause::Forced | Cause::Manual | Cause::Unknown) => MoveReason::Down,
                }));
            }
            Outcome::NoCandidate { .. } => Refusal::NoCandidate,
            Outcome::Pinned { .. } => Refusal::Pinned,
            Outcome::Kept { health, .. } => match health {
                Health::Up { .. } => return None,
                Health::Degraded(_) => Refusal::NobodyBetter,
                Health::Down(_) | Health::Unknown(_) => Refusal::Unclear,
            },
            Outcome::Blind { health, .. } if health.serves() => return None,
            Outcome::Blind { .. } | Outcome::StoreFailed { .. } => Refusal::Store,
            Outcome::LostRace { .. } => Refusal::LostRace,
            Outcome::Falling { .. } | Outcome::PortChanged { .. } => return None,
        };
        Some(StepResult::Refused(refusal))
    }

    /// The same with all that is to be said of it.
    pub fn step(&self) -> Option<Step<'_>> {
        let result = self.result()?;
        let (from, to, reason) = match self {
            Outcome::Moved { from, to, why, .. } => (from.as_ref(), Some(&to.server), why.clone()),
            Outcome::NoCandidate { server, why, .. } | Outcome::Pinned { server, why, .. } => {
                (server.as_ref(), None, why.clone())
            }
            Outcome::Kept { server, health } | Outcome::Falling { server, health, .. } => {
                (Some(server), None, format!("{server} is {health}"))
            }
            Outcome::Blind {
                server,
                health,
                error,
            } => (
                Some(server),
                None,
                format!("{server} is {health}, and {error}"),
            ),
            Outcome::StoreFailed { server, error } => (None, server.as_ref(), error.to_string()),
            Outcome::LostRace { wanted } => {
                (None, Some(wanted), "another checker was quicker".to_owned())
            }
            Outcome::PortChanged { .. } => return None,
        };
        Some(Step {
            from,
            to,
            reason,
            result,
        })
    }

    /// The server that the key named at the start of the cycle, or that none was; `None` where the
    /// outcome does not know.
    pub fn named(&self) -> Option<Option<&Endpoint>> {
        match self {
            Outcome::Kept { server, .. }
            | Outcome::Falling { server, .. }
            | Outcome::Blind { server, .. }
            | Outcome::PortChanged { server, .. } => Some(Some(server)),
            Outcome::Moved { from, .. } => Some(from.as_ref()),
            Outcome::NoCandidate { server, .. } | Outcome::Pinned { server, .. } => {
                Some(server.as_ref())
            }
            Outcome::LostRace { .. } | Outcome::StoreFailed { .. } => None,
        }
    }
}
