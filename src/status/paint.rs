//! Colours on a terminal, and none elsewhere.

use crate::checker::Health;
use crate::outcome::State;

/// Whether texts get colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paint {
    /// Plain text.
    Plain,
    /// The terminal's escape sequences (ECMA-48, SGR).
    Coloured,
}

/// What a text is to look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tint {
    None,
    Bold,
    Faint,
    Good,
    Poor,
    Bad,
    Odd,
}

impl Paint {
    /// On a terminal that can, and where nobody objects by NO_COLOR (no-color.org).
    pub fn choose(is_terminal: bool, no_color: Option<&str>, term: Option<&str>) -> Paint {
        let objects = no_color.is_some_and(|value| !value.is_empty());
        match is_terminal && !objects && term != Some("dumb") {
            true => Paint::Coloured,
            false => Paint::Plain,
        }
    }

    pub(super) fn apply(self, tint: Tint, text: &str) -> String {
        let code = match (self, tint) {
            (Paint::Plain, _) | (_, Tint::None) => return text.to_owned(),
            (_, Tint::Bold) => "1",
            (_, Tint::Faint) => "2",
            (_, Tint::Good) => "32",
            (_, Tint::Poor) => "33",
            (_, Tint::Bad) => "1;31",
            (_, Tint::Odd) => "35",
        };
        match text.is_empty() {
            true => String::new(),
            false => format!("\x1b[{code}m{text}\x1b[0m"),
        }
    }
}

impl Tint {
    pub(super) fn of(state: State) -> Tint {
        match state {
            State::Ok => Tint::Good,
            State::Degraded => Tint::Poor,
            State::Down => Tint::Bad,
            State::Unknown => Tint::Odd,
        }
    }

    pub(super) fn of_health(health: &Health) -> Tint {
        Tint::of(State::of(health))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_terminals_of_people_who_want_them() {
        let coloured =
            |terminal, no_color, term| Paint::choose(terminal, no_color, term) == Paint::Coloured;
        assert!(coloured(true, None, Some("xterm")));
        assert!(coloured(true, Some(""), None));
        assert!(!coloured(true, Some("1"), Some("xterm")));
        assert!(!coloured(true, None, Some("dumb")));
        assert!(!coloured(false, None, Some("xterm")));
    }
}
