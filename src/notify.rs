//! Tells the service manager how we are: sd_notify's protocol, one datagram a message.
//!
//! A message that cannot be delivered is an answer, not an error: the caller sends it again. The
//! protocol is small enough to be here; the crate for it knows no abstract sockets.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process;
use std::time::Duration;

/// How long a message may wait for a manager that is busy.
const SEND_WAIT: Duration = Duration::from_secs(1);
/// The variables by which a manager says what it wants; not for the commands that we run.
pub const VARIABLES: [&str; 3] = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"];

/// Looks up a variable of the environment.
pub type Environment<'a> = dyn Fn(&str) -> Option<OsString> + 'a;

/// A manager that wants to be told.
pub struct Notifier {
    socket: UnixDatagram,
    manager: SocketAddr,
    watchdog: Option<Duration>,
}

impl Notifier {
    /// The manager that the environment names, if one does.
    ///
    /// # Errors
    /// One line, if it is named but cannot be told.
    pub fn find(environment: &Environment<'_>) -> Result<Option<Notifier>, String> {
        let Some(name) = environment("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else {
            return Ok(None);
        };
        let failed = |e: std::io::Error| {
            format!(
                "NOTIFY_SOCKET: {}: {e}; systemd is told nothing",
                name.to_string_lossy().escape_debug()
            )
        };
        let manager = address(&name).map_err(failed)?;
        let socket = UnixDatagram::unbound().map_err(failed)?;
        socket.set_write_timeout(Some(SEND_WAIT)).map_err(failed)?;
        Ok(Some(Notifier {
            socket,
            manager,
            watchdog: watchdog(environment, process::id()),
        }))
    }

    /// How often the manager wants to hear of us at least, if it does.
    pub fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }

    /// All is started. Returns whether that was delivered.
    pub fn ready(&self) -> bool {
        self.send("READY=1")
    }

    /// We are alive. Returns whether that was delivered.
    pub fn alive(&self) -> bool {
        self.send("WATCHDOG=1")
    }

    /// How we are, for people. Returns whether that was delivered.
    pub fn status(&self, text: &str) -> bool {
        self.send(&format!("STATUS={}", one_line(text)))
    }

    fn send(&self, message: &str) -> bool {
        let sent = self.socket.send_to_addr(message.as_bytes(), &self.manager);
        sent.is_ok()
    }
}

impl fmt::Debug for Notifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Notifier({:?})", self.manager)
    }
}

/// `@name` is in the abstract namespace, anything else is a path.
fn address(name: &OsStr) -> std::io::Result<SocketAddr> {
    match name.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(name),
    }
}

/// The time of the watchdog, unless it is another process's.
fn watchdog(environment: &Environment<'_>, pid: u32) -> Option<Duration> {
    let number = |name| -> Option<u64> { environment(name)?.to_str()?.parse().ok() };
    if environment("WATCHDOG_PID").is_some() && number("WATCHDOG_PID") != Some(u64::from(pid)) {
        return None;
    }
    let time = Duration::from_micros(number("WATCHDOG_USEC")?);
    Some(time).filter(|time| !time.is_zero())
}

/// A line end would begin another field of the message.
fn one_line(text: &str) -> String {
    let harmless = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().map(harmless).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::random;
    use crate::scratch::Scratch;

    fn told(socket: &UnixDatagram) -> String {
        let mut buffer = [0; 4096];
        socket
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    fn notifier(name: &OsStr) -> Notifier {
        let found = Notifier::find(&|wanted| (wanted == "NOTIFY_SOCKET").then(|| name.to_owned()));
        found.unwrap().unwrap()
    }

    #[test]
    fn a_manager_at_a_path_and_an_abstract_one_are_told() {
        let dir = Scratch::new();
        let path = dir.join("socket");
        let by_path = UnixDatagram::bind(&path).unwrap();
        let name = format!("confd_haproxy-test-{:016x}", random());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let by_name = UnixDatagram::bind_addr(&address).unwrap();
        let cases = [
            (path.into_os_string(), by_path),
            (format!("@{name}").into(), by_name),
        ];
        for (name, socket) in cases {
            let notifier = notifier(&name);
            assert!(notifier.ready() && notifier.alive() && notifier.status("a → b up"));
            assert_eq!(told(&socket), "READY=1");
            assert_eq!(told(&socket), "WATCHDOG=1");
            assert_eq!(told(&socket), "STATUS=a → b up");
        }
    }

    #[test]
    fn a_status_is_one_field_whatever_a_server_said() {
        let dir = Scratch::new();
        let path = dir.join("socket");
        let socket = UnixDatagram::bind(&path).unwrap();
        assert!(notifier(path.as_os_str()).status("down: a\nMAINPID=1\0\u{9b}b"));
        assert_eq!(told(&socket), "STATUS=down: a MAINPID=1  b");
    }

    #[test]
    fn without_a_manager_there_is_nobody_and_a_manager_that_is_gone_is_not_told() {
        assert!(matches!(Notifier::find(&|_| None), Ok(None)));
        let empty = |_: &str| Some(OsString::new());
        assert!(matches!(Notifier::find(&empty), Ok(None)));
        assert!(!notifier(OsStr::new("/nonexistent/socket")).ready());
        let long = OsString::from("/x".repeat(200));
        let error = Notifier::find(&|_| Some(long.clone())).unwrap_err();
        assert!(error.starts_with("NOTIFY_SOCKET: /x/x"), "{error}");
    }

    #[test]
    fn a_busy_manager_holds_nobody_up_for_long() {
        let dir = Scratch::new();
        let path = dir.join("socket");
        let _socket = UnixDatagram::bind(&path).unwrap();
        let notifier = notifier(path.as_os_str());
        // Its queue is full at some point, and nobody reads.
        assert!((0..10_000).any(|_| !notifier.alive()));
    }

    #[test]
    fn the_watchdog_is_ours_only_with_our_number_or_with_none() {
        let with = |usec: &'static str, pid: Option<&'static str>| {
            let environment = move |name: &str| match name {
                "WATCHDOG_USEC" => Some(OsString::from(usec)),
                "WATCHDOG_PID" => pid.map(OsString::from),
                _ => None,
            };
            watchdog(&environment, 42)
        };
        let minute = Some(Duration::from_secs(60));
        assert_eq!(with("60000000", None), minute);
        assert_eq!(with("60000000", Some("42")), minute);
        for (usec, pid) in [
            ("60000000", Some("43")),
            ("60000000", Some("x")),
            ("0", None),
            ("", None),
            ("-1", None),
        ] {
            assert_eq!(with(usec, pid), None, "{usec} {pid:?}");
        }
        assert_eq!(watchdog(&|_| None, 42), None);
    }
}
