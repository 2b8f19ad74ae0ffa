//! Answers read off what was heard so far, from the front and without taking it: where something is
//! not there yet, the reader stops, and begins again when more was heard.

use crate::checker::failure::Failure;
use crate::checker::talk::Step;

/// Arrays within arrays; an answer of ours has two.
const DEPTH: usize = 8;

/// Why reading stopped.
#[derive(Debug, PartialEq, Eq)]
pub enum Stop {
    /// The rest has not been heard yet.
    Incomplete,
    /// What was heard is not what was to be heard.
    Failed(Failure),
}

/// How a conversation goes on whose answers were read, or the last of them.
///
/// # Errors
/// When they are not what was to be heard.
pub fn step<F>(read: Result<F, Stop>) -> Result<Step<F>, Failure> {
    match read {
        Ok(facts) => Ok(Step::Done(facts)),
        Err(Stop::Incomplete) => Ok(Step::Listen),
        Err(Stop::Failed(failure)) => Err(failure),
    }
}

/// What was heard, and how far it was read.
#[derive(Debug)]
pub struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    /// At the front.
    pub fn new(heard: &'a [u8]) -> Cursor<'a> {
        Cursor { rest: heard }
    }

    /// The next line, without its end (CR LF, or LF alone).
    ///
    /// # Errors
    /// When it has no end yet, or is no text.
    pub fn line(&mut self) -> Result<&'a [u8], Stop> {
        let is_end = |byte: &u8| *byte == b'\n' || !is_text(*byte);
        let end = self.rest.iter().position(is_end).ok_or(Stop::Incomplete)?;
        let (line, rest) = self.rest.split_at(end);
        match rest.split_first() {
            Some((b'\n', rest)) => {
                self.rest = rest;
                Ok(line.strip_suffix(b"\r").unwrap_or(line))
            }
            Some((odd, _)) => {
                let text = format!("its answer is no text (byte {odd:#04x})");
                Err(Failure::protocol(text).into())
            }
            None => Err(Stop::Incomplete),
        }
    }

    /// The next `count` bytes.
    ///
    /// # Errors
    /// When they are not there yet.
    pub fn bytes(&mut self, count: usize) -> Result<&'a [u8], Stop> {
        let (bytes, rest) = self.rest.split_at_checked(count).ok_or(Stop::Incomplete)?;
        self.rest = rest;
        Ok(bytes)
    }

    /// The next reply of Redis (RESP2), whole. What is in it, and whether it is well-formed, is for
    /// others to see; here counts only where it ends.
    ///
    /// # Errors
    /// When it has no end yet, or can have none.
    pub fn resp(&mut self) -> Result<&'a [u8], Stop> {
        let all = self.rest;
        self.skip_resp(DEPTH)?;
        let (reply, _) = all.split_at(all.len() - self.rest.len());
        Ok(reply)
    }

    fn skip_resp(&mut self, depth: usize) -> Result<(), Stop> {
        let kind = *self.rest.first().ok_or(Stop::Incomplete)?;
        if !b"$*+-:".contains(&kind) {
            return Err(odd_reply(self.rest).into());
        }
        let end = self.rest.iter().position(|byte| *byte == b'\n');
        let line = self.bytes(end.ok_or(Stop::Incomplete)? + 1)?;
        match kind {
            b'$' => match usize::try_from(count(line)?) {
                Ok(count) => self.bytes(count.saturating_add(2)).map(drop),
                // "No such thing".
                Err(_) => Ok(()),
            },
            b'*' if depth == 0 => Err(Failure::protocol("its answer has no bottom").into()),
            b'*' => (0..count(line)?).try_for_each(|_| self.skip_resp(depth - 1)),
            _ => Ok(()),
        }
    }
}

/// The number on a line, behind the byte that says of what.
fn count(line: &[u8]) -> Result<i64, Failure> {
    let digits = line.get(1..).and_then(|digits| str::from_utf8(digits).ok());
    let count = digits.and_then(|digits| digits.trim_end().parse().ok());
    count.ok_or_else(|| odd_reply(line))
}

fn odd_reply(heard: &[u8]) -> Failure {
    let line = heard
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    let shown: String = String::from_utf8_lossy(line)
        .trim_end()
        .chars()
        .take(100)
        .collect();
    Failure::protocol(format!("'{}' is no reply of Redis", shown.escape_debug()))
}

/// Whether a byte may stand in a line of text.
fn is_text(byte: u8) -> bool {
    byte.is_ascii_graphic() || matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Stop {
        Stop::Failed(failure)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_when_its_end_is_there_and_only_if_it_is_text() {
        let mut cursor = Cursor::new(b"HD\r\nEN\nrest");
        assert_eq!(cursor.line(), Ok(&b"HD"[..]));
        assert_eq!(cursor.line(), Ok(&b"EN"[..]));
        assert_eq!(cursor.line(), Err(Stop::Incomplete));
        assert_eq!(cursor.bytes(4), Ok(&b"rest"[..]));
        assert_eq!(cursor.bytes(1), Err(Stop::Incomplete));
        let odd = Cursor::new(b"H\x01").line();
        assert!(matches!(odd, Err(Stop::Failed(_))), "{odd:?}");
    }

    #[test]
    fn a_reply_of_redis_ends_where_it_ends_and_nowhere_before() {
        for whole in [
            &b"+PONG\r\n"[..],
            b"-ERR no\r\n",
            b":7\r\n",
            b"$-1\r\n",
            b"$0\r\n\r\n",
            b"$4\r\na\r\nb\r\n",
            b"*-1\r\n",
            b"*0\r\n",
            b"*3\r\n$6\r\nmaster\r\n:0\r\n*1\r\n*2\r\n+a\r\n$1\r\nx\r\n",
        ] {
            let more = [whole, b"+next"].concat();
            assert_eq!(Cursor::new(&more).resp(), Ok(whole));
            for end in 0..whole.len() {
                let part = whole.get(..end).unwrap();
                assert_eq!(Cursor::new(part).resp(), Err(Stop::Incomplete), "{part:?}");
            }
        }
    }

    #[test]
    fn what_can_be_no_reply_is_refused_at_once() {
        let deep = b"*1\r\n".repeat(DEPTH + 1);
        for odd in [
            &b"HTTP/1.1 400\r\n"[..],
            b"$x\r\n",
            b"*\r\n",
            b"\xff",
            &deep,
        ] {
            let read = Cursor::new(odd).resp();
            assert!(matches!(read, Err(Stop::Failed(_))), "{odd:?}: {read:?}");
        }
    }
}
