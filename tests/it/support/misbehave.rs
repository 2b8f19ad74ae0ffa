//! A TCP listener that misbehaves in the ways that servers do when they are ill. Its threads
//! have ended when it is dropped.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::{mysql_wire as wire, seconds, wait_until};

/// What it does to those who connect.
#[derive(Debug, Clone)]
pub enum Mode {
    /// Accepts and says nothing.
    Silent,
    /// Accepts and closes.
    Close,
    /// Accepts and resets.
    Reset,
    /// Says this on accept, then nothing.
    Say(Vec<u8>),
    /// Begins a valid MySQL greeting and stalls in the middle.
    HalfGreeting,
    /// Sends a MySQL greeting that never ends, one byte at a time with this pause between.
    DripGreeting(Duration),
    /// Greets as MySQL and answers the login with a packet of no bytes.
    EmptyPacketAfterLogin,
    /// Greets as MySQL, lets in, and stalls in the middle of the answer to the first question.
    StallInResult,
    /// Greets as MySQL and refuses the login with this error: code, message.
    RefuseLogin(u16, String),
    /// Never accepts, and its queue is full: SYNs get no answer.
    Full,
}

impl Mode {
    /// Bytes that are no protocol at all.
    pub fn garbage() -> Self {
        Self::Say((0..=255).rev().cycle().take(4096).collect())
    }

    /// One byte each half a second.
    pub fn drip() -> Self {
        Self::DripGreeting(Duration::from_millis(500))
    }
}

/// A listener on 127.0.0.1.
#[derive(Debug)]
pub struct Misbehaving {
    address: SocketAddr,
    shared: Arc<Shared>,
    listener: Arc<TcpListener>,
    acceptor: Option<JoinHandle<()>>,
    /// With `Mode::Full`: those who wait in the queue.
    _waiting: Vec<TcpStream>,
}

#[derive(Debug)]
struct Shared {
    mode: Mode,
    connections: AtomicUsize,
    ended: AtomicBool,
    open: Mutex<Vec<Arc<TcpStream>>>,
    alarm: (Mutex<()>, Condvar),
}

impl Misbehaving {
    pub fn start(mode: Mode) -> Self {
        Self::start_at(super::free_port(), mode)
    }

    /// At a given port, for example that of a server that has just been killed.
    pub fn start_at(port: u16, mode: Mode) -> Self {
        let listener = Arc::new(TcpListener::bind(("127.0.0.1", port)).expect("a free port"));
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::new(mode));
        let (mut waiting, mut acceptor) = (Vec::new(), None);
        if matches!(shared.mode, Mode::Full) {
            waiting = fill_queue(&listener, address);
        } else {
            let (listener, shared) = (Arc::clone(&listener), Arc::clone(&shared));
            acceptor = Some(thread::spawn(move || accept_all(&listener, &shared)));
        }
        Self {
            address,
            shared,
            listener,
            acceptor,
            _waiting: waiting,
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// `address:port`.
    pub fn endpoint(&self) -> String {
        self.address.to_string()
    }

    /// How many connections it has accepted.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// Waits until it has accepted that many connections.
    #[track_caller]
    pub fn wait_for_connections(&self, count: usize) {
        let what = format!("{count} connections to {}", self.address);
        wait_until(&what, seconds(20), || self.connections() >= count);
    }
}

impl Drop for Misbehaving {
    fn drop(&mut self) {
        self.shared.end();
        // Not only closed: a process that is just being started may hold a copy, and the port
        // would still accept. It also wakes the acceptor.
        let _ = rustix::net::shutdown(&self.listener, rustix::net::Shutdown::Both);
        let _ = self.acceptor.take().map(JoinHandle::join);
    }
}

impl Shared {
    fn new(mode: Mode) -> Self {
        Self {
            mode,
            connections: AtomicUsize::new(0),
            ended: AtomicBool::new(false),
            open: Mutex::default(),
            alarm: Default::default(),
        }
    }

    fn ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }

