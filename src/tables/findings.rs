//! What is wrong with a file, or only odd: each with the file and its line.

use std::fmt;
use std::path::{Path, PathBuf};

/// One thing that is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub file: PathBuf,
    /// The line's number, from 1; none for the file as a whole.
    pub line: Option<usize>,
    /// What is wrong, in one line; it may name the file itself where there is no line.
    pub message: String,
}

/// Problems and warnings of one file, in the order in which they were found.
#[derive(Debug)]
pub struct Findings {
    file: PathBuf,
    /// What makes the file useless.
    pub problems: Vec<Problem>,
    /// What is odd.
    pub warnings: Vec<Problem>,
}

impl Findings {
    /// Of the file at `path`.
    pub fn of(path: &Path) -> Findings {
        Findings {
            file: path.to_owned(),
            problems: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// Something is wrong in a line.
    pub fn problem(&mut self, line: usize, message: impl Into<String>) {
        let problem = self.make(Some(line), message.into());
        self.problems.push(problem);
    }

    /// Something is wrong with the file as a whole.
    pub fn file_problem(&mut self, message: impl Into<String>) {
        let problem = self.make(None, message.into());
        self.problems.push(problem);
    }

    /// Something in a line is odd.
    pub fn warning(&mut self, line: usize, message: impl Into<String>) {
        let warning = self.make(Some(line), message.into());
        self.warnings.push(warning);
    }

    /// Everything by line, when the file is of no use: what is only odd may be the reason, as a
    /// key that is mistyped is the reason of one that is missing.
    pub fn all(self) -> Vec<Problem> {
        let mut all = self.problems;
        all.extend(self.warnings);
        all.sort_by_key(|problem| problem.line);
        all
    }

    fn make(&self, line: Option<usize>, message: String) -> Problem {
        Problem {
            file: self.file.clone(),
            line,
            message,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.display();
        match self.line {
            Some(line) => write!(f, "{file}:{line}: {}", self.message),
            None => write!(f, "{file}: {}", self.message),
        }
    }
}
