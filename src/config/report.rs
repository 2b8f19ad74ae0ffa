//! Collects what is wrong with a conf file, each problem with its file and line.

/// Errors and warnings, in the order in which they were found.
#[derive(Debug, Default)]
pub(super) struct Report {
    path: String,
    /// Whether errors count as warnings: the section is not one that is going to run.
    lenient: bool,
    pub(super) problems: Vec<String>,
    pub(super) warnings: Vec<String>,
}

impl Report {
    pub(super) fn new(path: &str) -> Report {
        Report {
            path: path.to_owned(),
            ..Report::default()
        }
    }

    /// From here on, are errors only warnings?
    pub(super) fn set_lenient(&mut self, lenient: bool) {
        self.lenient = lenient;
    }

    pub(super) fn error(&mut self, line: usize, message: &str) {
        let text = at(&self.path, line, message);
        match self.lenient {
            true => self.warnings.push(text),
            false => self.problems.push(text),
        }
    }

    pub(super) fn warning(&mut self, line: usize, message: &str) {
        self.warnings.push(at(&self.path, line, message));
    }

    /// An error of the file as a whole, or of the choice of tags.
    pub(super) fn file_error(&mut self, message: &str) {
        self.problems.push(format!("{}: {message}", self.path));
    }

    pub(super) fn errors(&self) -> usize {
        self.problems.len()
    }
}

/// The line of what stands in no file.
pub(super) const NO_LINE: usize = 0;

/// `path:line: message`.
pub(super) fn at(path: &str, line: usize, message: &str) -> String {
    match line {
        NO_LINE => format!("{path}: {message}"),
        line => format!("{path}:{line}: {message}"),
    }
}
