//! A whole session: what a partner, or somebody at the gate, may send one after the other.

use super::bytes::{Bytes, framed};
use super::ingest::Still;
use crate::bundle::Leaf;
use crate::codec;
use crate::id::{Nonce, ShareId};
use crate::message::{Approach, Blob, Frame, Height, ShareDigest, VERSION};
use crate::replica::{Conn, Effect, Replica};
use crate::scene::{A, B, D, Pen, Scene};
use crate::statement::{Body, Nonce32, Statement};

/// Frames of one run.
const MANY: usize = 32;
const CONN: Conn = 1;

thread_local! {
    static STAGE: (Scene, Still) = {
        let scene = Scene::begin(1);
        let still = Still::of(&scene, A);
        (scene, still)
    };
}

/// Nothing that comes on a connection fails a node; what it says in answer are frames; and its
/// store opens again.
pub fn session(data: &[u8]) {
    STAGE.with(|(scene, still)| run(scene, still, &mut Bytes(data)));
}

fn run(scene: &Scene, still: &Still, bytes: &mut Bytes<'_>) {
    let (mut replica, disk) = still.wake();
    let flags = bytes.byte();
    // A partner that is let in, one that has still to show itself, or a stranger.
    let org = if flags & 3 == 2 { D } else { B };
    let hello = Frame::Hello { version: VERSION, store: Nonce([9; 16]) };
    let enter = |replica: &mut Replica| {
        replica.opened(CONN, scene.key(org).public(), flags & 4 == 4).expect("opening");
        if flags & 3 == 0 {
            let certificate = scene.certificate(org);
            let gate = Frame::Gate { certificate, rotations: vec![], approach: Approach::Known };
            for frame in [&gate, &hello, &Frame::Resume { cursor: 0 }] {
                replica.frame(CONN, &codec::to_bytes(frame)).expect("a good frame");
            }
        }
    };
    enter(&mut replica);
    let mut now = scene.world.now;
    let mut pen = Pen {
        key: scene.key(org),
        author: scene.world.id(org),
        compartment: scene.brief,
        epoch: Nonce([3; 16]),
        grant: Some(scene.edit),
        seq: 0,
        prev: Nonce32([0; 32]),
        at: scene.now(),
    };
    for _ in 0..MANY {
        if bytes.is_empty() {
            break;
        }
        let frame = match bytes.below(8) {
            0 | 1 => bytes.prefixed().to_vec(),
            2 => statements(scene, &replica, org, bytes),
            3 | 4 => codec::to_bytes(&bundles(scene, &mut pen, bytes)),
            5 => codec::to_bytes(&about_logs(scene, &replica, &pen, bytes)),
            6 => {
                now += bytes.number() >> 24;
                replica.tick_over().expect("time passes");
                codec::to_bytes(&Frame::Resume { cursor: bytes.number() })
            }
            _ => {
                replica.closed(CONN).expect("closing");
                enter(&mut replica);
                codec::to_bytes(&hello)
            }
        };
        replica.begin(now, [bytes.byte(); 32]);
        replica.frame(CONN, &frame).expect("a frame never fails the node");
        for effect in replica.commit().expect("memory") {
            if let Effect::Send { frame, .. } = effect {
                codec::from_bytes::<Frame>(&frame, 1 << 20).expect("an answer is a frame");
            }
        }
    }
    drop(replica);
    still.open(&disk).commit().expect("it opens again");
}

/// Anything said in the org's name, at the place where it is expected or elsewhere.
fn statements(scene: &Scene, replica: &Replica, org: usize, bytes: &mut Bytes<'_>) -> Vec<u8> {
    let node = scene.key(org).public();
    let heard = replica.peers.get(&node).map_or(0, |peer| peer.heard);
    let position = if bytes.below(8) == 0 { bytes.number() } else { heard };
    let mut statements = Vec::new();
    for _ in 0..1 + bytes.below(3) {
        let body = bytes.prefixed();
        let said = match codec::from_bytes::<Body>(body, body.len()) {
            Ok(body) => Statement::sign(scene.world.id(org), &scene.key(org), scene.now(), body)
                .bytes()
                .to_vec(),
            Err(_) => body.to_vec(),
        };
        statements.push(Blob(said));
    }
    codec::to_bytes(&Frame::Statements { position, statements })
}

fn bundles(scene: &Scene, pen: &mut Pen, bytes: &mut Bytes<'_>) -> Frame {
    let flags = bytes.byte();
    match flags & 7 {
        0 => pen.seq = bytes.number(),
        1 => pen.epoch = Nonce([bytes.byte() % 4; 16]),
        2 => pen.compartment = if flags & 8 == 0 { scene.brief } else { scene.venue },
        3 => pen.at = crate::time::Hlc(bytes.number()),
        _ => {}
    }
    let change = framed(bytes.prefixed());
    let leaf = Leaf::Full { record: scene.record, turn: 1, salt: Nonce([flags; 16]), change };
    let leaf = if flags & 0xf0 == 0xf0 { leaf.redacted() } else { leaf };
    let bundle = Blob(crate::scene::bytes(&pen.seal(vec![leaf])));
    Frame::Bundles { bundles: vec![bundle] }
}

fn about_logs(scene: &Scene, replica: &Replica, pen: &Pen, bytes: &mut Bytes<'_>) -> Frame {
    let logs: Vec<_> = replica.logs.keys().copied().chain([pen.log()]).collect();
    let log = logs[bytes.below(logs.len())];
    let share = if bytes.below(4) == 0 { ShareId([8; 32]) } else { scene.share };
    let (digest, height) = (Nonce32([bytes.byte() % 3; 32]), bytes.number());
    let at = Height { compartment: pen.compartment, log, height, head: digest };
    match bytes.below(8) {
        0 => Frame::Want { log, from: height },
        1 => Frame::Stored { log, height },
        2 => Frame::Stop { log },
        3 => Frame::Gone { log },
        4 => Frame::Digests { shares: vec![ShareDigest { share, digest }] },
        5 => Frame::Ask { shares: vec![share], settled: vec![share] },
        6 => Frame::StatementsStored { position: height },
        _ => Frame::Heights { share, digest, logs: vec![at] },
    }
}
