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

    /// `GET /v1/kv/<key>`. Not `?raw`: that has neither flags nor index in the body, and old
    /// Consuls answer errors in it with a 200.
    fn get<K: fmt::Display, T>(
        &self,
        key: &K,
        read: impl Fn(&Reply, &K, bool) -> Result<T, String>,
    ) -> Result<T, StoreError> {
        self.client
            .send(&format!("/v1/kv/{key}"), None)
            .and_then(|reply| self.understand(&reply, key, read))
            .map_err(|what| StoreError(format!("reading {key} from consul {what}")))
    }

    /// `PUT /v1/kv/<key>?cas=<index>…`, which answers `true` or `false`. Writing what the key holds
    /// already is `true` and leaves the index as it is (Consul 1.8.7). After a repeated write that
    /// was refused, the first may have been carried out: then the key holds what was to be written,
    /// which `is_there` finds out.
    fn put(
        &self,
        key: &impl fmt::Display,
        query: &str,
        body: &str,
        is_there: impl FnOnce() -> Result<bool, StoreError>,
    ) -> Result<Swap, StoreError> {
        let failed = |what| StoreError(format!("writing {key} to consul {what}"));
        let path = format!("/v1/kv/{key}?{query}");
        let reply = self.client.send(&path, Some(body)).map_err(failed)?;
        let swap = self.understand(&reply, key, answer::swap).map_err(failed)?;
        match swap {
            Swap::Lost if reply.repeated && is_there()? => Ok(Swap::Stored),
            Swap::Stored | Swap::Lost => Ok(swap),
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
    fn read(&self, key: &Key) -> Result<Entry, StoreError> {
        self.get(key, answer::entry)
    }

    fn write(
        &self,
        key: &Key,
        backend: &Backend,
        cause: Cause,
        expected: Version,
    ) -> Result<Swap, StoreError> {
        let query = format!("cas={}&flags={}", expected.0, cause.flags());
        self.put(key, &query, &backend.to_string(), || {
            Ok(
                matches!(self.read(key)?, Entry::Present { backend: b, cause: c, .. }
                if b == *backend && c == cause),
            )
        })
    }

    fn read_override(&self, key: &Key, _: Duration) -> Result<Ordered, StoreError> {
        self.get(&key.override_path(), answer::ordered)
    }

    fn write_override(
        &self,
        key: &Key,
        orders: &Override,
        expected: Version,
    ) -> Result<Swap, StoreError> {
        let query = format!("cas={}", expected.0);
        self.put(&key.override_path(), &query, &orders.to_string(), || {
            let found = self.read_override(key, Duration::ZERO)?.orders;
            Ok(found.as_ref() == Ok(orders))
        })
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
