//! The source without comments and trim markers, every action on its old line.
//!
//! The engine trims by Unicode's white space, Go by its own four, and a comment's marker would
//! trim on both sides. So the trimming is done here.

use super::scan::{Kind, Piece, SPACES, newlines};

/// The source that the engine's parser is given.
pub(super) fn source(pieces: &[Piece<'_>]) -> String {
    let mut plain = Plain::default();
    let mut trim_start = false;
    for (index, piece) in pieces.iter().enumerate() {
        match piece.kind {
            Kind::Text => {
                let trim_end = pieces.get(index + 1).is_some_and(|next| next.trims_before);
                plain.text(piece.text, trim_start, trim_end);
            }
            Kind::Action => plain.action(piece.text),
            Kind::Comment => plain.lines += newlines(piece.text),
        }
        trim_start = piece.trims_after;
        // The line end that a marker may be followed or preceded by.
        plain.lines += owed(piece, pieces.get(index + 1));
    }
    plain.text
}

#[derive(Default)]
struct Plain {
    text: String,
    /// Line ends that were left out and are owed to the next action.
    lines: usize,
}

impl Plain {
    fn text(&mut self, text: &str, trim_start: bool, trim_end: bool) {
        let mut kept = text;
        if trim_start {
            kept = kept.trim_start_matches(SPACES);
        }
        if trim_end {
            kept = kept.trim_end_matches(SPACES);
        }
        self.lines += newlines(text) - newlines(kept);
        self.keep_apart(kept);
        self.text.push_str(kept);
    }

    fn action(&mut self, text: &str) {
        self.keep_apart("{");
        self.text.push_str("{{");
        self.text.extend(std::iter::repeat_n('\n', self.lines));
        self.lines = 0;
        self.text.push_str(text);
        self.text.push_str("}}");
    }

    /// A brace of the text must not begin an action together with what follows it: not with the
    /// braces of an action, nor with a brace that a comment stood before.
    fn keep_apart(&mut self, next: &str) {
        if self.text.ends_with('{') && next.starts_with('{') {
            self.text.pop();
            self.text.push_str("{{`{`}}");
        }
    }
}

fn owed(piece: &Piece<'_>, next: Option<&Piece<'_>>) -> usize {
    let Some(next) = next else { return 0 };
    let here = piece.line + newlines(piece.text);
    next.line.saturating_sub(here)
}
