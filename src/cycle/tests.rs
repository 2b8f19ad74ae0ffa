//! The cycle with a fake store and a fake checker: each decision by name, and the invariants of
//! the design under random schedules.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use super::*;
use crate::backend::Kind;
use crate::checker::{Fault, Trouble};
use crate::outcome::State as TagState;
use crate::overrides::Override;
use crate::store::Ordered;

/// A store in memory that can fail, and lose a race, on demand.
#[derive(Debug, Default)]
pub(crate) struct FakeStore {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    value: Option<String>,
    flags: u64,
    index: u64,
    reads_fail: bool,
    writes: Writes,
    /// A value that somebody else writes between our read and our write.
    rival: Option<String>,
    written: Vec<Backend>,
    orders: Option<String>,
    orders_fail: bool,
    /// How often they were read.
    orders_read: usize,
}

#[derive(Debug, Default, Clone, Copy, PartialEq)]
enum Writes {
    #[default]
    Succeed,
    Fail,
    /// The write is made, but the answer is lost.
    FailAfterwards,
}

impl FakeStore {
    pub(crate) fn holding(value: &str) -> FakeStore {
        let store = FakeStore::default();
        store.set(Some(value));
        store
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn set(&self, value: Option<&str>) {
        let mut state = self.state();
        state.value = value.map(str::to_owned);
        state.index += 1;
    }
}

impl Store for FakeStore {
    fn read(&self, _: &Key) -> Result<Entry, StoreError> {
        let state = self.state();
        if state.reads_fail {
            return Err(StoreError("no leader".to_owned()));
        }
        let Some(value) = &state.value else {
            return Ok(Entry::Absent);
        };
        let version = Version(state.index);
        Ok(match Backend::parse(value.as_bytes()) {
            Ok(backend) => Entry::Present {
                backend,
                cause: Cause::from_flags(state.flags),
                version,
            },
            Err(problem) => Entry::Malformed { problem, version },
        })
    }

    fn write(
        &self,
        _: &Key,
        backend: &Backend,
        cause: Cause,
        expected: Version,
    ) -> Result<Swap, StoreError> {
        let mut state = self.state();
        if let Some(rival) = state.rival.take() {
            state.value = Some(rival);
            state.index += 1;
        }
        if state.writes == Writes::Fail {
            return Err(StoreError("no leader".to_owned()));
        }
        let found = if state.value.is_some() {
            Version(state.index)
        } else {
            Version::ABSENT
        };
        if found != expected {
            return Ok(Swap::Lost);
        }
        state.value = Some(backend.to_string());
        state.flags = cause.flags();
        state.index += 1;
        state.written.push(backend.clone());
        match state.writes {
            Writes::FailAfterwards => Err(StoreError("connection reset".to_owned())),
            Writes::Succeed | Writes::Fail => Ok(Swap::Stored),
        }
    }

    fn read_override(&self, _: &Key, _: Duration) -> Result<Ordered, StoreError> {
        let mut state = self.state();
        state.orders_read += 1;
        if state.orders_fail {
            return Err(StoreError("no leader".to_owned()));
        }
        let orders = state.orders.as_ref().map(|text| Ordered {
            orders: Override::parse(text.as_bytes()),
            version: Version(1),
        });
        Ok(orders.unwrap_or_else(Ordered::nothing))
    }

    fn write_override(&self, _: &Key, _: &Override, _: Version) -> Result<Swap, StoreError> {
        panic!("a checker gives no orders");
    }

    fn name(&self) -> &'static str {
        "consul"
    }
}

/// Servers whose health the test sets; remembers what it was asked.
#[derive(Debug, Default)]
struct Servers {
    health: BTreeMap<Endpoint, Health>,
    checked: Option<(Endpoint, Health)>,
    surveyed: Option<Vec<Candidate>>,
}

struct FakeChecker(Arc<Mutex<Servers>>);

