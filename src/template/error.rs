//! What can be wrong with a template, and where.

use std::fmt;

/// A template that cannot be used or rendered: `path:line: message`, on one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateError {
    path: String,
    at: At,
}

/// A message and its line; 0 when the line is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct At {
    line: usize,
    message: String,
}

impl TemplateError {
    pub(super) fn new(path: &str, at: At) -> TemplateError {
        let path = path.to_owned();
        TemplateError { path, at }
    }
}

impl At {
    pub(super) fn new(line: usize, message: impl Into<String>) -> At {
        let message = message.into();
        At { line, message }
    }

    /// From the engine's parser, which knows its lines, unless it hit its own limit.
    pub(super) fn parsing(error: &gotmpl::TemplateError) -> At {
        use gotmpl::TemplateError::{Lex, Parse};
        match error {
            Parse { line, message, .. } | Lex { line, message, .. } => At::new(*line, message),
            other => At::rendering(0, other),
        }
    }

    /// From the engine while it rendered what is on `line`.
    pub(super) fn rendering(line: usize, error: &gotmpl::TemplateError) -> At {
        use gotmpl::TemplateError as Engine;
        let message = match error {
            Engine::Exec(message) => message.clone(),
            Engine::Write => super::limits::TOO_LARGE.to_owned(),
            Engine::RecursionLimit => "templates call each other without end, or are nested too \
                                       deeply"
                .to_owned(),
            Engine::RangeIterLimit => super::limits::TOO_LONG.to_owned(),
            Engine::FuncPanic { name, message } => {
                format!("the template engine failed in {name}: {message}")
            }
            other => other.to_string(),
        };
        At::new(line, message)
    }
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at.line {
            0 => write!(f, "{}: ", self.path)?,
            line => write!(f, "{}:{line}: ", self.path)?,
        }
        // A template's own words may be in the message.
        for c in self.at.message.chars() {
            match c.is_control() {
                true => write!(f, "{}", c.escape_default())?,
                false => write!(f, "{c}")?,
            }
        }
        Ok(())
    }
}

impl std::error::Error for TemplateError {}
