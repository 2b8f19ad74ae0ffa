//! A Consul server, and a client to look at its keys that shares no code with the product.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use super::certs::{Pair, text};
use super::daemon::{Daemon, Launch};
use super::http::{self, Address, Response};
use super::netns::NetHost;
use super::scratch::Scratch;
use super::{free_port, seconds, servers_dir, wait_until};

/// A running agent in server mode.
#[derive(Debug)]
pub struct Consul {
    daemon: Daemon,
    host: String,
    http_port: u16,
    https_port: u16,
    /// What this process shows it; the first token of all, where it wants one.
    token: Option<String>,
}

/// A token that Consul made.
#[derive(Debug, Clone)]
pub struct AclToken {
    pub secret: String,
    accessor: String,
}

/// The first token.
const MASTER: &str = "5ec2e7ac-cc5b-4f5a-8e84-7f3a1c1b0000";

/// One key as Consul has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kv {
    pub value: String,
    pub flags: u64,
    pub create_index: u64,
    pub modify_index: u64,
}

/// One state of a watched key; `kv` is none while the key is absent.
#[derive(Debug, Clone)]
pub struct Seen {
    pub at: Instant,
    pub kv: Option<Kv>,
}

impl Consul {
    /// In memory: the keys are lost when it is killed. Ready in less than a second.
    pub fn start() -> Self {
        Self::launch("127.0.0.1", None, false)
    }

    /// In memory, with this in its configuration besides.
    pub fn start_with(more: Value) -> Self {
        Self::launch_with("127.0.0.1", None, false, more)
    }

    /// In memory, with an HTTPS interface besides, for those who show a certificate of the same
    /// authority.
    pub fn start_tls(server: &Pair, ca: &Path) -> Self {
        let more = json!({
            "ca_file": text(ca), "cert_file": text(&server.certificate),
            "key_file": text(&server.key),
            "verify_incoming_rpc": false, "verify_incoming_https": true,
        });
        Self::launch_with("127.0.0.1", None, false, more)
    }

    /// In memory; whoever shows no token may do nothing.
    pub fn start_acl() -> Self {
        Self::launch_acl(false)
    }

    /// The same, where to list keys takes a permission of its own.
    pub fn start_acl_for_lists() -> Self {
        Self::launch_acl(true)
    }

    fn launch_acl(for_lists: bool) -> Self {
        let more = json!({ "acl": {
            "enabled": true, "default_policy": "deny", "tokens": { "master": MASTER },
            "policy_ttl": "1s", "token_ttl": "1s", "enable_key_list_policy": for_lists,
        }});
        Self::launch_with("127.0.0.1", None, false, more)
    }

    /// On disk: the keys survive `kill` and `restart`. Takes some seconds to elect itself.
    pub fn start_persistent() -> Self {
        Self::launch("127.0.0.1", None, true)
    }

    /// In memory, at the address of a host in a network of its own; this process talks to it
    /// through its unix socket.
    pub fn start_on(host: &NetHost) -> Self {
        Self::launch(&host.address().to_string(), Some(host.namespace()), false)
    }

    /// An agent in client mode that knows no server: it answers 500 to every question of a key.
    pub fn start_client() -> Self {
        Self::start_without_leader(false)
    }

    /// A server that waits for two more before anybody is elected.
    pub fn start_leaderless() -> Self {
        Self::start_without_leader(true)
    }

    fn start_without_leader(server: bool) -> Self {
        let http_port = free_port();
        let dir = Scratch::new("consul-alone");
        let mut config = config("127.0.0.1", http_port, "");
        config["server"] = json!(server);
        if server {
            config["bootstrap_expect"] = json!(3);
        }
        config["data_dir"] = json!(dir.join("data").to_str());
        fs::write(dir.join("consul.json"), config.to_string()).unwrap();
        let launch = Launch::new("consul", consul_program())
            .arg("agent")
            .arg(format!(
                "-config-file={}",
                dir.join("consul.json").display()
            ));
        let client = Self {
            daemon: Daemon::start_in(dir, launch),
            host: "127.0.0.1".to_owned(),
            http_port,
            https_port: 0,
            token: None,
        };
        let address = SocketAddr::from(([127, 0, 0, 1], http_port));
        client
            .daemon
            .wait_until_ready(|| TcpStream::connect(address).is_ok());
        client
    }

    fn launch(host: &str, netns: Option<&str>, persistent: bool) -> Self {
        Self::launch_with(host, netns, persistent, json!({}))
    }

