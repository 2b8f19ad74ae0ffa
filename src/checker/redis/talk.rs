//! The conversations with one Redis or one Sentinel, one round trip each.
//!
//! The crate writes commands and reads replies; the connection, its deadline and its limit are
//! ours, so that neither a silent nor a dripping server holds a check up.

use redis::{Cmd, RedisError, ServerError, Value, cmd, parse_redis_value};

use crate::checker::Fault;
use crate::checker::failure::Failure;
use crate::checker::heard::{Cursor, Stop, step};
use crate::checker::redis::facts::{Facts, address, number, text};
use crate::checker::talk::{Step, Talk};
use crate::endpoint::Endpoint;
use crate::secret::Secret;
use crate::tls;

/// Bytes that a server may answer; a master with hundreds of replicas stays far below.
const LIMIT: usize = 256 * 1024;

/// An account. No password means no AUTH.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Account {
    /// The user; `None` is the default user.
    pub user: Option<String>,
    /// The password.
    pub password: Secret,
}

/// How to reach servers, or Sentinels, all in the same way.
#[derive(Debug, Clone)]
pub(super) struct Way {
    /// Whom to log in as.
    pub(super) account: Account,
    /// What encrypts the connection.
    pub(super) tls: Option<tls::Client>,
}

/// Asks a Redis what it is.
#[derive(Debug)]
pub(super) struct AskRole {
    way: Way,
}

/// Asks a Sentinel who the master is.
#[derive(Debug)]
pub(super) struct AskMaster {
    way: Way,
    sentinel: Endpoint,
    /// The name that Sentinels know the master by.
    name: String,
}

impl AskRole {
    pub(super) fn new(way: &Way) -> AskRole {
        AskRole { way: way.clone() }
    }

    fn read(&self, heard: &[u8]) -> Result<Facts, Stop> {
        let mut replies = Cursor::new(heard);
        self.way.read_login(&mut replies)?;
        let read_only = match reply(&mut replies)? {
            Err(error) if error.code() == "MISCONF" => Some(shown(&error)),
            // A replica that waits for its master says so here; ROLE tells which.
            Err(error) if error.code() == "MASTERDOWN" => None,
            Err(error) => return Err(of_server(&error).into()),
            Ok(_) => None,
        };
        let (role, info) = (good(&mut replies)?, good(&mut replies)?);
        let facts = Facts::read(&role, &text(&info).unwrap_or_default())
            .ok_or_else(|| Failure::protocol("its answer to ROLE is none"))?;
        Ok(Facts { read_only, ..facts })
    }
}

impl AskMaster {
    pub(super) fn new(way: &Way, sentinel: &Endpoint, name: &str) -> AskMaster {
        AskMaster {
            way: way.clone(),
            sentinel: sentinel.clone(),
            name: name.to_owned(),
        }
    }

    fn read(&self, heard: &[u8]) -> Result<Result<Endpoint, String>, Stop> {
        let mut replies = Cursor::new(heard);
        self.way.read_login(&mut replies)?;
        let answer = good(&mut replies)?;
        if let Value::Array(fields) = &answer {
            Ok(named(fields, &self.sentinel))
        } else if answer == Value::Nil {
            Ok(Err(format!("it knows no master '{}'", self.name)))
        } else {
            Err(Failure::protocol("its answer is no address").into())
        }
    }
}

impl Talk for AskRole {
    type Facts = Facts;
    const LIMIT: usize = LIMIT;
    const IS_GREETED: bool = false;
    const TLS_FIRST: bool = true;
    const GOODBYE: &'static [u8] = b"";

    fn tls(&self) -> Option<&tls::Client> {
        self.way.tls.as_ref()
    }

    fn begin(&mut self) -> Result<Vec<u8>, Failure> {
        let mut info = cmd("INFO");
        info.arg("replication");
        // PING fails where others succeed: while loading, and while writes are refused.
        Ok(self.way.words(&[cmd("PING"), cmd("ROLE"), info]))
    }