    fn end(&self) {
        let open = self.open.lock().unwrap();
        self.ended.store(true, Ordering::SeqCst);
        for stream in open.iter() {
            let _ = stream.shutdown(Shutdown::Both);
        }
        let _alone = self.alarm.0.lock().unwrap();
        self.alarm.1.notify_all();
    }

    /// Remembers a connection, to be shut down at the end; false when the end has come.
    fn remember(&self, stream: &Arc<TcpStream>) -> bool {
        let mut open = self.open.lock().unwrap();
        if self.ended() {
            return false;
        }
        open.push(Arc::clone(stream));
        true
    }

    /// Lets go of a connection, which closes with the last who holds it.
    fn forget(&self, stream: &Arc<TcpStream>) {
        self.open
            .lock()
            .unwrap()
            .retain(|other| !Arc::ptr_eq(other, stream));
    }

    /// Pauses, but not beyond the end.
    fn pause(&self, time: Duration) {
        let guard = self.alarm.0.lock().unwrap();
        let over = |_: &mut ()| !self.ended();
        drop(self.alarm.1.wait_timeout_while(guard, time, over));
    }
}

fn accept_all(listener: &TcpListener, shared: &Arc<Shared>) {
    thread::scope(|scope| {
        for stream in listener.incoming() {
            if shared.ended() {
                return;
            }
            let Ok(stream) = stream else { continue };
            shared.connections.fetch_add(1, Ordering::Relaxed);
            scope.spawn(move || serve(&Arc::new(stream), shared));
        }
    });
}

/// Errors are the peer's, who has gone: of no interest.
fn serve(stream: &Arc<TcpStream>, shared: &Shared) {
    if shared.remember(stream) {
        let _ = talk(stream, shared);
        shared.forget(stream);
    }
}

fn talk(mut stream: &TcpStream, shared: &Shared) -> io::Result<()> {
    match &shared.mode {
        Mode::Say(bytes) => stream.write_all(bytes)?,
        Mode::HalfGreeting => stream.write_all(&wire::greeting()[..20])?,
        Mode::DripGreeting(pause) => drip(stream, shared, *pause)?,
        Mode::EmptyPacketAfterLogin => {
            wire::greet(stream)?;
            stream.write_all(&wire::packet(2, b""))?;
        }
        Mode::RefuseLogin(code, message) => {
            wire::greet(stream)?;
            stream.write_all(&wire::error(2, *code, message))?;
            return Ok(());
        }
        Mode::StallInResult => {
            wire::greet(stream)?;
            stream.write_all(&wire::ok(2))?;
            wire::read_packet(stream)?;
            stream.write_all(&wire::half_a_result())?;
        }
        Mode::Close | Mode::Full => return stream.shutdown(Shutdown::Both),
        Mode::Reset => return reset(stream),
        Mode::Silent => {}
    }
    wait_for_close(stream)
}

fn drip(mut stream: &TcpStream, shared: &Shared, pause: Duration) -> io::Result<()> {
    for byte in wire::endless_greeting() {
        if shared.ended() {
            break;
        }
        stream.write_all(&[byte])?;
        shared.pause(pause);
    }
    Ok(())
}

/// Reads until the peer or `Shared::end` closes.
fn wait_for_close(mut stream: &TcpStream) -> io::Result<()> {
    let mut buffer = [0; 4096];
    while stream.read(&mut buffer)? > 0 {}
    Ok(())
}

/// Makes the close that follows a reset.
fn reset(stream: &TcpStream) -> io::Result<()> {
    Ok(rustix::net::sockopt::set_socket_linger(
        stream,
        Some(Duration::ZERO),
    )?)
}

/// Connects until the kernel answers no more.
fn fill_queue(listener: &TcpListener, address: SocketAddr) -> Vec<TcpStream> {
    rustix::net::listen(listener, 0).expect("a shorter queue");
    let connect = || TcpStream::connect_timeout(&address, Duration::from_millis(200)).ok();
    let waiting: Vec<TcpStream> = std::iter::from_fn(connect).take(100).collect();
    assert!(
        waiting.len() < 100,
        "the queue of {address} does not get full"
    );
    waiting
}
