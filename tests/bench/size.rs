//! How large the programs are.

use std::fs;
use std::path::Path;

use crate::Bench;
use crate::figures::{Figures, Unit};
use crate::peers::CONFD;
use crate::support::checker::binary;
use crate::table::{Line, Theirs};

const MB: Unit = Unit("MB");

pub fn measure(bench: &Bench) -> Vec<Line> {
    let ours = binary();
    let tiny = ours.with_file_name("tiny").join("confd_haproxy");
    let confd = || Theirs::given(bench.peers.confd_path().and_then(size));
    let mut lines =
        vec![Line::new("binary", size(&ours).expect("it is there"), CONFD, confd()).quoted()];
    if let Some(tiny) = size(&tiny) {
        lines.push(Line::new("binary without TLS (`make tiny`)", tiny, CONFD, confd()).quoted());
    }
    lines
}

fn size(path: &Path) -> Option<Figures> {
    let length = fs::metadata(path).ok()?.len();
    Some(Figures::new(MB, [length as f64 / 1e6]))
}
