//! Every control-plane statement: data and its signature, no decisions.
//! A [`Statement`] exists only if its bytes are canonical and its signature is right; whether it
//! has any effect is decided in `grant.rs`, `identity.rs` and `dossier.rs`.

use minicbor::{Decode, Encode};
use thiserror::Error;

use crate::codec::{self, CodecError};
use crate::id::{
    CompartmentId, GrantId, LogId, Nonce, OrgId, PublicKey, RecordId, ShareId, StatementId, hash,
};
use crate::sign::{Signature, SigningKey, verify};
use crate::time::{Hlc, Millis};
use crate::value::Shape;
use crate::vocabulary::Kind;

/// The largest encoded statement, in bytes.
pub const MAX_STATEMENT_BYTES: usize = 64 * 1024;
/// Records in one `Erase`.
pub const MAX_ERASED: usize = 256;
/// Marks in one `Cut` or `Admit` of ours: with them it stays below the largest statement.
pub const MAX_MARKS: usize = 800;
const DOMAIN: &str = "entente/statement/1";

/// Who an org is: enough to check its id, its certificates and its name.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Party {
    /// The org.
    #[n(0)]
    pub org: OrgId,
    /// Its first root key.
    #[n(1)]
    pub root: PublicKey,
    /// Hash of the root key that may follow the first.
    #[n(2)]
    pub successor: Nonce32,
    /// What it calls itself.
    #[n(3)]
    pub name: String,
}

/// A 32-byte hash without a type of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct Nonce32(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; 32]);

/// What a grant allows.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Scope {
    /// Fields of one kind in the section.
    #[n(0)]
    Fields {
        /// The kind of record.
        #[n(0)]
        kind: Kind,
        /// Field names, sorted, each once.
        #[n(1)]
        fields: Vec<String>,
        /// May change them (implies reading).
        #[n(2)]
        edit: bool,
        /// May copy them into its own book and retain them after the end.
        #[n(3)]
        keep: bool,
    },
    /// To open a section with records of these kinds, sorted, each once.
    #[n(1)]
    Contribute {
        /// The kinds.
        #[n(0)]
        kinds: Vec<Kind>,
    },
}

/// Why the publisher says what counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub enum Cause {
    /// A `Revoke`.
    #[n(0)]
    Revoke(#[n(0)] StatementId),
    /// A `Retire`.
    #[n(1)]
    Retire(#[n(0)] StatementId),
    /// An `EndNode`.
    #[n(2)]
    EndNode(#[n(0)] StatementId),
    /// Two headers at one height: the id of the one that counts.
    #[n(3)]
    Fork(#[n(0)] Nonce32),
}

/// How far one log counts: bundles with `seq < height`; `head` is the id of the last of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Mark {
    /// The log.
    #[n(0)]
    pub log: LogId,
    /// How many bundles count.
    #[n(1)]
    pub height: u64,
    /// The id of bundle `height - 1`; zero when the height is 0.
    #[n(2)]
    pub head: Nonce32,
}

/// A record in one of its turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct RecordTurn {
    /// The record's id in the share.
    #[n(0)]
    pub record: RecordId,
    /// The turn.
    #[n(1)]
    pub turn: u32,
}

/// A field as a compartment declares it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct FieldSpec {
    /// The field's name.
    #[n(0)]
    pub name: String,
    /// What it holds and how it merges.
    #[n(1)]
    pub shape: Shape,
}

