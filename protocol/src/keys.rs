//! The key layout of the store: one letter, then fixed-length parts, so that a prefix is a list.
//! Owns every key; nobody else builds one.

use crate::id::{CompartmentId, GrantId, LogId, OrgId, PublicKey, RecordId, ShareId, StatementId};
use crate::vocabulary::Kind;

/// Which of this node's stores this is; cursors at peers are bound to it.
pub const STORE_ID: &[u8] = b"Z/store";
/// The highest time said or seen.
pub const CLOCK: &[u8] = b"Z/clock";
/// What was erased since the store was last written anew.
pub const REMAINS: &[u8] = b"Z/remains";
/// How many positions the journal of the desk has; absent while there is no sibling.
pub const DESK_END: &[u8] = b"Z/desk";
/// The orgs that must be met before this node may decide anything for its org.
pub const BEHIND: &[u8] = b"Z/behind";
/// Whether this store is an older copy of itself, and stock was not taken yet; false afterwards.
pub const RESTORED: &[u8] = b"Z/restored";
/// For which term this node took stock as the steward.
pub const STOCK: &[u8] = b"Z/stock";
/// Who this node is: party and node key, so that a store is never opened by another org.
pub const OWNER: &[u8] = b"Z/owner";

/// A share's key in facet keys; all zero for the book.
pub const NO_SHARE: ShareId = ShareId([0; 32]);

/// The letters of the desk: what the nodes of an org copy to each other beside logs and statements.
pub const DESK: &[u8] = b"ACDGJPRUVWXafgioruy";
/// The letter of a partner.
pub const PARTNER: u8 = b'P';
/// The letter of an absorbed edit.
pub const ABSORBED: u8 = b'A';
/// The org's secret that record ids in shares are keyed with.
pub const RECORD_SECRET: &[u8] = b"i/records";

/// Which version of a desk entry is held.
pub fn desk_version(of: &[u8]) -> Vec<u8> {
    key(b'v', &[of])
}
/// The entry at a position of the desk's journal.
pub fn desk_entry(position: u64) -> Vec<u8> {
    key(b'm', &[&position.to_be_bytes()])
}

fn key(letter: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::with_capacity(1 + parts.iter().map(|p| p.len()).sum::<usize>());
    out.push(letter);
    for part in parts {
        out.extend_from_slice(part);
    }
    out
}

/// A statement's bytes.
pub fn statement(id: &StatementId) -> Vec<u8> {
    key(b'S', &[&id.0])
}
/// All statements.
pub const STATEMENTS: &[u8] = b"S";

/// The state of a log: [`crate::log::LogState`].
pub fn log(id: &LogId) -> Vec<u8> {
    key(b'L', &[&id.0])
}
/// All logs.
pub const LOGS: &[u8] = b"L";

/// The proof that a log was forked.
pub fn fork(id: &LogId) -> Vec<u8> {
    key(b'K', &[&id.0])
}
/// All fork proofs.
pub const FORKS: &[u8] = b"K";

/// One bundle of a log.
pub fn bundle(log: &LogId, seq: u64) -> Vec<u8> {
    key(b'B', &[&log.0, &seq.to_be_bytes()])
}
/// All bundles of a log.
pub fn bundles(log: &LogId) -> Vec<u8> {
    key(b'B', &[&log.0])
}

/// The facets of a record, or with fewer parts of a section, a share, a kind.
pub fn facets(kind: Kind, share: Option<&ShareId>, section: Option<&OrgId>) -> Vec<u8> {
    let mut out = vec![b'F', kind as u8];
    if let Some(share) = share {
        out.extend_from_slice(&share.0);
        if let Some(section) = section {
            out.extend_from_slice(&section.0);
        }
    }
    out
}

/// Where a facet's row is: `F kind share section record turn compartment`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct FacetKey {
    /// The kind of record.
    pub kind: Kind,
    /// The share; [`NO_SHARE`] for the book.
    pub share: ShareId,
    /// Whose section.
    pub section: OrgId,
    /// The record.
    pub record: RecordId,
    /// Its turn.
    pub turn: u32,
    /// The compartment.
    pub compartment: CompartmentId,
}

