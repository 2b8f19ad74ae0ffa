//! An application that connects through the port all the time, and asks where it is.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use mysql::prelude::Queryable;

const PAUSE: Duration = Duration::from_millis(20);
const LIMIT: Duration = Duration::from_millis(500);

/// What it has seen.
#[derive(Debug, Clone)]
pub struct Seen {
    pub last_good: Instant,
    pub good: usize,
    pub failed: usize,
    /// The longest time between two answers.
    pub longest: Duration,
}

#[derive(Debug)]
pub struct Application {
    seen: Arc<Mutex<Seen>>,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Application {
    pub fn start(port: u16) -> Application {
        let seen = Arc::new(Mutex::new(Seen {
            last_good: Instant::now(),
            good: 0,
            failed: 0,
            longest: Duration::ZERO,
        }));
        let ended = Arc::new(AtomicBool::new(false));
        let (shared, stop) = (Arc::clone(&seen), Arc::clone(&ended));
        let thread = thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                let answered = ask(port);
                let mut seen = shared.lock().unwrap();
                if answered {
                    seen.longest = seen.longest.max(seen.last_good.elapsed());
                    seen.last_good = Instant::now();
                    seen.good += 1;
                } else {
                    seen.failed += 1;
                }
                drop(seen);
                thread::sleep(PAUSE);
            }
        });
        Application {
            seen,
            ended,
            thread: Some(thread),
        }
    }

    pub fn seen(&self) -> Seen {
        self.seen.lock().unwrap().clone()
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn ask(port: u16) -> bool {
    let options = mysql::OptsBuilder::new()
        .ip_or_hostname(Some("127.0.0.1"))
        .tcp_port(port)
        .user(Some("app"))
        .pass(Some("app"))
        .prefer_socket(false)
        .tcp_connect_timeout(Some(LIMIT))
        .read_timeout(Some(LIMIT))
        .write_timeout(Some(LIMIT));
    let Ok(mut session) = mysql::Conn::new(options) else {
        return false;
    };
    let id: mysql::Result<Option<u32>> = session.query_first("SELECT @@server_id");
    id.is_ok()
}
