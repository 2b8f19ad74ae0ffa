//! Keys in Consul's KV store, over ureq: one key a request, compare and swap, no sessions.
//!
//! Owns what is asked; the exchange is `client`'s and `node`'s, the meaning of an answer `answer`'s. Whole
//! prefixes, for a renderer, are `listing`'s; keys that are watched, for a checker that stays, are
//! `watched`'s.

mod address;
mod answer;
mod apart;
mod blocking;
mod client;
mod connect;
mod listing;
mod node;
#[cfg(test)]
pub(crate) mod script;
mod secure;
#[cfg(test)]
mod tests;
mod text;
mod token;
mod unix;
mod watched;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use self::address::ConsulAddress;
pub use self::blocking::{Bucket, next_index};
use self::client::Client;
pub use self::listing::{Listed, Listing, PrefixReader};
use self::node::Reply;
pub use self::watched::Watched;
use crate::backend::{Backend, Cause, Key};
use crate::overrides::Override;
use crate::resolve::Resolver;
use crate::secret::TokenSource;
use crate::store::{Entry, Ordered, Store, StoreError, Swap, Version};
use crate::tls;

/// What it takes to reach Consul.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where agents of the cluster are: the first that answers is used.
    pub addresses: Vec<ConsulAddress>,
    /// The ACL token; an empty one counts as none.
    pub token: Option<TokenSource>,
    /// What addresses with https need.
    pub tls: Option<tls::Client>,
    /// Finds the addresses of the agent's name.
    pub resolver: Resolver,
    /// How long one read or write may take in all: waiting for other threads, connecting, and one
    /// repetition included.
    pub timeout: Duration,
}

impl Settings {
    /// The time that a read or write gets unless somebody says otherwise.
    pub const TIMEOUT: Duration = Duration::from_secs(3);
}

/// The store in a Consul agent. All threads share one, and its connections.
pub struct Consul {
    client: Arc<Client>,
}

impl Consul {
    /// Prepares the store; connects to nothing.
    ///
    /// # Errors
    /// A sentence, without the token, if the token holds a character that cannot be sent.
    pub fn new(settings: Settings) -> Result<Consul, String> {
        Ok(Consul {
            client: Arc::new(Client::new(settings)?),
        })
    }

    /// After a repeated write that was refused: the first may have been carried out, and then the
    /// key holds what was to be written.
    fn settle(&self, key: &Key, backend: &Backend, cause: Cause) -> Result<Swap, StoreError> {
        match self.read(key)? {
            Entry::Present {
                backend: b,
                cause: c,
                ..
            } if b == *backend && c == cause => Ok(Swap::Stored),
            Entry::Present { .. } | Entry::Absent | Entry::Malformed { .. } => Ok(Swap::Lost),
        }
    }

    /// What an answer says, or who gave it and why it says nothing.
    fn understand<K, T>(
        &self,
        reply: &Reply,
        key: &K,
        read: impl Fn(&Reply, &K, bool) -> Result<T, String>,
    ) -> Result<T, String> {
        read(reply, key, self.client.has_token())
            .map_err(|what| format!("{}: {what}", reply.address))
    }
}

impl Store for Consul {
    /// `GET /v1/kv/<key>`. Not `?raw`: that has neither flags nor index in the body, and old
    /// Consuls answer errors in it with a 200.
    fn read(&self, key: &Key) -> Result<Entry, StoreError> {
        self.client
            .send(&format!("/v1/kv/{key}"), None)
            .and_then(|reply| self.understand(&reply, key, answer::entry))
            .map_err(|what| StoreError(format!("reading {key} from consul {what}")))
    }

    /// `PUT /v1/kv/<key>?cas=<index>&flags=<cause>`, which answers `true` or `false`. Writing what
    /// the key holds already is `true` and leaves the index as it is (Consul 1.8.7).
    fn write(
        &self,
        key: &Key,
        backend: &Backend,
        cause: Cause,
        expected: Version,
    ) -> Result<Swap, StoreError> {
        let path = format!("/v1/kv/{key}?cas={}&flags={}", expected.0, cause.flags());
        let failed = |what| StoreError(format!("writing {key} to consul {what}"));
        let body = backend.to_string();
        let reply = self.client.send(&path, Some(&body)).map_err(failed)?;
        let swap = self.understand(&reply, key, answer::swap).map_err(failed)?;
        match swap {
            Swap::Lost if reply.repeated => self.settle(key, backend, cause),
            Swap::Stored | Swap::Lost => Ok(swap),
        }
    }

    fn read_override(&self, key: &Key, _: Duration) -> Result<Ordered, StoreError> {
        let path = key.override_path();
        self.client
            .send(&format!("/v1/kv/{path}"), None)
            .and_then(|reply| self.understand(&reply, &path, answer::ordered))
            .map_err(|what| StoreError(format!("reading {path} from consul {what}")))
    }

    fn write_override(
        &self,
        key: &Key,
        orders: &Override,
        expected: Version,
    ) -> Result<Swap, StoreError> {
        let path = key.override_path();
        let failed = |what| StoreError(format!("writing {path} to consul {what}"));
        let url = format!("/v1/kv/{path}?cas={}", expected.0);
        let reply = self.client.send(&url, Some(&orders.to_string()));
        let reply = reply.map_err(failed)?;
        let swap = self.understand(&reply, &path, answer::swap);
        match swap.map_err(failed)? {
            // The first of two requests may have been carried out.
            Swap::Lost if reply.repeated => match self.read_override(key, Duration::ZERO)?.orders {
                Ok(found) if found == *orders => Ok(Swap::Stored),
                Ok(_) | Err(_) => Ok(Swap::Lost),
            },
            swap @ (Swap::Stored | Swap::Lost) => Ok(swap),
        }
    }

    fn name(&self) -> &'static str {
        "consul"
    }
}

impl fmt::Debug for Consul {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Consul({:?})", self.client)
    }
}