impl FacetKey {
    /// The key's bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let turn = self.turn.to_be_bytes();
        key(
            b'F',
            &[
                &[self.kind as u8],
                &self.share.0,
                &self.section.0,
                &self.record.0,
                &turn,
                &self.compartment.0,
            ],
        )
    }

    /// Reads a key back; none if it is not a facet's.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(b"F")?;
        let (&kind, rest) = rest.split_first()?;
        let kind = Kind::ALL.into_iter().find(|k| *k as u8 == kind)?;
        let (share, rest) = rest.split_first_chunk::<32>()?;
        let (section, rest) = rest.split_first_chunk::<32>()?;
        let (record, rest) = rest.split_first_chunk::<16>()?;
        let (turn, rest) = rest.split_first_chunk::<4>()?;
        Some(Self {
            kind,
            share: ShareId(*share),
            section: OrgId(*section),
            record: RecordId(*record),
            turn: u32::from_be_bytes(*turn),
            compartment: CompartmentId(rest.try_into().ok()?),
        })
    }

    /// All facets of the same record.
    pub fn record_prefix(
        kind: Kind,
        share: &ShareId,
        section: &OrgId,
        record: &RecordId,
    ) -> Vec<u8> {
        key(b'F', &[&[kind as u8], &share.0, &section.0, &record.0])
    }
}

/// The epoch of the log this node writes in a compartment.
pub fn own_epoch(compartment: &CompartmentId) -> Vec<u8> {
    key(b'E', &[&compartment.0])
}
/// All of them.
pub const OWN_EPOCHS: &[u8] = b"E";

/// A record's publication in a share, by its book id.
pub fn publication(share: &ShareId, record: &RecordId) -> Vec<u8> {
    key(b'U', &[&share.0, &record.0])
}
/// All publications in a share.
pub fn publications(share: &ShareId) -> Vec<u8> {
    key(b'U', &[&share.0])
}
/// A record's place in a share as it was when it was taken out of it, by its book id.
pub fn withdrawn(share: &ShareId, record: &RecordId) -> Vec<u8> {
    key(b'X', &[&share.0, &record.0])
}
/// What is kept of the plan of this org's section of a share.
pub fn planned(share: &ShareId) -> Vec<u8> {
    key(b'p', &[&share.0])
}
/// From a record's id in a share back to its book id.
pub fn published(share: &ShareId, record: &RecordId) -> Vec<u8> {
    key(b'V', &[&share.0, &record.0])
}

/// Where an own record was copied from, by its book id.
pub fn adopted(record: &RecordId) -> Vec<u8> {
    key(b'C', &[&record.0])
}
/// All own records that were copied.
pub const ADOPTED: &[u8] = b"C";

/// What was ordered to have a record forgotten, by its book id.
pub fn forgotten(record: &RecordId) -> Vec<u8> {
    key(b'f', &[&record.0])
}
/// All forgotten records.
pub const FORGOTTEN: &[u8] = b"f";

/// The shares a book record is placed in.
pub fn placements(record: &RecordId) -> Vec<u8> {
    key(b'W', &[&record.0])
}

/// A rule's selector: which records a grant of ours is meant for. Never leaves.
pub fn selector(grant: &GrantId) -> Vec<u8> {
    key(b'G', &[&grant.0])
}

/// A rule whose audience may see values from before its time.
pub fn history(grant: &GrantId) -> Vec<u8> {
    key(b'g', &[&grant.0])
}

/// What happens in a share to grants that partners pass on.
pub fn reshare(share: &ShareId) -> Vec<u8> {
    key(b'y', &[&share.0])
}

/// An offer of a share that nobody wants to be reminded of.
pub fn seen_offer(share: &ShareId) -> Vec<u8> {
    key(b'o', &[&share.0])
}

/// Why this org ended a grant, as it was entered. Never leaves.
pub fn why_ended(grant: &GrantId) -> Vec<u8> {
    key(b'r', &[&grant.0])
}

/// A passed-on grant that may be let in.
pub fn approved(grant: &GrantId) -> Vec<u8> {
    key(b'a', &[&grant.0])
}

/// The orgs that lost sight of something by what this org said.
pub fn unseen(by: &StatementId) -> Vec<u8> {
    key(b'u', &[&by.0])
}
/// Everything that this org said by which somebody lost sight of something.
pub const UNSEEN: &[u8] = b"u";

