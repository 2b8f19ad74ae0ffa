//! A small HTTP server for whoever watches us: one thread, which waits for all clients at the same time
//! by `poll`, so that one that is slow or stuck holds up nobody. What the pages say is the caller's.
//!
//! Everything has a limit: the size of a request, the time that a client may take for all of it, and
//! how many clients there are. Beyond that number, the one that has been there for longest goes.

mod client;
mod request;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, Timespec, poll};

use self::client::Client;

/// The name that log lines carry.
const TARGET: &str = "listen";
/// The most clients at a time. HAProxy hosts and collectors are few, and a connection is one question.
const MOST: usize = 64;
/// The time for a client's whole question and the answer to it.
const LIMIT: Duration = Duration::from_secs(5);
/// The rest after something that the system does not give, such as a descriptor.
const REST: Duration = Duration::from_millis(100);
/// What `accept` says when nobody waits.
const NOBODY: [ErrorKind; 2] = [ErrorKind::WouldBlock, ErrorKind::Interrupted];
/// What it says when somebody waited and has gone again.
const GONE: [ErrorKind; 2] = [ErrorKind::ConnectionAborted, ErrorKind::ConnectionReset];
/// How much stack the thread has.
const STACK: usize = if cfg!(debug_assertions) {
    2 << 20
} else {
    128 << 10
};

/// A page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP's number for how it went.
    pub status: u16,
    /// What the body is.
    pub kind: &'static str,
    /// The body, which several clients may have.
    pub body: Arc<String>,
}

/// Makes the page for a path.
pub type Pages = Box<dyn FnMut(&str) -> Answer + Send>;

/// Takes an address, so that one that cannot be had is known at the start.
///
/// # Errors
/// One line.
pub fn bind(address: SocketAddr) -> Result<TcpListener, String> {
    let listener = TcpListener::bind(address)
        .and_then(|listener| listener.set_nonblocking(true).map(|()| listener));
    listener.map_err(|error| match error.kind() == ErrorKind::AddrInUse {
        true => format!("cannot listen on {address}: another program does; choose another port"),
        false => format!("cannot listen on {address}: {error}"),
    })
}

/// Answers on that address for ever, in a thread.
///
/// # Errors
/// When no thread can be started.
pub fn serve(listener: TcpListener, pages: Pages) -> io::Result<()> {
    let mut server = Server {
        listener,
        pages,
        clients: Vec::new(),
        limit: LIMIT,
    };
    let serve = move || {
        loop {
            let turn = AssertUnwindSafe(|| server.turn());
            let turned = panic::catch_unwind(turn).unwrap_or_else(|_| {
                // Whoever it was about is among them.
                server.clients.clear();
                Err(io::Error::other("a request made it fail"))
            });
            if let Err(error) = turned {
                log::debug!(target: TARGET, "{error}");
                thread::sleep(REST);
            }
        }
    };
    let builder = thread::Builder::new().name(TARGET.to_owned());
    builder.stack_size(STACK).spawn(serve).map(drop)
}

/// The listener and who has come.
struct Server {
    listener: TcpListener,
    pages: Pages,
    /// In the order in which they came.
    clients: Vec<Client>,
    limit: Duration,
}

impl Server {
    /// Waits until something can be done, and does it.
    ///
    /// # Errors
    /// What the system did not give.
    fn turn(&mut self) -> io::Result<()> {
        let ready = self.wait()?;
        let now = Instant::now();
        for (client, _) in self.clients.iter_mut().zip(ready).filter(|(_, is)| *is) {
            client.go_on(&mut self.pages);
        }
        self.clients.retain(|client| !client.is_done(now));
        self.accept(now)
    }

    /// Which of the clients can go on.
    fn wait(&self) -> io::Result<Vec<bool>> {
        let now = Instant::now();
        let first = self.clients.iter().map(Client::deadline).min();
        let timeout = first.map(|at| at.saturating_duration_since(now));
        let timeout = timeout.and_then(|time| Timespec::try_from(time).ok());
        let mut all: Vec<PollFd<'_>> = self.clients.iter().map(Client::wanted).collect();
        all.push(PollFd::new(&self.listener, rustix::event::PollFlags::IN));
        match poll(&mut all, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(all.iter().map(|fd| !fd.revents().is_empty()).collect())
    }

    /// Takes everybody in who waits; a newcomer is served at the next turn.
    fn accept(&mut self, now: Instant) -> io::Result<()> {
        for _ in 0..MOST {
            let stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if is_one_of(&error, &NOBODY) => return Ok(()),
                Err(error) if is_one_of(&error, &GONE) => continue,
                Err(error) => return Err(error),
            };
            stream.set_nonblocking(true)?;
            if self.clients.len() >= MOST {
                self.clients.remove(0);
            }
            self.clients.push(Client::new(stream, now + self.limit));
        }
        Ok(())
    }
}

fn is_one_of(error: &io::Error, kinds: &[ErrorKind]) -> bool {
    kinds.contains(&error.kind())
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Server({:?})", self.listener)
    }
}
