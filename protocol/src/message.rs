//! The frames of the sync stream: data only. Each travels as one canonical CBOR value.

use minicbor::{Decode, Encode};

use crate::fork::ForkProof;
use crate::id::{CompartmentId, LogId, Nonce, OrgId, PublicKey, ShareId};
use crate::statement::Nonce32;
use crate::time::Hlc;

/// The largest frame, in bytes.
pub const MAX_FRAME_BYTES: usize = 1024 * 1024;
/// The largest frame before the gate has let the peer in.
pub const MAX_GATE_BYTES: usize = 8 * 1024;
/// The version of this protocol.
pub const VERSION: u16 = 1;

/// Statement or bundle bytes inside a frame.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct Blob(#[cbor(n(0), with = "minicbor::bytes")] pub Vec<u8>);

/// How a node justifies that it should be let in.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Approach {
    /// Its org is a partner, or it answers one that was let in.
    #[n(0)]
    Known,
    /// Its org stands in a grant chain of a share both are in: the chain, with the certificates of
    /// whoever signed it.
    #[n(1)]
    Introduced {
        /// Statements, in an order in which they can be taken.
        #[n(0)]
        chain: Vec<Blob>,
    },
    /// It holds an invite.
    #[n(2)]
    Invited {
        /// Which invite.
        #[n(0)]
        invite: Nonce,
        /// Proof of its secret, over both nodes and both orgs.
        #[n(1)]
        mac: Nonce32,
        /// Hash of the nonce that will be revealed for the verification code.
        #[n(2)]
        commitment: Nonce32,
        /// The newcomer's profile.
        #[n(3)]
        profile: Blob,
    },
}

/// What can be announced of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Height {
    /// The compartment.
    #[n(0)]
    pub compartment: CompartmentId,
    /// The log.
    #[n(1)]
    pub log: LogId,
    /// How many bundles can be had.
    #[n(2)]
    pub height: u64,
    /// Id of the last of them.
    #[n(3)]
    pub head: Nonce32,
}

/// A digest of all heights one may serve this peer in one share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct ShareDigest {
    /// The share.
    #[n(0)]
    pub share: ShareId,
    /// Hash over its heights, sorted by log.
    #[n(1)]
    pub digest: Nonce32,
}

