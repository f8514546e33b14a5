//! Ends and beginnings of a node's process: killed at any moment it loses nothing that it has
//! acknowledged, told to stop it stops, and no second one gets in.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

use super::node::{Org, PATIENCE, len, pair, until};

const STOP_MAX: Duration = Duration::from_secs(5);

/// When the rounds kill, in ms: from before the work begins to after its end.
const MOMENTS_MS: [u64; 6] = [15, 60, 130, 240, 400, 700];

fn csv(round: usize, rows: usize) -> String {
    let mut csv = String::from("external_id,type,name,emails\n");
    for n in 0..rows {
        csv += &format!("crm:{round}-{n},company,Firm {round}-{n},f{round}-{n}@example.com\n");
    }
    csv
}

/// Waits for a moment while the work goes on.
fn pass(moment: Duration) {
    let begun = Instant::now();
    until("a moment", PATIENCE, || (begun.elapsed() >= moment).then_some(()));
}

fn everything(org: &Org, line: &str) -> Vec<Json> {
    let mut records = org.ok(&format!("{line} --limit 100000")).as_array().unwrap().clone();
    records.sort_by_key(|one| one["fields"]["name"].as_str().unwrap_or_default().to_owned());
    records
}

fn names(records: &[Json]) -> Vec<&str> {
    records.iter().map(|one| one["fields"]["name"].as_str().unwrap()).collect()
}

#[test]
fn a_node_killed_at_any_moment_of_an_import_keeps_what_it_acknowledged() {
    const ROWS: usize = 600;
    let mut acme = Org::running("Acme Motors");
    let mut acknowledged: Vec<String> = Vec::new();
    for (round, moment_ms) in MOMENTS_MS.into_iter().enumerate() {
        let file = acme.file("rows.csv", &csv(round, ROWS));
        let id = acme.id_of(&format!("customer create type=company name=Single-{round}"));
        acknowledged.push(id);
        let mut import = acme.begin_call(&format!("customer import {file}"));
        pass(Duration::from_millis(moment_ms));
        acme.kill();
        let said = import.finish();
        acme.start();
        for id in &acknowledged {
            acme.ok(&format!("customer show {id}"));
        }
        let prefix = format!("Firm {round}-");
        let there = everything(&acme, "customer list");
        let of_round = names(&there).into_iter().filter(|name| name.starts_with(&prefix)).count();
        match said.exit {
            0 => assert_eq!(of_round, ROWS, "an import that was answered is there, whole"),
            _ => assert!(of_round <= ROWS),
        }
        // Doing it again makes it whole, and nothing twice.
        let again = acme.ok(&format!("customer import {file}"));
        let count = |field: &str| again[field].as_u64().unwrap() as usize;
        assert_eq!(
            (count("created"), count("unchanged")),
            (ROWS - of_round, of_round),
            "{again:#}"
        );
    }
    let mut all = everything(&acme, "customer list");
    assert_eq!(all.len(), MOMENTS_MS.len() * (ROWS + 1));
    all.dedup_by_key(|one| one["fields"]["name"].clone());
    assert_eq!(all.len(), MOMENTS_MS.len() * (ROWS + 1));
}

#[test]
fn nodes_killed_while_records_are_placed_and_sent_come_to_agree() {
    const ROWS: usize = 400;
    let (mut acme, mut bright) = (Org::running("Acme Motors"), Org::running("Bright Agency"));
    pair(&acme, &bright);
    acme.id_of("share open tour");
    acme.ok("--yes share grant tour bright-agency --kind customer --fields name,emails");
    for (round, moment_ms) in MOMENTS_MS.into_iter().enumerate() {
        let file = acme.file("rows.csv", &csv(round, ROWS));
        acme.ok(&format!("customer import {file}"));
        let mut place = acme.begin_call("--yes share add tour --kind customer");
        pass(Duration::from_millis(moment_ms));
        // By turns the one that sends and the one that receives.
        let killed = if round % 2 == 0 { &mut acme } else { &mut bright };
        killed.kill();
        let said = place.finish();
        killed.start();
        if said.exit == 0 {
            assert_eq!(said.json()["published"], (round + 1) * ROWS);
        } else {
            acme.ok("--yes share add tour --kind customer");
        }
        acme.settle();
        bright.settle();
        let (own, seen) =
            (everything(&acme, "customer list"), everything(&bright, "customer list"));
        assert_eq!(own.len(), (round + 1) * ROWS);
        let (own_names, seen_names) = (names(&own), names(&seen));
        let missing: Vec<&&str> =
            own_names.iter().filter(|one| !seen_names.contains(one)).collect();
        assert_eq!(
            missing,
            [""; 0].iter().collect::<Vec<_>>(),
            "round {round}, exit {}",
            said.exit
        );
        assert_eq!(own_names, seen_names);
        for (own, seen) in own.iter().zip(&seen) {
            assert_eq!(own["fields"]["emails"], seen["fields"]["emails"]);
        }
    }
}

