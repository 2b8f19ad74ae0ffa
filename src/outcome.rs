//! What a cycle came to, and the one line that says so. Owns the wording of the log; the
//! original's phrases stand at the beginning of the lines that the original had.

mod step;

use log::Level;

pub use self::step::{MoveReason, Refusal, Step, StepResult};

use crate::backend::{Cause, Key, Kind, TagName};
use crate::checker::{Candidate, Degraded, Health, Survey};
use crate::endpoint::{Endpoint, Port};
use crate::store::StoreError;

/// The end of one cycle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The tag stays where it is.
    Kept {
        /// Where.
        server: Endpoint,
        /// How that server is: up, degraded with nobody better, or unknown.
        health: Health,
    },
    /// The server failed, but not yet often enough.
    Falling {
        /// The server.
        server: Endpoint,
        /// What happened.
        health: Health,
        /// Failures in a row.
        seen: u32,
        /// Failures that are enough.
        needed: u32,
    },
    /// The tag was pointed at another server.
    Moved {
        /// Where it pointed, if anywhere.
        from: Option<Endpoint>,
        /// Where it points now, and how that server is.
        to: Candidate,
        /// Whether the old server is lost.
        cause: Cause,
        /// What was wrong.
        why: String,
        /// Whether it was only said.
        dry_run: bool,
    },
    /// The key was given the configured proxy port.
    PortChanged {
        /// The server, which stays.
        server: Endpoint,
        /// The port in the key so far.
        from: Port,
        /// The port now.
        to: Port,
        /// Whether it was only said.
        dry_run: bool,
    },
    /// The server is lost, and nobody can take over: the key stays as it is.
    NoCandidate {
        /// The server, if the key named one.
        server: Option<Endpoint>,
        /// What is wrong.
        why: String,
        /// Who was asked, and what came of it.
        survey: Survey,
    },
    /// A move is due, and an operator has pinned the tag: it stays.
    Pinned {
        /// The server, if the key names one.
        server: Option<Endpoint>,
        /// How it is, if it serves.
        health: Option<Health>,
        /// What is wrong.
        why: String,
        /// Who has pinned it, when and why.
        by: String,
    },
    /// Somebody else moved the key at the same time.
    LostRace {
        /// The server that we would have chosen.
        wanted: Endpoint,
    },
    /// The store cannot be asked; the last known server was checked, and nothing was written.
    Blind {
        /// The last known server.
        server: Endpoint,
        /// How it is.
        health: Health,
        /// What the store said.
        error: StoreError,
    },
    /// The store failed when it was needed.
    StoreFailed {
        /// The server that should have been written; `None` if nothing is known of the key.
        server: Option<Endpoint>,
        /// What the store said.
        error: StoreError,
    },
}

/// How well a tag is after a cycle, in the order of Nagios' exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// 0: on a healthy server.
    Ok,
    /// 1: on a server that serves, but not as it should.
    Degraded,
    /// 2: on no server that serves.
    Down,
    /// 3: cannot be told.
    Unknown,
}

impl State {
    /// The exit code.
    pub fn code(self) -> u8 {
        match self {
            State::Ok => 0,
            State::Degraded => 1,
            State::Down => 2,
            State::Unknown => 3,
        }
    }

    /// That of a tag whose server is like this.
    pub fn of(health: &Health) -> State {
        match health {
            Health::Up { .. } => State::Ok,
            Health::Degraded(_) => State::Degraded,
            Health::Down(_) => State::Down,
            Health::Unknown(_) => State::Unknown,
        }
    }
}

impl Outcome {
    /// How the tag is now.
    pub fn state(&self) -> State {
        match self {
            Outcome::Kept { health, .. } | Outcome::Falling { health, .. } => State::of(health),
            Outcome::Moved {
                to, dry_run: false, ..
            } => State::of(&to.health),
            Outcome::Moved {
                cause: Cause::Voluntary,
                ..
            } => State::Degraded,
            Outcome::Moved { .. } | Outcome::NoCandidate { .. } => State::Down,
            Outcome::Pinned { health, .. } => health.as_ref().map_or(State::Down, State::of),
            Outcome::PortChanged { .. } => State::Ok,
            Outcome::LostRace { .. } | Outcome::Blind { .. } | Outcome::StoreFailed { .. } => {
                State::Unknown
            }
        }
    }

