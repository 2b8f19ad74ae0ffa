//! The ACL token: the one that was given, or what its file holds now.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use ureq::http::HeaderValue;

use crate::secret::{Secret, TokenSource};

/// Where the token comes from, and the last good one.
pub(super) struct Tokens {
    source: Option<TokenSource>,
    last: Mutex<Last>,
}

/// The token in the two forms that are needed: to send it, and to find it in an answer.
#[derive(Clone)]
pub(super) struct Token {
    /// As a header's value, which shows in no debug output.
    pub(super) header: HeaderValue,
    /// The text.
    pub(super) secret: Secret,
}

/// What was read last, and from which state of the file.
#[derive(Default)]
struct Last {
    stamp: Option<Stamp>,
    token: Option<Token>,
}

/// What changes when a file changes.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp(u64, u64, i64, i64);

impl Tokens {
    /// Takes the token that is there now.
    ///
    /// # Errors
    /// A sentence, without the token, if it cannot be sent.
    pub(super) fn new(source: Option<TokenSource>) -> Result<Tokens, String> {
        let token = match &source {
            None => None,
            Some(TokenSource::Given(secret)) => Token::new(secret.clone())?,
            Some(TokenSource::File { now, .. }) => Token::new(now.clone())?,
        };
        let last = Mutex::new(Last { stamp: None, token });
        Ok(Tokens { source, last })
    }

    /// The token. A file is read again when it has changed; while it cannot be read, or holds no
    /// token, the last one stays.
    pub(super) fn current(&self) -> Option<Token> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(TokenSource::File { path, .. }) = &self.source
            && let Ok(stamp) = Stamp::of(path)
            && last.stamp != Some(stamp)
            && let Ok(text) = fs::read_to_string(path)
        {
            last.stamp = Some(stamp);
            if let Ok(Some(token)) = Token::new(Secret::new(text.trim())) {
                last.token = Some(token);
            }
        }
        last.token.clone()
    }
}

impl Stamp {
    fn of(path: &Path) -> io::Result<Stamp> {
        let file = fs::metadata(path)?;
        Ok(Stamp(
            file.ino(),
            file.len(),
            file.mtime(),
            file.mtime_nsec(),
        ))
    }
}

impl Token {
    /// `None` for an empty token, as an unset variable gives it.
    fn new(secret: Secret) -> Result<Option<Token>, String> {
        if secret.expose().is_empty() {
            return Ok(None);
        }
        let graphic = secret.expose().bytes().all(|b| b.is_ascii_graphic());
        match HeaderValue::from_str(secret.expose()) {
            Ok(mut header) if graphic => {
                header.set_sensitive(true);
                Ok(Some(Token { header, secret }))
            }
            Ok(_) | Err(_) => Err("the Consul token holds a space, a line break or another \
                 character that no token has; check --token, CONSUL_HTTP_TOKEN or its file"
                .to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn a_file_is_read_again_when_it_changes_and_a_bad_one_changes_nothing() {
        let dir = Scratch::new();
        let path = dir.join("token");
        let write = |text: &str| {
            let new = dir.join("new");
            fs::write(&new, text).unwrap();
            fs::rename(&new, &path).unwrap();
        };
        let (source, now) = (path.clone(), Secret::new("one"));
        let tokens = Tokens::new(Some(TokenSource::File { path: source, now })).unwrap();
        let current = || tokens.current().unwrap().secret.expose().to_owned();
        assert_eq!(current(), "one");
        write("two\n");
        assert_eq!(current(), "two");
        for bad in ["", "a b", "\u{e9}"] {
            write(bad);
            assert_eq!(current(), "two", "{bad:?}");
        }
        fs::remove_file(&path).unwrap();
        assert_eq!(current(), "two");
        write("three");
        assert_eq!(current(), "three");
    }
}
