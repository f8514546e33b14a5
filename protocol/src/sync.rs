//! Moving the data of an open session: statements by cursor, bundles on request. The receiver
//! asks, the sender keeps a window of unacknowledged bytes, so that a slow peer holds up nobody.

use std::collections::BTreeSet;

use crate::audit;
use crate::bundle::Verified;
use crate::id::{CompartmentId, LogId, Nonce, OrgId, ShareId};
use crate::ingest::Hold;
use crate::keys;
use crate::message::{Blob, Frame, Height, ShareDigest};
use crate::mutation::{Law, broken};
use crate::refusal::Refusal;
use crate::replica::{Conn, Replica};
use crate::session::{Offer, Session, Stage};
use crate::statement::Nonce32;
use crate::store::Store;
use crate::time::Millis;

mod announce;
mod asking;

/// Bytes of bundles on their way to one peer and not acknowledged.
const WINDOW_BYTES: usize = 2 * 1024 * 1024;
/// Why a log waits that this org has not approved: nothing is wrong, and no peer can help.
pub(crate) const APPROVAL: &str = "approval";
/// A frame of bundles or statements is closed when it has this many bytes.
const FRAME_BYTES: usize = 256 * 1024;
/// Logs in one frame of heights: it stays well below the largest frame.
const FRAME_LOGS: usize = 4096;
/// Logs that one peer may offer or want at a time.
pub(crate) const MAX_LOGS: usize = 16 * 1024;
/// How long whoever was asked for a log may take to move before another is asked, in ms.
pub(crate) const PATIENCE_MS: Millis = 10 * 1000;

impl Replica {
    pub(crate) fn on_hello(&mut self, conn: Conn, store: Nonce) -> Result<(), Refusal> {
        let Some(session) = self.sessions.get_mut(&conn) else { return Ok(()) };
        session.stage = Stage::Open;
        let node = session.node;
        let lost = !self.has_parked(&node);
        let peer = self.peers.entry(node).or_default();
        if peer.parked && lost {
            // What waited in memory is gone with the process, or was too much: say it again.
            peer.heard = 0;
            peer.parked = false;
        }
        if peer.store != Some(store) {
            // Another store than last time: what was counted there says nothing about this one.
            peer.store = Some(store);
            peer.heard = 0;
            peer.told = 0;
            peer.desk = 0;
            peer.settled.clear();
            for log in self.stored_logs(&node)? {
                self.remove(&keys::stored_at(&node, &log))?;
            }
        }
        self.store_peer(&node)?;
        let cursor = self.peers.get(&node).map_or(0, |peer| peer.heard);
        self.recall(conn);
        self.send(conn, &Frame::Resume { cursor });
        self.ask_desk(conn);
        Ok(())
    }

    pub(crate) fn on_resume(&mut self, conn: Conn, cursor: u64) -> Result<(), Refusal> {
        let Some(session) = self.sessions.get_mut(&conn) else { return Ok(()) };
        let node = session.node;
        let due = self.peers.get(&node).map_or(0, |peer| peer.due);
        session.sent = cursor.min(due);
        session.resumed = true;
        if let Some(peer) = self.peers.get_mut(&node) {
            peer.told = cursor.min(due);
        }
        self.store_peer(&node)?;
        self.tell(conn)
    }

    /// Sends what is due of the outbox; when all is acknowledged, says what may be served.
    pub(crate) fn tell(&mut self, conn: Conn) -> Result<(), Refusal> {
        let Some(session) = self.sessions.get(&conn) else { return Ok(()) };
        let (node, sent, announcing) = (session.node, session.sent, session.announcing);
        let Some(peer) = self.peers.get(&node) else { return Ok(()) };
        let (told, due) = (peer.told, peer.due);
        if !session.resumed || told < sent {
            return Ok(());
        }
        if sent < due {
            let mut statements = Vec::new();
            let mut size = 0;
            let mut position = sent;
            while position < due && size < FRAME_BYTES {
                let id = self
                    .read(&keys::outbox(&node, position))?
                    .ok_or(Refusal::Damaged("an outbox has a gap"))?;
                let statement =
                    self.statements.get(&id).ok_or(Refusal::Damaged("a due statement is gone"))?;
                size += statement.bytes().len();
                statements.push(Blob(statement.bytes().to_vec()));
                position += 1;
            }
            if let Some(session) = self.sessions.get_mut(&conn) {
                session.sent = position;
            }
            self.send(conn, &Frame::Statements { position: sent, statements });
        } else if !announcing && (!self.is_sibling(conn) || self.has_desk(conn)) {
            if let Some(session) = self.sessions.get_mut(&conn) {
                session.announcing = true;
            }
            self.tell_forks(conn);
            self.forget_unservable(conn, self.stored_logs(&node)?)?;
            self.send_digests(conn);
        }
        Ok(())
    }

