//! What cycles make of a tag's numbers and of its condition.

use std::time::Duration;

use super::*;
use crate::backend::Cause;
use crate::checker::{Candidate, Survey};
use crate::store::StoreError;

const UP: Health = Health::Up { lag: Some(3) };
const REFUSED: Health = Health::Down(Fault::Refused);
const STAND_IN: Health = Health::Degraded(Degraded::StandIn);

fn server(last: u8) -> Endpoint {
    format!("10.0.0.{last}:1").parse().unwrap()
}

fn kept(health: Health) -> Outcome {
    let server = server(1);
    Outcome::Kept { server, health }
}

fn moved(dry_run: bool) -> Outcome {
    Outcome::Moved {
        from: Some(server(1)),
        to: Candidate {
            server: server(2),
            health: Health::Up { lag: Some(7) },
            place: 0,
        },
        cause: Cause::Forced,
        why: String::new(),
        dry_run,
    }
}

fn blind(health: Health) -> Outcome {
    Outcome::Blind {
        server: server(1),
        health,
        error: StoreError(String::new()),
    }
}

/// The numbers after these cycles, the last of which has just ended.
fn after(cycles: &[(Outcome, Option<Health>)]) -> (Numbers, Instant) {
    let (mut numbers, now) = (Numbers::new(), Instant::now());
    for (outcome, seen) in cycles {
        let cycle = Cycle {
            outcome,
            seen: seen.as_ref(),
            started: now,
            ended: now,
        };
        numbers.count(cycle, now + Duration::from_secs(30));
    }
    (numbers, now)
}

fn counts(counts: &Counts) -> Vec<(&'static str, u64)> {
    counts.iter().filter(|(_, count)| *count > 0).collect()
}

#[test]
fn a_failure_and_a_move_are_counted_by_reason() {
    let (numbers, now) = after(&[
        (kept(UP), Some(UP)),
        (moved(false), Some(REFUSED)),
        (kept(STAND_IN), Some(STAND_IN)),
    ]);
    assert_eq!((numbers.cycles, numbers.checks), (3, 3));
    assert_eq!(counts(&numbers.failures), [("refused", 1), ("stand_in", 1)]);
    assert_eq!(counts(&numbers.moves), [("down", 1)]);
    assert_eq!(counts(&numbers.refusals), [("nobody_better", 1)]);
    assert_eq!(numbers.last_move, Some(now));
    assert_eq!(numbers.last_good, Some(now));
}

#[test]
fn every_reason_for_a_move_is_there_from_the_start() {
    let (numbers, _) = after(&[]);
    let words: Vec<_> = numbers.moves.iter().collect();
    assert_eq!(words, [("down", 0), ("degraded", 0), ("no_server", 0)]);
}

#[test]
fn the_server_and_its_lag_are_those_after_the_move() {
    let (numbers, _) = after(&[(moved(false), Some(UP))]);
    assert_eq!((numbers.server, numbers.lag), (Some(server(2)), Some(7)));
    let (numbers, _) = after(&[(moved(true), Some(UP))]);
    assert_eq!((numbers.server, numbers.lag), (Some(server(1)), Some(3)));
    assert_eq!(counts(&numbers.refusals), [("dry_run", 1)]);
    assert_eq!(numbers.last_move, None);
}

#[test]
fn a_store_that_fails_is_counted_and_no_move() {
    let failed = Outcome::StoreFailed {
        server: Some(server(2)),
        error: StoreError(String::new()),
    };
    let (numbers, _) = after(&[(blind(UP), Some(UP)), (failed, Some(REFUSED))]);
    assert_eq!(numbers.store_errors, 2);
    assert_eq!(counts(&numbers.refusals), [("store", 1)]);
    assert_eq!(counts(&numbers.moves), []);
}

#[test]
fn a_tag_serves_while_its_server_does_whatever_the_store_says() {
    let nobody = Outcome::NoCandidate {
        server: Some(server(1)),
        why: String::new(),
        survey: Survey::default(),
    };
    let cases = [
        (kept(UP), UP, true, "a: 10.0.0.1:1, up"),
        (kept(STAND_IN), STAND_IN, true, "a: 10.0.0.1:1, degraded"),
        (moved(false), REFUSED, true, "a: 10.0.0.2:1, up"),
        (
            blind(UP),
            UP,
            true,
            "a: 10.0.0.1:1, up; the store cannot be used",
        ),
        (
            blind(REFUSED),
            REFUSED,
            false,
            "a: 10.0.0.1:1, down; the store cannot be used",
        ),
        (nobody, REFUSED, false, "a: 10.0.0.1:1, down"),
    ];
    for (outcome, seen, serves, line) in cases {
        let (numbers, now) = after(&[(outcome, Some(seen))]);
        let wanted = match serves {
            true => Condition::Serving(line.to_owned()),
            false => Condition::NotServing(line.to_owned()),
        };
        assert_eq!(numbers.condition("a", now), wanted);
    }
}

#[test]
fn nobody_serves_of_whom_nothing_is_known_or_nothing_new() {
    let (numbers, now) = after(&[]);
    let unknown = Condition::NotServing("a: nothing is known yet".to_owned());
    assert_eq!(numbers.condition("a", now), unknown);
    let (numbers, now) = after(&[(kept(UP), Some(UP))]);
    let late = numbers.condition("a", now + Duration::from_secs(31));
    let text = "a: 10.0.0.1:1, up; nobody has looked for 31 s";
    assert_eq!(late, Condition::NotServing(text.to_owned()));
}

#[test]
fn a_cycle_like_the_last_one_allocates_nothing_new() {
    let (mut numbers, now) = after(&[(kept(REFUSED), Some(REFUSED))]);
    let before = (numbers.failures.0.capacity(), numbers.refusals.0.capacity());
    let (outcome, seen) = (kept(REFUSED), REFUSED);
    for _ in 0..1000 {
        let cycle = Cycle {
            outcome: &outcome,
            seen: Some(&seen),
            started: now,
            ended: now,
        };
        numbers.count(cycle, now);
    }
    let after = (numbers.failures.0.capacity(), numbers.refusals.0.capacity());
    assert_eq!(before, after);
}
