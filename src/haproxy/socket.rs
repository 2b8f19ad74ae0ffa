//! One question and its answer on HAProxy's socket, within a deadline that nothing outlasts.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{self, AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use crate::endpoint::Endpoint;
use crate::haproxy::error::Fault;
use crate::resolve::Resolver;

/// How long one exchange may take, from the connect to the last byte.
const TIMEOUT: Duration = Duration::from_secs(1);
/// More than this, in bytes, no HAProxy says of its servers.
const MOST: usize = 8 << 20;
/// How long to wait before knocking again at a unix socket whose queue is full.
const KNOCK: Duration = Duration::from_millis(5);

/// Where a `stats socket` is.
#[derive(Debug, Clone)]
pub(super) enum Address {
    /// An absolute path.
    Unix(SocketAddrUnix, String),
    /// A TCP port.
    Tcp(Endpoint, Resolver),
}

impl Address {
    /// Reads `/path`, `unix@/path`, `host:port`, `ipv4@host:port` or `ipv6@host:port`.
    ///
    /// # Errors
    /// One sentence, for anything else.
    pub(super) fn parse(text: &str) -> Result<Address, String> {
        let path = text.strip_prefix("unix@").unwrap_or(text);
        if path.starts_with('/') {
            let address = SocketAddrUnix::new(path)
                .map_err(|_| format!("'{path}' is too long for the path of a socket"))?;
            return Ok(Address::Unix(address, path.to_owned()));
        }
        let family = ["ipv4@", "ipv6@"];
        let host = family.iter().find_map(|word| text.strip_prefix(word));
        let endpoint = host.unwrap_or(text).parse();
        endpoint
            .map(|endpoint| Address::Tcp(endpoint, Resolver::system()))
            .map_err(|error: String| {
                format!(
                    "'{}' is neither /path nor host:port: {error}",
                    text.escape_debug()
                )
            })
    }

    /// Whether it is on this host.
    pub(super) fn is_local(&self) -> bool {
        match self {
            Address::Unix(..) => true,
            Address::Tcp(endpoint, _) => endpoint.host.is_loopback(),
        }
    }

    /// Sends one line and reads to the end: HAProxy closes after it (management.txt, "Unix Socket
    /// commands", non-interactive mode).
    pub(super) fn exchange(&self, line: &str) -> Result<String, Fault> {
        let deadline = Deadline(Instant::now() + TIMEOUT);
        let stream = self.connect(deadline)?;
        stream.write_all(format!("{line}\n").as_bytes(), deadline)?;
        let answer = stream.read_to_end(deadline)?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    fn connect(&self, deadline: Deadline) -> Result<Stream, Fault> {
        match self {
            Address::Unix(address, _) => connect_unix(address, deadline).map(Stream::Unix),
            Address::Tcp(endpoint, resolver) => {
                connect_tcp(endpoint, resolver, deadline).map(Stream::Tcp)
            }
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Unix(_, path) => f.write_str(path),
            Address::Tcp(endpoint, _) => write!(f, "{endpoint}"),
        }
    }
}

/// `UnixStream::connect` would wait for ever at a full queue, as a hung HAProxy has it.
fn connect_unix(address: &SocketAddrUnix, deadline: Deadline) -> Result<UnixStream, Fault> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
        .map_err(|e| fault(&e.into()))?;
    while let Err(error) = net::connect(&socket, address) {
        match error {
            Errno::AGAIN => thread::sleep(deadline.left()?.min(KNOCK)),
            Errno::INTR => {}
            other => return Err(fault(&other.into())),
        }
    }
    let stream = UnixStream::from(socket);
    stream.set_nonblocking(false).map_err(|e| fault(&e))?;
    Ok(stream)
}

