//! Whether two configurations differ in server addresses only. Pure: texts in, an answer out.
//!
//! In doubt the answer is a reload: it is always right, a switch only where it does the same.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr};

use crate::endpoint::{Endpoint, Host, Port, parse_port};
use crate::haproxy::line::{Line, is_plain, significant};

/// What it takes to make a running HAProxy do as the wanted file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// Nothing.
    None,
    /// These servers move; everything else stays.
    Addresses(Vec<ServerChange>),
    /// A reload, for this reason, in one line.
    Structure(String),
}

/// The name of a server's `listen` or `backend` section, and its own name there.
pub type ServerName = (String, String);

/// One server that moves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerChange {
    /// The name of its `listen` or `backend` section.
    pub proxy: String,
    /// Its name there.
    pub server: String,
    /// The address that the running file has, as it is written there.
    pub from: String,
    /// Where it goes.
    pub to_ip: IpAddr,
    /// The port there.
    pub to_port: Port,
}

/// Compares two configurations. Comments, empty lines and the amount of white space do not count.
pub fn compare(running: &str, wanted: &str) -> Difference {
    match changes(&read(running), &read(wanted)) {
        Ok(changes) if changes.is_empty() => Difference::None,
        Ok(changes) => Difference::Addresses(changes),
        Err(reason) => Difference::Structure(reason),
    }
}

/// The address of every server of a configuration, as it is written there.
pub fn servers(config: &str) -> BTreeMap<ServerName, String> {
    let items = read(config);
    let found = items.iter().filter_map(|item| {
        let (name, address, _) = item.server()?;
        Some((
            (item.proxy?.to_owned(), name.to_owned()),
            address.to_owned(),
        ))
    });
    found.collect()
}

/// Reads an address that is an IP address and a port: `10.0.0.1:80`, `[::1]:80` or, as HAProxy
/// takes the last colon for the port's, `::1:80`. `None` for everything else, and for the
/// unspecified address, by which HAProxy means "wherever the client wanted to go".
pub fn literal(address: &str) -> Option<(IpAddr, Port)> {
    let (host, port) = address.rsplit_once(':')?;
    let ip = match host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
        Some(inside) => IpAddr::V6(inside.parse::<Ipv6Addr>().ok()?),
        None => host.parse().ok()?,
    };
    (!ip.is_unspecified()).then_some((ip, parse_port(port).ok()?))
}

/// A line and where it stands.
struct Item<'a> {
    line: Line<'a>,
    /// The `listen` or `backend` section that it is in, if that has a plain name.
    proxy: Option<&'a str>,
}

/// The words that begin a section (configuration.txt of 3.x, and `namespace_list` of old ones).
const SECTIONS: &[&str] = &[
    "acme",
    "backend",
    "cache",
    "crt-store",
    "defaults",
    "dynamic-update",
    "fcgi-app",
    "frontend",
    "global",
    "healthcheck",
    "http-errors",
    "listen",
    "log-forward",
    "log-profile",
    "mailers",
    "namespace_list",
    "peers",
    "program",
    "resolvers",
    "ring",
    "traces",
    "userlist",
];

fn read(config: &str) -> Vec<Item<'_>> {
    let mut proxy = None;
    let mut items = Vec::new();
    for line in significant(config) {
        let word = |at: usize| line.words.get(at).copied();
        match word(0) {
            Some("listen" | "backend") => proxy = word(1).filter(|name| is_plain(name)),
            Some(other) if SECTIONS.contains(&other) => proxy = None,
            _ => {}
        }
        items.push(Item { line, proxy });
    }
    items
}

