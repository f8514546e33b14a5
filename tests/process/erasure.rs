//! Forgetting on real processes: a customer that was passed on, adopted and noted about is erased at
//! all three companies, with receipts, and is in none of their files.

use std::time::Duration;

use serde_json::Value as Json;

use super::cast::Cast;
use super::leak::{dump, found};
use super::node::{PATIENCE, len};

/// What an erasure may take until everybody who is up has answered it.
const SOON: Duration = Duration::from_secs(5);

const TOKENS: [&str; 2] = ["personqzvx", "noteqzvx"];

/// Acme's customer at all three companies; adopted by Bright, which notes something about it.
fn shown_to_all(cast: &Cast) -> String {
    cast.acme.ok("--yes share grant launch bright-agency --kind customer --fields name \
         --keep --depth 1");
    let customer = cast.acme.id_of("customer create name=personqzvx");
    cast.acme.ok(&format!("customer consent {customer} give --purpose launch"));
    cast.acme.ok(&format!("--yes share add launch {customer}"));
    let list = "customer list --from partners";
    let received = cast.bright.until(list, PATIENCE, |list| len(list) == 1);
    cast.bright.ok("--yes share grant launch cedar-consulting --kind customer --fields name \
         --section acme-motors");
    let at_cedar = cast.cedar.until(list, PATIENCE, |list| len(list) == 1);
    let id = at_cedar[0]["id"].as_str().unwrap();
    let (code, _) = cast.cedar.call(&format!("adopt {id}")).refused(4);
    assert_eq!(code, "may_not_keep");
    let id = received[0]["id"].as_str().unwrap();
    let copy = cast.bright.id_of(&format!("adopt {id}"));
    let copy = cast.bright.ok(&format!("customer show {copy}"));
    assert_eq!(
        (&copy["adopted_from"]["org"], &copy["adopted_from"]["id"]),
        (&cast.acme.id.as_str().into(), &id.into())
    );
    cast.bright.id_of(&format!("interaction create customer={id} outcome=noteqzvx"));
    customer
}

fn states(erasures: &Json, org: &str) -> Vec<String> {
    let all = erasures.as_array().expect("a list").iter();
    all.filter(|one| one["org"] == *org).map(|one| one["state"].to_string()).collect()
}

#[test]
fn who_is_erased_is_in_no_file_of_any_company_and_each_has_confirmed_it() {
    let mut cast = Cast::new();
    let customer = shown_to_all(&cast);
    for org in cast.orgs() {
        assert!(!found(org.files(), &TOKENS).is_empty(), "the search finds it at {}", org.name);
    }
    cast.cedar.kill();
    let (code, _) = cast.acme.call(&format!("customer erase {customer}")).refused(2);
    assert_eq!(code, "needs_yes");
    cast.acme.ok(&format!("--yes customer erase {customer} --reason 'asked by letter'"));
    let erasures = format!("customer erasures {}", &customer[..14]);
    let told =
        cast.acme.until(&erasures, SOON, |told| states(told, &cast.bright.id) == ["\"confirmed\""]);
    assert_eq!(states(&told, &cast.cedar.id), ["\"pending\""], "its node is down");
    cast.cedar.start();
    cast.acme.until(&erasures, PATIENCE, |told| states(told, &cast.cedar.id) == ["\"confirmed\""]);
    assert_eq!(len(&cast.bright.ok("customer list")), 0, "the adopted copy is gone");
    assert_eq!(len(&cast.bright.ok("interaction list")), 0, "so is what was noted");
    for org in cast.orgs() {
        let dump = dump(org);
        assert!(TOKENS.iter().all(|token| !dump.contains(token)), "{}", org.name);
        assert!(org.ok("status")["store"]["erased_since"].is_string(), "{}", org.name);
        org.ok("store compact");
        assert!(org.ok("status")["store"]["erased_since"].is_null(), "{}", org.name);
        assert_eq!(found(org.files(), &TOKENS), Vec::<String>::new(), "{}", org.name);
    }
    let again = cast.acme.call(&format!("--yes share add launch {customer}"));
    assert_eq!(again.refused(1).0, "not_found");
    for org in [&mut cast.acme, &mut cast.bright] {
        org.kill();
        org.start();
    }
    assert_eq!(len(&cast.bright.ok("event list")), 1, "all else is there");
    assert_eq!(states(&cast.acme.ok(&erasures), &cast.cedar.id), ["\"confirmed\""]);
}
