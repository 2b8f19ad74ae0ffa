//! From a killed replica to the port that an application uses: checker, store, renderer, HAProxy.

use std::fs;
use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use mysql::prelude::Queryable;

use crate::scene::{CHECK, Scene};
use crate::support::checker::{Checker, CheckerBuilder};
use crate::support::haproxy::HaProxy;
use crate::support::mariadb::MariaDb;
use crate::support::{free_port, seconds, wait_until};

/// Servers, an HAProxy without ports yet, and a confdir that fills its file.
pub struct Chain {
    pub scene: Scene,
    pub haproxy: HaProxy,
    pub port: u16,
}

impl Chain {
    pub fn start(replicas: usize) -> Chain {
        Chain {
            scene: Scene::start(replicas),
            haproxy: HaProxy::start(""),
            port: free_port(),
        }
    }

    /// The tag's section, proxied on the chain's own port.
    pub fn conf(&self) -> String {
        self.scene
            .conf(CHECK)
            .replace("13351", &self.port.to_string())
    }

    /// A resource for HAProxy's own file, with this `[haproxy]` table.
    pub fn resource(&self, table: &str) -> String {
        format!(
            "[template]\nsrc = \"haproxy.cfg.tmpl\"\ndest = \"{}\"\n\
             keys = [\"/haproxy/mysqlslave\", \"/haproxy/memcached\", \"/haproxy/redismaster\"]\n\
             check_cmd = \"haproxy -c -f {{{{.src}}}}\"\nreload_cmd = \"kill -USR2 {}\"\n{table}",
            self.haproxy.config_path().display(),
            self.haproxy.daemon().pid(),
        )
    }

    /// What switches without a reload.
    pub fn switching(&self) -> String {
        format!("[haproxy]\nsocket = \"{}\"\n", self.haproxy.socket())
    }

    /// A builder with a confdir in its directory: this resource, and the shipped template's
    /// sections below the running HAProxy's own first lines.
    pub fn with_confdir(&self, builder: CheckerBuilder, resource: &str) -> CheckerBuilder {
        let template = self.haproxy.config() + &shipped_sections();
        builder
            .file("confd/conf.d/haproxy.toml", resource)
            .file("confd/templates/haproxy.cfg.tmpl", &template)
    }

    /// `run` with a file for a store.
    pub fn run_with_store(&self) -> Checker {
        let builder = CheckerBuilder::new("run").conf(&self.conf());
        let confdir = builder.dir().join("confd").display().to_string();
        let store = builder.dir().join("keys.json").display().to_string();
        self.with_confdir(builder, &self.resource(&self.switching()))
            .args(["--confdir", &confdir, "--store", &store])
            .start()
    }

    /// `confd -watch` on Consul.
    pub fn confd_watch(&self, resource: &str) -> Checker {
        let builder = CheckerBuilder::new("confd");
        let confdir = builder.dir().join("confd").display().to_string();
        self.with_confdir(builder, resource)
            .args(["-confdir", &confdir, "-watch", "-backend", "consul"])
            .args(["-node", &self.scene.consul.endpoint()])
            .start()
    }

    /// checkmysqlslave on Consul.
    pub fn checker(&self) -> Checker {
        CheckerBuilder::new("checkmysqlslave")
            .conf(&self.conf())
            .args(["--consul", &self.scene.consul.endpoint()])
            .start()
    }

    /// The `server_id` of the server that the port leads to.
    pub fn server_id(&self) -> Option<u32> {
        let options = mysql::OptsBuilder::new()
            .ip_or_hostname(Some("127.0.0.1"))
            .tcp_port(self.port)
            .user(Some("app"))
            .pass(Some("app"))
            .prefer_socket(false)
            .tcp_connect_timeout(Some(seconds(1)))
            .read_timeout(Some(seconds(1)));
        mysql::Conn::new(options)
            .ok()?
            .query_first("SELECT @@server_id")
            .ok()?
    }

    #[track_caller]
    pub fn wait_until_at(&self, server: &MariaDb) {
        let what = format!("port {} leads to {}", self.port, server.endpoint());
        wait_until(&what, seconds(30), || {
            self.server_id() == Some(server.server_id())
        });
    }

    /// The replica that the port leads to, and another one.
    pub fn used_and_other(&self) -> (&MariaDb, &MariaDb) {
        let id = self.server_id().expect("the port answers");
        let is_used = |server: &&MariaDb| server.server_id() == id;
        let replicas = &self.scene.db.replicas;
        let used = replicas.iter().find(is_used).expect("a replica is in use");
        (
            used,
            replicas
                .iter()
                .find(|server| !is_used(server))
                .expect("another replica"),
        )
    }

