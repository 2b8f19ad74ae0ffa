//! Questions to a MySQL or MariaDB server as root over its unix socket, which works across
//! network namespaces and does not count as a TCP client.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use mysql::prelude::Queryable;
use mysql::{Conn, OptsBuilder, Row, Value};

/// One row: column name to value, NULL as "NULL".
pub type NamedRow = BTreeMap<String, String>;

/// A new connection as root.
pub fn connect(socket: &Path) -> mysql::Result<Conn> {
    let opts = OptsBuilder::new()
        .socket(socket.to_str())
        .user(Some("root"))
        .prefer_socket(false)
        .stmt_cache_size(0)
        .max_allowed_packet(Some(16 << 20))
        .read_timeout(Some(Duration::from_secs(30)));
    Conn::new(opts)
}

/// Whether the server answers a question.
pub fn answers(socket: &Path) -> bool {
    socket.exists() && connect(socket).is_ok_and(|mut conn| conn.query_drop("SELECT 1").is_ok())
}

/// Runs statements one after the other on one connection.
#[track_caller]
pub fn run(socket: &Path, statements: &[&str]) {
    let mut conn = connect(socket).unwrap_or_else(|error| panic!("{statements:?}: {error}"));
    for statement in statements {
        conn.query_drop(statement)
            .unwrap_or_else(|error| panic!("{statement}: {error}"));
    }
}

/// The rows of an answer.
#[track_caller]
pub fn query(socket: &Path, question: &str) -> Vec<Vec<String>> {
    rows(socket, question)
        .into_iter()
        .map(|row| row.unwrap().iter().map(text).collect())
        .collect()
}

/// The rows of an answer, by column names.
#[track_caller]
pub fn query_named(socket: &Path, question: &str) -> Vec<NamedRow> {
    rows(socket, question).into_iter().map(named).collect()
}

/// The first column of the first row; none when there is no row.
pub fn first_value(socket: &Path, question: &str) -> mysql::Result<Option<String>> {
    let row: Option<Row> = connect(socket)?.query_first(question)?;
    Ok(row.and_then(|row| row.unwrap().first().map(text)))
}

#[track_caller]
fn rows(socket: &Path, question: &str) -> Vec<Row> {
    connect(socket)
        .and_then(|mut conn| conn.query(question))
        .unwrap_or_else(|error| panic!("{question}: {error}"))
}

fn named(row: Row) -> NamedRow {
    let names: Vec<String> = row
        .columns_ref()
        .iter()
        .map(|column| column.name_str().into_owned())
        .collect();
    names
        .into_iter()
        .zip(row.unwrap().iter().map(text))
        .collect()
}

fn text(value: &Value) -> String {
    if let Value::Bytes(bytes) = value {
        return String::from_utf8_lossy(bytes).into_owned();
    }
    value.as_sql(true)
}
