//! An HAProxy: what it says of the shipped templates, how it moves, and a whole chain to its port.

use std::time::{Duration, Instant};

use confd_haproxy::haproxy::diff::ServerChange;
use confd_haproxy::haproxy::runtime::{Runtime, Sessions};

use crate::chain::{Front, outage};
use crate::listed::wait_for_more_ok;
use crate::row::{Row, Server, milliseconds};
use crate::scene::CHECK;
use crate::shipped::assert_haproxy_takes_every_template;
use crate::support::haproxy::{Client, HaProxy};
use crate::support::memcached::{self, Memcached};
use crate::support::misbehave::{Misbehaving, Mode};
use crate::support::{free_port, seconds, wait_until};

pub const STEPS: &[&str] = &[
    "templates",
    "switch",
    "reload",
    "election",
    "kill",
    "return",
    "hang",
];
/// How long an application waits for an answer.
const MOMENT: Duration = Duration::from_millis(250);

pub fn go(_: &Server, row: &mut Row) {
    row.step("templates", || {
        assert_haproxy_takes_every_template();
        "all".to_owned()
    });
    moves(row);
    to_the_port(row);
}

/// A server that says its name to everybody who connects.
fn server(name: &str) -> Misbehaving {
    Misbehaving::start(Mode::Say(name.as_bytes().to_vec()))
}

fn moves(row: &mut Row) {
    let (one, two, port) = (server("one"), server("two"), free_port());
    let listen = |to: &Misbehaving| {
        let to = to.endpoint();
        format!("listen a\n    bind 127.0.0.1:{port}\n    server s {to} check\n")
    };
    let haproxy = HaProxy::start(&listen(&one));
    let version = haproxy.ask("show info");
    assert!(
        version.contains(&format!("Version: {}", row.version())),
        "{version}"
    );
    let runtime = Runtime::parse(&haproxy.socket()).expect("a socket");
    let change = |to: &Misbehaving| ServerChange {
        proxy: "a".to_owned(),
        server: "s".to_owned(),
        from: String::new(),
        to_ip: to.address().ip(),
        to_port: to.port().try_into().expect("a port"),
    };
    let old = Client::connect(port);
    assert_eq!(old.greeting, "one");
    row.timed("switch", || {
        let start = Instant::now();
        let moved = [(change(&two), Sessions::Keep)];
        runtime.switch(&moved).expect("it switches");
        assert_eq!(Client::connect(port).greeting, "two");
        start
    });
    assert!(!old.ends_within(MOMENT), "the session was to be kept");
    let second = Client::connect(port);
    let moved = [(change(&one), Sessions::Cut)];
    runtime.switch(&moved).expect("it switches");
    assert!(second.ends_within(seconds(5)), "the session was to be cut");
    row.timed("reload", || {
        haproxy.write(&listen(&two));
        let start = Instant::now();
        haproxy.reload();
        // The old worker takes connections too, until the new one has told it to stop.
        wait_until("only the new worker answers", seconds(10), || {
            Client::connect(port).greeting == "two"
        });
        start
    });
}

fn to_the_port(row: &mut Row) {
    let servers = [Memcached::start(), Memcached::start()];
    let front = Front::start();
    let conf = format!(
        "[mem11211]\ntype=memcached\nserver={}\nproxyport={}\n{CHECK}",
        memcached::list(&servers),
        front.port
    );
    let behind = || memcached::pid_behind(front.port, MOMENT);
    let at = |server: &Memcached| {
        let pid = Some(server.daemon().pid());
        wait_until("the port leads there", seconds(30), || behind() == pid);
    };
    let mut started = None;
    row.timed("election", || {
        let start = Instant::now();
        started = Some(front.run(&conf));
        at(&servers[0]);
        start
    });
    let run = started.expect("started above");
    wait_for_more_ok(&run, 2);
    row.step("kill", || {
        let (took, _) = outage(|| behind().is_some(), || servers[0].kill());
        at(&servers[1]);
        milliseconds(took)
    });
    row.step("return", || {
        servers[0].restart();
        wait_for_more_ok(&run, 3);
        at(&servers[1]);
        "stays".to_owned()
    });
    row.step("hang", || {
        let (took, _) = outage(|| behind().is_some(), || servers[1].stop());
        at(&servers[0]);
        milliseconds(took)
    });
    servers[1].cont();
    let reloads = run.count("reloaded with");
    assert_eq!(reloads, 1, "only the new port takes a reload");
}
