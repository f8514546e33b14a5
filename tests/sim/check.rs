//! What a node must not lose: its memory before it dies, against what it reads back.

use std::collections::{BTreeMap, BTreeSet};

use crate::audit::Head;
use crate::id::{LogId, OrgId, PublicKey, StatementId};
use crate::log::LogState;
use crate::partner::Partner;
use crate::replica::{Peer, Replica};
use crate::store::Store;

/// Everything durable that a replica holds in memory, and its facet rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Memory {
    statements: BTreeSet<StatementId>,
    logs: BTreeMap<LogId, LogState>,
    peers: BTreeMap<PublicKey, Peer>,
    outboxes: BTreeMap<PublicKey, BTreeSet<StatementId>>,
    partners: BTreeMap<OrgId, Partner>,
    rows: Vec<(Vec<u8>, Vec<u8>)>,
    audit: Head,
}

impl Memory {
    pub fn of(replica: &Replica) -> Self {
        Self {
            statements: replica.statements.keys().copied().collect(),
            logs: replica.logs.clone(),
            peers: replica.peers.clone(),
            outboxes: replica
                .outboxes
                .iter()
                .filter(|(_, o)| !o.is_empty())
                .map(|(k, v)| (*k, v.clone()))
                .collect(),
            partners: replica.partners.clone(),
            rows: replica.store.scan(b"F", &[], usize::MAX).expect("memory"),
            audit: replica.audit_head(),
        }
    }

    /// What differs, in a word.
    pub fn differs(&self, other: &Self) -> Option<&'static str> {
        let same = [
            ("statements", self.statements == other.statements),
            ("logs", self.logs == other.logs),
            ("peers", self.peers == other.peers),
            ("outboxes", self.outboxes == other.outboxes),
            ("partners", self.partners == other.partners),
            ("facet rows", self.rows == other.rows),
            ("the end of the audit log", self.audit == other.audit),
        ];
        same.into_iter().find(|(_, same)| !same).map(|(what, _)| what)
    }
}
