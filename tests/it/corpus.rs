//! Records what real servers say, for the fuzz tests to mutate: `make corpus`. A recording is a file
//! in `tests/fuzz/corpus`, a line for each turn of the server, in escaped ASCII.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use confd_haproxy::backend::{Backend, Cause, Key, Kind};
use confd_haproxy::checker::Checker;
use confd_haproxy::checker::memcached::{self, MemcachedChecker};
use confd_haproxy::checker::mysql::{self, MysqlChecker};
use confd_haproxy::checker::redis::{self, RedisChecker};
use confd_haproxy::endpoint::Endpoint;
use confd_haproxy::haproxy::runtime::Runtime;
use confd_haproxy::resolve::Resolver;
use confd_haproxy::secret::Secret;
use confd_haproxy::store::consul::{self, Consul as Store, PrefixReader};
use confd_haproxy::store::{Store as _, Version};

use crate::support::consul::Consul;
use crate::support::haproxy::HaProxy;
use crate::support::memcached::Memcached;
use crate::support::mysql97::Mysql97;
use crate::support::redis::Redis;
use crate::support::replication::Replication;
use crate::support::sentinel::Sentinel;
use crate::support::{free_port, seconds, wait_until};

#[test]
#[ignore = "writes into the tree: make corpus"]
fn what_real_servers_say_is_written_down() {
    let db = Replication::start(2);
    mysql("mariadb-primary", &db.primary.endpoint(), None);
    let replica = db.replicas[0].endpoint();
    mysql("mariadb-replica", &replica, Some(&db.primary.endpoint()));
    drop(db);
    let (primary, replica) = (Mysql97::start(), Mysql97::start());
    replica.replicate_from(&primary);
    mysql("mysql-primary", &primary.endpoint(), None);
    mysql(
        "mysql-replica",
        &replica.endpoint(),
        Some(&primary.endpoint()),
    );
    drop((primary, replica));
    memcached();
    redis();
    consul();
    haproxy();
}

fn mysql(name: &str, server: &str, primary: Option<&str>) {
    let tape = Tape::start(Target::Tcp(server.to_owned()));
    let server: Endpoint = tape.endpoint.parse().unwrap();
    let mut checker = MysqlChecker::new(mysql::Settings {
        tag: "t".parse().unwrap(),
        primary: primary.map_or_else(|| server.clone(), |text| text.parse().unwrap()),
        user: "monitor".to_owned(),
        password: Secret::new("s3cret"),
        tls: None,
        get_public_key: true,
        timeout: seconds(5),
        max_lag: 30,
        fallback: true,
        replicas: Vec::new(),
        resolver: Resolver::system(),
        connect_level: log::Level::Debug,
    });
    let health = checker.check(&server);
    assert!(health.serves(), "{health}");
    drop(checker);
    tape.write(name);
}

fn memcached() {
    let memcached = Memcached::start();
    let tape = Tape::start(Target::Tcp(memcached.endpoint()));
    let server: Endpoint = tape.endpoint.parse().unwrap();
    let mut checker = MemcachedChecker::new(memcached::Settings {
        servers: vec![server.clone()],
        flush: false,
        timeout: seconds(5),
        resolver: Resolver::system(),
    });
    assert!(checker.check(&server).serves());
    drop(checker);
    tape.write("memcached");
}

fn redis() {
    let servers = Redis::group(1);
    let sentinel = Sentinel::start(&servers[0], None, "");
    for (name, server) in [
        ("redis-master", &servers[0]),
        ("redis-replica", &servers[1]),
    ] {
        let tape = Tape::start(Target::Tcp(server.endpoint()));
        let mut checker = redis_checker(&[&tape.endpoint], &[]);
        checker.check(&tape.endpoint.parse().unwrap());
        drop(checker);
        tape.write(name);
    }
    let tape = Tape::start(Target::Tcp(sentinel.endpoint()));
    let master = servers[0].endpoint();
    let mut checker = redis_checker(&[&master], &[&tape.endpoint]);
    wait_until("the sentinel names the master", seconds(20), || {
        checker.check(&master.parse().unwrap()).serves()
    });
    drop(checker);
    tape.write("sentinel");
}

fn redis_checker(servers: &[&str], sentinels: &[&str]) -> RedisChecker {
    let parse = |list: &[&str]| list.iter().map(|text| text.parse().unwrap()).collect();
    RedisChecker::new(redis::Settings {
        servers: parse(servers),
        sentinels: parse(sentinels),
        master_name: "mymaster".to_owned(),
        account: redis::Account::default(),
        sentinel_account: redis::Account::default(),
        tls: None,
        timeout: seconds(5),
        resolver: Resolver::system(),
    })
}

