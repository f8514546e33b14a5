//! How grants end: what is deleted, who confirms it, and what goes on.

use crate::book::Address;
use crate::codec;
use crate::facet::Edit;
use crate::id::{GrantId, Nonce, RecordId, ShareId};
use crate::keys;
use crate::receipt::ReceiptView;
use crate::sharing::{GrantState, NewGrant, ShareState};
use crate::statement::{Body, Scope};
use crate::store::{Batch, Store};
use crate::value::Value;
use crate::view::{From, ListQuery};
use crate::vocabulary::Kind;
use crate::world::{Disk, World, contribute, fields};

const A: usize = 0;
const B: usize = 1;
const C: usize = 2;

struct Story {
    world: World,
    share: ShareId,
    event: RecordId,
    /// A's grant to B.
    grant: GrantId,
}

/// A paired with B, B with C, and an event of A's that B may edit and pass on.
fn begin() -> Story {
    let mut world = World::new(31, &["Acme", "Bright", "Cedar"]);
    world.pair(A, B);
    world.pair(B, C);
    let event = world.create(A, Kind::Event, &[("title", "FIRST"), ("venue", "HALL")]);
    let share = world.act(A, |r| r.open_share("launch", None, None)).unwrap();
    world.place(A, share, Kind::Event, &[event]);
    let grant = world.grant(A, B, share, A, both(true), 1).unwrap();
    world.settle();
    Story { world, share, event, grant }
}

fn both(edit: bool) -> Scope {
    fields(Kind::Event, &["title", "venue"], edit)
}

fn received(world: &World, org: usize) -> Vec<Address> {
    let query = ListQuery { from: From::Partners, ..ListQuery::of(Kind::Event) };
    world.replica(org).list(&query).unwrap().records.into_iter().map(|view| view.at).collect()
}

fn text(text: &str) -> Value {
    Value::Str(text.into())
}

fn put(field: &str, text: &str) -> Vec<Edit> {
    vec![Edit::Put(field.into(), Value::Str(text.into()))]
}

/// Who has confirmed, by what an org knows; none for those who have not.
fn receipts(world: &World, at: usize, share: &ShareId) -> Vec<(usize, bool)> {
    let org = |view: &ReceiptView| (0..3).find(|org| world.id(*org) == view.org).unwrap();
    let receipts = world.replica(at).receipts(share).unwrap();
    let mut all: Vec<_> = receipts.iter().map(|r| (org(r), r.done_at.is_some())).collect();
    all.sort_unstable();
    all
}

#[test]
fn what_was_revoked_is_deleted_and_confirmed_once() {
    let Story { mut world, share, grant, .. } = begin();
    assert!(world.holds(B, "HALL"), "the search can find");
    world.cut.push((A, B));
    world.disconnect(A, B);
    world.act(A, |r| r.revoke(&[grant], 1)).unwrap();
    world.settle();
    assert_eq!(receipts(&world, A, &share), [(B, false)], "B has not heard of it");
    world.cut.clear();
    world.settle();
    assert!(received(&world, B).is_empty());
    assert!(!world.holds(B, "HALL") && !world.holds(B, "FIRST"));
    assert_eq!(receipts(&world, A, &share), [(B, true)]);
    let said = world.replica(B).statements.len();
    world.kill(B);
    world.start(B);
    world.settle();
    assert_eq!(world.replica(B).statements.len(), said, "confirmed once");
}

#[test]
fn what_was_passed_on_goes_too_and_its_receipt_comes_through_the_issuer_between() {
    let Story { mut world, share, grant, .. } = begin();
    world.grant(B, C, share, A, fields(Kind::Event, &["title"], false), 0).unwrap();
    world.settle();
    assert!(world.holds(C, "FIRST"));
    world.cut.push((A, C));
    world.disconnect(A, C);
    world.act(A, |r| r.revoke(&[grant], 1)).unwrap();
    world.settle();
    assert!(received(&world, C).is_empty() && !world.holds(C, "FIRST"));
    assert_eq!(receipts(&world, A, &share), [(B, true), (C, true)]);
    assert_eq!(receipts(&world, B, &share), [(C, true)], "B passed it on");
    assert_eq!(receipts(&world, C, &share), []);
}

