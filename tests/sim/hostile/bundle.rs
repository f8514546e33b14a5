//! Bundles that must not be taken: by whom, where, and of which shape.

use super::*;
use crate::ingest::{Hold, MAX_LOGS_BEGUN};
use crate::message::MAX_FRAME_BYTES;

/// Bright's edit with nothing wrong, as a pattern for wrong ones.
fn good(scene: &mut Scene) -> (Pen, Leaf) {
    let (brief, edit) = (scene.brief, scene.edit);
    let pen = scene.pen(B, brief, Some(edit));
    let leaf = scene.leaf(&pen.log(), &brief, put("title", "TITLE-B"));
    (pen, leaf)
}

#[test]
fn an_edit_with_nothing_wrong_is_taken_so_that_the_other_tests_mean_something() {
    let mut scene = Scene::begin(1);
    let (mut pen, leaf) = good(&mut scene);
    let raw = scene.enter(B, A);
    let bundle = bytes(&pen.seal(vec![leaf]));
    scene.push(raw, pen.log(), scene.brief, &[bundle]);
    scene.world.settle();
    assert_eq!(scene.text(A, &scene.brief, "title"), "TITLE-B");
    assert_eq!(scene.text(C, &scene.brief, "title"), "TITLE-B");
}

#[test]
fn a_bundle_by_a_node_its_org_never_certified_waits_and_changes_nothing() {
    let mut scene = Scene::begin(2);
    let (mut pen, _) = good(&mut scene);
    pen.key = SigningKey::from_bytes(&[77; 32]);
    let leaf = scene.leaf(&pen.log(), &pen.compartment, put("title", "UNCERTIFIED"));
    let raw = scene.enter(B, A);
    let bundle = bytes(&pen.seal(vec![leaf]));
    scene.push(raw, pen.log(), scene.brief, &[bundle]);
    assert_eq!(scene.holds(A, &pen.log()), 0);
    assert_eq!(scene.text(A, &scene.brief, "title"), "TITLE-0");
}

#[test]
fn a_stranger_s_bundle_carried_by_a_partner_changes_nothing() {
    let mut scene = Scene::begin(3);
    let (brief, edit) = (scene.brief, scene.edit);
    // Even with a certificate that its carrier hands over.
    let raw = scene.enter(B, A);
    let certificate = scene.world.orgs[D].identity.certificate.clone();
    scene.tell(raw, &[&certificate]);
    for grant in [None, Some(edit)] {
        let mut pen = scene.pen(D, brief, grant);
        let leaf = scene.leaf(&pen.log(), &brief, put("title", "STRANGER"));
        let bundle = bytes(&pen.seal(vec![leaf]));
        scene.push(raw, pen.log(), brief, &[bundle]);
        assert_eq!(scene.holds(A, &pen.log()), 0);
    }
    assert_eq!(scene.text(A, &scene.brief, "title"), "TITLE-0");
}

#[test]
fn a_reader_without_edit_and_an_editor_of_another_compartment_change_nothing() {
    let mut scene = Scene::begin(4);
    scene.world.kill(C);
    let (brief, venue) = (scene.brief, scene.venue);
    let of_c: Vec<GrantId> =
        scene.world.replica(A).grants.to(&scene.world.id(C)).map(|g| g.id).collect();
    assert_eq!(of_c.len(), 2);
    let raw = scene.enter(C, A);
    for grant in of_c.into_iter().map(Some).chain([None, Some(scene.edit)]) {
        let mut pen = scene.pen(C, brief, grant);
        let leaf = scene.leaf(&pen.log(), &brief, put("title", "CEDAR"));
        let bundle = bytes(&pen.seal(vec![leaf]));
        scene.push(raw, pen.log(), brief, &[bundle]);
        assert_eq!(scene.holds(A, &pen.log()), 0);
    }
    // Where it may edit, it can.
    let venue_grant =
        scene.world.replica(A).access().edit_grant(&scene.world.id(C), &venue, scene.world.now);
    let mut pen = scene.pen(C, venue, venue_grant);
    let leaf = scene.leaf(&pen.log(), &venue, put("venue", "VENUE-C"));
    let bundle = bytes(&pen.seal(vec![leaf]));
    scene.push(raw, pen.log(), venue, &[bundle]);
    assert_eq!(scene.text(A, &brief, "title"), "TITLE-0");
    assert_eq!(scene.text(A, &venue, "venue"), "VENUE-C");
}

