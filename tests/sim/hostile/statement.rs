//! Statements by those who have no say, malformed ones, and floods of them.

use super::*;
use crate::hear::MAX_BROUGHT_BYTES;
use crate::identity::OrgKeys;
use crate::statement::{Cause, FieldSpec, Mark, RecordTurn};
use crate::vocabulary::{self, Class};

#[test]
fn another_org_s_word_on_a_section_changes_nothing() {
    let mut scene = Scene::begin(1);
    let (brief, venue, share) = (scene.brief, scene.venue, scene.share);
    let title = scene.text(A, &brief, "title");
    let readers = scene.world.replica(A).access().readers(&venue, scene.world.now);
    let log = *scene.world.replica(A).logs.keys().next().unwrap();
    let revoke = StatementId([3; 32]);
    let erase = |scene: &Scene, only_for| Body::Erase {
        compartment: brief,
        records: vec![RecordTurn { record: scene.record, turn: u32::MAX }],
        only_for,
        number: 9,
    };
    let admit = |replaces| Body::Admit {
        compartment: venue,
        grant: scene.edit,
        replaces,
        from: vec![Mark { log, height: u64::MAX, head: Nonce32([1; 32]) }],
        number: u64::MAX,
    };
    let cut = |cause| Body::Cut { compartment: brief, cause, logs: Vec::new(), number: 9 };
    let bodies = [
        erase(&scene, None),
        erase(&scene, Some(scene.edit)),
        admit(Vec::new()),
        admit(vec![brief]),
        Body::Retire { compartment: brief, number: u64::MAX },
        cut(Cause::Retire(revoke)),
        cut(Cause::Revoke(revoke)),
        cut(Cause::EndNode(revoke)),
        cut(Cause::Fork(Nonce32([1; 32]))),
        Body::EndNode { node: scene.key(A).public() },
        Body::Receipt { of: revoke, done_at: u64::MAX },
    ];
    for body in bodies {
        let raw = scene.enter(B, A);
        let said = scene.sign(B, body.clone());
        scene.tell(raw, &[&said]);
        scene.world.settle();
        assert_eq!(scene.text(A, &brief, "title"), title, "{body:?}");
        assert_eq!(scene.text(C, &brief, "title"), title, "{body:?}");
        let replica = scene.world.replica(A);
        assert!(!replica.dossiers.get(&brief).unwrap().1.retired());
        assert_eq!(replica.access().readers(&venue, scene.world.now), readers);
        assert!(replica.directory.acts_for(&scene.world.id(A), &scene.key(A).public(), 0));
        assert!(replica.grants.opener(&share).is_some());
    }
    scene.honest_edit_arrives("TITLE-1");
}

#[test]
pub fn a_forged_cut_makes_nobody_pass_on_what_it_names() {
    let mut scene = Scene::begin(10);
    scene.world.kill(C);
    let of_c: Vec<StatementId> =
        scene.world.replica(A).grants.to(&scene.world.id(C)).map(|g| g.id.into()).collect();
    let raw = scene.enter(B, A);
    scene.heard(raw);
    for (grant, cause) in of_c.into_iter().zip([Cause::Revoke, Cause::EndNode]) {
        let (compartment, logs) = (scene.brief, Vec::new());
        let body = Body::Cut { compartment, cause: cause(grant), logs, number: 9 };
        // Cedar forges it, and Bright carries it.
        let said = scene.sign(C, body);
        scene.tell(raw, &[&said]);
        for frame in scene.heard(raw) {
            assert!(!matches!(frame, Frame::Statements { .. }), "{frame:?}");
        }
    }
}

#[test]
fn only_an_issuer_above_revokes() {
    let mut scene = Scene::begin(2);
    scene.world.kill(C);
    let b_may = |scene: &Scene| {
        let (edit, now) = (scene.edit, scene.world.now);
        scene.world.replica(A).grants.in_force(&edit, now).is_ok()
    };
    let of_c: Vec<GrantId> =
        scene.world.replica(A).grants.to(&scene.world.id(C)).map(|g| g.id).collect();
    // Cedar revokes Bright's grant, Bright Cedar's, and Bright its own.
    let cases = [(C, scene.edit), (B, of_c[0]), (B, of_c[1]), (B, scene.edit)];
    for (org, grant) in cases {
        let raw = scene.enter(org, A);
        let said = scene.sign(org, Body::Revoke { grant, reason: 3 });
        scene.tell(raw, &[&said]);
        assert!(scene.knows(A, &said.id()));
        assert!(!scene.world.replica(A).grants.revoked(&grant));
        assert!(b_may(&scene));
    }
}

