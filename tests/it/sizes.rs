//! What the programs may weigh. The budgets stand here, and docs/dependencies.md names them with where the
//! bytes are.

use std::fs;
use std::path::PathBuf;

/// In bytes: the whole program, and the one without TLS.
const FULL: u64 = 4_250_000;
const TINY: u64 = 3_250_000;

/// What `make test` built; a build of the tests alone has nothing to weigh.
fn built(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).map(PathBuf::from)
}

#[test]
fn the_programs_are_within_their_budgets() {
    let programs = [("CONFD_HAPROXY_BIN", FULL), ("CONFD_HAPROXY_TINY", TINY)];
    for (variable, budget) in programs {
        let Some(path) = built(variable) else {
            eprintln!("{variable} is not set: make test");
            continue;
        };
        let size = fs::metadata(&path).expect("it was built").len();
        assert!(
            size <= budget,
            "{}: {size} bytes, and the budget is {budget}: make sizes says where they are",
            path.display()
        );
    }
}

#[test]
fn the_budgets_are_those_of_the_page() {
    let page = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/dependencies.md");
    let page = fs::read_to_string(page).unwrap();
    for budget in [FULL, TINY] {
        let kilobytes = format!("{} kB", budget / 1000);
        assert!(
            page.contains(&kilobytes),
            "no {kilobytes} in docs/dependencies.md"
        );
    }
}
