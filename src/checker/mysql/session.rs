//! One conversation with one server: connect, ask, read rows. Runs in a probe's thread.

use std::time::{Duration, Instant};

use mysql::prelude::Queryable;
use mysql::{Conn, Error, LocalInfileHandler, OptsBuilder, Value};

use crate::checker::dial::Dial;
use crate::checker::failure::{Failure, twice_if_reset};
use crate::checker::mysql::discovery::{self, Discovery};
use crate::checker::mysql::failure::{code, failure};
use crate::checker::mysql::secrecy::Secrecy;
use crate::checker::mysql::status::{Channel, Row};
use crate::checker::{Fault, Trouble};
use crate::endpoint::Endpoint;
use crate::secret::Secret;

/// No answer of ours is larger; a server that announces more is not believed.
const MAX_PACKET: usize = 4 << 20;
/// Rows of one answer. A process list may be long; nothing else is.
const MAX_ROWS: usize = 100_000;
/// What the status takes: in MariaDB from 10.5 on, and elsewhere.
const STATUS_GRANTS: [&str; 2] = ["SLAVE MONITOR", "REPLICATION CLIENT"];
/// What the list of replicas takes: in MariaDB from 10.5 on, and elsewhere.
const REPLICAS_GRANTS: [&str; 2] = ["REPLICATION MASTER ADMIN", "REPLICATION SLAVE"];

/// Which statements a server understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// MariaDB: `SHOW ALL SLAVES STATUS`, the only one that shows named channels there.
    AllSlaves,
    /// MySQL from 8.0.22 on: `SHOW REPLICA STATUS`. From 8.4 on there is nothing else.
    Replica,
    /// Older ones: `SHOW SLAVE STATUS`.
    Slave,
}

/// What a probe is to find out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// How replication is.
    Status,
    /// That, the server's id, and who replicates from it.
    Topology,
}

/// Whom to ask, and how.
#[derive(Debug, Clone)]
pub struct Question {
    /// The server.
    pub server: Endpoint,
    /// What to find out.
    pub want: Want,
    /// The monitor account.
    pub user: String,
    /// Its password.
    pub password: Secret,
    /// How the connection is encrypted.
    pub secrecy: Secrecy,
    /// The dialect that the server spoke last time.
    pub dialect: Option<Dialect>,
    /// The time for all of it.
    pub timeout: Duration,
}

/// What a server said of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Its replication channels; none if it is no replica.
    pub channels: Vec<Channel>,
    /// Its `server_id`, where it was asked: for a topology, and of a server without channels.
    pub server_id: Option<u64>,
    /// Who replicates from it, where that was asked.
    pub discovery: Option<Discovery>,
    /// The dialect it speaks.
    pub dialect: Dialect,
}

/// An answer, and the connection it came over.
#[derive(Debug)]
pub struct Answer {
    /// When the question was put.
    pub asked_at: Instant,
    /// What the server said.
    pub facts: Result<Facts, Failure>,
    /// The connection, still good, if the facts are.
    pub conn: Option<Conn>,
}

impl Dialect {
    const ALL: [Dialect; 3] = [Dialect::AllSlaves, Dialect::Replica, Dialect::Slave];

    fn status_statement(self) -> &'static str {
        match self {
            Dialect::AllSlaves => "SHOW ALL SLAVES STATUS",
            Dialect::Replica => "SHOW REPLICA STATUS",
            Dialect::Slave => "SHOW SLAVE STATUS",
        }
    }

    fn replicas_statement(self) -> &'static str {
        match self {
            Dialect::AllSlaves | Dialect::Slave => "SHOW SLAVE HOSTS",
            Dialect::Replica => "SHOW REPLICAS",
        }
    }
}

impl Question {
    /// Asks.
    pub fn ask(&self, dial: &Dial) -> Answer {
        let asked_at = Instant::now();
        let due = asked_at + self.timeout;
        match twice_if_reset(|_| self.ask_once(dial, due)) {
            Ok((facts, conn)) => Answer {
                asked_at,
                facts: Ok(facts),
                conn: Some(conn),
            },
            Err(failure) => Answer {
                asked_at,
                facts: Err(failure),
                conn: None,
            },
        }
    }

    fn ask_once(&self, dial: &Dial, due: Instant) -> Result<(Facts, Conn), Failure> {
        // The driver would try only the first address of a name.
        let mut conn = dial.each(due, |address, share| {
            let options = self.secrecy.apply(self.options(share), dial, address)?;
            Conn::new(options).map_err(|error| self.failure(&error))
        })?;
        let facts = self.facts(&mut conn)?;
        Ok((facts, conn))
    }

    /// Every option here is one that the driver has wrong, or open-ended, by default.
    fn options(&self, timeout: Duration) -> OptsBuilder {
        OptsBuilder::new()
            .tcp_port(self.server.port.get())
            .user(Some(&self.user))
            .pass(Some(self.password.expose()))
            .prefer_socket(false)
            .max_allowed_packet(Some(MAX_PACKET))
            .stmt_cache_size(0)
            .tcp_connect_timeout(Some(timeout))
            .read_timeout(Some(timeout))
            .write_timeout(Some(timeout))
            .local_infile_handler(Some(LocalInfileHandler::new(|_, _| {
                Err(std::io::Error::other("the server asked for a local file"))
            })))
    }