/// An org outside the world, with a steward and a plain node.
fn trap(scene: &Scene) -> (Party, [SigningKey; 2], Vec<Statement>) {
    let keys = OrgKeys {
        root: SigningKey::from_bytes(&[41; 32]),
        successor: SigningKey::from_bytes(&[42; 32]),
    };
    let nodes = [SigningKey::from_bytes(&[43; 32]), SigningKey::from_bytes(&[44; 32])];
    let (party, later) = (keys.party("Trap"), scene.world.now + 1_000_000);
    let certificates = [(0, Some(1)), (1, None)]
        .map(|(n, term): (usize, _)| {
            keys.certify(&party, nodes[n].public(), term, scene.now(), later)
        })
        .to_vec();
    (party, nodes, certificates)
}

#[test]
fn a_compartment_is_opened_by_a_steward_with_the_genesis_of_its_fields() {
    let mut scene = Scene::begin(3);
    let (party, [steward, plain], told) = trap(&scene);
    let raw = scene.enter(B, A);
    scene.tell(raw, &told.iter().collect::<Vec<_>>());
    let field = |name: &str| FieldSpec {
        name: name.into(),
        shape: vocabulary::field(Kind::Event, name).expect("a field").ty.shape(),
    };
    let body = |fields: Vec<FieldSpec>, wrong: bool| {
        let mut genesis = crate::facet::Schema::new(&fields).genesis();
        genesis.0[0] ^= u8::from(wrong);
        let share = scene.share;
        Body::OpenCompartment { share, kind: Kind::Event, fields, nonce: Nonce([1; 16]), genesis }
    };
    let now = scene.now();
    let sign = |key: &SigningKey, body| Statement::sign(party.org, key, now, body);
    let by_plain = sign(&plain, body(vec![field("title")], false));
    let wrong = sign(&steward, body(vec![field("title")], true));
    let good = sign(&steward, body(vec![field("title")], false));
    scene.tell(raw, &[&by_plain, &wrong, &good]);
    let replica = scene.world.replica(A);
    for (said, opens) in [(&by_plain, false), (&wrong, false), (&good, true)] {
        assert!(scene.knows(A, &said.id()));
        assert_eq!(replica.dossiers.get(&said.id().into()).is_some(), opens);
    }
    // Not being the steward, a node cannot retire either.
    let compartment = good.id().into();
    let retire = sign(&plain, Body::Retire { compartment, number: 1 });
    scene.tell(raw, &[&retire]);
    assert!(!scene.world.replica(A).dossiers.get(&compartment).unwrap().1.retired());
}

#[test]
fn a_grant_of_an_internal_field_allows_nothing() {
    let mut scene = Scene::begin(4);
    let internal = vocabulary::fields(Kind::Event)
        .iter()
        .find(|field| field.class == Class::S5)
        .expect("an internal field");
    for names in [vec![internal.name], vec!["title", internal.name]] {
        let body = Body::Grant {
            share: scene.share,
            section: scene.world.id(B),
            to: scene.party(A),
            scope: fields(Kind::Event, &names, true),
            parent: None,
            depth: 0,
            expires_at: None,
            nonce: Nonce([1; 16]),
        };
        let said = scene.sign(B, body);
        let raw = scene.enter(B, A);
        scene.tell(raw, &[&said]);
        assert!(scene.world.replica(A).grants.chain(&said.id().into()).is_err());
    }
}

#[test]
fn malformed_statements_end_the_session_and_wrong_positions_are_passed_over() {
    let mut scene = Scene::begin(5);
    let said = scene.sign(B, Body::Receipt { of: StatementId([1; 32]), done_at: 1 });
    for at in [3, 60, said.bytes().len() - 1] {
        let mut bytes = said.bytes().to_vec();
        bytes[at] ^= 1;
        let raw = scene.enter(B, A);
        let position = scene.world.replica(A).peers[&scene.key(B).public()].heard;
        scene.send(raw, &Frame::Statements { position, statements: vec![Blob(bytes)] });
        assert_eq!(scene.closed(raw), Some("statement_refused"));
    }
    // In Cedar's name, by Bright's node: it waits for a certificate that never comes.
    let forged = Statement::sign(
        scene.world.id(C),
        &scene.key(B),
        scene.now(),
        Body::Revoke { grant: scene.edit, reason: 0 },
    );
    let raw = scene.enter(B, A);
    scene.tell(raw, &[&forged]);
    assert!(!scene.knows(A, &forged.id()));
    for position in [u64::MAX, 1 << 40] {
        let statements = vec![Blob(said.bytes().to_vec())];
        scene.send(raw, &Frame::Statements { position, statements });
        assert!(!scene.knows(A, &said.id()));
        assert_eq!(scene.closed(raw), None);
    }
}

#[test]
fn a_time_far_ahead_is_kept_and_moves_no_clock() {
    let mut scene = Scene::begin(6);
    let body = Body::Receipt { of: StatementId([1; 32]), done_at: 1 };
    let said = Statement::sign(scene.world.id(B), &scene.key(B), Hlc(u64::MAX), body);
    let raw = scene.enter(B, A);
    scene.tell(raw, &[&said]);
    assert!(scene.knows(A, &said.id()));
    assert!(scene.world.replica(A).clock.millis() <= scene.world.now + 1000);
}

