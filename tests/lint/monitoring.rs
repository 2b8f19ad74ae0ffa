//! The dashboard and the alert rules: that a Grafana and a Prometheus can read them. That their metrics
//! exist is tested beside the metrics' names.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use super::root;

fn text(file: &str) -> String {
    fs::read_to_string(root().join("packaging").join(file)).unwrap()
}

/// Brackets and quotes of an expression that are opened and closed in their order.
fn is_balanced(expression: &str) -> bool {
    let (mut open, mut quoted) = (Vec::new(), false);
    for c in expression.chars() {
        match c {
            '"' => quoted = !quoted,
            _ if quoted => {}
            '(' => open.push(')'),
            '[' => open.push(']'),
            '{' => open.push('}'),
            ')' | ']' | '}' if open.pop() != Some(c) => return false,
            _ => {}
        }
    }
    open.is_empty() && !quoted
}

#[test]
fn the_dashboard_is_json_and_every_panel_asks_for_something() {
    let dashboard: Value = serde_json::from_str(&text("grafana/confd_haproxy.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    assert!(panels.len() > 8);
    let mut seen = BTreeSet::new();
    for panel in panels {
        let title = panel["title"].as_str().unwrap();
        assert!(
            seen.insert(panel["id"].as_u64().unwrap()),
            "{title}: its id"
        );
        let place = &panel["gridPos"];
        let at = |name: &str| place[name].as_u64().unwrap();
        assert!(at("x") + at("w") <= 24, "{title} is too wide");
        let targets = panel["targets"].as_array().unwrap();
        assert!(!targets.is_empty(), "{title}");
        for target in targets {
            let expression = target["expr"].as_str().unwrap();
            assert!(is_balanced(expression), "{title}: {expression}");
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{title}");
        }
    }
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        assert!(variable["name"].is_string() && variable["type"].is_string());
    }
}

#[test]
fn the_alert_rules_have_the_shape_that_prometheus_reads() {
    let text = text("prometheus/confd_haproxy.rules.yml");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let mut lines = lines.peekable();
    assert_eq!(lines.next(), Some("groups:"));
    assert_eq!(lines.next(), Some("  - name: confd_haproxy"));
    assert_eq!(lines.next(), Some("    rules:"));
    let mut names = BTreeSet::new();
    while let Some(line) = lines.next() {
        let name = line.strip_prefix("      - alert: ").expect(line);
        assert!(names.insert(name.to_owned()), "{name} is there twice");
        let rest = std::iter::from_fn(|| lines.next_if(|line| !line.contains("- alert: ")));
        rule(name, &rest.collect::<Vec<_>>());
    }
    assert!(names.len() > 5, "{names:?}");
}

/// The lines of a rule below its name.
fn rule(name: &str, lines: &[&str]) {
    let value = |start: &str| lines.iter().find_map(|line| line.strip_prefix(start));
    let expression = value("        expr: ").expect(name);
    assert!(is_balanced(expression), "{name}: {expression}");
    // A plain scalar of YAML ends where these stand.
    assert!(
        !expression.contains(": ") && !expression.contains(" #"),
        "{name}"
    );
    let severity = value("          severity: ").expect(name);
    assert!(["warning", "critical"].contains(&severity), "{name}");
    for field in ["summary", "description"] {
        let text = value(&format!("          {field}: ")).expect(name);
        let inside = text
            .strip_prefix('"')
            .and_then(|text| text.strip_suffix('"'));
        assert!(inside.is_some_and(|t| !t.contains('"')), "{name}: {field}");
    }
    let known = ["expr: ", "for: ", "labels:", "annotations:"];
    for line in lines.iter().filter(|line| !line.starts_with("          ")) {
        let key = line.strip_prefix("        ").expect(line);
        assert!(known.iter().any(|known| key.starts_with(known)), "{line}");
    }
}
