//! Pictures, good and bad, and when each warning is given.

mod golden;

use serde_json::Value;

use super::layout::WIDTH;
use super::*;
use crate::backend::Kind;
use crate::checker::{Degraded, Fault, Trouble};

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
        primary: None,
        others: Vec::new(),
        incomplete: None,
        exclude: Vec::new(),
        orders: Orders::Known(Override::default()),
        route: Route::NotAsked,
        listener: Listener::Unseen,
        addresses: BTreeMap::new(),
    }
}

fn on(text: &str, health: Health) -> Current {
    Current::Server(text.parse().unwrap(), health)
}

const UP: Health = Health::Up { lag: Some(0) };
const STAND_IN: Health = Health::Degraded(Degraded::StandIn);

fn good() -> Row {
    Row {
        primary: Some("10.0.21.5:3301".parse().unwrap()),
        others: vec![
            candidate("10.0.21.8:3301", Health::Up { lag: Some(2) }),
            candidate("10.0.21.5:3301", STAND_IN),
        ],
        ..row(
            Kind::MysqlSlave,
            "slave3301",
            13351,
            on("10.0.21.7:3301", UP),
        )
    }
}

fn dead() -> Row {
    let current = on("10.0.21.5:6379", Fault::Refused.into());
    Row {
        incomplete: Some("no majority of the Sentinels, 1 of 3".to_owned()),
        ..row(Kind::RedisMaster, "redis6379", 11379, current)
    }
}

fn to(at: &str, standing: Standing) -> Route {
    let at: std::net::SocketAddr = at.parse().unwrap();
    Route::To(vec![Reached {
        name: "t/s".to_owned(),
        socket: "/run/h.sock".to_owned(),
        at: Some((at.ip(), at.port())),
        standing,
    }])
}

fn plain(rows: &[Row]) -> String {
    let picture = Picture::new(rows.to_vec(), Surroundings::default());
    table(&picture, Paint::Plain, &mut Marks::default())
}

/// The codes of the warnings about the last of these rows.
fn codes(rows: &[Row], around: &Surroundings) -> Vec<&'static str> {
    let picture = Picture::new(rows.to_vec(), around.clone());
    let (_, warnings) = picture.tags.last().unwrap();
    warnings.iter().map(Warning::code).collect()
}

#[test]
fn a_good_state_is_one_line_and_a_table() {
    let rows = [Row {
        route: to("10.0.21.7:3301", Standing::Up),
        ..good()
    }];
    assert_eq!(
        plain(&rows),
        "\
OK: 1 of 1 tags are on a healthy server

TAG        PORT   SERVER          HAPROXY  HEALTH
slave3301  13351  10.0.21.7:3301  here     up, lag 0 s
              or  10.0.21.8:3301           up, lag 2 s
              or  10.0.21.5:3301           the primary, which can stand in"
    );
}

#[test]
fn a_bad_state_names_the_worst_first_and_says_what_to_do() {
    let nobody = Current::Nobody("there is no mem11211 in consul".to_owned());
    let memcached = Row {
        others: vec![candidate("10.0.21.9:11211", Health::Up { lag: None })],
        ..row(Kind::Memcached, "mem11211", 16211, nobody)
    };
    let unknown = Current::Unknown("consul: connection refused".to_owned());
    let unseen = row(Kind::MysqlSlave, "a", 1, unknown);
    let rows = [good(), unseen, dead(), memcached];
    let around = Surroundings {
        not_asked: vec!["haproxy at /s: there is no such socket".to_owned()],
        selinux_blocks: true,
        haproxy_is_here: true,
        ..Surroundings::default()
    };
    let picture = Picture::new(rows.to_vec(), around);
    assert_eq!(picture.worst(), State::Down);
    assert_eq!(
        table(&picture, Paint::Plain, &mut Marks::default()),
        "\
CRITICAL: 3 of 4 tags: redis6379 is on 10.0.21.5:6379, which is down: connection refused; \
mem11211: there is no mem11211 in consul; a: consul: connection refused; \
SELinux keeps HAProxy from these ports

TAG        PORT   SERVER           HEALTH
slave3301  13351  10.0.21.7:3301   up, lag 0 s
              or  10.0.21.8:3301   up, lag 2 s
              or  10.0.21.5:3301   the primary, which can stand in
a          1      -                consul: connection refused
redis6379  11379  10.0.21.5:6379   down: connection refused
                                   the list may be incomplete: no majority of the Sentinels, 1 of 3
mem11211   16211  -                there is no mem11211 in consul
              or  10.0.21.9:11211  up
  ! 10.0.21.9:11211 could take over, and no checker has moved the tag there
    do: systemctl status 'checkmemcached@*' confd_haproxy: is its checker running? By hand:
        confd_haproxy move mem11211 10.0.21.9:11211

  ! SELinux keeps HAProxy from these ports
    do: setsebool -P haproxy_connect_any on
HAProxy not asked: haproxy at /s: there is no such socket"
    );
}

