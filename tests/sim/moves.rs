//! Moves: records that leave somebody's view, by a rule that selects them no more, by being taken out
//! or with a roll. Who confirms that they are gone, and that nobody does before they are.

use std::collections::{BTreeMap, BTreeSet};

use crate::book::Address;
use crate::facet::Edit;
use crate::id::{CompartmentId, RecordId, ShareId, StatementId};
use crate::keys::{self, FacetKey};
use crate::receipt::Asked;
use crate::replica::Replica;
use crate::sharing::NewGrant;
use crate::statement::Body;
use crate::store::Store;
use crate::value::Value;
use crate::view::{From, ListQuery};
use crate::vocabulary::Kind;
use crate::world::{World, fields};

use super::model::{Known, What};
use super::random::Sim;

/// Whoever had what a publisher has moved, and whose grant stands, has confirmed every move.
pub fn check_moves(sim: &Sim) -> Result<(), String> {
    let (world, model) = (&sim.world, &sim.model);
    for owner in 0..sim.orgs {
        let replica = world.replica(world.main(owner));
        let known = Known::of(replica);
        let mut given: BTreeSet<(StatementId, crate::id::OrgId)> = BTreeSet::new();
        let mut let_in: BTreeMap<CompartmentId, Vec<(usize, u64)>> = BTreeMap::new();
        for statement in replica.statements.values() {
            match statement.body() {
                Body::Receipt { of, .. } => _ = given.insert((*of, statement.author())),
                Body::Admit { compartment, grant, number, .. } => {
                    let grant = model.grants.iter().position(|one| one.id == *grant);
                    let reads = |grant: &usize| {
                        matches!(model.grants[*grant].what, What::Fields { .. })
                            && model.stands(world, &known, *grant)
                    };
                    let all = let_in.entry(*compartment).or_default();
                    all.extend(grant.filter(reads).map(|grant| (grant, *number)));
                }
                _ => {}
            }
        }
        for (of, statement) in &replica.statements {
            let (Body::Erase { compartment, only_for: None, number, .. }
            | Body::Retire { compartment, number }) = statement.body()
            else {
                continue;
            };
            // What takes its place is not taken from whose right to publish has ended: it is held on.
            let share = replica.dossiers.get(compartment).and_then(|(opening, _)| opening.share);
            let share = model.shares.iter().position(|at| Some(at.id) == share);
            let whole = share.is_some_and(|at| model.contributes(world, &known, at, owner));
            if matches!(statement.body(), Body::Retire { .. }) && !whole {
                continue;
            }
            let readers = let_in.get(compartment).filter(|_| statement.author() == world.id(owner));
            for (grant, since) in readers.into_iter().flatten() {
                let to = model.grants[*grant].to;
                if since < number && !given.contains(&(*of, world.id(to))) {
                    return Err(format!("I6: org {owner} has no receipt of org {to} for a move"));
                }
            }
        }
    }
    Ok(())
}

/// At any time: what a node has said to be gone of what was moved is gone.
pub fn check_confirmed(replica: &Replica) -> Result<(), String> {
    for said in replica.statements.values().filter(|said| said.key() == replica.node_key()) {
        let Body::Receipt { of, .. } = said.body() else { continue };
        match replica.statements.get(of).map(|of| of.body()) {
            Some(Body::Retire { compartment, .. }) => {
                if replica.logs.values().any(|log| log.compartment == *compartment) {
                    return Err(format!("I6: {compartment} is confirmed and held"));
                }
            }
            Some(Body::Erase { compartment, records, .. }) => {
                let Some((opening, _)) = replica.dossiers.get(compartment) else { continue };
                let share = opening.share.unwrap_or(keys::NO_SHARE);
                for at in records {
                    let record =
                        FacetKey::record_prefix(opening.kind, &share, &opening.section, &at.record);
                    let rows = replica.store.scan(&record, &[], usize::MAX).expect("memory");
                    let mut rows = rows.iter().filter_map(|(key, _)| FacetKey::parse(key));
                    if rows.any(|key| key.compartment == *compartment && key.turn <= at.turn) {
                        return Err("I6: a record is confirmed to be gone and held".to_owned());
                    }
                }
            }
            Some(_) | None => {}
        }
    }
    Ok(())
}

const A: usize = 0;
const B: usize = 1;
const C: usize = 2;

struct Story {
    world: World,
    share: ShareId,
    events: [RecordId; 2],
}

/// A's events in the north, which B sees all of and may pass on.
fn begin() -> Story {
    let mut world = World::new(43, &["Acme", "Bright", "Cedar"]);
    world.pair(A, B);
    world.pair(B, C);
    world.pair(A, C);
    let event = |title| [("title", title), ("region", "north")];
    let events = [event("FIRST"), event("SECOND")];
    let events = events.map(|values| world.create(A, Kind::Event, &values));
    let share = world.act(A, |r| r.open_share("launch", None, None)).unwrap();
    world.place(A, share, Kind::Event, &events);
    world.grant(A, B, share, A, title(), 1).unwrap();
    world.settle();
    Story { world, share, events }
}

