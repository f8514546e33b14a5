//! A hostile client on the real network against a real node: each attack is refused with a code in
//! the log and in bounded time, and an honest partner stays served.

use std::fs;
use std::time::{Duration, Instant};

use entente_node::network::{
    ConnId, EVENTS_CAPACITY, Limits, Network, NetworkCommand, NetworkConfig, NetworkEvent,
    NetworkHandle, SendOutcome,
};
use entente_protocol::codec;
use entente_protocol::id::{Nonce, StatementId};
use entente_protocol::identity::OrgKeys;
use entente_protocol::message::{Approach, Blob, Frame, VERSION};
use entente_protocol::sign::SigningKey;
use entente_protocol::statement::{Body, Nonce32, Party, Statement};
use entente_protocol::time::Hlc;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::node::{Org, PATIENCE, len, pair, until};

/// Longer than a node lets a stranger wait at its gate.
const GATE_MAX: Duration = Duration::from_secs(15);
/// How long an honest edit may take while a partner floods the node.
const SERVED_MAX: Duration = Duration::from_secs(5);

/// A node of one's own making: a network with a key and nothing behind it.
struct Client {
    handle: NetworkHandle,
    events: mpsc::Receiver<NetworkEvent>,
}

impl Client {
    /// Connects to a company's node; the connection is open.
    async fn connect(secret: [u8; 32], to: &Org) -> (Self, ConnId) {
        let (sender, events) = mpsc::channel(EVENTS_CAPACITY);
        let config = NetworkConfig { listen: Vec::new(), secret, limits: Limits::default() };
        let handle = Network::start(config, sender).unwrap();
        let address = to.address();
        let peer = NetworkHandle::key_of(&address).expect("an address with a key");
        handle.command(NetworkCommand::Dial { peer, addresses: vec![address] });
        let mut client = Self { handle, events };
        let opened = timeout(PATIENCE, async {
            loop {
                let event = client.events.recv().await.expect("the network runs");
                if let NetworkEvent::Opened { conn, .. } = event {
                    return conn;
                }
            }
        });
        let conn = opened.await.expect("it opens");
        client.handle.command(NetworkCommand::Admitted { conn });
        (client, conn)
    }

    fn send(&self, conn: ConnId, frame: &Frame) -> SendOutcome {
        self.handle.send(conn, codec::to_bytes(frame))
    }

