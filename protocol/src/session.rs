//! One peer's session: gate, then statements by outbox and cursor, then digests, heights and
//! bundles, which the receiver asks for. Phases and what each keeps; `sync.rs` moves the data.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::codec;
use crate::gate::GateError;
use crate::id::{CompartmentId, LogId, OrgId, PublicKey, ShareId};
use crate::keys;
use crate::message::{Approach, Frame, Height, MAX_FRAME_BYTES, MAX_GATE_BYTES, VERSION};
use crate::pairing::Welcomed;
use crate::refusal::Refusal;
use crate::replica::{Conn, Effect, Replica};
use crate::statement::Nonce32;
use crate::time::Millis;

/// Where a session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The peer has not shown itself.
    Gate,
    /// Between gate and session while two orgs pair.
    Pairing,
    /// Let in; waiting for `Hello`.
    Greeting,
    /// Statements and bundles flow.
    Open,
}

/// A log the peer offers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Offer {
    pub share: ShareId,
    pub height: Height,
    /// When the log last moved, ms.
    pub since: Millis,
    /// When this peer was asked for it, ms; 0 if never.
    pub asked: Millis,
}

/// One connection's state; gone when it closes.
#[derive(Debug)]
pub(crate) struct Session {
    pub node: PublicKey,
    pub org: Option<OrgId>,
    pub dialer: bool,
    pub stage: Stage,
    pub welcomed: Option<Welcomed>,
    /// Positions of our outbox sent; acknowledged ones are in `Peer::told`.
    pub sent: u64,
    /// Whether the peer has said from where to resume.
    pub resumed: bool,
    /// Whether our digests were sent; from then on changes are announced.
    pub announcing: bool,
    /// How far each log went when our digests were sent: all that `settled` can mean.
    pub digested: BTreeMap<LogId, u64>,
    /// Shares of our digests that the peer has not answered: it may lack anything of them.
    pub unanswered: BTreeSet<ShareId>,
    /// How far the peer was told of each log.
    pub announced: BTreeMap<LogId, u64>,
    /// Whether logs grew of which the peer was not told, as something else goes first.
    pub unannounced: bool,
    /// From which position of our desk a sibling waits for more.
    pub desk_wanted: Option<u64>,
    /// Whether entries of a sibling's desk were taken since the last acknowledgement.
    pub desk_heard: bool,
    /// Shares whose heights the peer was asked for and has not told; none before its digests came.
    pub asked: Option<BTreeSet<ShareId>>,
    /// Statements taken since the last acknowledgement.
    pub heard: bool,
    /// Logs the peer wants, with the next seq to send.
    pub streams: BTreeMap<LogId, u64>,
    /// Bundles sent and not acknowledged.
    pub flight: VecDeque<(LogId, u64, usize)>,
    pub flight_bytes: usize,
    /// What the peer offers that is not all here.
    pub offers: BTreeMap<LogId, Offer>,
    /// Logs asked for from this peer.
    pub wanted: BTreeSet<LogId>,
    /// Logs that wait for something, with the reason.
    pub stalled: BTreeMap<LogId, &'static str>,
    /// Digests that will be settled when nothing of the share is offered any more.
    pub settling: BTreeMap<ShareId, Nonce32>,
    /// Logs taken since the last acknowledgement.
    pub taken: BTreeSet<LogId>,
}

impl Session {
    fn new(node: PublicKey, dialer: bool) -> Self {
        Self {
            node,
            org: None,
            dialer,
            stage: Stage::Gate,
            welcomed: None,
            sent: 0,
            resumed: false,
            announcing: false,
            digested: BTreeMap::new(),
            unanswered: BTreeSet::new(),
            announced: BTreeMap::new(),
            unannounced: false,
            desk_wanted: None,
            desk_heard: false,
            asked: None,
            heard: false,
            streams: BTreeMap::new(),
            flight: VecDeque::new(),
            flight_bytes: 0,
            offers: BTreeMap::new(),
            wanted: BTreeSet::new(),
            stalled: BTreeMap::new(),
            settling: BTreeMap::new(),
            taken: BTreeSet::new(),
        }
    }

    /// Whether statements and bundles flow.
    pub fn is_open(&self) -> bool {
        self.stage == Stage::Open
    }
}

