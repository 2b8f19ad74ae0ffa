//! The commands that are run after moves: `exec=` of a tag. Each in a thread that is not the tag's, a
//! few at the same time, those of one tag one after the other; each for a limited time.
//!
//! Owns who waits and who runs; the processes are `command`'s.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::command;
use crate::notify;

/// How long a command may run.
const LIMIT: Duration = Duration::from_secs(30);
/// The most commands at a time: when a host dies with hundreds of tags, this one must not be next.
const MOST: usize = 8;
/// The most moves of a tag that wait for their command.
const WAITING: usize = 8;
/// The stack of a thread that runs them.
const STACK: usize = if cfg!(debug_assertions) {
    2 << 20
} else {
    128 << 10
};
/// Our secrets, which are no business of a command.
const SECRETS: [&str; 2] = ["CONSUL_HTTP_TOKEN", "REDISCLI_AUTH"];

/// A move that was made, as the command is told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    /// The tag's name.
    pub tag: String,
    /// The server that it pointed at; empty if at none.
    pub from: String,
    /// The server that it points at.
    pub to: String,
    /// What was wrong, in one line.
    pub reason: String,
}

/// Told when a command failed.
pub type OnFailure = Arc<dyn Fn() + Send + Sync>;

/// Runs the commands of all tags.
#[derive(Debug)]
pub struct Hooks {
    limit: Duration,
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Job>,
    /// The tags whose commands run.
    running: Vec<String>,
    threads: usize,
}

struct Job {
    line: String,
    moved: Move,
    on_failure: Option<OnFailure>,
}

impl Hooks {
    /// Nobody waits yet.
    pub fn new() -> Arc<Hooks> {
        Hooks::with(LIMIT)
    }

    fn with(limit: Duration) -> Arc<Hooks> {
        Arc::new(Hooks {
            limit,
            queue: Mutex::default(),
            changed: Condvar::new(),
        })
    }

    /// Has the command run soon; returns at once.
    pub fn run(self: &Arc<Hooks>, line: &str, moved: Move, on_failure: Option<OnFailure>) {
        let job = Job {
            line: line.to_owned(),
            moved,
            on_failure,
        };
        let mut queue = self.lock();
        let same = |waiting: &&Job| waiting.moved.tag == job.moved.tag;
        if queue.waiting.iter().filter(same).count() >= WAITING {
            return job.fail("it is not run: too many moves of this tag wait for theirs");
        }
        queue.waiting.push_back(job);
        if queue.threads >= MOST {
            return;
        }
        let hooks = Arc::clone(self);
        let builder = thread::Builder::new().name("exec".to_owned());
        let started = builder.stack_size(STACK).spawn(move || hooks.work());
        match started {
            Ok(_) => queue.threads += 1,
            Err(error) if queue.threads == 0 => {
                if let Some(job) = queue.waiting.pop_back() {
                    job.fail(&format!("it is not run: no thread for it: {error}"));
                }
            }
            // Those that there are do it.
            Err(_) => {}
        }
    }

    /// Waits until all commands have ended, which each does in its time.
    pub fn finish(&self) {
        let queue = self.lock();
        let busy = |queue: &mut Queue| queue.threads > 0;
        drop(self.changed.wait_while(queue, busy));
    }

    /// Runs what waits until nothing does that could be run.
    fn work(&self) {
        while let Some(job) = self.next() {
            // Whoever waits for the end of all must not wait for a thread that is no more.
            let run = AssertUnwindSafe(|| job.run(self.limit));
            if panic::catch_unwind(run).is_err() {
                job.fail("it could not be run");
            }
            let mut queue = self.lock();
            queue.running.retain(|tag| *tag != job.moved.tag);
        }
    }

    /// The first whose tag has no command running; what waits for one that runs is its thread's.
    fn next(&self) -> Option<Job> {
        let mut queue = self.lock();
        let Queue {
            waiting, running, ..
        } = &mut *queue;
        let free = waiting
            .iter()
            .position(|job| !running.contains(&job.moved.tag));
        let job = free.and_then(|place| waiting.remove(place));
        match &job {
            Some(job) => running.push(job.moved.tag.clone()),
            None => {
                queue.threads -= 1;
                self.changed.notify_all();
            }
        }
        job
    }

    /// Every change is made in one go, so a panic elsewhere leaves the queue whole.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Job {
    fn run(&self, limit: Duration) {
        let Move {
            tag,
            from,
            to,
            reason,
        } = &self.moved;
        // It may be a server's own words.
        let plain = |c: char| if c.is_control() { ' ' } else { c };
        let reason: String = reason.chars().map(plain).collect();
        let told = [
            ("TAG", tag),
            ("FROM", from),
            ("TO", to),
            ("REASON", &reason),
        ];
        let told = told.map(|(name, value)| (name, Some(value.as_str())));
        let without = notify::VARIABLES.into_iter().chain(SECRETS);
        let environment: Vec<_> = without.map(|name| (name, None)).chain(told).collect();
        let started = Instant::now();
        match command::run(&self.line, limit, &environment).or_failure(limit) {
            Ok(()) => {
                let time = started.elapsed().as_secs_f64() * 1000.0;
                log::debug!(target: tag, "exec after the move to {to}: {time:.1} ms");
            }
            Err(failure) => self.fail(&failure),
        }
    }

    fn fail(&self, failure: &str) {
        let Move { tag, to, .. } = &self.moved;
        log::warn!(target: tag, "exec after the move to {to} failed: {failure}");
        if let Some(tell) = &self.on_failure {
            tell();
        }
    }
}

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Job({:?})", self.moved)
    }
}
