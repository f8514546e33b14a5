//! Forgetting, adopting, and what consent that ends asks of whoever was shown the person.

use crate::book::Address;
use crate::facet::Edit;
use crate::id::{RecordId, ShareId};
use crate::refusal::RefusalClass;
use crate::statement::Scope;
use crate::time::Millis;
use crate::value::Value;
use crate::view::{From, ListQuery};
use crate::vocabulary::Kind;
use crate::world::{World, contribute, fields};

const A: usize = 0;
const B: usize = 1;
const C: usize = 2;
const YEAR: Millis = 365 * 24 * 3_600_000;

/// A's customer TOKEN in a share; A paired with B and C, B with C.
struct Story {
    world: World,
    share: ShareId,
    customer: RecordId,
}

const EVERYBODY: &str = r#"[{"purpose":"*","status":"given","at":"2026-01-01T00:00:00Z"}]"#;

fn begin(consent: &str) -> Story {
    let mut world = World::new(57, &["Acme", "Bright", "Cedar"]);
    world.pair(A, B);
    world.pair(B, C);
    world.pair(A, C);
    let consent = consent.replace("ORG_B", &world.id(B).to_string());
    let values = [("name", "TOKEN"), ("consent", consent.as_str())];
    let customer = world.create(A, Kind::Customer, &values);
    let share = world.act(A, |r| r.open_share("launch", None, None)).unwrap();
    Story { world, share, customer }
}

impl Story {
    fn own(&self) -> Address {
        Address::Own { kind: Kind::Customer, record: self.customer }
    }

    fn place(&mut self) {
        self.world.place(A, self.share, Kind::Customer, &[self.customer]);
        self.world.settle();
    }

    /// The customer as an org received it.
    fn at(&self, org: usize) -> Address {
        let query = ListQuery { from: From::Partners, ..ListQuery::of(Kind::Customer) };
        self.world.replica(org).list(&query).unwrap().records[0].at
    }

    fn consent(&mut self, consent: &str) {
        let consent = consent.replace("ORG_B", &self.world.id(B).to_string());
        let (at, edit) = (self.own(), Edit::Put("consent".into(), Value::Json(consent)));
        self.world.act(A, |r| r.edit(&at, vec![edit])).unwrap();
        self.world.settle();
    }

    /// Who was asked to erase the customer, and whether it has.
    fn erasures(&self) -> Vec<(usize, bool)> {
        let org = |id| (0..3).find(|org| self.world.id(*org) == id).unwrap();
        let erasures = self.world.replica(A).erasures(&self.customer).unwrap();
        let mut all: Vec<_> = erasures.iter().map(|e| (org(e.org), e.done_at.is_some())).collect();
        all.sort_unstable();
        all
    }

    /// Who of B and C has a token.
    fn holders(&self, token: &str) -> Vec<usize> {
        [B, C].into_iter().filter(|org| self.world.holds(*org, token)).collect()
    }
}

fn name(keep: bool) -> Scope {
    let fields = vec!["name".to_owned()];
    Scope::Fields { kind: Kind::Customer, fields, edit: false, keep }
}

/// B adopts TOKEN, notes something about it, shows the note to C and passes TOKEN on to C.
fn taken_over() -> Story {
    let mut story = begin(EVERYBODY);
    let share = story.share;
    story.world.grant(A, B, share, A, name(true), 1).unwrap();
    story.place();
    story.world.grant(B, C, share, A, name(false), 0).unwrap();
    story.world.grant(A, B, share, A, contribute(&[Kind::Interaction]), 0).unwrap();
    story.world.settle();
    let at = story.at(B);
    story.world.act(B, |r| r.adopt(&at)).unwrap();
    let about = at.text();
    let note = [("customer", about.as_str()), ("outcome", "NOTE")];
    let note = story.world.create(B, Kind::Interaction, &note);
    let reads = fields(Kind::Interaction, &["outcome"], false);
    story.world.grant(B, C, share, B, reads, 0).unwrap();
    story.world.place(B, share, Kind::Interaction, &[note]);
    story.world.settle();
    assert_eq!((story.holders("TOKEN"), story.holders("NOTE")), (vec![B, C], vec![B, C]));
    story
}

#[test]
pub fn who_is_forgotten_is_forgotten_wherever_it_was_shown_with_what_was_taken_over() {
    let mut story = taken_over();
    let at = story.own();
    story.world.act(A, |r| r.forget(&at, Some("asked for it".into()))).unwrap();
    story.world.settle();
    assert!(!story.world.holds(A, "TOKEN"));
    assert_eq!((story.holders("TOKEN"), story.holders("NOTE")), (vec![], vec![]));
    assert_eq!(story.erasures(), [(B, true), (C, true)]);
    for org in [A, B, C] {
        let remains = story.world.replica(org).remains().unwrap();
        assert!(remains.is_some(), "the store's files still have it");
        story.world.act(org, |r| r.remains_gone(remains, 0)).unwrap();
        assert_eq!(story.world.replica(org).remains().unwrap(), None);
    }
    let placed = story.world.act(A, |r| r.place(&story.share, Kind::Customer, &[story.customer]));
    assert_eq!(placed.unwrap_err().code(), "not_own", "nobody publishes it again");
    let text = Kind::Customer.id_text(&story.customer);
    let found = story.world.replica(A).find_forgotten(&text[..12]).unwrap();
    assert_eq!(found, story.customer, "its id still says who was asked");
    let said = [A, B, C].map(|org| story.world.replica(org).statements.len());
    for org in [A, B, C] {
        story.world.kill(org);
        story.world.start(org);
    }
    story.world.settle();
    let again = [A, B, C].map(|org| story.world.replica(org).statements.len());
    assert_eq!(said, again, "ordered and confirmed once");
}

