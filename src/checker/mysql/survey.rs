//! One survey: the primary and every known server asked at the same time, and those that the
//! primary names asked as soon as it does.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use crate::checker::Health;
use crate::checker::mysql::MysqlChecker;
use crate::checker::mysql::session::{Facts, Want};
use crate::checker::panel::GRACE;
use crate::endpoint::Endpoint;

/// Servers that are asked at one time in one survey.
const MAX_AT_ONCE: usize = 32;

/// The questions that are open, and the answers so far.
pub(super) struct Round<'a> {
    checker: &'a mut MysqlChecker,
    except: Option<&'a Endpoint>,
    waiting: VecDeque<Endpoint>,
    answers: BTreeMap<Endpoint, Result<Arc<Facts>, Health>>,
    /// When to stop waiting for more, once a good replica was found.
    enough_at: Option<Instant>,
}

impl<'a> Round<'a> {
    pub(super) fn new(checker: &'a mut MysqlChecker, except: Option<&'a Endpoint>) -> Round<'a> {
        Round {
            checker,
            except,
            waiting: VecDeque::new(),
            answers: BTreeMap::new(),
            enough_at: None,
        }
    }

    pub(super) fn run(mut self) -> BTreeMap<Endpoint, Result<Arc<Facts>, Health>> {
        self.checker.learn();
        self.checker.panel.begin([]);
        let before = self.checker.panel.heard();
        self.enlist();
        // Some fail at once, and make room for those who wait.
        while self.checker.panel.open() > 0 || !self.waiting.is_empty() || self.has_news() {
            let (seen, enough_at) = (self.checker.learnt, self.enough_at);
            self.checker.panel.hear(|panel| match panel.heard() > seen {
                true => Some(Instant::now()),
                false => enough_at,
            });
            self.take_news(before);
            self.enlist();
            if self.enough_at.is_some_and(|at| at <= Instant::now()) && !self.has_news() {
                break;
            }
        }
        self.answers
    }

    fn has_news(&self) -> bool {
        self.checker.panel.heard() > self.checker.learnt
    }

    /// Adds every server that is known by now, and asks as many at once as may be.
    fn enlist(&mut self) {
        let (settings, topology) = (&self.checker.settings, &self.checker.topology);
        let known: BTreeSet<&Endpoint> = topology
            .replicas()
            .chain(&settings.replicas)
            .chain(&topology.sources)
            .filter(|server| Some(*server) != self.except)
            .chain([&settings.primary])
            .collect();
        for server in known {
            let is_new = !self.answers.contains_key(server)
                && !self.checker.panel.is_open(server)
                && !self.waiting.contains(server);
            if is_new {
                self.waiting.push_back(server.clone());
            }
        }
        while self.checker.panel.open() < MAX_AT_ONCE
            && let Some(server) = self.waiting.pop_front()
        {
            let level = self.checker.settings.connect_level;
            self.checker.start(&server, self.want(&server), level);
        }
    }

    fn want(&self, server: &Endpoint) -> Want {
        let tells = *server == self.checker.settings.primary
            || self.checker.topology.sources.contains(server);
        if tells { Want::Topology } else { Want::Status }
    }

    /// Takes in the answers that came after the `before`th word.
    fn take_news(&mut self, before: u64) {
        self.checker.learn();
        let words = self.checker.panel.words();
        let news: Vec<(Endpoint, Result<Arc<Facts>, Health>)> = words
            .filter(|(server, word)| word.number > before && !self.answers.contains_key(server))
            .map(|(server, word)| (server.clone(), word.said.clone()))
            .collect();
        for (server, answer) in news {
            self.take(server, answer);
        }
    }

    fn take(&mut self, server: Endpoint, answer: Result<Arc<Facts>, Health>) {
        let asked_too_little = matches!(&answer, Ok(facts) if facts.discovery.is_none())
            && self.want(&server) == Want::Topology;
        if asked_too_little {
            // It was known only meanwhile that others replicate from it.
            self.waiting.push_back(server);
            return;
        }
        if let Ok(facts) = &answer
            && matches!(self.checker.judge(&server, facts), Health::Up { .. })
            && Some(&server) != self.except
        {
            self.enough_at.get_or_insert_with(|| Instant::now() + GRACE);
        }
        self.answers.insert(server, answer);
    }
}
