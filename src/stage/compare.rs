//! What a staged file would change.

use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt;

use super::{PERMISSIONS, Staged, metadata};

/// One thing that would change; as text it follows the file's name in a log line, as in confd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// There is no file yet.
    Missing,
    /// The file cannot be read, and for what reason.
    Unreadable(String),
    /// Other text.
    Content,
    /// Other permissions.
    Mode {
        /// Those of the file.
        is: u32,
        /// Those of the staged one.
        should_be: u32,
    },
    /// Another owner.
    Uid {
        /// That of the file.
        is: u32,
        /// That of the staged one.
        should_be: u32,
    },
    /// Another group.
    Gid {
        /// That of the file.
        is: u32,
        /// That of the staged one.
        should_be: u32,
    },
}

impl Staged {
    /// What installing the staged file would change: nothing, if the list is empty.
    pub fn differences(&self) -> Vec<Difference> {
        let found = match metadata(&self.target) {
            Ok(Some(found)) => found,
            Ok(None) => return vec![Difference::Missing],
            Err(error) => return vec![Difference::Unreadable(error.to_string())],
        };
        let mut differences = Vec::new();
        match self.has_other_text() {
            Ok(false) => {}
            Ok(true) => differences.push(Difference::Content),
            Err(error) => differences.push(Difference::Unreadable(error.to_string())),
        }
        let pairs = [
            (found.mode() & PERMISSIONS, self.mode),
            (found.uid(), self.uid),
            (found.gid(), self.gid),
        ];
        let makers = [Difference::mode, Difference::uid, Difference::gid];
        for ((is, should_be), make) in pairs.into_iter().zip(makers) {
            if is != should_be {
                differences.push(make(is, should_be));
            }
        }
        differences
    }

    /// Whether the two files hold other bytes.
    pub(super) fn has_other_text(&self) -> std::io::Result<bool> {
        Ok(fs::read(&self.path)? != fs::read(&self.target)?)
    }
}

impl Difference {
    pub(super) fn mode(is: u32, should_be: u32) -> Difference {
        Difference::Mode { is, should_be }
    }

    pub(super) fn uid(is: u32, should_be: u32) -> Difference {
        Difference::Uid { is, should_be }
    }

    pub(super) fn gid(is: u32, should_be: u32) -> Difference {
        Difference::Gid { is, should_be }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Difference::Missing => f.write_str("does not exist"),
            Difference::Unreadable(error) => write!(f, "cannot be read: {error}"),
            Difference::Content => f.write_str("has other content"),
            Difference::Mode { is, should_be } => {
                write!(f, "has mode {is:04o} should be {should_be:04o}")
            }
            Difference::Uid { is, should_be } => write!(f, "has UID {is} should be {should_be}"),
            Difference::Gid { is, should_be } => write!(f, "has GID {is} should be {should_be}"),
        }
    }
}
