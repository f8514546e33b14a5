//! What this org was shown and may not have any more: it leaves the store as soon as the revocation
//! is known. Adopted copies are records of the book and stay.

use std::collections::BTreeSet;

use crate::id::{CompartmentId, OrgId, ShareId};
use crate::keys;
use crate::message::Frame;
use crate::mutation::{Law, broken};
use crate::refusal::Refusal;
use crate::reissue::{Rejected, Wishes};
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
            self.drop_compartment(&id)?;
            self.unsettle(&share)?;
            self.lost.insert(id, share);
        }
        Ok(())
    }

    /// Who offered a compartment before it was taken from this org will not offer it a second time:
    /// when it may be had again it is asked for, and until then its share is not settled.
    pub(crate) fn ask_for_lost(&mut self) {
        let back: Vec<CompartmentId> =
            self.lost.keys().filter(|id| !self.is_lost(id)).copied().collect();
        let shares: BTreeSet<ShareId> = back.iter().filter_map(|id| self.lost.remove(id)).collect();
        if shares.is_empty() || broken(Law::AskForLost) {
            return;
        }
        for conn in self.open_sessions() {
            let shares = shares.iter().copied().collect();
            self.send(conn, &Frame::Ask { shares, settled: Vec::new() });
        }
    }

    /// Own changes that the publisher has not taken are told as rejected.
    fn reject_unsent(
        &mut self,
        id: &CompartmentId,
        share: &ShareId,
        section: &OrgId,
    ) -> Result<(), Refusal> {
        let Some(kind) = self.dossiers.get(id).map(|(opening, _)| opening.kind) else {
            return Ok(());
        };
        for (record, fields) in self.unsent_wishes(id, section)? {
            for (field, value) in fields {
                let (share, section, at) = (*share, *section, self.tick());
                self.reject(Rejected { share, section, kind, record, field, value, at })?;
            }
        }
        Ok(())
    }

    /// What this node wrote into a compartment and does not know to be stored by its publisher.
    pub(crate) fn unsent_wishes(
        &self,
        id: &CompartmentId,
        section: &OrgId,
    ) -> Result<Wishes, Refusal> {
        self.late_wishes(id, &self.node_key(), &|replica, log| {
            let mut highest = 0;
            for node in replica.directory.nodes_of(section) {
                let stored: Option<u64> = replica.read(&keys::stored_at(node, log))?;
                highest = highest.max(stored.unwrap_or(0));
            }
            Ok(highest)
        })
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
