//! The site: a primary, three replicas of which one is excluded, a stranger, Consul, two checkers, a
//! renderer, HAProxy, and an application; how to break each, and how to mend it.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use crate::application::Application;
use crate::chain::Chain;
use crate::diary::{Diary, State, Who};
use crate::mutate::Random;
use crate::process::{Held, held};
use crate::rules::{self, Move};
use crate::scene::{CHECK, KEY, endpoint_of};
use crate::support::checker::{Checker, CheckerBuilder};
use crate::support::consul::History;
use crate::support::mariadb::MariaDb;
use crate::support::{becomes_true, patience, seconds, wait_until};

/// The replica that is never to be elected; it is the one that would be, among equals.
const EXCLUDED: usize = 3;
/// Who may be elected.
const ELECTABLE: [usize; 3] = [0, 1, 2];
/// How old a process is when it is looked at for the first time.
const GROWN_UP: Duration = Duration::from_secs(8);

/// What can go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    Killed(Who),
    Stopped(Who),
    /// The thread that applies does not run.
    Idle(usize),
    /// It replicates from somebody else.
    Foreign(usize),
    /// It is no replica any more.
    Promoted(usize),
}

pub struct Site {
    history: History,
    application: Application,
    checkers: [Checker; 2],
    renderer: Checker,
    stranger: MariaDb,
    chain: Chain,
    /// Where the replicas 1 to 3 are in the scene.
    order: Vec<usize>,
    diary: RefCell<Diary>,
    /// How many states of the key have been judged, and the last move.
    judged: Cell<usize>,
    moves: RefCell<Vec<Move>>,
    /// The processes: since when they run, and what they held when they had grown up.
    ages: RefCell<Vec<(Instant, Option<Held>)>>,
}

impl Fault {
    pub fn who(self) -> Who {
        match self {
            Fault::Killed(who) | Fault::Stopped(who) => who,
            Fault::Idle(server) | Fault::Foreign(server) | Fault::Promoted(server) => {
                Who::Server(server)
            }
        }
    }
}

impl Site {
    pub fn start() -> Site {
        let (chain, stranger) = std::thread::scope(|scope| {
            let stranger = scope.spawn(MariaDb::start);
            (Chain::start(3), stranger.join().expect("a server"))
        });
        // Among equals the lowest address is elected.
        let mut order: Vec<usize> = (0..3).collect();
        order.sort_by_key(|place| std::cmp::Reverse(chain.scene.db.replicas[*place].port()));
        let excluded = chain.scene.db.replicas[order[EXCLUDED - 1]].endpoint();
        let conf = chain
            .scene
            .conf(&format!("{CHECK}exclude={excluded}\n"))
            .replace("13351", &chain.port.to_string());
        let checker = || {
            CheckerBuilder::new("checkmysqlslave")
                .conf(&conf)
                .args(["--consul", &chain.scene.consul.endpoint()])
                .start()
        };
        let checkers = [checker(), checker()];
        let renderer = chain.confd_watch(&chain.resource(&chain.switching()));
        checkers[0].wait_for_log("slave in consul is ok");
        wait_until("the port answers", seconds(30), || {
            chain.server_id().is_some()
        });
        Site {
            history: chain.scene.consul.history(KEY),
            application: Application::start(chain.port),
            checkers,
            renderer,
            stranger,
            order,
            diary: RefCell::new(Diary::new(4)),
            judged: Cell::new(1),
            moves: RefCell::default(),
            ages: RefCell::new(vec![(Instant::now(), None); 3]),
            chain,
        }
    }

    /// A fault that nobody has yet.
    pub fn choose(&self, random: &mut Random, broken: &[Fault]) -> Option<Fault> {
        let wanted = random.one_in(2);
        // Half of the faults are for the server in use.
        let in_use = self.in_use().filter(|_| wanted);
        let (server, replica) = (random.below(4), 1 + random.below(3));
        let server = in_use.unwrap_or(server);
        let replica = in_use.filter(|number| *number > 0).unwrap_or(replica);
        let fault = match random.below(16) {
            0..=3 => Fault::Killed(Who::Server(server)),
            4..=6 => Fault::Stopped(Who::Server(server)),
            7 => Fault::Idle(replica),
            8 => Fault::Foreign(replica),
            9 => Fault::Promoted(replica),
            10 => Fault::Killed(Who::Consul),
            11 => Fault::Stopped(Who::Consul),
            12 => Fault::Stopped(Who::HaProxy),
            13 => Fault::Killed(Who::Renderer),
            14 => Fault::Killed(Who::Checker(random.below(2))),
            _ => Fault::Stopped(Who::Checker(random.below(2))),
        };
        let is_free = broken.iter().all(|other| other.who() != fault.who());
        is_free.then_some(fault)
    }

