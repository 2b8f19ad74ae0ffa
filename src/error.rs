//! What ends the program before its loops start. Run-time troubles are outcomes, not errors.

use std::fmt;

/// Why the program cannot start: everything that is wrong, one problem a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The command line, or a variable that stands for an option.
    Usage(Vec<String>),
    /// The conf file.
    Config(Vec<String>),
    /// What checkmemcached cannot do without; its exit code is the original's.
    Original(Vec<String>),
    /// The options of confd, whose exit code is another.
    Confd(Vec<String>),
    /// The system gives too little.
    System(String),
}

impl Error {
    /// The problems, each one line.
    pub fn problems(&self) -> &[String] {
        match self {
            Error::Usage(problems)
            | Error::Config(problems)
            | Error::Original(problems)
            | Error::Confd(problems) => problems,
            Error::System(problem) => std::slice::from_ref(problem),
        }
    }

    /// What the process exits with.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Usage(_) | Error::Config(_) => 2,
            Error::Confd(_) | Error::System(_) => 1,
            Error::Original(_) => 254,
        }
    }

    /// The same error, with more problems.
    #[must_use]
    pub fn and(self, more: Vec<String>) -> Error {
        let with = |mut problems: Vec<String>| {
            problems.extend(more);
            problems
        };
        match self {
            Error::Usage(problems) => Error::Usage(with(problems)),
            Error::Config(problems) => Error::Config(with(problems)),
            Error::Original(problems) => Error::Original(with(problems)),
            Error::Confd(problems) => Error::Confd(with(problems)),
            Error::System(problem) => Error::System(problem),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problems().join("\n"))
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_is_a_line_and_the_exit_code_is_two_but_for_confd() {
        let problems = vec![
            "db.conf:3: no '='".to_owned(),
            "db.conf:9: no host=".to_owned(),
        ];
        let error = Error::Config(problems.clone());
        assert_eq!(error.to_string(), "db.conf:3: no '='\ndb.conf:9: no host=");
        assert_eq!(error.exit_code(), 2);
        assert_eq!(Error::Usage(problems.clone()).exit_code(), 2);
        assert_eq!(Error::Original(problems.clone()).exit_code(), 254);
        assert_eq!(Error::Confd(problems).exit_code(), 1, "as confd does");
    }
}
