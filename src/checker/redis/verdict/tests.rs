//! Tables of what servers and Sentinels say, and who is the master then.

use std::time::Duration;

use super::*;

const A: &str = "10.0.0.1:6379";
const B: &str = "10.0.0.2:6379";
const C: &str = "10.0.0.3:6379";

fn at(text: &str) -> Endpoint {
    text.parse().unwrap()
}

/// A master with this history and so many connected replicas.
fn master(history: &str, replicas: usize) -> Result<Facts, Health> {
    let offset = 42;
    Ok(Facts {
        role: Role::Master { offset, replicas },
        history: Some(history.to_owned()),
        former_history: None,
        backlog: replicas > 0,
        read_only: None,
    })
}

/// A master that started empty.
fn fresh(history: &str) -> Result<Facts, Health> {
    let (offset, replicas) = (0, 0);
    master(history, 0).map(|facts| Facts {
        role: Role::Master { offset, replicas },
        ..facts
    })
}

/// A master that was a replica of `former` until it was promoted.
fn promoted(history: &str, former: &str) -> Result<Facts, Health> {
    master(history, 0).map(|facts| Facts {
        former_history: Some(former.to_owned()),
        ..facts
    })
}

fn replica(of: &str, history: &str) -> Result<Facts, Health> {
    master(history, 0).map(|facts| Facts {
        role: Role::Replica {
            of: of.to_owned(),
            source: Some(at(of)),
            linked: true,
        },
        ..facts
    })
}

fn dead() -> Result<Facts, Health> {
    Err(Fault::Refused.into())
}

/// What three servers said.
struct Case {
    said: Vec<(Endpoint, Result<Facts, Health>)>,
    naming: Option<Naming>,
    last: Option<Master>,
}

impl Case {
    fn new(said: [Result<Facts, Health>; 3]) -> Case {
        Case {
            said: [A, B, C].map(at).into_iter().zip(said).collect(),
            naming: None,
            last: None,
        }
    }

    fn naming(mut self, named: &str) -> Case {
        self.naming = Some(Naming::Agreed(at(named)));
        self
    }

    fn divided(mut self) -> Case {
        self.naming = Some(Naming::Divided("1 of 3".to_owned()));
        self
    }

    fn last(mut self, server: &str, history: &str) -> Case {
        self.last = Some(Master {
            server: at(server),
            history: Some(history.to_owned()),
        });
        self
    }

    fn view(&self) -> View<'_> {
        View {
            said: self.said.iter().map(|(s, said)| (s, said)).collect(),
            listed: self.said.len(),
            naming: self.naming.as_ref(),
            last: self.last.as_ref(),
        }
    }

    fn current(&self, server: &str) -> String {
        self.view().current(&at(server)).to_string()
    }

    /// The servers that could be elected, when `current` is in use.
    fn up(&self, current: Option<&str>) -> Vec<String> {
        let current = current.map(at);
        let all = self.said.iter().map(|(server, _)| server);
        let others = all.filter(|server| Some(*server) != current.as_ref());
        others
            .filter(|server| {
                let health = self.view().candidate(server, current.as_ref());
                matches!(health, Health::Up { .. })
            })
            .map(ToString::to_string)
            .collect()
    }
}

#[test]
fn the_master_that_others_replicate_from_is_elected_and_no_replica_is() {
    let case = Case::new([master("x", 2), replica(A, "x"), replica(A, "x")]);
    assert_eq!(case.up(None), [A]);
    assert_eq!(case.current(A), "up");
    assert_eq!(
        case.current(B),
        format!("down: not the master: a replica of {A}")
    );
}

#[test]
fn a_vote_counts_by_the_history_where_addresses_differ() {
    let behind_nat = replica("172.17.0.1:6379", "x");
    let case = Case::new([master("x", 1), behind_nat, dead()]);
    assert_eq!(case.up(None), [A]);
}

#[test]
fn a_master_without_votes_is_not_elected() {
    let alone = Case::new([fresh("x"), dead(), dead()]);
    assert!(alone.up(None).is_empty());
    let unconfirmed = Case::new([master("x", 0), dead(), replica("10.9.9.9:1", "y")]);
    assert!(unconfirmed.up(None).is_empty());
}

#[test]
fn without_a_vote_the_known_master_its_heir_and_the_only_server_are_elected() {
    let back = Case::new([fresh("y"), dead(), dead()]).last(A, "x");
    assert_eq!(back.up(None), [A], "the only one that can be reached");
    let not_alone = Case::new([fresh("y"), replica(C, "z"), dead()]).last(A, "x");
    assert!(not_alone.up(None).is_empty());
    let heir = Case::new([dead(), promoted("y", "x"), dead()]).last(A, "x");
    assert_eq!(heir.up(Some(A)), [B]);
    let stranger = Case::new([dead(), promoted("y", "z"), dead()]).last(A, "x");
    assert!(stranger.up(Some(A)).is_empty());
    let mut only = Case::new([fresh("x"), dead(), dead()]);
    only.said.truncate(1);
    assert_eq!(only.up(None), [A]);
}

