//! Refusals by their codes: what a request, a bundle or a pairing is told that cannot be.

use std::collections::BTreeSet;
use std::fmt::Debug;

use crate::book::Address;
use crate::bundle::Verified;
use crate::codec;
use crate::facet::Edit;
use crate::id::{CompartmentId, OrgId, RecordId, ShareId};
use crate::ingest::{Hold, MAX_LOGS_BEGUN};
use crate::log::LogState;
use crate::message::{Frame, MAX_FRAME_BYTES};
use crate::refusal::Refusal;
use crate::replica::{Effect, Replica, Settings};
use crate::scene::{A, B, C, D, Pen, Scene, put};
use crate::sign::SigningKey;
use crate::statement::Body;
use crate::store::{Batch, Entry, MemoryStore, Store, StoreError};
use crate::value::{Fields, Value};
use crate::vocabulary::Kind;
use crate::world::{World, fields};

fn code<T: Debug>(done: Result<T, Refusal>) -> &'static str {
    done.expect_err("a refusal").code()
}

/// The event as Cedar received it.
fn received(scene: &Scene) -> Address {
    let at = scene.world.replica(C).locate_in(&scene.share, Kind::Event, &scene.record, None);
    at.unwrap().expect("it is there")
}

#[test]
fn what_is_not_ones_own_or_cannot_be_is_refused_by_name() {
    let mut scene = Scene::begin(1);
    let (share, event, now) = (scene.share, scene.event, scene.world.now);
    let at = received(&scene);
    assert_eq!(code(scene.world.act(C, |r| r.delete(&at))), "not_own");
    assert_eq!(code(scene.world.act(C, |r| r.forget(&at, None))), "not_yours");
    let customer = scene.world.create(C, Kind::Customer, &[("name", "Lin")]);
    let place = |r: &mut Replica| r.place(&share, Kind::Customer, &[customer]);
    assert_eq!(code(scene.world.act(C, place)), "may_not_contribute");
    assert_eq!(code(scene.world.act(A, |r| r.open_share(" ", None, None))), "out_of_range");
    let over = scene.world.act(A, |r| r.open_share("over", None, Some(now))).unwrap();
    let place = |r: &mut Replica| r.place(&over, Kind::Event, &[event]);
    assert_eq!(code(scene.world.act(A, place)), "share_ended");
    let own = Address::Own { kind: Kind::Event, record: event };
    let wrong = vec![Edit::SetAdd("title".into(), "x".into())];
    assert_eq!(code(scene.world.act(A, |r| r.edit(&own, wrong))), "bad_edit");
}

#[test]
fn an_edit_of_what_its_owner_is_moving_is_told_to_come_back() {
    let mut scene = Scene::begin(2);
    let at = received(&scene);
    // The publisher has retired the compartment, and nothing of the next one has come.
    let retire = scene.sign(A, Body::Retire { compartment: scene.venue, number: 100 });
    let edit = vec![put("venue", "MOVED")];
    let of_venue = scene.world.replica(C).history(&at, Some("venue")).unwrap();
    let done = scene.world.begin(C, |r| {
        r.take(retire)?;
        Ok::<_, Refusal>([r.edit(&at, edit), r.undo(&at, &of_venue[0].id)].map(code))
    });
    assert_eq!(done.unwrap(), ["moving"; 2]);
}

#[test]
fn who_has_begun_too_often_in_one_place_is_told_that_nobody_takes_more() {
    let mut scene = Scene::begin(11);
    let (at, venue) = (received(&scene), scene.venue);
    let pens: Vec<Pen> = (0..MAX_LOGS_BEGUN).map(|_| scene.pen(C, venue, None)).collect();
    let done = scene.world.begin(C, |r| {
        r.logs.extend(pens.iter().map(|pen| (pen.log(), LogState::begin(&pen.header()))));
        r.edit(&at, vec![put("venue", "MORE")])
    });
    assert_eq!(code(done), "not_taken");
}

#[test]
fn a_node_that_the_next_root_key_does_not_name_writes_nothing() {
    let mut scene = Scene::begin(12);
    let (root, party) = (scene.world.orgs[A].keys.clone(), scene.party(A));
    let next = SigningKey::from_bytes(&[55; 32]);
    let rotation = root.rotate(&party, &next.public(), &BTreeSet::new(), scene.now());
    let at = Address::Own { kind: Kind::Event, record: scene.event };
    let done = scene.world.begin(A, |r| {
        r.learn(vec![rotation])?;
        r.edit(&at, vec![put("title", "LATE")])
    });
    assert_eq!(code(done), "node_retired");
}

