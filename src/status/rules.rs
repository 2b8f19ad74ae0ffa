//! When something is worth a warning. Pure: what was seen in, warnings out, the worst first.

use std::cmp::Reverse;

use super::{Current, Listener, Orders, Route, Row, Standing, Surroundings, Warning};
use crate::backend::Kind;
use crate::checker::{Candidate, Degraded, Fault, Health};
use crate::elect;
use crate::endpoint::Endpoint;

/// What is wrong around each of the tags.
pub(super) fn of_tags(rows: &[Row], around: &Surroundings) -> Vec<Vec<Warning>> {
    let of_tag = |(index, row): (usize, &Row)| {
        let earlier = rows.get(..index).unwrap_or_default();
        let mut all: Vec<Warning> = [
            malformed(row),
            not_moved(row),
            port_taken(row, around),
            shared_port(row, earlier),
            on_primary(row),
            nobody_left(row),
            ordered(row),
        ]
        .into_iter()
        .flatten()
        .collect();
        all.extend(routed_wrong(row));
        all.extend(foreign(row));
        all.extend(grants(row));
        all.sort_by_key(|warning| Reverse(warning.severity()));
        all
    };
    rows.iter().enumerate().map(of_tag).collect()
}

/// What is wrong with the host as a whole.
pub(super) fn of_host(around: &Surroundings) -> Vec<Warning> {
    let blocked = around.selinux_blocks && around.haproxy_is_here;
    blocked.then_some(Warning::Selinux).into_iter().collect()
}

fn malformed(row: &Row) -> Option<Warning> {
    matches!(row.current, Current::Malformed(_)).then(|| Warning::KeyMalformed {
        key: row.key.clone(),
    })
}

/// What an operator has ordered, or tried to.
fn ordered(row: &Row) -> Option<Warning> {
    match &row.orders {
        Orders::Known(orders) => orders.pin.as_ref().map(|pin| Warning::Pinned {
            tag: row.key.tag().clone(),
            pin: pin.clone(),
        }),
        Orders::Malformed(problem) => Some(Warning::OrdersMalformed {
            key: row.key.clone(),
            problem: problem.clone(),
        }),
        // A store that tells nothing at all is said once.
        Orders::Unread(_) if matches!(row.current, Current::Unknown(_)) => None,
        Orders::Unread(error) => Some(Warning::OrdersUnread {
            error: error.clone(),
        }),
    }
}

/// A checker would have moved it by now, if nobody forbids it.
fn not_moved(row: &Row) -> Option<Warning> {
    if row.orders().is_some_and(|orders| orders.pin.is_some()) {
        return None;
    }
    let is_lost = match &row.current {
        Current::Server(_, health) => matches!(health, Health::Down(_)),
        Current::Nobody(_) | Current::Malformed(_) => true,
        Current::Unknown(_) => false,
    };
    let best = elect::forced(&row.others, &row.exclude).filter(|_| is_lost)?;
    Some(Warning::NotMoved {
        key: row.key.clone(),
        best: best.server.clone(),
    })
}

fn port_taken(row: &Row, around: &Surroundings) -> Option<Warning> {
    match &row.listener {
        Listener::Other(program, pid) => Some(Warning::PortTaken {
            port: row.port,
            program: program.clone(),
            pid: *pid,
            haproxy_answers: around.haproxy_answers,
        }),
        Listener::Unseen | Listener::Nobody | Listener::Haproxy => None,
    }
}

fn shared_port(row: &Row, earlier: &[Row]) -> Option<Warning> {
    let other = earlier.iter().find(|other| other.port == row.port)?;
    Some(Warning::SharedPort {
        port: row.port,
        other: other.key.tag().clone(),
    })
}

