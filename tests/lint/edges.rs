//! Who may import whom: data flows down only. The table is the design; a new edge is a decision.

use std::collections::BTreeSet;
use std::fs;

use super::{files, root};

/// For the rooms that put the others together.
const EVERYTHING: &[&str] = &["*"];

/// Each room of `src`, and the rooms that it may import besides its own.
const ALLOWED: &[(&str, &[&str])] = &[
    ("main", &["checker", "cli", "commands", "logger"]),
    // They build the parts, and so know them all; nobody but main knows them.
    ("commands", EVERYTHING),
    (
        "renderer",
        &[
            "backoff", "metrics", "progress", "random", "render", "source",
        ],
    ),
    (
        "render",
        &[
            // `notify` only for the names of its variables, which commands must not see.
            "backend", "backoff", "command", "endpoint", "haproxy", "notify", "random", "resource",
            "source", "stage", "template",
        ],
    ),
    (
        "cli",
        &[
            // `logger` only for what its lines can look like.
            "backend", "config", "endpoint", "error", "logger", "moment", "nearest", "secret",
            "tables", "tls",
        ],
    ),
    (
        "config",
        &[
            "backend", "elect", "endpoint", "error", "nearest", "secret", "tls",
        ],
    ),
    (
        "supervisor",
        &[
            "backoff", "checker", "notify", "progress", "random", "watchdog",
        ],
    ),
    // The one place that tells the service manager; works only say how they get on.
    ("watchdog", &["notify", "progress"]),
    ("notify", &[]),
    ("progress", &[]),
    (
        "watch",
        &[
            "backend",
            "checker",
            "cycle",
            "hook",
            "metrics",
            "outcome",
            "progress",
            "report",
            "supervisor",
        ],
    ),
    ("report", &["backend", "checker", "endpoint", "outcome"]),
    // Counts what others did: `report` only for what a cycle is.
    (
        "metrics",
        &[
            "backend", "checker", "endpoint", "http", "moment", "outcome", "report", "stage",
        ],
    ),
    ("http", &[]),
    // `notify` only for the names of its variables, which commands must not see.
    ("hook", &["command", "notify"]),
    (
        "status",
        &[
            "backend",
            "checker",
            "elect",
            "endpoint",
            "outcome",
            "overrides",
        ],
    ),
    ("overrides", &["elect", "endpoint", "moment"]),
    ("moment", &[]),
    // Reads the host's own files, and knows of nothing else.
    ("host", &[]),
    (
        "cycle",
        &[
            "backend",
            "backoff",
            "checker",
            "elect",
            "endpoint",
            "hysteresis",
            "moment",
            "outcome",
            "overrides",
            "random",
            "store",
        ],
    ),
    ("outcome", &["backend", "checker", "endpoint", "store"]),
    ("elect", &["checker", "endpoint"]),
    ("hysteresis", &["checker", "endpoint"]),
    (
        "checker",
        &["backend", "endpoint", "random", "resolve", "secret", "tls"],
    ),
    (
        "store",
        // `backoff` and `random`: a store that watches its keys rests when it cannot.
        &[
            "backend",
            "backoff",
            "endpoint",
            "overrides",
            "random",
            "resolve",
            "secret",
            "tls",
        ],
    ),
    (
        "source",
        &[
            "backend", "backoff", "endpoint", "random", "resolve", "secret", "store",
        ],
    ),
    ("resource", &["tables"]),
    ("stage", &["random"]),
    ("command", &[]),
    ("tables", &["nearest"]),
    ("scratch", &["random"]),
    // `moment` only for the calendar.
    ("template", &["endpoint", "moment", "resolve"]),
    ("haproxy", &["endpoint", "resolve"]),
    ("backend", &["endpoint"]),
    ("resolve", &["endpoint"]),
    ("logger", &["checker", "moment"]),
    ("error", &[]),
    ("nearest", &[]),
    ("endpoint", &[]),
    ("secret", &[]),
    // The only one that knows rustls.
    ("tls", &["endpoint"]),
    ("backoff", &[]),
    ("random", &[]),
    ("limits", &[]),
    ("lib", &[]),
];

#[test]
fn every_import_is_one_that_the_design_allows() {
    let mut wrong = Vec::new();
    for path in files() {
        let Ok(inside) = path.strip_prefix(root().join("src")) else {
            continue;
        };
        let room = inside
            .components()
            .next()
            .unwrap()
            .as_os_str()
            .to_str()
            .unwrap();
        let room = room.trim_end_matches(".rs");
        let text = fs::read_to_string(&path).unwrap();
        let product = text.split("#[cfg(test)]").next().unwrap();
        if path.ends_with("tests.rs") {
            continue;
        }
        let Some((_, allowed)) = ALLOWED.iter().find(|(name, _)| *name == room) else {
            wrong.push(format!(
                "{}: a room without a row in this table",
                inside.display()
            ));
            continue;
        };
        for import in imports(product) {
            let is_allowed = *allowed == EVERYTHING || allowed.contains(&import.as_str());
            if import != room && !is_allowed {
                wrong.push(format!("{}: imports {import}", inside.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The rooms named after `crate::` (or the crate's own name, in `main.rs`).
fn imports(text: &str) -> BTreeSet<String> {
    let code = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    let code: String = code.collect::<Vec<_>>().join("\n");
    let after = |marker: &str| -> Vec<String> {
        code.split(marker)
            .skip(1)
            .flat_map(|rest| match rest.strip_prefix('{') {
                Some(group) => {
                    let group = group.split('}').next().unwrap_or_default();
                    group.split(',').map(first_word).collect::<Vec<_>>()
                }
                None => vec![first_word(rest)],
            })
            .collect()
    };
    let both = after("crate::").into_iter().chain(after("confd_haproxy::"));
    both.filter(|word| !word.is_empty()).collect()
}

fn first_word(text: &str) -> String {
    let word = |c: &char| c.is_ascii_alphanumeric() || *c == '_';
    text.trim_start().chars().take_while(word).collect()
}
