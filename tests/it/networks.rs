//! Hosts with addresses of their own: discovery by the process list, cut links, and a name
//! service that never answers.

use std::thread;
use std::time::{Duration, Instant};

use crate::scene::{CHECK, KEY, endpoint_of, value};
use crate::support::checker::{Checker, CheckerBuilder};
use crate::support::consul::Consul;
use crate::support::mariadb::{MariaDb, Options};
use crate::support::netns::{NetHost, Network};
use crate::support::replication::in_parallel;
use crate::support::{seconds, wait_until};

const PORT: u16 = 3301;

/// A proxy host with Consul and the checker, a primary and two replicas that report no address.
struct Site {
    network: Network,
    proxy: NetHost,
    hosts: Vec<NetHost>,
    servers: Vec<MariaDb>,
    consul: Consul,
}

impl Site {
    fn start() -> Site {
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

    fn checker(&self) -> Checker {
        let address = self.hosts[0].address().to_string();
        CheckerBuilder::new("checkmysqlslave")
            .conf(&self.conf(&address))
            .args(["--consul", &self.consul.endpoint()])
            .netns(self.proxy.namespace())
            .start()
    }

    fn current(&self) -> Option<String> {
        self.consul.get(KEY).map(|kv| endpoint_of(&kv.value))
    }

    #[track_caller]
    fn wait_until_at(&self, number: usize) {
        let wanted = self.servers[number].endpoint();
        wait_until(&format!("the key names {wanted}"), seconds(30), || {
            self.current().as_deref() == Some(wanted.as_str())
        });
    }
}

#[test]
fn replicas_that_report_nothing_are_found_by_the_process_list_and_a_cut_link_is_left() {
    let site = Site::start();
    let checker = site.checker();
    site.wait_until_at(1);
    checker.wait_for_log("slave in consul is ok");
    let cut = Instant::now();
    site.network.cut(&site.hosts[1]);
    site.wait_until_at(2);
    assert!(
        cut.elapsed() < Duration::from_secs(6),
        "{:?}",
        cut.elapsed()
    );
    // The primary goes on listing the lost replica for a while, and it must not be elected: with
    // the other one gone too, and the primary cut off, there is nobody.
    site.network.cut(&site.hosts[0]);
    site.network.cut(&site.hosts[2]);
    checker.wait_for_log("nobody can take over");
    assert_eq!(
        site.current().as_deref(),
        Some(site.servers[2].endpoint().as_str())
    );
    site.network.mend(&site.hosts[2]);
    checker.wait_for_count(
        "slave in consul is ok",
        checker.count("slave in consul is ok") + 1,
    );
    assert_eq!(
        site.current().as_deref(),
        Some(site.servers[2].endpoint().as_str())
    );
}

#[test]
fn a_name_service_that_never_answers_is_our_own_trouble_and_holds_up_no_check() {
    let network = Network::new();
    let proxy = network.host("proxy");
    let consul = Consul::start_on(&proxy);
    consul.put(KEY, &value("slave", "db1.example", PORT));
    let index = consul.get(KEY).unwrap().modify_index;
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
    let line = "whose health is unknown: the name service did not answer for db1.example";
    checker.wait_for_count(line, 1);
    let started = Instant::now();
    checker.wait_for_count(line, 4);
    // Three cycles of at most two timeouts each.
    assert!(
        started.elapsed() < Duration::from_secs(8),
        "{:?}",
        started.elapsed()
    );
    assert_eq!(consul.get(KEY).unwrap().modify_index, index);
}
