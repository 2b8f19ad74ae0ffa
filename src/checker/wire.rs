//! One connection that never waits, plain or encrypted: words go out and come in as far as they can
//! at this moment, within a limit on what comes in.

use std::io::{self, ErrorKind, Read, Write};
use std::mem;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Mutex, PoisonError};

use rustix::buffer::spare_capacity;
use rustix::net::sockopt::socket_error;
use rustix::net::{
    AddressFamily, RecvFlags, SocketFlags, SocketType, connect, ipproto, recv, socket_with,
};

use crate::endpoint::Host;
use crate::tls;

/// The most that is asked for at once; the status of a replica is smaller.
const PIECE: usize = 8192;

/// Buffers between two uses: tags are checked one after the other, so that few are enough.
static SPARE: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());
/// How many are kept, and of what size at most.
const SPARES: (usize, usize) = (4, 2 * PIECE);

/// The connection.
#[derive(Debug)]
pub struct Wire {
    socket: Socket,
    /// Bytes that may still be heard.
    allowance: usize,
    /// Words that did not go out yet.
    unsent: Vec<u8>,
    /// Heard, and not understood yet.
    pub heard: Vec<u8>,
}

/// What is underneath.
#[derive(Debug)]
enum Socket {
    Plain(TcpStream),
    Secure(Box<tls::Stream<TcpStream>>),
}

/// A connection that nobody talks on, with the last word that is said when it is given up.
#[derive(Debug)]
pub struct Idle {
    wire: Wire,
    goodbye: &'static [u8],
}

/// Begins to connect; the socket is writable as soon as that has worked, or failed.
///
/// # Errors
/// When it failed at once.
pub fn begin_to_connect(address: SocketAddr) -> io::Result<TcpStream> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(family, SocketType::STREAM, flags, Some(ipproto::TCP))?;
    match connect(&socket, &address) {
        Ok(()) | Err(rustix::io::Errno::INPROGRESS) => Ok(TcpStream::from(socket)),
        Err(error) => Err(error.into()),
    }
}

/// How connecting ended, once the socket is writable. What is said over it from now on goes out at
/// once.
///
/// # Errors
/// When it failed.
pub fn end_of_connecting(stream: &TcpStream) -> io::Result<()> {
    socket_error(stream)??;
    stream.set_nodelay(true)
}

impl Wire {
    /// A connection over a socket that does not block, and need not be connected yet where the
    /// other side has the first word. At most `limit` bytes are heard.
    pub fn new(stream: TcpStream, limit: usize) -> Wire {
        Wire {
            socket: Socket::Plain(stream),
            allowance: limit,
            unsent: Vec::new(),
            heard: buffer(),
        }
    }

    /// Says something; what does not go out at once goes with `flush`.
    ///
    /// # Errors
    /// Those of the connection.
    pub fn say(&mut self, words: &[u8]) -> io::Result<()> {
        match self.unsent.is_empty() {
            true => self.unsent = self.send(words)?.to_vec(),
            false => self.unsent.extend_from_slice(words),
        }
        self.flush_tls()
    }

    /// Lets unsent words go out.
    ///
    /// # Errors
    /// Those of the connection.
    pub fn flush(&mut self) -> io::Result<()> {
        if !self.unsent.is_empty() {
            let unsent = mem::take(&mut self.unsent);
            self.unsent = self.send(&unsent)?.to_vec();
        }
        self.flush_tls()
    }

