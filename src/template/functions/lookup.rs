//! The functions that ask the name service.

use std::net::IpAddr;
use std::time::Duration;

use super::super::values;
use super::{Answer, Args, Context, Entry, entry};
use crate::endpoint::Host;

/// A rendering waits this long for a name, then goes on without its addresses.
const WAIT: Duration = Duration::from_secs(2);

pub(super) const TABLE: &[Entry] = &[
    entry("lookupIP", 1, 1, |context, args| {
        addresses(context, args, |_| true)
    }),
    entry("lookupIPV4", 1, 1, |context, args| {
        addresses(context, args, IpAddr::is_ipv4)
    }),
    entry("lookupIPV6", 1, 1, |context, args| {
        addresses(context, args, IpAddr::is_ipv6)
    }),
];

/// The addresses as sorted text; an empty list when there are none, as confd has it.
fn addresses(context: &Context, args: &Args<'_>, wanted: fn(&IpAddr) -> bool) -> Answer {
    let host: Result<Host, _> = args.text(0)?.trim_end_matches('.').parse();
    let found = host
        .ok()
        .and_then(|host| context.resolver.resolve(&host, WAIT).ok());
    let found = found.unwrap_or_default();
    let mut texts: Vec<String> = found
        .iter()
        .filter(|ip| wanted(ip))
        .map(IpAddr::to_string)
        .collect();
    texts.sort_unstable();
    texts.dedup();
    Ok(values::texts(texts))
}