#[test]
fn what_another_grant_reads_stays() {
    let Story { mut world, share, grant, .. } = begin();
    world.grant(A, B, share, A, fields(Kind::Event, &["title"], false), 0).unwrap();
    world.settle();
    world.act(A, |r| r.revoke(&[grant], 1)).unwrap();
    world.settle();
    assert_eq!(received(&world, B).len(), 1);
    assert!(world.holds(B, "FIRST") && !world.holds(B, "HALL"));
    assert_eq!(receipts(&world, A, &share), [(B, true)]);
}

#[test]
fn who_is_granted_again_what_it_deleted_gets_it_again() {
    for offline in [false, true] {
        let Story { mut world, share, grant, .. } = begin();
        world.pair(A, C);
        // While C reads, the records stay where they are.
        world.grant(A, C, share, A, both(true), 0).unwrap();
        world.settle();
        if offline {
            world.cut.push((A, B));
            world.disconnect(A, B);
        }
        world.act(A, |r| r.revoke(&[grant], 1)).unwrap();
        if !offline {
            world.settle();
            assert!(!world.holds(B, "HALL"));
        }
        world.grant(A, B, share, A, both(true), 0).unwrap();
        world.settle();
        world.cut.clear();
        world.settle();
        assert_eq!(received(&world, B).len(), 1, "offline: {offline}");
        assert!(world.holds(B, "HALL"));
        let owed = world.replica(A).owed(&world.id(B));
        assert_eq!(owed, 0, "offline: {offline}");
    }
}

#[test]
fn nobody_is_granted_what_it_has_anyway() {
    let Story { mut world, share, .. } = begin();
    let refused = world.grant(B, A, share, A, contribute(&[Kind::Customer]), 0).unwrap_err();
    assert_eq!(refused.code(), "may_already", "A opened the share");
    let refused = world.grant(B, A, share, A, both(false), 0).unwrap_err();
    assert_eq!(refused.code(), "may_already", "it is A's own event");
}

#[test]
fn a_change_that_came_too_late_for_a_revocation_is_told_without_its_value() {
    let Story { mut world, event, grant, .. } = begin();
    let at = received(&world, B)[0];
    world.act(B, |r| r.edit(&at, put("venue", "IN TIME"))).unwrap();
    world.settle();
    world.cut.push((A, B));
    world.disconnect(A, B);
    world.act(B, |r| r.edit(&at, put("title", "TOO LATE"))).unwrap();
    world.act(A, |r| r.revoke(&[grant], 1)).unwrap();
    world.cut.clear();
    world.settle();
    let own = Address::Own { kind: Kind::Event, record: event };
    let title = world.replica(A).record(&own).unwrap().values().remove("title");
    assert_eq!(title, Some(text("FIRST")));
    let rejected = world.replica(B).rejected().unwrap();
    let told: Vec<_> = rejected.iter().map(|r| (r.field.as_str(), r.value.as_ref())).collect();
    assert_eq!(told, [("title", None)]);
    assert!(!world.holds(B, "TOO LATE") && !world.holds(B, "IN TIME"));
}

const MINUTE: u64 = 60_000;

fn title() -> Scope {
    fields(Kind::Event, &["title"], false)
}

/// A grant in A's section that ends by itself.
pub fn grant_until(
    world: &mut World,
    (from, to): (usize, usize),
    share: ShareId,
    scope: Scope,
    end: u64,
) -> GrantId {
    let new = NewGrant {
        share,
        section: world.id(A),
        to: world.id(to),
        scope,
        selector: None,
        depth: u8::from(from == A),
        expires_at: Some(end),
        with_history: false,
    };
    world.act(from, |r| r.grant(new)).unwrap().0
}

/// Time passes, and every node that is up notices.
fn pass(world: &mut World, ms: u64) {
    world.now += ms;
    for org in 0..world.orgs.len() {
        if world.is_up(org) {
            world.act(org, |r| r.tick_over()).unwrap();
        }
    }
    world.settle();
}

