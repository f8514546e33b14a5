//! The story: A opens, B passes on, C contributes; each holds exactly its fields.

use crate::book::Address;
use crate::facet::Edit;
use crate::id::RecordId;
use crate::value::Value;
use crate::vocabulary::Kind;
use crate::world::{World, contribute, fields};

const A: usize = 0;
const B: usize = 1;
const C: usize = 2;

const CONSENT: &str = r#"[{"purpose":"launch","basis":"form","status":"given","at":"2026-01-01T00:00:00Z","evidence":"EVIDENCE-C"}]"#;

struct Story {
    world: World,
    share: crate::id::ShareId,
    event: RecordId,
    shared_event: RecordId,
}

fn begin(seed: u64) -> Story {
    let mut world = World::new(seed, &["Acme", "Bright", "Cedar"]);
    world.pair(A, B);
    world.pair(B, C);
    let event = world.create(
        A,
        Kind::Event,
        &[
            ("title", "TITLE-A"),
            ("starts_at", "2027-03-01T09:00:00+08:00"),
            ("venue", "VENUE-A"),
            ("audience_brief", "BRIEF-A"),
            ("budget", "12.50 CNY"),
            ("notes", "NOTES-A"),
            ("region", "REGION-A"),
        ],
    );
    let share = world.act(A, |r| r.open_share("launch", None, None)).unwrap();
    world.place(A, share, Kind::Event, &[event]);
    let scope = fields(Kind::Event, &["title", "starts_at", "venue", "audience_brief"], false);
    world.grant(A, B, share, A, scope, 1).unwrap();
    world.grant(A, B, share, A, contribute(&[Kind::Customer, Kind::Participation]), 1).unwrap();
    world.settle();
    let list = world.replica(B).list(&crate::view::ListQuery::of(Kind::Event)).unwrap();
    assert_eq!(list.records.len(), 1, "B has the event");
    let shared_event = list.records[0].at.record();
    let scope = fields(Kind::Event, &["title", "starts_at", "audience_brief"], false);
    world.grant(B, C, share, A, scope, 0).unwrap();
    let kinds = contribute(&[Kind::Customer, Kind::Participation]);
    world.grant(B, C, share, A, kinds, 0).unwrap();
    world.settle();
    Story { world, share, event, shared_event }
}

fn text(view: &crate::view::RecordView, field: &str) -> Option<String> {
    match view.fields.get(field)? {
        Some(Value::Str(text) | Value::Text(text) | Value::Json(text)) => Some(text.clone()),
        Some(other) => Some(format!("{other:?}")),
        None => None,
    }
}

#[test]
fn a_subset_passed_on_splits_the_compartment_and_nobody_holds_more() {
    for seed in 0..8 {
        let Story { mut world, share, shared_event, event } = begin(seed);
        let at_b = world.sees(B, &share, Kind::Event, &shared_event).unwrap();
        let at_c = world.sees(C, &share, Kind::Event, &shared_event).unwrap();
        assert_eq!(text(&at_b, "venue").as_deref(), Some("VENUE-A"));
        assert_eq!(text(&at_c, "title").as_deref(), Some("TITLE-A"));
        assert_eq!(text(&at_c, "audience_brief").as_deref(), Some("BRIEF-A"));
        assert!(at_c.withheld.contains(&"venue".to_owned()));
        assert!(at_c.withheld.contains(&"budget".to_owned()));
        for (org, token) in
            [(B, "NOTES-A"), (C, "NOTES-A"), (C, "VENUE-A"), (B, "REGION-A"), (C, "REGION-A")]
        {
            assert!(!world.holds(org, token), "{token} at {org}");
        }
        assert!(world.holds(B, "VENUE-A"), "the search can find");
        // A's edit reaches C directly: they were never paired, B's grant introduced them.
        let at = Address::Own { kind: Kind::Event, record: event };
        world.kill(B);
        let edit = vec![Edit::Put("title".into(), Value::Str("TITLE-2".into()))];
        world.act(A, |r| r.edit(&at, edit)).unwrap();
        world.settle();
        let at_c = world.sees(C, &share, Kind::Event, &shared_event).unwrap();
        assert_eq!(text(&at_c, "title").as_deref(), Some("TITLE-2"));
        world.start(B);
        world.settle();
        let at_b = world.sees(B, &share, Kind::Event, &shared_event).unwrap();
        assert_eq!(text(&at_b, "title").as_deref(), Some("TITLE-2"));
    }
}

#[test]
fn b_cannot_edit_what_it_may_only_read() {
    let Story { mut world, share, shared_event, .. } = begin(1);
    let at = world.replica(B).locate_in(&share, Kind::Event, &shared_event, None).unwrap().unwrap();
    let edit = vec![Edit::Put("title".into(), Value::Str("MINE".into()))];
    let refused = world.act(B, |r| r.edit(&at, edit)).unwrap_err();
    assert_eq!(refused.code(), "not_allowed");
}

