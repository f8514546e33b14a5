//! The audit log and what it answers: who was given what of a customer, whoever carried it.

use crate::audit;
use crate::book::Address;
use crate::disclosure::{Disclosed, Disclosure, Way};
use crate::facet::Edit;
use crate::id::{RecordId, ShareId};
use crate::value::Value;
use crate::view::{From, ListQuery};
use crate::vocabulary::Kind;
use crate::world::{World, fields};

const A: usize = 0;
const B: usize = 1;
const C: usize = 2;

const CONSENT: &str =
    r#"[{"purpose":"launch","basis":"form","status":"given","at":"2026-01-01T00:00:00Z"}]"#;

/// A shows customers' names and titles to B, which passes the names on to C; A and C do not meet
/// by themselves.
struct Chain {
    world: World,
    share: ShareId,
}

fn begin() -> Chain {
    let mut world = World::new(5, &["Acme", "Bright", "Cedar"]);
    world.pair(A, B);
    world.pair(B, C);
    let share = world.act(A, |r| r.open_share("launch", None, None)).unwrap();
    world.grant(A, B, share, A, fields(Kind::Customer, &NAMED, false), 1).unwrap();
    world.settle();
    let scope = fields(Kind::Customer, &["consent", "do_not_contact", "name"], false);
    world.grant(B, C, share, A, scope, 0).unwrap();
    world.settle();
    apart(&mut world, A, C);
    Chain { world, share }
}

const NAMED: [&str; 4] = ["consent", "do_not_contact", "name", "title"];

fn apart(world: &mut World, a: usize, b: usize) {
    world.cut.push((a, b));
    world.disconnect(a, b);
}

fn customer(world: &mut World, share: ShareId, name: &str) -> RecordId {
    let customer = world.create(A, Kind::Customer, &[("name", name), ("consent", CONSENT)]);
    let placed = world.place(A, share, Kind::Customer, &[customer]);
    assert_eq!(placed.published, [customer]);
    customer
}

fn disclosed(world: &World, of: &RecordId) -> Disclosed {
    world.replica(A).disclosures(of).unwrap()
}

/// What is told of one org: how, and which fields.
fn told(world: &World, of: &RecordId, org: usize) -> Vec<(Way, String)> {
    let to = disclosed(world, of).to.into_iter().filter(|d| d.org == world.id(org));
    let names = |d: &Disclosure| {
        let names = d.fields.iter().map(|(kind, field)| format!("{}.{field}", kind.name()));
        names.collect::<Vec<_>>().join(" ")
    };
    to.map(|d| (d.way, names(&d))).collect()
}

fn both(way: Way) -> Vec<(Way, String)> {
    vec![(way, "customer.consent customer.name".to_owned())]
}

#[test]
fn who_got_it_through_another_is_told_first_as_possible_then_as_reported() {
    let Chain { mut world, share } = begin();
    apart(&mut world, B, C);
    let ana = customer(&mut world, share, "Ana");
    assert_eq!(told(&world, &ana, B), both(Way::NotYet));
    world.settle();
    assert_eq!(told(&world, &ana, B), both(Way::Sent));
    assert_eq!(told(&world, &ana, C), both(Way::Possible));
    world.kill(A);
    world.cut.retain(|pair| *pair != (B, C));
    world.settle();
    assert!(world.holds(C, "Ana"), "B brought it while A was down");
    world.start(A);
    world.settle();
    assert_eq!(told(&world, &ana, C), both(Way::Possible), "A cannot know yet");
    world.cut.clear();
    world.settle();
    assert_eq!(told(&world, &ana, C), both(Way::Reported));
    let all = disclosed(&world, &ana).to;
    let at = |org| all.iter().find(|d| d.org == world.id(org)).unwrap();
    assert_eq!((at(C).via.clone(), at(B).via.clone()), (vec![world.id(B)], vec![]));
    assert_eq!(at(C).carriers.iter().copied().collect::<Vec<_>>(), [world.id(B)]);
    assert!(at(B).first_at.unwrap() < at(C).first_at.unwrap());
    assert!(audit::verify(&world.orgs[A].disk, None).unwrap().count > 5);
}

#[test]
fn what_was_entered_later_is_told_only_of_those_who_got_it() {
    let Chain { mut world, share } = begin();
    let ana = customer(&mut world, share, "Ana");
    world.settle();
    apart(&mut world, A, B);
    let at = Address::Own { kind: Kind::Customer, record: ana };
    let title = vec![Edit::Put("title".into(), Value::Str("CTO".into()))];
    world.act(A, |r| r.edit(&at, title)).unwrap();
    world.settle();
    let later = (Way::NotYet, "customer.title".to_owned());
    assert_eq!(told(&world, &ana, B), [both(Way::Sent), vec![later]].concat());
    world.cut.retain(|pair| *pair != (A, B));
    world.settle();
    let all = "customer.consent customer.name customer.title".to_owned();
    assert_eq!(told(&world, &ana, B), [(Way::Sent, all)]);
    assert_eq!(told(&world, &ana, C), both(Way::Possible), "the title was not passed on");
}