impl Replica {
    /// A connection was opened; the dialler speaks first.
    pub fn opened(&mut self, conn: Conn, node: PublicKey, dialer: bool) -> Result<(), Refusal> {
        self.sessions.insert(conn, Session::new(node, dialer));
        if !dialer {
            return Ok(());
        }
        let approach = if self.is_accepting(&node) {
            self.invited_approach()
        } else {
            // Anybody may certify anybody's node: what fits any of its orgs will do.
            let orgs = self.directory.certificates(&node).iter().map(|c| c.org);
            let paired = |org: &OrgId| {
                *org == self.me.party.org || self.partners.get(org).is_some_and(|p| p.paired)
            };
            let approaches = orgs.filter(|org| !paired(org)).map(|org| self.approach(&org));
            let known = self.directory.certificates(&node).iter().any(|c| paired(&c.org));
            let mut introductions = approaches.filter(|a| *a != Approach::Known);
            let introduced = introductions.next().filter(|_| !known);
            Some(introduced.unwrap_or(Approach::Known))
        };
        match approach {
            Some(approach) => {
                let frame = self.gate_frame(approach);
                self.send(conn, &frame);
            }
            None => self.refuse(conn, "no_profile"),
        }
        Ok(())
    }

    /// A connection is gone.
    pub fn closed(&mut self, conn: Conn) -> Result<(), Refusal> {
        self.sessions.remove(&conn);
        self.request_of_all();
        Ok(())
    }

    /// A frame has come. Anything that is not exactly what the protocol allows ends the connection.
    pub fn frame(&mut self, conn: Conn, bytes: &[u8]) -> Result<(), Refusal> {
        let Some(session) = self.sessions.get(&conn) else { return Ok(()) };
        let limit = if session.stage == Stage::Gate { MAX_GATE_BYTES } else { MAX_FRAME_BYTES };
        let Ok(frame) = codec::from_bytes::<Frame>(bytes, limit) else {
            self.refuse(conn, "frame_malformed");
            return Ok(());
        };
        let (node, stage, open) = (session.node, session.stage, session.is_open());
        let offered = session.offers.len();
        if open && !self.keeps_pace(&node, &frame, offered) {
            self.refuse(conn, "too_many_frames");
            return Ok(());
        }
        match frame {
            Frame::Gate { certificate, rotations, approach } => {
                self.on_gate(conn, &certificate, &rotations, &approach)
            }
            Frame::Welcome { nonce, profile } => self.on_welcome(conn, nonce, &profile),
            Frame::Reveal { nonce } => self.on_reveal(conn, nonce),
            Frame::Paired if stage == Stage::Pairing => self.on_paired(conn),
            Frame::Hello { version, store } if stage == Stage::Greeting => {
                if version != VERSION {
                    self.refuse(conn, "version");
                    return Ok(());
                }
                self.on_hello(conn, store)
            }
            // A newcomer may greet while the inviter's admin has still to approve it.
            Frame::Hello { .. } if stage == Stage::Pairing => Ok(()),
            Frame::Resume { cursor } if open => self.on_resume(conn, cursor),
            Frame::Statements { position, statements } if open => {
                self.on_statements(conn, position, &statements)
            }
            Frame::StatementsStored { position } if open => {
                self.on_statements_stored(conn, position)
            }
            Frame::Digests { shares } if open => self.on_digests(conn, &shares),
            Frame::Ask { shares, settled } if open => self.on_ask(conn, &shares, &settled),
            Frame::Heights { share, digest, logs } if open => {
                self.on_heights(conn, share, digest, &logs)
            }
            Frame::Want { log, from } if open => self.on_want(conn, log, from),
            Frame::Bundles { bundles } if open => self.on_bundles(conn, bundles),
            Frame::Stored { log, height } if open => self.on_stored(conn, log, height),
            Frame::Stop { log } if open => self.on_stop(conn, log),
            Frame::Fork { proof } if open => self.on_fork(conn, *proof),
            Frame::Gone { log } if open => self.on_gone(conn, log),
            Frame::Recall if open => self.on_recall(conn),
            Frame::DeskWant { from } if open => self.on_desk_want(conn, from),
            Frame::Desk { from, next, entries } if open => self.on_desk(conn, from, next, entries),
            Frame::Refused { code } => {
                self.sessions.remove(&conn);
                if code == GateError::BadInvite.code() {
                    self.on_invite_refused(&node);
                }
                self.effect(Effect::Close { conn, code: "peer_refused" });
                Ok(())
            }
            Frame::Paired
            | Frame::Hello { .. }
            | Frame::Resume { .. }
            | Frame::Statements { .. }
            | Frame::StatementsStored { .. }
            | Frame::Digests { .. }
            | Frame::Ask { .. }
            | Frame::Heights { .. }
            | Frame::Want { .. }
            | Frame::Bundles { .. }
            | Frame::Stored { .. }
            | Frame::Stop { .. }
            | Frame::Fork { .. }
            | Frame::Recall
            | Frame::DeskWant { .. }
            | Frame::Desk { .. }
            | Frame::Gone { .. } => {
                self.refuse(conn, "frame_unexpected");
                Ok(())
            }
        }
    }

