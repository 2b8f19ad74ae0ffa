//! A proxy between a client and a real server, which can be made to delay, to reset, to stall, and to
//! answer in the server's place.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What becomes of connections.
#[derive(Debug, Clone)]
pub enum Way {
    Pass,
    /// Each piece of the server's words comes so late.
    Slow(Duration),
    /// A reset after the server's first words.
    ResetAfterGreeting,
    /// So many bytes of the server's, and then nothing.
    StallAfter(usize),
    /// The server is not asked: this is the answer to everything.
    Answer(String),
}

#[derive(Debug)]
pub struct Between {
    pub port: u16,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    way: Mutex<Way>,
    open: Mutex<Vec<TcpStream>>,
}

impl Between {
    /// In front of this server.
    pub fn new(server: impl Into<String>) -> Between {
        Between::at(0, server)
    }

    /// In front of this server, at a given port.
    pub fn at(port: u16, server: impl Into<String>) -> Between {
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            way: Mutex::new(Way::Pass),
            open: Mutex::default(),
        });
        let (server, state) = (server.into(), Arc::clone(&shared));
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (server, state) = (server.clone(), Arc::clone(&state));
                thread::spawn(move || serve(client, &server, &state));
            }
        });
        Between { port, shared }
    }

    pub fn endpoint(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// From now on; connections that are open end.
    pub fn set(&self, way: Way) {
        *self.shared.way.lock().unwrap() = way;
        for stream in self.shared.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn serve(client: TcpStream, server: &str, shared: &Shared) {
    let way = shared.way.lock().unwrap().clone();
    // Either may fail when the other end has gone: then this connection is over.
    let _ = match way {
        Way::Answer(answer) => answer_all(&client, &answer),
        Way::ResetAfterGreeting => reset(client, server),
        Way::Pass | Way::Slow(_) | Way::StallAfter(_) => pass(&client, server, shared, &way),
    };
}

fn answer_all(mut client: &TcpStream, answer: &str) -> io::Result<()> {
    if client.read(&mut [0; 65_536])? > 0 {
        client.write_all(answer.as_bytes())?;
    }
    client.shutdown(Shutdown::Both)
}

fn reset(mut client: TcpStream, server: &str) -> io::Result<()> {
    let mut greeting = [0; 65_536];
    let count = TcpStream::connect(server)?.read(&mut greeting)?;
    client.write_all(&greeting[..count])?;
    // It makes a reset of the close that follows, for which this is the only copy.
    rustix::net::sockopt::set_socket_linger(&client, Some(Duration::ZERO))?;
    Ok(())
}

fn pass(mut client: &TcpStream, server: &str, shared: &Shared, way: &Way) -> io::Result<()> {
    let Ok(mut server) = TcpStream::connect(server) else {
        return client.shutdown(Shutdown::Both);
    };
    let copies = [client.try_clone()?, server.try_clone()?];
    shared.open.lock().unwrap().extend(copies);
    let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || {
        let _ = io::copy(&mut from_client, &mut to_server);
        let _ = to_server.shutdown(Shutdown::Both);
    });
    let (mut buffer, mut passed) = ([0; 65_536], 0);
    loop {
        let count = server.read(&mut buffer)?;
        if count == 0 {
            return client.shutdown(Shutdown::Both);
        }
        let end = match way {
            Way::StallAfter(limit) => count.min(limit - passed),
            _ => count,
        };
        if let Way::Slow(delay) = way {
            thread::sleep(*delay);
        }
        client.write_all(&buffer[..end])?;
        passed += end;
    }
}
