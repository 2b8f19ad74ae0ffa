//! Keys and their prefix, in one form: `/a/b`, without doubled or final slashes.

/// A prefix in that form; empty if there is none.
pub(super) fn prefix(text: &str) -> Result<String, String> {
    let mut whole = String::new();
    for part in text
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".")
    {
        if part == ".." {
            return Err(format!("'{}': a key has no '..'", text.escape_debug()));
        }
        if part.chars().any(char::is_control) {
            let text = text.escape_debug();
            return Err(format!("'{text}': a key has no control characters"));
        }
        whole.push('/');
        whole.push_str(part);
    }
    Ok(whole)
}

/// A key under a prefix that is in that form; `/` is everything.
pub(super) fn join(prefix: &str, key: &str) -> Result<String, String> {
    let whole = format!("{prefix}{}", self::prefix(key)?);
    Ok(match whole.is_empty() {
        true => "/".to_owned(),
        false => whole,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_prefixes_have_one_form() {
        let cases = [
            ("", "/haproxy/mysqlslave", "/haproxy/mysqlslave"),
            ("", "haproxy/mysqlslave/", "/haproxy/mysqlslave"),
            ("", "//haproxy//./x", "/haproxy/x"),
            ("production", "haproxy", "/production/haproxy"),
            ("/production/", "/haproxy", "/production/haproxy"),
            ("/production", "/", "/production"),
            ("/", "a", "/a"),
            ("", "/", "/"),
            ("", "", "/"),
        ];
        for (before, key, wanted) in cases {
            let before = prefix(before).unwrap();
            assert_eq!(join(&before, key).unwrap(), wanted, "{before} {key}");
        }
    }

    #[test]
    fn a_key_stays_below_its_prefix() {
        let error = join("/production", "../staging").unwrap_err();
        assert_eq!(error, "'../staging': a key has no '..'");
        assert!(prefix("a\nb").unwrap_err().contains("control"));
    }
}
