//! What each work is at, and by when it wants to be seen again. Owns who is late and the one line
//! that sums everybody up; knows neither what the works do nor who is told.
//!
//! A work says before each step how long that may take: a check is over in seconds, but a pause
//! may last an hour. So one limit for all would be too short for some and useless for others.

use std::fmt::Write as _;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How much longer than it said a step may take before its work counts as stuck: a disk may
/// stall and a machine may swap, and a work that is slow is better than one that is killed.
pub const PATIENCE: Duration = Duration::from_secs(300);
/// The longest summary, in bytes: one line of `systemctl status`.
const LONGEST: usize = 400;
/// The longest part of it that one work may have, in characters.
const LONGEST_STATE: usize = 120;

/// Everybody's progress.
#[derive(Debug, Default)]
pub struct Board {
    works: Mutex<Works>,
    changed: Condvar,
}

/// One work's place on the board. When it is dropped, the work has ended.
#[derive(Debug)]
pub struct Progress {
    board: Arc<Board>,
    place: usize,
}

/// How a work is, for the order in which they are told: what is worst stands first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Worry {
    /// It fails in what it is there for.
    Failing,
    /// Nobody can tell.
    Unclear,
    /// It works, but not as it should.
    Impaired,
    /// All is well.
    None,
}

#[derive(Debug, Default)]
struct Works {
    places: Vec<Place>,
    /// Counts what is worth being told.
    news: u64,
}

#[derive(Debug)]
struct Place {
    name: String,
    stage: Stage,
    /// When the present step is to be over; `None` where it has no end.
    due: Option<Instant>,
    worry: Worry,
    state: String,
}

#[derive(Debug, PartialEq, Eq)]
enum Stage {
    Planned,
    Started,
    Ended,
}

impl Board {
    /// A board without works.
    pub fn new() -> Arc<Board> {
        Arc::default()
    }

    /// A place for one more work, which has not started yet.
    pub fn join(self: &Arc<Board>, name: &str) -> Progress {
        let mut works = self.lock();
        works.places.push(Place {
            name: name.to_owned(),
            stage: Stage::Planned,
            due: None,
            worry: Worry::Unclear,
            state: format!("{name}: nothing is known yet"),
        });
        Progress {
            board: Arc::clone(self),
            place: works.places.len() - 1,
        }
    }

    /// Whether the thread of each work runs, or ran.
    pub fn all_started(&self) -> bool {
        let works = self.lock();
        works.places.iter().all(|p| p.stage != Stage::Planned)
    }

    /// Whether no work is left.
    pub fn all_ended(&self) -> bool {
        let works = self.lock();
        works.places.iter().all(|p| p.stage == Stage::Ended)
    }

    /// The works that should have been seen again before `now`, by far.
    pub fn late(&self, now: Instant) -> Vec<String> {
        let works = self.lock();
        let late = works.places.iter().filter(|place| place.is_late(now));
        late.map(|place| place.name.clone()).collect()
    }

    /// One line on how everybody is, what is worst first.
    pub fn summary(&self) -> String {
        let works = self.lock();
        let mut places: Vec<&Place> = works.places.iter().collect();
        places.sort_by_key(|place| place.worry);
        let mut line = String::new();
        for (told, place) in places.iter().enumerate() {
            let separator = if line.is_empty() { "" } else { "; " };
            // Room for the number of those who have no room.
            if line.len() + separator.len() + place.state.len() > LONGEST {
                let _ = write!(line, "{separator}and {} more", places.len() - told);
                break;
            }
            line.push_str(separator);
            line.push_str(&place.state);
        }
        line
    }

    /// Waits until there is other news than what was `seen`, for `at_most` so long. Returns the
    /// number of the news, to wait with the next time.
    pub fn wait(&self, seen: u64, at_most: Duration) -> u64 {
        let works = self.lock();
        let (works, _) = self
            .changed
            .wait_timeout_while(works, at_most, |works| works.news == seen)
            .unwrap_or_else(PoisonError::into_inner);
        works.news
    }

