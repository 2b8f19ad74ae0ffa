//! What the watching threads know, and the bell that tells who waits for it.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::source::{Pair, Snapshot};

/// The board, with a place for every prefix.
#[derive(Debug)]
pub(super) struct Board {
    state: Mutex<State>,
    changed: Condvar,
}

/// What a wait ended with.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum News {
    /// Nothing happened.
    None,
    /// Everything is well, and something is not as it was seen.
    Changed,
    /// A prefix cannot be watched.
    Trouble(String),
}

#[derive(Debug)]
struct State {
    places: Vec<Place>,
    /// Counts the changes.
    generation: u64,
    stopping: bool,
}

#[derive(Debug, Default)]
struct Place {
    /// The last good answer.
    pairs: Option<BTreeMap<String, Pair>>,
    /// Why the last answer was not good.
    problem: Option<String>,
}

impl Board {
    /// An empty board.
    pub(super) fn new(places: usize) -> Board {
        let places = (0..places).map(|_| Place::default()).collect();
        Board {
            state: Mutex::new(State {
                places,
                generation: 0,
                stopping: false,
            }),
            changed: Condvar::new(),
        }
    }

    /// Puts up an answer, and wakes everybody if it is a new one.
    pub(super) fn post(&self, place: usize, answer: Result<BTreeMap<String, Pair>, String>) {
        let mut state = self.lock();
        let Some(place) = state.places.get_mut(place) else {
            return;
        };
        if place.take(answer) {
            state.generation += 1;
            self.changed.notify_all();
        }
    }

    /// Takes an answer off, so that the next good one is a new one.
    pub(super) fn forget(&self, place: usize) {
        if let Some(place) = self.lock().places.get_mut(place) {
            place.pairs = None;
        }
    }

    /// How many changes there were so far.
    pub(super) fn generation(&self) -> u64 {
        self.lock().generation
    }

    /// Everything, if every prefix's last answer was good; waits at most `patience` for those that
    /// have not answered yet. With the generation that this is.
    pub(super) fn read(&self, patience: Duration) -> (u64, Result<Snapshot, String>) {
        let unknown = |state: &mut State| !state.is_known() && state.problem().is_none();
        let state = self.wait_while(patience, unknown);
        let read = match state.problem() {
            Some(problem) => Err(problem.to_owned()),
            None if !state.is_known() => Err("consul has not answered yet".to_owned()),
            None => Ok(state.merged()),
        };
        (state.generation, read)
    }

    /// Waits at most so long for something that was not `seen`, or for trouble, unless somebody
    /// has `complained` of it.
    pub(super) fn wait(&self, seen: u64, complained: bool, at_most: Duration) -> News {
        let quiet = |state: &mut State| match state.problem() {
            Some(_) => complained,
            None => !state.is_news(seen),
        };
        let state = self.wait_while(at_most, quiet);
        match state.problem() {
            Some(problem) => News::Trouble(problem.to_owned()),
            None if state.is_news(seen) => News::Changed,
            None => News::None,
        }
    }

    /// Tells the threads to end.
    pub(super) fn stop(&self) {
        self.lock().stopping = true;
        self.changed.notify_all();
    }

    /// For the threads: sleeps, unless they are to end. Returns whether they are.
    pub(super) fn pause(&self, time: Duration) -> bool {
        self.wait_while(time, |state| !state.stopping).stopping
    }

    fn wait_while(
        &self,
        at_most: Duration,
        condition: impl FnMut(&mut State) -> bool,
    ) -> MutexGuard<'_, State> {
        self.changed
            .wait_timeout_while(self.lock(), at_most, condition)
            .unwrap_or_else(PoisonError::into_inner)
            .0
    }

    /// A panic elsewhere leaves the state whole: every change is made in one go.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn problem(&self) -> Option<&str> {
        self.places
            .iter()
            .find_map(|place| place.problem.as_deref())
    }

    fn is_known(&self) -> bool {
        self.places.iter().all(|place| place.pairs.is_some())
    }

    fn is_news(&self, seen: u64) -> bool {
        self.is_known() && self.generation != seen
    }

    fn merged(&self) -> Snapshot {
        let all = self.places.iter().filter_map(|place| place.pairs.clone());
        Snapshot {
            pairs: all.flatten().collect(),
        }
    }
}

impl Place {
    /// Takes an answer over. Returns whether anything is different now; another reason for the
    /// same trouble is not.
    fn take(&mut self, answer: Result<BTreeMap<String, Pair>, String>) -> bool {
        match answer {
            Ok(pairs) => {
                let recovered = self.problem.take().is_some();
                let same = self.pairs.as_ref() == Some(&pairs);
                self.pairs = Some(pairs);
                recovered || !same
            }
            Err(problem) => self.problem.replace(problem).is_none(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(value: &str) -> BTreeMap<String, Pair> {
        let pair = Pair {
            value: value.to_owned(),
            flags: 0,
        };
        BTreeMap::from([(format!("/{value}"), pair)])
    }

    const SHORT: Duration = Duration::from_millis(20);

    #[test]
    fn there_is_news_when_every_prefix_is_known_and_again_when_one_is_different() {
        let board = Board::new(2);
        board.post(0, Ok(pairs("a")));
        assert_eq!(board.wait(0, false, SHORT), News::None);
        assert!(board.read(SHORT).1.is_err());
        board.post(1, Ok(pairs("b")));
        assert_eq!(board.wait(0, false, SHORT), News::Changed);
        let (seen, read) = board.read(SHORT);
        assert_eq!(read.unwrap().pairs.len(), 2);
        board.post(1, Ok(pairs("b")));
        assert_eq!(board.wait(seen, false, SHORT), News::None);
        board.post(1, Ok(pairs("c")));
        assert_eq!(board.wait(seen, false, SHORT), News::Changed);
    }

    #[test]
    fn trouble_is_told_at_once_and_then_only_at_the_end_of_a_wait() {
        let board = Board::new(2);
        board.post(0, Ok(pairs("a")));
        board.post(1, Err("no leader".to_owned()));
        let trouble = News::Trouble("no leader".to_owned());
        assert_eq!(board.wait(0, false, Duration::MAX), trouble);
        let started = std::time::Instant::now();
        assert_eq!(board.wait(0, true, SHORT), trouble);
        assert!(started.elapsed() >= SHORT);
        let (seen, read) = board.read(Duration::MAX);
        assert_eq!(read, Err("no leader".to_owned()));
        board.post(1, Ok(pairs("b")));
        assert_eq!(board.wait(seen, true, Duration::MAX), News::Changed);
    }

    #[test]
    fn the_end_of_trouble_is_news_even_if_nothing_else_is_new() {
        let board = Board::new(1);
        board.post(0, Ok(pairs("a")));
        let seen = board.generation();
        board.post(0, Err("x".to_owned()));
        board.post(0, Err("y".to_owned()));
        board.post(0, Ok(pairs("a")));
        assert_eq!(board.wait(seen, true, Duration::MAX), News::Changed);
    }

    #[test]
    fn a_pause_ends_when_the_board_stops() {
        let board = Board::new(0);
        assert!(!board.pause(SHORT));
        std::thread::scope(|scope| {
            let paused = scope.spawn(|| board.pause(Duration::MAX));
            board.stop();
            assert!(paused.join().unwrap());
        });
    }
}
