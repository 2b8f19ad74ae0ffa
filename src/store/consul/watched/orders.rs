//! The orders for all tags of a kind, from one list that is asked for when somebody wants to know and
//! the last one is too old: so a thousand tags ask Consul no more often than one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::super::answer::{self, Pair, Permission};
use super::super::client::Client;
use crate::backend::{Key, Kind, TagName};
use crate::store::Ordered;

/// By tag.
type List = BTreeMap<String, Ordered>;

/// The list of one kind.
#[derive(Debug)]
pub(super) struct Orders {
    prefix: String,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// When it was asked for, and what came.
    last: Option<(Instant, Result<List, Failed>)>,
    /// The tags whose orders the token may read: a list leaves out what it may not.
    readable: BTreeSet<String>,
}

/// Why there is no list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failed {
    /// The token may not list the prefix; it may be allowed to read each key.
    Denied,
    /// Anything else, in one line.
    Broken(String),
}

impl Orders {
    /// Of which nothing is known.
    pub(super) fn new(kind: Kind) -> Orders {
        Orders {
            prefix: Key::override_prefix(kind),
            known: Mutex::default(),
        }
    }

    /// Whether a tag's orders were read by themselves once, so that not being in the list means that
    /// there are none.
    pub(super) fn is_readable(&self, tag: &TagName) -> bool {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.readable.contains(tag.as_str())
    }

    /// They were.
    pub(super) fn set_readable(&self, tag: &TagName) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.readable.insert(tag.as_str().to_owned());
    }

    /// The orders for a tag, from a list that was asked for at most `max_age` ago.
    ///
    /// # Errors
    /// Whenever they are not certain.
    pub(super) fn of(
        &self,
        tag: &TagName,
        client: &Client,
        max_age: Duration,
    ) -> Result<Ordered, Failed> {
        let oldest = Instant::now().checked_sub(max_age);
        // Held while Consul is asked: whoever else wants to know waits for that answer.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let is_fresh = |at: Instant| oldest.is_none_or(|oldest| at >= oldest);
        let list = match known.last.take() {
            Some((at, list)) if is_fresh(at) => (at, list),
            Some(_) | None => (Instant::now(), self.ask(client)),
        };
        let (_, list) = known.last.insert(list);
        match list {
            Ok(list) => Ok(list
                .get(tag.as_str())
                .cloned()
                .unwrap_or_else(Ordered::nothing)),
            Err(failed) => Err(failed.clone()),
        }
    }

    fn ask(&self, client: &Client) -> Result<List, Failed> {
        let path = format!("/v1/kv/{}?recurse", self.prefix);
        let reply = client.list(&path, client.timeout());
        let reply = reply.map_err(Failed::Broken)?;
        let pairs = match reply.status {
            200 => answer::list(&reply),
            404 if answer::is_nothing(&reply) => Ok(Vec::new()),
            403 => return Err(Failed::Denied),
            _ => Err(answer::refusal(
                &reply,
                &self.prefix,
                Permission::Read,
                client.has_token(),
            )),
        };
        let listed = pairs.and_then(|pairs| self.listed(&pairs));
        listed.map_err(|what| Failed::Broken(format!("{}: {what}", reply.address)))
    }

    fn listed(&self, pairs: &[Pair]) -> Result<List, String> {
        let one = |pair: &Pair| {
            let tag = pair.key.strip_prefix(&self.prefix)?.to_owned();
            Some(pair.ordered().map(|ordered| (tag, ordered)))
        };
        let all: Result<_, &str> = pairs.iter().filter_map(one).collect();
        all.map_err(|what| format!("the answer is {what}"))
    }
}
