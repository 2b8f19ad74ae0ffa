//! Hosts with addresses of their own: a proxy host, a primary and replicas on a network that can be
//! cut; and a checker whose name service is gone.

use std::thread;

use crate::scene::{CHECK, KEY, endpoint_of, value};
use crate::support::checker::{Checker, CheckerBuilder};
use crate::support::consul::Consul;
use crate::support::mariadb::{MariaDb, Options};
use crate::support::netns::{NetHost, Network};
use crate::support::replication::in_parallel;
use crate::support::{seconds, wait_until};

const PORT: u16 = 3301;

/// A proxy host with Consul and the checker, a primary and two replicas that report no address.
pub struct Site {
    pub network: Network,
    pub proxy: NetHost,
    pub hosts: Vec<NetHost>,
    pub servers: Vec<MariaDb>,
    pub consul: Consul,
}

impl Site {
    pub fn start() -> Site {
        let network = Network::new();
        let proxy = network.host("proxy");
        let hosts: Vec<NetHost> = ["primary", "first", "second"]
            .map(|name| network.host(name))
            .into();
        let options = hosts.iter().map(|host| Options {
            report: None,
            ..Options::on_host(host, PORT)
        });
        let (servers, consul) = thread::scope(|scope| {
            let consul = scope.spawn(|| Consul::start_on(&proxy));
            (in_parallel(options, MariaDb::with), consul.join().unwrap())
        });
        in_parallel(servers[1..].iter(), |replica| {
            replica.replicate_from(&servers[0])
        });
        Site {
            network,
            proxy,
            hosts,
            servers,
            consul,
        }
    }

    fn conf(&self, host: &str) -> String {
        format!("[slave]\nhost={host}\nport={PORT}\nuser=monitor\npassword=s3cret\n{CHECK}")
    }

    pub fn checker(&self) -> Checker {
        let address = self.hosts[0].address().to_string();
        CheckerBuilder::new("checkmysqlslave")
            .conf(&self.conf(&address))
            .args(["--consul", &self.consul.endpoint()])
            .netns(self.proxy.namespace())
            .start()
    }

    pub fn current(&self) -> Option<String> {
        self.consul.get(KEY).map(|kv| endpoint_of(&kv.value))
    }

    #[track_caller]
    pub fn wait_until_at(&self, number: usize) {
        let wanted = self.servers[number].endpoint();
        wait_until(&format!("the key names {wanted}"), seconds(30), || {
            self.current().as_deref() == Some(wanted.as_str())
        });
    }
}

/// A checker of a tag whose servers have names, and a name service that never answers.
pub struct SilentNames {
    pub checker: Checker,
    pub consul: Consul,
    _network: (Network, NetHost),
}

impl SilentNames {
    pub fn start() -> SilentNames {
        let network = Network::new();
        let proxy = network.host("proxy");
        let consul = Consul::start_on(&proxy);
        consul.put(KEY, &value("slave", "db1.example", PORT));
        // Nobody has the name server's address: questions to it are lost.
        let conf = format!(
            "[slave]\nhost=db1.example\nport={PORT}\nuser=m\npassword=p\nproxyport=13351\n{CHECK}"
        );
        let builder = CheckerBuilder::of("checkmysqlslave", "/bin/sh");
        let resolv = builder.dir().join("resolv.conf").display().to_string();
        let script = format!("mount --bind {resolv} /etc/resolv.conf && exec \"$0\" \"$@\"");
        let checker = builder
            .file("resolv.conf", "nameserver 10.77.0.251\n")
            .args(["-c", &script])
            .arg(crate::support::checker::binary())
            .arg("checkmysqlslave")
            .conf(&conf)
            .args(["--consul", &consul.endpoint()])
            .netns(proxy.namespace())
            .start();
        SilentNames {
            checker,
            consul,
            _network: (network, proxy),
        }
    }
}
