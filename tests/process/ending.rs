//! How sharing ends on real processes: what was revoked is gone at whoever had it, and its receipt
//! is here, within seconds; also at the company it was passed on to.

use std::time::Duration;

use serde_json::Value as Json;

use super::cast::{Cast, launch};
use super::node::{Org, PATIENCE, len, pair};

/// What a revocation may take until everybody has answered it.
const SOON: Duration = Duration::from_secs(5);

fn state_of<'a>(receipts: &'a Json, org: &str) -> &'a Json {
    let all = receipts.as_array().expect("a list");
    all.iter().find(|one| one["org"] == *org).map_or(&Json::Null, |one| &one["state"])
}

#[test]
fn what_is_revoked_is_gone_within_seconds_also_where_it_was_passed_on() {
    let mut cast = Cast::new();
    cast.cedar.kill();
    let share = cast.acme.ok("share show launch");
    let to_bright =
        |grant: &&Json| grant["to"]["org"] == *cast.bright.id && grant["kind"] == "event";
    let grants = share["grants"].as_array().unwrap();
    let grant = grants.iter().find(to_bright).expect("the grant")["id"].as_str().unwrap();
    let revoked = cast.acme.ok(&format!("share revoke launch {grant}"));
    assert_eq!(revoked["revoked"], serde_json::json!([grant]));
    let receipts = cast.acme.until("share receipts launch", SOON, |receipts| {
        *state_of(receipts, &cast.bright.id) == "confirmed"
    });
    assert_eq!(len(&cast.bright.ok("event list --from partners")), 0);
    assert_eq!(state_of(&receipts, &cast.cedar.id), "pending", "its node is down");
    assert!(receipts.as_array().unwrap().iter().all(|one| one["of"] == *grant));
    cast.cedar.start();
    cast.acme.until("share receipts launch", PATIENCE, |receipts| {
        *state_of(receipts, &cast.cedar.id) == "confirmed"
    });
    assert_eq!(len(&cast.cedar.ok("event list --from partners")), 0);
    let seen = cast.bright.ok("share receipts launch");
    assert_eq!(state_of(&seen, &cast.cedar.id), "confirmed", "Bright passed it on");
}

fn kinds(inbox: &Json) -> Vec<&str> {
    let all = inbox.as_array().expect("a list");
    all.iter().map(|line| line["kind"].as_str().expect("a kind")).collect()
}

#[test]
fn a_share_is_left_and_closed_and_the_inbox_says_what_waits() {
    let mut cast = Cast::new();
    let offers = cast.cedar.ok("inbox");
    assert_eq!(kinds(&offers), ["offer"]);
    assert!(offers[0]["text"].as_str().unwrap().contains("launch"));
    assert!(offers[0]["verb"].as_str().unwrap().starts_with("entente share show shr_"));
    assert_eq!(cast.cedar.ok("status")["inbox"], 1);
    cast.bring_guests();
    cast.gather();
    assert_eq!(len(&cast.cedar.ok("inbox")), 0, "it takes part now");
    let (code, _) = cast.cedar.call("--yes share close launch").refused(4);
    assert_eq!(code, "not_opener");

    cast.bright.kill();
    cast.cedar.ok("--yes share leave launch");
    let roster = format!("event roster {}", cast.event);
    cast.acme.until(&roster, SOON, |rows| len(rows) == 0);
    let inbox = cast.cedar.until("inbox", SOON, |inbox| {
        let missing = inbox.as_array().unwrap().iter().filter(|line| line["kind"] == "receipt");
        missing.clone().count() > 0
            && missing.into_iter().all(|line| line["org"] == *cast.bright.id)
    });
    assert!(kinds(&inbox).contains(&"receipt"), "Bright's node is down");
    cast.bright.start();
    cast.cedar.until("inbox", PATIENCE, |inbox| !kinds(inbox).contains(&"receipt"));

    cast.acme.ok("--yes share close launch");
    cast.cedar.until("event list", SOON, |list| len(list) == 0);
    for org in cast.orgs() {
        let list = org.until("share list", SOON, |list| list[0]["state"] == "closed");
        assert_eq!(len(&list), 1);
    }
    let (code, _) = cast.bright.call("--yes share add launch --kind customer").refused(1);
    assert_eq!(code, "share_ended");
    assert_eq!(len(&cast.acme.ok("event list")), 1, "Acme's own event stays");
}

