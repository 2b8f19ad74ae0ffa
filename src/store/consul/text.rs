//! Other programs' words, made fit for one log line.

/// The most characters of another program's message that a log line repeats.
const MAX_CHARS: usize = 200;

/// `text` without control characters and at most 200 characters long.
pub(super) fn one_line(text: &str) -> String {
    let mut line: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(MAX_CHARS)
        .collect();
    if text.chars().nth(MAX_CHARS).is_some() {
        line.pop();
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_no_control_characters_and_at_most_200_characters() {
        let exact = "é".repeat(200);
        let long = format!("{}…", "é".repeat(199));
        let longer = "é".repeat(201);
        let cases = [
            ("a\nb\r\u{1b}[31m\u{85}c", "a b  [31m c"),
            (exact.as_str(), exact.as_str()),
            (longer.as_str(), long.as_str()),
        ];
        for (text, line) in cases {
            assert_eq!(one_line(text), line);
        }
    }
}
