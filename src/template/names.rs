//! What a template may name at one place: the variables in scope, and the templates.

use std::collections::BTreeSet;

/// The names that are known.
#[derive(Debug)]
pub(super) struct Names<'a> {
    templates: &'a BTreeSet<String>,
    variables: Vec<String>,
}

impl<'a> Names<'a> {
    /// At the start of a template, where only `$` is known.
    pub(super) fn new(templates: &'a BTreeSet<String>) -> Names<'a> {
        let variables = vec!["$".to_owned()];
        Names {
            templates,
            variables,
        }
    }

    /// What to give `leave` at the end of a structure.
    pub(super) fn enter(&self) -> usize {
        self.variables.len()
    }

    /// Forgets what was declared since `enter`.
    pub(super) fn leave(&mut self, mark: usize) {
        self.variables.truncate(mark);
    }

    pub(super) fn declare(&mut self, variable: &str) {
        self.variables.push(variable.to_owned());
    }

    /// # Errors
    /// When there is no such variable here.
    pub(super) fn variable(&self, name: &str) -> Result<(), String> {
        match self.variables.iter().any(|known| known == name) {
            true => Ok(()),
            false => Err(format!("there is no variable {name} here")),
        }
    }

    /// # Errors
    /// When no template is defined under this name.
    pub(super) fn template(&self, name: &str) -> Result<(), String> {
        match self.templates.contains(name) {
            true => Ok(()),
            false => Err(format!("there is no template {name:?}: define it")),
        }
    }
}
