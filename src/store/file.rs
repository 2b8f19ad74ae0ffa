//! Keys in one JSON file, for a host without Consul: confd's file backend reads it too.
//!
//! Owns compare-and-swap between threads and processes; the file's shape is `document`'s, getting
//! it onto the disk `disk`'s, taking turns `lock`'s. A read takes no lock: a file is replaced whole.

pub(crate) mod disk;
pub(crate) mod document;
mod known;
mod lock;
#[cfg(test)]
mod tests;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::fs::{Access, access};

use self::document::{Document, Held};
use self::known::{Contents, Known};
use self::lock::Lock;
use crate::backend::{Backend, Cause, Key};
use crate::overrides::Override;
use crate::store::gate::Gate;
use crate::store::{Entry, Ordered, Store, StoreError, Swap, Version};

/// How long a write waits for other threads and processes.
const LOCK_WAIT: Duration = Duration::from_secs(3);

/// The store in a file. All threads share one; other processes may have their own.
#[derive(Debug)]
pub struct FileStore {
    path: PathBuf,
    lock_wait: Duration,
    /// One thread of this process at a time, so that threads wait in a queue and only processes
    /// poll.
    turn: Gate,
    known: Known,
}

impl FileStore {
    /// A store in the file at `path`, which need not be there yet. Its directory must be, and must
    /// be writable: the file is replaced, not written into.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the directory, or with what is in the file's place.
    pub fn new(path: impl Into<PathBuf>) -> Result<FileStore, String> {
        let path = path.into();
        examine(&path).map_err(|what| format!("the store {}: {what}", path.display()))?;
        Ok(FileStore {
            path,
            lock_wait: LOCK_WAIT,
            turn: Gate::new(1),
            known: Known::default(),
        })
    }

    /// For reads alone: a write compares with what is there.
    fn known(&self) -> Result<Arc<Contents>, String> {
        self.known.get(&self.path, || self.load())
    }

    /// A missing file is a store without keys.
    fn load(&self) -> Result<Document, String> {
        let file = self.path.display();
        let Some(text) = disk::read(&self.path).map_err(|what| format!("{file}: {what}"))? else {
            return Ok(Document::default());
        };
        Document::parse(&text)
            .map_err(|error| format!("{file}{error}; correct the file, or remove it to start anew"))
    }

    fn get<T>(
        &self,
        key: &impl fmt::Display,
        read: impl FnOnce(&Contents) -> Result<T, String>,
    ) -> Result<T, StoreError> {
        let contents = self.known();
        contents
            .and_then(|contents| read(&contents).map_err(|what| self.in_file(&what)))
            .map_err(|what| StoreError(format!("reading {key} from {what}")))
    }

    fn put(
        &self,
        key: &impl fmt::Display,
        value: &str,
        flags: u64,
        expected: Version,
    ) -> Result<Swap, StoreError> {
        self.swap(key, value, flags, expected).map_err(|what| {
            let file = self.path.display();
            StoreError(format!("writing {key} to {file}: {what}"))
        })
    }

    fn swap(
        &self,
        key: &impl fmt::Display,
        value: &str,
        flags: u64,
        expected: Version,
    ) -> Result<Swap, String> {
        let target = disk::resolve(&self.path)?;
        let started = Instant::now();
        let _turn = self
            .turn
            .enter(self.lock_wait)
            .ok_or("timed out behind other threads that write to it")?;
        let left = self.lock_wait.saturating_sub(started.elapsed());
        let _lock = Lock::take(&target, left)?;
        let mut document = self.load()?;
        let held = document.get(key).map_err(|what| self.in_file(&what))?;
        if held.as_ref().map_or(Version::ABSENT, Held::version) != expected {
            return Ok(Swap::Lost);
        }
        if held.is_some_and(|held| held.text() == Some(value) && held.flags == flags) {
            return Ok(Swap::Stored);
        }
        document
            .set(key, value, flags)
            .map_err(|what| self.in_file(&what))?;
        disk::replace(&target, &document.to_bytes())?;
        Ok(Swap::Stored)
    }

    fn in_file(&self, what: &str) -> String {
        format!("{}: {what}", self.path.display())
    }
}

impl Store for FileStore {
    fn read(&self, key: &Key) -> Result<Entry, StoreError> {
        let understand = |document: &Document| {
            let held = document.get(key)?;
            Ok(held.map_or(Entry::Absent, |held| entry(&held)))
        };
        self.get(key, |contents| contents.entry(key, understand))
    }

    fn write(
        &self,
        key: &Key,
        backend: &Backend,
        cause: Cause,
        expected: Version,
    ) -> Result<Swap, StoreError> {
        self.put(key, &backend.to_string(), cause.flags(), expected)
    }

    fn read_override(&self, key: &Key, _: Duration) -> Result<Ordered, StoreError> {
        let path = key.override_path();
        self.get(&path, |contents| {
            let held = contents.document.get(&path)?;
            Ok(held.map_or_else(Ordered::nothing, |held| ordered(&held)))
        })
    }

    fn write_override(
        &self,
        key: &Key,
        orders: &Override,
        expected: Version,
    ) -> Result<Swap, StoreError> {
        self.put(&key.override_path(), &orders.to_string(), 0, expected)
    }

    fn name(&self) -> &'static str {
        "file"
    }
}

fn entry(held: &Held<'_>) -> Entry {
    let version = held.version();
    let parsed = held
        .text()
        .ok_or_else(|| "not a string that holds JSON".to_owned())
        .and_then(|text| match text {
            "" => Err("empty value".to_owned()),
            text => Backend::parse(text.as_bytes()),
        });
    match parsed {
        Ok(backend) => Entry::Present {
            backend,
            cause: Cause::from_flags(held.flags),
            version,
        },
        Err(problem) => Entry::Malformed {
            problem: problem.escape_debug().take(200).collect(),
            version,
        },
    }
}

fn ordered(held: &Held<'_>) -> Ordered {
    let text = held.text().ok_or("not a string that holds JSON".to_owned());
    Ordered {
        orders: text.and_then(|text| Override::parse(text.as_bytes())),
        version: held.version(),
    }
}

fn examine(path: &Path) -> Result<(), String> {
    let target = disk::resolve(path)?;
    if fs::metadata(&target).is_ok_and(|it| !it.is_file()) {
        return Err("is not a regular file; name the file to keep the keys in".to_owned());
    }
    let dir = disk::directory(&target);
    access(dir, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK).map_err(|errno| {
        let dir = dir.display();
        format!("its directory {dir} cannot be read and written: {errno}; its owner and mode must allow it")
    })
}
