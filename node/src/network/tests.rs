//! Real networks on the loopback interface. Every wait states its condition and has a deadline.

use std::{
    collections::BTreeSet,
    future::poll_fn,
    pin::Pin,
    time::{Duration, Instant},
};

use futures::AsyncWriteExt;
use libp2p::{
    Transport,
    core::{
        Endpoint, StreamMuxer,
        muxing::{StreamMuxerBox, SubstreamBox},
        transport::{DialOpts, PortUse},
    },
};
use tokio::{sync::mpsc, time::timeout};

use super::*;

const DEADLINE: Duration = Duration::from_secs(20);

struct Node {
    handle: NetworkHandle,
    events: mpsc::Receiver<NetworkEvent>,
    key: PeerKey,
    address: String,
}

/// A seed whose public key sorts before (`false`) or after (`true`) that of seed 1.
fn seed_after_first(after: bool) -> u8 {
    let first = key_of_seed(1);
    (2..u8::MAX).find(|seed| (key_of_seed(*seed) > first) == after).expect("keys on both sides")
}

fn secret(seed: u8) -> [u8; 32] {
    [seed; 32]
}

fn key_of_seed(seed: u8) -> PeerKey {
    let keypair = Keypair::ed25519_from_bytes(secret(seed)).expect("a seed");
    key_of_peer_id(&keypair.public().to_peer_id()).expect("an Ed25519 key")
}

async fn start_with(secret: [u8; 32], port: u16, limits: Limits, capacity: usize) -> Node {
    let (sender, mut events) = mpsc::channel(capacity);
    let listen = vec![format!("/ip4/127.0.0.1/tcp/{port}").parse().expect("an address")];
    let handle = Network::start(NetworkConfig { listen, secret, limits }, sender).expect("starts");
    let address = wait(&mut events, "listening", |event| match event {
        NetworkEvent::Listening(address) => Some(address.to_string()),
        _ => None,
    })
    .await;
    let key = NetworkHandle::key_of(&address).expect("an address with a key");
    Node { handle, events, key, address }
}

async fn start(seed: u8) -> Node {
    start_with(secret(seed), 0, Limits::default(), EVENTS_CAPACITY).await
}

/// Takes events until one fits.
async fn wait<T>(
    events: &mut mpsc::Receiver<NetworkEvent>,
    what: &str,
    mut fits: impl FnMut(NetworkEvent) -> Option<T>,
) -> T {
    let found = timeout(DEADLINE, async {
        loop {
            let event = events.recv().await.expect("the network runs");
            if let Some(found) = fits(event) {
                return found;
            }
        }
    });
    found.await.unwrap_or_else(|_| panic!("waited in vain: {what}"))
}

impl Node {
    fn dial(&self, other: &Node) {
        self.dial_at(other.key, &other.address);
    }

    fn dial_at(&self, peer: PeerKey, address: &str) {
        self.handle.command(NetworkCommand::Dial { peer, addresses: vec![address.to_owned()] });
    }

    async fn opened(&mut self) -> ConnId {
        wait(&mut self.events, "opened", |event| match event {
            NetworkEvent::Opened { conn, .. } => Some(conn),
            _ => None,
        })
        .await
    }

    async fn closed(&mut self, of: ConnId) -> CloseReason {
        wait(&mut self.events, "closed", |event| match event {
            NetworkEvent::Closed { conn, reason, .. } if conn == of => Some(reason),
            _ => None,
        })
        .await
    }

    async fn frame(&mut self) -> Vec<u8> {
        wait(&mut self.events, "a frame", |event| match event {
            NetworkEvent::Frame { bytes, .. } => Some(bytes),
            NetworkEvent::Closed { reason, .. } => panic!("closed: {reason}"),
            _ => None,
        })
        .await
    }

    async fn writable(&mut self) {
        wait(&mut self.events, "writable", |event| {
            matches!(event, NetworkEvent::Writable { .. }).then_some(())
        })
        .await;
    }

    fn admit(&self, conn: ConnId) {
        self.handle.command(NetworkCommand::Admitted { conn });
    }

    fn send(&self, conn: ConnId, frame: Vec<u8>) {
        let outcome = self.handle.send(conn, frame);
        assert!(matches!(outcome, SendOutcome::Queued { .. }), "{outcome:?}");
    }
}

/// Two connected nodes that have admitted each other; the first dialed.
async fn pair() -> (Node, ConnId, Node, ConnId) {
    let (mut a, mut b) = (start(1).await, start(2).await);
    a.dial(&b);
    let (on_a, on_b) = (a.opened().await, b.opened().await);
    a.admit(on_a);
    b.admit(on_b);
    (a, on_a, b, on_b)
}

