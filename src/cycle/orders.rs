//! What an operator has ordered for a tag, as its checker knows it: asked for now and then, and the
//! last good orders hold while there are no new ones.

use std::time::{Duration, Instant};

use crate::backend::Key;
use crate::elect::Exclusion;
use crate::moment::Moment;
use crate::overrides::{Override, Pin};
use crate::store::Store;

/// How often the store is asked while nothing happens.
const REFRESH: Duration = Duration::from_secs(3);
/// How old its answer may be then: where many tags ask, one answer is for all of them.
const MAX_AGE: Duration = Duration::from_secs(2);

/// The orders for one tag.
#[derive(Debug)]
pub(super) struct Orders {
    /// What the configuration excludes.
    configured: Vec<Exclusion>,
    /// That, and what was ordered.
    exclude: Vec<Exclusion>,
    known: Override,
    asked_at: Option<Instant>,
    /// What was wrong with them last, which is said once.
    problem: Option<String>,
}

impl Orders {
    /// None yet, besides those servers that the configuration excludes.
    pub(super) fn new(configured: Vec<Exclusion>) -> Orders {
        Orders {
            exclude: configured.clone(),
            configured,
            known: Override::default(),
            asked_at: None,
            problem: None,
        }
    }

    /// Asks the store, if it was not asked for a while.
    pub(super) fn refresh(&mut self, store: &dyn Store, key: &Key, now: Instant) {
        let is_fresh = |at: Instant| now.duration_since(at) < REFRESH;
        if !self.asked_at.is_some_and(is_fresh) {
            self.read(store, key, now, MAX_AGE);
        }
    }

    /// Asks the store: a move is due, and orders may have come since it was last asked.
    pub(super) fn ask(&mut self, store: &dyn Store, key: &Key, now: Instant) {
        self.read(store, key, now, Duration::ZERO);
    }

    fn read(&mut self, store: &dyn Store, key: &Key, now: Instant, max_age: Duration) {
        self.asked_at = Some(now);
        let answer = store
            .read_override(key, max_age)
            .map_err(|error| error.to_string());
        let orders = answer.and_then(|ordered| {
            let malformed = |what| format!("{} is malformed: {what}", key.override_path());
            ordered.orders.map_err(malformed)
        });
        match orders {
            Ok(orders) => self.take(key, orders),
            Err(problem) => self.complain(key, problem),
        }
    }

    /// Whom not to elect.
    pub(super) fn exclude(&self) -> &[Exclusion] {
        &self.exclude
    }

    /// Where the tag has to stay, and who has ordered it.
    pub(super) fn pin(&self) -> Option<(Pin, String)> {
        let pin = self.known.pinned(Moment::now())?;
        Some((pin.clone(), pin.origin.to_string()))
    }

    fn take(&mut self, key: &Key, orders: Override) {
        self.problem = None;
        if orders == self.known {
            return;
        }
        log::warn!(target: key.tag().as_str(), "{}", told(key, &orders));
        self.exclude = self.configured.clone();
        self.exclude.extend(orders.excluded());
        self.known = orders;
    }

    fn complain(&mut self, key: &Key, problem: String) {
        if self.problem.as_ref() == Some(&problem) {
            return;
        }
        let what = match self.known == Override::default() {
            true => "no orders are obeyed",
            false => "the last good orders stand",
        };
        log::error!(target: key.tag().as_str(), "{problem}; {what}");
        self.problem = Some(problem);
    }
}

/// New orders, in a line.
fn told(key: &Key, orders: &Override) -> String {
    let tag = key.tag();
    let mut parts = Vec::new();
    if let Some(pin) = &orders.pin {
        let until = pin.until.map(|until| format!(" until {until}"));
        let until = until.unwrap_or_default();
        parts.push(format!(
            "it is pinned to {}{until} by {}",
            pin.server, pin.origin
        ));
    }
    let each = orders.exclude.iter();
    parts.extend(each.map(|excluded| format!("excluded is {excluded}")));
    let what = match parts.is_empty() {
        true => format!(
            "it is neither pinned nor is a server excluded any more, by {}",
            orders.changed
        ),
        false => parts.join("; "),
    };
    format!("new orders for {tag}: {what}")
}
