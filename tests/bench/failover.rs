//! How long it takes to get away from a MySQL replica that is killed, hangs or is cut off: to the key,
//! and to the port. Whatever is compared sees the same faults.

use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::Bench;
use crate::figures::{Figures, Unit};
use crate::peers::{FLOOR, OWN_CHECK, PERL, Peers};
use crate::scene::{KEY, endpoint_of};
use crate::stage::{Fault, Replica, Stage};
use crate::support::{becomes_true, seconds, wait_until};
use crate::table::{Line, Theirs};
use crate::watch::{Application, Moment, change_of};
use crate::ways::Way;

const MS: Unit = Unit("ms");
const TRIES: Unit = Unit("");
/// What takes longer never comes. Nothing of ours does.
const LIMIT: Duration = seconds(15);

/// What came of one fault, in ms.
struct Came {
    way: Way,
    /// The first line that the checker's log has after a kill.
    noticed: Option<f64>,
    /// When an idle connection to the server had ended.
    ended: Option<f64>,
    key: Option<f64>,
    /// The application's first greeting, and its tries that failed.
    port: Option<(f64, f64)>,
    own: (f64, f64),
}

pub fn on_loopback(bench: &Bench) -> Vec<Line> {
    let stage = bench.stage();
    let mut lines = kills(&rounds(bench, stage, Fault::Kill, 6));
    lines.extend(outages("hang", &rounds(bench, stage, Fault::Hang, 3)));
    lines
}

pub fn on_a_network(bench: &Bench) -> Vec<Line> {
    let stage = Stage::on_a_network();
    outages("cut", &rounds(bench, &stage, Fault::Cut, 3))
}

/// The ways take turns.
fn rounds(bench: &Bench, stage: &Stage, fault: Fault, usual: usize) -> Vec<Came> {
    let original = bench.peers.original().map(|_| Way::Original);
    let ways = [Some(Way::Consul), Some(Way::Store), original];
    let turns = (0..bench.rounds(usual)).flat_map(|_| ways.into_iter().flatten());
    turns
        .map(|way| round(&bench.peers, stage, way, fault))
        .collect()
}

fn round(peers: &Peers, stage: &Stage, way: Way, fault: Fault) -> Came {
    let open = way.open(stage, peers);
    let used = stage.replica_at(&open.current(stage));
    let (version, next) = (used.version(), used.other().version());
    let application = |port| Application::start(peers, port, stage.netns());
    let (ours, own) = (open.port.map(application), application(used.own_port()));
    wait_until("applications are greeted", seconds(30), || {
        own.is_at(version) && ours.as_ref().is_none_or(|ours| ours.is_at(version))
    });
    let history = (way != Way::Store).then(|| stage.consul.history(KEY));
    let is_kill = fault == Fault::Kill;
    let log = is_kill.then(|| change_of(open.checker.daemon().log_path(), LIMIT));
    let idle = is_kill.then(|| end_of_idle_connection(&used));
    let at = Moment::now();
    used.suffer(fault);

    let since = |instant: Instant| (instant - at.at).as_secs_f64() * 1e3;
    let wanted = used.other().server().endpoint();
    let moved = || {
        let seen = history.as_ref()?.seen();
        let mut moves = seen.into_iter().filter(|seen| {
            let kv = seen.kv.as_ref();
            seen.at > at.at && kv.is_some_and(|kv| endpoint_of(&kv.value) == wanted)
        });
        moves.next().map(|seen| since(seen.at))
    };
    let greeted = |application: &Application| application.greeted_after(at, next);
    becomes_true(LIMIT, || {
        let key = history.is_none() || moved().is_some();
        let port = ours.as_ref().is_none_or(|ours| greeted(ours).is_some());
        key && port && greeted(&own).is_some()
    });
    let never = (f64::INFINITY, f64::INFINITY);
    let ended = |thread: Option<JoinHandle<Option<Instant>>>| {
        let came = thread?.join().expect("it only waits");
        Some(came.map_or(f64::INFINITY, since))
    };
    let came = Came {
        way,
        noticed: ended(log),
        ended: ended(idle),
        key: history.is_some().then(|| moved().unwrap_or(f64::INFINITY)),
        port: ours.as_ref().map(|ours| greeted(ours).unwrap_or(never)),
        own: greeted(&own).unwrap_or(never),
    };
    drop(open);
    used.recover(fault);
    came
}

