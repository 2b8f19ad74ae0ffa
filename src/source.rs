//! Where a renderer's keys come from. Owns the shape of what is read; says nothing of templates.
//!
//! A source is bound to the prefixes that the resources name, and to no other keys.

pub mod consul;
pub mod env;
pub mod file;
mod prefix;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// Keys to read and to watch.
pub trait Source: Send + fmt::Debug {
    /// Reads everything under the source's prefixes. An empty answer is no proof that nothing is
    /// there: some stores answer "empty" to those who may not read.
    ///
    /// # Errors
    /// When it is not certain what the store holds; the caller keeps what it had.
    fn read(&mut self) -> Result<Snapshot, SourceError>;

    /// Waits until something under the prefixes may have changed since the last `read`, for
    /// `at_most` so long. Returns whether it did.
    ///
    /// # Errors
    /// When the store cannot be watched; it is worth trying again after a pause.
    fn wait(&mut self, at_most: Duration) -> Result<bool, SourceError>;

    /// The source's word in log lines: consul, file, env.
    fn name(&self) -> &'static str;
}

/// Everything under the prefixes at one moment. Keys begin with '/'.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// The keys, in order.
    pub pairs: BTreeMap<String, Pair>,
}

/// One key's value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pair {
    /// The value; bytes that are no UTF-8 come as replacement characters, which no value of ours
    /// has.
    pub value: String,
    /// Consul's flags, or 0 where a store has none.
    pub flags: u64,
}

/// The source failed. One line, with what to do about it where that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceError(pub String);

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
