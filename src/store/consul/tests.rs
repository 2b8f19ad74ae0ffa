//! The store against scripted servers: `answers` is about what they say, `exchange` about
//! connections, time and threads, `listings` about whole prefixes.

mod answers;
mod exchange;
mod listings;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::script::{Act, Server, answer, answer_with};
use super::*;
use crate::backend::Kind;
use crate::secret::Secret;

const VALUE: &str = r#"{"name":"slave3301", "host":"10.0.21.5", "port":3301, "proxyport":13351}"#;
const KEY: &str = "haproxy/mysqlslave/slave3301";
const TOKEN: &str = "b1gs-e4d-t0ken";
/// Long enough for a busy machine, for tests that do not wait for it.
const LONG: Duration = Duration::from_secs(20);
/// For tests that do.
const SHORT: Duration = Duration::from_millis(300);

fn key() -> Key {
    Key::new(Kind::MysqlSlave, "slave3301".parse().unwrap())
}

fn backend() -> Backend {
    Backend::parse(VALUE.as_bytes()).unwrap()
}

fn settings(address: &str, token: Option<&str>, timeout: Duration) -> Settings {
    Settings {
        addresses: vec![address.parse().unwrap()],
        tls: None,
        token: token.map(|t| TokenSource::Given(Secret::new(t))),
        resolver: Resolver::system(),
        timeout,
    }
}

fn store(server: &Server, timeout: Duration) -> Consul {
    Consul::new(settings(&server.address(), None, timeout)).unwrap()
}

fn put(store: &Consul, expected: u64) -> Result<Swap, StoreError> {
    store.write(&key(), &backend(), Cause::Forced, Version(expected))
}

/// Consul's answer to a read of `KEY`, with this text as the JSON of the value.
fn pair(value_json: &str) -> String {
    format!(
        r#"[{{"LockIndex":0,"Key":"{KEY}","Flags":2,"Value":{value_json},"CreateIndex":4,"ModifyIndex":17}}]"#
    )
}

fn base64_json(value: &[u8]) -> String {
    format!("\"{}\"", STANDARD.encode(value))
}

/// What a read gives when the server answers with `status` and `body`.
fn read_of(status: u16, body: &str) -> Result<Entry, StoreError> {
    let text = answer(status, body);
    let server = Server::start(move |_| Act::Send(text.clone()));
    store(&server, LONG).read(&key())
}

/// What a write gives when the server answers with `status` and `body`.
fn write_of(status: u16, body: &str) -> Result<Swap, StoreError> {
    let text = answer(status, body);
    let server = Server::start(move |_| Act::Send(text.clone()));
    put(&store(&server, LONG), 17)
}

fn assert_one_line(error: &StoreError) {
    assert!(!error.0.chars().any(char::is_control), "{error}");
    assert!(error.0.chars().count() < 600, "{error}");
}
