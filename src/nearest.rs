//! "Did you mean": the known word nearest to a mistyped one.

/// How many letters may differ.
const REACH: usize = 2;

/// The word of `known` that is at most two typing mistakes away from `typed`, upper and lower
/// case being alike.
pub fn nearest<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let typed = typed.to_lowercase();
    known
        .into_iter()
        .map(|word| (distance(&typed, &word.to_lowercase()), word))
        .filter(|(mistakes, word)| *mistakes <= REACH && *mistakes < word.chars().count())
        .min_by_key(|(mistakes, _)| *mistakes)
        .map(|(_, word)| word)
}

/// The end of a message about an unknown word: `, did you mean 'x'?`, or nothing.
pub fn did_you_mean<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(typed, known).map_or_else(String::new, |word| format!(", did you mean '{word}'?"))
}

/// Letters to insert, delete or replace to make `b` of `a` (Levenshtein), row by row.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (above, y) in row.iter_mut().skip(1).zip(b.chars()) {
            let replaced = diagonal + usize::from(x != y);
            diagonal = *above;
            left = replaced.min(*above + 1).min(left + 1);
            *above = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_counted_in_letters() {
        let cases = [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("timeout", "tiemout", 2),
            ("max_lag", "max-lag", 1),
            ("kitten", "sitting", 3),
            ("é", "e", 1),
        ];
        for (a, b, wanted) in cases {
            assert_eq!(distance(a, b), wanted, "{a} {b}");
        }
    }

    #[test]
    fn the_nearest_word_within_two_mistakes_is_found() {
        let known = ["timeout", "fall", "rise", "tls"];
        assert_eq!(nearest("tiemout", known), Some("timeout"));
        assert_eq!(nearest("FALL", known), Some("fall"));
        assert_eq!(nearest("colour", known), None);
        assert_eq!(
            nearest("xy", ["ca"]),
            None,
            "everything is near a short word"
        );
    }
}
