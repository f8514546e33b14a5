//! Previews against what partners really see, matrices, and every sort of explanation.

use super::*;
use crate::consent::HeldBack;
use crate::facet::Edit;
use crate::id::RecordId;
use crate::sharing::NewGrant;
use crate::value::Value;
use crate::view::ListQuery;
use crate::world::{World, fields};

const A: usize = 0;
const B: usize = 1;
const C: usize = 2;

/// Acme grants Bright an event and customers, Bright passes a part on to Cedar.
struct Cast {
    world: World,
    share: ShareId,
    to_b: GrantId,
    to_c: GrantId,
    ann: RecordId,
}

fn cast(seed: u64) -> Cast {
    let mut world = World::new(seed, &["Acme", "Bright", "Cedar"]);
    world.pair(A, B);
    world.pair(B, C);
    let share = world.act(A, |r| r.open_share("launch", None, None)).unwrap();
    let event = world.create(A, Kind::Event, &[("title", "Launch"), ("venue", "Hall")]);
    world.place(A, share, Kind::Event, &[event]);
    let consent = r#"[{"purpose":"launch","status":"given","scope":"ORG"}]"#;
    let consent = consent.replace("ORG", &world.id(B).to_string());
    let ann = [("name", "Ann"), ("consent", &*consent)];
    let ann = world.create(A, Kind::Customer, &ann);
    let firm = [("type", "company"), ("name", "Firm"), ("region", "north")];
    let firm = world.create(A, Kind::Customer, &firm);
    let names = ["title", "venue", "region"];
    world.grant(A, B, share, A, fields(Kind::Event, &names, true), 1).unwrap();
    let scope = fields(Kind::Customer, &["name", "region"], false);
    let to_b = world.grant(A, B, share, A, scope, 1).unwrap();
    world.place(A, share, Kind::Customer, &[ann, firm]);
    world.settle();
    world.grant(B, C, share, A, fields(Kind::Event, &["title"], false), 0).unwrap();
    let to_c = world.grant(B, C, share, A, fields(Kind::Customer, &["name"], false), 0).unwrap();
    world.settle();
    Cast { world, share, to_b, to_c, ann }
}

impl Cast {
    fn why(&self, at: usize, org: usize, field: &str, record: Option<Address>) -> Why {
        let (kind, field) = field.split_once('.').unwrap();
        let question = Question {
            share: self.share,
            section: self.world.id(A),
            org: self.world.id(org),
            kind: Kind::from_name(kind).unwrap(),
            field: field.to_owned(),
            record,
        };
        self.world.replica(at).explain(&question).unwrap()
    }

    fn own(&self, record: RecordId) -> Option<Address> {
        Some(Address::Own { kind: Kind::Customer, record })
    }
}

#[test]
fn a_preview_is_what_the_partner_really_sees() {
    for seed in 0..4 {
        let Cast { mut world, share, .. } = cast(seed);
        let edit = |text: &str| vec![Edit::Put("venue".into(), Value::Str(text.into()))];
        let list = world.replica(B).list(&ListQuery::of(Kind::Event)).unwrap();
        let (at_b, own) = (list.records[0].at, world.replica(A).list(&ListQuery::of(Kind::Event)));
        let own = own.unwrap().records[0].at;
        world.cut.push((A, B));
        world.disconnect(A, B);
        world.act(A, |r| r.edit(&own, edit("Park"))).unwrap();
        world.act(B, |r| r.edit(&at_b, edit("Pier"))).unwrap();
        world.cut.clear();
        world.settle();
        for (by, org) in [(A, B), (A, C), (B, C)] {
            let mut seen = Vec::new();
            for kind in Kind::ALL {
                seen.extend(world.replica(org).list(&ListQuery::of(kind)).unwrap().records);
            }
            let told = world.replica(by).seen_by(&share, &world.id(org), None, usize::MAX).unwrap();
            assert_eq!(told, seen, "{by} of {org}");
            assert!(seen.len() >= 2 && seen.iter().all(|view| view.section == world.id(A)));
            let first = world.replica(by).seen_by(&share, &world.id(org), None, 1).unwrap();
            assert_eq!(first, seen[..1]);
        }
        let told = world.replica(A).seen_by(&share, &world.id(B), None, usize::MAX).unwrap();
        assert_eq!(told.len(), 3);
        assert_eq!(told[0].conflicts, ["venue"], "a partner's conflicts are seen too");
    }
}