#[test]
pub fn a_grant_that_expires_is_served_no_more_and_revoked_by_its_publisher() {
    let Story { mut world, share, .. } = begin();
    world.pair(A, C);
    let end = world.now + 10 * MINUTE;
    let grant = grant_until(&mut world, (A, C), share, title(), end);
    let other = world.grant(A, C, share, A, fields(Kind::Event, &["venue"], false), 0).unwrap();
    world.settle();
    assert!(world.holds(C, "FIRST"));
    pass(&mut world, 9 * MINUTE);
    assert!(world.holds(C, "FIRST"), "not yet");
    pass(&mut world, 2 * MINUTE);
    assert!(!world.holds(C, "FIRST") && world.holds(C, "HALL"));
    assert_eq!(receipts(&world, A, &share), [(C, true)]);
    assert_eq!(world.replica(A).grant_state(&grant), GrantState::Expired);
    assert_eq!(world.replica(C).grant_state(&grant), GrantState::Expired);
    assert_eq!(world.replica(C).grant_state(&other), GrantState::Active);
    let said = world.replica(A).statements.len();
    pass(&mut world, MINUTE);
    world.kill(A);
    world.start(A);
    world.settle();
    assert_eq!(world.replica(A).statements.len(), said, "said once");
}

#[test]
pub fn nobody_serves_under_a_grant_that_has_expired_also_where_its_publisher_is_away() {
    let Story { mut world, share, event, .. } = begin();
    world.pair(A, C);
    let end = world.now + 10 * MINUTE;
    grant_until(&mut world, (B, C), share, title(), end);
    world.settle();
    assert!(world.holds(C, "FIRST"));
    // C is reached by B alone, and nobody has said that C's grant is over.
    world.cut.push((A, C));
    world.disconnect(A, C);
    world.disconnect(B, C);
    world.now += 11 * MINUTE;
    world.cut.push((A, B));
    world.disconnect(A, B);
    let at = received(&world, B)[0];
    world.act(B, |r| r.edit(&at, put("title", "SECOND"))).unwrap();
    world.settle();
    assert!(world.holds(C, "FIRST") && !world.holds(C, "SECOND"));
    world.cut.clear();
    pass(&mut world, 1);
    let own = Address::Own { kind: Kind::Event, record: event };
    let title = world.replica(A).record(&own).unwrap().values().remove("title");
    assert_eq!(title, Some(Value::Str("SECOND".into())));
    assert!(!world.holds(C, "FIRST"));
}

#[test]
pub fn a_share_that_ends_ends_for_everybody() {
    for by_date in [true, false] {
        let mut world = World::new(32, &["Acme", "Bright", "Cedar"]);
        world.pair(A, B);
        world.pair(B, C);
        let event = world.create(A, Kind::Event, &[("title", "FIRST")]);
        let end = by_date.then_some(world.now + 10 * MINUTE);
        let share = world.act(A, |r| r.open_share("launch", None, end)).unwrap();
        world.place(A, share, Kind::Event, &[event]);
        world.grant(A, B, share, A, fields(Kind::Event, &["title"], false), 1).unwrap();
        world.grant(A, B, share, A, contribute(&[Kind::Customer]), 1).unwrap();
        world.settle();
        world.grant(B, C, share, A, fields(Kind::Event, &["title"], false), 0).unwrap();
        let company = [("type", "company"), ("org_name", "FIRM")];
        let customer = world.create(B, Kind::Customer, &company);
        world.place(B, share, Kind::Customer, &[customer]);
        for reader in [A, C] {
            let scope = fields(Kind::Customer, &["org_name"], false);
            world.grant(B, reader, share, B, scope, 0).unwrap();
        }
        world.settle();
        assert!(world.holds(C, "FIRST") && world.holds(C, "FIRM") && world.holds(A, "FIRM"));
        let refused = world.act(B, |r| r.close_share(&share)).unwrap_err();
        assert_eq!(refused.code(), "not_opener");
        if by_date {
            pass(&mut world, 11 * MINUTE);
        } else {
            world.act(A, |r| r.close_share(&share)).unwrap();
            world.settle();
        }
        for (org, token) in [(B, "FIRST"), (C, "FIRST"), (C, "FIRM"), (A, "FIRM")] {
            assert!(!world.holds(org, token), "{token} at {org}, by date: {by_date}");
        }
        assert!(world.holds(A, "FIRST") && world.holds(B, "FIRM"), "what is one's own stays");
        assert_eq!(receipts(&world, A, &share), [(B, true), (C, true)]);
        for org in [A, B, C] {
            let state = world.replica(org).share(&share).unwrap().state;
            let wanted = if by_date { ShareState::Ended } else { ShareState::Closed };
            assert_eq!(state, wanted, "at {org}");
        }
        let granted = world.replica(A).grants.to(&world.id(B)).next().unwrap().id;
        let why = world.replica(B).grants.in_force(&granted, world.now).unwrap_err();
        assert_eq!(why.code(), "share_closed");
        let refused = world.act(B, |r| r.place(&share, Kind::Customer, &[customer])).unwrap_err();
        assert_eq!(refused.code(), "share_ended");
    }
}

