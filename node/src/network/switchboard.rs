//! The task that owns the swarm: it dials wanted peers, seats at most one session per peer, and
//! ends connections that are silent or not admitted in time. Frames do not pass through it.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::StreamExt;
use libp2p::{
    Multiaddr, PeerId, Stream, Swarm,
    core::ConnectedPoint,
    identity::Keypair,
    multiaddr::Protocol,
    swarm::{
        ConnectionId, DialError, SwarmEvent,
        dial_opts::{DialOpts, PeerCondition},
    },
};
use tokio::{
    sync::mpsc,
    task::{Id, JoinError, JoinSet},
    time::{Instant, sleep_until, timeout},
};

use super::{
    CLOSE_GRACE, CloseReason, ConnId, DialFailure, Limits, NetworkError, NetworkEvent, PeerKey,
    SHUTDOWN_MAX, Shared,
    dial::{Verdict, Wanted, verdict},
    door::Answered,
    key_of_peer_id, peer_id_of,
    seat::{Connection, Next, Seat},
    session::{self, Link},
    transport::{Behaviour, BehaviourEvent, dial_failure, dialable, swarm, without_peer},
};

/// How long a connection waits that the peer dialed although another stands: see [`Verdict::Wait`].
const WAIT_MAX: Duration = Duration::from_secs(2);

const CONNECTIONS_PER_PEER_MAX: usize = 2;

/// Events of the task itself that wait for room in the channel; at this many the swarm pauses.
const OUTBOX_CAPACITY: usize = 64;

/// With nothing due, how long the task sleeps.
const IDLE_WAKE: Duration = Duration::from_secs(3600);

/// What each of the two steps of a stop gets of [`SHUTDOWN_MAX`] beside [`CLOSE_GRACE`]; the last
/// third is slack.
const STOP_SHARE: Duration = SHUTDOWN_MAX.saturating_sub(CLOSE_GRACE).checked_div(3).unwrap();

static NEXT_CONN: AtomicU64 = AtomicU64::new(1);

pub(super) struct Switchboard {
    swarm: Swarm<Behaviour>,
    own: PeerKey,
    limits: Limits,
    shared: Arc<Shared>,
    events: mpsc::Sender<NetworkEvent>,
    outbox: VecDeque<NetworkEvent>,
    wanted: Wanted,
    connections: BTreeMap<ConnectionId, Connection>,
    seats: BTreeMap<PeerKey, Seat>,
    sessions: JoinSet<Arc<Link>>,
}

impl Switchboard {
    pub(super) fn new(
        keypair: Keypair,
        listen: &[Multiaddr],
        limits: Limits,
        shared: Arc<Shared>,
        events: mpsc::Sender<NetworkEvent>,
    ) -> Result<Self, NetworkError> {
        let mut swarm = swarm(&keypair, &limits)?;
        for address in listen {
            swarm
                .listen_on(address.clone())
                .map_err(|source| NetworkError::Listen { address: address.clone(), source })?;
        }
        Ok(Self {
            own: key_of_peer_id(swarm.local_peer_id()).expect("this node's key is an Ed25519 key"),
            swarm,
            limits,
            shared,
            events,
            outbox: VecDeque::new(),
            wanted: Wanted::default(),
            connections: BTreeMap::new(),
            seats: BTreeMap::new(),
            sessions: JoinSet::new(),
        })
    }

    pub(super) async fn run(mut self) {
        let stopped = self.shared.stopped.clone().drop_guard();
        let mut paused = false;
        loop {
            let room = self.outbox.len() < OUTBOX_CAPACITY;
            if room && paused {
                self.forgive_silence();
            }
            paused = !room;
            let wake = self.next_wake();
            tokio::select! {
                () = self.shared.stop.cancelled() => break,
                () = self.shared.asked_more.notified() => self.on_asked(),
                Some(over) = self.sessions.join_next_with_id() => self.on_session_over(over),
                permit = self.events.clone().reserve_owned(), if !self.outbox.is_empty() => {
                    let Ok(permit) = permit else { break };
                    if let Some(event) = self.outbox.pop_front() {
                        permit.send(event);
                    }
                }
                event = self.swarm.select_next_some(), if room => self.on_swarm(event),
                () = sleep_until(wake), if room => self.on_time(Instant::now()),
            }
        }
        self.stop().await;
        drop(stopped);
    }

