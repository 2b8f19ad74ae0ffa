//! A thread for each work: a tag, or the renderer. One whose thread panics starts again, and no
//! other notices.

use std::fmt;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::backoff::Backoff;
use crate::checker::guard::panic_text;
use crate::notify::Notifier;
use crate::progress::{Board, Progress, Worry};
use crate::random::random;
use crate::watchdog;

/// The stack of a tag's thread, in bytes: a TLS handshake needs the most. Debug
/// builds need far more.
pub const STACK: usize = if cfg!(debug_assertions) {
    2 * 1024 * 1024
} else {
    256 * 1024
};
/// The pause before the first restart of a work that panicked, and the longest one.
const RESTART: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// Something that is done for ever.
pub struct Work {
    /// Its name, for the thread and the log.
    pub name: String,
    /// The stack of its thread, in bytes.
    pub stack: usize,
    /// Does it; a return ends the thread, a panic starts it again. It says how it gets on.
    pub run: Box<dyn FnMut(&Progress) + Send>,
}

/// Does every work, each in a thread of its own. The starts are spread over `interval`, so that
/// many tags do not ask their servers in step. The notifier, if there is one, is told how all of
/// them get on.
///
/// # Errors
/// When a thread cannot be started.
pub fn run(works: Vec<Work>, interval: Duration, notifier: Option<&Notifier>) -> io::Result<()> {
    let gap = interval / u32::try_from(works.len()).unwrap_or(u32::MAX).max(1);
    let board = Board::new();
    let start = |(index, work): (u32, Work)| {
        let progress = board.join(&work.name);
        start(work, gap * index, progress)
    };
    let threads: io::Result<Vec<JoinHandle<()>>> = (0u32..).zip(works).map(start).collect();
    let threads = threads?;
    if let Some(notifier) = notifier {
        watchdog::attend(&board, notifier);
    }
    for thread in threads {
        // Cannot fail: `tend` catches every panic.
        drop(thread.join());
    }
    Ok(())
}

fn start(mut work: Work, delay: Duration, progress: Progress) -> io::Result<JoinHandle<()>> {
    let builder = thread::Builder::new()
        .name(work.name.clone())
        .stack_size(work.stack);
    builder.spawn(move || {
        progress.expect_within(delay);
        progress.started();
        thread::sleep(delay);
        tend(&mut work, &progress, RESTART);
    })
}

fn tend(work: &mut Work, progress: &Progress, (first, longest): (Duration, Duration)) {
    let mut pause = Backoff::new(first, longest);
    loop {
        let started = Instant::now();
        let run = AssertUnwindSafe(|| (work.run)(progress));
        let Err(payload) = panic::catch_unwind(run) else {
            return;
        };
        if started.elapsed() > longest {
            pause.succeeded();
        }
        pause.failed(Instant::now(), random());
        let (name, text) = (work.name.as_str(), panic_text(&*payload));
        log::error!(target: name, "{name} failed: {text}; it starts again");
        let pause = pause.remaining(Instant::now());
        progress.expect_within(pause);
        progress.say(Worry::Failing, &format!("{name} failed: {text}"));
        thread::sleep(pause);
    }
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Work({})", self.name)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Panics so many times, then says each time that it runs.
    fn fragile(name: &str, panics: usize) -> (Work, mpsc::Receiver<()>) {
        let (ran, receiver) = mpsc::channel();
        let mut left = panics;
        let run = Box::new(move |_: &Progress| {
            if left > 0 {
                left -= 1;
                panic!("a driver gave up");
            }
            while ran.send(()).is_ok() {
                thread::sleep(Duration::from_millis(1));
            }
        });
        (
            Work {
                name: name.to_owned(),
                stack: STACK,
                run,
            },
            receiver,
        )
    }

    #[test]
    fn a_work_that_panics_starts_again_and_no_other_notices() {
        let board = Board::new();
        let (weak, weak_ran) = fragile("weak", 2);
        let (strong, strong_ran) = fragile("strong", 0);
        let brief = (Duration::from_millis(10), Duration::from_millis(20));
        for mut work in [weak, strong] {
            let progress = board.join(&work.name);
            thread::spawn(move || tend(&mut work, &progress, brief));
        }
        let limit = Duration::from_secs(20);
        for _ in 0..3 {
            strong_ran.recv_timeout(limit).unwrap();
            weak_ran.recv_timeout(limit).unwrap();
        }
    }
    #[test]
    fn a_work_that_panicked_gets_on_while_it_waits_for_its_restart() {
        let board = Board::new();
        let (mut work, _ran) = fragile("weak", usize::MAX);
        let progress = board.join(&work.name);
        let pause = Duration::from_secs(3600);
        thread::spawn(move || {
            progress.started();
            progress.expect_within(Duration::ZERO);
            tend(&mut work, &progress, (pause, pause));
        });
        let mut seen = 0;
        while !board.summary().starts_with("weak failed: a driver gave up") {
            seen = board.wait(seen, Duration::from_secs(20));
        }
        assert!(board.late(Instant::now() + pause / 2).is_empty());
    }
}
