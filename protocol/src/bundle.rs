//! Bundles: one signature over up to 256 leaves, each of which can be redacted later without
//! changing the bundle's id. Knows nothing of permissions or of what is inside a change.

use minicbor::{Decode, Encode};
use thiserror::Error;

use crate::codec::{self, CodecError};
use crate::id::{BundleId, CompartmentId, GrantId, LogId, Nonce, OrgId, PublicKey, RecordId, hash};
use crate::sign::{Signature, SigningKey, verify};
use crate::statement::Nonce32;
use crate::time::Hlc;

/// Leaves in one bundle.
pub const MAX_LEAVES: usize = 256;
/// Bytes of a bundle with more than one leaf.
pub const MAX_BUNDLE_BYTES: usize = 512 * 1024;
/// Bytes of a change that travels alone.
pub const MAX_CHANGE_BYTES: usize = 768 * 1024;
const MAX_ENCODED_BYTES: usize = MAX_CHANGE_BYTES + 64 * 1024;
const DOMAIN_HEADER: &str = "entente/bundle/1";
const DOMAIN_ROOT: &str = "entente/root/1";
const DOMAIN_LEAF: &str = "entente/leaf/1";
const DOMAIN_BODY: &str = "entente/body/1";

/// What a bundle's signature covers.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Header {
    /// Where it was written.
    #[n(0)]
    pub compartment: CompartmentId,
    /// In whose name.
    #[n(1)]
    pub author: OrgId,
    /// By which node.
    #[n(2)]
    pub node: PublicKey,
    /// With the node and the compartment, names the log.
    #[n(3)]
    pub epoch: Nonce,
    /// Position in the log, from 0.
    #[n(4)]
    pub seq: u64,
    /// Id of the bundle before it; zero for the first.
    #[n(5)]
    pub prev: Nonce32,
    /// The grant it was written under; none in the opener's own section and in books.
    #[n(6)]
    pub grant: Option<GrantId>,
    /// The highest statement number of the compartment's dossier the author knew.
    #[n(7)]
    pub dossier_number: u64,
    /// When it was written.
    #[n(8)]
    pub at: Hlc,
    /// How many leaves.
    #[n(9)]
    pub leaf_count: u16,
    /// Hash over the leaves.
    #[n(10)]
    pub root: Nonce32,
}

impl Header {
    /// The log this bundle is part of.
    pub fn log(&self) -> LogId {
        LogId::of(&self.node, &self.compartment, &self.epoch)
    }

    /// The bundle's id: redaction does not change it.
    pub fn id(&self) -> BundleId {
        BundleId(hash(DOMAIN_HEADER, &[&codec::to_bytes(self)]))
    }
}

/// One change of one record, or what is left of it after an erasure.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Leaf {
    /// The change itself.
    #[n(0)]
    Full {
        /// The record.
        #[n(0)]
        record: RecordId,
        /// The record's turn.
        #[n(1)]
        turn: u32,
        /// Random, so that the hash of a redacted change tells nothing.
        #[n(2)]
        salt: Nonce,
        /// A raw automerge change chunk.
        #[n(3)]
        #[cbor(with = "minicbor::bytes")]
        change: Vec<u8>,
    },
    /// The change was erased.
    #[n(1)]
    Redacted {
        /// The record.
        #[n(0)]
        record: RecordId,
        /// The record's turn.
        #[n(1)]
        turn: u32,
        /// Hash of salt and change.
        #[n(2)]
        body: Nonce32,
    },
}

impl Leaf {
    /// The record and turn it speaks of.
    pub fn place(&self) -> (RecordId, u32) {
        match self {
            Leaf::Full { record, turn, .. } | Leaf::Redacted { record, turn, .. } => {
                (*record, *turn)
            }
        }
    }

    /// The change, unless it was redacted.
    pub fn change(&self) -> Option<&[u8]> {
        match self {
            Leaf::Full { change, .. } => Some(change),
            Leaf::Redacted { .. } => None,
        }
    }

    /// The same leaf without its change.
    #[must_use]
    pub fn redacted(&self) -> Self {
        let (record, turn) = self.place();
        Leaf::Redacted { record, turn, body: self.body() }
    }

    fn body(&self) -> Nonce32 {
        match self {
            Leaf::Full { salt, change, .. } => Nonce32(hash(DOMAIN_BODY, &[&salt.0, change])),
            Leaf::Redacted { body, .. } => *body,
        }
    }

    fn hash(&self) -> [u8; 32] {
        let (record, turn) = self.place();
        hash(DOMAIN_LEAF, &[&record.0, &turn.to_be_bytes(), &self.body().0])
    }
}

/// A signed entry of a log, as decoded: nothing about it is believed yet.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Bundle {
    /// What is signed.
    #[n(0)]
    pub header: Header,
    /// By the header's node, over the bundle's id.
    #[n(1)]
    pub signature: Signature,
    /// As many as the header says, in its root's order.
    #[n(2)]
    pub leaves: Vec<Leaf>,
}

