//! The story on three real processes: what each company sees, who may change what, and what
//! survives. What must not be seen is in `leak`.

use std::time::Duration;

use serde_json::{Value as Json, json};

use super::cast::{Cast, GUESTS, granted, withheld};
use super::node::{Org, PATIENCE, len, texts, until};

const SOON: Duration = Duration::from_secs(10);

fn rows(roster: &Json) -> &[Json] {
    roster.as_array().unwrap()
}

#[test]
fn three_companies_hold_one_event_together_each_with_its_own_fields() {
    let mut cast = Cast::new();
    the_event_is_split_for_the_company_it_was_passed_on_to(&cast);
    let added = cast.bring_guests();
    assert_eq!(len(&added["held_back"]), 0);
    cast.cedar.settle();
    cast.gather();
    each_roster_shows_what_was_granted(&cast);
    acme_and_cedar_have_met_through_bright(&cast);
    a_status_set_by_acme_is_seen_by_cedar(&cast);
    a_new_title_reaches_cedar_soon(&cast);
    nobody_else_can_change_the_title(&cast);
    cedar_gets_what_happened_while_it_was_down(&mut cast);
    acme_loses_nothing_when_it_is_killed(&mut cast);
}

fn the_event_is_split_for_the_company_it_was_passed_on_to(cast: &Cast) {
    let at_bright = cast.bright.ok(&format!("event show {}", cast.received));
    assert_eq!(at_bright["fields"]["venue"], "venueqzvx");
    let at_cedar = cast.cedar.ok(&format!("event show {}", cast.received));
    assert_eq!(granted(&at_cedar["fields"]), ["audience_brief", "starts_at", "title"]);
    assert!(withheld(&at_cedar, "venue") && withheld(&at_cedar, "notes"));
    assert!(withheld(&at_bright, "notes") && !withheld(&at_bright, "venue"));
    assert_eq!(at_cedar["section"]["name"], "Acme Motors");
    let own = cast.acme.ok(&format!("event show {}", cast.event));
    assert_eq!((&own["share"], len(&own["withheld"])), (&Json::Null, 0));
    assert_eq!(own["fields"]["x_margin"], "marginqzvx");
    let share = cast.acme.ok("share show launch");
    let sections = share["sections"].as_array().unwrap();
    let own = sections.iter().find(|one| one["org"] == *cast.acme.id).expect("Acme's section");
    assert_eq!(len(&own["compartments"]), 2, "one for what Cedar may see: {share:#}");
}

fn each_roster_shows_what_was_granted(cast: &Cast) {
    let at_acme = cast.acme.ok(&format!("event roster {}", cast.event));
    let at_bright = cast.bright.ok(&format!("event roster {}", cast.received));
    let at_cedar = cast.cedar.ok(&format!("event roster {}", cast.received));
    for roster in [&at_acme, &at_bright, &at_cedar] {
        assert_eq!(len(roster), GUESTS);
        for row in rows(roster) {
            assert_eq!(
                row["contributed_by"],
                json!({"org": cast.cedar.id, "name": cast.cedar.name})
            );
        }
    }
    let mut without_phone = 0;
    for row in rows(&at_acme) {
        assert_eq!(row["via"], json!([{"org": cast.bright.id, "name": cast.bright.name}]));
        assert_eq!(row["status"], "invited");
        let customer = &row["customer"];
        let name = customer["fields"]["name"].as_str().expect("Acme sees names");
        assert!(name.starts_with("Guest nameqzvx"), "{name}");
        assert!(customer["fields"]["org_name"].is_string());
        // Granted and empty is null, not withheld.
        match &customer["fields"]["phones"] {
            Json::Null => without_phone += 1,
            phones => assert!(texts(phones)[0].starts_with("+86138007")),
        }
        assert!(granted(&customer["fields"]).contains(&"phones"));
        assert!(!withheld(customer, "phones") && withheld(customer, "emails"));
    }
    assert_eq!(without_phone, GUESTS / 10);
    for row in rows(&at_bright) {
        let customer = &row["customer"];
        assert_eq!(granted(&customer["fields"]), ["org_name"]);
        assert!(["name", "phones", "emails"].iter().all(|field| withheld(customer, field)));
        assert_eq!(row["status"], Json::Null);
    }
    assert!(rows(&at_cedar).iter().all(|row| len(&row["customer"]["withheld"]) == 0));
}

fn acme_and_cedar_have_met_through_bright(cast: &Cast) {
    for (org, other) in [(&cast.acme, &cast.cedar), (&cast.cedar, &cast.acme)] {
        let partner = org.ok(&format!("partner show {}", other.alias()));
        assert_eq!(partner["state"], "introduced", "{partner}");
        assert_eq!(partner["code"], Json::Null);
        assert_eq!(partner["met_through"]["name"], "Bright Agency");
        assert_eq!(partner["connected"], true, "{partner}");
    }
}

fn a_status_set_by_acme_is_seen_by_cedar(cast: &Cast) {
    let at_acme = cast.acme.ok("participation list");
    let came: Vec<&str> =
        at_acme.as_array().unwrap()[..2].iter().map(|one| one["id"].as_str().unwrap()).collect();
    for id in &came {
        let set = cast.acme.ok(&format!("participation set {id} status=attended"));
        assert_eq!(set["fields"]["status"], "attended");
    }
    let line = "participation list --where status=attended";
    let seen = cast.cedar.until(line, SOON, |list| len(list) == 2);
    for one in seen.as_array().unwrap() {
        assert_eq!(one["updated_by"], json!({"org": cast.acme.id, "name": "Acme Motors"}));
        assert_eq!(one["share"], Json::Null, "it is Cedar's own record");
        let id = one["id"].as_str().unwrap();
        let history = cast.cedar.ok(&format!("participation history {id} status"));
        assert_eq!(history[0]["by"]["name"], "Acme Motors", "{history:#}");
        assert_eq!(history[0]["to"], "attended");
    }
}