/// A thread that reads from a connection on which the server has no more to say.
fn end_of_idle_connection(replica: &Replica<'_>) -> JoinHandle<Option<Instant>> {
    let address: SocketAddr = replica.server().endpoint().parse().unwrap();
    let mut stream = TcpStream::connect(address).expect("the server is well");
    let greeted = stream.read(&mut [0; 256]).expect("a greeting");
    assert!(greeted > 5, "a greeting");
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    thread::spawn(move || {
        let timed_out = stream
            .read(&mut [0; 256])
            .is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock);
        (!timed_out).then(Instant::now)
    })
}

fn kills(came: &[Came]) -> Vec<Line> {
    let of = |way: Way, what: fn(&Came) -> Option<f64>| {
        let values: Vec<f64> = came
            .iter()
            .filter(|c| c.way == way)
            .filter_map(what)
            .collect();
        (!values.is_empty()).then(|| Figures::new(MS, values))
    };
    let noticed = of(Way::Consul, |c| c.noticed).expect("rounds");
    let ended = Theirs::given(of(Way::Consul, |c| c.ended));
    let idle = &format!("{FLOOR}: an idle connection's end");
    let after = |c: &Came| Some(c.noticed? - c.ended?);
    let after = of(Way::Consul, after).expect("rounds");
    let mut lines = vec![
        Line::new("kill, until noticed", noticed, idle, ended),
        Line::alone("kill, until noticed, after that end", after),
    ];
    lines.extend(outages("kill", came));
    lines
}

/// To the key and to the port.
fn outages(fault: &str, came: &[Came]) -> Vec<Line> {
    let of = |unit: Unit, ways: &[Way], what: fn(&Came) -> Option<f64>| {
        let of_way = came.iter().filter(|c| ways.contains(&c.way));
        let values: Vec<f64> = of_way.filter_map(what).collect();
        (!values.is_empty()).then(|| Figures::new(unit, values))
    };
    let all = &[Way::Consul, Way::Store, Way::Original];
    let port = |c: &Came| c.port.map(|(took, _)| took);
    let own = || Theirs::given(of(MS, all, |c| Some(c.own.0)));
    let theirs = |what| Theirs::given(of(MS, &[Way::Original], what));
    let ours = |way, what| of(MS, &[way], what).expect("rounds");
    let (consul, store) = (
        &format!("{fault}, to the port: checkmysqlslave, Consul, `confd -watch`"),
        &format!("{fault}, to the port: `run --store`"),
    );
    let failed = of(TRIES, &[Way::Consul, Way::Store], |c| {
        c.port.map(|(_, n)| n)
    });
    let own_failed = Theirs::given(of(TRIES, all, |c| Some(c.own.1)));
    let by_store = Line::new(store, ours(Way::Store, port), OWN_CHECK, own());
    vec![
        Line::new(
            &format!("{fault}, to the key: checkmysqlslave, Consul"),
            ours(Way::Consul, |c| c.key),
            PERL,
            theirs(|c| c.key),
        ),
        Line::new(consul, ours(Way::Consul, port), OWN_CHECK, own()).quoted(),
        Line::new(
            consul,
            ours(Way::Consul, port),
            &format!("{PERL}, confd, a reload"),
            theirs(port),
        ),
        if fault == "kill" {
            by_store.quoted()
        } else {
            by_store
        },
        Line::new(
            &format!("{fault}, tries of the application that failed"),
            failed.expect("rounds"),
            OWN_CHECK,
            own_failed,
        ),
    ]
}
