//! HTTP over a unix socket for ureq, which has none of its own.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with, sockopt,
};
use ureq::config::Config;
use ureq::unversioned::transport::{Buffers, LazyBuffers, NextTimeout, ShutdownHandle, Transport};

/// One connection.
pub(super) struct UnixTransport {
    stream: Arc<Socket>,
    buffers: LazyBuffers,
}

/// The socket, which another thread may shut down.
struct Socket(UnixStream);

impl UnixTransport {
    /// Connects within `wait`.
    ///
    /// # Errors
    /// What the system says; a time-out where the agent's queue of new connections stayed full.
    pub(super) fn connect(
        path: &Path,
        wait: Duration,
        config: &Config,
    ) -> Result<UnixTransport, ureq::Error> {
        let stream = open(path, at_least_a_moment(wait)).map_err(|e| match is_timeout(&e) {
            true => ureq::Error::Timeout(ureq::Timeout::Connect),
            false => ureq::Error::Io(e),
        })?;
        Ok(UnixTransport {
            stream: Arc::new(Socket(stream)),
            buffers: LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size()),
        })
    }

    /// What ends a wait on this connection from another thread.
    pub(super) fn shutdown_handle(&self) -> Weak<dyn ShutdownHandle> {
        Arc::downgrade(&self.stream) as Weak<dyn ShutdownHandle>
    }
}

impl ShutdownHandle for Socket {
    fn shutdown(&self) {
        // An error means that it is closed already.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

impl Transport for UnixTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        let deadline = Deadline::new(timeout);
        let mut rest = self.buffers.output().get(..amount).unwrap_or_default();
        while !rest.is_empty() {
            self.stream.0.set_write_timeout(Some(deadline.left()?))?;
            match (&self.stream.0).write(rest) {
                Ok(0) => return Err(io::Error::from(ErrorKind::WriteZero).into()),
                Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                Err(e) => deadline.judge(e)?,
            }
        }
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        let deadline = Deadline::new(timeout);
        loop {
            self.stream.0.set_read_timeout(Some(deadline.left()?))?;
            match (&self.stream.0).read(self.buffers.input_append_buf()) {
                Ok(amount) => {
                    self.buffers.input_appended(amount);
                    return Ok(amount > 0);
                }
                Err(e) => deadline.judge(e)?,
            }
        }
    }

    /// An idle connection has nothing to read; anything else is the peer's end or its garbage.
    fn is_open(&mut self) -> bool {
        let mut byte = [0];
        let nothing = self.stream.0.set_nonblocking(true).is_ok()
            && matches!((&self.stream.0).read(&mut byte), Err(e) if e.kind() == ErrorKind::WouldBlock);
        nothing && self.stream.0.set_nonblocking(false).is_ok()
    }
}

impl fmt::Debug for UnixTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UnixTransport")
    }
}

/// The end of one step, kept across interrupted system calls.
struct Deadline {
    at: Option<Instant>,
    reason: ureq::Timeout,
}

impl Deadline {
    fn new(timeout: NextTimeout) -> Deadline {
        Deadline {
            at: Instant::now().checked_add(*timeout.after),
            reason: timeout.reason,
        }
    }

    fn left(&self) -> Result<Duration, ureq::Error> {
        let left = self
            .at
            .map_or(FAR, |at| at.saturating_duration_since(Instant::now()));
        match left.is_zero() {
            true => Err(ureq::Error::Timeout(self.reason)),
            false => Ok(at_least_a_moment(left)),
        }
    }

    /// Whether to go on after an error of the socket.
    fn judge(&self, error: io::Error) -> Result<(), ureq::Error> {
        if error.kind() == ErrorKind::Interrupted {
            return Ok(());
        }
        match is_timeout(&error) {
            true => Err(ureq::Error::Timeout(self.reason)),
            false => Err(error.into()),
        }
    }
}

/// Stands for "no time-out was set", which does not happen here.
const FAR: Duration = Duration::from_secs(3600);

/// `connect(2)` on a unix socket waits, while the listener's queue is full, as long as the socket's
/// send time-out says; the standard library has no way to set it before.
fn open(path: &Path, wait: Duration) -> io::Result<UnixStream> {
    let flags = SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    sockopt::set_socket_timeout(&socket, sockopt::Timeout::Send, Some(wait))?;
    connect(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(UnixStream::from(socket))
}

/// The system takes a time-out of nothing for none at all.
fn at_least_a_moment(wait: Duration) -> Duration {
    wait.max(Duration::from_millis(1))
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
