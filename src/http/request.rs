//! A request, as far as it matters here: the method and the path. Pure.

use httparse::{EMPTY_HEADER, Error, Request, Status};

/// The longest request, in bytes; a scraper's has a few hundred.
pub(super) const LONGEST: usize = 8 * 1024;
/// The most headers.
const HEADERS: usize = 64;

/// What bytes are, as far as they have come.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked<'a> {
    /// More must come.
    NotYet,
    /// A question.
    Page {
        /// Without what stands behind `?`.
        path: &'a str,
        /// Whether only the head of the answer is wanted.
        head_only: bool,
    },
    /// None that is answered: HTTP's number for why.
    Refused(u16),
}

/// Reads the bytes of a request.
pub(super) fn read(bytes: &[u8]) -> Asked<'_> {
    let mut headers = [EMPTY_HEADER; HEADERS];
    let mut request = Request::new(&mut headers);
    match request.parse(bytes) {
        Ok(Status::Complete(_)) => {}
        Ok(Status::Partial) if bytes.len() < LONGEST => return Asked::NotYet,
        Ok(Status::Partial) | Err(Error::TooManyHeaders) => return Asked::Refused(431),
        Err(_) => return Asked::Refused(400),
    }
    let path = request.path.unwrap_or_default();
    let path = path.split_once('?').map_or(path, |(path, _)| path);
    match request.method {
        // OPTIONS is what HAProxy's httpchk asks with if it is not told otherwise.
        Some("GET" | "OPTIONS") => Asked::Page {
            path,
            head_only: false,
        },
        Some("HEAD") => Asked::Page {
            path,
            head_only: true,
        },
        _ => Asked::Refused(405),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_a_page_or_a_number_and_half_of_one_is_waited_for() {
        let page = |path, head_only| Asked::Page { path, head_only };
        let cases = [
            ("", Asked::NotYet),
            ("GET /metr", Asked::NotYet),
            ("GET /metrics HTTP/1.1\r\nHost: x\r\n", Asked::NotYet),
            (
                "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n",
                page("/metrics", false),
            ),
            ("GET /metrics?a=b HTTP/1.0\r\n\r\n", page("/metrics", false)),
            ("GET /metrics HTTP/1.0\n\n", page("/metrics", false)),
            ("HEAD /health/a HTTP/1.0\r\n\r\n", page("/health/a", true)),
            (
                "OPTIONS /health/a HTTP/1.0\r\n\r\n",
                page("/health/a", false),
            ),
            ("POST /metrics HTTP/1.1\r\n\r\n", Asked::Refused(405)),
            ("get\r\n\r\n", Asked::Refused(400)),
            ("\x16\x03\x01\x02", Asked::Refused(400)),
            ("GET /metrics HTTP/2.0\r\n\r\n", Asked::Refused(400)),
        ];
        for (text, wanted) in cases {
            assert_eq!(read(text.as_bytes()), wanted, "{text:?}");
        }
    }

    #[test]
    fn what_is_too_long_is_refused() {
        let many = "A: b\r\n".repeat(HEADERS + 1);
        let many = format!("GET / HTTP/1.1\r\n{many}\r\n");
        assert_eq!(read(many.as_bytes()), Asked::Refused(431));
        let endless = format!("GET /{}", "x".repeat(LONGEST));
        assert_eq!(read(endless.as_bytes()), Asked::Refused(431));
    }
}
