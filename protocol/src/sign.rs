//! Ed25519 with strict verification and domain separation. Owns no identities, only keys.

use std::fmt;

use ed25519_dalek::{Signer, VerifyingKey};
use minicbor::{Decode, Encode};

use crate::id::PublicKey;

/// An Ed25519 signature.
#[derive(Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct Signature(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; 64]);

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({:02x}{:02x}…)", self.0[0], self.0[1])
    }
}

/// A secret key; wiped from memory when dropped, never printed.
#[derive(Clone)]
pub struct SigningKey(ed25519_dalek::SigningKey);

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey(of {:?})", self.public())
    }
}

impl SigningKey {
    /// The key with this 32-byte seed.
    pub fn from_bytes(seed: &[u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    /// The 32-byte seed.
    pub fn to_bytes(&self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// Signs `domain ‖ 0x00 ‖ digest`.
    pub fn sign(&self, domain: &str, digest: &[u8; 32]) -> Signature {
        Signature(self.0.sign(&message(domain, digest)).to_bytes())
    }
}

/// Whether `signature` is `key`'s over `domain ‖ 0x00 ‖ digest` (RFC 8032, strict: small-order
/// keys and non-canonical encodings are refused, so that all replicas agree).
pub fn verify(key: &PublicKey, domain: &str, digest: &[u8; 32], signature: &Signature) -> bool {
    let Ok(key) = VerifyingKey::from_bytes(&key.0) else { return false };
    let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
    key.verify_strict(&message(domain, digest), &signature).is_ok()
}

fn message(domain: &str, digest: &[u8; 32]) -> Vec<u8> {
    let mut message = Vec::with_capacity(domain.len() + 33);
    message.extend_from_slice(domain.as_bytes());
    message.push(0);
    message.extend_from_slice(digest);
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_fits_one_key_one_domain_one_digest() {
        let key = SigningKey::from_bytes(&[1; 32]);
        let signature = key.sign("a", &[2; 32]);
        assert!(verify(&key.public(), "a", &[2; 32], &signature));
        assert!(!verify(&key.public(), "b", &[2; 32], &signature));
        assert!(!verify(&key.public(), "a", &[3; 32], &signature));
        assert!(!verify(&SigningKey::from_bytes(&[2; 32]).public(), "a", &[2; 32], &signature));
        let mut small_order = [0; 32];
        small_order[0] = 1;
        assert!(!verify(&PublicKey(small_order), "a", &[2; 32], &Signature([0; 64])));
    }
}
