//! The table: a line for each thing that was measured of us and of one peer. Pure.

use std::fmt;

use crate::figures::{Figures, number};

/// What a table begins with.
pub const HEAD: &str = "\
| what | confd_haproxy | beside | | ratio |
| --- | --- | --- | --- | --- |
";

/// One thing, ours and a peer's.
#[derive(Debug, Clone)]
pub struct Line {
    what: String,
    ours: Option<Figures>,
    peer: String,
    theirs: Theirs,
    quoted: bool,
}

/// What a peer came to.
#[derive(Debug, Clone)]
pub enum Theirs {
    Measured(Figures),
    /// It was not, and why.
    Not(&'static str),
}

impl Line {
    pub fn new(what: &str, ours: Figures, peer: &str, theirs: Theirs) -> Line {
        Line {
            what: what.to_owned(),
            ours: Some(ours),
            peer: peer.to_owned(),
            theirs,
            quoted: false,
        }
    }

    /// Without a peer.
    pub fn alone(what: &str, ours: Figures) -> Line {
        Line::new(what, ours, "–", Theirs::Not("–"))
    }

    /// Nothing was measured at all, and why.
    pub fn empty(what: &str, why: &'static str) -> Line {
        Line {
            what: what.to_owned(),
            ours: None,
            peer: "–".to_owned(),
            theirs: Theirs::Not(why),
            quoted: false,
        }
    }

    /// The README has it too.
    pub fn quoted(mut self) -> Line {
        self.quoted = true;
        self
    }

    pub fn is_quoted(&self) -> bool {
        self.quoted
    }
}

impl Theirs {
    /// Of a peer that is run if it is given.
    pub fn given(figures: Option<Figures>) -> Theirs {
        figures.map_or(Theirs::Not("not given"), Theirs::Measured)
    }
}

/// A row, with the line's end.
impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (theirs, ratio) = match &self.theirs {
            Theirs::Measured(theirs) => {
                let ratio = self.ours.as_ref().and_then(|ours| ours.ratio(theirs));
                let ratio = ratio.map_or("–".to_owned(), number);
                (theirs.to_string(), ratio)
            }
            Theirs::Not(why) => ((*why).to_owned(), "–".to_owned()),
        };
        let ours = self
            .ours
            .as_ref()
            .map_or("–".to_owned(), Figures::to_string);
        let (what, peer) = (&self.what, &self.peer);
        writeln!(f, "| {what} | {ours} | {peer} | {theirs} | {ratio} |")
    }
}

/// The head and the rows.
pub fn table<'a>(lines: impl IntoIterator<Item = &'a Line>) -> String {
    let rows = lines.into_iter().map(Line::to_string);
    HEAD.to_owned() + &rows.collect::<String>()
}

/// The text with other lines between these two, which stay; none if they are not there.
pub fn between(text: &str, from: &str, to: &str, lines: &str) -> Option<String> {
    let start = text.find(from)? + from.len();
    let end = start + text[start..].find(to)?;
    Some(format!("{}{lines}{}", &text[..start], &text[end..]))
}
