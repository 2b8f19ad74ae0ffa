//! Logging in to a MySQL or MariaDB: from the greeting to "OK". No I/O. The cryptography is the
//! `mysql_common` crate's.

use std::io;

use mysql_common::constants::CapabilityFlags;
use mysql_common::io::ParseBuf;
use mysql_common::packets::{
    AuthPlugin, AuthPluginData, HandshakePacket, HandshakeResponse, SslRequest,
};
use mysql_common::proto::MySerialize;

use crate::checker::Trouble;
use crate::checker::failure::Failure;
use crate::checker::mysql::failure::{code, of_refusal};
use crate::checker::mysql::key;
use crate::checker::mysql::packet::{MAX_PACKET, Refusal, frame, refusal};
use crate::secret::Secret;

/// What is wanted of the connection: rows as texts, errors with numbers, and the way of logging in
/// that the account has.
const WANTED: CapabilityFlags = CapabilityFlags::CLIENT_PROTOCOL_41
    .union(CapabilityFlags::CLIENT_LONG_PASSWORD)
    .union(CapabilityFlags::CLIENT_SECURE_CONNECTION)
    .union(CapabilityFlags::CLIENT_PLUGIN_AUTH);
/// What a server has to have: it has had it since MySQL 4.1.
const NEEDED: CapabilityFlags =
    CapabilityFlags::CLIENT_PROTOCOL_41.union(CapabilityFlags::CLIENT_SECURE_CONNECTION);
/// utf8mb4_general_ci.
const COLLATION: u8 = 45;
/// Any version that knows utf8mb4.
const VERSION: (u16, u16, u16) = (8, 0, 0);
/// Bytes that an answer to a greeting mostly fits in.
const ROOM: usize = 120;
/// The longest password that fits under a server's key of 2048 bits.
const LONGEST: usize = 200;

const WHOLE_PASSWORD: &str = "the server wants the whole password (caching_sha2_password), and the \
    connection is not encrypted: use tls=on or tls=verify, or get_server_public_key=yes where you \
    trust the network";
const NO_TLS: &str =
    "it offers no TLS: give it a certificate and a key (ssl_cert, ssl_key), or use tls=off";

/// Whom to log in as, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The user.
    pub user: String,
    /// The password.
    pub password: Secret,
    /// Whether the connection is to be encrypted.
    pub tls: bool,
    /// Without that: whether the password may be sent under a key that the server itself shows, as
    /// caching_sha2_password does.
    pub get_public_key: bool,
}

/// A login under way; it begins with the server's greeting.
#[derive(Debug, Default)]
pub struct Login {
    stage: Stage,
    /// What the password is mixed with.
    nonce: Vec<u8>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Greeting,
    Answer,
    PublicKey,
}

/// How a login goes on.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// More is to be heard.
    Listen,
    /// This packet is to be sent.
    Send(Vec<u8>),
    /// The first packet is to be sent, then the connection is encrypted, then goes the second.
    Secure(Vec<u8>, Vec<u8>),
    /// We are in.
    In,
}

impl Login {
    /// Takes a packet. `number` is that of the packet to be sent next.
    ///
    /// # Errors
    /// When the server does not let us in, or what it says is not the protocol.
    pub fn hear(&mut self, packet: &[u8], account: &Account, number: u8) -> Result<Next, Failure> {
        match (self.stage, packet) {
            (_, [0xff, rest @ ..]) => Err(refused(&refusal(rest), account)),
            (Stage::Greeting, _) => self.greeted(packet, account, number),
            (_, [0x00, ..]) => Ok(Next::In),
            (_, [0xfe]) => Err(unwilling("mysql_old_password")),
            (_, [0xfe, rest @ ..]) => self.switched(rest, account, number),
            (Stage::PublicKey, [0x01, key @ ..]) => self.lock(key, account, number),
            // The server knows the password from before.
            (_, [0x01, 3]) => Ok(Next::Listen),
            (_, [0x01, 4]) => self.whole_password(account, number),
            _ => Err(odd("answer to the login")),
        }
    }

    fn greeted(&mut self, packet: &[u8], account: &Account, number: u8) -> Result<Next, Failure> {
        let greeting: HandshakePacket<'_> = ParseBuf(packet).parse(()).map_err(not_parsed)?;
        let offered = greeting.capabilities();
        if !offered.contains(NEEDED) {
            return Err(odd("greeting"));
        }
        self.stage = Stage::Answer;
        self.nonce = greeting.nonce();
        let mut flags = WANTED & offered;
        if account.tls {
            if !offered.contains(CapabilityFlags::CLIENT_SSL) {
                return Err(Failure::trouble(NO_TLS));
            }
            flags |= CapabilityFlags::CLIENT_SSL;
        }
        let plugin = first_plugin(&greeting);
        let proof = self.proof(&plugin, account)?;
        let limit = u32::try_from(MAX_PACKET).unwrap_or(u32::MAX);
        let with_plugin = flags.contains(CapabilityFlags::CLIENT_PLUGIN_AUTH);
        let (user, no_name) = (account.user.as_bytes(), None::<&[u8]>);
        let plugin = with_plugin.then_some(plugin);
        let response = HandshakeResponse::new(
            Some(proof),
            VERSION,
            Some(user),
            no_name,
            plugin,
            flags,
            None,
            limit,
        );
        Ok(match account.tls {
            true => {
                let request = SslRequest::new(flags, limit, COLLATION);
                let then = frame(&bytes(&response), number.wrapping_add(1));
                Next::Secure(frame(&bytes(&request), number), then)
            }
            false => Next::Send(frame(&bytes(&response), number)),
        })
    }