/// A standing selection of records for a share (`share add --live`).
pub fn selection(share: &ShareId, kind: Kind) -> Vec<u8> {
    key(b'J', &[&share.0, &[kind as u8]])
}

/// A partner, by org.
pub fn partner(org: &OrgId) -> Vec<u8> {
    key(b'P', &[&org.0])
}
/// All partners.
pub const PARTNERS: &[u8] = b"P";

/// An invite, by its id.
pub fn invite(id: &[u8; 16]) -> Vec<u8> {
    key(b'Q', &[id])
}

/// All invites.
pub const INVITES: &[u8] = b"Q";

/// What is known of a peer node's cursor and digests.
pub fn peer(node: &PublicKey) -> Vec<u8> {
    key(b'N', &[&node.0])
}
/// All peers.
pub const PEERS: &[u8] = b"N";

/// The statements due to a peer node, in the order they became due.
pub fn outbox(node: &PublicKey, position: u64) -> Vec<u8> {
    key(b'O', &[&node.0, &position.to_be_bytes()])
}
/// The whole outbox of a peer node.
pub fn outboxes(node: &PublicKey) -> Vec<u8> {
    key(b'O', &[&node.0])
}

/// The share that an entry of the desk is about; none if it is about no single one.
pub fn desk_share(of: &[u8]) -> Option<ShareId> {
    let (b'J' | b'U' | b'V' | b'X' | b'o' | b'y', rest) = of.split_first()? else { return None };
    Some(ShareId(*rest.first_chunk()?))
}
/// The grant whose selector an entry of the desk is.
pub fn desk_grant(of: &[u8]) -> Option<GrantId> {
    let (b'G' | b'a' | b'g', rest) = of.split_first()? else { return None };
    Some(GrantId(rest.try_into().ok()?))
}

/// How far a peer node has durably stored a log.
pub fn stored_at(node: &PublicKey, log: &LogId) -> Vec<u8> {
    key(b'H', &[&node.0, &log.0])
}

/// Whose edit a change of the book took over.
pub fn absorbed(log: &LogId, seq: u64, index: u16) -> Vec<u8> {
    key(b'A', &[&log.0, &seq.to_be_bytes(), &index.to_be_bytes()])
}

/// The parts of such a key.
pub fn absorbed_parts(key: &[u8]) -> Option<(LogId, u64, u16)> {
    let rest = key.strip_prefix(b"A")?;
    let (log, rest) = rest.split_first_chunk::<32>()?;
    let (seq, index) = rest.split_first_chunk::<8>()?;
    let index = u16::from_be_bytes(index.try_into().ok()?);
    Some((LogId(*log), u64::from_be_bytes(*seq), index))
}

/// A record of the own book that was deleted.
pub fn tombstone(record: &RecordId) -> Vec<u8> {
    key(b'T', &[&record.0])
}

/// All logs a peer node is known to have stored.
pub fn stored_at_all(node: &PublicKey) -> Vec<u8> {
    key(b'H', &[&node.0])
}

/// An edit that a publisher did not take.
pub fn rejected(record: &RecordId, field: &str) -> Vec<u8> {
    key(b'R', &[&record.0, field.as_bytes()])
}
/// All edits that publishers did not take.
pub const REJECTED: &[u8] = b"R";

/// How long the audit log is, and the hash of its last line.
pub const AUDIT: &[u8] = b"Z/audit";

/// A line of the audit log.
pub fn audit(number: u64) -> Vec<u8> {
    key(b'Y', &[&number.to_be_bytes()])
}
/// All lines of the audit log, in their order.
pub const AUDIT_LINES: &[u8] = b"Y";
/// The number of the line that a key is of.
pub fn audit_place(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(key.strip_prefix(AUDIT_LINES)?.try_into().ok()?))
}

/// How much of a log an org's nodes have said they hold that came to them from others.
pub fn reported(org: &OrgId, log: &LogId) -> Vec<u8> {
    key(b'I', &[&org.0, &log.0])
}

/// A record in a share that is or was about a customer of the book: `D customer share record`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct About {
    /// The customer's id in the book.
    pub customer: RecordId,
    /// The share.
    pub share: ShareId,
    /// The record's id in the share.
    pub record: RecordId,
}

