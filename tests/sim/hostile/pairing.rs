//! Pairing under attack: invites used twice, late or with a wrong secret, and nonces chosen to fit.

use super::*;
use crate::id::hash;
use crate::message::InviteLine;
use data_encoding::BASE32_NOPAD;

fn line_of(text: &str) -> InviteLine {
    let body = text.strip_prefix("entente1").expect("a line").to_ascii_uppercase();
    codec::own(&BASE32_NOPAD.decode(body.as_bytes()).expect("base32")).expect("a line")
}

fn profile(scene: &Scene, org: usize) -> Blob {
    let body =
        Body::Profile { party: scene.party(org), addresses: Vec::new(), languages: Vec::new() };
    Blob(scene.sign(org, body).bytes().to_vec())
}

/// What Delta sends to use a line; the secret may be another one.
fn invited(scene: &Scene, line: &InviteLine, secret: &Nonce32, nonce: &Nonce32) -> Approach {
    let key = hash("entente/invite-secret/1", &[&secret.0]);
    let mut hasher = blake3::Hasher::new_keyed(&key);
    hasher.update(b"entente/invite-mac/1\0");
    for part in [&line.org.0, &line.node.0, &scene.world.id(D).0, &scene.key(D).public().0] {
        hasher.update(part);
    }
    Approach::Invited {
        invite: line.invite,
        mac: Nonce32(*hasher.finalize().as_bytes()),
        commitment: Nonce32(hash("entente/pairing-commitment/1", &[&nonce.0])),
        profile: profile(scene, D),
    }
}

const NONCE: Nonce32 = Nonce32([6; 32]);

fn begin(seed: u64, confirm_first: bool) -> (Scene, InviteLine) {
    let mut scene = Scene::begin(seed);
    let text = scene.world.act(A, |r| r.invite(1_000_000, confirm_first)).unwrap();
    (scene, line_of(&text))
}

fn is_partner(scene: &Scene, org: usize) -> bool {
    scene.world.replica(A).partners.contains_key(&scene.world.id(org))
}

#[test]
fn an_invite_works_once_and_not_in_the_hands_of_who_sees_it_used() {
    let (mut scene, line) = begin(1, false);
    let good = invited(&scene, &line, &line.secret, &NONCE);
    let raw = scene.knock(D, A, good.clone());
    assert_eq!(scene.closed(raw), None);
    // A second use, before and after the first is done.
    let other = invited(&scene, &line, &line.secret, &Nonce32([7; 32]));
    let again = scene.knock(D, A, other);
    assert_eq!(scene.closed(again), Some("gate_invite"));
    // The same goes on where it was: another nonce of Acme's could be chosen from.
    let welcome = |frames: Vec<Frame>| {
        let mut frames = frames.into_iter();
        frames.find_map(|frame| match frame {
            Frame::Welcome { nonce, .. } => Some(nonce),
            _ => None,
        })
    };
    let again = scene.knock(D, A, good.clone());
    let nonces = [raw, again].map(|raw| welcome(scene.heard(raw)));
    assert!(nonces[0].is_some() && nonces[0] == nonces[1]);
    scene.send(raw, &Frame::Reveal { nonce: NONCE });
    assert!(is_partner(&scene, D));
    let again = scene.knock(D, A, good);
    assert_eq!(scene.closed(again), Some("gate_invite"));
}

#[test]
fn a_wrong_secret_an_unknown_invite_and_an_expired_one_are_one_answer() {
    let (mut scene, line) = begin(2, false);
    let wrong = invited(&scene, &line, &Nonce32([1; 32]), &NONCE);
    let good = invited(&scene, &line, &line.secret, &NONCE);
    let mut unknown = good.clone();
    if let Approach::Invited { invite, .. } = &mut unknown {
        *invite = Nonce([1; 16]);
    }
    // Made for Delta's node and org, sent by Bright's.
    let raw = scene.knock(B, A, good.clone());
    assert_eq!(scene.closed(raw), Some("gate_invite"));
    for approach in [wrong, unknown] {
        let raw = scene.knock(D, A, approach);
        assert_eq!(scene.closed(raw), Some("gate_invite"));
    }
    scene.world.now += 1_000_001;
    let raw = scene.knock(D, A, good);
    assert_eq!(scene.closed(raw), Some("gate_invite"));
    assert!(!is_partner(&scene, D));
}

#[test]
fn an_invite_comes_with_a_profile_of_whoever_shows_it_or_is_not_taken() {
    let (mut scene, line) = begin(7, false);
    let good = invited(&scene, &line, &line.secret, &NONCE);
    let ending = scene.sign(D, Body::EndNode { node: scene.key(D).public() });
    let foreign = profile(&scene, B);
    for shown in [foreign, Blob(ending.bytes().to_vec()), Blob(vec![0x80])] {
        let mut wrong = good.clone();
        if let Approach::Invited { profile, .. } = &mut wrong {
            *profile = shown;
        }
        let raw = scene.knock(D, A, wrong);
        assert_eq!(scene.closed(raw), Some("gate_invite"));
    }
    let raw = scene.knock(D, A, good);
    assert_eq!(scene.closed(raw), None, "none of that has spent it");
}