/// What a statement says.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Body {
    /// What an org says of itself.
    #[n(0)]
    Profile {
        /// Who it is.
        #[n(0)]
        party: Party,
        /// Where its nodes listen: multiaddresses with `/p2p/…`.
        #[n(1)]
        addresses: Vec<String>,
        /// Languages its people read (BCP 47).
        #[n(2)]
        languages: Vec<String>,
    },
    /// Signed by the root: this node acts for the org.
    #[n(1)]
    Certificate {
        /// Who the org is.
        #[n(0)]
        party: Party,
        /// The node's key.
        #[n(1)]
        node: PublicKey,
        /// The steward's term, if this node is the steward.
        #[n(2)]
        term: Option<u64>,
        /// When it ends, ms.
        #[n(3)]
        expires_at: Millis,
    },
    /// Signed by the old root and countersigned by the new one.
    #[n(2)]
    Rotation {
        /// The new root key.
        #[n(0)]
        root: PublicKey,
        /// Hash of the key that may follow it.
        #[n(1)]
        successor: Nonce32,
        /// Certificates and ended nodes by the old root that stand, ascending, each once. Nothing
        /// else that it signed counts any more.
        #[n(2)]
        keeps: Vec<StatementId>,
        /// The new root's signature over `(org, old root, new root, successor, keeps)`.
        #[n(3)]
        countersignature: Signature,
    },
    /// Signed by the root: this node no longer acts for the org.
    #[n(3)]
    EndNode {
        /// The node's key.
        #[n(0)]
        node: PublicKey,
    },
    /// Begins a share.
    #[n(4)]
    OpenShare {
        /// Its name.
        #[n(0)]
        name: String,
        /// What it is for; consent is given for a purpose.
        #[n(1)]
        purpose: String,
        /// When it ends, ms.
        #[n(2)]
        ends_at: Option<Millis>,
        /// How long copies may be kept after the end, in days.
        #[n(3)]
        retention_days: Option<u32>,
        /// Makes two shares of one name differ.
        #[n(4)]
        nonce: Nonce,
    },
    /// Begins a compartment in the author's section.
    #[n(5)]
    OpenCompartment {
        /// The share.
        #[n(0)]
        share: ShareId,
        /// The kind of record.
        #[n(1)]
        kind: Kind,
        /// Its fields, sorted by name.
        #[n(2)]
        fields: Vec<FieldSpec>,
        /// Makes two compartments with the same fields differ.
        #[n(3)]
        nonce: Nonce,
        /// Hash of the genesis change of its facets.
        #[n(4)]
        genesis: Nonce32,
    },
    /// The publisher lets a grant's audience into a compartment.
    #[n(6)]
    Admit {
        /// The compartment.
        #[n(0)]
        compartment: CompartmentId,
        /// The grant.
        #[n(1)]
        grant: GrantId,
        /// Compartments whose place this one takes for that audience.
        #[n(2)]
        replaces: Vec<CompartmentId>,
        /// Until these heights are reached, readers show what was replaced.
        #[n(3)]
        from: Vec<Mark>,
        /// Its number in the compartment's dossier.
        #[n(4)]
        number: u64,
    },
    /// Nothing more is written into a compartment.
    #[n(7)]
    Retire {
        /// The compartment.
        #[n(0)]
        compartment: CompartmentId,
        /// Its number in the compartment's dossier.
        #[n(1)]
        number: u64,
    },
    /// A signed capability; takes effect by admission.
    #[n(8)]
    Grant {
        /// The share.
        #[n(0)]
        share: ShareId,
        /// Whose section (for `Contribute`: the share's opener).
        #[n(1)]
        section: OrgId,
        /// Who may.
        #[n(2)]
        to: Party,
        /// What.
        #[n(3)]
        scope: Scope,
        /// The grant this one passes on.
        #[n(4)]
        parent: Option<GrantId>,
        /// How many further hand-overs.
        #[n(5)]
        depth: u8,
        /// When it ends, ms.
        #[n(6)]
        expires_at: Option<Millis>,
        /// Makes two equal grants differ.
        #[n(7)]
        nonce: Nonce,
    },
    /// Ends a grant and everything passed on under it; or a share, by its opener.
    #[n(9)]
    Revoke {
        /// The grant, or the share.
        #[n(0)]
        grant: GrantId,
        /// Why, as a small number: 0 unsaid, 1 ended, 2 mistake, 3 breach of terms.
        #[n(1)]
        reason: u8,
    },
    /// The publisher's word on what counts after something ended.
    #[n(10)]
    Cut {
        /// The compartment.
        #[n(0)]
        compartment: CompartmentId,
        /// Why.
        #[n(1)]
        cause: Cause,
        /// How far each log counts; logs under the cause and not named count to 0.
        #[n(2)]
        logs: Vec<Mark>,
        /// Its number in the compartment's dossier.
        #[n(3)]
        number: u64,
    },
    /// The publisher takes records out of a compartment, for ever.
    #[n(11)]
    Erase {
        /// The compartment.
        #[n(0)]
        compartment: CompartmentId,
        /// At most 256 records with the turns up to which they are erased.
        #[n(1)]
        records: Vec<RecordTurn>,
        /// Set: an order to that grant's audience and those below, answered by a receipt.
        #[n(2)]
        only_for: Option<GrantId>,
        /// Its number in the compartment's dossier (0 with `only_for`).
        #[n(3)]
        number: u64,
    },
    /// An org reports that it has done what a statement asked.
    #[n(12)]
    Receipt {
        /// The statement that asked.
        #[n(0)]
        of: StatementId,
        /// When it was done, ms.
        #[n(1)]
        done_at: Millis,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
struct Signed {
    #[n(0)]
    author: OrgId,
    #[n(1)]
    key: PublicKey,
    #[n(2)]
    at: Hlc,
    #[n(3)]
    body: Body,
}

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
struct Envelope {
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    signed: Vec<u8>,
    #[n(1)]
    signature: Signature,
}

/// A statement whose encoding is canonical and whose signature is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    id: StatementId,
    author: OrgId,
    key: PublicKey,
    at: Hlc,
    body: Body,
    bytes: Vec<u8>,
}