#[test]
fn what_is_on_its_way_when_its_grant_ends_is_not_taken() {
    let mut world = World::new(13, &["Acme", "Bright"]);
    world.pair(A, B);
    let event = world.create(A, Kind::Event, &[("title", "TITLE-1")]);
    let share = world.act(A, |r| r.open_share("launch", None, None)).unwrap();
    world.place(A, share, Kind::Event, &[event]);
    world.settle();
    let scope = fields(Kind::Event, &["title"], false);
    let grant = world.grant(A, B, share, A, scope, 0).unwrap();
    let bundles = |(_, _, frame): &(usize, usize, Vec<u8>)| {
        matches!(codec::from_bytes(frame, MAX_FRAME_BYTES), Ok(Frame::Bundles { .. }))
    };
    while !world.sent.iter().any(bundles) {
        assert!(world.deliver_one(), "Bright asks for it");
    }
    world.act(A, |r| r.revoke(&[grant], 1)).unwrap();
    let mut said = world.replica(A).statements.values();
    let revocation = said.find(|s| matches!(s.body(), Body::Revoke { .. })).unwrap().bytes();
    let (revocation, from) = (revocation.to_vec(), world.orgs[A].identity.node.public());
    world.begin(B, |r| r.hear(&revocation, &from).map_err(|_| Refusal::NotTaken)).unwrap();
    world.commit_in_silence(B);
    world.settle();
    let written = world.orgs[B].disk.written();
    assert!(!written.iter().any(|bytes| bytes.windows(7).any(|part| part == b"TITLE-1")));
}

/// A record, a share and an org that nobody has.
const NO_RECORD: RecordId = RecordId([99; 16]);
const NO_SHARE: ShareId = ShareId([99; 32]);
const NO_ORG: OrgId = OrgId([99; 32]);

#[test]
fn what_is_not_there_is_refused_whoever_asks_for_it() {
    let mut scene = Scene::begin(7);
    let (share, event) = (scene.share, scene.event);
    let own = |kind| Address::Own { kind, record: NO_RECORD };
    let (none, nobody) = (own(Kind::Event), own(Kind::Customer));
    let mut act = |done: &dyn Fn(&mut Replica) -> Result<(), Refusal>| {
        scene.world.begin(A, |r| Ok::<_, Refusal>(code(done(r)))).unwrap()
    };
    let value = |field: &str, value| Fields::from([(field.to_owned(), value)]);
    assert_eq!(act(&|r| r.delete(&none)), "not_found");
    assert_eq!(act(&|r| r.history(&none, None).map(drop)), "not_found");
    assert_eq!(act(&|r| r.forget(&nobody, None).map(drop)), "not_found");
    assert_eq!(act(&|r| r.find_forgotten("cus_zzz").map(drop)), "not_found");
    assert_eq!(act(&|r| r.leave_share(&NO_SHARE)), "not_found");
    assert_eq!(act(&|r| r.dismiss_offer(&share)), "not_found");
    assert_eq!(act(&|r| r.dismiss(&NO_RECORD, None).map(drop)), "not_found");
    assert_eq!(act(&|r| r.pause_partner(&NO_ORG)), "not_found");
    let wrong = value("nonsense", Value::Bool(true));
    assert_eq!(act(&|r| r.create(Kind::Event, wrong.clone()).map(drop)), "not_found");
    let wrong = value("title", Value::Bool(true));
    assert_eq!(act(&|r| r.create(Kind::Event, wrong.clone()).map(drop)), "not_found");
    let placed = |r: &mut Replica| r.preview_place(&share, Kind::Event, &[NO_RECORD]).map(drop);
    assert_eq!(act(&placed), "not_own");
    let at = Address::Own { kind: Kind::Event, record: event };
    let step = Edit::Increment("title".into(), 1);
    assert_eq!(act(&|r| r.edit(&at, vec![step.clone()])), "bad_edit");
    let field = fields(Kind::Event, &["nonsense"], false);
    let grant = |world: &mut World, to| world.grant(A, to, share, A, field.clone(), 0);
    assert_eq!(code(grant(&mut scene.world, B)), "not_found");
    let title = fields(Kind::Event, &["title"], false);
    assert_eq!(code(scene.world.grant(A, A, share, A, title, 0)), "oneself");
}

