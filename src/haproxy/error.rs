//! How a switch through the Runtime API fails, in words that say what to do next.

use std::fmt;

/// The Runtime API did not do what it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuntimeError {
    /// The socket, as it was configured.
    pub socket: String,
    /// What went wrong.
    pub fault: Fault,
    /// Orders had been given when it went wrong: some servers may have moved and others not, and
    /// only a reload makes HAProxy whole again. Without this nothing has changed.
    pub begun: bool,
}

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// There is no such socket.
    Missing,
    /// The socket is there, and this process may not open it.
    NotAllowed,
    /// Nobody listens.
    Refused,
    /// No connection, or no complete answer, in time.
    TimedOut,
    /// The connection broke; the system's words.
    Broken(String),
    /// The answer does not end.
    TooLong,
    /// Somebody else answers; the beginning of what was said.
    NotHaproxy(String),
    /// HAProxy does not know the commands, or it is a master's socket.
    TooOld,
    /// The socket's level is not admin.
    Denied,
    /// This process of HAProxy is on its way out, as after a reload.
    Stopping,
    /// HAProxy has no such server; `proxy/server`.
    NoServer(String),
    /// The server is there but has no address, as its name did not resolve; `proxy/server`.
    NoAddress(String),
    /// HAProxy took the orders, and a server is not as ordered.
    NotMoved {
        /// `proxy/server`.
        server: String,
        /// What HAProxy shows of it.
        shows: String,
        /// What it should show.
        wanted: String,
    },
}

impl fmt::Display for RuntimeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let socket = &self.socket;
        write!(f, "haproxy at {socket}: {}", self.fault.sentence(socket))?;
        match self.begun {
            true => f.write_str("; some servers may have moved and others not: reload haproxy"),
            false => Ok(()),
        }
    }
}

impl Fault {
    /// What is wrong and what to do.
    fn sentence(&self, socket: &str) -> String {
        match self {
            Fault::Missing => format!(
                "there is no such socket: is haproxy running, with 'stats socket {socket} mode \
                 600 level admin' in its global section?"
            ),
            Fault::NotAllowed => "not allowed to open the socket: run as its owner, or change \
                the mode and group of the 'stats socket' line"
                .to_owned(),
            Fault::Refused => "connection refused: is haproxy running?".to_owned(),
            Fault::TimedOut => "no complete answer within a second: it hangs or is overloaded, or \
                something else listens there"
                .to_owned(),
            Fault::Broken(error) => format!("the connection broke: {error}"),
            Fault::TooLong => "the answer does not end: something else listens there".to_owned(),
            Fault::NotHaproxy(said) => {
                format!("not haproxy's 'stats socket': it says '{said}'")
            }
            Fault::TooOld => "it does not know the commands (haproxy before 1.8, or the socket of \
                a master process): take the socket out of [haproxy], and every change reloads"
                .to_owned(),
            Fault::Denied => format!(
                "permission denied: write 'stats socket {socket} … level admin' in its global \
                 section, and reload it"
            ),
            Fault::Stopping => "it is being reloaded: try again".to_owned(),
            Fault::NoServer(server) => {
                format!("it has no server {server}: reload it with the present file")
            }
            Fault::NoAddress(server) => {
                format!("{server} has no address as its name did not resolve: reload it")
            }
            Fault::NotMoved {
                server,
                shows,
                wanted,
            } => format!("{server} should be {wanted} and is {shows}"),
        }
    }
}

impl std::error::Error for RuntimeError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_is_one_line_that_names_the_socket() {
        let faults = [
            Fault::Missing,
            Fault::NotAllowed,
            Fault::Refused,
            Fault::TimedOut,
            Fault::Broken("reset".to_owned()),
            Fault::TooLong,
            Fault::NotHaproxy("HTTP/1.1 400".to_owned()),
            Fault::TooOld,
            Fault::Denied,
            Fault::Stopping,
            Fault::NoServer("a/s".to_owned()),
            Fault::NoAddress("a/s".to_owned()),
        ];
        for fault in faults {
            for begun in [false, true] {
                let socket = "/run/h.sock".to_owned();
                let fault = fault.clone();
                let text = RuntimeError {
                    socket,
                    fault,
                    begun,
                }
                .to_string();
                assert!(text.starts_with("haproxy at /run/h.sock: "), "{text}");
                assert!(!text.contains('\n') && !text.contains("  "), "{text}");
                assert_eq!(text.contains("reload haproxy"), begun, "{text}");
            }
        }
    }
}