    fn send_digests(&mut self, conn: Conn) {
        let Some(org) = self.sessions.get(&conn).and_then(|s| s.org) else { return };
        let servable = self.servable(&org);
        if let Some(session) = self.sessions.get_mut(&conn) {
            let told = servable.values().flatten().map(|at| (at.log, at.height));
            session.digested = told.collect();
            session.announced = session.digested.clone();
            session.unanswered = servable.keys().copied().collect();
        }
        let shares = servable
            .into_iter()
            .map(|(share, heights)| ShareDigest { share, digest: Self::digest(&heights) })
            .collect();
        self.send(conn, &Frame::Digests { shares });
    }

    pub(crate) fn on_statements(
        &mut self,
        conn: Conn,
        position: u64,
        statements: &[Blob],
    ) -> Result<(), Refusal> {
        let Some(session) = self.sessions.get_mut(&conn) else { return Ok(()) };
        session.heard = true;
        let node = session.node;
        let heard = self.peers.get(&node).map_or(0, |peer| peer.heard);
        if position != heard {
            return Ok(());
        }
        for statement in statements {
            match self.hear(&statement.0, &node) {
                Ok(()) => {}
                Err(crate::hear::HearError::Refusal(refusal)) => return Err(refusal),
                Err(error) => {
                    self.refuse(conn, error.code());
                    return self.store_peer(&node);
                }
            }
        }
        if let Some(peer) = self.peers.get_mut(&node) {
            peer.heard += statements.len() as u64 + u64::from(broken(Law::Cursor));
        }
        self.store_peer(&node)
    }

    pub(crate) fn on_statements_stored(
        &mut self,
        conn: Conn,
        position: u64,
    ) -> Result<(), Refusal> {
        let Some(session) = self.sessions.get(&conn) else { return Ok(()) };
        let (node, sent) = (session.node, session.sent);
        if let Some(peer) = self.peers.get_mut(&node) {
            peer.told = position.min(sent);
        }
        self.store_peer(&node)?;
        self.tell(conn)?;
        match self.sessions.get(&conn).is_some_and(|session| session.unannounced) {
            true => self.announce(conn),
            false => self.feed(conn),
        }
    }

    pub(crate) fn on_digests(&mut self, conn: Conn, shares: &[ShareDigest]) -> Result<(), Refusal> {
        let Some(node) = self.sessions.get(&conn).map(|session| session.node) else {
            return Ok(());
        };
        let doubts = self.begin_comparing(&node);
        let peer = self.peers.get(&node).filter(|_| !doubts);
        let same = |at: &ShareDigest| {
            peer.is_some_and(|peer| peer.settled.get(&at.share) == Some(&at.digest))
        };
        let (settled, shares): (Vec<_>, Vec<_>) = shares.iter().partition(|at| same(at));
        let ids = |list: Vec<ShareDigest>| list.into_iter().map(|at| at.share).collect();
        let shares: Vec<ShareId> = ids(shares);
        if let Some(session) = self.sessions.get_mut(&conn) {
            session.asked = Some(shares.iter().copied().collect());
        }
        let frame = Frame::Ask { shares, settled: ids(settled) };
        self.send(conn, &frame);
        self.note_sync(conn)
    }

    pub(crate) fn on_ask(
        &mut self,
        conn: Conn,
        shares: &[ShareId],
        settled: &[ShareId],
    ) -> Result<(), Refusal> {
        let Some(session) = self.sessions.get_mut(&conn) else { return Ok(()) };
        let (node, Some(org)) = (session.node, session.org) else { return Ok(()) };
        let digested = std::mem::take(&mut session.digested);
        session.unanswered.retain(|share| !shares.contains(share) && !settled.contains(share));
        let mut servable = self.servable(&org);
        for share in settled {
            for at in servable.get(share).into_iter().flatten() {
                // What has grown since then the peer does not have yet.
                if let Some(height) = digested.get(&at.log) {
                    self.note_stored(&node, &at.log, *height, 0)?;
                }
            }
        }
        for share in shares {
            let logs = servable.remove(share).unwrap_or_default();
            let digest = Self::digest(&logs);
            self.send_heights(conn, *share, digest, &logs);
        }
        Ok(())
    }

