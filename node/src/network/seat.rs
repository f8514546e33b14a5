//! What the switchboard keeps of a connection and of a peer, and when a connection is overdue.
//! Data and deadlines only; it ends nothing by itself.

use std::{sync::Arc, time::Duration};

use libp2p::{Multiaddr, Stream, swarm::ConnectionId};
use tokio::{task::Id, time::Instant};

use super::{CloseReason, PeerKey, session::Link};

/// Without an answer for this long a connection is dead. Counted here, because the ping protocol
/// forgives its first failure and would take twice as long.
const SILENCE_MAX: Duration = Duration::from_secs(15);

/// A libp2p connection, whether or not its stream is in use.
pub struct Connection {
    pub peer: PeerKey,
    /// Whether this node dialed it.
    pub dialer: bool,
    pub address: Multiaddr,
    /// When it is dropped for not being admitted.
    pub gate_until: Option<Instant>,
    /// When it is dropped for not answering.
    answer_until: Instant,
    /// Whether its stream was open.
    pub answered: bool,
    /// Whether it is on its way out, and its session with it.
    pub ending: bool,
}

impl Connection {
    /// A connection that was established at `now`.
    pub fn new(
        peer: PeerKey,
        dialer: bool,
        address: Multiaddr,
        now: Instant,
        gate_until: Instant,
    ) -> Self {
        Self {
            peer,
            dialer,
            address,
            gate_until: Some(gate_until),
            answer_until: now + SILENCE_MAX,
            answered: false,
            ending: false,
        }
    }

    /// The peer answered a ping.
    pub fn heard(&mut self, now: Instant) {
        self.answer_until = now + SILENCE_MAX;
    }

    /// When it is overdue unless something happens; `None` if it is ending anyway.
    pub fn deadline(&self) -> Option<Instant> {
        if self.ending {
            return None;
        }
        Some(self.gate_until.map_or(self.answer_until, |gate| gate.min(self.answer_until)))
    }

    /// Why it has to end at `now`, if it has to.
    pub fn overdue(&self, now: Instant) -> Option<CloseReason> {
        self.deadline().filter(|at| *at <= now)?;
        if self.answer_until <= now {
            Some(CloseReason::Silent)
        } else {
            Some(CloseReason::NotAdmitted)
        }
    }
}

/// The place of one peer: the session that the engine sees, and a stream that may follow it.
pub struct Seat {
    pub session: Arc<Link>,
    pub task: Id,
    pub next: Option<Next>,
}

/// A stream that follows a session of the same peer.
pub struct Next {
    pub connection: ConnectionId,
    pub stream: Stream,
    /// When the session is ended in favour of this stream; `None` if it is ending already.
    pub wait_until: Option<Instant>,
}
