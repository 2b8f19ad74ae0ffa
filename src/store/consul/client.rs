//! One HTTP exchange with the agent, within one deadline: the token, the limits and the one
//! repetition. What an answer means is `answer`'s.
//!
//! ureq_proto logs every byte it sends, the token included, at trace level: the program's logger
//! must never let that target's trace lines through.

use std::fmt;
use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

use ureq::http::{HeaderValue, Response};
use ureq::{Agent, Body, RequestBuilder};

use super::Settings;
use super::address::ConsulAddress;
use super::connect::{Dialer, NotYet};
use super::text::one_line;
use crate::secret::Secret;
use crate::store::gate::Gate;

/// Requests at a time, and idle connections that are kept.
const MAX_AT_ONCE: usize = 32;
/// A value is at most 512 KiB (consul: limits.kv_max_value_size), which base64 makes 683 KiB.
const MAX_VALUE: u64 = 1024 * 1024;
/// A whole prefix: some ten thousand tags, or 23 values of the largest size.
const MAX_LISTING: u64 = 16 * 1024 * 1024;
/// Consul's own headers are a few hundred bytes.
const MAX_HEADER: usize = 64 * 1024;

/// A client of one agent, shared by all threads.
pub(super) struct Client {
    agent: Agent,
    gate: Gate,
    base: String,
    token: Option<Token>,
    timeout: Duration,
}

/// The token in the two forms that are needed: to send it, and to find it in an answer.
struct Token {
    header: HeaderValue,
    secret: Secret,
}

/// What the agent answered.
pub(super) struct Reply<'a> {
    /// The HTTP status.
    pub(super) status: u16,
    /// X-Consul-Index, which Consul sets on every answer of its KV interface but an error.
    pub(super) index: Option<u64>,
    /// Whether Consul says that it left out keys that the token may not see (Consul 1.11 and
    /// later say so).
    pub(super) filtered: bool,
    /// The body; Consul's are UTF-8.
    pub(super) body: String,
    /// Whether the request was sent twice, so that the first may have been carried out.
    pub(super) repeated: bool,
    secret: Option<&'a Secret>,
}

/// No answer came, or none that is HTTP.
#[derive(Debug)]
pub(super) enum Failure {
    /// Every place at the gate stayed taken.
    Crowded,
    /// What ureq says.
    Http(ureq::Error),
}

impl Client {
    /// Prepares a client; connects to nothing.
    ///
    /// # Errors
    /// A sentence, without the token, if the token cannot be sent.
    pub(super) fn new(settings: Settings) -> Result<Client, String> {
        Ok(Client {
            gate: Gate::new(MAX_AT_ONCE),
            base: settings.address.base_url(),
            token: settings.token.map(Token::new).transpose()?.flatten(),
            timeout: settings.timeout,
            agent: agent(Dialer {
                address: settings.address,
                resolver: settings.resolver,
            }),
        })
    }

    /// Whether requests carry a token.
    pub(super) fn has_token(&self) -> bool {
        self.token.is_some()
    }

    /// Sends a PUT with `body`, or a GET without one, and reads the whole answer. If the
    /// connection is cut before the answer is complete, as an idle one may be just when it is
    /// used, the request is sent once more, on a new connection and within the same deadline.
    ///
    /// # Errors
    /// `Failure` if no complete answer came in time.
    pub(super) fn send(&self, path: &str, body: Option<&str>) -> Result<Reply<'_>, Failure> {
        let started = Instant::now();
        let Some(_pass) = self.gate.enter(self.timeout) else {
            return Err(Failure::Crowded);
        };
        let left = self.timeout.saturating_sub(started.elapsed());
        self.exchange(path, body, left, MAX_VALUE)
    }

    /// Sends a GET whose answer may be long and late: a listing, or a blocking query. It takes no
    /// place at the gate, as it would keep it; whoever uses this has a client of his own.
    ///
    /// # Errors
    /// As `send`.
    pub(super) fn list(&self, path: &str, timeout: Duration) -> Result<Reply<'_>, Failure> {
        self.exchange(path, None, timeout, MAX_LISTING)
    }

    /// Closes all connections: requests under way end at once with an error, as do later ones.
    pub(super) fn stop(&self) {
        self.agent.clone().shutdown();
    }

    fn exchange(
        &self,
        path: &str,
        body: Option<&str>,
        timeout: Duration,
        limit: u64,
    ) -> Result<Reply<'_>, Failure> {
        let started = Instant::now();
        let url = format!("{}{path}", self.base);
        let attempt = |repeated| {
            let left = timeout.saturating_sub(started.elapsed());
            let mut response = match body {
                None => self.prepare(self.agent.get(&url), left, repeated).call(),
                Some(body) => {
                    let request = self.prepare(self.agent.put(&url), left, repeated);
                    request.send(body)
                }
            }?;
            self.reply(&mut response, limit, repeated)
        };
        match attempt(false) {
            Err(error) if is_cut(&error) => attempt(true),
            result => result,
        }
        .map_err(Failure::Http)
    }

    fn reply(
        &self,
        response: &mut Response<Body>,
        limit: u64,
        repeated: bool,
    ) -> Result<Reply<'_>, ureq::Error> {
        Ok(Reply {
            status: response.status().as_u16(),
            index: header(response, "X-Consul-Index").and_then(|text| text.parse().ok()),
            filtered: header(response, "X-Consul-Results-Filtered-By-ACLs") == Some("true"),
            body: read_body(response, limit)?,
            repeated,
            secret: self.token.as_ref().map(|t| &t.secret),
        })
    }

    fn prepare<B>(
        &self,
        request: RequestBuilder<B>,
        left: Duration,
        new_connection: bool,
    ) -> RequestBuilder<B> {
        let mut config = request.config().timeout_global(Some(left));
        if new_connection {
            // Throws the idle connections away; they are likely as stale as the one that was cut.
            config = config.max_idle_age(Duration::ZERO);
        }
        let request = config.build();
        match &self.token {
            Some(token) => request.header("X-Consul-Token", token.header.clone()),
            None => request,
        }
    }
}

