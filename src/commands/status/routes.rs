//! Asks HAProxy where it sends connections, at the sockets that the renderer's resources name.

use std::collections::BTreeMap;
use std::path::Path;

use crate::backend::TagName;
use crate::haproxy::runtime::{Runtime, Server, Servers};
use crate::resource::Resource;
use crate::status::{Reached, Route, Standing};

/// The sockets to ask at.
#[derive(Debug)]
pub(super) struct Routes {
    sockets: Vec<Runtime>,
    /// Why there is none, or fewer than there should be.
    problems: Vec<String>,
}

/// What they said.
#[derive(Debug, Default)]
pub(super) struct Asked {
    /// By section.
    sections: BTreeMap<String, Vec<Reached>>,
    is_answered: bool,
    answers_here: bool,
    /// Why some did not say anything, one line each.
    pub(super) not_asked: Vec<String>,
}

impl Routes {
    /// Those that were `given`, else those of the resources in `confdir`.
    ///
    /// # Errors
    /// A sentence, if one that was given is none.
    pub(super) fn find(confdir: &Path, given: &[String]) -> Result<Routes, String> {
        if !given.is_empty() {
            let sockets: Result<Vec<_>, String> = given.iter().map(|s| Runtime::parse(s)).collect();
            return Ok(Routes {
                sockets: sockets.map_err(|e| format!("--haproxy-socket: {e}"))?,
                problems: Vec::new(),
            });
        }
        let (resources, _) = Resource::load_all(confdir, "");
        let named = resources.iter().filter_map(|r| r.haproxy.as_ref());
        let mut texts: Vec<&str> = named.map(|haproxy| haproxy.socket.as_str()).collect();
        texts.sort_unstable();
        texts.dedup();
        let (mut sockets, mut problems) = (Vec::new(), Vec::new());
        for text in texts {
            match Runtime::parse(text) {
                Ok(socket) => sockets.push(socket),
                Err(problem) => problems.push(problem),
            }
        }
        if sockets.is_empty() && problems.is_empty() {
            let place = confdir.join("conf.d").display().to_string();
            problems.push(format!(
                "no resource in {place} has [haproxy] socket=; name it with --haproxy-socket"
            ));
        }
        Ok(Routes { sockets, problems })
    }

    /// Asks each, within a second.
    pub(super) fn ask(&self) -> Asked {
        let mut asked = Asked {
            not_asked: self.problems.clone(),
            ..Asked::default()
        };
        for socket in &self.sockets {
            match socket.servers() {
                Ok(servers) => {
                    asked.is_answered = true;
                    asked.answers_here |= socket.is_local();
                    asked.take(servers, socket);
                }
                Err(error) => asked.not_asked.push(error.to_string()),
            }
        }
        asked
    }
}

impl Asked {
    /// Whether an HAProxy of this host has answered.
    pub(super) fn answers_here(&self) -> bool {
        self.answers_here
    }

    /// Where the connections of a tag go: the templates that are shipped name its section after it.
    pub(super) fn route(&self, tag: &TagName) -> Route {
        match (self.sections.get(tag.as_str()), self.is_answered) {
            (Some(reached), _) => Route::To(reached.clone()),
            (None, true) => Route::NoSection,
            (None, false) => Route::NotAsked,
        }
    }

    fn take(&mut self, servers: Servers, socket: &Runtime) {
        for ((section, name), server) in servers {
            let reached = Reached {
                name: format!("{section}/{name}"),
                socket: socket.to_string(),
                at: server.address,
                standing: standing(server),
            };
            self.sections.entry(section).or_default().push(reached);
        }
    }
}

fn standing(server: Server) -> Standing {
    match (server.is_held, server.is_up) {
        (true, _) => Standing::Held,
        (false, true) => Standing::Up,
        (false, false) => Standing::Down,
    }
}
