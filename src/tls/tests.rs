//! Files that cannot be used, and words for what is wrong. Handshakes are tested with real servers.

use std::fs;
use std::io;

use rustls::{AlertDescription, CertificateError, Error, InvalidMessage};

use super::*;
use crate::scratch::Scratch;

fn explained(error: Error) -> Option<String> {
    explain(&io::Error::other(error), Peer::Server)
}

#[test]
fn a_file_that_cannot_be_used_is_named_with_the_reason() {
    let dir = Scratch::new();
    let empty = dir.join("empty.pem");
    fs::write(&empty, "nothing\n").unwrap();
    let with = |ca: &std::path::Path, identity| {
        Client::new(&Settings {
            ca: Some(ca.to_owned()),
            identity,
            ..Settings::default()
        })
    };
    let problem = with(&dir.join("none.pem"), None).unwrap_err();
    assert!(problem.starts_with("cannot read"), "{problem}");
    let problem = with(&empty, None).unwrap_err();
    assert!(
        problem.ends_with("empty.pem: no certificate in PEM"),
        "{problem}"
    );
    let identity = Identity {
        certificate: empty.clone(),
        key: empty,
    };
    let anybody = Client::new(&Settings {
        verify: Verify::Nothing,
        identity: Some(identity),
        ..Settings::default()
    });
    let problem = anybody.unwrap_err();
    assert!(problem.contains("no private key in PEM"), "{problem}");
}

#[test]
fn what_tls_has_against_a_server_says_what_to_do() {
    let cases = [
        (
            Error::InvalidCertificate(CertificateError::UnknownIssuer),
            "ca=",
        ),
        (
            Error::InvalidCertificate(CertificateError::Expired),
            "renew",
        ),
        (
            Error::InvalidCertificate(CertificateError::NotValidForName),
            "verify-ca",
        ),
        (
            Error::InvalidMessage(InvalidMessage::InvalidContentType),
            "no TLS",
        ),
        (
            Error::AlertReceived(AlertDescription::CertificateRequired),
            "tls_cert=",
        ),
        (
            Error::AlertReceived(AlertDescription::UnknownCA),
            "does not take our",
        ),
    ];
    for (error, wanted) in cases {
        let text = explained(error.clone()).unwrap();
        assert!(text.contains(wanted), "{error:?}: {text}");
    }
    assert_eq!(explained(Error::DecryptError), None);
    assert_eq!(
        explained(Error::AlertReceived(AlertDescription::InternalError)),
        None
    );
    assert_eq!(
        explain(&io::Error::from(io::ErrorKind::TimedOut), Peer::Consul),
        None
    );
}
