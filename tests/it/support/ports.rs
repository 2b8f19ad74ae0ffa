//! Free ports: each is handed out once per process, and none from the range that the kernel
//! gives to outgoing connections.

use std::collections::HashSet;
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::sync::{LazyLock, Mutex};

const LOWEST: u16 = 10_000;

static TAKEN: LazyLock<Mutex<HashSet<u16>>> = LazyLock::new(Mutex::default);

/// A port that nothing on 127.0.0.1 uses, neither TCP nor UDP.
pub fn free_port() -> u16 {
    let end = ephemeral_start().max(LOWEST + 1_000);
    let found = (0..10_000).map(|_| random_between(LOWEST, end)).find(|port| claim(*port));
    found.expect("no free port on 127.0.0.1")
}

fn claim(port: u16) -> bool {
    let address = (Ipv4Addr::LOCALHOST, port);
    let mut taken = TAKEN.lock().unwrap();
    !taken.contains(&port)
        && TcpListener::bind(address).is_ok()
        && UdpSocket::bind(address).is_ok()
        && taken.insert(port)
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
