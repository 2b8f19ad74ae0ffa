//! The files themselves.

use std::fs;

use super::{files, root};

#[test]
fn no_path_of_a_developers_machine_is_in_the_tree() {
    // Put together here, so that this file does not find itself.
    let traces = [
        ["/ro", "ot/"],
        ["/ho", "me/"],
        ["/wo", "rk/"],
        [".debian", ".org"],
    ];
    let traces: Vec<String> = traces.iter().map(|halves| halves.concat()).collect();
    let mut found = Vec::new();
    for path in files() {
        let Ok(text) = fs::read_to_string(&path) else {
            continue;
        };
        for (number, line) in (1..).zip(text.lines()) {
            if traces.iter().any(|trace| line.contains(trace.as_str())) {
                found.push(format!("{}:{number}: {line}", path.display()));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn every_source_file_says_first_what_it_owns() {
    let missing: Vec<String> = files()
        .iter()
        .filter(|path| path.extension().is_some_and(|e| e == "rs"))
        .filter(|path| !fs::read_to_string(path).unwrap().starts_with("//! "))
        .map(|path| path.strip_prefix(root()).unwrap().display().to_string())
        .collect();
    assert!(
        missing.is_empty(),
        "no module doc in: {}",
        missing.join(", ")
    );
}

#[test]
fn every_file_that_readme_refers_to_is_there() {
    let text = fs::read_to_string(root().join("README.md")).unwrap();
    let targets = text.split("](").skip(1);
    let targets = targets.filter_map(|rest| rest.split([')', '#']).next());
    let is_here = |target: &&str| !target.is_empty() && !target.contains("://");
    let missing: Vec<&str> = targets
        .filter(is_here)
        .filter(|target| !root().join(target).exists())
        .collect();
    assert!(missing.is_empty(), "{}", missing.join(", "));
}

#[test]
fn readme_opens_with_a_picture() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let (opening, _) = readme.split_once("\n## ").unwrap();
    assert!(opening.contains("](docs/failover.svg)"));
}
