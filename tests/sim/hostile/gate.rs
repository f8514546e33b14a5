//! The gate and the order of frames: who is let in, and what may come before.

use super::*;
use crate::identity::OrgKeys;

/// A grant by one org to another, whatever the first may grant.
pub fn grant(scene: &Scene, from: usize, to: usize, share: ShareId, section: usize) -> Body {
    Body::Grant {
        share,
        section: scene.world.id(section),
        to: scene.party(to),
        scope: fields(Kind::Event, &["title"], false),
        parent: None,
        depth: 3,
        expires_at: None,
        nonce: Nonce([from as u8 + 1; 16]),
    }
}

#[test]
fn a_stranger_with_a_good_certificate_is_not_let_in() {
    let mut scene = Scene::begin(1);
    let before = scene.world.replica(A).statements.len();
    let raw = scene.knock(D, A, Approach::Known);
    assert_eq!(scene.closed(raw), Some("gate_unknown"));
    let told = scene.heard(raw);
    assert_eq!(told, [Frame::Refused { code: "gate_unknown".into() }], "and learns nothing");
    assert_eq!(scene.world.replica(A).statements.len(), before, "nor leaves anything");
}

#[test]
fn nothing_is_heard_before_the_gate() {
    let frames = [
        Frame::Hello { version: VERSION, store: Nonce([1; 16]) },
        Frame::Resume { cursor: 0 },
        Frame::Statements { position: 0, statements: Vec::new() },
        Frame::Want { log: LogId([1; 32]), from: 0 },
        Frame::Ask { shares: Vec::new(), settled: Vec::new() },
        Frame::Paired,
        Frame::Reveal { nonce: Nonce32([1; 32]) },
        Frame::Welcome { nonce: Nonce32([1; 32]), profile: Blob(Vec::new()) },
    ];
    for frame in frames {
        let mut scene = Scene::begin(2);
        let raw = scene.connect(scene.key(B).public(), A);
        scene.send(raw, &frame);
        let code = scene.closed(raw);
        assert!(matches!(code, Some("frame_unexpected" | "pairing_unexpected")), "{frame:?}");
    }
    // A gate may be small only: a megabyte is not even decoded.
    let mut scene = Scene::begin(2);
    let raw = scene.connect(scene.key(B).public(), A);
    scene.world.send_raw(raw.conn, &vec![0x81; 9 * 1024]);
    assert_eq!(scene.closed(raw), Some("frame_malformed"));
}

#[test]
fn a_second_gate_and_a_second_hello_end_the_session() {
    let mut scene = Scene::begin(3);
    let raw = scene.enter(B, A);
    scene.send(raw, &Frame::Hello { version: VERSION, store: Nonce([1; 16]) });
    assert_eq!(scene.closed(raw), Some("frame_unexpected"));
    let raw = scene.enter(B, A);
    let certificate = scene.certificate(B);
    let approach = Approach::Known;
    scene.send(raw, &Frame::Gate { certificate, rotations: Vec::new(), approach });
    assert_eq!(scene.closed(raw), Some("gate_unexpected"));
    let raw = scene.knock(B, A, Approach::Known);
    scene.send(raw, &Frame::Hello { version: VERSION + 1, store: Nonce([1; 16]) });
    assert_eq!(scene.closed(raw), Some("version"));
    // What comes after the end is not looked at.
    scene.send(raw, &Frame::Resume { cursor: 0 });
}