    pub fn inflict(&self, fault: Fault) {
        self.diary
            .borrow_mut()
            .note(fault.who(), &format!("{fault:?}"));
        // Noted before it is done: what follows from it cannot be older.
        match fault.who() {
            Who::Server(server) => {
                let state = match fault {
                    Fault::Idle(_) => State::Poor,
                    _ => State::Bad,
                };
                self.diary.borrow_mut().set(server, state);
            }
            who => self.diary.borrow_mut().set_infra(who, false),
        }
        match fault {
            Fault::Killed(who) => match who {
                Who::Server(server) => self.server(server).kill(),
                Who::Consul => self.chain.scene.consul.kill(),
                Who::HaProxy => unreachable!("its port is gone, whatever we do"),
                Who::Renderer => self.renderer.daemon().kill(),
                Who::Checker(number) => self.checkers[number].daemon().kill(),
            },
            Fault::Stopped(who) => match who {
                Who::Server(server) => self.server(server).stop(),
                Who::Consul => self.chain.scene.consul.stop(),
                Who::HaProxy => self.chain.haproxy.stop(),
                Who::Renderer => self.renderer.daemon().stop(),
                Who::Checker(number) => self.checkers[number].daemon().stop(),
            },
            Fault::Idle(server) => self.server(server).sql("STOP SLAVE SQL_THREAD"),
            Fault::Foreign(server) => {
                let stranger = &self.stranger;
                self.server(server)
                    .replicate_from_address(stranger.host(), stranger.port());
            }
            Fault::Promoted(server) => self
                .server(server)
                .sql_all(&["STOP SLAVE", "RESET SLAVE ALL"]),
        }
    }

    pub fn repair(&self, fault: Fault) {
        let who = fault.who();
        self.diary
            .borrow_mut()
            .note(who, &format!("{fault:?}, repaired"));
        if let Who::Server(server) = who {
            self.diary.borrow_mut().set(server, State::Poor);
        }
        match fault {
            Fault::Killed(who) => match who {
                Who::Server(server) => self.server(server).restart(),
                Who::Consul => self.chain.scene.consul.restart(),
                Who::HaProxy => {}
                Who::Renderer => self.restart(2, &self.renderer),
                Who::Checker(number) => self.restart(number, &self.checkers[number]),
            },
            Fault::Stopped(who) => match who {
                Who::Server(server) => self.server(server).cont(),
                Who::Consul => self.chain.scene.consul.cont(),
                Who::HaProxy => self.chain.haproxy.cont(),
                Who::Renderer => self.renderer.daemon().cont(),
                Who::Checker(number) => self.checkers[number].daemon().cont(),
            },
            Fault::Idle(server) => self.server(server).sql("START SLAVE SQL_THREAD"),
            Fault::Foreign(server) | Fault::Promoted(server) => {
                let primary = self.server(0);
                self.server(server)
                    .replicate_from_address(primary.host(), primary.port());
            }
        }
        if !matches!(who, Who::Server(_)) {
            self.diary.borrow_mut().set_infra(who, true);
        }
    }

    /// Looks at everything again and again for so long.
    pub fn watch_for(&self, time: Duration) {
        becomes_true(time, || {
            self.look_at_servers();
            self.look_at_the_key();
            self.look_at_processes();
            let last_good = self.application.seen().last_good;
            self.must(rules::answers(&self.diary.borrow(), &ELECTABLE, last_good));
            false
        });
    }

