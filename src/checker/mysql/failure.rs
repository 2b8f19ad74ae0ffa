//! What the errors of the driver, and those that servers send, mean.

use std::error::Error as _;
use std::io::{Error as IoError, ErrorKind};
use std::time::Duration;

use mysql::{DriverError, Error, MySqlError};

use crate::checker::failure::Failure;
use crate::checker::{Fault, Trouble};
use crate::tls::{self, Peer};

/// The numbers that servers send; the names are those of MySQL's `mysqld_error.h`, and of
/// MariaDB's where it has its own.
pub mod code {
    /// A statement that this server does not know.
    pub const PARSE_ERROR: u16 = 1064;
    /// The account lacks a privilege for this statement.
    pub const SPECIFIC_ACCESS_DENIED: u16 = 1227;
    /// The password is wrong, or the account may not connect so: MariaDB says the same to whoever
    /// comes without TLS where it wants that, and MySQL where an account does.
    pub const ACCESS_DENIED: u16 = 1045;
    /// Only encrypted connections are taken.
    pub(super) const SECURE_TRANSPORT_REQUIRED: u16 = 3159;
    const CON_COUNT: u16 = 1040;
    const SERVER_SHUTDOWN: u16 = 1053;
    const HOST_IS_BLOCKED: u16 = 1129;
    const OFFLINE_MODE: u16 = 3032;
    const OFFLINE_MODE_FAILOVER: u16 = 4213;
    const CONNECTION_KILLED: u16 = 1927;
    const SESSION_WAS_KILLED: u16 = 3169;
    const CLIENT_INTERACTION_TIMEOUT: u16 = 4031;
    const OUT_OF_RESOURCES: u16 = 1041;
    const CANT_CREATE_THREAD: u16 = 1135;

    /// The server takes no more clients.
    pub(super) const FULL: &[u16] = &[CON_COUNT];
    /// It answers, but serves nobody, or nobody from this host.
    pub(super) const NOT_SERVING: &[u16] = &[
        SERVER_SHUTDOWN,
        OFFLINE_MODE,
        OFFLINE_MODE_FAILOVER,
        HOST_IS_BLOCKED,
        OUT_OF_RESOURCES,
        CANT_CREATE_THREAD,
    ];
    /// It ended this one connection.
    pub(super) const KILLED: &[u16] = &[
        CONNECTION_KILLED,
        SESSION_WAS_KILLED,
        CLIENT_INTERACTION_TIMEOUT,
    ];
}

/// A driver that was not allowed to ask for the server's key, and needed it.
const WHOLE_PASSWORD: &str = "the server wants the whole password (caching_sha2_password), and the \
    connection is not encrypted: use tls=on or tls=verify, or get_server_public_key=yes where you \
    trust the network";

/// Reads a driver's error. `timeout` is what the probe was given, for the message.
pub fn failure(error: &Error, timeout: Duration) -> Failure {
    if let Some(text) = tls::explain(error, Peer::Server) {
        return Failure::trouble(text);
    }
    match error {
        Error::MySqlError(error) => of_server(error),
        Error::IoError(error) if error.kind() == ErrorKind::NotADirectory => {
            Failure::trouble(WHOLE_PASSWORD)
        }
        // Parsing a packet fails like this; a stream that ended fails as a broken pipe.
        Error::IoError(error) if error.kind() == ErrorKind::UnexpectedEof => protocol(error),
        Error::IoError(error) => Failure::of_io(error, timeout),
        Error::CodecError(codec) => match codec.source().and_then(|e| e.downcast_ref()) {
            Some(error) => of_stream(error, timeout),
            None => protocol(codec),
        },
        Error::DriverError(error) => of_driver(error, timeout),
        #[cfg(feature = "tls")]
        Error::TlsError(error) => Failure::trouble(error.to_string()),
        Error::UrlError(_) | Error::FromValueError(_) | Error::FromRowError(_) => protocol(error),
    }
}