    /// The tag's server and health in a few words, for a line that has all tags in it.
    pub fn brief(&self, tag: &TagName) -> String {
        match self {
            Outcome::Kept { server, health } => format!("{tag} → {server} {}", plain(health)),
            Outcome::Falling {
                server,
                health,
                seen,
                needed,
            } => format!("{tag} → {server} {} ({seen} of {needed})", plain(health)),
            Outcome::Moved {
                to, dry_run: false, ..
            } => format!("{tag} → {} {}", to.server, plain(&to.health)),
            Outcome::Moved { from, to, .. } => {
                let from = place(from.as_ref());
                format!("{tag} → {from}, would move to {} (dry run)", to.server)
            }
            Outcome::PortChanged { server, .. } => format!("{tag} → {server} up"),
            Outcome::NoCandidate { server, why, .. } => {
                let server = place(server.as_ref());
                format!("{tag} → {server}, nobody can take over: {why}")
            }
            Outcome::Pinned {
                server, why, by, ..
            } => {
                let server = place(server.as_ref());
                format!("{tag} → {server}, pinned by {by}: {why}")
            }
            Outcome::LostRace { .. } => format!("{tag}: moved by another checker"),
            Outcome::Blind {
                server,
                health,
                error,
            } => format!("{tag} → {server} {}: {error}", plain(health)),
            Outcome::StoreFailed { server, error } => {
                format!("{tag} → {}: {error}", place(server.as_ref()))
            }
        }
    }

    /// The line for the log, without the logger's prefix. `store` is the store's word. Each kind of
    /// tag has the phrases of the original's script for it.
    pub fn line(&self, key: &Key, store: &str) -> (Level, String) {
        let tag = key.tag();
        match self {
            Outcome::Kept { server, health } => kept(key, store, server, health),
            Outcome::Falling {
                server,
                health,
                seen,
                needed,
            } => (
                Level::Warn,
                format!("{tag}: {server} is {health} ({seen} of {needed})"),
            ),
            Outcome::Moved {
                from,
                to,
                cause,
                why,
                dry_run,
            } => {
                let (what, end) = wording(*dry_run);
                let stays = if from.is_some() {
                    format!("; {cause} move")
                } else {
                    String::new()
                };
                let server = &to.server;
                let text = match key.kind() {
                    Kind::Memcached => format!("{what} alive {server} with tag {tag}{end}: {why}"),
                    Kind::MysqlSlave | Kind::RedisMaster => {
                        format!("{what} {server} to {store} {tag}{end}: {why}")
                    }
                };
                (
                    Level::Warn,
                    format!("{text}; {server} is {}{stays}", to.health),
                )
            }
            Outcome::PortChanged {
                server,
                from,
                to,
                dry_run,
            } => {
                let (what, end) = wording(*dry_run);
                let text = format!("{what} proxyport {to} to {store} {tag}{end}");
                (
                    Level::Warn,
                    format!("{text}: it was {from}, the configuration says {to}; {server} stays"),
                )
            }
            Outcome::NoCandidate { why, survey, .. } => {
                let asked = asked(survey);
                let cry = match key.kind() {
                    Kind::Memcached => "there is no alive server! ",
                    Kind::MysqlSlave | Kind::RedisMaster => "",
                };
                (
                    Level::Error,
                    format!("{cry}{tag} stays as it is: {why}; nobody can take over: {asked}"),
                )
            }
            Outcome::Pinned {
                server,
                health,
                why,
                by,
            } => (
                if health.is_some() {
                    Level::Warn
                } else {
                    Level::Error
                },
                format!(
                    "{tag} is pinned to {} and does not move, although {why}; pinned by {by}; \
                     confd_haproxy unpin {tag} lets it go",
                    place(server.as_ref())
                ),
            ),
            Outcome::LostRace { wanted } => {
                let text = format!("{tag} was moved by another checker, so {wanted} was not set");
                (Level::Info, text)
            }
            Outcome::Blind {
                server,
                health,
                error,
            } => (
                Level::Error,
                format!("{tag} stays on {server}, which is {health}: {error}"),
            ),
            Outcome::StoreFailed {
                server: Some(server),
                error,
            } => (
                Level::Error,
                format!("set new {server} to {store} {tag} error: {error}"),
            ),
            Outcome::StoreFailed {
                server: None,
                error,
            } => (
                Level::Error,
                format!("{tag}: nothing is known yet: {error}"),
            ),
        }
    }
}

