//! A `type=mysqlslave` section as a tag that can run.

use super::ini::Section;
use super::raw::{Keys, Raw, anything, servers};
use super::report::Report;
use super::settings::Settings;
use super::value::Fallback;
use super::{Service, Tag, tls};
use crate::backend::Kind;
use crate::endpoint::{Endpoint, Host, parse_port};
use crate::secret::Secret;
use crate::tls::Settings as Tls;

/// How many seconds a replica may be behind, where nothing is said.
const DEFAULT_MAX_LAG: u64 = 30;

pub(super) const KEYS: Keys = Keys {
    kind: Kind::MysqlSlave,
    own: &[
        ("host", |text| text.parse::<Host>().map(drop)),
        ("port", |text| parse_port(text).map(drop)),
        ("user", anything),
        ("password", anything),
    ],
    // Of the original's file.
    ignored: &["database", "default-character-set"],
};

/// The servers of a tag that is kept on a MySQL or MariaDB replica.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mysql {
    /// The server where replicas are discovered.
    pub primary: Endpoint,
    /// The account for the primary and the replicas.
    pub user: String,
    /// Its password, possibly empty.
    pub password: Secret,
    /// How many seconds a replica may be behind.
    pub max_lag: u64,
    /// Where the tag goes when no replica can be used.
    pub fallback: Fallback,
    /// What connections to the primary and the replicas take, if they are encrypted.
    pub tls: Option<Tls>,
    /// Whether the password may be sent under a key that the server shows, where the connection
    /// is not encrypted.
    pub get_public_key: bool,
    /// Candidates besides the discovered ones.
    pub replicas: Vec<Endpoint>,
}

/// Reads the section. `None` if something is wrong; it is then in `report`.
pub(super) fn tag(section: &Section, defaults: &Settings, report: &mut Report) -> Option<Tag> {
    let before = report.errors();
    let raw = Raw::read(section, KEYS, defaults, report);
    let (host, port) = (raw.parse("host", str::parse), raw.parse("port", parse_port));
    for (key, example) in [("host", "10.0.21.5"), ("port", "3301"), ("user", "monitor")] {
        raw.require(key, example, report);
    }
    let settings = &raw.settings;
    let tls = tls::settings(&raw, report);
    let common = raw.common(port, report)?;
    let port = port?;
    let mysql = Mysql {
        primary: Endpoint::new(host?, port),
        user: raw.text("user")?.to_owned(),
        password: Secret::new(raw.text("password").unwrap_or_default()),
        max_lag: settings.max_lag.unwrap_or(DEFAULT_MAX_LAG),
        fallback: settings.fallback.unwrap_or_default(),
        tls,
        get_public_key: settings.get_server_public_key.unwrap_or(false),
        replicas: servers(settings.replicas.clone().unwrap_or_default(), port),
    };
    (report.errors() == before).then_some(Tag {
        common,
        service: Service::Mysql(mysql),
    })
}
