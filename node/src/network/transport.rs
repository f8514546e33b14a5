//! What connections are made of, TCP, Noise and Yamux, and the addresses that lead to them.
//! Knows no peer's state.

use std::{error::Error, io, time::Duration};

use libp2p::{
    Multiaddr, PeerId, Transport, TransportError,
    core::{muxing::StreamMuxerBox, transport::Boxed, upgrade::Version},
    dns,
    identity::Keypair,
    multiaddr::Protocol,
    noise, tcp, yamux,
};

use super::{NetworkError, PeerKey, key_of_peer_id};

/// Sync, ping and identify, both ways, and some to spare.
pub const STREAMS_PER_CONNECTION_MAX: usize = 16;

/// For the TCP connection, the handshake and the multiplexer together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// TCP, Noise and Yamux; names are looked up as the system is set up to, where it is.
pub fn transport(keypair: &Keypair) -> Result<Boxed<(PeerId, StreamMuxerBox)>, NetworkError> {
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

/// The kind of the last error, taken from under its wrappers.
pub fn last_kind(errors: &[(Multiaddr, TransportError<io::Error>)]) -> io::ErrorKind {
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
