//! Which keys may reach a template. Pure, but for the memory of each tag's last good value.
//!
//! A key of ours (`/haproxy/<kind>/<tag>`) is let through only if its value is one, in the byte
//! form that we write ourselves, so that no value can add a line to a file; two tags never share
//! a name or a proxy port. What is not good is left out, or stands as it last was. Other keys are
//! not ours to judge and pass as they are.

use std::collections::{BTreeMap, BTreeSet};

use crate::backend::{Backend, Cause, Kind, TagName};
use crate::endpoint::Port;
use crate::source::{Pair, Snapshot};

/// The last good value of each key of ours.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entries {
    good: BTreeMap<String, Good>,
}

/// A value that may be rendered.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Good {
    backend: Backend,
    cause: Cause,
}

/// What a template may see.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checked {
    /// Keys and values.
    pub pairs: BTreeMap<String, String>,
    /// Why each tag was last moved.
    pub causes: BTreeMap<String, Cause>,
    /// What was left out, or kept as it was, and why; each one line.
    pub problems: Vec<String>,
}

impl Entries {
    /// The memory of an earlier process: keys, values and flags as `remembered` gave them.
    pub fn recall(pairs: impl IntoIterator<Item = (String, Pair)>) -> Entries {
        let good = pairs.into_iter().filter_map(|(key, pair)| {
            let good = read(own_tag(&key)?.as_ref().ok()?, &pair).ok()?;
            Some((key, good))
        });
        Entries {
            good: good.collect(),
        }
    }

    /// What there is to remember.
    pub fn remembered(&self) -> BTreeMap<String, Pair> {
        let pair = |good: &Good| Pair {
            value: good.backend.to_string(),
            flags: good.cause.flags(),
        };
        self.good
            .iter()
            .map(|(key, good)| (key.clone(), pair(good)))
            .collect()
    }

    /// Checks everything that a source has for a resource.
    pub fn check(&mut self, snapshot: &Snapshot) -> Checked {
        let mut checked = Checked::default();
        let mut wanted = Vec::new();
        for (key, pair) in &snapshot.pairs {
            match own_tag(key) {
                None => drop(checked.pairs.insert(key.clone(), pair.value.clone())),
                Some(Ok(tag)) => {
                    wanted.push((key, self.read_or_recall(key, &tag, pair, &mut checked)))
                }
                Some(Err(problem)) => {
                    checked
                        .problems
                        .push(format!("{key} is left out: {problem}"));
                }
            }
        }
        let taken = self.allot(wanted, &mut checked);
        for (key, good) in &taken {
            checked.pairs.insert(key.clone(), good.backend.to_string());
            checked
                .causes
                .insert(good.backend.name.to_string(), good.cause);
        }
        self.good = taken;
        checked
    }

    fn read_or_recall(
        &self,
        key: &str,
        tag: &TagName,
        pair: &Pair,
        checked: &mut Checked,
    ) -> Option<Good> {
        let problem = match read(tag, pair) {
            Ok(good) => return Some(good),
            Err(problem) => problem,
        };
        let last = self.good.get(key).cloned();
        let what = match &last {
            Some(good) => format!("its last good value stands, {}", good.backend.server),
            None => "it is left out".to_owned(),
        };
        checked.problems.push(format!(
            "the value of {key} is malformed: {problem}; {what}"
        ));
        last
    }

    /// Gives each entry its name and port, those first that had them before, then in the order of
    /// the keys. An entry that wants what another has stands as it last was, if it can.
    fn allot(
        &self,
        wanted: Vec<(&String, Option<Good>)>,
        checked: &mut Checked,
    ) -> BTreeMap<String, Good> {
        let mut wanted: Vec<(&String, Good)> = wanted
            .into_iter()
            .filter_map(|(key, good)| Some((key, good?)))
            .collect();
        wanted.sort_by_key(|(key, good)| (!self.has_place(key, good), *key));
        let mut places = Places::default();
        let mut taken = BTreeMap::new();
        for (key, good) in wanted {
            let rivals = places.rivals(&good);
            let Some(rival) = rivals else {
                places.take(&good);
                taken.insert(key.clone(), good);
                continue;
            };
            let last = self
                .good
                .get(key)
                .filter(|last| places.rivals(last).is_none())
                .cloned();
            let what = match &last {
                Some(_) => "its last good value stands",
                None => "it is left out",
            };
            checked
                .problems
                .push(format!("{key} wants {rival}; {what}"));
            if let Some(last) = last {
                places.take(&last);
                taken.insert(key.clone(), last);
            }
        }
        taken
    }