    /// Takes up what the engine asked.
    fn on_asked(&mut self) {
        let asked = self.shared.take_asked();
        for (peer, addresses) in asked.peers {
            match addresses {
                Some(addresses) => self.on_dial(peer, &addresses),
                None => {
                    self.wanted.forget(&peer);
                    self.swarm.behaviour_mut().door.forget(&peer_id_of(&peer));
                }
            }
        }
        for conn in asked.admitted {
            let Some(link) = self.shared.link(conn) else { continue };
            self.wanted.on_admitted(&link.peer);
            self.swarm.behaviour_mut().door.admit(link.connection);
            if let Some(connection) = self.connections.get_mut(&link.connection) {
                connection.gate_until = None;
            }
        }
    }

    fn on_dial(&mut self, peer: PeerKey, addresses: &[String]) {
        if peer == self.own {
            return;
        }
        let parsed: Vec<_> = addresses.iter().filter_map(|text| dialable(text, &peer)).collect();
        if parsed.is_empty() && !addresses.is_empty() {
            self.outbox
                .push_back(NetworkEvent::DialFailed { peer, reason: DialFailure::NoAddress });
        }
        self.swarm.behaviour_mut().door.know(peer_id_of(&peer));
        let connected = self.seats.get(&peer).is_some_and(|seat| !seat.session.is_closing());
        self.wanted.want(peer, parsed, connected, Instant::now());
    }