    /// How long an application that reconnects every 5 ms was without a greeting after a fault,
    /// and how many of its connections failed.
    pub fn outage(&self, fault: impl FnOnce()) -> (Duration, usize) {
        assert!(greets(self.port), "the port answers before the fault");
        fault();
        let (start, mut failed) = (Instant::now(), 0);
        loop {
            if greets(self.port) {
                return (start.elapsed(), failed);
            }
            failed += 1;
            assert!(start.elapsed() < seconds(30), "no greeting for 30 s");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// The part of the shipped template that makes the ports.
fn shipped_sections() -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("confd/templates/haproxy.cfg.tmpl");
    let text = fs::read_to_string(path).unwrap();
    let at = text
        .find("{{range gets")
        .expect("the template's first loop");
    text[at..].to_owned()
}

/// Whether a MySQL server greets at this port, within a quarter of a second.
pub fn greets(port: u16) -> bool {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let limit = Duration::from_millis(250);
    let Ok(mut stream) = TcpStream::connect_timeout(&address, limit) else {
        return false;
    };
    stream.set_read_timeout(Some(limit)).unwrap();
    let mut greeting = [0; 5];
    // The fifth byte is the protocol's version; an error packet has 0xff there.
    stream.read_exact(&mut greeting).is_ok() && greeting[4] == 10
}

#[test]
fn run_with_a_file_store_brings_the_port_up_and_moves_it_on_a_kill_and_a_hang() {
    let chain = Chain::start(2);
    let run = chain.run_with_store();
    run.wait_for_log("slave in file is ok");
    wait_until("the port greets", seconds(20), || greets(chain.port));
    let (used, other) = chain.used_and_other();
    let (outage, _) = chain.outage(|| used.kill());
    chain.wait_until_at(other);
    // The exact figure is the benchmark's.
    assert!(outage < Duration::from_millis(500), "{outage:?}");
    run.wait_for_log(&format!(
        "haproxy: slave/mysql moved from {} to {}",
        used.endpoint(),
        other.endpoint()
    ));
    assert_eq!(
        run.count("reloaded with"),
        1,
        "only the new port took a reload"
    );
    used.restart();
    wait_until("it replicates again", seconds(20), || used.replicates());
    run.wait_for_count("slave in file is ok", run.count("slave in file is ok") + 2);
    let (outage, _) = chain.outage(|| other.stop());
    chain.wait_until_at(used);
    assert!(outage < seconds(5), "{outage:?}");
    let line = format!("server mysql {}", used.endpoint());
    wait_until("the file follows", seconds(20), || {
        chain.haproxy.config().contains(&line)
    });
    other.cont();
}

#[test]
fn confd_watch_on_consul_moves_haproxy_through_its_socket() {
    let chain = Chain::start(2);
    let confd = chain.confd_watch(&chain.resource(&chain.switching()));
    let checker = chain.checker();
    checker.wait_for_log("slave in consul is ok");
    wait_until("the port greets", seconds(20), || greets(chain.port));
    let (used, other) = chain.used_and_other();
    let (outage, _) = chain.outage(|| used.kill());
    chain.wait_until_at(other);
    assert!(outage < Duration::from_millis(500), "{outage:?}");
    confd.wait_for_log("its old sessions are cut");
    assert_eq!(confd.count("reloaded with"), 1, "{}", confd.log());
}

#[test]
fn without_a_socket_haproxy_is_reloaded() {
    let chain = Chain::start(2);
    let confd = chain.confd_watch(&chain.resource(""));
    let checker = chain.checker();
    checker.wait_for_log("slave in consul is ok");
    wait_until("the port greets", seconds(20), || greets(chain.port));
    let (used, other) = chain.used_and_other();
    used.kill();
    chain.wait_until_at(other);
    confd.wait_for_count("reloaded with", 2);
}

#[test]
fn a_socket_that_is_missing_or_denied_means_a_reload() {
    let chain = Chain::start(2);
    let table = "[haproxy]\nsocket = \"/nonexistent/stats\"\n";
    let confd = chain.confd_watch(&chain.resource(table));
    let checker = chain.checker();
    checker.wait_for_log("slave in consul is ok");
    wait_until("the port greets", seconds(20), || greets(chain.port));
    let (used, other) = chain.used_and_other();
    used.kill();
    chain.wait_until_at(other);
    confd.wait_for_log("haproxy is reloaded instead");
}

#[test]
fn sessions_end_after_a_forced_move_and_finish_after_a_voluntary_one() {
    let chain = Chain::start(2);
    let run = chain.run_with_store();
    run.wait_for_log("slave in file is ok");
    wait_until("the port greets", seconds(20), || greets(chain.port));
    let (used, other) = chain.used_and_other();
    let session = || {
        let options = mysql::OptsBuilder::new()
            .ip_or_hostname(Some("127.0.0.1"))
            .tcp_port(chain.port)
            .user(Some("app"))
            .pass(Some("app"))
            .prefer_socket(false)
            .read_timeout(Some(seconds(5)));
        mysql::Conn::new(options).expect("a session")
    };
    let id = |session: &mut mysql::Conn| -> mysql::Result<Option<u32>> {
        session.query_first("SELECT @@server_id")
    };
    let mut lasting = session();
    used.sql("STOP SLAVE SQL_THREAD");
    chain.wait_until_at(other);
    assert_eq!(
        id(&mut lasting).unwrap(),
        Some(used.server_id()),
        "its session may finish"
    );
    used.sql("START SLAVE SQL_THREAD");
    wait_until("it replicates again", seconds(20), || used.replicates());
    let mut doomed = session();
    assert_eq!(id(&mut doomed).unwrap(), Some(other.server_id()));
    other.stop();
    chain.wait_until_at(used);
    // The server hangs and will never answer, but the session has ended.
    let asked = Instant::now();
    assert!(id(&mut doomed).is_err());
    assert!(asked.elapsed() < seconds(4), "the session went on");
    other.cont();
}
