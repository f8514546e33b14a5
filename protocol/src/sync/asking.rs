//! What is asked for from whom: of all who offer a log one sends it, and a peer that does not move is
//! not waited for.

use std::collections::BTreeMap;

use crate::id::{CompartmentId, LogId, PublicKey};
use crate::message::Frame;
use crate::mutation::{Law, broken};
use crate::refusal::Refusal;
use crate::replica::{Conn, Replica};
use crate::session::{Offer, Session};
use crate::sync::PATIENCE_MS;
use crate::time::Millis;

/// How long what was settled is believed, in ms.
const BELIEF_MS: Millis = 24 * 60 * 60 * 1000;

impl Replica {
    /// Begins to compare log by log what was settled with a peer; false if it is not yet time to.
    /// Should two nodes ever both believe wrongly that nothing is missing, they do not for long.
    pub(super) fn begin_comparing(&mut self, node: &PublicKey) -> bool {
        let Some(peer) = self.peers.get_mut(node) else { return false };
        let due = self.now.saturating_sub(peer.compared) >= BELIEF_MS;
        if due {
            peer.compared = self.now;
        }
        due && !broken(Law::CompareAgain)
    }

    /// Asks for the heights of everything that was settled long ago with whoever is connected.
    pub(crate) fn compare_again(&mut self) -> Result<(), Refusal> {
        let met = |(conn, s): (&Conn, &Session)| s.asked.is_some().then_some((*conn, s.node));
        for (conn, node) in self.sessions.iter().filter_map(met).collect::<Vec<_>>() {
            if self.begin_comparing(&node) {
                self.store_peer(&node)?;
                let settled = self.peers.get(&node).map(|peer| peer.settled.keys().copied());
                let shares = settled.into_iter().flatten().collect();
                self.send(conn, &Frame::Ask { shares, settled: Vec::new() });
            }
        }
        Ok(())
    }

    /// Asks for offered logs that nobody else is sending. Who has less of a log than this peer is
    /// not waited for: it may never get more.
    pub(crate) fn request(&mut self, conn: Conn) {
        let Some(session) = self.sessions.get(&conn) else { return };
        let mut wants = Vec::new();
        for (log, offer) in &session.offers {
            let sends = |other: &&Session| {
                let height = other.offers.get(log).map_or(0, |offer| offer.height.height);
                other.wanted.contains(log) && height >= offer.height.height
            };
            if !self.sessions.values().any(|other| sends(&other))
                && !session.stalled.contains_key(log)
            {
                wants.push(*log);
            }
        }
        for log in wants {
            let wanting = |(other, s): (&Conn, &Session)| s.wanted.contains(&log).then_some(*other);
            for other in self.sessions.iter().filter_map(wanting).collect::<Vec<_>>() {
                if let Some(session) = self.sessions.get_mut(&other) {
                    session.wanted.remove(&log);
                }
                self.send(other, &Frame::Stop { log });
            }
            self.want(conn, log);
        }
    }

    /// Asks everybody again: what one does not send, another may.
    pub(crate) fn request_of_all(&mut self) {
        for conn in self.sessions.keys().copied().collect::<Vec<_>>() {
            self.request(conn);
        }
    }

    fn want(&mut self, conn: Conn, log: LogId) {
        let from = self.logs.get(&log).map_or(0, |state| state.height);
        if let Some(session) = self.sessions.get_mut(&conn) {
            session.wanted.insert(log);
            if let Some(offer) = session.offers.get_mut(&log) {
                offer.asked = self.now;
            }
        }
        self.send(conn, &Frame::Want { log, from });
    }

    /// A peer may offer what it never sends. Who was asked and has not moved for a while is told
    /// to stop, and whoever was asked longest ago, or never, is asked.
    pub(crate) fn ask_others(&mut self) {
        let mut late: BTreeMap<LogId, (Millis, Conn)> = BTreeMap::new();
        for (conn, session) in &self.sessions {
            for (log, offer) in &session.offers {
                let waited = self.now.saturating_sub(offer.since) >= PATIENCE_MS;
                if waited && !session.stalled.contains_key(log) {
                    let first = late.entry(*log).or_insert((offer.asked, *conn));
                    *first = (*first).min((offer.asked, *conn));
                }
            }
        }
        for (log, (_, conn)) in late {
            let mut slow = Vec::new();
            for (other, session) in &mut self.sessions {
                if let Some(offer) = session.offers.get_mut(&log) {
                    offer.since = self.now;
                }
                if *other != conn && session.wanted.remove(&log) {
                    slow.push(*other);
                }
            }
            for other in slow {
                self.send(other, &Frame::Stop { log });
            }
            if self.sessions.get(&conn).is_some_and(|s| !s.wanted.contains(&log)) {
                self.want(conn, log);
            }
        }
    }

    /// A bundle of a log was taken, or was known.
    pub(super) fn taken(&mut self, conn: Conn, log: LogId) {
        let height = self.logs.get(&log).map_or(0, |state| state.height);
        for (other, session) in &mut self.sessions {
            if let Some(offer) = session.offers.get_mut(&log) {
                offer.since = self.now;
            }
            // Whoever offered it is told that it is here, whoever sent it.
            if session.offers.get(&log).is_some_and(|offer| offer.height.height <= height) {
                session.offers.remove(&log);
                session.taken.insert(log);
            } else if *other == conn {
                session.taken.insert(log);
            }
        }
    }

    /// A log waits for something that this peer cannot help with.
    pub(super) fn stall(&mut self, conn: Conn, log: LogId, why: &'static str) {
        if let Some(session) = self.sessions.get_mut(&conn) {
            session.wanted.remove(&log);
            session.stalled.insert(log, why);
        }
        self.send(conn, &Frame::Stop { log });
    }

    /// What was deleted nobody sends here any more: should it be offered again, it is asked for anew.
    pub(crate) fn ask_no_more(&mut self, compartment: &CompartmentId, held: &[LogId]) {
        let mut sent = Vec::new();
        for (conn, session) in &mut self.sessions {
            let of = |(log, offer): (&LogId, &Offer)| {
                (offer.height.compartment == *compartment).then_some(*log)
            };
            let logs: Vec<LogId> =
                session.offers.iter().filter_map(of).chain(held.iter().copied()).collect();
            for log in logs {
                session.offers.remove(&log);
                session.stalled.remove(&log);
                if !broken(Law::AskNoMore) && session.wanted.remove(&log) {
                    sent.push((*conn, log));
                }
            }
        }
        for (conn, log) in sent {
            self.send(conn, &Frame::Stop { log });
        }
    }

    /// Asks again for logs that were held up for a reason that is gone.
    pub(crate) fn take_up_again(&mut self, reason: &str) {
        for session in self.sessions.values_mut() {
            session.stalled.retain(|_, why| *why != reason);
        }
        self.request_of_all();
    }
}