    fn hear(&mut self, heard: &mut Vec<u8>) -> Result<Step<Facts>, Failure> {
        step(self.read(heard))
    }
}

impl Talk for AskMaster {
    /// The master, or what keeps the Sentinel from naming one.
    type Facts = Result<Endpoint, String>;
    const LIMIT: usize = LIMIT;
    const IS_GREETED: bool = false;
    const TLS_FIRST: bool = true;
    const GOODBYE: &'static [u8] = b"";

    fn tls(&self) -> Option<&tls::Client> {
        self.way.tls.as_ref()
    }

    fn begin(&mut self) -> Result<Vec<u8>, Failure> {
        let mut question = cmd("SENTINEL");
        question.arg("get-master-addr-by-name").arg(&self.name);
        Ok(self.way.words(&[question]))
    }

    fn hear(&mut self, heard: &mut Vec<u8>) -> Result<Step<Self::Facts>, Failure> {
        step(self.read(heard))
    }
}

/// The address that a Sentinel gives. One on another host that says "localhost" means itself.
fn named(fields: &[Value], sentinel: &Endpoint) -> Result<Endpoint, String> {
    let (host, port) = match fields {
        [host, port] => (text(host), number(port)),
        _ => (None, None),
    };
    let endpoint = host.zip(port).and_then(|(host, port)| address(&host, port));
    let endpoint = endpoint.ok_or("the address that it names is none")?;
    match endpoint.host.is_loopback() && !sentinel.host.is_loopback() {
        true => Err(format!(
            "it names {endpoint}, which only its own host can reach: let it monitor an address \
             that others reach too"
        )),
        false => Ok(endpoint),
    }
}

impl Way {
    /// All commands at once, AUTH first if there is a password.
    fn words(&self, commands: &[Cmd]) -> Vec<u8> {
        let auth = self.account.command();
        let all = auth.iter().chain(commands);
        all.flat_map(Cmd::get_packed_command).collect()
    }

    fn read_login(&self, replies: &mut Cursor<'_>) -> Result<(), Stop> {
        match self.account.has_password() {
            true => good(replies).map(drop),
            false => Ok(()),
        }
    }
}

/// The next reply, which may be an error.
fn reply(replies: &mut Cursor<'_>) -> Result<Result<Value, ServerError>, Stop> {
    let value = parse_redis_value(replies.resp()?);
    let value = value.map_err(|error| Failure::protocol(parse_error(&error)))?;
    Ok(if let Value::ServerError(error) = value {
        Err(error)
    } else {
        Ok(value)
    })
}

fn good(replies: &mut Cursor<'_>) -> Result<Value, Stop> {
    reply(replies)?.map_err(|error| of_server(&error).into())
}

impl Account {
    fn has_password(&self) -> bool {
        !self.password.expose().is_empty()
    }

    fn command(&self) -> Option<Cmd> {
        if !self.has_password() {
            return None;
        }
        let mut auth = cmd("AUTH");
        if let Some(user) = &self.user {
            auth.arg(user);
        }
        auth.arg(self.password.expose());
        Some(auth)
    }
}

/// An error that a server sends. What is about the account is our own trouble, and moves nothing.
fn of_server(error: &ServerError) -> Failure {
    let text = shown(error);
    match error.code() {
        "LOADING" | "BUSY" | "MASTERDOWN" | "CLUSTERDOWN" => Failure::Down(Fault::NotServing(text)),
        "NOAUTH" => Failure::trouble(format!("{text}: give the password of a user")),
        "WRONGPASS" => Failure::trouble(format!("{text}: give the right user= and password=")),
        "NOPERM" => Failure::trouble(format!(
            "{text}: ACL SETUSER … +ping +role +info (of a Sentinel: +sentinel|get-master-addr-by-name)"
        )),
        "DENIED" => Failure::trouble(text),
        _ if text.contains("max number of clients") => Failure::Down(Fault::TooManyConnections),
        // AUTH where no password is set, and what Redis before 6 says of a wrong one.
        _ if text.contains("AUTH") || text.contains("invalid password") => Failure::trouble(text),
        _ => Failure::protocol(text),
    }
}

