//! A thread for each work: a tag, or the renderer. One whose thread panics starts again, and no
//! other notices.

use std::fmt;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::backoff::Backoff;
use crate::checker::probe::panic_text;
use crate::random::random;

/// The stack of a tag's thread, in bytes: it waits and decides; probes have their own. Debug
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
    /// Does it; a return ends the thread, a panic starts it again.
    pub run: Box<dyn Fn() + Send>,
}

/// Does every work, each in a thread of its own. The starts are spread over `interval`, so that
/// many tags do not ask their servers in step.
///
/// # Errors
/// When a thread cannot be started.
pub fn run(works: Vec<Work>, interval: Duration) -> io::Result<()> {
    let gap = interval / u32::try_from(works.len()).unwrap_or(u32::MAX).max(1);
    let start = |(index, work): (u32, Work)| {
        let builder = thread::Builder::new()
            .name(work.name.clone())
            .stack_size(work.stack);
        builder.spawn(move || {
            thread::sleep(gap * index);
            tend(&work, RESTART);
        })
    };
    let threads: io::Result<Vec<JoinHandle<()>>> = (0u32..).zip(works).map(start).collect();
    for thread in threads? {
        // Cannot fail: `tend` catches every panic.
        drop(thread.join());
    }
    Ok(())
}

fn tend(work: &Work, (first, longest): (Duration, Duration)) {
    let mut pause = Backoff::new(first, longest);
    loop {
        let started = Instant::now();
        let Err(payload) = panic::catch_unwind(AssertUnwindSafe(|| (work.run)())) else {
            return;
        };
        if started.elapsed() > longest {
            pause.succeeded();
        }
        pause.failed(Instant::now(), random());
        let (name, text) = (work.name.as_str(), panic_text(&*payload));
        log::error!(target: name, "{name} failed: {text}; it starts again");
        thread::sleep(pause.remaining(Instant::now()));
    }
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Work({})", self.name)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc;

    use super::*;

    /// Panics so many times, then says each time that it runs.
    fn fragile(name: &str, panics: usize) -> (Work, mpsc::Receiver<()>) {
        let (ran, receiver) = mpsc::channel();
        let left = Mutex::new(panics);
        let run = Box::new(move || {
            let mut left = left.lock().unwrap_or_else(|e| e.into_inner());
            if *left > 0 {
                *left -= 1;
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
        let (weak, weak_ran) = fragile("weak", 2);
        let (strong, strong_ran) = fragile("strong", 0);
        let brief = (Duration::from_millis(10), Duration::from_millis(20));
        thread::spawn(move || tend(&weak, brief));
        thread::spawn(move || tend(&strong, brief));
        let limit = Duration::from_secs(20);
        for _ in 0..3 {
            strong_ran.recv_timeout(limit).unwrap();
            weak_ran.recv_timeout(limit).unwrap();
        }
    }
}
