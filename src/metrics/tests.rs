//! The whole page, and the requests for it.

use std::fs;

use super::*;
use crate::backend::Kind;
use crate::checker::Health;
use crate::outcome::Outcome;

/// The numbers of a tag that is well, and of one that nobody has looked at.
fn metrics(now: Instant) -> Metrics {
    let metrics = Metrics::default();
    let key = |name: &str| Key::new(Kind::MysqlSlave, name.parse().unwrap());
    let tag = metrics.tag(&key("slave3301"));
    metrics.tag(&key("slave3302"));
    let health = Health::Up { lag: Some(2) };
    let outcome = Outcome::Kept {
        server: "10.0.0.2:3301".parse().unwrap(),
        health: health.clone(),
    };
    let cycle = Cycle {
        outcome: &outcome,
        seen: Some(&health),
        started: now,
        ended: now,
    };
    tag.count(cycle, now + Duration::from_secs(30));
    metrics.expect_file("/etc/haproxy/haproxy.cfg");
    let pass = Pass {
        failed: true,
        switched: 2,
        reload: Some(false),
    };
    metrics.count_pass("/etc/haproxy/haproxy.cfg", pass);
    metrics.count_source_error();
    metrics
}

#[test]
fn the_page_has_every_number_of_every_tag_and_file() {
    let now = Instant::now();
    let page = metrics(now).text_at(now, Duration::from_millis(1_795_609_800_250));
    for line in [
        "confd_haproxy_checks_total{tag=\"slave3301\"} 1",
        "confd_haproxy_checks_total{tag=\"slave3302\"} 0",
        "confd_haproxy_moves_total{tag=\"slave3302\",reason=\"down\"} 0",
        "confd_haproxy_state{tag=\"slave3301\"} 0",
        "confd_haproxy_state{tag=\"slave3302\"} 3",
        "confd_haproxy_lag_seconds{tag=\"slave3301\"} 2",
        "confd_haproxy_last_good_check_timestamp_seconds{tag=\"slave3301\"} 1795609800.250",
        "confd_haproxy_current_server_info{tag=\"slave3301\",kind=\"mysqlslave\",server=\"10.0.0.2:3301\"} 1",
        "confd_haproxy_renders_total{file=\"/etc/haproxy/haproxy.cfg\"} 1",
        "confd_haproxy_switches_total{file=\"/etc/haproxy/haproxy.cfg\"} 2",
        "confd_haproxy_reload_failures_total{file=\"/etc/haproxy/haproxy.cfg\"} 1",
        "confd_haproxy_source_errors_total 1",
    ] {
        assert!(page.lines().any(|l| l == line), "{line} is not in\n{page}");
    }
}

#[test]
fn a_process_without_tags_or_files_has_no_families_of_them() {
    let page = Metrics::default().text();
    assert_eq!(page.lines().count(), 3, "{page}");
    assert!(page.contains("confd_haproxy_build_info{version="), "{page}");
}

#[test]
fn every_family_is_there_once_and_its_samples_follow_it() {
    let page = metrics(Instant::now()).text();
    let mut family = "";
    let mut seen = Vec::new();
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            family = rest.split(' ').next().unwrap();
            assert!(!seen.contains(&family), "{family} is there twice");
            seen.push(family);
        } else if !line.starts_with('#') {
            let name = line.split(['{', ' ']).next().unwrap();
            assert_eq!(name, family);
        }
    }
    let all: Vec<&str> = names::ALL.iter().map(|name| name.name).collect();
    assert_eq!(seen.len(), all.len());
    assert!(all.iter().all(|name| seen.contains(name)), "{seen:?}");
}

#[test]
fn names_are_those_that_prometheus_recommends() {
    for name in names::ALL {
        let word = name.name;
        let plain = |c: char| c.is_ascii_lowercase() || c == '_';
        assert!(word.starts_with("confd_haproxy_") && word.chars().all(plain));
        let is_counter = name.kind == names::Kind::Counter;
        assert_eq!(word.ends_with("_total"), is_counter, "{word}");
        assert!(name.help.ends_with('.'), "{word}");
    }
}

#[test]
fn requests_get_the_numbers_a_tags_health_or_404() {
    let mut pages = Pages::new(Arc::new(metrics(Instant::now())));
    let cases = [
        ("/metrics", 200, "# HELP "),
        ("/health/slave3301", 200, "slave3301: 10.0.0.2:3301, up\n"),
        (
            "/health/slave3302",
            503,
            "slave3302: nothing is known yet\n",
        ),
        ("/health/other", 404, "there is no such tag here\n"),
        ("/health/", 404, "there is no such tag here\n"),
        ("/", 404, "there are /metrics and /health/TAG\n"),
        ("", 404, "there are"),
    ];
    for (path, status, start) in cases {
        let answer = pages.answer(path);
        assert_eq!(answer.status, status, "{path}");
        assert!(answer.body.starts_with(start), "{path}: {}", answer.body);
    }
}

#[test]
fn a_page_that_is_being_sent_is_sent_to_the_next_as_well() {
    let mut pages = Pages::new(Arc::new(metrics(Instant::now())));
    let first = pages.answer("/metrics").body;
    let second = pages.answer("/metrics").body;
    assert!(Arc::ptr_eq(&first, &second));
    drop((first, second));
    let third = Arc::downgrade(&pages.answer("/metrics").body);
    assert_eq!(third.strong_count(), 0, "nobody keeps it for later");
}

/// Every word in a text that begins like a metric.
fn mentioned(text: &str) -> Vec<&str> {
    let is_part = |c: char| c.is_ascii_lowercase() || c == '_';
    let words = text.split(|c: char| !is_part(c));
    words.filter(|w| w.starts_with("confd_haproxy_")).collect()
}

fn shipped(file: &str) -> String {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    fs::read_to_string(root.join(file)).unwrap()
}

#[test]
fn the_dashboard_the_alerts_and_the_readme_name_only_metrics_that_there_are() {
    for file in [
        "packaging/grafana/confd_haproxy.json",
        "packaging/prometheus/confd_haproxy.rules.yml",
        "docs/metrics.md",
    ] {
        let text = shipped(file);
        let found = mentioned(&text);
        assert!(found.len() > 5, "{file}");
        for word in found {
            assert!(names::ALL.iter().any(|n| n.name == word), "{file}: {word}");
        }
    }
}

#[test]
fn every_metric_has_a_line_in_the_documentation() {
    let text = shipped("docs/metrics.md");
    for name in names::ALL {
        assert!(
            text.contains(&format!("| `{}` |", name.name)),
            "{}",
            name.name
        );
    }
}
