//! A memcached from before the meta commands, which no package has any more: it knows `set`, `get`,
//! `version` and `flush_all`, and calls every other line an ERROR.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

/// A listener on 127.0.0.1. Its thread has ended when it is dropped.
#[derive(Debug)]
pub struct OldMemcached {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    ended: AtomicBool,
    items: Mutex<HashMap<String, Vec<u8>>>,
    open: Mutex<Vec<Arc<TcpStream>>>,
}

impl OldMemcached {
    pub fn start() -> Self {
        Self::start_at(super::free_port())
    }

    pub fn start_at(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).expect("a free port");
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let acceptor = thread::spawn({
            let shared = Arc::clone(&shared);
            move || accept_all(&listener, &shared)
        });
        Self {
            address,
            shared,
            acceptor: Some(acceptor),
        }
    }

    /// `address:port`.
    pub fn endpoint(&self) -> String {
        self.address.to_string()
    }

    /// Whether an item of this name was stored.
    pub fn has(&self, key: &str) -> bool {
        self.shared.items.lock().unwrap().contains_key(key)
    }
}

impl Drop for OldMemcached {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        // Wakes the acceptor.
        let _ = TcpStream::connect(self.address);
        for stream in self.shared.open.lock().unwrap().iter() {
            let _ = stream.shutdown(Shutdown::Both);
        }
        let _ = self.acceptor.take().map(JoinHandle::join);
    }
}

fn accept_all(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        if shared.ended.load(Ordering::SeqCst) {
            return;
        }
        let Ok(stream) = stream.map(Arc::new) else {
            continue;
        };
        shared.open.lock().unwrap().push(Arc::clone(&stream));
        let shared = Arc::clone(shared);
        thread::spawn(move || {
            // An error is the peer's, who has gone.
            let _ = serve(&stream, &shared);
            let _ = stream.shutdown(Shutdown::Both);
            let mut open = shared.open.lock().unwrap();
            open.retain(|other| !Arc::ptr_eq(other, &stream));
        });
    }
}

fn serve(mut stream: &TcpStream, shared: &Shared) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    while reader.read_line(&mut line)? > 0 {
        let words: Vec<&str> = line.split_whitespace().collect();
        let answer: Vec<u8> = match words[..] {
            ["set", key, _, _, length] => {
                let length: usize = length.parse().unwrap_or_default();
                let mut value = vec![0; length + 2];
                reader.read_exact(&mut value)?;
                value.truncate(length);
                shared.items.lock().unwrap().insert(key.to_owned(), value);
                b"STORED\r\n".to_vec()
            }
            ["get", key] => match shared.items.lock().unwrap().get(key) {
                Some(value) => {
                    let head = format!("VALUE {key} 0 {}\r\n", value.len());
                    [head.as_bytes(), value, b"\r\nEND\r\n"].concat()
                }
                None => b"END\r\n".to_vec(),
            },
            ["version"] => b"VERSION 1.4.15\r\n".to_vec(),
            ["flush_all"] => {
                shared.items.lock().unwrap().clear();
                b"OK\r\n".to_vec()
            }
            _ => b"ERROR\r\n".to_vec(),
        };
        stream.write_all(&answer)?;
        line.clear();
    }
    Ok(())
}
