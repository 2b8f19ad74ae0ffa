//! How often a thing must be seen before it is believed: `fall` for the server in use, `rise` for
//! those that want to replace it. Pure.

use std::collections::BTreeMap;

use crate::checker::{Candidate, Health};
use crate::endpoint::Endpoint;

/// Counts the failures of the server in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fall {
    needed: u32,
    seen: u32,
}

/// What a health means together with those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The server stands.
    Standing,
    /// It failed `seen` times in a row, of `needed`.
    Falling {
        /// Failures so far.
        seen: u32,
        /// Failures that are enough.
        needed: u32,
    },
    /// It is down.
    Fallen,
}

impl Fall {
    /// Believes in a failure after it was seen `needed` times in a row.
    pub fn new(needed: u32) -> Fall {
        Fall { needed, seen: 0 }
    }

    /// Takes the next health into account. A conclusive fault counts as all that are needed; an
    /// unknown health counts neither way.
    pub fn observe(&mut self, health: &Health) -> Verdict {
        self.seen = match health {
            Health::Up { .. } | Health::Degraded(_) => 0,
            Health::Down(fault) if fault.is_conclusive() => self.needed,
            Health::Down(_) => self.seen.saturating_add(1).min(self.needed),
            Health::Unknown(_) => self.seen,
        };
        match (health, self.seen) {
            (Health::Down(_), seen) if seen >= self.needed => Verdict::Fallen,
            (Health::Down(_), seen) => Verdict::Falling {
                seen,
                needed: self.needed,
            },
            (Health::Up { .. } | Health::Degraded(_) | Health::Unknown(_), _) => Verdict::Standing,
        }
    }

    /// Forgets, for another server.
    pub fn reset(&mut self) {
        self.seen = 0;
    }
}

/// Counts for how many cycles in a row each candidate has been up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rise {
    needed: u32,
    up_for: BTreeMap<Endpoint, u32>,
}

impl Rise {
    /// Believes in a candidate after it was up `needed` times in a row.
    pub fn new(needed: u32) -> Rise {
        Rise {
            needed,
            up_for: BTreeMap::new(),
        }
    }

    /// Takes the next survey into account; who is not in it, or not up, starts again.
    pub fn observe(&mut self, candidates: &[Candidate]) {
        let before = std::mem::take(&mut self.up_for);
        let up = candidates
            .iter()
            .filter(|c| matches!(c.health, Health::Up { .. }));
        self.up_for = up
            .map(|c| {
                (
                    c.server.clone(),
                    before.get(&c.server).copied().unwrap_or(0) + 1,
                )
            })
            .collect();
    }

    /// Whether this candidate has been up often enough.
    pub fn is_steady(&self, server: &Endpoint) -> bool {
        self.up_for
            .get(server)
            .is_some_and(|times| *times >= self.needed)
    }

    /// Forgets everybody.
    pub fn reset(&mut self) {
        self.up_for.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::checker::{Degraded, Fault, Trouble};

    const UP: Health = Health::Up { lag: Some(0) };

    fn hung() -> Health {
        Fault::TimedOut(Duration::from_secs(1)).into()
    }

    fn unknown() -> Health {
        Trouble("denied".into()).into()
    }

    #[test]
    fn a_conclusive_fault_is_enough_at_once() {
        assert_eq!(
            Fall::new(3).observe(&Fault::Refused.into()),
            Verdict::Fallen
        );
    }

    #[test]
    fn a_timeout_counts_one_and_an_answer_forgives() {
        let mut fall = Fall::new(2);
        assert_eq!(
            fall.observe(&hung()),
            Verdict::Falling { seen: 1, needed: 2 }
        );
        assert_eq!(fall.observe(&UP), Verdict::Standing);
        assert_eq!(
            fall.observe(&hung()),
            Verdict::Falling { seen: 1, needed: 2 }
        );
        let degraded = Health::Degraded(Degraded::StandIn);
        assert_eq!(fall.observe(&degraded), Verdict::Standing);
        fall.observe(&hung());
        assert_eq!(fall.observe(&hung()), Verdict::Fallen);
        assert_eq!(fall.observe(&hung()), Verdict::Fallen);
        fall.reset();
        assert_eq!(
            fall.observe(&hung()),
            Verdict::Falling { seen: 1, needed: 2 }
        );
    }

    #[test]
    fn unknown_counts_neither_way_and_never_fells() {
        let mut fall = Fall::new(2);
        for _ in 0..5 {
            assert_eq!(fall.observe(&unknown()), Verdict::Standing);
        }
        fall.observe(&hung());
        fall.observe(&unknown());
        assert_eq!(fall.observe(&hung()), Verdict::Fallen);
        assert_eq!(fall.observe(&unknown()), Verdict::Standing);
    }

    #[test]
    fn a_candidate_is_steady_after_being_up_in_a_row() {
        let server: Endpoint = "10.0.0.2:1".parse().unwrap();
        let seen = |health: Health| {
            vec![Candidate {
                server: server.clone(),
                health,
                place: 0,
            }]
        };
        let mut rise = Rise::new(2);
        rise.observe(&seen(UP));
        assert!(!rise.is_steady(&server));
        rise.observe(&seen(hung()));
        rise.observe(&seen(UP));
        assert!(!rise.is_steady(&server));
        rise.observe(&seen(UP));
        assert!(rise.is_steady(&server));
        rise.observe(&[]);
        assert!(!rise.is_steady(&server));
    }
}
