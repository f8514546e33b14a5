//! What the nodes of peers are known to have stored, and what they are owed.

use std::collections::{BTreeMap, BTreeSet};

use crate::codec;
use crate::id::{LogId, OrgId, PublicKey, ShareId};
use crate::keys;
use crate::message::Height;
use crate::refusal::Refusal;
use crate::replica::{Conn, Replica};

impl Replica {
    /// Notes how far a peer has stored a log; `sent` is how far this session has sent it.
    pub(crate) fn note_stored(
        &mut self,
        node: &PublicKey,
        log: &LogId,
        height: u64,
        sent: u64,
    ) -> Result<(), Refusal> {
        // Nobody can have more of a log than there is, nor any of one that is not here.
        let Some(state) = self.logs.get(log) else { return Ok(()) };
        let height = height.min(state.height);
        let key = keys::stored_at(node, log);
        let known: u64 = self.read(&key)?.unwrap_or(0);
        if height <= known {
            return Ok(());
        }
        let (compartment, author) = (state.compartment, state.author);
        let me = self.me.party.org;
        let own = self.dossiers.get(&compartment).is_some_and(|(o, _)| o.section == me);
        let peer = self.peers.get(node).and_then(|peer| peer.org);
        if let Some(by) = peer.filter(|by| own && height > sent && *by != me && *by != author) {
            self.note_reported(by, compartment, *log, height)?;
        }
        self.put(&key, codec::to_bytes(&height))
    }

    /// Who asks for a log from some place on does not have it from there on, whatever it said before.
    pub(crate) fn note_asked(
        &mut self,
        node: &PublicKey,
        log: &LogId,
        from: u64,
    ) -> Result<(), Refusal> {
        let key = keys::stored_at(node, log);
        let known: u64 = self.read(&key)?.unwrap_or(0);
        if from < known { self.put(&key, codec::to_bytes(&from)) } else { Ok(()) }
    }

    /// What a peer may not be served any more it deletes: should it be let in again, it is told anew.
    pub(crate) fn forget_unservable(
        &mut self,
        conn: Conn,
        servable: &BTreeMap<ShareId, Vec<Height>>,
    ) -> Result<(), Refusal> {
        let may: BTreeSet<LogId> = servable.values().flatten().map(|at| at.log).collect();
        let Some(session) = self.sessions.get_mut(&conn) else { return Ok(()) };
        let node = session.node;
        let gone: Vec<LogId> =
            session.announced.keys().filter(|log| !may.contains(log)).copied().collect();
        session.announced.retain(|log, _| may.contains(log));
        for log in gone {
            self.remove(&keys::stored_at(&node, &log))?;
        }
        Ok(())
    }

    /// How many statements and logs an org's nodes have not acknowledged.
    pub(crate) fn owed(&self, org: &OrgId) -> u64 {
        let mut owed = 0;
        let servable = self.servable(org);
        let acts = |node: &PublicKey| self.directory.acts_for(org, node, self.now);
        let peers = self.peers.iter().filter(|(_, peer)| peer.org == Some(*org));
        for (node, peer) in peers.filter(|(node, _)| acts(node)) {
            owed += peer.due.saturating_sub(peer.told);
            for at in servable.values().flatten() {
                let stored: u64 =
                    self.read(&keys::stored_at(node, &at.log)).ok().flatten().unwrap_or(0);
                owed += u64::from(stored < at.height);
            }
        }
        owed
    }
}