fn kept(key: &Key, store: &str, server: &Endpoint, health: &Health) -> (Level, String) {
    let tag = key.tag();
    match health {
        Health::Up { .. } => (
            Level::Info,
            match key.kind() {
                Kind::Memcached => format!("current {server} is ok: {tag} in {store}"),
                Kind::MysqlSlave | Kind::RedisMaster => {
                    format!("{tag} in {store} is ok: {server} is {health}")
                }
            },
        ),
        Health::Degraded(Degraded::StandIn) => (
            Level::Warn,
            format!("{tag} stays on {server}: {health}, no replica is ready"),
        ),
        Health::Degraded(_) => (
            Level::Warn,
            format!("{tag} stays on {server}: {health}, nobody is better"),
        ),
        Health::Down(_) => (
            Level::Error,
            format!("{tag} stays on {server}, which is {health}"),
        ),
        Health::Unknown(_) => (
            Level::Error,
            format!("{tag} stays on {server}, whose health is {health}"),
        ),
    }
}

/// Without the lag of a server that is up, which changes all the time.
fn plain(health: &Health) -> String {
    match health {
        Health::Up { .. } => "up".to_owned(),
        Health::Degraded(_) | Health::Down(_) | Health::Unknown(_) => health.to_string(),
    }
}

fn place(server: Option<&Endpoint>) -> String {
    server.map_or_else(|| "nowhere".to_owned(), ToString::to_string)
}

fn wording(dry_run: bool) -> (&'static str, &'static str) {
    match dry_run {
        true => ("would set new", " (dry run)"),
        false => ("set new", " ok"),
    }
}