#[test]
pub fn who_leaves_a_share_takes_everything_of_its_own_along() {
    let Story { mut world, share, .. } = begin();
    world.grant(A, B, share, A, contribute(&[Kind::Customer]), 0).unwrap();
    world.grant(B, C, share, A, fields(Kind::Event, &["title"], false), 0).unwrap();
    world.settle();
    let customer = world.create(B, Kind::Customer, &[("type", "company"), ("org_name", "FIRM")]);
    world.place(B, share, Kind::Customer, &[customer]);
    world.grant(B, A, share, B, fields(Kind::Customer, &["org_name"], false), 0).unwrap();
    world.settle();
    assert!(world.holds(A, "FIRM") && world.holds(C, "FIRST"));
    assert_eq!(world.act(A, |r| r.leave_share(&share)).unwrap_err().code(), "is_opener");
    world.act(B, |r| r.leave_share(&share)).unwrap();
    world.settle();
    assert!(!world.holds(A, "FIRM") && !world.holds(C, "FIRST"));
    assert!(world.holds(B, "FIRM") && world.holds(B, "FIRST"), "A still lets it see the event");
    assert_eq!(world.replica(B).share(&share).unwrap().state, ShareState::Offered);
    assert_eq!(receipts(&world, B, &share), [(A, true), (C, true)]);
}

/// C contributes a customer by B's word, and A and B read it.
fn contributed_by_c(world: &mut World, share: ShareId) -> (GrantId, RecordId) {
    let right = world.grant(A, B, share, A, contribute(&[Kind::Customer]), 1).unwrap();
    world.settle();
    world.grant(B, C, share, A, contribute(&[Kind::Customer]), 0).unwrap();
    world.settle();
    let customer = world.create(C, Kind::Customer, &[("type", "company"), ("org_name", "ONE")]);
    world.place(C, share, Kind::Customer, &[customer]);
    for reader in [A, B] {
        let scope = fields(Kind::Customer, &["org_name"], false);
        world.grant(C, reader, share, C, scope, 0).unwrap();
    }
    world.settle();
    (right, customer)
}

fn companies(world: &World, org: usize) -> Vec<Value> {
    let query = ListQuery { from: From::Partners, ..ListQuery::of(Kind::Customer) };
    let list = world.replica(org).list(&query).unwrap().records;
    list.into_iter().filter_map(|view| view.values().remove("org_name")).collect()
}

#[test]
pub fn who_is_let_in_directly_before_its_introducer_goes_loses_nothing() {
    let Story { mut world, share, .. } = begin();
    let (right, customer) = contributed_by_c(&mut world, share);
    let one = || vec![Value::Str("ONE".into())];
    assert_eq!((companies(&world, A), companies(&world, B)), (one(), one()));
    world.grant(A, C, share, A, contribute(&[Kind::Customer]), 0).unwrap();
    world.settle();
    world.act(A, |r| r.revoke(&[right], 1)).unwrap();
    world.settle();
    assert_eq!((companies(&world, A), companies(&world, B)), (one(), one()), "C's part stays");
    let at = Address::Own { kind: Kind::Customer, record: customer };
    world.act(C, |r| r.edit(&at, put("org_name", "TWO"))).unwrap();
    world.settle();
    let two = || vec![Value::Str("TWO".into())];
    assert_eq!((companies(&world, A), companies(&world, B)), (two(), two()), "and C goes on");
}

#[test]
pub fn what_was_written_after_a_right_to_contribute_ended_counts_nowhere() {
    let Story { mut world, share, .. } = begin();
    let (right, customer) = contributed_by_c(&mut world, share);
    // A revokes, and neither B nor C hears of it while C writes and B reads that.
    for other in [B, C] {
        world.cut.push((A, other));
        world.disconnect(A, other);
    }
    world.act(A, |r| r.revoke(&[right], 1)).unwrap();
    let at = Address::Own { kind: Kind::Customer, record: customer };
    world.act(C, |r| r.edit(&at, put("org_name", "LATE"))).unwrap();
    world.settle();
    assert_eq!(companies(&world, B), [Value::Str("LATE".into())]);
    world.cut.clear();
    world.settle();
    let one = || vec![Value::Str("ONE".into())];
    assert_eq!((companies(&world, A), companies(&world, B)), (one(), one()), "as A had it");
    let own = world.replica(C).record(&at).unwrap().values().remove("org_name");
    assert_eq!(own, Some(Value::Str("LATE".into())), "C's book is C's");
}

