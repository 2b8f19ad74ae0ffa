//! Whether every `if`, `range`, `with`, `define` and `block` has its `end`: the engine's parser
//! would cut the rest of the file off in silence.

use super::error::At;
use super::scan::{Kind, Piece};
use super::tokens::{Token, TokenKind, tokens};

/// Deeper than any template needs; deep nesting costs stack.
const DEEPEST: usize = 80;

/// A control structure that waits for its `end`.
struct Open<'a> {
    keyword: &'a str,
    line: usize,
    has_else: bool,
    /// Itself and each `else if`: the engine nests them.
    levels: usize,
}

/// # Errors
/// For what does not balance, with its line, and for what `tokens` finds wrong in an action.
pub(super) fn check(pieces: &[Piece<'_>]) -> Result<(), At> {
    let mut open = Vec::new();
    for piece in pieces.iter().filter(|piece| piece.kind == Kind::Action) {
        let tokens = tokens(piece.text, piece.line)?;
        parentheses(&tokens)?;
        let Some(first) = tokens.first() else {
            return Err(At::new(piece.line, "there is nothing between {{ and }}"));
        };
        let line = first.line;
        step(&mut open, &tokens, first).map_err(|message| At::new(line, message))?;
        if open.iter().map(|o| o.levels).sum::<usize>() > DEEPEST {
            return Err(At::new(line, format!("nested more than {DEEPEST} deep")));
        }
    }
    match open.pop() {
        Some(o) => Err(At::new(
            o.line,
            format!("{{{{{}}}}} is never closed", o.keyword),
        )),
        None => Ok(()),
    }
}

fn step<'a>(
    open: &mut Vec<Open<'a>>,
    tokens: &[Token<'a>],
    first: &Token<'a>,
) -> Result<(), String> {
    let alone = tokens.len() == 1;
    match first.text {
        "end" if !alone => Err("unexpected text in {{end}}".to_owned()),
        "end" => match open.pop() {
            Some(_) => Ok(()),
            None => Err("{{end}} without an if, range, with, define or block".to_owned()),
        },
        "else" => or_else(open.last_mut(), tokens),
        "break" | "continue" => match in_range(open) && alone {
            true => Ok(()),
            false => Err(format!("{{{{{}}}}} outside of {{{{range}}}}", first.text)),
        },
        "define" if !open.is_empty() => {
            Err("{{define}} inside of another structure: move it to the top".to_owned())
        }
        "if" | "range" | "with" | "define" | "block" => {
            open.push(Open {
                keyword: first.text,
                line: first.line,
                has_else: false,
                levels: 1,
            });
            Ok(())
        }
        _ => Ok(()),
    }
}

fn or_else(open: Option<&mut Open<'_>>, tokens: &[Token<'_>]) -> Result<(), String> {
    let Some(open) = open.filter(|o| ["if", "range", "with"].contains(&o.keyword)) else {
        return Err("{{else}} without an if, range or with".to_owned());
    };
    if open.has_else {
        return Err(format!(
            "a second {{{{else}}}} for the {{{{{}}}}} of line {}",
            open.keyword, open.line
        ));
    }
    match tokens.get(1).map(|token| token.text) {
        None => open.has_else = true,
        Some(word @ ("if" | "with")) if word == open.keyword => open.levels += 1,
        Some(word) => return Err(format!("unexpected {word} after {{{{else")),
    }
    Ok(())
}

/// Whether a `break` here has a loop that is not outside of the template it is in.
fn in_range(open: &[Open<'_>]) -> bool {
    let own = open
        .iter()
        .rev()
        .take_while(|o| !["define", "block"].contains(&o.keyword));
    own.into_iter().any(|o| o.keyword == "range")
}

fn parentheses(tokens: &[Token<'_>]) -> Result<(), At> {
    let mut open: Vec<usize> = Vec::new();
    for token in tokens {
        match token.kind {
            TokenKind::Open => open.push(token.line),
            TokenKind::Close if open.pop().is_none() => {
                return Err(At::new(token.line, "this ) closes nothing"));
            }
            TokenKind::Close
            | TokenKind::Word
            | TokenKind::Field
            | TokenKind::Variable
            | TokenKind::Dot
            | TokenKind::Text
            | TokenKind::Number
            | TokenKind::Mark => {}
        }
        if open.len() > DEEPEST / 2 {
            return Err(At::new(token.line, "too many parentheses in each other"));
        }
    }
    match open.pop() {
        Some(line) => Err(At::new(line, "this ( is never closed")),
        None => Ok(()),
    }
}
