//! The audit log of real nodes: it tells who was given what, whoever carried it, and a byte
//! flipped in the store under it is found, with and without a running node.

use std::fs;

use entente_node::store::{self, Engine};
use entente_protocol::keys;
use entente_protocol::store::{Batch, Store};
use serde_json::{Value as Json, json};

use super::node::{Org, PATIENCE, len, pair, texts};

/// Acme shows customers to Bright, Bright passes their names on to Cedar.
fn cast() -> [Org; 3] {
    let [acme, bright, cedar] =
        ["Acme Motors", "Bright Agency", "Cedar Consulting"].map(Org::running);
    pair(&acme, &bright);
    pair(&bright, &cedar);
    acme.ok("share open launch");
    acme.ok("--yes share grant launch bright-agency --kind customer \
             --fields name,title,consent,do_not_contact --depth 1");
    bright.until("share list", PATIENCE, |list| len(list) == 1);
    bright.until("share show launch", PATIENCE, |share| len(&share["grants"]) == 1);
    bright.ok("--yes share grant launch cedar-consulting --kind customer \
               --fields name,consent,do_not_contact --section 'Acme Motors'");
    customer(&acme, "Eve");
    cedar.until("customer list", PATIENCE, |list| {
        len(list) == 1 && list[0]["fields"]["name"] == "Eve"
    });
    [acme, bright, cedar]
}

fn customer(acme: &Org, name: &str) -> String {
    let id = acme.id_of(&format!("customer create name='{name}' title=Director"));
    acme.ok(&format!("customer consent {id} give --purpose launch --evidence card"));
    let placed = acme.ok(&format!("--yes share add launch {id}"));
    assert_eq!(placed["published"], 1);
    id
}

/// What is told of one company, by its name.
fn told<'a>(items: &'a Json, name: &str) -> Vec<&'a Json> {
    items.as_array().unwrap().iter().filter(|item| item["name"] == name).collect()
}

