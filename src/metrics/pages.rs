//! The pages: `/metrics` for Prometheus, `/health/TAG` for HAProxy's httpchk and other load balancers.

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::{Condition, Metrics};
use crate::http::Answer;

/// What Prometheus wants its text format to be called.
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";
const PLAIN: &str = "text/plain; charset=utf-8";
/// For how long a page that is still being sent is sent to others as well: with many tags it is
/// large, and clients that are slow must not each have one of their own.
const FRESH: Duration = Duration::from_secs(1);

/// Answers requests.
pub struct Pages {
    metrics: Arc<Metrics>,
    last: Option<(Instant, Weak<String>)>,
}

impl Pages {
    /// The pages of these numbers.
    pub fn new(metrics: Arc<Metrics>) -> Pages {
        Pages {
            metrics,
            last: None,
        }
    }

    /// The page at this path.
    pub fn answer(&mut self, path: &str) -> Answer {
        let now = Instant::now();
        if path == "/metrics" {
            return Answer {
                status: 200,
                kind: PROMETHEUS,
                body: self.numbers(now),
            };
        }
        let tag = path.strip_prefix("/health/");
        let condition = tag.and_then(|tag| self.metrics.condition(tag, now));
        let (status, line) = match (condition, tag) {
            (Some(Condition::Serving(line)), _) => (200, line),
            (Some(Condition::NotServing(line)), _) => (503, line),
            (None, Some(_)) => (404, "there is no such tag here".to_owned()),
            (None, None) => (404, "there are /metrics and /health/TAG".to_owned()),
        };
        Answer {
            status,
            kind: PLAIN,
            body: Arc::new(line + "\n"),
        }
    }

    fn numbers(&mut self, now: Instant) -> Arc<String> {
        let fresh = |at: Instant| now.saturating_duration_since(at) < FRESH;
        let last = self.last.as_ref().filter(|(at, _)| fresh(*at));
        if let Some(page) = last.and_then(|(_, page)| page.upgrade()) {
            return page;
        }
        let page = Arc::new(self.metrics.text());
        self.last = Some((now, Arc::downgrade(&page)));
        page
    }
}

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pages")
    }
}
