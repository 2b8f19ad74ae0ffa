//! Redis servers, masters and replicas. This process talks to them through their unix sockets, so
//! it does not matter in which network they are.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::daemon::{Daemon, Launch};
use super::netns::NetHost;
use super::resp::{Reply, Session};
use super::scratch::Scratch;
use super::{free_port, program, seconds, wait_until};

/// How a server is to be started.
#[derive(Debug, Clone)]
pub struct Options {
    pub port: u16,
    pub bind: String,
    pub netns: Option<String>,
    /// Lines of its conf file.
    pub lines: Vec<String>,
    /// The password of the user `default`.
    pub password: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            port: free_port(),
            bind: "127.0.0.1".to_owned(),
            netns: None,
            lines: Vec::new(),
            password: None,
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

    pub fn line(mut self, line: &str) -> Self {
        self.lines.push(line.to_owned());
        self
    }

    /// Wants this password, and gives it to its master.
    pub fn password(mut self, password: &str) -> Self {
        self.password = Some(password.to_owned());
        self.line(&format!("requirepass {password}"))
            .line(&format!("masterauth {password}"))
    }

    /// Half a millisecond for each key of its file, and it answers while it loads.
    pub fn slow_to_load(self) -> Self {
        self.line("key-load-delay 500")
            .line("loading-process-events-interval-bytes 1024")
    }
}

/// A running redis-server without persistence. What `CONFIG REWRITE` wrote is there after a restart.
#[derive(Debug)]
pub struct Redis {
    daemon: Daemon,
    socket: PathBuf,
    options: Options,
}

impl Redis {
    pub fn start() -> Self {
        Self::with(Options::default())
    }

    pub fn with(options: Options) -> Self {
        let dir = Scratch::new("redis");
        let socket = dir.join("sock");
        let mut conf = common(&options.bind, options.port, dir.path());
        conf +=
            "save \"\"\nappendonly no\nrepl-diskless-sync-delay 0\nrepl-ping-replica-period 1\n";
        for line in &options.lines {
            conf += &format!("{line}\n");
        }
        let file = dir.join("redis.conf");
        fs::write(&file, conf).unwrap();
        let launch = Launch::new("redis", program("redis-server"))
            .arg(file)
            .netns(options.netns.as_deref());
        let server = Self {
            daemon: Daemon::start_in(dir, launch),
            socket,
            options,
        };
        server.wait_until_it_answers();
        server
    }

    /// A master and so many replicas of it, which have synchronised.
    pub fn group(replicas: usize) -> Vec<Self> {
        Self::group_with((0..=replicas).map(|_| Options::default()))
    }

    /// The same with these options, the master's first.
    pub fn group_with(options: impl IntoIterator<Item = Options>) -> Vec<Self> {
        let servers: Vec<Self> = options.into_iter().map(Self::with).collect();
        for replica in &servers[1..] {
            replica.begin_to_replicate_from(&servers[0]);
        }
        for replica in &servers[1..] {
            replica.wait_until_replica_of(&servers[0]);
        }
        servers
    }

    pub fn daemon(&self) -> &Daemon {
        &self.daemon
    }

    pub fn port(&self) -> u16 {
        self.options.port
    }

    pub fn host(&self) -> &str {
        &self.options.bind
    }

    pub fn password(&self) -> Option<&str> {
        self.options.password.as_deref()
    }