/// Everybody who was asked, with the answer.
fn asked(survey: &Survey) -> String {
    let each = survey
        .candidates
        .iter()
        .map(|c| format!("{} is {}", c.server, c.health));
    let note = survey
        .incomplete
        .iter()
        .map(|why| format!("the list may be incomplete ({why})"));
    let all: Vec<String> = each.chain(note).collect();
    match all.is_empty() {
        true => "there is no other server".to_owned(),
        false => all.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checker::Fault;

    fn server(text: &str) -> Endpoint {
        text.parse().unwrap()
    }

    fn line(outcome: &Outcome) -> String {
        line_of(Kind::MysqlSlave, "slave3301", outcome)
    }

    fn line_of(kind: Kind, tag: &str, outcome: &Outcome) -> String {
        let key = Key::new(kind, tag.parse().unwrap());
        outcome.line(&key, "consul").1
    }

    fn moved(dry_run: bool) -> Outcome {
        Outcome::Moved {
            from: Some(server("10.0.21.7:3301")),
            to: Candidate {
                server: server("10.0.21.5:3301"),
                health: Health::Up { lag: Some(2) },
                place: 0,
            },
            cause: Cause::Forced,
            why: "10.0.21.7:3301 is down: connection refused".to_owned(),
            dry_run,
        }
    }

    #[test]
    fn lines_begin_as_the_original_wrote_them() {
        let kept = Outcome::Kept {
            server: server("10.0.21.5:3301"),
            health: Health::Up { lag: Some(0) },
        };
        assert_eq!(
            line(&kept),
            "slave3301 in consul is ok: 10.0.21.5:3301 is up, lag 0 s"
        );
        assert_eq!(
            line(&moved(false)),
            "set new 10.0.21.5:3301 to consul slave3301 ok: 10.0.21.7:3301 is down: \
             connection refused; 10.0.21.5:3301 is up, lag 2 s; forced move"
        );
        assert!(line(&moved(true)).starts_with("would set new 10.0.21.5:3301"));
        let failed = Outcome::StoreFailed {
            server: Some(server("10.0.21.5:3301")),
            error: StoreError("timed out".to_owned()),
        };
        assert_eq!(
            line(&failed),
            "set new 10.0.21.5:3301 to consul slave3301 error: timed out"
        );
    }

    #[test]
    fn memcached_tags_have_the_phrases_of_their_own_script() {
        let of = |outcome: &Outcome| line_of(Kind::Memcached, "mem11211", outcome);
        let kept = Outcome::Kept {
            server: server("10.0.21.7:11211"),
            health: Health::Up { lag: None },
        };
        assert_eq!(
            of(&kept),
            "current 10.0.21.7:11211 is ok: mem11211 in consul"
        );
        let begin = "set new alive 10.0.21.5:3301 with tag mem11211 ok: ";
        assert!(
            of(&moved(false)).starts_with(begin),
            "{}",
            of(&moved(false))
        );
        let nobody = Outcome::NoCandidate {
            server: None,
            why: "there is no mem11211 in consul".to_owned(),
            survey: Survey::default(),
        };
        assert!(of(&nobody).starts_with("there is no alive server! mem11211 stays as it is: "));
    }

    #[test]
    fn no_candidate_names_everybody_who_was_asked() {
        let survey = Survey {
            candidates: vec![Candidate {
                server: server("10.0.21.8:3301"),
                health: Fault::NotReplica.into(),
                place: 0,
            }],
            incomplete: Some("primary 10.0.21.5:3301: down: connection refused".to_owned()),
        };
        let why = "10.0.21.7:3301 is down: connection refused".to_owned();
        let outcome = Outcome::NoCandidate {
            server: Some(server("10.0.21.7:3301")),
            why,
            survey,
        };
        assert_eq!(
            line(&outcome),
            "slave3301 stays as it is: 10.0.21.7:3301 is down: connection refused; \
             nobody can take over: 10.0.21.8:3301 is down: not a replica, the list may be \
             incomplete (primary 10.0.21.5:3301: down: connection refused)"
        );
        assert_eq!(outcome.state(), State::Down);
    }

    #[test]
    fn the_brief_form_is_tag_server_and_health() {
        let brief = |outcome: &Outcome| outcome.brief(&"slave3301".parse().unwrap());
        let kept = |health| Outcome::Kept {
            server: server("10.0.21.5:3301"),
            health,
        };
        let cases = [
            (
                kept(Health::Up { lag: Some(7) }),
                "slave3301 → 10.0.21.5:3301 up",
            ),
            (
                kept(Health::Degraded(Degraded::StandIn)),
                "slave3301 → 10.0.21.5:3301 degraded: the primary is standing in",
            ),
            (moved(false), "slave3301 → 10.0.21.5:3301 up"),
            (
                moved(true),
                "slave3301 → 10.0.21.7:3301, would move to 10.0.21.5:3301 (dry run)",
            ),
            (
                Outcome::StoreFailed {
                    server: None,
                    error: StoreError("timed out".to_owned()),
                },
                "slave3301 → nowhere: timed out",
            ),
        ];
        for (outcome, wanted) in cases {
            assert_eq!(brief(&outcome), wanted);
        }
    }

    #[test]
    fn exit_codes_are_those_of_nagios() {
        let codes = [State::Ok, State::Degraded, State::Down, State::Unknown].map(State::code);
        assert_eq!(codes, [0, 1, 2, 3]);
        assert_eq!(moved(false).state(), State::Ok);
        assert_eq!(moved(true).state(), State::Down);
    }
}
