//! A `type=redismaster` section as a tag that can run.

use super::ini::Section;
use super::raw::{Keys, Raw, anything, servers};
use super::report::Report;
use super::settings::Settings;
use super::{Service, Tag, tls};
use crate::backend::Kind;
use crate::endpoint::{Endpoint, Port};
use crate::secret::Secret;
use crate::tls::Settings as Tls;

/// The port of a server that is listed without one, and of one that only Sentinels know.
const PORT: Port = Port::new(6379).unwrap();
/// The port of a Sentinel that is listed without one.
const SENTINEL_PORT: Port = Port::new(26379).unwrap();

pub(super) const KEYS: Keys = Keys {
    kind: Kind::RedisMaster,
    own: &[
        ("user", anything),
        ("password", anything),
        ("sentinel_user", anything),
        ("sentinel_password", anything),
    ],
    ignored: &[],
};

/// The servers of a tag that is kept on a Redis master.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redis {
    /// The servers; may be empty where there are Sentinels.
    pub servers: Vec<Endpoint>,
    /// The Sentinels; may be empty.
    pub sentinels: Vec<Endpoint>,
    /// The name that the Sentinels know the master by; empty without Sentinels.
    pub master_name: String,
    /// What connections to the servers and the Sentinels take, if they are encrypted.
    pub tls: Option<Tls>,
    /// The account for the servers.
    pub account: Account,
    /// The account for the Sentinels.
    pub sentinel_account: Account,
}

/// A user and a password, each possibly not there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Account {
    /// The user; `None` is the default user.
    pub user: Option<String>,
    /// The password; empty means that none is sent.
    pub password: Secret,
}

/// Reads the section. `None` if something is wrong; it is then in `report`.
pub(super) fn tag(section: &Section, defaults: &Settings, report: &mut Report) -> Option<Tag> {
    let before = report.errors();
    let raw = Raw::read(section, KEYS, defaults, report);
    let list = |list: &Option<Vec<_>>, port| servers(list.clone().unwrap_or_default(), port);
    let redis = Redis {
        servers: list(&raw.settings.servers, PORT),
        sentinels: list(&raw.settings.sentinels, SENTINEL_PORT),
        master_name: raw.settings.master_name.clone().unwrap_or_default(),
        tls: tls::settings(&raw, report),
        account: account(&raw, "user", "password", report),
        sentinel_account: account(&raw, "sentinel_user", "sentinel_password", report),
    };
    redis.check(&raw, report);
    let port = redis.servers.first().map_or(PORT, |server| server.port);
    let common = raw.common(Some(port), report)?;
    (report.errors() == before).then_some(Tag {
        common,
        service: Service::Redis(redis),
    })
}

impl Redis {
    fn check(&self, raw: &Raw<'_>, report: &mut Report) {
        let is_there = |key| raw.text(key).is_some();
        if self.servers.is_empty()
            && self.sentinels.is_empty()
            && !is_there("server")
            && !is_there("sentinel")
        {
            raw.error(
                "has neither server= nor sentinel=: add a line such as \
                 server=10.0.21.5:6379,10.0.21.7:6379, or sentinel= and master_name=",
                report,
            );
        }
        match (self.sentinels.is_empty(), self.master_name.is_empty()) {
            (false, true) => raw.require("master_name", "mymaster", report),
            (true, false) => {
                raw.warning("master_name= has no effect without sentinel=", report);
            }
            (true, true) | (false, false) => {}
        }
    }
}

fn account(raw: &Raw<'_>, user: &str, password: &str, report: &mut Report) -> Account {
    let account = Account {
        user: raw.text(user).map(str::to_owned),
        password: Secret::new(raw.text(password).unwrap_or_default()),
    };
    if account.user.is_some() && account.password.expose().is_empty() {
        raw.require(password, "xxxxxx", report);
    }
    account
}
