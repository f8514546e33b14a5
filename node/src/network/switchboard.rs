//! The task that owns the swarm: it dials wanted peers, seats at most one session per peer, and
//! ends connections that are silent or not admitted in time. Frames do not pass through it.

use std::{
    collections::{BTreeMap, VecDeque},
    io,
    num::NonZeroU8,
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
    identify,
    identity::Keypair,
    multiaddr::Protocol,
    ping,
    swarm::{
        self, ConnectionId, DialError, NetworkBehaviour, SwarmEvent,
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
    door::{Answered, Door},
    key_of_peer_id, peer_id_of,
    session::{self, Link},
    transport::{STREAMS_PER_CONNECTION_MAX, dialable, last_kind, transport, without_peer},
};

const PING_INTERVAL: Duration = Duration::from_secs(5);
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// Without an answer for this long a connection is dead. Counted here, because the ping protocol
/// forgives its first failure and would take twice as long.
const SILENCE_MAX: Duration = Duration::from_secs(15);

/// How long a connection waits that the peer dialed although another stands: see [`Verdict::Wait`].
const WAIT_MAX: Duration = Duration::from_secs(2);

const CONNECTIONS_PER_PEER_MAX: usize = 2;

/// Events of the task itself that wait for room in the channel; at this many the swarm pauses.
const OUTBOX_CAPACITY: usize = 64;

/// The part of [`SHUTDOWN_MAX`] that is left beside [`CLOSE_GRACE`], halved for two steps.
const STOP_SHARE: Duration = SHUTDOWN_MAX.saturating_sub(CLOSE_GRACE).checked_div(3).unwrap();

static NEXT_CONN: AtomicU64 = AtomicU64::new(1);

#[derive(NetworkBehaviour)]
struct Behaviour {
    door: Door,
    ping: ping::Behaviour,
    identify: identify::Behaviour,
}

/// A libp2p connection, whether or not its stream is in use.
struct Connection {
    peer: PeerKey,
    /// Whether this node dialed it.
    dialer: bool,
    address: Multiaddr,
    /// When it is dropped for not being admitted.
    gate_until: Option<Instant>,
    /// When it is dropped for not answering.
    answer_until: Instant,
    /// Whether its stream was open.
    answered: bool,
    /// Whether it is on its way out, and its session with it.
    ending: bool,
}

/// The place of one peer: the session that the engine sees, and a stream that may follow it.
struct Seat {
    session: Arc<Link>,
    task: Id,
    next: Option<Next>,
}

struct Next {
    connection: ConnectionId,
    stream: Stream,
    /// When the session is ended in favour of this stream; `None` if it is ending already.
    wait_until: Option<Instant>,
}

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
        let local = keypair.public().to_peer_id();
        let identify = identify::Config::new("/entente/1".to_owned(), keypair.public())
            .with_agent_version("entente".to_owned())
            .with_hide_listen_addrs(true)
            .with_cache_size(0);
        let ping = ping::Config::new().with_interval(PING_INTERVAL).with_timeout(PING_TIMEOUT);
        let behaviour = Behaviour {
            door: Door::new(limits.strangers_max, limits.handshakes_max),
            ping: ping::Behaviour::new(ping),
            identify: identify::Behaviour::new(identify),
        };
        let config = swarm::Config::with_tokio_executor()
            .with_dial_concurrency_factor(NonZeroU8::MIN)
            .with_max_negotiating_inbound_streams(STREAMS_PER_CONNECTION_MAX);
        let mut swarm = Swarm::new(transport(&keypair)?, behaviour, local, config);
        for address in listen {
            swarm
                .listen_on(address.clone())
                .map_err(|source| NetworkError::Listen { address: address.clone(), source })?;
        }
        Ok(Self {
            swarm,
            own: key_of_peer_id(&local).expect("this node's key is an Ed25519 key"),
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
                if let (Some(connection), Ok(_)) = (connection, ping.result) {
                    connection.answer_until = Instant::now() + SILENCE_MAX;
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
        let connection = Connection {
            peer,
            dialer: endpoint.is_dialer(),
            address: without_peer(endpoint.get_remote_address().clone()),
            gate_until: Some(now + self.limits.gate_timeout),
            answer_until: now + SILENCE_MAX,
            answered: false,
            ending: false,
        };
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
        let reason = match error {
            DialError::WrongPeerId { address, .. } | DialError::LocalPeerId { address } => {
                self.wanted.on_wrong_key(&peer, &without_peer(address.clone()));
                DialFailure::WrongKey
            }
            DialError::NoAddresses => DialFailure::NoAddress,
            DialError::Transport(errors) => DialFailure::Unreachable(last_kind(errors)),
            DialError::Aborted
            | DialError::Denied { .. }
            | DialError::DialPeerConditionFalse(_) => {
                DialFailure::Unreachable(io::ErrorKind::Interrupted)
            }
        };
        self.on_lost(peer, Some(reason));
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
        let Some(connection) = self.connections.get(&id) else { return };
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
        let connections = self.connections.values().filter(|c| !c.ending);
        let ends = connections.flat_map(|c| [c.gate_until, Some(c.answer_until)]).flatten();
        let waits = self.seats.values().filter_map(|seat| seat.next.as_ref()?.wait_until);
        let idle = Instant::now() + SILENCE_MAX;
        ends.chain(waits).chain(self.wanted.next_due()).min().unwrap_or(idle)
    }

    fn on_time(&mut self, now: Instant) {
        let due = |(id, c): (&ConnectionId, &Connection)| {
            if c.ending {
                None
            } else if c.gate_until.is_some_and(|at| at <= now) {
                Some((*id, CloseReason::NotAdmitted))
            } else {
                (c.answer_until <= now).then_some((*id, CloseReason::Silent))
            }
        };
        let over: Vec<_> = self.connections.iter().filter_map(due).collect();
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
        let until = Instant::now() + SILENCE_MAX;
        for connection in self.connections.values_mut() {
            connection.answer_until = until;
        }
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
