//! Several servers asked one question at the same time, each in a thread of its own, and the
//! connection of one of them kept to wait on. What an answer means is the checker's.

use std::collections::BTreeMap;
use std::fmt;
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use crate::checker::dial::Dial;
use crate::checker::failure::{Failure, twice_if_reset};
use crate::checker::probe::{Probes, Report, no_thread};
use crate::checker::{Health, Wake};
use crate::endpoint::Endpoint;
use crate::idle;
use crate::resolve::Resolver;

/// How long whoever has a good answer waits for the others, so that two checkers choose from the
/// same list, but a hung server does not hold up a move.
pub const GRACE: Duration = Duration::from_millis(100);

/// What to ask, over a new connection.
pub trait Question: Clone + fmt::Debug + Send + 'static {
    /// What a server answers.
    type Facts: Clone + fmt::Debug + Send + 'static;

    /// Asks one server. `before` is its last answer; the conversation ends at `due`.
    ///
    /// # Errors
    /// When there is no answer.
    fn ask(
        &self,
        dial: &Dial,
        before: Option<&Self::Facts>,
        due: Instant,
    ) -> Result<(Self::Facts, TcpStream), Failure>;
}

/// The servers, and what each of them said last.
#[derive(Debug)]
pub struct Panel<Q: Question> {
    question: Q,
    timeout: Duration,
    probes: Probes<Reply<Q::Facts>>,
    words: BTreeMap<Endpoint, Word<Q::Facts>>,
    /// When the last questions were put, and who has not answered yet, until when.
    started: Instant,
    open: BTreeMap<Endpoint, Instant>,
    /// The last good answers, however old.
    known: BTreeMap<Endpoint, Q::Facts>,
    /// The server whose connection is kept, and that connection.
    watched: Option<Endpoint>,
    idle: Option<TcpStream>,
}

/// What a probe brings.
#[derive(Debug)]
struct Reply<F> {
    asked_at: Instant,
    said: Result<(F, TcpStream), Failure>,
}

/// What a server said when it was last asked.
#[derive(Debug, Clone)]
pub struct Word<F> {
    /// When that was known.
    pub heard_at: Instant,
    /// Its answer, or how a server is that gives none.
    pub said: Result<F, Health>,
}

impl<Q: Question> Panel<Q> {
    /// Nobody has been asked yet; each gets `timeout` to answer.
    pub fn new(question: Q, timeout: Duration, resolver: Resolver) -> Panel<Q> {
        Panel {
            question,
            timeout,
            probes: Probes::new(resolver),
            words: BTreeMap::new(),
            started: Instant::now(),
            open: BTreeMap::new(),
            known: BTreeMap::new(),
            watched: None,
            idle: None,
        }
    }

    /// Asks these servers, and waits for their answers as `hear` does.
    pub fn ask(
        &mut self,
        servers: impl IntoIterator<Item = Endpoint>,
        enough: impl Fn(&Panel<Q>) -> Option<Instant>,
    ) {
        self.begin(servers);
        self.hear(enough);
    }

    /// Asks these servers and nobody else, without waiting. Their former words are gone.
    pub fn begin(&mut self, servers: impl IntoIterator<Item = Endpoint>) {
        self.started = Instant::now();
        while let Some(report) = self.probes.next(self.started) {
            self.take(report);
        }
        self.open.clear();
        for server in servers {
            self.words.remove(&server);
            self.begin_one(server);
        }
    }

    /// Asks these servers as well, unless they were asked with the others.
    pub fn also(&mut self, servers: impl IntoIterator<Item = Endpoint>) {
        for server in servers {
            if !self.words.contains_key(&server) && !self.open.contains_key(&server) {
                self.begin_one(server);
            }
        }
    }

    /// Waits until everybody who was asked has answered or is late, or until the time that `enough`
    /// names, which is asked again after each answer.
    pub fn hear(&mut self, enough: impl Fn(&Panel<Q>) -> Option<Instant>) {
        while let Some(due) = self.open.values().min().copied() {
            let stop = enough(self);
            if stop.is_some_and(|at| at <= Instant::now()) {
                break;
            }
            match self.probes.next(stop.map_or(due, |at| at.min(due))) {
                Some(report) => self.sort(report),
                None => self.give_up_late_ones(),
            }
        }
    }

    /// From now on this server's connection is kept, to wait on.
    pub fn watch(&mut self, server: &Endpoint) {
        self.watched = Some(server.clone());
        self.idle = None;
    }

    /// Gives the watched connection up: its server does not serve.
    pub fn unwatch(&mut self) {
        self.watched = None;
        self.idle = None;
    }

    /// What a server said when it was last asked; `None` as long as it is being asked.
    pub fn word(&self, server: &Endpoint) -> Option<&Word<Q::Facts>> {
        self.words.get(server)
    }

    /// All words there are.
    pub fn words(&self) -> impl Iterator<Item = (&Endpoint, &Word<Q::Facts>)> {
        self.words.iter()
    }

    /// The last good answer of a server, however old.
    pub fn known(&self, server: &Endpoint) -> Option<&Q::Facts> {
        self.known.get(server)
    }

    /// Waits until `at_most` has passed, or the watched server closes its idle connection.
    pub fn wait(&mut self, at_most: Duration) -> Wake {
        let Some(stream) = self.idle.take() else {
            thread::sleep(at_most);
            return Wake::Elapsed;
        };
        if idle::closed_within(&stream, at_most) {
            return Wake::ServerClosed;
        }
        self.idle = Some(stream);
        Wake::Elapsed
    }