impl<'a> Item<'a> {
    /// Name, address and the rest, if this is a `server` line of a proxy.
    fn server(&self) -> Option<(&'a str, &'a str, &[&'a str])> {
        match (self.proxy, self.line.words.as_slice()) {
            (Some(_), ["server", name, address, rest @ ..]) if is_plain(name) => {
                Some((name, address, rest))
            }
            _ => None,
        }
    }

    /// The line for a message: its first two words, as more may hold a password.
    fn shown(&self) -> String {
        let start: Vec<&str> = self.line.words.iter().take(2).copied().collect();
        let text: String = start.join(" ").chars().take(60).collect();
        format!("line {} ('{}')", self.line.number, text.escape_debug())
    }
}

/// The servers that move, or why it takes more than that.
fn changes(running: &[Item<'_>], wanted: &[Item<'_>]) -> Result<Vec<ServerChange>, String> {
    let differing: Vec<_> = running
        .iter()
        .zip(wanted)
        .filter(|(old, new)| old.line.words != new.line.words)
        .collect();
    let moves: Result<Vec<_>, String> = differing.iter().map(|(o, n)| change(o, n)).collect();
    let moves = moves?;
    if let Some(new) = wanted.get(running.len()) {
        return Err(format!("{} is new", new.shown()));
    }
    if let Some(old) = running.get(wanted.len()) {
        return Err(format!("{} of the running file is gone", old.shown()));
    }
    if !moves.is_empty() {
        names_are_clear(running)?;
    }
    let moves: Vec<ServerChange> = moves.into_iter().flatten().collect();
    let named = |m: &ServerChange| literal(&m.from).is_none();
    if moves.iter().any(named) && has_word(running, "resolvers") {
        return Err("haproxy itself resolves server names in the running file".to_owned());
    }
    Ok(moves)
}

/// The move that turns one line into the other; `None` if both are the same address.
fn change(old: &Item<'_>, new: &Item<'_>) -> Result<Option<ServerChange>, String> {
    let (Some(a), Some(b)) = (old.server(), new.server()) else {
        return Err(format!("{} is not as in the running file", new.shown()));
    };
    let proxy = new.proxy.unwrap_or_default();
    if old.proxy != new.proxy || a.0 != b.0 || a.2 != b.2 {
        let shown = new.shown();
        return Err(format!("{shown} differs in more than the server's address"));
    }
    let server = format!("{}: server {proxy}/{}", new.shown(), b.0);
    let address = b.1.escape_debug();
    let to = literal(b.1)
        .ok_or_else(|| format!("{server} moves to '{address}', which is no ip address:port"))?;
    let from = literal(a.1);
    if from.is_none() && !is_name(a.1) {
        let address = a.1.escape_debug();
        return Err(format!(
            "{server} was at '{address}', which is no host:port"
        ));
    }
    Ok((from != Some(to)).then(|| ServerChange {
        proxy: proxy.to_owned(),
        server: b.0.to_owned(),
        from: a.1.to_owned(),
        to_ip: to.0,
        to_port: to.1,
    }))
}

fn is_name(address: &str) -> bool {
    let endpoint = address.parse::<Endpoint>();
    endpoint.is_ok_and(|endpoint| matches!(endpoint.host, Host::Name(_)))
}

/// Whether `proxy/server` means one server only, in every part of the file.
fn names_are_clear(items: &[Item<'_>]) -> Result<(), String> {
    let (mut proxies, mut servers) = (BTreeSet::new(), BTreeSet::new());
    for item in items {
        let shown = || item.shown();
        match item.line.words.as_slice() {
            ["listen" | "backend" | "frontend", name, ..] if !proxies.insert(*name) => {
                return Err(format!("{} has the name of another proxy", shown()));
            }
            ["server", name, ..]
                if item.proxy.is_some() && !servers.insert((item.proxy, *name)) =>
            {
                return Err(format!("{} has the name of another server", shown()));
            }
            // .if, .else: which lines are in force only HAProxy knows.
            [first, ..] if first.starts_with('.') => {
                return Err(format!("{} makes other lines conditional", shown()));
            }
            // A section's name in quotes would be taken for a line of the section before.
            [first, ..] if !is_plain(first) => {
                return Err(format!("{} does not begin with a plain word", shown()));
            }
            _ => {}
        }
    }
    Ok(())
}

fn has_word(items: &[Item<'_>], word: &str) -> bool {
    items.iter().any(|item| item.line.words.contains(&word))
}

#[cfg(test)]
mod tests;