#[test]
fn what_fits_several_is_refused_until_it_fits_one() {
    let mut scene = Scene::begin(8);
    let share = scene.share;
    for _ in 0..2 {
        scene.world.act(A, |r| r.open_share("twice", None, None)).unwrap();
        let customer = scene.world.create(A, Kind::Customer, &[("name", "Lin")]);
        let at = Address::Own { kind: Kind::Customer, record: customer };
        scene.world.act(A, |r| r.forget(&at, None)).unwrap();
    }
    let replica = scene.world.replica(A);
    assert_eq!(code(replica.find_share("twice")), "ambiguous");
    assert_eq!(code(replica.find_grant(&share, "grt_")), "ambiguous");
    assert_eq!(code(replica.find_forgotten("cus_")), "ambiguous");
    let (bright, cedar) = (scene.world.id(B), scene.world.id(C));
    let taken = scene.world.replica(A).partner(&cedar).unwrap().partner.alias;
    let done = scene.world.act(A, |r| r.alias_partner(&bright, &taken));
    assert_eq!(code(done), "ambiguous");
}

#[test]
fn an_invite_of_one_s_own_or_out_of_date_begins_nothing() {
    let mut scene = Scene::begin(9);
    let line = scene.world.act(A, |r| r.invite(1000, false)).unwrap();
    assert_eq!(code(scene.world.act(A, |r| r.accept(&line))), "oneself");
    scene.world.now += 24 * 3_600_000;
    assert_eq!(code(scene.world.act(D, |r| r.accept(&line))), "invite");
}

#[test]
fn what_is_for_an_org_s_own_nodes_or_signed_by_nobody_ends_a_session() {
    let mut scene = Scene::begin(10);
    for frame in [Frame::DeskWant { from: 0 }, Frame::Desk { from: 0, next: 0, entries: vec![] }] {
        let raw = scene.enter(B, A);
        scene.send(raw, &frame);
        assert_eq!(scene.closed(raw), Some("frame_unexpected"), "{frame:?}");
    }
    // A chain with a word of somebody whose certificate is not shown.
    let said = scene.sign(D, Body::EndNode { node: scene.key(D).public() });
    let chain = vec![crate::message::Blob(said.bytes().to_vec())];
    let raw = scene.knock(D, A, crate::message::Approach::Introduced { chain });
    assert_eq!(scene.closed(raw), Some("gate_introduction"));
}

#[test]
fn each_reason_to_hold_a_bundle_back_has_its_name() {
    let mut scene = Scene::begin(3);
    let (brief, edit) = (scene.brief, scene.edit);
    let pen = scene.pen(B, brief, Some(edit));
    let leaf = scene.leaf(&pen.log(), &brief, put("title", "TITLE-B"));
    let seal = |pen: &Pen| pen.clone().seal(vec![leaf.clone()]);
    let held_from = |scene: &Scene, from: Option<usize>, bundle: &Verified| {
        let from = from.map(|org| scene.world.id(org));
        match scene.world.replica(A).authorise(bundle, from.as_ref()) {
            Err(Hold::Waiting(why) | Hold::Refused(why)) => why,
            other => panic!("{other:?}"),
        }
    };
    let held = |scene: &Scene, bundle: &Verified| held_from(scene, Some(B), bundle);
    let elsewhere = Pen { compartment: CompartmentId([9; 32]), ..pen.clone() };
    assert_eq!(held(&scene, &seal(&elsewhere)), "compartment_unknown");
    let uncertified = Pen { key: SigningKey::from_bytes(&[77; 32]), ..pen.clone() };
    assert_eq!(held(&scene, &seal(&uncertified)), "certificate_unknown");
    assert_eq!(held(&scene, &seal(&Pen { grant: None, ..pen.clone() })), "not_permitted");
    assert_eq!(held(&scene, &seal(&Pen { seq: 1, ..pen.clone() })), "gap");
    let redacted = pen.clone().seal(vec![leaf.redacted()]);
    assert_eq!(held(&scene, &redacted), "erasure_unknown");
    // A log is written under one grant.
    let scope = fields(Kind::Event, &["title", "audience_brief"], true);
    let second = scene.world.grant(A, B, scene.share, A, scope, 0).unwrap();
    scene.world.settle();
    let raw = scene.enter(B, A);
    let mut first = pen.clone();
    let bundle = crate::scene::bytes(&first.seal(vec![leaf.clone()]));
    scene.push(raw, first.log(), brief, &[bundle]);
    assert_eq!(scene.holds(A, &first.log()), 1);
    assert_eq!(held(&scene, &seal(&Pen { grant: Some(second), ..first.clone() })), "other_grant");
    // Revoked, and the publisher has drawn no conclusion yet; then it has.
    scene.world.begin(A, |r| r.revoke(&[edit], 0)).unwrap();
    assert_eq!(held(&scene, &seal(&first)), "grant_ended");
    scene.world.commit_in_silence(A);
    assert_eq!(held_from(&scene, None, &seal(&first)), "cut");
    let retire = scene.sign(A, Body::Retire { compartment: brief, number: 100 });
    scene.world.begin(A, |r| r.take(retire)).unwrap();
    assert_eq!(held(&scene, &seal(&first)), "compartment_retired");
}

