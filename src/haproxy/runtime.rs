//! Moves the servers of a running HAProxy through its Runtime API, without a reload.
//!
//! Source: haproxy doc/management.txt, "set server", "shutdown sessions server". The words of an
//! answer differ from version to version, so success is never read from them: the state is read
//! back and compared. HAProxy forgets a move when it reloads: the caller writes the file too.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use crate::haproxy::diff::{ServerChange, ServerName};
use crate::haproxy::error::{Fault, RuntimeError};
use crate::haproxy::socket::Address;
use crate::haproxy::state;
pub use crate::haproxy::state::{Server, Servers};

/// How long a line of orders may be, in bytes. HAProxy reads a line into a buffer of
/// `tune.bufsize`, 16 kB unless somebody made it smaller.
const LONGEST_LINE: usize = 4096;

/// What becomes of the sessions that are open on the address that a server leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sessions {
    /// They go on there until they end by themselves.
    Keep,
    /// They end at once.
    Cut,
}

/// A running HAProxy's Runtime API. Each exchange is a connection of its own and takes at most a
/// second, whatever is at the other end.
#[derive(Debug, Clone)]
pub struct Runtime {
    address: Address,
}

impl Runtime {
    /// Reads where the socket is: `/path`, `unix@/path`, `host:port` or `ipv4@host:port`.
    ///
    /// # Errors
    /// One sentence, for anything else.
    pub fn parse(text: &str) -> Result<Runtime, String> {
        Address::parse(text).map(|address| Runtime { address })
    }

    /// Moves servers and reads back that they have moved. New connections go to the new addresses
    /// when this returns. A server that is at its new address already keeps its sessions; one that
    /// an operator has put into maintenance or drained is moved and stays so.
    ///
    /// # Errors
    /// `begun` tells whether anything was changed. HAProxy must know every server and have an
    /// address for it, else nothing is.
    pub fn switch(&self, changes: &[(ServerChange, Sessions)]) -> Result<(), RuntimeError> {
        if changes.is_empty() {
            return Ok(());
        }
        let orders = self
            .survey()
            .and_then(|servers| orders(changes, &servers))
            .map_err(|fault| self.error(fault, false))?;
        self.give(&orders)
            .and_then(|_| verify(changes, &self.survey()?))
            .map_err(|fault| self.error(fault, true))
    }

    /// Where every server is. Servers without an address are left out.
    ///
    /// # Errors
    /// When HAProxy cannot be asked, or is on its way out.
    pub fn addresses(&self) -> Result<BTreeMap<ServerName, (IpAddr, u16)>, RuntimeError> {
        let servers = self.survey().map_err(|fault| self.error(fault, false))?;
        let known = servers
            .into_iter()
            .filter_map(|(name, server)| Some((name, server.address?)));
        Ok(known.collect())
    }

    /// Every server, and how it is.
    ///
    /// # Errors
    /// When HAProxy cannot be asked, or is on its way out.
    pub fn servers(&self) -> Result<Servers, RuntimeError> {
        self.survey().map_err(|fault| self.error(fault, false))
    }

    /// Whether it is asked on this host.
    pub fn is_local(&self) -> bool {
        self.address.is_local()
    }

    /// HAProxy's version, such as `2.6.12`.
    ///
    /// # Errors
    /// When HAProxy cannot be asked.
    pub fn version(&self) -> Result<String, RuntimeError> {
        let answer = self.address.exchange("show info");
        let version = answer.and_then(|answer| {
            let version = state::info(&answer, "Version").map(str::to_owned);
            version.ok_or_else(|| state::stranger(&answer))
        });
        version.map_err(|fault| self.error(fault, false))
    }

    fn survey(&self) -> Result<Servers, Fault> {
        let answer = self.address.exchange("show info; show servers state")?;
        // For some milliseconds of a reload the old process still takes connections.
        if state::info(&answer, "Stopping") == Some("1") {
            return Err(Fault::Stopping);
        }
        state::servers(&answer)
    }

    fn give(&self, orders: &[String]) -> Result<(), Fault> {
        for line in lines(orders) {
            let answer = self.address.exchange(&line)?;
            if answer.contains("Permission denied") {
                return Err(Fault::Denied);
            }
        }
        Ok(())
    }

    fn error(&self, fault: Fault, orders_given: bool) -> RuntimeError {
        RuntimeError {
            socket: self.address.to_string(),
            // One denied order means that all were.
            begun: orders_given && fault != Fault::Denied,
            fault,
        }
    }
}

impl fmt::Display for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.address)
    }
}

/// The orders for each server, joined by "; ".
fn orders(changes: &[(ServerChange, Sessions)], servers: &Servers) -> Result<Vec<String>, Fault> {
    changes
        .iter()
        .map(|(change, sessions)| {
            let name = (change.proxy.clone(), change.server.clone());
            let server = servers
                .get(&name)
                .ok_or_else(|| Fault::NoServer(shown(change)))?;
            let at = server
                .address
                .ok_or_else(|| Fault::NoAddress(shown(change)))?;
            let is_there = at == (change.to_ip, change.to_port.get());
            Ok(order(change, *sessions == Sessions::Cut && !is_there))
        })
        .collect()
}

