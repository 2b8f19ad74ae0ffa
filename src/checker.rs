//! What a checker says of servers: the vocabulary of health, and the trait that the cycle uses.
//!
//! A checker knows one kind of server. It never sees the store, and decides nothing.

pub mod call;
pub mod failure;
pub mod guard;
pub mod heard;
pub mod memcached;
pub mod mysql;
pub mod panel;
pub mod redis;
pub mod talk;
pub mod wire;

use std::fmt;
use std::time::Duration;

use crate::endpoint::Endpoint;

/// One kind of server, for one tag.
pub trait Checker: Send {
    /// Checks one server, in at most twice the configured timeout. Never fails: whatever happens
    /// is a health.
    fn check(&mut self, server: &Endpoint) -> Health;

    /// Finds every server that could take over and checks it now, all at the same time, within
    /// about twice the timeout. `except` is known already and is not checked again.
    fn survey(&mut self, except: Option<&Endpoint>) -> Survey;

    /// Makes a candidate ready to be elected, and says how it is then; called for the one that is
    /// about to be written, and not in a dry run.
    fn prepare(&mut self, candidate: &Candidate) -> Health {
        candidate.health.clone()
    }

    /// Waits until `at_most` has passed or the server that was last checked closes its idle
    /// connection.
    fn wait(&mut self, at_most: Duration) -> Wake;
}

/// Why a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wake {
    /// The time is over.
    Elapsed,
    /// The server closed the connection that was waited on.
    ServerClosed,
}

/// How a server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// It answers and does its job.
    Up {
        /// Seconds behind its source; `None` where there is no such thing.
        lag: Option<u64>,
    },
    /// It serves, but not as it should.
    Degraded(Degraded),
    /// It does not serve.
    Down(Fault),
    /// We cannot tell, for a reason of our own. Never a reason to move.
    Unknown(Trouble),
}

/// How a server that serves falls short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Degraded {
    /// It replicates, but is further behind than the limit (both in seconds).
    Lagging {
        /// Seconds behind its source.
        lag: u64,
        /// The limit, `max_lag=`.
        limit: u64,
    },
    /// It is the primary, standing in because no replica could.
    StandIn,
    /// Replication is stopped, or its lag is unknown; the text says which thread and why.
    Stopped(String),
    /// The operator excluded it, but it is in use.
    Excluded,
    /// It takes no writes; the text is its own word for why.
    ReadOnly(String),
    /// It is a master, but not the only one; the text names the others.
    Split(String),
    /// It is a master, but whoever would name another one cannot be heard, or is not obeyed.
    Unwatched(String),
}

/// Why a server is down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Nobody listens.
    Refused,
    /// The connection was reset or closed, twice in a row.
    Reset,
    /// No answer in the time given.
    TimedOut(Duration),
    /// No way to the host.
    Unreachable(String),
    /// It takes no more clients.
    TooManyConnections,
    /// It is shutting down or does not take clients for a reason of its own.
    NotServing(String),
    /// It is no replica.
    NotReplica,
    /// It is a replica, but not of our primary.
    Foreign(String),
    /// It is not the master that clients must reach; the text says what it is.
    NotMaster(String),
    /// What it says is not the protocol.
    Protocol(String),
}

/// Why we cannot tell how a server is, in one line, with what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble(pub String);

/// A server that could be elected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its address.
    pub server: Endpoint,
    /// Its health, found just now.
    pub health: Health,
    /// Its place in the operator's list, which decides among equals; 0 where the list has no order.
    pub place: usize,
}

/// All servers that could take over, each checked just now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Survey {
    /// The servers, each once; their order means nothing.
    pub candidates: Vec<Candidate>,
    /// What kept the list from being complete, in one line.
    pub incomplete: Option<String>,
}

impl Survey {
    /// Puts a candidate into the place of the one with the same server.
    pub fn replace(&mut self, candidate: Candidate) {
        let of_it = |known: &&mut Candidate| known.server == candidate.server;
        if let Some(known) = self.candidates.iter_mut().find(of_it) {
            *known = candidate;
        }
    }
}

impl Health {
    /// Whether clients are served.
    pub fn serves(&self) -> bool {
        match self {
            Health::Up { .. } | Health::Degraded(_) => true,
            Health::Down(_) | Health::Unknown(_) => false,
        }
    }
}

impl Fault {
    /// Whether seeing it once is enough: no second look could come to another answer.
    pub fn is_conclusive(&self) -> bool {
        match self {
            Fault::Refused
            | Fault::Reset
            | Fault::NotReplica
            | Fault::Foreign(_)
            | Fault::NotMaster(_) => true,
            Fault::TimedOut(_)
            | Fault::Unreachable(_)
            | Fault::TooManyConnections
            | Fault::NotServing(_)
            | Fault::Protocol(_) => false,
        }
    }
}

impl From<Fault> for Health {
    fn from(fault: Fault) -> Health {
        Health::Down(fault)
    }
}

impl From<Trouble> for Health {
    fn from(trouble: Trouble) -> Health {
        Health::Unknown(trouble)
    }
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Health::Up { lag: Some(lag) } => write!(f, "up, lag {lag} s"),
            Health::Up { lag: None } => f.write_str("up"),
            Health::Degraded(degraded) => write!(f, "degraded: {degraded}"),
            Health::Down(fault) => write!(f, "down: {fault}"),
            Health::Unknown(trouble) => write!(f, "unknown: {trouble}"),
        }
    }
}

impl fmt::Display for Degraded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Degraded::Lagging { lag, limit } => write!(f, "lag {lag} s is over {limit} s"),
            Degraded::StandIn => f.write_str("the primary is standing in"),
            Degraded::Stopped(why) => f.write_str(why),
            Degraded::Excluded => f.write_str("excluded"),
            Degraded::ReadOnly(text) => write!(f, "it takes no writes: {text}"),
            Degraded::Split(text) | Degraded::Unwatched(text) => f.write_str(text),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Refused => f.write_str("connection refused"),
            Fault::Reset => f.write_str("connection closed by the server"),
            Fault::TimedOut(after) => write!(f, "no answer in {} s", after.as_secs_f64()),
            Fault::Unreachable(error) => write!(f, "unreachable: {error}"),
            Fault::TooManyConnections => f.write_str("too many connections"),
            Fault::NotServing(text) => write!(f, "not serving: {text}"),
            Fault::NotReplica => f.write_str("not a replica"),
            Fault::Foreign(text) => write!(f, "not a replica of ours: {text}"),
            Fault::NotMaster(text) => write!(f, "not the master: {text}"),
            Fault::Protocol(text) => write!(f, "does not speak the protocol: {text}"),
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