    /// Sends heights in frames that are small enough. Only the last has the digest, and only if the
    /// peer was told the rest of the share: before that nothing is settled.
    fn send_heights(&mut self, conn: Conn, share: ShareId, digest: Nonce32, logs: &[Height]) {
        let none = Nonce32([0; 32]);
        let mut rest = logs;
        while rest.len() > FRAME_LOGS {
            let (first, later) = rest.split_at(FRAME_LOGS);
            self.send(conn, &Frame::Heights { share, digest: none, logs: first.to_vec() });
            rest = later;
        }
        let told = self.sessions.get(&conn).is_some_and(|s| !s.unanswered.contains(&share));
        let digest = if told || broken(Law::Unanswered) { digest } else { none };
        self.send(conn, &Frame::Heights { share, digest, logs: rest.to_vec() });
    }

    pub(crate) fn on_heights(
        &mut self,
        conn: Conn,
        share: ShareId,
        digest: Nonce32,
        logs: &[Height],
    ) -> Result<(), Refusal> {
        let (mut have, mut forked) = (Vec::new(), Vec::new());
        for at in logs {
            if self.goes_another_way(at)? {
                forked.push(*at);
            }
        }
        // Who has not heard of a revocation yet may offer what this org must not have any more.
        let lost: BTreeSet<CompartmentId> =
            logs.iter().map(|at| at.compartment).filter(|id| self.is_lost(id)).collect();
        self.lost.extend(lost.iter().map(|id| (*id, share)));
        let Some(session) = self.sessions.get_mut(&conn) else { return Ok(()) };
        if let Some(asked) = session.asked.as_mut().filter(|_| digest != Nonce32([0; 32])) {
            asked.remove(&share);
        }
        let own_book = share == keys::NO_SHARE && session.org == Some(self.me.party.org);
        if self.grants.opener(&share).is_none() && !own_book {
            return self.note_met(conn);
        }
        if session.offers.len() + logs.len() > MAX_LOGS {
            self.refuse(conn, "too_many_logs");
            return Ok(());
        }
        for at in logs.iter().filter(|at| !lost.contains(&at.compartment)) {
            let retired = self.dossiers.get(&at.compartment).is_some_and(|(_, d)| d.retired());
            let held = self.logs.get(&at.log).map_or(0, |log| log.height);
            if held >= at.height || retired {
                session.offers.remove(&at.log);
                have.push((at.log, held.max(at.height)));
            } else {
                let offer = Offer { share, height: *at, since: self.now, asked: 0 };
                let known = session.offers.insert(at.log, offer);
                if let (Some(known), Some(offer)) = (known, session.offers.get_mut(&at.log)) {
                    (offer.since, offer.asked) = (known.since, known.asked);
                }
            }
        }
        session.settling.insert(share, digest);
        session.wanted.extend(forked.iter().map(|at| at.log));
        for at in forked {
            self.send(conn, &Frame::Want { log: at.log, from: at.height - 1 });
        }
        for (log, height) in have {
            self.send(conn, &Frame::Stored { log, height });
        }
        self.request(conn);
        self.conclude(conn)
    }

    /// Whether a peer has another bundle than this node at a place of a log: with both of them the
    /// fork is proved, though neither is ever continued.
    fn goes_another_way(&self, at: &Height) -> Result<bool, Refusal> {
        let Some(state) = self.logs.get(&at.log) else { return Ok(false) };
        let unknown = at.height == 0 || at.head == Nonce32([0; 32]);
        if unknown || at.height > state.height.min(self.unforked(&at.log)) || broken(Law::Heads) {
            return Ok(false);
        }
        let head = match state.height == at.height {
            true => state.head,
            false => Nonce32(self.bundle(&at.log, at.height - 1)?.header.id().0),
        };
        Ok(head != at.head)
    }

