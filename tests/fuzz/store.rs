//! What Consul answers, mutated: an error or a good value, never a wrong one; and what a template
//! makes of it is a file without a line too much.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use confd_haproxy::backend::{Backend, Cause, Key, Kind};
use confd_haproxy::endpoint::parse_port;
use confd_haproxy::render::entries::Entries;
use confd_haproxy::resolve::Resolver;
use confd_haproxy::source::{Pair, Snapshot};
use confd_haproxy::store::consul::{Consul, PrefixReader, Settings};
use confd_haproxy::store::{Entry, Store as _, Version};
use confd_haproxy::template::Template;

use crate::cases::{is_one_line, run};
use crate::mutate::Random;
use crate::replay::{Replay, Turns, recording};
use crate::texts::{KEYS, VALUES, is_clean, shipped, text_of};

fn settings(peer: &Replay) -> Settings {
    Settings {
        addresses: vec![format!("http://{}", peer.endpoint).parse().unwrap()],
        token: None,
        tls: None,
        resolver: Resolver::system(),
        timeout: Duration::from_millis(200),
    }
}

/// A good answer, which lists bad keys.
fn listing(random: &mut Random) -> Turns {
    let owned = |list: &[&[u8]]| list.iter().map(|text| text.to_vec()).collect::<Vec<_>>();
    let (keys, values) = (owned(KEYS), owned(VALUES));
    let entries: Vec<Value> = (0..1 + random.below(5))
        .map(|_| {
            let key = text_of(random.mutated(&keys));
            let value = BASE64.encode(random.mutated(&values));
            let flags = random.next();
            json!({ "Key": key.trim_start_matches('/'), "Value": value, "Flags": flags })
        })
        .collect();
    let body = Value::from(entries).to_string();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Consul-Index: 13\r\n\
         X-Consul-Knownleader: true\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    vec![Vec::new(), (head + &body).into_bytes()]
}

#[test]
fn a_consul_that_talks_nonsense_gives_an_error_or_a_value_that_is_one() {
    let recordings = [recording("consul-key"), recording("consul-prefix")];
    let peer = Replay::start();
    let key = Key::new(Kind::MysqlSlave, "slave".parse().unwrap());
    let backend = Backend {
        name: "slave".parse().unwrap(),
        server: "10.0.21.7:3301".parse().unwrap(),
        proxy_port: parse_port("13351").unwrap(),
    };
    run("consul-key", |random| {
        peer.mutate(random, &recordings);
        let store = Consul::new(settings(&peer)).unwrap();
        for _ in 0..1 + random.below(3) {
            match store.read(&key) {
                Ok(Entry::Present { backend, .. }) => is_clean(&backend),
                Ok(Entry::Malformed { problem, .. }) => is_one_line(&problem),
                Ok(Entry::Absent) => {}
                Err(error) => is_one_line(&error.to_string()),
            }
        }
        if let Err(error) = store.write(&key, &backend, Cause::Forced, Version(7)) {
            is_one_line(&error.to_string());
        }
    });
}

#[test]
fn keys_that_a_consul_makes_up_put_no_line_into_a_file() {
    let recordings = [recording("consul-prefix")];
    let peer = Replay::start();
    let text = shipped("confd/templates/haproxy.cfg.tmpl");
    let template = Template::parse("haproxy.cfg.tmpl", &text).unwrap();
    let mut entries = Entries::default();
    run("consul-prefix", |random| {
        match random.one_in(2) {
            true => peer.mutate(random, &recordings),
            false => peer.say(listing(random)),
        }
        let reader = PrefixReader::new(settings(&peer), "haproxy").unwrap();
        let listing = match reader.list() {
            Ok(listing) => listing,
            Err(error) => return is_one_line(&error.to_string()),
        };
        let pair = |value: String, flags| Pair { value, flags };
        let pairs = listing
            .pairs
            .into_iter()
            .map(|listed| (format!("/{}", listed.key), pair(listed.value, listed.flags)));
        let snapshot = Snapshot {
            pairs: pairs.collect(),
        };
        crate::texts::renders_cleanly(&template, &mut entries, &snapshot);
    });
}
