//! move, pin, unpin, exclude, include: what an operator does with one tag. Each says in one line
//! what it has done; a refusal is a line too, and exit code 1.

mod by;
mod known;
mod moving;
mod ordering;

use std::env;
use std::sync::Arc;

use self::moving::Mover;
use self::ordering::Orders;
use super::{check, status};
use crate::backend::{Key, Kind};
use crate::cli::{Args, Operation};
use crate::config;
use crate::elect::Exclusion;
use crate::endpoint::Endpoint;
use crate::error::Error;
use crate::moment::Moment;
use crate::resolve::Resolver;
use crate::store::{Store, StoreError};
use crate::tls;

/// How it ended: done, or refused, in one line; an error is the store's.
type Said = Result<Result<String, String>, StoreError>;

/// The tag, and what it takes to work on it.
struct Bench {
    key: Key,
    tag: config::Tag,
    tls: Option<tls::Client>,
    store: Arc<dyn Store>,
    resolver: Resolver,
}

/// What was typed besides the tag.
struct Wish {
    words: Vec<String>,
    force: bool,
    until: Option<Moment>,
    why: String,
}

/// Does it, and gives what is to be printed and the exit code.
///
/// # Errors
/// What keeps it from starting.
pub fn run(args: Args, operation: Operation) -> Result<(String, u8), Error> {
    let wish = Wish {
        words: args.words.clone(),
        force: args.force,
        until: args.until.map(|span| Moment::now().after(span)),
        why: args.why.clone().unwrap_or_default(),
    };
    let bench = bench(args)?;
    let done = match operation {
        Operation::Move => Mover::of(&bench, wish.force).run(&server(&wish, operation)?),
        Operation::Pin if wish.words.is_empty() => Orders::of(&bench).pin(&wish, None),
        Operation::Pin => move_and_pin(&bench, &server(&wish, operation)?, &wish),
        Operation::Unpin => {
            none(&wish, operation)?;
            Orders::of(&bench).unpin()
        }
        Operation::Exclude => exclude(&bench, &exclusions(&wish, operation)?, &wish),
        Operation::Include => Orders::of(&bench).include(&exclusions(&wish, operation)?),
    };
    Ok(match done {
        Ok(Ok(text)) => (text, 0),
        Ok(Err(refusal)) => (refusal, 1),
        Err(error) => (error.to_string(), 3),
    })
}

/// Two lines, if both can be done.
fn move_and_pin(bench: &Bench, target: &Endpoint, wish: &Wish) -> Said {
    let moved = match Mover::of(bench, wish.force).pinning().run(target)? {
        Ok(moved) => moved,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let said = Orders::of(bench).pin(wish, Some(target))?;
    let both = |said| format!("{moved}\n{said}");
    Ok(said.map(both).map_err(both))
}

/// Excludes them, and says which of them are no servers of the tag.
fn exclude(bench: &Bench, servers: &[Exclusion], wish: &Wish) -> Said {
    let done = Orders::of(bench).exclude(servers, wish)?;
    Ok(done.map(|text| match known::strangers(bench, servers).as_slice() {
        [] => text,
        strangers => {
            let all: Vec<String> = strangers.iter().map(ToString::to_string).collect();
            let all = all.join(", ");
            format!("{text}; none of its servers goes by {all} now: status shows how they are written")
        }
    }))
}

fn bench(args: Args) -> Result<Bench, Error> {
    let start = args.resolve(&Kind::ALL, &|name| env::var(name).ok())?;
    let resolver = Resolver::system();
    let store = status::store(&start, &resolver)?;
    let found = check::with_tls(&start)?.into_iter().next();
    let (tag, tls) = found.ok_or_else(|| check::usage("there is no such tag".to_owned()))?;
    Ok(Bench {
        key: Key::new(tag.common.kind, tag.common.name.clone()),
        tag,
        tls,
        store,
        resolver,
    })
}

/// The one server that was named.
fn server(wish: &Wish, operation: Operation) -> Result<Endpoint, Error> {
    match wish.words.as_slice() {
        [one] => one.parse().map_err(check::usage),
        _ => Err(usage_of(operation)),
    }
}

fn none(wish: &Wish, operation: Operation) -> Result<(), Error> {
    match wish.words.is_empty() {
        true => Ok(()),
        false => Err(usage_of(operation)),
    }
}

fn exclusions(wish: &Wish, operation: Operation) -> Result<Vec<Exclusion>, Error> {
    if wish.words.is_empty() && operation == Operation::Exclude {
        return Err(usage_of(operation));
    }
    let words = wish
        .words
        .iter()
        .flat_map(|word| config::value::items(word));
    let all: Result<Vec<_>, String> = words.map(str::parse).collect();
    all.map_err(check::usage)
}

fn usage_of(operation: Operation) -> Error {
    let how = match operation {
        Operation::Move => "move TAG HOST:PORT",
        Operation::Pin => "pin TAG [HOST:PORT]",
        Operation::Unpin => "unpin TAG",
        Operation::Exclude => "exclude TAG HOST[:PORT]...",
        Operation::Include => "include TAG [HOST[:PORT]]...",
    };
    check::usage(format!("write it as: confd_haproxy {how}"))
}
