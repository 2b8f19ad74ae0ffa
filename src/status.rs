//! What every tag points at, and how every server of it is: as a table, and as JSON. Pure: the
//! looking is done by `commands::status`.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::backend::Key;
use crate::checker::{Candidate, Health};
use crate::endpoint::{Endpoint, Port};
use crate::outcome::State;

/// One tag, looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The tag's key.
    pub key: Key,
    /// The port that HAProxy listens on for it.
    pub port: Port,
    /// What the key says.
    pub current: Current,
    /// The other servers, as they are now.
    pub others: Vec<Candidate>,
    /// What kept the list of them from being complete.
    pub incomplete: Option<String>,
}

/// What a key says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Current {
    /// It names this server, which is like that.
    Server(Endpoint, Health),
    /// It names none: it is not there, or malformed; the text says which.
    Nobody(String),
    /// The store cannot be asked; the text says why.
    Unknown(String),
}

impl Row {
    /// How the tag is.
    pub fn state(&self) -> State {
        match &self.current {
            Current::Server(_, health) => State::of(health),
            Current::Nobody(_) => State::Down,
            Current::Unknown(_) => State::Unknown,
        }
    }

    /// The tag, where it points, and how that is, in one line.
    fn brief(&self) -> String {
        let tag = self.key.tag();
        match &self.current {
            Current::Server(server, health) => format!("{tag} is on {server}, which is {health}"),
            Current::Nobody(why) => format!("{tag}: {why}"),
            Current::Unknown(why) => format!("{tag}: {why}"),
        }
    }
}

/// The worst state of all; that of no tag is unknown.
pub fn worst(rows: &[Row]) -> State {
    let states = rows.iter().map(Row::state);
    states
        .max_by_key(|state| gravity(*state))
        .unwrap_or(State::Unknown)
}

/// One line for all tags, in the words of Nagios, and then the table.
pub fn table(rows: &[Row]) -> String {
    let mut text = summary(rows);
    text.push('\n');
    let tag = rows.iter().map(|row| row.key.tag().as_str().len());
    let wide = tag.max().unwrap_or(0).max(3);
    // Cannot fail: it is a string.
    let _ = writeln!(
        text,
        "\n{:wide$}  {:5}  {:24}  HEALTH",
        "TAG", "PORT", "SERVER"
    );
    for row in rows {
        let (server, health) = match &row.current {
            Current::Server(server, health) => (server.to_string(), health.to_string()),
            Current::Nobody(why) | Current::Unknown(why) => ("-".to_owned(), why.clone()),
        };
        let (tag, port) = (row.key.tag().as_str(), row.port);
        let _ = writeln!(text, "{tag:wide$}  {port:<5}  {server:24}  {health}");
        for other in &row.others {
            let (server, health) = (other.server.to_string(), &other.health);
            let _ = writeln!(text, "{:wide$}  {:5}  {server:24}  {health}", "", "  or");
        }
        if let Some(why) = &row.incomplete {
            let _ = writeln!(
                text,
                "{:wide$}         the list may be incomplete: {why}",
                ""
            );
        }
    }
    text.truncate(text.trim_end().len());
    text
}

/// The same for programs.
pub fn json(rows: &[Row]) -> String {
    let tags: Vec<Value> = rows.iter().map(tag).collect();
    let whole = json!({ "state": word(worst(rows)), "summary": summary(rows), "tags": tags });
    format!("{whole:#}")
}

fn summary(rows: &[Row]) -> String {
    let worst = worst(rows);
    let label = match worst {
        State::Ok => "OK",
        State::Degraded => "WARNING",
        State::Down => "CRITICAL",
        State::Unknown => "UNKNOWN",
    };
    let n_tags = rows.len();
    if worst == State::Ok {
        return format!("{label}: {n_tags} of {n_tags} tags are on a healthy server");
    }
    let mut ill: Vec<&Row> = rows.iter().filter(|row| row.state() != State::Ok).collect();
    ill.sort_by_key(|row| std::cmp::Reverse(gravity(row.state())));
    let n_ill = ill.len();
    let each: Vec<String> = ill.into_iter().map(Row::brief).collect();
    match each.is_empty() {
        true => format!("{label}: there is no tag"),
        false => format!("{label}: {n_ill} of {n_tags} tags: {}", each.join("; ")),
    }
}

fn tag(row: &Row) -> Value {
    let (server, problem) = match &row.current {
        Current::Server(endpoint, health) => (server(endpoint, health), None),
        Current::Nobody(why) | Current::Unknown(why) => (Value::Null, Some(why)),
    };
    let others = row
        .others
        .iter()
        .map(|other| self::server(&other.server, &other.health));
    json!({
        "tag": row.key.tag().as_str(),
        "type": row.key.kind().word(),
        "proxyport": row.port.get(),
        "state": word(row.state()),
        "server": server,
        "problem": problem,
        "others": others.collect::<Vec<_>>(),
        "incomplete": row.incomplete,
    })
}

fn server(endpoint: &Endpoint, health: &Health) -> Value {
    let lag = match health {
        Health::Up { lag } => *lag,
        Health::Degraded(_) | Health::Down(_) | Health::Unknown(_) => None,
    };
    json!({
        "host": endpoint.host.to_string(),
        "port": endpoint.port.get(),
        "state": word(State::of(health)),
        "health": health.to_string(),
        "lag": lag,
    })
}

fn word(state: State) -> &'static str {
    match state {
        State::Ok => "ok",
        State::Degraded => "degraded",
        State::Down => "down",
        State::Unknown => "unknown",
    }
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

#[cfg(test)]
mod tests;
