//! Proof that each fixture does what the other tests rely on.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use mysql::prelude::Queryable;

use crate::support::checker::{self, CheckerBuilder};
use crate::support::consul::Consul;
use crate::support::daemon::{Daemon, Launch};
use crate::support::mariadb::{MariaDb, Options};
use crate::support::misbehave::{Misbehaving, Mode};
use crate::support::mysql97::Mysql97;
use crate::support::netns::Network;
use crate::support::replication::{Replication, in_parallel};
use crate::support::{free_port, program, seconds, wait_until};

const SHORT: Duration = Duration::from_millis(300);

#[test]
fn mariadb_replicas_get_the_rows_of_their_primary() {
    let start = Instant::now();
    let group = Replication::start(2);
    println!("Replication::start(2): {:?}", start.elapsed());
    group
        .primary
        .sql_all(&["CREATE DATABASE d", "CREATE TABLE d.t (n INT)"]);
    group.primary.sql("INSERT INTO d.t VALUES (42)");
    for replica in &group.replicas {
        replica.wait_for_value("SELECT n FROM d.t", "42");
    }
    let hosts = group.primary.query_named("SHOW SLAVE HOSTS");
    for replica in &group.replicas {
        assert!(
            hosts
                .iter()
                .any(|row| row["Port"] == replica.port().to_string()
                    && row["Host"] == "127.0.0.1"
                    && row["Server_id"] == replica.server_id().to_string())
        );
    }
}

