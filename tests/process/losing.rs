//! What taking something back would cost is told by what takes it back: who loses which fields of how
//! many records, and nothing is done.

use serde_json::{Value as Json, json};

use super::cast::{Cast, GUESTS};
use super::node::{Org, PATIENCE, len, pair, texts};

/// How many records of a kind a company would lose.
fn lost(leaving: &Json, org: &Org, kind: &str) -> u64 {
    let rows = leaving["back"].as_array().map(Vec::as_slice).unwrap_or_default();
    let those = rows.iter().filter(|row| row["org"] == *org.id && row["kind"] == kind);
    those.map(|row| row["records"].as_u64().unwrap()).sum()
}

fn notes(leaving: &Json) -> String {
    texts(&leaving["notes"]).join("\n")
}

#[test]
fn who_would_lose_what_is_told_before_it_is_taken_back() {
    let mut cast = Cast::new();
    cast.bring_guests();
    cast.gather();
    let Cast { acme, bright, cedar, event, .. } = &cast;
    let all = GUESTS as u64;
    let before = cast.orgs().map(|org| org.ok("share show launch")["grants"].clone());

    let dry = acme.ok("share revoke launch --partner bright-agency --dry-run");
    assert_eq!((lost(&dry, bright, "event"), lost(&dry, cedar, "event")), (1, 1));
    assert!(notes(&dry).contains("Bright Agency may no longer add"), "{dry:#}");
    assert!(notes(&dry).contains("passed on to Cedar Consulting ends with it"), "{dry:#}");
    let words = acme.table("share revoke launch --partner bright-agency --dry-run").out;
    assert!(words.starts_with("This will not be seen any more:"), "{words}");
    let to_cedar = |grant: &&Json| grant["to"]["org"] == *cedar.id && grant["kind"] == "event";
    let grant = before[0].as_array().unwrap().iter().find(to_cedar).unwrap()["id"].clone();
    let grant = grant.as_str().unwrap();
    let dry = acme.ok(&format!("share revoke launch {grant} --dry-run"));
    assert_eq!((lost(&dry, bright, "event"), lost(&dry, cedar, "event")), (0, 1));
    let dry = bright.ok(&format!("share revoke launch {grant} --dry-run"));
    assert!(notes(&dry).contains("no longer sees of Acme Motors's part: event"), "{dry:#}");

    let guests = cedar.ok("customer list --where tags=guests");
    let guest = guests[0]["id"].as_str().unwrap();
    let dry = cedar.ok(&format!("share remove launch {guest} --dry-run"));
    assert_eq!((lost(&dry, acme, "customer"), lost(&dry, bright, "customer")), (1, 1));
    assert_eq!(lost(&dry, acme, "participation"), 0, "that is another record");
    let dry = cedar.ok("share leave launch --dry-run");
    assert_eq!((lost(&dry, acme, "customer"), lost(&dry, bright, "participation")), (all, all));
    let dry = cedar.ok("partner remove bright-agency --dry-run");
    assert_eq!((lost(&dry, acme, "customer"), lost(&dry, bright, "customer")), (0, all));
    let dry = acme.ok("share close launch --dry-run");
    assert_eq!((lost(&dry, acme, "customer"), lost(&dry, cedar, "event")), (all, 1));
    assert!(notes(&dry).contains("other companies show each other"), "{dry:#}");
    let dry = cedar.ok(&format!("customer erase {guest} --dry-run"));
    let asked: Vec<&Json> =
        dry["asked"].as_array().unwrap().iter().map(|one| &one["org"]).collect();
    assert!(asked.contains(&&json!(acme.id)) && asked.contains(&&json!(bright.id)), "{dry:#}");
    let records = texts(&dry["records"]);
    assert!(records.len() == 2 && records.contains(&guest), "with its participation: {dry:#}");

    // Where somebody would be asked, it is shown first; nothing of all this was done.
    for line in ["share close launch", "partner remove bright-agency"] {
        let said = acme.call(line);
        assert_eq!(said.refused(2).0, "needs_yes");
        assert!(said.err.contains("Bright Agency"), "{}", said.err);
    }
    for (org, before) in cast.orgs().into_iter().zip(before) {
        assert_eq!(org.ok("share show launch")["grants"], before, "{}", org.name);
    }
    assert_eq!(len(&acme.ok(&format!("event roster {event}"))), GUESTS);

    // Who may not take it back is told so by the dry run too.
    for (org, line, exit, code) in [
        (bright, "share close launch --dry-run", 4, "not_opener"),
        (acme, "share leave launch --dry-run", 1, "is_opener"),
        (acme, "share revoke launch grt_2222 --dry-run", 1, "not_found"),
        (acme, "share revoke launch --partner nobody --dry-run", 1, "not_found"),
        (acme, "share revoke launch --dry-run", 2, "usage"),
        (acme, &format!("share remove launch {guest}22 --dry-run"), 1, "not_found"),
        (acme, "share close nothing --dry-run", 1, "not_found"),
        (acme, "customer erase cus_2222 --dry-run", 1, "not_found"),
        (acme, "partner remove nobody --dry-run", 1, "not_found"),
    ] {
        let said = org.call(line);
        assert_eq!(said.refused(exit).0, code, "{line}");
        assert!(said.json()["error"]["hint"].is_string(), "{line} says what to do");
    }
    let foreign = cedar.ok("share show launch")["grants"].clone();
    let of_acme = |grant: &&Json| grant["from"]["org"] == *acme.id;
    if let Some(grant) = foreign.as_array().unwrap().iter().find(of_acme) {
        let line = format!("share revoke launch {} --dry-run", grant["id"].as_str().unwrap());
        assert_eq!(cedar.call(&line).refused(4).0, "not_allowed");
    }

    // And what was told is what happens.
    cedar.ok("--yes share leave launch");
    acme.until(&format!("event roster {event}"), PATIENCE, |rows| len(rows) == 0);
    let dry = cedar.ok("share leave launch --dry-run");
    assert_eq!((lost(&dry, acme, "customer"), lost(&dry, bright, "customer")), (0, 0));
    acme.ok("share revoke launch --partner bright-agency --reason 'the contract ended'");
    assert_eq!(
        acme.ok("share revoke launch --partner bright-agency")["revoked"],
        json!([]),
        "once is enough"
    );
    let why = acme.ok("share explain launch bright-agency event.title");
    assert!(texts(&why["because"]).join(" ").contains("revoked: the contract ended"), "{why}");
    acme.ok("--yes share close launch");
    let why = acme.ok("share explain launch bright-agency event.title");
    assert!(
        texts(&why["because"]).join(" ").contains("Acme Motors closed the share launch"),
        "{why}"
    );
    assert!(why["hint"].as_str().unwrap().contains("share open"), "{why}");
}

