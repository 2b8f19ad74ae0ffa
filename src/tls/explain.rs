//! What a failed handshake means, in words that say what to do.

use std::error::Error as StdError;
use std::io;

use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, Error};

use super::Peer;

/// See `super::explain`.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the rest is everything else that exists"
)]
pub(super) fn explain(error: &(dyn StdError + 'static), peer: Peer) -> Option<String> {
    match find(error)? {
        Error::InvalidCertificate(problem) => Some(of_certificate(problem, peer)),
        Error::NoCertificatesPresented => Some("it shows no certificate".to_owned()),
        Error::InvalidMessage(_) => Some(format!("it speaks no TLS: {}", peer.without())),
        Error::PeerIncompatible(what) => Some(format!(
            "its TLS is not ours, which is 1.2 or later: {what:?}"
        )),
        Error::AlertReceived(alert) => of_alert(*alert, peer),
        _ => None,
    }
}

/// The TLS error in an error. One of I/O shows what is inside only to those who ask for it.
fn find<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<Error>() {
            return Some(found);
        }
        next = match error.downcast_ref::<io::Error>() {
            Some(io) => io.get_ref().map(|inner| inner as &(dyn StdError + 'static)),
            None => error.source(),
        };
    }
    None
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the rest is everything else that exists"
)]
fn of_certificate(problem: &CertificateError, peer: Peer) -> String {
    match problem {
        // The other is an authority of the same name with another key.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => format!(
            "its certificate is not of an authority that is trusted: check {}",
            peer.ca()
        ),
        CertificateError::NotValidForNameContext {
            expected,
            presented,
        } => {
            let expected = expected.to_str();
            match presented.is_empty() {
                true => format!(
                    "its certificate is for no name or address at all (it has no \
                     subjectAltName), and so not for {expected}: {}",
                    peer.name()
                ),
                false => format!(
                    "its certificate is for {}, not for {expected}: {}",
                    presented.join(", "),
                    peer.name()
                ),
            }
        }
        CertificateError::NotValidForName => {
            format!("its certificate is for another name: {}", peer.name())
        }
        CertificateError::ExpiredContext { time, not_after } => format!(
            "its certificate has expired, {} ago: renew it",
            between(*not_after, *time)
        ),
        CertificateError::Expired => "its certificate has expired: renew it".to_owned(),
        CertificateError::NotValidYetContext { time, not_before } => format!(
            "its certificate is valid only in {}: check the clock of this host",
            between(*time, *not_before)
        ),
        other => format!("its certificate is not valid: {other}"),
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the rest is everything else that exists"
)]
fn of_alert(alert: AlertDescription, peer: Peer) -> Option<String> {
    match alert {
        AlertDescription::CertificateRequired => Some(format!(
            "it wants a certificate of ours: {}",
            peer.identity()
        )),
        AlertDescription::BadCertificate
        | AlertDescription::UnknownCA
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateUnknown
        | AlertDescription::CertificateRevoked
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::AccessDenied => Some(format!(
            "it does not take our certificate ({alert:?}): {}",
            peer.identity()
        )),
        AlertDescription::HandshakeFailure => Some(format!(
            "it ends the handshake; it may want a certificate of ours: {}",
            peer.identity()
        )),
        AlertDescription::ProtocolVersion => {
            Some("its TLS is not ours, which is 1.2 or later".to_owned())
        }
        AlertDescription::UnrecognisedName => Some(format!(
            "it does not know itself by that name: {}",
            peer.name()
        )),
        _ => None,
    }
}

/// A time between two moments, in the largest unit.
fn between(earlier: UnixTime, later: UnixTime) -> String {
    let seconds = later.as_secs().saturating_sub(earlier.as_secs());
    let (count, unit) = match seconds {
        0..120 => (seconds, "seconds"),
        120..7200 => (seconds / 60, "minutes"),
        7200..172_800 => (seconds / 3600, "hours"),
        _ => (seconds / 86400, "days"),
    };
    format!("{count} {unit}")
}

impl Peer {
    fn without(self) -> &'static str {
        match self {
            Peer::Server => "use the port where it does, or tls=off",
            Peer::Consul => "use its https port, or http://",
        }
    }

    fn ca(self) -> &'static str {
        match self {
            Peer::Server => "ca=",
            Peer::Consul => "CONSUL_CACERT (confd: -client-ca-keys)",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Peer::Server => {
                "give it one that has this name or address in its subjectAltName, or use \
                 tls=verify-ca, which does not look at names"
            }
            Peer::Consul => "give the name that it has in CONSUL_TLS_SERVER_NAME",
        }
    }

    fn identity(self) -> &'static str {
        match self {
            Peer::Server => "check tls_cert= and tls_key=",
            Peer::Consul => {
                "check CONSUL_CLIENT_CERT and CONSUL_CLIENT_KEY (confd: -client-cert, -client-key)"
            }
        }
    }
}
