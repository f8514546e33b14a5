//! Connections, peers and frames: the IO half of the sync protocol, over libp2p.
//! The engine hears [`NetworkEvent`]s, gives [`NetworkCommand`]s and sends frames through a
//! [`NetworkHandle`]. Nothing here knows what a frame says or why a peer is wanted.

mod dial;
mod door;
pub(crate) mod frame;
mod seat;
mod session;
mod switchboard;
#[cfg(test)]
mod tests;
mod transport;

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

use libp2p::{Multiaddr, PeerId, TransportError, identity::Keypair, multiaddr::Protocol};
use tokio::{
    runtime::Handle,
    sync::{Notify, mpsc},
    time::timeout,
};
use tokio_util::sync::{CancellationToken, DropGuard};

use session::Link;
use switchboard::Switchboard;

/// A node's Ed25519 public key: who a peer is.
pub type PeerKey = [u8; 32];

/// The capacity the event channel is meant to have. Each waiting frame may hold
/// [`Limits::unpacked_max_bytes`], so this bounds memory as well.
pub const EVENTS_CAPACITY: usize = 32;

/// How long a closing session may go on writing what is queued.
pub const CLOSE_GRACE: Duration = Duration::from_millis(500);

/// How long [`NetworkHandle::shutdown`] takes at most.
pub const SHUTDOWN_MAX: Duration = Duration::from_secs(1);

/// What the network needs to start.
pub struct NetworkConfig {
    /// Where to listen; port 0 takes a free one.
    pub listen: Vec<Multiaddr>,
    /// The Ed25519 seed of the node key.
    pub secret: [u8; 32],
    /// What peers may use.
    pub limits: Limits,
}

/// What peers may use of this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Inbound connections of unknown peers that are not admitted yet.
    pub strangers_max: usize,
    /// Inbound connections whose handshake is not finished.
    pub handshakes_max: usize,
    /// From the handshake to [`NetworkCommand::Admitted`]; later the connection is dropped.
    pub gate_timeout: Duration,
    /// A frame as it travels, before its peer is admitted; packed or not.
    pub stranger_frame_max_bytes: usize,
    /// A frame as it travels, and a frame given to [`NetworkHandle::send`].
    pub frame_max_bytes: usize,
    /// A frame of an admitted peer once it is unpacked.
    pub unpacked_max_bytes: usize,
    /// Frames waiting to be written, per connection.
    pub queue_max_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            strangers_max: 64,
            handshakes_max: 128,
            gate_timeout: Duration::from_secs(10),
            stranger_frame_max_bytes: 8 << 10,
            frame_max_bytes: 1 << 20,
            unpacked_max_bytes: 4 << 20,
            queue_max_bytes: 4 << 20,
        }
    }
}

/// One open sync stream; never used twice in a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub u64);

/// What the network tells the engine. Of one connection: `Opened`, then `Frame`s and `Writable`s,
/// then `Closed`. A peer has at most one open connection at any point of the sequence.
#[derive(Debug)]
pub enum NetworkEvent {
    /// An address this node listens on, with its `/p2p/` part.
    Listening(Multiaddr),
    /// A stream with `peer` is open; `dialer` says whether this node dialed.
    Opened { conn: ConnId, peer: PeerKey, dialer: bool, address: String },
    /// A frame arrived.
    Frame { conn: ConnId, bytes: Vec<u8> },
    /// After a `send` was refused as full: three quarters of the queue are free again.
    Writable { conn: ConnId },
    /// The stream is over; nothing more comes of `conn`.
    Closed { conn: ConnId, peer: PeerKey, reason: CloseReason },
    /// An attempt to reach a wanted peer failed; the next follows unless it is forgotten.
    DialFailed { peer: PeerKey, reason: DialFailure },
}

/// Why a stream is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CloseReason {
    #[error("the peer closed it or the connection broke")]
    Gone,
    #[error("the peer no longer answers")]
    Silent,
    #[error("not admitted in time")]
    NotAdmitted,
    #[error("a frame was too large")]
    Oversize,
    #[error("a frame was malformed")]
    Malformed,
    #[error("another connection with this peer took its place")]
    Superseded,
    #[error("closed by this node: {0}")]
    Requested(&'static str),
    #[error("the network stops")]
    Shutdown,
}

