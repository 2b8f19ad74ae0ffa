//! A memcached, as far as a checker asks: the meta commands, and those of old.

use crate::hosts::{Hosts, Who};
use crate::responder::{Memory, Service};

pub struct Memcached;

impl Memcached {
    /// The conf file: each tag has a server at each host.
    pub fn conf(hosts: &Hosts, more: &str) -> String {
        let section = |tag| {
            let servers: Vec<String> = (0..hosts.count)
                .map(|host| hosts.address(Who { host, tag }).to_string())
                .collect();
            let servers = servers.join(",");
            format!("[t{tag:04}]\ntype=memcached\nserver={servers}\n{more}\n")
        };
        (0..hosts.tags).map(section).collect()
    }
}

impl Service for Memcached {
    fn greet(&mut self, _: Who, _: &mut Vec<u8>) {}

    fn answer(&mut self, _: Who, memory: &mut Memory, heard: &mut Vec<u8>, said: &mut Vec<u8>) {
        while let Some(end) = heard.iter().position(|byte| *byte == b'\n') {
            let line = String::from_utf8_lossy(&heard[..end]).trim_end().to_owned();
            let words: Vec<&str> = line.split(' ').collect();
            let size = match words[0] {
                "ms" => words[2].parse().unwrap(),
                "set" => words[4].parse().unwrap(),
                _ => 0,
            };
            let block = if size > 0 { size + 2 } else { 0 };
            if heard.len() < end + 1 + block {
                return;
            }
            let value = &memory.value;
            match words[0] {
                "ms" => said.extend_from_slice(b"HD\r\n"),
                "set" => said.extend_from_slice(b"STORED\r\n"),
                "mg" => {
                    let size = value.len();
                    said.extend_from_slice(format!("VA {size} s{size}\r\n").as_bytes());
                    said.extend_from_slice(value);
                    said.extend_from_slice(b"\r\n");
                }
                "get" => {
                    let head = format!("VALUE {} 0 {}\r\n", words[1], value.len());
                    said.extend_from_slice(head.as_bytes());
                    said.extend_from_slice(value);
                    said.extend_from_slice(b"\r\nEND\r\n");
                }
                "flush_all" => said.extend_from_slice(b"OK\r\n"),
                "version" => said.extend_from_slice(b"VERSION 1.6.18\r\n"),
                _ => said.extend_from_slice(b"ERROR\r\n"),
            }
            if size > 0 {
                memory.value = heard[end + 1..end + 1 + size].to_vec();
            }
            heard.drain(..=end + block);
        }
    }
}
