//! Permission that can be seen and explained: what a company says of its partners' views is what
//! their nodes show; rules as a file; presets; approval.

use serde_json::{Value as Json, json};

use super::cast::Cast;
use super::node::{Org, PATIENCE, len, pair, texts};

const KINDS: [&str; 5] = ["event", "customer", "participation", "interaction", "followup"];

/// Everything of one company's part of a share that another sees on its own node.
fn seen(org: &Org, of: &Org) -> Vec<Json> {
    let mut all = Vec::new();
    for kind in KINDS {
        let list = org.ok(&format!("{kind} list --from partners --limit 1000"));
        all.extend(list.as_array().unwrap().iter().cloned());
    }
    all.retain(|record| record["section"]["org"] == *of.id);
    all
}

fn previewed(org: &Org, partner: &Org) -> Vec<Json> {
    let line = format!("share preview launch --as {} --limit 1000", partner.alias());
    let mut all = org.ok(&line).as_array().unwrap().clone();
    all.retain(|record| record["section"]["org"] == *org.id);
    all
}

/// The cell of a matrix.
fn cell<'a>(matrix: &'a Json, kind: &str, field: &str, org: &Org) -> &'a str {
    let orgs = matrix["orgs"].as_array().unwrap();
    let at = orgs.iter().position(|one| one["org"] == *org.id).expect("a column");
    let rows = matrix["rows"].as_array().unwrap();
    let row = rows.iter().find(|row| row["kind"] == kind && row["field"] == field);
    row.expect("a row")["cells"][at].as_str().unwrap()
}

#[test]
fn what_a_company_says_of_its_partners_views_is_what_their_nodes_show() {
    let mut cast = Cast::new();
    cast.bring_guests();
    cast.cedar.settle();
    cast.gather();
    let Cast { acme, bright, cedar, event, .. } = &cast;
    for (owner, partner) in [(acme, bright), (acme, cedar), (cedar, acme), (cedar, bright)] {
        let told = previewed(owner, partner);
        assert_eq!(told, seen(partner, owner), "{} of {}", owner.name, partner.name);
        assert!(!told.is_empty());
    }
    let one = acme.ok("share preview launch --as bright-agency --kind event --limit 1");
    assert_eq!((len(&one), &one[0]["kind"]), (1, &"event".into()));

    let matrix = acme.ok("share matrix launch");
    assert_eq!(cell(&matrix, "event", "venue", bright), "r");
    assert_eq!(cell(&matrix, "event", "venue", cedar), "–");
    assert_eq!(cell(&matrix, "event", "notes", bright), "–");
    let matrix = cedar.ok("share matrix launch --kind participation");
    assert_eq!(cell(&matrix, "participation", "status", acme), "e");
    assert_eq!(cell(&matrix, "participation", "status", bright), "–");
    assert_eq!(
        matrix["rows"].as_array().unwrap().iter().filter(|r| r["kind"] != "participation").count(),
        0
    );
    let table = acme.table("share matrix launch");
    assert!(table.out.contains("event.venue"), "{}", table.out);

    let why = |org: &Org, line: &str| {
        let why = org.ok(&format!("share explain launch {line}"));
        (why["may"].as_str().unwrap().to_owned(), texts(&why["because"]).join("\n"))
    };
    let (may, because) = why(acme, "cedar-consulting event.title");
    assert_eq!(may, "read");
    let lines: Vec<&str> = because.lines().collect();
    assert!(lines[0].starts_with("Acme Motors lets Bright Agency see"), "{because}");
    assert!(lines[1].starts_with("Bright Agency lets Cedar Consulting see"), "{because}");
    let (may, because) = why(acme, "cedar-consulting event.venue");
    assert_eq!(may, "nothing");
    assert!(
        because.contains("has been granted audience_brief, starts_at, title only"),
        "{because}"
    );
    assert!(why(acme, "bright-agency event.budget").1.contains("never leaves its company"));
    let (may, because) = why(acme, &format!("bright-agency event.venue --record {event}"));
    assert_eq!((&*may, because.lines().count()), ("read", 1), "{because}");
    let guest = cedar.ok("customer list --where name~nameqzvx9")[0]["id"].clone();
    let guest = guest.as_str().unwrap();
    let (may, because) = why(cedar, &format!("acme-motors customer.phones --record {guest}"));
    assert!(may == "read" && because.contains("nothing has been entered"), "{because}");
    let kept = cedar.ok("customer list --where tags=kept")[0]["id"].clone();
    let line = format!("acme-motors customer.name --record {}", kept.as_str().unwrap());
    assert!(why(cedar, &line).1.contains("not in your part of the share"));
    cedar.ok(&format!("customer consent {guest} withdraw --purpose launch"));
    let line = format!("acme-motors customer.name --record {guest}");
    let (may, because) = why(cedar, &line);
    assert!(may == "nothing" && because.contains("held back from Acme Motors"), "{because}");
    let unknown = acme.call("share explain launch bright-agency event.venu");
    let (code, message) = unknown.refused(2);
    assert!(code == "unknown_field" && message.contains("venue"), "{message}");

    let grants = acme.ok("share show launch")["grants"].clone();
    let to_cedar = |grant: &&Json| grant["to"]["org"] == *cedar.id && grant["kind"] == "event";
    let grant = grants.as_array().unwrap().iter().find(to_cedar).expect("Acme knows it");
    acme.ok(&format!("--yes share revoke launch {}", grant["id"].as_str().unwrap()));
    let (may, because) = why(acme, "cedar-consulting event.title");
    assert!(may == "nothing" && because.contains("was revoked"), "{because}");
    assert_eq!(acme.ok("share preview launch --as cedar-consulting"), json!([]));
}