#[test]
fn a_bundle_replayed_into_another_compartment_is_inert_at_best() {
    let mut scene = Scene::begin(5);
    let (mut pen, leaf) = good(&mut scene);
    let (venue, own) = (scene.venue, bytes(&pen.seal(vec![leaf.clone()])));
    let raw = scene.enter(B, A);
    // Offered as a log of another compartment: the header says otherwise.
    let lie = LogId::of(&pen.key.public(), &venue, &pen.epoch);
    scene.push(raw, lie, venue, &[own]);
    assert_eq!((scene.holds(A, &lie), scene.holds(A, &pen.log())), (0, 0));
    // Signed anew for the other compartment: not granted there.
    let mut moved = Pen { compartment: venue, ..scene.pen(B, venue, Some(scene.edit)) };
    let bundle = bytes(&moved.seal(vec![leaf.clone()]));
    scene.push(raw, moved.log(), venue, &[bundle]);
    assert_eq!(scene.holds(A, &moved.log()), 0);
    // A change made for another log of the same compartment: taken, but it has another actor.
    let mut twin = scene.pen(B, scene.brief, Some(scene.edit));
    let bundle = bytes(&twin.seal(vec![leaf]));
    scene.push(raw, twin.log(), scene.brief, &[bundle]);
    assert_eq!(scene.holds(A, &twin.log()), 1);
    assert_eq!(scene.text(A, &scene.brief, "title"), "TITLE-0");
}

#[test]
fn a_bundle_replayed_into_another_share_changes_nothing() {
    let mut scene = Scene::begin(6);
    let other = scene.world.act(A, |r| r.open_share("autumn", None, None)).unwrap();
    scene.world.place(A, other, Kind::Event, &[scene.event]);
    let scope = fields(Kind::Event, &["title", "audience_brief"], false);
    scene.world.grant(A, C, other, A, scope, 0).unwrap();
    scene.world.settle();
    let home = scene.world.replica(A).dossiers.iter().find(|(_, o, _)| o.share == Some(other));
    let home = *home.expect("a compartment").0;
    let (pen, leaf) = good(&mut scene);
    let raw = scene.enter(B, A);
    let mut moved = Pen { compartment: home, ..pen };
    let bundle = bytes(&moved.seal(vec![leaf]));
    scene.push(raw, moved.log(), home, &[bundle]);
    assert_eq!(scene.holds(A, &moved.log()), 0);
}

#[test]
fn a_bundle_of_the_wrong_shape_ends_the_session() {
    type Break = fn(&mut crate::bundle::Bundle);
    let wrong: [(&str, Break); 6] = [
        ("signature", |b| b.signature.0[3] ^= 1),
        ("root", |b| b.header.root.0[0] ^= 1),
        ("count", |b| b.header.leaf_count += 1),
        ("empty", |b| b.leaves.clear()),
        ("swapped", |b| b.leaves.swap(0, 1)),
        ("many", |b| b.leaves = vec![b.leaves[0].clone(); 257]),
    ];
    for (name, break_it) in wrong {
        let mut scene = Scene::begin(7);
        let (mut pen, leaf) = good(&mut scene);
        let (log, brief) = (pen.log(), scene.brief);
        let other = scene.leaf(&log, &brief, put("title", "OTHER"));
        let mut bundle = pen.seal(vec![leaf.clone(), other]).into_bundle();
        break_it(&mut bundle);
        let raw = scene.enter(B, A);
        scene.push(raw, pen.log(), scene.brief, &[codec::to_bytes(&bundle)]);
        assert_eq!(scene.closed(raw), Some("bundle_refused"), "{name}");
        assert_eq!(scene.holds(A, &pen.log()), 0, "{name}");
    }
}

#[test]
fn what_is_too_large_ends_the_session_before_it_is_read() {
    let mut scene = Scene::begin(8);
    let (mut pen, _) = good(&mut scene);
    let big = |scene: &mut Scene, len| Leaf::Full {
        record: scene.record,
        turn: 1,
        salt: scene.fresh(),
        change: vec![0; len],
    };
    for leaves in [vec![800 * 1024], vec![300 * 1024, 300 * 1024]] {
        let raw = scene.enter(B, A);
        let leaves = leaves.into_iter().map(|len| big(&mut scene, len)).collect();
        let bundle = bytes(&pen.seal(leaves));
        scene.push(raw, pen.log(), scene.brief, &[bundle]);
        assert_eq!(scene.closed(raw), Some("bundle_refused"));
    }
    let raw = scene.enter(B, A);
    scene.world.send_raw(raw.conn, &vec![0; MAX_FRAME_BYTES + 1]);
    assert_eq!(scene.closed(raw), Some("frame_malformed"));
}

