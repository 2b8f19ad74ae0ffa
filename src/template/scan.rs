//! Splits a template's source into texts, actions and comments, as Go's lexer does.
//!
//! What is inside an action is left to `tokens`.

use super::error::At;

/// White space to Go's lexer: trim markers take these four and no others.
pub(super) const SPACES: [char; 4] = [' ', '\t', '\r', '\n'];

/// A part of the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece<'a> {
    pub(super) kind: Kind,
    /// Of an action: what is between the braces, without trim markers.
    pub(super) text: &'a str,
    /// The line of its first character.
    pub(super) line: usize,
    pub(super) trims_before: bool,
    pub(super) trims_after: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Action,
    Comment,
}

/// All pieces of `source`, in their order.
///
/// # Errors
/// When an action, a comment or a string is never closed.
pub(super) fn pieces(source: &str) -> Result<Vec<Piece<'_>>, At> {
    let mut pieces = Vec::new();
    let (mut rest, mut line) = (source, 1);
    while let Some((text, after)) = rest.split_once("{{") {
        push_text(&mut pieces, text, line);
        line += newlines(text);
        let (piece, left) = action_or_comment(after, line)?;
        line += newlines(after) - newlines(left);
        pieces.push(piece);
        rest = left;
    }
    push_text(&mut pieces, rest, line);
    Ok(pieces)
}

/// The number of line ends in `text`.
pub(super) fn newlines(text: &str) -> usize {
    text.matches('\n').count()
}

fn push_text<'a>(pieces: &mut Vec<Piece<'a>>, text: &'a str, line: usize) {
    if !text.is_empty() {
        pieces.push(Piece {
            kind: Kind::Text,
            text,
            line,
            trims_before: false,
            trims_after: false,
        });
    }
}

/// The piece after `{{`, and what follows it.
fn action_or_comment(after: &str, line: usize) -> Result<(Piece<'_>, &str), At> {
    let marked = after.strip_prefix('-').filter(|r| r.starts_with(SPACES));
    let body = marked.unwrap_or(after);
    let inner = match marked {
        Some(body) => body.strip_prefix(SPACES).unwrap_or(body),
        None => body,
    };
    let (kind, (text, trims_after, rest)) = match inner.strip_prefix("/*") {
        Some(comment) => (Kind::Comment, comment_end(comment, line)?),
        None => (Kind::Action, action_end(body, line)?),
    };
    let piece = Piece {
        kind,
        text,
        line,
        trims_before: marked.is_some(),
        trims_after,
    };
    Ok((piece, rest))
}

fn comment_end(comment: &str, line: usize) -> Result<(&str, bool, &str), At> {
    let Some((text, after)) = comment.split_once("*/") else {
        return Err(At::new(line, "this comment is never closed with */}}"));
    };
    match closing(after) {
        Some((trims, rest)) => Ok((text, trims, rest)),
        None => Err(At::new(
            line + newlines(text),
            "a comment must end with */}} or */ -}}, with nothing between",
        )),
    }
}

/// Finds the `}}` that is in no string and no character constant.
fn action_end(body: &str, line: usize) -> Result<(&str, bool, &str), At> {
    let mut rest = body;
    while let Some(first) = rest.chars().next() {
        if let Some((trims, after)) = closing(rest) {
            let length = body.len() - rest.len();
            return Ok((body.get(..length).unwrap_or_default(), trims, after));
        }
        let after = match first {
            '"' | '\'' | '`' => after_quoted(rest, first),
            _ => rest.get(first.len_utf8()..),
        };
        let Some(after) = after else {
            let here = line + newlines(body) - newlines(rest);
            return Err(At::new(here, format!("this {first} is never closed")));
        };
        rest = after;
    }
    Err(At::new(line, "this action is never closed with }}"))
}

/// What follows `}}` or ` -}}`, and whether it was the one that trims.
fn closing(rest: &str) -> Option<(bool, &str)> {
    if let Some(after) = rest.strip_prefix("}}") {
        return Some((false, after));
    }
    let after = rest.strip_prefix(SPACES)?.strip_prefix("-}}")?;
    Some((true, after))
}

/// What follows the string or character constant that `rest` begins with; none when it never
/// ends. Only a raw string may hold line ends.
fn after_quoted(rest: &str, quote: char) -> Option<&str> {
    let mut escaped = false;
    for (index, c) in rest.char_indices().skip(1) {
        match c {
            '\n' if quote != '`' => return None,
            _ if escaped => escaped = false,
            '\\' if quote != '`' => escaped = true,
            c if c == quote => return rest.get(index + 1..),
            _ => {}
        }
    }
    None
}
