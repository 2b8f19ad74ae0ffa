//! A client of Redis' protocol that shares no code with the product.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// What a server answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    Text(String),
    Error(String),
    Number(i64),
    Nil,
    List(Vec<Reply>),
}

impl Reply {
    /// The text of a text; empty for all else.
    pub fn text(&self) -> &str {
        match self {
            Reply::Text(text) => text,
            _ => "",
        }
    }

    /// The parts of a list; none of all else.
    pub fn parts(&self) -> &[Reply] {
        match self {
            Reply::List(parts) => parts,
            _ => &[],
        }
    }

    /// The value after a name, in a flat list of names and values.
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut pairs = self.parts().chunks_exact(2);
        pairs.find_map(|pair| (pair[0].text() == name).then(|| pair[1].text()))
    }
}

/// A stream with limits.
trait Stream: Read + Write + std::fmt::Debug + Send {}
impl Stream for TcpStream {}
impl Stream for UnixStream {}

/// A session.
#[derive(Debug)]
pub struct Session {
    stream: BufReader<Box<dyn Stream>>,
}

impl Session {
    pub fn tcp(to: SocketAddr, limit: Duration) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&to, limit)?;
        stream.set_read_timeout(Some(limit))?;
        Ok(Self::over(Box::new(stream)))
    }

    pub fn unix(socket: &Path, limit: Duration) -> io::Result<Self> {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(limit))?;
        Ok(Self::over(Box::new(stream)))
    }

    fn over(stream: Box<dyn Stream>) -> Self {
        Self {
            stream: BufReader::new(stream),
        }
    }

    /// One command, one answer.
    pub fn ask(&mut self, words: &[&str]) -> io::Result<Reply> {
        self.send(words)?;
        self.receive()
    }

    /// Sends a command and does not wait.
    pub fn send(&mut self, words: &[&str]) -> io::Result<()> {
        let mut request = format!("*{}\r\n", words.len());
        for word in words {
            request += &format!("${}\r\n{word}\r\n", word.len());
        }
        self.stream.get_mut().write_all(request.as_bytes())
    }

    /// The next answer.
    pub fn receive(&mut self) -> io::Result<Reply> {
        let line = self.line()?;
        let (kind, rest) = line.split_at_checked(1).unwrap_or(("", ""));
        let strange = || io::Error::other(format!("no answer of Redis: {line}"));
        let number = || rest.parse::<i64>().map_err(|_| strange());
        match kind {
            "+" => Ok(Reply::Text(rest.to_owned())),
            "-" => Ok(Reply::Error(rest.to_owned())),
            ":" => Ok(Reply::Number(number()?)),
            "$" => match usize::try_from(number()?) {
                Ok(length) => self.bulk(length),
                Err(_) => Ok(Reply::Nil),
            },
            "*" => match number()? {
                -1 => Ok(Reply::Nil),
                count => (0..count)
                    .map(|_| self.receive())
                    .collect::<io::Result<_>>()
                    .map(Reply::List),
            },
            _ => Err(strange()),
        }
    }

    fn bulk(&mut self, length: usize) -> io::Result<Reply> {
        let mut bytes = vec![0; length + 2];
        self.stream.read_exact(&mut bytes)?;
        bytes.truncate(length);
        Ok(Reply::Text(String::from_utf8_lossy(&bytes).into_owned()))
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        match self.stream.read_line(&mut line)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(line.trim_end().to_owned()),
        }
    }
}