#[test]
pub fn a_revocation_that_the_one_between_hides_is_heard_when_the_others_meet() {
    let Story { mut world, share, grant, .. } = begin();
    world.grant(B, C, share, A, fields(Kind::Event, &["title"], false), 0).unwrap();
    world.settle();
    for (one, other) in [(A, C), (B, C)] {
        world.cut.push((one, other));
        world.disconnect(one, other);
    }
    world.act(A, |r| r.revoke(&[grant], 1)).unwrap();
    world.settle();
    assert!(!world.holds(B, "FIRST"), "B knows");
    assert!(world.holds(C, "FIRST"), "B has not told C");
    world.cut.retain(|pair| *pair == (B, C));
    world.settle();
    assert!(!world.holds(C, "FIRST"));
    assert_eq!(receipts(&world, A, &share), [(B, true), (C, true)]);
}

#[test]
fn who_wrote_on_from_an_old_copy_of_its_store_writes_anew_what_came_later() {
    let Story { mut world, event, .. } = begin();
    let at = received(&world, B)[0];
    world.act(B, |r| r.edit(&at, put("title", "ONE"))).unwrap();
    world.settle();
    let mut copy = Batch::default();
    for (key, value) in world.orgs[B].disk.contents() {
        copy.put(key, value);
    }
    copy.put(keys::STORE_ID.to_vec(), codec::to_bytes(&Nonce([9; 16])));
    world.act(B, |r| r.edit(&at, put("title", "TWO"))).unwrap();
    world.settle();
    world.kill(B);
    world.orgs[B].disk = Disk::default();
    world.orgs[B].disk.commit(copy).unwrap();
    world.start(B);
    world.act(B, |r| r.edit(&at, put("venue", "THREE"))).unwrap();
    world.act(B, |r| r.edit(&at, put("venue", "FOUR"))).unwrap();
    world.settle();
    let own = Address::Own { kind: Kind::Event, record: event };
    for (org, at) in [(A, &own), (B, &at)] {
        let values = world.replica(org).record(at).unwrap().values();
        let text = |field: &str| values.get(field).cloned();
        assert_eq!(text("venue"), Some(Value::Str("FOUR".into())), "at {org}");
        assert_eq!(text("title"), Some(Value::Str("TWO".into())), "A had taken it, at {org}");
    }
    assert!(world.replica(B).rejected().unwrap().is_empty());
}

#[test]
pub fn a_cut_of_a_thousand_logs_is_said_in_parts_that_count_as_one() {
    const LOGS: usize = 1_000;
    let mut world = World::new(33, &["Acme", "Bright", "Cedar"]);
    world.pair(A, B);
    world.pair(A, C);
    let many = vec![std::collections::BTreeMap::from([("title".into(), text("FIRST"))]); LOGS];
    let events = world.act(A, |r| r.create_many(Kind::Event, many)).unwrap();
    let share = world.act(A, |r| r.open_share("launch", None, None)).unwrap();
    world.place(A, share, Kind::Event, &events);
    let scope = || fields(Kind::Event, &["title"], true);
    let grant = world.grant(A, B, share, A, scope(), 0).unwrap();
    world.grant(A, C, share, A, scope(), 0).unwrap();
    world.settle();
    world
        .act(B, |r| {
            let query = ListQuery { from: From::Partners, ..ListQuery::of(Kind::Event) };
            for view in r.list(&query)?.records {
                r.edit(&view.at, put("title", "SECOND"))?;
                // Every change begins a log of its own.
                let shared = |o: &crate::dossier::Opening| o.share.is_some();
                let id = r.dossiers.iter().find(|(_, o, _)| shared(o)).map(|(id, _, _)| *id);
                r.remove(&keys::own_epoch(&id.expect("one")))?;
            }
            Ok(())
        })
        .unwrap();
    world.settle();
    world.act(A, |r| r.revoke(&[grant], 1)).unwrap();
    world.settle();
    let cuts = |org: usize| {
        let said = world.replica(org).statements.values();
        said.filter(|s| matches!(s.body(), Body::Cut { .. })).count()
    };
    assert_eq!((cuts(A), cuts(C)), (2, 2));
    let at_c = received(&world, C);
    assert_eq!(at_c.len(), LOGS);
    for at in at_c {
        let title = world.replica(C).record(&at).unwrap().values().remove("title");
        assert_eq!(title, Some(text("SECOND")), "all of it was here in time");
    }
}