/// Who would be asked to erase something.
fn asked(leaving: &Json) -> Vec<&str> {
    let all = leaving["asked"].as_array().map(Vec::as_slice).unwrap_or_default();
    all.iter().map(|one| one["org"].as_str().unwrap()).collect()
}

/// Acme shows customers and what was noted of them to Bright, which may keep copies, and of
/// customers the name to Cedar; Ann has consented.
fn tour() -> (Org, Org, Org, String) {
    let [acme, bright, cedar] =
        ["Acme Motors", "Bright Agency", "Cedar Consulting"].map(Org::running);
    pair(&acme, &bright);
    pair(&acme, &cedar);
    acme.id_of("share open tour");
    acme.ok("--yes share grant tour bright-agency --kind customer --fields name,emails --keep");
    acme.ok("--yes share grant tour bright-agency --kind interaction --fields customer,outcome");
    acme.ok("--yes share grant tour cedar-consulting --kind customer --fields name");
    let ann = acme.id_of("customer create name=Ann emails=ann@example.com");
    acme.ok(&format!("customer consent {ann} give --purpose tour"));
    let call = acme.id_of(&format!("interaction create customer={ann} outcome=called"));
    acme.ok(&format!("--yes share add tour {ann} {call}"));
    for (org, list) in [(&bright, "interaction list"), (&cedar, "customer list")] {
        org.until(list, PATIENCE, |list| len(list) == 1);
    }
    acme.settle();
    (acme, bright, cedar, ann)
}