    fn facts(&self, conn: &mut Conn) -> Result<Facts, Failure> {
        let (dialect, rows) = self.status(conn)?;
        let channels: Result<Vec<Channel>, String> = rows.iter().map(Channel::from_row).collect();
        let channels = channels.map_err(|e| Failure::Unknown(Trouble(e)))?;
        let topology = self.want == Want::Topology;
        let server_id = match topology || channels.is_empty() {
            true => Some(self.server_id(conn)?),
            false => None,
        };
        let discovery = match topology {
            true => Some(self.discover(conn, dialect)?),
            false => None,
        };
        Ok(Facts {
            channels,
            server_id,
            discovery,
            dialect,
        })
    }

    /// The status rows, in the first dialect that the server understands. A remembered one comes
    /// first, so that a check is one statement.
    fn status(&self, conn: &mut Conn) -> Result<(Dialect, Vec<Row>), Failure> {
        let mut refusal = None;
        let others = Dialect::ALL
            .into_iter()
            .filter(|d| Some(*d) != self.dialect);
        for dialect in self.dialect.into_iter().chain(others) {
            match rows(conn, dialect.status_statement()) {
                Ok(rows) => return Ok((dialect, rows)),
                Err(error) if has_code(&error, code::PARSE_ERROR) => refusal = Some(error),
                Err(error) if has_code(&error, code::SPECIFIC_ACCESS_DENIED) => {
                    let advice = self.grant_advice(&needed(&error, STATUS_GRANTS));
                    return Err(Failure::Unknown(Trouble(advice)));
                }
                Err(error) => return Err(self.failure(&error)),
            }
        }
        let text = refusal.map(|e| e.to_string()).unwrap_or_default();
        Err(Failure::Unknown(Trouble(format!(
            "it knows no statement for its status: {text}"
        ))))
    }

    fn server_id(&self, conn: &mut Conn) -> Result<u64, Failure> {
        let rows = rows(conn, "SELECT @@server_id AS id").map_err(|e| self.failure(&e))?;
        let id = rows.first().and_then(|row| row.text(&["id"]).parse().ok());
        id.ok_or_else(|| Failure::Down(Fault::Protocol("it has no server_id".to_owned())))
    }

    fn discover(&self, conn: &mut Conn, dialect: Dialect) -> Result<Discovery, Failure> {
        let (registered, denied) = match rows(conn, dialect.replicas_statement()) {
            Ok(rows) => (rows, None),
            Err(error) if has_code(&error, code::SPECIFIC_ACCESS_DENIED) => (
                Vec::new(),
                Some(self.grant_advice(&needed(&error, REPLICAS_GRANTS))),
            ),
            Err(error) if has_code(&error, code::PARSE_ERROR) => (Vec::new(), None),
            Err(error) => return Err(self.failure(&error)),
        };
        let list = rows(conn, "SHOW PROCESSLIST").map_err(|e| self.failure(&e))?;
        let sees_all = discovery::shows_others(&list, &self.user)
            || discovery::grants_process(&rows(conn, "SHOW GRANTS").map_err(|e| self.failure(&e))?);
        let mut replicas = discovery::registered(&registered, &self.server);
        replicas.append(&mut discovery::dumping(&list, &self.server));
        let hidden = match sees_all {
            false => Some(self.grant_advice("PROCESS")),
            // Somebody replicates, and the ports that they report cannot be seen.
            true => denied.filter(|_| discovery::somebody_dumps(&list)),
        };
        Ok(Discovery { replicas, hidden })
    }

    fn grant_advice(&self, privilege: &str) -> String {
        format!(
            "user {user} lacks a privilege on {server}: GRANT {privilege} ON *.* TO '{user}'@'…'",
            user = self.user,
            server = self.server,
        )
    }

    fn failure(&self, error: &Error) -> Failure {
        let failure = failure(error, self.timeout);
        if let Failure::Unknown(Trouble(text)) = &failure
            && self.secrecy.tls.is_none()
            && has_code(error, code::ACCESS_DENIED)
        {
            return Failure::trouble(format!("{text}; where TLS is wanted, use tls=on"));
        }
        failure
    }
}

fn has_code(error: &Error, code: u16) -> bool {
    matches!(error, Error::MySqlError(e) if e.code == code)
}

/// The privilege to ask for: the first of these that the server's message names, for the names
/// differ from version to version; else the last.
fn needed(error: &Error, privileges: [&'static str; 2]) -> String {
    let text = error.to_string();
    let [first, last] = privileges;
    (if text.contains(first) { first } else { last }).to_owned()
}

fn rows(conn: &mut Conn, statement: &str) -> Result<Vec<Row>, Error> {
    let mut rows = Vec::new();
    for row in conn.query_iter(statement)? {
        if rows.len() == MAX_ROWS {
            break;
        }
        rows.push(read_row(&row?));
    }
    Ok(rows)
}

fn read_row(row: &mysql::Row) -> Row {
    let column = |(index, column): (usize, &mysql::Column)| {
        let value = row.as_ref(index).and_then(text_of);
        (column.name_str().into_owned(), value)
    };
    Row(row.columns_ref().iter().enumerate().map(column).collect())
}

/// In the text protocol everything is bytes or NULL.
fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::NULL => None,
        Value::Bytes(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        Value::Int(_)
        | Value::UInt(_)
        | Value::Float(_)
        | Value::Double(_)
        | Value::Date(..)
        | Value::Time(..) => Some(value.as_sql(true)),
    }
}
