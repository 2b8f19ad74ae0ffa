//! A proxy before an HTTP server that notes what is asked.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

const END: &str = " HTTP/1.1\r\n";

/// The proxy; its threads end with the connections.
#[derive(Debug)]
pub struct Tap {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Tap {
    /// Before the server at `host:port`.
    pub fn before(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let notes = Arc::clone(&asked);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (server, notes) = (server.clone(), Arc::clone(&notes));
                // Either end may go away: then this connection is over.
                thread::spawn(move || drop(pass(client, &server, &notes)));
            }
        });
        Self { port, asked }
    }

    /// `address:port`.
    pub fn endpoint(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// What was asked so far: `GET /path`.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    /// Forgets what was asked.
    pub fn clear(&self) {
        self.asked.lock().unwrap().clear();
    }
}

fn pass(mut client: TcpStream, server: &str, notes: &Mutex<Vec<String>>) -> io::Result<()> {
    let mut server = TcpStream::connect(server)?;
    let (mut back_from, mut back_to) = (server.try_clone()?, client.try_clone()?);
    thread::spawn(move || {
        let _ = io::copy(&mut back_from, &mut back_to);
        let _ = back_to.shutdown(Shutdown::Both);
    });
    let (mut buffer, mut text) = ([0; 65_536], String::new());
    loop {
        let count = client.read(&mut buffer)?;
        if count == 0 {
            return server.shutdown(Shutdown::Both);
        }
        text.push_str(&String::from_utf8_lossy(&buffer[..count]));
        while let Some(end) = text.find(END) {
            let line = &text[..end];
            let begin = line.rfind("GET /").or(line.rfind("PUT /"));
            let line = line[begin.unwrap_or_default()..].to_owned();
            notes.lock().unwrap().push(line);
            text.drain(..end + END.len());
        }
        server.write_all(&buffer[..count])?;
    }
}
