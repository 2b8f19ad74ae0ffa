//! What the service manager is told of the works, and when: that all have started, how they are, and
//! that we live, which is said only while every work gets on.
//!
//! A process that hangs is silent by itself. What this is for is one thread that hangs while others
//! go on: then nobody is told any more that we live, and the manager starts us anew.

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

use crate::notify::Notifier;
use crate::progress::{Board, PATIENCE};

/// How often somebody is told who does not say how often: only the status is of interest then.
const UNHURRIED: Duration = Duration::from_secs(60);
/// The least time between two messages of the same kind.
const GAP: Duration = Duration::from_millis(200);
/// The pause after a message that the manager did not take.
const RETRY: Duration = Duration::from_secs(1);

/// The name that log lines carry.
const TARGET: &str = "watchdog";

/// Tells `notifier` of the works on `board` until all have ended.
pub fn attend(board: &Board, notifier: &Notifier) {
    // A message in time, and another one if that is lost.
    let pace = notifier
        .watchdog()
        .map_or(UNHURRIED, |time| (time / 3).min(UNHURRIED));
    let mut told = Told::default();
    let mut seen = 0;
    while !board.all_ended() {
        let delivered = told.tell(board, notifier, Instant::now());
        let pause = if delivered { pace } else { pace.min(RETRY) };
        if told.ready {
            thread::sleep(GAP.min(pause));
        }
        seen = board.wait(seen, pause.saturating_sub(GAP));
    }
}

/// What the manager knows.
#[derive(Debug, Default)]
struct Told {
    ready: bool,
    status: String,
    late: BTreeSet<String>,
}

impl Told {
    /// Tells what is to be told now. Returns whether all was delivered.
    fn tell(&mut self, board: &Board, notifier: &Notifier, now: Instant) -> bool {
        let is_ready = board.all_started();
        self.ready = self.ready || (is_ready && notifier.ready());
        let status = board.summary();
        if status != self.status && notifier.status(&status) {
            self.status.clone_from(&status);
        }
        let late = board.late(now).into_iter().collect();
        self.judge(late);
        let alive = notifier.watchdog().is_none() || !self.late.is_empty() || notifier.alive();
        self.ready == is_ready && self.status == status && alive
    }

    /// Says who is late, when that is new.
    fn judge(&mut self, late: BTreeSet<String>) {
        for name in late.difference(&self.late) {
            log::error!(
                target: TARGET,
                "{name} has made no progress for {} s longer than it should take: systemd is not \
                 told any more that all is well",
                PATIENCE.as_secs()
            );
        }
        for name in self.late.difference(&late) {
            log::warn!(target: TARGET, "{name} makes progress again");
        }
        self.late = late;
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::os::unix::net::UnixDatagram;

    use super::*;
    use crate::progress::Worry;
    use crate::scratch::Scratch;

    /// A manager whose watchdog has the time given, and who can be asked what it heard.
    struct Manager {
        _dir: Scratch,
        socket: UnixDatagram,
        notifier: Notifier,
    }

    impl Manager {
        fn new(watchdog: &'static str) -> Manager {
            let dir = Scratch::new();
            let path = dir.join("socket");
            let socket = UnixDatagram::bind(&path).unwrap();
            socket
                .set_read_timeout(Some(Duration::from_secs(20)))
                .unwrap();
            let environment = move |name: &str| match name {
                "NOTIFY_SOCKET" => Some(path.clone().into_os_string()),
                "WATCHDOG_USEC" => Some(OsString::from(watchdog)),
                _ => None,
            };
            let notifier = Notifier::find(&environment).unwrap().unwrap();
            Manager {
                _dir: dir,
                socket,
                notifier,
            }
        }

        /// All that it has heard since it was last asked.
        fn heard(&self) -> Vec<String> {
            self.socket.set_nonblocking(true).unwrap();
            let all = std::iter::from_fn(|| self.next()).collect();
            self.socket.set_nonblocking(false).unwrap();
            all
        }

        fn next(&self) -> Option<String> {
            let mut buffer = [0; 4096];
            let length = self.socket.recv(&mut buffer).ok()?;
            Some(String::from_utf8(buffer[..length].to_vec()).unwrap())
        }
    }

    #[test]
    fn ready_is_said_once_and_not_before_every_thread_runs() {
        let manager = Manager::new("");
        let board = Board::new();
        let (one, other) = (board.join("one"), board.join("other"));
        let mut told = Told::default();
        one.started();
        one.say(Worry::None, "one is up");
        assert!(told.tell(&board, &manager.notifier, Instant::now()));
        let status = "STATUS=other: nothing is known yet; one is up";
        assert_eq!(manager.heard(), [status]);
        other.started();
        for _ in 0..2 {
            assert!(told.tell(&board, &manager.notifier, Instant::now()));
        }
        assert_eq!(manager.heard(), ["READY=1"]);
    }

    #[test]
    fn we_live_only_while_every_work_gets_on() {
        let manager = Manager::new("1000000");
        let board = Board::new();
        let (one, other) = (board.join("one"), board.join("other"));
        let mut told = Told::default();
        for work in [&one, &other] {
            work.started();
            work.expect_within(Duration::from_secs(1));
        }
        let now = Instant::now();
        let later = now + PATIENCE + Duration::from_secs(5);
        told.tell(&board, &manager.notifier, now);
        assert_eq!(manager.heard().last().unwrap(), "WATCHDOG=1");
        one.expect_within(Duration::from_secs(3600));
        told.tell(&board, &manager.notifier, later);
        assert!(manager.heard().is_empty());
        other.expect_within(Duration::from_secs(3600));
        told.tell(&board, &manager.notifier, later);
        assert_eq!(manager.heard(), ["WATCHDOG=1"]);
    }

    #[test]
    fn it_says_that_we_live_again_and_again_until_all_works_have_ended() {
        let manager = Manager::new("60000");
        let board = Board::new();
        let work = board.join("one");
        work.started();
        thread::scope(|scope| {
            scope.spawn(|| attend(&board, &manager.notifier));
            let mut heard = Vec::new();
            while heard.iter().filter(|line| *line == "WATCHDOG=1").count() < 3 {
                heard.push(manager.next().unwrap());
            }
            assert!(heard.contains(&"READY=1".to_owned()), "{heard:?}");
            drop(work);
        });
    }

    #[test]
    fn what_could_not_be_told_is_told_the_next_time() {
        let manager = Manager::new("");
        let board = Board::new();
        let work = board.join("one");
        work.started();
        let mut told = Told::default();
        while manager.notifier.alive() {}
        assert!(!told.tell(&board, &manager.notifier, Instant::now()));
        manager.heard();
        assert!(told.tell(&board, &manager.notifier, Instant::now()));
        assert_eq!(
            manager.heard(),
            ["READY=1", "STATUS=one: nothing is known yet"]
        );
    }
}
