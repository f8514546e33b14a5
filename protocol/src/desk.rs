//! The desk: what an org keeps to itself beside its book – partners, selectors, which record stands
//! where. Its nodes copy it to each other, so that any of them can become the steward. Of two
//! versions of an entry the later counts. A node without siblings keeps no journal.

use minicbor::{Decode, Encode};

use crate::codec;
use crate::id::{LogId, PublicKey};
use crate::ingest::{FacetRow, LeafRef};
use crate::keys;
use crate::message::{Blob, DeskEntry, Frame};
use crate::mutation::{Law, broken};
use crate::partner::Partner;
use crate::refusal::Refusal;
use crate::replica::{Conn, Replica};
use crate::store::{Store, for_each};
use crate::sync::APPROVAL;
use crate::time::Hlc;

/// A frame of entries is closed when it has this many bytes.
const FRAME_BYTES: usize = 256 * 1024;

/// Which version of an entry is held, and where it stands in the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
struct Version {
    #[n(0)]
    at: Hlc,
    #[n(1)]
    by: PublicKey,
    #[n(2)]
    position: u64,
}

/// Whether a key of the store belongs to the desk.
pub(crate) fn belongs(key: &[u8]) -> bool {
    key.first().is_some_and(|letter| keys::DESK.contains(letter))
}

impl Replica {
    pub(crate) fn load_desk(&mut self) -> Result<(), Refusal> {
        self.desk_end = self.read(keys::DESK_END)?;
        Ok(())
    }

    /// From the first sibling on every entry has a version and a place in the journal.
    pub(crate) fn open_desk(&mut self) -> Result<(), Refusal> {
        if self.desk_end.is_some() {
            return Ok(());
        }
        self.desk_end = Some(0);
        for letter in keys::DESK {
            let mut found = Vec::new();
            for_each(&self.store, &[*letter], |key, _| {
                found.push(key.to_vec());
                Ok::<_, Refusal>(())
            })?;
            for key in found {
                self.journal(&key)?;
            }
        }
        self.put(keys::DESK_END, codec::to_bytes(&self.desk_end.unwrap_or(0)))
    }

    /// Notes that this node has changed a key, if it belongs to the desk.
    pub(crate) fn journal(&mut self, key: &[u8]) -> Result<(), Refusal> {
        if self.desk_end.is_none() || !belongs(key) {
            return Ok(());
        }
        let (at, by) = (self.tick(), self.node_key());
        self.note_version(key, at, by)
    }

    fn note_version(&mut self, key: &[u8], at: Hlc, by: PublicKey) -> Result<(), Refusal> {
        let position = self.desk_end.unwrap_or(0);
        let version_key = keys::desk_version(key);
        if let Some(old) = self.read::<Version>(&version_key)? {
            self.store.write(keys::desk_entry(old.position), None);
        }
        let version = codec::to_bytes(&Version { at, by, position });
        self.store.write(version_key, Some(version));
        self.store.write(keys::desk_entry(position), Some(key.to_vec()));
        self.desk_end = Some(position + 1);
        let end = codec::to_bytes(&(position + 1));
        self.store.write(keys::DESK_END.to_vec(), Some(end));
        Ok(())
    }

    pub(crate) fn is_sibling(&self, conn: Conn) -> bool {
        self.sessions.get(&conn).is_some_and(|s| s.org == Some(self.me.party.org))
    }

    /// Asks a sibling for what its desk has beyond what was taken.
    pub(crate) fn ask_desk(&mut self, conn: Conn) {
        if !self.is_sibling(conn) {
            return;
        }
        let node = self.sessions.get(&conn).map(|session| session.node);
        let from = node.and_then(|node| self.peers.get(&node)).map_or(0, |peer| peer.desk);
        self.send(conn, &Frame::DeskWant { from });
    }

    pub(crate) fn on_desk_want(&mut self, conn: Conn, from: u64) -> Result<(), Refusal> {
        if !self.is_sibling(conn) {
            self.refuse(conn, "frame_unexpected");
            return Ok(());
        }
        if let Some(session) = self.sessions.get_mut(&conn) {
            session.desk_wanted = Some(from);
        }
        self.feed_desk(conn)?;
        self.tell(conn)
    }

    /// Whether a sibling has all of this desk.
    pub(crate) fn has_desk(&self, conn: Conn) -> bool {
        let wanted = self.sessions.get(&conn).and_then(|session| session.desk_wanted);
        wanted.is_some_and(|from| from >= self.desk_end.unwrap_or(0))
    }