#[test]
pub fn who_was_away_for_a_year_erases_when_it_comes_back_and_brings_nothing_back() {
    let mut story = taken_over();
    story.world.cut.extend([(A, B), (B, C)]);
    story.world.disconnect(A, B);
    story.world.disconnect(B, C);
    let at = story.own();
    story.world.act(A, |r| r.forget(&at, None)).unwrap();
    story.world.settle();
    assert_eq!(story.erasures(), [(B, false), (C, true)]);
    assert_eq!((story.holders("TOKEN"), story.holders("NOTE")), (vec![B], vec![B, C]));
    story.world.now += YEAR;
    story.world.cut.clear();
    story.world.settle();
    assert_eq!(story.erasures(), [(B, true), (C, true)]);
    assert_eq!((story.holders("TOKEN"), story.holders("NOTE")), (vec![], vec![]));
}

#[test]
pub fn a_consent_withdrawn_from_one_is_forgotten_there_and_moves_for_the_others() {
    let mut story = begin(EVERYBODY);
    let share = story.share;
    story.world.grant(A, B, share, A, name(true), 0).unwrap();
    story.world.grant(A, C, share, A, name(true), 0).unwrap();
    story.place();
    for org in [B, C] {
        let at = story.at(org);
        story.world.act(org, |r| r.adopt(&at)).unwrap();
    }
    let but_b = r#"[{"purpose":"*","status":"given","at":"2026-01-01T00:00:00Z"},
        {"purpose":"*","status":"withdrawn","at":"2026-02-01T00:00:00Z","scope":["ORG_B"]}]"#;
    story.consent(but_b);
    assert_eq!(story.holders("TOKEN"), [C], "adopted copies are gone at B");
    assert_eq!(story.erasures(), [(B, true)]);
    assert!(story.world.holds(A, "TOKEN"), "the own record stays");
    story.consent(&but_b.replace("2026-02", "2025-02"));
    assert_eq!(story.holders("TOKEN"), [B, C], "it comes back in its next turn");
    assert_eq!(
        story.world.replica(B).list(&ListQuery::of(Kind::Customer)).unwrap().records.len(),
        1
    );
    story.consent("[]");
    assert!(story.holders("TOKEN").is_empty());
    assert_eq!(story.erasures(), [(B, true), (C, true)]);
}

#[test]
pub fn a_copy_of_what_was_taken_out_goes_too_when_the_consent_ends() {
    let mut story = begin(EVERYBODY);
    let (share, customer) = (story.share, story.customer);
    story.world.grant(A, B, share, A, name(true), 0).unwrap();
    story.place();
    let at = story.at(B);
    story.world.act(B, |r| r.adopt(&at)).unwrap();
    story.world.act(A, |r| r.withdraw(&share, &[customer])).unwrap();
    story.world.settle();
    assert_eq!(story.holders("TOKEN"), [B], "the copy may be kept");
    let (own, none) = (story.own(), Value::Json("[]".into()));
    let asked = story
        .world
        .act(A, |r| r.if_it_read(&own, "consent", none, |r, _| r.without_consent_now(&own)));
    assert_eq!(asked.unwrap().unwrap(), [(share, story.world.id(B))].into());
    story.consent("[]");
    assert!(story.holders("TOKEN").is_empty());
    assert_eq!(story.erasures(), [(B, true)]);
}

#[test]
pub fn a_consent_that_ends_by_its_date_is_forgotten_at_that_time() {
    let until = r#"[{"purpose":"*","status":"given","at":"2026-01-01T00:00:00Z","expires":"2027-01-15T08:15:00Z"}]"#;
    let mut story = begin(until);
    let share = story.share;
    story.world.grant(A, B, share, A, name(true), 0).unwrap();
    story.place();
    let at = story.at(B);
    story.world.act(B, |r| r.adopt(&at)).unwrap();
    story.world.settle();
    assert_eq!(story.holders("TOKEN"), [B]);
    story.world.now = 1_800_000_900_001;
    story.world.act(A, |r| r.tick_over()).unwrap();
    story.world.settle();
    assert!(story.holders("TOKEN").is_empty());
    assert_eq!(story.erasures(), [(B, true)]);
}

