//! Networks of their own: hosts are network namespaces on one bridge, and cables can be cut.
//! All of them use the same addresses, 10.77.0.n, and fd77::n, as none can see another.

use std::collections::HashSet;
use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::{self, Command};
use std::sync::{Mutex, Once};
use std::time::Duration;

use super::program;
use super::scratch::{process_exists, unique};
use super::template::must_succeed;

const PREFIX: &str = "chp";

/// A bridge in a namespace, to which hosts are connected, and a second one for a part of them.
#[derive(Debug)]
pub struct Network {
    bridge: Namespace,
    used: Mutex<HashSet<u8>>,
}

/// A host of a network. It may outlive the network, but then it is alone.
#[derive(Debug)]
pub struct NetHost {
    name: String,
    namespace: Namespace,
    address: Ipv4Addr,
    /// The bridge's end of its cable.
    port: String,
}

#[derive(Debug)]
struct Namespace(String);

impl Network {
    pub fn new() -> Self {
        static SWEPT: Once = Once::new();
        SWEPT.call_once(sweep);
        let bridge = Namespace::new();
        for name in ["br0", "br1"] {
            bridge.ip(&format!(
                "link add {name} type bridge forward_delay 0 stp_state 0"
            ));
            bridge.ip(&format!("link set {name} up"));
        }
        Self {
            bridge,
            used: Mutex::default(),
        }
    }

    /// Connects a new host; the name is for the reader.
    pub fn host(&self, name: &str) -> NetHost {
        let last = self.next_address();
        let namespace = Namespace::new();
        let port = format!("port{last}");
        let inside = &namespace.0;
        self.bridge.ip(&format!(
            "link add {port} type veth peer name eth0 netns {inside}"
        ));
        self.bridge.ip(&format!("link set {port} master br0"));
        self.bridge.ip(&format!("link set {port} up"));
        namespace.ip(&format!("addr add 10.77.0.{last}/24 dev eth0"));
        // Without a look for doubles, for which it would have to wait.
        namespace.ip(&format!("addr add {}/64 dev eth0 nodad", address6(last)));
        namespace.ip("link set eth0 up");
        let address = Ipv4Addr::new(10, 77, 0, last);
        NetHost {
            name: name.to_owned(),
            namespace,
            address,
            port,
        }
    }

    /// Pulls the host's cable out: packets to it and from it are lost, nobody is told.
    pub fn cut(&self, host: &NetHost) {
        self.bridge.ip(&format!("link set {} down", host.port));
    }

    /// Puts the cable back.
    pub fn mend(&self, host: &NetHost) {
        self.bridge.ip(&format!("link set {} up", host.port));
    }

    /// Puts hosts on a bridge of their own: they see one another, and nobody of the others.
    pub fn split_off(&self, hosts: &[&NetHost]) {
        for host in hosts {
            self.bridge
                .ip(&format!("link set {} master br1", host.port));
        }
    }

    /// Puts hosts back on the bridge of all.
    pub fn rejoin(&self, hosts: &[&NetHost]) {
        for host in hosts {
            self.bridge
                .ip(&format!("link set {} master br0", host.port));
        }
    }

    fn next_address(&self) -> u8 {
        let mut used = self.used.lock().unwrap();
        let free = (1..250)
            .find(|last| !used.contains(last))
            .expect("a free address");
        used.insert(free);
        free
    }
}

impl Default for Network {
    fn default() -> Self {
        Self::new()
    }
}

impl NetHost {
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// Its other address.
    pub fn address6(&self) -> Ipv6Addr {
        address6(self.address.octets()[3])
    }

    /// The name of its namespace, as `ip netns exec` and the servers' `netns` take it.
    pub fn namespace(&self) -> &str {
        &self.namespace.0
    }

    /// A command that runs on this host.
    pub fn command(&self, name: &str) -> Command {
        let mut command = Command::new(program("ip"));
        command
            .args(["netns", "exec", self.namespace()])
            .arg(program(name));
        command
    }

    /// Whether this host gets a TCP connection to an address within the time.
    pub fn can_connect(&self, to: SocketAddr, limit: Duration) -> bool {
        can_connect(self.namespace(), to, limit)
    }
}

fn address6(last: u8) -> Ipv6Addr {
    Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, last.into())
}

/// Whether a host gets a TCP connection to an address within the time.
pub fn can_connect(namespace: &str, to: SocketAddr, limit: Duration) -> bool {
    let attempt = format!("exec 3<>/dev/tcp/{}/{}", to.ip(), to.port());
    let mut command = Command::new(program("ip"));
    command
        .args(["netns", "exec", namespace, "timeout"])
        .arg(limit.as_secs_f64().to_string())
        .args(["bash", "-c", &attempt]);
    command.output().expect("bash runs").status.success()
}

impl Namespace {
    fn new() -> Self {
        let name = format!("{PREFIX}-{}-{}", process::id(), unique());
        must_succeed(Command::new(program("ip")).args(["netns", "add", &name]));
        let namespace = Self(name);
        namespace.ip("link set lo up");
        namespace
    }

    #[track_caller]
    fn ip(&self, words: &str) {
        let mut command = Command::new(program("ip"));
        must_succeed(command.args(["-n", &self.0]).args(words.split(' ')));
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new(program("ip"))
            .args(["netns", "delete", &self.0])
            .status();
    }
}

/// Removes the namespaces of test processes that are gone.
fn sweep() {
    for entry in fs::read_dir("/run/netns").into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let owner = name
            .strip_prefix(PREFIX)
            .and_then(|rest| rest.split('-').nth(1));
        if owner
            .and_then(|text| text.parse().ok())
            .is_some_and(|pid| !process_exists(pid))
        {
            drop(Namespace(name));
        }
    }
}
