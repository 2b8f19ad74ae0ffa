//! Whole conversations, word by word.

use super::*;
use crate::checker::Fault;
use crate::checker::mysql::failure::code;
use crate::checker::mysql::packet::frame;
use crate::secret::Secret;

const PLUGIN_AUTH: u32 = 1 << 19;
const SSL: u32 = 1 << 11;
const SECURE_CONNECTION: u32 = 1 << 15;
const PROTOCOL_41: u32 = 1 << 9;
const USUAL: u32 = PROTOCOL_41 | SECURE_CONNECTION | PLUGIN_AUTH;

const NATIVE: &str = "mysql_native_password";
const SHA2: &str = "caching_sha2_password";

fn account() -> Account {
    Account {
        user: "monitor".to_owned(),
        password: Secret::new("s3cret"),
        tls: false,
        get_public_key: false,
    }
}

/// The greeting of a server with these capabilities and this plugin.
fn greeting(capabilities: u32, plugin: &str) -> Vec<u8> {
    let [low, high] = [capabilities & 0xffff, capabilities >> 16].map(|half| {
        let [a, b, ..] = half.to_le_bytes();
        [a, b]
    });
    let mut content = b"\x0a8.0.36\0\x01\0\0\0saltsalt\0".to_vec();
    content.extend(low);
    content.extend([45, 2, 0]);
    content.extend(high);
    content.push(21);
    content.extend([0; 10]);
    content.extend(b"saltsaltsalt\0");
    content.extend(plugin.as_bytes());
    content.push(0);
    frame(&content, 0)
}

/// A client that has heard a greeting, and what it said to that.
fn greeted(account: &Account, capabilities: u32, plugin: &str) -> (Client, Event) {
    let mut client = Client::default();
    let said = hear(&mut client, greeting(capabilities, plugin), account);
    (client, said.unwrap().unwrap())
}

fn hear(
    client: &mut Client,
    mut heard: Vec<u8>,
    account: &Account,
) -> Result<Option<Event>, Failure> {
    let event = client.hear(&mut heard, account);
    assert!(event.is_err() || heard.is_empty(), "{heard:?} is left");
    event
}

fn contains(words: &[u8], part: &[u8]) -> bool {
    words.windows(part.len()).any(|window| window == part)
}

fn eof(number: u8) -> Vec<u8> {
    frame(&[0xfe, 0, 0, 2, 0], number)
}

fn column(name: &str, number: u8) -> Vec<u8> {
    let mut content = b"\x03def\0\0\0".to_vec();
    content.push(u8::try_from(name.len()).unwrap());
    content.extend(name.as_bytes());
    content.extend(b"\0\x0c\x2d\0\0\x01\0\0\xfd\0\0\0\0\0");
    frame(&content, number)
}

fn error(code: u16, number: u8) -> Vec<u8> {
    let content = [&[0xff], &code.to_le_bytes()[..], b"#HY000no"].concat();
    frame(&content, number)
}

fn logged_in() -> Client {
    let (mut client, _) = greeted(&account(), USUAL, NATIVE);
    let ok = frame(&[0, 0, 0, 2, 0, 0, 0], 2);
    assert_eq!(hear(&mut client, ok, &account()), Ok(Some(Event::In)));
    client
}

#[test]
fn a_login_is_one_packet_with_the_proof_of_the_servers_plugin() {
    for (plugin, proof) in [(NATIVE, 20), (SHA2, 32)] {
        let (_, event) = greeted(&account(), USUAL, plugin);
        let Event::Say(words) = event else {
            panic!("{event:?}");
        };
        assert_eq!(words.get(3), Some(&1), "its number");
        assert!(contains(&words, b"monitor\0"));
        assert!(contains(&words, plugin.as_bytes()));
        assert!(!contains(&words, b"s3cret"));
        let head = 4 + 32 + "monitor\0".len();
        assert_eq!(words.get(head), Some(&proof), "{plugin}");
    }
}

