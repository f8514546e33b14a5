//! What a commit makes known: acknowledgements, statements that became due, logs that grew.

use crate::id::LogId;
use crate::keys;
use crate::message::Frame;
use crate::mutation::{Law, broken};
use crate::refusal::Refusal;
use crate::replica::{Conn, Replica};

impl Replica {
    /// With a commit: acknowledges what it makes durable, tells and announces what is new.
    pub(crate) fn follow_up(&mut self) -> Result<(), Refusal> {
        self.ask_for_lost();
        let changed = (std::mem::take(&mut self.dirty.audiences) && !broken(Law::Announce))
            | !std::mem::take(&mut self.dirty.logs).is_empty();
        for conn in self.open_sessions() {
            self.acknowledge(conn)?;
            self.feed_desk(conn)?;
            self.tell(conn)?;
            if changed {
                self.announce(conn)?;
            }
        }
        Ok(())
    }

    fn acknowledge(&mut self, conn: Conn) -> Result<(), Refusal> {
        let Some(session) = self.sessions.get_mut(&conn) else { return Ok(()) };
        let (node, heard) = (session.node, std::mem::take(&mut session.heard));
        let taken = std::mem::take(&mut session.taken);
        let desk = std::mem::take(&mut session.desk_heard);
        if heard {
            let position = self.peers.get(&node).map_or(0, |peer| peer.heard);
            self.send(conn, &Frame::StatementsStored { position });
            // New statements may be what stalled logs were waiting for.
            self.sessions.values_mut().for_each(|session| session.stalled.clear());
            self.request_of_all();
        }
        if desk {
            self.ask_desk(conn);
        }
        for log in taken {
            let height = self.logs.get(&log).map_or(0, |state| state.height);
            self.send(conn, &Frame::Stored { log, height });
        }
        Ok(())
    }

    /// Tells the peer of logs that grew, and of those it may read since somebody said so.
    pub(super) fn announce(&mut self, conn: Conn) -> Result<(), Refusal> {
        self.feed(conn)?;
        let Some(session) = self.sessions.get(&conn) else { return Ok(()) };
        let unannounced = !self.has_said_all(session) && !broken(Law::SaidFirst);
        let Some(session) = self.sessions.get_mut(&conn) else { return Ok(()) };
        session.unannounced = unannounced;
        if unannounced {
            return Ok(());
        }
        let (true, Some(org)) = (session.announcing, session.org) else { return Ok(()) };
        let node = session.node;
        let announced: Vec<LogId> = session.announced.keys().copied().collect();
        self.forget_unservable(conn, announced)?;
        let servable = self.servable(&org);
        for (share, heights) in servable {
            let mut logs = Vec::new();
            for at in heights.iter().copied() {
                let Some(session) = self.sessions.get_mut(&conn) else { return Ok(()) };
                if session.announced.get(&at.log).is_some_and(|told| *told >= at.height) {
                    continue;
                }
                session.announced.insert(at.log, at.height);
                // What the peer has just sent us it need not be told of.
                let known: u64 = self.read(&keys::stored_at(&node, &at.log))?.unwrap_or(0);
                if known < at.height {
                    logs.push(at);
                }
            }
            if !logs.is_empty() {
                self.send_heights(conn, share, Self::digest(&heights), &logs);
            }
        }
        Ok(())
    }
}
