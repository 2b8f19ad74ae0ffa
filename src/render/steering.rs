//! Moves a running HAProxy to what a file says, where only servers' addresses differ.

use std::collections::BTreeMap;

use crate::backend::Cause;
use crate::haproxy::diff::{self, Difference, ServerChange};
use crate::haproxy::runtime::{Runtime, Sessions};
use crate::resource::{HaproxySettings, SessionPolicy};

/// HAProxy's socket, and what becomes of sessions.
#[derive(Debug)]
pub struct Steering {
    runtime: Runtime,
    policy: SessionPolicy,
}

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Steered {
    /// HAProxy has the new addresses; a line for each server.
    Moved(Vec<String>),
    /// The two files mean the same to HAProxy.
    Alike,
    /// A reload has to do it, and why.
    NeedsReload(String),
}

impl Steering {
    /// Reads the settings.
    ///
    /// # Errors
    /// A sentence, if the socket's address is none.
    pub fn new(settings: &HaproxySettings) -> Result<Steering, String> {
        let runtime = Runtime::parse(&settings.socket)?;
        Ok(Steering {
            runtime,
            policy: settings.sessions,
        })
    }

    /// Moves HAProxy from one file's addresses to another's, verified. `causes` says for each
    /// proxy why it was moved.
    pub fn switch(&self, current: &str, wanted: &str, causes: &BTreeMap<String, Cause>) -> Steered {
        let changes = match diff::compare(current, wanted) {
            Difference::Addresses(changes) => changes,
            Difference::None => return Steered::Alike,
            Difference::Structure(why) => {
                return Steered::NeedsReload(format!("haproxy must be reloaded: {why}"));
            }
        };
        let with_sessions = |change: ServerChange| {
            let sessions = self.sessions(causes.get(&change.proxy).copied());
            (change, sessions)
        };
        let moves: Vec<(ServerChange, Sessions)> = changes.into_iter().map(with_sessions).collect();
        match self.runtime.switch(&moves) {
            Ok(()) => Steered::Moved(moves.iter().map(line).collect()),
            Err(error) => Steered::NeedsReload(format!("{error}; haproxy is reloaded instead")),
        }
    }

    /// Moves every server that HAProxy knows and that is elsewhere than a file says; a line for
    /// each. A socket that does not answer is no error here: nobody knows that anything is wrong.
    ///
    /// # Errors
    /// One line, if HAProxy differs from the file and cannot be moved.
    pub fn mend(
        &self,
        text: &str,
        causes: &BTreeMap<String, Cause>,
    ) -> Result<Vec<String>, String> {
        let Ok(running) = self.runtime.addresses() else {
            return Ok(Vec::new());
        };
        let drifted = |((proxy, server), address): ((String, String), String)| {
            let (to_ip, to_port) = diff::literal(&address)?;
            let (ip, port) = *running.get(&(proxy.clone(), server.clone()))?;
            let from = format!("{ip} port {port}");
            let sessions = self.sessions(causes.get(&proxy).copied());
            let change = ServerChange {
                proxy,
                server,
                from,
                to_ip,
                to_port,
            };
            ((ip, port) != (to_ip, to_port.get())).then_some((change, sessions))
        };
        let moves: Vec<(ServerChange, Sessions)> = diff::servers(text)
            .into_iter()
            .filter_map(drifted)
            .collect();
        if moves.is_empty() {
            return Ok(Vec::new());
        }
        match self.runtime.switch(&moves) {
            Ok(()) => Ok(moves.iter().map(line).collect()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Sessions on a server that is dead or hung are lost anyway; others may finish.
    fn sessions(&self, cause: Option<Cause>) -> Sessions {
        match (self.policy, cause) {
            (SessionPolicy::Cut, _) | (SessionPolicy::Auto, Some(Cause::Forced)) => Sessions::Cut,
            (SessionPolicy::Keep, _)
            | (
                SessionPolicy::Auto,
                Some(Cause::Voluntary | Cause::Manual | Cause::Unknown) | None,
            ) => Sessions::Keep,
        }
    }
}

fn line((change, sessions): &(ServerChange, Sessions)) -> String {
    let what = match sessions {
        Sessions::Cut => "its old sessions are cut",
        Sessions::Keep => "old sessions may finish",
    };
    let ServerChange {
        proxy,
        server,
        from,
        to_ip,
        to_port,
    } = change;
    format!("haproxy: {proxy}/{server} moved from {from} to {to_ip}:{to_port}; {what}")
}