fn title() -> crate::statement::Scope {
    fields(Kind::Event, &["title"], false)
}

impl Story {
    /// C is shown the events of the north.
    fn show_north(&mut self) -> crate::id::GrantId {
        let new = NewGrant {
            share: self.share,
            section: self.world.id(A),
            to: self.world.id(C),
            scope: title(),
            selector: Some("region=north".into()),
            with_history: false,
            depth: 0,
            expires_at: None,
        };
        let (grant, _) = self.world.act(A, |r| r.grant(new)).unwrap();
        self.world.settle();
        grant
    }

    fn go_south(&mut self, event: usize) {
        let own = Address::Own { kind: Kind::Event, record: self.events[event] };
        let edit = Edit::Put("region".into(), Value::Str("south".into()));
        self.world.act(A, |r| r.edit(&own, vec![edit])).unwrap();
        self.world.settle();
    }

    fn part(&mut self, one: usize, other: usize) {
        self.world.cut.push((one, other));
        self.world.disconnect(one, other);
    }

    fn meet(&mut self) {
        self.world.cut.clear();
        self.world.settle();
    }

    /// What an org is told of who has confirmed what.
    fn told(&self, at: usize) -> Vec<(usize, Asked, bool)> {
        let all = self.world.replica(at).receipts(&self.share).unwrap();
        let org = |id| (0..3).find(|org| self.world.id(*org) == id).unwrap();
        let told = all.iter().map(|one| (org(one.org), one.asked, one.done_at.is_some()));
        let mut told: Vec<_> = told.collect();
        told.sort_unstable();
        told
    }

    /// How many receipts of an org another knows.
    fn given(&self, at: usize, by: usize) -> usize {
        let by = self.world.id(by);
        let all = self.world.replica(at).statements.values();
        all.filter(|s| s.author() == by && matches!(s.body(), Body::Receipt { .. })).count()
    }
}

#[test]
pub fn what_a_rule_selects_no_more_is_confirmed_by_whom_it_was_shown_to_and_told_of_nobody_else() {
    let mut story = begin();
    story.show_north();
    assert_eq!(story.told(A), [], "C was let in, and nobody lost anything");
    story.part(A, C);
    story.part(B, C);
    story.go_south(0);
    assert!(story.world.holds(C, "FIRST"));
    assert_eq!(story.told(A), [(C, Asked::Move, false)], "B sees it as before");
    story.meet();
    assert!(!story.world.holds(C, "FIRST") && story.world.holds(C, "SECOND"));
    assert_eq!(story.told(A), [(C, Asked::Move, true)]);
    // The last one of them: what C read is retired as a whole.
    story.go_south(1);
    assert!(!story.world.holds(C, "SECOND"));
    assert_eq!(story.told(A), [(C, Asked::Move, true); 2]);
    assert!(story.world.holds(B, "FIRST") && story.world.holds(B, "SECOND"));
    assert_eq!((story.told(B), story.told(C)), (vec![], vec![]), "it is A's to know");
    let said = story.given(A, C);
    story.world.kill(C);
    story.world.start(C);
    story.world.settle();
    assert_eq!(story.given(A, C), said, "each is confirmed once");
}

#[test]
pub fn what_was_taken_out_is_confirmed_also_where_it_was_passed_on() {
    let mut story = begin();
    let share = story.share;
    story.world.grant(B, C, share, A, title(), 0).unwrap();
    story.world.settle();
    story.part(A, C);
    let first = story.events[0];
    story.world.act(A, |r| r.withdraw(&share, &[first])).unwrap();
    story.world.settle();
    assert!(!story.world.holds(C, "FIRST"));
    assert_eq!(story.told(A), [(B, Asked::Move, true), (C, Asked::Move, true)], "C's through B");
}

#[test]
pub fn whoever_came_after_a_move_has_nothing_to_confirm() {
    let mut story = begin();
    let (share, first) = (story.share, story.events[0]);
    story.world.act(A, |r| r.withdraw(&share, &[first])).unwrap();
    story.world.settle();
    story.world.grant(A, C, share, A, title(), 0).unwrap();
    story.world.settle();
    assert!(story.world.holds(C, "SECOND"));
    assert_eq!(story.told(A), [(B, Asked::Move, true)]);
    assert_eq!((story.given(A, B), story.given(A, C)), (1, 0));
}

