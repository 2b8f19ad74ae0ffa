//! The pages: `/metrics` for Prometheus, `/health/TAG` for HAProxy's httpchk and other load balancers.

use std::time::Instant;

use super::{Condition, Metrics};
use crate::http::Answer;

/// What Prometheus wants its text format to be called.
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";
const PLAIN: &str = "text/plain; charset=utf-8";

/// The page at this path.
pub fn answer(metrics: &Metrics, path: &str) -> Answer {
    if path == "/metrics" {
        return Answer {
            status: 200,
            kind: PROMETHEUS,
            body: metrics.text(),
        };
    }
    let tag = path.strip_prefix("/health/");
    let condition = tag.and_then(|tag| metrics.condition(tag, Instant::now()));
    let (status, line) = match (condition, tag) {
        (Some(Condition::Serving(line)), _) => (200, line),
        (Some(Condition::NotServing(line)), _) => (503, line),
        (None, Some(_)) => (404, "there is no such tag here".to_owned()),
        (None, None) => (404, "there are /metrics and /health/TAG".to_owned()),
    };
    Answer {
        status,
        kind: PLAIN,
        body: one_line(&line),
    }
}

/// Servers' words may be in it.
fn one_line(text: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().map(plain).chain(['\n']).collect()
}
