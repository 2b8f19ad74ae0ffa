//! Several servers asked at the same time, by the thread of their tag alone, and the connection of
//! one of them kept to wait on. What an answer means is the checker's.

mod sockets;

use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::PollFlags;

use self::sockets::Sockets;
use crate::checker::call::{Call, Said};
use crate::checker::talk::Talk;
use crate::checker::wire::Idle;
use crate::checker::{Health, Wake};
use crate::endpoint::Endpoint;
use crate::resolve::Resolver;

/// How long whoever has a good answer waits for the others, so that two checkers choose from the
/// same list, but a hung server does not hold up a move.
pub const GRACE: Duration = Duration::from_millis(100);
/// How long a connection is kept. The next check's own would do as well, but one that is given up right
/// after its use costs less than one that nobody has touched for a second; so a kept one is changed now
/// and then only. Not never: its server may have moved elsewhere with its address.
const KEEP: Duration = Duration::from_secs(3);
/// Longer than anything is waited for.
const FAR: Duration = Duration::from_secs(3600);

/// The servers, and what each of them said last.
#[derive(Debug)]
pub struct Panel<T: Talk> {
    timeout: Duration,
    resolver: Resolver,
    /// Who is being asked.
    calls: Vec<Call<T>>,
    heard_of: BTreeMap<Endpoint, Heard<T::Facts>>,
    /// Counts the words.
    heard: u64,
    /// The server whose connection is kept, and that connection.
    watched: Option<Endpoint>,
    idle: Option<Kept>,
}

/// A connection that is kept.
#[derive(Debug)]
struct Kept {
    connection: Idle,
    since: Instant,
}

/// What a server said when it was last asked.
#[derive(Debug, Clone)]
pub struct Word<F> {
    /// When that was known.
    pub heard_at: Instant,
    /// Its answer, or how a server is that gives none.
    pub said: Result<F, Health>,
    /// How many words the panel had heard by then.
    pub number: u64,
}

/// What was heard of a server.
#[derive(Debug)]
struct Heard<F> {
    /// What it said when it was last asked; `None` as long as it is being asked.
    word: Option<Word<F>>,
    /// Its last good answer, where that is not its word.
    former: Option<F>,
}

/// For `hear_both`: a panel of any kind.
trait Hearing {
    fn add_sockets<'a>(&'a self, into: &mut Sockets<'a>);
    /// When it can get on, whatever happens.
    fn wake_at(&self) -> Option<Instant>;
    /// Lets it get on. One item for each socket that it added, in order.
    fn get_on(&mut self, ready: &mut dyn Iterator<Item = bool>);
}

/// Waits until everybody who was asked by either panel has answered or is late, or until the time
/// that `enough` names, which is asked again after each answer.
pub fn hear_both<A: Talk, B: Talk>(
    one: &mut Panel<A>,
    other: &mut Panel<B>,
    enough: impl Fn(&Panel<A>, &Panel<B>) -> Option<Instant>,
) {
    while one.is_asking() || other.is_asking() {
        let stop = enough(one, other);
        if is_over(stop) {
            break;
        }
        wait_for(&mut [one, other], stop);
    }
}

impl<T: Talk> Panel<T> {
    /// Nobody has been asked yet; each gets `timeout` to answer.
    pub fn new(timeout: Duration, resolver: Resolver) -> Panel<T> {
        Panel {
            timeout,
            resolver,
            calls: Vec::new(),
            heard_of: BTreeMap::new(),
            heard: 0,
            watched: None,
            idle: None,
        }
    }

    /// Asks these servers and nobody else, without waiting. Their former words are gone.
    pub fn begin(&mut self, talks: impl IntoIterator<Item = (Endpoint, T)>) {
        self.calls.clear();
        for (server, talk) in talks {
            self.begin_one(server, talk);
        }
    }

    /// Asks one server as well, without waiting, unless it is being asked. Its former word is gone.
    pub fn begin_one(&mut self, server: Endpoint, talk: T) {
        if self.is_open(&server) {
            return;
        }
        self.forget(&server);
        let resolver = self.resolver.clone();
        let mut call = Call::new(server, talk, self.timeout, resolver);
        match call.advance(false) {
            Some(said) => self.take(call.server().clone(), said),
            None => {
                // Nearly always one, and a call is large.
                self.calls.reserve_exact(1);
                self.calls.push(call);
            }
        }
    }

    /// Waits until everybody who was asked has answered or is late, or until the time that `enough`
    /// names, which is asked again after each answer.
    pub fn hear(&mut self, enough: impl Fn(&Panel<T>) -> Option<Instant>) {
        while self.is_asking() {
            let stop = enough(self);
            if is_over(stop) {
                break;
            }
            wait_for(&mut [self], stop);
        }
    }

    /// From now on this server's connection is kept, to wait on. The one that was kept so far is
    /// given up.
    pub fn watch(&mut self, server: &Endpoint) {
        self.watched = Some(server.clone());
        self.idle = None;
    }

    /// Whether this server's connection is kept.
    pub fn is_watching(&self, server: &Endpoint) -> bool {
        self.watched.as_ref() == Some(server)
    }

    /// Gives the watched connection up: its server does not serve, or wants it for others.
    pub fn unwatch(&mut self) {
        self.watched = None;
        self.idle = None;
    }

    /// Whether a connection is kept.
    pub fn has_idle(&self) -> bool {
        self.idle.is_some()
    }

    /// Whether this server is being asked.
    pub fn is_open(&self, server: &Endpoint) -> bool {
        self.calls.iter().any(|call| call.server() == server)
    }

    /// How many servers are being asked.
    pub fn open(&self) -> usize {
        self.calls.len()
    }

    /// How many words were heard so far.
    pub fn heard(&self) -> u64 {
        self.heard
    }