/// An error packet. Whatever is not known to be the server's state is the account's trouble:
/// denied, expired, locked, not allowed from here. Those never move a tag.
fn of_server(error: &MySqlError) -> Failure {
    let text = format!("{} (error {})", error.message, error.code);
    match error.code {
        c if code::FULL.contains(&c) => Failure::Down(Fault::TooManyConnections),
        c if code::NOT_SERVING.contains(&c) => Failure::Down(Fault::NotServing(text)),
        c if code::KILLED.contains(&c) => Failure::Down(Fault::Reset),
        code::SECURE_TRANSPORT_REQUIRED => {
            Failure::trouble(format!("{text}: use tls=on, or tls=verify with ca="))
        }
        _ => Failure::Unknown(Trouble(text)),
    }
}

fn of_driver(error: &DriverError, timeout: Duration) -> Failure {
    match error {
        DriverError::ConnectTimeout | DriverError::Timeout => {
            Failure::Down(Fault::TimedOut(timeout))
        }
        DriverError::CouldNotConnect(Some((_, text, kind))) => {
            Failure::of_kind(*kind, None, text, timeout)
        }
        DriverError::UnknownAuthPlugin(_)
        | DriverError::OldMysqlPasswordDisabled
        | DriverError::CleartextPluginDisabled => Failure::Unknown(Trouble(error.to_string())),
        DriverError::TlsNotSupported => Failure::trouble(
            "it offers no TLS: give it a certificate and a key (ssl_cert, ssl_key), or use tls=off",
        ),
        DriverError::CouldNotConnect(None)
        | DriverError::UnsupportedProtocol(_)
        | DriverError::PacketOutOfSync
        | DriverError::PacketTooLarge
        | DriverError::Protocol41NotSet
        | DriverError::UnexpectedPacket
        | DriverError::MismatchedStmtParams(..)
        | DriverError::InvalidPoolConstraints
        | DriverError::SetupError
        | DriverError::CouldNotParseVersion
        | DriverError::ReadOnlyTransNotSupported
        | DriverError::PoisonedPoolMutex
        | DriverError::Params(_)
        | DriverError::MixedParams
        | DriverError::BulkExecute(_)
        | DriverError::InvalidParsecSalt => protocol(error),
    }
}

fn protocol(error: &dyn std::fmt::Display) -> Failure {
    Failure::protocol(error.to_string())
}

/// An error while reading a packet; "other" is a stream that ended inside of one.
fn of_stream(error: &IoError, timeout: Duration) -> Failure {
    if error.kind() == ErrorKind::Other {
        return Failure::Down(Fault::Reset);
    }
    Failure::of_io(error, timeout)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(1);

    fn server(code: u16) -> Failure {
        let (state, message) = ("HY000".to_owned(), "text".to_owned());
        failure(
            &Error::MySqlError(MySqlError {
                state,
                message,
                code,
            }),
            LIMIT,
        )
    }

    fn io(error: IoError) -> Failure {
        failure(&Error::IoError(error), LIMIT)
    }

    #[test]
    fn what_the_account_may_not_do_is_our_own_trouble() {
        // Denied, not from this host, password expired, account locked, user limit, no such grant.
        for code in [1045, 1044, 1698, 1130, 1820, 3118, 1203, 1226, 1227, 9999] {
            assert!(matches!(server(code), Failure::Unknown(_)), "{code}");
        }
    }

    #[test]
    fn a_server_that_is_full_or_closing_is_down() {
        assert_eq!(server(1040), Failure::Down(Fault::TooManyConnections));
        for code in [1053, 3032, 1129] {
            assert!(
                matches!(server(code), Failure::Down(Fault::NotServing(_))),
                "{code}"
            );
        }
    }

    #[test]
    fn a_killed_connection_is_a_reset_that_may_be_tried_again() {
        for code in [1927, 3169, 4031] {
            assert!(server(code).is_reset(), "{code}");
        }
    }

    #[test]
    fn what_is_not_the_protocol_is_a_fault() {
        let parse = io(IoError::new(ErrorKind::InvalidData, "Invalid packet"));
        assert!(matches!(parse, Failure::Down(Fault::Protocol(_))));
        let cut = io(ErrorKind::UnexpectedEof.into());
        assert!(matches!(cut, Failure::Down(Fault::Protocol(_))));
        let driver = failure(&Error::DriverError(DriverError::UnexpectedPacket), LIMIT);
        assert!(matches!(driver, Failure::Down(Fault::Protocol(_))));
    }
}
