//! How ureq gets to the agent: over TCP or a unix socket, within bounds, and without the thread
//! that ureq's own resolver starts for every request.

use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver as UreqResolver};
use ureq::unversioned::transport::{
    ConnectionDetails, Connector, NextTimeout, TcpConnector, Transport, time,
};

use super::address::ConsulAddress;
use super::secure::Secure;
use super::unix::UnixTransport;
use crate::endpoint::Endpoint;
use crate::resolve::{ResolveError, Resolver};
use crate::tls;

/// How long a new connection waits for the name service.
const RESOLVE_WAIT: Duration = Duration::from_secs(1);
/// How long a new connection waits for the agent to take it.
const CONNECT_WAIT: Duration = Duration::from_secs(1);

/// Opens connections to one agent, whatever the URL says.
#[derive(Debug)]
pub(super) struct Dialer {
    /// Where the agent is.
    pub(super) address: ConsulAddress,
    /// Finds the addresses of its name.
    pub(super) resolver: Resolver,
    /// What it takes if the address is one with https.
    pub(super) tls: Option<tls::Client>,
}

/// Stands where ureq wants a resolver. ureq resolves before it looks for an idle connection, so a
/// slow name service would delay every request; `Dialer` resolves when it really connects.
#[derive(Debug)]
pub(super) struct NotYet;

/// The agent's name has no address.
#[derive(Debug)]
pub(super) struct NoAddress(ResolveError);

impl UreqResolver for NotYet {
    fn resolve(
        &self,
        _: &Uri,
        _: &Config,
        _: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        Ok(self.empty())
    }
}

impl Connector for Dialer {
    type Out = Box<dyn Transport>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        _: Option<()>,
    ) -> Result<Option<Box<dyn Transport>>, ureq::Error> {
        match &self.address {
            ConsulAddress::Http(endpoint) => self.connect_tcp(endpoint, details),
            ConsulAddress::Https(endpoint) => self.connect_tls(endpoint, details),
            ConsulAddress::Unix(path) => {
                let wait = left(details, Duration::ZERO).min(CONNECT_WAIT);
                let transport = UnixTransport::connect(path, wait, details.config)?;
                (details.register_shutdown)(transport.shutdown_handle())?;
                Ok(Some(Box::new(transport)))
            }
        }
    }
}

impl Dialer {
    fn connect_tls(
        &self,
        endpoint: &Endpoint,
        details: &ConnectionDetails<'_>,
    ) -> Result<Option<Box<dyn Transport>>, ureq::Error> {
        let started = Instant::now();
        let client = self.tls.as_ref();
        let client = client.ok_or_else(|| ureq::Error::Other(tls::NOT_THERE.into()))?;
        let Some(plain) = self.connect_tcp(endpoint, details)? else {
            return Ok(None);
        };
        let timeout = NextTimeout {
            after: left(details, started.elapsed()).into(),
            ..details.timeout
        };
        let secure = Secure::open(client, endpoint, plain, details, timeout)?;
        Ok(Some(Box::new(secure)))
    }

    fn connect_tcp(
        &self,
        endpoint: &Endpoint,
        details: &ConnectionDetails<'_>,
    ) -> Result<Option<Box<dyn Transport>>, ureq::Error> {
        let started = Instant::now();
        let wait = left(details, Duration::ZERO).min(RESOLVE_WAIT);
        let addresses = self
            .resolver
            .resolve(&endpoint.host, wait)
            .map_err(|e| ureq::Error::Other(Box::new(NoAddress(e))))?;
        let mut addrs = details.resolver.empty();
        for ip in addresses {
            // ureq's list has 16 places; more addresses than that are not tried.
            let _ = addrs.try_push(SocketAddr::new(ip, endpoint.port.get()));
        }
        let details = ConnectionDetails {
            uri: details.uri,
            addrs,
            config: details.config,
            request_level: details.request_level,
            resolver: details.resolver,
            now: time::Instant::now(),
            timeout: connect_timeout(left(details, started.elapsed())),
            current_time: details.current_time.clone(),
            run_connector: details.run_connector.clone(),
            register_shutdown: details.register_shutdown.clone(),
        };
        let transport = Connector::<()>::connect(&TcpConnector::default(), &details, None)?;
        Ok(transport.map(|t| Box::new(t) as Box<dyn Transport>))
    }
}

/// What is left of the request's time, `spent` after ureq stated it.
fn left(details: &ConnectionDetails<'_>, spent: Duration) -> Duration {
    details.timeout.after.saturating_sub(spent)
}

fn connect_timeout(left: Duration) -> NextTimeout {
    NextTimeout {
        after: left.min(CONNECT_WAIT).into(),
        reason: ureq::Timeout::Connect,
        ..NextTimeout::default()
    }
}

impl std::error::Error for NoAddress {}

impl fmt::Display for NoAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
