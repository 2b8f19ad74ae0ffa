//! Waits on a connection that nobody uses: when its server dies, the wait ends at once.
//!
//! The only `unsafe` of the crate is here: the MySQL driver shows its socket as a bare number.

use std::os::fd::{AsRawFd, BorrowedFd};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Waits until `at_most` has passed or something happens on the idle `connection`: its server
/// closed it, or said something unasked, which is the beginning of the same. Returns whether
/// something happened.
pub fn closed_within(connection: &impl AsRawFd, at_most: Duration) -> bool {
    #[expect(unsafe_code, reason = "the driver offers no BorrowedFd")]
    // SAFETY: the descriptor belongs to `connection`, which is borrowed until this function
    // returns and does not close it before; the borrowed descriptor does not outlive the call.
    let socket = unsafe { BorrowedFd::borrow_raw(connection.as_raw_fd()) };
    let mut wanted = [PollFd::from_borrowed_fd(
        socket,
        PollFlags::IN | PollFlags::RDHUP,
    )];
    match poll(&mut wanted, timespec(at_most).as_ref()) {
        Ok(happened) => happened > 0,
        Err(_) => {
            // Interrupted, or no memory: whatever it is, it must not turn into a busy loop.
            thread::sleep(at_most);
            false
        }
    }
}

/// `None`, "for ever", for a time that the kernel cannot count.
fn timespec(time: Duration) -> Option<Timespec> {
    Timespec::try_from(time).ok()
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::time::Instant;

    use super::*;

    #[test]
    fn the_wait_ends_when_the_other_side_closes() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (theirs, _) = listener.accept().unwrap();
        assert!(!closed_within(&ours, Duration::from_millis(20)));
        drop(theirs);
        let start = Instant::now();
        assert!(closed_within(&ours, Duration::from_secs(20)));
        assert!(start.elapsed() < Duration::from_secs(10));
    }
}