#[test]
fn a_killed_mariadb_refuses_and_a_restarted_one_has_its_rows() {
    let server = MariaDb::start();
    server.sql_all(&[
        "CREATE DATABASE d",
        "CREATE TABLE d.t (n INT)",
        "INSERT INTO d.t VALUES (1)",
    ]);
    server.wait_for_value("SELECT NULL, 1", "NULL");
    server.kill();
    let refused = TcpStream::connect(server.endpoint()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    let start = Instant::now();
    server.restart();
    println!("MariaDb::restart: {:?}", start.elapsed());
    assert_eq!(server.query("SELECT n FROM d.t"), [["1"]]);
}

#[test]
fn a_stopped_mariadb_accepts_and_says_nothing_until_it_continues() {
    let server = MariaDb::start();
    server.stop();
    let mut stream = TcpStream::connect(server.endpoint()).unwrap();
    stream.set_read_timeout(Some(SHORT)).unwrap();
    assert_eq!(
        stream.read(&mut [0; 100]).unwrap_err().kind(),
        ErrorKind::WouldBlock
    );
    server.cont();
    stream.set_read_timeout(Some(seconds(20))).unwrap();
    assert!(stream.read(&mut [0; 100]).unwrap() > 0);
}

#[test]
fn a_replica_can_be_turned_to_another_primary() {
    let group = Replication::start(2);
    let [new_primary, other] = &group.replicas[..] else {
        panic!("two replicas")
    };
    group.primary.sql("CREATE DATABASE before_the_switch");
    new_primary.wait_for_value("SHOW DATABASES LIKE 'before%'", "before_the_switch");
    new_primary.sql("STOP SLAVE");
    other.replicate_from(new_primary);
    group.primary.replicate_from(new_primary);
    new_primary.sql("CREATE DATABASE after_the_switch");
    group
        .primary
        .wait_for_value("SHOW DATABASES LIKE 'after%'", "after_the_switch");
    other.wait_for_value("SHOW DATABASES LIKE 'after%'", "after_the_switch");
}

#[test]
fn the_users_of_mariadb_have_the_privileges_that_are_said() {
    let server = MariaDb::start();
    let grants = |user| server.query(&format!("SHOW GRANTS FOR {user}"))[0][0].clone();
    assert!(grants("monitor").contains("PROCESS"));
    assert!(grants("monitor").contains("SLAVE MONITOR"));
    assert!(!grants("noprocess").contains("PROCESS"));
    assert!(grants("noprocess").contains("SLAVE MONITOR"));
    assert!(grants("app").contains("SELECT"));
    for (user, password) in [
        ("monitor", "s3cret"),
        ("noprocess", "s3cret"),
        ("app", "app"),
    ] {
        login(server.port(), user, password);
    }
}

#[test]
fn a_mysql_replica_gets_the_rows_of_its_primary() {
    let start = Instant::now();
    let servers = in_parallel(0..2, |_| Mysql97::start());
    let [primary, replica] = &servers[..] else {
        panic!("two servers")
    };
    replica.replicate_from(primary);
    println!("a MySQL pair: {:?}", start.elapsed());
    primary.sql_all(&["CREATE DATABASE d", "CREATE TABLE d.t (n INT PRIMARY KEY)"]);
    primary.sql("INSERT INTO d.t VALUES (42)");
    replica.wait_for_value("SELECT n FROM d.t", "42");
    let hosts = primary.query_named("SHOW REPLICAS");
    assert_eq!(hosts[0]["Port"], replica.port().to_string());
    replica.kill();
    assert!(TcpStream::connect(replica.endpoint()).is_err());
    replica.restart();
    wait_until("it replicates again", seconds(20), || replica.replicates());
    login(primary.port(), "monitor", "s3cret");
}

#[test]
fn consul_keeps_a_key_and_its_flags() {
    let start = Instant::now();
    let consul = Consul::start();
    println!("Consul::start: {:?}", start.elapsed());
    assert_eq!(consul.get("haproxy/a"), None);
    consul.put("haproxy/a", "one");
    let first = consul.get("haproxy/a").unwrap();
    assert_eq!((first.value.as_str(), first.flags), ("one", 0));
    consul.put_flags("haproxy/a", "two", 7);
    let second = consul.wait_for_value("haproxy/a", |value| value == "two");
    assert_eq!(second.flags, 7);
    assert!(second.modify_index > first.modify_index);
    assert_eq!(second.create_index, first.create_index);
    consul.delete("haproxy/a");
    assert_eq!(consul.get("haproxy/a"), None);
    assert!(TcpStream::connect(consul.endpoint()).is_ok());
}

#[test]
fn a_persistent_consul_has_its_keys_after_a_kill() {
    let start = Instant::now();
    let consul = Consul::start_persistent();
    println!("Consul::start_persistent: {:?}", start.elapsed());
    consul.put("haproxy/a", "one");
    consul.kill();
    assert!(TcpStream::connect(consul.endpoint()).is_err());
    let start = Instant::now();
    consul.restart();
    println!("Consul::restart: {:?}", start.elapsed());
    assert_eq!(consul.value("haproxy/a"), "one");
}

#[test]
fn a_history_shows_each_change_of_a_key() {
    let consul = Consul::start();
    let history = consul.history("haproxy/a");
    for (count, value) in ["one", "two", "three"].into_iter().enumerate() {
        consul.put("haproxy/a", value);
        wait_until("the change is seen", seconds(5), || {
            history.changes() > count
        });
    }
    assert_eq!(history.values(), ["one", "two", "three"]);
    assert_eq!(history.changes(), 3);
}

#[test]
fn a_cut_cable_makes_a_host_unreachable_until_it_is_mended() {
    let network = Network::new();
    let (here, there) = (network.host("here"), network.host("there"));
    let server = MariaDb::with(Options::on_host(&there, 3306));
    let address = SocketAddr::from((there.address(), 3306));
    assert!(here.can_connect(address, seconds(5)));
    network.cut(&there);
    assert!(!here.can_connect(address, SHORT));
    network.mend(&there);
    wait_until("the cable carries again", seconds(10), || {
        here.can_connect(address, SHORT)
    });
    assert_eq!(server.query("SELECT 1"), [["1"]]);
}

#[test]
fn two_networks_use_the_same_addresses_and_do_not_meet() {
    let networks = [Network::new(), Network::new()];
    let [one, other] = networks.each_ref().map(|network| network.host("host"));
    let consul = Consul::start_on(&one);
    let address: SocketAddr = consul.endpoint().parse().unwrap();
    assert!(one.can_connect(address, seconds(5)));
    assert!(!other.can_connect(address, SHORT));
    consul.put("haproxy/a", "one");
    assert_eq!(consul.value("haproxy/a"), "one");
}

#[test]
fn a_daemon_ends_when_its_fixture_is_dropped_and_leaves_no_directory() {
    let daemon = Daemon::start(Launch::new("sleeper", program("sleep")).arg("1000"));
    let (pid, dir) = (daemon.pid(), daemon.dir().to_owned());
    assert!(daemon.is_running() && dir.exists());
    daemon.stop();
    drop(daemon);
    assert!(!dir.exists());
    assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
}

#[test]
fn a_daemon_that_ends_says_how_and_what_it_wrote() {
    let script = "echo to stdout; echo to stderr >&2; exit 3";
    let daemon = Daemon::start(Launch::new("script", program("sh")).args(["-c", script]));
    wait_until("it ends", seconds(5), || !daemon.is_running());
    assert_eq!(
        daemon.exit_status().as_ref().and_then(ExitStatus::code),
        Some(3)
    );
    assert_eq!(daemon.log(), "to stdout\nto stderr\n");
}

#[test]
fn a_daemon_outlives_the_thread_that_started_it() {
    let start = || Daemon::start(Launch::new("sleeper", program("sleep")).arg("1000"));
    let daemon = std::thread::spawn(start).join().unwrap();
    // Another process, started and ended, is time enough for a signal to arrive.
    assert!(Command::new(program("true")).status().unwrap().success());
    assert!(daemon.is_running());
}

#[test]
fn a_checker_gets_its_conf_file_and_environment_and_its_log_is_kept() {
    let script = "cat $2; echo $GREETING >&2; exec sleep 1000";
    let checker = CheckerBuilder::of("script", program("sh"))
        .args(["-c", script, "name"])
        .conf("[slave3301]\n")
        .env("GREETING", "good day")
        .start();
    checker.wait_for_log("good day");
    assert_eq!(checker.lines(), ["[slave3301]", "good day"]);
    checker.daemon().signal("KILL");
    assert_eq!(checker.wait_for_end(), None);
}

#[test]
fn a_run_to_the_end_gives_the_code_and_both_outputs() {
    let script = ["-c", "echo out; echo err >&2; exit 3"];
    let finished = CheckerBuilder::of("script", program("sh"))
        .args(script)
        .run_to_end(seconds(5));
    assert_eq!(finished.code, Some(3));
    assert_eq!(
        (finished.stdout.as_str(), finished.stderr.as_str()),
        ("out\n", "err\n")
    );
}

#[test]
#[should_panic(expected = "did not end within")]
fn a_run_that_does_not_end_fails() {
    let builder = CheckerBuilder::of("sleeper", program("sleep")).arg("1000");
    builder.run_to_end(SHORT);
}

#[test]
fn the_binary_under_test_is_there() {
    assert!(checker::binary().is_file());
}

#[test]
fn free_ports_are_all_different() {
    let mut ports: Vec<u16> = (0..200).map(|_| free_port()).collect();
    ports.sort_unstable();
    ports.dedup();
    assert_eq!(ports.len(), 200);
}

#[test]
fn a_silent_server_accepts_and_says_nothing() {
    let server = Misbehaving::start(Mode::Silent);
    assert_eq!(
        first_read(&server, SHORT).unwrap_err(),
        ErrorKind::WouldBlock
    );
    assert_eq!(server.connections(), 1);
}

#[test]
fn a_closing_server_closes_and_a_resetting_one_resets() {
    assert_eq!(
        first_read(&Misbehaving::start(Mode::Close), seconds(5)),
        Ok(vec![])
    );
    let reset = first_read(&Misbehaving::start(Mode::Reset), seconds(5));
    assert_eq!(reset.unwrap_err(), ErrorKind::ConnectionReset);
}

#[test]
fn a_server_that_stalls_in_its_greeting_sends_the_beginning() {
    let bytes = first_read(&Misbehaving::start(Mode::HalfGreeting), seconds(5)).unwrap();
    assert_eq!(bytes.len(), 20);
    assert!(bytes[4..].starts_with(b"\x0a5.7.44"));
}

#[test]
fn garbage_is_sent_as_it_is() {
    let bytes = first_read(&Misbehaving::start(Mode::garbage()), seconds(5)).unwrap();
    assert_eq!(bytes[..3], [255, 254, 253]);
}

#[test]
fn a_dripping_server_sends_byte_after_byte() {
    let server = Misbehaving::start(Mode::DripGreeting(Duration::from_millis(20)));
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(seconds(5))).unwrap();
    let mut bytes = [0; 12];
    stream.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"\xf0\xff\x0f\x00\x0a5.7.999");
}

