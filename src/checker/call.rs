//! One server asked once: its name, its addresses one by one, TLS, the conversation, and a second
//! try when the server ended the connection in the middle. Nothing here waits: whoever holds a call
//! waits for its socket, or for the time that it names, and lets it get on.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use rustix::event::PollFlags;

use crate::checker::Fault;
use crate::checker::failure::Failure;
use crate::checker::guard;
use crate::checker::talk::{Step, Talk};
use crate::checker::wire::{Idle, Wire, begin_to_connect, end_of_connecting};
use crate::endpoint::Endpoint;
use crate::resolve::Resolver;

/// How long the call, and all others of its tag, may be held up for a look at a name.
const LOOK: Duration = Duration::from_millis(1);
/// How long a server is listened to before a second try.
const LISTEN: Duration = Duration::from_millis(20);
/// What is left of the time for a last word to a server that does not answer a handshake.
const LAST: Duration = Duration::from_millis(50);

/// The call.
#[derive(Debug)]
pub struct Call<T: Talk> {
    server: Endpoint,
    talk: T,
    timeout: Duration,
    due: Instant,
    resolver: Resolver,
    /// Whether the server has ended a connection in the middle once.
    is_second_try: bool,
    addresses: VecDeque<IpAddr>,
    stage: Stage,
}

/// What the call is waiting for.
#[derive(Debug)]
enum Stage {
    /// The addresses of the server's name.
    Naming,
    /// The connection.
    Connecting(Connecting),
    /// The end of the TLS handshake.
    Shaking(Shaking),
    /// What the server may have to say before we speak, until then.
    Listening(Wire, Instant),
    /// Its answer.
    Talking(Wire),
    /// Any answer in plain words.
    Doubting(Wire),
    /// Nothing: it is over.
    Over,
}

#[derive(Debug)]
struct Connecting {
    stream: TcpStream,
    to: IpAddr,
    /// When the next address has its turn.
    by: Instant,
    /// Whether this is to find out who does not answer a handshake.
    in_doubt: bool,
}

#[derive(Debug)]
struct Shaking {
    wire: Wire,
    /// When to begin to doubt that this address speaks TLS.
    doubt: Option<(Instant, IpAddr)>,
    /// The words that come next; otherwise the conversation begins.
    then: Option<Vec<u8>>,
}

/// What came of a step.
enum Next<F> {
    /// This has to be waited for.
    Wait(Stage),
    /// This comes next, now.
    Go(Stage),
    /// It is over.
    End(F, Wire),
}

/// What came of a call.
pub type Said<T> = Result<(<T as Talk>::Facts, Idle), Failure>;

impl<T: Talk> Call<T> {
    /// A call to `server` that ends within `timeout`. It begins with the first `advance`.
    pub fn new(server: Endpoint, talk: T, timeout: Duration, resolver: Resolver) -> Call<T> {
        Call {
            server,
            talk,
            timeout,
            due: Instant::now() + timeout,
            resolver,
            is_second_try: false,
            addresses: VecDeque::new(),
            stage: Stage::Naming,
        }
    }

    /// The server.
    pub fn server(&self) -> &Endpoint {
        &self.server
    }

    /// The socket that has to be ready before the call can get on, if it has one.
    pub fn socket(&self) -> Option<(BorrowedFd<'_>, PollFlags)> {
        match &self.stage {
            Stage::Connecting(connecting) => Some((connecting.stream.as_fd(), PollFlags::OUT)),
            Stage::Shaking(Shaking { wire, .. })
            | Stage::Listening(wire, _)
            | Stage::Talking(wire)
            | Stage::Doubting(wire) => Some((wire.as_fd(), flags(wire))),
            Stage::Naming | Stage::Over => None,
        }
    }

