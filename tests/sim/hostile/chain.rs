//! Grant chains forged, expired and revoked at each depth, and what was written under them.

use super::*;
use crate::identity::OrgKeys;
use crate::statement::{Cause, Mark};

/// Orgs below Bright, made up by it; the last one writes.
struct Below {
    parties: Vec<Party>,
    nodes: Vec<SigningKey>,
    grants: Vec<Statement>,
}

/// What is changed about the link at one depth.
type Twist<'a> = &'a dyn Fn(&mut Body, &mut Party);

/// Bright → X1 → X2 → X3, each with the right to edit, told to Acme by Bright; the link at depth
/// `at` is twisted before it is signed.
fn chain(scene: &mut Scene, raw: Raw, at: usize, twist: Twist<'_>) -> Below {
    let mut below =
        Below { parties: vec![scene.party(B)], nodes: vec![scene.key(B)], grants: Vec::new() };
    let (share, section) = (scene.share, scene.world.id(A));
    let (now, later) = (scene.now(), scene.world.now + 1_000_000);
    let mut parent = scene.edit;
    let mut told = Vec::new();
    for depth in 1..=3u8 {
        let key = |n: u8| SigningKey::from_bytes(&[100 + depth * 10 + n; 32]);
        let keys = OrgKeys { root: key(0), successor: key(1) };
        let (party, node) = (keys.party("Below"), key(2));
        let mut author = below.parties[usize::from(depth) - 1].clone();
        let mut body = Body::Grant {
            share,
            section,
            to: party.clone(),
            scope: fields(Kind::Event, &["title", "audience_brief"], true),
            parent: Some(parent),
            depth: 3 - depth,
            expires_at: None,
            nonce: Nonce([depth; 16]),
        };
        if usize::from(depth) == at {
            twist(&mut body, &mut author);
        }
        let signer = below
            .parties
            .iter()
            .position(|p| p.org == author.org)
            .map_or_else(|| scene.key(C), |n| below.nodes[n].clone());
        let grant = Statement::sign(author.org, &signer, now, body);
        parent = grant.id().into();
        told.push(keys.certify(&party, node.public(), Some(1), now, later));
        told.push(grant.clone());
        below.parties.push(party);
        below.nodes.push(node);
        below.grants.push(grant);
    }
    scene.tell(raw, &told.iter().collect::<Vec<_>>());
    below
}

/// The last org of the chain writes a title; whether Acme takes it.
fn writes(scene: &mut Scene, raw: Raw, below: &Below, text: &str) -> bool {
    let id: GrantId = below.grants[2].id().into();
    let home = scene.world.replica(A).dossiers.iter().find(|(_, opening, dossier)| {
        opening.share == Some(scene.share)
            && !dossier.retired()
            && opening.schema.shape("title").is_some()
    });
    let compartment = *home.expect("a compartment").0;
    let mut pen = scene.pen(B, compartment, Some(id));
    pen.key = below.nodes[3].clone();
    pen.author = below.parties[3].org;
    let leaf = scene.leaf(&pen.log(), &compartment, put("title", text));
    let bundle = bytes(&pen.seal(vec![leaf]));
    scene.push(raw, pen.log(), compartment, &[bundle]);
    scene.world.settle();
    scene.holds(A, &pen.log()) == 1
}

#[test]
fn a_chain_with_nothing_wrong_lets_its_end_write() {
    let mut scene = Scene::begin(1);
    let raw = scene.enter(B, A);
    let below = chain(&mut scene, raw, 0, &|_, _| {});
    assert!(writes(&mut scene, raw, &below, "TITLE-X"));
}