#[test]
fn a_certificate_of_another_node_org_or_time_opens_nothing() {
    let mut scene = Scene::begin(4);
    let foreign = scene.certificate(C);
    let year = scene.world.now + 1000;
    let thief = OrgKeys { root: SigningKey::from_bytes(&[7; 32]), successor: scene.key(B) };
    // Bright's name and id over a key that is not Bright's.
    let forged = thief.certify(&scene.party(B), scene.key(D).public(), Some(1), Hlc(1), year);
    let profile = scene.sign(
        B,
        Body::Profile { party: scene.party(B), addresses: Vec::new(), languages: Vec::new() },
    );
    let expired = thief.certify(&thief.party("X"), scene.key(D).public(), None, Hlc(1), 5);
    let cases = [
        (scene.key(B), foreign, "gate_other_node"),
        (scene.key(D), scene.certificate(B), "gate_other_node"),
        (scene.key(D), Blob(forged.bytes().to_vec()), "gate_forged"),
        (scene.key(B), Blob(profile.bytes().to_vec()), "gate_no_certificate"),
        (scene.key(B), Blob(vec![1, 2, 3]), "gate_forged"),
        (scene.key(D), Blob(expired.bytes().to_vec()), "gate_certificate_expired"),
    ];
    for (key, certificate, code) in cases {
        let raw = scene.connect(key.public(), A);
        let approach = Approach::Known;
        scene.send(raw, &Frame::Gate { certificate, rotations: Vec::new(), approach });
        assert_eq!(scene.closed(raw), Some(code));
    }
}

#[test]
fn a_rotation_that_the_root_never_committed_to_opens_nothing() {
    let mut scene = Scene::begin(5);
    let thief = OrgKeys {
        root: SigningKey::from_bytes(&[7; 32]),
        successor: SigningKey::from_bytes(&[8; 32]),
    };
    let party = scene.party(B);
    let rotation = thief.rotate(&party, &scene.key(D).public(), &Default::default(), Hlc(1));
    let next = OrgKeys { root: SigningKey::from_bytes(&[8; 32]), successor: scene.key(D) };
    let later = scene.world.now + 1000;
    let certificate = next.certify(&party, scene.key(D).public(), Some(1), Hlc(1), later);
    let raw = scene.connect(scene.key(D).public(), A);
    let rotations = vec![Blob(rotation.bytes().to_vec())];
    let certificate = Blob(certificate.bytes().to_vec());
    scene.send(raw, &Frame::Gate { certificate, rotations, approach: Approach::Known });
    assert_eq!(scene.closed(raw), Some("gate_forged"));
}

/// What a node shows when it is introduced: certificates, the share, the grants.
fn shown(scene: &Scene, orgs: &[usize], statements: &[&Statement]) -> Approach {
    let mut chain: Vec<Blob> = orgs.iter().map(|org| scene.certificate(*org)).collect();
    chain.extend(statements.iter().map(|s| Blob(s.bytes().to_vec())));
    Approach::Introduced { chain }
}

fn share_statement(scene: &Scene) -> Statement {
    scene.world.replica(A).statements[&scene.share.into()].clone()
}

#[test]
fn a_stranger_cannot_introduce_itself_by_grants_of_its_own() {
    let mut scene = Scene::begin(6);
    let share = share_statement(&scene);
    let own_share = scene.sign(
        D,
        Body::OpenShare {
            name: "trap".into(),
            purpose: "trap".into(),
            ends_at: None,
            retention_days: None,
            nonce: Nonce([1; 16]),
        },
    );
    // In a share of its own, and as if it had a section in Acme's.
    let in_own = scene.sign(D, grant(&scene, D, A, own_share.id().into(), D));
    let in_theirs = scene.sign(D, grant(&scene, D, A, scene.share, D));
    // From Acme to itself, signed by itself.
    let stolen = scene.sign(D, grant(&scene, D, D, scene.share, A));
    for shown in [
        shown(&scene, &[D], &[&own_share, &in_own]),
        shown(&scene, &[D, A], &[&share, &in_theirs]),
        shown(&scene, &[D, A], &[&share, &stolen]),
        shown(&scene, &[], &[]),
    ] {
        let raw = scene.knock(D, A, shown);
        assert_eq!(scene.closed(raw), Some("gate_introduction"));
    }
    assert!(!scene.knows(A, &own_share.id()), "nothing of it is stored");
}