    /// When the call can get on, whatever happens to its socket.
    pub fn wake_at(&self) -> Instant {
        let at = match &self.stage {
            // The look itself waits for a moment.
            Stage::Naming | Stage::Over => Instant::now(),
            Stage::Connecting(connecting) => connecting.by,
            Stage::Shaking(shaking) => shaking.doubt.map_or(self.due, |(at, _)| at),
            Stage::Listening(_, until) => *until,
            Stage::Talking(_) | Stage::Doubting(_) => self.due,
        };
        at.min(self.due)
    }

    /// Lets the call get on as far as it can. `is_ready` says that its socket is. Gives what came
    /// of the call when it is over; then it has to be forgotten.
    pub fn advance(&mut self, is_ready: bool) -> Option<Said<T>> {
        let now = Instant::now();
        let said = self.get_on(is_ready, now);
        match said.is_none() && now >= self.due {
            true => Some(Err(self.late())),
            false => said,
        }
    }

    fn get_on(&mut self, is_ready: bool, now: Instant) -> Option<Said<T>> {
        let mut ready = is_ready;
        loop {
            let stage = std::mem::replace(&mut self.stage, Stage::Over);
            match self.step(stage, ready, now) {
                Ok(Next::Wait(stage)) => {
                    self.stage = stage;
                    return None;
                }
                Ok(Next::Go(stage)) => self.stage = stage,
                Ok(Next::End(facts, wire)) => {
                    return Some(Ok((facts, wire.into_idle(T::GOODBYE))));
                }
                Err(failure) if failure.is_reset() && !self.is_second_try => {
                    self.is_second_try = true;
                    self.stage = Stage::Naming;
                }
                Err(failure) => return Some(Err(failure)),
            }
            ready = false;
        }
    }

    /// What it means that there was no answer in time: the name service may be the reason.
    fn late(&self) -> Failure {
        match matches!(self.stage, Stage::Naming) {
            true => Failure::trouble(format!(
                "the name service did not answer for {} in time",
                self.server.host
            )),
            false => self.timed_out(),
        }
    }

    fn step(&mut self, stage: Stage, ready: bool, now: Instant) -> Result<Next<T::Facts>, Failure> {
        match stage {
            Stage::Naming => self.name(now),
            Stage::Connecting(connecting) => self.connect(connecting, ready, now),
            Stage::Shaking(shaking) => self.shake(shaking, ready, now),
            Stage::Listening(wire, until) => self.listen(wire, until, ready, now),
            Stage::Talking(wire) if ready => self.hear(wire),
            Stage::Doubting(wire) if ready => self.doubt(wire),
            Stage::Talking(_) | Stage::Doubting(_) | Stage::Over => Ok(Next::Wait(stage)),
        }
    }

    fn name(&mut self, now: Instant) -> Result<Next<T::Facts>, Failure> {
        let Some(found) = self.resolver.look(&self.server.host, LOOK) else {
            return Ok(Next::Wait(Stage::Naming));
        };
        self.addresses = found.map_err(|e| Failure::trouble(e.to_string()))?.into();
        self.next_address(None, now)
    }

    /// Tries the next address; it gets an equal share of the time that is left. `last` is how the
    /// one before failed.
    fn next_address(
        &mut self,
        last: Option<Failure>,
        now: Instant,
    ) -> Result<Next<T::Facts>, Failure> {
        let mut failure = last;
        while let Some(to) = self.addresses.pop_front() {
            let others = u32::try_from(self.addresses.len()).unwrap_or(u32::MAX - 1);
            let share = self.due.saturating_duration_since(now) / (others + 1);
            match self.begin(to, now + share, false) {
                // The greeting says that the connection is there, and hearing for it that it is not.
                Ok(last) if T::IS_GREETED && others == 0 => return self.connected(last, now),
                Ok(connecting) => return Ok(Next::Wait(Stage::Connecting(connecting))),
                Err(error) => failure = Some(error),
            }
        }
        Err(failure.unwrap_or_else(|| Failure::trouble("no address")))
    }

