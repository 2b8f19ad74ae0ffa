//! The store of a process that stays: it reads from tables that one thread for each kind of tag
//! keeps by blocking queries, so that Consul has as little to do for a thousand tags as for one.
//!
//! Owns where a read gets its answer: from the table, or from Consul itself. What the table knows,
//! and when that is still true, is `table`'s; what Consul is asked is `question`'s, and when it is
//! asked `watcher`'s. What operators have ordered is `orders`'.

mod orders;
mod question;
mod table;
#[cfg(test)]
mod tests;
mod watcher;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use self::orders::{Failed, Orders};
use self::question::Question;
use self::table::{Look, Table};
use self::watcher::Watcher;
use super::Consul;
use crate::backend::{Backend, Cause, Key, Kind};
use crate::overrides::Override;
use crate::store::{Entry, Ordered, Store, StoreError, Swap, Version};

/// How long Consul may hold a question to which there is no news, and by when its answer has to be
/// there.
///
/// A Consul that hangs cannot be told from one that has no news before the second time is over, so
/// both are short. Consul adds up to a sixteenth to the first: that makes 2.975 s, and leaves the
/// answer the 3 s that any other request gets. An idle process costs Consul 20 questions a minute.
const TIMES: Times = Times {
    wait: Duration::from_millis(2800),
    patience: Duration::from_secs(6),
};
/// How long a read waits for the watcher, which was in trouble, to try again. An agent that is well
/// answers far sooner, and a check must not be late for one that is not.
const GRACE: Duration = Duration::from_millis(100);

/// The times of a blocking query.
#[derive(Debug, Clone, Copy)]
struct Times {
    wait: Duration,
    patience: Duration,
}

/// Consul, with some keys watched. Other keys are read as ever.
///
/// A read gives what a question of its own to Consul would: the table's word where that is certain,
/// else the answer to just that question. When the store is dropped, its connections are closed and
/// the threads end.
pub struct Watched {
    consul: Consul,
    tables: Vec<(Kind, Arc<Table>)>,
    /// Of the kinds with several keys.
    orders: Vec<(Kind, Orders)>,
    times: Times,
}

impl Watched {
    /// Starts to watch `keys`: of a kind with one key that alone, of a kind with several all that
    /// there is of it.
    ///
    /// # Errors
    /// If the system has no more threads.
    pub fn start(consul: Consul, keys: &[Key]) -> io::Result<Watched> {
        Watched::with_times(consul, keys, TIMES)
    }

    fn with_times(consul: Consul, keys: &[Key], times: Times) -> io::Result<Watched> {
        let mut watched = Watched {
            consul,
            tables: Vec::new(),
            orders: Vec::new(),
            times,
        };
        if keys.len() > 1 {
            watched.consul.client.go_apart();
        }
        for kind in Kind::ALL {
            let of_kind: Vec<&Key> = keys.iter().filter(|key| key.kind() == kind).collect();
            let question = match of_kind.as_slice() {
                [] => continue,
                [key] => Question::Key((*key).clone()),
                [..] => {
                    watched.orders.push((kind, Orders::new(kind)));
                    Question::Kind(kind)
                }
            };
            let table = Arc::new(Table::new(
                kind,
                of_kind.into_iter().map(Key::tag),
                times.patience,
            ));
            let client = Arc::clone(&watched.consul.client);
            Watcher::start(question, client, Arc::clone(&table), times)?;
            watched.tables.push((kind, table));
        }
        Ok(watched)
    }

    fn table(&self, key: &Key) -> Option<&Table> {
        let found = self.tables.iter().find(|(kind, _)| *kind == key.kind());
        found.map(|(_, table)| &**table)
    }

    /// What the table says, after another try if the watcher was in trouble: whoever reads wants to
    /// know as soon as Consul is well again.
    fn look(table: &Table, key: &Key) -> Look {
        let look = table.look(key.tag(), Instant::now());
        if !matches!(look, Look::Trouble(_)) {
            return look;
        }
        table.hurry(GRACE);
        table.look(key.tag(), Instant::now())
    }

    /// A list leaves out what the token may not read, so a key that is not in it is asked for once:
    /// that question Consul refuses, if that is why.
    fn confirm(&self, table: &Table, key: &Key, index: u64) -> Result<Entry, StoreError> {
        let entry = self.consul.read(key)?;
        if entry == Entry::Absent {
            table.confirm(key.tag(), index);
        }
        Ok(entry)
    }
}

impl Store for Watched {
    fn read(&self, key: &Key) -> Result<Entry, StoreError> {
        let Some(table) = self.table(key) else {
            return self.consul.read(key);
        };
        let failed = |what: String| StoreError(format!("reading {key} from consul {what}"));
        match Watched::look(table, key) {
            Look::Entry(entry) => Ok(entry),
            Look::Ask => self.consul.read(key),
            Look::Missing { index } => self.confirm(table, key, index),
            Look::Trouble(what) => Err(failed(what)),
            Look::Overdue => {
                let (agent, seconds) = (
                    self.consul.client.in_use(),
                    self.times.patience.as_secs_f64(),
                );
                Err(failed(format!("{agent}: timed out after {seconds} s")))
            }
        }
    }

    /// The table does not give what it knew of the key before, however the write ended.
    fn write(
        &self,
        key: &Key,
        backend: &Backend,
        cause: Cause,
        expected: Version,
    ) -> Result<Swap, StoreError> {
        let write = || self.consul.write(key, backend, cause, expected);
        match self.table(key) {
            Some(table) => table.around_write(key.tag(), write),
            None => write(),
        }
    }

    /// The first time by itself, which Consul refuses if the token may not read it; then from a list
    /// that is for all tags of the kind.
    fn read_override(&self, key: &Key, max_age: Duration) -> Result<Ordered, StoreError> {
        let orders = self.orders.iter().find(|(kind, _)| *kind == key.kind());
        let Some((_, orders)) = orders else {
            return self.consul.read_override(key, max_age);
        };
        if orders.is_readable(key.tag()) {
            match orders.of(key.tag(), &self.consul.client, max_age) {
                Ok(ordered) => return Ok(ordered),
                Err(Failed::Denied) => {}
                Err(Failed::Broken(what)) => {
                    let path = key.override_path();
                    return Err(StoreError(format!("reading {path} from consul {what}")));
                }
            }
        }
        let ordered = self.consul.read_override(key, max_age)?;
        orders.set_readable(key.tag());
        Ok(ordered)
    }

    fn write_override(
        &self,
        key: &Key,
        orders: &Override,
        expected: Version,
    ) -> Result<Swap, StoreError> {
        self.consul.write_override(key, orders, expected)
    }

    fn name(&self) -> &'static str {
        self.consul.name()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        for (_, table) in &self.tables {
            table.stop();
        }
        self.consul.client.stop();
    }
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Watched({:?})", self.consul)
    }
}
