//! Our side of a TLS connection: made once from files, then used for every connection.

use std::fmt;
use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::verifier::{AnyName, Anything};
use super::{Identity, Settings, Verify};
use crate::endpoint::Host;

/// Where systems keep the authorities that everybody trusts: Debian's place, and CentOS's.
const SYSTEM: [&str; 3] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
];

/// Whom we trust and who we are, read from files once. Clones share it.
#[derive(Clone)]
pub struct Client {
    config: Arc<ClientConfig>,
    server_name: Option<ServerName<'static>>,
}

/// A TLS connection over another one.
pub struct Stream<S: Read + Write>(StreamOwned<ClientConnection, S>);

impl Client {
    /// Reads the files.
    ///
    /// # Errors
    /// A sentence that names the file and what is wrong with it.
    pub fn new(settings: &Settings) -> Result<Client, String> {
        let provider = provider();
        let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|e| e.to_string())?;
        let config = match settings.verify {
            Verify::Nothing => config
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Anything::new(provider))),
            Verify::Chain => {
                let roots = Arc::new(roots(settings.ca.as_deref())?);
                let inner = WebPkiServerVerifier::builder_with_provider(roots, provider)
                    .build()
                    .map_err(|e| e.to_string())?;
                config
                    .dangerous()
                    .with_custom_certificate_verifier(Arc::new(AnyName::new(inner)))
            }
            Verify::Name => config.with_root_certificates(roots(settings.ca.as_deref())?),
        };
        let config = match &settings.identity {
            None => config.with_no_client_auth(),
            Some(identity) => {
                let (chain, key) = load(identity)?;
                let what = |e| mismatch(identity, &e);
                config.with_client_auth_cert(chain, key).map_err(what)?
            }
        };
        let name = settings.server_name.as_deref().map(server_name);
        Ok(Client {
            config: Arc::new(config),
            server_name: name.transpose()?,
        })
    }

    /// A connection over `socket` to the one that is called `host`. Says nothing yet.
    ///
    /// # Errors
    /// If the name cannot stand in a certificate.
    pub fn wrap<S: Read + Write>(&self, host: &Host, socket: S) -> io::Result<Stream<S>> {
        let name = match &self.server_name {
            Some(name) => name.clone(),
            None => server_name(&bare(host)).map_err(io::Error::other)?,
        };
        let connection = ClientConnection::new(Arc::clone(&self.config), name);
        let connection = connection.map_err(io::Error::other)?;
        Ok(Stream(StreamOwned::new(connection, socket)))
    }
}

impl<S: Read + Write> Stream<S> {
    /// Settles who we are talking to, before anything else is said.
    ///
    /// # Errors
    /// Those of the connection, and what is wrong with the other side, for `explain`.
    pub fn handshake(&mut self) -> io::Result<()> {
        while self.0.conn.is_handshaking() {
            self.0.conn.complete_io(&mut self.0.sock)?;
        }
        Ok(())
    }

    /// The connection underneath.
    pub fn socket(&mut self) -> &mut S {
        &mut self.0.sock
    }

    /// The connection underneath, to look at.
    pub fn get_ref(&self) -> &S {
        &self.0.sock
    }

    /// Whether there are bytes that have to go out.
    pub fn wants_write(&self) -> bool {
        self.0.conn.wants_write()
    }
}

impl<S: Read + Write> Read for Stream<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer) {
            // Without a close_notify, as a killed server leaves us.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
            result => result,
        }
    }
}

impl<S: Read + Write> Write for Stream<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client")
    }
}

impl<S: Read + Write> fmt::Debug for Stream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stream")
    }
}

/// The cryptography.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn roots(ca: Option<&Path>) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    match ca {
        Some(path) => {
            for certificate in certificates(path)? {
                let what = |e| format!("{}: no authority's certificate: {e}", path.display());
                roots.add(certificate).map_err(what)?;
            }
        }
        None => {
            let path = SYSTEM.iter().map(PathBuf::from).find(|path| path.exists());
            let path = path.ok_or("this system has no list of authorities: name a file of them")?;
            // Some are too old to be understood.
            roots.add_parsable_certificates(certificates(&path)?);
        }
    }
    Ok(roots)
}

fn load(
    identity: &Identity,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), String> {
    let path = identity.key.display();
    let key = PrivateKeyDer::from_pem_slice(&read(&identity.key)?)
        .map_err(|_| format!("{path}: no private key in PEM, without a password"))?;
    Ok((certificates(&identity.certificate)?, key))
}

fn mismatch(identity: &Identity, error: &rustls::Error) -> String {
    let (key, certificate) = (identity.key.display(), identity.certificate.display());
    format!("{key}: not the key of {certificate}: {error}")
}

/// The certificates of a PEM file, at least one.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let text = read(path)?;
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let all = all.map_err(|e| format!("{}: no PEM: {e}", path.display()))?;
    match all.is_empty() {
        true => Err(format!("{}: no certificate in PEM", path.display())),
        false => Ok(all),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|e| format!("cannot read {}: {e}", path.display()))
}

fn server_name(text: &str) -> Result<ServerName<'static>, String> {
    ServerName::try_from(text.to_owned())
        .map_err(|_| format!("'{}' is no name for a certificate", text.escape_debug()))
}

/// The host without brackets.
fn bare(host: &Host) -> String {
    match host {
        Host::Ip(ip) => ip.to_string(),
        Host::Name(name) => name.as_str().to_owned(),
    }
}
