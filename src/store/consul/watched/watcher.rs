//! The thread that keeps a table: it always has a question under way, and says what became of it.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::super::apart::STACK;
use super::super::blocking::{Bucket, next_index};
use super::super::client::Client;
use super::Times;
use super::question::{Answer, Failed, Question};
use super::table::Table;
use crate::backoff::Backoff;
use crate::random::random;

/// The pauses after errors; a restarted agent is back in less than a second.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Watches one key, or all of a kind.
///
/// It shares the client with the tags' threads, and so the connections: an idle one that a write
/// will need is the next that a question takes, and does not grow stale.
pub(super) struct Watcher {
    question: Question,
    client: Arc<Client>,
    table: Arc<Table>,
    times: Times,
}

/// Where the watcher is: what to ask with, and when.
#[derive(Debug)]
struct Course {
    /// 0: to be answered at once, by any agent.
    index: u64,
    bucket: Bucket,
    backoff: Backoff,
    /// Whether the last question that waited for news had no good answer.
    stumbled: bool,
}

impl Watcher {
    /// Starts the thread, which keeps `table` until that stops.
    ///
    /// # Errors
    /// If the system has no more threads.
    pub(super) fn start(
        question: Question,
        client: Arc<Client>,
        table: Arc<Table>,
        times: Times,
    ) -> io::Result<()> {
        let watcher = Watcher {
            question,
            client,
            table,
            times,
        };
        let builder = thread::Builder::new().name("keys".to_owned());
        let run = move || watcher.run();
        builder.stack_size(STACK).spawn(run).map(drop)
    }

    fn run(&self) {
        let mut course = Course::new();
        while !self.rest(&mut course) {
            self.go_on(&mut course);
        }
    }

    /// Until the next question may be put. Returns whether there is none.
    fn rest(&self, course: &mut Course) -> bool {
        let now = Instant::now();
        let pause = course.backoff.remaining(now);
        let least = pause.min(FIRST_PAUSE).max(course.bucket.take(now));
        self.table.rest(least, false) || self.table.rest(pause.saturating_sub(least), true)
    }

    /// One question.
    fn go_on(&self, course: &mut Course) {
        let asked = Instant::now();
        let put = self.table.put(asked);
        if put.at_once {
            course.index = 0;
        }
        let answer = self.ask(course.index);
        let took = asked.elapsed();
        let told = answer.and_then(|answer| self.tell(course, put.number, answer, took));
        match told {
            Ok(()) => {}
            Err(Failed::Denied) => {
                course.failed();
                self.table.doubt();
            }
            // Its connection was lost, or its agent, or the index. Before that is trouble, all
            // agents are asked anew.
            Err(Failed::Broken(_)) if course.index != 0 && took < self.times.patience => {
                course.stumble();
                self.table.doubt();
            }
            Err(Failed::Broken(what)) => {
                course.failed();
                self.table.fail(what);
            }
        }
    }

    fn ask(&self, index: u64) -> Result<Answer, Failed> {
        let (question, client) = (&self.question, &*self.client);
        let ask = || match index {
            0 => question.ask(client),
            index => question.ask_after(index, client, self.times),
        };
        catch_unwind(AssertUnwindSafe(ask)).unwrap_or_else(|_| {
            let what = format!("{client:?}: watching {question} has panicked; it is tried again");
            Err(Failed::Broken(what))
        })
    }

    /// An answer that came for no reason, or with an index that fell, is not relied on, nor is one
    /// that came late, as after a long sleep of the process: it is asked for anew.
    fn tell(
        &self,
        course: &mut Course,
        number: u64,
        answer: Answer,
        took: Duration,
    ) -> Result<(), Failed> {
        let next = next_index(course.index, answer.index, took < self.times.wait);
        if next == 0 || took > self.times.patience {
            course.index = 0;
            self.table.doubt();
            return Ok(());
        }
        let told = self.table.answer(number, answer, Instant::now());
        told.map_err(|what| {
            let agent = self.client.in_use();
            Failed::Broken(format!("{agent}: the answer is {what}"))
        })?;
        course.succeeded(next);
        Ok(())
    }
}

impl Course {
    fn new() -> Course {
        Course {
            index: 0,
            bucket: Bucket::default(),
            backoff: Backoff::new(FIRST_PAUSE, LONGEST_PAUSE),
            stumbled: false,
        }
    }

    fn succeeded(&mut self, next: u64) {
        // Where only questions that are answered at once have an answer, the others are not to be
        // tried in a hurry.
        if self.index != 0 || !self.stumbled {
            self.backoff.succeeded();
            self.stumbled = false;
        }
        self.index = next;
    }

    /// After a question that waited for news: without a pause, unless that happens again and again.
    fn stumble(&mut self) {
        if self.stumbled {
            self.backoff.failed(Instant::now(), random());
        }
        self.stumbled = true;
        self.index = 0;
    }

    /// From the beginning: a Consul that has lost its memory would let a question for an index that
    /// it has not reached yet wait for the whole time.
    fn failed(&mut self) {
        self.backoff.failed(Instant::now(), random());
        self.index = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_lost_question_costs_no_pause_and_each_further_one_a_longer_one() {
        let mut course = Course::new();
        course.succeeded(5);
        let pause = |course: &Course| course.backoff.remaining(Instant::now());
        course.stumble();
        assert_eq!((course.index, pause(&course)), (0, Duration::ZERO));
        let mut last = Duration::ZERO;
        for _ in 0..3 {
            // What is asked for anew is answered, but no question that waits is.
            course.succeeded(6);
            course.stumble();
            let now = pause(&course);
            assert!(now > last, "{now:?} after {last:?}");
            last = now;
        }
        course.succeeded(6);
        course.succeeded(6);
        assert_eq!(pause(&course), Duration::ZERO);
        course.stumble();
        assert_eq!(pause(&course), Duration::ZERO);
    }

    #[test]
    fn a_failure_starts_over_after_a_pause_that_a_good_answer_ends() {
        let mut course = Course::new();
        course.succeeded(5);
        course.failed();
        assert_eq!(course.index, 0);
        assert!(course.backoff.remaining(Instant::now()) > Duration::ZERO);
        course.succeeded(5);
        assert_eq!(course.index, 5);
        assert_eq!(course.backoff.remaining(Instant::now()), Duration::ZERO);
    }
}