    fn begin(&self, to: IpAddr, by: Instant, in_doubt: bool) -> Result<Connecting, Failure> {
        let stream = begin_to_connect(SocketAddr::new(to, self.server.port.get()));
        Ok(Connecting {
            stream: stream.map_err(|error| self.failure(&error))?,
            to,
            by,
            in_doubt,
        })
    }

    fn connect(
        &mut self,
        connecting: Connecting,
        ready: bool,
        now: Instant,
    ) -> Result<Next<T::Facts>, Failure> {
        if !ready && now < connecting.by {
            return Ok(Next::Wait(Stage::Connecting(connecting)));
        }
        let end = match ready {
            true => end_of_connecting(&connecting.stream).map_err(|error| self.failure(&error)),
            false => Err(self.timed_out()),
        };
        match (end, connecting.in_doubt) {
            (Err(_), true) => Err(self.timed_out()),
            (Err(failure), false) => self.next_address(Some(failure), now),
            (Ok(()), true) => self.ask_in_doubt(connecting.stream),
            (Ok(()), false) => self.connected(connecting, now),
        }
    }

    fn connected(
        &mut self,
        connecting: Connecting,
        now: Instant,
    ) -> Result<Next<T::Facts>, Failure> {
        let wire = Wire::new(connecting.stream, T::LIMIT);
        if T::TLS_FIRST && self.talk.tls().is_some() {
            let left = self.due.saturating_duration_since(now);
            let at = now + left.saturating_sub(LAST).max(left / 2);
            return self.begin_to_shake(wire, Some((at, connecting.to)), None);
        }
        self.open(wire, now)
    }

    /// Begins a handshake. A server without TLS may take the beginning of one for the beginning of
    /// a line and wait for its end, as silent as one that hangs. So it is asked in plain words when
    /// the time is nearly over: one with TLS that has not answered by then is late anyway.
    fn begin_to_shake(
        &self,
        wire: Wire,
        doubt: Option<(Instant, IpAddr)>,
        then: Option<Vec<u8>>,
    ) -> Result<Next<T::Facts>, Failure> {
        let Some(client) = self.talk.tls() else {
            return Err(Failure::trouble("there is nothing to encrypt with"));
        };
        let wire = wire.secure(client, &self.server.host);
        let wire = wire.map_err(|error| Failure::trouble(error.to_string()))?;
        Ok(Next::Go(Stage::Shaking(Shaking { wire, doubt, then })))
    }

    fn shake(
        &mut self,
        mut shaking: Shaking,
        ready: bool,
        now: Instant,
    ) -> Result<Next<T::Facts>, Failure> {
        if let Some((at, to)) = shaking.doubt
            && !ready
            && now >= at
        {
            let connecting = self.begin(to, self.due, true)?;
            return Ok(Next::Wait(Stage::Connecting(connecting)));
        }
        if !shaking.wire.shake().map_err(|error| self.failure(&error))? {
            return Ok(Next::Wait(Stage::Shaking(shaking)));
        }
        match shaking.then {
            Some(words) => self.say(shaking.wire, &words),
            None => self.open(shaking.wire, now),
        }
    }

    /// The connection is there. The second time it is heard first what the server may say unasked:
    /// one that is full says so and closes the connection, and would reset it, and its words with
    /// it, if we spoke first.
    fn open(&mut self, wire: Wire, now: Instant) -> Result<Next<T::Facts>, Failure> {
        match self.is_second_try {
            true => Ok(Next::Go(Stage::Listening(wire, now + LISTEN))),
            false => self.greet(wire),
        }
    }

    fn listen(
        &mut self,
        mut wire: Wire,
        until: Instant,
        ready: bool,
        now: Instant,
    ) -> Result<Next<T::Facts>, Failure> {
        let end = if ready { wire.listen() } else { Ok(()) };
        if !wire.heard.is_empty() {
            // It has the first word, or has said already why it will not listen.
            self.guarded(Talk::begin)?;
            return self.understand(wire, end);
        }
        end.map_err(|error| self.failure(&error))?;
        match now >= until {
            true => self.greet(wire),
            false => Ok(Next::Wait(Stage::Listening(wire, until))),
        }
    }

