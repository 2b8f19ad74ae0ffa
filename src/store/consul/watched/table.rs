//! What is known of the watched keys of one kind, and whether it can still be relied on. The
//! watcher writes it, the tags' threads read it.
//!
//! A table that is in doubt says so; it never says that a key is not there, or is as it was, when
//! Consul may not have said that.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::super::answer::Pair;
use super::question::Answer;
use crate::backend::{Kind, TagName};
use crate::store::Entry;

/// The table.
#[derive(Debug)]
pub(super) struct Table {
    state: Mutex<State>,
    changed: Condvar,
    /// Where all the keys are.
    prefix: String,
    /// By when a question has to be answered.
    patience: Duration,
}

/// What the table says of a key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// This is certain.
    Entry(Entry),
    /// Nothing that is certain: Consul itself has to be asked.
    Ask,
    /// The key is not in the list with this index.
    Missing {
        /// To confirm it with.
        index: u64,
    },
    /// The watcher has no answer when it should have one.
    Overdue,
    /// What keeps the watcher from knowing.
    Trouble(String),
}

/// A question that is about to be put.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Put {
    /// Its number, from 1.
    pub(super) number: u64,
    /// Whether the answer is wanted at once, and not when there is news.
    pub(super) at_once: bool,
}

#[derive(Debug, Default)]
struct State {
    slots: BTreeMap<String, Slot>,
    trust: Trust,
    /// The last question that was put.
    put: u64,
    /// The question whose answer the slots hold.
    answered: u64,
    /// Whether somebody waits for an answer to a question that is yet to be put.
    at_once: bool,
    /// How many times the watcher has come to an end with a question, good or bad.
    tries: u64,
    hurried: bool,
    stopping: bool,
}

/// What the slots are worth.
#[derive(Debug, Default)]
enum Trust {
    /// They hold what Consul says, as long as the question under way is not late.
    Good { until: Instant },
    /// Nobody knows.
    #[default]
    None,
    /// Nobody knows, and nobody can find out.
    Trouble(String),
}

#[derive(Debug, Default)]
struct Slot {
    content: Content,
    /// The number of the first question that was put after our last write of the key.
    valid_from: u64,
}

#[derive(Debug, Default)]
enum Content {
    #[default]
    Unknown,
    Held {
        /// As Consul said it, to see whether it has changed.
        pair: Pair,
        entry: Entry,
    },
    Missing {
        index: u64,
        confirmed: bool,
    },
}