#[test]
pub fn a_record_is_adopted_only_where_it_may_be_kept_and_stays_until_it_is_erased() {
    let mut story = begin(EVERYBODY);
    let share = story.share;
    let grant = story.world.grant(A, B, share, A, name(true), 0).unwrap();
    story.world.grant(A, C, share, A, name(false), 0).unwrap();
    story.world.grant(A, B, share, A, contribute(&[Kind::Customer]), 0).unwrap();
    story.place();
    let at = story.at(C);
    let refused = story.world.act(C, |r| r.adopt(&at)).unwrap_err();
    assert_eq!((refused.code(), refused.class()), ("may_not_keep", RefusalClass::Permission));
    let at = story.at(B);
    let copy = story.world.act(B, |r| r.adopt(&at)).unwrap();
    assert_eq!(story.world.act(B, |r| r.adopt(&at)).unwrap(), copy, "adopted once");
    let own = Address::Own { kind: Kind::Customer, record: copy };
    let again = story.world.act(B, |r| r.adopt(&own)).unwrap_err();
    assert_eq!(again.code(), "own_already");
    let from = story.world.replica(B).provenance(&copy).unwrap().unwrap();
    assert_eq!((from.section, from.share, from.record), (story.world.id(A), share, at.record()));
    let placed = story.world.act(B, |r| r.place(&share, Kind::Customer, &[copy]));
    assert_eq!(placed.unwrap_err().code(), "not_own", "a copy is handed on by nobody");
    story.world.act(A, |r| r.revoke(&[grant], 1)).unwrap();
    story.world.settle();
    assert!(story.world.holds(B, "TOKEN"), "what may be kept is kept");
    let at = story.own();
    story.world.act(A, |r| r.forget(&at, None)).unwrap();
    story.world.settle();
    assert!(story.holders("TOKEN").is_empty(), "also where the grant had ended");
    assert_eq!(story.erasures(), [(B, true), (C, true)]);
}

#[test]
pub fn no_editor_lifts_the_consent_gate_by_calling_a_person_a_company() {
    let for_b =
        r#"[{"purpose":"*","status":"given","at":"2026-01-01T00:00:00Z","scope":["ORG_B"]}]"#;
    let mut story = begin(for_b);
    let share = story.share;
    let edits = fields(Kind::Customer, &["name", "type"], true);
    story.world.grant(A, B, share, A, edits, 0).unwrap();
    story.world.grant(A, C, share, A, name(false), 0).unwrap();
    story.place();
    assert_eq!(story.holders("TOKEN"), [B]);
    let at = story.at(B);
    let forged = vec![Edit::Put("type".into(), Value::Str("company".into()))];
    story.world.act(B, |r| r.edit(&at, forged)).unwrap();
    story.world.settle();
    assert_eq!(story.holders("TOKEN"), [B], "C was not consented to");
    let own = vec![Edit::Put("type".into(), Value::Str("company".into()))];
    let at = story.own();
    story.world.act(A, |r| r.edit(&at, own)).unwrap();
    story.world.settle();
    assert_eq!(story.holders("TOKEN"), [B, C], "its own company may say so");
}

#[test]
fn what_is_noted_about_a_customer_that_was_only_deleted_stays() {
    let mut story = begin(EVERYBODY);
    let share = story.share;
    story.world.grant(A, B, share, A, name(false), 0).unwrap();
    story.place();
    story.consent(r#"[{"purpose":"*","status":"withdrawn","at":"2026-01-02T00:00:00Z"}]"#);
    assert_eq!(story.erasures(), [(B, true)], "forgotten by Bright, not by Acme");
    let about = story.own().text();
    let note = [("customer", about.as_str()), ("outcome", "NOTE")];
    let note = story.world.create(A, Kind::Interaction, &note);
    let at = story.own();
    story.world.act(A, |r| r.delete(&at)).unwrap();
    let at = Address::Own { kind: Kind::Interaction, record: note };
    let edit = Edit::Put("outcome".into(), Value::Str("LATER".into()));
    story.world.act(A, |r| r.edit(&at, vec![edit])).unwrap();
    let outcome = story.world.replica(A).record(&at).unwrap().values().remove("outcome");
    assert_eq!(outcome, Some(Value::Str("LATER".into())));
}

/// Another node of Acme has entered the customer, and only what it noted has come here so far.
#[test]
pub fn what_is_about_somebody_unknown_is_shown_to_nobody() {
    let Story { mut world, share, .. } = begin(EVERYBODY);
    let reads = fields(Kind::Interaction, &["outcome"], false);
    world.grant(A, B, share, A, reads, 0).unwrap();
    let unknown = Kind::Customer.id_text(&RecordId([7; 16]));
    let notes = [("NOBODY", None), ("SOMEBODY", Some(unknown.as_str()))].map(|(note, customer)| {
        let values = [("outcome", note)].into_iter().chain(customer.map(|id| ("customer", id)));
        world.create(A, Kind::Interaction, &values.collect::<Vec<_>>())
    });
    world.place(A, share, Kind::Interaction, &notes);
    world.settle();
    assert!(world.holds(B, "NOBODY") && !world.holds(B, "SOMEBODY"));
}
