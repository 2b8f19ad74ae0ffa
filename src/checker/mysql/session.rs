//! One conversation with one server: log in, ask, make facts of the rows. No I/O.

use std::iter;
use std::sync::Arc;

use crate::checker::Fault;
use crate::checker::failure::Failure;
use crate::checker::mysql::client::{Client, Event, QUIT};
use crate::checker::mysql::discovery::{self, Discovery};
use crate::checker::mysql::failure::{code, of_refusal};
use crate::checker::mysql::login;
use crate::checker::mysql::packet::Refusal;
use crate::checker::mysql::status::{Channel, Row};
use crate::checker::talk::{Step, Talk};
use crate::endpoint::Endpoint;
use crate::tls;

/// Bytes that a server may say in one conversation; a process list is the longest part of it.
const LIMIT: usize = 32 << 20;
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

/// What is to be found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// How replication is.
    Status,
    /// That, the server's id, and who replicates from it.
    Topology,
}

/// How to reach the servers of a tag, all in the same way.
#[derive(Debug)]
pub struct Way {
    /// Whom to log in as.
    pub account: login::Account,
    /// What encrypts connections.
    pub tls: Option<tls::Client>,
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

/// The conversation.
#[derive(Debug)]
pub struct Ask {
    way: Arc<Way>,
    server: Endpoint,
    want: Want,
    /// The dialect that the server spoke last time.
    known: Option<Dialect>,
    client: Client,
    asked: Asked,
    found: Found,
}

/// The statement that is being answered.
#[derive(Debug)]
enum Asked {
    Nothing,
    /// The status, in this dialect.
    Status(Dialect),
    Id,
    Replicas,
    Processes,
    Grants,
}

/// What was found out so far.
#[derive(Debug)]
struct Found {
    dialect: Dialect,
    channels: Vec<Channel>,
    server_id: Option<u64>,
    /// The registered replicas, and the grant that was lacking to see them.
    registered: Vec<Row>,
    denied: Option<String>,
    processes: Vec<Row>,
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

impl Ask {
    /// Asks `server`, which spoke this dialect last time if that is known.
    pub fn new(way: &Arc<Way>, server: &Endpoint, want: Want, known: Option<Dialect>) -> Ask {
        Ask {
            way: Arc::clone(way),
            server: server.clone(),
            want,
            known,
            client: Client::default(),
            asked: Asked::Nothing,
            found: Found::nothing(),
        }
    }

    /// Asks for the status. A remembered dialect comes first, so that a check is one statement.
    fn ask_for_status(&mut self, dialect: Dialect) -> Step<Arc<Facts>> {
        self.put(dialect.status_statement(), Asked::Status(dialect))
    }

    fn first_dialect(&self) -> Dialect {
        self.known.unwrap_or(Dialect::AllSlaves)
    }

    /// The one to try when a server did not understand this one.
    fn dialect_after(&self, dialect: Dialect) -> Option<Dialect> {
        let first = self.first_dialect();
        let others = Dialect::ALL.into_iter().filter(|other| *other != first);
        let mut order = iter::once(first).chain(others);
        order.find(|tried| *tried == dialect)?;
        order.next()
    }

    fn put(&mut self, statement: &str, asked: Asked) -> Step<Arc<Facts>> {
        self.asked = asked;
        Step::Say(self.client.ask(statement))
    }

    fn answered(&mut self, answer: Result<Vec<Row>, Refusal>) -> Result<Step<Arc<Facts>>, Failure> {
        match std::mem::replace(&mut self.asked, Asked::Nothing) {
            Asked::Nothing => Err(Failure::protocol("it answers without being asked")),
            Asked::Status(dialect) => self.status(answer, dialect),
            Asked::Id => self.id(&answer.map_err(|e| of_refusal(&e))?),
            Asked::Replicas => self.replicas(answer),
            Asked::Processes => {
                self.found.processes = answer.map_err(|e| of_refusal(&e))?;
                match discovery::shows_others(&self.found.processes, self.user()) {
                    true => Ok(self.topology(true)),
                    false => Ok(self.put("SHOW GRANTS", Asked::Grants)),
                }
            }
            Asked::Grants => {
                let grants = answer.map_err(|e| of_refusal(&e))?;
                Ok(self.topology(discovery::grants_process(&grants)))
            }
        }
    }

