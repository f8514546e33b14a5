//! What this node writes itself: packed into bundles, signed, and sent through the door that foreign
//! ones take.

use crate::bundle::{Header, Leaf, MAX_BUNDLE_BYTES, MAX_LEAVES, Verified};
use crate::codec;
use crate::id::{CompartmentId, GrantId, LogId, Nonce, RecordId};
use crate::keys;
use crate::log::LogState;
use crate::refusal::Refusal;
use crate::replica::Replica;
use crate::statement::Nonce32;

/// A change to be written into a compartment.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub record: RecordId,
    pub turn: u32,
    pub change: Vec<u8>,
}

impl Replica {
    /// Writes changes of our own into a compartment: packs, signs, and sends them through the door.
    pub(crate) fn write(
        &mut self,
        compartment: &CompartmentId,
        grant: Option<GrantId>,
        drafts: Vec<Draft>,
    ) -> Result<(), Refusal> {
        let (org, node) = (self.me.party.org, self.node_key());
        if self.directory.is_ended(&org, &node) || !self.directory.certified(&org, &node) {
            return Err(Refusal::NodeRetired);
        }
        let mut drafts = drafts.into_iter().peekable();
        while drafts.peek().is_some() {
            let (log, state) = self.own_log(compartment, grant)?;
            let dossier_number = self.dossiers.get(compartment).map_or(0, |(_, d)| d.number());
            let header = Header {
                compartment: *compartment,
                author: self.me.party.org,
                node: self.me.node.public(),
                epoch: state.epoch,
                seq: state.height,
                prev: state.head,
                grant,
                dossier_number,
                at: self.tick(),
                leaf_count: 0,
                root: Nonce32([0; 32]),
            };
            let mut leaves = Vec::new();
            let mut size = 1024;
            while let Some(draft) =
                drafts.next_if(|d| leaves.is_empty() || size + d.change.len() < MAX_BUNDLE_BYTES)
            {
                size += draft.change.len() + 64;
                let salt = Nonce(self.draw());
                let Draft { record, turn, change } = draft;
                leaves.push(Leaf::Full { record, turn, salt, change });
                if leaves.len() == MAX_LEAVES {
                    break;
                }
            }
            let verified = Verified::write(header, leaves, &self.me.node);
            debug_assert_eq!(verified.log(), log);
            let authorised = self.authorise(&verified, None).map_err(|_| Refusal::NotTaken)?;
            self.apply(verified, authorised)?;
        }
        Ok(())
    }

    /// The log this node writes in a compartment under a grant; a new grant begins a new one.
    pub(crate) fn own_log(
        &mut self,
        compartment: &CompartmentId,
        grant: Option<GrantId>,
    ) -> Result<(LogId, LogState), Refusal> {
        let key = keys::own_epoch(compartment);
        if let Some(epoch) = self.read::<Nonce>(&key)? {
            let log = LogId::of(&self.me.node.public(), compartment, &epoch);
            match self.logs.get(&log) {
                Some(state)
                    if state.grant == grant
                        && !self.forks.contains_key(&log)
                        && self.counted_height(&log, state) == state.height =>
                {
                    return Ok((log, state.clone()));
                }
                Some(_) => {}
                None => return Ok((log, self.empty_log(*compartment, epoch, grant))),
            }
        }
        let epoch = Nonce(self.draw());
        self.put(&key, codec::to_bytes(&epoch))?;
        let log = LogId::of(&self.me.node.public(), compartment, &epoch);
        Ok((log, self.empty_log(*compartment, epoch, grant)))
    }

    fn empty_log(
        &self,
        compartment: CompartmentId,
        epoch: Nonce,
        grant: Option<GrantId>,
    ) -> LogState {
        LogState {
            compartment,
            author: self.me.party.org,
            node: self.me.node.public(),
            epoch,
            grant,
            height: 0,
            head: Nonce32([0; 32]),
            leaves: 0,
        }
    }
}