#[test]
fn a_pairing_that_cannot_go_on_says_why() {
    let mut scene = Scene::begin(4);
    let line = scene.world.act(A, |r| r.invite(1_000_000, false)).unwrap();
    // Delta begins twice with one line while the first try is under way.
    scene.world.act(D, |r| r.accept(&line)).unwrap();
    let raw = scene.world.connect_raw_as_listener(scene.key(A).public(), D);
    scene.world.act(D, |r| r.accept(&line)).unwrap();
    assert_eq!(scene.world.raw[&raw].closed, Some("pairing_again"));
    // The inviter welcomes with a profile that is none.
    let raw = scene.world.connect_raw_as_listener(scene.key(A).public(), D);
    let raw = crate::scene::Raw { conn: raw, to: D };
    let certificate = scene.certificate(A);
    let approach = crate::message::Approach::Known;
    scene.send(raw, &Frame::Gate { certificate, rotations: Vec::new(), approach });
    let nonce = crate::statement::Nonce32([1; 32]);
    let profile = crate::message::Blob(vec![0x80]);
    scene.send(raw, &Frame::Welcome { nonce, profile });
    assert_eq!(scene.closed(raw), Some("pairing_profile"));
    // Whoever is refused closes too.
    let raw = scene.enter(B, A);
    scene.send(raw, &Frame::Refused { code: "paused".into() });
    assert_eq!(scene.closed(raw), Some("peer_refused"));
}

#[test]
fn a_newcomer_without_a_profile_does_not_begin_to_pair() {
    let mut scene = Scene::begin(5);
    let line = scene.world.act(A, |r| r.invite(1_000_000, false)).unwrap();
    let (me, now) = (scene.world.orgs[D].identity.clone(), scene.world.now);
    let store = Box::new(MemoryStore::default());
    let mut bare = Replica::open(me, Settings::default(), store, now, [1; 32]).unwrap();
    bare.begin(now, [2; 32]);
    bare.accept(&line).unwrap();
    bare.opened(1, scene.key(A).public(), true).unwrap();
    let effects = bare.commit().unwrap();
    let closed = Effect::Close { conn: 1, code: "no_profile" };
    assert!(effects.contains(&closed), "{effects:?}");
}

/// A disk that is full.
struct Full;

impl Store for Full {
    fn get(&self, _: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(None)
    }
    fn scan(&self, _: &[u8], _: &[u8], _: usize) -> Result<Vec<Entry>, StoreError> {
        Ok(Vec::new())
    }
    fn commit(&mut self, _: Batch) -> Result<(), StoreError> {
        Err(StoreError::Engine("no space left".into()))
    }
}

#[test]
fn a_store_that_is_full_damaged_or_another_s_is_told_as_such() {
    let world = World::new(6, &["Acme", "Bright"]);
    let open = |org: usize, store: Box<dyn Store + Send>| {
        let me = world.orgs[org].identity.clone();
        Replica::open(me, Settings::default(), store, world.now, [1; 32])
    };
    let mut full = open(0, Box::new(Full)).expect("nothing is written yet");
    assert_eq!(code(full.commit()), "store_failed");
    assert_eq!(code(open(1, Box::new(world.orgs[0].disk.clone()))), "foreign_store");
    let mut damaged = MemoryStore::default();
    let entries = world.orgs[0].disk.contents().into_iter();
    damaged.entries =
        entries.map(|(key, value)| (key, value[..value.len() / 2].to_vec())).collect();
    let owner = crate::codec::to_bytes(&(world.id(0), world.orgs[0].identity.node.public()));
    damaged.entries.insert(crate::keys::OWNER.to_vec(), owner);
    assert_eq!(code(open(0, Box::new(damaged))), "store_damaged");
}