/// Why bytes are not a statement.
#[derive(Debug, Error)]
pub enum StatementError {
    /// Not canonical CBOR of a statement.
    #[error("a statement is not well formed")]
    Codec(#[from] CodecError),
    /// The signature does not fit.
    #[error("a statement's signature is wrong")]
    Signature,
    /// A list is longer than allowed, not sorted, or names a thing twice.
    #[error("a statement's list is too long or not sorted")]
    List,
}

impl Statement {
    /// Says `body` in the name of `author`.
    pub fn sign(author: OrgId, key: &SigningKey, at: Hlc, body: Body) -> Self {
        let signed = codec::to_bytes(&Signed { author, key: key.public(), at, body: body.clone() });
        let id = hash(DOMAIN, &[&signed]);
        let signature = key.sign(DOMAIN, &id);
        let bytes = codec::to_bytes(&Envelope { signed, signature });
        Self { id: StatementId(id), author, key: key.public(), at, body, bytes }
    }

    /// Takes foreign bytes: decodes them, checks lists and the signature.
    pub fn open(bytes: &[u8]) -> Result<Self, StatementError> {
        let envelope: Envelope = codec::from_bytes(bytes, MAX_STATEMENT_BYTES)?;
        let signed: Signed = codec::from_bytes(&envelope.signed, MAX_STATEMENT_BYTES)?;
        let id = hash(DOMAIN, &[&envelope.signed]);
        if !verify(&signed.key, DOMAIN, &id, &envelope.signature) {
            return Err(StatementError::Signature);
        }
        if !signed.body.lists_are_well_formed() {
            return Err(StatementError::List);
        }
        Ok(Self {
            id: StatementId(id),
            author: signed.author,
            key: signed.key,
            at: signed.at,
            body: signed.body,
            bytes: bytes.to_vec(),
        })
    }

    /// Reads back a statement that passed [`Statement::open`] before it was stored.
    pub fn stored(bytes: &[u8]) -> Result<Self, CodecError> {
        let envelope: Envelope = codec::own(bytes)?;
        let signed: Signed = codec::own(&envelope.signed)?;
        Ok(Self {
            id: StatementId(hash(DOMAIN, &[&envelope.signed])),
            author: signed.author,
            key: signed.key,
            at: signed.at,
            body: signed.body,
            bytes: bytes.to_vec(),
        })
    }

