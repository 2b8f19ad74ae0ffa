//! Redis Sentinels: three, of which two must agree.

use std::fs;
use std::path::PathBuf;

use super::daemon::{Daemon, Launch};
use super::netns::NetHost;
use super::redis::{Redis, common};
use super::resp::{Reply, Session};
use super::scratch::Scratch;
use super::{free_port, program, seconds, wait_until};

/// The name under which they watch the master.
pub const NAME: &str = "mymaster";
/// How many must agree.
const QUORUM: usize = 2;

/// A running Sentinel.
#[derive(Debug)]
pub struct Sentinel {
    daemon: Daemon,
    socket: PathBuf,
    bind: String,
    port: u16,
}

/// Sentinels that watch one master.
#[derive(Debug)]
pub struct Sentinels(pub Vec<Sentinel>);

impl Sentinel {
    /// Watches a master; `more` are lines of its conf file.
    pub fn start(master: &Redis, host: Option<(&NetHost, u16)>, more: &str) -> Self {
        let dir = Scratch::new("sentinel");
        let (bind, port) = match host {
            Some((host, port)) => (host.address().to_string(), port),
            None => ("127.0.0.1".to_owned(), free_port()),
        };
        let mut conf = common(&bind, port, dir.path());
        if more.contains("tls-replication yes") {
            conf += &format!("port 0\ntls-port {port}\n");
        }
        let (address, its_port) = (master.host(), master.port());
        conf += &format!("sentinel monitor {NAME} {address} {its_port} {QUORUM}\n");
        conf += &format!("sentinel down-after-milliseconds {NAME} 1000\n");
        // Where no Sentinel gets the votes, the next try is after two of these.
        conf += &format!("sentinel failover-timeout {NAME} 2000\n");
        if let Some(password) = master.password() {
            conf += &format!("sentinel auth-pass {NAME} {password}\n");
        }
        conf += more;
        // A Sentinel writes its state into this file.
        let file = dir.join("sentinel.conf");
        fs::write(&file, conf).unwrap();
        let launch = Launch::new("sentinel", program("redis-sentinel"))
            .arg(file)
            .netns(host.map(|(host, _)| host.namespace()));
        let socket = dir.join("sock");
        let sentinel = Self {
            daemon: Daemon::start_in(dir, launch),
            socket,
            bind,
            port,
        };
        sentinel.wait_until_it_answers();
        sentinel
    }

    pub fn daemon(&self) -> &Daemon {
        &self.daemon
    }

    /// `address:port`.
    pub fn endpoint(&self) -> String {
        format!("{}:{}", self.bind, self.port)
    }

    pub fn kill(&self) {
        self.daemon.kill();
    }

    pub fn stop(&self) {
        self.daemon.stop();
    }

    pub fn cont(&self) {
        self.daemon.cont();
    }

    /// Starts it again with what it wrote into its conf file.
    pub fn restart(&self) {
        self.daemon.kill();
        let _ = fs::remove_file(&self.socket);
        self.daemon.restart();
        self.wait_until_it_answers();
    }

    /// One command; nil if it does not answer.
    pub fn ask(&self, words: &[&str]) -> Reply {
        Session::unix(&self.socket, seconds(10))
            .and_then(|mut session| session.ask(words))
            .unwrap_or(Reply::Nil)
    }

    /// Where it says that the master is: `address:port`.
    pub fn master(&self) -> Option<String> {
        let reply = self.ask(&["SENTINEL", "get-master-addr-by-name", NAME]);
        match reply.parts() {
            [host, port] => Some(format!("{}:{}", host.text(), port.text())),
            _ => None,
        }
    }

    /// One field of what it knows of the master: `num-slaves`, `flags`, ...
    pub fn field(&self, name: &str) -> String {
        let reply = self.ask(&["SENTINEL", "MASTER", NAME]);
        reply.field(name).unwrap_or_default().to_owned()
    }

    /// Whether it sees these replicas of the master in step, and so many other Sentinels.
    fn knows(&self, replicas: &[&Redis], others: usize) -> bool {
        let listed = self.ask(&["SENTINEL", "REPLICAS", NAME]);
        let is_well = |replica: &&&Redis| {
            listed.parts().iter().any(|one| {
                one.field("name") == Some(replica.endpoint().as_str())
                    && one.field("flags") == Some("slave")
                    && one.field("master-link-status") == Some("ok")
            })
        };
        self.field("num-other-sentinels") == others.to_string()
            && self.field("flags") == "master"
            && replicas.iter().filter(is_well).count() == replicas.len()
    }

    fn wait_until_it_answers(&self) {
        self.daemon
            .wait_until_ready(|| self.ask(&["PING"]).text() == "PONG");
        self.hurry();
    }

    /// Looks and tells the others more often than by default: a Sentinel reconnects only once in
    /// a ping period, of one second, and would take a server for dead meanwhile. One before 7.0
    /// knows nothing of this, and is slow.
    fn hurry(&self) {
        let periods = [
            ("PING-PERIOD", "200"),
            ("INFO-PERIOD", "500"),
            ("PUBLISH-PERIOD", "300"),
        ];
        for (name, milliseconds) in periods {
            self.ask(&["SENTINEL", "DEBUG", name, milliseconds]);
        }
    }
}

impl Sentinels {
    /// Three on loopback that know each other, the master and its replicas.
    pub fn start(group: &[Redis]) -> Self {
        Self::with(group, "")
    }

    /// The same with these lines in their conf files.
    pub fn with(group: &[Redis], more: &str) -> Self {
        let one = |_| Sentinel::start(&group[0], None, more);
        Self::wait((0..3).map(one).collect(), group)
    }

    /// One on each of these hosts.
    pub fn on_hosts(hosts: &[NetHost], port: u16, group: &[Redis]) -> Self {
        let one = |host| Sentinel::start(&group[0], Some((host, port)), "");
        Self::wait(hosts.iter().map(one).collect(), group)
    }

    fn wait(sentinels: Vec<Sentinel>, group: &[Redis]) -> Self {
        let sentinels = Self(sentinels);
        sentinels.wait_until_they_know(&group[1..].iter().collect::<Vec<_>>());
        sentinels
    }

    /// Waits until all know each other and these replicas.
    #[track_caller]
    pub fn wait_until_they_know(&self, replicas: &[&Redis]) {
        wait_until("the Sentinels know all", seconds(40), || {
            let others = self.0.len() - 1;
            self.0.iter().all(|one| one.knows(replicas, others))
        });
    }

    /// Waits until most of them name a master that pleases, and says which.
    #[track_caller]
    pub fn wait_for_master(&self, pleases: impl Fn(&str) -> bool) -> String {
        let mut found = None;
        wait_until("the Sentinels agree", seconds(60), || {
            found = self.agreed().filter(|master| pleases(master));
            found.is_some()
        });
        found.unwrap()
    }

    /// The master that most of them name.
    pub fn agreed(&self) -> Option<String> {
        let named: Vec<String> = self.0.iter().filter_map(Sentinel::master).collect();
        let votes = |master: &str| named.iter().filter(|other| *other == master).count();
        let winner = named.iter().find(|master| votes(master) * 2 > self.0.len());
        winner.cloned()
    }

    /// Where they are, as `--sentinel` takes it.
    pub fn list(&self) -> String {
        let endpoints: Vec<String> = self.0.iter().map(Sentinel::endpoint).collect();
        endpoints.join(",")
    }
}