#[test]
fn a_nonce_that_was_not_committed_to_pairs_nobody() {
    let (mut scene, line) = begin(3, false);
    let good = invited(&scene, &line, &line.secret, &NONCE);
    let raw = scene.knock(D, A, good);
    scene.send(raw, &Frame::Reveal { nonce: Nonce32([7; 32]) });
    assert_eq!(scene.closed(raw), Some("pairing_commitment"));
    assert!(!is_partner(&scene, D));
}

#[test]
fn a_newcomer_cannot_skip_its_nonce_or_the_inviter_s_approval() {
    for confirm_first in [false, true] {
        let (mut scene, line) = begin(4, confirm_first);
        let good = invited(&scene, &line, &line.secret, &NONCE);
        let raw = scene.knock(D, A, good);
        scene.send(raw, &Frame::Paired);
        assert_eq!(scene.closed(raw), Some("pairing_unexpected"));
        assert!(!is_partner(&scene, D));
        assert!(scene.world.orgs[A].paired.iter().all(|org| *org != scene.world.id(D)));
    }
    // Revealed, and not approved yet: it may greet and gets no further.
    let (mut scene, line) = begin(5, true);
    let good = invited(&scene, &line, &line.secret, &NONCE);
    let raw = scene.knock(D, A, good);
    scene.send(raw, &Frame::Reveal { nonce: NONCE });
    scene.send(raw, &Frame::Hello { version: VERSION, store: Nonce([1; 16]) });
    scene.send(raw, &Frame::Statements { position: 0, statements: Vec::new() });
    assert_eq!(scene.closed(raw), Some("frame_unexpected"));
    let raw = scene.knock(D, A, Approach::Known);
    assert_eq!(scene.closed(raw), Some("gate_unknown"));
}

#[test]
fn who_waited_for_its_approval_comes_again_once_it_has_it() {
    let (mut scene, line) = begin(8, true);
    let good = invited(&scene, &line, &line.secret, &NONCE);
    let raw = scene.knock(D, A, good);
    scene.send(raw, &Frame::Reveal { nonce: NONCE });
    assert_eq!(scene.closed(raw), None);
    let delta = scene.world.id(D);
    scene.world.act(A, |r| r.confirm_partner(&delta)).unwrap();
    assert_eq!(scene.closed(raw), Some("confirmed"));
    scene.enter(D, A);
}

#[test]
fn an_inviter_cannot_send_a_second_nonce_once_it_has_seen_ours() {
    let mut scene = Scene::begin(6);
    // Delta invites, by hand; Cedar accepts.
    let line = InviteLine {
        org: scene.world.id(D),
        name: "Delta".into(),
        node: scene.key(D).public(),
        addresses: vec!["/sim/3".into()],
        invite: Nonce([1; 16]),
        secret: Nonce32([2; 32]),
        expires_at: scene.world.now + 1_000_000,
    };
    let text = BASE32_NOPAD.encode(&codec::to_bytes(&line)).to_ascii_lowercase();
    scene.world.act(C, |r| r.accept(&format!("entente1{text}"))).unwrap();
    let conn = scene.world.connect_raw_as_listener(scene.key(D).public(), C);
    let raw = Raw { conn, to: C };
    let (certificate, approach) = (scene.certificate(D), Approach::Known);
    let gate = Frame::Gate { certificate, rotations: Vec::new(), approach };
    scene.send(raw, &gate);
    // Nothing is paired by saying so.
    let profile = profile(&scene, D);
    let welcome = |n| Frame::Welcome { nonce: Nonce32([n; 32]), profile: profile.clone() };
    scene.send(raw, &welcome(1));
    assert!(scene.heard(raw).iter().any(|f| matches!(f, Frame::Reveal { .. })));
    let code = |scene: &Scene| {
        let partner = scene.world.replica(C).partner(&scene.world.id(D)).unwrap().partner;
        partner.code.expect("a code")
    };
    let first = code(&scene);
    scene.send(raw, &welcome(2));
    assert_eq!(scene.closed(raw), Some("pairing_unexpected"));
    assert_eq!(code(&scene), first, "the code is the one of the first nonce");
    // Nor on a new line.
    let conn = scene.world.connect_raw_as_listener(scene.key(D).public(), C);
    let raw = Raw { conn, to: C };
    scene.send(raw, &gate);
    scene.send(raw, &welcome(3));
    assert!(scene.closed(raw).is_some());
    assert_eq!(code(&scene), first);
}
