//! What only the consul backend needs: its nodes, how they are reached, its token, and what cannot be
//! had.

use std::path::PathBuf;

use super::choice::Chooser;
use crate::cli::consul::{addresses, identity, tls, token_of, variable, wants_tls};
use crate::secret::{Secret, TokenSource};
use crate::tls::Settings;

const DEFAULT_NODE: &str = "127.0.0.1:8500";

impl Chooser<'_> {
    /// The nodes that somebody named, else what the Consul tools would use; with `-scheme https`,
    /// one without a scheme is https.
    pub(super) fn nodes(&mut self) -> Vec<String> {
        let nodes = self.list("node");
        let secure = self.is_secure();
        let all = addresses(&nodes, DEFAULT_NODE, &|name| match name {
            // Not "nothing is said": -scheme http is something.
            "CONSUL_HTTP_SSL" => Some(secure.to_string()),
            name => (self.environment)(name),
        });
        all.unwrap_or_else(|problem| {
            self.problems.push(problem);
            Vec::new()
        })
    }

    fn is_secure(&mut self) -> bool {
        match self.text("scheme") {
            Some("https") => true,
            Some(_) => false,
            None => wants_tls(self.environment).unwrap_or_else(|problem| {
                self.problems.push(problem);
                false
            }),
        }
    }

    /// What https takes: the flags, then confd's own variables, then those of the Consul tools,
    /// then confd.toml.
    pub(super) fn tls(&mut self) -> Settings {
        let tools = tls(self.environment).unwrap_or_else(|problems| {
            self.problems.extend(problems);
            Settings::default()
        });
        let said = |flag, name, tool: Option<PathBuf>| {
            let flagged = self.flags.text(flag).map(PathBuf::from);
            let own = || variable(self.environment, name).map(PathBuf::from);
            let in_file = || self.file.text(flag).map(PathBuf::from);
            flagged.or_else(own).or(tool).or_else(in_file)
        };
        let ca = said("client-ca-keys", "CONFD_CLIENT_CAKEYS", tools.ca);
        let (certificate, key) = tools
            .identity
            .map(|identity| (identity.certificate, identity.key))
            .unzip();
        let certificate = said("client-cert", "CONFD_CLIENT_CERT", certificate);
        let key = said("client-key", "CONFD_CLIENT_KEY", key);
        let pair = identity((certificate, key), "-client-cert and -client-key");
        Settings {
            ca,
            identity: pair.unwrap_or_else(|problem| {
                self.problems.push(problem);
                None
            }),
            ..tools
        }
    }

    /// confd.toml < environment < flag.
    pub(super) fn token(&mut self) -> Option<TokenSource> {
        let flag = self.flags.text("auth-token").map(Secret::new);
        if flag.is_some() {
            self.warnings.push(
                "-auth-token shows in the process list: put it into CONSUL_HTTP_TOKEN, or into \
                 a file that CONSUL_HTTP_TOKEN_FILE names"
                    .to_owned(),
            );
        }
        let said = token_of("-auth-token", flag.as_ref(), self.environment);
        let said = said.and_then(|found| match (found, self.file.get("auth-token")) {
            (None, Some(in_file)) => {
                let token = in_file.values.last().map(Secret::new);
                token_of(&in_file.origin, token.as_ref(), &|_| None)
            }
            (found, _) => Ok(found),
        });
        said.unwrap_or_else(|problem| {
            self.problems.push(problem);
            None
        })
    }

    /// Refuses what cannot be had.
    pub(super) fn refuse_for_consul(&mut self) {
        if let Some(other) = self.text("scheme")
            && !["http", "https"].contains(&other)
        {
            let message = format!("'{}' is not http or https", other.escape_debug());
            self.wrong("scheme", &message);
        }
        for flag in ["srv-domain", "srv-record"] {
            if self.said(flag).is_some() {
                self.wrong(flag, "SRV records are not supported; use -node");
            }
        }
        if self.switch("basic-auth") {
            self.wrong("basic-auth", "not supported; use a token");
            return;
        }
        for flag in ["username", "password"] {
            // Without basic-auth confd sends neither of them to Consul.
            let origin = self.said(flag).map(|said| said.origin.clone());
            let ignored = origin.map(|o| format!("{o}: ignored; Consul wants a token"));
            self.warnings.extend(ignored);
        }
    }
}
