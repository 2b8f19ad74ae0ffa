//! Everything from the replicas to the port that an application uses: servers, Consul, HAProxy, and
//! a confdir that fills its file.

use std::fs;
use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::ops::Deref;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use mysql::prelude::Queryable;

use crate::scene::{CHECK, Scene};
use crate::support::checker::{Checker, CheckerBuilder};
use crate::support::consul::Consul;
use crate::support::haproxy::HaProxy;
use crate::support::mariadb::MariaDb;
use crate::support::{free_port, program, seconds, wait_until};

/// An HAProxy without ports yet, and a confdir that fills its file.
pub struct Front {
    pub haproxy: HaProxy,
    /// The port of a tag.
    pub port: u16,
    /// HAProxy's file without ports.
    base: String,
}

/// MySQL servers, and what is in front of them.
pub struct Chain {
    pub scene: Scene,
    front: Front,
}

impl Front {
    pub fn start() -> Front {
        Front::of(HaProxy::start(""))
    }

    /// Of an HAProxy that has no ports yet.
    pub fn of(haproxy: HaProxy) -> Front {
        Front {
            base: haproxy.config(),
            haproxy,
            port: free_port(),
        }
    }

    /// A resource for HAProxy's own file, with this `[haproxy]` table.
    pub fn resource(&self, table: &str) -> String {
        format!(
            "[template]\nsrc = \"haproxy.cfg.tmpl\"\ndest = \"{}\"\n\
             keys = [\"/haproxy/mysqlslave\", \"/haproxy/memcached\", \"/haproxy/redismaster\"]\n\
             check_cmd = \"{} -c -f {{{{.src}}}}\"\nreload_cmd = \"kill -USR2 {}\"\n{table}",
            self.haproxy.config_path().display(),
            program("haproxy").display(),
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
        let template = self.base.clone() + &shipped_sections();
        builder
            .file("confd/conf.d/haproxy.toml", resource)
            .file("confd/templates/haproxy.cfg.tmpl", &template)
    }

    /// `run` of this conf file, with a file for a store.
    pub fn run(&self, conf: &str) -> Checker {
        let builder = CheckerBuilder::new("run").conf(conf);
        let confdir = builder.dir().join("confd").display().to_string();
        let store = builder.dir().join("keys.json").display().to_string();
        self.with_confdir(builder, &self.resource(&self.switching()))
            .args(["--confdir", &confdir, "--store", &store])
            .start()
    }

    /// `confd -watch` on a Consul.
    pub fn watch(&self, consul: &Consul, resource: &str) -> Checker {
        let builder = CheckerBuilder::new("confd");
        let confdir = builder.dir().join("confd").display().to_string();
        self.with_confdir(builder, resource)
            .args(["-confdir", &confdir, "-watch", "-backend", "consul"])
            .args(["-node", &consul.endpoint()])
            .start()
    }

    /// How an application connects, in how long at most.
    pub fn application(&self, limit: Duration) -> mysql::OptsBuilder {
        mysql::OptsBuilder::new()
            .ip_or_hostname(Some("127.0.0.1"))
            .tcp_port(self.port)
            .user(Some("app"))
            .pass(Some("app"))
            .prefer_socket(false)
            .tcp_connect_timeout(Some(limit))
            .read_timeout(Some(limit))
    }

    /// The `server_id` of the server that the port leads to.
    pub fn server_id(&self) -> Option<u32> {
        let mut session = mysql::Conn::new(self.application(seconds(1))).ok()?;
        session.query_first("SELECT @@server_id").ok()?
    }
}

impl Deref for Chain {
    type Target = Front;

    fn deref(&self) -> &Front {
        &self.front
    }
}

impl Chain {
    pub fn start(replicas: usize) -> Chain {
        Chain {
            front: Front::start(),
            scene: Scene::start(replicas),
        }
    }

    /// The tag's section, proxied on the chain's own port.
    pub fn conf(&self) -> String {
        self.scene
            .conf(CHECK)
            .replace("13351", &self.port.to_string())
    }

    /// `run` with a file for a store.
    pub fn run_with_store(&self) -> Checker {
        self.run(&self.conf())
    }

    /// `confd -watch` on Consul.
    pub fn confd_watch(&self, resource: &str) -> Checker {
        self.watch(&self.scene.consul, resource)
    }

    /// checkmysqlslave on Consul.
    pub fn checker(&self) -> Checker {
        CheckerBuilder::new("checkmysqlslave")
            .conf(&self.conf())
            .args(["--consul", &self.scene.consul.endpoint()])
            .start()
    }

    /// `confd -watch` with this resource and checkmysqlslave, once the port answers.
    pub fn on_consul(&self, resource: &str) -> (Checker, Checker) {
        let both = (self.confd_watch(resource), self.checker());
        both.1.wait_for_log("slave in consul is ok");
        wait_until("the port greets", seconds(20), || greets(self.port));
        both
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
        outage(|| greets(self.port), fault)
    }
}

/// How long an application that tries every 5 ms was without an answer after a fault, and how many
/// of its tries failed.
pub fn outage(answers: impl Fn() -> bool, fault: impl FnOnce()) -> (Duration, usize) {
    assert!(answers(), "the port answers before the fault");
    fault();
    let (start, mut failed) = (Instant::now(), 0);
    loop {
        if answers() {
            return (start.elapsed(), failed);
        }
        failed += 1;
        assert!(start.elapsed() < seconds(30), "no answer for 30 s");
        std::thread::sleep(Duration::from_millis(5));
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
