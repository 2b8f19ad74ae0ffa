//! The agents that may be asked, in their order: the one that answered last, else the next. One
//! exchange with one of them is `node`'s.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::Settings;
use super::address::ConsulAddress;
use super::apart::apart;
use super::connect::Dialer;
use super::node::{Node, Reply, Request};
use super::token::Tokens;
use crate::store::gate::Gate;

/// Requests at a time, and idle connections that are kept.
pub(super) const MAX_AT_ONCE: usize = 32;
/// A value is at most 512 KiB (consul: limits.kv_max_value_size), which base64 makes 683 KiB.
const MAX_VALUE: u64 = 1024 * 1024;
/// A whole prefix: some ten thousand tags, or 23 values of the largest size.
const MAX_LISTING: u64 = 16 * 1024 * 1024;
/// The name of lines in the log.
const TARGET: &str = "consul";

/// A client of one cluster, shared by all threads.
pub(super) struct Client {
    nodes: Vec<Node>,
    /// The place of the one in use.
    used: AtomicUsize,
    gate: Gate,
    tokens: Tokens,
    timeout: Duration,
    is_apart: AtomicBool,
}

impl Client {
    /// Prepares a client; connects to nothing.
    ///
    /// # Errors
    /// A sentence, without the token, if the token cannot be sent, or nobody was named.
    pub(super) fn new(settings: Settings) -> Result<Client, String> {
        if settings.addresses.is_empty() {
            return Err("no address of Consul was given".to_owned());
        }
        let node = |address: ConsulAddress| {
            Node::new(Dialer {
                address,
                resolver: settings.resolver.clone(),
                tls: settings.tls.clone(),
            })
        };
        Ok(Client {
            gate: Gate::new(MAX_AT_ONCE),
            tokens: Tokens::new(settings.token)?,
            timeout: settings.timeout,
            is_apart: AtomicBool::new(false),
            nodes: settings.addresses.into_iter().map(node).collect(),
            used: AtomicUsize::new(0),
        })
    }

    /// Whether requests carry a token.
    pub(super) fn has_token(&self) -> bool {
        self.tokens.current().is_some()
    }

    /// Sends a PUT with `body`, or a GET without one, to the agent in use, and to the next ones if
    /// it does not answer, all within one deadline.
    ///
    /// # Errors
    /// Who did not answer, and why, in one line.
    pub(super) fn send(&self, path: &str, body: Option<&str>) -> Result<Reply, String> {
        let started = Instant::now();
        let Some(_pass) = self.gate.enter(self.timeout) else {
            let seconds = self.timeout.as_secs_f64();
            return Err(format!(
                "{self:?}: timed out after {seconds} s behind {MAX_AT_ONCE} other requests that \
                 wait for the agent"
            ));
        };
        self.in_its_place(|| self.try_all(path, body, started, self.timeout, MAX_VALUE))
    }

    /// Who is asked first.
    pub(super) fn in_use(&self) -> String {
        let node = self.nodes.get(self.used.load(Ordering::Relaxed));
        node.map_or_else(|| format!("{self:?}"), |node| node.address.to_string())
    }

    /// How long a request may take unless its caller says otherwise.
    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Sends a GET whose answer may be long. It takes no place at the gate: this is for the few
    /// that watch, and ask one question at a time.
    ///
    /// # Errors
    /// As `send`.
    pub(super) fn list(&self, path: &str, timeout: Duration) -> Result<Reply, String> {
        self.in_its_place(|| self.try_all(path, None, Instant::now(), timeout, MAX_LISTING))
    }

    /// Sends a blocking query, to the agent in use only: the index in it is from there. If that
    /// does not answer, the next request goes to the next one.
    ///
    /// # Errors
    /// As `send`.
    pub(super) fn block(&self, path: &str, timeout: Duration) -> Result<Reply, String> {
        let used = self.used.load(Ordering::Relaxed);
        let Some(node) = self.nodes.get(used) else {
            return Err(format!("{self:?}: no such agent"));
        };
        let token = self.tokens.current();
        let request = Request {
            path,
            body: None,
            limit: MAX_LISTING,
            token: token.as_ref(),
        };
        let reply = node.exchange(request, timeout);
        if !reply.as_ref().is_ok_and(serves) {
            self.used
                .store((used + 1) % self.nodes.len(), Ordering::Relaxed);
        }
        reply.map_err(|failure| placed(node, &failure.describe(&node.address, timeout)))
    }

    /// Closes all connections: requests under way end at once with an error, as do later ones.
    pub(super) fn stop(&self) {
        self.nodes.iter().for_each(Node::stop);
    }

    /// From now on requests are made in threads of their own: many threads share the client.
    pub(super) fn go_apart(&self) {
        self.is_apart.store(true, Ordering::Relaxed);
    }

    fn in_its_place<T: Send>(&self, work: impl Fn() -> T + Sync) -> T {
        match self.is_apart.load(Ordering::Relaxed) {
            true => apart(work),
            false => work(),
        }
    }

    /// Each agent once, from the one in use on; each gets its share of the time.
    fn try_all(
        &self,
        path: &str,
        body: Option<&str>,
        started: Instant,
        timeout: Duration,
        limit: u64,
    ) -> Result<Reply, String> {
        let token = self.tokens.current();
        let request = Request {
            path,
            body,
            limit,
            token: token.as_ref(),
        };
        let used = self.used.load(Ordering::Relaxed);
        let (before, after) = self.nodes.split_at_checked(used).unwrap_or_default();
        let (mut failures, mut refusal, mut repeated) = (Vec::new(), None, false);
        for (tried, node) in after.iter().chain(before).enumerate() {
            let left = timeout.saturating_sub(started.elapsed());
            let share = left / count(self.nodes.len() - tried);
            match node.exchange(request, share) {
                Ok(mut reply) if serves(&reply) => {
                    self.settle_on(used, tried, &failures);
                    reply.repeated |= repeated;
                    return Ok(reply);
                }
                Ok(reply) => {
                    failures.push(placed(
                        node,
                        &format!("{} {}", reply.status, reply.first_line()),
                    ));
                    refusal = Some(reply);
                }
                Err(failure) => {
                    repeated |= failure.may_be_done();
                    failures.push(placed(
                        node,
                        &failure.describe(&node.address, timeout / count(self.nodes.len())),
                    ));
                }
            }
        }
        match refusal {
            Some(reply) if self.nodes.len() == 1 => Ok(reply),
            Some(_) | None => Err(failures.join("; ")),
        }
    }

    /// Stays with the one that answered.
    fn settle_on(&self, used: usize, tried: usize, failures: &[String]) {
        if tried == 0 {
            return;
        }
        let now = (used + tried) % self.nodes.len();
        if self.used.swap(now, Ordering::Relaxed) != now
            && let Some(node) = self.nodes.get(now)
        {
            log::warn!(target: TARGET, "consul {}; {} is used now", failures.join("; "), node.address);
        }
    }
}

/// Whether an agent can be used: one that has no servers, or too much to do, says so in such a
/// status. What is wrong with the request or its token is the same everywhere.
fn serves(reply: &Reply) -> bool {
    reply.status < 500 && reply.status != 429
}

fn count(nodes: usize) -> u32 {
    u32::try_from(nodes).unwrap_or(u32::MAX)
}

fn placed(node: &Node, what: &str) -> String {
    format!("{}: {what}", node.address)
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<String> = self.nodes.iter().map(|n| n.address.to_string()).collect();
        f.write_str(&all.join(","))
    }
}
