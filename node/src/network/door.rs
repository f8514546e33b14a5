//! The swarm behaviour that lets connections in and gives each its one sync stream.
//! A stream is tied to the connection it runs on: the end that dialed opens it, the other accepts
//! a single one. Knows counts and keys, nothing of frames.

use std::{
    collections::{BTreeSet, VecDeque},
    convert::Infallible,
    future::{Ready, ready},
    option,
    task::{Context, Poll},
};

use libp2p::{
    InboundUpgrade, Multiaddr, OutboundUpgrade, PeerId, Stream, StreamProtocol,
    core::{Endpoint, UpgradeInfo, transport::PortUse},
    swarm::{
        ConnectionClosed, ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent,
        ConnectionId, FromSwarm, ListenFailure, NetworkBehaviour, SubstreamProtocol, THandler,
        THandlerInEvent, THandlerOutEvent, ToSwarm,
        handler::{
            ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound,
        },
    },
};

use super::key_of_peer_id;

/// The protocol of the one stream on every connection.
pub const SYNC_PROTOCOL: StreamProtocol = StreamProtocol::new("/entente/sync/1");

/// Why a connection is not let in.
#[derive(Debug, thiserror::Error)]
pub enum Denied {
    #[error("the peer's key is not an Ed25519 key")]
    KeyKind,
    #[error("too many handshakes at once")]
    Handshakes,
    #[error("too many strangers wait")]
    Strangers,
}

/// What becomes of the stream of a connection.
#[derive(Debug)]
pub struct Answered {
    pub connection: ConnectionId,
    /// `None` where the other end does not speak the protocol or broke off.
    pub stream: Option<Stream>,
}

/// The behaviour: counters of who waits, and a handler per connection.
pub struct Door {
    strangers_max: usize,
    handshakes_max: usize,
    known: BTreeSet<PeerId>,
    handshakes: BTreeSet<ConnectionId>,
    strangers: BTreeSet<ConnectionId>,
    // At most one entry per connection.
    answered: VecDeque<Answered>,
}

impl Door {
    /// A door with at most `strangers_max` unknown peers inside and `handshakes_max` inbound
    /// connections that have not shown a key yet.
    pub fn new(strangers_max: usize, handshakes_max: usize) -> Self {
        Self {
            strangers_max,
            handshakes_max,
            known: BTreeSet::new(),
            handshakes: BTreeSet::new(),
            strangers: BTreeSet::new(),
            answered: VecDeque::new(),
        }
    }

    /// Lets `peer` in however many strangers wait.
    pub fn know(&mut self, peer: PeerId) {
        self.known.insert(peer);
    }

    /// Counts later connections of `peer` among the strangers again.
    pub fn forget(&mut self, peer: &PeerId) {
        self.known.remove(peer);
    }

    /// The connection is no stranger's any more.
    pub fn admit(&mut self, connection: ConnectionId) {
        self.strangers.remove(&connection);
    }
}

impl NetworkBehaviour for Door {
    type ConnectionHandler = DoorHandler;
    type ToSwarm = Answered;

    fn handle_pending_inbound_connection(
        &mut self,
        connection: ConnectionId,
        _local: &Multiaddr,
        _remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        if self.handshakes.len() >= self.handshakes_max {
            return Err(ConnectionDenied::new(Denied::Handshakes));
        }
        self.handshakes.insert(connection);
        Ok(())
    }

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        _local: &Multiaddr,
        _remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.handshakes.remove(&connection);
        if key_of_peer_id(&peer).is_none() {
            return Err(ConnectionDenied::new(Denied::KeyKind));
        }
        if !self.known.contains(&peer) {
            if self.strangers.len() >= self.strangers_max {
                return Err(ConnectionDenied::new(Denied::Strangers));
            }
            self.strangers.insert(connection);
        }
        Ok(DoorHandler::new(false))
    }

    fn handle_established_outbound_connection(
        &mut self,
        _connection: ConnectionId,
        _peer: PeerId,
        _address: &Multiaddr,
        _role: Endpoint,
        _port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(DoorHandler::new(true))
    }

    fn on_swarm_event(&mut self, event: FromSwarm) {
        match event {
            FromSwarm::ConnectionClosed(ConnectionClosed { connection_id, .. }) => {
                self.strangers.remove(&connection_id);
            }
            FromSwarm::ListenFailure(ListenFailure { connection_id, .. }) => {
                self.handshakes.remove(&connection_id);
                self.strangers.remove(&connection_id);
            }
            _ => {}
        }
    }

    fn on_connection_handler_event(
        &mut self,
        _peer: PeerId,
        connection: ConnectionId,
        stream: THandlerOutEvent<Self>,
    ) {
        self.answered.push_back(Answered { connection, stream });
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Answered, THandlerInEvent<Self>>> {
        match self.answered.pop_front() {
            Some(answered) => Poll::Ready(ToSwarm::GenerateEvent(answered)),
            None => Poll::Pending,
        }
    }
}