#[test]
pub fn a_cut_that_comes_before_what_it_is_for_counts_when_that_comes() {
    let Story { mut world, share, grant, .. } = begin();
    world.pair(A, C);
    world.grant(A, C, share, A, both(true), 0).unwrap();
    world.settle();
    for other in [B, C] {
        world.cut.push((A, other));
        world.disconnect(A, other);
    }
    let (at_b, at_c) = (received(&world, B)[0], received(&world, C)[0]);
    let title = |world: &World| world.replica(C).record(&at_c).unwrap().values().remove("title");
    world.act(B, |r| r.edit(&at_b, put("title", "LATE"))).unwrap();
    world.settle();
    assert_eq!(title(&world), Some(text("LATE")), "from B itself");
    world.act(A, |r| r.revoke(&[grant], 1)).unwrap();
    let said = |revocation: bool| {
        let mut all = world.replica(A).statements.values();
        let is = |body: &Body| match body {
            Body::Revoke { .. } => revocation,
            Body::Cut { .. } => !revocation,
            _ => false,
        };
        all.find(|said| is(said.body())).expect("A has said it").bytes().to_vec()
    };
    let (revocation, cut) = (said(true), said(false));
    let from = world.orgs[A].identity.node.public();
    for (bytes, shown) in [(cut, "LATE"), (revocation, "FIRST")] {
        world
            .act(C, |r| {
                r.hear(&bytes, &from).expect("a good statement");
                Ok(())
            })
            .unwrap();
        assert_eq!(title(&world), Some(text(shown)));
    }
}

/// Cedar has what Bright lost and was let in to again, and does not know that it ever ended.
#[test]
pub fn what_was_lost_and_may_be_had_again_is_asked_for_where_it_was_offered_before() {
    let Story { mut world, share, grant, .. } = begin();
    world.pair(A, C);
    let both = || both(false);
    world.grant(A, C, share, A, both(), 0).unwrap();
    world.settle();
    world.cut.push((A, C));
    world.sever(A, C);
    world.act(A, |r| r.revoke(&[grant], 1)).unwrap();
    world.settle();
    assert!(!world.holds(B, "FIRST"), "what was taken is purged");
    world.grant(A, B, share, A, both(), 0).unwrap();
    let lost = |world: &World| {
        let replica = world.replica(B);
        replica.dossiers.iter().any(|(id, _, _)| replica.is_lost(id))
    };
    while lost(&world) {
        assert!(world.deliver_one(), "Bright hears that it may read again");
    }
    world.cut.push((A, B));
    world.sever(A, B);
    world.settle();
    assert!(world.holds(B, "FIRST"));
}

/// Acme takes a grant and gives it again while it waits for Bright, who hears of it from others first.
#[test]
pub fn what_is_taken_and_granted_again_while_it_flows_is_sent_again() {
    let Story { mut world, share, grant: to_edit, .. } = begin();
    world.pair(A, C);
    world.grant(A, C, share, A, both(false), 0).unwrap();
    world.act(A, |r| r.revoke(&[to_edit], 1)).unwrap();
    let grant = world.grant(A, B, share, A, both(false), 0).unwrap();
    world.settle();
    let other = world.act(A, |r| r.open_share("dinner", None, None)).unwrap();
    world.grant(A, B, other, A, both(false), 0).unwrap();
    world.act(A, |r| r.revoke(&[grant], 1)).unwrap();
    let mut said = world.replica(A).statements.values();
    let of = |body: &Body| matches!(body, Body::Revoke { grant: of, .. } if *of == grant);
    let revocation = said.find(|said| of(said.body())).expect("A has said it").bytes().to_vec();
    world.grant(A, B, share, A, both(false), 0).unwrap();
    let from = world.orgs[C].identity.node.public();
    world
        .act(B, |r| {
            r.hear(&revocation, &from).expect("a good statement");
            Ok(())
        })
        .unwrap();
    assert!(!world.holds(B, "FIRST"), "what was taken is purged");
    world.settle();
    assert!(world.holds(B, "FIRST"));
    assert_eq!(world.replica(B).unfinished(), 0, "nothing is on its way any more");
}