/// The parser shows what it saw on lines of its own.
fn parse_error(error: &RedisError) -> String {
    let text = error.to_string();
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").chars().take(160).collect()
}

/// The server's words, in one line and without an end that is too long for one.
fn shown(error: &ServerError) -> String {
    let text = format!("{} {}", code(error), error.details().unwrap_or_default());
    let start: String = text.trim().chars().take(160).collect();
    start.escape_debug().to_string()
}

/// The crate calls a plain ERR by a name of its own.
fn code(error: &ServerError) -> &str {
    match error.code() {
        "ResponseError" => "ERR",
        code => code,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(reply: &str) -> Failure {
        match parse_redis_value(format!("-{reply}\r\n").as_bytes()) {
            Ok(Value::ServerError(error)) => of_server(&error),
            other => panic!("{reply}: {other:?}"),
        }
    }

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    #[test]
    fn what_is_about_the_account_is_our_own_trouble() {
        for reply in [
            "NOAUTH Authentication required.",
            "WRONGPASS invalid username-password pair or user is disabled.",
            "NOPERM this user has no permissions to run the 'role' command",
            "ERR invalid password",
            "ERR AUTH <password> called without any password configured for the default user.",
            "ERR Client sent AUTH, but no password is set",
            "DENIED Redis is running in protected mode because protected mode is enabled",
        ] {
            let failure = failure(reply);
            assert!(matches!(failure, Failure::Unknown(_)), "{reply}");
        }
    }

    #[test]
    fn a_server_that_is_loading_busy_or_full_is_down() {
        let loading = failure("LOADING Redis is loading the dataset in memory");
        let text = "LOADING Redis is loading the dataset in memory".to_owned();
        assert_eq!(loading, Failure::Down(Fault::NotServing(text)));
        let busy = failure("BUSY Redis is busy running a script.");
        assert!(matches!(busy, Failure::Down(Fault::NotServing(_))));
        let full = failure("ERR max number of clients reached");
        assert_eq!(full, Failure::Down(Fault::TooManyConnections));
        let odd = failure("ERR unknown command 'ROLE'");
        assert!(matches!(odd, Failure::Down(Fault::Protocol(_))));
    }

    #[test]
    fn a_sentinel_elsewhere_that_names_its_own_host_is_not_believed() {
        let remote = "10.0.0.9:26379".parse().unwrap();
        let local = "127.0.0.1:26379".parse().unwrap();
        let there = [bulk("127.0.0.1"), bulk("6379")];
        assert!(named(&there, &remote).unwrap_err().contains("own host"));
        assert!(named(&there, &local).is_ok());
        let good = [bulk("10.0.0.1"), bulk("6379")];
        assert_eq!(named(&good, &remote).unwrap().to_string(), "10.0.0.1:6379");
        for odd in [&[][..], &[bulk("a b"), bulk("1")], &[bulk("a"), bulk("x")]] {
            assert!(named(odd, &remote).is_err());
        }
    }

    #[test]
    fn only_a_password_makes_an_auth() {
        let mut account = Account::default();
        assert!(account.command().is_none());
        account.password = Secret::new("s3cret");
        let words = |account: &Account| account.command().unwrap().get_packed_command();
        assert_eq!(
            words(&account),
            b"*2\r\n$4\r\nAUTH\r\n$6\r\ns3cret\r\n".to_vec()
        );
        account.user = Some("monitor".to_owned());
        assert!(words(&account).starts_with(b"*3\r\n"));
        assert!(!format!("{account:?}").contains("s3cret"));
    }
}