/// Acme with a share of companies, and two partners.
fn three() -> [Org; 3] {
    let orgs = ["Acme Motors", "Bright Agency", "Cedar Consulting"].map(Org::running);
    pair(&orgs[0], &orgs[1]);
    pair(&orgs[1], &orgs[2]);
    orgs
}

#[test]
fn rules_kept_as_a_file_come_back_unchanged_and_a_changed_file_tells_what_it_would_do() {
    let [acme, bright, cedar] = three();
    pair(&acme, &cedar);
    acme.id_of("share open tour");
    for n in 0..4 {
        let firm = acme.id_of(&format!("customer create type=company name=Firm{n} region=north"));
        acme.ok(&format!("--yes share add tour {firm}"));
    }
    acme.ok("--yes share grant tour bright-agency --kind customer --fields name,phones --depth 1");
    acme.ok("--yes share grant tour bright-agency --contribute customer --depth 1");
    acme.ok("--yes share grant tour cedar-consulting --kind customer --fields region --where region=north --expires 2030-01-01 --keep");
    let text = acme.table("share policy export tour").out;
    let file = acme.file("tour.toml", &text);
    let export = acme.file("again.toml", "");
    acme.ok(&format!("share policy export tour {export}"));
    assert_eq!(std::fs::read_to_string(&export).unwrap(), text);
    assert_eq!(acme.ok(&format!("share policy validate {file}"))["grants"], 3);
    let same = acme.ok(&format!("--yes share policy apply {file}"));
    assert_eq!(
        (&same["unchanged"], &same["add"], &same["end"]),
        (&3.into(), &json!([]), &json!([]))
    );
    assert_eq!(len(&acme.ok("share show tour")["grants"]), 3, "nothing was made anew");

    bright.until("customer list", PATIENCE, |list| len(list) == 4);
    // Cedar is to see the names as well, of the south alone; Bright no phones.
    let changed = text
        .replace("\"name\", \"phones\"", "\"name\"")
        .replace("[\"consent\", \"do_not_contact\", \"name\"]", "[\"name\"]")
        .replace("[\"region\"]", "[\"name\", \"region\"]");
    let file = acme.file("changed.toml", &changed);
    let diff = acme.ok(&format!("share policy diff {file}"));
    assert_eq!(acme.ok(&format!("share diff {file}")), diff);
    assert_eq!((len(&diff["add"]), len(&diff["end"]), &diff["applied"]), (2, 2, &false.into()));
    let gains = &diff["leaving"]["to"];
    let row = |org: &Org, of: &Json| {
        of.as_array().unwrap().iter().find(|row| row["org"] == *org.id).cloned().expect("a row")
    };
    let cedars = row(&cedar, gains);
    assert_eq!((&cedars["fields"], &cedars["records"]), (&json!(["name"]), &4.into()));
    let loses = row(&bright, &diff["leaving"]["back"]);
    assert_eq!(loses["fields"], json!(["consent", "do_not_contact", "phones"]));
    let words = acme.table(&format!("share diff {file}")).out;
    assert!(words.contains("Bright Agency") && words.contains("not be seen any more"), "{words}");
    acme.call(&format!("share policy apply {file}")).refused(2);
    let dry = acme.ok(&format!("share policy apply --dry-run {file}"));
    assert_eq!(dry["applied"], false);
    let done = acme.ok(&format!("--yes share policy apply {file}"));
    assert_eq!(done["applied"], true);
    acme.settle();
    let list = cedar.until("customer list", PATIENCE, |list| len(list) == 4);
    assert!(list[0]["fields"]["name"].is_string(), "{list:#}");
    let again = acme.ok(&format!("share policy diff {file}"));
    assert_eq!(again["unchanged"], 3, "{again:#}");

    let wrong = changed.replace("depth = 1", "depth = 99").replace("\"region\"", "\"regin\"");
    let file = acme.file("wrong.toml", &wrong);
    let (code, message) = acme.call(&format!("share policy validate {file}")).refused(2);
    assert_eq!(code, "bad_policy");
    assert!(message.contains("regin") && message.contains("0 to 7"), "{message}");
    assert!(message.lines().all(|line| line.starts_with("line ")), "{message}");
    let stranger = acme.file("stranger.toml", &text.replace("cedar-consulting", "nobody"));
    let (_, message) = acme.call(&format!("--yes share policy apply {stranger}")).refused(2);
    assert!(message.contains("no partner `nobody`"), "{message}");
    assert_eq!(
        acme.ok(&format!("share policy diff {}", acme.file("same.toml", &changed)))["unchanged"],
        3
    );
}

