//! Panels of real sockets on this machine.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};

use super::*;
use crate::checker::Fault;
use crate::checker::failure::Failure;
use crate::checker::heard::{Cursor, Stop};
use crate::checker::talk::Step;
use crate::tls;

const LIMIT: Duration = Duration::from_millis(300);

/// Hears one line.
#[derive(Debug)]
struct Greeting;

impl Talk for Greeting {
    type Facts = Vec<u8>;
    const LIMIT: usize = 100;
    const IS_GREETED: bool = true;
    const TLS_FIRST: bool = false;
    const GOODBYE: &'static [u8] = b"bye";

    fn tls(&self) -> Option<&tls::Client> {
        None
    }

    fn begin(&mut self) -> Result<Vec<u8>, Failure> {
        Ok(Vec::new())
    }

    fn hear(&mut self, heard: &mut Vec<u8>) -> Result<Step<Vec<u8>>, Failure> {
        match Cursor::new(heard).line() {
            Ok(b"panic") => panic!("an odd greeting"),
            Ok(b"anew") => Ok(Step::Anew),
            Ok(line) => Ok(Step::Done(line.to_vec())),
            Err(Stop::Incomplete) => Ok(Step::Listen),
            Err(Stop::Failed(failure)) => Err(failure),
        }
    }
}

fn panel() -> Panel<Greeting> {
    Panel::new(LIMIT, Resolver::system())
}

fn ask(panel: &mut Panel<Greeting>, servers: &[&Endpoint]) {
    panel.begin(servers.iter().map(|server| ((*server).clone(), Greeting)));
    panel.hear(everybody);
}

/// A server that says this to each client, in their order, and the last to all others.
fn server(words: &'static [&'static [u8]]) -> Endpoint {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        let mut clients = Vec::new();
        let mut words = words.iter();
        let mut word = *words.next().unwrap();
        for mut client in listener.incoming().flatten() {
            client.write_all(word).unwrap();
            if word == b"cut" {
                client.shutdown(Shutdown::Both).unwrap();
            }
            word = words.next().unwrap_or(&word);
            clients.push(client);
        }
    });
    endpoint.parse().unwrap()
}

fn said(panel: &Panel<Greeting>, server: &Endpoint) -> Result<Vec<u8>, Health> {
    panel.word(server).unwrap().said.clone()
}

#[test]
fn all_are_asked_at_once_and_each_has_its_own_answer() {
    let (well, hung, ill) = (server(&[b"hello\n"]), server(&[b""]), server(&[b"panic\n"]));
    let mut panel = panel();
    let start = Instant::now();
    ask(&mut panel, &[&well, &hung, &ill]);
    ask(&mut panel, &[&well, &hung, &ill]);
    assert!(start.elapsed() < LIMIT * 20);
    assert_eq!(said(&panel, &well).unwrap(), b"hello");
    assert_eq!(said(&panel, &hung), Err(Fault::TimedOut(LIMIT).into()));
    let health = said(&panel, &ill).unwrap_err().to_string();
    assert!(
        health.contains("the check gave up: an odd greeting"),
        "{health}"
    );
}

#[test]
fn a_closed_port_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server: Endpoint = listener.local_addr().unwrap().to_string().parse().unwrap();
    drop(listener);
    let mut panel = panel();
    ask(&mut panel, &[&server]);
    assert_eq!(said(&panel, &server), Err(Fault::Refused.into()));
}

#[test]
fn one_connection_that_is_cut_is_tried_again_and_two_are_a_fault() {
    let (once, always) = (server(&[b"cut", b"hello\n"]), server(&[b"cut"]));
    let mut panel = panel();
    ask(&mut panel, &[&once, &always]);
    assert_eq!(said(&panel, &once).unwrap(), b"hello");
    assert_eq!(said(&panel, &always), Err(Fault::Reset.into()));
}

#[test]
fn a_conversation_may_begin_anew_on_another_connection() {
    let server = server(&[b"anew\n", b"hello\n"]);
    let mut panel = panel();
    ask(&mut panel, &[&server]);
    assert_eq!(said(&panel, &server).unwrap(), b"hello");
}

