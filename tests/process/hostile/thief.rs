//! A partner that was granted nothing, with everything that was said and granted to another.

use entente_protocol::id::{LogId, ShareId};
use entente_protocol::message::{Approach, Blob, Frame, Height};
use tokio::runtime::Runtime;

use super::client::Client;
use super::*;

/// What Bright is told of the share: the statements, and the logs it may have.
async fn heard_by(bright: &(SigningKey, Blob), acme: &Org) -> (Vec<Blob>, Vec<(ShareId, Height)>) {
    let (mut client, conn) = Client::enter(bright.0.to_bytes(), &bright.1, acme).await;
    let (mut said, mut logs) = (Vec::new(), Vec::new());
    while logs.is_empty() {
        match client.frame().await.expect("the node serves a partner") {
            Frame::Statements { position, statements } => {
                let position = position + statements.len() as u64;
                said.extend(statements);
                client.send(conn, &Frame::StatementsStored { position });
            }
            Frame::Digests { shares } => {
                let shares = shares.into_iter().map(|at| at.share).collect();
                client.send(conn, &Frame::Ask { shares, settled: Vec::new() });
            }
            Frame::Heights { share, logs: all, .. } => {
                logs.extend(all.into_iter().map(|at| (share, at)));
            }
            _ => {}
        }
    }
    client.handle.shutdown().await;
    (said, logs)
}

#[test]
fn ids_and_grants_that_were_meant_for_another_open_nothing() {
    let (acme, mut bright, event) = sharing();
    bright.kill();
    let (of_bright, thief) = (keys_of(&bright), mallory(&acme));
    let runtime = Runtime::new().unwrap();
    let (said, logs) = runtime.block_on(heard_by(&of_bright, &acme));
    assert!(said.len() > 3 && !logs.is_empty(), "there is something to steal");
    let before = memory_kib(&acme);
    runtime.block_on(async {
        // A partner that says what Bright was told, then asks for what Bright may have.
        let (mut client, conn) = Client::enter(thief.0.to_bytes(), &thief.1, &acme).await;
        client.send(conn, &Frame::Statements { position: 0, statements: said.clone() });
        let shares: Vec<ShareId> = logs.iter().map(|(share, _)| *share).collect();
        let guesses = (0..=u8::MAX).map(|n| LogId([n; 32]));
        let wanted: Vec<LogId> = logs.iter().map(|(_, at)| at.log).chain(guesses).collect();
        client.send(conn, &Frame::Ask { shares, settled: Vec::new() });
        for log in &wanted {
            client.send(conn, &Frame::Want { log: *log, from: 0 });
        }
        let last = *wanted.last().expect("a guess");
        let frames = client.frames_until(|f| *f == Frame::Gone { log: last }).await;
        for frame in frames {
            match frame {
                Frame::Bundles { .. } => panic!("a thief was served"),
                Frame::Heights { logs, .. } => assert!(logs.is_empty(), "{logs:?}"),
                Frame::Statements { statements, .. } => {
                    let stolen = |blob: &Blob| said.contains(blob) && !is_certificate(blob);
                    assert!(!statements.iter().any(stolen), "a thief was told");
                }
                _ => {}
            }
        }
        client.handle.shutdown().await;
        // A stranger that shows Bright's chain as an introduction.
        let (key, certificate, _) = stranger();
        let chain: Vec<Blob> = said.iter().take(20).cloned().collect();
        let (mut client, conn) = Client::connect(key.to_bytes(), &acme).await;
        client.send(conn, &gate(certificate, Approach::Introduced { chain }));
        client.closed(conn).await;
        client.handle.shutdown().await;
        // And one that shows Bright's certificate for its own key.
        let (mut client, conn) = Client::connect([98; 32], &acme).await;
        client.send(conn, &gate(of_bright.1.clone(), Approach::Known));
        client.closed(conn).await;
        client.handle.shutdown().await;
    });
    until_logged(&acme, "gate_introduction");
    until_logged(&acme, "gate_other_node");
    assert!(memory_kib(&acme) < before + GROWTH_MAX_KIB);
    bright.start();
    assert!(served(&acme, &bright, &event, "Later") < SERVED_MAX);
}

/// Certificates and profiles are for all partners.
fn is_certificate(blob: &Blob) -> bool {
    use entente_protocol::statement::Body;
    let body = Statement::open(&blob.0).expect("a statement").body().clone();
    matches!(body, Body::Certificate { .. } | Body::Profile { .. } | Body::Rotation { .. })
}
