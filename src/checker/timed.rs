//! A socket with one deadline for all reads and writes together: whatever reads from it, however
//! often, ends in time.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// The socket.
#[derive(Debug)]
pub struct Timed {
    stream: TcpStream,
    due: Instant,
}

impl Timed {
    /// Everything has to be over at `due`.
    pub fn new(stream: TcpStream, due: Instant) -> Timed {
        Timed { stream, due }
    }

    /// Another deadline.
    pub fn set_due(&mut self, due: Instant) {
        self.due = due;
    }

    /// An earlier deadline, if the present one is not within that time anyway. Returns the present
    /// one.
    pub fn hurry(&mut self, within: Duration) -> Instant {
        let before = self.due;
        self.due = before.min(Instant::now() + within);
        before
    }

    /// A deadline that leaves so much of the time, or half of it if there is less than twice as
    /// much. Returns the present one.
    pub fn leave(&mut self, rest: Duration) -> Instant {
        let (before, now) = (self.due, Instant::now());
        let left = before.saturating_duration_since(now);
        self.due = now + left.saturating_sub(rest).max(left / 2);
        before
    }

    /// The socket itself, without a deadline.
    pub fn into_stream(self) -> TcpStream {
        self.stream
    }

    /// The time that is left.
    fn left(&self) -> io::Result<Duration> {
        match self.due.saturating_duration_since(Instant::now()) {
            Duration::ZERO => Err(ErrorKind::TimedOut.into()),
            left => Ok(left),
        }
    }
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(self.left()?))?;
        self.stream.read(buffer)
    }
}

impl Write for Timed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(self.left()?))?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
