//! Stores that were damaged behind their node's back: it says so wherever it meets that, and does
//! not go on.

use std::collections::BTreeMap;

use crate::book::Address;
use crate::codec;
use crate::id::Nonce;
use crate::keys;
use crate::message::{Approach, Blob, Frame, VERSION};
use crate::refusal::{Refusal, RefusalClass};
use crate::replica::Replica;
use crate::scene::{A, B, Raw, Scene};
use crate::vocabulary::Kind;

type Entries = BTreeMap<Vec<u8>, Vec<u8>>;

/// Acme's disk is changed.
fn spoil(scene: &Scene, spoil: impl FnOnce(&Scene, &mut Entries)) {
    let disk = &scene.world.orgs[A].disk;
    let whole: Entries = disk.contents().into_iter().collect();
    let mut entries = whole.clone();
    spoil(scene, &mut entries);
    assert_ne!(whole, entries, "something is damaged");
    disk.put_back(&entries.into_iter().collect::<Vec<_>>());
}

fn remove(entries: &mut Entries, prefix: &[u8]) {
    entries.retain(|key, _| !key.starts_with(prefix));
}

/// The first byte of what Acme has under a prefix says something else.
fn garble(entries: &mut Entries, prefix: &[u8]) {
    for (_, value) in
        entries.range_mut(prefix.to_vec()..).take_while(|(k, _)| k.starts_with(prefix))
    {
        value[0] ^= 0xff;
    }
}

/// Acme's node starts on what there is.
fn open(scene: &mut Scene) -> Result<(), Refusal> {
    let at = &scene.world.orgs[A];
    let (me, disk) = (at.identity.clone(), Box::new(at.disk.clone()));
    Replica::open(me, at.settings.clone(), disk, scene.world.now, [1; 32]).map(drop)
}

fn history(scene: &mut Scene) -> Result<(), Refusal> {
    let at = Address::Own { kind: Kind::Event, record: scene.event };
    scene.world.replica(A).history(&at, None).map(drop)
}

/// What Acme's node makes of a frame.
fn hear(scene: &mut Scene, raw: Raw, frame: &Frame) -> Result<(), Refusal> {
    scene.world.begin(A, |r| r.frame(raw.conn, &codec::to_bytes(frame)))
}

/// A partner asks for all that was ever said to it.
fn resume(scene: &mut Scene) -> Result<(), Refusal> {
    let raw = scene.knock(B, A, Approach::Known);
    scene.send(raw, &Frame::Hello { version: VERSION, store: Nonce([9; 16]) });
    hear(scene, raw, &Frame::Resume { cursor: 0 })
}

fn resume_anew(scene: &mut Scene) -> Result<(), Refusal> {
    scene.world.kill(A);
    scene.world.start(A);
    resume(scene)
}

/// A partner asks for what it may read.
fn want(scene: &mut Scene) -> Result<(), Refusal> {
    let raw = scene.enter(B, A);
    let mut logs = scene.world.replica(A).logs.iter();
    let log = *logs.find(|(_, log)| log.compartment == scene.brief).expect("a log").0;
    hear(scene, raw, &Frame::Want { log, from: 0 })
}

fn place(scene: &mut Scene) -> Result<(), Refusal> {
    let (share, event) = (scene.share, scene.world.create(A, Kind::Event, &[("title", "NEW")]));
    scene.world.begin(A, |r| r.place(&share, Kind::Event, &[event])).map(drop)
}

fn find_customer(scene: &mut Scene) -> Result<(), Refusal> {
    scene.world.replica(A).find_subject("cus_zzz").map(drop)
}

#[test]
fn what_is_missing_or_cannot_be_read_is_told_as_damage() {
    type Spoil = fn(&Scene, &mut Entries);
    type Meet = fn(&mut Scene) -> Result<(), Refusal>;
    let cases: [(&str, Spoil, Meet); 12] = [
        ("which store it is", |_, e| remove(e, keys::STORE_ID), open),
        ("where the audit log ends", |_, e| remove(e, keys::AUDIT), open),
        ("a log's name", |_, e| drop(e.insert([keys::LOGS, b"short"].concat(), vec![0])), open),
        ("a peer's name", |_, e| drop(e.insert([keys::PEERS, b"short"].concat(), vec![0])), open),
        ("a statement", |_, e| garble(e, keys::STATEMENTS), open),
        ("a row", |_, e| garble(e, &keys::facets(Kind::Event, None, None)), history),
        ("the bundles", |_, e| remove(e, b"B"), history),
        ("what is wanted", |_, e| remove(e, b"B"), want),
        ("what is due", |s, e| remove(e, &keys::outboxes(&s.key(B).public())), resume),
        ("what was said", |s, e| remove(e, &keys::statement(&s.edit.into())), resume_anew),
        ("the secret of ids", |_, e| remove(e, keys::RECORD_SECRET), place),
        (
            "a subject",
            |_, e| drop(e.insert([keys::ABOUT, b"short"].concat(), vec![0])),
            find_customer,
        ),
    ];
    for (what, how, meet) in cases {
        let mut scene = Scene::begin(1);
        spoil(&scene, how);
        let told = meet(&mut scene).expect_err(what);
        assert_eq!((told.code(), told.class()), ("store_damaged", RefusalClass::Fault), "{what}");
    }
}

#[test]
fn a_bundle_that_comes_again_is_compared_with_one_that_can_still_be_read() {
    let mut scene = Scene::begin(2);
    let brief = scene.brief;
    let (log, bundle) = scene.titled("TITLE-B");
    let raw = scene.enter(B, A);
    scene.push(raw, log, brief, std::slice::from_ref(&bundle));
    assert_eq!(scene.holds(A, &log), 1);
    let again = Frame::Bundles { bundles: vec![Blob(bundle)] };
    assert_eq!(hear(&mut scene, raw, &again).map_err(|told| told.code()), Ok(()));
    spoil(&scene, |_, entries| garble(entries, &keys::bundles(&log)));
    assert_eq!(hear(&mut scene, raw, &again).map_err(|told| told.code()), Err("store_damaged"));
}
