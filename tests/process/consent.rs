//! Consent and placing between two companies: what is held back, what appears when consent comes,
//! what disappears when it goes, and selections that keep themselves up to date.

use serde_json::{Value as Json, json};

use super::node::{Org, PATIENCE, len, pair};

/// Two partners, and a share of the first in which the second may see names and e-mails.
struct Two {
    acme: Org,
    bright: Org,
}

impl Two {
    fn new() -> Self {
        let two = Self { acme: Org::running("Acme Motors"), bright: Org::running("Bright Agency") };
        pair(&two.acme, &two.bright);
        two.acme.id_of("share open tour");
        two.acme.ok("--yes share grant tour bright-agency --kind customer --fields name,emails");
        two
    }

    fn customer(&self, values: &str) -> String {
        self.acme.id_of(&format!("customer create {values}"))
    }

    /// Waits until Bright has got everything; the names it sees then.
    fn names(&self) -> Vec<String> {
        self.acme.settle();
        let list = self.bright.ok("customer list --limit 1000");
        let name = |one: &Json| one["fields"]["name"].as_str().unwrap().to_owned();
        let mut names: Vec<String> = list.as_array().unwrap().iter().map(name).collect();
        names.sort();
        names
    }
}

#[test]
fn a_customer_without_consent_is_held_back_and_named() {
    let two = Two::new();
    let (ann, bob) = (two.customer("name=Ann"), two.customer("name=Bob"));
    let none = two.acme.call(&format!("--yes share add tour {ann} {bob}"));
    assert_eq!(none.refused(4).0, "all_held_back");
    for id in [&ann, &bob] {
        assert!(none.err.contains(id.as_str()), "{}", none.err);
    }
    two.acme.ok(&format!("customer consent {ann} give --purpose other --evidence 'form 7'"));
    let none = two.acme.call(&format!("--yes share add tour {ann}"));
    assert_eq!(none.refused(4).0, "all_held_back");
    two.acme.ok(&format!("customer consent {ann} give --purpose tour --evidence 'form 8'"));
    let some = two.acme.ok(&format!("--yes share add tour {ann} {bob}"));
    assert_eq!((&some["published"], len(&some["held_back"])), (&1.into(), 1));
    let held = &some["held_back"][0];
    assert_eq!(held["record"], *bob);
    assert!(held["reason"].as_str().is_some_and(|why| why.contains("consent")), "{held}");
    assert_eq!(two.names(), ["Ann"]);
    // Companies need no consent.
    let firm = two.customer("type=company name=Firm");
    assert_eq!(two.acme.ok(&format!("--yes share add tour {firm}"))["published"], 1);
    assert_eq!(two.names(), ["Ann", "Firm"]);
    // What travels of the consent is neither the evidence nor what else was agreed to.
    let ann = two.bright.ok("customer list --where name=Ann");
    let consent = &ann[0]["fields"]["consent"];
    assert_eq!((len(consent), &consent[0]["purpose"]), (1, &"tour".into()));
    assert_eq!(consent[0].get("evidence"), None);
    assert!(!two.bright.table("store dump").out.contains("form 8"));
}

#[test]
fn consent_that_ends_takes_a_record_from_the_partner_and_consent_that_comes_brings_it_back() {
    let two = Two::new();
    let ann = two.customer("name=Annqzvx emails=annqzvx@example.com");
    let give = format!("customer consent {ann} give --purpose tour");
    let add = format!("--yes share add tour {ann}");
    two.acme.call(&add).refused(4);
    two.acme.ok(&give);
    assert_eq!(two.acme.ok(&add)["published"], 1);
    assert_eq!(two.names(), ["Annqzvx"]);
    assert!(two.bright.table("store dump").out.contains("annqzvx"));
    two.acme.ok(&format!("customer consent {ann} withdraw --purpose tour"));
    assert_eq!(two.names(), [""; 0]);
    assert!(!two.bright.table("store dump").out.contains("annqzvx"), "erased, not hidden");
    two.acme.call(&add).refused(4);
    two.acme.ok(&give);
    assert_eq!(two.acme.ok(&add)["published"], 1);
    assert_eq!(two.names(), ["Annqzvx"]);
    let shown = two.acme.ok(&format!("customer consent {ann} show"));
    assert_eq!(shown.as_array().unwrap().last().unwrap()["status"], "given");
}

