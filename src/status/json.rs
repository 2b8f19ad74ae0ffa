//! The picture for programs.

use serde_json::{Value, json};

use super::{Current, Orders, Picture, Reached, Route, Row, Standing, Warning, state, word};
use crate::checker::{Candidate, Degraded, Health};
use crate::endpoint::Endpoint;
use crate::outcome::State;

/// Everything that the table has.
pub fn json(picture: &Picture) -> String {
    let tags = picture
        .tags
        .iter()
        .map(|(row, warnings)| tag(row, warnings));
    let whole = json!({
        "state": word(picture.worst()),
        "summary": picture.summary(),
        "tags": tags.collect::<Vec<_>>(),
        "warnings": warnings(&picture.general),
        "notes": picture.notes,
    });
    format!("{whole:#}")
}

fn tag(row: &Row, about: &[Warning]) -> Value {
    let (used, problem) = match &row.current {
        Current::Server(endpoint, health) => (server(row, endpoint, health), None),
        Current::Nobody(why) | Current::Malformed(why) | Current::Unknown(why) => {
            (Value::Null, Some(why))
        }
    };
    let other = |other: &Candidate| server(row, &other.server, &other.health);
    json!({
        "tag": row.key.tag().as_str(),
        "type": row.key.kind().word(),
        "key": row.key.to_string(),
        "proxyport": row.port.get(),
        "state": word(state(row, about)),
        "server": used,
        "problem": problem,
        "primary": row.primary.as_ref().map(ToString::to_string),
        "others": row.others.iter().map(other).collect::<Vec<_>>(),
        "incomplete": row.incomplete,
        "orders": orders(row),
        "haproxy": haproxy(row),
        "warnings": warnings(about),
    })
}

/// What an operator has ordered, as it is kept; null if that is nothing, or not known.
fn orders(row: &Row) -> Value {
    match &row.orders {
        Orders::Known(orders) if orders.is_empty() => Value::Null,
        Orders::Known(orders) => serde_json::from_str(&orders.to_string()).unwrap_or_default(),
        Orders::Malformed(_) | Orders::Unread(_) => Value::Null,
    }
}

/// What HAProxy does; null if it was not asked.
fn haproxy(row: &Row) -> Value {
    let one = |reached: &Reached| {
        json!({
            "host": reached.at.map(|(ip, _)| ip.to_string()),
            "port": reached.at.map(|(_, port)| port),
            "state": standing(reached.standing),
        })
    };
    match &row.route {
        Route::NotAsked => Value::Null,
        Route::NoSection => json!({ "servers": [], "routes_to_server": false }),
        Route::To(reached) => json!({
            "servers": reached.iter().map(one).collect::<Vec<_>>(),
            "routes_to_server": row.server().is_some_and(|server| {
                row.standing(server) == Some(Standing::Up)
            }),
        }),
    }
}

fn standing(standing: Standing) -> &'static str {
    match standing {
        Standing::Up => "up",
        Standing::Down => "down",
        Standing::Held => "maintenance",
    }
}

fn warnings(all: &[Warning]) -> Vec<Value> {
    let one = |warning: &Warning| {
        json!({
            "severity": warning.severity().word(),
            "code": warning.code(),
            "text": warning.text(),
            "next": warning.next(),
        })
    };
    all.iter().map(one).collect()
}

fn server(row: &Row, endpoint: &Endpoint, health: &Health) -> Value {
    let lag = match health {
        Health::Up { lag } => *lag,
        Health::Degraded(Degraded::Lagging { lag, .. }) => Some(*lag),
        Health::Degraded(_) | Health::Down(_) | Health::Unknown(_) => None,
    };
    json!({
        "host": endpoint.host.to_string(),
        "port": endpoint.port.get(),
        "state": word(State::of(health)),
        "health": health.to_string(),
        "lag": lag,
        "haproxy": row.standing(endpoint).map(standing),
    })
}
