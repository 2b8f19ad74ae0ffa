//! One HTTP exchange with one agent, within one deadline: the limits and the one repetition. What an
//! answer means is `answer`'s.
//!
//! ureq_proto logs every byte it sends, the token included, at trace level: the program's logger
//! must never let that target's trace lines through.

use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

use ureq::http::Response;
use ureq::{Agent, Body, RequestBuilder};

use super::address::ConsulAddress;
use super::client::MAX_AT_ONCE;
use super::connect::{Dialer, NotYet};
use super::text::one_line;
use super::token::Token;
use crate::secret::Secret;
use crate::tls::{self, Peer};

/// Consul's own headers are a few hundred bytes.
const MAX_HEADER: usize = 16 * 1024;
/// A connection's buffers, in and out. Zeroed for each one; a quarter of a megabyte is usual.
const BUFFERS: (usize, usize) = (MAX_HEADER, 4 * 1024);

/// One agent, and the connections to it.
pub(super) struct Node {
    /// Where it is.
    pub(super) address: ConsulAddress,
    agent: Agent,
    base: String,
}

/// What to ask.
#[derive(Clone, Copy)]
pub(super) struct Request<'a> {
    /// The path, from its first '/'.
    pub(super) path: &'a str,
    /// What to PUT there; without it, a GET.
    pub(super) body: Option<&'a str>,
    /// How long an answer may be.
    pub(super) limit: u64,
    /// The token to show.
    pub(super) token: Option<&'a Token>,
}

/// What the agent answered.
pub(super) struct Reply {
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
    /// Who answered.
    pub(super) address: ConsulAddress,
    secret: Option<Secret>,
}

/// No answer came, or none that is HTTP.
#[derive(Debug)]
pub(super) struct Failure(ureq::Error);

impl Node {
    /// Prepares to reach the agent that `dialer` reaches; connects to nothing.
    pub(super) fn new(dialer: Dialer) -> Node {
        Node {
            address: dialer.address.clone(),
            base: dialer.address.base_url(),
            agent: agent(dialer),
        }
    }

    /// Closes all connections: requests under way end at once with an error, as do later ones.
    pub(super) fn stop(&self) {
        self.agent.clone().shutdown();
    }

    /// Sends the request and reads the whole answer. If the connection is cut before the answer is
    /// complete, as an idle one may be just when it is used, the request is sent once more, on a
    /// new connection and within the same time.
    ///
    /// # Errors
    /// `Failure` if no complete answer came in time.
    pub(super) fn exchange(
        &self,
        request: Request<'_>,
        timeout: Duration,
    ) -> Result<Reply, Failure> {
        let started = Instant::now();
        let url = format!("{}{}", self.base, request.path);
        let attempt = |repeated| {
            let left = timeout.saturating_sub(started.elapsed());
            let mut response = match request.body {
                None => prepare(self.agent.get(&url), request, left, repeated).call(),
                Some(body) => prepare(self.agent.put(&url), request, left, repeated).send(body),
            }?;
            self.reply(&mut response, request, repeated)
        };
        match attempt(false) {
            Err(error) if is_cut(&error) => attempt(true),
            result => result,
        }
        .map_err(Failure)
    }

    fn reply(
        &self,
        response: &mut Response<Body>,
        request: Request<'_>,
        repeated: bool,
    ) -> Result<Reply, ureq::Error> {
        Ok(Reply {
            status: response.status().as_u16(),
            index: header(response, "X-Consul-Index").and_then(|text| text.parse().ok()),
            filtered: header(response, "X-Consul-Results-Filtered-By-ACLs") == Some("true"),
            body: read_body(response, request.limit)?,
            repeated,
            address: self.address.clone(),
            secret: request.token.map(|token| token.secret.clone()),
        })
    }
}

fn prepare<B>(
    builder: RequestBuilder<B>,
    request: Request<'_>,
    left: Duration,
    new_connection: bool,
) -> RequestBuilder<B> {
    let mut config = builder.config().timeout_global(Some(left));
    if new_connection {
        // Throws the idle connections away; they are likely as stale as the one that was cut.
        config = config.max_idle_age(Duration::ZERO);
    }
    let builder = config.build();
    match request.token {
        Some(token) => builder.header("X-Consul-Token", token.header.clone()),
        None => builder,
    }
}

fn agent(dialer: Dialer) -> Agent {
    let config = Agent::config_builder()
        .proxy(None)
        .http_status_as_error(false)
        .max_redirects(0)
        .max_response_header_size(MAX_HEADER)
        .input_buffer_size(BUFFERS.0)
        .output_buffer_size(BUFFERS.1)
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

impl Reply {
    /// The first line of the body that is not blank, fit for a log line: short, without control
    /// characters, and without the token, which a proxy's error page may repeat.
    pub(super) fn first_line(&self) -> String {
        let line = self.body.lines().map(str::trim).find(|l| !l.is_empty());
        let line = line.unwrap_or("no explanation");
        match &self.secret {
            Some(secret) => one_line(&line.replace(secret.expose(), "*****")),
            None => one_line(line),
        }
    }
}

impl Failure {
    /// Whether the request may have been carried out all the same.
    pub(super) fn may_be_done(&self) -> bool {
        let refused = |e: &io::Error| e.kind() == ErrorKind::ConnectionRefused;
        !matches!(&self.0, ureq::Error::Io(error) if refused(error))
    }

    /// One line that says what failed and, where that is known, what to look at.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the rest is everything else that exists"
    )]
    pub(super) fn describe(&self, address: &ConsulAddress, timeout: Duration) -> String {
        let seconds = timeout.as_secs_f64();
        match &self.0 {
            ureq::Error::Timeout(ureq::Timeout::Connect) => {
                "timed out before the agent took the connection".to_owned()
            }
            ureq::Error::Timeout(_) => format!("timed out after {seconds} s"),
            ureq::Error::BodyExceedsLimit(limit) => {
                format!("the answer is longer than {limit} bytes; is this Consul?")
            }
            ureq::Error::Protocol(error) => {
                one_line(&format!("the answer is not HTTP: {error}; is this Consul?"))
            }
            ureq::Error::Io(error) => describe_io(error, address),
            ureq::Error::Other(error) => one_line(&error.to_string()),
            error => one_line(&error.to_string()),
        }
    }
}

fn describe_io(error: &io::Error, address: &ConsulAddress) -> String {
    if let Some(text) = tls::explain(error, Peer::Consul) {
        return one_line(&text);
    }
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