    pub(crate) fn on_want(&mut self, conn: Conn, log: LogId, from: u64) -> Result<(), Refusal> {
        let Some(session) = self.sessions.get_mut(&conn) else { return Ok(()) };
        if session.streams.len() >= MAX_LOGS {
            self.refuse(conn, "too_many_logs");
            return Ok(());
        }
        session.streams.insert(log, from);
        let node = session.node;
        self.note_asked(&node, &log, from)?;
        self.feed(conn)
    }

    pub(crate) fn on_stop(&mut self, conn: Conn, log: LogId) -> Result<(), Refusal> {
        if let Some(session) = self.sessions.get_mut(&conn) {
            session.streams.remove(&log);
            session.flight.retain(|(flying, _, _)| *flying != log);
            session.flight_bytes = session.flight.iter().map(|(_, _, size)| size).sum();
        }
        self.feed(conn)
    }

    /// Whether all that is due to a peer was sent. That goes before bundles, as whoever passes them on
    /// must know to whom no longer; and before heights, which say nothing to whom a share is unknown.
    fn has_said_all(&self, session: &Session) -> bool {
        session.sent >= self.peers.get(&session.node).map_or(0, |peer| peer.due)
    }

    /// Sends bundles while the window has room. Permission is asked again for every log.
    pub(crate) fn feed(&mut self, conn: Conn) -> Result<(), Refusal> {
        let Some(session) = self.sessions.get(&conn) else { return Ok(()) };
        let Some(org) = session.org else { return Ok(()) };
        if !self.has_said_all(session) {
            return Ok(());
        }
        let streams: Vec<LogId> = session.streams.keys().copied().collect();
        let (mut frame, mut ranges, mut gone) = (Vec::new(), Vec::new(), Vec::new());
        let mut size = 0;
        for log in streams {
            let Some(state) = self.logs.get(&log) else {
                gone.push((log, true));
                continue;
            };
            let retired = self.dossiers.get(&state.compartment).is_none_or(|(_, d)| d.retired());
            if retired || !self.access().may_serve(&org, &state.compartment, self.now) {
                gone.push((log, true));
                continue;
            }
            let end = self.counted_height(&log, state);
            // What was offered before a cut or a fork and lies above it cannot be had any more.
            let shortened = end < state.height || self.forks.contains_key(&log);
            loop {
                let Some(session) = self.sessions.get_mut(&conn) else { return Ok(()) };
                let next = session.streams.get(&log).copied().unwrap_or(u64::MAX);
                if next >= end && shortened {
                    gone.push((log, false));
                }
                if next >= end || session.flight_bytes >= WINDOW_BYTES {
                    break;
                }
                let bytes = self
                    .store
                    .get(&keys::bundle(&log, next))?
                    .ok_or(Refusal::Damaged("a bundle is missing"))?;
                session.streams.insert(log, next + 1);
                session.flight.push_back((log, next, bytes.len()));
                session.flight_bytes += bytes.len();
                if size > 0 && size + bytes.len() > FRAME_BYTES {
                    let bundles = std::mem::take(&mut frame);
                    size = 0;
                    self.serve(conn, bundles, std::mem::take(&mut ranges))?;
                }
                size += bytes.len();
                audit::extend(&mut ranges, log, next, &bytes);
                frame.push(Blob(bytes));
            }
        }
        if !frame.is_empty() {
            self.serve(conn, frame, ranges)?;
        }
        for (log, may_come_back) in gone {
            if let Some(session) = self.sessions.get_mut(&conn) {
                session.streams.remove(&log);
                if may_come_back {
                    session.announced.remove(&log);
                }
            }
            if !broken(Law::Gone) {
                self.send(conn, &Frame::Gone { log });
            }
        }
        Ok(())
    }

    /// The peer does not have a log any more, or must not serve it: others may.
    pub(crate) fn on_gone(&mut self, conn: Conn, log: LogId) -> Result<(), Refusal> {
        if let Some(session) = self.sessions.get_mut(&conn) {
            session.offers.remove(&log);
            session.wanted.remove(&log);
            session.stalled.remove(&log);
        }
        self.request_of_all();
        self.conclude(conn)
    }

