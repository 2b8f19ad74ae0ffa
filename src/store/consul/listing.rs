//! Whole prefixes, for a renderer: one list, or the next one that differs (a blocking query).
//!
//! The rules for the index, and when to ask again after an error, are the caller's.
//! (consul: api-docs/kv, api-docs/features/blocking)

use std::fmt::{self, Write as _};
use std::time::Duration;

use super::Settings;
use super::answer::{self, Pair, Permission};
use super::client::Client;
use super::node::Reply;
use crate::store::StoreError;

/// Reads the keys that begin with one prefix, over one connection of its own.
pub struct PrefixReader {
    client: Client,
    timeout: Duration,
    prefix: String,
    path: String,
}

/// Everything that begins with the prefix, at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// X-Consul-Index, to wait for the next listing with.
    pub index: u64,
    /// The keys, as Consul names them.
    pub pairs: Vec<Listed>,
}

/// One key of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name, without a '/' in front.
    pub key: String,
    /// Its value; what is not UTF-8 in it became replacement characters.
    pub value: String,
    /// Its flags.
    pub flags: u64,
}

impl PrefixReader {
    /// Prepares to read what begins with `prefix`; connects to nothing.
    ///
    /// # Errors
    /// A sentence, without the token, if the token holds a character that cannot be sent.
    pub fn new(settings: Settings, prefix: &str) -> Result<PrefixReader, String> {
        Ok(PrefixReader {
            timeout: settings.timeout,
            prefix: prefix.to_owned(),
            path: format!("/v1/kv/{}?recurse", percent_encoded(prefix)),
            client: Client::new(settings)?,
        })
    }

    /// What is there now.
    ///
    /// # Errors
    /// Whenever it is not certain what is there. Consul says "nothing" also to those who may not
    /// read what there is.
    pub fn list(&self) -> Result<Listing, StoreError> {
        let listing = self.understood(self.client.list(&self.path, self.timeout))?;
        self.certain(listing)
    }

    /// What is there once the index is past `index`, or when `wait` is over; at once for index 0.
    /// Consul adds up to a sixteenth to `wait`, so `timeout` must leave room for that.
    ///
    /// # Errors
    /// As `list`.
    pub fn list_after(
        &self,
        index: u64,
        wait: Duration,
        timeout: Duration,
    ) -> Result<Listing, StoreError> {
        let path = format!("{}&index={index}&wait={}ms", self.path, wait.as_millis());
        let listing = self.understood(self.client.block(&path, timeout))?;
        self.certain(listing)
    }

    /// Ends the requests under way, and all later ones, with an error.
    pub fn stop(&self) {
        self.client.stop();
    }

    fn understood(&self, reply: Result<Reply, String>) -> Result<Listing, StoreError> {
        let read = |reply: Reply| {
            let listing = self.understand(&reply);
            listing.map_err(|what| format!("{}: {what}", reply.address))
        };
        let prefix = &self.prefix;
        reply
            .and_then(read)
            .map_err(|what| StoreError(format!("listing {prefix} in consul {what}")))
    }

    /// Consul says "nothing" also to those who may not read what there is; asked for one key, it
    /// says 403 to them. An agent that cannot say is believed.
    fn certain(&self, listing: Listing) -> Result<Listing, StoreError> {
        if !listing.pairs.is_empty() || self.prefix.is_empty() {
            return Ok(listing);
        }
        let path = percent_encoded(self.prefix.trim_end_matches('/'));
        let reply = self.client.list(&format!("/v1/kv/{path}/"), self.timeout);
        match reply {
            Ok(reply) if reply.status == 403 => self.understood(Ok(reply)),
            Ok(_) | Err(_) => Ok(listing),
        }
    }

    fn understand(&self, reply: &Reply) -> Result<Listing, String> {
        let has_token = self.client.has_token();
        let pairs = match reply.status {
            200 => pairs(reply)?,
            404 if answer::is_nothing(reply) => Vec::new(),
            _ => {
                let refused = answer::refusal(reply, &self.prefix, Permission::List, has_token);
                return Err(refused);
            }
        };
        if pairs.is_empty() && reply.filtered {
            let advice = answer::advice(Permission::List, &self.prefix, has_token);
            return Err(format!("the token may not read what is there; {advice}"));
        }
        let index = reply
            .index
            .ok_or_else(|| answer::foreign(reply, "without an X-Consul-Index"))?;
        Ok(Listing { index, pairs })
    }
}

fn pairs(reply: &Reply) -> Result<Vec<Listed>, String> {
    answer::list(reply)?
        .into_iter()
        .map(|pair| listed(pair).map_err(|what| answer::foreign(reply, what)))
        .collect()
}

fn listed(pair: Pair) -> Result<Listed, &'static str> {
    let bytes = pair.decode()?;
    Ok(Listed {
        value: String::from_utf8(bytes)
            .unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into()),
        flags: pair.flags,
        key: pair.key,
    })
}

/// A key for the path of a URL: everything but RFC 3986's unreserved characters and '/' encoded.
fn percent_encoded(key: &str) -> String {
    let mut path = String::with_capacity(key.len());
    for byte in key.bytes() {
        match byte {
            b'/' | b'-' | b'.' | b'_' | b'~' => path.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => path.push(char::from(byte)),
            // Writing to a String does not fail.
            _ => drop(write!(path, "%{byte:02X}")),
        }
    }
    path
}

impl fmt::Debug for PrefixReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrefixReader({} in {:?})", self.prefix, self.client)
    }
}