impl Table {
    /// A table for these tags of a kind, of which nothing is known. A question has to be answered
    /// within `patience`.
    pub(super) fn new<'a>(
        kind: Kind,
        tags: impl Iterator<Item = &'a TagName>,
        patience: Duration,
    ) -> Table {
        let slots = tags.map(|tag| (tag.as_str().to_owned(), Slot::default()));
        Table {
            state: Mutex::new(State {
                slots: slots.collect(),
                ..State::default()
            }),
            changed: Condvar::new(),
            prefix: kind.prefix(),
            patience,
        }
    }

    /// What is known of a key.
    pub(super) fn look(&self, tag: &TagName, now: Instant) -> Look {
        let state = self.lock();
        match &state.trust {
            Trust::None => Look::Ask,
            Trust::Trouble(what) => Look::Trouble(what.clone()),
            Trust::Good { until } if now > *until => Look::Overdue,
            Trust::Good { .. } => match state.slots.get(tag.as_str()) {
                Some(slot) if slot.valid_from <= state.answered => slot.content.look(),
                Some(_) | None => Look::Ask,
            },
        }
    }

    /// Consul itself has said that the key is not there, which was not in the list with this index.
    pub(super) fn confirm(&self, tag: &TagName, index: u64) {
        if let Some(slot) = self.lock().slots.get_mut(tag.as_str())
            && let Content::Missing {
                index: known,
                confirmed,
            } = &mut slot.content
            && *known == index
        {
            *confirmed = true;
        }
    }

    /// Makes a write, after which what was known of the key is void until a question that is put
    /// later is answered.
    pub(super) fn around_write<T>(&self, tag: &TagName, write: impl FnOnce() -> T) -> T {
        // Whatever becomes of the write, a panic included.
        self.lock().set_valid_from(tag, u64::MAX);
        let result = write();
        let mut state = self.lock();
        let next = state.put + 1;
        state.set_valid_from(tag, next);
        state.at_once = true;
        result
    }

    /// Asks the watcher to try again now, and waits at most `grace` for what comes of it.
    pub(super) fn hurry(&self, grace: Duration) {
        let mut state = self.lock();
        let tries = state.tries;
        state.hurried = true;
        self.changed.notify_all();
        drop(self.wait_while(state, grace, |s| s.tries == tries && !s.stopping));
    }

    /// For the watcher: a question is about to be put.
    pub(super) fn put(&self, now: Instant) -> Put {
        let mut state = self.lock();
        state.put += 1;
        state.hurried = false;
        let at_once = std::mem::take(&mut state.at_once);
        Put {
            number: state.put,
            at_once: !state.extend(now, self.patience) || at_once,
        }
    }

    /// For the watcher: the answer to the question with this number.
    ///
    /// # Errors
    /// What is wrong with it, if Consul cannot have said it.
    pub(super) fn answer(
        &self,
        number: u64,
        answer: Answer,
        now: Instant,
    ) -> Result<(), &'static str> {
        let mut state = self.lock();
        state.take(answer, &self.prefix)?;
        state.answered = number;
        state.trust = Trust::Good {
            until: now + self.patience,
        };
        self.tried(state);
        Ok(())
    }

    /// For the watcher: what is known may not be so any more.
    pub(super) fn doubt(&self) {
        let mut state = self.lock();
        state.trust = Trust::None;
        self.tried(state);
    }

    /// For the watcher: nothing can be known, and why.
    pub(super) fn fail(&self, what: String) {
        let mut state = self.lock();
        state.trust = Trust::Trouble(what);
        self.tried(state);
    }

    /// For the watcher: rests, until somebody hurries it if it `can_hurry`, and unless it is to
    /// end. Returns whether it is.
    pub(super) fn rest(&self, time: Duration, can_hurry: bool) -> bool {
        let resting = |s: &mut State| !(s.stopping || can_hurry && s.hurried);
        self.wait_while(self.lock(), time, resting).stopping
    }

    /// Ends the watcher, and all waiting.
    pub(super) fn stop(&self) {
        self.lock().stopping = true;
        self.changed.notify_all();
    }

    fn tried(&self, mut state: MutexGuard<'_, State>) {
        state.tries += 1;
        self.changed.notify_all();
    }

    fn wait_while<'a>(
        &self,
        state: MutexGuard<'a, State>,
        at_most: Duration,
        condition: impl FnMut(&mut State) -> bool,
    ) -> MutexGuard<'a, State> {
        self.changed
            .wait_timeout_while(state, at_most, condition)
            .unwrap_or_else(PoisonError::into_inner)
            .0
    }

    /// What a panic elsewhere left half done is not relied on: trust comes last.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn set_valid_from(&mut self, tag: &TagName, number: u64) {
        if let Some(slot) = self.slots.get_mut(tag.as_str()) {
            slot.valid_from = number;
        }
    }

    /// What was good stays so while the next question is under way, unless it is stale already, as
    /// after a long sleep of the whole process. Returns whether it is good.
    fn extend(&mut self, now: Instant, patience: Duration) -> bool {
        match self.trust {
            Trust::Good { until } if now <= until => {
                self.trust = Trust::Good {
                    until: now + patience,
                };
                true
            }
            Trust::Good { .. } => {
                self.trust = Trust::None;
                false
            }
            Trust::None | Trust::Trouble(_) => false,
        }
    }

    fn take(&mut self, answer: Answer, prefix: &str) -> Result<(), &'static str> {
        // The slots are changed one by one.
        self.trust = Trust::None;
        let tag = |pair: &Pair| pair.key.strip_prefix(prefix).map(str::to_owned);
        let mut pairs: BTreeMap<String, Pair> = answer
            .pairs
            .into_iter()
            .filter_map(|pair| Some((tag(&pair)?, pair)))
            .collect();
        for (tag, slot) in &mut self.slots {
            match pairs.remove(tag) {
                Some(pair) => slot.content.hold(pair)?,
                None => slot.content.miss(answer.index, answer.is_whole),
            }
        }
        Ok(())
    }
}

impl Content {
    fn look(&self) -> Look {
        match self {
            Content::Unknown => Look::Ask,
            Content::Held { entry, .. } => Look::Entry(entry.clone()),
            Content::Missing {
                confirmed: true, ..
            } => Look::Entry(Entry::Absent),
            Content::Missing { index, .. } => Look::Missing { index: *index },
        }
    }

