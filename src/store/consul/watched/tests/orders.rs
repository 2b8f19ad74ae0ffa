//! The orders for all tags of a kind, from one list.

use super::*;

const LIST: &str = "/overrides/mysqlslave/?recurse";
/// Older than anything here.
const ANY: Duration = Duration::from_secs(3600);

impl Fake {
    /// An operator orders something.
    fn order(&self, tag: &str, text: &str) {
        let mut kv = self.lock();
        kv.index += 1;
        let index = kv.index;
        let path = key(tag).override_path();
        kv.keys.insert(path, (text.to_owned(), index));
    }

    /// How often somebody asked like this.
    fn asked(&self, what: &str) -> usize {
        self.lines().iter().filter(|l| l.contains(what)).count()
    }
}

fn pin(server: &str) -> String {
    format!(r#"{{"pin":"{server}"}}"#)
}

/// Where the orders pin a tag, and their version.
#[track_caller]
fn pinned(watched: &Watched, tag: &str, max_age: Duration) -> (Option<String>, u64) {
    let ordered = watched.read_override(&key(tag), max_age).unwrap();
    let pin = ordered.orders.unwrap().pin;
    (pin.map(|pin| pin.server.to_string()), ordered.version.0)
}

#[test]
fn each_tag_is_asked_about_once_and_then_one_list_is_for_all() {
    let fake = Fake::holding("a", 1);
    fake.order("b", &pin("h:1"));
    let tags = ["a", "b", "c"];
    let watched = fake.watched(&tags, CALM);
    for _ in 0..20 {
        assert_eq!(pinned(&watched, "a", ANY), (None, 0));
        assert_eq!(pinned(&watched, "b", ANY), (Some("h:1".to_owned()), 7));
        assert_eq!(pinned(&watched, "c", ANY), (None, 0));
    }
    for tag in tags {
        assert_eq!(fake.asked(&format!("/overrides/mysqlslave/{tag} ")), 1);
    }
    assert_eq!(fake.asked(LIST), 1);
}

#[test]
fn a_list_that_is_too_old_is_asked_for_again_and_before_a_move_any_is() {
    let fake = Fake::start();
    let watched = fake.watched(&["a", "b"], CALM);
    assert_eq!(pinned(&watched, "a", ANY), (None, 0));
    assert_eq!(pinned(&watched, "a", ANY), (None, 0));
    fake.order("a", &pin("h:1"));
    assert_eq!(pinned(&watched, "a", ANY), (None, 0), "the list is known");
    let now = (Some("h:1".to_owned()), 6);
    assert_eq!(pinned(&watched, "a", Duration::ZERO), now);
    assert_eq!(fake.asked(LIST), 2);
    fake.order("a", &pin("h:2"));
    let young = Duration::from_millis(50);
    wait_until("the list is old", || {
        pinned(&watched, "a", young) == (Some("h:2".to_owned()), 7)
    });
}

#[test]
fn one_tag_alone_has_no_use_for_a_list() {
    let fake = Fake::start();
    fake.order("a", &pin("h:1"));
    let watched = fake.watched(&["a"], CALM);
    for count in 1..5 {
        assert_eq!(pinned(&watched, "a", ANY), (Some("h:1".to_owned()), 6));
        assert_eq!(fake.asked("/overrides/mysqlslave/a "), count);
    }
    assert_eq!(fake.asked(LIST), 0);
}

#[test]
fn who_asks_while_a_list_is_under_way_gets_that_answer() {
    let fake = Fake::start();
    let tags: Vec<String> = (0..8).map(|number| format!("t{number}")).collect();
    let names: Vec<&str> = tags.iter().map(String::as_str).collect();
    let watched = fake.watched(&names, CALM);
    names.iter().for_each(|tag| {
        pinned(&watched, tag, ANY);
    });
    thread::scope(|scope| {
        for tag in &names {
            let watched = &watched;
            scope.spawn(move || pinned(watched, tag, ANY));
        }
    });
    assert_eq!(fake.asked(LIST), 1);
}

#[test]
fn orders_that_are_malformed_are_one_tags_own_trouble() {
    let fake = Fake::start();
    fake.order("a", r#"{"pin":7}"#);
    fake.order("b", &pin("h:1"));
    let watched = fake.watched(&["a", "b"], CALM);
    for _ in 0..3 {
        let ordered = watched.read_override(&key("a"), ANY).unwrap();
        assert_eq!(ordered.orders.unwrap_err(), "\"pin\" names no server");
        assert_eq!(ordered.version, Version(6));
        assert_eq!(pinned(&watched, "b", ANY).0, Some("h:1".to_owned()));
    }
}

#[test]
fn where_lists_are_denied_each_tag_is_asked_about() {
    let fake = Fake::start();
    fake.order("a", &pin("h:1"));
    fake.mood(Mood::DeniesLists);
    let watched = fake.watched(&["a", "b"], CALM);
    for count in 1..5 {
        assert_eq!(pinned(&watched, "a", ANY).0, Some("h:1".to_owned()));
        assert_eq!(fake.asked("/overrides/mysqlslave/a "), count);
    }
}

#[test]
fn orders_that_the_token_may_not_read_are_never_none() {
    let fake = Fake::start();
    fake.mood(Mood::Hides);
    let watched = fake.watched(&["a", "b"], CALM);
    for _ in 0..3 {
        let error = watched.read_override(&key("a"), ANY).unwrap_err();
        for word in [
            "reading haproxy/overrides/mysqlslave/a from consul http://",
            "read permission on haproxy/overrides/mysqlslave/a is missing",
            r#"key_prefix "haproxy/overrides/" { policy = "read" }"#,
        ] {
            assert!(error.0.contains(word), "{error}");
        }
    }
    assert_eq!(fake.asked(LIST), 0);
}

#[test]
fn an_answer_that_is_none_is_an_error_with_the_key_and_the_agent_until_there_is_a_good_one() {
    let fake = Fake::start();
    let watched = fake.watched(&["a", "b"], CALM);
    assert_eq!(pinned(&watched, "a", ANY), (None, 0));
    let agent = fake.server.address();
    for (mood, said) in [
        (Mood::Says(500, "No leader"), "500 No leader"),
        (Mood::Says(200, "garbage"), "the answer is no list of keys"),
        (Mood::Says(200, r#"[{"Key":"x"}]"#), "the answer is no list"),
        (Mood::Says(404, "no such page"), "404 no such page; this is"),
    ] {
        fake.mood(mood);
        let error = watched.read_override(&key("a"), Duration::ZERO);
        let error = error.unwrap_err().0;
        let begin =
            format!("reading haproxy/overrides/mysqlslave/a from consul http://{agent}: {said}");
        assert!(error.starts_with(&begin), "{error}");
    }
    fake.mood(Mood::Well);
    assert_eq!(pinned(&watched, "a", Duration::ZERO), (None, 0));
}