    fn launch_with(host: &str, netns: Option<&str>, persistent: bool, more: Value) -> Self {
        let http_port = free_port();
        let is_tls = more.get("cert_file").is_some();
        let https_port = if is_tls { free_port() } else { 0 };
        let token = more.get("acl").map(|_| MASTER.to_owned());
        let dir = Scratch::new("consul");
        let socket = dir.join("consul.sock");
        let mut config = config(host, http_port, &format!("unix://{}", socket.display()));
        for (name, value) in more.as_object().expect("an object") {
            config[name] = value.clone();
        }
        if is_tls {
            config["ports"]["https"] = json!(https_port);
            config["addresses"]["https"] = json!(host);
        }
        if persistent {
            config["data_dir"] = json!(dir.join("data").to_str());
            config["bootstrap_expect"] = json!(1);
        }
        fs::write(dir.join("consul.json"), config.to_string()).unwrap();
        let launch = Launch::new("consul", consul_program())
            .arg("agent")
            .args((!persistent).then_some("-dev"))
            .arg(format!(
                "-config-file={}",
                dir.join("consul.json").display()
            ))
            .netns(netns);
        let daemon = Daemon::start_in(dir, launch);
        let consul = Self {
            daemon,
            host: host.to_owned(),
            http_port,
            https_port,
            token,
        };
        consul.wait_for_leader();
        consul
    }

    pub fn daemon(&self) -> &Daemon {
        &self.daemon
    }

    /// `address:port` of its HTTP interface, as `--consul` takes it.
    pub fn endpoint(&self) -> String {
        format!("{}:{}", self.host, self.http_port)
    }

    /// Its HTTPS interface, as `--consul` takes it.
    pub fn secure_endpoint(&self) -> String {
        format!("https://{}:{}", self.host, self.https_port)
    }

    /// A request with another token.
    pub fn request_as(&self, token: &str, method: &str, path: &str) -> Response {
        let socket = Address::Unix(self.socket());
        let path = format!("{path}?token={token}");
        http::request(&socket, method, &path, b"", seconds(10)).expect("Consul answers")
    }

    /// Makes a policy of these rules and a token that has it.
    pub fn token(&self, name: &str, rules: &str) -> AclToken {
        let policy = json!({ "Name": name, "Rules": rules }).to_string();
        let answer = self.request("PUT", "/v1/acl/policy", policy.as_bytes());
        assert_eq!(answer.status, 200, "{}", answer.text());
        let token = json!({ "Policies": [{ "Name": name }] });
        let answer = self.request("PUT", "/v1/acl/token", token.to_string().as_bytes());
        assert_eq!(answer.status, 200, "{}", answer.text());
        let made: Value = serde_json::from_slice(&answer.body).expect("JSON");
        let field = |name: &str| made[name].as_str().expect("a field").to_owned();
        AclToken {
            secret: field("SecretID"),
            accessor: field("AccessorID"),
        }
    }

    /// Ends a token, as its time does.
    pub fn revoke(&self, token: &AclToken) {
        let path = format!("/v1/acl/token/{}", token.accessor);
        assert_eq!(self.request("DELETE", &path, b"").status, 200);
    }

    pub fn http_port(&self) -> u16 {
        self.http_port
    }

    /// Its HTTP interface as a unix socket.
    pub fn socket(&self) -> PathBuf {
        self.daemon.dir().join("consul.sock")
    }

    pub fn kill(&self) {
        self.daemon.kill();
    }

    pub fn stop(&self) {
        self.daemon.stop();
    }

    pub fn cont(&self) {
        self.daemon.cont();
    }

    /// Starts it again on the same ports, after `kill` or as it runs.
    pub fn restart(&self) {
        self.daemon.kill();
        let _ = fs::remove_file(self.socket());
        self.daemon.restart();
        self.wait_for_leader();
    }

    pub fn get(&self, key: &str) -> Option<Kv> {
        let answer = self.request("GET", &kv_path(key), b"");
        kv_of(&answer)
    }

    /// The value of a key; an absent key fails the test.
    #[track_caller]
    pub fn value(&self, key: &str) -> String {
        self.get(key)
            .unwrap_or_else(|| panic!("{key} is not in Consul"))
            .value
    }

    #[track_caller]
    pub fn put(&self, key: &str, value: &str) {
        self.put_bytes(key, value.as_bytes());
    }

    #[track_caller]
    pub fn put_bytes(&self, key: &str, value: &[u8]) {
        let answer = self.request("PUT", &kv_path(key), value);
        assert_eq!(answer.text().trim(), "true", "PUT {key}");
    }

    #[track_caller]
    pub fn put_flags(&self, key: &str, value: &str, flags: u64) {
        let path = format!("{}?flags={flags}", kv_path(key));
        assert_eq!(
            self.request("PUT", &path, value.as_bytes()).text().trim(),
            "true"
        );
    }

    #[track_caller]
    pub fn delete(&self, key: &str) {
        assert_eq!(
            self.request("DELETE", &kv_path(key), b"").status,
            200,
            "DELETE {key}"
        );
    }

    /// Waits until the key is there with a value that pleases.
    #[track_caller]
    pub fn wait_for_value(&self, key: &str, mut pleases: impl FnMut(&str) -> bool) -> Kv {
        let mut found = None;
        wait_until(&format!("{key} has the value wanted"), seconds(20), || {
            found = self.get(key);
            found.as_ref().is_some_and(|kv| pleases(&kv.value))
        });
        found.unwrap()
    }

