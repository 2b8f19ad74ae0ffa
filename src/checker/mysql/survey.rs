//! One survey: the primary and every known server asked at the same time, and those that the
//! primary names asked as soon as it does.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use crate::checker::Health;
use crate::checker::mysql::MysqlChecker;
use crate::checker::mysql::session::{Answer, Facts, Want};
use crate::checker::probe::{Report, no_thread};
use crate::endpoint::Endpoint;

/// How long a survey that has found a good replica waits for the others, so that two checkers
/// choose from the same list, but a hung candidate does not hold up the move.
const GRACE: Duration = Duration::from_millis(100);
/// Probes under way at one time in one survey.
const MAX_AT_ONCE: usize = 32;

/// The questions that are open, and the answers so far.
pub(super) struct Round<'a> {
    checker: &'a mut MysqlChecker,
    except: Option<&'a Endpoint>,
    started: Instant,
    waiting: VecDeque<Endpoint>,
    open: BTreeMap<Endpoint, Instant>,
    answers: BTreeMap<Endpoint, Result<Facts, Health>>,
    /// When to stop waiting for more, once a good replica was found.
    enough_at: Option<Instant>,
}

impl<'a> Round<'a> {
    pub(super) fn new(checker: &'a mut MysqlChecker, except: Option<&'a Endpoint>) -> Round<'a> {
        Round {
            checker,
            except,
            started: Instant::now(),
            waiting: VecDeque::new(),
            open: BTreeMap::new(),
            answers: BTreeMap::new(),
            enough_at: None,
        }
    }

    pub(super) fn run(mut self) -> BTreeMap<Endpoint, Result<Facts, Health>> {
        self.checker.read_old_news();
        self.enlist();
        while let Some(due) = self.next_due() {
            match self.checker.probes.next(due) {
                Some(report) => self.take(report),
                None if self.enough_at.is_some_and(|at| at <= Instant::now()) => break,
                None => self.give_up_late_ones(),
            }
            self.enlist();
        }
        self.answers
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
                && !self.open.contains_key(server)
                && !self.waiting.contains(server);
            if is_new {
                self.waiting.push_back(server.clone());
            }
        }
        while self.open.len() < MAX_AT_ONCE
            && let Some(server) = self.waiting.pop_front()
        {
            self.ask(server);
        }
    }

    fn ask(&mut self, server: Endpoint) {
        let level = self.checker.settings.connect_level;
        match self.checker.start(&server, self.want(&server), level) {
            Ok(()) => {
                let due = Instant::now() + self.checker.settings.timeout;
                self.open.insert(server, due);
            }
            Err(error) => {
                self.answers.insert(server, Err(no_thread(&error).into()));
            }
        }
    }

    fn want(&self, server: &Endpoint) -> Want {
        let tells = *server == self.checker.settings.primary
            || self.checker.topology.sources.contains(server);
        if tells { Want::Topology } else { Want::Status }
    }

    fn next_due(&self) -> Option<Instant> {
        let due = self.open.values().min().copied()?;
        Some(self.enough_at.map_or(due, |enough| enough.min(due)))
    }

    fn take(&mut self, report: Report<Answer>) {
        let (server, old) = (report.server.clone(), self.is_old(&report));
        let answer = self.checker.read(report).map(|(facts, _)| facts);
        if self.open.remove(&server).is_none() {
            return;
        }
        let asked_too_little = matches!(&answer, Ok(facts) if facts.discovery.is_none())
            && self.want(&server) == Want::Topology;
        if old || asked_too_little {
            return self.ask(server);
        }
        if let Ok(facts) = &answer
            && matches!(self.checker.judge(&server, facts), Health::Up { .. })
            && Some(&server) != self.except
        {
            self.enough_at.get_or_insert_with(|| Instant::now() + GRACE);
        }
        self.answers.insert(server, answer);
    }

    /// Whether this is the answer to a question of an earlier cycle.
    fn is_old(&self, report: &Report<Answer>) -> bool {
        let limit = self.checker.settings.timeout;
        report
            .result
            .as_ref()
            .is_ok_and(|answer| answer.asked_at + limit < self.started)
    }

    fn give_up_late_ones(&mut self) {
        let now = Instant::now();
        let (late, open) = std::mem::take(&mut self.open)
            .into_iter()
            .partition(|(_, due)| *due <= now);
        self.open = open;
        let late: BTreeMap<Endpoint, Instant> = late;
        for server in late.into_keys() {
            let health = self.checker.late(&server);
            self.answers.insert(server, Err(health));
        }
    }
}