#[test]
fn a_node_that_is_told_to_stop_stops_soon_and_leaves_nothing_behind() {
    let (mut acme, bright) = (Org::running("Acme Motors"), Org::running("Bright Agency"));
    pair(&acme, &bright);
    let event = acme.id_of("event create title=Launch");
    for signal in ["TERM", "INT"] {
        assert!(acme.data().join("node.json").exists());
        acme.signal(signal);
        let begun = Instant::now();
        assert_eq!(acme.wait(PATIENCE), 0);
        assert!(begun.elapsed() < STOP_MAX, "{signal}: {:?}", begun.elapsed());
        assert!(!acme.data().join("node.json").exists());
        acme.call("status").refused(3);
        acme.start();
        assert_eq!(acme.ok(&format!("event show {event}"))["fields"]["title"], "Launch");
    }
    // Also in the middle of work.
    let file = acme.file("rows.csv", &csv(0, 3_000));
    let mut import = acme.begin_call(&format!("customer import {file}"));
    pass(Duration::from_millis(150));
    acme.signal("TERM");
    let begun = Instant::now();
    assert_eq!(acme.wait(PATIENCE), 0);
    assert!(begun.elapsed() < STOP_MAX, "at work: {:?}", begun.elapsed());
    import.finish();
    acme.start();
    acme.ok(&format!("customer import {file}"));
    assert_eq!(acme.ok("status")["store"]["records"], 3_001);
}

#[test]
fn a_second_node_on_the_same_data_says_why_it_does_not_start() {
    let mut acme = Org::running("Acme Motors");
    let before = fs::read(acme.data().join("node.json")).unwrap();
    let second = acme.call("run --listen /ip4/127.0.0.1/tcp/0 --http 127.0.0.1:0");
    let (_, message) = second.refused(1);
    assert!(message.contains("another") || message.contains("in use"), "{second:#?}");
    assert_eq!(
        fs::read(acme.data().join("node.json")).unwrap(),
        before,
        "the first is still found"
    );
    acme.ok("status");
    assert_eq!(acme.ended(), None);
}

#[test]
fn a_node_that_was_killed_leaves_nothing_that_stops_the_next_start() {
    let mut acme = Org::running("Acme Motors");
    let event = acme.id_of("event create title=Launch");
    acme.kill();
    let stale = acme.data().join("node.json");
    assert!(stale.exists(), "nobody was there to remove it");
    let down = acme.call("event list");
    assert_eq!(down.refused(3).0, "node_not_reachable");
    // Not even when it points to a port where something else listens, or is damaged.
    let other = Org::running("Other Company");
    let theirs = fs::read(other.data().join("node.json")).unwrap();
    fs::write(&stale, theirs).unwrap();
    assert_ne!(acme.call("event list").exit, 0);
    acme.start();
    assert_eq!(acme.ok("event list")[0]["id"], *event);
    acme.kill();
    fs::write(&stale, "{\"http\":").unwrap();
    acme.start();
    assert_eq!(acme.ok("event list")[0]["id"], *event);
}

#[test]
fn a_ready_line_is_the_only_thing_a_node_says() {
    let acme = Org::new("Acme Motors");
    let mut node = Command::new(env!("CARGO_BIN_EXE_entente"))
        .arg("--data")
        .arg(acme.data())
        .args(["--json", "run", "--listen", "/ip4/127.0.0.1/tcp/0", "--http", "127.0.0.1:0"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(node.stdout.take().unwrap()).lines();
    let ready: Json = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    let status = acme.ok("status");
    let order = format!("kill -s TERM {}", node.id());
    let told = Command::new("sh").args(["-c", &order]).status().unwrap();
    let rest = lines.count();
    assert!(node.wait().unwrap().success() && told.success());
    assert_eq!(rest, 0);
    assert_eq!((&ready["ready"], &ready["org"]), (&json!(true), &json!(acme.id)));
    assert_eq!((&ready["http"], &ready["listen"]), (&status["http"], &status["listen"]));
    assert_eq!(len(&ready["listen"]), 1);
    let address = ready["listen"][0].as_str().unwrap();
    assert!(address.starts_with("/ip4/127.0.0.1/tcp/") && address.contains("/p2p/12D3Koo"));
    assert!(ready["http"].as_str().unwrap().starts_with("http://127.0.0.1:"));
}

#[test]
fn the_store_is_looked_through_with_and_without_a_running_node() {
    let mut acme = Org::running("Acme Motors");
    acme.id_of("event create title=Launch");
    let sound = acme.ok("store verify");
    assert!(sound["entries"].as_u64() > Some(5), "{sound}");
    assert_eq!((&sound["problem_count"], &sound["problems"]), (&0.into(), &json!([])));
    acme.kill();
    assert_eq!(acme.ok("store verify")["problem_count"], 0);
    // The engine's file of an older day is put back under what was written since.
    let file = acme.data().join("store/sled/db");
    let older = fs::read(&file).unwrap();
    acme.start();
    acme.id_of("event create title=Later");
    acme.kill();
    fs::write(&file, older).unwrap();
    let said = acme.call("store verify");
    assert_eq!(said.refused(1).0, "store_damaged");
    assert!(said.err.lines().count() > 2, "what is wrong is named: {}", said.err);
    assert!(said.json()["error"]["hint"].as_str().unwrap().contains("store dump"));
    let never = Org::new("Bright Agency");
    assert_eq!(never.ok("store verify")["entries"], 0, "it never ran");
}
