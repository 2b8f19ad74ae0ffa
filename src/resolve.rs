//! Names to addresses, within a time that the caller sets.
//!
//! The system's resolver may take seconds and cannot be interrupted, so a look-up runs in a thread
//! of its own, at most one for each name; a caller waits for it as long as it likes. What was
//! found is kept: for a moment, to spare the name service, and as long as the process lives as
//! the answer to fall back on when the name service fails.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::endpoint::Host;

/// How long an answer is used without asking again.
const FRESH: Duration = Duration::from_secs(5);
/// How long it may be used while it is asked again.
const RECENT: Duration = Duration::from_secs(60);
/// A thread that only calls the resolver needs little.
const STACK: usize = 256 * 1024;

/// Does the look-up itself; replaced in tests.
type Lookup = dyn Fn(&str) -> Result<Vec<IpAddr>, String> + Send + Sync;

/// A resolver with a memory, shared by all threads. Clones share it.
#[derive(Clone)]
pub struct Resolver {
    shared: Arc<Shared>,
}

struct Shared {
    names: Mutex<HashMap<String, Name>>,
    changed: Condvar,
    lookup: Box<Lookup>,
}

/// What is known of one name.
#[derive(Default)]
struct Name {
    addresses: Vec<IpAddr>,
    found_at: Option<Instant>,
    /// How the last look-up failed, if it did.
    failure: Option<String>,
    lookup_running: bool,
    /// Counts finished look-ups, so that a waiter knows its own from an older one.
    finished: u64,
}

/// The name has no known address: our own trouble or the name service's, never the server's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolveError(pub String);

impl Resolver {
    /// A resolver that asks the system.
    pub fn system() -> Resolver {
        Resolver::with_lookup(Box::new(|name| {
            (name, 0)
                .to_socket_addrs()
                .map(|found| found.map(|a| a.ip().to_canonical()).collect())
                .map_err(|e| e.to_string())
        }))
    }

    fn with_lookup(lookup: Box<Lookup>) -> Resolver {
        let names = Mutex::new(HashMap::new());
        Resolver {
            shared: Arc::new(Shared {
                names,
                changed: Condvar::new(),
                lookup,
            }),
        }
    }

    /// The addresses of `host`, after at most `wait`: at once for an address or for a name that
    /// was asked a moment ago.
    ///
    /// # Errors
    /// When the look-up failed or took too long, and the name never had an address before.
    pub fn resolve(&self, host: &Host, wait: Duration) -> Result<Vec<IpAddr>, ResolveError> {
        match host {
            Host::Ip(ip) => Ok(vec![*ip]),
            Host::Name(name) => self.resolve_name(name.as_str(), wait),
        }
    }

    /// The same for whoever has other things to do meanwhile: `None` after `wait`, if it is not
    /// known by then; the look-up goes on. An address that was found within the last minute is as
    /// good as a new one for the moment that it takes to ask again.
    pub fn look(&self, host: &Host, wait: Duration) -> Option<Result<Vec<IpAddr>, ResolveError>> {
        match host {
            Host::Ip(ip) => Some(Ok(vec![*ip])),
            Host::Name(name) => self.ask(name.as_str(), wait, RECENT),
        }
    }

    /// The addresses of `host` as far as they are known, without asking anybody.
    pub fn known(&self, host: &Host) -> Vec<IpAddr> {
        match host {
            Host::Ip(ip) => vec![*ip],
            Host::Name(name) => lock(&self.shared.names)
                .get(name.as_str())
                .map(|known| known.addresses.clone())
                .unwrap_or_default(),
        }
    }

    fn resolve_name(&self, name: &str, wait: Duration) -> Result<Vec<IpAddr>, ResolveError> {
        let late = || format!("the name service did not answer for {name} in time");
        self.ask(name, wait, FRESH).unwrap_or_else(|| {
            lock(&self.shared.names)
                .entry(name.to_owned())
                .or_default()
                .or_failure(late())
        })
    }

    /// Asks for the addresses of `name` unless they are fresh, and waits at most `wait` for the answer:
    /// not at all if what was found is younger than `good_for`. `None` if there is no answer by then.
    fn ask(
        &self,
        name: &str,
        wait: Duration,
        good_for: Duration,
    ) -> Option<Result<Vec<IpAddr>, ResolveError>> {
        let mut names = lock(&self.shared.names);
        let known = names.entry(name.to_owned()).or_default();
        if known.found_at.is_some_and(|at| at.elapsed() < FRESH) {
            return Some(Ok(known.addresses.clone()));
        }
        if let Err(error) = self.look_up(known, name) {
            return Some(known.or_failure(error));
        }
        if known.found_at.is_some_and(|at| at.elapsed() < good_for) && known.failure.is_none() {
            return Some(Ok(known.addresses.clone()));
        }
        let before = known.finished;
        let (mut names, _) = self
            .shared
            .changed
            .wait_timeout_while(names, wait, |names| is_running(names, name, before))
            .unwrap_or_else(PoisonError::into_inner);
        let known = names.entry(name.to_owned()).or_default();
        (known.finished != before)
            .then(|| known.or_failure(known.failure.clone().unwrap_or_default()))
    }

