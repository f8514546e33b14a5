//! The door of a node: who gets in, with which invite, and that strangers and noise disturb nobody.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::json;

use super::cast::{launch, offer, sharing};
use super::node::{Org, PATIENCE, len, pair, until};

fn invite(org: &Org, options: &str) -> String {
    let invite = org.ok(&format!("partner invite {options}"));
    invite["invite"].as_str().unwrap().to_owned()
}

/// Asserts that an invite gets nobody in.
fn rejected(newcomer: &Org, inviter: &Org, invite: &str) -> String {
    let said = newcomer.call(&format!("partner accept {invite}"));
    let (code, message) = said.refused(1);
    assert_eq!(code, "invite", "{said:#?}");
    let paired = |org: &Org, other: &Org| {
        let list = org.ok("partner list");
        list.as_array().unwrap().iter().any(|one| one["org"] == *other.id)
    };
    assert!(!paired(inviter, newcomer) && !paired(newcomer, inviter), "{said:#?}");
    message
}

#[test]
fn an_invite_works_once_until_it_expires_and_only_unchanged() {
    let acme = Org::running("Acme Motors");
    let bright = Org::running("Bright Agency");
    let cedar = Org::running("Cedar Consulting");
    let line = invite(&acme, "");
    // Guessed: another secret in an invite that exists. The middle of a line is the secret.
    let mut guessed = line.clone().into_bytes();
    let at = guessed.len() - 40;
    guessed[at] = if guessed[at] == b'a' { b'b' } else { b'a' };
    rejected(&cedar, &acme, &String::from_utf8(guessed).unwrap());
    rejected(&cedar, &acme, &line[..line.len() - 4]);
    let expired = invite(&acme, "--expires 0s");
    assert!(rejected(&cedar, &acme, &expired).contains("it has expired"));
    assert_eq!(bright.ok(&format!("partner accept {line}"))["partner"]["org"], *acme.id);
    assert!(rejected(&cedar, &acme, &line).contains("it was used"));
    // Nor can one's own be accepted.
    assert_eq!(acme.call(&format!("partner accept {}", invite(&acme, ""))).refused(1).0, "oneself");
    // Those who are in are still served.
    launch(&acme, &bright, "title");
    assert_eq!(cedar.ok("event list"), json!([]));
    // A stranger that was turned away may come with a good one.
    cedar.ok(&format!("partner accept {}", invite(&acme, "")));
}

#[test]
fn nothing_is_exchanged_before_a_pairing_is_confirmed_where_that_was_asked_for() {
    let (acme, bright) = (Org::running("Acme Motors"), Org::running("Bright Agency"));
    let line = invite(&acme, "--confirm-first");
    let accepted = bright.ok(&format!("partner accept {line}"));
    let pending = acme.ok("partner show bright-agency");
    assert_eq!((&pending["state"], &pending["code"]), (&"pending".into(), &accepted["code"]));
    offer(&acme, "title");
    acme.call("wait synced --partner bright-agency --timeout 500ms").refused(1);
    // Pausing and resuming is no way around the confirmation.
    for verb in ["pause", "resume"] {
        let shown = acme.ok(&format!("partner {verb} bright-agency"));
        assert_eq!(shown["state"], "pending", "{verb}");
    }
    assert_eq!(bright.ok("event list"), json!([]));
    assert_eq!(bright.ok("share list"), json!([]));
    let confirmed = acme.ok("partner confirm bright-agency");
    assert_eq!((&confirmed["state"], &confirmed["confirmed"]), (&"paired".into(), &true.into()));
    bright.until("event list", PATIENCE, |list| len(list) == 1);
    acme.settle();
}

#[test]
fn a_paused_partner_gets_nothing_until_it_is_resumed() {
    let (acme, bright, event) = sharing();
    assert_eq!(acme.ok("partner pause bright-agency")["state"], "paused");
    acme.ok(&format!("event set {event} title=Later"));
    until("the connection is closed", PATIENCE, || {
        (acme.ok("partner show bright-agency")["connected"] == false).then_some(())
    });
    acme.ok("wait synced --timeout 2s");
    assert_eq!(bright.ok("event list")[0]["fields"]["title"], "Launch");
    assert_eq!(acme.ok("partner resume bright-agency")["state"], "paired");
    bright.until("event list", PATIENCE, |list| list[0]["fields"]["title"] == "Later");
}

#[test]
fn a_removed_partner_is_none_until_it_is_resumed() {
    let (acme, bright, _) = sharing();
    acme.ok("--yes partner remove bright-agency");
    bright.until("event list", PATIENCE, |list| len(list) == 0);
    assert_eq!(acme.ok("partner show bright-agency")["state"], "removed");
    assert!(acme.table("partner list").out.contains("no partner any more"));
    let grant = "--yes share grant launch bright-agency --kind event --fields title";
    for line in ["partner pause bright-agency", "partner confirm bright-agency", grant] {
        assert_eq!(acme.call(line).refused(1).0, "not_partner", "{line}");
    }
    assert_eq!(acme.ok("partner show bright-agency")["state"], "removed");
    assert_eq!(acme.ok("partner resume bright-agency")["state"], "paired");
    assert_eq!(bright.ok("event list"), json!([]), "what was revoked stays revoked");
    acme.ok(grant);
    bright.until("event list", PATIENCE, |list| len(list) == 1);
}

#[test]
fn noise_on_the_port_is_dropped_while_partners_are_served() {
    let (acme, bright, event) = sharing();
    let port = acme.port();
    let noises: [Vec<u8>; 5] = [
        Vec::new(),
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(),
        vec![0xff; 100_000],
        // Begins as it should, and goes on with nonsense.
        b"\x13/multistream/1.0.0\n\x07/noise\n\xff\xff\xff\xff".to_vec(),
        b"\x13/multistream/1.0.0\n\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff".to_vec(),
    ];
    let mut quiet = Vec::new();
    for noise in noises.iter().cycle().take(60) {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        // It may have hung up before all of it was said.
        let _ = stream.write_all(noise);
        quiet.push((stream, noise.is_empty()));
    }
    // While they are there, a partner is served.
    acme.ok(&format!("event set {event} title=Later"));
    bright.until("event list", Duration::from_secs(10), |list| {
        len(list) == 1 && list[0]["fields"]["title"] == "Later"
    });
    for (mut stream, _) in quiet {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut heard = Vec::new();
        match stream.read_to_end(&mut heard) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
        }
    }
    assert_eq!(len(&acme.ok("status")["partners"]), 1);
    acme.settle();
}

#[test]
fn who_was_removed_is_a_partner_again_by_a_new_invite_from_either_side() {
    let (acme, bright) = (Org::running("Acme Motors"), Org::running("Bright Agency"));
    pair(&acme, &bright);
    for (inviter, newcomer) in [(&acme, &bright), (&bright, &acme)] {
        acme.ok("--yes partner remove bright-agency");
        let line = invite(inviter, "");
        newcomer.ok(&format!("partner accept {line}"));
        for (org, other) in [(&acme, &bright), (&bright, &acme)] {
            let partner = org.ok(&format!("partner show {}", other.alias()));
            assert_eq!(partner["state"], "paired", "{partner:#?}");
        }
    }
    launch(&acme, &bright, "title");
}