#[test]
fn a_server_with_a_full_queue_lets_connections_hang() {
    let server = Misbehaving::start(Mode::Full);
    let hung = TcpStream::connect_timeout(&server.address(), SHORT).unwrap_err();
    assert_eq!(hung.kind(), ErrorKind::TimedOut);
}

#[test]
fn a_misbehaving_server_that_is_dropped_refuses() {
    for mode in [Mode::Silent, Mode::drip(), Mode::Full] {
        let server = Misbehaving::start(mode);
        let address = server.address();
        let _waiting = TcpStream::connect_timeout(&address, SHORT);
        let start = Instant::now();
        drop(server);
        assert!(start.elapsed() < seconds(1));
        let refused = TcpStream::connect(address).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    }
}

#[test]
fn an_empty_packet_answers_the_login() {
    let server = Misbehaving::start(Mode::EmptyPacketAfterLogin);
    let mut stream = greeted(&server);
    assert_eq!(read_exactly::<4>(&mut stream), [0, 0, 0, 2]);
}

#[test]
fn a_server_that_stalls_in_a_result_lets_in_first() {
    let server = Misbehaving::start(Mode::StallInResult);
    let mut stream = greeted(&server);
    assert_eq!(
        read_exactly::<11>(&mut stream),
        [7, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0]
    );
    stream.write_all(b"\x09\0\0\0\x03SELECT 1").unwrap();
    assert_eq!(read_exactly::<5>(&mut stream), [1, 0, 0, 1, 2]);
    read_exactly::<8>(&mut stream);
    stream.set_read_timeout(Some(SHORT)).unwrap();
    assert!(stream.read(&mut [0]).is_err());
}

