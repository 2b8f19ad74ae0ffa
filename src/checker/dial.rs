//! Reaching one server: its addresses, one by one, within a deadline.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::checker::failure::{Failure, Try};
use crate::checker::{Fault, Health, Trouble};
use crate::endpoint::Endpoint;
use crate::resolve::Resolver;

/// The least that is left for a network operation; 0 would mean "for ever".
pub const LEAST: Duration = Duration::from_millis(1);

/// How much longer than the check a name is waited for: whoever judges at the end of the check must
/// still see that it was the name.
const SLACK: Duration = Duration::from_millis(100);

/// The way to a server. A clone knows what the original is waiting for.
#[derive(Debug, Clone)]
pub struct Dial {
    server: Endpoint,
    resolver: Resolver,
    resolving: Arc<AtomicBool>,
    which: Try,
}

impl Dial {
    /// The way to `server`.
    pub fn new(server: Endpoint, resolver: Resolver) -> Dial {
        Dial {
            server,
            resolver,
            resolving: Arc::new(AtomicBool::new(false)),
            which: Try::First,
        }
    }

    /// The same way, on this try.
    pub fn on(&self, which: Try) -> Dial {
        Dial {
            which,
            ..self.clone()
        }
    }

    /// The try that this is.
    pub fn which(&self) -> Try {
        self.which
    }

    /// The server.
    pub fn server(&self) -> &Endpoint {
        &self.server
    }

    /// Tries the host's addresses until one of them connects; each gets an equal share of what is
    /// left until `due`.
    ///
    /// # Errors
    /// That of the last address, or of the name.
    pub fn each<T>(
        &self,
        due: Instant,
        mut connect: impl FnMut(IpAddr, Duration) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let addresses = self.addresses(due)?;
        let mut failure = Failure::trouble("no address");
        for (index, address) in addresses.iter().enumerate() {
            let left = due.saturating_duration_since(Instant::now());
            let share = left / u32::try_from(addresses.len() - index).unwrap_or(1);
            match connect(*address, share.max(LEAST)) {
                Ok(connection) => return Ok(connection),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    /// A plain connection. `timeout` is what the check was given, for the message.
    ///
    /// # Errors
    /// As for `each`.
    pub fn stream(&self, due: Instant, timeout: Duration) -> Result<TcpStream, Failure> {
        self.each(due, |address, share| {
            let address = SocketAddr::new(address, self.server.port.get());
            open(address, share).map_err(|error| Failure::of_io(&error, timeout))
        })
    }

    /// Looks the server's name up now, for whoever is going to look it up by himself and cannot
    /// be told how long that may take.
    ///
    /// # Errors
    /// When it has no address.
    pub fn look_up(&self) -> Result<(), Failure> {
        let (host, port) = (self.server.host.to_string(), self.server.port.get());
        self.resolving.store(true, Ordering::Relaxed);
        let found = (host.as_str(), port).to_socket_addrs();
        self.resolving.store(false, Ordering::Relaxed);
        match found {
            Ok(_) => Ok(()),
            Err(error) => Err(Failure::trouble(format!(
                "{host} does not resolve: {error}"
            ))),
        }
    }

    /// What it means that there was no answer in time: the name service may be the reason.
    pub fn late(&self, timeout: Duration) -> Health {
        match self.resolving.load(Ordering::Relaxed) {
            true => Trouble(format!(
                "the name service did not answer for {} in time",
                self.server.host
            ))
            .into(),
            false => Fault::TimedOut(timeout).into(),
        }
    }

    fn addresses(&self, due: Instant) -> Result<Vec<IpAddr>, Failure> {
        let left = due.saturating_duration_since(Instant::now());
        self.resolving.store(true, Ordering::Relaxed);
        let addresses = self.resolver.resolve(&self.server.host, left + SLACK);
        self.resolving.store(false, Ordering::Relaxed);
        addresses.map_err(|error| Failure::trouble(error.to_string()))
    }
}

fn open(address: SocketAddr, limit: Duration) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, limit)?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(20);

    fn dial(address: SocketAddr) -> Dial {
        Dial::new(address.to_string().parse().unwrap(), Resolver::system())
    }

    #[test]
    fn a_listening_server_is_reached_and_a_closed_port_is_refused() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let dial = dial(listener.local_addr().unwrap());
        let due = Instant::now() + LIMIT;
        assert!(dial.stream(due, LIMIT).is_ok());
        drop(listener);
        let failure = dial.stream(due, LIMIT).unwrap_err();
        assert_eq!(failure, Failure::Down(Fault::Refused));
    }

    #[test]
    fn every_address_is_tried_and_the_last_failure_counts() {
        let dial = dial("127.0.0.1:1".parse().unwrap());
        let mut tried = Vec::new();
        let result: Result<(), Failure> = dial.each(Instant::now() + LIMIT, |address, _| {
            tried.push(address.to_string());
            Err(Failure::protocol("odd"))
        });
        assert_eq!(result, Err(Failure::protocol("odd")));
        assert_eq!(tried, ["127.0.0.1"]);
    }
}
