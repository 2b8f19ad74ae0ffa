//! The words of a configuration line, as HAProxy's own parser splits it. Pure.

/// A line that is neither empty nor a comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// Counted from 1.
    pub number: usize,
    /// At least one. Quotes and backslashes stay in: the same word written in another way is
    /// another word, as HAProxy expands `$NAME` in one kind of quotes and not in the other.
    pub words: Vec<&'a str>,
}

/// The lines that mean something, in order.
pub(super) fn significant(config: &str) -> Vec<Line<'_>> {
    (1..)
        .zip(config.lines())
        .map(|(number, text)| Line {
            number,
            words: words(text),
        })
        .filter(|line| !line.words.is_empty())
        .collect()
}

/// Whether a word is written without quotes, escapes, variables and other signs, so that it is
/// what it looks like. HAProxy's names of proxies and servers have these characters only
/// (configuration.txt, "Proxies").
pub(super) fn is_plain(word: &str) -> bool {
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b':');
    !word.is_empty() && word.bytes().all(good)
}

/// Splits at white space that is neither quoted nor escaped, up to a `#` that is neither
/// (configuration.txt, "Quoting and escaping").
fn words(text: &str) -> Vec<&str> {
    let (mut words, mut start, mut quote, mut escaped) = (Vec::new(), None, None, false);
    let mut end = text.len();
    for (at, c) in text.char_indices() {
        if escaped {
            escaped = false;
            continue;
        }
        match (quote, c) {
            (None, '#') => {
                end = at;
                break;
            }
            (None, c) if c.is_ascii_whitespace() => {
                words.extend(start.take().and_then(|start: usize| text.get(start..at)));
                continue;
            }
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            (None | Some('"'), '\\') => escaped = true,
            _ => {}
        }
        start.get_or_insert(at);
    }
    words.extend(start.and_then(|start| text.get(start..end)));
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_as_haproxy_splits_them() {
        let table: &[(&str, &[&str])] = &[
            ("", &[]),
            ("  \t ", &[]),
            ("# all of it", &[]),
            ("  # and so", &[]),
            ("listen a", &["listen", "a"]),
            ("\tlisten \t a \r", &["listen", "a"]),
            ("listen a#b", &["listen", "a"]),
            ("listen a # b", &["listen", "a"]),
            (r"send a\ b c", &["send", r"a\ b", "c"]),
            (r"send a\#b", &["send", r"a\#b"]),
            (r#"send "a b" c"#, &["send", r#""a b""#, "c"]),
            (r#"send "a # b""#, &["send", r#""a # b""#]),
            ("send 'a # b' c", &["send", "'a # b'", "c"]),
            (r#"send "a\" b" c"#, &["send", r#""a\" b""#, "c"]),
            (r"send 'a\' b", &["send", r"'a\'", "b"]),
            (r#"send 'a" b' "c' d""#, &["send", r#"'a" b'"#, r#""c' d""#]),
            (r#"send a"b c"d"#, &["send", r#"a"b c"d"#]),
            ("send \"never closed", &["send", "\"never closed"]),
            ("log-tag é\\é é", &["log-tag", "é\\é", "é"]),
            (r"send \", &["send", r"\"]),
        ];
        for (text, wanted) in table {
            assert_eq!(words(text), *wanted, "{text:?}");
        }
    }

    #[test]
    fn lines_that_say_nothing_are_left_out_and_the_others_keep_their_numbers() {
        let lines = significant("# a\n\nglobal\n   \n  daemon # b\n");
        let numbers: Vec<usize> = lines.iter().map(|line| line.number).collect();
        assert_eq!(numbers, [3, 5]);
    }

    #[test]
    fn a_plain_word_is_what_it_looks_like() {
        for word in ["a", "c.d_e-f:1", "10.0.0.1:80"] {
            assert!(is_plain(word), "{word}");
        }
        for word in ["", "\"a\"", "a\\ b", "$A", "a;b", "a/b", "é", "[::1]:1"] {
            assert!(!is_plain(word), "{word}");
        }
    }
}
