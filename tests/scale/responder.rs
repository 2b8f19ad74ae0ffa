//! Thousands of servers in one thread: it listens for each tag at each host, and answers by the words of a
//! `Service`. A host can hang (it accepts and says nothing) or refuse, and be well again. Owns the
//! sockets and who came when; what is said is the service's.

use std::collections::HashMap;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Instant;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::fd::OwnedFd;

use crate::hosts::{Hosts, Who};

/// The words of one kind of server.
pub trait Service: Send {
    /// What it says before it is asked.
    fn greet(&mut self, who: Who, said: &mut Vec<u8>);

    /// Answers what was heard, as far as it is complete, and takes it away.
    fn answer(&mut self, who: Who, memory: &mut Memory, heard: &mut Vec<u8>, said: &mut Vec<u8>);
}

/// What a server knows of one connection.
#[derive(Debug, Default)]
pub struct Memory {
    pub logged_in: bool,
    pub value: Vec<u8>,
}

/// A connection that came.
#[derive(Debug, Clone, Copy)]
pub struct Arrival {
    pub at: Instant,
    pub who: Who,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    Well,
    Hung,
    Gone,
}

type Order = (usize, Manner, Sender<()>);

/// What is to be known about it from outside.
#[derive(Debug, Default)]
struct Book {
    arrivals: Vec<Arrival>,
    /// Open connections of each host, now and at most.
    open: Vec<(usize, usize)>,
}

/// The servers.
#[derive(Debug)]
pub struct Responder {
    hosts: Hosts,
    book: Arc<Mutex<Book>>,
    orders: Sender<Order>,
    bell: UnixStream,
    /// Its thread's file in /proc, for what it costs.
    pub stat: String,
    thread: Option<JoinHandle<()>>,
}

impl Responder {
    pub fn start(hosts: &Hosts, service: impl Service + 'static) -> Responder {
        let book = Arc::new(Mutex::new(Book {
            arrivals: Vec::new(),
            open: vec![(0, 0); hosts.count],
        }));
        let (orders, received) = mpsc::channel();
        let (bell, rung) = UnixStream::pair().unwrap();
        rung.set_nonblocking(true).unwrap();
        let (tell, told) = mpsc::channel();
        let mut floor = Loop::new(hosts.clone(), Box::new(service), Arc::clone(&book), rung);
        let thread = std::thread::spawn(move || {
            let me = fs::read_link("/proc/thread-self").unwrap();
            tell.send(format!("/proc/{}/stat", me.display())).unwrap();
            floor.run(&received);
        });
        Responder {
            hosts: hosts.clone(),
            book,
            orders,
            bell,
            stat: told.recv().unwrap(),
            thread: Some(thread),
        }
    }

    pub fn hosts(&self) -> &Hosts {
        &self.hosts
    }

    /// It accepts and says nothing.
    pub fn hang(&self, host: usize) {
        self.order(host, Manner::Hung);
    }

    /// As if its processes had been killed: what was open is closed, and nobody listens.
    pub fn refuse(&self, host: usize) {
        self.order(host, Manner::Gone);
    }

    pub fn recover(&self, host: usize) {
        self.order(host, Manner::Well);
    }

    /// Who came since this was asked last.
    pub fn arrivals(&self) -> Vec<Arrival> {
        std::mem::take(&mut self.book.lock().unwrap().arrivals)
    }

    /// The most connections that a host had open since this was asked last.
    pub fn most_open(&self, host: usize) -> usize {
        let mut book = self.book.lock().unwrap();
        let (now, most) = book.open[host];
        book.open[host].1 = now;
        most
    }

