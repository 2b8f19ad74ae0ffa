//! A conversation with a server that did not come to an end: is the server down, or are we in
//! trouble ourselves? What a kind of server says in words of its own is read beside its checker.

use std::io::{Error as IoError, ErrorKind};
use std::time::Duration;

use crate::checker::{Fault, Health, Trouble};
use crate::tls::{self, Peer};

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The server's doing.
    Down(Fault),
    /// Our own doing, or the account's.
    Unknown(Trouble),
}

impl Failure {
    /// Reads an error of the operating system. `timeout` is what the check was given, for the
    /// message. What TLS has against the other side comes as one, and is our own trouble: another
    /// server would not do better.
    pub fn of_io(error: &IoError, timeout: Duration) -> Failure {
        if let Some(text) = tls::explain(error, Peer::Server) {
            return Failure::trouble(text);
        }
        Failure::of_kind(
            error.kind(),
            error.raw_os_error(),
            &error.to_string(),
            timeout,
        )
    }

    /// The same, where only this is left of the error. `number` is the operating system's, where
    /// it is known.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the rest is everything else that exists"
    )]
    pub fn of_kind(kind: ErrorKind, number: Option<i32>, text: &str, timeout: Duration) -> Failure {
        match kind {
            ErrorKind::ConnectionRefused => Failure::Down(Fault::Refused),
            ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe
            | ErrorKind::UnexpectedEof => Failure::Down(Fault::Reset),
            // A read timeout shows as EAGAIN.
            ErrorKind::TimedOut | ErrorKind::WouldBlock => Failure::Down(Fault::TimedOut(timeout)),
            ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable | ErrorKind::NetworkDown => {
                Failure::Down(Fault::Unreachable(text.to_owned()))
            }
            ErrorKind::InvalidData | ErrorKind::InvalidInput | ErrorKind::Other
                if number.is_none() =>
            {
                Failure::protocol(text)
            }
            _ => Failure::Unknown(Trouble(format!("cannot connect from here: {text}"))),
        }
    }

    /// What was said is not the protocol.
    pub fn protocol(text: impl Into<String>) -> Failure {
        Failure::Down(Fault::Protocol(text.into()))
    }

    /// Our own trouble.
    pub fn trouble(text: impl Into<String>) -> Failure {
        Failure::Unknown(Trouble(text.into()))
    }

    /// Whether a second try may well succeed: the server ended this one connection.
    pub fn is_reset(&self) -> bool {
        *self == Failure::Down(Fault::Reset)
    }
}

impl From<Failure> for Health {
    fn from(failure: Failure) -> Health {
        match failure {
            Failure::Down(fault) => fault.into(),
            Failure::Unknown(trouble) => trouble.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(1);

    fn io(error: IoError) -> Failure {
        Failure::of_io(&error, LIMIT)
    }

    #[test]
    fn network_errors_are_told_apart() {
        assert_eq!(
            io(ErrorKind::ConnectionRefused.into()),
            Failure::Down(Fault::Refused)
        );
        for kind in [ErrorKind::WouldBlock, ErrorKind::TimedOut] {
            assert_eq!(io(kind.into()), Failure::Down(Fault::TimedOut(LIMIT)));
        }
        for kind in [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe] {
            assert!(io(kind.into()).is_reset(), "{kind}");
        }
        let unreachable = io(ErrorKind::HostUnreachable.into());
        assert!(matches!(unreachable, Failure::Down(Fault::Unreachable(_))));
    }

    #[test]
    fn running_out_of_our_own_resources_is_never_the_servers_fault() {
        // EMFILE, ENFILE, ENOMEM, EACCES, EADDRNOTAVAIL, ENOBUFS on Linux.
        for number in [24, 23, 12, 13, 99, 105] {
            let failure = io(IoError::from_raw_os_error(number));
            assert!(
                matches!(failure, Failure::Unknown(_)),
                "{number}: {failure:?}"
            );
        }
    }
}