    /// What a server said when it was last asked; `None` as long as it is being asked.
    pub fn word(&self, server: &Endpoint) -> Option<&Word<T::Facts>> {
        self.heard_of.get(server)?.word.as_ref()
    }

    /// All words there are.
    pub fn words(&self) -> impl Iterator<Item = (&Endpoint, &Word<T::Facts>)> {
        let all = self.heard_of.iter();
        all.filter_map(|(server, heard)| Some((server, heard.word.as_ref()?)))
    }

    /// The last good answer of a server, however old.
    pub fn known(&self, server: &Endpoint) -> Option<&T::Facts> {
        let heard = self.heard_of.get(server)?;
        match heard.word.as_ref().map(|word| &word.said) {
            Some(Ok(facts)) => Some(facts),
            Some(Err(_)) | None => heard.former.as_ref(),
        }
    }

    /// Waits until `at_most` has passed, or the watched server closes its idle connection. Whoever
    /// is being asked gets on meanwhile.
    pub fn wait(&mut self, at_most: Duration) -> Wake {
        let until = Instant::now() + at_most;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Wake::Elapsed;
            }
            if self.idle.is_none() && self.calls.is_empty() {
                thread::sleep(left);
                return Wake::Elapsed;
            }
            if self.wait_once(until) {
                self.idle = None;
                return Wake::ServerClosed;
            }
        }
    }

    /// Waits for something to happen. Returns whether it happened to the idle connection: its
    /// server closed it, or said something unasked, which is the beginning of the same.
    fn wait_once(&mut self, until: Instant) -> bool {
        let mut sockets = Sockets::default();
        if let Some(idle) = &self.idle {
            sockets.add(idle.connection.as_fd(), PollFlags::IN | PollFlags::RDHUP);
        }
        self.add_sockets(&mut sockets);
        let wake = Hearing::wake_at(self);
        let ready = sockets.wait(wake.map_or(until, |at| at.min(until)));
        let has_idle = usize::from(self.idle.is_some());
        let (of_idle, of_calls) = ready.as_slice().split_at(has_idle);
        let happened = of_idle.contains(&true);
        self.get_on(&mut of_calls.iter().copied());
        happened
    }

    fn is_asking(&self) -> bool {
        !self.calls.is_empty()
    }

    fn take(&mut self, server: Endpoint, said: Said<T>) {
        let now = Instant::now();
        let said = said.map_err(Health::from).map(|(facts, connection)| {
            if self.watched.as_ref() == Some(&server) {
                self.keep(connection, now);
            }
            facts
        });
        self.heard += 1;
        let word = Word {
            heard_at: now,
            said,
            number: self.heard,
        };
        let nothing = Heard {
            word: None,
            former: None,
        };
        self.heard_of.entry(server).or_insert(nothing).take(word);
    }

    /// Keeps the watched server's newest connection, unless there is one that is not old.
    fn keep(&mut self, connection: Idle, now: Instant) {
        let is_old = |kept: &Kept| now.saturating_duration_since(kept.since) >= KEEP;
        if self.idle.as_ref().is_none_or(is_old) {
            self.idle = Some(Kept {
                connection,
                since: now,
            });
        }
    }

    /// Its word is gone; a good one is still known.
    fn forget(&mut self, server: &Endpoint) {
        if let Some(heard) = self.heard_of.get_mut(server) {
            heard.forget();
        }
    }
}

impl<F> Heard<F> {
    fn take(&mut self, word: Word<F>) {
        self.forget();
        if word.said.is_ok() {
            self.former = None;
        }
        self.word = Some(word);
    }

    fn forget(&mut self) {
        if let Some(Word {
            said: Ok(facts), ..
        }) = self.word.take()
        {
            self.former = Some(facts);
        }
    }
}

impl<T: Talk> Hearing for Panel<T> {
    fn add_sockets<'a>(&'a self, into: &mut Sockets<'a>) {
        for (socket, flags) in self.calls.iter().filter_map(Call::socket) {
            into.add(socket, flags);
        }
    }

    fn wake_at(&self) -> Option<Instant> {
        self.calls.iter().map(Call::wake_at).min()
    }

    fn get_on(&mut self, ready: &mut dyn Iterator<Item = bool>) {
        let mut calls = std::mem::take(&mut self.calls);
        calls.retain_mut(|call| {
            let is_ready = call.socket().is_some() && ready.next().unwrap_or(false);
            let said = call.advance(is_ready);
            let is_over = said.is_some();
            if let Some(said) = said {
                self.take(call.server().clone(), said);
            }
            !is_over
        });
        // Room for one is kept for the next check; for more there is after a survey.
        if calls.is_empty() && calls.capacity() > 1 {
            calls = Vec::new();
        }
        self.calls = calls;
    }
}

/// For `enough`: wait for everybody.
pub fn everybody<T: Talk>(_: &Panel<T>) -> Option<Instant> {
    None
}

fn is_over(stop: Option<Instant>) -> bool {
    stop.is_some_and(|at| at <= Instant::now())
}

/// Waits until one of them can get on, or until `stop`, and lets them.
fn wait_for(panels: &mut [&mut dyn Hearing], stop: Option<Instant>) {
    let mut sockets = Sockets::default();
    for panel in panels.iter() {
        panel.add_sockets(&mut sockets);
    }
    let wakes = panels.iter().filter_map(|panel| panel.wake_at());
    let until = wakes.chain(stop).min();
    let ready = sockets.wait(until.unwrap_or_else(|| Instant::now() + FAR));
    let mut ready = ready.as_slice().iter().copied();
    for panel in panels {
        panel.get_on(&mut ready);
    }
}

#[cfg(test)]
mod tests;
