//! The servers that people run, each through election, kill, hang and return: `make test-matrix`.
//! It writes docs/compatibility.md. One row after the other, so that the times mean something.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    missing_docs,
    unreachable_pub,
    dead_code,
    clippy::wildcard_enum_match_arm
)]

#[path = "../it/chain.rs"]
mod chain;
mod haproxy;
#[path = "../it/listed.rs"]
mod listed;
mod member;
mod memcached;
mod page;
mod redis;
mod row;
#[path = "../it/scene.rs"]
mod scene;
#[path = "../it/shipped.rs"]
mod shipped;
mod sql;
#[path = "../it/support/mod.rs"]
mod support;

use std::process::ExitCode;

use page::{Page, Section};
use row::{Row, Server};

/// Servers of one kind, and what each of them goes through.
struct Group {
    /// What `ONLY=` calls it.
    name: &'static str,
    title: &'static str,
    /// The columns of its table between the server and the result.
    steps: &'static [&'static str],
    servers: &'static [Server],
    go: fn(&Server, &mut Row),
}

const GROUPS: &[Group] = &[
    Group {
        name: "mysql",
        title: "MySQL and MariaDB",
        steps: sql::STEPS,
        servers: &[
            Server::in_tree("MariaDB", "10.5", "bullseye", "mariadb"),
            Server::in_tree("MariaDB", "10.11", "bookworm", "mariadb"),
            Server::in_tree("MariaDB", "11.8", "trixie", "mariadb"),
            Server::installed("MySQL", "9.7", "sid", "mysql"),
        ],
        go: sql::go,
    },
    Group {
        name: "memcached",
        title: "memcached",
        steps: memcached::STEPS,
        servers: &[
            Server::in_tree("memcached", "1.6.9", "bullseye", "memcached"),
            Server::in_tree("memcached", "1.6.18", "bookworm", "memcached"),
            Server::in_tree("memcached", "1.6.38", "trixie", "memcached"),
            Server::in_tree("memcached", "1.6.45", "sid", "memcached"),
            Server::imitated("memcached without meta commands", "1.4.15"),
        ],
        go: memcached::go,
    },
    Group {
        name: "redis",
        title: "Redis and Valkey",
        steps: redis::STEPS,
        servers: &[
            Server::in_tree("Redis", "6.0", "bullseye", "redis"),
            Server::in_tree("Redis", "7.0", "bookworm", "redis"),
            Server::in_tree("Redis", "8.0", "trixie", "redis"),
            Server::in_tree("Redis", "8.0", "sid", "redis"),
            Server::in_tree("Valkey", "8.1", "trixie", "valkey"),
            Server::in_tree("Valkey", "9.1", "sid", "valkey"),
        ],
        go: redis::go,
    },
    Group {
        name: "haproxy",
        title: "HAProxy",
        steps: haproxy::STEPS,
        servers: &[
            Server::in_tree("HAProxy", "2.2", "bullseye", "haproxy"),
            Server::in_tree("HAProxy", "2.6", "bookworm", "haproxy"),
            Server::in_tree("HAProxy", "3.0", "trixie", "haproxy"),
            Server::in_tree("HAProxy", "3.2", "sid", "haproxy"),
        ],
        go: haproxy::go,
    },
];

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [word, port] = words.as_slice()
        && word == memcached::IMITATION
    {
        memcached::imitate(port.parse().expect("a port"));
    }
    let Some(groups) = chosen() else {
        return ExitCode::FAILURE;
    };
    let mut page = Page::read();
    let mut good = true;
    for group in groups {
        let rows: Vec<Row> = group
            .servers
            .iter()
            .map(|server| run(group, server))
            .collect();
        good &= rows.iter().all(Row::is_good);
        page.put(&Section {
            title: group.title,
            name: group.name,
            steps: group.steps,
            rows: &rows,
        });
        page.write(&GROUPS.iter().map(|group| group.title).collect::<Vec<_>>());
    }
    if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn run(group: &Group, server: &Server) -> Row {
    let mut row = Row::of(server);
    let running = row.run(|row| {
        server.unpack();
        let _tree = server.enter();
        row.set_version(server.version());
        (group.go)(server, row);
    });
    println!("{}: {}", row.title(), running);
    row
}

/// The groups that `ONLY` names, or all.
fn chosen() -> Option<Vec<&'static Group>> {
    let only = std::env::var("ONLY").unwrap_or_default();
    let names: Vec<&str> = only
        .split([',', ' '])
        .filter(|name| !name.is_empty())
        .collect();
    let is_group = |name: &&str| GROUPS.iter().any(|group| group.name == *name);
    if let Some(unknown) = names.iter().find(|name| !is_group(name)) {
        let all: Vec<&str> = GROUPS.iter().map(|group| group.name).collect();
        eprintln!("there is no group {unknown}; there are: {}", all.join(" "));
        return None;
    }
    let wanted = |group: &&Group| names.is_empty() || names.contains(&group.name);
    Some(GROUPS.iter().filter(wanted).collect())
}
