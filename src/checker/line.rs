//! A connection with a deadline for the whole conversation and a limit on what is read, whatever
//! the other side does: a byte now and then, or no end of bytes.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::checker::dial::Dial;
use crate::checker::failure::{Failure, Try};
use crate::checker::timed::Timed;
use crate::tls;

/// How long a server is listened to before a second try.
const LISTEN: Duration = Duration::from_millis(20);

/// What is left of the time for a last word to a server that does not answer a handshake.
const LAST: Duration = Duration::from_millis(50);

/// One conversation over one connection.
#[derive(Debug)]
pub struct Line {
    socket: Socket,
    timeout: Duration,
    /// Bytes that may still be read.
    allowance: usize,
    /// Read, and not taken yet.
    buffer: Vec<u8>,
    /// How it broke off, while somebody read from it who does not say that.
    broken: Option<Failure>,
}

impl Line {
    /// Connects. The conversation has to end at `due`, which is `timeout` after its beginning, and
    /// may read `limit` bytes.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub fn open(
        dial: &Dial,
        due: Instant,
        timeout: Duration,
        limit: usize,
    ) -> Result<Line, Failure> {
        let socket = Socket::Plain(Timed::new(dial.stream(due, timeout)?, due));
        Line::over(socket, dial, timeout, limit)
    }

    /// The same, encrypted where there is a `client` for that.
    ///
    /// # Errors
    /// When the server cannot be reached, or is not to be trusted.
    pub fn open_secure(
        client: Option<&tls::Client>,
        dial: &Dial,
        due: Instant,
        timeout: Duration,
        limit: usize,
    ) -> Result<Line, Failure> {
        let Some(client) = client else {
            return Line::open(dial, due, timeout, limit);
        };
        let plain = Timed::new(dial.stream(due, timeout)?, due);
        let socket = shake_hands(client, dial, plain, timeout)?;
        Line::over(Socket::Secure(Box::new(socket)), dial, timeout, limit)
    }

    fn over(socket: Socket, dial: &Dial, timeout: Duration, limit: usize) -> Result<Line, Failure> {
        let mut line = Line {
            socket,
            timeout,
            allowance: limit,
            buffer: Vec::new(),
            broken: None,
        };
        if dial.which() == Try::Second {
            line.listen()?;
        }
        Ok(line)
    }

    /// Sends all of it.
    ///
    /// # Errors
    /// When it cannot be sent in time.
    pub fn say(&mut self, words: &[u8]) -> Result<(), Failure> {
        if !self.buffer.is_empty() {
            // It has said already why it will not listen.
            return Ok(());
        }
        let said = self.socket.write_all(words);
        let said = said.and_then(|()| self.socket.flush());
        said.map_err(|error| self.failure(&error))
    }

    /// The next line, without its end (CR LF, or LF alone).
    ///
    /// # Errors
    /// When there is none in time, or it is too long.
    pub fn hear_line(&mut self) -> Result<Vec<u8>, Failure> {
        let mut seen = 0;
        loop {
            if let Some(odd) = self.buffer.iter().skip(seen).find(|b| !is_text(**b)) {
                let text = format!("its answer is no text (byte {odd:#04x})");
                return Err(Failure::protocol(text));
            }
            let end = self.buffer.iter().skip(seen).position(|b| *b == b'\n');
            if let Some(end) = end {
                let mut line: Vec<u8> = self.buffer.drain(..=seen + end).collect();
                line.pop();
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                return Ok(line);
            }
            seen = self.buffer.len();
            self.hear_more()?;
        }
    }

    /// The next `count` bytes.
    ///
    /// # Errors
    /// When they do not come in time, or are more than may be read.
    pub fn hear_bytes(&mut self, count: usize) -> Result<Vec<u8>, Failure> {
        while self.buffer.len() < count {
            self.hear_more()?;
        }
        Ok(self.buffer.drain(..count).collect())
    }

    /// How the conversation broke off, for whoever read by way of `Read`; `None` if it did not.
    pub fn broken(&mut self) -> Option<Failure> {
        self.broken.take()
    }

    /// The end of the conversation: the connection, to wait on.
    pub fn into_stream(self) -> TcpStream {
        match self.socket {
            Socket::Plain(timed) => timed.into_stream(),
            Socket::Secure(stream) => stream.into_socket().into_stream(),
        }
    }

    /// Hears for a moment what the server says unasked. One that is full says so and closes the
    /// connection, and would reset it, and its words with it, if we spoke first.
    fn listen(&mut self) -> Result<(), Failure> {
        let mut part = [0; 512];
        let due = self.socket.timed().hurry(LISTEN);
        let heard = self.socket.read(&mut part);
        self.socket.timed().set_due(due);
        match heard {
            Ok(0) => Err(self.failure(&ErrorKind::UnexpectedEof.into())),
            Ok(count) => {
                self.buffer.extend(part.iter().take(count));
                Ok(())
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                Ok(())
            }
            Err(error) => Err(self.failure(&error)),
        }
    }

    fn failure(&self, error: &io::Error) -> Failure {
        Failure::of_io(error, self.timeout)
    }

    fn hear_more(&mut self) -> Result<(), Failure> {
        let mut part = [0; 4096];
        let count = self.read_some(&mut part).map_err(|e| self.failure(&e))?;
        if count == 0 {
            return Err(self.failure(&ErrorKind::UnexpectedEof.into()));
        }
        self.buffer.extend(part.iter().take(count));
        Ok(())
    }

    /// From the socket, never more than is allowed.
    fn read_some(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.allowance == 0 {
            return Err(io::Error::new(
                ErrorKind::InvalidData,
                "the answer does not end",
            ));
        }
        let most = buffer.len().min(self.allowance);
        let count = self
            .socket
            .read(buffer.get_mut(..most).unwrap_or_default())?;
        self.allowance -= count;
        Ok(count)
    }
}

