//! What this org was shown and may not have any more: it leaves the store as soon as the revocation
//! is known. Adopted copies are records of the book and stay.

use std::collections::BTreeSet;

use crate::codec;
use crate::id::{CompartmentId, LogId, OrgId, RecordId, ShareId};
use crate::keys;
use crate::mutation::{Law, broken};
use crate::refusal::Refusal;
use crate::reissue::Rejected;
use crate::replica::Replica;

impl Replica {
    /// Whether a revocation has taken a compartment from this org.
    pub(crate) fn is_lost(&self, id: &CompartmentId) -> bool {
        self.access().lost(&self.me.party.org, id, self.now) && !broken(Law::Purge)
    }

    /// Deletes every compartment that was taken from this org.
    pub(crate) fn purge(&mut self) -> Result<(), Refusal> {
        let held: BTreeSet<CompartmentId> = self.logs.values().map(|log| log.compartment).collect();
        for id in held.iter().filter(|id| self.is_lost(id)).copied().collect::<Vec<_>>() {
            let Some((opening, _)) = self.dossiers.get(&id) else { continue };
            let (share, section) = (opening.share.unwrap_or(keys::NO_SHARE), opening.section);
            self.reject_unsent(&id, &share, &section)?;
            for record in self.records_in(&id)? {
                self.forget_rejected(&record)?;
            }
            self.drop_compartment(&id)?;
            self.unsettle(&share)?;
        }
        Ok(())
    }

    /// Own changes that the publisher has not taken are told as rejected, without their values.
    fn reject_unsent(
        &mut self,
        id: &CompartmentId,
        share: &ShareId,
        section: &OrgId,
    ) -> Result<(), Refusal> {
        let Some(kind) = self.dossiers.get(id).map(|(opening, _)| opening.kind) else {
            return Ok(());
        };
        let taken = |replica: &Self, log: &LogId| -> Result<u64, Refusal> {
            let mut highest = 0;
            for node in replica.directory.nodes_of(section) {
                let stored: Option<u64> = replica.read(&keys::stored_at(node, log))?;
                highest = highest.max(stored.unwrap_or(0));
            }
            Ok(highest)
        };
        for (record, fields) in self.late_wishes(id, &self.node_key(), &taken)? {
            for field in fields.into_keys() {
                let (share, section, at) = (*share, *section, self.tick());
                let late = Rejected { share, section, kind, record, field, value: None, at };
                let key = keys::rejected(&late.record, &late.field);
                self.put(&key, codec::to_bytes(&late))?;
            }
        }
        Ok(())
    }

    fn records_in(&self, id: &CompartmentId) -> Result<BTreeSet<RecordId>, Refusal> {
        let Some((opening, _)) = self.dossiers.get(id) else { return Ok(BTreeSet::new()) };
        Ok(self.facet_keys(id, opening)?.into_iter().map(|key| key.record).collect())
    }

    /// What was settled of a share says nothing any more once something of it was deleted.
    fn unsettle(&mut self, share: &ShareId) -> Result<(), Refusal> {
        for node in self.peers.keys().copied().collect::<Vec<_>>() {
            let peer = self.peers.get_mut(&node);
            if peer.is_some_and(|peer| peer.settled.remove(share).is_some()) {
                self.store_peer(&node)?;
            }
        }
        Ok(())
    }
}