#[test]
fn a_chain_forged_at_any_depth_lets_nobody_write() {
    type Named = (&'static str, fn(&mut Body, &mut Party));
    fn edit(body: &mut Body, change: impl FnOnce(&mut Scope, &mut u8, &mut ShareId, &mut OrgId)) {
        if let Body::Grant { scope, depth, share, section, .. } = body {
            change(scope, depth, share, section);
        }
    }
    use crate::statement::Scope;
    let twists: [Named; 7] = [
        ("wider fields", |b, _| {
            edit(b, |scope, _, _, _| {
                *scope = fields(Kind::Event, &["title", "audience_brief", "venue"], true);
            })
        }),
        ("another kind", |b, _| {
            edit(b, |scope, _, _, _| *scope = fields(Kind::Customer, &["title"], true))
        }),
        ("as deep as before", |b, _| edit(b, |_, depth, _, _| *depth += 1)),
        ("another share", |b, _| edit(b, |_, _, share, _| *share = ShareId([1; 32]))),
        ("another section", |b, _| edit(b, |_, _, _, section| *section = OrgId([1; 32]))),
        ("a parent that is not there", |b, _| {
            if let Body::Grant { parent, .. } = b {
                *parent = Some(GrantId([1; 32]));
            }
        }),
        ("no parent", |b, _| {
            if let Body::Grant { parent, .. } = b {
                *parent = None;
            }
        }),
    ];
    for (name, twist) in twists {
        for at in 1..=3 {
            let mut scene = Scene::begin(2);
            let raw = scene.enter(B, A);
            let below = chain(&mut scene, raw, at, &twist);
            assert!(!writes(&mut scene, raw, &below, "FORGED"), "{name} at depth {at}");
            assert_eq!(scene.text(A, &scene.brief, "title"), "TITLE-0");
        }
    }
}

#[test]
fn a_link_signed_by_another_than_its_holder_lets_nobody_write() {
    for at in 2..=3 {
        let mut scene = Scene::begin(3);
        let raw = scene.enter(B, A);
        let b = scene.party(B);
        // Bright signs in place of the one it passed on to: it is not that link's holder.
        let below = chain(&mut scene, raw, at, &|_, author| *author = b.clone());
        assert!(!writes(&mut scene, raw, &below, "FORGED"), "depth {at}");
    }
    let mut scene = Scene::begin(3);
    let raw = scene.enter(B, A);
    let c = scene.party(C);
    let below = chain(&mut scene, raw, 1, &|_, author| *author = c.clone());
    assert!(!writes(&mut scene, raw, &below, "FORGED"));
}

#[test]
fn a_chain_expired_or_revoked_in_its_middle_serves_nobody_below() {
    let mut scene = Scene::begin(4);
    let raw = scene.enter(B, A);
    let ends = scene.world.now + 1000;
    let below = chain(&mut scene, raw, 2, &|body, _| {
        if let Body::Grant { expires_at, .. } = body {
            *expires_at = Some(ends);
        }
    });
    let in_force = |scene: &Scene, n: usize| {
        let id = below.grants[n].id().into();
        scene.world.replica(A).grants.in_force(&id, scene.world.now).is_ok()
    };
    assert!((0..3).all(|n| in_force(&scene, n)));
    scene.world.now = ends;
    assert_eq!([0, 1, 2].map(|n| in_force(&scene, n)), [true, false, false]);
    let mut scene = Scene::begin(5);
    let raw = scene.enter(B, A);
    let below = chain(&mut scene, raw, 0, &|_, _| {});
    let first: GrantId = below.grants[0].id().into();
    let said = scene.sign(B, Body::Revoke { grant: first, reason: 1 });
    scene.tell(raw, &[&said]);
    let replica = scene.world.replica(A);
    for party in &below.parties[1..] {
        for (id, ..) in replica.dossiers.iter() {
            assert!(!replica.access().may_serve(&party.org, id, scene.world.now));
        }
    }
    assert!(replica.grants.in_force(&scene.edit, scene.world.now).is_ok(), "above it stands");
}

#[test]
fn what_lies_above_a_cut_is_refused_however_it_is_dated_and_whoever_carries_it() {
    let mut scene = Scene::begin(6);
    let (brief, edit) = (scene.brief, scene.edit);
    let raw = scene.enter(B, A);
    let mut pen = scene.pen(B, brief, Some(edit));
    let leaf = scene.leaf(&pen.log(), &brief, put("title", "BEFORE"));
    let first = bytes(&pen.seal(vec![leaf]));
    scene.push(raw, pen.log(), brief, &[first]);
    scene.world.settle();
    let leaf = scene.leaf(&pen.log(), &brief, put("title", "AFTER"));
    let mut unsent = pen.clone();
    unsent.at = Hlc(1 << 16);
    let late = bytes(&unsent.seal(vec![leaf.clone()]));
    // An old log that nobody has seen, written "before" it all.
    let mut hidden = scene.pen(B, brief, Some(edit));
    hidden.at = Hlc(1 << 16);
    let old = scene.leaf(&hidden.log(), &brief, put("title", "BACKDATED"));
    let backdated = bytes(&hidden.seal(vec![old]));
    let (log, height, head) = (pen.log(), pen.seq, pen.prev);
    scene
        .world
        .act(A, |r| {
            r.revoke(&[edit], 3)?;
            let (revoke, _) = r.grants.revocations(&edit)[0];
            let number = 1 + r.dossiers.get(&brief).map_or(0, |(_, d)| d.number());
            let logs = vec![Mark { log, height, head }];
            let cause = Cause::Revoke(revoke);
            r.say(Body::Cut { compartment: brief, cause, logs, number })
        })
        .unwrap();
    scene.world.settle();
    // From its author, and from another reader that was fooled into holding it.
    scene.world.kill(C);
    for org in [B, C] {
        for (log, bundle) in [(pen.log(), &late), (hidden.log(), &backdated)] {
            let raw = scene.enter(org, A);
            scene.push(raw, log, brief, std::slice::from_ref(bundle));
        }
    }
    assert_eq!((scene.holds(A, &pen.log()), scene.holds(A, &hidden.log())), (1, 0));
    for token in ["AFTER", "BACKDATED"] {
        assert!(!scene.world.holds(A, token), "{token}");
    }
    scene.world.start(C);
    scene.world.settle();
    scene.honest_edit_arrives("TITLE-1");
}
