//! What keeps a connection, or at least the password, from being read on its way.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use mysql::{OptsBuilder, SslOpts};

use crate::checker::dial::Dial;
use crate::checker::failure::Failure;
use crate::endpoint::Host;
use crate::tls::{Settings, Verify};

/// Where the driver is sent to look for the server's public key if it may not ask for it: nowhere.
/// It looks there only when the server wants the whole password over a connection that is not
/// encrypted.
const NO_KEY: &str = "/dev/null/get_server_public_key";

/// How connections are encrypted, if they are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Secrecy {
    /// TLS; its files have been looked at.
    pub tls: Option<Settings>,
    /// Without TLS: whether the password may be sent under a key that the server itself shows, as
    /// caching_sha2_password does.
    pub get_public_key: bool,
}

impl Secrecy {
    /// Says it to the driver, for a connection to `address`, which is the server's.
    ///
    /// # Errors
    /// When the server's name, which its certificate is to be for, does not resolve any more.
    pub(super) fn apply(
        &self,
        options: OptsBuilder,
        dial: &Dial,
        address: IpAddr,
    ) -> Result<OptsBuilder, Failure> {
        let options = options.ip_or_hostname(Some(address.to_string()));
        let Some(tls) = &self.tls else {
            let nowhere = (!self.get_public_key).then(|| PathBuf::from(NO_KEY));
            return Ok(options.server_key_path(nowhere));
        };
        let options = options.ssl_opts(Some(ssl(tls)));
        match (&dial.server().host, tls.verify) {
            // The driver verifies the name that it connects to, and so has to look it up itself.
            (Host::Name(name), Verify::Name) => {
                dial.look_up()?;
                Ok(options
                    .ip_or_hostname(Some(name.as_str()))
                    .bind_address(Some(anywhere(address))))
            }
            _ => Ok(options),
        }
    }
}

/// Without a local address the driver tries only the first address of a name; with one it tries all,
/// those of its family first.
fn anywhere(address: IpAddr) -> SocketAddr {
    match address {
        IpAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        IpAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    }
}

fn ssl(tls: &Settings) -> SslOpts {
    let options = SslOpts::default()
        .with_root_cert_path(tls.ca.clone())
        .with_danger_skip_domain_validation(tls.verify == Verify::Chain)
        .with_danger_accept_invalid_certs(tls.verify == Verify::Nothing);
    #[cfg(feature = "tls")]
    let options = options.with_client_identity(tls.identity.as_ref().map(|identity| {
        mysql::ClientIdentity::new(identity.certificate.clone(), identity.key.clone())
    }));
    options
}
