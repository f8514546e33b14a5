//! An older copy of a store: what has to be forgotten of it before its node may run again, and what
//! shows that a store is one.

use crate::bundle::Header;
use crate::codec;
use crate::id::Nonce;
use crate::keys;
use crate::mutation::{Law, broken};
use crate::refusal::Refusal;
use crate::replica::Replica;
use crate::store::for_each;

impl Replica {
    /// Takes this store for an older copy of itself: a new store id, new logs, no invites, and
    /// nothing is decided before everybody who may know more was met.
    pub fn mark_restored(&mut self) -> Result<(), Refusal> {
        self.store_id = Nonce(self.draw());
        let id = codec::to_bytes(&self.store_id);
        self.put(keys::STORE_ID, id)?;
        self.put(keys::RESTORED, codec::to_bytes(&true))?;
        self.remove(keys::STOCK)?;
        self.stock = None;
        self.took_over = None;
        let old = if broken(Law::NewEpoch) { &[][..] } else { keys::OWN_EPOCHS };
        for prefix in [old, keys::INVITES].into_iter().filter(|prefix| !prefix.is_empty()) {
            let mut keys = Vec::new();
            for_each(&self.store, prefix, |key, _| {
                keys.push(key.to_vec());
                Ok::<_, Refusal>(())
            })?;
            keys.iter().try_for_each(|key| self.remove(key))?;
        }
        let mut orgs: std::collections::BTreeSet<_> =
            self.partners.keys().chain(&self.acquaintances).copied().collect();
        if self.siblings().next().is_some() {
            orgs.insert(self.me.party.org);
        }
        self.wait_for(orgs)
    }

    /// A peer brings what this very node has written and this store does not hold: so the store is
    /// older than its node. After a restore that was told, logs of before are just taken back.
    pub(crate) fn meet_own_log(&mut self, header: &Header) -> Result<(), Refusal> {
        let current: Option<Nonce> = self.read(&keys::own_epoch(&header.compartment))?;
        let restored = self.read::<bool>(keys::RESTORED)?.is_some();
        if header.node == self.node_key() && (!restored || current == Some(header.epoch)) {
            self.mark_restored()?;
        }
        Ok(())
    }
}
