//! The conversations with one memcached: a value stored and read back, and a flush.
//!
//! The meta commands go over the crate's words, for what `get` and `set` say to servers from
//! before memcached 1.6.10 (where `ms` was another command, or none) the few lines here suffice.
//! The protocol is memcached's `doc/protocol.txt`.

use memcache::exp::{Error, MetaCommand, MetaOp, MetaResponse, ReturnCode};

use crate::checker::failure::Failure;
use crate::checker::heard::{Cursor, Stop, step};
use crate::checker::talk::{Step, Talk};
use crate::checker::{Fault, Trouble};
use crate::random::random;
use crate::tls;

/// The key that every checker writes; the original's.
const KEY: &str = "consul_conn_key";
/// Seconds until it is gone.
const EXPIRY: u32 = 10;
/// Bytes of its value: a random number in hexadecimal digits.
const SIZE: usize = 16;
/// Bytes that a server may answer.
const LIMIT: usize = 16 * 1024;

/// Which commands a server understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// The meta commands.
    Meta,
    /// `set` and `get`.
    Classic,
}

/// Stores a random value, twice, and reads it back. Twice, because a `set` that fails for want of
/// memory removes the old value, which makes room for the next one: of a full server (`-M`) one
/// `set` may succeed, and two in a row do not.
#[derive(Debug)]
pub(super) struct RoundTrip {
    dialect: Dialect,
    value: String,
}

/// Empties a server.
#[derive(Debug)]
pub(super) struct Flush;

/// Why a round trip did not succeed.
enum Refusal {
    /// The server does not know the commands.
    NotUnderstood,
    Stopped(Stop),
}

impl RoundTrip {
    /// A round trip in the dialect that the server spoke before, if it is known.
    pub(super) fn new(before: Option<Dialect>) -> RoundTrip {
        RoundTrip {
            dialect: before.unwrap_or(Dialect::Meta),
            value: value(),
        }
    }
}

impl Talk for RoundTrip {
    type Facts = Dialect;
    const LIMIT: usize = LIMIT;
    const IS_GREETED: bool = false;
    const TLS_FIRST: bool = false;
    const GOODBYE: &'static [u8] = b"";

    fn tls(&self) -> Option<&tls::Client> {
        None
    }

    fn begin(&mut self) -> Result<Vec<u8>, Failure> {
        match self.dialect {
            Dialect::Meta => meta_words(&self.value),
            Dialect::Classic => Ok(classic_words(&self.value)),
        }
    }

    fn hear(&mut self, heard: &mut Vec<u8>) -> Result<Step<Dialect>, Failure> {
        let mut answers = Cursor::new(heard);
        let read = match self.dialect {
            Dialect::Meta => meta(&mut answers, &self.value),
            Dialect::Classic => classic(&mut answers, &self.value).map_err(Refusal::Stopped),
        };
        match read {
            Ok(()) => step(Ok(self.dialect)),
            Err(Refusal::Stopped(stop)) => step(Err(stop)),
            // Where it stands after a command that it did not understand, nobody knows.
            Err(Refusal::NotUnderstood) => {
                self.dialect = Dialect::Classic;
                Ok(Step::Anew)
            }
        }
    }
}

impl Talk for Flush {
    type Facts = ();
    const LIMIT: usize = LIMIT;
    const IS_GREETED: bool = false;
    const TLS_FIRST: bool = false;
    const GOODBYE: &'static [u8] = b"";

    fn tls(&self) -> Option<&tls::Client> {
        None
    }

    fn begin(&mut self) -> Result<Vec<u8>, Failure> {
        Ok(b"flush_all\r\n".to_vec())
    }

    fn hear(&mut self, heard: &mut Vec<u8>) -> Result<Step<()>, Failure> {
        match Cursor::new(heard).line() {
            Ok(b"OK") => step(Ok(())),
            Ok(other) => Err(unwelcome("flush_all", other)),
            Err(stop) => step(Err(stop)),
        }
    }
}

fn meta_words(value: &str) -> Result<Vec<u8>, Failure> {
    let set = MetaCommand::new(MetaOp::Set, KEY)
        .value(value.as_bytes())
        .flag(format!("T{EXPIRY}"));
    // `s` gives the size, and `v` the value.
    let get = MetaCommand::new(MetaOp::Get, KEY).flag("s").flag("v");
    let mut words = Vec::new();
    for command in [&set, &set, &get] {
        command
            .encode_into(&mut words)
            .map_err(|error| Failure::trouble(error.to_string()))?;
    }
    Ok(words)
}