    /// Values are read only when they are not what they were.
    fn hold(&mut self, new: Pair) -> Result<(), &'static str> {
        if !matches!(self, Content::Held { pair, .. } if *pair == new) {
            let entry = new.entry()?;
            *self = Content::Held { pair: new, entry };
        }
        Ok(())
    }

    /// What was confirmed for this very list stays so.
    fn miss(&mut self, index: u64, is_certain: bool) {
        let known = matches!(self, Content::Missing { index: i, confirmed: true } if *i == index);
        *self = Content::Missing {
            index,
            confirmed: is_certain || known,
        };
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::backend::Cause;
    use crate::store::Version;

    const PATIENCE: Duration = Duration::from_secs(6);

    fn tag(name: &str) -> TagName {
        name.parse().unwrap()
    }

    fn table() -> Table {
        let tags = [tag("a"), tag("b")];
        Table::new(Kind::MysqlSlave, tags.iter(), PATIENCE)
    }

    fn pair(key: &str, port: u16, modify_index: u64) -> Pair {
        use base64::Engine as _;
        let value = format!(r#"{{"name":"a","host":"10.0.0.1","port":{port},"proxyport":1}}"#);
        let value = base64::engine::general_purpose::STANDARD.encode(value);
        serde_json::from_value(serde_json::json!({
            "Key": key, "Value": value, "Flags": 1, "ModifyIndex": modify_index,
        }))
        .unwrap()
    }

    fn list(index: u64, pairs: Vec<Pair>) -> Answer {
        let is_whole = false;
        Answer {
            index,
            pairs,
            is_whole,
        }
    }

    /// A question put and answered at this moment.
    fn learn(table: &Table, now: Instant, answer: Answer) {
        let put = table.put(now);
        table.answer(put.number, answer, now).unwrap();
    }

    /// The port of the server that the table names, and the version.
    fn known(table: &Table, name: &str, now: Instant) -> Option<(u16, u64)> {
        let Look::Entry(Entry::Present {
            backend,
            cause: Cause::Forced,
            version: Version(version),
        }) = table.look(&tag(name), now)
        else {
            return None;
        };
        Some((backend.server.port.get(), version))
    }

    const A: &str = "haproxy/mysqlslave/a";

    #[test]
    fn nothing_is_known_before_the_first_answer_and_then_what_it_says_with_its_version() {
        let (table, now) = (table(), Instant::now());
        assert_eq!(table.look(&tag("a"), now), Look::Ask);
        table.put(now);
        assert_eq!(table.look(&tag("a"), now), Look::Ask);
        learn(&table, now, list(7, vec![pair(A, 3301, 5)]));
        assert_eq!(known(&table, "a", now), Some((3301, 5)));
        assert_eq!(table.look(&tag("b"), now), Look::Missing { index: 7 });
        assert_eq!(table.look(&tag("other"), now), Look::Ask);
    }

    #[test]
    fn a_key_below_or_beside_a_tags_own_is_not_the_tags() {
        let (table, now) = (table(), Instant::now());
        let others = ["haproxy/mysqlslave/x/a", "haproxy/memcached/a", "a", ""];
        let pairs = others.map(|key| pair(key, 1, 1)).into();
        learn(&table, now, list(7, pairs));
        assert_eq!(table.look(&tag("a"), now), Look::Missing { index: 7 });
    }

    #[test]
    fn an_answer_that_is_late_is_noticed_by_who_reads_and_a_question_under_way_in_time_is_not_late()
    {
        let (table, start) = (table(), Instant::now());
        learn(&table, start, list(7, vec![pair(A, 1, 5)]));
        let next = start + PATIENCE / 2;
        table.put(next);
        assert_eq!(known(&table, "a", next + PATIENCE), Some((1, 5)));
        let late = next + PATIENCE + Duration::from_millis(1);
        assert_eq!(table.look(&tag("a"), late), Look::Overdue);
    }

    #[test]
    fn what_was_learnt_before_a_long_sleep_is_void() {
        let (table, start) = (table(), Instant::now());
        learn(&table, start, list(7, vec![pair(A, 1, 5)]));
        let awake = start + PATIENCE * 100;
        let put = table.put(awake);
        assert!(put.at_once);
        assert_eq!(table.look(&tag("a"), awake), Look::Ask);
    }

    #[test]
    fn a_missing_key_is_confirmed_for_one_list_and_not_for_the_next() {
        let (table, now) = (table(), Instant::now());
        learn(&table, now, list(7, Vec::new()));
        table.confirm(&tag("a"), 6);
        assert_eq!(table.look(&tag("a"), now), Look::Missing { index: 7 });
        table.confirm(&tag("a"), 7);
        assert_eq!(table.look(&tag("a"), now), Look::Entry(Entry::Absent));
        assert_eq!(table.look(&tag("b"), now), Look::Missing { index: 7 });
        learn(&table, now, list(7, Vec::new()));
        assert_eq!(table.look(&tag("a"), now), Look::Entry(Entry::Absent));
        learn(&table, now, list(8, Vec::new()));
        assert_eq!(table.look(&tag("a"), now), Look::Missing { index: 8 });
    }

    #[test]
    fn a_key_that_vanishes_from_a_list_of_the_same_index_is_not_confirmed() {
        let (table, now) = (table(), Instant::now());
        learn(&table, now, list(7, Vec::new()));
        table.confirm(&tag("a"), 7);
        learn(&table, now, list(7, vec![pair(A, 1, 5)]));
        learn(&table, now, list(7, Vec::new()));
        assert_eq!(table.look(&tag("a"), now), Look::Missing { index: 7 });
    }

    #[test]
    fn one_key_that_is_not_there_needs_no_confirmation() {
        let (table, now) = (table(), Instant::now());
        let answer = Answer {
            is_whole: true,
            ..list(7, Vec::new())
        };
        learn(&table, now, answer);
        assert_eq!(table.look(&tag("a"), now), Look::Entry(Entry::Absent));
    }

    #[test]
    fn after_a_write_only_the_answer_to_a_later_question_counts() {
        let (table, now) = (table(), Instant::now());
        let old = || list(7, vec![pair(A, 1, 5)]);
        learn(&table, now, old());
        let before = table.put(now);
        table.around_write(&tag("a"), || {
            assert_eq!(table.look(&tag("a"), now), Look::Ask);
            // It may have been answered before the write was made.
            let during = table.put(now);
            table.answer(during.number, old(), now).unwrap();
            assert_eq!(table.look(&tag("a"), now), Look::Ask);
        });
        table.answer(before.number, old(), now).unwrap();
        assert_eq!(table.look(&tag("a"), now), Look::Ask);
        assert_eq!(table.look(&tag("b"), now), Look::Missing { index: 7 });
        let after = table.put(now);
        assert!(after.at_once, "somebody waits for it");
        table
            .answer(after.number, list(9, vec![pair(A, 2, 9)]), now)
            .unwrap();
        assert_eq!(known(&table, "a", now), Some((2, 9)));
        assert!(!table.put(now).at_once);
    }

    #[test]
    fn an_older_version_after_a_restored_snapshot_is_taken_over() {
        let (table, now) = (table(), Instant::now());
        learn(&table, now, list(9, vec![pair(A, 2, 9)]));
        learn(&table, now, list(5, vec![pair(A, 1, 5)]));
        assert_eq!(known(&table, "a", now), Some((1, 5)));
        // Another cluster's snapshot, of the same age.
        learn(&table, now, list(5, vec![pair(A, 3, 5)]));
        assert_eq!(known(&table, "a", now), Some((3, 5)));
    }

    #[test]
    fn doubt_asks_consul_and_trouble_says_why_until_the_next_answer() {
        let (table, now) = (table(), Instant::now());
        let good = || list(7, vec![pair(A, 1, 5)]);
        learn(&table, now, good());
        table.doubt();
        assert_eq!(table.look(&tag("a"), now), Look::Ask);
        table.fail("no leader".to_owned());
        let trouble = Look::Trouble("no leader".to_owned());
        assert_eq!(table.look(&tag("a"), now), trouble);
        assert!(table.put(now).at_once);
        assert_eq!(table.look(&tag("a"), now), trouble);
        learn(&table, now, good());
        assert_eq!(known(&table, "a", now), Some((1, 5)));
    }

    #[test]
    fn an_answer_that_consul_cannot_have_given_leaves_the_table_in_doubt() {
        let (table, now) = (table(), Instant::now());
        learn(&table, now, list(7, vec![pair(A, 1, 5)]));
        let put = table.put(now);
        let told = table.answer(put.number, list(8, vec![pair(A, 1, 0)]), now);
        assert_eq!(told, Err("without a ModifyIndex"));
        assert_eq!(table.look(&tag("a"), now), Look::Ask);
    }

    #[test]
    fn a_rest_ends_when_it_is_hurried_or_all_ends_and_who_hurries_waits_for_the_outcome() {
        let table = table();
        let short = Duration::from_millis(20);
        assert!(!table.rest(short, true));
        thread::scope(|scope| {
            let resting = scope.spawn(|| {
                assert!(!table.rest(Duration::MAX, true));
                table.put(Instant::now());
                table.fail("still".to_owned());
            });
            table.hurry(Duration::from_secs(20));
            resting.join().unwrap();
            let look = table.look(&tag("a"), Instant::now());
            assert_eq!(look, Look::Trouble("still".to_owned()));
        });
        table.hurry(short);
        assert!(!table.rest(short, false), "this one is not to be hurried");
        table.stop();
        assert!(table.rest(Duration::MAX, false));
    }
}