    /// Whether this key had this name and port before.
    fn has_place(&self, key: &str, good: &Good) -> bool {
        self.good
            .get(key)
            .is_some_and(|last| last.backend.proxy_port == good.backend.proxy_port)
    }
}

/// Names and ports that are taken.
#[derive(Default)]
struct Places {
    names: BTreeSet<TagName>,
    ports: BTreeMap<Port, TagName>,
}

impl Places {
    fn take(&mut self, good: &Good) {
        self.names.insert(good.backend.name.clone());
        self.ports
            .insert(good.backend.proxy_port, good.backend.name.clone());
    }

    fn rivals(&self, good: &Good) -> Option<String> {
        let Backend {
            name, proxy_port, ..
        } = &good.backend;
        if self.names.contains(name) {
            return Some(format!("the name {name}, which another key has"));
        }
        let owner = self.ports.get(proxy_port)?;
        Some(format!("proxyport {proxy_port}, which {owner} has"))
    }
}

/// The tag of a key of ours; `None` for keys that are not ours, an error for those that cannot be.
fn own_tag(key: &str) -> Option<Result<TagName, String>> {
    let kinds = Kind::ALL.map(|kind| format!("/haproxy/{kind}/"));
    let tag = kinds
        .iter()
        .find_map(|prefix| key.strip_prefix(prefix.as_str()))?;
    Some(tag.parse())
}

