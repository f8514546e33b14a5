//! Measuring the way to a partner: an answer is fresh, and where there is none the refusal says why.

use serde_json::Value as Json;

use super::node::{Org, PATIENCE, pair};

/// A call that is refused because of how the partner stands: its code and its hint.
fn refused(org: &Org, line: &str) -> (String, String) {
    let said = org.call(line);
    let hint = said.json()["error"]["hint"].as_str().expect("what to do").to_owned();
    (said.refused(1).0, hint)
}

#[test]
fn a_partner_that_answers_is_measured_and_one_that_does_not_is_told_with_what_to_do() {
    let (acme, mut bright) = (Org::running("Acme Motors"), Org::running("Bright Agency"));
    pair(&acme, &bright);
    let ping = acme.ok("partner ping bright-agency");
    assert_eq!(
        (&ping["org"], &ping["name"]),
        (&bright.id.as_str().into(), &"Bright Agency".into())
    );
    let took = ping["round_trip_ms"].as_f64().expect("a number");
    assert!(took > 0.0 && took < 5_000.0, "{ping}");
    let since = ping["connected_since"].as_str().expect("a time").to_owned();
    let again = bright.ok("partner ping acme-motors");
    assert_eq!(again["org"], *acme.id);
    let words = acme.table("partner ping bright-agency").out;
    assert!(
        words.starts_with("Bright Agency: ") && words.contains("ms, connected since"),
        "{words}"
    );

    // A node that stands still is connected for a while; what it answered before does not count.
    bright.signal("STOP");
    let (code, _) = refused(&acme, "partner ping bright-agency");
    bright.signal("CONT");
    assert_eq!(code, "no_answer");
    let connected = |partner: &Json| partner["connected"] == true;
    acme.until("partner show bright-agency", PATIENCE, connected);

    bright.kill();
    acme.until("partner show bright-agency", PATIENCE, |partner| !connected(partner));
    let (code, hint) = refused(&acme, "partner ping bright-agency");
    assert_eq!(code, "not_connected");
    assert!(hint.contains("entente partner show bright-agency"), "{hint}");
    bright.start();
    acme.until("partner show bright-agency", PATIENCE, connected);
    let new = acme.ok("partner ping bright-agency")["connected_since"].as_str().unwrap().to_owned();
    assert!(new > since, "another connection: {since} and {new}");

    acme.ok("partner pause bright-agency");
    let (code, hint) = refused(&acme, "partner ping bright-agency");
    assert_eq!(code, "paused");
    assert!(hint.contains("entente partner resume bright-agency"), "{hint}");
    assert_eq!(acme.call("partner ping nobody").refused(1).0, "not_found");
}