/// Why a peer could not be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DialFailure {
    #[error("no usable address")]
    NoAddress,
    #[error("no address answered: {0}")]
    Unreachable(io::ErrorKind),
    #[error("another key answered there")]
    WrongKey,
    #[error("the peer ended the connection before a stream was open")]
    TurnedAway,
}

/// What the engine asks of the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NetworkCommand {
    /// Wants a session with `peer` from now on and keeps trying, address after address, with
    /// pauses of 0.5–10 s. For a connected peer it only notes the addresses. A peer without
    /// addresses is waited for. Wanted peers do not count as strangers.
    Dial { peer: PeerKey, addresses: Vec<String> },
    /// Stops wanting `peer`. An open session stays.
    Forget { peer: PeerKey },
    /// The gate is passed: lifts the limits for strangers.
    Admitted { conn: ConnId },
    /// Writes what is queued, then ends the session. A wanted peer is dialed again.
    Close { conn: ConnId, reason: &'static str },
}

/// What became of a frame given to [`NetworkHandle::send`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendOutcome {
    /// It is queued, and this much waits now, itself included.
    Queued { queued_bytes: usize },
    /// It is not queued; `Writable` follows when there is room.
    Full { queued_bytes: usize },
    /// It is not queued: longer than [`Limits::frame_max_bytes`].
    TooLarge,
    /// It is not queued: the session is over or never was.
    Closed,
}

/// How a peer answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoundTrip {
    /// From the ping to its answer.
    pub took: Duration,
    /// How long the session has been open.
    pub connected_for: Duration,
}

