//! What an answer of Consul's KV interface means. Pure; everything that is not plainly Consul's
//! word is an error, never "not there". (consul: api-docs/kv)

use std::fmt::Display;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;

use super::node::Reply;
use super::text::one_line;
use crate::backend::{Backend, Cause, Key};
use crate::overrides::Override;
use crate::store::{Entry, Ordered, Swap, Version};

/// What a request needed the token for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Permission {
    Read,
    List,
    Write,
}

/// One element of the list in which Consul answers a read. A missing field is an error, which is
/// why `value` is no Option.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Pair {
    pub(super) key: String,
    value: Value,
    pub(super) flags: u64,
    modify_index: u64,
}

/// Reads the answer to a GET of one key.
///
/// # Errors
/// One line, if the answer does not say for certain what the key holds.
pub(super) fn entry(reply: &Reply, key: &Key, has_token: bool) -> Result<Entry, String> {
    match held(reply, key, has_token)? {
        Some(pair) => pair.entry().map_err(|what| foreign(reply, what)),
        None => Ok(Entry::Absent),
    }
}

/// The same, of a key with orders.
pub(super) fn ordered(reply: &Reply, key: &String, has_token: bool) -> Result<Ordered, String> {
    match held(reply, key, has_token)? {
        Some(pair) => pair.ordered().map_err(|what| foreign(reply, what)),
        None => Ok(Ordered::nothing()),
    }
}

/// What a key holds; `None` if it is not there.
fn held(reply: &Reply, key: &impl Display, has_token: bool) -> Result<Option<Pair>, String> {
    match reply.status {
        200 => only(reply, key).map(Some),
        404 if is_nothing(reply) => Ok(None),
        _ => Err(refusal(reply, key, Permission::Read, has_token)),
    }
}

/// Whether a 404 is Consul's word for "nothing there" and not some other server's for "no such
/// page": it has no body, and an index.
pub(super) fn is_nothing(reply: &Reply) -> bool {
    reply.body.trim().is_empty() && reply.index.is_some()
}

/// Reads the answer to a PUT with `cas`.
///
/// # Errors
/// One line, if the answer does not say whether the key was written.
pub(super) fn swap(reply: &Reply, key: &impl Display, has_token: bool) -> Result<Swap, String> {
    match (reply.status, reply.body.trim()) {
        (200, "true") => Ok(Swap::Stored),
        (200, "false") => Ok(Swap::Lost),
        (200, _) => Err(foreign(reply, "neither true nor false")),
        _ => Err(refusal(reply, key, Permission::Write, has_token)),
    }
}

/// The one element of the answer to a GET of one key that exists.
///
/// # Errors
/// One line, if it is not that.
pub(super) fn only(reply: &Reply, key: &impl Display) -> Result<Pair, String> {
    let [pair]: [Pair; 1] =
        serde_json::from_str(&reply.body).map_err(|_| foreign(reply, "no list of one key"))?;
    if pair.key != key.to_string() {
        return Err(foreign(reply, "another key's"));
    }
    Ok(pair)
}

/// The elements of the answer to a GET of a prefix that has keys.
///
/// # Errors
/// One line, if it is no list.
pub(super) fn list(reply: &Reply) -> Result<Vec<Pair>, String> {
    serde_json::from_str(&reply.body).map_err(|_| foreign(reply, "no list of keys"))
}

impl Pair {
    /// What the key holds.
    ///
    /// # Errors
    /// What is wrong, if Consul cannot have said it.
    pub(super) fn entry(&self) -> Result<Entry, &'static str> {
        let version = self.version()?;
        Ok(understand(&self.decode()?, self.flags, version))
    }

    /// What the key holds, if it is one for orders.
    ///
    /// # Errors
    /// What is wrong, if Consul cannot have said it.
    pub(super) fn ordered(&self) -> Result<Ordered, &'static str> {
        let version = self.version()?;
        let orders = Override::parse(&self.decode()?);
        Ok(Ordered { orders, version })
    }

    fn version(&self) -> Result<Version, &'static str> {
        match self.modify_index {
            0 => Err("without a ModifyIndex"),
            index => Ok(Version(index)),
        }
    }

    /// The value itself. Consul says null for an empty one.
    ///
    /// # Errors
    /// What the value is instead, if Consul cannot have said it.
    pub(super) fn decode(&self) -> Result<Vec<u8>, &'static str> {
        match &self.value {
            Value::Null => Ok(Vec::new()),
            Value::String(text) => STANDARD
                .decode(text)
                .map_err(|_| "a value that is not base64"),
            Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                Err("a value that is no string")
            }
        }
    }
}

fn understand(bytes: &[u8], flags: u64, version: Version) -> Entry {
    let parsed = match bytes {
        [] => Err("empty value".to_owned()),
        _ => Backend::parse(bytes),
    };
    match parsed {
        Ok(backend) => Entry::Present {
            backend,
            cause: Cause::from_flags(flags),
            version,
        },
        Err(problem) => Entry::Malformed {
            problem: one_line(&problem),
            version,
        },
    }
}

/// A 200 that is not an answer of Consul's KV interface. Old Consuls said "No cluster leader" in
/// one (hashicorp/consul#1129).
pub(super) fn foreign(reply: &Reply, what: &str) -> String {
    format!("the answer is {what}: {}", reply.first_line())
}

pub(super) fn refusal(
    reply: &Reply,
    key: &impl Display,
    permission: Permission,
    has_token: bool,
) -> String {
    let said = reply.first_line();
    let key = key.to_string();
    match reply.status {
        // What Consul says of a token that it does not have, or not any more.
        403 if has_token && said.contains("ACL not found") => format!(
            "403 {said}: Consul does not know the token, which is wrong, expired or deleted: \
             give one whose policy has {}, for {key}",
            rule(permission, &key)
        ),
        403 => format!(
            "403 {said}: {} permission on {key} is missing; {}",
            permission.word(),
            advice(permission, &key, has_token)
        ),
        404 => format!("404 {said}; this is not Consul's KV interface, check the address"),
        status => format!("{status} {said}"),
    }
}

pub(super) fn advice(permission: Permission, key: &str, has_token: bool) -> String {
    let rule = rule(permission, key);
    match has_token {
        true => format!("check the token and that its policy has {rule}"),
        false => format!(
            "no token was given: use --token or CONSUL_HTTP_TOKEN, with a token whose policy has \
             {rule}"
        ),
    }
}

/// What a policy has to say. Whoever reads a single key is a checker, and will want to write it; but
/// orders, which are an operator's to write.
fn rule(permission: Permission, key: &str) -> &'static str {
    match permission {
        Permission::Read if Key::is_override(key) => {
            r#"key_prefix "haproxy/overrides/" { policy = "read" }"#
        }
        Permission::Write if Key::is_override(key) => {
            r#"key_prefix "haproxy/overrides/" { policy = "write" }"#
        }
        Permission::Read | Permission::Write => r#"key_prefix "haproxy/" { policy = "write" }"#,
        Permission::List => {
            r#"key_prefix "haproxy/" { policy = "read" } ("list" where acl.enable_key_list_policy is set)"#
        }
    }
}

impl Permission {
    fn word(self) -> &'static str {
        match self {
            Permission::Read | Permission::List => "read",
            Permission::Write => "write",
        }
    }
}