#[test]
fn a_gap_waits_and_a_wrong_predecessor_is_never_applied() {
    let mut scene = Scene::begin(9);
    let (mut pen, leaf) = good(&mut scene);
    let raw = scene.enter(B, A);
    let first = bytes(&pen.seal(vec![leaf]));
    let next = scene.leaf(&pen.log(), &scene.brief.clone(), put("title", "LATER"));
    pen.seq = 2;
    let gap = bytes(&pen.clone().seal(vec![next.clone()]));
    scene.push(raw, pen.log(), scene.brief, &[gap]);
    assert_eq!(scene.holds(A, &pen.log()), 0);
    scene.push(raw, pen.log(), scene.brief, &[first]);
    pen.seq = 1;
    pen.prev = Nonce32([5; 32]);
    let stray = bytes(&pen.clone().seal(vec![next]));
    let raw = scene.enter(B, A);
    scene.push(raw, pen.log(), scene.brief, &[stray]);
    assert!(scene.holds(A, &pen.log()) <= 1);
    assert_ne!(scene.text(A, &scene.brief, "title"), "LATER");
}

#[test]
fn a_log_never_changes_the_grant_it_is_written_under() {
    let mut scene = Scene::begin(10);
    let (mut pen, leaf) = good(&mut scene);
    let scope = fields(Kind::Event, &["title", "audience_brief"], true);
    let second = scene.world.grant(A, B, scene.share, A, scope, 0).unwrap();
    let raw = scene.enter(B, A);
    let first = bytes(&pen.seal(vec![leaf.clone()]));
    pen.grant = Some(second);
    let other = bytes(&pen.seal(vec![leaf]));
    scene.push(raw, pen.log(), scene.brief, &[first, other]);
    assert_eq!(scene.holds(A, &pen.log()), 1);
}

#[test]
fn a_redacted_leaf_is_taken_only_with_the_erasure_that_covers_it() {
    let mut scene = Scene::begin(11);
    let (mut pen, leaf) = good(&mut scene);
    let redacted = {
        let mut bundle = pen.seal(vec![leaf]).into_bundle();
        bundle.leaves[0] = bundle.leaves[0].redacted();
        codec::to_bytes(&bundle)
    };
    let raw = scene.enter(B, A);
    scene.push(raw, pen.log(), scene.brief, std::slice::from_ref(&redacted));
    assert_eq!(scene.holds(A, &pen.log()), 0, "no relay redacts on its own");
    let (share, event) = (scene.share, scene.event);
    scene.world.act(A, |r| r.withdraw(&share, &[event])).unwrap();
    let raw = scene.enter(B, A);
    scene.push(raw, pen.log(), scene.brief, &[redacted]);
    assert_eq!(scene.holds(A, &pen.log()), 1);
}

#[test]
pub fn a_full_leaf_of_an_erased_record_is_stored_without_its_content() {
    let mut scene = Scene::begin(12);
    let (brief, edit) = (scene.brief, scene.edit);
    let mut pen = scene.pen(B, brief, Some(edit));
    let leaf = scene.leaf(&pen.log(), &brief, put("title", "COMES-TOO-LATE"));
    let late = bytes(&pen.seal(vec![leaf]));
    let (share, event) = (scene.share, scene.event);
    scene.world.act(A, |r| r.withdraw(&share, &[event])).unwrap();
    scene.world.settle();
    let raw = scene.enter(B, A);
    scene.push(raw, pen.log(), brief, &[late]);
    scene.world.settle();
    assert_eq!(scene.holds(A, &pen.log()), 1);
    assert!(!scene.world.holds(A, "COMES-TOO-LATE") && !scene.world.holds(C, "COMES-TOO-LATE"));
    assert_eq!(scene.row(A, &brief), None, "and brings nothing back");
}

#[test]
fn turn_zero_and_the_last_turn_hide_nothing_and_stop_nobody() {
    for turn in [0, 2, u32::MAX] {
        let mut scene = Scene::begin(13);
        let (mut pen, leaf) = good(&mut scene);
        let Leaf::Full { record, salt, change, .. } = leaf else { unreachable!() };
        let bundle = bytes(&pen.seal(vec![Leaf::Full { record, turn, salt, change }]));
        let raw = scene.enter(B, A);
        scene.push(raw, pen.log(), scene.brief, &[bundle]);
        scene.world.settle();
        for org in [A, C] {
            let at = scene.world.replica(org);
            assert_eq!(at.logs[&pen.log()].height, 1);
        }
        let seen = scene.world.sees(C, &scene.share, Kind::Event, &scene.record).unwrap();
        assert_eq!(seen.fields["title"], Some(Value::Str("TITLE-0".into())), "turn {turn}");
        scene.honest_edit_arrives("TITLE-1");
    }
}