#[test]
fn statements_parked_by_one_peer_are_bounded_and_cost_the_others_nothing() {
    let mut scene = Scene::begin(7);
    let raw = scene.enter(B, A);
    let nobody = SigningKey::from_bytes(&[51; 32]);
    let name = "x".repeat(60_000);
    for n in 0..40 {
        let body = Body::OpenShare {
            name: name.clone(),
            purpose: String::new(),
            ends_at: None,
            retention_days: None,
            nonce: Nonce([n; 16]),
        };
        let said = Statement::sign(OrgId([n; 32]), &nobody, scene.now(), body);
        scene.tell(raw, &[&said]);
    }
    assert_eq!(scene.closed(raw), Some("statements_parked"));
    assert!(!scene.world.replica(A).has_parked(&scene.key(B).public()), "all of it is dropped");
    // It can come back and be heard from the beginning.
    let raw = scene.enter(B, A);
    assert_eq!(scene.world.replica(A).peers[&scene.key(B).public()].heard, 0);
    let said = scene.sign(B, Body::Receipt { of: StatementId([1; 32]), done_at: 1 });
    scene.tell(raw, &[&said]);
    assert!(scene.knows(A, &said.id()));
    scene.honest_edit_arrives("TITLE-1");
}

#[test]
fn one_org_brings_so_many_bytes_of_statements_and_no_more() {
    let mut scene = Scene::begin(8);
    let raw = scene.enter(B, A);
    let node = scene.key(B).public();
    let peers = &mut scene.world.orgs[A].replica.as_mut().unwrap().peers;
    peers.get_mut(&node).unwrap().brought = MAX_BROUGHT_BYTES - 1000;
    let receipt = |n| Body::Receipt { of: StatementId([n; 32]), done_at: 1 };
    let said: Vec<Statement> = (0..10).map(|n| scene.sign(B, receipt(n))).collect();
    scene.tell(raw, &said.iter().collect::<Vec<_>>());
    assert_eq!(scene.closed(raw), Some("statements_quota"));
    let taken = said.iter().filter(|s| scene.knows(A, &s.id())).count();
    assert!((1..10).contains(&taken), "{taken}");
    // What is known already costs nothing, and others are heard on.
    let raw = scene.enter(B, A);
    scene.tell(raw, &[&said[0]]);
    assert_eq!(scene.closed(raw), None);
    scene.honest_edit_arrives("TITLE-1");
}

#[test]
fn a_crowd_of_one_name_is_introduced_in_bounded_time() {
    let mut scene = Scene::begin(9);
    let raw = scene.enter(B, A);
    let crowd: Vec<Statement> = (0..200u8)
        .map(|n| {
            let keys = OrgKeys {
                root: SigningKey::from_bytes(&[n; 32]),
                successor: SigningKey::from_bytes(&[n ^ 0xff; 32]),
            };
            let body = Body::Grant {
                share: scene.share,
                section: scene.world.id(A),
                to: keys.party("x"),
                scope: fields(Kind::Event, &["title"], false),
                parent: Some(scene.edit),
                depth: 0,
                expires_at: None,
                nonce: Nonce([n; 16]),
            };
            scene.sign(B, body)
        })
        .collect();
    scene.tell(raw, &crowd.iter().collect::<Vec<_>>());
    let names: std::collections::BTreeSet<String> =
        scene.world.replica(A).partners.values().map(|p| p.alias.clone()).collect();
    assert!(names.len() >= 200, "each has an alias of its own: {}", names.len());
}

/// Bright tells what Delta said, and not who that is; Cedar does.
#[test]
pub fn who_has_said_all_is_met_once_another_brings_what_that_waited_for() {
    let mut scene = Scene::begin(12);
    let copy = scene.world.orgs[A].disk.contents();
    scene.world.restore(A, &copy);
    scene.world.settle();
    let bright = scene.world.id(B);
    let waits_for = |scene: &Scene| scene.world.replica(A).has_to_meet();
    assert_eq!(waits_for(&scene), [bright], "Cedar was met");
    let raw = scene.enter(B, A);
    let compartment = CompartmentId([9; 32]);
    let said = scene.sign(D, Body::Retire { compartment, number: 1 });
    scene.tell(raw, &[&said]);
    scene.send(raw, &Frame::Digests { shares: Vec::new() });
    assert_eq!(waits_for(&scene), [bright], "that cannot be judged yet");
    let certificate = scene.world.orgs[D].identity.certificate.bytes().to_vec();
    let cedar = scene.key(C).public();
    let heard = scene.world.act(A, |r| Ok(r.hear(&certificate, &cedar).is_ok()));
    assert!(heard.unwrap() && scene.knows(A, &said.id()));
    assert_eq!(waits_for(&scene), []);
}