/// Why bytes are not a bundle.
#[derive(Debug, Error)]
pub enum BundleError {
    /// Not canonical CBOR of a bundle, or too long.
    #[error("a bundle is not well formed")]
    Codec(#[from] CodecError),
    /// The number of leaves is not what the header says, is 0, or is above the limit.
    #[error("a bundle has a wrong number of leaves")]
    LeafCount,
    /// More than one leaf and above the size limit, or a change above its own.
    #[error("a bundle is too large")]
    Size,
    /// The leaves are not those that were signed.
    #[error("a bundle's leaves do not fit its root")]
    Root,
    /// The signature is not the node's.
    #[error("a bundle's signature is wrong")]
    Signature,
}

/// A bundle whose shape, root and signature are right. Only [`Verified::open`] and
/// [`Verified::write`] make one.
#[derive(Debug, Clone)]
pub struct Verified {
    bundle: Bundle,
    id: BundleId,
    log: LogId,
    /// Bytes of its encoding, about.
    size: usize,
}

impl Verified {
    /// Steps 1 and 2 of ingest: decode within limits, then check root and signature.
    /// Independent of any state, so that it can run on any thread.
    pub fn open(bytes: &[u8]) -> Result<Self, BundleError> {
        let bundle: Bundle = codec::from_bytes(bytes, MAX_ENCODED_BYTES)?;
        let count = bundle.leaves.len();
        if count == 0 || count > MAX_LEAVES || count != usize::from(bundle.header.leaf_count) {
            return Err(BundleError::LeafCount);
        }
        let change_bytes = |leaf: &Leaf| leaf.change().map_or(0, <[u8]>::len);
        if (count > 1 && bytes.len() > MAX_BUNDLE_BYTES)
            || bundle.leaves.iter().any(|leaf| change_bytes(leaf) > MAX_CHANGE_BYTES)
        {
            return Err(BundleError::Size);
        }
        if root(&bundle.leaves) != bundle.header.root {
            return Err(BundleError::Root);
        }
        let id = bundle.header.id();
        if !signed_by_its_node(&bundle.header, &bundle.signature) {
            return Err(BundleError::Signature);
        }
        let log = bundle.header.log();
        Ok(Self { bundle, id, log, size: bytes.len() })
    }

    /// Seals leaves of our own: fills in count and root and signs.
    pub fn write(mut header: Header, leaves: Vec<Leaf>, key: &SigningKey) -> Self {
        debug_assert!(!leaves.is_empty() && leaves.len() <= MAX_LEAVES);
        header.leaf_count = leaves.len() as u16;
        header.root = root(&leaves);
        let id = header.id();
        let signature = key.sign(DOMAIN_HEADER, &id.0);
        let log = header.log();
        let size = leaves.iter().map(|leaf| 64 + leaf.change().map_or(0, <[u8]>::len)).sum();
        Self { bundle: Bundle { header, signature, leaves }, id, log, size }
    }

    /// The bundle.
    pub fn bundle(&self) -> &Bundle {
        &self.bundle
    }
    /// Its header.
    pub fn header(&self) -> &Header {
        &self.bundle.header
    }
    /// Its id.
    pub fn id(&self) -> BundleId {
        self.id
    }
    /// Its log.
    pub fn log(&self) -> LogId {
        self.log
    }

    /// About how many bytes it takes.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Takes the bundle apart.
    pub fn into_bundle(self) -> Bundle {
        self.bundle
    }
}

/// Whether a header's own node signed it.
pub(crate) fn signed_by_its_node(header: &Header, signature: &Signature) -> bool {
    verify(&header.node, DOMAIN_HEADER, &header.id().0, signature)
}

fn root(leaves: &[Leaf]) -> Nonce32 {
    let mut all = Vec::with_capacity(leaves.len() * 32);
    for leaf in leaves {
        all.extend_from_slice(&leaf.hash());
    }
    Nonce32(hash(DOMAIN_ROOT, &[&all]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Verified {
        let key = SigningKey::from_bytes(&[5; 32]);
        let header = Header {
            compartment: CompartmentId([1; 32]),
            author: OrgId([2; 32]),
            node: key.public(),
            epoch: Nonce([3; 16]),
            seq: 0,
            prev: Nonce32([0; 32]),
            grant: None,
            dossier_number: 1,
            at: Hlc(9 << 16),
            leaf_count: 0,
            root: Nonce32([0; 32]),
        };
        let leaf = |n: u8| Leaf::Full {
            record: RecordId([n; 16]),
            turn: 1,
            salt: Nonce([n; 16]),
            change: vec![n; 20],
        };
        Verified::write(header, vec![leaf(1), leaf(2)], &key)
    }

    #[test]
    fn a_flipped_byte_is_never_accepted() {
        let bytes = codec::to_bytes(sample().bundle());
        assert_eq!(Verified::open(&bytes).unwrap().id(), sample().id());
        for at in 0..bytes.len() {
            let mut wrong = bytes.clone();
            wrong[at] ^= 4;
            assert!(Verified::open(&wrong).is_err(), "byte {at}");
        }
    }

    #[test]
    fn redaction_keeps_the_id_and_the_signature() {
        let mut bundle = sample().into_bundle();
        bundle.leaves[1] = bundle.leaves[1].redacted();
        let opened = Verified::open(&codec::to_bytes(&bundle)).unwrap();
        assert_eq!(opened.id(), sample().id());
        assert_eq!(opened.bundle().leaves[1].change(), None);
        bundle.leaves.swap(0, 1);
        assert!(matches!(Verified::open(&codec::to_bytes(&bundle)), Err(BundleError::Root)));
    }
}
