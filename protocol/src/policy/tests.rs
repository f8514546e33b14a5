//! What an outlook tells is what comes of a change; a change is whole or not at all.

use super::*;
use crate::book::Address;
use crate::seeing::May;
use crate::value::Value;
use crate::world::{World, fields};

const A: usize = 0;
const B: usize = 1;
const C: usize = 2;

fn world(seed: u64) -> (World, ShareId) {
    let mut world = World::new(seed, &["Acme", "Bright", "Cedar"]);
    world.pair(A, B);
    world.pair(A, C);
    let share = world.act(A, |r| r.open_share("launch", None, None)).unwrap();
    let mut firms = Vec::new();
    for n in 0..6 {
        let (name, region) = (format!("Firm {n}"), if n < 4 { "north" } else { "south" });
        let values = [("type", "company"), ("name", &*name), ("region", region)];
        firms.push(world.create(A, Kind::Customer, &values));
    }
    let ann = world.create(A, Kind::Customer, &[("name", "Ann"), ("region", "north")]);
    let given = format!(r#"[{{"purpose":"launch","status":"given","scope":"{}"}}]"#, world.id(C));
    let bob = world.create(A, Kind::Customer, &[("name", "Bob"), ("consent", &given)]);
    world.grant(A, C, share, A, fields(Kind::Customer, &["name"], false), 0).unwrap();
    world.place(A, share, Kind::Customer, &firms);
    world.place(A, share, Kind::Customer, &[ann, bob]);
    world.settle();
    (world, share)
}

fn new(world: &World, share: ShareId, to: usize, names: &[&str], only: Option<&str>) -> NewGrant {
    NewGrant {
        share,
        section: world.id(A),
        to: world.id(to),
        scope: fields(Kind::Customer, names, false),
        selector: only.map(str::to_owned),
        depth: 1,
        expires_at: None,
        with_history: false,
    }
}

/// Who sees which fields of which of Acme's records, as their own nodes show it.
fn sights(world: &World, share: &ShareId) -> BTreeMap<(usize, RecordId), BTreeSet<String>> {
    let mut all = BTreeMap::new();
    for org in [B, C] {
        let list = world.replica(org).list(&ListQuery::of(Kind::Customer)).unwrap();
        for view in list.records.into_iter().filter(|view| view.share == Some(*share)) {
            all.insert((org, view.at.record()), view.fields.into_keys().collect());
        }
    }
    all
}

/// Where each record's fields stand at Acme.
fn homes(world: &World, share: &ShareId) -> BTreeMap<(RecordId, String), CompartmentId> {
    let replica = world.replica(A);
    let mut homes = BTreeMap::new();
    for record in replica.placed(share, Kind::Customer).unwrap() {
        for home in replica.publication(share, &record).unwrap().unwrap().homes.into_keys() {
            for field in replica.dossiers.get(&home).unwrap().0.schema.fields() {
                homes.insert((record, field.name.clone()), home);
            }
        }
    }
    homes
}

fn count(
    world: &World,
    from: &BTreeMap<(usize, RecordId), BTreeSet<String>>,
    to: &BTreeMap<(usize, RecordId), BTreeSet<String>>,
) -> Vec<Sight> {
    let mut counted: BTreeMap<(OrgId, BTreeSet<String>), u64> = BTreeMap::new();
    for (at, fields) in to {
        let known = from.get(at).cloned().unwrap_or_default();
        let more: BTreeSet<String> = fields.difference(&known).cloned().collect();
        if !more.is_empty() {
            *counted.entry((world.id(at.0), more)).or_default() += 1;
        }
    }
    let sight = |((org, fields), records)| Sight { org, kind: Kind::Customer, fields, records };
    counted.into_iter().map(sight).collect()
}

#[test]
fn what_an_outlook_tells_is_what_comes_of_it() {
    let (mut world, share) = world(3);
    let only = Some("region=north");
    let mut ended = Vec::new();
    for (step, (add, end_last)) in [
        (vec![new(&world, share, B, &["name"], only)], false),
        (vec![new(&world, share, B, &["region"], None)], false),
        (vec![new(&world, share, C, &["name", "region"], Some("region=south"))], true),
        (Vec::new(), true),
        (vec![new(&world, share, C, &["industry"], Some("region=east"))], false),
    ]
    .into_iter()
    .enumerate()
    {
        let end = if end_last { vec![ended.pop().unwrap()] } else { Vec::new() };
        let proposal = Proposal { add, end, ..Proposal::default() };
        let told = world.replica(A).outlook(&share, &proposal).unwrap();
        let (before, stood) = (sights(&world, &share), homes(&world, &share));
        let made = world.act(A, |r| r.change_rules(&share, proposal)).unwrap();
        ended.extend(made.iter().map(|(id, _)| *id));
        world.settle();
        let (after, stands) = (sights(&world, &share), homes(&world, &share));
        let mut gained = told.gained.clone();
        gained.retain(|sight| sight.records > 0);
        gained.sort();
        assert_eq!(gained, count(&world, &before, &after), "step {step}");
        // What an honest node deletes after a revocation is its own affair: ask the publisher.
        let replica = world.replica(A);
        for sight in &told.lost {
            let matrix = replica.matrix(&share, &world.id(A), None).unwrap();
            let at = matrix.orgs.iter().position(|org| *org == sight.org);
            let may = |field: &String| {
                let row = matrix.rows.iter().find(|(_, name, _)| name == field);
                at.and_then(|at| Some(row?.2[at])).unwrap_or_default()
            };
            assert!(sight.fields.iter().any(|field| may(field) == May::Nothing), "step {step}");
        }
        let moved: BTreeSet<RecordId> = stood
            .iter()
            .filter(|(at, home)| stands.get(*at).is_some_and(|now| now != *home))
            .map(|((record, _), _)| *record)
            .collect();
        assert_eq!(told.resent, moved.len() as u64, "step {step}");
    }
}

/// A consent for these orgs; none for everybody.
fn entry(status: &str, scope: &[OrgId]) -> String {
    let scope: Vec<String> = scope.iter().map(|org| format!("\"{org}\"")).collect();
    let scope = match &*scope.join(",") {
        "" => String::new(),
        orgs => format!("\"scope\":[{orgs}],"),
    };
    format!("{{\"purpose\":\"launch\",{scope}\"status\":\"{status}\"}}")
}

#[test]
fn what_is_told_of_a_change_of_the_book_is_what_comes_of_it() {
    let (mut world, share) = world(6);
    world.grant(A, B, share, A, fields(Kind::Customer, &["name", "region"], false), 0).unwrap();
    let consent = |entries: &[String]| format!("[{}]", entries.join(","));
    let given = consent(&[entry("given", &[])]);
    let [ann, eve] = ["Ann", "Eve"].map(|name| {
        world.create(A, Kind::Customer, &[("name", name), ("region", "x"), ("consent", &given)])
    });
    world.place(A, share, Kind::Customer, &[ann, eve]);
    let firm = world.replica(A).placed(&share, Kind::Customer).unwrap()[0];
    world.settle();
    let not_b = consent(&[entry("given", &[]), entry("withdrawn", &[world.id(B)])]);
    let nobody = consent(&[entry("given", &[]), entry("withdrawn", &[])]);
    // Who loses it, and who is ordered to erase it; a second time nobody is.
    for (step, (record, reads, lose, asked)) in [
        (ann, Some(&not_b), vec![B], vec![B]),
        (ann, Some(&not_b), vec![], vec![]),
        (ann, Some(&nobody), vec![C], vec![C]),
        (ann, None, vec![], vec![]),
        (eve, None, vec![B, C], vec![]),
        (firm, None, vec![B, C], vec![]),
    ]
    .into_iter()
    .enumerate()
    {
        let at = Address::Own { kind: Kind::Customer, record };
        let (before, stood) = (sights(&world, &share), homes(&world, &share));
        let (told, orders) = world
            .act(A, |r| match reads {
                Some(text) => {
                    r.if_it_read(&at, "consent", Value::Json(text.clone()), |r, shares| {
                        assert!(shares.contains(&share));
                        let told = r.outlook(&share, &Proposal::default())?;
                        Ok((told, r.without_consent_now(&at)?))
                    })?
                }
                None => r.if_deleted(&at, |r, _| {
                    let gone = Proposal { take_out: vec![record], ..Proposal::default() };
                    Ok((r.outlook(&share, &gone)?, BTreeSet::new()))
                })?,
            })
            .unwrap();
        world.settle();
        let untouched = (sights(&world, &share), homes(&world, &share));
        assert_eq!(untouched, (before.clone(), stood), "step {step}: nothing was done");
        let known = world.replica(A).erasures(&record).unwrap().len();
        let done = match reads {
            Some(text) => {
                let edit = crate::facet::Edit::Put("consent".into(), Value::Json(text.clone()));
                world.act(A, |r| r.edit(&at, vec![edit]))
            }
            None => world.act(A, |r| r.delete(&at)),
        };
        done.unwrap();
        world.settle();
        let mut lost = told.lost;
        lost.sort();
        assert_eq!(lost, count(&world, &sights(&world, &share), &before), "step {step}");
        let orgs =
            |orgs: &[usize]| -> BTreeSet<OrgId> { orgs.iter().map(|o| world.id(*o)).collect() };
        assert_eq!(lost.iter().map(|s| s.org).collect::<BTreeSet<_>>(), orgs(&lose), "step {step}");
        assert_eq!(
            orders,
            orgs(&asked).into_iter().map(|org| (share, org)).collect(),
            "step {step}"
        );
        let erasures = world.replica(A).erasures(&record).unwrap();
        assert_eq!(erasures.len() - known, asked.len(), "step {step}");
    }
}

#[test]
fn an_outlook_names_whom_consent_holds_back_and_what_has_no_record_yet() {
    let (world, share) = world(4);
    let event = NewGrant {
        scope: fields(Kind::Event, &["title"], false),
        ..new(&world, share, B, &["name"], None)
    };
    let proposal = Proposal {
        add: vec![new(&world, share, B, &["name"], None), event],
        ..Proposal::default()
    };
    let told = world.replica(A).outlook(&share, &proposal).unwrap();
    assert_eq!(told.held_back.len(), 1, "Ann was never placed, Bob is for Cedar only");
    assert_eq!(told.held_back[0].1.reason.code(), "other_partner");
    let rows: Vec<(Kind, u64)> = told.gained.iter().map(|s| (s.kind, s.records)).collect();
    assert_eq!(rows, [(Kind::Customer, 6), (Kind::Event, 0)]);
}

#[test]
fn a_change_of_rules_is_done_whole_or_not_at_all() {
    let (mut world, share) = world(5);
    let good = new(&world, share, B, &["name"], None);
    let bad = NewGrant {
        scope: fields(Kind::Customer, &["remark"], false),
        ..new(&world, share, B, &["name"], None)
    };
    let before = world.replica(A).share(&share).unwrap().grants.len();
    let end = world.replica(A).share(&share).unwrap().grants[0].0.id;
    let proposal = Proposal { add: vec![good, bad], end: vec![end], ..Proposal::default() };
    let refused = world.act(A, |r| r.change_rules(&share, proposal)).unwrap_err();
    assert_eq!(refused.code(), "internal_field");
    let share = world.replica(A).share(&share).unwrap();
    assert_eq!(share.grants.len(), before);
    assert!(share.grants.iter().all(|(_, state)| *state == GrantState::Active));
}
