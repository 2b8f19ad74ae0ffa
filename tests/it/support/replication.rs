//! A MariaDB primary and its replicas on loopback, each with a port of its own.

use std::panic::resume_unwind;
use std::thread;

use super::mariadb::{MariaDb, Options};

/// One primary, n replicas, all running.
#[derive(Debug)]
pub struct Replication {
    pub primary: MariaDb,
    pub replicas: Vec<MariaDb>,
}

impl Replication {
    /// Starts all servers at once and waits until all replicas replicate.
    pub fn start(replicas: usize) -> Self {
        Self::with(
            Options::default(),
            (0..replicas).map(|_| Options::default()),
        )
    }

    /// The same with options for each server.
    pub fn with(primary: Options, replicas: impl Iterator<Item = Options>) -> Self {
        let mut servers = in_parallel(std::iter::once(primary).chain(replicas), MariaDb::with);
        let primary = servers.remove(0);
        in_parallel(servers.iter(), |replica| replica.replicate_from(&primary));
        Self {
            primary,
            replicas: servers,
        }
    }

    /// The replica at an endpoint `address:port`.
    pub fn replica_at(&self, endpoint: &str) -> &MariaDb {
        let found = self
            .replicas
            .iter()
            .find(|replica| replica.endpoint() == endpoint);
        found.unwrap_or_else(|| panic!("no replica at {endpoint}"))
    }
}

/// Runs one thread per item; the results are in the order of the items.
pub fn in_parallel<I: Send, R: Send>(
    items: impl Iterator<Item = I>,
    job: impl Fn(I) -> R + Sync,
) -> Vec<R> {
    thread::scope(|scope| {
        let job = &job;
        let threads: Vec<_> = items.map(|item| scope.spawn(move || job(item))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)))
            .collect()
    })
}
