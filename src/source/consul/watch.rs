//! One prefix: the thread that always has a blocking query under way.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::board::Board;
use crate::backoff::Backoff;
use crate::random::random;
use crate::source::Pair;
use crate::source::prefix::{Prefix, template_key};
use crate::store::consul::{Bucket, Listing, PrefixReader, next_index};

/// The pauses after errors; a restarted agent is back in less than a second.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// A thread that reads JSON of a known shape needs little.
const STACK: usize = 256 * 1024;

/// Reads and watches one prefix.
pub(super) struct Watcher {
    reader: PrefixReader,
    prefix: Prefix,
    wait: Duration,
    margin: Duration,
}

impl Watcher {
    /// Prepares to watch `prefix` with queries that block for `wait`; a query may take `margin`
    /// longer than Consul's own addition to that allows.
    pub(super) fn new(
        reader: PrefixReader,
        prefix: Prefix,
        wait: Duration,
        margin: Duration,
    ) -> Watcher {
        Watcher {
            reader,
            prefix,
            wait,
            margin,
        }
    }

    /// What is there now.
    ///
    /// # Errors
    /// One line.
    pub(super) fn ask(&self) -> Result<BTreeMap<String, Pair>, String> {
        let listing = self.reader.list().map_err(|e| e.0)?;
        Ok(self.select(listing))
    }

    /// Starts the thread, which puts up what it learns at `place` of the board until that stops.
    ///
    /// # Errors
    /// If the system has no more threads.
    pub(super) fn start(self: &Arc<Self>, place: usize, board: &Arc<Board>) -> io::Result<()> {
        let (watcher, board) = (Arc::clone(self), Arc::clone(board));
        thread::Builder::new()
            .name("watch".to_owned())
            .stack_size(STACK)
            .spawn(move || watcher.run(place, &board))
            .map(drop)
    }

    /// Ends the query under way.
    pub(super) fn stop(&self) {
        self.reader.stop();
    }

    fn run(&self, place: usize, board: &Board) {
        let mut index = 0;
        let mut bucket = Bucket::default();
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        loop {
            let now = Instant::now();
            if board.pause(bucket.take(now).max(backoff.remaining(now))) {
                return;
            }
            let asked = Instant::now();
            match self.next(index) {
                Ok(listing) => {
                    index = next_index(index, listing.index, asked.elapsed() < self.wait);
                    backoff.succeeded();
                    board.post(place, Ok(self.select(listing)));
                }
                Err(what) => {
                    // From the beginning: a Consul that has lost its memory would let a query for
                    // an index that it has not reached yet block for the whole wait.
                    index = 0;
                    backoff.failed(Instant::now(), random());
                    board.post(place, Err(what));
                }
            }
        }
    }

    /// Consul adds up to a sixteenth to the wait.
    fn next(&self, index: u64) -> Result<Listing, String> {
        let timeout = self.wait + self.wait / 16 + self.margin;
        let ask = || self.reader.list_after(index, self.wait, timeout);
        match catch_unwind(AssertUnwindSafe(ask)) {
            Ok(answer) => answer.map_err(|e| e.0),
            Err(_) => Err(format!("{self:?} has panicked; it is tried again")),
        }
    }

    fn select(&self, listing: Listing) -> BTreeMap<String, Pair> {
        let pairs = listing.pairs.into_iter().filter_map(|listed| {
            let key = template_key(&listed.key)?;
            let pair = Pair {
                value: listed.value,
                flags: listed.flags,
            };
            self.prefix.covers(&key).then_some((key, pair))
        });
        pairs.collect()
    }
}

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reader.fmt(f)
    }
}