    /// Says as much as goes out at once, and gives the rest.
    fn send<'a>(&mut self, words: &'a [u8]) -> io::Result<&'a [u8]> {
        let mut left = words;
        while !left.is_empty() {
            match self.socket.write(left) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => left = left.get(count..).unwrap_or_default(),
                Err(error) if is_not_yet(&error) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(left)
    }

    fn flush_tls(&mut self) -> io::Result<()> {
        match self.socket.flush() {
            Err(error) if !is_not_yet(&error) => Err(error),
            _ => Ok(()),
        }
    }

    /// Whether there is something to say as soon as the socket takes it.
    pub fn has_unsent(&self) -> bool {
        !self.unsent.is_empty() || self.socket.has_unsent()
    }

    /// Hears what there is to hear at this moment.
    ///
    /// # Errors
    /// Those of the connection; its end is one of them.
    pub fn listen(&mut self) -> io::Result<()> {
        loop {
            let most = PIECE.min(self.allowance);
            if most == 0 {
                return Err(io::Error::new(
                    ErrorKind::InvalidData,
                    "the answer does not end",
                ));
            }
            match self.read(most) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => {
                    // What there was room for may be a little more.
                    self.allowance = self.allowance.saturating_sub(count);
                    // A socket that gave less has no more; TLS gives a record at a time.
                    if count < most && matches!(self.socket, Socket::Plain(_)) {
                        return Ok(());
                    }
                }
                Err(error) if is_not_yet(&error) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    /// Reads behind what was heard already.
    fn read(&mut self, most: usize) -> io::Result<usize> {
        self.heard.reserve(most);
        match &mut self.socket {
            Socket::Plain(stream) => {
                let room = spare_capacity(&mut self.heard);
                Ok(recv(stream, room, RecvFlags::empty())?.1)
            }
            Socket::Secure(stream) => {
                let heard = self.heard.len();
                self.heard.resize(heard + most, 0);
                let count = stream.read(self.heard.get_mut(heard..).unwrap_or_default());
                let read = *count.as_ref().unwrap_or(&0);
                self.heard.truncate(heard + read);
                count
            }
        }
    }

    /// From now on the connection is encrypted. `shake` has to come to its end first.
    ///
    /// # Errors
    /// If the host's name cannot stand in a certificate.
    pub fn secure(self, client: &tls::Client, host: &Host) -> io::Result<Wire> {
        let Socket::Plain(stream) = self.socket else {
            return Ok(self);
        };
        // The end of the handshake and the first words follow each other.
        stream.set_nodelay(true)?;
        let stream = client.wrap(host, stream)?;
        Ok(Wire {
            socket: Socket::Secure(Box::new(stream)),
            ..self
        })
    }

    /// Goes on with the handshake. Returns whether it is over.
    ///
    /// # Errors
    /// Those of the connection, and what is wrong with the other side.
    pub fn shake(&mut self) -> io::Result<bool> {
        match &mut self.socket {
            Socket::Plain(_) => Ok(true),
            Socket::Secure(stream) => match stream.handshake() {
                Ok(()) => Ok(true),
                Err(error) if is_not_yet(&error) => Ok(false),
                Err(error) => Err(error),
            },
        }
    }

    /// The end of the conversation: the connection, to wait on.
    pub fn into_idle(mut self, goodbye: &'static [u8]) -> Idle {
        spare(mem::take(&mut self.heard));
        let wire = Wire {
            unsent: Vec::new(),
            heard: Vec::new(),
            ..self
        };
        Idle { wire, goodbye }
    }
}

fn buffer() -> Vec<u8> {
    let mut spare = SPARE.lock().unwrap_or_else(PoisonError::into_inner);
    spare.pop().unwrap_or_default()
}

fn spare(mut buffer: Vec<u8>) {
    let (count, size) = SPARES;
    let mut spare = SPARE.lock().unwrap_or_else(PoisonError::into_inner);
    if spare.len() < count && buffer.capacity() <= size {
        buffer.clear();
        spare.push(buffer);
    }
}

impl Socket {
    fn has_unsent(&self) -> bool {
        match self {
            Socket::Plain(_) => false,
            Socket::Secure(stream) => stream.wants_write(),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, words: &[u8]) -> io::Result<usize> {
        match self {
            Socket::Plain(stream) => stream.write(words),
            Socket::Secure(stream) => stream.write(words),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Socket::Plain(_) => Ok(()),
            Socket::Secure(stream) => stream.flush(),
        }
    }
}

impl AsFd for Wire {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.socket {
            Socket::Plain(stream) => stream.as_fd(),
            Socket::Secure(stream) => stream.get_ref().as_fd(),
        }
    }
}

impl AsFd for Idle {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wire.as_fd()
    }
}

impl Drop for Idle {
    fn drop(&mut self) {
        if !self.goodbye.is_empty() {
            // Nobody need be there any more.
            let _ = self.wire.say(self.goodbye);
        }
    }
}

fn is_not_yet(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