/// The connection itself.
#[derive(Debug)]
enum Socket {
    Plain(Timed),
    Secure(Box<tls::Stream<Timed>>),
}

impl Socket {
    fn timed(&mut self) -> &mut Timed {
        match self {
            Socket::Plain(timed) => timed,
            Socket::Secure(stream) => stream.socket(),
        }
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Socket::Plain(timed) => timed.read(buffer),
            Socket::Secure(stream) => stream.read(buffer),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, words: &[u8]) -> io::Result<usize> {
        match self {
            Socket::Plain(timed) => timed.write(words),
            Socket::Secure(stream) => stream.write(words),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Socket::Plain(timed) => timed.flush(),
            Socket::Secure(stream) => stream.flush(),
        }
    }
}

/// A server without TLS takes the beginning of it for the beginning of a line and waits for its
/// end, as silent as one that hangs. So it is asked in plain words when the time is nearly over:
/// one with TLS that has not answered by then is late anyway.
fn shake_hands(
    client: &tls::Client,
    dial: &Dial,
    mut plain: Timed,
    timeout: Duration,
) -> Result<tls::Stream<Timed>, Failure> {
    let due = plain.leave(LAST);
    let stream = client.wrap(&dial.server().host, plain);
    let mut stream = stream.map_err(|error| Failure::trouble(error.to_string()))?;
    let shaken = stream.handshake();
    stream.socket().set_due(due);
    let Err(error) = shaken else {
        return Ok(stream);
    };
    let is_late = matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
    match is_late && speaks_plainly(dial, due, timeout) {
        true => Err(Failure::trouble(
            "it speaks no TLS: use the port where it does, or tls=off",
        )),
        false => Err(Failure::of_io(&error, timeout)),
    }
}

/// Whether it answers as Redis does without TLS.
fn speaks_plainly(dial: &Dial, due: Instant, timeout: Duration) -> bool {
    let Ok(stream) = dial.stream(due, timeout) else {
        return false;
    };
    let (mut plain, mut byte) = (Timed::new(stream, due), [0]);
    let asked = plain.write_all(b"PING\r\n");
    let heard = asked.and_then(|()| plain.read(&mut byte));
    matches!((heard, byte), (Ok(1), [b'-' | b'+']))
}