#[test]
pub fn what_was_given_of_a_customer_stays_told_when_the_customer_is_gone() {
    let Chain { mut world, share } = begin();
    world
        .grant(A, B, share, A, fields(Kind::Participation, &["customer", "status"], false), 0)
        .unwrap();
    let (ana, eve) = (customer(&mut world, share, "Ana"), customer(&mut world, share, "Eve"));
    let about = Kind::Customer.id_text(&ana);
    let part = world.create(A, Kind::Participation, &[("customer", &about), ("status", "invited")]);
    world.place(A, share, Kind::Participation, &[part]);
    world.settle();
    let before = told(&world, &ana, B);
    let expected = "customer.consent customer.name participation.customer participation.status";
    let joined = before.iter().map(|(_, fields)| fields.as_str()).collect::<Vec<_>>().join(" ");
    assert_eq!(joined, expected);
    // The audience changes, so that what stood in one place stands in another now.
    world.grant(A, C, share, A, fields(Kind::Customer, &NAMED, false), 0).unwrap();
    world.settle();
    world.act(A, |r| r.note_export(Kind::Customer, "csv", &[ana, eve])).unwrap();
    world.act(A, |r| r.delete(&Address::Own { kind: Kind::Customer, record: ana })).unwrap();
    world.settle();
    let text = Kind::Customer.id_text(&ana);
    assert_eq!(world.replica(A).find_subject(&text[..20]).unwrap(), ana);
    assert!(world.replica(A).find_record(&text, None).is_err());
    let gone = |world: &World| {
        let mut all: Vec<String> =
            told(world, &ana, B).into_iter().map(|(_, fields)| fields).collect();
        all.dedup();
        (all, disclosed(world, &ana))
    };
    let (fields, all) = gone(&world);
    assert_eq!(fields, before.into_iter().map(|(_, fields)| fields).collect::<Vec<_>>());
    assert!(all.to.iter().all(|d| d.way != Way::NotYet), "nothing more goes to anybody: {all:#?}");
    assert_eq!(all.exports.len(), 1);
    world.kill(A);
    world.start(A);
    assert_eq!(gone(&world).1, all, "it is told from what is on disk");
    assert!(!world.holds(A, "Ana"), "and holds no value");
    // Later deliveries of what was erased give nobody anything.
    let at = Address::Own { kind: Kind::Customer, record: eve };
    let title = vec![Edit::Put("title".into(), Value::Str("CTO".into()))];
    world.act(A, |r| r.edit(&at, title)).unwrap();
    world.settle();
    assert_eq!(disclosed(&world, &ana), all);
}

#[test]
fn whoever_was_never_placed_was_given_to_nobody() {
    let Chain { mut world, .. } = begin();
    let ana = world.create(A, Kind::Customer, &[("name", "Ana"), ("consent", CONSENT)]);
    world.settle();
    assert_eq!(disclosed(&world, &ana), Disclosed::default());
    let text = Kind::Customer.id_text(&ana);
    assert_eq!(world.replica(A).find_subject(&text).unwrap(), ana);
    world.act(A, |r| r.delete(&Address::Own { kind: Kind::Customer, record: ana })).unwrap();
    assert_eq!(world.replica(A).find_subject(&text).unwrap(), ana);
    assert!(world.replica(A).find_subject("cus_zzzz").is_err());
}

#[test]
fn whose_customer_is_asked_about_and_which_one_has_to_be_plain() {
    let Chain { mut world, share } = begin();
    let all = ["Ana", "Eve"].map(|name| customer(&mut world, share, name));
    world.settle();
    let refused =
        |world: &World, org, text: &str| world.replica(org).find_subject(text).unwrap_err().code();
    let query = ListQuery { from: From::Partners, ..ListQuery::of(Kind::Customer) };
    let at_b = world.replica(B).list(&query).unwrap().records[0].at.text();
    assert_eq!(refused(&world, B, &at_b), "not_own");
    assert_eq!(refused(&world, A, "evt_"), "not_found");
    assert_eq!(refused(&world, A, "cus_"), "ambiguous");
    for record in all {
        let at = Address::Own { kind: Kind::Customer, record };
        world.act(A, |r| r.delete(&at)).unwrap();
    }
    world.settle();
    assert_eq!(refused(&world, A, "cus_"), "ambiguous", "also when they are gone");
}

#[test]
fn the_log_is_read_from_the_newest_line_and_can_be_asked_for_a_part() {
    let Chain { mut world, share } = begin();
    customer(&mut world, share, "Ana");
    world.settle();
    let replica = world.replica(A);
    let count = replica.audit_head().count;
    let (all, next) = replica.audit_lines(None, usize::MAX, |_| true).unwrap();
    let numbers: Vec<u64> = all.iter().map(|line| line.number).collect();
    assert_eq!((numbers, next), ((0..count).rev().collect(), None));
    let mut pages = Vec::new();
    let mut before = None;
    loop {
        let (page, next) = replica.audit_lines(before, 3, |line| line.number % 2 == 0).unwrap();
        assert!(page.len() <= 3);
        pages.extend(page);
        match next {
            Some(next) => before = Some(next),
            None => break,
        }
    }
    assert_eq!(pages, all.into_iter().filter(|l| l.number % 2 == 0).collect::<Vec<_>>());
}

#[test]
fn whoever_asks_for_the_same_again_and_again_does_not_make_the_log_grow() {
    let Chain { mut world, share } = begin();
    customer(&mut world, share, "Ana");
    world.settle();
    let replica = world.replica(A);
    let mine = replica.logs.iter().find(|(_, log)| {
        replica.opening(&log.compartment).is_some_and(|opening| opening.share == Some(share))
    });
    let log = *mine.expect("a log of the share").0;
    let count = |world: &World| world.replica(A).audit_head().count;
    let before = count(&world);
    let ask = |world: &mut World| {
        world
            .act(A, |r| {
                let conn = *r.sessions.keys().next().expect("B is connected");
                r.on_want(conn, log, 0)
            })
            .unwrap();
    };
    for _ in 0..50 {
        ask(&mut world);
    }
    assert_eq!(count(&world), before, "a line of the last minute says it");
    world.now += 60_000;
    ask(&mut world);
    ask(&mut world);
    assert_eq!(count(&world), before + 1);
}
