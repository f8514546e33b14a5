//! What waits for a person: everything that this node will not settle by itself.

use std::collections::BTreeSet;

use crate::book::Address;
use crate::codec;
use crate::id::{OrgId, RecordId, ShareId};
use crate::ingest::FacetRow;
use crate::keys::{self, FacetKey};
use crate::receipt::ReceiptView;
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
        for share in self.grants.shares().copied().collect::<Vec<_>>() {
            let view = self.share(&share)?;
            if view.state == ShareState::Offered {
                all.push(Waiting::Offer { share, name: view.name, by: view.opened_by });
            }
        }
        self.add_conflicts(&mut all)?;
        all.extend(self.rejected()?.into_iter().map(Waiting::Rejected));
        for share in self.grants.shares() {
            let asked = self.receipts(share).into_iter().filter(|one| one.author == me);
            let missing = asked.filter(|one| one.done_at.is_none());
            all.extend(missing.map(|receipt| Waiting::Receipt { share: *share, receipt }));
        }
        Ok(all)
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
