//! What every tag points at, how every server of it is, and what to do about it. Pure: the looking
//! is done by `commands::status`, the reading of the host by `host`.

mod json;
mod layout;
mod paint;
mod route;
mod rules;
mod table;
#[cfg(test)]
mod tests;
pub mod warning;

use std::collections::BTreeMap;
use std::net::IpAddr;

pub use self::json::json;
pub use self::paint::Paint;
pub use self::route::{Reached, Route, Standing};
pub use self::table::{Marks, table};
pub use self::warning::{Severity, Warning};
use crate::backend::Key;
use crate::checker::{Candidate, Health};
use crate::elect::Exclusion;
use crate::endpoint::{Endpoint, Host, Port};
use crate::outcome::State;
use crate::overrides::Override;

/// One tag, looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The tag's key.
    pub key: Key,
    /// The port that HAProxy listens on for it.
    pub port: Port,
    /// What the key says.
    pub current: Current,
    /// The configured primary, where there is such a thing.
    pub primary: Option<Endpoint>,
    /// The other servers, as they are now.
    pub others: Vec<Candidate>,
    /// What kept the list of them from being complete.
    pub incomplete: Option<String>,
    /// Servers that are not to be used, by the configuration or by order.
    pub exclude: Vec<Exclusion>,
    /// What an operator has ordered.
    pub orders: Orders,
    /// Where HAProxy sends the connections of its port.
    pub route: Route,
    /// Who listens on its port of this host.
    pub listener: Listener,
    /// The addresses of those hosts that go by a name.
    pub addresses: BTreeMap<Host, Vec<IpAddr>>,
}

/// What a key says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Current {
    /// It names this server, which is like that.
    Server(Endpoint, Health),
    /// It is not there; the text says so.
    Nobody(String),
    /// Its value is none; the text says what is wrong with it.
    Malformed(String),
    /// The store cannot be asked; the text says why.
    Unknown(String),
}

/// What an operator has ordered for a tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Orders {
    /// This, possibly nothing; a pin whose time is over is left out.
    Known(Override),
    /// Something that is malformed; the text says what.
    Malformed(String),
    /// The store does not tell; the text says why.
    Unread(String),
}

/// Who listens on a port of this host.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Listener {
    /// It cannot be told, as this user may not see.
    #[default]
    Unseen,
    /// Nobody.
    Nobody,
    /// HAProxy.
    Haproxy,
    /// Another program; its name, and its process.
    Other(String, u32),
}

/// What is true of the host as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Surroundings {
    /// HAProxy was asked, and answered.
    pub haproxy_answers: bool,
    /// HAProxy runs or is installed here.
    pub haproxy_is_here: bool,
    /// SELinux keeps HAProxy from ports that are not a web server's.
    pub selinux_blocks: bool,
    /// Why HAProxy was not asked, where it was not: one line each.
    pub not_asked: Vec<String>,
}

/// Everything that there is to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// The tags, each with what is wrong around it, the worst first.
    pub tags: Vec<(Row, Vec<Warning>)>,
    /// What is wrong with the host as a whole.
    pub general: Vec<Warning>,
    /// What could not be looked at.
    pub notes: Vec<String>,
}

impl Picture {
    /// Draws the conclusions from what was seen.
    pub fn new(rows: Vec<Row>, around: Surroundings) -> Picture {
        let warnings = rules::of_tags(&rows, &around);
        let notes = around.not_asked.iter();
        Picture {
            general: rules::of_host(&around),
            notes: notes
                .map(|why| format!("HAProxy not asked: {why}"))
                .collect(),
            tags: rows.into_iter().zip(warnings).collect(),
        }
    }

    /// The worst state of all; that of no tag is unknown.
    pub fn worst(&self) -> State {
        let tags = self.tags.iter().map(|(row, warnings)| state(row, warnings));
        let general = self.general.iter().map(|w| w.severity().state());
        match self.tags.is_empty() {
            true => State::Unknown,
            false => worst(tags.chain(general)),
        }
    }