    /// Hash of the signed bytes.
    pub fn id(&self) -> StatementId {
        self.id
    }
    /// In whose name it was said.
    pub fn author(&self) -> OrgId {
        self.author
    }
    /// The node key (or root key) that signed.
    pub fn key(&self) -> PublicKey {
        self.key
    }
    /// When it was said.
    pub fn at(&self) -> Hlc {
        self.at
    }
    /// What it says.
    pub fn body(&self) -> &Body {
        &self.body
    }
    /// The bytes that travel and are stored.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl Body {
    /// Limits and order of every list a statement may carry.
    fn lists_are_well_formed(&self) -> bool {
        const MANY: usize = 1024;
        match self {
            Body::Profile { addresses, languages, .. } => {
                addresses.len() <= 16 && languages.len() <= 16
            }
            Body::OpenCompartment { fields, .. } => {
                fields.len() <= 256 && fields.is_sorted_by(|a, b| a.name < b.name)
            }
            Body::Admit { replaces, from, .. } => replaces.len() <= MANY && from.len() <= MANY,
            Body::Grant { scope: Scope::Fields { fields, .. }, .. } => {
                !fields.is_empty() && fields.len() <= 256 && fields.is_sorted_by(|a, b| a < b)
            }
            Body::Grant { scope: Scope::Contribute { kinds }, .. } => {
                !kinds.is_empty() && kinds.is_sorted_by(|a, b| a < b)
            }
            Body::Cut { logs, .. } => logs.len() <= MANY && logs.is_sorted_by(|a, b| a.log < b.log),
            Body::Erase { records, .. } => {
                !records.is_empty()
                    && records.len() <= MAX_ERASED
                    && records.is_sorted_by(|a, b| a.record < b.record)
            }
            Body::Rotation { keeps, .. } => keeps.len() <= MANY && keeps.is_sorted_by(|a, b| a < b),
            Body::Certificate { .. }
            | Body::EndNode { .. }
            | Body::OpenShare { .. }
            | Body::Retire { .. }
            | Body::Revoke { .. }
            | Body::Receipt { .. } => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share() -> (SigningKey, Body) {
        let body = Body::OpenShare {
            name: "Spring".into(),
            purpose: "Spring".into(),
            ends_at: None,
            retention_days: None,
            nonce: Nonce([1; 16]),
        };
        (SigningKey::from_bytes(&[3; 32]), body)
    }

    #[test]
    fn a_statement_survives_the_wire_and_a_flipped_byte_never_does() {
        let (key, body) = share();
        let said = Statement::sign(OrgId([1; 32]), &key, Hlc(5 << 16), body);
        assert_eq!(Statement::open(said.bytes()).unwrap(), said);
        assert_eq!(Statement::stored(said.bytes()).unwrap(), said);
        for at in 0..said.bytes().len() {
            let mut bytes = said.bytes().to_vec();
            bytes[at] ^= 1;
            assert!(Statement::open(&bytes).is_err(), "byte {at}");
        }
    }

    #[test]
    fn lists_must_be_sorted() {
        let (key, _) = share();
        let mark = |n| RecordTurn { record: RecordId([n; 16]), turn: 1 };
        let erase = |records| Body::Erase {
            compartment: CompartmentId([0; 32]),
            records,
            only_for: None,
            number: 1,
        };
        let sign = |body| Statement::sign(OrgId([1; 32]), &key, Hlc(0), body);
        assert!(Statement::open(sign(erase(vec![mark(1), mark(2)])).bytes()).is_ok());
        for wrong in [vec![mark(2), mark(1)], vec![mark(1), mark(1)], vec![]] {
            let error = Statement::open(sign(erase(wrong)).bytes()).unwrap_err();
            assert!(matches!(error, StatementError::List));
        }
    }
}