/// One end of one connection: asks for the stream where this node dialed, else accepts one.
/// It keeps the connection; the owner of the swarm closes it.
pub struct DoorHandler {
    dialer: bool,
    asked: bool,
    answered: bool,
    answer: Option<Option<Stream>>,
}

impl DoorHandler {
    fn new(dialer: bool) -> Self {
        Self { dialer, asked: false, answered: false, answer: None }
    }

    fn on_answer(&mut self, stream: Option<Stream>) {
        // A second stream of the same connection is dropped, which resets it.
        if !self.answered {
            self.answered = true;
            self.answer = Some(stream);
        }
    }
}

impl ConnectionHandler for DoorHandler {
    type FromBehaviour = Infallible;
    type ToBehaviour = Option<Stream>;
    type InboundProtocol = Offer;
    type OutboundProtocol = Offer;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = ();

    fn listen_protocol(&self) -> SubstreamProtocol<Offer> {
        let open = !self.dialer && !self.answered;
        SubstreamProtocol::new(Offer(open.then_some(SYNC_PROTOCOL)), ())
    }

    fn connection_keep_alive(&self) -> bool {
        true
    }

    fn poll(
        &mut self,
        _: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Offer, (), Option<Stream>>> {
        if let Some(stream) = self.answer.take() {
            return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(stream));
        }
        if self.dialer && !self.asked {
            self.asked = true;
            let protocol = SubstreamProtocol::new(Offer(Some(SYNC_PROTOCOL)), ());
            return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol });
        }
        Poll::Pending
    }

    fn on_behaviour_event(&mut self, event: Infallible) {
        match event {}
    }

    fn on_connection_event(&mut self, event: ConnectionEvent<Offer, Offer>) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound {
                protocol, ..
            }) => self.on_answer(Some(protocol)),
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound {
                protocol, ..
            }) => self.on_answer(Some(protocol)),
            ConnectionEvent::DialUpgradeError(DialUpgradeError { error, .. }) => {
                tracing::debug!(%error, "no sync stream on a dialed connection");
                self.on_answer(None);
            }
            _ => {}
        }
    }
}

/// Offers the sync protocol, or nothing; the negotiated stream is the result.
pub struct Offer(Option<StreamProtocol>);

impl UpgradeInfo for Offer {
    type Info = StreamProtocol;
    type InfoIter = option::IntoIter<StreamProtocol>;

    fn protocol_info(&self) -> Self::InfoIter {
        self.0.clone().into_iter()
    }
}

impl InboundUpgrade<Stream> for Offer {
    type Output = Stream;
    type Error = Infallible;
    type Future = Ready<Result<Stream, Infallible>>;

    fn upgrade_inbound(self, stream: Stream, _: StreamProtocol) -> Self::Future {
        ready(Ok(stream))
    }
}

impl OutboundUpgrade<Stream> for Offer {
    type Output = Stream;
    type Error = Infallible;
    type Future = Ready<Result<Stream, Infallible>>;

    fn upgrade_outbound(self, stream: Stream, _: StreamProtocol) -> Self::Future {
        ready(Ok(stream))
    }
}
