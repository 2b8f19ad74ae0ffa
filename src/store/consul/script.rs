//! For tests: an HTTP server that does what a script says, also what no good server does.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// A request as it came in.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// Which connection it came on, from 0.
    pub(crate) connection: usize,
    /// The request line and the headers.
    pub(crate) head: String,
    /// The body.
    pub(crate) body: String,
}

/// What the server does with a request.
pub(crate) enum Act {
    /// Sends these bytes and waits for the next request on the connection.
    Send(String),
    /// Sends these bytes and closes the connection.
    SendAndClose(String),
    /// Sends these bytes one by one with a pause before each.
    Trickle(String, Duration),
    /// Keeps the connection and says nothing.
    Silence,
}

type Script = dyn Fn(&Request) -> Act + Send + Sync;

/// The running server; dropping it closes everything and waits for its threads.
pub(crate) struct Server {
    place: Place,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

enum Place {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

struct Shared {
    script: Box<Script>,
    stopping: AtomicBool,
    connections: AtomicUsize,
    requests: Mutex<Vec<Request>>,
    open: Mutex<Vec<Box<dyn Fn() + Send>>>,
    workers: Mutex<Vec<JoinHandle<()>>>,
}

impl Request {
    /// The first line, as in `GET /v1/kv/x HTTP/1.1`.
    pub(crate) fn line(&self) -> &str {
        self.head.lines().next().unwrap()
    }
}

/// An answer with a length, on a connection that stays open, and with an index, as Consul's have.
pub(crate) fn answer(status: u16, body: &str) -> String {
    answer_with(status, "X-Consul-Index: 17\r\n", body)
}

/// An answer with these header lines besides the length.
pub(crate) fn answer_with(status: u16, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status} Any Reason\r\n{headers}Content-Length: {length}\r\n\r\n{body}")
}

impl Server {
    pub(crate) fn start(script: impl Fn(&Request) -> Act + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let place = Place::Tcp(listener.local_addr().unwrap());
        Server::run(place, script, move |shared| {
            let (stream, _) = listener.accept().unwrap();
            let twin: TcpStream = stream.try_clone().unwrap();
            shared.work(stream, move || {
                let _ = twin.shutdown(std::net::Shutdown::Both);
            });
        })
    }

    pub(crate) fn start_unix(
        path: &Path,
        script: impl Fn(&Request) -> Act + Send + Sync + 'static,
    ) -> Server {
        let listener = UnixListener::bind(path).unwrap();
        Server::run(Place::Unix(path.to_owned()), script, move |shared| {
            let (stream, _) = listener.accept().unwrap();
            let twin: UnixStream = stream.try_clone().unwrap();
            shared.work(stream, move || {
                let _ = twin.shutdown(std::net::Shutdown::Both);
            });
        })
    }

    fn run(
        place: Place,
        script: impl Fn(&Request) -> Act + Send + Sync + 'static,
        accept: impl Fn(&Arc<Shared>) + Send + 'static,
    ) -> Server {
        let shared = Arc::new(Shared {
            script: Box::new(script),
            stopping: AtomicBool::new(false),
            connections: AtomicUsize::new(0),
            requests: Mutex::default(),
            open: Mutex::default(),
            workers: Mutex::default(),
        });
        let for_thread = Arc::clone(&shared);
        let acceptor = thread::spawn(move || {
            while !for_thread.stopping.load(Ordering::SeqCst) {
                accept(&for_thread);
            }
        });
        Server {
            place,
            shared,
            acceptor: Some(acceptor),
        }
    }

    /// The address in the form of CONSUL_HTTP_ADDR.
    pub(crate) fn address(&self) -> String {
        match &self.place {
            Place::Tcp(address) => address.to_string(),
            Place::Unix(path) => format!("unix://{}", path.display()),
        }
    }

    /// The requests so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// How many connections were opened so far.
    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }
}

impl Shared {
    fn work(
        self: &Arc<Self>,
        stream: impl Read + Write + Send + 'static,
        close: impl Fn() + Send + 'static,
    ) {
        if self.stopping.load(Ordering::SeqCst) {
            return;
        }
        let connection = self.connections.fetch_add(1, Ordering::SeqCst);
        self.open.lock().unwrap().push(Box::new(close));
        let shared = Arc::clone(self);
        let worker = thread::spawn(move || shared.serve(stream, connection));
        self.workers.lock().unwrap().push(worker);
    }

    fn serve(&self, stream: impl Read + Write, connection: usize) {
        let mut stream = BufReader::new(stream);
        while let Some(request) = read_request(&mut stream, connection) {
            self.requests.lock().unwrap().push(request.clone());
            if !self.act((self.script)(&request), stream.get_mut()) {
                break;
            }
        }
        // The twin that can end this from outside holds the connection open.
        if let Some(close) = self.open.lock().unwrap().get(connection) {
            close();
        }
    }

    /// Whether the connection goes on.
    fn act(&self, act: Act, stream: &mut impl Write) -> bool {
        match act {
            Act::Send(bytes) => stream.write_all(bytes.as_bytes()).is_ok(),
            Act::SendAndClose(bytes) => {
                let _ = stream.write_all(bytes.as_bytes());
                false
            }
            Act::Trickle(bytes, pause) => bytes.bytes().all(|byte| {
                thread::sleep(pause);
                !self.stopping.load(Ordering::SeqCst) && stream.write_all(&[byte]).is_ok()
            }),
            Act::Silence => true,
        }
    }
}

fn read_request(stream: &mut impl BufRead, connection: usize) -> Option<Request> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let length = head
        .to_ascii_lowercase()
        .lines()
        .find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok())
        .unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some(Request {
        connection,
        head,
        body: String::from_utf8(body).unwrap(),
    })
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        // Wakes the acceptor.
        match &self.place {
            Place::Tcp(address) => drop(TcpStream::connect(address)),
            Place::Unix(path) => drop(UnixStream::connect(path)),
        }
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
        for close in self.shared.open.lock().unwrap().iter() {
            close();
        }
        for worker in self.shared.workers.lock().unwrap().drain(..) {
            let _ = worker.join();
        }
    }
}