/// Bytes that do not compress.
pub(super) fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut x = 0x9e37_79b9_7f4a_7c15_u64 ^ (seed << 8);
    let step = |_| {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        (x >> 24) as u8
    };
    (0..len).map(step).collect()
}

#[test]
fn keys_and_peer_ids_turn_into_each_other() {
    let keypair = Keypair::ed25519_from_bytes([7; 32]).expect("a seed");
    let peer = keypair.public().to_peer_id();
    let key = keypair.public().try_into_ed25519().expect("an Ed25519 key").to_bytes();
    let text = NetworkHandle::peer_id_text(&key);
    assert_eq!(text, peer.to_string());
    assert!(text.starts_with("12D3"));
    assert_eq!(NetworkHandle::key_of(&text), Some(key));
    assert_eq!(NetworkHandle::key_of(&format!("/ip4/10.0.0.1/tcp/1/p2p/{text}")), Some(key));
    for other in ["", "12D3", "/ip4/10.0.0.1/tcp/1", "/p2p/12D3"] {
        assert_eq!(NetworkHandle::key_of(other), None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_of_every_size_travel_both_ways_in_order() {
    let (mut a, on_a, mut b, on_b) = pair().await;
    let frames = [vec![], vec![1], vec![0; 8193], noise(1, 900 << 10), vec![5; 1 << 20]];
    for frame in &frames {
        a.send(on_a, frame.clone());
        b.send(on_b, frame.clone());
    }
    for frame in &frames {
        assert!(a.frame().await == *frame);
        assert!(b.frame().await == *frame);
    }
    assert_eq!(a.handle.send(on_a, vec![0; (1 << 20) + 1]), SendOutcome::TooLarge);
    assert_eq!(a.handle.send(ConnId(0), vec![]), SendOutcome::Closed);
    assert_eq!(a.handle.queued_bytes(on_a), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_of_frames_arrives_whole_and_in_order() {
    const COUNT: usize = 400;
    const SIZE_BYTES: usize = 256 << 10;
    for (kind, body) in [("raw", noise(3, SIZE_BYTES)), ("packed", vec![b'x'; SIZE_BYTES])] {
        let (mut a, on_a, mut b, _) = pair().await;
        let began = Instant::now();
        let expected = body.clone();
        let reader = tokio::spawn(async move {
            for number in 0..COUNT {
                let frame = b.frame().await;
                assert_eq!(frame[..8], (number as u64).to_be_bytes());
                assert!(frame[8..] == expected[8..]);
            }
        });
        for number in 0..COUNT {
            let mut frame = body.clone();
            frame[..8].copy_from_slice(&(number as u64).to_be_bytes());
            while let SendOutcome::Full { .. } = a.handle.send(on_a, frame.clone()) {
                a.writable().await;
            }
        }
        reader.await.expect("all frames arrive");
        let rate = (COUNT * SIZE_BYTES) as f64 / 1e6 / began.elapsed().as_secs_f64();
        println!("{kind}: {rate:.0} MB/s");
    }
}

/// Follows one node's sessions: at most one at a time, and which one at the end.
#[derive(Default)]
struct Follower {
    open: Option<(ConnId, bool)>,
    superseded: bool,
    greeted: Option<ConnId>,
}

impl Follower {
    fn on_event(&mut self, node: &NetworkHandle, event: NetworkEvent) {
        match event {
            NetworkEvent::Opened { conn, dialer, .. } => {
                assert!(self.open.is_none(), "a second session while one is open");
                self.open = Some((conn, dialer));
                node.command(NetworkCommand::Admitted { conn });
                let _ = node.send(conn, b"hello".to_vec());
            }
            NetworkEvent::Frame { conn, .. } => self.greeted = Some(conn),
            NetworkEvent::Closed { conn, reason, .. } => {
                assert_eq!(self.open.take().map(|(open, _)| open), Some(conn));
                self.superseded |= reason == CloseReason::Superseded;
            }
            NetworkEvent::Listening(_)
            | NetworkEvent::Writable { .. }
            | NetworkEvent::DialFailed { .. } => {}
        }
    }

    fn settled(&self) -> bool {
        self.open.is_some() && self.greeted == self.open.map(|(conn, _)| conn)
    }
}

/// Follows two nodes until a frame went both ways on the session that is open on both,
/// and then nothing happens for as long as `quiet` says.
async fn settle(
    (a, at_a): (&mut Node, &mut Follower),
    (b, at_b): (&mut Node, &mut Follower),
    quiet: Option<Duration>,
) {
    let began = Instant::now();
    loop {
        let settled = at_a.settled() && at_b.settled();
        let pause = match quiet {
            None if settled => return,
            Some(quiet) if settled => quiet,
            Some(_) | None => DEADLINE,
        };
        let next = timeout(pause, async {
            tokio::select! {
                Some(event) = a.events.recv() => at_a.on_event(&a.handle, event),
                Some(event) = b.events.recv() => at_b.on_event(&b.handle, event),
            }
        });
        if next.await.is_err() && settled {
            return;
        }
        assert!(began.elapsed() < DEADLINE, "the two do not settle");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_that_dial_each_other_at_once_end_with_one_session() {
    /// After this long without an event nothing is under way any more.
    const QUIET: Duration = Duration::from_secs(3);
    let mut rounds = tokio::task::JoinSet::new();
    for round in 0..8_u8 {
        rounds.spawn(async move {
            let (mut a, mut b) = (start(100 + 2 * round).await, start(101 + 2 * round).await);
            a.dial(&b);
            b.dial(&a);
            let (mut at_a, mut at_b) = (Follower::default(), Follower::default());
            settle((&mut a, &mut at_a), (&mut b, &mut at_b), Some(QUIET)).await;
            let (dialed_by_a, dialed_by_b) = (at_a.open.unwrap().1, at_b.open.unwrap().1);
            assert_ne!(dialed_by_a, dialed_by_b, "both ends keep the same connection");
            if at_a.superseded || at_b.superseded {
                assert_eq!(dialed_by_a, a.key < b.key, "the smaller key's connection stays");
            }
        });
    }
    rounds.join_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_restarts_is_back_within_three_seconds() {
    for seed in [seed_after_first(false), seed_after_first(true)] {
        let (mut a, mut b) = (start(1).await, start(seed).await);
        a.dial(&b);
        let on_a = a.opened().await;
        b.opened().await;
        let port = b.address.split('/').nth(4).and_then(|port| port.parse().ok()).expect("a port");
        drop(b);
        assert_eq!(a.closed(on_a).await, CloseReason::Gone);
        let began = Instant::now();
        let mut b = start_with(secret(seed), port, Limits::default(), EVENTS_CAPACITY).await;
        b.dial(&a);
        let (mut at_a, mut at_b) = (Follower::default(), Follower::default());
        settle((&mut a, &mut at_a), (&mut b, &mut at_b), None).await;
        assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_lost_its_connection_unnoticed_replaces_it() {
    for seed in [seed_after_first(false), seed_after_first(true)] {
        let (mut a, mut old) = (start(1).await, start(seed).await);
        a.dial(&old);
        let on_a = a.opened().await;
        old.opened().await;
        // The same key at another place, while the first connection still stands.
        let mut new = start(seed).await;
        new.dial(&a);
        assert_eq!(a.closed(on_a).await, CloseReason::Superseded);
        let on_a = a.opened().await;
        new.opened().await;
        a.send(on_a, b"to the new one".to_vec());
        assert_eq!(new.frame().await, b"to the new one");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_with_an_oversize_first_frame_is_closed() {
    for frame in [noise(1, 8193), vec![0; 8193]] {
        let (mut a, mut b) = (start(1).await, start(2).await);
        a.dial(&b);
        let (on_a, on_b) = (a.opened().await, b.opened().await);
        a.send(on_a, frame);
        assert_eq!(b.closed(on_b).await, CloseReason::Oversize);
        assert_eq!(a.closed(on_a).await, CloseReason::Gone);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_frame_behind_the_gates_frame_waits_for_the_admission() {
    let (mut a, mut b) = (start(1).await, start(2).await);
    a.dial(&b);
    let (on_a, on_b) = (a.opened().await, b.opened().await);
    a.send(on_a, b"gate".to_vec());
    a.send(on_a, noise(1, 100_000));
    assert_eq!(b.frame().await, b"gate");
    b.admit(on_b);
    assert!(b.frame().await == noise(1, 100_000));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_not_admitted_is_dropped_at_the_deadline() {
    let brief = Limits { gate_timeout: Duration::from_millis(300), ..Limits::default() };
    let mut b = start_with(secret(2), 0, brief, EVENTS_CAPACITY).await;
    let mut a = start(1).await;
    a.dial(&b);
    let began = Instant::now();
    let (on_a, on_b) = (a.opened().await, b.opened().await);
    assert_eq!(b.closed(on_b).await, CloseReason::NotAdmitted);
    assert!(began.elapsed() >= Duration::from_millis(250));
    assert_eq!(a.closed(on_a).await, CloseReason::Gone);
    // It is wanted, so it comes again, and once admitted it stays.
    let (on_a, on_b) = (a.opened().await, b.opened().await);
    a.admit(on_a);
    b.admit(on_b);
    let quiet = timeout(Duration::from_secs(1), b.events.recv()).await;
    assert!(quiet.is_err(), "{quiet:?}");
}

/// A stream of the sync protocol that somebody opened by hand, and the connection it is on.
async fn stream_by_hand(seed: u8, to: &Node) -> (StreamMuxerBox, SubstreamBox) {
    let keypair = Keypair::ed25519_from_bytes(secret(seed)).expect("a seed");
    let mut transport = transport::transport(&keypair).expect("a transport");
    let address = transport::without_peer(to.address.parse().expect("an address"));
    let options = DialOpts { role: Endpoint::Dialer, port_use: PortUse::New };
    let (_, mut muxer) = transport.dial(address, options).expect("dials").await.expect("connects");
    let opened = poll_fn(|cx| {
        let _ = Pin::new(&mut muxer).poll(cx);
        Pin::new(&mut muxer).poll_outbound(cx)
    });
    let mut stream = opened.await.expect("a stream");
    for line in ["/multistream/1.0.0\n", "/entente/sync/1\n"] {
        stream.write_all(&[&[line.len() as u8], line.as_bytes()].concat()).await.expect("open");
    }
    (muxer, stream)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_frame_that_comes_byte_by_byte_is_dropped_at_the_deadline() {
    let brief = Limits { gate_timeout: Duration::from_millis(600), ..Limits::default() };
    let mut b = start_with(secret(2), 0, brief, EVENTS_CAPACITY).await;
    let (mut muxer, mut stream) = stream_by_hand(1, &b).await;
    let began = Instant::now();
    // Eight thousand bytes are announced, and one is sent now and then.
    let mut slow = std::pin::pin!(async {
        let bytes = [0, 0, 0x1f, 0x40, 0].into_iter().chain(std::iter::repeat(7));
        let mut pause = tokio::time::interval(Duration::from_millis(20));
        for byte in bytes {
            pause.tick().await;
            if stream.write_all(&[byte]).await.is_err() || stream.flush().await.is_err() {
                return;
            }
        }
    });
    let mut drive = std::pin::pin!(poll_fn(|cx| Pin::new(&mut muxer).poll(cx).map(|_| ())));
    let ended = timeout(DEADLINE, futures::future::select(&mut slow, &mut drive)).await;
    ended.expect("the node hangs up");
    assert!(began.elapsed() < DEADLINE / 4, "{:?}", began.elapsed());
    let on_b = b.opened().await;
    assert_eq!(b.closed(on_b).await, CloseReason::NotAdmitted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_reader_makes_send_refuse_and_loses_nothing() {
    const SIZE_BYTES: usize = 256 << 10;
    let (mut a, on_a, mut b, _) = pair().await;
    let mut accepted = 0_u64;
    loop {
        let outcome = a.handle.send(on_a, noise(accepted, SIZE_BYTES));
        match outcome {
            SendOutcome::Queued { queued_bytes } => {
                assert!(queued_bytes <= 4 << 20);
                accepted += 1;
            }
            SendOutcome::Full { .. } => {
                if timeout(Duration::from_secs(1), a.writable()).await.is_err() {
                    break;
                }
            }
            SendOutcome::TooLarge | SendOutcome::Closed => panic!("{outcome:?}"),
        }
        // The queue, the event channel, and what the sockets and the stream's window hold.
        assert!(accepted as usize * SIZE_BYTES < 40 << 20, "nothing holds the sender back");
    }
    assert!(a.handle.queued_bytes(on_a) > 1 << 20, "from a quarter on it would say writable");
    for number in 0..accepted {
        assert!(b.frame().await == noise(number, SIZE_BYTES));
    }
    a.send(on_a, b"goes on".to_vec());
    assert_eq!(b.frame().await, b"goes on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_strangers_are_held_to_sixty_four_and_a_known_peer_still_passes() {
    const STRANGERS: u8 = 200;
    let patient = Limits { gate_timeout: DEADLINE * 10, ..Limits::default() };
    let mut server = start_with([0xff; 32], 0, patient, EVENTS_CAPACITY).await;
    let (sender, mut strangers) = mpsc::channel(EVENTS_CAPACITY);
    let mut handles = Vec::new();
    for number in 0..STRANGERS {
        let config = NetworkConfig { listen: vec![], secret: [number; 32], limits: patient };
        let handle = Network::start(config, sender.clone()).expect("starts");
        handle.command(NetworkCommand::Dial {
            peer: server.key,
            addresses: vec![server.address.clone()],
        });
        handles.push(handle);
    }
    let mut open = BTreeSet::new();
    let mut turned_away = 0;
    let both = timeout(DEADLINE * 3, async {
        while open.len() < 64 || turned_away < 2 * usize::from(STRANGERS) {
            tokio::select! {
                           event = server.events.recv() => match event.expect("the network runs") {
                               NetworkEvent::Opened { conn, .. } => {
                                   open.insert(conn);
                                   assert!(open.len() <= 64);
                               }
                               NetworkEvent::Closed { conn, .. } => {
            open.remove(&conn);
            }
                               _ => {}
                           },
                           event = strangers.recv() => {
                               if let Some(NetworkEvent::DialFailed { .. }) = event {
                                   turned_away += 1;
                               }
                           }
                       }
        }
    });
    both.await.expect("sixty-four are let in and the others turned away, again and again");

    let mut known = start(201).await;
    server.handle.command(NetworkCommand::Dial { peer: known.key, addresses: vec![] });
    known.dial(&server);
    let key = known.key;
    let drained = tokio::spawn(async move { while strangers.recv().await.is_some() {} });
    wait(&mut server.events, "the known peer", |event| match event {
        NetworkEvent::Opened { peer, .. } if peer == key => Some(()),
        _ => None,
    })
    .await;
    known.opened().await;
    drop(handles);
    drop(sender);
    drained.await.expect("the strangers stop");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_queued_before_a_close_still_arrives() {
    let (mut a, on_a, mut b, on_b) = pair().await;
    for _ in 0..3 {
        b.send(on_b, noise(1, 300 << 10));
    }
    b.send(on_b, b"the last word".to_vec());
    b.handle.command(NetworkCommand::Close { conn: on_b, reason: "test" });
    assert_eq!(b.handle.send(on_b, vec![1]), SendOutcome::Closed);
    for _ in 0..3 {
        assert!(a.frame().await == noise(1, 300 << 10));
    }
    assert_eq!(a.frame().await, b"the last word");
    assert_eq!(a.closed(on_a).await, CloseReason::Gone);
    assert_eq!(b.closed(on_b).await, CloseReason::Requested("test"));
    // The dialer still wants the peer.
    let on_a = a.opened().await;
    a.handle.command(NetworkCommand::Forget { peer: b.key });
    a.handle.command(NetworkCommand::Close { conn: on_a, reason: "enough" });
    assert_eq!(a.closed(on_a).await, CloseReason::Requested("enough"));
    let quiet = timeout(Duration::from_secs(1), a.events.recv()).await;
    assert!(quiet.is_err(), "{quiet:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn addresses_are_tried_in_turn_and_a_wrong_key_does_not_block_the_right_one() {
    let (mut a, mut b, c) = (start(1).await, start(2).await, start(3).await);
    let elsewhere = c.address.split("/p2p/").next().expect("an address").to_owned();
    let nowhere = "/ip4/127.0.0.1/tcp/1".to_owned();
    a.handle.command(NetworkCommand::Dial {
        peer: b.key,
        addresses: vec!["rubbish".to_owned(), nowhere.clone(), elsewhere, b.address.clone()],
    });
    let reason = wait(&mut a.events, "a failure", |event| match event {
        NetworkEvent::DialFailed { reason, .. } => Some(reason),
        _ => None,
    });
    assert_eq!(reason.await, DialFailure::WrongKey);
    a.opened().await;
    b.opened().await;

    a.handle.command(NetworkCommand::Dial { peer: [9; 32], addresses: vec![nowhere] });
    let reason = wait(&mut a.events, "a failure", |event| match event {
        NetworkEvent::DialFailed { reason, .. } => Some(reason),
        _ => None,
    });
    let refused = DialFailure::Unreachable(io::ErrorKind::ConnectionRefused);
    assert_eq!(reason.await, refused);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shutdown_takes_less_than_a_second_even_if_nobody_listens() {
    let (mut a, on_a, b, on_b) = pair().await;
    while let SendOutcome::Queued { .. } = a.handle.send(on_a, noise(1, 256 << 10)) {}
    b.send(on_b, b"unread".to_vec());
    let began = Instant::now();
    b.handle.clone().shutdown().await;
    assert!(began.elapsed() < SHUTDOWN_MAX, "{:?}", began.elapsed());
    assert_eq!(a.closed(on_a).await, CloseReason::Gone);
    let began = Instant::now();
    a.handle.clone().shutdown().await;
    assert!(began.elapsed() < SHUTDOWN_MAX, "{:?}", began.elapsed());
}