#[test]
fn an_event_is_shared_in_one_step_from_whichever_side() {
    let [acme, bright, cedar] = three();
    let event =
        acme.id_of("event create title=Launch venue=Hall audience_brief=Buyers notes=Secret");
    let line = format!("share with bright-agency --event {event} --preset agency");
    let dry = acme.ok(&format!("{line} --dry-run"));
    assert_eq!((&dry["to"][0]["records"], &dry["to"][0]["depth"]), (&1.into(), &1.into()));
    let notes = texts(&dry["notes"]).join("\n");
    assert!(notes.contains("opens the share \"Launch\"") && notes.contains("may add"), "{notes}");
    assert_eq!(acme.ok("share list"), json!([]), "a dry run does nothing");
    assert_eq!(acme.call(&line).refused(2).0, "needs_yes");
    let shared = acme.ok(&format!("--yes {line}"));
    assert_eq!(
        (&shared["opened"], len(&shared["grants"]), &shared["name"]),
        (&true.into(), 2, &"Launch".into())
    );
    let again = acme.ok(&format!("--yes {line}"));
    assert_eq!(
        (&again["share"], &again["opened"], &again["already"], len(&again["grants"])),
        (&shared["share"], &false.into(), &2.into(), 0)
    );

    let at_bright = bright.until("event list", PATIENCE, |list| len(list) == 1);
    assert_eq!(at_bright[0]["fields"]["venue"], "Hall");
    let received = at_bright[0]["id"].as_str().unwrap();
    // What the agency shows back is its own decision, on its own node.
    let back =
        bright.ok(&format!("--yes share with acme-motors --event {received} --preset agency"));
    assert_eq!((&back["share"], len(&back["grants"])), (&shared["share"], 3));
    // And it brings in a partner of its own, with no more than it has.
    let on = bright
        .ok(&format!("--yes share with cedar-consulting --event {received} --preset co-organiser"));
    assert!(len(&on["grants"]) >= 2, "{on}");
    let at_cedar = cedar.until("event list", PATIENCE, |list| {
        len(list) == 1 && list[0]["fields"]["venue"] == "Hall"
    });
    let withheld = texts(&at_cedar[0]["withheld"]);
    assert!(withheld.contains(&"tags") && withheld.contains(&"notes"), "{withheld:?}");
    let refused =
        cedar.call(&format!("event set {} venue=Pier", at_cedar[0]["id"].as_str().unwrap()));
    refused.refused(4);
    let mine = cedar.ok(&format!(
        "--yes share with acme-motors --event {} --preset lead-supplier",
        at_cedar[0]["id"].as_str().unwrap()
    ));
    assert_eq!(len(&mine["grants"]), 3);

    // The host sets the status of a guest that the supplier brought; the supplier learns of it.
    let guest = cedar.id_of("customer create type=company name=Guest phones=+8613800138000");
    let at_cedar = at_cedar[0]["id"].as_str().unwrap();
    cedar.ok(&format!("--yes participation add {at_cedar} {guest}"));
    let roster = acme.until(&format!("event roster {event}"), PATIENCE, |rows| {
        len(rows) == 1 && rows[0]["customer"]["fields"]["phones"].is_array()
    });
    let part = roster[0]["participation"].as_str().unwrap();
    acme.ok(&format!("participation set {part} status=confirmed"));
    acme.call(&format!("participation set {part} role=vip")).refused(4);
    cedar.until(&format!("event roster {at_cedar}"), PATIENCE, |rows| {
        rows[0]["status"] == "confirmed"
    });

    let unknown =
        acme.call(&format!("share with bright-agency --event {event} --preset nothing --yes"));
    assert_eq!(unknown.refused(2).0, "unknown_preset");
    std::fs::create_dir_all(acme.data().join("presets")).unwrap();
    let own = "about = \"Ours\"\n[[grant]]\nkind = \"event\"\nfields = [\"tags\"]\n";
    std::fs::write(acme.data().join("presets/ours.toml"), own).unwrap();
    let presets = acme.ok("share presets");
    let names: Vec<&str> =
        presets.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        ["agency", "attendance-counts-only", "co-organiser", "lead-supplier", "ours"]
    );
    assert_eq!(acme.table("share presets ours").out, own);
    let dry = acme.ok(&format!("share with bright-agency --event {event} --preset ours --dry-run"));
    assert_eq!(dry["to"][0]["fields"], json!(["tags"]));
    // What a partner that reads already has to get again is told before.
    acme.ok(&format!("event set {event} title=Later"));
    let dry = acme
        .ok("share grant Launch bright-agency --kind event --fields title --can edit --dry-run");
    assert_eq!((&dry["resent"]["records"], len(&dry["resent"]["to"])), (&1.into(), 2), "{dry:#}");
    let words = acme
        .table("share grant Launch bright-agency --kind event --fields title --can edit --dry-run")
        .out;
    assert!(words.contains("re-send 1 record to 2 partners"), "{words}");
    let missing = acme.ok("share missing Launch");
    let has = |field: &str, why: &str| {
        missing
            .as_array()
            .unwrap()
            .iter()
            .any(|one| one["field"] == field && one["why"].as_str().unwrap().contains(why))
    };
    assert!(has("address", "nothing entered") && !has("venue", ""), "{missing:#}");
}

