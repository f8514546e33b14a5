//! Partners that send as much as they can: of what is theirs to say, of nothing, and of what
//! nobody can judge.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use entente_node::network::{NetworkEvent, SendOutcome};
use entente_protocol::codec;
use entente_protocol::id::{OrgId, StatementId};
use entente_protocol::message::{Blob, Frame, MAX_FRAME_BYTES};
use entente_protocol::statement::{Body, Statement};
use entente_protocol::time::Hlc;
use tokio::runtime::Runtime;
use tokio::time::timeout;

use super::client::Client;
use super::*;

/// How long the flood waits when nothing more is taken.
const BREATH: Duration = Duration::from_millis(10);

/// A receipt of something that nobody said.
fn receipt(author: OrgId, key: &SigningKey, n: u64) -> Blob {
    let mut id = [0; 32];
    id[..8].copy_from_slice(&n.to_be_bytes());
    let body = Body::Receipt { of: StatementId(id), done_at: n };
    Blob(Statement::sign(author, key, Hlc(1 << 16), body).bytes().to_vec())
}

/// The next frame of a flood: whose, after how many, and from which position on.
type Flood = fn(OrgId, &SigningKey, u64, u64) -> Frame;

/// Statements of its own, each new.
fn receipts(author: OrgId, key: &SigningKey, n: u64, position: u64) -> Frame {
    let statements = (0..50).map(|i| receipt(author, key, 50 * n + i)).collect();
    Frame::Statements { position, statements }
}

/// Small frames that each make the node look everything up.
fn questions(_: OrgId, _: &SigningKey, _: u64, _: u64) -> Frame {
    Frame::Ask { shares: Vec::new(), settled: Vec::new() }
}

/// Statements of nodes that nobody has certified.
fn garbage(author: OrgId, _: &SigningKey, n: u64, position: u64) -> Frame {
    let mut seed = [55; 32];
    seed[..8].copy_from_slice(&n.to_be_bytes());
    let key = SigningKey::from_bytes(&seed);
    receipts(author, &key, n, position)
}

/// Floods a node from a partner, coming back whenever it is turned out, while another edits.
fn flood(frames: Flood, code: Option<&'static str>) {
    let (acme, bright, event) = sharing();
    let (key, certificate) = mallory(&acme);
    let author = Statement::open(&certificate.0).expect("a certificate").author();
    let before = memory_kib(&acme);
    let runtime = Runtime::new().unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let flooding = stop.clone();
    let (mut client, mut conn) =
        runtime.block_on(Client::enter(key.to_bytes(), &certificate, &acme));
    let flood = runtime.spawn(async move {
        let (mut sent, mut turned_out, mut position) = (0, 0, 0);
        // Before that a node takes no more than the gate's frame.
        let mut entered = true;
        let mut frame = frames(author, &key, 0, position);
        while !flooding.load(Ordering::Relaxed) {
            let outcome = if entered { client.send(conn, &frame) } else { SendOutcome::Closed };
            let event = match outcome {
                SendOutcome::Queued { .. } => {
                    sent += 1;
                    if let Frame::Statements { statements, .. } = &frame {
                        position += statements.len() as u64;
                    }
                    frame = frames(author, &key, sent, position);
                    client.events.try_recv().ok()
                }
                // Full, turned out or not in yet: something will come.
                _ => timeout(BREATH, client.events.recv()).await.ok().flatten(),
            };
            match event {
                Some(NetworkEvent::Opened { conn: next, .. }) => {
                    (conn, entered) = (next, false);
                    client.admit(conn);
                    client.greet(conn, &certificate);
                }
                Some(NetworkEvent::Closed { .. }) => turned_out += 1,
                Some(NetworkEvent::Frame { bytes, .. }) => {
                    // The node says from where it goes on.
                    let said = codec::from_bytes(&bytes, MAX_FRAME_BYTES);
                    if let Ok(Frame::Resume { cursor }) = said {
                        (position, entered) = (cursor, true);
                        frame = frames(author, &key, sent, position);
                    }
                }
                Some(_) | None => {}
            }
        }
        (sent, turned_out)
    });
    let (mut slowest, mut grown, mut edits) = (Duration::ZERO, 0, 0);
    until("the flood is answered", 2 * PATIENCE, || {
        edits += 1;
        slowest = slowest.max(served(&acme, &bright, &event, &format!("Title-{edits}")));
        grown = grown.max(memory_kib(&acme).saturating_sub(before));
        let answered = code.is_none_or(|code| logged(&acme, code) > 0);
        (edits >= 5 && answered).then_some(())
    });
    stop.store(true, Ordering::Relaxed);
    let (frames, turned_out) = runtime.block_on(flood).expect("the flood ends");
    println!(
        "{frames} frames, turned out {turned_out} times; {edits} honest edits took at most \
         {slowest:?}; grown by {grown} KiB"
    );
    assert!(frames > 0);
    assert!(slowest < SERVED_MAX, "{slowest:?}");
    assert!(grown < GROWTH_MAX_KIB, "{grown} KiB");
}

#[test]
fn a_flood_of_statements_holds_up_nobody_else() {
    flood(receipts, None);
}

#[test]
fn a_flood_of_frames_is_turned_out_and_holds_up_nobody_else() {
    flood(questions, Some("too_many_frames"));
}

#[test]
fn statements_that_nobody_can_judge_are_turned_out_and_hold_up_nobody_else() {
    flood(garbage, Some("statements_parked"));
}