    /// Waits until the other side has hung up.
    async fn closed(&mut self, conn: ConnId) {
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

/// An org nobody knows, with a good certificate.
fn stranger() -> (SigningKey, Blob, Party) {
    let key = |n| SigningKey::from_bytes(&[n; 32]);
    let keys = OrgKeys { root: key(201), successor: key(202) };
    let (party, node) = (keys.party("Stranger"), key(203));
    let certificate = keys.certify(&party, node.public(), Some(1), Hlc(1), u64::MAX >> 20);
    (node, Blob(certificate.bytes().to_vec()), party)
}

fn gate(certificate: Blob, approach: Approach) -> Frame {
    Frame::Gate { certificate, rotations: Vec::new(), approach }
}

/// The key and certificate of a company, stolen or its own.
fn keys_of(org: &Org) -> (SigningKey, Blob) {
    let read = |name: &str| fs::read(org.data().join(name)).unwrap();
    let seed: [u8; 32] = read("node.key").try_into().expect("a seed");
    let certificate = fs::read_dir(org.data())
        .unwrap()
        .map(|entry| fs::read(entry.unwrap().path()).unwrap_or_default())
        .find(|bytes| Statement::open(bytes).is_ok());
    (SigningKey::from_bytes(&seed), Blob(certificate.expect("a certificate")))
}

/// Two companies that share an event: the first's, with its id there.
fn sharing() -> (Org, Org, String) {
    let (acme, bright) = (Org::running("Acme Motors"), Org::running("Bright Agency"));
    pair(&acme, &bright);
    let event = acme.id_of("event create title=Launch");
    acme.ok(&format!("share open launch --event {event}"));
    acme.ok("--yes share grant launch bright-agency --kind event --fields title");
    bright.until("event list", PATIENCE, |list| len(list) == 1);
    (acme, bright, event)
}

/// How long an edit takes to be seen at the partner.
fn served(acme: &Org, bright: &Org, event: &str, title: &str) -> Duration {
    acme.ok(&format!("event set {event} title={title}"));
    let began = Instant::now();
    bright.until("event list", PATIENCE, |list| list[0]["fields"]["title"] == title);
    began.elapsed()
}

#[test]
fn every_stranger_is_refused_with_a_code_and_a_partner_stays_served() {
    let (acme, bright, event) = sharing();
    let runtime = Runtime::new().unwrap();
    let (key, certificate, party) = stranger();
    let (_, foreign) = keys_of(&bright);
    let profile = Body::Profile { party: party.clone(), addresses: Vec::new(), languages: vec![] };
    let profile = Statement::sign(party.org, &key, Hlc(1), profile);
    let invited = Approach::Invited {
        invite: Nonce([1; 16]),
        mac: Nonce32([1; 32]),
        commitment: Nonce32([1; 32]),
        profile: Blob(profile.bytes().to_vec()),
    };
    let chain = Approach::Introduced { chain: vec![foreign.clone(), certificate.clone()] };
    let hello = Frame::Hello { version: VERSION, store: Nonce([1; 16]) };
    let frame = |frame: &Frame| codec::to_bytes(frame);
    let attacks = [
        ("gate_unknown", frame(&gate(certificate.clone(), Approach::Known))),
        ("gate_other_node", frame(&gate(foreign, Approach::Known))),
        ("gate_invite", frame(&gate(certificate.clone(), invited))),
        ("gate_introduction", frame(&gate(certificate, chain))),
        ("frame_unexpected", frame(&hello)),
        ("frame_malformed", vec![0xff; 4000]),
    ];
    for (code, bytes) in attacks {
        let began = Instant::now();
        runtime.block_on(async {
            let (mut client, conn) = Client::connect(key.to_bytes(), &acme).await;
            client.handle.send(conn, bytes);
            client.closed(conn).await;
            client.handle.shutdown().await;
        });
        assert!(began.elapsed() < GATE_MAX, "{code}");
        until(code, PATIENCE, || acme.log().contains(&format!("\"{code}\"")).then_some(()));
    }
    // One that connects and says nothing, and one that sends what no gate frame can be.
    runtime.block_on(async {
        let (mut silent, conn) = Client::connect([77; 32], &acme).await;
        let (mut large, other) = Client::connect([78; 32], &acme).await;
        large.handle.send(other, vec![7; 100_000]);
        large.closed(other).await;
        silent.closed(conn).await;
    });
    let took = served(&acme, &bright, &event, "Later");
    assert!(took < SERVED_MAX, "{took:?}");
    assert_eq!(len(&acme.ok("status")["partners"]), 1);
}

#[test]
fn a_flood_from_a_partner_holds_up_nobody_else() {
    let (acme, bright, event) = sharing();
    let mut mallory = Org::running("Mallory");
    pair(&acme, &mallory);
    mallory.kill();
    let (key, certificate) = keys_of(&mallory);
    let author = Statement::open(&certificate.0).expect("a certificate").author();
    let runtime = Runtime::new().unwrap();
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let flooding = stop.clone();
    let (client, conn) = runtime.block_on(async {
        let (client, conn) = Client::connect(key.to_bytes(), &acme).await;
        client.send(conn, &gate(certificate, Approach::Known));
        client.send(conn, &Frame::Hello { version: VERSION, store: Nonce([1; 16]) });
        (client, conn)
    });
    let mut client = client;
    let flood = runtime.spawn(async move {
        let mut position = 0;
        let mut sent = 0u64;
        while !flooding.load(std::sync::atomic::Ordering::Relaxed) {
            let receipt = |n: u64| {
                let mut id = [0; 32];
                id[..8].copy_from_slice(&n.to_be_bytes());
                let body = Body::Receipt { of: StatementId(id), done_at: n };
                let said = Statement::sign(author, &key, Hlc(1 << 16), body);
                Blob(said.bytes().to_vec())
            };
            let statements: Vec<Blob> = (0..50).map(|n| receipt(position + n)).collect();
            match client.send(conn, &Frame::Statements { position, statements }) {
                SendOutcome::Queued { .. } => position += 50,
                SendOutcome::Full { .. } => tokio::task::yield_now().await,
                SendOutcome::TooLarge | SendOutcome::Closed => break,
            }
            for _ in 0..20 {
                let want = Frame::Ask { shares: Vec::new(), settled: Vec::new() };
                sent += u64::from(matches!(client.send(conn, &want), SendOutcome::Queued { .. }));
            }
            while client.events.try_recv().is_ok() {}
            tokio::task::yield_now().await;
        }
        (position, sent)
    });
    let mut slowest = Duration::ZERO;
    for n in 0..5 {
        slowest = slowest.max(served(&acme, &bright, &event, &format!("Title-{n}")));
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    let (statements, frames) = runtime.block_on(flood).expect("the flood ends");
    println!("{statements} statements, {frames} frames; an honest edit took {slowest:?}");
    assert!(statements > 0);
    assert!(slowest < SERVED_MAX, "{slowest:?}");
}