    pub(crate) fn on_bundles(&mut self, conn: Conn, bundles: Vec<Blob>) -> Result<(), Refusal> {
        let mut refused = false;
        for Blob(bytes) in bundles {
            let Some(session) = self.sessions.get(&conn) else { return Ok(()) };
            let org = session.org;
            let Ok(verified) = Verified::open(&bytes) else {
                self.refuse(conn, "bundle_refused");
                return Ok(());
            };
            let log = verified.log();
            if !session.wanted.contains(&log) {
                continue;
            }
            let hold = match self.is_lost(&verified.header().compartment) {
                true => Err(Hold::Refused("grant_ended")),
                false => self.authorise(&verified, org.as_ref()),
            };
            match hold {
                Ok(authorised) => {
                    self.meet_own_log(verified.header())?;
                    self.apply(verified, authorised)?;
                    self.taken(conn, log);
                }
                Err(Hold::Known) => {
                    self.compare(&verified)?;
                    self.taken(conn, log);
                }
                // The one before it differs from ours: that one is the proof of a fork.
                Err(Hold::Predecessor) => {
                    let from = verified.header().seq.saturating_sub(1);
                    self.send(conn, &Frame::Want { log, from });
                }
                Err(Hold::Waiting(why)) => self.stall(conn, log, why),
                Err(Hold::Refused(_)) => {
                    if let Some(session) = self.sessions.get_mut(&conn) {
                        session.offers.remove(&log);
                        session.wanted.remove(&log);
                    }
                    refused = true;
                    self.send(conn, &Frame::Stop { log });
                }
            }
        }
        if refused && !broken(Law::AskTheRest) {
            self.request_of_all();
        }
        for other in self.sessions.keys().copied().collect::<Vec<_>>() {
            self.conclude(other)?;
        }
        Ok(())
    }

    /// Settles every share of which nothing is offered any more.
    pub(crate) fn conclude(&mut self, conn: Conn) -> Result<(), Refusal> {
        let Some(session) = self.sessions.get_mut(&conn) else { return Ok(()) };
        let offered = session.offers.values().map(|offer| offer.share);
        let open: BTreeSet<ShareId> = offered.chain(self.lost.values().copied()).collect();
        let done: Vec<ShareId> =
            session.settling.keys().filter(|share| !open.contains(share)).copied().collect();
        if done.is_empty() {
            return self.note_met(conn);
        }
        let node = session.node;
        for share in done {
            let digest = session.settling.remove(&share);
            if let (Some(peer), Some(digest)) = (self.peers.get_mut(&node), digest) {
                peer.settled.insert(share, digest);
            }
        }
        self.note_sync(conn)
    }

    fn note_sync(&mut self, conn: Conn) -> Result<(), Refusal> {
        let Some(session) = self.sessions.get(&conn) else { return Ok(()) };
        let (node, settled) = (session.node, session.offers.is_empty());
        if settled && let Some(peer) = self.peers.get_mut(&node) {
            peer.last_sync = self.now;
        }
        self.store_peer(&node)?;
        self.note_met(conn)
    }

    pub(crate) fn on_stored(&mut self, conn: Conn, log: LogId, height: u64) -> Result<(), Refusal> {
        let Some(session) = self.sessions.get_mut(&conn) else { return Ok(()) };
        session.flight.retain(|(flying, seq, _)| *flying != log || *seq >= height);
        session.flight_bytes = session.flight.iter().map(|(_, _, size)| size).sum();
        let (node, sent) = (session.node, session.streams.get(&log).copied().unwrap_or(0));
        self.note_stored(&node, &log, height, sent)?;
        self.feed(conn)
    }

    /// Logs that wait for something before they can be taken, with the reason.
    pub fn stalled(&self) -> Vec<(OrgId, &'static str)> {
        let sessions = self.sessions.values().filter_map(|s| Some((s.org?, s)));
        sessions.flat_map(|(org, s)| s.stalled.values().map(move |why| (org, *why))).collect()
    }

    /// How many logs are on their way here or wait for something else than a person.
    pub fn unfinished(&self) -> u64 {
        let asks = |session: &Session, log: &LogId| session.stalled.get(log) == Some(&APPROVAL);
        let of_session = |s: &Session| {
            let offers = s.offers.keys().filter(|log| !asks(s, log)).count();
            offers + s.stalled.values().filter(|why| **why != APPROVAL).count()
        };
        self.sessions.values().map(|session| of_session(session) as u64).sum()
    }
}