    fn status(
        &mut self,
        answer: Result<Vec<Row>, Refusal>,
        dialect: Dialect,
    ) -> Result<Step<Arc<Facts>>, Failure> {
        let rows = match answer {
            Ok(rows) => rows,
            Err(error) if error.code == code::PARSE_ERROR => {
                let Some(next) = self.dialect_after(dialect) else {
                    let text = format!("it knows no statement for its status: {}", error.message);
                    return Err(Failure::trouble(text));
                };
                return Ok(self.ask_for_status(next));
            }
            Err(error) if error.code == code::SPECIFIC_ACCESS_DENIED => {
                let advice = self.grant_advice(needed(&error, STATUS_GRANTS));
                return Err(Failure::trouble(advice));
            }
            Err(error) => return Err(of_refusal(&error)),
        };
        let channels: Result<Vec<Channel>, String> = rows.iter().map(Channel::from_row).collect();
        self.found.channels = channels.map_err(Failure::trouble)?;
        self.found.dialect = dialect;
        match self.want == Want::Topology || self.found.channels.is_empty() {
            true => Ok(self.put("SELECT @@server_id AS id", Asked::Id)),
            false => Ok(self.found(None)),
        }
    }

    fn id(&mut self, rows: &[Row]) -> Result<Step<Arc<Facts>>, Failure> {
        let id = rows.first().and_then(|row| row.text(&["id"]).parse().ok());
        if id.is_none() {
            return Err(Failure::Down(Fault::Protocol(
                "it has no server_id".to_owned(),
            )));
        }
        self.found.server_id = id;
        match self.want {
            Want::Topology => {
                Ok(self.put(self.found.dialect.replicas_statement(), Asked::Replicas))
            }
            Want::Status => Ok(self.found(None)),
        }
    }

    fn replicas(&mut self, answer: Result<Vec<Row>, Refusal>) -> Result<Step<Arc<Facts>>, Failure> {
        match answer {
            Ok(rows) => self.found.registered = rows,
            Err(error) if error.code == code::SPECIFIC_ACCESS_DENIED => {
                self.found.denied = Some(self.grant_advice(needed(&error, REPLICAS_GRANTS)));
            }
            Err(error) if error.code == code::PARSE_ERROR => {}
            Err(error) => return Err(of_refusal(&error)),
        }
        Ok(self.put("SHOW PROCESSLIST", Asked::Processes))
    }

    fn topology(&mut self, sees_all: bool) -> Step<Arc<Facts>> {
        let processes = std::mem::take(&mut self.found.processes);
        let mut replicas = discovery::registered(&self.found.registered, &self.server);
        replicas.append(&mut discovery::dumping(&processes, &self.server));
        let denied = self.found.denied.take();
        let hidden = match sees_all {
            false => Some(self.grant_advice("PROCESS")),
            // Somebody replicates, and the ports that they report cannot be seen.
            true => denied.filter(|_| discovery::somebody_dumps(&processes)),
        };
        self.found(Some(Discovery { replicas, hidden }))
    }

    fn found(&mut self, discovery: Option<Discovery>) -> Step<Arc<Facts>> {
        let found = std::mem::replace(&mut self.found, Found::nothing());
        Step::Done(Arc::new(Facts {
            channels: found.channels,
            server_id: found.server_id,
            discovery,
            dialect: found.dialect,
        }))
    }

    fn grant_advice(&self, privilege: &str) -> String {
        format!(
            "user {user} lacks a privilege on {server}: GRANT {privilege} ON *.* TO '{user}'@'…'",
            user = self.user(),
            server = self.server,
        )
    }

    fn user(&self) -> &str {
        &self.way.account.user
    }
}

impl Talk for Ask {
    // What a server said is looked at in several places.
    type Facts = Arc<Facts>;
    const LIMIT: usize = LIMIT;
    const IS_GREETED: bool = true;
    const TLS_FIRST: bool = false;
    const GOODBYE: &'static [u8] = QUIT;

    fn tls(&self) -> Option<&tls::Client> {
        self.way.tls.as_ref()
    }

    fn begin(&mut self) -> Result<Vec<u8>, Failure> {
        self.client = Client::default();
        self.asked = Asked::Nothing;
        self.found = Found::nothing();
        Ok(Vec::new())
    }

    fn hear(&mut self, heard: &mut Vec<u8>) -> Result<Step<Arc<Facts>>, Failure> {
        match self.client.hear(heard, &self.way.account)? {
            None => Ok(Step::Listen),
            Some(Event::Say(words)) => Ok(Step::Say(words)),
            Some(Event::Secure(first, then)) => Ok(Step::Secure { first, then }),
            Some(Event::In) => Ok(self.ask_for_status(self.first_dialect())),
            Some(Event::Answer(answer)) => self.answered(answer),
        }
    }
}

impl Found {
    fn nothing() -> Found {
        Found {
            dialect: Dialect::Slave,
            channels: Vec::new(),
            server_id: None,
            registered: Vec::new(),
            denied: None,
            processes: Vec::new(),
        }
    }
}

/// The privilege to ask for: the first of these that the server's message names, for the names
/// differ from version to version; else the last.
fn needed(error: &Refusal, privileges: [&'static str; 2]) -> &'static str {
    let [first, last] = privileges;
    match error.message.contains(first) {
        true => first,
        false => last,
    }
}