#[test]
fn a_matrix_says_what_every_org_may_do_with_every_field() {
    let Cast { mut world, share, to_b, .. } = cast(1);
    let a = world.id(A);
    let matrix = world.replica(A).matrix(&share, &a, None).unwrap();
    assert_eq!(matrix.orgs, [world.id(B), world.id(C)]);
    let cells = |matrix: &Matrix, kind: Kind, field: &str| {
        let row = matrix.rows.iter().find(|(k, name, _)| (*k, &**name) == (kind, field));
        row.expect("a row").2.clone()
    };
    use May::{Edit, Nothing, Read};
    assert_eq!(cells(&matrix, Kind::Event, "title"), [Edit, Read]);
    assert_eq!(cells(&matrix, Kind::Event, "venue"), [Edit, Nothing]);
    assert_eq!(cells(&matrix, Kind::Event, "budget"), [Nothing, Nothing]);
    assert_eq!(cells(&matrix, Kind::Customer, "name"), [Read, Read]);
    assert!(matrix.rows.iter().all(|(kind, ..)| [Kind::Event, Kind::Customer].contains(kind)));
    assert_eq!(world.replica(B).matrix(&share, &a, None).unwrap(), matrix, "B knows both");
    let own = world.replica(C).matrix(&share, &a, None).unwrap();
    assert_eq!(cells(&own, Kind::Event, "title").last(), Some(&Read));
    world.act(A, |r| r.revoke(&[to_b], 0)).unwrap();
    let matrix = world.replica(A).matrix(&share, &a, Some(Kind::Customer)).unwrap();
    assert_eq!((matrix.orgs, matrix.rows), (Vec::new(), Vec::new()), "it ended with those below");
}

#[test]
fn an_explanation_is_the_chain_or_the_first_rule_that_fails() {
    let mut cast = cast(2);
    let (to_b, to_c, ann) = (cast.to_b, cast.to_c, cast.ann);
    let may = |may, chain: &[GrantId]| Why { may, chain: chain.to_vec(), hindrance: None };
    let not = |chain: &[GrantId], why| Why {
        may: May::Nothing,
        chain: chain.to_vec(),
        hindrance: Some(why),
    };
    assert_eq!(cast.why(A, A, "customer.name", None), may(May::Edit, &[]));
    assert_eq!(cast.why(A, B, "event.title", None).may, May::Edit);
    assert_eq!(cast.why(A, B, "customer.name", None), may(May::Read, &[to_b]));
    assert_eq!(cast.why(A, C, "customer.name", None), may(May::Read, &[to_b, to_c]));
    assert_eq!(cast.why(B, C, "customer.name", None), may(May::Read, &[to_b, to_c]));
    assert_eq!(cast.why(A, B, "customer.remark", None), not(&[], Hindrance::Internal));
    let others = Hindrance::NotGranted(vec!["name".into()]);
    assert_eq!(cast.why(A, C, "customer.region", None), not(&[], others));
    let of_ann = cast.own(ann);
    assert_eq!(cast.why(A, B, "customer.name", of_ann), may(May::Read, &[to_b]));
    let held = Hindrance::HeldBack(cast.world.id(C), HeldBack::OtherPartner);
    assert_eq!(cast.why(A, C, "customer.name", of_ann), not(&[to_b, to_c], held));
    let empty = Why { hindrance: Some(Hindrance::NoValue), ..may(May::Read, &[to_b]) };
    assert_eq!(cast.why(A, B, "customer.region", of_ann), empty);
    let bob = cast.world.create(A, Kind::Customer, &[("name", "Bob")]);
    let of_bob = cast.own(bob);
    assert_eq!(cast.why(A, B, "customer.name", of_bob), not(&[to_b], Hindrance::NotPlaced));
    // A selector in the chain, and an end of its own.
    let (b, share) = (cast.world.id(B), cast.share);
    let now = cast.world.now;
    let new = |expires_at, selector: Option<&str>| NewGrant {
        share,
        section: cast.world.id(A),
        to: b,
        scope: fields(Kind::Customer, &["industry"], false),
        selector: selector.map(str::to_owned),
        depth: 0,
        expires_at,
        with_history: false,
    };
    let (some, brief) = (new(None, Some("region=south")), new(Some(now + 500), None));
    let some = cast.world.act(A, |r| r.grant(some)).unwrap().0;
    let why = not(&[some], Hindrance::NotSelected(some, "region=south".into()));
    assert_eq!(cast.why(A, B, "customer.industry", of_ann), why);
    cast.world.act(A, |r| r.revoke(&[some], 0)).unwrap();
    let why = not(&[some], Hindrance::Revoked(some));
    assert_eq!(cast.why(A, B, "customer.industry", None), why);
    let brief = cast.world.act(A, |r| r.grant(brief)).unwrap().0;
    assert_eq!(cast.why(A, B, "customer.industry", None), may(May::Read, &[brief]));
    cast.world.now += 1_000;
    cast.world.act(A, |_| Ok(())).unwrap();
    let why = not(&[brief], Hindrance::Expired(brief));
    assert_eq!(cast.why(A, B, "customer.industry", None), why, "nearer than one revoked");
    // What ends above ends below.
    cast.world.act(A, |r| r.revoke(&[to_b], 0)).unwrap();
    let why = not(&[to_b, to_c], Hindrance::Revoked(to_b));
    assert_eq!(cast.why(A, C, "customer.name", None), why);
}
