//! Talks to servers in threads of their own, so that no server can hold up a tag.
//!
//! A driver's timeouts are per read, so a server that sends a byte now and then holds its caller
//! for as long as it likes. Here the caller judges by its own clock and leaves a late probe
//! behind: at most one for each server, until it ends by itself.

use std::collections::HashMap;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use crate::checker::dial::Dial;
use crate::checker::{Fault, Health, Trouble};
use crate::endpoint::Endpoint;
use crate::resolve::Resolver;

/// The name of every probe's thread; the panic hook keeps quiet about them.
pub const THREAD_NAME: &str = "probe";
/// Least that a TLS handshake needs, several times over; debug builds use far more.
const STACK: usize = if cfg!(debug_assertions) {
    1024 * 1024
} else {
    256 * 1024
};

/// The probes of one tag. `T` is what a probe finds out.
#[derive(Debug)]
pub struct Probes<T> {
    sender: Sender<Report<T>>,
    reports: Receiver<Report<T>>,
    running: HashMap<Endpoint, Running>,
    started: u64,
    resolver: Resolver,
}

/// A probe that has not ended.
#[derive(Debug)]
struct Running {
    number: u64,
    dial: Dial,
}

/// What came of one probe.
#[derive(Debug)]
pub struct Report<T> {
    /// The server that was asked.
    pub server: Endpoint,
    /// What it said, or the message of the panic that ended the probe.
    pub result: Result<T, String>,
    number: u64,
}

impl<T: Send + 'static> Probes<T> {
    /// No probes yet. They find the addresses of names by `resolver`.
    pub fn new(resolver: Resolver) -> Probes<T> {
        let (sender, reports) = mpsc::channel();
        Probes {
            sender,
            reports,
            running: HashMap::new(),
            started: 0,
            resolver,
        }
    }

    /// Whether a probe of this server has not ended yet.
    pub fn is_running(&self, server: &Endpoint) -> bool {
        self.running.contains_key(server)
    }

    /// Starts a probe; a server that has one running gets no second one.
    ///
    /// # Errors
    /// When no thread can be had.
    pub fn start(
        &mut self,
        server: &Endpoint,
        probe: impl FnOnce(&Dial) -> T + Send + 'static,
    ) -> io::Result<()> {
        if self.is_running(server) {
            return Ok(());
        }
        self.started += 1;
        let dial = Dial::new(server.clone(), self.resolver.clone());
        let running = Running {
            number: self.started,
            dial: dial.clone(),
        };
        let (number, sender) = (self.started, self.sender.clone());
        thread::Builder::new()
            .name(THREAD_NAME.to_owned())
            .stack_size(STACK)
            .spawn(move || {
                let result = panic::catch_unwind(AssertUnwindSafe(|| probe(&dial)))
                    .map_err(|p| panic_text(&*p));
                // Nobody listens any more when the tag was restarted meanwhile.
                drop(sender.send(Report {
                    server: dial.server().clone(),
                    result,
                    number,
                }));
            })?;
        self.running.insert(server.clone(), running);
        Ok(())
    }

    /// The next report, or `None` when there is none until `due`.
    pub fn next(&mut self, due: Instant) -> Option<Report<T>> {
        let wait = due.saturating_duration_since(Instant::now());
        let report = self.reports.recv_timeout(wait).ok()?;
        let of_this = |running: &Running| running.number == report.number;
        if self.running.get(&report.server).is_some_and(of_this) {
            self.running.remove(&report.server);
        }
        Some(report)
    }

    /// How a server is whose probe has not answered within `timeout`.
    pub fn late(&self, server: &Endpoint, timeout: Duration) -> Health {
        match self.running.get(server) {
            Some(running) => running.dial.late(timeout),
            None => Fault::TimedOut(timeout).into(),
        }
    }
}

/// What it means that no thread could be started for a check.
pub fn no_thread(error: &io::Error) -> Trouble {
    Trouble(format!("cannot start a thread for a check: {error}"))
}

/// The message that a panic carries.
pub fn panic_text(payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|s| (*s).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "panic without a message".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server() -> Endpoint {
        "10.0.0.1:1".parse().unwrap()
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(20)
    }

    #[test]
    fn a_probe_reports_what_it_found() {
        let mut probes = Probes::new(Resolver::system());
        probes.start(&server(), |_| 7).unwrap();
        assert_eq!(probes.next(soon()).unwrap().result, Ok(7));
        assert!(!probes.is_running(&server()));
    }

    #[test]
    fn a_panic_is_a_report() {
        let mut probes: Probes<()> = Probes::new(Resolver::system());
        probes
            .start(&server(), |_| panic!("driver trouble"))
            .unwrap();
        assert_eq!(
            probes.next(soon()).unwrap().result,
            Err("driver trouble".to_owned())
        );
    }

    #[test]
    fn a_late_probe_is_left_behind_and_stays_the_only_one() {
        let mut probes = Probes::new(Resolver::system());
        let (release, blocked) = mpsc::channel::<()>();
        probes
            .start(&server(), move |_| blocked.recv().unwrap_or_default())
            .unwrap();
        assert!(
            probes
                .next(Instant::now() + Duration::from_millis(10))
                .is_none()
        );
        probes.start(&server(), |_| panic!("a second one")).unwrap();
        assert!(probes.is_running(&server()));
        drop(release);
        assert_eq!(probes.next(soon()).unwrap().result, Ok(()));
        assert!(!probes.is_running(&server()));
    }
}
