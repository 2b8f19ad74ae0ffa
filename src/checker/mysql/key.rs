//! The public key that a server shows for caching_sha2_password, and a password under it. Pure but for
//! the randomness of the padding.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mysql_common::crypto::der::{PubKeyFileType, parse_pub_key};
use mysql_common::crypto::rsa::{GetRandom, Pkcs1OaepPadding, PublicKey};

use crate::checker::failure::Failure;

/// What stands around a key, and how it is written.
const KINDS: [(&str, &str, PubKeyFileType); 2] = [
    (
        "-----BEGIN PUBLIC KEY-----",
        "-----END PUBLIC KEY-----",
        PubKeyFileType::Pkcs8,
    ),
    (
        "-----BEGIN RSA PUBLIC KEY-----",
        "-----END RSA PUBLIC KEY-----",
        PubKeyFileType::Pkcs1,
    ),
];

/// Encrypts under a key in PEM. May panic on an odd key: to be called under `guard::caught`.
///
/// # Errors
/// When it is no key in PEM.
pub(super) fn encrypt(text: &[u8], pem: &[u8]) -> Result<Vec<u8>, Failure> {
    let (der, kind) = der(pem).ok_or_else(|| Failure::protocol("its public key is none"))?;
    let (modulus, exponent) = parse_pub_key(&der, kind);
    let padding = Pkcs1OaepPadding::new(GetRandom);
    Ok(PublicKey::new(modulus, exponent).encrypt_block(text, padding))
}

fn der(pem: &[u8]) -> Option<(Vec<u8>, PubKeyFileType)> {
    let pem = str::from_utf8(pem).ok()?;
    KINDS.into_iter().find_map(|(begin, end, kind)| {
        let (_, rest) = pem.split_once(begin)?;
        let (digits, _) = rest.split_once(end)?;
        let digits: String = digits.split_whitespace().collect();
        Some((STANDARD.decode(digits).ok()?, kind))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "-----BEGIN PUBLIC KEY-----\n\
        MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAKx9PzKoB8kO1pBzqTVWn3c3gS8yYQ0X\r\n\
        -----END PUBLIC KEY-----\n";

    #[test]
    fn what_stands_between_the_lines_is_the_key() {
        let (bytes, kind) = der(KEY.as_bytes()).unwrap();
        assert_eq!((bytes.len(), kind), (48, PubKeyFileType::Pkcs8));
        let old = KEY.replace("PUBLIC", "RSA PUBLIC");
        assert_eq!(der(old.as_bytes()).unwrap().1, PubKeyFileType::Pkcs1);
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let cut = KEY.replace("-----END", "----");
        let odd = KEY.replace("MFww", "M*ww");
        for none in ["", "MFww", &cut, &odd] {
            assert!(encrypt(b"x", none.as_bytes()).is_err(), "{none}");
        }
        assert!(encrypt(b"x", b"\xff").is_err());
    }
}
