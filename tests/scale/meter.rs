//! A way to Consul that counts what goes through it, and that can be closed with the agent behind it.

use std::fmt;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

use crate::lateness::busiest;
use crate::support::free_port;

/// What went through.
#[derive(Default, Clone)]
pub struct Traffic {
    /// When each request began, and whether it writes.
    pub requests: Vec<(Instant, bool)>,
    /// Bytes of requests, and of answers.
    pub bytes: (usize, usize),
    /// Connections that were made.
    pub connections: usize,
}

impl Traffic {
    /// Reads and writes.
    pub fn count(&self) -> (usize, usize) {
        let writes = self
            .requests
            .iter()
            .filter(|(_, is_write)| *is_write)
            .count();
        (self.requests.len() - writes, writes)
    }

    /// The most requests in any tenth of a second.
    pub fn busiest(&self) -> usize {
        busiest(self.requests.iter().map(|(at, _)| *at))
    }
}

impl fmt::Debug for Traffic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (reads, writes) = self.count();
        let (up, down) = self.bytes;
        write!(
            f,
            "{reads} reads, {writes} writes, {up} bytes up, {down} bytes down"
        )
    }
}

#[derive(Default)]
struct Shared {
    traffic: Mutex<Traffic>,
    open: Mutex<Vec<TcpStream>>,
    closed: AtomicBool,
}

/// A listener on loopback, and what it leads to.
pub struct Meter {
    address: SocketAddr,
    agent: SocketAddr,
    listener: Mutex<Option<Arc<TcpListener>>>,
    shared: Arc<Shared>,
}

impl Meter {
    pub fn start(agent: &str) -> Meter {
        let meter = Meter {
            address: SocketAddr::from(([127, 0, 0, 1], free_port())),
            agent: agent.parse().unwrap(),
            listener: Mutex::default(),
            shared: Arc::default(),
        };
        meter.open();
        meter
    }

    /// As `--consul` takes it.
    pub fn endpoint(&self) -> String {
        self.address.to_string()
    }

    /// What went through since this was asked last.
    pub fn traffic(&self) -> Traffic {
        std::mem::take(&mut *self.shared.traffic.lock().unwrap())
    }

    /// Nobody listens, and all connections end: as when the agent is killed.
    pub fn close(&self) {
        self.shared.closed.store(true, Ordering::SeqCst);
        if let Some(listener) = self.listener.lock().unwrap().take() {
            let _ = rustix::net::shutdown(&listener, rustix::net::Shutdown::Both);
        }
        for stream in self.shared.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    pub fn open(&self) {
        self.shared.closed.store(false, Ordering::SeqCst);
        let listener = Arc::new(TcpListener::bind(self.address).unwrap());
        rustix::net::listen(&listener, 4096).unwrap();
        *self.listener.lock().unwrap() = Some(Arc::clone(&listener));
        let (shared, agent) = (Arc::clone(&self.shared), self.agent);
        thread::spawn(move || {
            while let Ok((client, _)) = listener.accept() {
                let shared = Arc::clone(&shared);
                thread::spawn(move || lead(&client, agent, &shared));
            }
        });
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.close();
    }
}

/// Errors are the end of a connection, whoever ended it.
fn lead(client: &TcpStream, agent: SocketAddr, shared: &Shared) {
    let Ok(server) = TcpStream::connect(agent) else {
        return;
    };
    for stream in [client, &server] {
        stream.set_nodelay(true).unwrap();
        shared
            .open
            .lock()
            .unwrap()
            .push(stream.try_clone().unwrap());
    }
    shared.traffic.lock().unwrap().connections += 1;
    if shared.closed.load(Ordering::SeqCst) {
        let _ = client.shutdown(Shutdown::Both);
        let _ = server.shutdown(Shutdown::Both);
    }
    thread::scope(|scope| {
        scope.spawn(|| {
            copy(client, &server, |part| {
                let mut traffic = shared.traffic.lock().unwrap();
                let (is_read, is_write) = (part.starts_with(b"GET "), part.starts_with(b"PUT "));
                if is_read || is_write {
                    traffic.requests.push((Instant::now(), is_write));
                }
                traffic.bytes.0 += part.len();
            });
        });
        copy(&server, client, |part| {
            shared.traffic.lock().unwrap().bytes.1 += part.len();
        });
    });
}

fn copy(mut from: &TcpStream, mut to: &TcpStream, seen: impl Fn(&[u8])) {
    let mut part = [0; 16 * 1024];
    while let Ok(count) = from.read(&mut part) {
        if count == 0 || to.write_all(&part[..count]).is_err() {
            break;
        }
        seen(&part[..count]);
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}