#[test]
fn somebody_else_s_chain_opens_nothing_and_a_good_one_does() {
    let mut scene = Scene::begin(7);
    let share = share_statement(&scene);
    let parent = scene.edit;
    let passed = Body::Grant {
        share: scene.share,
        section: scene.world.id(A),
        to: scene.party(D),
        scope: fields(Kind::Event, &["title"], false),
        parent: Some(parent),
        depth: 0,
        expires_at: None,
        nonce: Nonce([1; 16]),
    };
    let passed = scene.sign(B, passed);
    let root = scene.world.replica(A).statements[&parent.into()].clone();
    // Bright's and Cedar's chain in Delta's hands.
    let of_b = shown(&scene, &[A, B], &[&share, &root]);
    let raw = scene.knock(D, A, of_b);
    assert_eq!(scene.closed(raw), Some("gate_introduction"));
    // Delta's chain, replayed from a node that Delta's org never certified.
    let good = shown(&scene, &[A, B], &[&share, &root, &passed]);
    let other = SigningKey::from_bytes(&[3; 32]);
    let raw = scene.connect(other.public(), A);
    let certificate = scene.certificate(D);
    let approach = good.clone();
    scene.send(raw, &Frame::Gate { certificate, rotations: Vec::new(), approach });
    assert_eq!(scene.closed(raw), Some("gate_other_node"));
    let raw = scene.knock(D, A, good);
    assert_eq!(scene.closed(raw), None, "introduced by Bright's grant");
    scene.greet(raw);
}

#[test]
fn a_revoked_chain_lets_in_and_serves_nothing() {
    let mut scene = Scene::begin(8);
    let edit = scene.edit;
    let logs: Vec<LogId> = scene.world.replica(A).logs.keys().copied().collect();
    scene.world.act(A, |r| r.revoke(&[edit], 3)).unwrap();
    scene.world.settle();
    let raw = scene.enter(B, A);
    for log in logs {
        scene.send(raw, &Frame::Want { log, from: 0 });
    }
    let share = scene.share;
    scene.send(raw, &Frame::Ask { shares: vec![share], settled: Vec::new() });
    for frame in scene.heard(raw) {
        assert!(!matches!(frame, Frame::Bundles { .. }), "nothing is served");
        if let Frame::Heights { logs, .. } = frame {
            assert!(logs.is_empty(), "nor told");
        }
    }
}

#[test]
fn nobody_is_let_in_as_oneself() {
    let mut scene = Scene::begin(9);
    let raw = scene.knock(A, A, Approach::Known);
    assert_eq!(scene.closed(raw), Some("gate_unknown"));
}

#[test]
fn a_node_that_another_org_certified_too_is_still_reached_where_its_own_org_says() {
    let mut scene = Scene::begin(10);
    let raw = scene.enter(B, A);
    let root = SigningKey::from_bytes(&[31; 32]);
    let keys = OrgKeys { root, successor: SigningKey::from_bytes(&[32; 32]) };
    let party = keys.party("Trap");
    let later = scene.world.now + 1_000_000;
    let node = SigningKey::from_bytes(&[33; 32]);
    let mut told = vec![keys.certify(&party, node.public(), Some(1), scene.now(), later)];
    told.push(keys.certify(&party, scene.key(C).public(), None, scene.now(), later));
    let body = Body::Profile {
        party: party.clone(),
        addresses: vec!["/sim/nowhere".into()],
        languages: Vec::new(),
    };
    told.push(Statement::sign(party.org, &node, scene.now(), body));
    let body = Body::Grant {
        share: scene.share,
        section: scene.world.id(A),
        to: party.clone(),
        scope: fields(Kind::Event, &["title"], false),
        parent: Some(scene.edit),
        depth: 0,
        expires_at: None,
        nonce: Nonce([1; 16]),
    };
    told.push(scene.sign(B, body));
    scene.tell(raw, &told.iter().collect::<Vec<_>>());
    assert!(scene.world.replica(A).acquaintances.contains(&party.org));
    let dialled = &scene.world.orgs[A].dials[&scene.key(C).public()];
    assert!(dialled.contains(&"/sim/2".to_owned()), "{dialled:?}");
    scene.world.disconnect(A, C);
    scene.honest_edit_arrives("TITLE-1");
}