fn ways(items: &Json, name: &str) -> Vec<String> {
    told(items, name).iter().map(|item| item["way"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn it_is_told_who_was_given_what_of_a_customer_whoever_carried_it() {
    let [mut acme, bright, mut cedar] = cast();
    cedar.kill();
    let ana = customer(&acme, "Ana Nameqzvx");
    let show = format!("customer disclosures {ana}");
    bright.until("customer list", PATIENCE, |list| len(list) == 2);
    let items = acme.until(&show, PATIENCE, |items| ways(items, "Bright Agency") == ["sent"]);
    assert_eq!(ways(&items, "Cedar Consulting"), ["possible"]);
    acme.kill();
    cedar.start();
    cedar.until("customer list --where 'name=Ana Nameqzvx'", PATIENCE, |list| len(list) == 1);
    acme.start();
    let items =
        acme.until(&show, PATIENCE, |items| ways(items, "Cedar Consulting") == ["reported"]);
    let (bright_item, cedar_item) =
        (told(&items, "Bright Agency")[0], told(&items, "Cedar Consulting")[0]);
    assert_eq!(
        texts(&bright_item["fields"]),
        ["customer.consent", "customer.name", "customer.title"]
    );
    assert_eq!(texts(&cedar_item["fields"]), ["customer.consent", "customer.name"]);
    assert_eq!(
        (&bright_item["purpose"], &bright_item["basis"]),
        (&json!("launch"), &json!("consent"))
    );
    assert_eq!(cedar_item["via"][0]["name"], "Bright Agency");
    assert_eq!(cedar_item["carriers"][0]["name"], "Bright Agency");
    assert!(bright_item["first_at"].as_str() < cedar_item["first_at"].as_str());
    assert!(bright_item["grant"].as_str().unwrap().starts_with("grt_"));

    // The log itself, page by page, of one partner and of all.
    let all = acme.ok("audit log --limit 10000");
    let number = |line: &Json| line["number"].as_u64().unwrap();
    let numbers: Vec<u64> = all.as_array().unwrap().iter().map(number).collect();
    assert_eq!(numbers, (0..numbers.len() as u64).rev().collect::<Vec<_>>());
    let of_bright = acme.ok("audit log --partner bright-agency");
    assert!(
        of_bright.as_array().unwrap().iter().all(|line| line["partner"]["name"] == "Bright Agency")
    );
    let sent = of_bright.as_array().unwrap().iter().find(|line| line["what"] == "sent").unwrap();
    assert!(sent["text"].as_str().unwrap().starts_with("sent to Bright Agency: "), "{sent}");
    let first = acme.call("audit log --limit 3");
    let cursor = first.err.split("--cursor ").nth(1).unwrap().trim().to_owned();
    let second = acme.ok(&format!("audit log --limit 3 --cursor {cursor}"));
    assert_eq!(number(&second[0]) + 1, number(&first.json()[2]));
    let words = all.to_string().to_lowercase() + &acme.table("audit log").out.to_lowercase();
    for inner in ["compartment", "facet", "bundle", "height", "epoch", "admi", "nameqzvx"] {
        assert!(!words.contains(inner), "{inner}: {words}");
    }

    // The document for the customer, in both languages, and the table for programs.
    let file = acme.files().join("ana.html");
    acme.ok(&format!("{show} --format html --lang zh --out {}", file.display()));
    let page = fs::read_to_string(&file).unwrap();
    for text in
        ["Ana Nameqzvx", "Bright Agency", "Cedar Consulting", "Acme Motors向其他公司提供的您的信息"]
    {
        assert!(page.contains(text), "{text}: {page}");
    }
    assert!(!page.contains("<script"));
    let english = acme.table(&format!("{show} --format html")).out;
    assert!(english.contains("What Acme Motors has given to others about you"), "{english}");
    let csv = acme.table(&format!("{show} --format csv")).out;
    assert_eq!(csv.lines().count(), 3, "{csv}");
    assert!(csv.starts_with("customer,org,name,share,"), "{csv}");

    // The customer is forgotten; what was given is still told, without a value.
    acme.ok(&format!("--yes customer delete {ana}"));
    bright.until("customer list", PATIENCE, |list| len(list) == 1);
    let gone = acme.ok(&show);
    assert_eq!(ways(&gone, "Bright Agency"), ["sent"]);
    assert_eq!(ways(&gone, "Cedar Consulting"), ["reported"]);
    assert_eq!(told(&gone, "Bright Agency")[0]["fields"], bright_item["fields"]);
    assert!(!acme.table("store dump").out.contains("Nameqzvx"));
}

#[test]
fn what_was_written_into_a_file_is_told_with_the_disclosures_and_can_be_read_back() {
    let (acme, bright) = (Org::running("Acme Motors"), Org::running("Bright Agency"));
    let ann = acme.id_of(
        "customer create name=Ann phones:='[\"+86 138 0013 8000\",\"+1 602 555 0156\"]' \
         org_name='Firm, \"the\" first' tags=vip x_rank=7",
    );
    let bob = acme.id_of("customer create name==SUM(A1) emails=bob@example.com");
    let file = acme.file("all.csv", "from before");
    let fails = acme.call(&format!("customer export --where nonsense --out {file}"));
    assert_eq!(fails.refused(2).0, "bad_selector");
    assert_eq!(fs::read_to_string(&file).unwrap(), "from before");
    let nowhere = acme.call("customer export --out /no/such/place.csv");
    assert_eq!(nowhere.refused(1).0, "unwritable_file");
    acme.call("customer export --format xlsx").refused(2);
    assert_eq!(acme.ok(&format!("customer disclosures {ann}")), json!([]), "nothing was written");

    acme.ok(&format!("customer export --out {file}"));
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains("'=SUM(A1)") && !text.contains(",=SUM"), "{text}");
    assert_eq!(bright.ok(&format!("customer import {file}"))["created"], 2);
    let there = bright.ok("customer list --where name=Ann")[0]["fields"].clone();
    let here = acme.ok(&format!("customer show {ann}"))["fields"].clone();
    for field in ["name", "phones", "org_name", "tags", "x_rank"] {
        assert_eq!(there[field], here[field], "{field}");
    }
    let some = acme.ok("customer export --where name=Ann");
    assert_eq!((len(&some), &some[0]["id"]), (1, &json!(ann)));
    let formats = |id: &str| {
        let told = acme.ok(&format!("customer disclosures {id}"));
        let told = told.as_array().unwrap().clone();
        assert!(told.iter().all(|item| item["way"] == "exported"), "{told:#?}");
        told.iter().map(|item| item["format"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(
        (formats(&ann), formats(&bob)),
        (vec!["csv".into(), "json".into()], vec!["csv".into()])
    );
    acme.ok(&format!("--yes customer erase {ann}"));
    assert_eq!(formats(&ann).len(), 2, "software cannot take a file back");
    let page = acme.table(&format!("customer disclosures {ann} --format html")).out;
    assert!(page.contains("csv"), "{page}");
}

#[test]
fn a_consent_has_its_line_however_it_was_entered() {
    let acme = Org::running("Acme Motors");
    let consents = || {
        let lines = acme.ok("audit log --limit 1000");
        lines.as_array().unwrap().iter().filter(|line| line["what"] == "consent").count()
    };
    acme.id_of("customer create name=Nobody");
    assert_eq!(consents(), 0);
    let given = "consent:='[{\"purpose\":\"launch\",\"status\":\"given\"}]'";
    let ann = acme.id_of(&format!("customer create name=Ann {given}"));
    assert_eq!(consents(), 1);
    let file = acme.file("customers.csv", "name\nBob\nEve\n");
    acme.ok(&format!("customer import {file} --consent form:fair"));
    assert_eq!(consents(), 3);
    acme.ok(&format!("customer consent {ann} withdraw --purpose launch"));
    assert_eq!(consents(), 4);
    acme.ok("audit verify");
}

/// Opens the store of a node that does not run and changes what lies under a key.
fn tamper(org: &Org, key: &[u8], change: impl FnOnce(&mut Vec<u8>)) {
    let mut opened = store::open(&org.data().join("store"), Engine::default()).unwrap();
    let mut value = opened.get(key).unwrap().unwrap();
    change(&mut value);
    let mut batch = Batch::default();
    batch.put(key, value);
    opened.commit(batch).unwrap();
}

#[test]
fn a_byte_flipped_under_the_audit_log_is_named_with_and_without_a_running_node() {
    let mut acme = Org::running("Acme Motors");
    for n in 0..5 {
        acme.ok(&format!("share open launch{n}"));
    }
    let whole = acme.ok("audit verify");
    let head = whole["head"].as_str().unwrap().to_owned();
    assert!(whole["lines"].as_u64().unwrap() >= 7, "{whole}");
    acme.ok("doctor");
    acme.kill();
    assert_eq!(acme.ok("audit verify"), whole);
    assert_eq!(acme.ok(&format!("audit verify --noted {head}")), whole);
    tamper(&acme, &keys::audit(3), |value| {
        let last = value.len() - 1;
        value[last] ^= 1;
    });
    let (code, message) = acme.call("audit verify").refused(1);
    assert_eq!((&*code, &*message), ("audit_broken", "line 3 of the audit log was changed"));
    acme.start();
    let (code, message) = acme.call("audit verify").refused(1);
    assert_eq!((&*code, &*message), ("audit_broken", "line 3 of the audit log was changed"));
    acme.call("doctor").refused(1);
    acme.kill();
    tamper(&acme, &keys::audit(3), |value| {
        let last = value.len() - 1;
        value[last] ^= 1;
    });
    // Meanwhile the node has said where it listens now; what was noted is still there.
    let mended = acme.ok(&format!("audit verify --noted {head}"));
    let lines = mended["lines"].as_u64().unwrap();
    assert!(lines >= whole["lines"].as_u64().unwrap(), "{mended}");
    // More was noted than is there: the log was cut together with its end.
    let hash = head.split(':').nth(1).unwrap();
    let shorter = format!("{}:{hash}", lines + 1);
    let (code, message) = acme.call(&format!("audit verify --noted {shorter}")).refused(1);
    assert_eq!(code, "audit_broken");
    assert!(message.contains("the rest is missing"), "{message}");
    acme.call("audit verify --noted nonsense").refused(2);
}
