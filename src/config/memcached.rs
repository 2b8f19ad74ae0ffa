//! A `type=memcached` section as a tag that can run.

use super::ini::Section;
use super::raw::{Keys, Raw, servers};
use super::report::Report;
use super::settings::Settings;
use super::{Service, Tag};
use crate::backend::Kind;
use crate::endpoint::{Endpoint, Port};

/// The port of a server that is listed without one.
const PORT: Port = Port::new(11211).unwrap();

pub(super) const KEYS: Keys = Keys {
    kind: Kind::Memcached,
    own: &[],
    ignored: &[],
};

/// The servers of a tag that is kept on one memcached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Memcached {
    /// The servers, the preferred one first.
    pub servers: Vec<Endpoint>,
    /// Whether a server is emptied before it is elected.
    pub flush: bool,
}

/// Reads the section. `None` if something is wrong; it is then in `report`.
pub(super) fn tag(section: &Section, defaults: &Settings, report: &mut Report) -> Option<Tag> {
    let before = report.errors();
    let raw = Raw::read(section, KEYS, defaults, report);
    let listed = raw.settings.servers.clone().unwrap_or_default();
    if listed.is_empty() && raw.text("server").is_none() {
        raw.require("server", "10.0.21.5:11211,10.0.21.7:11211", report);
    }
    let servers = servers(listed, PORT);
    let common = raw.common(servers.first().map(|server| server.port), report)?;
    let memcached = Memcached {
        servers,
        flush: raw.settings.flush.unwrap_or_default(),
    };
    (report.errors() == before).then_some(Tag {
        common,
        service: Service::Memcached(memcached),
    })
}
