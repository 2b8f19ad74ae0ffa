//! Free ports: each is handed out once per process, and none from the range that the kernel
//! gives to outgoing connections.

use std::collections::HashSet;
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::sync::{LazyLock, Mutex};

const LOWEST: u16 = 10_000;

static TAKEN: LazyLock<Mutex<HashSet<u16>>> = LazyLock::new(Mutex::default);

/// A port that no socket of this machine uses, neither TCP nor UDP.
pub fn free_port() -> u16 {
    let end = ephemeral_start().max(LOWEST + 1_000);
    let mut taken = TAKEN.lock().unwrap();
    let used = used_ports();
    let mut random = (0..10_000).map(|_| random_between(LOWEST, end));
    let port = random.find(|port| !used.contains(port) && taken.insert(*port));
    port.expect("no free port")
}

/// Asked of the kernel, not tried by binding: a process that another thread starts just then
/// would keep the socket of the trial alive until its exec.
fn used_ports() -> HashSet<u16> {
    let tables = ["tcp", "tcp6", "udp", "udp6"].map(|name| format!("/proc/net/{name}"));
    let texts = tables
        .into_iter()
        .filter_map(|path| fs::read_to_string(path).ok());
    texts
        .flat_map(|text| text.lines().filter_map(local_port).collect::<Vec<u16>>())
        .collect()
}

/// The local port in a line such as `0: 0100007F:1F90 00000000:0000 0A …`.
fn local_port(line: &str) -> Option<u16> {
    let local = line.split_whitespace().nth(1)?;
    u16::from_str_radix(local.rsplit(':').next()?, 16).ok()
}

fn ephemeral_start() -> u16 {
    fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range")
        .ok()
        .and_then(|text| text.split_whitespace().next()?.parse().ok())
        .unwrap_or(32_768)
}

fn random_between(low: u16, end: u16) -> u16 {
    let random = RandomState::new().hash_one(0_u8) % u64::from(end - low);
    low + u16::try_from(random).unwrap()
}
