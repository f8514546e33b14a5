//! No company holds, in its store or in any file, a value that was not granted to it; and nothing
//! of what a node logs gives a value, a token or an invite away.

use std::fs;
use std::path::Path;

use super::cast::Cast;
use super::node::Org;

/// A company's store, decompressed.
pub fn dump(org: &Org) -> String {
    let dump = org.table("store dump");
    assert_eq!(dump.exit, 0, "{}", dump.err);
    assert!(dump.out.lines().count() > 30, "a store of something");
    dump.out
}

/// Files under a path that contain a text, as it is or in hexadecimal digits.
pub fn found(path: &Path, texts: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(self::found(&path, texts));
            continue;
        }
        let content = fs::read(&path).unwrap();
        for text in texts.iter().filter(|text| contains(&content, text.as_bytes())) {
            found.push(format!("{text} in {}", path.display()));
        }
    }
    found
}

fn contains(content: &[u8], text: &[u8]) -> bool {
    let (first, rest) = text.split_first().expect("something to look for");
    let mut from = content;
    while let Some(at) = from.iter().position(|byte| byte == first) {
        from = &from[at + 1..];
        if from.starts_with(rest) {
            return true;
        }
    }
    false
}

#[test]
fn no_company_holds_a_value_that_was_not_granted_to_it() {
    let mut cast = Cast::new();
    cast.bring_guests();
    // A name that a company gives its partner is its own affair.
    cast.acme.ok("partner alias bright-agency aliasqzvx");
    for org in cast.orgs() {
        org.settle();
    }
    cast.gather();
    let dumps = cast.orgs().map(|org| (org, dump(org)));
    let mut absent = Vec::new();
    for token in &cast.tokens {
        for (org, dump) in &dumps {
            let may = token.holders.contains(&org.name[..1]);
            assert_eq!(
                dump.contains(&token.text),
                may,
                "{} and {}, who {} have it",
                token.text,
                org.name,
                if may { "should" } else { "must not" }
            );
            if !may {
                absent.push((*org, token.text.as_str()));
            }
        }
    }
    assert!(absent.len() > 30);
    for (org, dump) in &dumps {
        assert_eq!(dump.contains("aliasqzvx"), org.name == "Acme Motors");
    }
    for org in cast.orgs() {
        let mut texts: Vec<&str> =
            absent.iter().filter(|(of, _)| of.id == org.id).map(|(_, text)| *text).collect();
        if org.name != "Acme Motors" {
            texts.push("aliasqzvx");
        }
        assert_eq!(found(org.files(), &texts), Vec::<String>::new(), "{}", org.name);
    }
    // The search would have found something: the file that Cedar imported lies with its files.
    assert!(!found(cast.cedar.files(), &["stayqzvx"]).is_empty());
    nothing_is_given_away_by_the_logs(&mut cast);
}

/// The logs of the nodes are those of the most talkative setting.
fn nothing_is_given_away_by_the_logs(cast: &mut Cast) {
    let invite = cast.acme.ok("partner invite")["invite"].as_str().unwrap().to_owned();
    for org in [&mut cast.acme, &mut cast.bright, &mut cast.cedar] {
        org.signal("TERM");
        assert_eq!(org.wait(super::node::PATIENCE), 0);
        let log = org.log();
        assert!(!log.is_empty(), "a log of something");
        let token = fs::read_to_string(org.data().join("api.token")).unwrap();
        for secret in [token.trim(), &invite, "entente1", "qzvx", "138007", "Spring launch"] {
            assert!(!log.contains(secret), "`{secret}` in the log of {}", org.name);
        }
    }
}
