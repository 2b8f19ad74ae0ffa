//! Real servers, networks and misbehaving peers for the tests, each stopped and removed on drop.
//! A server that is not installed fails the test that wants it: run `tests/setup.sh` first.

// A toolbox: not every tool is in use by every set of tests.
#![allow(dead_code)]

pub mod certs;
pub mod checker;
pub mod consul;
pub mod daemon;
pub mod disk;
pub mod haproxy;
pub mod http;
pub mod instance;
pub mod lab;
pub mod mariadb;
pub mod memcached;
pub mod misbehave;
pub mod mysql97;
pub mod mysql_wire;
pub mod netns;
pub mod old_memcached;
pub mod ports;
pub mod redis;
pub mod replication;
pub mod resp;
pub mod scratch;
pub mod sentinel;
pub mod spawner;
pub mod sql;
pub mod tap;
pub mod template;
pub mod tree;

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

pub use ports::free_port;

/// Waits until `ready` says yes; panics with `what` when the deadline has passed.
#[track_caller]
pub fn wait_until(what: &str, deadline: Duration, ready: impl FnMut() -> bool) {
    let limit = patience(deadline);
    assert!(
        becomes_true(limit, ready),
        "waited {limit:?} in vain: {what}"
    );
}

/// Whether `ready` says yes within the time given, which is taken as it is.
pub fn becomes_true(limit: Duration, mut ready: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    loop {
        if ready() {
            return true;
        }
        if start.elapsed() >= limit {
            return false;
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// A deadline stretched for slow machines: the variable `TIMEOUT_MULTIPLIER` holds the factor.
pub fn patience(deadline: Duration) -> Duration {
    let factor = std::env::var("TIMEOUT_MULTIPLIER")
        .ok()
        .and_then(|text| text.parse().ok());
    deadline.mul_f64(factor.unwrap_or(1.0))
}

/// Shorthand for deadlines.
pub const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// Where `tests/setup.sh` puts the servers that Debian 12 does not package.
pub fn servers_dir() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/servers")
}

/// The path of an installed program; a missing one fails the test with advice.
#[track_caller]
pub fn program(name: &str) -> PathBuf {
    if let Some(path) = tree::program(name) {
        return path;
    }
    let path = std::env::var("PATH").unwrap_or_default();
    let dirs = path
        .split(':')
        .chain(["/usr/local/sbin", "/usr/sbin", "/sbin"]);
    dirs.map(|dir| PathBuf::from(dir).join(name))
        .find(|candidate| candidate.is_file())
        .unwrap_or_else(|| panic!("{name} is not installed: run tests/setup.sh as root"))
}