#[test]
fn a_publisher_may_ask_before_it_lets_in_what_was_passed_on() {
    let [acme, bright, cedar] = three();
    let event = acme.id_of("event create title=Launch");
    acme.id_of(&format!("share open launch --event {event}"));
    acme.ok("--yes share grant launch bright-agency --kind event --fields title --depth 1");
    assert_eq!(acme.ok("share config launch reshare=ask"), json!({"reshare": "ask"}));
    assert_eq!(acme.call("share config launch reshare=maybe").refused(2).0, "unknown_setting");
    bright.until("event list", PATIENCE, |list| len(list) == 1);
    let grant = "--yes share grant launch cedar-consulting --kind event --fields title --section acme-motors";
    let grant = bright.ok(grant)["grant"].as_str().unwrap().to_owned();
    let of_cedar = |share: &Json| {
        let grants = share["grants"].as_array().unwrap();
        grants.iter().find(|one| one["id"] == *grant).cloned()
    };
    let waits = |text: &str| {
        let text = text.to_owned();
        move |share: &Json| of_cedar(share).is_some_and(|one| one["waiting"] == *text)
    };
    bright.until("share show launch", PATIENCE, waits("waiting for Acme Motors's approval"));
    acme.until("share show launch", PATIENCE, waits("waiting for your approval"));
    let why = acme.ok("share explain launch cedar-consulting event.title");
    assert_eq!(why["may"], "nothing");
    assert!(why["hint"].as_str().unwrap().contains("share approve"), "{why}");
    assert_eq!(acme.ok("share preview launch --as cedar-consulting"), json!([]));
    let dry = acme.ok(&format!("share approve launch {grant} --dry-run"));
    assert_eq!(
        (&dry["to"][0]["org"], &dry["to"][0]["records"]),
        (&Json::from(&*cedar.id), &1.into())
    );
    assert_eq!(acme.ok(&format!("--yes share approve launch {grant}"))["approved"], json!([grant]));
    cedar.until("event list", PATIENCE, |list| len(list) == 1);
    bright.until("share show launch", PATIENCE, |share| {
        of_cedar(share).unwrap()["state"] == "active"
    });
    bright.call(&format!("--yes share approve launch {grant}")).refused(4);
}