#[test]
fn what_a_withdrawn_consent_takes_from_whom_is_told_before_it_is_withdrawn() {
    let (acme, bright, cedar, ann) = tour();
    let state = || {
        acme.settle();
        let consents = acme.ok(&format!("customer consent {ann} show"));
        (consents, acme.ok(&format!("customer erasures {ann}")))
    };
    let before = state();

    let dry = acme.ok(&format!("customer consent {ann} withdraw --dry-run"));
    assert_eq!((lost(&dry, &bright, "customer"), lost(&dry, &cedar, "customer")), (1, 1));
    assert_eq!(lost(&dry, &bright, "interaction"), 1, "what was noted goes with it: {dry:#}");
    let mut all = [&*bright.id, &*cedar.id];
    all.sort_unstable();
    let mut told = asked(&dry);
    told.sort_unstable();
    assert_eq!(told, all);

    let line = format!("customer consent {ann} withdraw --purpose tour --scope bright-agency");
    let words = acme.table(&format!("{line} --dry-run")).out;
    assert!(words.starts_with("This will not be seen any more:"), "{words}");
    assert!(words.contains("These will be asked to delete it, with copies and notes:"), "{words}");
    let dry = acme.ok(&format!("{line} --dry-run"));
    assert_eq!((lost(&dry, &bright, "customer"), lost(&dry, &cedar, "customer")), (1, 0));
    assert_eq!(asked(&dry), [&*bright.id]);
    assert!(notes(&dry).contains(&format!("entente customer erasures {ann}")), "{dry:#}");
    assert_eq!(state(), before, "nothing was done");
    assert_eq!((len(&bright.ok("customer list")), len(&bright.ok("interaction list"))), (1, 1));

    acme.ok(&line);
    for list in ["customer list", "interaction list"] {
        bright.until(list, PATIENCE, |list| len(list) == 0);
    }
    let erasures = acme.until(&format!("customer erasures {ann}"), PATIENCE, |told| {
        len(told) > 0 && told.as_array().unwrap().iter().all(|one| one["state"] == "confirmed")
    });
    assert_eq!((len(&erasures), &erasures[0]["org"]), (1, &json!(bright.id)), "{erasures:#}");
    cedar.until("customer list", PATIENCE, |list| len(list) == 1);
    let dry = acme.ok(&format!("{line} --dry-run"));
    assert_eq!((&dry["back"], asked(&dry)), (&Json::Null, vec![]), "it was told once: {dry:#}");

    let received = cedar.ok("customer list")[0]["id"].as_str().unwrap().to_owned();
    for dry in ["", " --dry-run"] {
        let said = cedar.call(&format!("customer consent {received} withdraw{dry}"));
        assert_eq!(said.refused(4).0, "not_allowed", "{dry}");
        let said = acme.call(&format!("customer consent cus_2222 withdraw{dry}"));
        assert_eq!(said.refused(1).0, "not_found", "{dry}");
    }
}

#[test]
fn what_a_deletion_takes_from_whom_and_what_stays_is_told_before_it_is_done() {
    let (acme, bright, cedar, ann) = tour();
    acme.ok(&format!("customer export --format json --out {}", acme.file("all.json", "")));
    let line = format!("customer delete {ann}");
    let dry = acme.ok(&format!("{line} --dry-run"));
    assert_eq!((lost(&dry, &bright, "customer"), lost(&dry, &cedar, "customer")), (1, 1));
    assert_eq!(lost(&dry, &bright, "interaction"), 1, "nobody is asked for it any more: {dry:#}");
    let told = notes(&dry);
    assert!(told.contains("Bright Agency keeps the copies it has made"), "{dry:#}");
    assert!(!told.contains("Cedar Consulting keeps"), "{dry:#}");
    for name in ["Bright Agency", "Cedar Consulting"] {
        let receipt =
            format!("{name} is asked to delete it and to confirm: `entente share receipts");
        assert!(told.contains(&receipt), "{dry:#}");
    }
    assert!(told.contains("it stays in an exported file"), "{dry:#}");
    acme.settle();
    assert_eq!(acme.ok(&format!("customer show {ann}"))["id"], *ann, "nothing was done");
    assert_eq!((len(&bright.ok("customer list")), len(&cedar.ok("customer list"))), (1, 1));
    assert_eq!(len(&acme.ok("share receipts tour")), 0);

    acme.ok(&line);
    for (org, list) in
        [(&bright, "customer list"), (&bright, "interaction list"), (&cedar, "customer list")]
    {
        org.until(list, PATIENCE, |list| len(list) == 0);
    }
    let receipts = acme.until("share receipts tour", PATIENCE, |told| {
        len(told) > 0 && told.as_array().unwrap().iter().all(|one| one["state"] == "confirmed")
    });
    for org in [&bright, &cedar] {
        let its = |one: &&Json| one["org"] == *org.id;
        assert!(receipts.as_array().unwrap().iter().any(|one| its(&one)), "{receipts:#}");
    }
    let event = acme.id_of("event create title=Quiet");
    let dry = acme.ok(&format!("event delete {event} --dry-run"));
    assert_eq!((&dry["first"], &dry["back"]), (&json!(false), &Json::Null), "no partner sees it");
    for dry in ["", " --dry-run"] {
        assert_eq!(acme.call(&format!("{line}{dry}")).refused(1).0, "not_found", "{dry}");
    }
}
