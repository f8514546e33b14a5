//! What the nodes of peers are known to have stored, and what they are owed.

use crate::codec;
use crate::id::{LogId, OrgId, PublicKey};
use crate::keys;
use crate::refusal::Refusal;
use crate::replica::{Conn, Replica};
use crate::store::for_each;

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
        logs: impl IntoIterator<Item = LogId>,
    ) -> Result<(), Refusal> {
        let Some(session) = self.sessions.get(&conn) else { return Ok(()) };
        let (node, Some(org)) = (session.node, session.org) else { return Ok(()) };
        for log in logs {
            let may = self
                .logs
                .get(&log)
                .is_some_and(|state| self.access().may_serve(&org, &state.compartment, self.now));
            if !may && let Some(session) = self.sessions.get_mut(&conn) {
                session.announced.remove(&log);
                self.remove(&keys::stored_at(&node, &log))?;
            }
        }
        Ok(())
    }

    /// The logs of which a peer is known to have stored something.
    pub(crate) fn stored_logs(&self, node: &PublicKey) -> Result<Vec<LogId>, Refusal> {
        let prefix = keys::stored_at_all(node);
        let mut logs = Vec::new();
        for_each(&self.store, &prefix, |key, _| {
            let log = key.get(prefix.len()..).and_then(|id| id.try_into().ok());
            logs.extend(log.map(LogId));
            Ok::<_, Refusal>(())
        })?;
        Ok(logs)
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
