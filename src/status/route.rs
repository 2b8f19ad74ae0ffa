//! Where HAProxy sends the connections of a tag's port, as its Runtime API shows it. Pure.

use std::net::IpAddr;

use super::Row;
use crate::endpoint::{Endpoint, Host};

/// Where the connections of a tag's port go.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Route {
    /// HAProxy was not asked.
    #[default]
    NotAsked,
    /// HAProxy has no section of the tag's name.
    NoSection,
    /// To these servers.
    To(Vec<Reached>),
}

/// A server in HAProxy's section of a tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached {
    /// What HAProxy calls it: `section/server`.
    pub name: String,
    /// The socket at which that was asked.
    pub socket: String,
    /// Its address and port; `None` while its name has no address.
    pub at: Option<(IpAddr, u16)>,
    /// What HAProxy makes of it.
    pub standing: Standing,
}

/// What HAProxy makes of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Connections go to it.
    Up,
    /// Its checks fail: nobody gets through.
    Down,
    /// In maintenance or drained, which somebody did by hand.
    Held,
}

impl Row {
    /// What HAProxy makes of this server, if it sends connections there at all.
    pub(super) fn reached(&self, server: &Endpoint) -> Option<&Reached> {
        let Route::To(reached) = &self.route else {
            return None;
        };
        let here = |reached: &&Reached| reached.at.is_some_and(|at| self.is_at(server, at));
        reached.iter().find(here)
    }

    pub(super) fn standing(&self, server: &Endpoint) -> Option<Standing> {
        self.reached(server).map(|reached| reached.standing)
    }

    /// The addresses that HAProxy sends connections to.
    pub(super) fn reached_addresses(&self) -> Vec<String> {
        let Route::To(reached) = &self.route else {
            return Vec::new();
        };
        let shown = |reached: &Reached| match reached.at {
            Some((ip, port)) => std::net::SocketAddr::new(ip, port).to_string(),
            None => "a name without an address".to_owned(),
        };
        reached.iter().map(shown).collect()
    }

    pub(super) fn is_at(&self, server: &Endpoint, (ip, port): (IpAddr, u16)) -> bool {
        let ip = ip.to_canonical();
        let is_host = match &server.host {
            Host::Ip(own) => *own == ip,
            Host::Name(_) => {
                let known = self.addresses.get(&server.host);
                known.is_some_and(|ips| ips.iter().any(|own| own.to_canonical() == ip))
            }
        };
        is_host && server.port.get() == port
    }
}