#[test]
fn json_has_everything_that_the_table_has() {
    let picture = Picture::new(
        vec![
            Row {
                route: to("10.0.21.8:3301", Standing::Up),
                ..good()
            },
            dead(),
        ],
        Surroundings::default(),
    );
    let value: Value = serde_json::from_str(&json(&picture)).unwrap();
    assert_eq!(value["state"], "down");
    let tag = &value["tags"][0];
    assert_eq!(
        (&tag["tag"], &tag["type"], &tag["primary"]),
        (
            &Value::from("slave3301"),
            &Value::from("mysqlslave"),
            &Value::from("10.0.21.5:3301")
        )
    );
    assert_eq!(tag["server"]["host"], "10.0.21.7");
    assert_eq!(tag["others"][0]["lag"], 2);
    assert_eq!(tag["others"][0]["haproxy"], "up");
    assert_eq!(tag["haproxy"]["routes_to_server"], false);
    assert_eq!(tag["warnings"][0]["code"], "haproxy-elsewhere");
    assert_eq!(tag["warnings"][0]["severity"], "warning");
    let redis = &value["tags"][1];
    assert_eq!(redis["server"]["health"], "down: connection refused");
    assert_eq!(redis["haproxy"], Value::Null);
}

#[test]
fn no_tag_at_all_is_unknown() {
    assert!(plain(&[]).starts_with("UNKNOWN: there is no tag"));
}

#[test]
fn a_warning_makes_a_tag_that_is_well_a_warning() {
    let mut lonely = good();
    lonely.others.truncate(0);
    assert_eq!(
        plain(&[lonely]).lines().next().unwrap(),
        "WARNING: 1 of 1 tags: slave3301 is on 10.0.21.7:3301, which is up, lag 0 s, but nobody \
         can take over when 10.0.21.7:3301 fails"
    );
}

#[test]
fn long_names_and_ipv6_addresses_stay_within_the_width_and_are_readable() {
    let tag = "a-tag-with-a-very-long-name-for-a-group-of-replicas-in-milan-2";
    let server = "[2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff]:3301";
    let name = "replica-17.mysql.production.milan.example.com:3301";
    let rows = [
        Row {
            others: vec![
                candidate(
                    name,
                    Fault::Foreign("its source is 10.0.0.1:3306 ".repeat(5)).into(),
                ),
                candidate("[2001:db8::5]:3301", UP),
            ],
            route: to(server, Standing::Up),
            ..row(Kind::MysqlSlave, tag, 13351, on(server, UP))
        },
        good(),
    ];
    let text = plain(&rows);
    for line in text.lines().skip(1) {
        assert!(line.chars().count() <= WIDTH, "{line}");
    }
    for whole in [tag, server, name] {
        assert!(text.lines().skip(1).any(|l| l.contains(whole)), "{text}");
    }
}