#[test]
fn c_contributes_and_each_sees_its_part() {
    for seed in 0..8 {
        let Story { mut world, share, shared_event, event } = begin(seed);
        let person = |n: usize| {
            [
                ("name", format!("NAME-{n}")),
                ("org_name", format!("ORG-{n}")),
                ("phones", format!("+86139000000{n:02}")),
                ("emails", format!("mail{n}@example.com")),
                ("consent", CONSENT.to_owned()),
            ]
        };
        let mut customers = Vec::new();
        for n in 0..5 {
            let fields: Vec<(&str, String)> = person(n).to_vec();
            let fields: Vec<(&str, &str)> =
                fields.iter().map(|(name, text)| (*name, text.as_str())).collect();
            customers.push(world.create(C, Kind::Customer, &fields));
        }
        let silent = world.create(C, Kind::Customer, &[("name", "NAME-SILENT")]);
        let scope = fields(Kind::Customer, &["name", "org_name", "phones"], false);
        world.grant(C, A, share, C, scope, 0).unwrap();
        world.grant(C, B, share, C, fields(Kind::Customer, &["org_name"], false), 0).unwrap();
        let scope = fields(Kind::Participation, &["event", "customer", "status"], true);
        world.grant(C, A, share, C, scope, 0).unwrap();
        let scope = fields(Kind::Participation, &["event", "customer"], false);
        world.grant(C, B, share, C, scope, 0).unwrap();
        let mut all = customers.clone();
        all.push(silent);
        let placed = world.place(C, share, Kind::Customer, &all);
        assert_eq!(placed.published.len(), 5);
        assert_eq!(placed.held_back[0].reason.code(), "no_consent");
        let mut participations = Vec::new();
        for customer in &customers {
            let fields = [
                ("event", Kind::Event.id_text(&shared_event)),
                ("customer", Kind::Customer.id_text(customer)),
                ("status", "invited".to_owned()),
            ];
            let fields: Vec<(&str, &str)> =
                fields.iter().map(|(name, text)| (*name, text.as_str())).collect();
            participations.push(world.create(C, Kind::Participation, &fields));
        }
        world.place(C, share, Kind::Participation, &participations);
        world.settle();

        let at = Address::Own { kind: Kind::Event, record: event };
        let roster = world.replica(A).roster(&at).unwrap();
        assert_eq!(roster.len(), 5);
        for row in &roster {
            let customer = row.customer.as_ref().expect("A sees the customer");
            assert!(text(customer, "name").unwrap().starts_with("NAME-"));
            assert!(text(customer, "phones").is_some());
            assert!(customer.withheld.contains(&"emails".to_owned()));
            assert_eq!(row.contributed_by, world.id(C));
            assert_eq!(row.via, vec![world.id(B)]);
        }
        let at_b = world.replica(B).locate_in(&share, Kind::Event, &shared_event, None).unwrap();
        let roster_b = world.replica(B).roster(&at_b.unwrap()).unwrap();
        assert_eq!(roster_b.len(), 5);
        let customer = roster_b[0].customer.as_ref().unwrap();
        assert!(text(customer, "org_name").is_some());
        assert!(customer.withheld.contains(&"name".to_owned()));
        for token in ["NAME-1", "mail1@", "+8613900000001", "EVIDENCE-C", "NAME-SILENT"] {
            assert!(!world.holds(B, token), "{token}");
        }
        for token in ["mail1@", "EVIDENCE-C", "NAME-SILENT"] {
            assert!(!world.holds(A, token), "{token}");
        }
        // A marks one as attended; C learns it in its own book.
        let at = roster[0].participation.at;
        let edit = vec![Edit::Put("status".into(), Value::Str("attended".into()))];
        world.act(A, |r| r.edit(&at, edit)).unwrap();
        world.settle();
        let attended = participations.iter().filter(|id| {
            let at = Address::Own { kind: Kind::Participation, record: **id };
            let view = world.replica(C).record(&at).unwrap();
            text(&view, "status").as_deref() == Some("attended") && view.updated_by == world.id(A)
        });
        assert_eq!(attended.count(), 1);
        // Killed without warning, A still has everything.
        world.kill(A);
        world.start(A);
        let at = Address::Own { kind: Kind::Event, record: event };
        assert_eq!(world.replica(A).roster(&at).unwrap().len(), 5);
    }
}

#[test]
fn an_edit_that_comes_too_late_for_a_move_is_written_anew() {
    for seed in 0..8 {
        let Story { mut world, share, shared_event, .. } = begin(seed);
        let customer = world.create(C, Kind::Customer, &[("name", "NAME"), ("consent", CONSENT)]);
        let id = Kind::Customer.id_text(&customer);
        let event = Kind::Event.id_text(&shared_event);
        let fields_of =
            [("event", event.as_str()), ("customer", id.as_str()), ("status", "invited")];
        let participation = world.create(C, Kind::Participation, &fields_of);
        world.place(C, share, Kind::Customer, &[customer]);
        world.place(C, share, Kind::Participation, &[participation]);
        let scope = fields(Kind::Participation, &["event", "customer", "status"], true);
        world.grant(C, A, share, C, scope, 0).unwrap();
        world.settle();
        let list = world.replica(A).list(&crate::view::ListQuery::of(Kind::Participation)).unwrap();
        let at = list.records[0].at;
        // While A and C cannot reach each other, A edits and C lets B see the status: a roll.
        world.cut = vec![(A, C), (B, C)];
        world.disconnect(A, C);
        world.disconnect(B, C);
        let edit = vec![Edit::Put("status".into(), Value::Str("attended".into()))];
        world.act(A, |r| r.edit(&at, edit)).unwrap();
        world.grant(C, B, share, C, fields(Kind::Participation, &["status"], false), 0).unwrap();
        world.settle();
        world.cut.clear();
        world.settle();
        let at = Address::Own { kind: Kind::Participation, record: participation };
        let view = world.replica(C).record(&at).unwrap();
        assert_eq!(text(&view, "status").as_deref(), Some("attended"), "seed {seed}");
        assert!(world.replica(A).rejected().unwrap().is_empty());
    }
}
