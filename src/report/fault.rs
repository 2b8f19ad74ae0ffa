//! For how long the server in use has not been well: from the start of the first cycle that found it
//! so. Pure; the caller has the clock.

use std::time::{Duration, Instant};

use crate::checker::Health;
use crate::endpoint::Endpoint;
use crate::outcome::Outcome;

/// The fault of a tag's server, if there is one.
#[derive(Debug, Default)]
pub(super) struct Fault {
    server: Option<Endpoint>,
    since: Option<Instant>,
}

impl Fault {
    /// Takes note of a cycle: what it came to, how it saw the server that the key named, when it
    /// started and when it ended. Returns how long the fault had lasted then, if there was one.
    pub(super) fn observe(
        &mut self,
        outcome: &Outcome,
        seen: Option<&Health>,
        started: Instant,
        ended: Instant,
    ) -> Option<Duration> {
        self.follow(outcome.named());
        match seen {
            Some(Health::Up { .. }) => self.since = None,
            Some(_) => self.begin(started),
            // Nobody was looked at: is that because the key names nobody?
            None if outcome.result().is_some() => self.begin(started),
            None => {}
        }
        let lasted = self
            .since
            .map(|since| ended.saturating_duration_since(since));
        if let Outcome::Moved {
            to, dry_run: false, ..
        } = outcome
        {
            self.follow(Some(Some(&to.server)));
        }
        lasted
    }

    fn begin(&mut self, at: Instant) {
        self.since.get_or_insert(at);
    }

    /// What is known of one server says nothing of another.
    fn follow(&mut self, named: Option<Option<&Endpoint>>) {
        let Some(named) = named else { return };
        if self.server.as_ref() != named {
            self.server = named.cloned();
            self.since = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Cause;
    use crate::checker::{Candidate, Degraded, Fault as Down, Survey};
    use crate::store::StoreError;

    const UP: Health = Health::Up { lag: None };
    const DOWN: Health = Health::Down(Down::Refused);

    fn server(last: u8) -> Endpoint {
        format!("10.0.0.{last}:1").parse().unwrap()
    }

    fn kept(last: u8, health: Health) -> Outcome {
        let server = server(last);
        Outcome::Kept { server, health }
    }

    fn falling(last: u8) -> Outcome {
        Outcome::Falling {
            server: server(last),
            health: DOWN,
            seen: 1,
            needed: 2,
        }
    }

    fn moved(from: Option<u8>, to: u8, dry_run: bool) -> Outcome {
        Outcome::Moved {
            from: from.map(server),
            to: Candidate {
                server: server(to),
                health: UP,
                place: 0,
            },
            cause: Cause::Forced,
            why: String::new(),
            dry_run,
        }
    }

    fn nobody(from: Option<u8>) -> Outcome {
        Outcome::NoCandidate {
            server: from.map(server),
            why: String::new(),
            survey: Survey::default(),
        }
    }

    fn failed() -> Outcome {
        Outcome::StoreFailed {
            server: Some(server(2)),
            error: StoreError(String::new()),
        }
    }

    /// Cycles that start each second and take a tenth of one; how long the fault had lasted then.
    fn lasted(cycles: &[(Outcome, Option<Health>)]) -> Vec<Option<u64>> {
        let (mut fault, start) = (Fault::default(), Instant::now());
        let mut at = start;
        let mut all = Vec::new();
        for (outcome, seen) in cycles {
            let ended = at + Duration::from_millis(100);
            let lasted = fault.observe(outcome, seen.as_ref(), at, ended);
            all.push(lasted.map(|time| u64::try_from(time.as_millis()).unwrap()));
            at += Duration::from_secs(1);
        }
        all
    }

    #[test]
    fn a_fault_lasts_from_the_first_look_that_failed_to_the_move() {
        let cycles = [
            (kept(1, UP), Some(UP)),
            (falling(1), Some(DOWN)),
            (moved(Some(1), 2, false), Some(DOWN)),
            (kept(2, UP), Some(UP)),
            (moved(Some(2), 1, false), Some(DOWN)),
        ];
        assert_eq!(
            lasted(&cycles),
            [None, Some(100), Some(1100), None, Some(100)]
        );
    }

    #[test]
    fn it_goes_on_while_nothing_can_be_done_about_it() {
        let degraded = Health::Degraded(Degraded::StandIn);
        let cycles = [
            (kept(1, degraded.clone()), Some(degraded)),
            (nobody(Some(1)), Some(DOWN)),
            (failed(), Some(DOWN)),
            (moved(Some(1), 2, true), Some(DOWN)),
            (moved(Some(1), 2, false), Some(DOWN)),
        ];
        let all = lasted(&cycles);
        assert_eq!(
            all,
            [100, 1100, 2100, 3100, 4100].map(Some),
            "a dry run ends nothing"
        );
    }

    #[test]
    fn it_ends_with_a_good_look_and_with_another_server() {
        let cycles = [
            (falling(1), Some(DOWN)),
            (kept(1, UP), Some(UP)),
            (falling(1), Some(DOWN)),
            (falling(2), Some(DOWN)),
        ];
        assert_eq!(lasted(&cycles), [Some(100), None, Some(100), Some(100)]);
    }

    #[test]
    fn a_key_that_names_nobody_is_a_fault_as_well() {
        let cycles = [(nobody(None), None), (moved(None, 1, false), None)];
        assert_eq!(lasted(&cycles), [Some(100), Some(1100)]);
    }
}
