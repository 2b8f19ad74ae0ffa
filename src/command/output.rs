//! Reads what a command says, without ever waiting for more of it than the caller allows.

use std::io::{PipeReader, Read};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// How many bytes of output are kept; the rest is read and dropped.
pub(super) const LIMIT: usize = 64 * 1024;

/// The longest and the shortest wait before somebody looks whether the command has ended.
const LONGEST: Duration = Duration::from_millis(20);
const SHORTEST: Duration = Duration::from_millis(1);

/// The output of a command so far.
pub(super) struct Output {
    /// Gone when every writer has gone.
    pipe: Option<PipeReader>,
    kept: Vec<u8>,
    dropped: u64,
    /// The next wait.
    pause: Duration,
}

impl Output {
    pub(super) fn new(pipe: PipeReader) -> Output {
        Output {
            pipe: Some(pipe),
            kept: Vec::new(),
            dropped: 0,
            pause: SHORTEST,
        }
    }

    /// Reads once, or waits a little for something to read, but not longer than the deadline.
    pub(super) fn read_for(&mut self, deadline: Option<Instant>) {
        let left = deadline.map(|end| end.saturating_duration_since(Instant::now()));
        let pause = self.pause.min(left.unwrap_or(LONGEST));
        self.pause = (self.pause * 2).min(LONGEST);
        match self.pipe {
            // The command is just about to end, or has closed its output.
            None => thread::sleep(pause),
            Some(_) => {
                self.read(pause);
            }
        }
    }

    /// Reads what is there, as long as more is there at once, for `at_most` so long.
    pub(super) fn drain(&mut self, at_most: Duration) {
        let start = Instant::now();
        while start.elapsed() < at_most && self.read(Duration::ZERO) {}
    }

    /// What was said, with a word on what is missing of it.
    pub(super) fn text(&self) -> String {
        let text = String::from_utf8_lossy(&self.kept);
        match self.dropped {
            0 => text.into_owned(),
            bytes => format!("{text}... and {bytes} bytes more"),
        }
    }

    /// Reads once if something can be read within `wait`. Returns whether it was so.
    fn read(&mut self, wait: Duration) -> bool {
        let Some(pipe) = &mut self.pipe else {
            return false;
        };
        let timeout = Timespec::try_from(wait).unwrap_or_default();
        let ready = poll(&mut [PollFd::new(&*pipe, PollFlags::IN)], Some(&timeout));
        if ready.unwrap_or(0) == 0 {
            return false;
        }
        let mut buffer = [0; 8192];
        match pipe.read(&mut buffer) {
            Ok(0) | Err(_) => {
                self.pipe = None;
                self.pause = SHORTEST;
                false
            }
            Ok(length) => {
                let read = buffer.get(..length).unwrap_or_default();
                self.keep(read);
                true
            }
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        let (kept, dropped) = bytes.split_at(bytes.len().min(LIMIT - self.kept.len()));
        self.kept.extend_from_slice(kept);
        self.dropped = self.dropped.saturating_add(dropped.len() as u64);
    }
}
