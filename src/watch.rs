//! One tag, cycle after cycle: when the next one starts, and what is said of it.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::backend::TagName;
use crate::checker::{Health, Wake};
use crate::cycle::{Report, Tag};
use crate::hook::{Hooks, Move, OnFailure};
use crate::metrics::TagMetrics;
use crate::outcome::{Outcome, State};
use crate::progress::{Progress, Worry};
use crate::report::{Cycle, Reporter};
use crate::supervisor::{STACK, Work};

/// The first pause before an early start that followed another one in vain.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// How many cycles a single pass may take to come to a decision.
const MAX_CYCLES: u32 = 200;

/// Makes a tag, at the start and after a panic.
pub type MakeTag = Box<dyn Fn() -> Tag + Send>;

/// One tag to look after.
pub struct Plan {
    /// Its name.
    pub name: TagName,
    /// Makes it.
    pub make: MakeTag,
    /// Who is told what becomes of it.
    pub followers: Followers,
}

/// Who is told of a tag's cycles, besides the log.
#[derive(Debug, Clone, Default)]
pub struct Followers {
    /// Its numbers, if anybody wants them.
    pub metrics: Option<Arc<TagMetrics>>,
    /// The command that is run after a move, and what runs it.
    pub hook: Option<(String, Arc<Hooks>)>,
}

impl Plan {
    /// The work of looking after the tag for ever. `quiet` says that only news is logged.
    pub fn work(self, quiet: bool) -> Work {
        Work {
            name: self.name.to_string(),
            stack: STACK,
            run: Box::new(move |progress| watch(&self, quiet, progress)),
        }
    }
}

/// Runs every tag until it has come to a decision, and gives the worst state.
///
/// # Errors
/// When a thread cannot be started.
pub fn once(plans: Vec<Plan>) -> io::Result<State> {
    let threads: io::Result<Vec<JoinHandle<State>>> = plans
        .into_iter()
        .map(|plan| {
            let builder = thread::Builder::new()
                .name(plan.name.to_string())
                .stack_size(STACK);
            builder.spawn(move || decide(&plan))
        })
        .collect();
    let states = threads?
        .into_iter()
        .map(|thread| thread.join().unwrap_or(State::Unknown));
    Ok(states.max().unwrap_or(State::Ok))
}

/// One cycle after the other.
fn watch(plan: &Plan, quiet: bool, progress: &Progress) {
    let (mut tag, name) = ((plan.make)(), &plan.name);
    let mut reporter = Reporter::new(tag.key().clone(), tag.store_name(), quiet);
    let mut early = EarlyStart::default();
    let mut told = None;
    loop {
        progress.expect_within(tag.longest_cycle());
        let report = turn(&mut tag, &mut reporter, &plan.followers);
        let now = Instant::now();
        let Report { outcome, next, .. } = report;
        if told.as_ref() != Some(&outcome) {
            progress.say(worry(&outcome), &outcome.brief(name));
        }
        early.judge(&outcome);
        told = Some(outcome);
        progress.expect_within(next.saturating_duration_since(now));
        let wake = tag.wait(next);
        thread::sleep(early.pause(wake, next.saturating_duration_since(Instant::now())));
    }
}

/// One cycle, of which everybody is told who follows the tag.
fn turn(tag: &mut Tag, reporter: &mut Reporter, followers: &Followers) -> Report {
    let started = Instant::now();
    let report = tag.run();
    let ended = Instant::now();
    let cycle = Cycle {
        outcome: &report.outcome,
        seen: report.seen.as_ref(),
        started,
        ended,
    };
    reporter.report(cycle);
    if let Some(metrics) = &followers.metrics {
        metrics.count(cycle, report.next.max(ended) + tag.longest_cycle());
    }
    followers.tell_of_move(tag, &report.outcome);
    report
}

impl Followers {
    fn tell_of_move(&self, tag: &Tag, outcome: &Outcome) {
        let (
            Some((line, hooks)),
            Outcome::Moved {
                from,
                to,
                why,
                dry_run: false,
                ..
            },
        ) = (&self.hook, outcome)
        else {
            return;
        };
        let moved = Move {
            tag: tag.key().tag().to_string(),
            from: from.as_ref().map(ToString::to_string).unwrap_or_default(),
            to: to.server.to_string(),
            reason: why.clone(),
        };
        let count = |metrics: Arc<TagMetrics>| -> OnFailure {
            Arc::new(move || metrics.count_hook_failure())
        };
        hooks.run(line, moved, self.metrics.clone().map(count));
    }
}

fn worry(outcome: &Outcome) -> Worry {
    match outcome.state() {
        State::Ok => Worry::None,
        State::Degraded => Worry::Impaired,
        State::Down => Worry::Failing,
        State::Unknown => Worry::Unclear,
    }
}

/// As many cycles as it takes to decide: a server that is failing is looked at again, and one that
/// serves badly as often as a better one must have been seen well.
fn decide(plan: &Plan) -> State {
    let mut tag = (plan.make)();
    let mut reporter = Reporter::new(tag.key().clone(), tag.store_name(), false);
    for cycle in 1..=MAX_CYCLES {
        let report = turn(&mut tag, &mut reporter, &plan.followers);
        let undecided = match &report.outcome {
            Outcome::Falling { .. } | Outcome::LostRace { .. } => true,
            Outcome::Kept {
                health: Health::Degraded(_),
                ..
            } => cycle < tag.rise(),
            Outcome::Kept { .. }
            | Outcome::Moved { .. }
            | Outcome::PortChanged { .. }
            | Outcome::NoCandidate { .. }
            | Outcome::Pinned { .. }
            | Outcome::Blind { .. }
            | Outcome::StoreFailed { .. } => false,
        };
        if !undecided {
            return report.outcome.state();
        }
        thread::sleep(report.next.saturating_duration_since(Instant::now()));
    }
    State::Unknown
}

