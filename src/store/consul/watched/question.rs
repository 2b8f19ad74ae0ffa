//! What a watcher asks Consul, and what the answer says of the keys in its table.

use std::fmt;

use super::super::answer::{self, Pair, Permission};
use super::super::client::Client;
use super::super::node::Reply;
use super::Times;
use crate::backend::{Key, Kind};

/// What is watched.
#[derive(Debug, Clone)]
pub(super) enum Question {
    /// One key.
    Key(Key),
    /// All keys of a kind.
    Kind(Kind),
}

/// What there is.
#[derive(Debug)]
pub(super) struct Answer {
    /// X-Consul-Index, to wait for the next answer with.
    pub(super) index: u64,
    /// The keys that there are.
    pub(super) pairs: Vec<Pair>,
    /// Whether what is not among them is not there. If not, it may be that the token may not read
    /// it.
    pub(super) is_whole: bool,
}

/// Why there is no answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Failed {
    /// Consul refuses to say: the token may not ask this. It may be allowed to ask for each key, if
    /// this was a list (consul: acl.enable_key_list_policy).
    Denied,
    /// Anything else, in one line that begins with the agent's address.
    Broken(String),
}

impl Question {
    /// What there is now, of whichever agent answers.
    ///
    /// # Errors
    /// Whenever that is not certain.
    pub(super) fn ask(&self, client: &Client) -> Result<Answer, Failed> {
        self.understood(client, client.list(&self.path(), client.timeout()))
    }

    /// What there is once the index is past `index`, or when the wait is over, of the agent that
    /// the index is from.
    ///
    /// # Errors
    /// Whenever that is not certain.
    pub(super) fn ask_after(
        &self,
        index: u64,
        client: &Client,
        times: Times,
    ) -> Result<Answer, Failed> {
        let wait = times.wait.as_millis();
        let path = format!("{}index={index}&wait={wait}ms", self.path());
        self.understood(client, client.block(&path, times.patience))
    }

    /// Ends where more parameters can be put. With the '/' at its end, the prefix of a kind is that
    /// of no other one.
    fn path(&self) -> String {
        match self {
            Question::Key(key) => format!("/v1/kv/{key}?"),
            Question::Kind(_) => format!("/v1/kv/{self}?recurse&"),
        }
    }

    fn understood(&self, client: &Client, reply: Result<Reply, String>) -> Result<Answer, Failed> {
        let reply = reply.map_err(Failed::Broken)?;
        if reply.status == 403 {
            return Err(Failed::Denied);
        }
        let answer = self.understand(&reply, client.has_token());
        answer.map_err(|what| Failed::Broken(format!("{}: {what}", reply.address)))
    }

    fn understand(&self, reply: &Reply, has_token: bool) -> Result<Answer, String> {
        let pairs = match (reply.status, self) {
            (200, Question::Key(key)) => vec![answer::only(reply, key)?],
            (200, Question::Kind(_)) => answer::list(reply)?,
            (404, _) if answer::is_nothing(reply) => Vec::new(),
            _ => return Err(answer::refusal(reply, self, Permission::Read, has_token)),
        };
        let index = reply
            .index
            .ok_or_else(|| answer::foreign(reply, "without an X-Consul-Index"))?;
        Ok(Answer {
            index,
            pairs,
            is_whole: matches!(self, Question::Key(_)),
        })
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Question::Key(key) => key.fmt(f),
            Question::Kind(kind) => f.write_str(&kind.prefix()),
        }
    }
}