    /// Done when this returns.
    fn order(&self, host: usize, manner: Manner) {
        let (done, is_done) = mpsc::channel();
        self.orders.send((host, manner, done)).unwrap();
        (&self.bell).write_all(b"!").unwrap();
        is_done.recv().unwrap();
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        // The bell's other end closes the loop.
        let _ = self.bell.shutdown(std::net::Shutdown::Both);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

struct Loop {
    hosts: Hosts,
    service: Box<dyn Service>,
    book: Arc<Mutex<Book>>,
    bell: UnixStream,
    epoll: OwnedFd,
    manners: Vec<Manner>,
    listeners: HashMap<Who, TcpListener>,
    connections: Vec<Option<Connection>>,
    free: Vec<usize>,
}

struct Connection {
    stream: TcpStream,
    who: Who,
    memory: Memory,
    heard: Vec<u8>,
}

/// What an event is about, as a number.
const BELL: u64 = 0;
const LISTENER: u64 = 1 << 40;
const CONNECTION: u64 = 2 << 40;

impl Loop {
    fn new(
        hosts: Hosts,
        service: Box<dyn Service>,
        book: Arc<Mutex<Book>>,
        bell: UnixStream,
    ) -> Loop {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
        epoll::add(&epoll, &bell, EventData::new_u64(BELL), EventFlags::IN).unwrap();
        let mut floor = Loop {
            manners: vec![Manner::Well; hosts.count],
            hosts,
            service,
            book,
            bell,
            epoll,
            listeners: HashMap::new(),
            connections: Vec::new(),
            free: Vec::new(),
        };
        for host in 0..floor.hosts.count {
            floor.listen(host);
        }
        floor
    }

    fn run(&mut self, orders: &Receiver<Order>) {
        let mut events = Vec::with_capacity(256);
        loop {
            epoll::wait(&self.epoll, spare_capacity(&mut events), None).unwrap();
            for event in events.drain(..) {
                match event.data.u64() {
                    BELL => {
                        let mut rings = [0; 64];
                        if matches!((&self.bell).read(&mut rings), Ok(0)) {
                            return;
                        }
                        for (host, manner, done) in orders.try_iter() {
                            self.turn(host, manner);
                            let _ = done.send(());
                        }
                    }
                    number if number >= CONNECTION => self.hear((number - CONNECTION) as usize),
                    number => self.accept(self.hosts.who_of((number - LISTENER) as usize)),
                }
            }
        }
    }

    fn listen(&mut self, host: usize) {
        for tag in 0..self.hosts.tags {
            let who = Who { host, tag };
            let listener = TcpListener::bind(self.hosts.address(who)).unwrap();
            // Somebody may have all tags at one port.
            rustix::net::listen(&listener, 4096).unwrap();
            listener.set_nonblocking(true).unwrap();
            let data = EventData::new_u64(LISTENER + self.hosts.number_of(who) as u64);
            epoll::add(&self.epoll, &listener, data, EventFlags::IN).unwrap();
            self.listeners.insert(who, listener);
        }
    }

    fn turn(&mut self, host: usize, manner: Manner) {
        let before = std::mem::replace(&mut self.manners[host], manner);
        if manner == Manner::Gone {
            self.listeners.retain(|who, _| who.host != host);
        }
        if manner != Manner::Hung {
            for place in 0..self.connections.len() {
                let of_host = |c: &Connection| c.who.host == host;
                if self.connections[place].as_ref().is_some_and(of_host) {
                    self.close(place);
                }
            }
        }
        if before == Manner::Gone && manner != Manner::Gone {
            self.listen(host);
        }
    }

    fn accept(&mut self, who: Who) {
        while let Some(listener) = self.listeners.get(&who) {
            let Ok((stream, _)) = listener.accept() else {
                return;
            };
            let at = Instant::now();
            {
                let mut book = self.book.lock().unwrap();
                book.arrivals.push(Arrival { at, who });
                let (now, most) = &mut book.open[who.host];
                *now += 1;
                *most = (*most).max(*now);
            }
            stream.set_nonblocking(true).unwrap();
            stream.set_nodelay(true).unwrap();
            let mut said = Vec::new();
            if self.manners[who.host] == Manner::Well {
                self.service.greet(who, &mut said);
            }
            let place = self.free.pop().unwrap_or_else(|| {
                self.connections.push(None);
                self.connections.len() - 1
            });
            let data = EventData::new_u64(CONNECTION + place as u64);
            epoll::add(&self.epoll, &stream, data, EventFlags::IN).unwrap();
            // A few kilobytes into an empty buffer: never short.
            let _ = (&stream).write_all(&said);
            self.connections[place] = Some(Connection {
                stream,
                who,
                memory: Memory::default(),
                heard: Vec::new(),
            });
        }
    }

    fn hear(&mut self, place: usize) {
        // It may have been closed by an order since the event.
        let Some(connection) = self.connections[place].as_mut() else {
            return;
        };
        let mut part = [0; 4096];
        match connection.stream.read(&mut part) {
            Ok(0) => return self.close(place),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            Err(_) => return self.close(place),
            Ok(count) => connection.heard.extend_from_slice(&part[..count]),
        }
        if self.manners[connection.who.host] != Manner::Well {
            return;
        }
        let mut said = Vec::new();
        let Connection {
            who, memory, heard, ..
        } = connection;
        self.service.answer(*who, memory, heard, &mut said);
        if !said.is_empty() && connection.stream.write_all(&said).is_err() {
            self.close(place);
        }
    }

    fn close(&mut self, place: usize) {
        if let Some(connection) = self.connections[place].take() {
            self.book.lock().unwrap().open[connection.who.host].0 -= 1;
            self.free.push(place);
        }
    }
}
