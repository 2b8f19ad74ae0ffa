//! What only the consul backend needs: its nodes, its token, and what cannot be had yet.

use super::choice::Chooser;
use crate::cli::start::{token_of, variable};
use crate::secret::Secret;

const DEFAULT_NODE: &str = "127.0.0.1:8500";
const NO_TLS: &str = "TLS to Consul is not supported by this build; use the agent on this host";

impl Chooser<'_> {
    /// The nodes that somebody named, else what the Consul tools would use.
    pub(super) fn nodes(&self) -> Vec<String> {
        let nodes = self.list("node");
        if !nodes.is_empty() {
            return nodes;
        }
        let address = variable(self.environment, "CONSUL_HTTP_ADDR");
        vec![address.unwrap_or_else(|| DEFAULT_NODE.to_owned())]
    }

    /// confd.toml < environment < flag.
    pub(super) fn token(&mut self) -> Option<Secret> {
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

    /// Refuses what needs something that this build has not.
    pub(super) fn refuse_for_consul(&mut self) {
        self.refuse_https();
        let variables = [
            ("client-ca-keys", "CONFD_CLIENT_CAKEYS"),
            ("client-cert", "CONFD_CLIENT_CERT"),
            ("client-key", "CONFD_CLIENT_KEY"),
        ];
        for (flag, name) in variables {
            if self.said(flag).is_some() {
                self.wrong(flag, NO_TLS);
            } else if variable(self.environment, name).is_some() {
                self.problems.push(format!("{name}: {NO_TLS}"));
            }
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

    fn refuse_https(&mut self) {
        match self.text("scheme") {
            None | Some("http") => {}
            Some("https") => self.wrong("scheme", NO_TLS),
            Some(other) => {
                let message = format!("'{}' is not http or https", other.escape_debug());
                self.wrong("scheme", &message);
            }
        }
    }
}