#[test]
fn every_command_on_the_permissions_page_works() {
    let cast = Cast::new();
    let (acme, bright) = (&cast.acme, &cast.bright);
    let customer = acme.id_of("customer create name=Ann org_name=Firm");
    acme.ok("--yes share grant launch bright-agency --kind customer --fields org_name");
    acme.ok(&format!("customer consent {customer} give --purpose launch"));
    acme.ok(&format!("--yes share add launch {customer}"));
    acme.settle();
    bright.until("customer list", PATIENCE, |list| len(list) == 1);
    let grants = acme.ok("share show launch")["grants"].clone();
    let passed = |grant: &&Json| grant["to"]["org"] == *cast.cedar.id && grant["kind"] == "event";
    let grant = grants.as_array().unwrap().iter().find(passed).expect("Acme knows it");
    let file = acme.file("launch.toml", "");
    let page = include_str!("../../docs/permissions.md");
    let quoted = page.split('`').skip(1).step_by(2);
    let mut count = 0;
    for command in quoted.filter_map(|text| text.strip_prefix("entente ")) {
        let line = command
            .replace("CUSTOMER", &customer)
            .replace("EVENT", &cast.event)
            .replace("GRANT", grant["id"].as_str().unwrap())
            .replace("FILE", &file);
        let leaves = line.starts_with("share leave");
        // It ends all the others.
        if line != "share close launch" {
            if leaves { bright } else { acme }.ok(&format!("--yes {line}"));
        }
        count += 1;
    }
    assert!(count > 40, "{count} commands");
    bright.until("event list", PATIENCE, |list| len(list) <= 1);
    assert_eq!(acme.ok("share preview launch --as cedar-consulting"), json!([]));
    assert!(page.contains("`entente share close launch`"));
    acme.ok("--yes share close launch");
}
