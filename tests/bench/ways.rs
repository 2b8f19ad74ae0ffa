//! The ways from the replicas to the port: by Consul, by a file, and by the original.

use std::fs;

use serde_json::Value;

use crate::chain::Front;
use crate::peers::Peers;
use crate::scene::{endpoint_of, section};
use crate::stage::Stage;
use crate::support::checker::{Checker, CheckerBuilder};
use crate::support::haproxy::HaProxy;
use crate::support::{seconds, wait_until};

/// Which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// checkmysqlslave, Consul and `confd -watch`, which moves HAProxy by its Runtime API.
    Consul,
    /// `run --store`, which does the same.
    Store,
    /// The Perl script and Consul; and confd with a reload, where it is given.
    Original,
}

/// A way that is open. The defaults of a user: `timeout`, `interval` and `fall` are not set.
pub struct Open {
    way: Way,
    pub checker: Checker,
    /// The port, where there is a renderer.
    pub port: Option<u16>,
    _renderer: Option<Checker>,
    _front: Front,
}

impl Way {
    /// Opens it, and waits until all is well.
    pub fn open(self, stage: &Stage, peers: &Peers) -> Open {
        let front = Front::of(HaProxy::start_in(stage.netns(), ""));
        let conf = section("slave", stage.primary(), "").replace("13351", &front.port.to_string());
        let here = |builder: CheckerBuilder| match stage.netns() {
            Some(netns) => builder.netns(netns),
            None => builder,
        };
        let consul = ["--consul".to_owned(), stage.consul.endpoint()];
        let watch = |builder: CheckerBuilder, table: &str| {
            let confdir = builder.dir().join("confd").display().to_string();
            let builder = front.with_confdir(here(builder), &front.resource(table));
            builder
                .args(["-confdir", &confdir, "-watch", "-backend", "consul"])
                .args(["-node", &stage.consul.endpoint()])
                .start()
        };
        let (checker, renderer) = match self {
            Way::Consul => {
                let renderer = watch(CheckerBuilder::new("confd"), &front.switching());
                let builder = CheckerBuilder::new("checkmysqlslave").conf(&conf);
                (here(builder.args(consul)).start(), Some(renderer))
            }
            Way::Store => {
                let builder = CheckerBuilder::new("run").conf(&conf);
                let confdir = builder.dir().join("confd").display().to_string();
                let store = builder.dir().join("keys.json").display().to_string();
                let resource = front.resource(&front.switching());
                let builder = front.with_confdir(here(builder), &resource);
                let builder = builder.args(["--confdir", &confdir, "--store", &store]);
                (builder.start(), None)
            }
            Way::Original => {
                let renderer = peers.confd().map(|builder| watch(builder, ""));
                let builder = peers.original().expect("it is given").conf(&conf);
                let builder = builder.args(["--tag", "slave"]).args(consul);
                (here(builder).start(), renderer)
            }
        };
        let has_port = renderer.is_some() || self == Way::Store;
        wait_until("all is well", seconds(30), || checker.count(" is ok") >= 2);
        Open {
            way: self,
            checker,
            port: has_port.then_some(front.port),
            _renderer: renderer,
            _front: front,
        }
    }
}

impl Open {
    /// The endpoint in the key.
    pub fn current(&self, stage: &Stage) -> String {
        if self.way != Way::Store {
            return stage.current();
        }
        let file = self.checker.daemon().dir().join("keys.json");
        let text = fs::read_to_string(file).unwrap_or_default();
        let keys: Value = serde_json::from_str(&text).unwrap_or_default();
        let value = &keys["haproxy"]["mysqlslave"]["slave"];
        endpoint_of(value.as_str().unwrap_or_default())
    }
}
