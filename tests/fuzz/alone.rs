//! A test in a network of its own, where there is nothing but loopback: a server that is made to
//! name another address must not send us to a stranger.

use std::process::Command;

const MARK: &str = "FUZZ_ALONE";

/// Runs the test `name` of this program again in a network namespace, and there `work`.
pub fn alone(name: &str, work: impl FnOnce()) {
    if std::env::var_os(MARK).is_some() {
        return work();
    }
    let program = std::env::current_exe().unwrap();
    let output = Command::new("unshare")
        .args([
            "--net",
            "sh",
            "-c",
            r#"ip link set lo up && exec "$0" "$@""#,
        ])
        .arg(program)
        .args(["--exact", name, "--nocapture"])
        .env(MARK, "yes")
        .output()
        .expect("unshare: run tests/setup.sh tools as root");
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{name}: {}", output.status);
    assert!(said.contains("1 passed"), "{name} did not run");
}
