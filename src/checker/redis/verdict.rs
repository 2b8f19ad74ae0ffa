//! Who is the master? Pure: from what servers and Sentinels said to the health of each server.
//!
//! A replica must never be written, and a server that only thinks that it is the master neither:
//! an old one that came back, or one that started empty. So either the majority of the Sentinels
//! names the master and its own word confirms it, or the other servers of the list vote, by
//! replicating from it.

use std::collections::BTreeMap;

use crate::checker::redis::facts::{Facts, Role};
use crate::checker::{Degraded, Fault, Health, Trouble};
use crate::endpoint::Endpoint;

/// What is known of the servers, and by whom the master is named.
#[derive(Debug)]
pub struct View<'a> {
    /// What each server said that was asked.
    pub said: BTreeMap<&'a Endpoint, &'a Result<Facts, Health>>,
    /// How many servers the configuration lists.
    pub listed: usize,
    /// The word of the Sentinels; `None` where there are none.
    pub naming: Option<&'a Naming>,
    /// The master that was last known.
    pub last: Option<&'a Master>,
}

/// What the Sentinels say together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Naming {
    /// The majority of all that are configured names this server.
    Agreed(Endpoint),
    /// There is no such majority; the text says why.
    Divided(String),
}

/// A master, to be recognised by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Master {
    /// Where it was.
    pub server: Endpoint,
    /// The identity of its data's history.
    pub history: Option<String>,
}

impl Naming {
    /// Counts what `sentinels` said; each is a server with its answer.
    pub fn count(sentinels: &[(&Endpoint, Result<Endpoint, String>)]) -> Naming {
        let needed = sentinels.len() / 2 + 1;
        let mut votes: BTreeMap<&Endpoint, usize> = BTreeMap::new();
        for named in sentinels.iter().filter_map(|(_, said)| said.as_ref().ok()) {
            *votes.entry(named).or_default() += 1;
        }
        if let Some((named, _)) = votes.iter().find(|(_, count)| **count >= needed) {
            return Naming::Agreed((*named).clone());
        }
        let most = votes.values().max().copied().unwrap_or_default();
        let each = sentinels.iter().map(|(sentinel, said)| match said {
            Ok(named) => format!("{sentinel} names {named}"),
            Err(why) => format!("{sentinel}: {why}"),
        });
        let each: Vec<String> = each.collect();
        Naming::Divided(format!(
            "no majority of the Sentinels, {most} of {}, names one master ({})",
            sentinels.len(),
            each.join("; ")
        ))
    }
}

