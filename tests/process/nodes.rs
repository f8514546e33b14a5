//! Several machines of one company, and a machine that is set up again from a backup.

use serde_json::Value as Json;

use super::node::{Org, PATIENCE, len, pair};

fn titles(org: &Org) -> Vec<String> {
    let list = org.ok("event list");
    let title = |one: &Json| one["fields"]["title"].as_str().unwrap_or_default().to_owned();
    let mut titles: Vec<String> = list.as_array().unwrap().iter().map(title).collect();
    titles.sort();
    titles
}

fn has(org: &Org, titles: &[&str]) {
    org.until("event list", PATIENCE, |_| self::titles(org) == titles);
}

/// Acme with an event in a share that Bright reads, and may change the title of.
fn shared() -> (Org, Org, String) {
    let (acme, bright) = (Org::running("Acme Motors"), Org::running("Bright Agency"));
    pair(&acme, &bright);
    let event = acme.id_of("event create title=FIRST venue=Hall");
    acme.ok(&format!("share open launch --event {event}"));
    acme.ok("--yes share grant launch bright-agency --kind event --fields title --can edit");
    acme.settle();
    has(&bright, &["FIRST"]);
    (acme, bright, event)
}

#[test]
fn a_second_machine_joins_takes_over_and_the_first_is_retired() {
    let (mut acme, bright, event) = shared();
    let mut second = Org::bare("Acme Motors");
    let node = second.ok("init --join")["node"].as_str().unwrap().to_owned();
    let line = acme.ok(&format!("node certify {node}"))["join"].as_str().unwrap().to_owned();
    assert_eq!(second.ok(&format!("init --join {line}"))["org"], *acme.id);
    second.id.clone_from(&acme.id);
    second.start();
    has(&second, &["FIRST"]);
    second.ok(&format!("event set {event} title=SECOND"));
    has(&bright, &["SECOND"]);
    let other = second.id_of("event create title=OTHER");
    let (code, message) = second.call(&format!("--yes share add launch {other}")).refused(1);
    let nodes = acme.ok("node list");
    let first = nodes[0]["node"].as_str().unwrap().to_owned();
    assert_eq!((len(&nodes), code.as_str(), &nodes[0]["main"]), (2, "not_main_node", &true.into()));
    assert!(message.contains(&first), "{message}");
    acme.ok(&format!("node certify {node} --main"));
    second.until("node list", PATIENCE, |list| list[0]["node"] == *node);
    second.until("status", PATIENCE, |status| len(&status["waits_for"]) == 0);
    second.ok(&format!("--yes share add launch {other}"));
    has(&bright, &["OTHER", "SECOND"]);
    let (code, _) = acme.call(&format!("share remove launch {other}")).refused(1);
    assert_eq!(code, "not_main_node");
    let key = acme.data().join("org.key");
    acme.kill();
    second.ok(&format!("--yes node retire {first} --org-key {}", key.display()));
    second.ok(&format!("--yes key rotate --org-key {}", key.display()));
    second.ok(&format!("event set {event} title=THIRD"));
    has(&bright, &["OTHER", "THIRD"]);
    acme.start();
    acme.ok(&format!("event set {event} title=STOLEN"));
    // It is refused from now on: what it writes is nowhere else.
    second.until("node list", PATIENCE, |list| list[1]["state"] == "retired");
    second.ok(&format!("event set {event} title=FOURTH"));
    has(&bright, &["FOURTH", "OTHER"]);
}

#[test]
fn a_backup_taken_while_the_node_writes_goes_on_where_the_node_was() {
    const ROWS: usize = 400;
    let (mut acme, bright, event) = shared();
    let mut csv = String::from("external_id,type,name,emails\n");
    for n in 0..ROWS {
        csv += &format!("crm:{n},company,Firm {n},f{n}@example.com\n");
    }
    let before = acme.id_of("customer create type=company name=Before");
    let rows = acme.file("rows.csv", &csv);
    let mut import = acme.begin_call(&format!("customer import {rows}"));
    let file = acme.files().join("acme.backup");
    acme.ok(&format!("backup {}", file.display()));
    assert_eq!(import.finish().exit, 0);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    // The node goes on, and its partner hears what it says.
    acme.ok(&format!("event set {event} title=SECOND"));
    let later = acme.id_of("event create title=LATER");
    acme.ok(&format!("--yes share add launch {later}"));
    acme.settle();
    has(&bright, &["LATER", "SECOND"]);
    acme.kill();
    let mut again = Org::bare("Acme Motors");
    again.ok(&format!("restore {}", file.display()));
    again.id.clone_from(&acme.id);
    let (code, _) = again.call(&format!("restore {}", file.display())).refused(1);
    assert_eq!(code, "not_empty");
    again.start();
    again.until("status", PATIENCE, |status| len(&status["waits_for"]) == 0);
    has(&again, &["LATER", "SECOND"]);
    assert_eq!(again.ok(&format!("customer show {before}"))["fields"]["name"], "Before");
    let imported = len(&again.ok("customer list --limit 100000"));
    assert!(imported <= ROWS + 1, "{imported}");
    again.ok(&format!("event set {event} title=THIRD"));
    again.settle();
    has(&bright, &["LATER", "THIRD"]);
    let theirs = bright.ok("event list");
    let id = theirs.as_array().unwrap().iter().find(|one| one["fields"]["title"] == "THIRD");
    bright.ok(&format!("event set {} title=FOURTH", id.unwrap()["id"].as_str().unwrap()));
    has(&again, &["FOURTH", "LATER"]);
    assert_eq!(len(&again.ok("partner list")), 1);
}
