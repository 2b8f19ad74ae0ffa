//! The sockets of one wait, and which of them became ready. Nearly always it is one: that takes no
//! memory from the heap, for a tag waits some times in each cycle.

use std::mem;
use std::os::fd::BorrowedFd;
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// The pause where the kernel cannot even wait: for want of memory.
const PAUSE: Duration = Duration::from_millis(10);

/// What to wait for.
#[derive(Debug, Default)]
pub(super) struct Sockets<'a>(Few<PollFd<'a>>);

/// Some things, of which there is nearly always one.
#[derive(Debug, Default)]
pub(super) enum Few<T> {
    #[default]
    None,
    One([T; 1]),
    Many(Vec<T>),
}

impl<'a> Sockets<'a> {
    /// One more.
    pub(super) fn add(&mut self, socket: BorrowedFd<'a>, flags: PollFlags) {
        self.0.push(PollFd::from_borrowed_fd(socket, flags));
    }

    /// Waits until one of them is ready, at most until then. Gives for each, in order, whether it is.
    pub(super) fn wait(mut self, until: Instant) -> Few<bool> {
        let left = until.saturating_duration_since(Instant::now());
        // What is too long to be counted is for ever.
        let left = Timespec::try_from(left).ok();
        let waited = poll(self.0.as_mut_slice(), left.as_ref());
        if waited.is_err() {
            // Interrupted, or no memory: whatever it is, it must not turn into a busy loop.
            thread::sleep(PAUSE);
        }
        self.0
            .map(|socket| waited.is_ok() && !socket.revents().is_empty())
    }
}

impl<T> Few<T> {
    fn push(&mut self, item: T) {
        *self = match mem::take(self) {
            Few::None => Few::One([item]),
            Few::One([first]) => Few::Many(vec![first, item]),
            Few::Many(mut all) => {
                all.push(item);
                Few::Many(all)
            }
        };
    }

    fn map<U>(self, change: impl Fn(T) -> U) -> Few<U> {
        match self {
            Few::None => Few::None,
            Few::One(one) => Few::One(one.map(change)),
            Few::Many(all) => Few::Many(all.into_iter().map(change).collect()),
        }
    }

    fn as_mut_slice(&mut self) -> &mut [T] {
        match self {
            Few::None => &mut [],
            Few::One(one) => one,
            Few::Many(all) => all,
        }
    }

    /// All of them.
    pub(super) fn as_slice(&self) -> &[T] {
        match self {
            Few::None => &[],
            Few::One(one) => one,
            Few::Many(all) => all,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use super::*;

    /// Which of so many sockets are ready after something was said to these.
    fn ready(count: usize, said_to: &[usize], wait: Duration) -> Vec<bool> {
        let mut pairs: Vec<_> = (0..count).map(|_| UnixStream::pair().unwrap()).collect();
        for place in said_to {
            pairs[*place].0.write_all(b"x").unwrap();
        }
        let mut sockets = Sockets::default();
        for (_, socket) in &pairs {
            sockets.add(socket.as_fd(), PollFlags::IN);
        }
        sockets.wait(Instant::now() + wait).as_slice().to_vec()
    }

    #[test]
    fn of_any_number_of_sockets_those_are_ready_that_something_was_said_to() {
        let long = Duration::from_secs(60);
        assert_eq!(ready(1, &[0], long), [true]);
        assert_eq!(ready(2, &[1], long), [false, true]);
        assert_eq!(ready(4, &[0, 3], long), [true, false, false, true]);
    }

    #[test]
    fn a_wait_ends_in_time_also_without_a_socket() {
        let short = Duration::from_millis(20);
        for count in 0..3 {
            let started = Instant::now();
            assert_eq!(ready(count, &[], short), vec![false; count]);
            assert!(started.elapsed() >= short);
        }
    }
}
