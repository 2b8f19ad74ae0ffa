//! One prefix: the thread that always has a blocking query under way, and the rules for its index.
//! (consul: api-docs/features/blocking)

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::board::Board;
use super::bucket::Bucket;
use crate::backoff::Backoff;
use crate::random::random;
use crate::source::Pair;
use crate::source::prefix::{Prefix, template_key};
use crate::store::consul::{Listing, PrefixReader};

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

/// The index to ask with next, after an answer that came before the wait was over or not.
///
/// One that went backwards (a deleted key) starts over, and 0 would not block at all. When a
/// snapshot is restored, Consul answers at once, but with what was there before and the same
/// index (consul: blockingQuery's AbandonCh); asked with that one again it would be silent for the
/// whole wait.
fn next_index(old: u64, new: u64, early: bool) -> u64 {
    match new.max(1) {
        new if new < old => 0,
        new if new == old && early => 0,
        new => new,
    }
}

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reader.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_goes_forward_and_starts_over_when_it_fell_or_an_answer_came_for_no_reason() {
        let cases = [
            (0, 5, true, 5),
            (5, 9, true, 9),
            (5, 9, false, 9),
            (5, 5, false, 5),
            (5, 5, true, 0),
            (9, 5, true, 0),
            (9, 5, false, 0),
            (0, 0, true, 1),
            (1, 0, false, 1),
            (1, 0, true, 0),
            (5, 0, false, 0),
        ];
        for (old, new, early, wanted) in cases {
            assert_eq!(next_index(old, new, early), wanted, "{old} {new} {early}");
        }
    }
}
