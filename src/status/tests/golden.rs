//! Whole screens, in good states and in bad ones, as they are in `tests/golden`. `GOLDEN=write` in the
//! environment writes them anew; look at the difference before it is committed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{env, fs};

use super::*;

fn file(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    root.join("tests/golden").join(format!("{name}.txt"))
}

/// Fails if a screen is not the one that is kept.
#[track_caller]
fn is_golden(name: &str, screen: &str) {
    let (path, screen) = (file(name), format!("{screen}\n"));
    if env::var_os("GOLDEN").is_some_and(|word| word == "write") {
        fs::write(&path, &screen).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(screen, kept, "{name}: GOLDEN=write cargo test --lib golden");
}

fn routed(row: Row) -> Row {
    let server = row.server().unwrap().to_string();
    Row {
        route: to(&server, Standing::Up),
        listener: Listener::Haproxy,
        ..row
    }
}

fn cache() -> Row {
    Row {
        others: vec![candidate("10.0.21.9:11211", Health::Up { lag: None })],
        ..row(
            Kind::Memcached,
            "mem11211",
            16211,
            on("10.0.21.5:11211", Health::Up { lag: None }),
        )
    }
}

fn redis() -> Row {
    let replica = Fault::NotMaster("a replica of 10.0.21.5:6379".into());
    Row {
        others: vec![candidate("10.0.21.7:6379", replica.into())],
        ..row(
            Kind::RedisMaster,
            "redis6379",
            11379,
            on("10.0.21.5:6379", Health::Up { lag: None }),
        )
    }
}

fn with(change: impl FnOnce(&mut Row)) -> Row {
    let mut row = routed(good());
    change(&mut row);
    row
}

fn ordered(text: &str) -> Row {
    with(|row| {
        let orders = Override::parse(text.as_bytes()).unwrap();
        row.exclude = orders.excluded();
        row.orders = Orders::Known(orders);
    })
}

const PIN: &str = r#"{"pin":"10.0.21.7:3301","until":"2026-11-25T12:30:00Z","by":"root@proxy1",
    "at":"2026-11-25T10:30:00Z","why":"reindexing"}"#;
const EXCLUDE: &str = r#"{"exclude":[{"server":"10.0.21.8:3301","by":"root@proxy1","why":"new disk"},
    {"server":"10.0.21.9","by":"eve@proxy2"}]}"#;
const GRANT: &str = "user monitor lacks a privilege on 10.0.21.5:3301: \
                     GRANT PROCESS ON *.* TO 'monitor'@'10.0.21.%'";

/// Each state of one tag, by name.
fn states() -> Vec<(&'static str, Row)> {
    let dead: Health = Fault::Refused.into();
    let lagging = Degraded::Lagging { lag: 43, limit: 30 };
    let foreign = Fault::Foreign("its source is 10.0.9.9:3306, server_id 77".into());
    vec![
        (
            "lagging",
            with(|row| row.current = on("10.0.21.7:3301", Health::Degraded(lagging))),
        ),
        (
            "not-moved",
            with(|row| row.current = on("10.0.21.7:3301", dead.clone())),
        ),
        (
            "all-are-dead",
            with(|row| {
                row.current = on("10.0.21.7:3301", dead.clone());
                row.others
                    .iter_mut()
                    .for_each(|other| other.health = dead.clone());
            }),
        ),
        (
            "no-key",
            with(|row| {
                row.current = Current::Nobody("there is no slave3301 in consul".into());
            }),
        ),
        (
            "key-malformed",
            with(|row| {
                row.current = Current::Malformed(
                    "the value of haproxy/mysqlslave/slave3301 is malformed: empty value".into(),
                );
            }),
        ),
        (
            "on-primary",
            Row {
                others: vec![candidate("10.0.21.7:3301", dead.clone())],
                ..routed(Row {
                    current: on("10.0.21.5:3301", STAND_IN),
                    ..good()
                })
            },
        ),
        (
            "nobody-left",
            with(|row| {
                row.others
                    .iter_mut()
                    .for_each(|other| other.health = dead.clone());
            }),
        ),
        (
            "foreign-replica",
            with(|row| row.others[0].health = foreign.into()),
        ),
        (
            "missing-grant",
            with(|row| row.incomplete = Some(GRANT.into())),
        ),
        (
            "access-denied",
            with(|row| {
                let text = "Access denied for user 'monitor'@'10.0.21.2' (error 1045)";
                row.current = on("10.0.21.7:3301", Trouble(text.into()).into());
            }),
        ),
        (
            "port-taken",
            with(|row| {
                row.listener = Listener::Other("nginx".into(), 4711);
            }),
        ),
        (
            "no-section",
            with(|row| {
                row.route = Route::NoSection;
                row.listener = Listener::Nobody;
            }),
        ),
        (
            "haproxy-elsewhere",
            with(|row| row.route = to("10.0.99.9:3301", Standing::Up)),
        ),
        (
            "haproxy-down",
            with(|row| row.route = to("10.0.21.7:3301", Standing::Down)),
        ),
        (
            "haproxy-maintenance",
            with(|row| row.route = to("10.0.21.7:3301", Standing::Held)),
        ),
        ("pinned", ordered(PIN)),
        ("pinned-to-a-dead-server", {
            let current = on("10.0.21.7:3301", dead.clone());
            Row {
                current,
                ..ordered(PIN)
            }
        }),
        ("excluded", {
            let mut row = ordered(EXCLUDE);
            row.others[0].health = Health::Degraded(Degraded::Excluded);
            row
        }),
        (
            "orders-malformed",
            with(|row| {
                row.orders = Orders::Malformed("\"pin\" names no server".into());
            }),
        ),
        (
            "orders-unread",
            with(|row| {
                row.orders = Orders::Unread(
                    "reading haproxy/overrides/mysqlslave/slave3301 from consul \
                 http://localhost:8500: 403 Permission denied"
                        .into(),
                );
            }),
        ),
        (
            "consul-down",
            Row {
                current: Current::Unknown(
                    "reading haproxy/mysqlslave/slave3301 from consul http://localhost:8500: \
                 connection refused; is the agent running?"
                        .into(),
                ),
                orders: Orders::Unread("the same".into()),
                ..good()
            },
        ),
    ]
}

