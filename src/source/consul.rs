//! Keys in Consul: read once, or watched by one thread a prefix.
//!
//! Owns when a caller of `Source` is told what; the threads are `watch`'s, what they know is on the
//! `board`, and what Consul answers `store::consul`'s.

mod board;
#[cfg(test)]
mod tests;
mod watch;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use self::board::{Board, News};
use self::watch::Watcher;
use super::prefix::Prefix;
use super::{Pair, Snapshot, Source, SourceError};
use crate::store::consul::{PrefixReader, Settings};

/// How long Consul may keep a blocking query waiting. Short, so that a query that was lost on its
/// way is not missed for long; every query costs Consul next to nothing.
const WAIT: Duration = Duration::from_secs(30);
/// What a blocking query may take on top of what Consul's `wait` allows.
const MARGIN: Duration = Duration::from_secs(5);

/// The keys under some prefixes in Consul.
///
/// Until the first `wait`, each `read` asks Consul. From then on a thread a prefix has a blocking
/// query under way, and `read` gives what the last answers said, or an error while the last answer
/// of any prefix was one. When the source is dropped the connections are closed, and the threads
/// end; one that is just connecting ends when that has worked or failed, within two seconds.
pub struct ConsulSource {
    watchers: Vec<Arc<Watcher>>,
    board: Arc<Board>,
    /// How many of the watchers have their thread.
    started: usize,
    /// What the last `read` saw.
    seen: u64,
    /// Whether the caller knows of the present trouble.
    complained: bool,
    timeout: Duration,
}

impl ConsulSource {
    /// Prepares a source of the keys under `prefixes`; connects to nothing. A prefix covers the
    /// key of its name and those below, not those that only begin with the same letters.
    ///
    /// # Errors
    /// A sentence, without the token, if the token holds a character that cannot be sent.
    pub fn new(settings: Settings, prefixes: Vec<String>) -> Result<ConsulSource, String> {
        ConsulSource::with_wait(settings, &prefixes, WAIT, MARGIN)
    }

    fn with_wait(
        settings: Settings,
        prefixes: &[String],
        wait: Duration,
        margin: Duration,
    ) -> Result<ConsulSource, String> {
        let timeout = settings.timeout;
        let watchers: Vec<Arc<Watcher>> = Prefix::list(prefixes)
            .into_iter()
            .map(|prefix| {
                let reader = PrefixReader::new(settings.clone(), prefix.bare())?;
                Ok(Arc::new(Watcher::new(reader, prefix, wait, margin)))
            })
            .collect::<Result<_, String>>()?;
        Ok(ConsulSource {
            board: Arc::new(Board::new(watchers.len())),
            watchers,
            started: 0,
            seen: 0,
            complained: false,
            timeout,
        })
    }

    /// Asks for every prefix, one after the other. What is learnt goes on the board, for the
    /// threads to compare with.
    fn ask(&self) -> Result<Snapshot, SourceError> {
        let mut pairs: BTreeMap<String, Pair> = BTreeMap::new();
        for (place, watcher) in self.watchers.iter().enumerate() {
            let found = watcher.ask().map_err(|what| {
                self.board.forget(place);
                SourceError(what)
            })?;
            self.board.post(place, Ok(found.clone()));
            pairs.extend(found);
        }
        Ok(Snapshot { pairs })
    }

    fn start(&mut self) -> Result<(), SourceError> {
        for (place, watcher) in self.watchers.iter().enumerate().skip(self.started) {
            watcher.start(place, &self.board).map_err(|e| {
                SourceError(format!(
                    "starting a thread to watch consul: {e}; it is tried again"
                ))
            })?;
            self.started += 1;
        }
        Ok(())
    }
}

impl Source for ConsulSource {
    fn read(&mut self) -> Result<Snapshot, SourceError> {
        if self.started == 0 {
            let read = self.ask();
            self.seen = self.board.generation();
            return read;
        }
        let (generation, read) = self.board.read(self.timeout);
        self.seen = generation;
        read.map_err(SourceError)
    }

    /// Returns at once, and true, when something is different from what the last `read` gave, and
    /// when a trouble is over. Fails at once when a prefix cannot be watched any more, and then
    /// only each time that `at_most` has passed: no pause is needed before trying again.
    fn wait(&mut self, at_most: Duration) -> Result<bool, SourceError> {
        self.start()?;
        match self.board.wait(self.seen, self.complained, at_most) {
            News::None => Ok(false),
            News::Changed => {
                self.complained = false;
                Ok(true)
            }
            News::Trouble(what) => {
                self.complained = true;
                Err(SourceError(what))
            }
        }
    }

    fn name(&self) -> &'static str {
        "consul"
    }
}

impl Drop for ConsulSource {
    fn drop(&mut self) {
        self.board.stop();
        for watcher in &self.watchers {
            watcher.stop();
        }
    }
}

impl fmt::Debug for ConsulSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.watchers).finish()
    }
}
