//! Which servers a tag has at this moment: an exclusion of any other is a typing mistake, or a name where
//! an address is meant.

use super::Bench;
use crate::commands::check;
use crate::elect::Exclusion;
use crate::endpoint::Endpoint;
use crate::store::Entry;

/// Those of `exclude` that no server of the tag goes by. Nothing is changed.
pub(super) fn strangers<'a>(bench: &Bench, exclude: &'a [Exclusion]) -> Vec<&'a Exclusion> {
    let servers = servers(bench);
    let is_strange = |what: &&Exclusion| !servers.iter().any(|server| what.matches(server));
    exclude.iter().filter(is_strange).collect()
}

fn servers(bench: &Bench) -> Vec<Endpoint> {
    let mut checker = check::checker(&bench.tag, bench.tls.clone(), &bench.resolver, true);
    let used = match bench.store.read(&bench.key) {
        Ok(Entry::Present { backend, .. }) => Some(backend.server),
        Ok(Entry::Absent | Entry::Malformed { .. }) | Err(_) => None,
    };
    let survey = checker.survey(used.as_ref());
    let others = survey.candidates.into_iter().map(|other| other.server);
    others.chain(used).collect()
}
