//! The keys about TLS, which sections of two kinds have, as what a connection takes.

use std::path::PathBuf;

use super::raw::Raw;
use super::report::Report;
use super::value::shown;
use crate::tls::{IS_THERE, Identity, NOT_THERE, Settings, Verify};

/// `tls=`: `None` is off.
pub(super) fn word(text: &str) -> Result<Option<Verify>, String> {
    let verify = match text {
        "off" => return Ok(None),
        "on" => Verify::Nothing,
        "verify-ca" => Verify::Chain,
        "verify" => Verify::Name,
        _ => {
            let text = shown(text);
            return Err(format!("'{text}' is not off, on, verify-ca or verify"));
        }
    };
    match IS_THERE {
        true => Ok(Some(verify)),
        false => Err(format!("'{text}': {NOT_THERE}")),
    }
}

/// What a connection takes; `None` is none of it.
pub(super) fn settings(raw: &Raw<'_>, report: &mut Report) -> Option<Settings> {
    let said = &raw.settings;
    let file = |file: &Option<String>| file.as_ref().map(PathBuf::from);
    let Some(verify) = said.tls.flatten() else {
        let keys = [
            ("ca", said.ca.is_some()),
            ("tls_cert", said.tls_cert.is_some()),
            ("tls_key", said.tls_key.is_some()),
            ("tls_server_name", said.tls_server_name.is_some()),
        ];
        for (key, _) in keys.into_iter().filter(|(_, is_there)| *is_there) {
            raw.warning(&format!("{key}= has no effect while tls is off"), report);
        }
        return None;
    };
    match (verify, said.ca.is_some()) {
        (Verify::Nothing, true) => raw.warning(
            "ca= has no effect with tls=on, which looks at no certificate: use tls=verify",
            report,
        ),
        (Verify::Chain | Verify::Name, false) => raw.error(
            "has no ca= to verify with: add a line such as ca=/etc/confd_haproxy/ca.pem",
            report,
        ),
        (Verify::Nothing, false) | (Verify::Chain | Verify::Name, true) => {}
    }
    let identity = match (file(&said.tls_cert), file(&said.tls_key)) {
        (Some(certificate), Some(key)) => Some(Identity { certificate, key }),
        (None, None) => None,
        (Some(_), None) | (None, Some(_)) => {
            raw.error("has one of tls_cert= and tls_key=: it takes both", report);
            None
        }
    };
    Some(Settings {
        verify,
        ca: file(&said.ca).filter(|_| verify != Verify::Nothing),
        identity,
        server_name: said.tls_server_name.clone(),
    })
}