    /// Any request over the unix socket.
    #[track_caller]
    pub fn request(&self, method: &str, path: &str, body: &[u8]) -> Response {
        http::request(
            &Address::Unix(self.socket()),
            method,
            &self.shown(path),
            body,
            seconds(10),
        )
        .unwrap_or_else(|error| panic!("Consul, {method} {path}: {error}"))
    }

    /// Records every change of a key from now on, by blocking queries.
    pub fn history(&self, key: &str) -> History {
        History::start(Address::Unix(self.socket()), kv_path(key))
    }

    fn wait_for_leader(&self) {
        self.daemon.wait_until_ready(|| self.can_write());
    }

    /// The path with the token, if it wants one.
    fn shown(&self, path: &str) -> String {
        let mark = if path.contains('?') { '&' } else { '?' };
        match &self.token {
            Some(token) => format!("{path}{mark}token={token}"),
            None => path.to_owned(),
        }
    }

    fn can_write(&self) -> bool {
        let ask = |method, path, body| {
            let socket = Address::Unix(self.socket());
            http::request(&socket, method, &self.shown(path), body, seconds(2))
        };
        ask("GET", "/v1/status/leader", b"").is_ok_and(|answer| answer.text().contains(':'))
            && ask("PUT", "/v1/kv/test-fixture/ready", b"yes").is_ok_and(|it| it.status == 200)
    }
}

/// What a key was, state after state. Consul tells of the newest state only: of two changes in
/// quick succession one may be missing here, which `modify_index` then shows.
#[derive(Debug)]
pub struct History {
    seen: Arc<Mutex<Vec<Seen>>>,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl History {
    fn start(address: Address, path: String) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let ended = Arc::new(AtomicBool::new(false));
        let thread = thread::spawn({
            let (seen, ended) = (Arc::clone(&seen), Arc::clone(&ended));
            move || watch(&address, &path, &seen, &ended)
        });
        let history = Self {
            seen,
            ended,
            thread: Some(thread),
        };
        wait_until("the history begins", seconds(10), || {
            !history.seen().is_empty()
        });
        history
    }

    /// All states so far; the first is that of the beginning.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// How often it has changed since the beginning.
    pub fn changes(&self) -> usize {
        self.seen().len() - 1
    }

    /// The values it had, one after the other, while it was there.
    pub fn values(&self) -> Vec<String> {
        self.seen()
            .into_iter()
            .filter_map(|seen| Some(seen.kv?.value))
            .collect()
    }
}

impl Drop for History {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Blocking queries of a second at most, so that the end of the history is soon noticed.
fn watch(address: &Address, path: &str, seen: &Mutex<Vec<Seen>>, ended: &AtomicBool) {
    let mut index = 0;
    while !ended.load(Ordering::Relaxed) {
        let query = format!("{path}?index={index}&wait=1s");
        let Ok(answer) = http::request(address, "GET", &query, b"", seconds(10)) else {
            index = 0;
            thread::sleep(Duration::from_millis(20));
            continue;
        };
        if answer.status != 200 && answer.status != 404 {
            continue;
        }
        index = answer
            .header("x-consul-index")
            .and_then(|text| text.parse().ok())
            .unwrap_or(0);
        let kv = kv_of(&answer);
        let mut seen = seen.lock().unwrap();
        if seen.last().is_none_or(|last| last.kv != kv) {
            seen.push(Seen {
                at: Instant::now(),
                kv,
            });
        }
    }
}

fn kv_path(key: &str) -> String {
    format!("/v1/kv/{key}")
}

fn kv_of(answer: &Response) -> Option<Kv> {
    if answer.status == 404 {
        return None;
    }
    assert_eq!(answer.status, 200, "Consul says: {}", answer.text());
    let entries: Value = serde_json::from_slice(&answer.body).expect("JSON");
    let entry = &entries[0];
    let bytes = BASE64
        .decode(entry["Value"].as_str().unwrap_or_default())
        .expect("base64");
    Some(Kv {
        value: String::from_utf8_lossy(&bytes).into_owned(),
        flags: entry["Flags"].as_u64()?,
        create_index: entry["CreateIndex"].as_u64()?,
        modify_index: entry["ModifyIndex"].as_u64()?,
    })
}

fn config(host: &str, http_port: u16, socket: &str) -> Value {
    let address: SocketAddr = format!("{host}:{http_port}").parse().expect("an address");
    json!({
        "server": true,
        "bind_addr": address.ip().to_string(),
        "advertise_addr": address.ip().to_string(),
        "node_name": format!("test-{http_port}"),
        "addresses": { "http": format!("{} {socket}", address.ip()).trim_end() },
        "ports": {
            "http": http_port, "https": -1, "dns": -1, "grpc": -1, "serf_wan": -1,
            "serf_lan": free_port(), "server": free_port(),
        },
        "performance": { "raft_multiplier": 1 },
        "limits": { "http_max_conns_per_client": 2000 },
        "disable_update_check": true,
        "log_level": "warn",
    })
}

fn consul_program() -> PathBuf {
    let path = servers_dir().join("consul/usr/bin/consul");
    assert!(
        path.is_file(),
        "Consul is not in target/servers: run tests/setup.sh consul as root"
    );
    path
}