#[test]
fn an_editor_invents_no_record() {
    let mut scene = Scene::begin(14);
    let (mut pen, leaf) = good(&mut scene);
    let Leaf::Full { salt, change, turn, .. } = leaf else { unreachable!() };
    let record = RecordId([0xee; 16]);
    let bundle = bytes(&pen.seal(vec![Leaf::Full { record, turn, salt, change }]));
    let raw = scene.enter(B, A);
    scene.push(raw, pen.log(), scene.brief, &[bundle]);
    scene.world.settle();
    for org in [A, C] {
        let list = scene.world.replica(org).list(&crate::view::ListQuery::of(Kind::Event));
        assert_eq!(list.unwrap().records.len(), 2);
        assert!(scene.world.sees(org, &scene.share, Kind::Event, &record).is_none());
    }
}

#[test]
fn a_fork_stops_the_log_everywhere_in_either_order_and_the_author_starts_anew() {
    for swap in [false, true] {
        let mut scene = Scene::begin(15);
        let (brief, edit) = (scene.brief, scene.edit);
        let mut pen = scene.pen(B, brief, Some(edit));
        let leaf = scene.leaf(&pen.log(), &brief, put("title", "TITLE-B"));
        let first = bytes(&pen.seal(vec![leaf]));
        let raw = scene.enter(B, A);
        scene.push(raw, pen.log(), brief, &[first]);
        scene.world.settle();
        let mut twin = pen.clone();
        let (one, two) = (
            scene.leaf(&pen.log(), &brief, put("title", "FORK-1")),
            scene.leaf(&pen.log(), &brief, put("title", "FORK-2")),
        );
        let mut both = [bytes(&pen.seal(vec![one])), bytes(&twin.seal(vec![two]))];
        if swap {
            both.reverse();
        }
        let [one, two] = both;
        scene.push(raw, pen.log(), brief, &[one]);
        scene.world.settle();
        let taken = scene.text(A, &brief, "title");
        scene.push(raw, pen.log(), brief, &[two]);
        scene.world.settle();
        for org in [A, C] {
            assert_eq!(scene.holds(org, &pen.log()), 1, "the log ends just below the fork");
            assert_eq!(scene.text(org, &brief, "title"), taken, "as Acme's book took it");
            let row = scene.row(org, &brief).unwrap();
            assert_eq!(row.by, scene.world.id(A), "and by Acme's own word");
        }
        let (_, dossier) = scene.world.replica(C).dossiers.get(&brief).unwrap();
        let height = dossier.counted(&pen.log(), &|_, _| false);
        assert_eq!(height, 1, "Acme has said so for good");
        // An erasure after the fork meets leaves that are no longer held.
        let mut fresh = scene.pen(B, brief, Some(edit));
        let leaf = scene.leaf(&fresh.log(), &brief, put("title", "ANEW"));
        let anew = bytes(&fresh.seal(vec![leaf]));
        scene.push(raw, fresh.log(), brief, &[anew]);
        scene.world.settle();
        assert_eq!(scene.text(C, &brief, "title"), "ANEW");
        let (share, event) = (scene.share, scene.event);
        scene.world.act(A, |r| r.withdraw(&share, &[event])).unwrap();
        scene.world.settle();
        assert!(scene.row(C, &brief).is_none());
    }
}

#[test]
pub fn two_tales_at_one_place_of_a_log_are_noticed_though_neither_is_continued() {
    let mut scene = Scene::parted(18);
    let (brief, edit) = (scene.brief, scene.edit);
    let pen = scene.pen(B, brief, Some(edit));
    let tales = [(A, "TALE-1"), (C, "TALE-2")];
    let leaves = tales.map(|(_, tale)| scene.leaf(&pen.log(), &brief, put("title", tale)));
    for ((to, tale), leaf) in tales.into_iter().zip(leaves) {
        let bundle = bytes(&pen.clone().seal(vec![leaf]));
        let raw = scene.enter(B, to);
        scene.push(raw, pen.log(), brief, &[bundle]);
        scene.world.close_raw();
        assert_eq!(scene.text(to, &brief, "title"), tale);
    }
    scene.world.cut.clear();
    scene.world.settle();
    assert_eq!((scene.holds(A, &pen.log()), scene.holds(C, &pen.log())), (0, 0));
    // What Acme's book took is Acme's now.
    assert_eq!(scene.text(A, &brief, "title"), "TALE-1");
    assert_eq!(scene.text(C, &brief, "title"), "TALE-1");
}

