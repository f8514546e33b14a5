//! What waits for a person: everything that this node will not settle by itself.

use std::collections::BTreeSet;

use crate::book::Address;
use crate::codec;
use crate::id::{GrantId, OrgId, RecordId, ShareId};
use crate::ingest::FacetRow;
use crate::keys::{self, FacetKey};
use crate::partner::PartnerState;
use crate::receipt::{Asked, ReceiptView};
use crate::refusal::Refusal;
use crate::reissue::Rejected;
use crate::replica::Replica;
use crate::sharing::ShareState;
use crate::store::{Store, for_each};
use crate::vocabulary::Kind;

/// One thing that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Waiting {
    /// A share was offered, and this org has not put anything into it.
    Offer {
        /// The share.
        share: ShareId,
        /// What it is called.
        name: String,
        /// Who opened it.
        by: OrgId,
        /// Whether this org may put anything into it.
        may_add: bool,
    },
    /// A partner passed on what it sees, and this org is asked before the newcomer is let in.
    Approval {
        /// The share.
        share: ShareId,
        /// The grant that waits.
        grant: GrantId,
        /// Who passed it on.
        by: OrgId,
        /// To whom.
        to: OrgId,
    },
    /// A company has accepted an invite and waits until this side lets it in.
    Pairing {
        /// Who.
        org: OrgId,
    },
    /// A field has concurrent values.
    Conflict {
        /// The record.
        at: Address,
        /// The field.
        field: String,
    },
    /// An edit was not taken by its publisher.
    Rejected(Rejected),
    /// A partner has not confirmed what this org asked of it.
    Receipt {
        /// The share.
        share: ShareId,
        /// What is missing.
        receipt: ReceiptView,
    },
}

impl Replica {
    /// Everything that waits for a person.
    pub fn inbox(&self) -> Result<Vec<Waiting>, Refusal> {
        let me = self.me.party.org;
        let mut all = Vec::new();
        let pending = self.partners.values().filter(|one| one.state == PartnerState::Pending);
        all.extend(pending.map(|one| Waiting::Pairing { org: one.org }));
        for share in self.grants.shares().copied().collect::<Vec<_>>() {
            all.extend(self.offer(&share)?);
            all.extend(self.waiting_for_approval(&share)?.into_iter().map(|grant| {
                let (grant, by, to) = (grant.id, grant.author, grant.to.org);
                Waiting::Approval { share, grant, by, to }
            }));
        }
        self.add_conflicts(&mut all)?;
        all.extend(self.rejected()?.into_iter().map(Waiting::Rejected));
        for share in self.grants.shares() {
            let mut moved = BTreeSet::new();
            let asked = self.receipts(share)?.into_iter().filter(|one| one.author == me);
            let missing = asked.filter(|one| one.done_at.is_none());
            // However many records were moved, a person asks the same company once.
            let missing = missing.filter(|one| one.asked != Asked::Move || moved.insert(one.org));
            all.extend(missing.map(|receipt| Waiting::Receipt { share: *share, receipt }));
        }
        Ok(all)
    }

    fn offer(&self, share: &ShareId) -> Result<Option<Waiting>, Refusal> {
        let view = self.share(share)?;
        if view.state != ShareState::Offered || self.read::<u8>(&keys::seen_offer(share))?.is_some()
        {
            return Ok(None);
        }
        let may_add = Kind::ALL.iter().any(|kind| self.publishing_grant(share, *kind).is_ok());
        let (share, name, by) = (*share, view.name, view.opened_by);
        Ok(Some(Waiting::Offer { share, name, by, may_add }))
    }

    /// Does not remind of an offer any more; the share itself stays offered.
    pub fn dismiss_offer(&mut self, share: &ShareId) -> Result<(), Refusal> {
        if self.offer(share)?.is_none() {
            let text = self.share_name(share).unwrap_or_default().to_owned();
            return Err(Refusal::NotFound { what: "offer of", text });
        }
        self.put(&keys::seen_offer(share), codec::to_bytes(&1u8))
    }

    /// Conflicts in own records and in what is shown of received ones.
    fn add_conflicts(&self, all: &mut Vec<Waiting>) -> Result<(), Refusal> {
        let mut records = BTreeSet::new();
        for kind in Kind::ALL {
            for_each(&self.store, &keys::facets(kind, None, None), |key, row| {
                if FacetRow::may_conflict(row)
                    && let Some(key) = FacetKey::parse(key)
                {
                    records.extend(self.address_of(&key)?);
                }
                Ok::<_, Refusal>(())
            })?;
        }
        for at in records {
            // What is on its way out is in no view any more.
            let fields = self.record(&at).map(|view| view.conflicts).unwrap_or_default();
            all.extend(fields.into_iter().map(|field| Waiting::Conflict { at, field }));
        }
        Ok(())
    }

    /// Forgets rejected edits of a record: of one field, or of all.
    pub fn dismiss(&mut self, record: &RecordId, field: Option<&str>) -> Result<u64, Refusal> {
        let mut gone = 0;
        for (key, bytes) in self.store.scan(&keys::rejected(record, ""), &[], 4096)? {
            let late: Rejected = codec::own(&bytes)?;
            if field.is_none_or(|field| field == late.field) {
                self.remove(&key)?;
                gone += 1;
            }
        }
        if gone == 0 {
            let text = field.unwrap_or("this record").to_owned();
            return Err(Refusal::NotFound { what: "rejected change of", text });
        }
        self.leave_remains()?;
        Ok(gone)
    }
}