fn connect_tcp(
    endpoint: &Endpoint,
    resolver: &Resolver,
    deadline: Deadline,
) -> Result<TcpStream, Fault> {
    let ips = resolver
        .resolve(&endpoint.host, deadline.left()?)
        .map_err(|error| Fault::Broken(error.to_string()))?;
    let mut last = Fault::Refused;
    for ip in ips {
        match TcpStream::connect_timeout(&(ip, endpoint.port.get()).into(), deadline.left()?) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = fault(&error),
        }
    }
    Err(last)
}

#[derive(Debug, Clone, Copy)]
struct Deadline(Instant);

impl Deadline {
    /// What is left; never zero, which would mean "for ever" to a socket.
    fn left(self) -> Result<Duration, Fault> {
        let left = self.0.saturating_duration_since(Instant::now());
        match left.is_zero() {
            true => Err(Fault::TimedOut),
            false => Ok(left),
        }
    }
}

#[derive(Debug)]
enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Stream {
    fn write_all(&self, mut bytes: &[u8], deadline: Deadline) -> Result<(), Fault> {
        while !bytes.is_empty() {
            let written = match self.write_some(bytes, deadline.left()?) {
                Ok(0) => return Err(Fault::Broken("it takes no more bytes".to_owned())),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::Interrupted => 0,
                Err(error) => return Err(fault(&error)),
            };
            bytes = bytes.get(written..).unwrap_or_default();
        }
        Ok(())
    }

    fn read_to_end(&self, deadline: Deadline) -> Result<Vec<u8>, Fault> {
        let (mut answer, mut buffer) = (Vec::new(), [0; 16 * 1024]);
        while answer.len() <= MOST {
            match self.read_some(&mut buffer, deadline.left()?) {
                Ok(0) => return Ok(answer),
                Ok(count) => answer.extend_from_slice(buffer.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(fault(&error)),
            }
        }
        Err(Fault::TooLong)
    }

    fn write_some(&self, bytes: &[u8], within: Duration) -> io::Result<usize> {
        match self {
            Stream::Unix(stream) => {
                stream.set_write_timeout(Some(within))?;
                (&mut &*stream).write(bytes)
            }
            Stream::Tcp(stream) => {
                stream.set_write_timeout(Some(within))?;
                (&mut &*stream).write(bytes)
            }
        }
    }

    fn read_some(&self, buffer: &mut [u8], within: Duration) -> io::Result<usize> {
        match self {
            Stream::Unix(stream) => {
                stream.set_read_timeout(Some(within))?;
                (&mut &*stream).read(buffer)
            }
            Stream::Tcp(stream) => {
                stream.set_read_timeout(Some(within))?;
                (&mut &*stream).read(buffer)
            }
        }
    }
}

fn fault(error: &io::Error) -> Fault {
    #[expect(clippy::wildcard_enum_match_arm, reason = "most kinds are only shown")]
    match error.kind() {
        ErrorKind::NotFound => Fault::Missing,
        ErrorKind::PermissionDenied => Fault::NotAllowed,
        ErrorKind::ConnectionRefused => Fault::Refused,
        ErrorKind::TimedOut | ErrorKind::WouldBlock => Fault::TimedOut,
        _ => Fault::Broken(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_and_an_address_are_both_taken() {
        let table = [
            ("/run/h.sock", "/run/h.sock"),
            ("unix@/run/h.sock", "/run/h.sock"),
            ("10.0.0.1:9999", "10.0.0.1:9999"),
            ("ipv4@10.0.0.1:9999", "10.0.0.1:9999"),
            ("ipv6@[::1]:9999", "[::1]:9999"),
            ("localhost:9999", "localhost:9999"),
        ];
        for (text, shown) in table {
            assert_eq!(Address::parse(text).unwrap().to_string(), shown);
        }
    }

    #[test]
    fn a_relative_path_a_missing_port_and_a_long_path_are_refused() {
        let long = format!("/{}", "a".repeat(200));
        for text in [
            "",
            "h.sock",
            "run/h.sock",
            "10.0.0.1",
            "abns@name",
            "unix@h",
            &long,
        ] {
            let error = Address::parse(text).unwrap_err();
            assert!(!error.contains('\n'), "{error}");
        }
    }
}
