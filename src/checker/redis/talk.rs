//! The conversations with one Redis or one Sentinel, one round trip each.
//!
//! The crate writes commands and reads replies; the connection, its deadline and its limit are
//! ours, so that neither a silent nor a dripping server holds a probe up.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use redis::{Cmd, Parser, RedisError, ServerError, Value, cmd};

use crate::checker::Fault;
use crate::checker::dial::Dial;
use crate::checker::failure::Failure;
use crate::checker::line::Line;
use crate::checker::panel::Question;
use crate::checker::redis::facts::{Facts, address, number, text};
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

/// Asks a Redis what it is.
#[derive(Debug, Clone)]
pub(super) struct AskRole {
    pub(super) account: Account,
    /// What encrypts the connection.
    pub(super) tls: Option<tls::Client>,
    /// The time for it.
    pub(super) timeout: Duration,
}

/// Asks a Sentinel who the master is.
#[derive(Debug, Clone)]
pub(super) struct AskMaster {
    /// The name that Sentinels know the master by.
    pub(super) name: String,
    pub(super) account: Account,
    /// What encrypts the connection.
    pub(super) tls: Option<tls::Client>,
    /// The time for it.
    pub(super) timeout: Duration,
}

/// A conversation under way.
struct Talk {
    line: Line,
    parser: Parser,
}

impl Question for AskRole {
    type Facts = Facts;

    fn ask(
        &self,
        dial: &Dial,
        _: Option<&Facts>,
        due: Instant,
    ) -> Result<(Facts, TcpStream), Failure> {
        let mut info = cmd("INFO");
        info.arg("replication");
        let mut talk = Talk::open(self.tls.as_ref(), dial, due, self.timeout)?;
        // PING fails where others succeed: while loading, and while writes are refused.
        talk.say(&self.account, &[cmd("PING"), cmd("ROLE"), info])?;
        let read_only = match talk.hear()? {
            Err(error) if error.code() == "MISCONF" => Some(shown(&error)),
            // A replica that waits for its master says so here; ROLE tells which.
            Err(error) if error.code() == "MASTERDOWN" => None,
            Err(error) => return Err(of_server(&error)),
            Ok(_) => None,
        };
        let (role, info) = (talk.hear_good()?, talk.hear_good()?);
        let facts = Facts::read(&role, &text(&info).unwrap_or_default())
            .ok_or_else(|| Failure::protocol("its answer to ROLE is none"))?;
        Ok((Facts { read_only, ..facts }, talk.line.into_stream()))
    }
}

impl Question for AskMaster {
    /// The master, or what keeps the Sentinel from naming one.
    type Facts = Result<Endpoint, String>;

    fn ask(
        &self,
        dial: &Dial,
        _: Option<&Self::Facts>,
        due: Instant,
    ) -> Result<(Self::Facts, TcpStream), Failure> {
        let mut question = cmd("SENTINEL");
        question.arg("get-master-addr-by-name").arg(&self.name);
        let mut talk = Talk::open(self.tls.as_ref(), dial, due, self.timeout)?;
        talk.say(&self.account, &[question])?;
        let answer = talk.hear_good()?;
        let named = if let Value::Array(fields) = &answer {
            named(fields, dial.server())
        } else if answer == Value::Nil {
            Err(format!("it knows no master '{}'", self.name))
        } else {
            return Err(Failure::protocol("its answer is no address"));
        };
        Ok((named, talk.line.into_stream()))
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

impl Talk {
    fn open(
        client: Option<&tls::Client>,
        dial: &Dial,
        due: Instant,
        timeout: Duration,
    ) -> Result<Talk, Failure> {
        Ok(Talk {
            line: Line::open_secure(client, dial, due, timeout, LIMIT)?,
            parser: Parser::new(),
        })
    }

    /// Sends all commands at once, AUTH first if there is a password, whose reply is read here.
    fn say(&mut self, account: &Account, commands: &[Cmd]) -> Result<(), Failure> {
        let auth = account.command();
        let all = auth.iter().chain(commands);
        let words: Vec<u8> = all.flat_map(Cmd::get_packed_command).collect();
        self.line.say(&words)?;
        if auth.is_some() {
            self.hear_good()?;
        }
        Ok(())
    }

    /// The next reply, which may be an error.
    fn hear(&mut self) -> Result<Result<Value, ServerError>, Failure> {
        let value = self.parser.parse_value(&mut self.line);
        let value = value.map_err(|error| {
            let broken = self.line.broken();
            broken.unwrap_or_else(|| Failure::protocol(parse_error(&error)))
        })?;
        Ok(if let Value::ServerError(error) = value {
            Err(error)
        } else {
            Ok(value)
        })
    }

    fn hear_good(&mut self) -> Result<Value, Failure> {
        self.hear()?.map_err(|error| of_server(&error))
    }
}

impl Account {
    fn command(&self) -> Option<Cmd> {
        let password = self.password.expose();
        if password.is_empty() {
            return None;
        }
        let mut auth = cmd("AUTH");
        if let Some(user) = &self.user {
            auth.arg(user);
        }
        auth.arg(password);
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
        match redis::parse_redis_value(format!("-{reply}\r\n").as_bytes()) {
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
