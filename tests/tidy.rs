//! Keeps the map true: what ARCHITECTURE.md and docs/protocol.md name exists, sources begin with
//! their purpose and stay short. Reads files only; knows no code.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Lines before the tests above which a file is named in the output, and above which it fails.
const LINES_WARN: usize = 400;
const LINES_MAX: usize = 650;
const LIB_LINES_MAX: usize = 150;
const MAIN_LINES_MAX: usize = 40;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace").to_owned()
}

fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every Rust file, with its path from the root.
fn sources() -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut open: Vec<PathBuf> = ["protocol/src", "node/src", "node/examples", "cli/src", "tests"]
        .map(|directory| root().join(directory))
        .into();
    while let Some(directory) = open.pop() {
        let Ok(entries) = fs::read_dir(&directory) else { continue };
        for path in entries.map(|entry| entry.expect("a readable directory").path()) {
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root()).expect("below the root").display().to_string();
                found.push((name, fs::read_to_string(&path).expect("UTF-8")));
            }
        }
    }
    found.sort();
    assert!(found.len() > 100, "the sources were found");
    found
}

/// Everything between single backticks, code blocks aside.
fn quoted(markdown: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut in_block = false;
    for line in markdown.lines() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        } else if !in_block {
            found.extend(line.split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    found
}

fn missing(what: &str, names: impl Iterator<Item = String>) {
    let names: Vec<String> = names.collect();
    assert!(names.is_empty(), "{what}: {names:#?}");
}

#[test]
fn every_source_begins_with_its_purpose_and_stays_short() {
    let all = sources();
    let bare = all.iter().filter(|(_, text)| !text.starts_with("//! "));
    missing("files that do not begin with `//!`", bare.map(|(name, _)| name.clone()));
    let mut long = Vec::new();
    for (name, text) in all.iter().filter(|(name, _)| !name.contains("tests")) {
        let code = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        let lines = code.lines().count();
        let max = match Path::new(name).file_name().and_then(|name| name.to_str()) {
            Some("lib.rs") => LIB_LINES_MAX,
            Some("main.rs") => MAIN_LINES_MAX,
            Some(_) | None => LINES_MAX,
        };
        if lines > max {
            long.push(format!("{name}: {lines} lines, at most {max}"));
        } else if lines > LINES_WARN {
            println!("{name}: {lines} lines, better at most {LINES_WARN}");
        }
    }
    missing("files that are too long", long.into_iter());
}

#[test]
fn every_path_that_the_map_names_exists_and_every_module_is_on_it() {
    let map = quoted(&text("ARCHITECTURE.md"));
    let is_path = |name: &&String| {
        let word = name.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
        word && (name.contains('/') || name.ends_with(".toml")) && !name.starts_with('/')
    };
    // `grant/` in the row of `protocol/src/grant.rs` is the directory beside it.
    let crates = ["", "protocol/src", "node/src", "cli/src"];
    let exists = |name: &&String| crates.iter().any(|at| root().join(at).join(name).exists());
    missing("paths that do not exist", map.iter().filter(is_path).filter(|n| !exists(n)).cloned());
    let modules = sources().into_iter().map(|(name, _)| name).filter(|name| {
        ["protocol/src/", "node/src/"]
            .iter()
            .any(|at| name.strip_prefix(at).is_some_and(|rest| !rest.contains('/')))
    });
    missing("modules that are not on the map", modules.filter(|name| !map.contains(name)));
}

#[test]
fn every_test_that_an_invariant_names_exists() {
    let architecture = text("ARCHITECTURE.md");
    let section = architecture.split("\n## ").find(|part| part.starts_with("Invariants"));
    let section = section.expect("a section on invariants");
    for number in 1..=9 {
        assert!(section.contains(&format!("\n| I{number} |")), "I{number} is in the table");
    }
    let all: String = sources().into_iter().map(|(_, text)| text).collect();
    // The threat model names tests as well, beside codes, which are short.
    let threats = quoted(&text("docs/threat-model.md")).into_iter();
    let threats = threats.filter(|name| name.matches('_').count() >= 3);
    let tests = quoted(section).into_iter().chain(threats).filter(|name| {
        name.contains('_')
            && name.chars().all(|c| c.is_ascii_lowercase() || "_0123456789".contains(c))
    });
    missing("tests that do not exist", tests.filter(|n| !all.contains(&format!("fn {n}("))));
}

/// The names of an enum's variants, one indentation deep.
fn variants(path: &str, name: &str) -> Vec<String> {
    let source = text(path);
    let body = source.split(&format!("enum {name} {{\n")).nth(1).expect("the enum");
    let body = body.split("\n}").next().expect("its end");
    let is_variant = |line: &&str| {
        line.strip_prefix("    ").is_some_and(|rest| rest.starts_with(|c: char| c.is_uppercase()))
    };
    let names = body.lines().filter(is_variant);
    names.map(|line| line.trim().trim_end_matches([' ', '{', ',', '(']).to_owned()).collect()
}

#[test]
fn the_protocol_document_names_every_statement_frame_and_reason() {
    let document = text("docs/protocol.md");
    let rows = |name: &String| document.contains(&format!("| {name} |"));
    let mut all = variants("protocol/src/statement.rs", "Body");
    all.extend(variants("protocol/src/message.rs", "Frame"));
    assert!(all.len() >= 29, "the variants were found: {all:?}");
    missing("without a row in docs/protocol.md", all.into_iter().filter(|name| !rows(name)));
    let reasons = text("protocol/src/change/inert.rs");
    let codes = reasons.lines().filter_map(|line| line.split("=> \"").nth(1)?.split('"').next());
    let codes = codes.chain(["gap", "cut", "erasure_unknown", "not_permitted"]);
    let named = quoted(&document);
    missing(
        "codes that docs/protocol.md does not name",
        codes.filter(|code| !named.contains(*code)).map(str::to_owned),
    );
}

/// Where a code stands beside the variant that bears it.
const CODED: [&str; 5] = ["refusal.rs", "gate.rs", "hear.rs", "grant/error.rs", "change/inert.rs"];

/// Every code of a refusal in a piece of the protocol, with how a test may name it instead.
fn codes(source: &str, beside_variants: bool) -> Vec<(String, Vec<String>)> {
    let mut found = Vec::new();
    let mut variants: Vec<String> = Vec::new();
    let quoted = |rest: &str| rest.split('"').next().unwrap_or_default().to_owned();
    for line in source.lines() {
        for told in ["refuse(conn, \"", "Hold::Waiting(\"", "Hold::Refused(\"", "code: \""] {
            found.extend(line.split(told).nth(1).map(|rest| (quoted(rest), Vec::new())));
        }
        let words = line.split(|c: char| !c.is_ascii_alphanumeric() && c != ':');
        variants.extend(words.filter(|word| word.contains("::")).map(str::to_owned));
        let alone = line.trim().strip_prefix('"').filter(|rest| rest.ends_with('"'));
        let code = line.split("=> \"").nth(1).or(alone).map(quoted);
        if let Some(code) = code.filter(|code| beside_variants && !code.contains(' ')) {
            found.push((code, std::mem::take(&mut variants)));
        } else if line.ends_with('}') {
            variants.clear();
        }
    }
    found
}

#[test]
fn every_reason_to_refuse_is_reached_by_a_test() {
    let mut tests = String::new();
    let mut wanted = Vec::new();
    for (name, text) in sources() {
        let own = name.starts_with("tests/") || name.ends_with("/tests.rs");
        let (code, test) = text.split_once("\n#[cfg(test)]\nmod tests {").unwrap_or((&text, ""));
        tests += if own { &text } else { test };
        if let Some(path) = name.strip_prefix("protocol/src/").filter(|_| !own) {
            wanted.extend(codes(code, CODED.contains(&path)));
        }
    }
    for file in fs::read_dir(root().join("tests/vectors")).expect("vectors") {
        tests += &fs::read_to_string(file.expect("readable").path()).unwrap_or_default();
    }
    assert!(wanted.len() > 120, "the codes were found: {}", wanted.len());
    let named = |(code, variants): &(String, Vec<String>)| {
        tests.contains(&format!("\"{code}\""))
            || variants.iter().any(|variant| tests.contains(variant.as_str()))
    };
    let unnamed = wanted.iter().filter(|code| !named(code)).map(|(code, _)| code.clone());
    missing("refusals that no test names", unnamed);
}

#[test]
fn links_between_documents_lead_somewhere() {
    let documents =
        ["README.md", "README.zh.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md"];
    let mut broken = Vec::new();
    for document in documents.map(str::to_owned).into_iter().chain(docs()) {
        let text = text(&document);
        let directory = Path::new(&document).parent().expect("a directory").to_owned();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = link.split('#').next().unwrap_or_default();
            let outside = link.contains("://") || path.is_empty();
            if !outside && !root().join(&directory).join(path).exists() {
                broken.push(format!("{document}: {link}"));
            }
        }
        let paths = quoted(&text).into_iter().filter(|name| name.starts_with("docs/"));
        broken.extend(paths.filter(|name| !root().join(name).exists()));
    }
    missing("links that lead nowhere", broken.into_iter());
}

fn docs() -> impl Iterator<Item = String> {
    let entries = fs::read_dir(root().join("docs")).expect("docs");
    let names = entries.map(|entry| entry.expect("readable").file_name());
    let names = names.filter_map(|name| name.into_string().ok());
    names.filter(|name| name.ends_with(".md")).map(|name| format!("docs/{name}"))
}
