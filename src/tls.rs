//! TLS to Consul and to servers: whom to trust, who we are, and what a failed handshake means.
//!
//! The only room that knows rustls. In a build without the feature `tls` it is there all the same,
//! and says so to whoever wants a client of it; nobody else has to know.

#[cfg(feature = "tls")]
mod client;
#[cfg(not(feature = "tls"))]
#[path = "tls/none.rs"]
mod client;
#[cfg(feature = "tls")]
mod explain;
#[cfg(all(test, feature = "tls"))]
mod tests;
#[cfg(feature = "tls")]
mod verifier;

use std::error::Error;
use std::path::PathBuf;

pub use self::client::{Client, Stream};

/// Whether this build can do it.
pub const IS_THERE: bool = cfg!(feature = "tls");
/// What to say where it cannot.
pub const NOT_THERE: &str = "this build has no TLS: use one made by make, not by make tiny";

/// How much of the other side's certificate is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Verify {
    /// Nothing: what is said is encrypted, and may be said to anybody.
    Nothing,
    /// That an authority which is trusted has signed it, and that it has not expired.
    Chain,
    /// That, and that it is for the name by which the other side is called.
    #[default]
    Name,
}

/// Whom to trust, and who we are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// How much is looked at.
    pub verify: Verify,
    /// The file of authorities, and nobody else is trusted; without one, the system's.
    pub ca: Option<PathBuf>,
    /// Our own certificate.
    pub identity: Option<Identity>,
    /// The name that the other side's certificate is for, whatever its address is called.
    pub server_name: Option<String>,
}

/// Our own certificate and its key, in PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The certificate, and those between it and its authority.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Whom a handshake failed with: what to do about it is said in different words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// A server of a tag.
    Server,
    /// Consul.
    Consul,
}

/// What is wrong between us and the other side, and what to do about it; `None` if the error is
/// about something else. Nothing of this says that the other side is down.
pub fn explain(error: &(dyn Error + 'static), peer: Peer) -> Option<String> {
    #[cfg(feature = "tls")]
    return explain::explain(error, peer);
    #[cfg(not(feature = "tls"))]
    {
        let _ = (error, peer);
        None
    }
}