fn routed_wrong(row: &Row) -> Option<Warning> {
    let tag = row.key.tag().clone();
    let server = row.server()?;
    let is_well = row.health().is_some_and(Health::serves);
    match (&row.route, row.reached(server)) {
        (Route::NotAsked, _) => None,
        (Route::NoSection, _) => Some(Warning::NoSection {
            tag,
            silent: (row.listener == Listener::Nobody).then_some(row.port),
        }),
        (Route::To(_), None) => Some(elsewhere(row)),
        (Route::To(_), Some(reached)) => match reached.standing {
            Standing::Up => None,
            // That a dead server is dead is no news.
            Standing::Down => is_well.then_some(Warning::HaproxySaysDown),
            Standing::Held => Some(Warning::HaproxyHolds {
                name: reached.name.clone(),
                socket: reached.socket.clone(),
            }),
        },
    }
}

fn elsewhere(row: &Row) -> Warning {
    let serves = |other: &Candidate| {
        other.health.serves() && row.standing(&other.server) == Some(Standing::Up)
    };
    let at = row.reached_addresses().join(", ");
    Warning::Elsewhere {
        serves: row.others.iter().any(serves),
        at: match at.is_empty() {
            true => "nobody".to_owned(),
            false => at,
        },
    }
}

fn on_primary(row: &Row) -> Option<Warning> {
    let stands_in = matches!(row.health()?, Health::Degraded(Degraded::StandIn));
    stands_in.then_some(Warning::OnPrimary {
        replicas: row.others.len(),
    })
}

/// Where an operator lists one server only, that is what was wanted.
fn nobody_left(row: &Row) -> Option<Warning> {
    let kind = row.key.kind();
    let is_alone_by_choice = row.others.is_empty() && kind != Kind::MysqlSlave;
    let could = row.others.iter().any(|other| could_take_over(row, other));
    let server = match &row.current {
        Current::Unknown(_) => return None,
        Current::Server(_, Health::Down(_)) | Current::Nobody(_) | Current::Malformed(_) => None,
        Current::Server(server, _) => Some(server.clone()),
    };
    (!could && !is_alone_by_choice).then_some(Warning::NobodyLeft { kind, server })
}

/// Now, or in Redis' case after whoever promotes masters has made it one.
fn could_take_over(row: &Row, other: &Candidate) -> bool {
    match (&other.health, row.key.kind()) {
        (Health::Down(Fault::NotMaster(_)), Kind::RedisMaster) => true,
        _ => elect::forced(std::slice::from_ref(other), &row.exclude).is_some(),
    }
}

/// The servers of a tag, with their health.
fn servers(row: &Row) -> impl Iterator<Item = (&Endpoint, &Health)> {
    let others = row
        .others
        .iter()
        .map(|other| (&other.server, &other.health));
    row.server().zip(row.health()).into_iter().chain(others)
}

fn foreign(row: &Row) -> Vec<Warning> {
    let found = servers(row).filter_map(|(server, health)| match health {
        Health::Down(Fault::Foreign(what)) => Some(Warning::Foreign {
            server: server.clone(),
            what: what.clone(),
            primary: row.primary.clone(),
        }),
        Health::Up { .. } | Health::Degraded(_) | Health::Down(_) | Health::Unknown(_) => None,
    });
    found.collect()
}

/// The checkers name the grant that they lack; each is said once.
fn grants(row: &Row) -> Vec<Warning> {
    let of_servers = servers(row).map(|(_, health)| health.to_string());
    let texts: Vec<String> = of_servers.chain(row.incomplete.clone()).collect();
    let mut statements: Vec<String> = texts.iter().filter_map(|t| statement(t)).collect();
    statements.sort();
    statements.dedup();
    let warning = |statement| Warning::Grant {
        statement,
        primary: row.primary.clone(),
    };
    statements.into_iter().map(warning).collect()
}

/// The GRANT in a text, to its end.
fn statement(text: &str) -> Option<String> {
    let at = text.find("GRANT ")?;
    text.get(at..).map(|found| found.trim_end().to_owned())
}