fn consul() {
    let consul = Consul::start();
    let tape = Tape::start(Target::Tcp(consul.endpoint()));
    let settings = consul::Settings {
        addresses: vec![format!("http://{}", tape.endpoint).parse().unwrap()],
        token: None,
        tls: None,
        resolver: Resolver::system(),
        timeout: seconds(5),
    };
    let key = Key::new(Kind::MysqlSlave, "slave".parse().unwrap());
    let backend = Backend {
        name: "slave".parse().unwrap(),
        server: "10.0.21.7:3301".parse().unwrap(),
        proxy_port: confd_haproxy::endpoint::parse_port("13351").unwrap(),
    };
    let store = Store::new(settings.clone()).unwrap();
    store.read(&key).unwrap();
    store
        .write(&key, &backend, Cause::Forced, Version::ABSENT)
        .unwrap();
    store
        .write(&key, &backend, Cause::Forced, Version::ABSENT)
        .unwrap();
    store.read(&key).unwrap();
    drop(store);
    tape.write("consul-key");
    consul.put("haproxy/mysqlslave/other", "{}");
    let tape = Tape::start(Target::Tcp(consul.endpoint()));
    let settings = consul::Settings {
        addresses: vec![format!("http://{}", tape.endpoint).parse().unwrap()],
        ..settings
    };
    PrefixReader::new(settings, "haproxy")
        .unwrap()
        .list()
        .unwrap();
    tape.write("consul-prefix");
}

fn haproxy() {
    let listen = |name: &str| {
        let port = free_port();
        format!("listen {name}\n    bind 127.0.0.1:{port}\n    server s 127.0.0.1:1\n")
    };
    let haproxy = HaProxy::start(&(listen("a") + &listen("b")));
    let tape = Tape::start(Target::Unix(haproxy.socket().into()));
    Runtime::parse(&tape.endpoint).unwrap().addresses().unwrap();
    tape.write("haproxy");
}

/// Whose words are recorded.
#[derive(Debug, Clone)]
enum Target {
    Tcp(String),
    Unix(PathBuf),
}

/// A proxy that writes down what the server says.
#[derive(Debug)]
struct Tape {
    endpoint: String,
    /// The turns of each connection.
    said: Arc<Mutex<Vec<Vec<Vec<u8>>>>>,
}

impl Tape {
    fn start(target: Target) -> Tape {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = listener.local_addr().unwrap().to_string();
        let said = Arc::new(Mutex::new(Vec::new()));
        let tape = Arc::clone(&said);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let place = {
                    let mut all = tape.lock().unwrap();
                    all.push(vec![Vec::new()]);
                    all.len() - 1
                };
                let (target, tape) = (target.clone(), Arc::clone(&tape));
                thread::spawn(move || match &target {
                    Target::Tcp(address) => {
                        let server = TcpStream::connect(address).unwrap();
                        let back = server.try_clone().unwrap();
                        pass(client, server, back, &tape, place);
                    }
                    Target::Unix(path) => {
                        let server = std::os::unix::net::UnixStream::connect(path).unwrap();
                        let back = server.try_clone().unwrap();
                        pass(client, server, back, &tape, place);
                    }
                });
            }
        });
        Tape { endpoint, said }
    }

    /// The longest conversation, into the corpus.
    fn write(&self, name: &str) {
        let said = self.said.lock().unwrap();
        let size = |turns: &&Vec<Vec<u8>>| turns.iter().map(Vec::len).sum::<usize>();
        let turns = said.iter().max_by_key(size).expect("a conversation");
        let lines: String = turns
            .iter()
            .map(|turn| format!("{}\n", turn.escape_ascii()))
            .collect();
        let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join(format!("{name}.turns")), lines).unwrap();
    }
}

/// Passes bytes both ways until both ends have closed.
fn pass(
    client: TcpStream,
    mut to_server: impl Write + Send + 'static,
    mut from_server: impl Read,
    tape: &Mutex<Vec<Vec<Vec<u8>>>>,
    place: usize,
) {
    let spoke = Arc::new(AtomicBool::new(false));
    let (mut from_client, heard) = (client.try_clone().unwrap(), Arc::clone(&spoke));
    thread::spawn(move || -> io::Result<()> {
        let mut buffer = [0; 65_536];
        loop {
            let count = from_client.read(&mut buffer)?;
            if count == 0 {
                return Ok(());
            }
            heard.store(true, Ordering::SeqCst);
            to_server.write_all(&buffer[..count])?;
        }
    });
    let mut buffer = [0; 65_536];
    while let Ok(count) = from_server.read(&mut buffer) {
        if count == 0 {
            break;
        }
        {
            let mut all = tape.lock().unwrap();
            if spoke.swap(false, Ordering::SeqCst) {
                all[place].push(Vec::new());
            }
            all[place].last_mut().unwrap().extend(&buffer[..count]);
        }
        if (&client).write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = client.shutdown(Shutdown::Both);
}