    /// A server that is being asked already is asked again when it has answered.
    fn begin_one(&mut self, server: Endpoint) {
        let asked_at = Instant::now();
        let due = asked_at + self.timeout;
        let (question, before) = (self.question.clone(), self.known.get(&server).cloned());
        let begun = self.probes.start(&server, move |dial| Reply {
            asked_at,
            said: twice_if_reset(|which| question.ask(&dial.on(which), before.as_ref(), due)),
        });
        match begun {
            Ok(()) => drop(self.open.insert(server, due)),
            Err(error) => self.note(server, Err(no_thread(&error).into())),
        }
    }

    /// Takes an answer, and asks again if it is one to an earlier question.
    fn sort(&mut self, report: Report<Reply<Q::Facts>>) {
        let started = self.started;
        let is_old = matches!(&report.result, Ok(reply) if reply.asked_at < started);
        let was_open = self.open.remove(&report.server).is_some();
        match was_open && is_old {
            true => self.begin_one(report.server),
            false => self.take(report),
        }
    }

    fn take(&mut self, report: Report<Reply<Q::Facts>>) {
        let said = match report.result {
            Ok(reply) => reply.said.map_err(Health::from),
            Err(panic) => Err(Failure::protocol(format!("the check gave up: {panic}")).into()),
        };
        let said = said.map(|(facts, stream)| {
            if self.watched.as_ref() == Some(&report.server) {
                self.idle = Some(stream);
            }
            facts
        });
        self.note(report.server, said);
    }

    fn note(&mut self, server: Endpoint, said: Result<Q::Facts, Health>) {
        if let Ok(facts) = &said {
            self.known.insert(server.clone(), facts.clone());
        }
        let heard_at = Instant::now();
        self.words.insert(server, Word { heard_at, said });
    }

    fn give_up_late_ones(&mut self) {
        let now = Instant::now();
        let (late, open) = std::mem::take(&mut self.open)
            .into_iter()
            .partition(|(_, due)| *due <= now);
        self.open = open;
        let late: BTreeMap<Endpoint, Instant> = late;
        for server in late.into_keys() {
            let health = self.probes.late(&server, self.timeout);
            self.note(server, Err(health));
        }
    }
}

/// For `enough`: wait for everybody.
pub fn everybody<Q: Question>(_: &Panel<Q>) -> Option<Instant> {
    None
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::TcpListener;

    use super::*;
    use crate::checker::Fault;
    use crate::checker::line::Line;

    const LIMIT: Duration = Duration::from_millis(300);

    /// Hears one line.
    #[derive(Clone, Debug)]
    struct Greeting;

    impl Question for Greeting {
        type Facts = Vec<u8>;

        fn ask(
            &self,
            dial: &Dial,
            _: Option<&Vec<u8>>,
            due: Instant,
        ) -> Result<(Vec<u8>, TcpStream), Failure> {
            let mut line = Line::open(dial, due, LIMIT, 100)?;
            let greeting = line.hear_line()?;
            assert_ne!(greeting, b"panic");
            Ok((greeting, line.into_stream()))
        }
    }

    fn panel() -> Panel<Greeting> {
        Panel::new(Greeting, LIMIT, Resolver::system())
    }

    /// A server that says this to each client, and then nothing.
    fn server(words: &'static [u8]) -> Endpoint {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = listener.local_addr().unwrap().to_string();
        thread::spawn(move || {
            let mut clients = Vec::new();
            for mut client in listener.incoming().flatten() {
                client.write_all(words).unwrap();
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
        let (well, hung, ill) = (server(b"hello\n"), server(b""), server(b"panic\n"));
        let mut panel = panel();
        let start = Instant::now();
        let all = [well.clone(), hung.clone(), ill.clone()];
        panel.ask(all.clone(), everybody);
        panel.ask(all, everybody);
        assert!(start.elapsed() < LIMIT * 20);
        assert_eq!(said(&panel, &well).unwrap(), b"hello");
        assert_eq!(said(&panel, &hung), Err(Fault::TimedOut(LIMIT).into()));
        let health = said(&panel, &ill).unwrap_err().to_string();
        assert!(health.contains("the check gave up"), "{health}");
    }

    #[test]
    fn a_good_answer_can_be_enough_and_the_late_one_comes_as_old_news() {
        let (well, hung) = (server(b"hello\n"), server(b""));
        let mut panel = panel();
        let first = well.clone();
        panel.ask([well.clone(), hung.clone()], move |panel| {
            panel.word(&first).map(|word| word.heard_at)
        });
        assert!(panel.word(&hung).is_none());
        panel.ask([well], |_| Some(Instant::now() + LIMIT * 2));
        thread::sleep(LIMIT * 2);
        panel.ask([], everybody);
        assert_eq!(said(&panel, &hung), Err(Fault::TimedOut(LIMIT).into()));
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
        panel.ask([server.clone()], everybody);
        assert_eq!(panel.wait(Duration::from_millis(10)), Wake::Elapsed);
        drop(theirs.join().unwrap());
        assert_eq!(panel.wait(Duration::from_secs(20)), Wake::ServerClosed);
        assert_eq!(panel.wait(Duration::from_millis(10)), Wake::Elapsed);
    }
}
