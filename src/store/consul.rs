//! Keys in Consul's KV store, over ureq: one key a request, compare and swap, no sessions.
//!
//! Owns what is asked; the exchange is `client`'s, the meaning of an answer `answer`'s. Whole
//! prefixes, for a renderer, are `listing`'s.

mod address;
mod answer;
mod client;
mod connect;
mod listing;
#[cfg(test)]
pub(crate) mod script;
#[cfg(test)]
mod tests;
mod text;
mod unix;

use std::fmt;
use std::time::Duration;

pub use self::address::ConsulAddress;
use self::client::{Client, Failure};
pub use self::listing::{Listed, Listing, PrefixReader};
use crate::backend::{Backend, Cause, Key};
use crate::resolve::Resolver;
use crate::secret::Secret;
use crate::store::{Entry, Store, StoreError, Swap, Version};

/// What it takes to reach Consul.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the agent is.
    pub address: ConsulAddress,
    /// The ACL token; an empty one counts as none.
    pub token: Option<Secret>,
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
    address: ConsulAddress,
    timeout: Duration,
    client: Client,
}

impl Consul {
    /// Prepares the store; connects to nothing.
    ///
    /// # Errors
    /// A sentence, without the token, if the token holds a character that cannot be sent.
    pub fn new(settings: Settings) -> Result<Consul, String> {
        Ok(Consul {
            address: settings.address.clone(),
            timeout: settings.timeout,
            client: Client::new(settings)?,
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

    fn failed(&self, failure: &Failure) -> String {
        failure.describe(&self.address, self.timeout)
    }

    fn reading(&self, key: &Key, what: &str) -> StoreError {
        StoreError(format!(
            "reading {key} from consul {}: {what}",
            self.address
        ))
    }

    fn writing(&self, key: &Key, what: &str) -> StoreError {
        StoreError(format!("writing {key} to consul {}: {what}", self.address))
    }
}

impl Store for Consul {
    /// `GET /v1/kv/<key>`. Not `?raw`: that has neither flags nor index in the body, and old
    /// Consuls answer errors in it with a 200.
    fn read(&self, key: &Key) -> Result<Entry, StoreError> {
        self.client
            .send(&format!("/v1/kv/{key}"), None)
            .map_err(|failure| self.failed(&failure))
            .and_then(|reply| answer::entry(&reply, key, self.client.has_token()))
            .map_err(|what| self.reading(key, &what))
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
        let reply = self
            .client
            .send(&path, Some(&backend.to_string()))
            .map_err(|failure| self.writing(key, &self.failed(&failure)))?;
        let swap = answer::swap(&reply, key, self.client.has_token())
            .map_err(|what| self.writing(key, &what))?;
        match swap {
            Swap::Lost if reply.repeated => self.settle(key, backend, cause),
            Swap::Stored | Swap::Lost => Ok(swap),
        }
    }

    fn name(&self) -> &'static str {
        "consul"
    }
}

impl fmt::Debug for Consul {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Consul({})", self.address)
    }
}