#[test]
fn a_grant_ends_by_its_date_without_anybody_doing_anything() {
    let (acme, bright) = (Org::running("Acme Motors"), Org::running("Bright Agency"));
    pair(&acme, &bright);
    launch(&acme, &bright, "title --expires 8s");
    bright.until("event list", PATIENCE, |list| len(list) == 0);
    let receipts = acme.until("share receipts launch", SOON, |receipts| {
        *state_of(receipts, &bright.id) == "confirmed"
    });
    assert_eq!((len(&receipts), &receipts[0]["kind"]), (1, &"revocation".into()));
    assert_eq!(acme.ok("share show launch")["grants"][0]["state"], "expired");
}

#[test]
fn what_a_company_may_not_see_any_more_its_node_reports_to_be_gone() {
    let (acme, bright) = (Org::running("Acme Motors"), Org::running("Bright Agency"));
    let mut cedar = Org::running("Cedar Consulting");
    pair(&acme, &bright);
    pair(&acme, &cedar);
    acme.id_of("share open launch");
    let grant = "--yes share grant launch";
    acme.ok(&format!("{grant} bright-agency --kind customer --fields name"));
    acme.ok(&format!(
        "{grant} cedar-consulting --kind customer --fields name --where region=north"
    ));
    let firm = acme.id_of("customer create type=company name=Firm region=north");
    let person = acme.id_of("customer create name=Person region=north");
    acme.ok(&format!("customer consent {person} give --purpose launch"));
    acme.ok(&format!("--yes share add launch {firm} {person}"));
    cedar.until("customer list", PATIENCE, |list| len(list) == 2);
    bright.until("customer list", PATIENCE, |list| len(list) == 2);
    assert_eq!(len(&acme.ok("share receipts launch")), 0, "nobody lost anything");

    cedar.kill();
    acme.ok(&format!("customer set {firm} region=south"));
    let told = acme.ok("share receipts launch");
    assert_eq!((len(&told), &told[0]["kind"]), (1, &"roll".into()), "Bright sees it as before");
    assert_eq!((&told[0]["org"], &told[0]["state"]), (&cedar.id.clone().into(), &"pending".into()));
    let inbox = acme.ok("inbox");
    let waits = inbox.as_array().unwrap().iter().find(|line| line["kind"] == "receipt").unwrap();
    let text = waits["text"].as_str().unwrap();
    assert!(text.contains("Cedar Consulting") && text.contains("not shared with it"), "{text}");
    cedar.start();
    let told = acme.until("share receipts launch", PATIENCE, |told| told[0]["state"] != "pending");
    assert_eq!(told[0]["state"], "confirmed");
    assert_eq!(len(&cedar.ok("customer list")), 1);
    assert!(!cedar.table("store dump").out.contains("Firm"), "erased, not hidden");
    assert!(acme.table("share receipts launch").out.contains("not shared any more"));
    assert!(!kinds(&acme.ok("inbox")).contains(&"receipt"));
    assert_eq!(len(&bright.ok("customer list")), 2);

    // Whose consent ends is asked for more than that, and it is told once.
    acme.ok(&format!("customer consent {person} withdraw --scope cedar-consulting"));
    let told = acme.until("share receipts launch", PATIENCE, |told| {
        len(told) == 2 && *state_of(told, &cedar.id) == "confirmed" && told[1]["at"].is_string()
    });
    assert_eq!((&told[1]["kind"], &told[1]["org"]), (&"erasure".into(), &cedar.id.clone().into()));
    assert_eq!((len(&cedar.ok("customer list")), len(&bright.ok("customer list"))), (0, 2));
}
