//! Keys in the environment, as confd's env backend has them: `/haproxy/mysqlslave/x` is
//! `HAPROXY_MYSQLSLAVE_X`. (confd: backends/env/client.go)
//!
//! An underscore in a variable always becomes a '/', and all letters small ones: what confd does.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::thread;
use std::time::Duration;

use super::{Pair, Snapshot, Source, SourceError};

/// The environment as it was when the source was made; that of a process does not change.
#[derive(Debug)]
pub struct EnvSource {
    snapshot: Snapshot,
}

impl EnvSource {
    /// The variables under `prefixes` among `variables`, as `std::env::vars_os` gives them. A
    /// prefix matches as confd's does: by the letters that a name begins with.
    pub fn new(
        variables: impl IntoIterator<Item = (OsString, OsString)>,
        prefixes: &[String],
    ) -> EnvSource {
        let prefixes: Vec<String> = prefixes.iter().map(|prefix| transformed(prefix)).collect();
        let wanted = |name: &str| prefixes.iter().any(|prefix| name.starts_with(prefix));
        let pairs: BTreeMap<String, Pair> = variables
            .into_iter()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
            .filter(|(name, _)| wanted(name))
            .map(|(name, value)| (key(&name), pair(&value)))
            .collect();
        EnvSource {
            snapshot: Snapshot { pairs },
        }
    }
}

impl Source for EnvSource {
    fn read(&mut self) -> Result<Snapshot, SourceError> {
        Ok(self.snapshot.clone())
    }

    /// Nothing ever changes: sleeps.
    fn wait(&mut self, at_most: Duration) -> Result<bool, SourceError> {
        thread::sleep(at_most);
        Ok(false)
    }

    fn name(&self) -> &'static str {
        "env"
    }
}

fn transformed(prefix: &str) -> String {
    let bare = prefix.strip_prefix('/').unwrap_or(prefix);
    bare.replace('/', "_").to_uppercase()
}

fn key(name: &str) -> String {
    format!("/{}", name.to_lowercase().replace('_', "/"))
}

fn pair(value: &OsString) -> Pair {
    Pair {
        value: value.to_string_lossy().into_owned(),
        flags: 0,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    fn read(variables: &[(&str, &str)], prefixes: &[&str]) -> Vec<(String, String)> {
        let variables = variables.iter().map(|&(n, v)| (n.into(), v.into()));
        let prefixes: Vec<String> = prefixes.iter().map(|&p| p.to_owned()).collect();
        let snapshot = EnvSource::new(variables, &prefixes).read().unwrap();
        let pairs = snapshot.pairs.into_iter();
        pairs.map(|(key, pair)| (key, pair.value)).collect()
    }

    #[test]
    fn variables_become_keys_as_in_confd() {
        let cases = [
            (
                "/haproxy/mysqlslave",
                "HAPROXY_MYSQLSLAVE_A",
                Some("/haproxy/mysqlslave/a"),
            ),
            (
                "haproxy/mysqlslave/",
                "HAPROXY_MYSQLSLAVE_A_B",
                Some("/haproxy/mysqlslave/a/b"),
            ),
            ("/haproxy/mysqlslave/", "HAPROXY_MYSQLSLAVE2_A", None),
            (
                "/haproxy/mysqlslave",
                "HAPROXY_MYSQLSLAVE2_A",
                Some("/haproxy/mysqlslave2/a"),
            ),
            ("/haproxy", "haproxy_a", None),
            ("/haproxy", "HAPROXY_Aa", Some("/haproxy/aa")),
            ("/haproxy", "XHAPROXY_A", None),
            ("/", "A", Some("/a")),
        ];
        for (prefix, name, wanted) in cases {
            let keys = read(&[(name, "v=1")], &[prefix]);
            let wanted: Vec<_> = wanted
                .map(|k| (k.to_owned(), "v=1".to_owned()))
                .into_iter()
                .collect();
            assert_eq!(keys, wanted, "{prefix} {name}");
        }
        assert!(read(&[("A", "1")], &[]).is_empty());
    }

    #[test]
    fn a_name_that_is_no_utf8_is_no_key_and_such_a_value_is_replaced() {
        let bad = OsString::from_vec(vec![b'A', 0xff]);
        let variables = [(bad.clone(), "1".into()), ("A_B".into(), bad)];
        let snapshot = EnvSource::new(variables, &["/a".to_owned()])
            .read()
            .unwrap();
        let values: Vec<&str> = snapshot.pairs.values().map(|p| p.value.as_str()).collect();
        assert_eq!(values, ["A\u{fffd}"]);
    }

    #[test]
    fn waiting_sleeps_and_nothing_changes() {
        let mut source = EnvSource::new([], &[]);
        let started = std::time::Instant::now();
        assert_eq!(source.wait(Duration::from_millis(20)), Ok(false));
        assert!(started.elapsed() >= Duration::from_millis(20));
        assert_eq!(source.name(), "env");
    }
}