#[test]
fn an_answer_that_does_not_end_is_refused() {
    let server = server(&[&[b'x'; 200]]);
    let mut panel = panel();
    ask(&mut panel, &[&server]);
    let health = said(&panel, &server).unwrap_err().to_string();
    assert!(health.contains("does not end"), "{health}");
}

#[test]
fn a_good_answer_can_be_enough_and_the_late_one_comes_while_the_panel_waits() {
    let (well, hung) = (server(&[b"hello\n"]), server(&[b""]));
    let mut panel = panel();
    panel.begin([(well.clone(), Greeting), (hung.clone(), Greeting)]);
    panel.hear(|panel| panel.word(&well).map(|word| word.heard_at));
    assert!(panel.word(&hung).is_none());
    assert_eq!(panel.wait(LIMIT * 2), Wake::Elapsed);
    assert_eq!(said(&panel, &hung), Err(Fault::TimedOut(LIMIT).into()));
}

#[test]
fn two_panels_are_heard_at_the_same_time() {
    let (well, hung) = (server(&[b"hello\n"]), server(&[b""]));
    let (mut one, mut other) = (panel(), panel());
    let start = Instant::now();
    one.begin([(hung.clone(), Greeting)]);
    other.begin([(well.clone(), Greeting), (hung.clone(), Greeting)]);
    hear_both(&mut one, &mut other, |_, other| {
        other.word(&well).map(|word| word.heard_at)
    });
    assert_eq!(said(&other, &well).unwrap(), b"hello");
    assert!(one.is_open(&hung) && other.is_open(&hung));
    hear_both(&mut one, &mut other, |_, _| None);
    assert!(start.elapsed() < LIMIT * 10);
    assert_eq!(said(&one, &hung), said(&other, &hung));
}

#[test]
fn the_last_good_answer_is_known_as_long_as_there_is_no_better_one() {
    let server = server(&[b"hello\n", b"panic\n"]);
    let mut panel = panel();
    for _ in 0..3 {
        ask(&mut panel, &[&server]);
        assert_eq!(panel.known(&server).unwrap(), b"hello");
    }
    assert!(said(&panel, &server).is_err());
}

#[test]
fn the_wait_ends_when_the_watched_server_closes() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server: Endpoint = listener.local_addr().unwrap().to_string().parse().unwrap();
    let theirs = thread::spawn(move || {
        let mut client = listener.accept().unwrap().0;
        client.write_all(b"hello\n").unwrap();
        client
    });
    let mut panel = panel();
    panel.watch(&server);
    ask(&mut panel, &[&server]);
    assert_eq!(panel.wait(Duration::from_millis(10)), Wake::Elapsed);
    drop(theirs.join().unwrap());
    assert_eq!(panel.wait(Duration::from_secs(20)), Wake::ServerClosed);
    assert_eq!(panel.wait(Duration::from_millis(10)), Wake::Elapsed);
}

#[test]
fn a_kept_connection_is_changed_when_it_is_old_and_a_newer_one_is_given_up_at_once_until_then() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server: Endpoint = listener.local_addr().unwrap().to_string().parse().unwrap();
    let mut panel = panel();
    panel.watch(&server);
    let check = |panel: &mut Panel<Greeting>| {
        panel.begin([(server.clone(), Greeting)]);
        let mut client = listener.accept().unwrap().0;
        client.write_all(b"hello\n").unwrap();
        panel.hear(everybody);
        client
    };
    let (mut first, mut second) = (check(&mut panel), check(&mut panel));
    assert!(is_open(&mut first));
    assert!(!is_open(&mut second));
    let idle = panel.idle.as_mut().unwrap();
    idle.since = idle.since.checked_sub(KEEP).unwrap();
    let mut third = check(&mut panel);
    assert!(!is_open(&mut first));
    assert!(is_open(&mut third));
    drop(third);
    assert_eq!(panel.wait(Duration::from_secs(20)), Wake::ServerClosed);
}

/// Whether the panel still has its end; a last word is said before it is given up.
fn is_open(theirs: &mut TcpStream) -> bool {
    theirs.set_nonblocking(true).unwrap();
    let mut said = Vec::new();
    match theirs.read_to_end(&mut said) {
        Ok(_) => {
            assert_eq!(said, b"bye");
            false
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::WouldBlock);
            true
        }
    }
}
