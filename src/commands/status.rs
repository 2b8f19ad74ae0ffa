//! status: looks at every tag once, or again and again, and changes nothing.

mod routes;
mod screen;

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use self::routes::Routes;
use super::check;
use crate::backend::{Backend, Key, Kind};
use crate::checker::Checker;
use crate::cli::{Args, Start};
use crate::config::{self, Service};
use crate::elect::{self, Exclusion};
use crate::endpoint::{Endpoint, Host as HostName};
use crate::error::Error;
use crate::host::{Host, Listening};
use crate::moment::Moment;
use crate::resolve::Resolver;
use crate::status::{Current, Listener, Orders, Picture, Row, Surroundings};
use crate::store::file::FileStore;
use crate::store::{Entry, Store};
use crate::supervisor::STACK;
use crate::tls;

/// Looks, prints, and gives the exit code, which is Nagios'.
///
/// # Errors
/// What keeps it from looking.
pub fn run(args: Args) -> Result<u8, Error> {
    let (wants_json, every) = (args.json, args.watch);
    let sockets = args.haproxy_sockets.clone();
    let start = args.resolve(&Kind::ALL, &|name| env::var(name).ok())?;
    let resolver = Resolver::system();
    let store = store(&start, &resolver)?;
    let watcher = Watcher {
        routes: Routes::find(&start.confdir, &sockets).map_err(check::usage)?,
        host: Host::at("/"),
        start,
        store,
        resolver,
    };
    screen::show(wants_json, every, || watcher.look())
}

/// Where the keys are.
///
/// # Errors
/// `Error::Usage`, if it cannot be reached as the options say.
pub(super) fn store(start: &Start, resolver: &Resolver) -> Result<Arc<dyn Store>, Error> {
    Ok(match &start.store {
        Some(path) => Arc::new(FileStore::new(path).map_err(check::usage)?),
        None => Arc::new(check::consul(start, resolver)?),
    })
}

/// Everything that is looked at.
struct Watcher {
    start: Start,
    store: Arc<dyn Store>,
    resolver: Resolver,
    routes: Routes,
    host: Host,
}

impl Watcher {
    /// All tags and HAProxy at the same time.
    fn look(&self) -> Result<Picture, Error> {
        let tags = check::with_tls(&self.start)?;
        let (rows, asked) = thread::scope(|scope| {
            let rows: Result<Vec<_>, _> = tags
                .iter()
                .map(|(tag, tls)| {
                    let builder = thread::Builder::new().stack_size(STACK);
                    builder.spawn_scoped(scope, move || self.row(tag, tls.as_ref()))
                })
                .collect();
            let asked = self.routes.ask();
            let rows = rows.map_err(|e| check::no_threads(&e))?.into_iter();
            let failed =
                |_| Error::System("a look at a tag failed: see the message above".to_owned());
            let rows: Result<Vec<Row>, Error> =
                rows.map(|thread| thread.join().map_err(failed)).collect();
            Ok((rows?, asked))
        })?;
        let mut rows = rows;
        for row in &mut rows {
            row.route = asked.route(row.key.tag());
        }
        self.see_listeners(&mut rows);
        Ok(Picture::new(
            rows,
            Surroundings {
                haproxy_answers: asked.answers_here(),
                haproxy_is_here: asked.answers_here() || self.host.has_haproxy(),
                selinux_blocks: self.host.selinux_blocks_haproxy(),
                not_asked: asked.not_asked,
            },
        ))
    }

    fn row(&self, tag: &config::Tag, tls: Option<&tls::Client>) -> Row {
        let common = &tag.common;
        let key = Key::new(common.kind, common.name.clone());
        let mut checker = check::checker(tag, tls.cloned(), &self.resolver, true);
        let orders = self.orders(&key);
        let exclude = excluded(tag, &orders);
        let (current, port) = self.current(&key, &exclude, &mut *checker);
        let server = match &current {
            Current::Server(server, _) => Some(server.clone()),
            Current::Nobody(_) | Current::Malformed(_) | Current::Unknown(_) => None,
        };
        let mut survey = checker.survey(server.as_ref());
        survey
            .candidates
            .retain(|c| Some(&c.server) != server.as_ref());
        survey
            .candidates
            .sort_by_key(|c| (c.place, c.server.clone()));
        for candidate in &mut survey.candidates {
            candidate.health = elect::as_excluded(&exclude, &candidate.server, &candidate.health);
        }
        let servers = survey.candidates.iter().map(|c| &c.server).chain(&server);
        Row {
            addresses: self.addresses(servers, tag),
            key,
            port: port.unwrap_or(common.listen_port()),
            primary: primary(tag),
            others: survey.candidates,
            incomplete: survey.incomplete,
            exclude,
            orders,
            current,
            route: Default::default(),
            listener: Listener::Unseen,
        }
    }

