//! A node of one's own making: a network with a key and nothing behind it.

use entente_node::network::{
    ConnId, EVENTS_CAPACITY, Limits, Network, NetworkCommand, NetworkConfig, NetworkEvent,
    NetworkHandle, SendOutcome,
};
use entente_protocol::codec;
use entente_protocol::id::Nonce;
use entente_protocol::message::{Approach, Blob, Frame, MAX_FRAME_BYTES, VERSION};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::super::node::{Org, PATIENCE};
use super::{GATE_MAX, gate};

pub struct Client {
    pub handle: NetworkHandle,
    pub events: mpsc::Receiver<NetworkEvent>,
}

impl Client {
    /// Connects to a company's node; the connection is open.
    pub async fn connect(secret: [u8; 32], to: &Org) -> (Self, ConnId) {
        let (sender, events) = mpsc::channel(EVENTS_CAPACITY);
        let config = NetworkConfig { listen: Vec::new(), secret, limits: Limits::default() };
        let handle = Network::start(config, sender).unwrap();
        let address = to.address();
        let peer = NetworkHandle::key_of(&address).expect("an address with a key");
        handle.command(NetworkCommand::Dial { peer, addresses: vec![address] });
        let mut client = Self { handle, events };
        let conn = client.opened().await;
        (client, conn)
    }

    /// Connects and is let in as a partner that has heard everything.
    pub async fn enter(secret: [u8; 32], certificate: &Blob, to: &Org) -> (Self, ConnId) {
        let (client, conn) = Self::connect(secret, to).await;
        client.greet(conn, certificate);
        (client, conn)
    }

    pub fn greet(&self, conn: ConnId, certificate: &Blob) {
        self.send(conn, &gate(certificate.clone(), Approach::Known));
        self.send(conn, &Frame::Hello { version: VERSION, store: Nonce([1; 16]) });
        self.send(conn, &Frame::Resume { cursor: 0 });
    }

    /// Waits until a connection is open: the first, or after a break the next.
    pub async fn opened(&mut self) -> ConnId {
        let opened = timeout(PATIENCE, async {
            loop {
                let event = self.events.recv().await.expect("the network runs");
                if let NetworkEvent::Opened { conn, .. } = event {
                    return conn;
                }
            }
        });
        let conn = opened.await.expect("it opens");
        self.admit(conn);
        conn
    }

    pub fn admit(&self, conn: ConnId) {
        self.handle.command(NetworkCommand::Admitted { conn });
    }

    pub fn send(&self, conn: ConnId, frame: &Frame) -> SendOutcome {
        self.handle.send(conn, codec::to_bytes(frame))
    }

    /// The next frame; none when the other side has hung up.
    pub async fn frame(&mut self) -> Option<Frame> {
        let frame = timeout(PATIENCE, async {
            loop {
                match self.events.recv().await.expect("the network runs") {
                    NetworkEvent::Frame { bytes, .. } => {
                        let frame = codec::from_bytes(&bytes, MAX_FRAME_BYTES);
                        return Some(frame.expect("an honest frame"));
                    }
                    NetworkEvent::Closed { .. } => return None,
                    _ => {}
                }
            }
        });
        frame.await.expect("an answer")
    }

    /// The frames up to the first that fits.
    pub async fn frames_until(&mut self, last: impl Fn(&Frame) -> bool) -> Vec<Frame> {
        let mut frames = Vec::new();
        while let Some(frame) = self.frame().await {
            frames.push(frame);
            if frames.last().is_some_and(&last) {
                return frames;
            }
        }
        panic!("the node hung up after {frames:?}");
    }

    /// Waits until the other side has hung up.
    pub async fn closed(&mut self, conn: ConnId) {
        let over = timeout(GATE_MAX, async {
            loop {
                match self.events.recv().await.expect("the network runs") {
                    NetworkEvent::Closed { conn: over, .. } if over == conn => return,
                    _ => {}
                }
            }
        });
        over.await.expect("the node hangs up");
    }
}