impl View<'_> {
    /// How the server is that the key names. Of two masters it is kept, unless the Sentinels say
    /// otherwise, or it has started empty.
    pub fn current(&self, server: &Endpoint) -> Health {
        if let Some(Naming::Agreed(named)) = self.naming
            && named != server
            && self.confirms(named)
        {
            return Fault::NotMaster(format!(
                "the Sentinels name {named}, which says that it is the master"
            ))
            .into();
        }
        let facts = match self.heard(server) {
            Ok(facts) => facts,
            Err(health) => return health,
        };
        if !facts.is_master() {
            return no_master(facts);
        }
        match self.naming {
            None => self.current_by_votes(server, facts),
            Some(Naming::Agreed(named)) if named == server => well(facts),
            Some(Naming::Agreed(named)) => Health::Degraded(Degraded::Unwatched(format!(
                "the Sentinels name {named}, which does not say that it is the master"
            ))),
            Some(Naming::Divided(why)) => Health::Degraded(Degraded::Unwatched(why.clone())),
        }
    }

    /// How a server is that could take over: up only if it is the master, and no doubt about it.
    pub fn candidate(&self, server: &Endpoint, current: Option<&Endpoint>) -> Health {
        let facts = match self.heard(server) {
            Ok(facts) => facts,
            Err(health) => return health,
        };
        if !facts.is_master() {
            return no_master(facts);
        }
        match self.naming {
            None => self.candidate_by_votes(server, facts, current),
            Some(Naming::Agreed(named)) if named == server => well(facts),
            Some(Naming::Agreed(named)) => {
                Fault::NotMaster(format!("the Sentinels name {named}")).into()
            }
            Some(Naming::Divided(_)) => doubtful("the Sentinels do not agree on it"),
        }
    }

    fn current_by_votes(&self, server: &Endpoint, facts: &Facts) -> Health {
        let others: Vec<&Endpoint> = self.masters().filter(|m| *m != server).collect();
        if others.is_empty() {
            return well(facts);
        }
        let backed = others.iter().find(|other| self.votes(other) > 0);
        if let Some(backed) = backed.filter(|_| facts.is_fresh() && self.votes(server) == 0) {
            return Fault::NotMaster(format!(
                "nobody has ever replicated from it, and others replicate from the master {backed}"
            ))
            .into();
        }
        Health::Degraded(Degraded::Split(says_too(&others)))
    }

    fn candidate_by_votes(
        &self,
        server: &Endpoint,
        facts: &Facts,
        current: Option<&Endpoint>,
    ) -> Health {
        // While the one in use is a master, nobody else is.
        if let Some(current) = current
            && matches!(self.heard(current), Ok(facts) if facts.is_master() && !facts.is_fresh())
        {
            return doubtful(&says_too(&[current]));
        }
        let others: Vec<&Endpoint> = self.masters().filter(|m| *m != server).collect();
        let votes = self.votes(server);
        let most = others.iter().map(|other| self.votes(other)).max();
        let wins = match (votes, most.unwrap_or(0)) {
            (0, 0) => others.is_empty() && self.needs_no_votes(server, facts),
            (votes, most) => votes > most,
        };
        match (wins, others.is_empty()) {
            (true, _) => well(facts),
            (false, false) => doubtful(&says_too(&others)),
            (false, true) => doubtful(
                "it says that it is the master, but no other server of the list replicates from it",
            ),
        }
    }

    /// The only master, without a vote: it is the only server there is, or was the known master's
    /// replica and was promoted, or was the master before and nobody else can be reached.
    fn needs_no_votes(&self, server: &Endpoint, facts: &Facts) -> bool {
        let Some(last) = self.last else {
            return self.listed == 1;
        };
        let is_heir = last.history.is_some()
            && (facts.former_history == last.history || facts.history == last.history);
        let is_alone = self
            .said
            .iter()
            .all(|(other, said)| *other == server || said.is_err());
        self.listed == 1 || is_heir || (is_alone && last.server == *server)
    }

    fn masters(&self) -> impl Iterator<Item = &Endpoint> {
        self.said
            .iter()
            .filter(|(_, said)| matches!(said, Ok(facts) if facts.is_master()))
            .map(|(server, _)| *server)
    }

    /// How many other servers replicate from this one.
    fn votes(&self, server: &Endpoint) -> usize {
        let Ok(master) = self.heard(server) else {
            return 0;
        };
        let replicas = self.said.values().filter_map(|said| said.as_ref().ok());
        replicas.filter(|f| f.follows(master, server)).count()
    }

    fn confirms(&self, server: &Endpoint) -> bool {
        matches!(self.heard(server), Ok(facts) if facts.is_master())
    }

    fn heard(&self, server: &Endpoint) -> Result<&Facts, Health> {
        match self.said.get(server) {
            Some(Ok(facts)) => Ok(facts),
            Some(Err(health)) => Err(health.clone()),
            None => Err(Trouble("it was not asked".to_owned()).into()),
        }
    }
}

/// A master.
fn well(facts: &Facts) -> Health {
    match &facts.read_only {
        Some(why) => Health::Degraded(Degraded::ReadOnly(why.clone())),
        None => Health::Up { lag: None },
    }
}

fn no_master(facts: &Facts) -> Health {
    match &facts.role {
        Role::Replica { of, .. } => Fault::NotMaster(format!("a replica of {of}")).into(),
        Role::Sentinel => Fault::Protocol("it is a Sentinel".to_owned()).into(),
        Role::Master { .. } => Fault::NotMaster("it changed its role".to_owned()).into(),
    }
}

/// It may be the master or not: for us to find out, and nobody's fault.
fn doubtful(why: &str) -> Health {
    Trouble(why.to_owned()).into()
}

fn says_too(others: &[&Endpoint]) -> String {
    let names: Vec<String> = others.iter().map(ToString::to_string).collect();
    format!("{} says that it is the master too", names.join(" and "))
}

#[cfg(test)]
mod tests;
