//! One thread that starts every daemon and lives as long as the process: "die with your parent"
//! (`setpriv --pdeathsig`) means the parent *thread*, and a test's thread ends too early.

use std::io;
use std::process::{Child, Command};
use std::sync::OnceLock;
use std::sync::mpsc::{self, Sender};
use std::thread;

type Order = (Command, Sender<io::Result<Child>>);

/// Starts a command from the spawner's thread.
pub fn spawn(command: Command) -> io::Result<Child> {
    let (reply, answer) = mpsc::channel();
    orders()
        .send((command, reply))
        .expect("the spawner's thread has ended");
    answer.recv().expect("the spawner's thread has ended")
}

/// A command whose process is killed when this test process ends, however it ends.
pub fn mortal(program: &std::ffi::OsStr, netns: Option<&str>) -> Command {
    let mut words: Vec<&std::ffi::OsStr> = Vec::new();
    if let Some(name) = netns {
        words.extend(["ip", "netns", "exec", name].map(std::ffi::OsStr::new));
    }
    words.extend(["setpriv", "--pdeathsig", "KILL"].map(std::ffi::OsStr::new));
    words.push(program);
    let mut command = Command::new(super::program(words[0].to_str().unwrap()));
    command.args(&words[1..]);
    command
}

fn orders() -> Sender<Order> {
    static ORDERS: OnceLock<Sender<Order>> = OnceLock::new();
    ORDERS.get_or_init(start_thread).clone()
}

fn start_thread() -> Sender<Order> {
    let (sender, receiver) = mpsc::channel::<Order>();
    let serve = move || {
        for (mut command, reply) in receiver {
            let _ = reply.send(command.spawn());
        }
    };
    thread::Builder::new()
        .name("spawner".to_owned())
        .spawn(serve)
        .expect("no thread");
    sender
}
