//! Where keys live. Owns the answers a store can give; says nothing about servers or decisions.

pub mod consul;
pub mod file;
mod gate;

use std::fmt;
use std::time::Duration;

use crate::backend::{Backend, Cause, Key};
use crate::overrides::Override;

/// A place for keys, shared by all tags' threads.
pub trait Store: Send + Sync + fmt::Debug {
    /// Reads one key.
    ///
    /// # Errors
    /// `StoreError` whenever it is not certain what the key holds. "Not there" is no error, and
    /// no error ever means "not there".
    fn read(&self, key: &Key) -> Result<Entry, StoreError>;

    /// Writes one key if it is still at `expected` (compare and swap).
    ///
    /// # Errors
    /// `StoreError` when it is not certain that the write was made or refused; it may have been
    /// made.
    fn write(
        &self,
        key: &Key,
        backend: &Backend,
        cause: Cause,
        expected: Version,
    ) -> Result<Swap, StoreError>;

    /// Reads what an operator has ordered for a tag. What was read at most `max_age` ago will do.
    ///
    /// # Errors
    /// As `read`.
    fn read_override(&self, key: &Key, max_age: Duration) -> Result<Ordered, StoreError>;

    /// Writes it if it is still at `expected`.
    ///
    /// # Errors
    /// As `write`.
    fn write_override(
        &self,
        key: &Key,
        orders: &Override,
        expected: Version,
    ) -> Result<Swap, StoreError>;

    /// The store's word in log lines, as in "slave3301 in consul is ok".
    fn name(&self) -> &'static str;
}

/// What a key holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// The store said for certain that there is no such key.
    Absent,
    /// A value that we understand.
    Present {
        /// Where the tag points.
        backend: Backend,
        /// Why it was moved there.
        cause: Cause,
        /// The version to compare with on a write.
        version: Version,
    },
    /// A value that is not ours to understand.
    Malformed {
        /// What is wrong with it, in one line without control characters.
        problem: String,
        /// The version to compare with on a write.
        version: Version,
    },
}

/// What was ordered for a tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ordered {
    /// The orders, none if there is no such key; or what is wrong with them, in one line.
    pub orders: Result<Override, String>,
    /// The version to compare with on a write.
    pub version: Version,
}

impl Ordered {
    /// Of a tag for which nothing was ever ordered.
    pub fn nothing() -> Ordered {
        Ordered {
            orders: Ok(Override::default()),
            version: Version::ABSENT,
        }
    }
}

/// The state of a key, to be compared on a write: Consul's ModifyIndex.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version(pub u64);

impl Version {
    /// "The key does not exist": the write must create it.
    pub const ABSENT: Version = Version(0);
}

/// How a write ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Swap {
    /// Written.
    Stored,
    /// Not written: somebody else moved the key in between.
    Lost,
}

/// The store could not be asked, or gave no usable answer. The text is one line and says what
/// was being done and, where somebody can do something, what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreError(pub String);

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