    fn on_swarm(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::NewListenAddr { address, .. } => {
                let address = address.with(Protocol::P2p(*self.swarm.local_peer_id()));
                tracing::info!(%address, "listening");
                self.outbox.push_back(NetworkEvent::Listening(address));
            }
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                self.on_connected(&peer_id, connection_id, &endpoint);
            }
            SwarmEvent::ConnectionClosed { connection_id, cause, .. } => {
                tracing::debug!(%connection_id, ?cause, "connection closed");
                self.on_disconnected(connection_id);
            }
            SwarmEvent::OutgoingConnectionError { peer_id: Some(peer), error, .. } => {
                tracing::debug!(%peer, %error, "dial failed");
                if let Some(peer) = key_of_peer_id(&peer) {
                    self.on_dial_failed(peer, &error);
                }
            }
            SwarmEvent::Behaviour(BehaviourEvent::Door(answered)) => self.on_answered(answered),
            SwarmEvent::Behaviour(BehaviourEvent::Ping(ping)) => {
                let connection = self.connections.get_mut(&ping.connection);
                if let (Some(connection), Ok(round_trip)) = (connection, ping.result) {
                    connection.heard(Instant::now());
                    let seat = self.seats.get(&connection.peer).map(|seat| &seat.session);
                    if let Some(link) = seat.filter(|link| link.connection == ping.connection) {
                        link.answered(round_trip);
                    }
                }
            }
            _ => {}
        }
    }

    fn on_connected(&mut self, peer: &PeerId, id: ConnectionId, endpoint: &ConnectedPoint) {
        let Some(peer) = key_of_peer_id(peer) else {
            self.swarm.close_connection(id);
            return;
        };
        let now = Instant::now();
        let address = without_peer(endpoint.get_remote_address().clone());
        let gate_until = now + self.limits.gate_timeout;
        let connection = Connection::new(peer, endpoint.is_dialer(), address, now, gate_until);
        self.connections.insert(id, connection);
        let of_peer = |(_, c): &(&ConnectionId, &Connection)| c.peer == peer && !c.ending;
        if self.connections.iter().filter(of_peer).count() > CONNECTIONS_PER_PEER_MAX {
            let oldest = self.connections.iter().find(of_peer).map(|(id, _)| *id);
            if let Some(oldest) = oldest {
                self.end(oldest, CloseReason::Superseded);
            }
        }
    }

    fn on_disconnected(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.remove(&id) else { return };
        if let Some(seat) = self.seats.get_mut(&connection.peer) {
            // A session on it reads what has arrived, then finds the end by itself.
            seat.next.take_if(|next| next.connection == id);
        } else if connection.dialer && !connection.answered {
            self.on_lost(connection.peer, Some(DialFailure::TurnedAway));
        }
    }

    fn on_dial_failed(&mut self, peer: PeerKey, error: &DialError) {
        if self.seats.contains_key(&peer) {
            return;
        }
        if let DialError::WrongPeerId { address, .. } | DialError::LocalPeerId { address } = error {
            self.wanted.on_wrong_key(&peer, &without_peer(address.clone()));
        }
        self.on_lost(peer, Some(dial_failure(error)));
    }

    /// The peer is not connected any more, or still not.
    fn on_lost(&mut self, peer: PeerKey, failure: Option<DialFailure>) {
        self.wanted.on_loss(&peer, Instant::now(), jitter());
        if let Some(reason) = failure {
            self.outbox.push_back(NetworkEvent::DialFailed { peer, reason });
        }
    }

    /// The stream of a connection is open, or never will be.
    fn on_answered(&mut self, answered: Answered) {
        let id = answered.connection;
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let (peer, is_own) = (connection.peer, connection.dialer);
        let Some(stream) = answered.stream else {
            self.swarm.close_connection(id);
            return;
        };
        connection.answered = true;
        if connection.ending {
            return;
        }
        let Some(seat) = self.seats.get_mut(&peer) else {
            self.open(peer, id, stream);
            return;
        };
        let standing = !seat.session.is_closing();
        let wait_until = match verdict(&self.own, &peer, seat.session.dialer, is_own) {
            Verdict::Close if standing => {
                self.end(id, CloseReason::Superseded);
                return;
            }
            Verdict::Wait if standing => Some(Instant::now() + WAIT_MAX),
            Verdict::Replace | Verdict::Close | Verdict::Wait => {
                seat.session.close(CloseReason::Superseded);
                None
            }
        };
        if let Some(earlier) = seat.next.replace(Next { connection: id, stream, wait_until }) {
            self.end(earlier.connection, CloseReason::Superseded);
        }
    }

    fn open(&mut self, peer: PeerKey, id: ConnectionId, stream: Stream) {
        let Some(connection) = self.connections.get(&id) else {
            self.on_lost(peer, None);
            return;
        };
        let conn = ConnId(NEXT_CONN.fetch_add(1, Ordering::Relaxed));
        let dialed = connection.dialer.then_some(&connection.address);
        self.wanted.on_open(&peer, dialed);
        let link = Arc::new(Link::new(conn, peer, id, connection.dialer, self.limits));
        self.shared.insert(link.clone());
        let address = connection.address.to_string();
        tracing::debug!(peer = %peer_id_of(&peer), conn = conn.0, %address, "session opens");
        let session = session::run(link.clone(), stream, address, self.events.clone());
        let task = self.sessions.spawn(session).id();
        self.seats.insert(peer, Seat { session: link, task, next: None });
    }

    fn on_session_over(&mut self, over: Result<(Id, Arc<Link>), JoinError>) {
        let link = match over {
            Ok((_, link)) => link,
            Err(error) => {
                let Some(seat) = self.seats.values().find(|seat| seat.task == error.id()) else {
                    return;
                };
                let link = seat.session.clone();
                tracing::error!(%error, conn = link.conn.0, "a session broke");
                let (conn, peer, reason) = (link.conn, link.peer, CloseReason::Gone);
                link.close(reason);
                self.outbox.push_back(NetworkEvent::Closed { conn, peer, reason });
                link
            }
        };
        let peer = link.peer;
        tracing::debug!(peer = %peer_id_of(&peer), conn = link.conn.0, "session over");
        self.shared.remove(link.conn);
        if let Some(connection) = self.connections.get_mut(&link.connection) {
            connection.ending = true;
            self.swarm.close_connection(link.connection);
        }
        match self.seats.remove(&peer).and_then(|seat| seat.next) {
            Some(next) => self.open(peer, next.connection, next.stream),
            None => self.on_lost(peer, None),
        }
    }

    /// Ends a connection; the session on it first, which then ends the connection.
    fn end(&mut self, id: ConnectionId, reason: CloseReason) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if std::mem::replace(&mut connection.ending, true) {
            return;
        }
        tracing::debug!(peer = %peer_id_of(&connection.peer), %id, %reason, "connection ends");
        match self.seats.get_mut(&connection.peer) {
            Some(seat) if seat.session.connection == id => seat.session.close(reason),
            Some(seat) => {
                seat.next.take_if(|next| next.connection == id);
                self.swarm.close_connection(id);
            }
            None => drop(self.swarm.close_connection(id)),
        }
    }

    /// The earliest time at which [`Self::on_time`] has something to do.
    fn next_wake(&self) -> Instant {
        let ends = self.connections.values().filter_map(Connection::deadline);
        let waits = self.seats.values().filter_map(|seat| seat.next.as_ref()?.wait_until);
        let idle = Instant::now() + IDLE_WAKE;
        ends.chain(waits).chain(self.wanted.next_due()).min().unwrap_or(idle)
    }

    fn on_time(&mut self, now: Instant) {
        let overdue = |(id, c): (&_, &Connection)| c.overdue(now).map(|reason| (*id, reason));
        let over: Vec<_> = self.connections.iter().filter_map(overdue).collect();
        for (id, reason) in over {
            self.end(id, reason);
        }
        for seat in self.seats.values_mut() {
            let Some(next) = &mut seat.next else { continue };
            if next.wait_until.take_if(|at| *at <= now).is_some() {
                seat.session.close(CloseReason::Superseded);
            }
        }
        for (peer, addresses) in self.wanted.take_due(now) {
            let options = DialOpts::peer_id(peer_id_of(&peer))
                .condition(PeerCondition::NotDialing)
                .addresses(addresses)
                // From the listening port two nodes that dial each other at once would make a
                // single TCP connection in which both are the dialer.
                .allocate_new_port()
                .build();
            if let Err(error) = self.swarm.dial(options) {
                self.on_dial_failed(peer, &error);
            }
        }
    }

    /// While the swarm was paused, answers could not be counted.
    fn forgive_silence(&mut self) {
        let now = Instant::now();
        self.connections.values_mut().for_each(|connection| connection.heard(now));
    }

    /// Ends the sessions, then the connections, then stops listening.
    async fn stop(mut self) {
        for seat in self.seats.values_mut() {
            seat.next = None;
            seat.session.close(CloseReason::Shutdown);
        }
        let sessions = async { while self.sessions.join_next().await.is_some() {} };
        if timeout(CLOSE_GRACE + STOP_SHARE, sessions).await.is_err() {
            tracing::debug!("sessions cut off");
        }
        for id in self.connections.keys() {
            self.swarm.close_connection(*id);
        }
        let connections = async {
            while !self.connections.is_empty() {
                if let SwarmEvent::ConnectionClosed { connection_id, .. } =
                    self.swarm.select_next_some().await
                {
                    self.connections.remove(&connection_id);
                }
            }
        };
        if timeout(STOP_SHARE, connections).await.is_err() {
            tracing::debug!("connections cut off");
        }
        tracing::info!("network stopped");
    }
}

fn jitter() -> u8 {
    let mut byte = [0];
    // Without randomness the pause is merely the shortest of its range.
    let _ = getrandom::fill(&mut byte);
    byte[0]
}