    pub(crate) fn send(&mut self, conn: Conn, frame: &Frame) {
        self.effect(Effect::Send { conn, frame: codec::to_bytes(frame) });
    }

    /// Tells the peer why, and ends the connection.
    pub(crate) fn refuse(&mut self, conn: Conn, code: &'static str) {
        self.send(conn, &Frame::Refused { code: code.to_owned() });
        self.sessions.remove(&conn);
        self.effect(Effect::Close { conn, code });
    }

    /// Connections on which statements and bundles flow.
    pub(crate) fn open_sessions(&self) -> Vec<Conn> {
        self.sessions.iter().filter(|(_, s)| s.is_open()).map(|(conn, _)| *conn).collect()
    }

    pub(crate) fn connections_of(&self, node: &PublicKey) -> Vec<Conn> {
        self.sessions.iter().filter(|(_, s)| s.node == *node).map(|(conn, _)| *conn).collect()
    }

    pub(crate) fn close_sessions_with(&mut self, node: &PublicKey, code: &'static str) {
        for conn in self.connections_of(node) {
            self.refuse(conn, code);
        }
    }

    pub(crate) fn close_sessions(&mut self, org: &OrgId, code: &'static str) {
        let conns: Vec<Conn> =
            self.sessions.iter().filter(|(_, s)| s.org == Some(*org)).map(|(c, _)| *c).collect();
        for conn in conns {
            self.refuse(conn, code);
        }
    }

    pub(crate) fn set_stage(&mut self, conn: Conn, stage: Stage) {
        if let Some(session) = self.sessions.get_mut(&conn) {
            session.stage = stage;
        }
    }

    /// The peer is let in: begins the session.
    pub(crate) fn greet(&mut self, conn: Conn) {
        self.set_stage(conn, Stage::Greeting);
        let store = self.store_id;
        self.send(conn, &Frame::Hello { version: VERSION, store });
    }

    /// Remembers whose node a peer is.
    pub(crate) fn know_peer(&mut self, node: &PublicKey, org: OrgId) -> Result<(), Refusal> {
        let peer = self.peers.entry(*node).or_default();
        if peer.org != Some(org) {
            peer.org = Some(org);
            self.store_peer(node)?;
        }
        if org == self.me.party.org {
            self.open_desk()?;
        }
        self.dirty.statements = true;
        Ok(())
    }

    pub(crate) fn store_peer(&mut self, node: &PublicKey) -> Result<(), Refusal> {
        let Some(peer) = self.peers.get(node) else { return Ok(()) };
        let bytes = codec::to_bytes(peer);
        self.put(&keys::peer(node), bytes)
    }

    /// Our digest over heights, as both sides compute it.
    pub(crate) fn digest(heights: &[Height]) -> Nonce32 {
        let mut all = Vec::with_capacity(heights.len() * 72);
        for at in heights {
            all.extend_from_slice(&at.log.0);
            all.extend_from_slice(&at.height.to_be_bytes());
            all.extend_from_slice(&at.head.0);
        }
        Nonce32(crate::id::hash("entente/heights/1", &[&all]))
    }

    /// Heights of everything that may be served to an org now, by share, sorted by log.
    pub(crate) fn servable(&self, org: &OrgId) -> BTreeMap<ShareId, Vec<Height>> {
        let access = self.access();
        let mut may: BTreeMap<CompartmentId, bool> = BTreeMap::new();
        let mut shares: BTreeMap<ShareId, Vec<Height>> = BTreeMap::new();
        for (log, state) in &self.logs {
            let id = state.compartment;
            let Some((opening, dossier)) = self.dossiers.get(&id) else { continue };
            let share = opening.share.unwrap_or(keys::NO_SHARE);
            let may = *may
                .entry(id)
                .or_insert_with(|| !dossier.retired() && access.may_serve(org, &id, self.now));
            if !may {
                continue;
            }
            let height = self.counted_height(log, state);
            if height == 0 {
                continue;
            }
            // A cut log's head is told as zero: the receiver knows the bundles by their ids.
            let head = if height == state.height { state.head } else { Nonce32([0; 32]) };
            let at = Height { compartment: id, log: *log, height, head };
            shares.entry(share).or_default().push(at);
        }
        shares
    }
}
