//! Screens, good and bad.

use super::*;
use crate::backend::Kind;
use crate::checker::{Degraded, Fault};

fn candidate(text: &str, health: Health) -> Candidate {
    Candidate {
        server: text.parse().unwrap(),
        health,
        place: 0,
    }
}

fn row(kind: Kind, tag: &str, port: u16, current: Current) -> Row {
    Row {
        key: Key::new(kind, tag.parse().unwrap()),
        port: Port::new(port).unwrap(),
        current,
        others: Vec::new(),
        incomplete: None,
    }
}

fn on(text: &str, health: Health) -> Current {
    Current::Server(text.parse().unwrap(), health)
}

fn good() -> Row {
    let current = on("10.0.21.7:3301", Health::Up { lag: Some(0) });
    Row {
        others: vec![
            candidate("10.0.21.8:3301", Health::Up { lag: Some(2) }),
            candidate("10.0.21.5:3301", Health::Degraded(Degraded::StandIn)),
        ],
        ..row(Kind::MysqlSlave, "slave3301", 13351, current)
    }
}

fn dead() -> Row {
    let current = on("10.0.21.5:6379", Fault::Refused.into());
    Row {
        incomplete: Some("no majority of the Sentinels, 1 of 3".to_owned()),
        ..row(Kind::RedisMaster, "redis6379", 11379, current)
    }
}

#[test]
fn a_good_state_is_one_line_and_a_table() {
    let rows = [good()];
    assert_eq!(worst(&rows), State::Ok);
    assert_eq!(
        table(&rows),
        "\
OK: 1 of 1 tags are on a healthy server

TAG        PORT   SERVER                    HEALTH
slave3301  13351  10.0.21.7:3301            up, lag 0 s
             or   10.0.21.8:3301            up, lag 2 s
             or   10.0.21.5:3301            degraded: the primary is standing in"
    );
}

#[test]
fn a_bad_state_names_the_worst_first() {
    let nobody = Current::Nobody("there is no mem11211 in consul".to_owned());
    let memcached = row(Kind::Memcached, "mem11211", 16211, nobody);
    let unknown = Current::Unknown("consul: connection refused".to_owned());
    let unseen = row(Kind::MysqlSlave, "a", 1, unknown);
    let rows = [good(), unseen, dead(), memcached];
    assert_eq!(worst(&rows), State::Down);
    assert_eq!(
        table(&rows),
        "\
CRITICAL: 3 of 4 tags: redis6379 is on 10.0.21.5:6379, which is down: connection refused; \
mem11211: there is no mem11211 in consul; a: consul: connection refused

TAG        PORT   SERVER                    HEALTH
slave3301  13351  10.0.21.7:3301            up, lag 0 s
             or   10.0.21.8:3301            up, lag 2 s
             or   10.0.21.5:3301            degraded: the primary is standing in
a          1      -                         consul: connection refused
redis6379  11379  10.0.21.5:6379            down: connection refused
                  the list may be incomplete: no majority of the Sentinels, 1 of 3
mem11211   16211  -                         there is no mem11211 in consul"
    );
}

#[test]
fn json_has_everything_that_the_table_has() {
    let value: Value = serde_json::from_str(&json(&[good(), dead()])).unwrap();
    assert_eq!(value["state"], "down");
    let tag = &value["tags"][0];
    assert_eq!(
        (&tag["tag"], &tag["type"]),
        (&json!("slave3301"), &json!("mysqlslave"))
    );
    assert_eq!(tag["server"]["host"], "10.0.21.7");
    assert_eq!(tag["others"][0]["lag"], 2);
    assert_eq!(
        value["tags"][1]["server"]["health"],
        "down: connection refused"
    );
}

#[test]
fn no_tag_at_all_is_unknown() {
    assert_eq!(worst(&[]), State::Unknown);
    assert!(table(&[]).starts_with("UNKNOWN: there is no tag"));
}