    /// Sends a sibling the next entries, if it waits for them.
    pub(crate) fn feed_desk(&mut self, conn: Conn) -> Result<(), Refusal> {
        let wanted = self.sessions.get(&conn).and_then(|session| session.desk_wanted);
        let (Some(from), end) = (wanted, self.desk_end.unwrap_or(0)) else { return Ok(()) };
        if from >= end || !self.is_sibling(conn) {
            return Ok(());
        }
        let (mut entries, mut next, mut size) = (Vec::new(), from, 0);
        while next < end && size < FRAME_BYTES && next - from < 4096 {
            let key = self.store.get(&keys::desk_entry(next))?;
            next += 1;
            let Some(key) = key else { continue };
            let Some(version) = self.read::<Version>(&keys::desk_version(&key))? else { continue };
            let value = self.store.get(&key)?.map(Blob);
            size += key.len() + value.as_ref().map_or(0, |blob| blob.0.len()) + 64;
            entries.push(DeskEntry { key, at: version.at, by: version.by, value });
        }
        if let Some(session) = self.sessions.get_mut(&conn) {
            session.desk_wanted = None;
        }
        self.send(conn, &Frame::Desk { from, next, entries });
        Ok(())
    }

    pub(crate) fn on_desk(
        &mut self,
        conn: Conn,
        from: u64,
        next: u64,
        entries: Vec<DeskEntry>,
    ) -> Result<(), Refusal> {
        if !self.is_sibling(conn) || !entries.iter().all(|entry| belongs(&entry.key)) {
            self.refuse(conn, "frame_unexpected");
            return Ok(());
        }
        let Some(node) = self.sessions.get(&conn).map(|session| session.node) else {
            return Ok(());
        };
        if self.peers.get(&node).is_none_or(|peer| peer.desk != from) {
            return Ok(());
        }
        self.open_desk()?;
        for entry in entries {
            self.take_entry(entry)?;
        }
        self.dirty.endings = true;
        self.take_up_again(APPROVAL);
        if let Some(peer) = self.peers.get_mut(&node) {
            peer.desk = next;
        }
        if let Some(session) = self.sessions.get_mut(&conn) {
            session.desk_heard = true;
        }
        self.store_peer(&node)
    }

    fn take_entry(&mut self, entry: DeskEntry) -> Result<(), Refusal> {
        let DeskEntry { key, at, by, value } = entry;
        let held = self.read::<Version>(&keys::desk_version(&key))?;
        let newer = held.is_none_or(|held| (held.at, held.by) < (at, by));
        if !newer && !broken(Law::DeskVersion) {
            return Ok(());
        }
        self.clock = self.clock.observe(at, self.now);
        let value = value.map(|Blob(bytes)| bytes);
        self.store.write(key.clone(), value.clone());
        self.note_version(&key, at, by)?;
        match key[0] {
            keys::PARTNER => {
                if let Some(bytes) = value {
                    let partner: Partner = codec::own(&bytes)?;
                    self.partners.insert(partner.org, partner);
                }
                self.dirty.statements = true;
            }
            keys::ABSORBED => self.reauthor(&key)?,
            _ => {
                let ruled = keys::desk_grant(&key).and_then(|id| Some(self.grants.get(&id)?.share));
                self.dirty.sections.extend(keys::desk_share(&key).or(ruled));
            }
        }
        Ok(())
    }

    /// Whose edit a change of the book took over is known now, from a sibling or by this node itself.
    pub(crate) fn reauthor(&mut self, key: &[u8]) -> Result<(), Refusal> {
        let Some((log, seq, index)) = keys::absorbed_parts(key) else { return Ok(()) };
        let at = LeafRef { log, seq, index };
        let Some(row_key) = self.row_key(&at)? else { return Ok(()) };
        let Some(row) = self.read::<FacetRow>(&row_key.bytes())? else { return Ok(()) };
        let Some((opening, _)) = self.dossiers.get(&row_key.compartment) else { return Ok(()) };
        let row = self.evaluate(&opening.clone(), &row.leaves)?;
        self.put(&row_key.bytes(), codec::to_bytes(&row))
    }

    fn row_key(&self, at: &LeafRef) -> Result<Option<keys::FacetKey>, Refusal> {
        let LeafRef { log, seq, index } = at;
        let held = |log: &LogId| self.logs.get(log).filter(|state| *seq < state.height).is_some();
        if !held(log) {
            return Ok(None);
        }
        let bundle = self.bundle(log, *seq)?;
        let leaf = bundle.leaves.get(usize::from(*index));
        let opening = self.dossiers.get(&bundle.header.compartment).map(|(opening, _)| opening);
        Ok(leaf.zip(opening).map(|(leaf, opening)| {
            let (record, turn) = leaf.place();
            opening.facet_key(bundle.header.compartment, record, turn)
        }))
    }

    /// The other nodes of this org that act for it now.
    pub(crate) fn siblings(&self) -> impl Iterator<Item = &PublicKey> {
        let me = self.node_key();
        self.directory.acting_nodes(self.me.party.org, self.now).filter(move |node| **node != me)
    }
}
