//! What the errors that servers send mean.

use crate::checker::failure::Failure;
use crate::checker::mysql::packet::Refusal;
use crate::checker::{Fault, Trouble};

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

/// An error packet. Whatever is not known to be the server's state is the account's trouble:
/// denied, expired, locked, not allowed from here. Those never move a tag.
pub fn of_refusal(error: &Refusal) -> Failure {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn server(code: u16) -> Failure {
        let message = "text".to_owned();
        of_refusal(&Refusal { code, message })
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
}
