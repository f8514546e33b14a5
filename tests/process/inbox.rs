//! The inbox: every kind of line, and that the command it names settles it.

use serde_json::Value as Json;

use super::cast::{launch, sharing};
use super::node::{Org, PATIENCE, len, pair};

/// The lines of one kind.
fn lines(inbox: &Json, kind: &str) -> Vec<Json> {
    let all = inbox.as_array().expect("a list");
    all.iter().filter(|line| line["kind"] == kind).cloned().collect()
}

/// The only line of a kind, as soon as it is there.
fn line(org: &Org, kind: &str) -> Json {
    let inbox = org.until("inbox", PATIENCE, |inbox| lines(inbox, kind).len() == 1);
    let line = lines(&inbox, kind).remove(0);
    assert!(org.ok("status")["inbox"].as_u64() >= Some(1));
    let shown = org.table("inbox").out;
    for part in ["text", "verb"] {
        assert!(shown.contains(line[part].as_str().expect("a text")), "{part}: {shown}");
    }
    line
}

/// The commands that a line names.
fn commands(line: &Json) -> Vec<String> {
    let verb = line["verb"].as_str().expect("a command");
    let parts = verb.split(", then ").flat_map(|part| part.split(", or "));
    parts.map(|part| part.strip_prefix("entente ").expect("a command").to_owned()).collect()
}

fn is_settled(org: &Org, kind: &str) {
    org.until("inbox", PATIENCE, |inbox| lines(inbox, kind).is_empty());
}

#[test]
fn an_offer_is_taken_up_or_put_aside() {
    let (acme, bright, _) = sharing();
    let offer = line(&bright, "offer");
    let verbs = commands(&offer);
    assert_eq!(verbs[1], format!("inbox dismiss {}", offer["share"].as_str().unwrap()));
    bright.ok(&verbs[0]);
    assert_eq!(bright.call("inbox dismiss launch status").refused(2).0, "bad_request");
    assert_eq!(bright.ok(&verbs[1])["dismissed"], 1);
    is_settled(&bright, "offer");
    let (code, message) = bright.call(&verbs[1]).refused(1);
    assert!(code == "not_found" && message.contains("offer of `launch`"), "{message}");
    let (_, message) = bright.call("inbox dismiss nothing").refused(2);
    assert!(message.contains("entente inbox"), "{message}");
    assert_eq!(bright.ok("share list")[0]["state"], "offered");
    // Who may add something is told so.
    acme.ok("share open fair");
    acme.ok("--yes share grant fair bright-agency --contribute customer");
    let verbs = commands(&line(&bright, "offer"));
    assert!(verbs[1].starts_with("share add shr_"), "{verbs:?}");
    let firm = bright.id_of("customer create type=company name=Firm");
    bright.ok(&format!("--yes {}", verbs[1].replace('…', &firm)));
    is_settled(&bright, "offer");
}

#[test]
fn who_asks_to_be_let_in_waits_in_the_inbox() {
    let [acme, bright, cedar] =
        ["Acme Motors", "Bright Agency", "Cedar Consulting"].map(Org::running);
    let invite = acme.ok("partner invite --confirm-first")["invite"].as_str().unwrap().to_owned();
    bright.ok(&format!("partner accept {invite}"));
    let asked = line(&acme, "request");
    assert_eq!(asked["org"], *bright.id);
    let code = acme.ok("partner show bright-agency")["code"].as_str().unwrap().to_owned();
    assert!(asked["text"].as_str().unwrap().contains(&code), "{asked}");
    acme.ok(&commands(&asked)[0]);
    is_settled(&acme, "request");

    pair(&bright, &cedar);
    acme.id_of("share open launch");
    acme.ok("share config launch reshare=ask");
    acme.ok("--yes share grant launch bright-agency --kind event --fields title --depth 1");
    bright.until("share list", PATIENCE, |list| len(list) == 1);
    bright.until("share show launch", PATIENCE, |share| len(&share["grants"]) == 1);
    let pass = "--yes share grant launch cedar-consulting --kind event --fields title \
                --section acme-motors";
    let grant = bright.ok(pass)["grant"].clone();
    let asked = line(&acme, "request");
    assert_eq!((&asked["grant"], &asked["org"]), (&grant, &Json::from(&*cedar.id)));
    let verbs = commands(&asked);
    acme.ok(&format!("--yes {}", verbs[0]));
    is_settled(&acme, "request");
    // What is refused instead is gone from the inbox too.
    let grant = bright.ok(pass)["grant"].clone();
    let asked = line(&acme, "request");
    assert_eq!(asked["grant"], grant);
    acme.ok(&commands(&asked)[1]);
    is_settled(&acme, "request");
    let why = acme.ok("share explain launch cedar-consulting event.title");
    assert_eq!(why["may"], "read", "by the one that was approved");
}

#[test]
fn a_conflict_a_change_not_taken_and_a_missing_receipt_are_settled_as_their_lines_say() {
    let (acme, mut bright) = (Org::running("Acme Motors"), Org::running("Bright Agency"));
    pair(&acme, &bright);
    let event = launch(&acme, &bright, "title,venue --can edit");
    let received = bright.ok("event list")[0]["id"].as_str().unwrap().to_owned();

    acme.ok("partner pause bright-agency");
    acme.ok(&format!("event set {event} venue=Hall"));
    bright.ok(&format!("event set {received} venue=Pier"));
    acme.ok("partner resume bright-agency");
    let conflict = line(&bright, "conflict");
    assert_eq!((&conflict["record"], &conflict["field"]), (&received.into(), &"venue".into()));
    let verbs = commands(&conflict);
    assert_eq!(len(&bright.ok(&verbs[0])), 1);
    bright.ok(&verbs[1].replace("CHOICE", "1"));
    is_settled(&bright, "conflict");
    is_settled(&acme, "conflict");

    acme.ok("partner pause bright-agency");
    let received = bright.ok("event list")[0]["id"].as_str().unwrap().to_owned();
    bright.ok(&format!("event set {received} venue=Quay"));
    bright.kill();
    acme.ok("share revoke launch --partner bright-agency");
    acme.ok("partner resume bright-agency");
    let missing = line(&acme, "receipt");
    assert_eq!(missing["org"], *bright.id);
    let verbs = commands(&missing);
    assert_eq!(acme.ok(&verbs[0])[0]["state"], "pending");
    bright.start();
    is_settled(&acme, "receipt");
    assert_eq!(acme.ok(&verbs[0])[0]["state"], "confirmed");

    let rejected = line(&bright, "rejected");
    assert_eq!((&rejected["org"], &rejected["field"]), (&Json::from(&*acme.id), &"venue".into()));
    assert_eq!(bright.ok(&commands(&rejected)[0])["dismissed"], 1);
    is_settled(&bright, "rejected");
    bright.call(&commands(&rejected)[0]).refused(1);
}
