//! Logs: how far one node's writing in one compartment is held.

use minicbor::{Decode, Encode};

use crate::bundle::Header;
use crate::id::{CompartmentId, GrantId, Nonce, OrgId, PublicKey};
use crate::statement::Nonce32;

/// Where a log stands here.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct LogState {
    /// The compartment it is written in.
    #[n(0)]
    pub compartment: CompartmentId,
    /// In whose name.
    #[n(1)]
    pub author: OrgId,
    /// By which node.
    #[n(2)]
    pub node: PublicKey,
    /// Its epoch.
    #[n(3)]
    pub epoch: Nonce,
    /// The grant it is written under.
    #[n(4)]
    pub grant: Option<GrantId>,
    /// How many bundles are held: all with `seq < height`.
    #[n(5)]
    pub height: u64,
    /// Id of the last one; zero when none.
    #[n(6)]
    pub head: Nonce32,
    /// How many leaves the bundles have, redacted ones included.
    #[n(7)]
    pub leaves: u64,
}

impl LogState {
    /// The empty log that a header would continue.
    pub fn begin(header: &Header) -> Self {
        Self {
            compartment: header.compartment,
            author: header.author,
            node: header.node,
            epoch: header.epoch,
            grant: header.grant,
            height: 0,
            head: Nonce32([0; 32]),
            leaves: 0,
        }
    }

    /// Whether a header is the next one of this log: same log, next seq, right predecessor.
    pub fn continues(&self, header: &Header) -> bool {
        self.height == header.seq && self.head == header.prev && self.grant == header.grant
    }
}