impl Checker for FakeChecker {
    fn check(&mut self, server: &Endpoint) -> Health {
        let mut servers = self.0.lock().unwrap();
        let health = servers
            .health
            .get(server)
            .cloned()
            .unwrap_or(Fault::Refused.into());
        servers.checked = Some((server.clone(), health.clone()));
        health
    }

    /// Returns `except` too: the cycle must not rely on its being left out.
    fn survey(&mut self, _: Option<&Endpoint>) -> Survey {
        let mut servers = self.0.lock().unwrap();
        let candidates: Vec<Candidate> = servers
            .health
            .iter()
            .map(|(server, health)| Candidate {
                server: server.clone(),
                health: health.clone(),
                place: 0,
            })
            .collect();
        servers.surveyed = Some(candidates.clone());
        Survey {
            candidates,
            incomplete: None,
        }
    }

    fn wait(&mut self, _: Duration) -> Wake {
        Wake::Elapsed
    }
}

pub(crate) fn policy() -> Policy {
    Policy {
        proxy_port: None,
        default_proxy_port: Port::new(13351).unwrap(),
        fall: 2,
        rise: 2,
        interval: Duration::from_secs(1),
        timeout: Duration::from_secs(1),
        max_lag: 30,
        exclude: Vec::new(),
        dry_run: false,
    }
}

/// A tag `t` in front of servers on 10.0.0.N:3301.
struct Bench {
    tag: Tag,
    store: Arc<FakeStore>,
    servers: Arc<Mutex<Servers>>,
}

fn server(number: u8) -> Endpoint {
    format!("10.0.0.{number}:3301").parse().unwrap()
}