    /// `address:port`.
    pub fn endpoint(&self) -> String {
        format!("{}:{}", self.options.bind, self.options.port)
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

    /// Starts it again on the same port; empty, unless `save` was called.
    pub fn restart(&self) {
        self.daemon.kill();
        let _ = fs::remove_file(&self.socket);
        self.daemon.restart();
        self.wait_until_it_answers();
    }

    /// One command on a session of its own, with the password.
    pub fn try_ask(&self, words: &[&str]) -> io::Result<Reply> {
        let mut session = self.session()?;
        session.ask(words)
    }

    /// One command, which must not fail.
    #[track_caller]
    pub fn ask(&self, words: &[&str]) -> Reply {
        match self.try_ask(words) {
            Ok(Reply::Error(error)) => panic!("{words:?} to {}: {error}", self.endpoint()),
            Ok(reply) => reply,
            Err(error) => panic!("{words:?} to {}: {error}", self.endpoint()),
        }
    }

    /// A session over its unix socket.
    pub fn session(&self) -> io::Result<Session> {
        let mut session = Session::unix(&self.socket, seconds(10))?;
        if let Some(password) = &self.options.password {
            session.ask(&["AUTH", password])?;
        }
        Ok(session)
    }

    #[track_caller]
    pub fn set(&self, key: &str, value: &str) {
        self.ask(&["SET", key, value]);
    }

    pub fn get(&self, key: &str) -> Option<String> {
        match self.ask(&["GET", key]) {
            Reply::Text(text) => Some(text),
            _ => None,
        }
    }

    /// `master` or `slave`; empty if it does not answer.
    pub fn role(&self) -> String {
        let reply = self.try_ask(&["ROLE"]).unwrap_or(Reply::Nil);
        reply.parts().first().map_or("", Reply::text).to_owned()
    }

    /// One value of `INFO`.
    pub fn info(&self, name: &str) -> Option<String> {
        let reply = self.try_ask(&["INFO"]).ok()?;
        let prefix = format!("{name}:");
        let mut lines = reply.text().lines();
        lines.find_map(|line| line.strip_prefix(&prefix).map(str::to_owned))
    }

    /// Makes it a replica, also after a restart, and waits until it has synchronised.
    #[track_caller]
    pub fn replicate_from(&self, master: &Self) {
        self.begin_to_replicate_from(master);
        self.wait_until_replica_of(master);
    }

    /// Makes it a replica and does not wait.
    #[track_caller]
    pub fn begin_to_replicate_from(&self, master: &Self) {
        self.replicate_from_address(master.host(), master.port());
    }

    /// Makes it a replica of whatever is at an address, and does not wait.
    #[track_caller]
    pub fn replicate_from_address(&self, host: &str, port: u16) {
        self.ask(&["REPLICAOF", host, &port.to_string()]);
        self.ask(&["CONFIG", "REWRITE"]);
    }

    /// Makes it a master, also after a restart.
    #[track_caller]
    pub fn promote(&self) {
        self.ask(&["REPLICAOF", "NO", "ONE"]);
        self.ask(&["CONFIG", "REWRITE"]);
    }

    /// Waits until it has synchronised with this master.
    #[track_caller]
    pub fn wait_until_replica_of(&self, master: &Self) {
        let what = format!("{} replicates {}", self.endpoint(), master.endpoint());
        wait_until(&what, seconds(30), || self.replicates(master));
    }

    /// Whether it is in step with this master.
    pub fn replicates(&self, master: &Self) -> bool {
        let reply = self.try_ask(&["ROLE"]).unwrap_or(Reply::Nil);
        let [role, _, Reply::Number(port), state, _] = reply.parts() else {
            return false;
        };
        role.text() == "slave" && *port == i64::from(master.port()) && state.text() == "connected"
    }

    /// Fills it with so many keys and writes its file, which a restart then loads.
    #[track_caller]
    pub fn save(&self, keys: usize) {
        let mut session = self.session().unwrap();
        for number in 0..keys {
            session.send(&["SET", &format!("k{number}"), "v"]).unwrap();
        }
        for _ in 0..keys {
            assert_eq!(session.receive().unwrap(), Reply::Text("OK".to_owned()));
        }
        self.ask(&["SAVE"]);
    }

    /// The rest of the file is loaded at once.
    #[track_caller]
    pub fn finish_loading(&self) {
        self.ask(&["CONFIG", "SET", "key-load-delay", "0"]);
        wait_until("the file is loaded", seconds(30), || {
            self.try_ask(&["PING"])
                .is_ok_and(|reply| reply.text() == "PONG")
        });
    }

    /// It answers, if only that it does not serve.
    fn wait_until_it_answers(&self) {
        self.daemon
            .wait_until_ready(|| self.try_ask(&["PING"]).is_ok());
    }
}

/// The lines that a server and a Sentinel have in common.
pub fn common(bind: &str, port: u16, dir: &Path) -> String {
    format!(
        "bind {bind}\nport {port}\ndir {0}\nunixsocket {0}/sock\nprotected-mode no\ndaemonize no\n",
        dir.display()
    )
}

/// The port of the server that answers at this port of loopback, which may be a proxy's.
pub fn port_behind(port: u16, limit: Duration) -> Option<u16> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let reply = Session::tcp(address, limit)
        .ok()?
        .ask(&["INFO", "server"])
        .ok()?;
    let mut lines = reply.text().lines();
    lines.find_map(|line| line.strip_prefix("tcp_port:")?.parse().ok())
}

/// Where servers are, as `--server` takes it.
pub fn list<'a>(servers: impl IntoIterator<Item = &'a Redis>) -> String {
    let endpoints: Vec<String> = servers.into_iter().map(Redis::endpoint).collect();
    endpoints.join(",")
}