fn title_at(org: &Org, title: &str) {
    org.until("event list", SOON, |list| list[0]["fields"]["title"] == title);
}

fn a_new_title_reaches_cedar_soon(cast: &Cast) {
    cast.acme.ok(&format!("event set {} title='Summer launch'", cast.event));
    title_at(&cast.cedar, "Summer launch");
    title_at(&cast.bright, "Summer launch");
}

fn nobody_else_can_change_the_title(cast: &Cast) {
    for org in [&cast.bright, &cast.cedar] {
        let set = org.call(&format!("event set {} title=Ours", cast.received));
        let (code, message) = set.refused(4);
        assert_eq!(code, "not_allowed");
        assert!(message.contains("title"), "{message}");
        title_at(org, "Summer launch");
    }
    // Fields that a company cannot even see are refused alike.
    cast.cedar.call(&format!("event set {} venue=Ours", cast.received)).refused(4);
    let name = cast.acme.ok("customer list --limit 1");
    let id = name[0]["id"].as_str().unwrap();
    cast.acme.call(&format!("customer set {id} name=Other")).refused(4);
    assert_eq!(
        cast.acme.ok(&format!("event show {}", cast.event))["fields"]["title"],
        "Summer launch"
    );
}

fn cedar_gets_what_happened_while_it_was_down(cast: &mut Cast) {
    cast.cedar.signal("TERM");
    assert_eq!(cast.cedar.wait(PATIENCE), 0);
    cast.acme.ok(&format!("event set {} title='Autumn launch'", cast.event));
    title_at(&cast.bright, "Autumn launch");
    let timed_out = cast.acme.call("wait synced --timeout 100ms");
    let (code, message) = timed_out.refused(1);
    assert_eq!(code, "timed_out");
    assert!(message.contains("Cedar Consulting lacks"), "{message}");
    assert!(message.contains("not connected"), "{message}");
    assert!(!message.contains("Bright"), "{message}");
    cast.cedar.start();
    title_at(&cast.cedar, "Autumn launch");
    cast.acme.settle();
}

fn acme_loses_nothing_when_it_is_killed(cast: &mut Cast) {
    let before = cast.acme.ok(&format!("event roster {}", cast.event));
    let set = cast.acme.ok(&format!("event set {} title='Winter launch' venue=Hall", cast.event));
    cast.acme.kill();
    cast.cedar.ok(&format!(
        "participation set {} status=confirmed",
        cast.cedar.ok("participation list --where status=invited")[0]["id"].as_str().unwrap()
    ));
    cast.acme.start();
    let after = cast.acme.ok(&format!("event show {}", cast.event));
    assert_eq!(set["fields"], after["fields"]);
    assert_eq!(after["fields"]["title"], "Winter launch");
    title_at(&cast.bright, "Winter launch");
    title_at(&cast.cedar, "Winter launch");
    let line = format!("event roster {}", cast.event);
    let roster = cast
        .acme
        .until(&line, SOON, |roster| rows(roster).iter().any(|row| row["status"] == "confirmed"));
    assert_eq!(rows(&roster).len(), rows(&before).len());
    let came =
        |roster: &Json| rows(roster).iter().filter(|row| row["status"] == "attended").count();
    assert_eq!((came(&roster), came(&before)), (2, 2));
    for org in cast.orgs() {
        org.settle();
    }
}

#[test]
fn waiting_tells_who_lacks_what_and_ends_when_it_has_arrived() {
    let acme = Org::running("Acme Motors");
    let mut bright = Org::running("Bright Agency");
    assert_eq!(acme.ok("wait synced --timeout 1s")["owed"], json!([]));
    super::node::pair(&acme, &bright);
    acme.settle();
    let event = acme.id_of("event create title=Launch");
    acme.ok(&format!("share open launch --event {event}"));
    acme.ok("--yes share grant launch bright-agency --kind event --fields title");
    acme.ok("wait synced --partner bright-agency --timeout 20s");
    bright.kill();
    acme.ok(&format!("event set {event} title=Later"));
    until("the connection is found dead", PATIENCE, || {
        let partner = acme.ok("partner show bright-agency");
        (partner["connected"] == false).then_some(())
    });
    for line in ["wait synced --timeout 200ms", "wait synced --partner bright --timeout 200ms"] {
        let line = line.replace("bright", "bright-agency");
        let (code, message) = acme.call(&line).refused(1);
        assert_eq!(
            (&*code, &*message),
            ("timed_out", "Bright Agency lacks 1 change and is not connected",)
        );
    }
    assert_eq!(acme.ok("status")["partners"][0]["unsent"], 1);
    // Nothing is owed to a partner that is paused.
    acme.ok("partner pause bright-agency");
    acme.ok("wait synced --timeout 1s");
    acme.ok("partner resume bright-agency");
    acme.call("wait synced --timeout 100ms").refused(1);
    bright.start();
    acme.settle();
    title_at(&bright, "Later");
    bright.settle();
}
