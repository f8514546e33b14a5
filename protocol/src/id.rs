//! Identifiers: fixed-size byte strings, one type each, with the text that people and URLs use.
//! Knows nothing of what the identified things contain.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE32_NOPAD;
use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};
use thiserror::Error;

/// A text that is not an identifier of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum IdError {
    /// The text does not start with the expected prefix.
    #[error("an id of this kind starts with `{expected}`")]
    Prefix {
        /// The prefix that was expected, underscore included.
        expected: &'static str,
    },
    /// The part after the prefix is not base32 of the right length.
    #[error("the id is damaged or cut short")]
    Body,
}

/// Hash with a domain: `BLAKE3(domain ‖ 0x00 ‖ part ‖ part …)`; parts must be of fixed length or last.
pub fn hash(domain: &str, parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(domain.as_bytes());
    hasher.update(&[0]);
    for part in parts {
        hasher.update(part);
    }
    *hasher.finalize().as_bytes()
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $len:literal, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $len]);

        impl $name {
            /// What the text form starts with.
            pub const PREFIX: &'static str = $prefix;

            /// The raw bytes.
            pub fn as_bytes(&self) -> &[u8] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}{}", $prefix, BASE32_NOPAD.encode(&self.0).to_ascii_lowercase())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let text = self.to_string();
                f.write_str(&text[..text.len().min($prefix.len() + 8)])
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                let body = text.strip_prefix($prefix).ok_or(IdError::Prefix { expected: $prefix })?;
                let bytes = BASE32_NOPAD
                    .decode(body.to_ascii_uppercase().as_bytes())
                    .map_err(|_| IdError::Body)?;
                Ok(Self(bytes.try_into().map_err(|_| IdError::Body)?))
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl<C> Encode<C> for $name {
            fn encode<W: encode::Write>(
                &self,
                e: &mut Encoder<W>,
                _: &mut C,
            ) -> Result<(), encode::Error<W::Error>> {
                e.bytes(&self.0)?.ok()
            }
        }

        impl<'b, C> Decode<'b, C> for $name {
            fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
                let bytes = d.bytes()?;
                Ok(Self(bytes.try_into().map_err(|_| decode::Error::message("wrong length"))?))
            }
        }
    };
}

id!(
    /// A company: hash of its first root key and that key's commitment to its successor.
    OrgId, 32, "org_"
);
id!(
    /// An Ed25519 public key, of a node or of an org's root.
    PublicKey, 32, "key_"
);
id!(
    /// Any signed control-plane entry.
    StatementId, 32, "st_"
);
id!(
    /// A share: the id of the `OpenShare` statement that began it.
    ShareId, 32, "shr_"
);
id!(
    /// A grant: the id of its `Grant` statement.
    GrantId, 32, "grt_"
);
id!(
    /// A compartment: the id of its `OpenCompartment` statement, or derived for a book.
    CompartmentId, 32, "cmp_"
);
id!(
    /// A log: everything one node wrote into one compartment in one log epoch.
    LogId, 32, "log_"
);
id!(
    /// A bundle: hash of its header.
    BundleId, 32, "bnd_"
);
id!(
    /// A random number that is used once.
    Nonce, 16, "non_"
);
id!(
    /// A record, in a book (random) or in a share (keyed hash of share and book id).
    /// Its text carries the kind: see [`crate::vocabulary::Kind::id_text`].
    RecordId, 16, "rec_"
);

impl PublicKey {
    /// The key as people see a node's: its libp2p peer id, an identity multihash in base58.
    pub fn peer_text(&self) -> String {
        const DIGITS: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
        let mut digits: Vec<u8> = Vec::new();
        for byte in [0x24, 0x08, 0x01, 0x12, 0x20].iter().chain(&self.0) {
            let mut carry = u32::from(*byte);
            for digit in &mut digits {
                carry += u32::from(*digit) << 8;
                *digit = (carry % 58) as u8;
                carry /= 58;
            }
            while carry > 0 {
                digits.push((carry % 58) as u8);
                carry /= 58;
            }
        }
        // The multihash begins with a zero byte, which base58 writes as a 1.
        let text = digits.iter().rev().map(|digit| char::from(DIGITS[usize::from(*digit)]));
        std::iter::once('1').chain(text).collect()
    }
}

impl From<StatementId> for ShareId {
    fn from(id: StatementId) -> Self {
        Self(id.0)
    }
}
impl From<StatementId> for GrantId {
    fn from(id: StatementId) -> Self {
        Self(id.0)
    }
}
impl From<StatementId> for CompartmentId {
    fn from(id: StatementId) -> Self {
        Self(id.0)
    }
}
impl From<GrantId> for StatementId {
    fn from(id: GrantId) -> Self {
        Self(id.0)
    }
}
impl From<ShareId> for StatementId {
    fn from(id: ShareId) -> Self {
        Self(id.0)
    }
}
impl From<CompartmentId> for StatementId {
    fn from(id: CompartmentId) -> Self {
        Self(id.0)
    }
}

impl LogId {
    /// The log that `node` writes into `compartment` under `epoch`.
    pub fn of(node: &PublicKey, compartment: &CompartmentId, epoch: &Nonce) -> Self {
        Self(hash("entente/log/1", &[&node.0, &compartment.0, &epoch.0]))
    }
}

impl CompartmentId {
    /// The compartment of one kind in an org's own book.
    pub fn of_book(org: &OrgId, kind: u8) -> Self {
        Self(hash("entente/book/1", &[&org.0, &[kind]]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_the_way_through_its_text() {
        let id = OrgId([7; 32]);
        let text = id.to_string();
        assert!(text.starts_with("org_"));
        assert_eq!(text.parse(), Ok(id));
        assert_eq!(text.parse::<ShareId>(), Err(IdError::Prefix { expected: "shr_" }));
        assert_eq!(text[..20].parse::<OrgId>(), Err(IdError::Body));
    }

    #[test]
    fn domains_separate_equal_bytes() {
        assert_ne!(hash("a", &[b"x"]), hash("b", &[b"x"]));
    }
}