    /// The account wants another plugin than the greeting named.
    fn switched(&mut self, rest: &[u8], account: &Account, number: u8) -> Result<Next, Failure> {
        let end = rest.iter().position(|byte| *byte == 0);
        let (name, nonce) = rest.split_at(end.unwrap_or(rest.len()));
        let nonce = nonce.strip_prefix(b"\0").unwrap_or_default();
        self.nonce = nonce.strip_suffix(b"\0").unwrap_or(nonce).to_vec();
        self.stage = Stage::Answer;
        let proof = self.proof(&AuthPlugin::from_bytes(name), account)?;
        Ok(Next::Send(frame(&proof, number)))
    }

    /// What proves that we know the password; nothing where there is none.
    fn proof(&self, plugin: &AuthPlugin<'_>, account: &Account) -> Result<Vec<u8>, Failure> {
        match plugin {
            AuthPlugin::MysqlNativePassword
            | AuthPlugin::CachingSha2Password
            | AuthPlugin::Ed25519 => {}
            AuthPlugin::MysqlOldPassword
            | AuthPlugin::MysqlClearPassword
            | AuthPlugin::MariadbParsec { .. }
            | AuthPlugin::Other(_) => {
                return Err(unwilling(&String::from_utf8_lossy(plugin.as_bytes())));
            }
        }
        let data = plugin.gen_data(Some(account.password.expose()), &self.nonce);
        Ok(match data {
            Some(AuthPluginData::Native(proof)) => proof.to_vec(),
            Some(AuthPluginData::Sha2(proof)) => proof.to_vec(),
            Some(AuthPluginData::Ed25519(proof)) => proof.to_vec(),
            Some(_) | None => Vec::new(),
        })
    }

    /// The server does not know the password from before, and wants all of it.
    fn whole_password(&mut self, account: &Account, number: u8) -> Result<Next, Failure> {
        if account.tls {
            return Ok(Next::Send(frame(&with_end(account), number)));
        }
        if !account.get_public_key {
            return Err(Failure::trouble(WHOLE_PASSWORD));
        }
        self.stage = Stage::PublicKey;
        Ok(Next::Send(frame(&[2], number)))
    }

    fn lock(&mut self, shown: &[u8], account: &Account, number: u8) -> Result<Next, Failure> {
        let mut password = with_end(account);
        if password.len() > LONGEST {
            return Err(Failure::trouble(format!(
                "the password is longer than {LONGEST} bytes, too long for \
                 get_server_public_key=yes: use tls=on"
            )));
        }
        for (byte, mask) in password.iter_mut().zip(self.nonce.iter().cycle()) {
            *byte ^= mask;
        }
        self.stage = Stage::Answer;
        Ok(Next::Send(frame(&key::encrypt(&password, shown)?, number)))
    }
}

/// What the server's own plugin is answered with. The account may have another one, for which the
/// server asks then; where we do not know the server's own, the oldest serves to get there.
fn first_plugin<'a>(greeting: &'a HandshakePacket<'_>) -> AuthPlugin<'a> {
    match greeting.auth_plugin() {
        Some(AuthPlugin::CachingSha2Password) => AuthPlugin::CachingSha2Password,
        Some(AuthPlugin::Ed25519) => AuthPlugin::Ed25519,
        Some(_) | None => AuthPlugin::MysqlNativePassword,
    }
}

/// Some servers say "denied" to whoever comes without TLS where they want it.
fn refused(refusal: &Refusal, account: &Account) -> Failure {
    let failure = of_refusal(refusal);
    match &failure {
        Failure::Unknown(Trouble(text)) if !account.tls && refusal.code == code::ACCESS_DENIED => {
            Failure::trouble(format!("{text}; where TLS is wanted, use tls=on"))
        }
        Failure::Unknown(_) | Failure::Down(_) => failure,
    }
}

fn with_end(account: &Account) -> Vec<u8> {
    [account.password.expose().as_bytes(), b"\0"].concat()
}

fn bytes(packet: &impl MySerialize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(ROOM);
    packet.serialize(&mut bytes);
    bytes
}

/// Logging in like this is not known here, or would give the password away.
fn unwilling(plugin: &str) -> Failure {
    Failure::trouble(format!(
        "the account logs in by {plugin}, which is not done here: give it mysql_native_password, \
         caching_sha2_password or ed25519"
    ))
}

fn odd(what: &str) -> Failure {
    Failure::protocol(format!("its {what} is none"))
}

fn not_parsed(error: io::Error) -> Failure {
    Failure::protocol(format!("its greeting is none: {error}"))
}