    fn greet(&mut self, wire: Wire) -> Result<Next<T::Facts>, Failure> {
        let words = self.guarded(|talk| talk.begin())?;
        self.say(wire, &words)
    }

    fn say(&mut self, mut wire: Wire, words: &[u8]) -> Result<Next<T::Facts>, Failure> {
        wire.say(words).map_err(|error| self.failure(&error))?;
        Ok(Next::Wait(Stage::Talking(wire)))
    }

    fn hear(&mut self, mut wire: Wire) -> Result<Next<T::Facts>, Failure> {
        let heard = wire.flush().and_then(|()| wire.listen());
        self.understand(wire, heard)
    }

    /// Makes something of what was heard. How listening ended counts only if that was not the
    /// answer.
    fn understand(
        &mut self,
        mut wire: Wire,
        end: io::Result<()>,
    ) -> Result<Next<T::Facts>, Failure> {
        let mut heard = std::mem::take(&mut wire.heard);
        let step = self.guarded(|talk| talk.hear(&mut heard))?;
        wire.heard = heard;
        match (step, end) {
            (Step::Done(facts), _) => Ok(Next::End(facts, wire)),
            (Step::Anew, _) => Ok(Next::Go(Stage::Naming)),
            (_, Err(error)) => Err(self.failure(&error)),
            (Step::Listen, Ok(())) => Ok(Next::Wait(Stage::Talking(wire))),
            (Step::Say(words), Ok(())) => self.say(wire, &words),
            (Step::Secure { first, then }, Ok(())) => self.turn_secure(wire, &first, then),
        }
    }

    fn turn_secure(
        &mut self,
        mut wire: Wire,
        first: &[u8],
        then: Vec<u8>,
    ) -> Result<Next<T::Facts>, Failure> {
        if !wire.heard.is_empty() {
            // Somebody in between put them there, to be taken for encrypted ones.
            return Err(Failure::protocol("it says more before TLS than it may"));
        }
        wire.say(first).map_err(|error| self.failure(&error))?;
        self.begin_to_shake(wire, None, Some(then))
    }

    fn ask_in_doubt(&self, stream: TcpStream) -> Result<Next<T::Facts>, Failure> {
        let mut wire = Wire::new(stream, 1);
        wire.say(b"PING\r\n").map_err(|_| self.timed_out())?;
        Ok(Next::Wait(Stage::Doubting(wire)))
    }

    /// Whether the server answers as Redis does without TLS.
    fn doubt(&self, mut wire: Wire) -> Result<Next<T::Facts>, Failure> {
        let end = wire.listen();
        match (wire.heard.first(), end) {
            (Some(b'-' | b'+'), _) => Err(Failure::trouble(
                "it speaks no TLS: use the port where it does, or tls=off",
            )),
            (None, Ok(())) => Ok(Next::Wait(Stage::Doubting(wire))),
            (Some(_), _) | (None, Err(_)) => Err(self.timed_out()),
        }
    }

    /// Calls what may panic on odd words.
    fn guarded<R>(
        &mut self,
        parse: impl FnOnce(&mut T) -> Result<R, Failure>,
    ) -> Result<R, Failure> {
        let talk = &mut self.talk;
        guard::caught(|| parse(talk))
            .unwrap_or_else(|panic| Err(Failure::protocol(format!("the check gave up: {panic}"))))
    }

    fn timed_out(&self) -> Failure {
        Failure::Down(Fault::TimedOut(self.timeout))
    }

    fn failure(&self, error: &io::Error) -> Failure {
        Failure::of_io(error, self.timeout)
    }
}

fn flags(wire: &Wire) -> PollFlags {
    match wire.has_unsent() {
        true => PollFlags::IN | PollFlags::OUT,
        false => PollFlags::IN,
    }
}
