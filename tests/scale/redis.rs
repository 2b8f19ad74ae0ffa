//! Redis masters, their replicas and Sentinels, as far as a checker asks. The last host has the
//! Sentinels, which know every tag's master; a master may be put to another host.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::hosts::{Hosts, Who, port};
use crate::responder::{Memory, Service};

/// At which host each tag's master is.
pub type Masters = Arc<Vec<AtomicUsize>>;

pub struct Redis {
    hosts: Hosts,
    masters: Masters,
}

impl Redis {
    pub fn new(hosts: &Hosts, masters: &Masters) -> Redis {
        Redis {
            hosts: hosts.clone(),
            masters: Arc::clone(masters),
        }
    }

    /// The conf file: a server at each host but the last, which has three Sentinels for all.
    pub fn conf(hosts: &Hosts, more: &str) -> String {
        let list = |servers: &mut dyn Iterator<Item = Who>| {
            let texts: Vec<String> = servers.map(|who| hosts.address(who).to_string()).collect();
            texts.join(",")
        };
        let last = hosts.count - 1;
        let sentinels = list(&mut (0..3.min(hosts.tags)).map(|tag| Who { host: last, tag }));
        let section = |tag| {
            let servers = list(&mut (0..last).map(|host| Who { host, tag }));
            format!(
                "[t{tag:04}]\ntype=redismaster\nserver={servers}\nsentinel={sentinels}\n\
                 master_name=t{tag:04}\n{more}\n"
            )
        };
        (0..hosts.tags).map(section).collect()
    }

    fn reply(&self, who: Who, words: &[String]) -> String {
        let word = |at: usize| words.get(at).map_or("", String::as_str);
        match word(0).to_ascii_uppercase().as_str() {
            "PING" => "+PONG\r\n".to_owned(),
            "AUTH" | "CLIENT" => "+OK\r\n".to_owned(),
            "ROLE" => self.role(who),
            "INFO" => bulk(&self.info(who)),
            "SENTINEL" => self.master_of(word(2)),
            _ => "-ERR unknown command\r\n".to_owned(),
        }
    }

    fn master(&self, tag: usize) -> Who {
        let host = self.masters[tag].load(Ordering::SeqCst);
        Who { host, tag }
    }

    fn role(&self, who: Who) -> String {
        if who.host + 1 == self.hosts.count {
            return "*1\r\n$8\r\nsentinel\r\n".to_owned();
        }
        let master = self.master(who.tag);
        if who == master {
            let ip = bulk(&self.hosts.ip((who.host + 1) % 2).to_string());
            let port = bulk(&port(who.tag).to_string());
            let offset = bulk("100");
            return format!("*3\r\n$6\r\nmaster\r\n:100\r\n*1\r\n*3\r\n{ip}{port}{offset}");
        }
        let ip = bulk(&self.hosts.ip(master.host).to_string());
        let port = port(who.tag);
        format!("*5\r\n$5\r\nslave\r\n{ip}:{port}\r\n$9\r\nconnected\r\n:100\r\n")
    }

    fn info(&self, who: Who) -> String {
        let role = if who == self.master(who.tag) {
            "master"
        } else {
            "slave"
        };
        let id = format!("{:040x}", who.tag + 1);
        format!(
            "# Replication\r\nrole:{role}\r\nconnected_slaves:1\r\nmaster_replid:{id}\r\n\
             master_replid2:{:040}\r\nmaster_repl_offset:100\r\nrepl_backlog_active:1\r\n",
            0
        )
    }

    fn master_of(&self, name: &str) -> String {
        let tag = name.trim_start_matches('t').parse().ok();
        match tag.filter(|tag: &usize| *tag < self.hosts.tags) {
            Some(tag) => {
                let ip = self.hosts.ip(self.master(tag).host).to_string();
                format!("*2\r\n{}{}", bulk(&ip), bulk(&port(tag).to_string()))
            }
            None => "*-1\r\n".to_owned(),
        }
    }
}

impl Service for Redis {
    fn greet(&mut self, _: Who, _: &mut Vec<u8>) {}

    fn answer(&mut self, who: Who, _: &mut Memory, heard: &mut Vec<u8>, said: &mut Vec<u8>) {
        while let Some((words, length)) = command(heard) {
            said.extend(self.reply(who, &words).bytes());
            heard.drain(..length);
        }
    }
}

fn bulk(text: &str) -> String {
    format!("${}\r\n{text}\r\n", text.len())
}

/// The first command, and how long it is.
fn command(heard: &[u8]) -> Option<(Vec<String>, usize)> {
    let mut at = 0;
    let mut line = || {
        let end = at + heard.get(at..)?.windows(2).position(|two| two == b"\r\n")?;
        let text = String::from_utf8_lossy(&heard[at..end]).into_owned();
        at = end + 2;
        Some((text, at))
    };
    let (count, mut end) = line()?;
    let count: usize = count.trim_start_matches('*').parse().ok()?;
    let mut words = Vec::new();
    for _ in 0..count {
        line()?;
        let (word, after) = line()?;
        words.push(word);
        end = after;
    }
    Some((words, end))
}