#[test]
fn the_mysql_driver_takes_the_greeting_for_a_real_one() {
    let refused = (1040, "Too many connections".to_owned());
    let server = Misbehaving::start(Mode::RefuseLogin(refused.0, refused.1.clone()));
    let error = mysql::Conn::new(driver_opts(server.port(), "monitor", "x")).unwrap_err();
    let mysql::Error::MySqlError(error) = error else {
        panic!("{error}")
    };
    assert_eq!((error.code, error.message), refused);
}

#[test]
fn the_mysql_driver_gets_no_answer_from_servers_that_stall_or_send_nonsense() {
    for mode in [
        Mode::HalfGreeting,
        Mode::EmptyPacketAfterLogin,
        Mode::StallInResult,
    ] {
        let server = Misbehaving::start(mode.clone());
        let opts = driver_opts(server.port(), "monitor", "x").read_timeout(Some(SHORT));
        // Of an empty packet, mysql 28 makes a panic.
        let asked = std::panic::catch_unwind(|| mysql::Conn::new(opts)?.query_drop("SELECT 1"));
        println!(
            "{mode:?}: {}",
            if asked.is_err() { "panic" } else { "error" }
        );
        assert!(!matches!(asked, Ok(Ok(()))));
    }
}

/// What the first read gives within a time.
fn first_read(server: &Misbehaving, limit: Duration) -> Result<Vec<u8>, ErrorKind> {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(limit)).unwrap();
    let mut buffer = [0; 4096];
    let length = stream.read(&mut buffer).map_err(|error| error.kind())?;
    Ok(buffer[..length].to_vec())
}

/// A connection whose greeting is read and whose login is sent.
fn greeted(server: &Misbehaving) -> TcpStream {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(seconds(5))).unwrap();
    let [length, ..] = read_exactly::<4>(&mut stream);
    let mut greeting = vec![0; usize::from(length)];
    stream.read_exact(&mut greeting).unwrap();
    assert!(greeting.ends_with(b"mysql_native_password\0"));
    stream.write_all(b"\x05\0\0\x01login").unwrap();
    stream
}

fn read_exactly<const N: usize>(stream: &mut TcpStream) -> [u8; N] {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).unwrap();
    bytes
}

fn login(port: u16, user: &str, password: &str) {
    mysql::Conn::new(driver_opts(port, user, password)).unwrap_or_else(|error| panic!("{error}"));
}

fn driver_opts(port: u16, user: &str, password: &str) -> mysql::OptsBuilder {
    mysql::OptsBuilder::new()
        .ip_or_hostname(Some("127.0.0.1"))
        .tcp_port(port)
        .user(Some(user))
        .pass(Some(password))
        .prefer_socket(false)
        .max_allowed_packet(Some(16 << 20))
        .read_timeout(Some(seconds(5)))
}