#[test]
fn an_account_without_a_password_proves_nothing() {
    let nobody = Account {
        password: Secret::new(""),
        ..account()
    };
    let (_, event) = greeted(&nobody, USUAL, NATIVE);
    let Event::Say(words) = event else {
        panic!("{event:?}");
    };
    assert!(contains(&words, b"monitor\0\0"));
}

#[test]
fn a_server_may_ask_for_the_accounts_own_plugin() {
    let (mut client, _) = greeted(&account(), USUAL, "sha256_password");
    let ask = [b"\xfe", SHA2.as_bytes(), b"\0otherotherotherother\0"].concat();
    let event = hear(&mut client, frame(&ask, 2), &account());
    let Ok(Some(Event::Say(words))) = event else {
        panic!("{event:?}");
    };
    assert_eq!(words.len(), 4 + 32);
    assert_eq!(words.get(3), Some(&3));
    // It knows the password from before.
    let event = hear(&mut client, frame(&[1, 3], 4), &account());
    assert_eq!(event, Ok(None));
    let ok = frame(&[0, 0, 0, 2, 0, 0, 0], 5);
    assert_eq!(hear(&mut client, ok, &account()), Ok(Some(Event::In)));
}

#[test]
fn the_whole_password_goes_only_where_nobody_can_read_it_or_under_a_key_if_that_is_wanted() {
    let whole = frame(&[1, 4], 2);
    let (mut client, _) = greeted(&account(), USUAL, SHA2);
    let failure = hear(&mut client, whole.clone(), &account()).unwrap_err();
    assert!(matches!(failure, Failure::Unknown(_)), "{failure:?}");

    let key = Account {
        get_public_key: true,
        ..account()
    };
    let (mut client, _) = greeted(&key, USUAL, SHA2);
    let event = hear(&mut client, whole, &key);
    assert_eq!(event, Ok(Some(Event::Say(frame(&[2], 3)))));

    let tls = Account {
        tls: true,
        ..account()
    };
    let (mut client, _) = greeted(&tls, USUAL | SSL, SHA2);
    let event = hear(&mut client, frame(&[1, 4], 3), &tls);
    assert_eq!(event, Ok(Some(Event::Say(frame(b"s3cret\0", 4)))));
}

#[test]
fn with_tls_the_user_is_named_only_after_the_connection_is_encrypted() {
    let tls = Account {
        tls: true,
        ..account()
    };
    let (_, event) = greeted(&tls, USUAL | SSL, NATIVE);
    let Event::Secure(first, then) = event else {
        panic!("{event:?}");
    };
    assert_eq!((first.len(), first.get(3)), (4 + 32, Some(&1)));
    assert_eq!(then.get(3), Some(&2));
    assert!(contains(&then, b"monitor\0"));
}

#[test]
fn a_server_without_tls_where_tls_is_wanted_is_our_trouble() {
    let tls = Account {
        tls: true,
        ..account()
    };
    let mut client = Client::default();
    let failure = hear(&mut client, greeting(USUAL, NATIVE), &tls).unwrap_err();
    assert!(matches!(&failure, Failure::Unknown(t) if t.0.contains("offers no TLS")));
}

#[test]
fn plugins_that_give_the_password_away_are_refused() {
    for plugin in [
        "mysql_clear_password",
        "mysql_old_password",
        "parsec",
        "dialog",
    ] {
        let (mut client, _) = greeted(&account(), USUAL, NATIVE);
        let ask = [b"\xfe", plugin.as_bytes(), b"\0saltsaltsaltsaltsalt\0"].concat();
        let failure = hear(&mut client, frame(&ask, 2), &account()).unwrap_err();
        assert!(
            matches!(&failure, Failure::Unknown(t) if t.0.contains(plugin)),
            "{failure:?}"
        );
    }
    let (mut client, _) = greeted(&account(), USUAL, NATIVE);
    let failure = hear(&mut client, frame(&[0xfe], 2), &account()).unwrap_err();
    assert!(matches!(failure, Failure::Unknown(_)), "{failure:?}");
}

