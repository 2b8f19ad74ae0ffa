//! The prefixes that a source is bound to, and which keys are under them. Pure.

/// One prefix: "/haproxy/mysqlslave", or "" for everything.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Prefix(String);

impl Prefix {
    /// Takes prefixes as resources write them, with or without '/' at either end, and leaves out
    /// those that another one covers.
    pub(super) fn list(texts: &[String]) -> Vec<Prefix> {
        let mut prefixes: Vec<Prefix> = texts.iter().map(|text| Prefix::new(text)).collect();
        prefixes.sort();
        let mut kept: Vec<Prefix> = Vec::new();
        for prefix in prefixes {
            if !kept.iter().any(|wider| wider.covers(&prefix.0)) {
                kept.push(prefix);
            }
        }
        kept
    }

    /// Whether `key`, which begins with '/', is the prefix itself or below it. confd lets
    /// "/haproxy/mysqlslave" cover "/haproxy/mysqlslave2/x" too; nobody wants that.
    pub(super) fn covers(&self, key: &str) -> bool {
        let rest = key.strip_prefix(&self.0);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// The prefix as Consul wants it: without a '/' in front.
    pub(super) fn bare(&self) -> &str {
        self.0.trim_start_matches('/')
    }

    fn new(text: &str) -> Prefix {
        let bare = text.trim_matches('/');
        Prefix(match bare {
            "" => String::new(),
            bare => format!("/{bare}"),
        })
    }
}

/// The name that templates know a store's key by: with a '/' in front. `None` for a name that no
/// template can want: with an empty part ("haproxy/" is a folder of Consul's pages), with "." or
/// "..", with a control character, or with one that was no UTF-8.
pub(super) fn template_key(bare: &str) -> Option<String> {
    let odd = |c: char| c.is_control() || c == '\u{fffd}';
    let good = |part: &str| !matches!(part, "" | "." | "..") && !part.contains(odd);
    bare.split('/').all(good).then(|| format!("/{bare}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(texts: &[&str]) -> Vec<Prefix> {
        let texts: Vec<String> = texts.iter().map(|&text| text.to_owned()).collect();
        Prefix::list(&texts)
    }

    #[test]
    fn slashes_at_the_ends_do_not_matter_and_covered_prefixes_are_left_out() {
        let cases: [(&[&str], &[&str]); 7] = [
            (&[], &[]),
            (&["/haproxy/mysqlslave"], &["haproxy/mysqlslave"]),
            (
                &["haproxy/mysqlslave/", "/haproxy/mysqlslave"],
                &["haproxy/mysqlslave"],
            ),
            (&["/a/b", "/a-b", "/a"], &["a", "a-b"]),
            (&["/a", "/a2"], &["a", "a2"]),
            (&["/a", "/"], &[""]),
            (&["", "//"], &[""]),
        ];
        for (texts, wanted) in cases {
            let prefixes = list(texts);
            let bare: Vec<&str> = prefixes.iter().map(Prefix::bare).collect();
            assert_eq!(bare, wanted, "{texts:?}");
        }
    }

    #[test]
    fn a_prefix_covers_itself_and_what_is_below_but_no_longer_name() {
        let [prefix] = &list(&["/haproxy/mysqlslave"])[..] else {
            panic!("one prefix");
        };
        assert!(prefix.covers("/haproxy/mysqlslave"));
        assert!(prefix.covers("/haproxy/mysqlslave/a/b"));
        for key in [
            "/haproxy/mysqlslave2",
            "/haproxy/mysqlslave2/a",
            "/haproxy",
            "",
            "/",
        ] {
            assert!(!prefix.covers(key), "{key}");
        }
        assert!(list(&["/"])[0].covers("/x"));
    }

    #[test]
    fn odd_names_are_no_keys() {
        assert_eq!(template_key("a/b c/é"), Some("/a/b c/é".to_owned()));
        for odd in [
            "",
            "/a",
            "a/",
            "a//b",
            "a/./b",
            "..",
            "a\nb",
            "a\u{fffd}",
            "a/\u{85}",
        ] {
            assert_eq!(template_key(odd), None, "{odd:?}");
        }
    }
}
