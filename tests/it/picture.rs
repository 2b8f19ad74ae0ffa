//! The picture that README opens with, by `make picture`: a terminal in which a replica is killed, as it
//! was recorded. Owns the stage, which is real servers on hosts of their own; what is typed is in
//! `picture/scenario.sh`, what a recording means in `recording`, and how it is drawn in `svg`.

mod recording;
mod svg;

use std::fs;
use std::path::{Path, PathBuf};

use crate::chain::Front;
use crate::site::Site;
use crate::support::checker::{CheckerBuilder, binary};
use crate::support::haproxy::HaProxy;
use crate::support::scratch::Scratch;
use crate::support::seconds;

const SCENARIO: &str = include_str!("picture/scenario.sh");

fn page() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/failover.svg")
}

#[test]
#[ignore = "make picture: writes docs/failover.svg"]
fn the_picture_of_a_failover_is_recorded_and_drawn() {
    let site = Site::start();
    let proxy = site.proxy.namespace();
    let mut front = Front::of(HaProxy::start_in(Some(proxy), ""));
    front.port = 13351;
    let primary = site.hosts[0].address();
    let conf = format!(
        "[slave3301]\nhost={primary}\nport=3301\nuser=monitor\npassword=s3cret\nproxyport=13351\n"
    );
    // Which process a server is: who kills one looks there.
    let servers = site.hosts.iter().zip(&site.servers);
    let pids: String = servers
        .map(|(host, server)| format!("{} {}\n", host.address(), server.daemon().pid()))
        .collect();
    let builder = CheckerBuilder::of("script", "script").netns(proxy);
    let dir = builder.dir().to_owned();
    let scenario = dir.join("scenario.sh");
    let kept = Scratch::new("recording");
    let [out, times] = ["out", "times"].map(|name| kept.join(name));
    let finished = front
        .with_confdir(builder, &front.resource(&front.switching()))
        .file("db.conf", &conf)
        .file("pids", &pids)
        .file("scenario.sh", SCENARIO)
        .args(["-q", "-E", "never", "-c"])
        .arg(format!(
            "cd {} && bash {}",
            dir.display(),
            scenario.display()
        ))
        .arg("-O")
        .arg(&out)
        .arg("-T")
        .arg(&times)
        .env("PROGRAM", &binary().display().to_string())
        .env("TERM", "xterm")
        .run_to_end(seconds(60));
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let read = |path| fs::read_to_string(path).unwrap();
    let lines = recording::lines(&read(&out), &read(&times));
    let text: Vec<String> = lines.iter().map(recording::Line::text).collect();
    let text = text.join("\n");
    println!("{text}");
    for wanted in [
        "connection refused",
        "moved from",
        "queries failed",
        "OK: 1 of 1 tags",
        "served by",
    ] {
        assert!(text.contains(wanted), "{wanted:?} is not in the picture");
    }
    assert!(
        !text.contains(&dir.display().to_string()),
        "a path is in it"
    );
    fs::write(
        page(),
        svg::draw("confd_haproxy: a replica is killed", &lines),
    )
    .unwrap();
}

#[test]
fn the_picture_that_readme_opens_with_is_there_and_shows_a_failover() {
    let svg = fs::read_to_string(page()).expect("docs/failover.svg: make picture");
    for wanted in ["connection refused", "forced move", "served by"] {
        assert!(svg.contains(wanted), "{wanted}");
    }
}
