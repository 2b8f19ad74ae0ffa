//! MySQL 9.7, which knows only the new statements and column names.

use crate::scene::{CHECK, KEY, endpoint_of};
use crate::support::checker::CheckerBuilder;
use crate::support::consul::Consul;
use crate::support::mysql97::Mysql97;
use crate::support::replication::in_parallel;
use crate::support::{seconds, wait_until};

#[test]
fn a_mysql_replica_is_elected_left_when_killed_and_taken_back_from_the_primary() {
    let consul = Consul::start();
    let servers = in_parallel(0..3, |_| Mysql97::start());
    let (primary, replicas) = (&servers[0], &servers[1..]);
    in_parallel(replicas.iter(), |replica| replica.replicate_from(primary));
    let conf = format!(
        "[slave]\nhost=127.0.0.1\nport={}\nuser=monitor\npassword=s3cret\nproxyport=13351\nget_server_public_key=yes\n{CHECK}",
        primary.port()
    );
    let checker = CheckerBuilder::new("checkmysqlslave")
        .conf(&conf)
        .args(["--consul", &consul.endpoint()])
        .start();
    let current = || {
        consul
            .get(KEY)
            .map(|kv| endpoint_of(&kv.value))
            .unwrap_or_default()
    };
    let at = |server: &Mysql97| {
        let wanted = server.endpoint();
        wait_until(&format!("the key names {wanted}"), seconds(30), || {
            current() == wanted
        });
    };
    checker.wait_for_log("slave in consul is ok");
    let used = replicas
        .iter()
        .find(|r| r.endpoint() == current())
        .expect("a replica");
    let other = replicas
        .iter()
        .find(|r| r.endpoint() != current())
        .expect("another");
    used.sql("STOP REPLICA SQL_THREAD");
    at(other);
    checker.wait_for_log("SQL thread is not running");
    other.kill();
    // A replica that stands still is worse than the primary.
    at(primary);
    used.sql("START REPLICA SQL_THREAD");
    at(used);
    checker.wait_for_log("slave in consul is ok");
}