/// First the address, then the sessions: a client that is cut and comes back at once, as pools
/// do, finds the new server. With `state maint` first it would be turned away.
///
/// `health up` makes a server that was down usable at once, and gives one that was failing all of
/// its `fall` checks again. It does not end an operator's maintenance, and is no error where there
/// are no checks.
fn order(change: &ServerChange, cut: bool) -> String {
    let server = shown(change);
    let (ip, port) = (change.to_ip, change.to_port);
    let cut = match cut {
        true => format!("; shutdown sessions server {server}"),
        false => String::new(),
    };
    format!("set server {server} addr {ip} port {port}{cut}; set server {server} health up")
}

/// As few lines as the limit allows; the orders of one server stay together.
fn lines(orders: &[String]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for order in orders {
        match lines.last_mut() {
            Some(line) if line.len() + "; ".len() + order.len() < LONGEST_LINE => {
                line.push_str("; ");
                line.push_str(order);
            }
            _ => lines.push(order.clone()),
        }
    }
    lines
}

fn verify(changes: &[(ServerChange, Sessions)], servers: &Servers) -> Result<(), Fault> {
    for (change, _) in changes {
        let name = (change.proxy.clone(), change.server.clone());
        let Some(server) = servers.get(&name) else {
            return Err(Fault::NoServer(shown(change)));
        };
        let wanted = Server {
            address: Some((change.to_ip, change.to_port.get())),
            // Held by an operator, it is as up as it was.
            is_up: server.is_up || !server.is_held,
            ..*server
        };
        if *server != wanted {
            return Err(Fault::NotMoved {
                server: shown(change),
                shows: described(server),
                wanted: described(&wanted),
            });
        }
    }
    Ok(())
}

fn shown(change: &ServerChange) -> String {
    format!("{}/{}", change.proxy, change.server)
}

fn described(server: &Server) -> String {
    let state = match server.is_up {
        true => "up",
        false => "down",
    };
    match server.address {
        Some((ip, port)) => format!("{state} at {ip} port {port}"),
        None => format!("{state} without an address"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(number: usize, to: &str) -> ServerChange {
        ServerChange {
            proxy: format!("p{number}"),
            server: "s".to_owned(),
            from: "10.0.0.1:80".to_owned(),
            to_ip: to.parse().unwrap(),
            to_port: 3301.try_into().unwrap(),
        }
    }

    fn known(change: &ServerChange, ip: &str, is_up: bool, is_held: bool) -> Servers {
        let address = Some((ip.parse().unwrap(), 3301));
        let server = Server {
            address,
            is_up,
            is_held,
        };
        let name = (change.proxy.clone(), change.server.clone());
        [(name, server)].into()
    }

    #[test]
    fn the_address_comes_before_the_sessions_and_the_health_last() {
        assert_eq!(
            order(&change(1, "10.0.0.2"), true),
            "set server p1/s addr 10.0.0.2 port 3301; shutdown sessions server p1/s; set server \
             p1/s health up"
        );
        assert_eq!(
            order(&change(1, "2001:db8::5"), false),
            "set server p1/s addr 2001:db8::5 port 3301; set server p1/s health up"
        );
    }

    #[test]
    fn a_server_that_is_there_already_keeps_its_sessions() {
        let change = change(1, "10.0.0.2");
        let there = known(&change, "10.0.0.2", true, false);
        let elsewhere = known(&change, "10.0.0.3", true, false);
        let changes = [(change, Sessions::Cut)];
        assert!(!orders(&changes, &there).unwrap()[0].contains("shutdown"));
        assert!(orders(&changes, &elsewhere).unwrap()[0].contains("shutdown"));
    }

    #[test]
    fn an_unknown_server_stops_everything_before_it_begins() {
        let changes = [(change(1, "10.0.0.2"), Sessions::Cut)];
        let fault = orders(&changes, &Servers::new()).unwrap_err();
        assert_eq!(fault, Fault::NoServer("p1/s".to_owned()));
    }

    #[test]
    fn many_orders_make_lines_below_the_limit_and_none_is_lost() {
        let orders: Vec<String> = (0..300)
            .map(|n| order(&change(n, "10.0.0.2"), true))
            .collect();
        let lines = lines(&orders);
        assert!(lines.len() > 1 && lines.iter().all(|line| line.len() < LONGEST_LINE));
        assert_eq!(lines.join("; "), orders.join("; "));
    }

    #[test]
    fn a_server_that_did_not_move_or_is_not_up_is_named_with_what_it_shows() {
        let change = change(1, "10.0.0.2");
        let table = [
            ("10.0.0.2", true, false, None),
            ("10.0.0.2", false, true, None),
            ("10.0.0.3", true, false, Some("up at 10.0.0.3 port 3301")),
            ("10.0.0.2", false, false, Some("down at 10.0.0.2 port 3301")),
        ];
        for (ip, is_up, is_held, wrong) in table {
            let servers = known(&change, ip, is_up, is_held);
            let result = verify(&[(change.clone(), Sessions::Keep)], &servers);
            match (result, wrong) {
                (Ok(()), None) => {}
                (Err(Fault::NotMoved { shows, .. }), Some(wrong)) => assert_eq!(shows, wrong),
                other => panic!("{other:?}"),
            }
        }
    }
}