#[test]
fn what_is_new_since_the_last_picture_has_a_mark() {
    let mut marks = Marks::default();
    let mut show = |row: Row| {
        let picture = Picture::new(vec![row], Surroundings::default());
        table(&picture, Paint::Plain, &mut marks)
    };
    let marked = |text: &str| {
        let lines = text.lines().filter(|l| l.starts_with('*'));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(marked(&show(good())), [""; 0]);
    let mut lagging = good();
    lagging.others[0].health = Health::Up { lag: Some(9) };
    assert_eq!(
        marked(&show(lagging)),
        [""; 0],
        "a lag changes all the time"
    );
    let mut other = good();
    other.others[0].health = Fault::Refused.into();
    let text = show(other);
    let new = marked(&text);
    assert!(
        new.len() == 1 && new[0].contains("10.0.21.8:3301"),
        "{text}"
    );
    assert!(text.contains("\n TAG "), "{text}");
}

#[test]
fn colours_say_how_bad_it_is() {
    let picture = Picture::new(vec![good(), dead()], Surroundings::default());
    let text = table(&picture, Paint::Coloured, &mut Marks::default());
    assert!(text.starts_with("\x1b[1;31mCRITICAL"));
    assert!(text.contains("\x1b[32mup, lag 0 s\x1b[0m"));
    assert!(text.contains("\x1b[1;31mdown: connection refused\x1b[0m"));
}

#[test]
fn each_warning_is_given_when_it_should_be_and_else_not() {
    let around = Surroundings::default();
    let with = |change: &dyn Fn(&mut Row)| {
        let mut row = good();
        change(&mut row);
        row
    };
    let health = |health: Health| with(&|row| row.current = on("10.0.21.7:3301", health.clone()));
    let route = |route: Route| with(&|row| row.route = route.clone());
    let other = |health: Health| with(&|row| row.others[0].health = health.clone());
    let alone = |kind, health: Health| row(kind, "t", 1, on("10.0.21.7:1", health));
    let foreign: Health = Fault::Foreign("its source is 10.0.0.9:3301".into()).into();
    let cases: Vec<(Row, &[&str])> = vec![
        (good(), &[]),
        (health(Fault::Refused.into()), &["not-moved"]),
        (health(Trouble("denied".into()).into()), &[]),
        (
            with(&|row| row.current = Current::Nobody("x".into())),
            &["not-moved"],
        ),
        (
            with(&|row| row.current = Current::Malformed("x".into())),
            &["not-moved", "key-malformed"],
        ),
        (with(&|row| row.current = Current::Unknown("x".into())), &[]),
        (health(STAND_IN), &["on-primary"]),
        (route(to("10.0.21.7:3301", Standing::Up)), &[]),
        (
            route(to("10.0.21.7:3301", Standing::Down)),
            &["haproxy-down"],
        ),
        (
            route(to("10.0.21.7:3301", Standing::Held)),
            &["haproxy-maintenance"],
        ),
        (
            route(to("10.0.21.8:3301", Standing::Up)),
            &["haproxy-elsewhere"],
        ),
        (
            route(to("10.0.99.9:3301", Standing::Up)),
            &["haproxy-elsewhere"],
        ),
        (route(Route::NoSection), &["no-section"]),
        (other(foreign.clone()), &["foreign-replica"]),
        (
            other(Trouble("user m lacks x on y: GRANT PROCESS ON *.* TO 'm'@'…'".into()).into()),
            &["missing-grant"],
        ),
        (
            with(&|row| row.listener = Listener::Other("nc".into(), 7)),
            &["port-taken"],
        ),
        (with(&|row| row.listener = Listener::Haproxy), &[]),
        (alone(Kind::MysqlSlave, UP), &["nobody-left"]),
        (alone(Kind::Memcached, UP), &[]),
        (
            alone(Kind::MysqlSlave, Fault::Refused.into()),
            &["nobody-left"],
        ),
        (alone(Kind::Memcached, Fault::Refused.into()), &[]),
        (
            Row {
                others: vec![candidate("10.0.21.8:1", Fault::Refused.into())],
                ..alone(Kind::Memcached, UP)
            },
            &["nobody-left"],
        ),
        (
            Row {
                others: vec![candidate(
                    "10.0.21.8:1",
                    Fault::NotMaster("a".into()).into(),
                )],
                ..alone(Kind::RedisMaster, UP)
            },
            &[],
        ),
    ];
    for (row, wanted) in cases {
        assert_eq!(
            codes(std::slice::from_ref(&row), &around),
            wanted,
            "{row:?}"
        );
    }
    let mut second = good();
    second.key = Key::new(Kind::MysqlSlave, "b".parse().unwrap());
    assert_eq!(codes(&[good(), second], &around), ["shared-port"]);
}

#[test]
fn how_bad_it_is_depends_on_whether_clients_are_served() {
    let severity = |row: Row, around: &Surroundings| {
        let picture = Picture::new(vec![row], around.clone());
        picture.tags[0].1[0].severity()
    };
    let quiet = Surroundings::default();
    let answering = Surroundings {
        haproxy_answers: true,
        ..Surroundings::default()
    };
    let routed = |at| Row {
        route: to(at, Standing::Up),
        ..good()
    };
    assert_eq!(
        severity(routed("10.0.21.8:3301"), &quiet),
        Severity::Warning
    );
    assert_eq!(
        severity(routed("10.0.99.9:3301"), &quiet),
        Severity::Critical
    );
    let lacking = |listener| Row {
        route: Route::NoSection,
        listener,
        ..good()
    };
    assert_eq!(
        severity(lacking(Listener::Nobody), &quiet),
        Severity::Critical
    );
    assert_eq!(
        severity(lacking(Listener::Haproxy), &quiet),
        Severity::Warning
    );
    let taken = Row {
        listener: Listener::Other("nc".into(), 7),
        ..good()
    };
    assert_eq!(severity(taken.clone(), &quiet), Severity::Warning);
    assert_eq!(severity(taken, &answering), Severity::Critical);
}

#[test]
fn a_host_name_is_where_its_addresses_are() {
    let current = on("db7.example:3301", UP);
    let mut row = Row {
        route: to("10.0.21.7:3301", Standing::Up),
        ..row(Kind::MysqlSlave, "t", 1, current)
    };
    let server = row.server().unwrap().clone();
    assert_eq!(row.standing(&server), None);
    row.addresses
        .insert(server.host.clone(), vec!["10.0.21.7".parse().unwrap()]);
    assert_eq!(row.standing(&server), Some(Standing::Up));
}

#[test]
fn a_missing_grant_is_told_once_with_the_statement_and_where_to_run_it() {
    let text = "user m lacks a privilege on 10.0.21.5:3301: GRANT PROCESS ON *.* TO 'm'@'…'";
    let row = Row {
        incomplete: Some(text.to_owned()),
        others: vec![candidate("10.0.21.8:3301", Trouble(text.to_owned()).into())],
        ..good()
    };
    let picture = Picture::new(vec![row], Surroundings::default());
    let grants: Vec<String> = picture.tags[0]
        .1
        .iter()
        .filter(|w| w.code() == "missing-grant")
        .map(Warning::next)
        .collect();
    assert_eq!(
        grants,
        ["on 10.0.21.5:3301: GRANT PROCESS ON *.* TO 'm'@'…';"]
    );
}

#[test]
fn selinux_is_a_warning_where_haproxy_is() {
    let around = Surroundings {
        selinux_blocks: true,
        ..Surroundings::default()
    };
    assert_eq!(
        Picture::new(vec![good()], around.clone()).worst(),
        State::Ok
    );
    let around = Surroundings {
        haproxy_is_here: true,
        ..around
    };
    let picture = Picture::new(vec![good()], around);
    assert_eq!(picture.worst(), State::Degraded);
    assert!(picture.general[0].next().starts_with("setsebool -P "));
}