fn value(number: u8) -> String {
    format!(r#"{{"name":"t", "host":"10.0.0.{number}", "port":3301, "proxyport":13351}}"#)
}

const UP: Health = Health::Up { lag: Some(0) };

fn refused() -> Health {
    Fault::Refused.into()
}

fn hung() -> Health {
    Fault::TimedOut(Duration::from_secs(1)).into()
}

fn denied() -> Health {
    Trouble("access denied".to_owned()).into()
}

fn lagging() -> Health {
    Health::Degraded(Degraded::Lagging { lag: 99, limit: 30 })
}

fn stopped() -> Health {
    Health::Degraded(Degraded::Stopped("SQL thread is not running".to_owned()))
}

const STAND_IN: Health = Health::Degraded(Degraded::StandIn);

impl Bench {
    fn new(policy: Policy) -> Bench {
        let store = Arc::new(FakeStore::default());
        let servers = Arc::new(Mutex::new(Servers::default()));
        let key = Key::new(Kind::MysqlSlave, "t".parse().unwrap());
        let checker = Box::new(FakeChecker(Arc::clone(&servers)));
        let tag = Tag::new(key, policy, checker, Arc::<FakeStore>::clone(&store));
        Bench {
            tag,
            store,
            servers,
        }
    }

    /// On server 2, with these healths for servers 1, 2, 3 …
    fn on_two(healths: &[Health]) -> Bench {
        let bench = Bench::new(policy());
        bench.store.set(Some(&value(2)));
        for (number, health) in (1..).zip(healths) {
            bench.set(number, health.clone());
        }
        bench
    }

    fn set(&self, number: u8, health: Health) {
        self.servers
            .lock()
            .unwrap()
            .health
            .insert(server(number), health);
    }

    fn run(&mut self) -> Outcome {
        self.tag.run().outcome
    }

    fn forget_what_was_asked(&self) {
        let mut servers = self.servers.lock().unwrap();
        servers.checked = None;
        servers.surveyed = None;
    }

    fn written(&self) -> Vec<String> {
        self.store
            .state()
            .written
            .iter()
            .map(|b| b.server.to_string())
            .collect()
    }
}

#[test]
fn a_healthy_server_is_kept_and_nobody_else_is_asked() {
    let mut bench = Bench::on_two(&[STAND_IN, UP, UP]);
    for _ in 0..5 {
        assert_eq!(
            bench.run(),
            Outcome::Kept {
                server: server(2),
                health: UP
            }
        );
    }
    assert!(bench.servers.lock().unwrap().surveyed.is_none());
    assert!(bench.written().is_empty());
}

#[test]
fn the_first_election_creates_the_key() {
    let mut bench = Bench::new(policy());
    bench.set(3, UP);
    assert!(matches!(
        bench.run(),
        Outcome::Moved {
            from: None,
            cause: Cause::Forced,
            ..
        }
    ));
    assert_eq!(
        bench.store.state().value.as_deref(),
        Some(value(3).as_str())
    );
    assert_eq!(bench.store.state().flags, 1);
}

#[test]
fn a_refused_server_is_left_at_once() {
    let mut bench = Bench::on_two(&[STAND_IN, refused(), UP]);
    assert!(matches!(
        bench.run(),
        Outcome::Moved {
            cause: Cause::Forced,
            ..
        }
    ));
    assert_eq!(bench.written(), ["10.0.0.3:3301"]);
}

#[test]
fn a_hung_server_is_left_after_fall_timeouts_without_waiting_for_the_interval() {
    let mut bench = Bench::on_two(&[STAND_IN, hung(), UP]);
    let started = Instant::now();
    let report = bench.tag.run();
    assert!(matches!(
        report.outcome,
        Outcome::Falling {
            seen: 1,
            needed: 2,
            ..
        }
    ));
    assert!(report.next <= started + Duration::from_millis(1100));
    assert!(bench.written().is_empty());
    assert!(matches!(bench.run(), Outcome::Moved { .. }));
}

#[test]
fn a_server_whose_health_is_unknown_is_never_left() {
    let mut bench = Bench::on_two(&[STAND_IN, denied(), UP]);
    for _ in 0..10 {
        assert!(matches!(
            bench.run(),
            Outcome::Kept {
                health: Health::Unknown(_),
                ..
            }
        ));
    }
    assert!(bench.written().is_empty());
}

#[test]
fn a_malformed_value_is_replaced_by_compare_and_swap() {
    for bad in [
        "",
        "{}",
        "[1,2]",
        "no json",
        r#"{"name":"other","host":"h","port":1,"proxyport":2}"#,
    ] {
        let mut bench = Bench::on_two(&[refused(), UP]);
        bench.store.set(Some(bad));
        assert!(
            matches!(bench.run(), Outcome::Moved { from: None, .. }),
            "{bad}"
        );
        assert_eq!(
            bench.store.state().value.as_deref(),
            Some(value(2).as_str())
        );
    }
}

#[test]
fn nobody_alive_means_that_the_key_stays() {
    let mut bench = Bench::on_two(&[refused(), refused(), hung(), denied()]);
    assert!(matches!(bench.run(), Outcome::NoCandidate { .. }));
    assert!(bench.written().is_empty());
    bench.set(2, UP);
    assert_eq!(
        bench.run(),
        Outcome::Kept {
            server: server(2),
            health: UP
        }
    );
}

#[test]
fn the_primary_stands_in_and_gives_way_to_a_replica_that_stays_up() {
    let mut bench = Bench::on_two(&[STAND_IN, refused(), refused()]);
    bench.run();
    assert_eq!(bench.written(), ["10.0.0.1:3301"]);
    bench.set(3, UP);
    assert!(matches!(bench.run(), Outcome::Kept { .. }));
    assert!(matches!(
        bench.run(),
        Outcome::Moved {
            cause: Cause::Voluntary,
            ..
        }
    ));
    assert_eq!(bench.written(), ["10.0.0.1:3301", "10.0.0.3:3301"]);
    assert_eq!(bench.store.state().flags, 2);
}

#[test]
fn a_lagging_server_is_left_only_for_one_that_is_well_within_the_limit() {
    let mut bench = Bench::on_two(&[STAND_IN, lagging(), Health::Up { lag: Some(16) }]);
    for _ in 0..5 {
        assert!(matches!(bench.run(), Outcome::Kept { .. }));
    }
    bench.set(3, Health::Up { lag: Some(15) });
    assert!(matches!(
        bench.run(),
        Outcome::Moved {
            cause: Cause::Voluntary,
            ..
        }
    ));
}

#[test]
fn no_voluntary_move_ever_goes_to_the_primary_or_to_another_degraded_server() {
    let mut bench = Bench::on_two(&[STAND_IN, stopped(), lagging(), stopped()]);
    for _ in 0..5 {
        assert!(matches!(
            bench.run(),
            Outcome::Kept {
                health: Health::Degraded(_),
                ..
            }
        ));
    }
}

#[test]
fn a_server_that_was_excluded_while_in_use_is_left_when_a_replica_is_ready() {
    let mut bench = Bench::on_two(&[STAND_IN, UP, UP]);
    bench.tag.orders = Orders::new(vec![Exclusion::Server(server(2))]);
    assert!(matches!(bench.run(), Outcome::Kept { .. }));
    assert!(matches!(
        bench.run(),
        Outcome::Moved {
            cause: Cause::Voluntary,
            ..
        }
    ));
    assert_eq!(bench.written(), ["10.0.0.3:3301"]);
}

#[test]
fn a_lost_race_is_read_again_at_once() {
    let mut bench = Bench::on_two(&[STAND_IN, refused(), UP, UP]);
    bench.store.state().rival = Some(value(4));
    let before = Instant::now();
    let report = bench.tag.run();
    assert_eq!(report.outcome, Outcome::LostRace { wanted: server(3) });
    assert!(report.next < before + Duration::from_millis(500));
    assert_eq!(
        bench.run(),
        Outcome::Kept {
            server: server(4),
            health: UP
        }
    );
    assert!(bench.written().is_empty());
}

#[test]
fn with_the_store_down_from_the_start_nothing_is_known_and_nothing_done() {
    let mut bench = Bench::on_two(&[STAND_IN, UP]);
    bench.store.state().reads_fail = true;
    assert!(matches!(
        bench.run(),
        Outcome::StoreFailed { server: None, .. }
    ));
    assert!(bench.servers.lock().unwrap().checked.is_none());
}

#[test]
fn with_the_store_down_the_last_known_server_is_watched_and_nothing_written() {
    let mut bench = Bench::on_two(&[STAND_IN, UP, UP]);
    bench.run();
    bench.store.state().reads_fail = true;
    assert!(matches!(
        bench.run(),
        Outcome::Blind {
            health: Health::Up { .. },
            ..
        }
    ));
    bench.set(2, refused());
    for _ in 0..3 {
        assert!(matches!(
            bench.run(),
            Outcome::Blind {
                health: Health::Down(_),
                ..
            }
        ));
    }
    assert!(bench.written().is_empty());
    bench.store.state().reads_fail = false;
    assert!(matches!(bench.run(), Outcome::Moved { .. }));
}

#[test]
fn with_the_store_down_a_healthy_tag_asks_it_less_and_less_often() {
    let mut bench = Bench::on_two(&[STAND_IN, UP]);
    bench.run();
    bench.store.state().reads_fail = true;
    bench.run();
    bench.store.state().reads_fail = false;
    assert!(
        matches!(bench.run(), Outcome::Blind { .. }),
        "asked again within the pause"
    );
}

#[test]
fn a_write_that_fails_is_tried_again_in_the_next_cycle() {
    let mut bench = Bench::on_two(&[STAND_IN, refused(), UP]);
    bench.store.state().writes = Writes::Fail;
    assert!(matches!(
        bench.run(),
        Outcome::StoreFailed {
            server: Some(_),
            ..
        }
    ));
    bench.store.state().writes = Writes::Succeed;
    assert!(matches!(bench.run(), Outcome::Moved { .. }));
    assert_eq!(bench.written(), ["10.0.0.3:3301"]);
}

#[test]
fn a_write_whose_answer_was_lost_is_not_made_twice() {
    let mut bench = Bench::on_two(&[STAND_IN, refused(), UP]);
    bench.store.state().writes = Writes::FailAfterwards;
    assert!(matches!(bench.run(), Outcome::StoreFailed { .. }));
    assert_eq!(
        bench.run(),
        Outcome::Kept {
            server: server(3),
            health: UP
        }
    );
    assert_eq!(bench.written(), ["10.0.0.3:3301"]);
}

#[test]
fn failures_of_one_server_do_not_count_against_the_next() {
    let mut bench = Bench::on_two(&[STAND_IN, hung(), UP]);
    bench.run();
    bench.run();
    bench.set(3, hung());
    assert!(matches!(bench.run(), Outcome::Falling { seen: 1, .. }));
}

#[test]
fn a_move_is_followed_by_a_look_at_once_but_not_over_and_over() {
    let mut bench = Bench::on_two(&[refused(), refused(), UP]);
    let before = Instant::now();
    let report = bench.tag.run();
    assert!(report.next < before + Duration::from_millis(500));
    bench.set(3, refused());
    bench.set(2, UP);
    let report = bench.tag.run();
    assert!(matches!(report.outcome, Outcome::Moved { .. }));
    assert!(report.next > before + Duration::from_millis(900));
}

#[test]
fn a_tag_keeps_to_its_own_moment_in_the_interval() {
    let (first, second) = (Instant::now(), Duration::from_secs(1));
    // When a cycle started, and when the next one is due, in milliseconds after the first one.
    let cases = [
        (0, 1000),
        // Late by a little, and by a lot.
        (1003, 2000),
        (1600, 2000),
        // Too little is left for another look.
        (1751, 3000),
        (1999, 3000),
        (7250, 8000),
    ];
    for (started, next) in cases {
        let at = |ms| first + Duration::from_millis(ms);
        assert_eq!(next_turn(first, at(started), second), at(next), "{started}");
    }
    assert_eq!(next_turn(first, first, Duration::ZERO), first);
}

#[test]
fn a_dry_run_says_what_it_would_do_and_writes_nothing() {
    let mut bench = Bench::on_two(&[STAND_IN, refused(), UP]);
    bench.tag.policy.dry_run = true;
    for _ in 0..3 {
        assert!(matches!(bench.run(), Outcome::Moved { dry_run: true, .. }));
    }
    assert!(bench.written().is_empty());
}

#[test]
fn a_proxy_port_in_the_key_outlives_a_move_unless_the_configuration_names_one() {
    let odd = value(2).replace("13351", "14000");
    let mut bench = Bench::on_two(&[STAND_IN, refused(), UP]);
    bench.store.set(Some(&odd));
    bench.run();
    assert_eq!(bench.store.state().written[0].proxy_port.get(), 14000);
    let mut bench = Bench::on_two(&[STAND_IN, refused(), UP]);
    bench.tag.policy.proxy_port = Port::new(15000);
    bench.store.set(Some(&odd));
    bench.run();
    assert_eq!(bench.store.state().written[0].proxy_port.get(), 15000);
}

#[test]
fn a_configured_proxy_port_is_put_into_the_key_once_and_not_fought_over() {
    let mut bench = Bench::on_two(&[STAND_IN, UP]);
    bench.tag.policy.proxy_port = Port::new(14000);
    assert!(matches!(bench.run(), Outcome::PortChanged { .. }));
    assert!(matches!(bench.run(), Outcome::Kept { .. }));
    bench.store.set(Some(&value(2)));
    assert!(matches!(bench.run(), Outcome::Kept { .. }));
    assert_eq!(bench.written(), ["10.0.0.2:3301"]);
}

/// A generator that gives the same numbers for the same seed (xorshift64*).
struct Random(u64);

impl Random {
    fn next(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % below
    }

    fn one_in(&mut self, times: u64) -> bool {
        self.next(times) == 0
    }
}

fn any_health(random: &mut Random) -> Health {
    match random.next(10) {
        0..=2 => Health::Up {
            lag: Some(random.next(31)),
        },
        3 => lagging(),
        4 => stopped(),
        5 => refused(),
        6 => hung(),
        7 => denied(),
        8 => Fault::Foreign("its source is another".to_owned()).into(),
        _ => STAND_IN,
    }
}

fn disturb(bench: &Bench, random: &mut Random) {
    for number in 1..=5 {
        if random.one_in(3) {
            bench.set(number, any_health(random));
        }
    }
    let mut state = bench.store.state();
    state.reads_fail = random.one_in(6);
    state.writes = match random.next(8) {
        0 => Writes::Fail,
        1 => Writes::FailAfterwards,
        _ => Writes::Succeed,
    };
    state.rival = random.one_in(8).then(|| value(1 + random.next(5) as u8));
    drop(state);
    if random.one_in(12) {
        bench.store.set(None);
    }
    if random.one_in(12) {
        bench.store.set(Some("{\"name\":"));
    }
    if random.one_in(12) {
        bench.store.set(Some(&value(1 + random.next(5) as u8)));
    }
}

/// What may be written after what was seen in this cycle.
fn assert_allowed(bench: &Bench, excluded: &Endpoint, cause: Cause, to: &Endpoint) {
    let servers = bench.servers.lock().unwrap();
    let surveyed = servers
        .surveyed
        .as_ref()
        .expect("written without a survey in this cycle");
    let chosen = surveyed
        .iter()
        .find(|c| c.server == *to)
        .expect("written unchecked");
    assert!(chosen.health.serves(), "written although {}", chosen.health);
    assert_ne!(to, excluded, "an excluded server was written");
    if let Some((current, health)) = &servers.checked {
        assert_ne!(current, to, "moved to the server that was left");
        match health {
            Health::Up { .. } => assert_eq!(current, excluded, "moved away from a healthy server"),
            Health::Degraded(_) => {
                assert_eq!(cause, Cause::Voluntary, "forced from a degraded one")
            }
            Health::Down(_) => assert_eq!(cause, Cause::Forced),
            Health::Unknown(trouble) => panic!("moved on unknown: {trouble}"),
        }
    }
    if cause == Cause::Voluntary {
        assert!(
            matches!(chosen.health, Health::Up { lag: Some(lag) } if lag <= 15),
            "{}",
            chosen.health
        );
    }
}

#[test]
fn no_schedule_of_a_thousand_breaks_an_invariant() {
    for seed in 1..=1000 {
        let mut random = Random(u64::wrapping_mul(seed, 0x9E37_79B9_7F4A_7C15));
        let mut bench = Bench::new(policy());
        let excluded = server(4);
        bench.tag.orders = Orders::new(vec![Exclusion::Server(excluded.clone())]);
        for _ in 0..40 {
            disturb(&bench, &mut random);
            let reads_failed = bench.store.state().reads_fail;
            let before = bench.store.state().written.len();
            bench.forget_what_was_asked();
            bench.run();
            let state = bench.store.state();
            assert!(
                state.written.len() <= before + 1,
                "seed {seed}: two writes in one cycle"
            );
            if let Some(written) = state.written.get(before) {
                assert!(
                    !reads_failed,
                    "seed {seed}: written while the store could not be read"
                );
                let cause = Cause::from_flags(state.flags);
                assert_allowed(&bench, &excluded, cause, &written.server);
            }
        }
    }
}

/// Orders an operator's override, as if it had been there before the next look.
fn order(bench: &mut Bench, text: &str) {
    bench.store.state().orders = Some(text.to_owned());
    let (store, key) = (Arc::clone(&bench.tag.store), bench.tag.key.clone());
    bench.tag.orders.ask(&*store, &key, Instant::now());
}

const PIN_TWO: &str = r#"{"pin":"10.0.0.2:3301","by":"root@adm","why":"reindex"}"#;

#[test]
fn a_pinned_tag_moves_nowhere_whatever_happens_until_it_is_let_go() {
    let mut bench = Bench::on_two(&[STAND_IN, UP, UP]);
    order(&mut bench, PIN_TWO);
    assert!(matches!(bench.run(), Outcome::Kept { .. }));
    for (health, state) in [(refused(), TagState::Down), (stopped(), TagState::Degraded)] {
        bench.set(2, health);
        for _ in 0..5 {
            let outcome = bench.run();
            assert!(matches!(outcome, Outcome::Pinned { .. }), "{outcome:?}");
            assert_eq!(outcome.state(), state);
            let (_, line) = outcome.line(&bench.tag.key, "consul");
            let wanted = "t is pinned to 10.0.0.2:3301 and does not move, although ";
            assert!(line.starts_with(wanted), "{line}");
            assert!(line.contains("pinned by root@adm: reindex; confd_haproxy unpin t"));
        }
    }
    assert!(bench.written().is_empty());
    bench.set(2, refused());
    // Asked for at once when a move is due, and not only some seconds later.
    bench.store.state().orders = Some("{}".to_owned());
    assert!(matches!(bench.run(), Outcome::Moved { .. }));
}

#[test]
fn the_store_is_asked_for_orders_before_a_move_and_not_each_time_that_nobody_can_take_over() {
    let mut bench = Bench::on_two(&[refused(), refused(), refused()]);
    for _ in 0..5 {
        assert!(matches!(bench.run(), Outcome::NoCandidate { .. }));
    }
    assert_eq!(bench.store.state().orders_read, 1, "the look at the start");
    bench.set(3, UP);
    // It has come since.
    bench.store.state().orders = Some(r#"{"exclude":["10.0.0.3:3301"]}"#.to_owned());
    assert!(matches!(bench.run(), Outcome::NoCandidate { .. }));
    bench.store.state().orders = Some(PIN_TWO.to_owned());
    bench.tag.orders = Orders::new(Vec::new());
    bench.run();
    assert!(bench.written().is_empty());
}

#[test]
fn a_pin_whose_time_is_over_holds_no_more() {
    let mut bench = Bench::on_two(&[STAND_IN, refused(), UP]);
    order(
        &mut bench,
        r#"{"pin":"10.0.0.2:3301","until":"2001-01-01T00:00:00Z"}"#,
    );
    assert!(matches!(bench.run(), Outcome::Moved { .. }));
}

#[test]
fn a_key_that_names_nobody_gets_the_server_that_it_is_pinned_to_if_that_serves() {
    let mut bench = Bench::new(policy());
    bench.set(3, UP);
    order(&mut bench, PIN_TWO);
    let outcome = bench.run();
    assert!(matches!(outcome, Outcome::Pinned { server: None, .. }));
    assert!(bench.written().is_empty(), "{outcome:?}");
    bench.set(2, UP);
    assert!(matches!(bench.run(), Outcome::Moved { .. }));
    assert_eq!(bench.written(), ["10.0.0.2:3301"]);
}

#[test]
fn a_server_that_an_operator_excludes_is_left_and_not_elected() {
    let mut bench = Bench::on_two(&[STAND_IN, UP, UP, UP]);
    order(&mut bench, r#"{"exclude":["10.0.0.2:3301","10.0.0.3"]}"#);
    for _ in 0..3 {
        bench.run();
    }
    assert_eq!(bench.written(), ["10.0.0.4:3301"]);
    assert_eq!(bench.store.state().flags, Cause::Voluntary.flags());
}

#[test]
fn orders_that_cannot_be_read_leave_the_last_good_ones_in_force() {
    let mut bench = Bench::on_two(&[STAND_IN, refused(), UP]);
    order(&mut bench, PIN_TWO);
    for text in ["", "[]", r#"{"pin":7}"#] {
        order(&mut bench, text);
        assert!(matches!(bench.run(), Outcome::Pinned { .. }), "{text}");
    }
    bench.store.state().orders_fail = true;
    assert!(matches!(bench.run(), Outcome::Pinned { .. }));

    let mut fresh = Bench::on_two(&[STAND_IN, refused(), UP]);
    fresh.store.state().orders = Some("{".to_owned());
    assert!(matches!(fresh.run(), Outcome::Moved { .. }));
}
