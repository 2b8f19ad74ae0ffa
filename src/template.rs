//! Templates as confd has them: Go's `text/template` with confd's functions over a set of keys.
//!
//! ```text
//! parse:  scan → balance (tokens, literals) → plain → engine's parser → nodes (expressions, names)
//! render: engine, with functions and internal
//! ```
//!
//! `engine` is the only file that runs the crate underneath. It is laxer than Go, and differs from
//! it in places: what comes before makes errors of what it would take wrongly, `nodes` and the
//! functions do the rest. Writing the result to a file is not done here.

// Of the engine's many kinds of values and errors, what is not named is treated alike.
#![allow(clippy::wildcard_enum_match_arm)]

mod balance;
mod engine;
mod error;
mod expressions;
mod functions;
mod glob;
mod internal;
mod limits;
mod literals;
mod names;
mod nodes;
mod paths;
mod plain;
mod scan;
#[cfg(test)]
mod tests;
mod time;
mod tokens;
mod values;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use error::TemplateError;

use crate::resolve::Resolver;

/// No template for a conf file is larger.
const LARGEST_SOURCE: usize = 4 << 20;

/// A template that was parsed and whose names were checked.
#[derive(Debug)]
pub struct Template {
    path: String,
    trees: engine::Trees,
    /// Kept, so that a name that does not resolve for once has its last addresses.
    resolver: Resolver,
}

impl Template {
    /// Parses and checks a template; `path` is for messages, and its last part is the name by
    /// which the template may call itself.
    ///
    /// # Errors
    /// For everything that is wrong with the text alone, unknown names, wrong numbers of arguments
    /// and functions that are not supported among it.
    pub fn parse(path: &str, text: &str) -> Result<Template, TemplateError> {
        match trees(path, text) {
            Ok(trees) => Ok(Template {
                path: path.to_owned(),
                trees,
                resolver: Resolver::system(),
            }),
            Err(at) => Err(TemplateError::new(path, at)),
        }
    }

    /// The text for these keys and values; the keys begin with `/`, as templates name them.
    ///
    /// It waits for the name service, at most two seconds for each name, when the template looks
    /// names up. Anything else takes at most seconds, however wrong the template is.
    ///
    /// # Errors
    /// For a key that is not there, a value of the wrong type, and for output or work without end.
    pub fn render(&self, pairs: &BTreeMap<String, String>) -> Result<String, TemplateError> {
        let context = functions::Context {
            pairs: Arc::new(pairs.clone()),
            resolver: self.resolver.clone(),
            work: Arc::default(),
        };
        engine::render(&self.trees, &context).map_err(|at| TemplateError::new(&self.path, at))
    }
}

fn trees(path: &str, text: &str) -> Result<engine::Trees, error::At> {
    if text.len() > LARGEST_SOURCE {
        return Err(error::At::new(0, "the template is larger than 4 MiB"));
    }
    let pieces = scan::pieces(text)?;
    balance::check(&pieces)?;
    engine::parse(paths::base(path), &plain::source(&pieces))
}
