//! A server that says what a real one said, mutated.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::mutate::Random;

/// How long it waits for a client that has nothing to say any more.
const PATIENCE: Duration = Duration::from_millis(15);
/// What it says at most in a flood.
const FLOOD: usize = 64 << 20;

/// What the server says, turn by turn; the first turn comes before anybody has asked.
pub type Turns = Vec<Vec<u8>>;

/// A listener on loopback.
#[derive(Debug)]
pub struct Replay {
    pub endpoint: String,
    script: Arc<Mutex<Script>>,
}

#[derive(Debug, Default, Clone)]
struct Script {
    turns: Turns,
    /// The last turn is said again and again.
    flood: bool,
}

/// A recording of the corpus.
pub fn recording(name: &str) -> Turns {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
    let text = fs::read_to_string(dir.join(format!("{name}.turns")))
        .unwrap_or_else(|error| panic!("{name}: {error}; make corpus"));
    text.lines().map(unescape).collect()
}

impl Replay {
    pub fn start() -> Replay {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = listener.local_addr().unwrap().to_string();
        let script = Arc::new(Mutex::new(Script::default()));
        let shared = Arc::clone(&script);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let script = shared.lock().unwrap().clone();
                thread::spawn(move || play(&stream, &script));
            }
        });
        Replay { endpoint, script }
    }

    /// What the next clients hear.
    pub fn say(&self, turns: Turns) {
        let flood = false;
        *self.script.lock().unwrap() = Script { turns, flood };
    }

    /// One of the recordings, mutated in a few turns, is what the next clients hear. A flood is one
    /// of two hundred.
    pub fn mutate(&self, random: &mut Random, recordings: &[Turns]) {
        let mut turns = random.pick(recordings).clone();
        let others: Vec<Vec<u8>> = recordings.iter().flatten().cloned().collect();
        for _ in 0..random.below(5) {
            let at = random.below(turns.len());
            random.change(&mut turns[at], &others);
        }
        let flood = random.one_in(200);
        if flood {
            turns.truncate(1 + random.below(turns.len()));
        }
        *self.script.lock().unwrap() = Script { turns, flood };
    }
}

fn play(mut stream: &TcpStream, script: &Script) {
    let _ = stream.set_nodelay(true);
    let _ = stream.set_read_timeout(Some(PATIENCE));
    let _ = stream.set_write_timeout(Some(PATIENCE));
    let mut buffer = [0; 65_536];
    for (number, turn) in script.turns.iter().enumerate() {
        let heard = number == 0 || stream.read(&mut buffer).is_ok_and(|count| count > 0);
        if !heard || stream.write_all(turn).is_err() {
            break;
        }
    }
    if script.flood {
        let last = script.turns.last().filter(|turn| !turn.is_empty());
        let chunk = last.cloned().unwrap_or_else(|| vec![b'x'; 4096]);
        let chunk = chunk.repeat(65_536 / chunk.len() + 1);
        let mut left = FLOOD;
        while left > chunk.len() && stream.write_all(&chunk).is_ok() {
            left -= chunk.len();
        }
    }
    let _ = stream.shutdown(Shutdown::Write);
    while stream.read(&mut buffer).is_ok_and(|count| count > 0) {}
}

/// What `escape_ascii` made, back to bytes.
fn unescape(line: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = line.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        bytes.push(match rest.next().expect("an escape") {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'x' => {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            other => other,
        });
    }
    bytes
}