#[test]
fn an_empty_master_never_wins_over_one_that_has_replicas() {
    let case = Case::new([fresh("y"), master("x", 1), replica(B, "x")]);
    assert_eq!(case.up(None), [B]);
    // Even if it is the one in use: it started empty, and somebody else was promoted.
    assert!(
        case.current(A).starts_with("down: not the master"),
        "{}",
        case.current(A)
    );
    assert_eq!(case.up(Some(A)), [B]);
}

#[test]
fn of_two_masters_the_one_in_use_is_kept_and_nobody_else_is_elected() {
    let case = Case::new([master("x", 0), master("y", 1), replica(B, "y")]);
    let split = format!("degraded: {B} says that it is the master too");
    assert_eq!(case.current(A), split);
    assert!(case.up(Some(A)).is_empty());
    let tie = Case::new([master("x", 1), master("y", 1), dead()]);
    assert!(tie.up(None).is_empty());
}

#[test]
fn with_sentinels_their_word_and_the_masters_own_are_needed() {
    let said = || [master("x", 0), promoted("y", "x"), replica(B, "y")];
    let case = Case::new(said()).naming(B);
    assert!(case.current(A).contains(&format!("the Sentinels name {B}")));
    assert!(case.current(A).starts_with("down: not the master"));
    assert_eq!(case.up(Some(A)), [B]);
    // It need not have answered.
    let hung = Err(Fault::TimedOut(Duration::from_secs(1)).into());
    let case = Case::new([hung, promoted("y", "x"), replica(B, "y")]).naming(B);
    assert!(case.current(A).starts_with("down: not the master"));
    // Named, but not promoted yet: the old one is kept as long as it serves.
    let early = Case::new([master("x", 2), replica(A, "x"), replica(A, "x")]).naming(B);
    assert!(early.current(A).starts_with("degraded: the Sentinels name"));
    assert!(early.up(Some(A)).is_empty());
    // Promoted, but not named yet.
    let late = Case::new([dead(), promoted("y", "x"), replica(B, "y")]).naming(A);
    assert!(late.up(Some(A)).is_empty());
    // An old master that came back says what it likes.
    let back = Case::new([fresh("z"), master("y", 1), replica(B, "y")]).naming(B);
    assert_eq!(
        (back.current(B).as_str(), back.up(None)),
        ("up", vec![B.to_owned()])
    );
}

#[test]
fn without_a_majority_of_sentinels_a_master_is_kept_and_nobody_is_elected() {
    let case = Case::new([master("x", 2), replica(A, "x"), replica(A, "x")]).divided();
    assert_eq!(case.current(A), "degraded: 1 of 3");
    let case = Case::new([dead(), master("y", 1), replica(B, "y")]).divided();
    assert!(case.up(Some(A)).is_empty());
}

#[test]
fn a_master_that_refuses_writes_serves_and_one_that_does_not_answer_is_down() {
    let full = master("x", 1).map(|facts| Facts {
        read_only: Some("MISCONF".to_owned()),
        ..facts
    });
    let case = Case::new([
        full,
        dead(),
        Err(Fault::TimedOut(Duration::from_secs(1)).into()),
    ]);
    assert_eq!(case.current(A), "degraded: it takes no writes: MISCONF");
    assert_eq!(case.current(B), "down: connection refused");
    assert_eq!(case.current(C), "down: no answer in 1 s");
}

#[test]
fn the_majority_is_of_all_sentinels_and_not_of_those_that_answer() {
    let (one, two, three) = (
        at("10.0.0.1:26379"),
        at("10.0.0.2:26379"),
        at("10.0.0.3:26379"),
    );
    let count = |said: [Result<Endpoint, String>; 3]| {
        let sentinels: Vec<_> = [&one, &two, &three].into_iter().zip(said).collect();
        Naming::count(&sentinels)
    };
    let dead = || Err("down".to_owned());
    assert_eq!(count([Ok(at(A)), Ok(at(A)), dead()]), Naming::Agreed(at(A)));
    assert_eq!(
        count([Ok(at(A)), Ok(at(B)), Ok(at(A))]),
        Naming::Agreed(at(A))
    );
    for said in [
        [Ok(at(A)), dead(), dead()],
        [Ok(at(A)), Ok(at(B)), dead()],
        [dead(), dead(), dead()],
    ] {
        let Naming::Divided(why) = count(said) else {
            panic!("agreed");
        };
        assert!(why.starts_with("no majority of the Sentinels, "), "{why}");
    }
}
