//! Where Consul is, how it is reached, and the token: what options leave open is in the
//! environment, as the Consul tools read it.

use std::fs;
use std::path::PathBuf;

use super::start::Environment;
use crate::config::value::items;
use crate::secret::{Secret, TokenSource};
use crate::tls::{Identity, Settings, Verify};

/// The addresses of comma lists, in their order; without any those of CONSUL_HTTP_ADDR, else the
/// default. With CONSUL_HTTP_SSL, one without a scheme is https.
///
/// # Errors
/// One sentence.
pub(super) fn addresses(
    given: &[String],
    default: &str,
    environment: &Environment<'_>,
) -> Result<Vec<String>, String> {
    let secure = wants_tls(environment)?;
    let variable = || variable(environment, "CONSUL_HTTP_ADDR");
    let text = match given.is_empty() {
        true => variable().unwrap_or_else(|| default.to_owned()),
        false => given.join(","),
    };
    let all = items(&text).map(|address| match secure {
        true => secured(address),
        false => address.to_owned(),
    });
    let all: Vec<String> = all.collect();
    match all.is_empty() {
        true => Err("Consul's address is an empty list".to_owned()),
        false => Ok(all),
    }
}

/// The address, with https if it has no scheme.
pub(super) fn secured(address: &str) -> String {
    match address.contains("://") || address.starts_with('/') {
        true => address.to_owned(),
        false => format!("https://{address}"),
    }
}

/// CONSUL_HTTP_SSL.
///
/// # Errors
/// One sentence.
pub(super) fn wants_tls(environment: &Environment<'_>) -> Result<bool, String> {
    Ok(switch(environment, "CONSUL_HTTP_SSL")?.unwrap_or(false))
}

/// The variables about certificates.
///
/// # Errors
/// Everything that is wrong with them.
pub(super) fn tls(environment: &Environment<'_>) -> Result<Settings, Vec<String>> {
    let mut problems = Vec::new();
    let path = |name| variable(environment, name).map(PathBuf::from);
    let verify = switch(environment, "CONSUL_HTTP_SSL_VERIFY").unwrap_or_else(|problem| {
        problems.push(problem);
        None
    });
    let pair = (path("CONSUL_CLIENT_CERT"), path("CONSUL_CLIENT_KEY"));
    let identity = identity(pair, "CONSUL_CLIENT_CERT and CONSUL_CLIENT_KEY");
    let identity = identity.unwrap_or_else(|problem| {
        problems.push(problem);
        None
    });
    if path("CONSUL_CAPATH").is_some() {
        problems.push("CONSUL_CAPATH: not supported; name one file in CONSUL_CACERT".to_owned());
    }
    match problems.is_empty() {
        true => Ok(Settings {
            verify: match verify {
                Some(false) => Verify::Nothing,
                Some(true) | None => Verify::Name,
            },
            ca: path("CONSUL_CACERT"),
            identity,
            server_name: variable(environment, "CONSUL_TLS_SERVER_NAME"),
        }),
        false => Err(problems),
    }
}

/// Both halves of an identity, or neither.
///
/// # Errors
/// One sentence, which calls them by their `names`.
pub(super) fn identity(
    pair: (Option<PathBuf>, Option<PathBuf>),
    names: &str,
) -> Result<Option<Identity>, String> {
    match pair {
        (None, None) => Ok(None),
        (Some(certificate), Some(key)) => Ok(Some(Identity { certificate, key })),
        (Some(_), None) | (None, Some(_)) => {
            Err(format!("{names} go together: one of them is missing"))
        }
    }
}

/// A variable that is set and not empty, without blanks around it.
pub(super) fn variable(environment: &Environment<'_>, name: &str) -> Option<String> {
    let value = environment(name)?.trim().to_owned();
    Some(value).filter(|v| !v.is_empty())
}

fn switch(environment: &Environment<'_>, name: &str) -> Result<Option<bool>, String> {
    let Some(text) = variable(environment, name) else {
        return Ok(None);
    };
    match truth(&text) {
        Some(truth) => Ok(Some(truth)),
        None => Err(format!(
            "{name}: '{}' is not true or false",
            text.escape_debug()
        )),
    }
}

/// The spellings of a boolean that Go's tools take, and more of their capitals.
pub(super) fn truth(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "t" | "true" => Some(true),
        "0" | "f" | "false" => Some(false),
        _ => None,
    }
}

/// Consul's token: that of the option called `name`, else the token file unless it is empty, else
/// the variable, which is the order of the Consul tools.
///
/// # Errors
/// One sentence, without the token.
pub(super) fn token_of(
    name: &str,
    option: Option<&Secret>,
    environment: &Environment<'_>,
) -> Result<Option<TokenSource>, String> {
    if let Some(token) = option {
        return given(name, token.expose()).map(Some);
    }
    if let Some(path) = variable(environment, "CONSUL_HTTP_TOKEN_FILE") {
        let text = fs::read_to_string(&path).map_err(|e| {
            format!("CONSUL_HTTP_TOKEN_FILE: cannot read {path}: {e}; let this user read it")
        })?;
        if !text.trim().is_empty() {
            let now = checked(&path, text.trim())?;
            let path = PathBuf::from(path);
            return Ok(Some(TokenSource::File { path, now }));
        }
    }
    variable(environment, "CONSUL_HTTP_TOKEN")
        .map(|token| given("CONSUL_HTTP_TOKEN", &token))
        .transpose()
}

fn given(origin: &str, token: &str) -> Result<TokenSource, String> {
    checked(origin, token).map(TokenSource::Given)
}

/// A token goes into a header, so it is one word of visible ASCII. It is not shown.
fn checked(origin: &str, token: &str) -> Result<Secret, String> {
    match token.bytes().all(|b| b.is_ascii_graphic()) {
        true => Ok(Secret::new(token)),
        false => Err(format!(
            "{origin}: a token has no blanks and only ASCII characters: check what it holds"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Result<Settings, Vec<String>> {
        tls(&|name| {
            let mut all = variables.iter();
            all.find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned())
        })
    }

    #[test]
    fn the_variables_of_the_consul_tools_are_taken() {
        assert_eq!(of(&[]).unwrap(), Settings::default());
        let all = of(&[
            ("CONSUL_CACERT", "/ca"),
            ("CONSUL_CLIENT_CERT", "/c"),
            ("CONSUL_CLIENT_KEY", "/k"),
            ("CONSUL_HTTP_SSL_VERIFY", "false"),
            ("CONSUL_TLS_SERVER_NAME", "server.dc1.consul"),
        ]);
        let wanted = Settings {
            verify: Verify::Nothing,
            ca: Some("/ca".into()),
            identity: Some(Identity {
                certificate: "/c".into(),
                key: "/k".into(),
            }),
            server_name: Some("server.dc1.consul".to_owned()),
        };
        assert_eq!(all.unwrap(), wanted);
    }

    #[test]
    fn half_an_identity_and_other_nonsense_are_all_reported() {
        let problems = of(&[
            ("CONSUL_CLIENT_KEY", "/k"),
            ("CONSUL_HTTP_SSL_VERIFY", "maybe"),
            ("CONSUL_CAPATH", "/d"),
        ]);
        assert_eq!(problems.unwrap_err().len(), 3);
    }
}