#[test]
fn whose_grant_was_revoked_answers_that_and_is_not_waited_for() {
    let mut story = begin();
    let grant = story.show_north();
    story.part(A, C);
    story.part(B, C);
    story.go_south(0);
    story.world.act(A, |r| r.revoke(&[grant], 1)).unwrap();
    assert_eq!(story.told(A), [(C, Asked::Revocation, false)]);
    story.meet();
    assert_eq!(story.told(A), [(C, Asked::Revocation, true)]);
    assert!(!story.world.holds(C, "FIRST") && !story.world.holds(C, "SECOND"));
}

#[test]
pub fn what_is_sent_anew_is_confirmed_when_it_is_gone_and_nobody_is_told() {
    let mut story = begin();
    let own = Address::Own { kind: Kind::Event, record: story.events[0] };
    let edit = Edit::Put("title".into(), Value::Str("LATER".into()));
    story.world.act(A, |r| r.edit(&own, vec![edit])).unwrap();
    story.world.settle();
    let share = story.share;
    story.world.grant(A, C, share, A, title(), 0).unwrap();
    loop {
        story.world.dial();
        let more = story.world.deliver_one();
        check_confirmed(story.world.replica(B)).unwrap();
        if !more {
            break;
        }
    }
    assert!(story.world.holds(C, "LATER") && !story.world.holds(C, "FIRST"));
    assert_eq!((story.given(A, B), story.given(A, C)), (1, 0), "C was never in the old one");
    assert_eq!(story.told(A), [], "nobody lost sight of anything");
}

#[test]
fn who_is_ordered_to_erase_is_told_as_that_alone() {
    let mut story = begin();
    let own = |record| Address::Own { kind: Kind::Customer, record };
    let consent = |world: &World, orgs: &[usize]| {
        let orgs: Vec<String> =
            orgs.iter().map(|org| format!("{:?}", world.id(*org).to_string())).collect();
        format!(
            r#"[{{"purpose":"*","status":"given","at":"2026-01-01T00:00:00Z","scope":[{}]}}]"#,
            orgs.join(",")
        )
    };
    let both = consent(&story.world, &[B, C]);
    let values = [("name", "PERSON"), ("consent", both.as_str())];
    let customer = story.world.create(A, Kind::Customer, &values);
    let share = story.share;
    for org in [B, C] {
        story.world.grant(A, org, share, A, fields(Kind::Customer, &["name"], false), 0).unwrap();
    }
    story.world.place(A, share, Kind::Customer, &[customer]);
    story.world.settle();
    assert!(story.world.holds(B, "PERSON") && story.world.holds(C, "PERSON"));
    let only = Edit::Put("consent".into(), Value::Json(consent(&story.world, &[B])));
    story.world.act(A, |r| r.edit(&own(customer), vec![only])).unwrap();
    story.world.settle();
    assert!(story.world.holds(B, "PERSON") && !story.world.holds(C, "PERSON"));
    assert_eq!(story.told(A), [(C, Asked::Erasure, true)]);
    story.world.act(A, |r| r.forget(&own(customer), None)).unwrap();
    story.world.settle();
    let told: BTreeSet<_> = story.told(A).into_iter().collect();
    assert_eq!(told, [(B, Asked::Erasure, true), (C, Asked::Erasure, true)].into());
}

/// An event as an org received it, by its title.
fn received(world: &World, org: usize, title: &str) -> Option<Address> {
    let query = ListQuery { from: From::Partners, ..ListQuery::of(Kind::Event) };
    let list = world.replica(org).list(&query).unwrap().records;
    let wanted = Some(Value::Str(title.into()));
    list.into_iter().find(|view| view.values().remove("title") == wanted).map(|view| view.at)
}

#[test]
pub fn an_edit_that_comes_too_late_for_a_move_is_told() {
    let mut story = begin();
    story.show_north();
    let share = story.share;
    story.world.grant(A, B, share, A, fields(Kind::Event, &["title"], true), 0).unwrap();
    story.world.settle();
    let at = received(&story.world, B, "FIRST").unwrap();
    let edit = |world: &mut World, title: &str| {
        let edit = Edit::Put("title".into(), Value::Str(title.into()));
        world.act(B, |r| r.edit(&at, vec![edit])).unwrap();
        world.settle();
    };
    edit(&mut story.world, "IN TIME");
    story.part(A, B);
    edit(&mut story.world, "TOO LATE");
    story.go_south(0);
    story.meet();
    assert!(received(&story.world, B, "IN TIME").is_some(), "B sees the next turn");
    let rejected = story.world.replica(B).rejected().unwrap();
    let told: Vec<_> =
        rejected.iter().map(|one| (one.field.as_str(), one.value.as_ref())).collect();
    assert_eq!(told, [("title", None)]);
    assert!(!story.world.holds(A, "TOO LATE") && !story.world.holds(B, "TOO LATE"));
}