impl About {
    /// The key's bytes.
    pub fn bytes(&self) -> Vec<u8> {
        key(b'D', &[&self.customer.0, &self.share.0, &self.record.0])
    }

    /// Reads a key back.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (customer, rest) = bytes.strip_prefix(ABOUT)?.split_first_chunk::<16>()?;
        let (share, record) = rest.split_first_chunk::<32>()?;
        Some(Self {
            customer: RecordId(*customer),
            share: ShareId(*share),
            record: RecordId(record.try_into().ok()?),
        })
    }
}

/// All records in shares that are or were about customers.
pub const ABOUT: &[u8] = b"D";
/// Those about one customer.
pub fn about(customer: &RecordId) -> Vec<u8> {
    key(b'D', &[&customer.0])
}

/// Where the changes of a facet that is gone lay: the facet's own key under another letter.
pub fn past(facet: &FacetKey) -> Vec<u8> {
    as_past(facet.bytes())
}
/// All facets of a record that are gone.
pub fn pasts(kind: Kind, share: &ShareId, section: &OrgId, record: &RecordId) -> Vec<u8> {
    as_past(FacetKey::record_prefix(kind, share, section, record))
}
/// The facet that such a key is of.
pub fn past_of(bytes: &[u8]) -> Option<FacetKey> {
    FacetKey::parse(&[b"F", bytes.strip_prefix(b"M")?].concat())
}
fn as_past(mut facet: Vec<u8>) -> Vec<u8> {
    facet[0] = b'M';
    facet
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::id::Nonce;

    #[test]
    fn no_two_lists_share_a_letter() {
        let (org, node) = (OrgId([0; 32]), PublicKey([0; 32]));
        let (record, share, grant) = (RecordId([0; 16]), ShareId([0; 32]), GrantId([0; 32]));
        let compartment = CompartmentId([0; 32]);
        let log = LogId::of(&node, &compartment, &Nonce([0; 16]));
        let facet =
            FacetKey { kind: Kind::Event, share, section: org, record, turn: 0, compartment };
        let keys = [
            statement(&StatementId([0; 32])),
            super::log(&log),
            fork(&log),
            bundle(&log, 0),
            facet.bytes(),
            past(&facet),
            own_epoch(&compartment),
            publication(&share, &record),
            withdrawn(&share, &record),
            planned(&share),
            published(&share, &record),
            adopted(&record),
            forgotten(&record),
            about(&record),
            placements(&record),
            selector(&grant),
            history(&grant),
            reshare(&share),
            approved(&grant),
            seen_offer(&share),
            why_ended(&grant),
            unseen(&StatementId([0; 32])),
            selection(&share, Kind::Event),
            partner(&org),
            invite(&[0; 16]),
            peer(&node),
            outbox(&node, 0),
            stored_at(&node, &log),
            absorbed(&log, 0, 0),
            tombstone(&record),
            rejected(&record, ""),
            audit(0),
            reported(&org, &log),
            desk_version(b"P"),
            desk_entry(0),
            RECORD_SECRET.to_vec(),
            STORE_ID.to_vec(),
        ];
        let letters: BTreeSet<u8> = keys.iter().map(|key| key[0]).collect();
        assert_eq!(letters.len(), keys.len());
    }

    #[test]
    fn of_every_list_it_is_said_whether_the_nodes_of_an_org_copy_it() {
        // Statements and logs travel by themselves, and what is made from them is made anew.
        let said = b"SLBKFMT";
        // About this very node: its peers, its audit log, the logs it writes, its journal, what
        // it has planned.
        let about_the_node = b"EHINOQYZmpv";
        let classed = [DESK, said, about_the_node].concat();
        let letters: BTreeSet<u8> = classed.iter().copied().collect();
        assert_eq!(letters.len(), classed.len(), "a list is of one class");
        let source = include_str!("keys.rs").split("#[cfg(test)]").next().unwrap();
        let used: BTreeSet<u8> = ["b'", "] = b\""]
            .iter()
            .flat_map(|begin| source.match_indices(begin))
            .filter_map(|(at, begin)| source.as_bytes().get(at + begin.len()).copied())
            .collect();
        assert_eq!(used, letters);
    }
}