fn classic_words(value: &str) -> Vec<u8> {
    let set = format!("set {KEY} 0 {EXPIRY} {SIZE}\r\n{value}\r\n");
    format!("{set}{set}get {KEY}\r\n").into_bytes()
}

fn meta(answers: &mut Cursor<'_>, value: &str) -> Result<(), Refusal> {
    for _ in 0..2 {
        if header(answers, "ms")?.rc() != ReturnCode::Hd {
            return Err(Failure::protocol("it did not store a value").into());
        }
    }
    let found = header(answers, "mg")?;
    let size = found.flags().find_map(|flag| flag.strip_prefix(b"s"));
    match (found.rc(), size) {
        (ReturnCode::Va, Some(size)) if size == SIZE.to_string().as_bytes() => {
            Ok(read_back(answers, value)?)
        }
        _ => Err(not_kept().into()),
    }
}

fn header(answers: &mut Cursor<'_>, command: &str) -> Result<MetaResponse, Refusal> {
    let text = answers.line()?;
    MetaResponse::parse_header(text).map_err(|error| {
        let not_understood = matches!(error, Error::Rejected(_)) && !is_about_us(text);
        match not_understood {
            true => Refusal::NotUnderstood,
            false => unwelcome(command, text).into(),
        }
    })
}

fn classic(answers: &mut Cursor<'_>, value: &str) -> Result<(), Stop> {
    for _ in 0..2 {
        let stored = answers.line()?;
        if stored != b"STORED" {
            return Err(unwelcome("set", stored).into());
        }
    }
    let found = answers.line()?;
    if found == format!("VALUE {KEY} 0 {SIZE}").as_bytes() {
        read_back(answers, value)?;
        return match answers.line()? {
            b"END" => Ok(()),
            other => Err(unwelcome("get", other).into()),
        };
    }
    match found {
        b"END" => Err(not_kept().into()),
        other => Err(unwelcome("get", other).into()),
    }
}

/// Any value that a checker may have written: another one may have come in between.
fn read_back(answers: &mut Cursor<'_>, value: &str) -> Result<(), Stop> {
    let found = answers.bytes(SIZE + 2)?;
    let is_a_checkers = |found: &[u8]| {
        found.strip_suffix(b"\r\n").is_some_and(|found| {
            found == value.as_bytes() || found.iter().all(u8::is_ascii_hexdigit)
        })
    };
    match is_a_checkers(found) {
        true => Ok(()),
        false => Err(Failure::protocol("it returned another value than was stored").into()),
    }
}

fn value() -> String {
    format!("{:016x}", random())
}

fn not_kept() -> Failure {
    Failure::protocol("it did not keep a value that it had stored")
}

/// Whether a refusal is about the client, and not about the command.
fn is_about_us(text: &[u8]) -> bool {
    LOGIN.iter().any(|words| text.starts_with(words)) || text.starts_with(TOO_MANY)
}

/// What a server says that wants a login (`-Y`): to any command, and to a `set` that it takes for
/// the login.
const LOGIN: [&[u8]; 2] = [
    b"CLIENT_ERROR unauthenticated",
    b"CLIENT_ERROR bad authentication",
];

/// What a server says before it closes a connection over its `-c`.
const TOO_MANY: &[u8] = b"ERROR Too many open connections";

/// What an answer means that is not the one that was hoped for.
fn unwelcome(command: &str, text: &[u8]) -> Failure {
    let shown: String = String::from_utf8_lossy(text).chars().take(100).collect();
    let shown = shown.escape_debug();
    if text.starts_with(TOO_MANY) {
        return Failure::Down(Fault::TooManyConnections);
    }
    if is_about_us(text) {
        return Failure::Unknown(Trouble(format!(
            "it wants a user and a password, which this checker does not have: {shown}"
        )));
    }
    if text.starts_with(b"SERVER_ERROR") {
        return Failure::Down(Fault::NotServing(shown.to_string()));
    }
    Failure::protocol(format!("'{shown}' is no answer to {command}"))
}

