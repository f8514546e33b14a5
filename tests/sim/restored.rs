//! Stores that went back to an older copy of themselves: what their nodes take back, and when.

use crate::book::Address;
use crate::facet::Edit;
use crate::id::{CompartmentId, RecordId};
use crate::statement::{Body, RecordTurn, Scope, Statement};
use crate::time::Hlc;
use crate::value::Value;
use crate::view::{From, ListQuery};
use crate::vocabulary::Kind;
use crate::world::fields;

use super::ending::grant_until;
use super::nodes::begin;

const A: usize = 0;
const B: usize = 1;
const C: usize = 2;

#[test]
pub fn what_is_due_when_a_restored_node_has_met_all_waits_until_it_has_compared() {
    let (mut world, share, _) = begin();
    let firm = [("type", "company"), ("name", "FIRM")];
    let firm = world.create(A, Kind::Customer, &firm);
    world.grant(A, B, share, A, fields(Kind::Customer, &["name"], false), 0).unwrap();
    let end = world.clock(A) + 10_000;
    grant_until(&mut world, (A, B), share, fields(Kind::Customer, &["title"], false), end);
    world.settle();
    let copy = world.orgs[A].disk.contents();
    world.place(A, share, Kind::Customer, &[firm]);
    world.settle();
    assert!(world.holds(B, "FIRM"));
    world.now += 20_000;
    world.restore(A, &copy);
    world.settle();
    assert!(world.holds(B, "FIRM"), "what was placed stays so");
}

#[test]
pub fn a_consent_that_comes_back_from_a_share_covers_whom_it_was_shown_to() {
    let (mut world, share, _) = begin();
    world.pair(A, C);
    let names = ["consent", "do_not_contact", "emails"];
    for reader in [B, C] {
        world.grant(A, reader, share, A, fields(Kind::Customer, &names, false), 0).unwrap();
    }
    world.settle();
    let copy = world.orgs[A].disk.contents();
    let bright = world.id(B);
    let consent = format!(
        r#"[{{"purpose":"*","status":"given","at":"2026-01-01T00:00:00Z","scope":["{bright}"]}}]"#
    );
    let values = [("emails", "TOKEN@example.com"), ("consent", consent.as_str())];
    let customer = world.create(A, Kind::Customer, &values);
    world.place(A, share, Kind::Customer, &[customer]);
    world.settle();
    assert_eq!([B, C].map(|org| world.holds(org, "TOKEN")), [true, false]);
    world.restore(A, &copy);
    world.settle();
    assert_eq!([B, C].map(|org| world.holds(org, "TOKEN")), [true, false]);
}

/// Whoever it reached could not judge it, and would never have met all of whom it has to meet.
#[test]
pub fn an_order_that_its_publisher_did_not_say_is_not_passed_on() {
    let (mut world, share, _) = begin();
    world.pair(B, C);
    let grant = world.grant(A, B, share, A, fields(Kind::Event, &["venue"], false), 0).unwrap();
    world.settle();
    let at = RecordTurn { record: RecordId([1; 16]), turn: u32::MAX };
    let (compartment, records) = (CompartmentId([7; 32]), vec![at]);
    let order = Body::Erase { compartment, records, only_for: Some(grant), number: 0 };
    let cedar = &world.orgs[C].identity;
    let forged = Statement::sign(cedar.party.org, &cedar.node, Hlc(world.now << 16), order);
    world.act(B, |r| r.learn(vec![forged.clone()])).unwrap();
    world.settle();
    assert!(world.replica(B).statements.contains_key(&forged.id()));
    let mut outboxes = world.replica(B).outboxes.values();
    assert!(!outboxes.any(|outbox| outbox.contains(&forged.id())));
}

#[test]
pub fn what_had_to_be_erased_goes_again_when_an_older_copy_brings_it_back() {
    let (mut world, share, _) = begin();
    let scope = Scope::Fields {
        kind: Kind::Customer,
        fields: vec!["org_name".to_owned()],
        edit: false,
        keep: true,
    };
    world.grant(A, B, share, A, scope, 0).unwrap();
    let customer = world.create(A, Kind::Customer, &[("type", "company"), ("org_name", "TOKEN")]);
    world.place(A, share, Kind::Customer, &[customer]);
    world.settle();
    let query = ListQuery { from: From::Partners, ..ListQuery::of(Kind::Customer) };
    let at = world.replica(B).list(&query).unwrap().records[0].at;
    world.act(B, |r| r.adopt(&at)).unwrap();
    let copy = world.orgs[B].disk.contents();
    let at = Address::Own { kind: Kind::Customer, record: customer };
    world.act(A, |r| r.forget(&at, None)).unwrap();
    world.settle();
    assert!(!world.holds(B, "TOKEN"), "it was erased and confirmed");
    world.restore(B, &copy);
    world.settle();
    assert!(!world.holds(B, "TOKEN"));
}

/// Also where the copy knows of a later turn, in a compartment that has ended since.
#[test]
pub fn what_was_taken_out_of_a_share_stays_out_when_an_older_copy_comes_back() {
    let (mut world, share, event) = begin();
    let grant = world.grant(A, B, share, A, fields(Kind::Event, &["venue"], false), 0).unwrap();
    world.settle();
    world.act(A, |r| r.revoke(&[grant], 1)).unwrap();
    world.settle();
    let copy = world.orgs[A].disk.contents();
    world.act(A, |r| r.withdraw(&share, &[event])).unwrap();
    world.settle();
    assert!(!world.holds(B, "FIRST"));
    world.restore(A, &copy);
    world.settle();
    assert!(!world.holds(B, "FIRST"), "it was taken out after the copy was made");
}

#[test]
pub fn what_an_editor_wrote_before_its_right_ended_comes_back_to_its_publisher() {
    let (mut world, share, event) = begin();
    let grant = world.grant(A, B, share, A, fields(Kind::Event, &["venue"], true), 0).unwrap();
    world.grant(A, B, share, A, fields(Kind::Event, &["venue"], false), 0).unwrap();
    world.settle();
    let copy = world.orgs[A].disk.contents();
    let query = ListQuery { from: From::Partners, ..ListQuery::of(Kind::Event) };
    let at = world.replica(B).list(&query).unwrap().records[0].at;
    let edit = Edit::Put("venue".into(), Value::Str("GARDEN".into()));
    world.act(B, |r| r.edit(&at, vec![edit])).unwrap();
    world.settle();
    world.act(A, |r| r.revoke(&[grant], 1)).unwrap();
    world.settle();
    assert!(world.holds(A, "GARDEN") && world.holds(B, "GARDEN"));
    world.restore(A, &copy);
    world.settle();
    let own = Address::Own { kind: Kind::Event, record: event };
    let venue = world.replica(A).record(&own).unwrap().values().remove("venue");
    assert_eq!(venue, Some(Value::Str("GARDEN".into())));
}