    /// One line for all tags, in the words of Nagios.
    pub fn summary(&self) -> String {
        let label = match self.worst() {
            State::Ok => "OK",
            State::Degraded => "WARNING",
            State::Down => "CRITICAL",
            State::Unknown => "UNKNOWN",
        };
        let n_tags = self.tags.len();
        let mut ill: Vec<_> = self.tags.iter().collect();
        ill.retain(|(row, warnings)| state(row, warnings) != State::Ok);
        ill.sort_by_key(|(row, warnings)| std::cmp::Reverse(gravity(state(row, warnings))));
        let tags = ill.iter().map(|(row, warnings)| brief(row, warnings));
        let general = self.general.iter().map(Warning::text);
        let each: Vec<String> = tags.chain(general).collect();
        match (n_tags, ill.len()) {
            (0, _) => format!("{label}: there is no tag"),
            (_, 0) if each.is_empty() => {
                format!("{label}: {n_tags} of {n_tags} tags are on a healthy server")
            }
            (_, n_ill) => format!("{label}: {n_ill} of {n_tags} tags: {}", each.join("; ")),
        }
    }
}

impl Row {
    /// The server in use.
    pub fn server(&self) -> Option<&Endpoint> {
        match &self.current {
            Current::Server(server, _) => Some(server),
            Current::Nobody(_) | Current::Malformed(_) | Current::Unknown(_) => None,
        }
    }

    /// How the server in use is.
    pub fn health(&self) -> Option<&Health> {
        match &self.current {
            Current::Server(_, health) => Some(health),
            Current::Nobody(_) | Current::Malformed(_) | Current::Unknown(_) => None,
        }
    }

    /// The orders, if there are good ones.
    fn orders(&self) -> Option<&Override> {
        match &self.orders {
            Orders::Known(orders) => Some(orders),
            Orders::Malformed(_) | Orders::Unread(_) => None,
        }
    }

    /// How the tag is, by its server alone.
    fn own_state(&self) -> State {
        match &self.current {
            Current::Server(_, health) => State::of(health),
            Current::Nobody(_) | Current::Malformed(_) => State::Down,
            Current::Unknown(_) => State::Unknown,
        }
    }
}

/// How a tag is: its server, and what is wrong around it.
pub fn state(row: &Row, warnings: &[Warning]) -> State {
    let around = warnings.iter().map(|w| w.severity().state());
    worst(around.chain([row.own_state()]))
}

/// The word for a state, for programs.
fn word(state: State) -> &'static str {
    match state {
        State::Ok => "ok",
        State::Degraded => "degraded",
        State::Down => "down",
        State::Unknown => "unknown",
    }
}

fn worst(states: impl Iterator<Item = State>) -> State {
    states
        .max_by_key(|state| gravity(*state))
        .unwrap_or(State::Ok)
}

/// A tag that is down is worse than one of which nothing is known.
fn gravity(state: State) -> u8 {
    match state {
        State::Ok => 0,
        State::Degraded => 1,
        State::Unknown => 2,
        State::Down => 3,
    }
}

/// The tag, where it points, and how that is, in one line.
fn brief(row: &Row, warnings: &[Warning]) -> String {
    let tag = row.key.tag();
    let (place, is_fine) = match &row.current {
        Current::Server(server, health) => (
            format!("{tag} is on {server}, which is {health}"),
            State::of(health) == State::Ok,
        ),
        Current::Nobody(why) | Current::Malformed(why) | Current::Unknown(why) => {
            (format!("{tag}: {why}"), false)
        }
    };
    let is_pinned = row.orders().is_some_and(|orders| orders.pin.is_some());
    match warnings.first().filter(|_| is_fine) {
        Some(warning) => format!("{place}, but {}", warning.text()),
        None if is_pinned => format!("{place}; and the tag is pinned"),
        None => place,
    }
}