/// Why the network does not start.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    #[error("the network needs a tokio runtime")]
    Runtime(#[from] tokio::runtime::TryCurrentError),
    #[error("the connection encryption cannot be set up")]
    Noise(#[from] libp2p::noise::Error),
    #[error("cannot listen on {address}")]
    Listen { address: Multiaddr, source: TransportError<io::Error> },
}

/// The network itself lives in a task; see [`NetworkHandle`].
pub struct Network;

impl Network {
    /// Listens, and runs on the current tokio runtime until the last handle is gone.
    pub fn start(
        config: NetworkConfig,
        events: mpsc::Sender<NetworkEvent>,
    ) -> Result<NetworkHandle, NetworkError> {
        let runtime = Handle::try_current()?;
        let keypair =
            Keypair::ed25519_from_bytes(config.secret).expect("every 32 bytes are an Ed25519 seed");
        let shared = Arc::new(Shared::default());
        let local = keypair.public().to_peer_id();
        let switchboard =
            Switchboard::new(keypair, &config.listen, config.limits, shared.clone(), events)?;
        runtime.spawn(switchboard.run());
        let guard = Arc::new(shared.stop.clone().drop_guard());
        Ok(NetworkHandle { shared, local, _guard: guard })
    }
}

/// What handles and the switchboard share: the sessions to send to, and what was asked.
#[derive(Default)]
struct Shared {
    links: RwLock<BTreeMap<ConnId, Arc<Link>>>,
    asked: Mutex<Asked>,
    asked_more: Notify,
    stop: CancellationToken,
    stopped: CancellationToken,
}

/// Commands not yet taken up. The last word on a peer stands, so it is bounded by the peers that
/// the engine names and by the open sessions, and giving a command never waits.
#[derive(Default)]
struct Asked {
    /// Addresses of a peer to dial, or `None` for one to forget.
    peers: BTreeMap<PeerKey, Option<Vec<String>>>,
    admitted: BTreeSet<ConnId>,
}

impl Shared {
    fn link(&self, conn: ConnId) -> Option<Arc<Link>> {
        self.links.read().unwrap_or_else(PoisonError::into_inner).get(&conn).cloned()
    }

    fn insert(&self, link: Arc<Link>) {
        self.links.write().unwrap_or_else(PoisonError::into_inner).insert(link.conn, link);
    }

    fn remove(&self, conn: ConnId) {
        self.links.write().unwrap_or_else(PoisonError::into_inner).remove(&conn);
    }

    fn ask(&self, note: impl FnOnce(&mut Asked)) {
        note(&mut self.asked.lock().unwrap_or_else(PoisonError::into_inner));
        self.asked_more.notify_one();
    }

    fn take_asked(&self) -> Asked {
        std::mem::take(&mut self.asked.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The engine's end of the network. No method waits but `shutdown`; the network stops when the
/// last clone is dropped.
#[derive(Clone)]
pub struct NetworkHandle {
    shared: Arc<Shared>,
    local: PeerId,
    _guard: Arc<DropGuard>,
}

impl NetworkHandle {
    /// Queues a frame for `conn`, or says why not.
    pub fn send(&self, conn: ConnId, frame: Vec<u8>) -> SendOutcome {
        self.shared.link(conn).map_or(SendOutcome::Closed, |link| link.send(frame))
    }

    /// Gives a command. Commands on connections that are over are ignored.
    pub fn command(&self, command: NetworkCommand) {
        match command {
            NetworkCommand::Dial { peer, addresses } => {
                self.shared.ask(|asked| {
                    asked.peers.insert(peer, Some(addresses));
                });
            }
            NetworkCommand::Forget { peer } => {
                self.shared.ask(|asked| {
                    asked.peers.insert(peer, None);
                });
            }
            NetworkCommand::Admitted { conn } => {
                if let Some(link) = self.shared.link(conn) {
                    link.admit();
                    self.shared.ask(|asked| {
                        asked.admitted.insert(conn);
                    });
                }
            }
            NetworkCommand::Close { conn, reason } => {
                if let Some(link) = self.shared.link(conn) {
                    link.close(CloseReason::Requested(reason));
                }
            }
        }
    }

    /// Waits until the peer of `conn` answers the next ping, which it is sent every few seconds; none
    /// if the session is over.
    pub async fn round_trip(&self, conn: ConnId) -> Option<RoundTrip> {
        self.shared.link(conn)?.next_answer().await
    }

    /// Bytes that wait to be written to `conn`; 0 when it is over.
    pub fn queued_bytes(&self, conn: ConnId) -> usize {
        self.shared.link(conn).map_or(0, |link| link.queued_bytes())
    }

    /// This node's peer id as text, `12D3…`.
    pub fn local_peer_id_text(&self) -> String {
        self.local.to_string()
    }

    /// Ends all sessions and stops listening, within [`SHUTDOWN_MAX`].
    pub async fn shutdown(self) {
        self.shared.stop.cancel();
        if timeout(SHUTDOWN_MAX, self.shared.stopped.cancelled()).await.is_err() {
            tracing::info!("the network did not stop in time");
        }
    }

    /// The peer id of a public key as text, `12D3…`.
    pub fn peer_id_text(key: &PeerKey) -> String {
        peer_id_of(key).to_string()
    }

    /// The public key in a peer id, or in the last `/p2p/` part of a multiaddress.
    pub fn key_of(text: &str) -> Option<PeerKey> {
        if let Ok(peer) = text.parse::<PeerId>() {
            return key_of_peer_id(&peer);
        }
        let address: Multiaddr = text.parse().ok()?;
        match address.iter().last()? {
            Protocol::P2p(peer) => key_of_peer_id(&peer),
            _ => None,
        }
    }
}

/// How the peer id of an Ed25519 key begins: an identity multihash of 36 bytes, in it the key as
/// protobuf (libp2p peer id specification). The key follows.
const PEER_ID_PREFIX: [u8; 6] = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20];

fn peer_id_of(key: &PeerKey) -> PeerId {
    let bytes = [PEER_ID_PREFIX.as_slice(), key].concat();
    PeerId::from_bytes(&bytes).expect("a prefix and a key are a peer id")
}

fn key_of_peer_id(peer: &PeerId) -> Option<PeerKey> {
    peer.to_bytes().strip_prefix(&PEER_ID_PREFIX)?.try_into().ok()
}
