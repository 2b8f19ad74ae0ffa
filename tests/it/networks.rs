//! Hosts with addresses of their own: discovery by the process list, cut links, and a name
//! service that never answers.

use std::time::{Duration, Instant};

use crate::scene::KEY;
use crate::site::{SilentNames, Site};

#[test]
fn replicas_that_report_nothing_are_found_by_the_process_list_and_a_cut_link_is_left() {
    let site = Site::start();
    let checker = site.checker();
    site.wait_until_at(1);
    checker.wait_for_log("slave in consul is ok");
    let cut = Instant::now();
    site.network.cut(&site.hosts[1]);
    site.wait_until_at(2);
    assert!(
        cut.elapsed() < Duration::from_secs(6),
        "{:?}",
        cut.elapsed()
    );
    // The primary goes on listing the lost replica for a while, and it must not be elected: with
    // the other one gone too, and the primary cut off, there is nobody.
    site.network.cut(&site.hosts[0]);
    site.network.cut(&site.hosts[2]);
    checker.wait_for_log("nobody can take over");
    assert_eq!(
        site.current().as_deref(),
        Some(site.servers[2].endpoint().as_str())
    );
    site.network.mend(&site.hosts[2]);
    checker.wait_for_count(
        "slave in consul is ok",
        checker.count("slave in consul is ok") + 1,
    );
    assert_eq!(
        site.current().as_deref(),
        Some(site.servers[2].endpoint().as_str())
    );
}

#[test]
fn a_name_service_that_never_answers_is_our_own_trouble_and_holds_up_no_check() {
    let silence = SilentNames::start();
    let (consul, checker) = (&silence.consul, &silence.checker);
    let index = consul.get(KEY).unwrap().modify_index;
    let line = "whose health is unknown: the name service did not answer for db1.example";
    checker.wait_for_count(line, 1);
    let started = Instant::now();
    checker.wait_for_count(line, 4);
    // Three cycles of at most two timeouts each.
    assert!(
        started.elapsed() < Duration::from_secs(8),
        "{:?}",
        started.elapsed()
    );
    assert_eq!(consul.get(KEY).unwrap().modify_index, index);
}