/// Each screen: its name, and what is on it.
fn screens() -> Vec<(&'static str, Picture)> {
    let quiet = Surroundings::default();
    let answering = Surroundings {
        haproxy_answers: true,
        haproxy_is_here: true,
        ..Surroundings::default()
    };
    let enforcing = Surroundings {
        selinux_blocks: true,
        not_asked: vec!["haproxy at /var/lib/haproxy/stats: there is no such socket".into()],
        ..answering.clone()
    };
    let twin = Row {
        key: Key::new(Kind::MysqlSlave, "slave3302".parse().unwrap()),
        ..routed(good())
    };
    let all = || [good(), cache(), redis()].map(routed).to_vec();
    let mut screens = vec![
        ("good", Picture::new(all(), answering.clone())),
        ("no-tag", Picture::new(Vec::new(), quiet.clone())),
        (
            "shared-port",
            Picture::new(vec![routed(good()), twin], answering.clone()),
        ),
        ("selinux", Picture::new(vec![good(), dead()], enforcing)),
    ];
    for (name, row) in states() {
        screens.push((name, Picture::new(vec![row], answering.clone())));
    }
    screens
}

#[test]
fn golden_screens_are_as_they_were() {
    for (name, picture) in screens() {
        let screen = table(&picture, Paint::Plain, &mut Marks::default());
        let head = format!("# exit code {}\n", picture.worst().code());
        is_golden(name, &(head + &screen));
    }
}

#[test]
fn golden_colours_and_json_are_as_they_were() {
    let rows = vec![routed(good()), routed(dead()), ordered(PIN)];
    let picture = Picture::new(rows, Surroundings::default());
    let colours = table(&picture, Paint::Coloured, &mut Marks::default());
    is_golden("colours", &colours.replace('\u{1b}', "<ESC>"));
    is_golden("json", &json(&picture));
}

#[test]
fn golden_screens_show_every_warning_and_readme_has_them_all() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md"));
    let readme = readme.unwrap();
    let (_, table) = readme.split_once("| `code` in the JSON |").unwrap();
    let (table, _) = table.split_once("\n\n").unwrap();
    let first_cells = table.lines().filter_map(|line| line.split('|').nth(1));
    let told: BTreeSet<&str> = first_cells
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .collect();
    let screens = screens();
    let warnings = screens.iter().flat_map(|(_, picture)| {
        let of_tags = picture.tags.iter().flat_map(|(_, warnings)| warnings);
        of_tags.chain(&picture.general)
    });
    let shown: BTreeSet<&str> = warnings.map(Warning::code).collect();
    assert_eq!(shown, told);
}

#[test]
fn golden_screens_have_no_line_that_is_too_wide_but_the_summary() {
    for (name, picture) in screens() {
        let screen = table(&picture, Paint::Plain, &mut Marks::default());
        let wide = screen.lines().skip(1).find(|l| l.chars().count() > WIDTH);
        assert_eq!(wide, None, "{name}");
    }
}
