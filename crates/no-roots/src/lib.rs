//! Stands in for the crate of the same name: the list of authorities that everybody trusts, with
//! nobody in it. A server of ours has a certificate of its owner's authority, and no other may
//! vouch for it.

use rustls_pki_types::{Der, TrustAnchor};

/// Nobody. There is one entry because rustls refuses an empty list; it has no key, and so no
/// signature is ever its own.
pub const TLS_SERVER_ROOTS: &[TrustAnchor<'static>] = &[TrustAnchor {
    subject: Der::from_slice(b"nobody"),
    subject_public_key_info: Der::from_slice(b""),
    name_constraints: None,
}];
