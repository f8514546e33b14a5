//! What connections are made of, TCP, Noise and Yamux, and the addresses that lead to them.
//! Knows no peer's state.

use std::{error::Error, io, num::NonZeroU8, time::Duration};

use libp2p::{
    Multiaddr, PeerId, Swarm, Transport, TransportError,
    core::{muxing::StreamMuxerBox, transport::Boxed, upgrade::Version},
    dns, identify,
    identity::Keypair,
    multiaddr::Protocol,
    noise, ping,
    swarm::{self, DialError, NetworkBehaviour},
    tcp, yamux,
};

use super::{DialFailure, Limits, NetworkError, PeerKey, door::Door, key_of_peer_id};

/// Sync, ping and identify, both ways, and some to spare.
const STREAMS_PER_CONNECTION_MAX: usize = 16;

/// For the TCP connection, the handshake and the multiplexer together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

const PING_INTERVAL: Duration = Duration::from_secs(5);
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// Everything a connection speaks.
#[derive(NetworkBehaviour)]
pub struct Behaviour {
    pub door: Door,
    pub ping: ping::Behaviour,
    pub identify: identify::Behaviour,
}

/// A swarm that does not listen yet.
pub fn swarm(keypair: &Keypair, limits: &Limits) -> Result<Swarm<Behaviour>, NetworkError> {
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
    Ok(Swarm::new(transport(keypair)?, behaviour, keypair.public().to_peer_id(), config))
}

/// TCP, Noise and Yamux; names are looked up as the system is set up to, where it is.
pub(super) fn transport(
    keypair: &Keypair,
) -> Result<Boxed<(PeerId, StreamMuxerBox)>, NetworkError> {
    let tcp = || tcp::tokio::Transport::new(tcp::Config::default().nodelay(true));
    let streams =
        dns::tokio::Transport::system(tcp()).map(Transport::boxed).unwrap_or_else(|error| {
            tracing::info!(%error, "no name lookup: only numeric addresses can be dialed");
            tcp().boxed()
        });
    let mut multiplexer = yamux::Config::default();
    multiplexer.set_max_num_streams(STREAMS_PER_CONNECTION_MAX);
    Ok(streams
        .upgrade(Version::V1)
        .authenticate(noise::Config::new(keypair)?)
        .multiplex(multiplexer)
        .timeout(CONNECT_TIMEOUT)
        .boxed())
}

/// A text as an address of `peer`, without its last `/p2p/` part; `None` if it is another's.
pub fn dialable(text: &str, peer: &PeerKey) -> Option<Multiaddr> {
    let address: Multiaddr = text.parse().ok()?;
    match address.iter().last()? {
        Protocol::P2p(named) if key_of_peer_id(&named) != Some(*peer) => None,
        _ => Some(without_peer(address)),
    }
}

/// The address without its last `/p2p/` part.
pub fn without_peer(mut address: Multiaddr) -> Multiaddr {
    if let Some(Protocol::P2p(_)) = address.iter().last() {
        address.pop();
    }
    address
}

/// A failed dial in the words of the engine.
pub fn dial_failure(error: &DialError) -> DialFailure {
    match error {
        DialError::WrongPeerId { .. } | DialError::LocalPeerId { .. } => DialFailure::WrongKey,
        DialError::NoAddresses => DialFailure::NoAddress,
        DialError::Transport(errors) => DialFailure::Unreachable(last_kind(errors)),
        DialError::Aborted | DialError::Denied { .. } | DialError::DialPeerConditionFalse(_) => {
            DialFailure::Unreachable(io::ErrorKind::Interrupted)
        }
    }
}

/// The kind of the last error, taken from under its wrappers.
fn last_kind(errors: &[(Multiaddr, TransportError<io::Error>)]) -> io::ErrorKind {
    let Some((_, TransportError::Other(error))) = errors.last() else {
        return io::ErrorKind::Unsupported;
    };
    let mut kind = error.kind();
    let mut source = error.get_ref().map(|e| e as &(dyn Error + 'static));
    while let Some(error) = source {
        kind = error.downcast_ref::<io::Error>().map_or(kind, io::Error::kind);
        source = error.source();
    }
    kind
}