fn read(tag: &TagName, pair: &Pair) -> Result<Good, String> {
    let backend = Backend::parse(pair.value.as_bytes())?;
    if backend.name != *tag {
        return Err(format!("it holds the name {}", backend.name));
    }
    Ok(Good {
        backend,
        cause: Cause::from_flags(pair.flags),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(name: &str, host: u8, proxy_port: u16) -> String {
        format!(
            r#"{{"name":"{name}", "host":"10.0.0.{host}", "port":3301, "proxyport":{proxy_port}}}"#
        )
    }

    fn snapshot(pairs: &[(&str, &str)]) -> Snapshot {
        let pair = |value: &str| Pair {
            value: value.to_owned(),
            flags: 1,
        };
        let pairs = pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), pair(value)));
        Snapshot {
            pairs: pairs.collect(),
        }
    }

    fn keys(checked: &Checked) -> Vec<&str> {
        checked.pairs.keys().map(String::as_str).collect()
    }

    const A: &str = "/haproxy/mysqlslave/a";
    const B: &str = "/haproxy/mysqlslave/b";
    const MEM: &str = "/haproxy/memcached/a";

    #[test]
    fn good_entries_pass_in_our_own_byte_form_with_their_cause() {
        let odd = r#"{"proxyport":"1","x":"\n evil","name":"a","port":"3301","host":"10.0.0.1"}"#;
        let checked = Entries::default().check(&snapshot(&[(A, odd), (B, &value("b", 2, 2))]));
        assert_eq!(checked.pairs[A], value("a", 1, 1));
        assert_eq!(checked.causes["a"], Cause::Forced);
        assert!(checked.problems.is_empty());
    }

    #[test]
    fn a_bad_entry_is_left_out_or_stands_as_it_last_was() {
        let good = value("a", 1, 1);
        for bad in [
            "",
            "{}",
            "x\ny",
            &value("b", 1, 1),
            &value("a", 1, 1).replace("10.0.0.1", "h\\nx"),
        ] {
            let mut entries = Entries::default();
            let first = entries.check(&snapshot(&[(A, bad), (B, &value("b", 2, 2))]));
            assert_eq!(keys(&first), [B], "{bad}");
            assert_eq!(first.problems.len(), 1);
            entries.check(&snapshot(&[(A, &good)]));
            let again = entries.check(&snapshot(&[(A, bad)]));
            assert_eq!(again.pairs[A], good);
            assert!(
                again.problems[0].contains("10.0.0.1:3301"),
                "{:?}",
                again.problems
            );
            assert!(!again.problems[0].contains('\n'));
        }
    }

    #[test]
    fn a_key_that_is_gone_is_gone() {
        let mut entries = Entries::default();
        entries.check(&snapshot(&[(A, &value("a", 1, 1))]));
        entries.check(&snapshot(&[]));
        assert!(entries.check(&snapshot(&[(A, "")])).pairs.is_empty());
    }

    #[test]
    fn of_two_with_one_port_or_name_the_one_that_had_it_keeps_it() {
        let mut entries = Entries::default();
        entries.check(&snapshot(&[(B, &value("b", 2, 7))]));
        let checked = entries.check(&snapshot(&[(A, &value("a", 1, 7)), (B, &value("b", 3, 7))]));
        assert_eq!(keys(&checked), [B]);
        assert!(
            checked.problems[0].contains("proxyport 7, which b has"),
            "{:?}",
            checked.problems
        );
        let checked = entries.check(&snapshot(&[
            (B, &value("b", 3, 7)),
            (MEM, &value("a", 1, 8)),
        ]));
        assert_eq!(keys(&checked), [MEM, B]);
        let checked = entries.check(&snapshot(&[
            (A, &value("a", 1, 9)),
            (MEM, &value("a", 1, 8)),
        ]));
        assert_eq!(keys(&checked), [MEM]);
        assert!(
            checked.problems[0].contains("the name a"),
            "{:?}",
            checked.problems
        );
    }

    #[test]
    fn one_that_moves_onto_anothers_port_stands_as_it_last_was() {
        let mut entries = Entries::default();
        entries.check(&snapshot(&[(A, &value("a", 1, 1)), (B, &value("b", 2, 2))]));
        let checked = entries.check(&snapshot(&[(A, &value("a", 9, 2)), (B, &value("b", 2, 2))]));
        assert_eq!(checked.pairs[A], value("a", 1, 1));
        assert_eq!(checked.pairs[B], value("b", 2, 2));
    }

    #[test]
    fn two_that_swap_their_ports_both_get_them() {
        let mut entries = Entries::default();
        entries.check(&snapshot(&[(A, &value("a", 1, 1)), (B, &value("b", 2, 2))]));
        let checked = entries.check(&snapshot(&[(A, &value("a", 1, 2)), (B, &value("b", 2, 1))]));
        assert_eq!(checked.pairs[A], value("a", 1, 2));
        assert_eq!(checked.pairs[B], value("b", 2, 1));
    }

    #[test]
    fn keys_below_ours_that_are_no_tags_are_left_out_and_others_pass_as_they_are() {
        let pairs = [
            ("/haproxy/mysqlslave/a/b", "x"),
            ("/haproxy/mysqlslave/a b", "x"),
            ("/haproxy/other/x", "raw\nvalue"),
            ("/app/name", "v"),
        ];
        let checked = Entries::default().check(&snapshot(&pairs));
        assert_eq!(keys(&checked), ["/app/name", "/haproxy/other/x"]);
        assert_eq!(checked.problems.len(), 2);
    }

    #[test]
    fn the_memory_survives_the_process() {
        let mut entries = Entries::default();
        entries.check(&snapshot(&[(A, &value("a", 1, 1))]));
        let mut later = Entries::recall(entries.remembered());
        assert_eq!(later, entries);
        assert_eq!(
            later.check(&snapshot(&[(A, "broken")])).pairs[A],
            value("a", 1, 1)
        );
    }
}
