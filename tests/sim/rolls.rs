//! Rolls by hand: who sees what was there before, and what it costs to keep.

use crate::book::Address;
use crate::facet::Edit;
use crate::id::{RecordId, ShareId};
use crate::refusal::Refusal;
use crate::sharing::NewGrant;
use crate::value::Value;
use crate::vocabulary::Kind;
use crate::world::{World, fields};

const A: usize = 0;
const B: usize = 1;
const C: usize = 2;

/// A's event was renamed after B was let in to its title.
fn renamed() -> (World, ShareId, RecordId) {
    let mut world = World::new(31, &["Acme", "Bright", "Cedar"]);
    world.pair(A, B);
    world.pair(A, C);
    world.pair(B, C);
    let event = world.create(A, Kind::Event, &[("title", "FIRST")]);
    let share = world.act(A, |r| r.open_share("launch", None, None)).unwrap();
    world.place(A, share, Kind::Event, &[event]);
    world.grant(A, B, share, A, fields(Kind::Event, &["title"], true), 1).unwrap();
    world.settle();
    rename(&mut world, event, "SECOND");
    world.settle();
    (world, share, event)
}

fn rename(world: &mut World, event: RecordId, title: &str) {
    let edits = vec![Edit::Put("title".into(), Value::Str(title.into()))];
    world.act(A, |r| r.edit(&Address::Own { kind: Kind::Event, record: event }, edits)).unwrap();
}

fn to_cedar(world: &World, share: ShareId, with_history: bool) -> NewGrant {
    NewGrant {
        share,
        section: world.id(A),
        to: world.id(C),
        scope: fields(Kind::Event, &["title"], true),
        selector: None,
        with_history,
        depth: 0,
        expires_at: None,
    }
}

fn retired(world: &World, org: usize) -> usize {
    world.replica(org).dossiers.iter().filter(|(_, _, dossier)| dossier.retired()).count()
}

#[test]
fn a_newcomer_sees_what_was_before_only_if_the_publisher_says_so() {
    for with_history in [false, true] {
        let (mut world, share, _) = renamed();
        let new = to_cedar(&world, share, with_history);
        world.act(A, |r| r.grant(new)).unwrap();
        world.settle();
        assert!(world.holds(C, "SECOND"));
        assert_eq!(world.holds(C, "FIRST"), with_history);
        assert_eq!(retired(&world, A), usize::from(!with_history), "else nothing is sent again");
    }
}

#[test]
fn who_passes_on_cannot_say_what_is_the_publishers_choice() {
    let (mut world, share, _) = renamed();
    let new = to_cedar(&world, share, true);
    let refused = world.act(B, |r| r.grant(new)).unwrap_err();
    assert!(matches!(refused, Refusal::Publishers { .. }), "{refused}");
    let selector = Some("status=open".into());
    let new = NewGrant { selector, ..to_cedar(&world, share, false) };
    assert_eq!(world.act(B, |r| r.grant(new)).unwrap_err().code(), "publishers_choice");
    let new = to_cedar(&world, share, false);
    world.act(B, |r| r.grant(new)).unwrap();
}

#[test]
pub fn what_is_mostly_overwritten_is_sent_anew_and_nothing_is_lost() {
    let (mut world, share, event) = renamed();
    let more: Vec<RecordId> =
        (0..30).map(|_| world.create(A, Kind::Event, &[("title", "LATER")])).collect();
    world.place(A, share, Kind::Event, &more);
    for version in 0..40 {
        for event in &more {
            rename(&mut world, *event, &format!("VERSION {version}"));
        }
    }
    world.settle();
    assert_eq!(retired(&world, A), 1, "one roll, not one after the other");
    for org in [A, B] {
        assert!(world.holds(org, "VERSION 39") && world.holds(org, "SECOND"));
        let leaves = leaves_of(world.replica(org), &world.id(A));
        assert!(leaves < 200, "org {org} dropped what was overwritten: {leaves} leaves are left");
    }
    assert!(!world.holds(B, "FIRST") && !world.holds(B, "VERSION 1"), "gone with it");
    rename(&mut world, event, "AFTERWARDS");
    world.settle();
    assert!(world.holds(B, "AFTERWARDS"));
}

fn leaves_of(replica: &crate::replica::Replica, section: &crate::id::OrgId) -> u64 {
    let shared = |log: &&crate::log::LogState| {
        let opening = replica.dossiers.get(&log.compartment).map(|(opening, _)| opening);
        opening.is_some_and(|opening| opening.section == *section && opening.share.is_some())
    };
    replica.logs.values().filter(shared).map(|log| log.leaves).sum()
}