    /// Starts a look-up, unless there is one under way.
    fn look_up(&self, known: &mut Name, name: &str) -> Result<(), String> {
        if known.lookup_running {
            return Ok(());
        }
        known.lookup_running = true;
        self.start_lookup(name).map_err(|error| {
            known.lookup_running = false;
            format!("no thread to look up {name}: {error}")
        })
    }

    fn start_lookup(&self, name: &str) -> std::io::Result<()> {
        let (shared, name) = (Arc::clone(&self.shared), name.to_owned());
        thread::Builder::new()
            .name("resolve".to_owned())
            .stack_size(STACK)
            .spawn(move || {
                let answer = (shared.lookup)(&name);
                let mut names = lock(&shared.names);
                names.entry(name.clone()).or_default().store(&name, answer);
                shared.changed.notify_all();
            })
            .map(drop)
    }
}

impl Name {
    fn store(&mut self, name: &str, answer: Result<Vec<IpAddr>, String>) {
        self.lookup_running = false;
        self.finished += 1;
        match answer {
            Ok(addresses) if !addresses.is_empty() => {
                self.addresses = addresses;
                self.found_at = Some(Instant::now());
                self.failure = None;
            }
            Ok(_) => self.failure = Some(format!("{name} has no address")),
            Err(error) => self.failure = Some(format!("{name} does not resolve: {error}")),
        }
    }

    /// What is known, however old; else the failure.
    fn or_failure(&self, failure: String) -> Result<Vec<IpAddr>, ResolveError> {
        if self.addresses.is_empty() {
            return Err(ResolveError(failure));
        }
        Ok(self.addresses.clone())
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Resolver")
    }
}

impl fmt::Display for ResolveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether the look-up that was to come after `before` others is still under way.
fn is_running(names: &HashMap<String, Name>, name: &str, before: u64) -> bool {
    names.get(name).is_some_and(|n| n.finished == before)
}

/// A panic elsewhere leaves the table whole: every update is one assignment.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const LONG: Duration = Duration::from_secs(20);
    const SHORT: Duration = Duration::from_millis(20);

    fn host(text: &str) -> Host {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_is_its_own_answer() {
        let resolver = Resolver::with_lookup(Box::new(|_| panic!("asked")));
        assert_eq!(
            resolver.resolve(&host("::1"), SHORT).unwrap(),
            ["::1".parse::<IpAddr>().unwrap()]
        );
    }

    #[test]
    fn a_name_is_asked_once_and_then_remembered() {
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&asked);
        let resolver = Resolver::with_lookup(Box::new(move |_| {
            counter.fetch_add(1, Ordering::SeqCst);
            Ok(vec!["10.0.0.1".parse().unwrap()])
        }));
        for _ in 0..5 {
            assert_eq!(resolver.resolve(&host("db1"), LONG).unwrap().len(), 1);
        }
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn a_name_service_that_hangs_costs_the_wait_and_one_thread() {
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&asked);
        let (release, blocked) = std::sync::mpsc::channel::<()>();
        let blocked = Mutex::new(blocked);
        let resolver = Resolver::with_lookup(Box::new(move |_| {
            counter.fetch_add(1, Ordering::SeqCst);
            let _ = blocked.lock().unwrap().recv();
            Ok(vec!["10.0.0.1".parse().unwrap()])
        }));
        for _ in 0..3 {
            let error = resolver.resolve(&host("db1"), SHORT).unwrap_err();
            assert!(error.to_string().contains("did not answer"), "{error}");
        }
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        drop(release);
        assert_eq!(resolver.resolve(&host("db1"), LONG).unwrap().len(), 1);
    }

    #[test]
    fn a_name_that_fails_later_keeps_its_last_address() {
        let asked = AtomicUsize::new(0);
        let resolver = Resolver::with_lookup(Box::new(move |_| {
            match asked.fetch_add(1, Ordering::SeqCst) {
                0 => Ok(vec!["10.0.0.1".parse().unwrap()]),
                _ => Err("try again".to_owned()),
            }
        }));
        resolver.resolve(&host("db1"), LONG).unwrap();
        lock(&resolver.shared.names)
            .get_mut("db1")
            .unwrap()
            .found_at = None;
        assert_eq!(resolver.resolve(&host("db1"), LONG).unwrap().len(), 1);
    }

    #[test]
    fn a_name_that_never_resolved_says_why() {
        let resolver = Resolver::with_lookup(Box::new(|_| Err("try again".to_owned())));
        let error = resolver.resolve(&host("db1"), LONG).unwrap_err();
        assert_eq!(error.to_string(), "db1 does not resolve: try again");
    }
}