#[test]
fn a_forged_fork_proof_ends_the_session_and_stops_no_log() {
    let mut scene = Scene::begin(16);
    let replica = scene.world.replica(A);
    let (log, _) = replica
        .logs
        .iter()
        .find(|(_, state)| state.compartment == scene.brief)
        .expect("Acme's log");
    let log = *log;
    let held = Verified::open(&replica.store().get(&keys::bundle(&log, 0)).unwrap().unwrap());
    let held = held.unwrap();
    let mut other = held.header().clone();
    other.at = Hlc(other.at.0 + 1);
    let forged = Verified::write(other, held.bundle().leaves.clone(), &scene.key(B));
    let proof = |one: &Verified, two: &Verified| {
        let (one, two) = if one.id() < two.id() { (one, two) } else { (two, one) };
        crate::fork::ForkProof {
            first: one.header().clone(),
            first_signature: one.bundle().signature,
            second: two.header().clone(),
            second_signature: two.bundle().signature,
        }
    };
    for proof in [proof(&held, &forged), proof(&held, &held)] {
        let raw = scene.enter(B, A);
        scene.send(raw, &Frame::Fork { proof: Box::new(proof) });
        assert_eq!(scene.closed(raw), Some("fork_unproven"));
    }
    assert!(scene.world.replica(A).forks.is_empty());
}

#[test]
fn fork_proofs_of_those_who_may_not_write_are_not_kept() {
    let mut scene = Scene::begin(17);
    let raw = scene.enter(B, A);
    let before = scene.disk(A);
    for n in 0..50 {
        let mut pen = scene.pen(D, scene.brief, None);
        pen.key = SigningKey::from_bytes(&[n + 1; 32]);
        let mut twin = pen.clone();
        twin.at = Hlc(pen.at.0 + 1);
        let leaf =
            Leaf::Full { record: scene.record, turn: 1, salt: scene.fresh(), change: vec![1; 10] };
        let (one, two) = (pen.seal(vec![leaf.clone()]), twin.seal(vec![leaf]));
        let proof = crate::fork::ForkProof::of(&one, &two).expect("a fork");
        scene.send(raw, &Frame::Fork { proof: Box::new(proof) });
    }
    assert!(scene.world.replica(A).forks.is_empty());
    assert!(scene.disk(A) < before + 1024);
}

#[test]
pub fn an_editor_begins_so_many_logs_and_no_more() {
    let mut scene = Scene::begin(18);
    let (brief, edit, b) = (scene.brief, scene.edit, scene.world.id(B));
    let raw = scene.enter(B, A);
    for _ in 0..MAX_LOGS_BEGUN + 10 {
        let mut pen = scene.pen(B, brief, Some(edit));
        let leaf =
            Leaf::Full { record: scene.record, turn: 1, salt: Nonce([1; 16]), change: vec![1] };
        let bundle = bytes(&pen.seal(vec![leaf]));
        scene.push(raw, pen.log(), brief, &[bundle]);
    }
    let of_b = |scene: &Scene| {
        let logs = &scene.world.replica(A).logs;
        logs.values().filter(|log| log.author == b).count()
    };
    assert_eq!(of_b(&scene), MAX_LOGS_BEGUN);
    assert_eq!(scene.closed(raw), None);
    let mut pen = scene.pen(B, brief, Some(edit));
    let leaf = Leaf::Full { record: scene.record, turn: 1, salt: Nonce([1; 16]), change: vec![1] };
    let more = pen.clone().seal(vec![leaf]);
    let held = scene.world.replica(A).authorise(&more, None);
    assert_eq!(held.err(), Some(Hold::Refused("logs_quota")));
    // Nor by forks of logs that nobody has seen.
    let mut twin = Pen { at: Hlc(pen.at.0 + 1), ..pen.clone() };
    let leaf = Leaf::Full { record: scene.record, turn: 1, salt: Nonce([1; 16]), change: vec![1] };
    let proof =
        crate::fork::ForkProof::of(&pen.seal(vec![leaf.clone()]), &twin.seal(vec![leaf])).unwrap();
    scene.send(raw, &Frame::Fork { proof: Box::new(proof) });
    assert!(scene.world.replica(A).forks.is_empty());
    scene.honest_edit_arrives("TITLE-1");
}