/// Whether a byte may stand in a line of text.
fn is_text(byte: u8) -> bool {
    byte.is_ascii_graphic() || matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

impl Read for Line {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.buffer.is_empty() {
            let result = self.read_some(buffer);
            self.broken = match &result {
                Ok(0) => Some(self.failure(&ErrorKind::UnexpectedEof.into())),
                Ok(_) => None,
                Err(error) => Some(self.failure(error)),
            };
            return result;
        }
        let count = buffer.len().min(self.buffer.len());
        for (to, from) in buffer.iter_mut().zip(self.buffer.drain(..count)) {
            *to = from;
        }
        Ok(count)
    }
}

impl Write for Line {
    fn write(&mut self, words: &[u8]) -> io::Result<usize> {
        self.socket.write(words)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;
    use crate::checker::Fault;
    use crate::resolve::Resolver;

    /// A line to a server that does this with its connection.
    fn line_to(
        serve: impl FnOnce(TcpStream) + Send + 'static,
        timeout: Duration,
        limit: usize,
    ) -> Line {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = listener.local_addr().unwrap().to_string();
        thread::spawn(move || serve(listener.accept().unwrap().0));
        let dial = Dial::new(server.parse().unwrap(), Resolver::system());
        Line::open(&dial, Instant::now() + timeout, timeout, limit).unwrap()
    }

    #[test]
    fn lines_and_bytes_are_taken_in_order() {
        let serve = |mut stream: TcpStream| stream.write_all(b"one\r\ntwo\nabc\r\n").unwrap();
        let mut line = line_to(serve, Duration::from_secs(20), 100);
        assert_eq!(line.hear_line().unwrap(), b"one");
        assert_eq!(line.hear_line().unwrap(), b"two");
        assert_eq!(line.hear_bytes(2).unwrap(), b"ab");
        let mut rest = [0; 9];
        assert_eq!(line.read(&mut rest).unwrap(), 3);
        assert_eq!(line.hear_line(), Err(Failure::Down(Fault::Reset)));
    }

    #[test]
    fn a_server_that_sends_a_byte_now_and_then_is_late_all_the_same() {
        let drip = |mut stream: TcpStream| {
            while stream.write_all(b"x").is_ok() {
                thread::sleep(Duration::from_millis(5));
            }
        };
        let limit = Duration::from_millis(100);
        let (start, mut line) = (Instant::now(), line_to(drip, limit, 1 << 20));
        assert_eq!(line.hear_line(), Err(Failure::Down(Fault::TimedOut(limit))));
        assert!(start.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn what_is_no_text_is_no_line_even_if_it_does_not_end() {
        let greet = |mut stream: TcpStream| {
            stream.write_all(b"J\0\0\0\n5.5.5").unwrap();
            thread::sleep(Duration::from_secs(20));
        };
        let mut line = line_to(greet, Duration::from_secs(20), 100);
        let failure = line.hear_line().unwrap_err();
        assert_eq!(
            failure,
            Failure::protocol("its answer is no text (byte 0x00)")
        );
    }

    #[test]
    fn on_the_second_try_a_server_is_heard_before_it_is_spoken_to() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = listener.local_addr().unwrap().to_string();
        thread::spawn(move || listener.accept().unwrap().0.write_all(b"full\r\n"));
        let dial = Dial::new(server.parse().unwrap(), Resolver::system()).on(Try::Second);
        let limit = Duration::from_secs(20);
        let mut line = Line::open(&dial, Instant::now() + limit, limit, 100).unwrap();
        line.say(b"hello\r\n").unwrap();
        assert_eq!(line.hear_line().unwrap(), b"full");
    }

    #[test]
    fn an_answer_without_an_end_is_cut_off_at_the_limit() {
        let flood = |mut stream: TcpStream| while stream.write_all(&[b'x'; 4096]).is_ok() {};
        let mut line = line_to(flood, Duration::from_secs(20), 10_000);
        assert_eq!(
            line.hear_line(),
            Err(Failure::protocol("the answer does not end"))
        );
        assert!(line.buffer.len() <= 10_000);
    }
}
