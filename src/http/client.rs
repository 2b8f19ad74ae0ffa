//! One client: its question as it comes, the answer as it goes, and the end of the connection. Never
//! waits.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags};

use super::request::{self, Asked, LONGEST};
use super::{Answer, Pages};

/// How much is read at a time.
const PIECE: usize = 2048;
/// How much of what a client still says is read before its connection is closed.
const LEFT_OVER: usize = 64 * 1024;

/// A connection with a client.
#[derive(Debug)]
pub(super) struct Client {
    stream: TcpStream,
    deadline: Instant,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// The request so far.
    Asking(Vec<u8>),
    /// Head and body, and how much of both has gone.
    Answered {
        head: Vec<u8>,
        body: Arc<String>,
        sent: usize,
    },
    /// What is still said is read, so that closing does not throw away the answer; how much it was.
    Leaving(usize),
    Gone,
}

impl Client {
    pub(super) fn new(stream: TcpStream, deadline: Instant) -> Client {
        Client {
            stream,
            deadline,
            stage: Stage::Asking(Vec::new()),
        }
    }

    /// By when it must be done.
    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// What it waits for.
    pub(super) fn wanted(&self) -> PollFd<'_> {
        let flags = match self.stage {
            Stage::Answered { .. } => PollFlags::OUT,
            Stage::Asking(_) | Stage::Leaving(_) | Stage::Gone => PollFlags::IN,
        };
        PollFd::new(&self.stream, flags)
    }

    /// Whether nothing is left to be done, or no time for it.
    pub(super) fn is_done(&self, now: Instant) -> bool {
        matches!(self.stage, Stage::Gone) || now >= self.deadline
    }

    /// Does what can be done now.
    pub(super) fn go_on(&mut self, pages: &mut Pages) {
        let done = match &mut self.stage {
            Stage::Asking(request) => {
                listen(&mut self.stream, request).map(|()| answer(request, pages))
            }
            Stage::Answered { head, body, sent } => {
                tell(&mut self.stream, head, body.as_bytes(), sent)
            }
            Stage::Leaving(heard) => leave(&mut self.stream, heard),
            Stage::Gone => Ok(None),
        };
        match done {
            Ok(None) => {}
            Ok(Some(next)) => self.stage = next,
            Err(error) if is_early(&error) => {}
            Err(_) => self.stage = Stage::Gone,
        }
    }
}

fn is_early(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

/// Reads a piece of the request.
fn listen(stream: &mut TcpStream, request: &mut Vec<u8>) -> io::Result<()> {
    let mut piece = [0; PIECE];
    let room = PIECE.min(LONGEST - request.len().min(LONGEST));
    let length = stream.read(piece.get_mut(..room).unwrap_or_default())?;
    if length == 0 {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    request.extend_from_slice(piece.get(..length).unwrap_or_default());
    Ok(())
}

/// The answer, if the request is complete.
fn answer(request: &[u8], pages: &mut Pages) -> Option<Stage> {
    let (answer, head_only) = match request::read(request) {
        Asked::NotYet => return None,
        Asked::Page { path, head_only } => (pages(path), head_only),
        Asked::Refused(status) => (refusal(status), false),
    };
    let Answer { status, kind, body } = answer;
    let (reason, length) = (reason(status), body.len());
    let head = format!(
        "HTTP/1.1 {status} {reason}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\
         Cache-Control: no-store\r\nConnection: close\r\n\r\n"
    );
    Some(Stage::Answered {
        head: head.into_bytes(),
        body: if head_only { Arc::default() } else { body },
        sent: 0,
    })
}

fn refusal(status: u16) -> Answer {
    Answer {
        status,
        kind: "text/plain; charset=utf-8",
        body: Arc::new(format!("{}\n", reason(status))),
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        431 => "Request Header Fields Too Large",
        503 => "Service Unavailable",
        _ => "Unknown",
    }
}

/// Sends what fits.
fn tell(
    stream: &mut TcpStream,
    head: &[u8],
    body: &[u8],
    sent: &mut usize,
) -> io::Result<Option<Stage>> {
    loop {
        let rest = match head.get(*sent..) {
            Some(rest) if !rest.is_empty() => rest,
            _ => body.get(*sent - head.len()..).unwrap_or_default(),
        };
        if rest.is_empty() {
            stream.shutdown(Shutdown::Write)?;
            return Ok(Some(Stage::Leaving(0)));
        }
        match stream.write(rest)? {
            0 => return Err(ErrorKind::WriteZero.into()),
            length => *sent += length,
        }
    }
}

/// Reads and drops a piece of what is still said.
fn leave(stream: &mut TcpStream, heard: &mut usize) -> io::Result<Option<Stage>> {
    let length = stream.read(&mut [0; PIECE])?;
    *heard += length;
    Ok((length == 0 || *heard > LEFT_OVER).then_some(Stage::Gone))
}