/// Keeps a server that closes idle connections from making the loop a busy one: an early start
/// that found the server well makes the next early start wait, longer each time.
#[derive(Debug, Default)]
struct EarlyStart {
    woken: bool,
    pause: Duration,
}

impl EarlyStart {
    /// The pause after a wait that ended like this, with `left` to the regular start.
    fn pause(&mut self, wake: Wake, left: Duration) -> Duration {
        self.woken = wake == Wake::ServerClosed;
        match wake {
            Wake::Elapsed => {
                self.pause = Duration::ZERO;
                Duration::ZERO
            }
            Wake::ServerClosed => self.pause.min(left),
        }
    }

    /// Was it in vain?
    fn judge(&mut self, outcome: &Outcome) {
        let in_vain = matches!(
            outcome,
            Outcome::Kept {
                health: Health::Up { .. },
                ..
            }
        );
        if self.woken && in_vain {
            self.pause = (self.pause * 2).clamp(FIRST_PAUSE, Duration::from_secs(3600));
        }
    }
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Plan({})", self.name)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use super::*;
    use crate::backend::{Key, Kind};
    use crate::checker::{Checker, Survey};
    use crate::cycle::tests::{FakeStore, policy};
    use crate::endpoint::Endpoint;
    use crate::supervisor;

    /// Panics in its first cycles, then says each time that it was asked.
    struct Fragile {
        panics_left: Arc<AtomicUsize>,
        asked: mpsc::Sender<()>,
    }

    impl Checker for Fragile {
        fn check(&mut self, _: &Endpoint) -> Health {
            let left = self.panics_left.load(Ordering::SeqCst);
            if left > 0 {
                self.panics_left.store(left - 1, Ordering::SeqCst);
                panic!("a driver gave up");
            }
            // The receiver goes away when the test has seen enough.
            let _ = self.asked.send(());
            Health::Up { lag: None }
        }

        fn survey(&mut self, _: Option<&Endpoint>) -> Survey {
            Survey::default()
        }

        fn wait(&mut self, at_most: Duration) -> Wake {
            thread::sleep(at_most.min(Duration::from_millis(5)));
            Wake::Elapsed
        }
    }

    fn fragile(name: &str, panics: usize) -> (Plan, mpsc::Receiver<()>) {
        let (asked, receiver) = mpsc::channel();
        let panics_left = Arc::new(AtomicUsize::new(panics));
        let name: TagName = name.parse().unwrap();
        let key = Key::new(Kind::MysqlSlave, name.clone());
        let store = Arc::new(FakeStore::holding(&format!(
            r#"{{"name":"{name}", "host":"10.0.0.2", "port":1, "proxyport":2}}"#
        )));
        let make: MakeTag = Box::new(move || {
            let (panics_left, asked) = (Arc::clone(&panics_left), asked.clone());
            let checker = Box::new(Fragile { panics_left, asked });
            let store = Arc::clone(&store);
            Tag::new(key.clone(), policy(), checker, store)
        });
        let followers = Followers::default();
        let plan = Plan {
            name,
            make,
            followers,
        };
        (plan, receiver)
    }

    #[test]
    fn a_tag_that_panics_starts_again_and_no_other_tag_notices() {
        let (weak, weak_asked) = fragile("weak", 1);
        let (strong, strong_asked) = fragile("strong", 0);
        let works = vec![weak.work(true), strong.work(true)];
        thread::spawn(move || supervisor::run(works, Duration::from_millis(2), None));
        let limit = Duration::from_secs(20);
        for _ in 0..3 {
            strong_asked.recv_timeout(limit).unwrap();
            weak_asked.recv_timeout(limit).unwrap();
        }
    }

    #[test]
    fn one_pass_ends_with_the_worst_state() {
        let (fine, _asked) = fragile("fine", 0);
        assert_eq!(once(vec![fine]).unwrap(), State::Ok);
        let (fine, _asked) = fragile("fine", 0);
        let (broken, _asked) = fragile("broken", 1);
        assert_eq!(once(vec![fine, broken]).unwrap(), State::Unknown);
    }

    #[test]
    fn early_starts_in_vain_wait_longer_each_time_and_a_full_wait_forgives() {
        let server: Endpoint = "10.0.0.2:1".parse().unwrap();
        let well = Outcome::Kept {
            server,
            health: Health::Up { lag: None },
        };
        let mut early = EarlyStart::default();
        let second = Duration::from_secs(1);
        let mut pauses = Vec::new();
        for _ in 0..6 {
            pauses.push(early.pause(Wake::ServerClosed, second).as_millis());
            early.judge(&well);
        }
        assert_eq!(pauses, [0, 50, 100, 200, 400, 800]);
        assert_eq!(early.pause(Wake::ServerClosed, second / 2), second / 2);
        assert_eq!(early.pause(Wake::Elapsed, Duration::ZERO), Duration::ZERO);
        assert_eq!(early.pause(Wake::ServerClosed, second), Duration::ZERO);
    }
}
