//! A thousand hosts that watch one Consul: so many blocking queries held at once, and what one change costs
//! the server that answers them all.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, EventData, EventFlags};
use serde_json::json;

use crate::process;
use crate::support::consul::Consul;
use crate::support::seconds;

/// What it costs.
#[derive(Debug)]
pub struct Watched {
    pub watchers: usize,
    pub keys: usize,
    /// Consul's memory for each query that it holds, in kB.
    pub held_kb: u64,
    /// One answer, in bytes.
    pub answer: usize,
    /// From a change until the last watcher has its answer.
    pub took: Duration,
    /// Consul's time on a processor for it.
    pub cpu: f64,
}

/// The queries go to a server without an agent between, which is what costs it most.
pub fn watch(watchers: usize, keys: usize) -> Watched {
    process::raise_limits();
    let consul = Consul::start_with(json!({ "limits": { "http_max_conns_per_client": 0 } }));
    let pid = consul.daemon().pid();
    for key in 0..keys {
        let value = format!(
            "{{\"name\":\"t{key:04}\", \"host\":\"10.0.21.5\", \"port\":3301, \"proxyport\":13351}}"
        );
        consul.put(&format!("haproxy/mysqlslave/t{key:04}"), &value);
    }
    let index = consul
        .request("GET", "/v1/kv/haproxy/mysqlslave?recurse", b"")
        .header("x-consul-index")
        .expect("an index")
        .to_owned();
    let before = process::held(pid).rss_kb;
    let question = format!(
        "GET /v1/kv/haproxy/mysqlslave?recurse&index={index}&wait=60s HTTP/1.0\r\nHost: test\r\n\r\n"
    );
    let streams: Vec<TcpStream> = (0..watchers)
        .map(|_| {
            let mut stream = TcpStream::connect(consul.endpoint()).unwrap();
            stream.write_all(question.as_bytes()).unwrap();
            stream.set_nonblocking(true).unwrap();
            stream
        })
        .collect();
    // They are all held when Consul has come to rest.
    std::thread::sleep(seconds(3));
    let held_kb = process::held(pid).rss_kb.saturating_sub(before) / watchers as u64;
    let (cpu, at) = (process::cpu_of(pid), Instant::now());
    consul.put("haproxy/mysqlslave/t0000", "{}");
    let bytes = read_all(&streams);
    Watched {
        watchers,
        keys,
        held_kb,
        answer: bytes / watchers,
        took: at.elapsed(),
        cpu: process::cpu_of(pid) - cpu,
    }
}

/// Reads every answer to its end; how many bytes they had together.
fn read_all(streams: &[TcpStream]) -> usize {
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
    for (place, stream) in (0..).zip(streams) {
        epoll::add(&epoll, stream, EventData::new_u64(place), EventFlags::IN).unwrap();
    }
    let (mut open, mut bytes) = (streams.len(), 0);
    let mut events = Vec::with_capacity(256);
    let mut part = vec![0; 256 * 1024];
    while open > 0 {
        epoll::wait(&epoll, spare_capacity(&mut events), None).unwrap();
        for event in events.drain(..) {
            let mut stream = &streams[event.data.u64() as usize];
            match stream.read(&mut part) {
                Ok(0) => {
                    epoll::delete(&epoll, stream).unwrap();
                    open -= 1;
                }
                Ok(count) => bytes += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => panic!("a watcher was cut off: {error}"),
            }
        }
    }
    bytes
}