    /// What an operator has ordered, as it holds now.
    fn orders(&self, key: &Key) -> Orders {
        match self.store.read_override(key, Duration::ZERO) {
            Ok(ordered) => match ordered.orders {
                Ok(mut orders) => {
                    orders.pin = orders.pinned(Moment::now()).cloned();
                    Orders::Known(orders)
                }
                Err(problem) => Orders::Malformed(problem),
            },
            Err(error) => Orders::Unread(error.to_string()),
        }
    }

    /// What the key says, and the port in it.
    fn current(
        &self,
        key: &Key,
        exclude: &[Exclusion],
        checker: &mut dyn Checker,
    ) -> (Current, Option<crate::endpoint::Port>) {
        match self.store.read(key) {
            Ok(Entry::Present { backend, .. }) if backend.name == *key.tag() => {
                let port = backend.proxy_port;
                (health(checker, exclude, backend), Some(port))
            }
            Ok(Entry::Present { backend, .. }) => {
                let why = format!("{key} holds the name {}", backend.name);
                (Current::Malformed(why), None)
            }
            Ok(Entry::Absent) => {
                let why = format!("there is no {} in {}", key.tag(), self.store.name());
                (Current::Nobody(why), None)
            }
            Ok(Entry::Malformed { problem, .. }) => {
                let why = format!("the value of {key} is malformed: {problem}");
                (Current::Malformed(why), None)
            }
            Err(error) => (Current::Unknown(error.to_string()), None),
        }
    }

    /// The addresses of those servers that go by a name.
    fn addresses<'a>(
        &self,
        servers: impl Iterator<Item = &'a Endpoint>,
        tag: &config::Tag,
    ) -> BTreeMap<HostName, Vec<std::net::IpAddr>> {
        let names: BTreeSet<&HostName> = servers
            .map(|server| &server.host)
            .filter(|host| matches!(host, HostName::Name(_)))
            .collect();
        let wait = tag.common.rules.timeout;
        let found = names.into_iter().map(|name| {
            let addresses = self.resolver.resolve(name, wait);
            (name.clone(), addresses.unwrap_or_default())
        });
        found.collect()
    }

    fn see_listeners(&self, rows: &mut [Row]) {
        let ports = rows.iter().map(|row| row.port.get()).collect();
        let mut listening = self.host.listening(&ports);
        for row in rows {
            if let Some(found) = listening.get_mut(&row.port.get()) {
                row.listener = listener(found);
            }
        }
    }
}

/// HAProxy may be there twice, as after a reload; another program beside it is news.
fn listener(found: &Listening) -> Listener {
    match found {
        Listening::Nobody => Listener::Nobody,
        Listening::Unseen => Listener::Unseen,
        Listening::Processes(processes) => {
            let other = processes.iter().find(|p| !p.name.starts_with("haproxy"));
            other.map_or(Listener::Haproxy, |other| {
                Listener::Other(other.name.clone(), other.pid)
            })
        }
    }
}

fn primary(tag: &config::Tag) -> Option<Endpoint> {
    match &tag.service {
        Service::Mysql(mysql) => Some(mysql.primary.clone()),
        Service::Memcached(_) | Service::Redis(_) => None,
    }
}

/// Whom nobody is to use: by the configuration, and by order.
fn excluded(tag: &config::Tag, orders: &Orders) -> Vec<Exclusion> {
    let mut all = tag.common.exclude.clone();
    if let Orders::Known(orders) = orders {
        all.extend(orders.excluded());
    }
    all
}

fn health(checker: &mut dyn Checker, exclude: &[Exclusion], backend: Backend) -> Current {
    let health = checker.check(&backend.server);
    let health = elect::as_excluded(exclude, &backend.server, &health);
    Current::Server(backend.server, health)
}
