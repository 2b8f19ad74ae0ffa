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
    /// All of them.
    pub const ALL: [Refusal; 6] = [
        Refusal::NoCandidate,
        Refusal::NobodyBetter,
        Refusal::Unclear,
        Refusal::LostRace,
        Refusal::Store,
        Refusal::DryRun,
    ];

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Refusal::NoCandidate => "no_candidate",
            Refusal::NobodyBetter => "nobody_better",
            Refusal::Unclear => "unclear",
            Refusal::LostRace => "lost_race",
            Refusal::Store => "store",
            Refusal::DryRun => "dry_run",
        }
    }
}

impl Outcome {
    /// The move, or that there was none; `None` where there was no reason for one.
    pub fn step(&self) -> Option<Step<'_>> {
        let refused = |from, to, reason: &dyn ToString, refusal| {
            let (reason, result) = (reason.to_string(), StepResult::Refused(refusal));
            Some(Step {
                from,
                to,
                reason,
                result,
            })
        };
        match self {
            Outcome::Moved {
                from,
                to,
                cause,
                why,
                dry_run,
            } => Some(Step {
                from: from.as_ref(),
                to: Some(&to.server),
                reason: why.clone(),
                result: match (dry_run, from, cause) {
                    (true, _, _) => StepResult::Refused(Refusal::DryRun),
                    (false, None, _) => StepResult::Moved(MoveReason::NoServer),
                    (false, Some(_), Cause::Voluntary) => StepResult::Moved(MoveReason::Degraded),
                    (false, Some(_), _) => StepResult::Moved(MoveReason::Down),
                },
            }),
            Outcome::NoCandidate { server, why, .. } => {
                refused(server.as_ref(), None, why, Refusal::NoCandidate)
            }
            Outcome::Kept { server, health } => {
                let why = format!("{server} is {health}");
                match health {
                    Health::Up { .. } => None,
                    Health::Degraded(_) => refused(Some(server), None, &why, Refusal::NobodyBetter),
                    Health::Down(_) | Health::Unknown(_) => {
                        refused(Some(server), None, &why, Refusal::Unclear)
                    }
                }
            }
            Outcome::Blind {
                server,
                health,
                error,
            } if !health.serves() => refused(Some(server), None, error, Refusal::Store),
            Outcome::StoreFailed { server, error } => {
                refused(None, server.as_ref(), error, Refusal::Store)
            }
            Outcome::LostRace { wanted } => refused(
                None,
                Some(wanted),
                &"another checker was quicker",
                Refusal::LostRace,
            ),
            Outcome::Blind { .. } | Outcome::Falling { .. } | Outcome::PortChanged { .. } => None,
        }
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
            Outcome::NoCandidate { server, .. } => Some(server.as_ref()),
            Outcome::LostRace { .. } | Outcome::StoreFailed { .. } => None,
        }
    }
}