#[test]
fn a_login_that_is_denied_over_a_plain_connection_says_that_tls_may_be_wanted() {
    let (mut client, _) = greeted(&account(), USUAL, NATIVE);
    let failure = hear(&mut client, error(code::ACCESS_DENIED, 2), &account()).unwrap_err();
    assert!(matches!(&failure, Failure::Unknown(t) if t.0.contains("use tls=on")));
}

#[test]
fn a_server_that_is_full_says_so_instead_of_a_greeting() {
    let full = [&[0xff], &1040u16.to_le_bytes()[..], b"Too many connections"].concat();
    let failure = hear(&mut Client::default(), frame(&full, 0), &account()).unwrap_err();
    assert_eq!(failure, Failure::Down(Fault::TooManyConnections));
}

#[test]
fn rows_come_with_their_names_however_the_words_are_cut() {
    let mut client = logged_in();
    assert_eq!(client.ask("SELECT 1"), frame(b"\x03SELECT 1", 0));
    let answer = [
        frame(&[2], 1),
        column("Id", 2),
        column("Host", 3),
        eof(4),
        frame(b"\x011\xfb", 5),
        frame(b"\x012\x0410.1", 6),
        eof(7),
    ]
    .concat();
    let mut heard = Vec::new();
    let mut event = None;
    for byte in answer {
        assert_eq!(event, None);
        heard.push(byte);
        event = client.hear(&mut heard, &account()).unwrap();
    }
    let Some(Event::Answer(Ok(rows))) = event else {
        panic!("{event:?}");
    };
    let shown: Vec<_> = rows
        .iter()
        .map(|row| (row.text(&["id"]), row.get(&["HOST"])))
        .collect();
    let wanted = [
        ("1".into(), Some(None)),
        ("2".into(), Some(Some("10.1".into()))),
    ];
    assert_eq!(shown, wanted);
}

#[test]
fn a_refused_statement_leaves_the_connection_good_for_another() {
    let mut client = logged_in();
    client.ask("SHOW REPLICA STATUS");
    let event = hear(&mut client, error(code::PARSE_ERROR, 1), &account());
    assert!(matches!(&event, Ok(Some(Event::Answer(Err(e)))) if e.code == code::PARSE_ERROR));
    client.ask("SHOW SLAVE STATUS");
    let none = [frame(&[1], 1), column("Id", 2), eof(3), eof(4)].concat();
    let event = hear(&mut client, none, &account());
    assert_eq!(event, Ok(Some(Event::Answer(Ok(Vec::new())))));
}

#[test]
fn what_is_not_the_protocol_is_the_servers_fault() {
    let odd: [Vec<u8>; 7] = [
        frame(b"", 1),
        frame(b"\xfb/etc/passwd", 1),
        frame(&[0xfe, 0, 0, 0, 0, 0, 1, 0, 0], 1),
        frame(&[0xfc, 0xff, 0xff], 1),
        [frame(&[1], 1), column("Id", 2), column("Id", 3)].concat(),
        [frame(&[1], 1), frame(b"\x03def", 2)].concat(),
        [
            frame(&[2], 1),
            column("a", 2),
            column("b", 3),
            eof(4),
            frame(b"\x01x", 5),
        ]
        .concat(),
    ];
    for words in odd {
        let mut client = logged_in();
        client.ask("SHOW GRANTS");
        let failure = client.hear(&mut words.clone(), &account()).unwrap_err();
        assert!(
            matches!(failure, Failure::Down(Fault::Protocol(_))),
            "{words:?}: {failure:?}"
        );
    }
}

#[test]
fn a_server_that_ends_the_session_unasked_says_why() {
    let shutdown = hear(&mut logged_in(), error(1053, 3), &account()).unwrap_err();
    assert!(
        matches!(shutdown, Failure::Down(Fault::NotServing(_))),
        "{shutdown:?}"
    );
    let killed = hear(&mut logged_in(), error(1927, 3), &account()).unwrap_err();
    assert!(killed.is_reset(), "{killed:?}");
}