impl From<Stop> for Refusal {
    fn from(stop: Stop) -> Refusal {
        Refusal::Stopped(stop)
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Refusal {
        Refusal::Stopped(failure.into())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;
    use std::thread;

    use std::time::Duration;

    use super::*;
    use crate::checker::Health;
    use crate::checker::panel::{Panel, everybody};
    use crate::endpoint::Endpoint;
    use crate::resolve::Resolver;

    const LIMIT: Duration = Duration::from_secs(20);

    /// A server that answers each command line by `answer`; data blocks look like lines to it.
    fn ask(
        before: Option<Dialect>,
        answer: impl Fn(&str, &mut String) -> Option<String> + Send + 'static,
    ) -> Result<Dialect, Health> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = listener.local_addr().unwrap().to_string();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let mut stored = String::new();
                let mut reader = BufReader::new(client.try_clone().unwrap());
                let mut line = String::new();
                while reader.read_line(&mut line).is_ok_and(|count| count > 0) {
                    let Some(said) = answer(line.trim_end(), &mut stored) else {
                        break;
                    };
                    // A client that has seen enough does not stay for the rest.
                    if (&client).write_all(said.as_bytes()).is_err() {
                        break;
                    }
                    line.clear();
                }
            }
        });
        let server: Endpoint = server.parse().unwrap();
        let mut panel = Panel::new(LIMIT, Resolver::system());
        panel.begin([(server.clone(), RoundTrip::new(before))]);
        panel.hear(everybody);
        panel.word(&server).unwrap().said.clone()
    }

    /// As memcached before it had meta commands.
    fn old(line: &str, stored: &mut String) -> Option<String> {
        Some(match line.split(' ').next()? {
            "set" => String::new(),
            "get" => format!("VALUE {KEY} 0 16\r\n{stored}\r\nEND\r\n"),
            hex if hex.len() == 16 => {
                *stored = hex.to_owned();
                "STORED\r\n".to_owned()
            }
            _ => "ERROR\r\n".to_owned(),
        })
    }

    fn fault_of(answer: &'static str) -> Health {
        ask(None, move |_, _| Some(answer.to_owned())).unwrap_err()
    }

    #[test]
    fn a_server_without_meta_commands_is_asked_in_the_old_words() {
        assert_eq!(ask(None, old), Ok(Dialect::Classic));
        let no_meta = |line: &str, stored: &mut String| {
            assert!(!line.starts_with("m"), "asked for meta again: {line}");
            old(line, stored)
        };
        assert_eq!(ask(Some(Dialect::Classic), no_meta), Ok(Dialect::Classic));
    }

    #[test]
    fn another_checkers_value_is_as_good_as_ours() {
        let busy = |line: &str, _: &mut String| {
            let mut other = "0123456789abcdef".to_owned();
            old(line, &mut other)
        };
        assert_eq!(ask(None, busy), Ok(Dialect::Classic));
    }

    #[test]
    fn a_value_that_is_lost_or_changed_is_a_fault() {
        let forgets = |line: &str, stored: &mut String| match line.starts_with("get") {
            true => Some("END\r\n".to_owned()),
            false => old(line, stored),
        };
        assert_eq!(ask(None, forgets), Err(not_kept().into()));
        let changes = |line: &str, stored: &mut String| match line.starts_with("get") {
            true => Some(format!("VALUE {KEY} 0 16\r\nsomebody else's!\r\nEND\r\n")),
            false => old(line, stored),
        };
        let failure = ask(None, changes).unwrap_err();
        assert!(matches!(failure, Health::Down(Fault::Protocol(_))));
        assert_eq!(fault_of("HD\r\nHD\r\nEN\r\n"), not_kept().into());
        let full = fault_of("HD\r\nSERVER_ERROR out of memory storing object\r\n");
        assert!(matches!(full, Health::Down(Fault::NotServing(_))));
    }

    #[test]
    fn what_a_server_says_instead_is_told_apart() {
        let full = fault_of("SERVER_ERROR out of memory storing object\r\n");
        assert!(matches!(full, Health::Down(Fault::NotServing(_))));
        let crowded = fault_of("ERROR Too many open connections\r\n");
        assert_eq!(crowded, Health::Down(Fault::TooManyConnections));
        for locked in ["unauthenticated", "bad authentication token format"] {
            let failure = ask(None, move |_, _| Some(format!("CLIENT_ERROR {locked}\r\n")));
            assert!(matches!(failure, Err(Health::Unknown(_))), "{failure:?}");
        }
        for odd in [
            "-ERR unknown command 'ms'\r\n",
            "HTTP/1.1 400 Bad Request\r\n",
            "\x00\x01\n",
            "HD\r\nHD\r\nVA 99999999999 s16\r\n",
            "HD\r\nHD\r\nVA 3 s3\r\nabc\r\n",
        ] {
            let failure = fault_of(odd);
            let is_fault = matches!(failure, Health::Down(Fault::Protocol(_)));
            assert!(is_fault, "{odd:?}: {failure:?}");
        }
    }
}
