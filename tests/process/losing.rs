//! What taking something back would cost is told by what takes it back: who loses which fields of how
//! many records, and nothing is done.

use serde_json::{Value as Json, json};

use super::cast::{Cast, GUESTS};
use super::node::{Org, PATIENCE, len, texts};

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
