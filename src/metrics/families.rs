//! The families of all tags, each with a sample for every tag that has one.

use std::time::{Duration, Instant};

use super::names::{self, Name};
use super::tag::{Counts, Numbers};
use super::text::Page;
use super::{Metrics, lock};
use crate::outcome::State;

/// A number of a tag, if it has one.
type Number<'a> = &'a dyn Fn(&Numbers) -> Option<f64>;

impl Metrics {
    /// All tags, family by family. `now` and `since` 1970 are the same moment.
    pub(super) fn write_tags(&self, now: Instant, since: Duration, page: &mut Page) {
        if lock(&self.tags).is_empty() {
            return;
        }
        let ago = |at: Instant| {
            let passed = now.saturating_duration_since(at);
            since.saturating_sub(passed).as_secs_f64()
        };
        let state = |numbers: &Numbers| {
            let state = numbers.last.as_ref().map(|last| last.state);
            f64::from(state.unwrap_or(State::Unknown).code())
        };
        let ones: [(&Name, Number<'_>); 9] = [
            (&names::CYCLES, &|n| Some(n.cycles as f64)),
            (&names::CHECKS, &|n| Some(n.checks as f64)),
            (&names::STORE_ERRORS, &|n| Some(n.store_errors as f64)),
            (&names::HOOK_FAILURES, &|n| Some(n.hook_failures as f64)),
            (&names::STATE, &|n| Some(state(n))),
            (&names::LAG, &|n| n.lag.map(|lag| lag as f64)),
            (&names::LAST_CYCLE, &|n| {
                n.last.as_ref().map(|l| ago(l.ended))
            }),
            (&names::LAST_GOOD, &|n| n.last_good.map(ago)),
            (&names::LAST_MOVE, &|n| n.last_move.map(ago)),
        ];
        for (name, number) in ones {
            self.one(name, number, page);
        }
        self.many(&names::FAILURES, |numbers| &numbers.failures, page);
        self.many(&names::MOVES, |numbers| &numbers.moves, page);
        self.many(&names::REFUSALS, |numbers| &numbers.refusals, page);
        self.servers(page);
    }

    fn one(&self, name: &Name, number: Number<'_>, page: &mut Page) {
        page.family(name);
        for (tag, found) in lock(&self.tags).iter() {
            if let Some(number) = number(&lock(&found.numbers)) {
                page.sample(&[("tag", tag)], number);
            }
        }
    }

    fn many(&self, name: &Name, counts: fn(&Numbers) -> &Counts, page: &mut Page) {
        page.family(name);
        for (tag, found) in lock(&self.tags).iter() {
            for (word, count) in counts(&lock(&found.numbers)).iter() {
                page.sample(&[("tag", tag), ("reason", word)], count as f64);
            }
        }
    }

    fn servers(&self, page: &mut Page) {
        page.family(&names::SERVER);
        for (tag, found) in lock(&self.tags).iter() {
            if let Some(server) = &lock(&found.numbers).server {
                let server = server.to_string();
                let labels = [
                    ("tag", tag.as_str()),
                    ("kind", found.kind),
                    ("server", &server),
                ];
                page.sample(&labels, 1.0);
            }
        }
    }
}
