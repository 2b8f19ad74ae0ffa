//! A primary and two replicas, of MariaDB or MySQL.

use std::time::Instant;

use crate::member::{Member, used_and_other};
use crate::row::{From, Row, Server};
use crate::scene::{CHECK, KEY, endpoint_of, wait_for_more_ok};
use crate::support::checker::CheckerBuilder;
use crate::support::consul::Consul;
use crate::support::mariadb::MariaDb;
use crate::support::mysql97::Mysql97;
use crate::support::replication::{Replication, in_parallel};
use crate::support::{seconds, wait_until};

pub const STEPS: &[&str] = &["election", "kill", "return", "hang", "primary"];

pub fn go(server: &Server, row: &mut Row) {
    if matches!(server.from, From::Installed { .. }) {
        let servers = in_parallel(0..3, |_| Mysql97::start());
        in_parallel(servers[1..].iter(), |one| one.replicate_from(&servers[0]));
        return rounds(row, &servers[0], &[&servers[1], &servers[2]]);
    }
    let db = Replication::start(2);
    let version = &db.primary.query("SELECT VERSION()")[0][0];
    assert!(version.contains("MariaDB"), "{version}");
    rounds::<MariaDb>(row, &db.primary, &[&db.replicas[0], &db.replicas[1]]);
}

fn rounds<S: Member>(row: &mut Row, primary: &S, replicas: &[&S; 2]) {
    let consul = Consul::start();
    let endpoint = primary.endpoint();
    let (host, port) = endpoint.rsplit_once(':').expect("host:port");
    let conf = format!(
        "[slave]\nhost={host}\nport={port}\nuser=monitor\npassword=s3cret\nproxyport=13351\n\
         get_server_public_key=yes\n{CHECK}"
    );
    let builder = CheckerBuilder::new("checkmysqlslave")
        .conf(&conf)
        .args(["--consul", &consul.endpoint()]);
    let kv = || consul.get(KEY);
    let current = || kv().map(|kv| endpoint_of(&kv.value)).unwrap_or_default();
    let at = |server: &dyn Member| {
        let wanted = server.endpoint();
        let what = format!("the key names {wanted}");
        wait_until(&what, seconds(30), || current() == wanted);
    };
    let members = replicas.map(|one| one as &dyn Member);
    let mut started = None;
    row.timed("election", || {
        let start = Instant::now();
        started = Some(builder.start());
        wait_until("the key is there", seconds(30), || !current().is_empty());
        start
    });
    let checker = started.expect("started above");
    wait_for_more_ok(&checker, 2);
    let (used, other) = used_and_other(&members, &current());
    row.timed("kill", || {
        let start = Instant::now();
        used.kill();
        at(other);
        start
    });
    row.step("return", || {
        let index = kv().expect("a key").modify_index;
        used.restart();
        wait_for_more_ok(&checker, 3);
        assert_eq!(
            kv().expect("a key").modify_index,
            index,
            "the key moved back"
        );
        "stays".to_owned()
    });
    row.timed("hang", || {
        let start = Instant::now();
        other.stop();
        at(used);
        start
    });
    other.cont();
    wait_for_more_ok(&checker, 2);
    row.timed("primary", || {
        other.kill();
        let start = Instant::now();
        used.kill();
        at(primary);
        let stood_in = start.elapsed();
        used.restart();
        at(used);
        Instant::now().checked_sub(stood_in).expect("just now")
    });
}