    /// With all repaired: it comes to rest, the port answers, and nobody has grown.
    pub fn finish(&self) {
        let end = Instant::now() + patience(seconds(40));
        let all_well = || (0..4).all(|server| self.diary.borrow().state(server) == State::Well);
        while !all_well() {
            self.watch_for(Duration::from_millis(100));
            assert!(Instant::now() < end, "the servers do not come back");
        }
        self.watch_for(GROWN_UP + seconds(2));
        let seen = self.application.seen();
        assert!(
            seen.last_good.elapsed() < seconds(2),
            "the port is not back"
        );
        for (place, process) in self.processes().iter().enumerate() {
            let before = self.ages.borrow()[place].1.expect("it has grown up");
            let flat = becomes_true(patience(seconds(10)), || {
                held(process).is_some_and(|now| now.is_flat_since(&before))
            });
            println!(
                "{}: {before:?}, then {:?}",
                process.daemon().name(),
                held(process)
            );
            assert!(flat, "it grows");
            let log = process.log();
            assert!(!log.contains("it starts again"), "a panic:\n{log}");
            assert!(!log.contains("s3cret"), "the password is in the log");
        }
        let events = self.diary.borrow().events.len();
        let moves = self.moves.borrow().len();
        println!(
            "{events} faults, repairs and recoveries, {moves} moves; {} connections, {} failed, the \
             longest time without an answer {:.1} s",
            seen.good,
            seen.failed,
            seen.longest.as_secs_f64()
        );
    }

    /// A replica comes back, or loses its source, in its own time; that is an event too.
    fn look_at_servers(&self) {
        for number in 0..4 {
            let before = self.diary.borrow().state(number);
            if before == State::Bad {
                continue;
            }
            let well = number == 0 || self.server(number).replicates();
            let now = if well { State::Well } else { State::Poor };
            if now != before {
                let mut diary = self.diary.borrow_mut();
                diary.note(Who::Server(number), &format!("is {now:?}"));
                diary.set(number, now);
            }
        }
    }

    fn look_at_the_key(&self) {
        let seen = self.history.seen();
        let first = self.judged.replace(seen.len());
        for (state, before) in seen
            .iter()
            .zip(std::iter::once(None).chain(seen.iter().map(Some)))
            .skip(first)
        {
            let kv = state.kv.as_ref().expect("nobody removes the key");
            let to = self.number_of(&endpoint_of(&kv.value));
            let from = before
                .and_then(|before| before.kv.as_ref())
                .map(|kv| self.number_of(&endpoint_of(&kv.value)));
            if from == Some(to) {
                continue;
            }
            let step = Move {
                at: state.at,
                from,
                to,
            };
            let diary = self.diary.borrow();
            let since = step.at.duration_since(diary.start).as_secs_f64();
            println!("{since:8.3} s  moved from {from:?} to {to}");
            self.must(rules::names_a_fit_server(&diary, EXCLUDED, &step));
            if let Some(last) = self.moves.borrow().last() {
                self.must(rules::has_a_reason(&diary, last, &step));
            }
            self.moves.borrow_mut().push(step);
        }
    }

    fn look_at_processes(&self) {
        for (place, process) in self.processes().iter().enumerate() {
            let age = &mut self.ages.borrow_mut()[place];
            if age.1.is_none() && age.0.elapsed() > GROWN_UP {
                age.1 = held(process);
            }
        }
    }

    /// The server that the key names.
    fn in_use(&self) -> Option<usize> {
        let seen = self.history.seen();
        let kv = seen.last()?.kv.as_ref()?;
        Some(self.number_of(&endpoint_of(&kv.value)))
    }

    fn restart(&self, place: usize, process: &Checker) {
        process.daemon().restart();
        self.ages.borrow_mut()[place] = (Instant::now(), None);
    }

    fn processes(&self) -> [&Checker; 3] {
        [&self.checkers[0], &self.checkers[1], &self.renderer]
    }

    fn server(&self, number: usize) -> &MariaDb {
        match number {
            0 => &self.chain.scene.db.primary,
            number => &self.chain.scene.db.replicas[self.order[number - 1]],
        }
    }

    fn number_of(&self, endpoint: &str) -> usize {
        let found = (0..4).find(|number| self.server(*number).endpoint() == endpoint);
        found.unwrap_or_else(|| panic!("a stranger was written: {endpoint}"))
    }

    #[track_caller]
    fn must(&self, rule: Result<(), String>) {
        if let Err(broken) = rule {
            for process in self.processes() {
                println!(
                    "--- {}:\n{}",
                    process.daemon().name(),
                    process.daemon().log_tail()
                );
            }
            panic!("{broken}");
        }
    }
}
