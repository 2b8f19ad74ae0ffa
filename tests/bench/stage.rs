//! Where failovers are measured: a primary and two replicas, Consul, and an HAProxy that checks the
//! replicas itself; on loopback, or on a network whose cables can be pulled.

use std::thread;

use rustix::process::{Pid, Signal, kill_process};

use crate::scene::{KEY, endpoint_of};
use crate::support::consul::Consul;
use crate::support::haproxy::HaProxy;
use crate::support::mariadb::{MariaDb, Options};
use crate::support::netns::{NetHost, Network};
use crate::support::replication::in_parallel;
use crate::support::{free_port, seconds, wait_until};

/// The port of all servers on a network.
const PORT: u16 = 3301;
/// What each replica says that its version is, so that an application knows who greets it.
const VERSIONS: [&str; 3] = [
    "10.11.0-MariaDB-p",
    "10.11.0-MariaDB-a",
    "10.11.0-MariaDB-b",
];

/// All of it, and the way to break it.
#[derive(Debug)]
pub struct Stage {
    pub consul: Consul,
    /// The primary first.
    servers: Vec<MariaDb>,
    /// For each replica a port whose HAProxy prefers it and has the other one as a backup.
    own_ports: [u16; 2],
    _own: HaProxy,
    cables: Option<Cables>,
}

#[derive(Debug)]
struct Cables {
    network: Network,
    proxy: NetHost,
    hosts: Vec<NetHost>,
}

/// What happens to the replica in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    Kill,
    Hang,
    Cut,
}

impl Stage {
    pub fn on_loopback() -> Stage {
        let options = VERSIONS.map(|_| Options::default());
        thread::scope(|scope| {
            let consul = scope.spawn(Consul::start_persistent);
            let servers = start(options.into());
            Stage::of(consul.join().expect("consul starts"), servers, None)
        })
    }

    pub fn on_a_network() -> Stage {
        let network = Network::new();
        let proxy = network.host("proxy");
        let hosts: Vec<NetHost> = ["primary", "a", "b"].map(|name| network.host(name)).into();
        let consul = Consul::start_on(&proxy);
        let servers = start(
            hosts
                .iter()
                .map(|host| Options::on_host(host, PORT))
                .collect(),
        );
        let cables = Cables {
            network,
            proxy,
            hosts,
        };
        Stage::of(consul, servers, Some(cables))
    }

    fn of(consul: Consul, servers: Vec<MariaDb>, cables: Option<Cables>) -> Stage {
        let own_ports = [free_port(), free_port()];
        // Where nothing is set, a check may take as long as `inter`; the fixture sets more.
        let section = |port: u16, preferred: &MariaDb, other: &MariaDb| {
            let check = "check inter 1s fastinter 1s downinter 1s fall 3 rise 2";
            format!(
                "listen own{port}\n    bind 127.0.0.1:{port}\n    timeout check 1s\n    \
                 option mysql-check user plain\n    \
                 server one {} {check}\n    server two {} {check} backup\n",
                preferred.endpoint(),
                other.endpoint()
            )
        };
        let sections = section(own_ports[0], &servers[1], &servers[2])
            + &section(own_ports[1], &servers[2], &servers[1]);
        let netns = cables.as_ref().map(|cables| cables.proxy.namespace());
        Stage {
            _own: HaProxy::start_in(netns, &sections),
            consul,
            servers,
            own_ports,
            cables,
        }
    }

    pub fn primary(&self) -> &MariaDb {
        &self.servers[0]
    }

    /// The namespace of the host that HAProxy is on.
    pub fn netns(&self) -> Option<&str> {
        let cables = self.cables.as_ref()?;
        Some(cables.proxy.namespace())
    }

    /// The endpoint in Consul's key.
    pub fn current(&self) -> String {
        let kv = self.consul.get(KEY);
        kv.map(|kv| endpoint_of(&kv.value)).unwrap_or_default()
    }

    /// The replicas: which is at an endpoint.
    #[track_caller]
    pub fn replica_at(&self, endpoint: &str) -> Replica<'_> {
        let at = (1..=2).find(|at| self.servers[*at].endpoint() == endpoint);
        let at = at.unwrap_or_else(|| panic!("no replica is at {endpoint:?}"));
        Replica { stage: self, at }
    }
}

/// One of the two replicas.
#[derive(Debug, Clone, Copy)]
pub struct Replica<'a> {
    stage: &'a Stage,
    at: usize,
}

impl Replica<'_> {
    pub fn server(&self) -> &MariaDb {
        &self.stage.servers[self.at]
    }

    pub fn other(&self) -> Self {
        Replica {
            stage: self.stage,
            at: 3 - self.at,
        }
    }

    /// What it greets with.
    pub fn version(&self) -> &'static str {
        VERSIONS[self.at]
    }

    /// The port of the HAProxy that prefers it, by its own checks.
    pub fn own_port(&self) -> u16 {
        self.stage.own_ports[self.at - 1]
    }

    /// At once: not even its end is waited for.
    pub fn suffer(&self, fault: Fault) {
        match fault {
            Fault::Kill => self.signal(Signal::KILL),
            Fault::Hang => self.signal(Signal::STOP),
            Fault::Cut => {
                let (cables, host) = self.cable();
                cables.network.cut(host);
            }
        }
    }

    pub fn recover(&self, fault: Fault) {
        let server = self.server();
        match fault {
            Fault::Kill => server.restart(),
            Fault::Hang => server.cont(),
            Fault::Cut => {
                let (cables, host) = self.cable();
                cables.network.mend(host);
            }
        }
        wait_until("it replicates again", seconds(30), || server.replicates());
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.server().daemon().pid()).expect("a pid");
        kill_process(Pid::from_raw(pid).expect("a pid"), signal).expect("it runs");
    }

    fn cable(&self) -> (&Cables, &NetHost) {
        let cables = self.stage.cables.as_ref().expect("a network");
        (cables, &cables.hosts[self.at])
    }
}

fn start(options: Vec<Options>) -> Vec<MariaDb> {
    let options = options.into_iter().zip(VERSIONS).map(|(options, version)| {
        options
            .arg(&format!("--version={version}"))
            .arg("--max-connections=1000")
    });
    let servers = in_parallel(options, MariaDb::with);
    in_parallel(servers[1..].iter(), |replica| {
        replica.replicate_from(&servers[0]);
    });
    // HAProxy's check has no password.
    servers[0].sql("CREATE USER plain@'%'");
    servers
}
