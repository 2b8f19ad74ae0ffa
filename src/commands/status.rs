//! status: looks at every tag once, and changes nothing.

use std::env;
use std::sync::Arc;
use std::thread;

use super::check;
use crate::backend::{Backend, Key, Kind};
use crate::checker::Checker;
use crate::cli::{Args, Start};
use crate::config;
use crate::elect;
use crate::error::Error;
use crate::resolve::Resolver;
use crate::status::{self, Current, Row};
use crate::store::file::FileStore;
use crate::store::{Entry, Store};
use crate::supervisor::STACK;
use crate::tls;

/// Looks, and gives what is to be printed and the exit code, which is Nagios'.
///
/// # Errors
/// What keeps it from looking.
pub fn run(args: Args) -> Result<(String, u8), Error> {
    let wants_json = args.json;
    let start = args.resolve(&Kind::ALL, &|name| env::var(name).ok())?;
    let resolver = Resolver::system();
    let store: Arc<dyn Store> = match &start.store {
        Some(path) => Arc::new(FileStore::new(path).map_err(check::usage)?),
        None => Arc::new(check::consul(&start, &resolver)?),
    };
    let rows = look(&start, &store, &resolver)?;
    let text = match wants_json {
        true => status::json(&rows),
        false => status::table(&rows),
    };
    Ok((text, status::worst(&rows).code()))
}

/// All tags at the same time.
fn look(start: &Start, store: &Arc<dyn Store>, resolver: &Resolver) -> Result<Vec<Row>, Error> {
    let threads: Result<Vec<_>, _> = check::with_tls(start)?
        .into_iter()
        .map(|(tag, tls)| {
            let (store, resolver) = (Arc::clone(store), resolver.clone());
            thread::Builder::new()
                .stack_size(STACK)
                .spawn(move || row(&tag, tls, &*store, &resolver))
        })
        .collect();
    let threads = threads.map_err(|e| check::no_threads(&e))?;
    let rows = threads.into_iter().map(|thread| {
        let failed = |_| Error::System("a look at a tag failed: see the message above".to_owned());
        thread.join().map_err(failed)
    });
    rows.collect()
}

fn row(tag: &config::Tag, tls: Option<tls::Client>, store: &dyn Store, resolver: &Resolver) -> Row {
    let common = &tag.common;
    let key = Key::new(common.kind, common.name.clone());
    let mut checker = check::checker(tag, tls, resolver, true);
    let (current, port) = match store.read(&key) {
        Ok(Entry::Present { backend, .. }) if backend.name == common.name => {
            let port = backend.proxy_port;
            (health(&mut *checker, tag, backend), Some(port))
        }
        Ok(Entry::Present { backend, .. }) => {
            let why = format!("{key} holds the name {}", backend.name);
            (Current::Nobody(why), None)
        }
        Ok(Entry::Absent) => {
            let why = format!("there is no {} in {}", common.name, store.name());
            (Current::Nobody(why), None)
        }
        Ok(Entry::Malformed { problem, .. }) => {
            let why = format!("the value of {key} is malformed: {problem}");
            (Current::Nobody(why), None)
        }
        Err(error) => (Current::Unknown(error.to_string()), None),
    };
    let server = match &current {
        Current::Server(server, _) => Some(server.clone()),
        Current::Nobody(_) | Current::Unknown(_) => None,
    };
    let mut survey = checker.survey(server.as_ref());
    survey
        .candidates
        .retain(|c| Some(&c.server) != server.as_ref());
    survey
        .candidates
        .sort_by_key(|c| (c.place, c.server.clone()));
    for candidate in &mut survey.candidates {
        candidate.health =
            elect::as_excluded(&common.exclude, &candidate.server, &candidate.health);
    }
    Row {
        key,
        port: port.unwrap_or(common.listen_port()),
        current,
        others: survey.candidates,
        incomplete: survey.incomplete,
    }
}

fn health(checker: &mut dyn Checker, tag: &config::Tag, backend: Backend) -> Current {
    let health = checker.check(&backend.server);
    let health = elect::as_excluded(&tag.common.exclude, &backend.server, &health);
    Current::Server(backend.server, health)
}
