//! Columns of text within the width of a screen. Pure.
//!
//! A text that is wider than its column, as an IPv6 address may be, keeps a line for itself, and
//! the next column goes on below it; the last column is folded at blanks.

use super::paint::{Paint, Tint};

/// How wide a line may be, in characters.
pub(super) const WIDTH: usize = 100;
/// Between two columns.
const GAP: usize = 2;

/// A text and what it is to look like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) text: String,
    pub(super) tint: Tint,
}

impl Cell {
    pub(super) fn new(text: impl Into<String>, tint: Tint) -> Cell {
        let text = text.into();
        Cell { text, tint }
    }
}

/// The width of a column: that of its widest text, but for those that are wider than `most`.
pub(super) fn width<'a>(texts: impl Iterator<Item = &'a str>, most: usize) -> usize {
    let widths = texts.map(|text| text.chars().count());
    widths.filter(|width| *width <= most).max().unwrap_or(0)
}

/// The lines of one row, whose columns but for the last are `widths` wide.
pub(super) fn row(cells: &[Cell], widths: &[usize], paint: Paint) -> Vec<String> {
    let (mut done, mut line, mut used, mut start) = (Vec::new(), String::new(), 0, 0);
    for (index, cell) in cells.iter().enumerate() {
        let Some(width) = widths.get(index) else {
            if used > start {
                done.push(std::mem::take(&mut line));
                used = 0;
            }
            line.push_str(&" ".repeat(start - used));
            for part in fold(&cell.text, WIDTH - start) {
                done.push(line + &paint.apply(cell.tint, &part));
                line = " ".repeat(start);
            }
            continue;
        };
        if !cell.text.is_empty() {
            if used > start {
                done.push(std::mem::take(&mut line));
                used = 0;
            }
            line.push_str(&" ".repeat(start - used));
            line.push_str(&paint.apply(cell.tint, &cell.text));
            used = start + cell.text.chars().count() + 1;
            line.push(' ');
        }
        start += width + GAP;
    }
    let whole = done.into_iter().map(|line| line.trim_end().to_owned());
    whole.filter(|line| !line.is_empty()).collect()
}

/// A text in lines of at most `width` characters, broken at blanks where there are any.
pub(super) fn fold(text: &str, width: usize) -> Vec<String> {
    let (mut lines, mut line) = (Vec::new(), String::new());
    for word in text.split_whitespace() {
        let longer = line.chars().count() + 1 + word.chars().count();
        if !line.is_empty() && longer > width {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(texts: &[&str]) -> Vec<Cell> {
        texts.iter().map(|t| Cell::new(*t, Tint::None)).collect()
    }

    #[test]
    fn a_text_that_is_too_wide_pushes_the_next_column_below_it() {
        assert_eq!(
            row(&cells(&["ab", "1", "x y"]), &[4, 3], Paint::Plain),
            ["ab    1    x y"]
        );
        assert_eq!(
            row(&cells(&["abcdefgh", "1", "x"]), &[4, 3], Paint::Plain),
            ["abcdefgh", "      1    x"]
        );
        assert_eq!(
            row(&cells(&["a", "123456", "x"]), &[4, 3], Paint::Plain),
            ["a     123456", "           x"]
        );
        assert_eq!(
            row(&cells(&["", "1", ""]), &[4, 3], Paint::Plain),
            ["      1"]
        );
    }

    #[test]
    fn the_last_column_is_folded_and_no_line_is_too_long() {
        let long = "word ".repeat(60);
        let lines = row(&cells(&["tag", "1", &long]), &[20, 30], Paint::Plain);
        assert!(lines.len() > 5, "{lines:?}");
        assert!(lines.iter().all(|line| line.chars().count() <= WIDTH));
        assert!(lines.iter().skip(1).all(|l| l.starts_with(&" ".repeat(54))));
    }

    #[test]
    fn a_column_is_as_wide_as_its_widest_text_within_reason() {
        let texts = ["a", "abcd", "abcdefghij"];
        assert_eq!(width(texts.into_iter(), 5), 4);
        assert_eq!(width(texts.into_iter(), 10), 10);
    }

    #[test]
    fn colours_do_not_count_as_width() {
        let cells = [Cell::new("ab", Tint::Good), Cell::new("x", Tint::Bad)];
        assert_eq!(
            row(&cells, &[4], Paint::Coloured),
            ["\x1b[32mab\x1b[0m    \x1b[1;31mx\x1b[0m"]
        );
    }
}
