//! Where the servers are: so many hosts, each an address of loopback, with a port for each tag.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::atomic::{AtomicU8, Ordering};

/// The port of the first tag; below what the kernel gives to outgoing connections.
const FIRST_PORT: u16 = 20_000;

/// One server: the tag's, at a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Who {
    pub host: usize,
    pub tag: usize,
}

/// The hosts and tags of one run.
#[derive(Debug, Clone)]
pub struct Hosts {
    pub count: usize,
    pub tags: usize,
    net: [u8; 3],
}

impl Hosts {
    /// Addresses that nobody else has: of this process, and of this call.
    pub fn new(count: usize, tags: usize) -> Hosts {
        static NEXT: AtomicU8 = AtomicU8::new(1);
        let process = std::process::id();
        let own = u8::try_from(1 + process % 250).unwrap();
        Hosts {
            count,
            tags,
            net: [127, own, NEXT.fetch_add(1, Ordering::Relaxed)],
        }
    }

    pub fn ip(&self, host: usize) -> Ipv4Addr {
        let [a, b, c] = self.net;
        Ipv4Addr::new(a, b, c, u8::try_from(host + 1).unwrap())
    }

    pub fn address(&self, who: Who) -> SocketAddrV4 {
        SocketAddrV4::new(self.ip(who.host), port(who.tag))
    }

    /// A number for each server, and back.
    pub fn number_of(&self, who: Who) -> usize {
        who.host * self.tags + who.tag
    }

    pub fn who_of(&self, number: usize) -> Who {
        Who {
            host: number / self.tags,
            tag: number % self.tags,
        }
    }
}

pub fn port(tag: usize) -> u16 {
    FIRST_PORT + u16::try_from(tag).unwrap()
}