fn agent(dialer: Dialer) -> Agent {
    let config = Agent::config_builder()
        .proxy(None)
        .http_status_as_error(false)
        .max_redirects(0)
        .max_response_header_size(MAX_HEADER)
        .max_idle_connections(MAX_AT_ONCE)
        .max_idle_connections_per_host(MAX_AT_ONCE)
        .user_agent(concat!("confd_haproxy/", env!("CARGO_PKG_VERSION")))
        .build();
    Agent::with_parts(config, dialer, NotYet)
}

fn header<'a>(response: &'a Response<Body>, name: &str) -> Option<&'a str> {
    response.headers().get(name)?.to_str().ok()
}

fn read_body(response: &mut Response<Body>, limit: u64) -> Result<String, ureq::Error> {
    let body = response.body_mut().with_config().limit(limit);
    let bytes = body.read_to_vec()?;
    Ok(String::from_utf8(bytes).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into()))
}

/// Whether the other end gave the connection up, which says nothing about the request.
fn is_cut(error: &ureq::Error) -> bool {
    const CUT: [ErrorKind; 4] = [
        ErrorKind::ConnectionReset,
        ErrorKind::ConnectionAborted,
        ErrorKind::BrokenPipe,
        ErrorKind::UnexpectedEof,
    ];
    matches!(error, ureq::Error::Io(e) if CUT.contains(&e.kind()))
}

impl Token {
    /// `None` for an empty token, as an unset variable gives it.
    fn new(secret: Secret) -> Result<Option<Token>, String> {
        if secret.expose().is_empty() {
            return Ok(None);
        }
        let graphic = secret.expose().bytes().all(|b| b.is_ascii_graphic());
        match HeaderValue::from_str(secret.expose()) {
            Ok(mut header) if graphic => {
                header.set_sensitive(true);
                Ok(Some(Token { header, secret }))
            }
            Ok(_) | Err(_) => Err("the Consul token holds a space, a line break or another \
                 character that no token has; check --token, CONSUL_HTTP_TOKEN or its file"
                .to_owned()),
        }
    }
}

impl Reply<'_> {
    /// The first line of the body that is not blank, fit for a log line: short, without control
    /// characters, and without the token, which a proxy's error page may repeat.
    pub(super) fn first_line(&self) -> String {
        let line = self.body.lines().map(str::trim).find(|l| !l.is_empty());
        let line = line.unwrap_or("no explanation");
        match self.secret {
            Some(secret) => one_line(&line.replace(secret.expose(), "*****")),
            None => one_line(line),
        }
    }
}

impl Failure {
    /// One line that says what failed and, where that is known, what to look at.
    pub(super) fn describe(&self, address: &ConsulAddress, timeout: Duration) -> String {
        let seconds = timeout.as_secs_f64();
        match self {
            Failure::Crowded => format!(
                "timed out after {seconds} s behind {MAX_AT_ONCE} other requests that wait for \
                 the agent"
            ),
            Failure::Http(ureq::Error::Timeout(ureq::Timeout::Connect)) => {
                "timed out before the agent took the connection".to_owned()
            }
            Failure::Http(ureq::Error::Timeout(_)) => format!("timed out after {seconds} s"),
            Failure::Http(ureq::Error::BodyExceedsLimit(limit)) => {
                format!("the answer is longer than {limit} bytes; is this Consul?")
            }
            Failure::Http(ureq::Error::Protocol(error)) => {
                one_line(&format!("the answer is not HTTP: {error}; is this Consul?"))
            }
            Failure::Http(ureq::Error::Io(error)) => describe_io(error, address),
            Failure::Http(ureq::Error::Other(error)) => one_line(&error.to_string()),
            Failure::Http(error) => one_line(&error.to_string()),
        }
    }
}

fn describe_io(error: &io::Error, address: &ConsulAddress) -> String {
    let is = |kind| error.kind() == kind;
    if is(ErrorKind::ConnectionRefused) {
        return "connection refused; is the agent running?".to_owned();
    }
    if is(ErrorKind::NotFound) && matches!(address, ConsulAddress::Unix(_)) {
        return "no such socket; is the agent running?".to_owned();
    }
    if is(ErrorKind::UnexpectedEof) {
        return "the connection was closed before the answer was complete, twice".to_owned();
    }
    one_line(&error.to_string())
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.base)
    }
}
