//! Memcached servers, and a client of their text protocol that shares no code with the product.

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::daemon::{Daemon, Launch};
use super::netns::{self, NetHost};
use super::scratch::Scratch;
use super::{free_port, program, seconds};

/// How a server is to be started.
#[derive(Debug, Clone)]
pub struct Options {
    pub port: u16,
    pub bind: String,
    pub netns: Option<String>,
    pub args: Vec<String>,
    /// `user:password` of those that it lets in; without, everybody.
    pub account: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            port: free_port(),
            bind: "127.0.0.1".to_owned(),
            netns: None,
            args: Vec::new(),
            account: None,
        }
    }
}

impl Options {
    /// At this address of that network namespace.
    pub fn on_host(host: &NetHost, port: u16) -> Self {
        Self {
            port,
            bind: host.address().to_string(),
            netns: Some(host.namespace().to_owned()),
            ..Self::default()
        }
    }

    pub fn args(mut self, args: &[&str]) -> Self {
        self.args.extend(args.iter().map(|arg| (*arg).to_owned()));
        self
    }

    /// With a memory of one megabyte, and an error instead of an eviction when that is full.
    pub fn small_without_eviction() -> Self {
        Self::default().args(&["-M", "-m", "1", "-I", "512k"])
    }

    /// Lets in who sends this `user:password`.
    pub fn account(mut self, account: &str) -> Self {
        self.account = Some(account.to_owned());
        self
    }
}

/// A running memcached.
#[derive(Debug)]
pub struct Memcached {
    daemon: Daemon,
    options: Options,
}

impl Memcached {
    pub fn start() -> Self {
        Self::with(Options::default())
    }

    pub fn with(options: Options) -> Self {
        let dir = Scratch::new("memcached");
        let mut launch = Launch::new("memcached", program("memcached"))
            .args(["-u", "root", "-U", "0", "-t", "1", "-l", &options.bind])
            .args(["-p", &options.port.to_string()])
            .args(&options.args)
            .netns(options.netns.as_deref());
        if let Some(account) = &options.account {
            let file = dir.join("accounts");
            fs::write(&file, format!("{account}\n")).unwrap();
            launch = launch.arg("-Y").arg(file);
        }
        let server = Self {
            daemon: Daemon::start_in(dir, launch),
            options,
        };
        server.wait_until_it_listens();
        server
    }

    pub fn daemon(&self) -> &Daemon {
        &self.daemon
    }

    pub fn port(&self) -> u16 {
        self.options.port
    }

    /// `address:port`.
    pub fn endpoint(&self) -> String {
        self.address().to_string()
    }

    fn address(&self) -> SocketAddr {
        let ip = self.options.bind.parse().expect("an address");
        SocketAddr::new(ip, self.options.port)
    }

    /// SIGKILL: connections are reset, its port refuses.
    pub fn kill(&self) {
        self.daemon.kill();
    }

    /// SIGSTOP: the port accepts and nothing answers.
    pub fn stop(&self) {
        self.daemon.stop();
    }

    /// SIGCONT.
    pub fn cont(&self) {
        self.daemon.cont();
    }

    /// Starts it again on the same port, empty.
    pub fn restart(&self) {
        self.daemon.restart();
        self.wait_until_it_listens();
    }

    /// A session of the text protocol. Only for a server on loopback.
    pub fn client(&self) -> Client {
        Client::connect(self.address(), seconds(10)).expect("memcached answers")
    }

    /// Stores an item for ever.
    #[track_caller]
    pub fn set(&self, key: &str, value: &str) {
        let answer = self.client().set(key, value).unwrap();
        assert_eq!(answer, "STORED", "set {key}");
    }

    /// The value of an item.
    pub fn get(&self, key: &str) -> Option<String> {
        self.client().get(key).unwrap()
    }

    /// Stores items of every size up to a kilobyte until none of them fits any more.
    #[track_caller]
    pub fn fill(&self) {
        const FULL: &str = "SERVER_ERROR out of memory storing object";
        let mut client = self.client();
        let mut number = 0;
        // The large ones first, as they take the memory; then what is left in each kind of slab.
        for size in [100_000, 10_000, 1_000].into_iter().chain((1..500).rev()) {
            let value = "x".repeat(size);
            loop {
                number += 1;
                let answer = client.set(&format!("k{number:07}"), &value).unwrap();
                if answer == FULL {
                    break;
                }
                assert_eq!(answer, "STORED");
            }
        }
    }

    fn wait_until_it_listens(&self) {
        let limit = seconds(1);
        self.daemon.wait_until_ready(|| match &self.options.netns {
            Some(name) => netns::can_connect(name, self.address(), limit),
            None => TcpStream::connect_timeout(&self.address(), limit).is_ok(),
        });
    }
}

/// A session.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    pub fn connect(to: SocketAddr, limit: Duration) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&to, limit)?;
        stream.set_read_timeout(Some(limit))?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream: BufReader::new(stream),
        })
    }

    /// Sends this and returns the first line that comes back, without its end.
    pub fn ask(&mut self, request: &str) -> io::Result<String> {
        self.stream.get_mut().write_all(request.as_bytes())?;
        self.line()
    }

    pub fn set(&mut self, key: &str, value: &str) -> io::Result<String> {
        let length = value.len();
        self.ask(&format!("set {key} 0 0 {length}\r\n{value}\r\n"))
    }

    pub fn get(&mut self, key: &str) -> io::Result<Option<String>> {
        let head = self.ask(&format!("get {key}\r\n"))?;
        if head == "END" {
            return Ok(None);
        }
        if !head.starts_with("VALUE ") {
            return Err(io::Error::other(head));
        }
        let value = self.line()?;
        self.line()?;
        Ok(Some(value))
    }

    /// One number of its statistics: `pid`, `curr_items`, ...
    pub fn stat(&mut self, name: &str) -> io::Result<u64> {
        let prefix = format!("STAT {name} ");
        let mut line = self.ask("stats\r\n")?;
        let mut found = None;
        while line.starts_with("STAT ") {
            found = found.or_else(|| line.strip_prefix(&prefix)?.parse().ok());
            line = self.line()?;
        }
        found.ok_or_else(|| io::Error::other(line))
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        match self.stream.read_line(&mut line)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(line.trim_end().to_owned()),
        }
    }
}

/// The process that answers at this port of loopback, which may be a proxy's.
pub fn pid_behind(port: u16, limit: Duration) -> Option<u32> {
    let mut client = Client::connect(SocketAddr::from(([127, 0, 0, 1], port)), limit).ok()?;
    client.stat("pid").ok()?.try_into().ok()
}

/// Where servers are, as `--server` takes it.
pub fn list<'a>(servers: impl IntoIterator<Item = &'a Memcached>) -> String {
    let endpoints: Vec<String> = servers.into_iter().map(Memcached::endpoint).collect();
    endpoints.join(",")
}
