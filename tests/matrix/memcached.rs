//! Two memcached servers of a list, of a package or of ours.

use std::net::TcpStream;
use std::time::Instant;

use crate::listed::{Listed, wait_for_more_ok};
use crate::member::{Member, used_and_other};
use crate::row::{From, Row, Server};
use crate::support::daemon::{Daemon, Launch};
use crate::support::free_port;
use crate::support::memcached::Memcached;
use crate::support::old_memcached::OldMemcached;

pub const STEPS: &[&str] = &["election", "kill", "return", "hang"];
/// The word that makes this program a memcached of old, on the port that follows.
pub const IMITATION: &str = "old-memcached";

pub fn go(server: &Server, row: &mut Row) {
    if matches!(server.from, From::Imitation) {
        return rounds(row, &[&Imitation::start(), &Imitation::start()]);
    }
    let servers = [Memcached::start(), Memcached::start()];
    rounds(row, &[&servers[0], &servers[1]]);
}

fn rounds(row: &mut Row, members: &[&dyn Member; 2]) {
    let listed = Listed::memcached(&members.map(Member::endpoint).join(","));
    let mut started = None;
    row.timed("election", || {
        let start = Instant::now();
        started = Some(listed.checker(&[]));
        listed.wait_until_at(&members[0].endpoint());
        start
    });
    let checker = started.expect("started above");
    wait_for_more_ok(&checker, 2);
    let (used, other) = used_and_other(members, &listed.current());
    row.timed("kill", || {
        let start = Instant::now();
        used.kill();
        listed.wait_until_at(&other.endpoint());
        start
    });
    row.step("return", || {
        let index = listed.index();
        used.restart();
        wait_for_more_ok(&checker, 3);
        assert_eq!(listed.index(), index, "the key moved back");
        "stays".to_owned()
    });
    row.timed("hang", || {
        let start = Instant::now();
        other.stop();
        listed.wait_until_at(&used.endpoint());
        start
    });
    other.cont();
    wait_for_more_ok(&checker, 2);
}

/// A process that speaks as a memcached without the meta commands did.
struct Imitation {
    daemon: Daemon,
    port: u16,
}

impl Imitation {
    fn start() -> Imitation {
        let port = free_port();
        let this = std::env::current_exe().expect("this program");
        let launch = Launch::new(IMITATION, this).args([IMITATION, &port.to_string()]);
        let imitation = Imitation {
            daemon: Daemon::start(launch),
            port,
        };
        imitation.wait_until_it_listens();
        imitation
    }

    fn wait_until_it_listens(&self) {
        let listens = || TcpStream::connect(("127.0.0.1", self.port)).is_ok();
        self.daemon.wait_until_ready(listens);
    }
}

impl Member for Imitation {
    fn endpoint(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn daemon(&self) -> &Daemon {
        &self.daemon
    }

    fn restart(&self) {
        self.daemon.restart();
        self.wait_until_it_listens();
    }
}

/// Is such a memcached, until it is killed.
pub fn imitate(port: u16) -> ! {
    let _server = OldMemcached::start_at(port);
    loop {
        std::thread::park();
    }
}