#[test]
fn consent_for_one_partner_lets_nobody_else_see_the_record() {
    let two = Two::new();
    let cedar = Org::running("Cedar Consulting");
    pair(&two.acme, &cedar);
    two.acme.ok("--yes share grant tour cedar-consulting --kind customer --fields name");
    let ann = two.customer("name=Ann");
    two.acme.ok(&format!("customer consent {ann} give --purpose tour --scope bright-agency"));
    let placed = two.acme.ok(&format!("--yes share add tour {ann}"));
    assert_eq!(placed["published"], 1);
    assert_eq!(len(&placed["held_back"]), 1);
    assert_eq!(placed["held_back"][0]["org"], *cedar.id);
    assert_eq!(two.names(), ["Ann"]);
    assert_eq!(cedar.ok("customer list"), json!([]));
    two.acme.ok(&format!("customer consent {ann} give --purpose tour --scope cedar-consulting"));
    two.acme.settle();
    assert_eq!(len(&cedar.ok("customer list")), 1);
    two.acme.ok(&format!("customer consent {ann} withdraw --scope bright-agency"));
    assert_eq!(two.names(), [""; 0]);
    assert_eq!(len(&cedar.ok("customer list")), 1);
}

#[test]
fn a_record_that_is_removed_is_erased_at_the_partner_and_can_be_added_again() {
    let two = Two::new();
    let ann = two.customer("type=company name=Annqzvx");
    let bob = two.customer("type=company name=Bob");
    two.acme.ok(&format!("--yes share add tour {ann} {bob}"));
    assert_eq!(two.names(), ["Annqzvx", "Bob"]);
    for _ in 0..2 {
        assert_eq!(two.acme.ok(&format!("share remove tour {ann}"))["removed"], 1);
        assert_eq!(two.names(), ["Bob"]);
        let dump = two.bright.table("store dump").out;
        assert!(!dump.contains("Annqzvx"), "erased, not hidden");
        assert_eq!(two.acme.ok(&format!("share remove tour {ann}"))["removed"], 0);
        assert_eq!(two.acme.ok(&format!("customer show {ann}"))["fields"]["name"], "Annqzvx");
        assert_eq!(two.acme.ok(&format!("--yes share add tour {ann}"))["published"], 1);
        assert_eq!(two.names(), ["Annqzvx", "Bob"]);
    }
    two.acme.ok(&format!("customer delete {ann}"));
    assert_eq!(two.names(), ["Bob"]);
}

#[test]
fn a_live_selection_takes_up_records_that_come_to_fit_it() {
    let two = Two::new();
    let early = two.customer("type=company name=Early tags=vip");
    two.customer("type=company name=Other tags=press");
    let line = "share add tour --kind customer --where tags=vip --live";
    let dry = two.acme.ok(&format!("{line} --dry-run"));
    assert_eq!((len(&dry["to"]), &dry["to"][0]["records"]), (1, &1.into()));
    assert_eq!(two.acme.ok(&format!("--yes {line}"))["published"], 1);
    assert_eq!(two.names(), ["Early"]);
    let late = two.customer("type=company name=Late tags=vip");
    assert_eq!(two.names(), ["Early", "Late"]);
    let slow = two.customer("type=company name=Slow");
    two.acme.ok(&format!("customer set {slow} tags=vip"));
    assert_eq!(two.names(), ["Early", "Late", "Slow"]);
    let person = two.customer("name=Person tags=vip");
    assert_eq!(two.names(), ["Early", "Late", "Slow"], "no consent yet");
    let given = two.acme.ok("customer consent --where tags=vip give --purpose tour");
    assert_eq!(given["changed"], 4);
    assert_eq!(two.names(), ["Early", "Late", "Person", "Slow"]);
    for id in [early, late, slow, person] {
        two.acme.ok(&format!("share remove tour {id}"));
    }
    assert_eq!(two.names(), [""; 0]);
    assert_eq!(two.bright.until("customer list", PATIENCE, |list| len(list) == 0), json!([]));
}

#[test]
fn a_grant_with_a_selector_shows_the_records_that_fit_and_no_others() {
    let two = Two::new();
    let cedar = Org::running("Cedar Consulting");
    pair(&two.acme, &cedar);
    two.acme.ok(
        "--yes share grant tour cedar-consulting --kind customer --fields name --where region=north",
    );
    let [north, south] = ["north", "south"]
        .map(|region| two.customer(&format!("type=company name=Firm-{region} region={region}")));
    two.acme.ok(&format!("--yes share add tour {north} {south}"));
    assert_eq!(two.names(), ["Firm-north", "Firm-south"]);
    let seen = cedar.ok("customer list");
    assert_eq!((len(&seen), &seen[0]["fields"]["name"]), (1, &"Firm-north".into()));
    two.acme.ok(&format!("customer set {north} region=south"));
    two.acme.ok(&format!("customer set {south} region=north"));
    two.acme.settle();
    let seen = cedar.ok("customer list");
    assert_eq!((len(&seen), &seen[0]["fields"]["name"]), (1, &"Firm-south".into()));
    // The condition stays at home.
    assert!(!cedar.table("store dump").out.contains("region=north"));
    assert_eq!(two.names(), ["Firm-north", "Firm-south"]);
}