    /// Every change is made in one go, so a panic elsewhere leaves the works whole.
    fn lock(&self) -> MutexGuard<'_, Works> {
        self.works.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Progress {
    /// Its thread runs.
    pub fn started(&self) {
        self.change(|place| {
            place.stage = Stage::Started;
            true
        });
    }

    /// It got this far, and will be seen again within the time.
    pub fn expect_within(&self, time: Duration) {
        let due = Instant::now().checked_add(time);
        self.change(|place| {
            place.due = due;
            false
        });
    }

    /// How it is now: a few words, which begin with its name.
    pub fn say(&self, worry: Worry, state: &str) {
        self.change(|place| {
            let is_news = place.worry != worry || !is_told(&place.state, state);
            if is_news {
                place.worry = worry;
                place.state = shortened(state);
            }
            is_news
        });
    }

    /// Makes a change, which says whether it is worth being told.
    fn change(&self, change: impl FnOnce(&mut Place) -> bool) {
        let mut works = self.board.lock();
        let Some(place) = works.places.get_mut(self.place) else {
            return;
        };
        if change(place) {
            works.news += 1;
            self.board.changed.notify_all();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.change(|place| {
            place.stage = Stage::Ended;
            place.due = None;
            place.worry = Worry::Failing;
            place.state = format!("{} has ended", place.name);
            true
        });
    }
}

impl Place {
    fn is_late(&self, now: Instant) -> bool {
        let limit = self.due.and_then(|due| due.checked_add(PATIENCE));
        self.stage == Stage::Started && limit.is_some_and(|limit| now > limit)
    }
}

fn is_told(told: &str, state: &str) -> bool {
    match told.strip_suffix(ELLIPSIS) {
        Some(_) => told == shortened(state),
        None => told == state,
    }
}

const ELLIPSIS: char = '…';

fn shortened(state: &str) -> String {
    let mut short: String = state.chars().take(LONGEST_STATE).collect();
    if short.len() < state.len() {
        short.push(ELLIPSIS);
    }
    short
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn after(time: Duration) -> Instant {
        Instant::now() + time
    }

    #[test]
    fn a_work_is_late_when_its_own_time_and_the_patience_are_over() {
        let board = Board::new();
        let (quick, slow) = (board.join("quick"), board.join("slow"));
        for work in [&quick, &slow] {
            work.started();
        }
        quick.expect_within(SECOND);
        slow.expect_within(3600 * SECOND);
        assert!(board.late(after(PATIENCE)).is_empty());
        assert_eq!(board.late(after(PATIENCE + 2 * SECOND)), ["quick"]);
        let end = after(PATIENCE + 3602 * SECOND);
        assert_eq!(board.late(end), ["quick", "slow"]);
        quick.expect_within(7200 * SECOND);
        assert_eq!(board.late(end), ["slow"]);
    }

    #[test]
    fn nobody_is_late_who_has_not_started_or_has_ended_or_waits_without_end() {
        let board = Board::new();
        let (planned, ended, endless) = (board.join("a"), board.join("b"), board.join("c"));
        planned.expect_within(SECOND);
        for work in [&ended, &endless] {
            work.started();
        }
        ended.expect_within(SECOND);
        endless.expect_within(Duration::MAX);
        drop(ended);
        assert!(board.late(after(1_000_000 * SECOND)).is_empty());
    }

    #[test]
    fn all_have_started_when_the_last_has_and_ended_when_the_last_has() {
        let board = Board::new();
        let (one, other) = (board.join("one"), board.join("other"));
        one.started();
        assert!(!board.all_started());
        other.started();
        assert!(board.all_started() && !board.all_ended());
        drop(one);
        assert!(board.all_started() && !board.all_ended());
        drop(other);
        assert!(board.all_ended());
    }

    #[test]
    fn the_summary_is_one_line_with_the_worst_first() {
        let board = Board::new();
        let works = ["a", "b", "c", "d"].map(|name| board.join(name));
        works[0].say(Worry::None, "a is up");
        works[1].say(Worry::Impaired, "b lags");
        works[2].say(Worry::Failing, "c is down");
        assert_eq!(
            board.summary(),
            "c is down; d: nothing is known yet; b lags; a is up"
        );
    }

    #[test]
    fn many_works_and_long_states_are_cut_short() {
        let board = Board::new();
        let works: Vec<Progress> = (0..100).map(|n| board.join(&n.to_string())).collect();
        for work in &works {
            work.say(Worry::None, &"→".repeat(500));
        }
        works[99].say(Worry::Failing, "down");
        let summary = board.summary();
        assert!(summary.starts_with("down; →"), "{summary}");
        assert!(summary.ends_with("…; and 98 more"), "{summary}");
        assert!(summary.len() < LONGEST + 20, "{}", summary.len());
    }

    #[test]
    fn only_what_is_new_is_news() {
        let board = Board::new();
        let work = board.join("a");
        let seen = board.wait(u64::MAX, Duration::ZERO);
        work.say(Worry::None, "a is up");
        let next = board.wait(seen, Duration::ZERO);
        assert_ne!(next, seen);
        work.say(Worry::None, "a is up");
        work.expect_within(SECOND);
        assert_eq!(board.wait(next, Duration::ZERO), next);
        let long = "x".repeat(500);
        work.say(Worry::None, &long);
        let after = board.wait(next, Duration::ZERO);
        work.say(Worry::None, &long);
        assert_eq!(board.wait(after, Duration::ZERO), after);
    }

    #[test]
    fn news_ends_a_wait() {
        let board = Board::new();
        let work = board.join("a");
        let seen = board.wait(u64::MAX, Duration::ZERO);
        let waiter = thread::spawn({
            let board = Arc::clone(&board);
            move || board.wait(seen, 60 * SECOND)
        });
        drop(work);
        assert_ne!(waiter.join().unwrap(), seen);
    }
}