/// One version of one entry of an org's desk.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct DeskEntry {
    /// Its key in the store.
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    pub key: Vec<u8>,
    /// What it holds; none when it was removed.
    #[n(1)]
    pub value: Option<Blob>,
    /// When it was written.
    #[n(2)]
    pub at: Hlc,
    /// By which node.
    #[n(3)]
    pub by: PublicKey,
}

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Frame {
    /// The first frame in each direction: who speaks, and why it should be let in.
    #[n(0)]
    Gate {
        /// The node's certificate.
        #[n(0)]
        certificate: Blob,
        /// Rotations of its org's root, oldest first.
        #[n(1)]
        rotations: Vec<Blob>,
        /// Why.
        #[n(2)]
        approach: Approach,
    },
    /// Pairing, inviter to newcomer: the invite is spent; its nonce and profile.
    #[n(1)]
    Welcome {
        /// The inviter's nonce.
        #[n(0)]
        nonce: Nonce32,
        /// The inviter's profile.
        #[n(1)]
        profile: Blob,
    },
    /// Pairing, newcomer to inviter: the nonce that was committed to.
    #[n(2)]
    Reveal {
        /// The newcomer's nonce.
        #[n(0)]
        nonce: Nonce32,
    },
    /// Pairing: the inviter has stored it.
    #[n(3)]
    Paired,
    /// Begins a session.
    #[n(4)]
    Hello {
        /// Protocol version.
        #[n(0)]
        version: u16,
        /// The sender's store; cursors are bound to it.
        #[n(1)]
        store: Nonce,
    },
    /// How far the receiver's outbox of this sender is held, and what may be served.
    #[n(5)]
    Resume {
        /// Positions `< cursor` of your outbox are stored here.
        #[n(0)]
        cursor: u64,
    },
    /// Statements of the outbox, from a position on.
    #[n(6)]
    Statements {
        /// Position of the first.
        #[n(0)]
        position: u64,
        /// The statements.
        #[n(1)]
        statements: Vec<Blob>,
    },
    /// Positions `< position` are durably stored.
    #[n(7)]
    StatementsStored {
        /// The next position expected.
        #[n(0)]
        position: u64,
    },
    /// What may be served, by share; sent when the outbox is settled.
    #[n(8)]
    Digests {
        /// One digest a share.
        #[n(0)]
        shares: Vec<ShareDigest>,
    },
    /// These shares' digests differ from what was settled: send the heights.
    #[n(9)]
    Ask {
        /// The shares.
        #[n(0)]
        shares: Vec<ShareId>,
        /// Shares of which everything offered is stored here.
        #[n(1)]
        settled: Vec<ShareId>,
    },
    /// All heights of a share (an answer to `Ask`), or those that changed.
    #[n(10)]
    Heights {
        /// The share.
        #[n(0)]
        share: ShareId,
        /// The digest over all heights of the share, these included.
        #[n(1)]
        digest: Nonce32,
        /// The heights.
        #[n(2)]
        logs: Vec<Height>,
    },
    /// Send bundles of this log from here on, and keep sending as they come.
    #[n(11)]
    Want {
        /// The log.
        #[n(0)]
        log: LogId,
        /// The first seq wanted.
        #[n(1)]
        from: u64,
    },
    /// Bundles, in log order.
    #[n(12)]
    Bundles {
        /// The bundles.
        #[n(0)]
        bundles: Vec<Blob>,
    },
    /// Bundles with `seq < height` are durably stored (and credit is given back).
    #[n(13)]
    Stored {
        /// The log.
        #[n(0)]
        log: LogId,
        /// Up to where.
        #[n(1)]
        height: u64,
    },
    /// No more bundles of this log, please.
    #[n(14)]
    Stop {
        /// The log.
        #[n(0)]
        log: LogId,
    },
    /// Proof that a log was forked.
    #[n(16)]
    Fork {
        /// The two headers.
        #[n(0)]
        proof: Box<ForkProof>,
    },
    /// This log cannot be had from the sender any more.
    #[n(17)]
    Gone {
        /// The log.
        #[n(0)]
        log: LogId,
    },
    /// Tell me what my own org has said: my store is an older copy of itself.
    #[n(18)]
    Recall,
    /// Between nodes of one org: positions `< from` of your desk are stored here; what follows?
    #[n(19)]
    DeskWant {
        /// The first position wanted.
        #[n(0)]
        from: u64,
    },
    /// Between nodes of one org: entries of the desk.
    #[n(20)]
    Desk {
        /// The position that was wanted.
        #[n(0)]
        from: u64,
        /// The next position.
        #[n(1)]
        next: u64,
        /// The entries.
        #[n(2)]
        entries: Vec<DeskEntry>,
    },
    /// Why the connection is about to be closed.
    #[n(15)]
    Refused {
        /// A reason code, see `docs/protocol.md`.
        #[n(0)]
        code: String,
    },
}

/// What an invite line carries.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct InviteLine {
    /// The inviting org.
    #[n(0)]
    pub org: OrgId,
    /// Its name.
    #[n(1)]
    pub name: String,
    /// Its node.
    #[n(2)]
    pub node: PublicKey,
    /// Where the node listens.
    #[n(3)]
    pub addresses: Vec<String>,
    /// Which invite.
    #[n(4)]
    pub invite: Nonce,
    /// Known to whoever holds the line.
    #[n(5)]
    pub secret: Nonce32,
    /// When it ends, ms.
    #[n(6)]
    pub expires_at: u64,
}
