//! What an action is made of, held to Go's rules where the engine's own lexer is laxer.

use super::error::At;
use super::literals;
use super::scan::SPACES;

/// One token of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) kind: TokenKind,
    pub(super) text: &'a str,
    pub(super) line: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// A function, a keyword, `true`, `false` or `nil`.
    Word,
    /// `.Name`
    Field,
    /// `$` or `$name`
    Variable,
    /// `.`
    Dot,
    /// A string, raw or not, with its quotes.
    Text,
    /// A number or a character constant.
    Number,
    /// `|`, `,`, `=` or `:=`
    Mark,
    Open,
    Close,
}

/// The tokens of an action's text, which begins on `line`.
///
/// # Errors
/// For a character, a number or an escape that Go would not take, and for two tokens without a
/// space between them.
pub(super) fn tokens(action: &str, line: usize) -> Result<Vec<Token<'_>>, At> {
    let mut found: Vec<Token<'_>> = Vec::new();
    let (mut rest, mut line) = (action, line);
    let mut spaced = true;
    while let Some(first) = rest.chars().next() {
        if SPACES.contains(&first) {
            line += usize::from(first == '\n');
            spaced = true;
            rest = rest.get(1..).unwrap_or_default();
            continue;
        }
        let (kind, length) = measure(rest, first).map_err(|m| At::new(line, m))?;
        let (text, after) = rest.split_at_checked(length).unwrap_or((rest, ""));
        let token = Token { kind, text, line };
        if let Some(last) = found
            .last()
            .filter(|last| !spaced && !may_touch(last, &token))
        {
            return Err(At::new(
                line,
                format!("unexpected {text} after {}", last.text),
            ));
        }
        line += super::scan::newlines(text);
        found.push(token);
        spaced = false;
        rest = after;
    }
    Ok(found)
}

fn may_touch(left: &Token<'_>, right: &Token<'_>) -> bool {
    use TokenKind::{Close, Field, Mark, Open, Variable, Word};
    if matches!(left.kind, Mark | Open) || matches!(right.kind, Mark | Close) {
        return true;
    }
    let constant = ["true", "false", "nil"].contains(&left.text);
    let chainable = matches!(left.kind, Field | Variable | Close | Word) && !constant;
    right.kind == Field && chainable
}

/// The kind and the length of the token at the start of `rest`.
fn measure(rest: &str, first: char) -> Result<(TokenKind, usize), String> {
    let after_first = rest.get(first.len_utf8()..).unwrap_or_default();
    let second = after_first.chars().next().unwrap_or(' ');
    Ok(match first {
        '(' => (TokenKind::Open, 1),
        ')' => (TokenKind::Close, 1),
        '|' | ',' | '=' => (TokenKind::Mark, 1),
        ':' if second == '=' => (TokenKind::Mark, 2),
        '"' => (TokenKind::Text, literals::string(rest)?),
        '`' => (TokenKind::Text, literals::raw(rest)?),
        '\'' => (TokenKind::Number, literals::character(rest)?),
        '$' => (TokenKind::Variable, 1 + name(after_first)),
        '.' if !is_name(second) => (TokenKind::Dot, 1),
        '.' if !second.is_ascii_digit() => (TokenKind::Field, 1 + name(after_first)),
        '.' | '+' | '-' | '0'..='9' => (TokenKind::Number, literals::number(rest)?),
        c if is_name(c) => (TokenKind::Word, name(rest)),
        c => return Err(format!("unexpected {:?} in an action", c)),
    })
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn name(text: &str) -> usize {
    text.find(|c| !is_name(c)).unwrap_or(text.len())
}
