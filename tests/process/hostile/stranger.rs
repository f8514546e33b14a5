//! At the gate: nobody is let in who is not a partner, introduced or invited.

use std::time::Instant;

use entente_protocol::codec;
use entente_protocol::id::Nonce;
use entente_protocol::message::{Approach, Blob, Frame, VERSION};
use entente_protocol::replica::{Effect, Identity, Replica, Settings};
use entente_protocol::statement::{Body, Nonce32, Statement};
use entente_protocol::store::MemoryStore;
use entente_protocol::time::Hlc;
use tokio::runtime::Runtime;

use super::client::Client;
use super::*;

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
        until_logged(&acme, code);
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

/// The first frame of a newcomer that accepts an invite line, with a nonce of this seed.
fn invited(line: &str, acme: &Org, seed: u8) -> Vec<u8> {
    let (node, certificate, party) = stranger();
    let certificate = Statement::open(&certificate.0).expect("a certificate");
    let me = Identity { party, node, certificate };
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let now = now.as_millis() as u64;
    let store = Box::new(MemoryStore::default());
    let mut newcomer = Replica::open(me, Settings::default(), store, now, [1; 32]).unwrap();
    newcomer.begin(now, [seed; 32]);
    newcomer.set_addresses(Vec::new()).unwrap();
    newcomer.accept(line).expect("a good line");
    let key = entente_node::network::NetworkHandle::key_of(&acme.address()).expect("a key");
    newcomer.opened(1, entente_protocol::id::PublicKey(key), true).unwrap();
    let sent = newcomer.commit().unwrap().into_iter().find_map(|effect| match effect {
        Effect::Send { frame, .. } => Some(frame),
        _ => None,
    });
    sent.expect("a first frame")
}

#[test]
fn a_gate_frame_with_an_invite_that_is_replayed_lets_nobody_in() {
    let (acme, bright, event) = sharing();
    let invite = acme.ok("partner invite");
    let [frame, other] =
        [2, 3].map(|seed| invited(invite["invite"].as_str().unwrap(), &acme, seed));
    let runtime = Runtime::new().unwrap();
    let (key, ..) = stranger();
    runtime.block_on(async {
        let (mut client, conn) = Client::connect(key.to_bytes(), &acme).await;
        client.handle.send(conn, frame.clone());
        // It is good, and spent from now on, whatever becomes of the pairing.
        client.frames_until(|frame| matches!(frame, Frame::Welcome { .. })).await;
        client.handle.shutdown().await;
        let (mut client, conn) = Client::connect(key.to_bytes(), &acme).await;
        client.handle.send(conn, other);
        client.closed(conn).await;
        client.handle.shutdown().await;
        // Nor does it help somebody else who has listened in.
        let (mut client, conn) = Client::connect([99; 32], &acme).await;
        client.handle.send(conn, frame);
        client.closed(conn).await;
    });
    until_logged(&acme, "gate_invite");
    until_logged(&acme, "gate_other_node");
    assert_eq!(len(&acme.ok("partner list")), 1, "nobody was paired");
    assert!(served(&acme, &bright, &event, "Later") < SERVED_MAX);
}
