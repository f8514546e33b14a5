//! The corpora of `fuzz/`: every seed goes through its target. `UPDATE=1` writes the seeds that
//! follow from the conformance vectors; others that fuzzing found lie beside them.
#![allow(
    clippy::disallowed_methods,
    reason = "a test reads and writes the files of the corpora; the protocol itself has none"
)]

use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use crate::codec;
use crate::statement::Statement;
use crate::world::Dice;

type Target = fn(&[u8]);

const TARGETS: [(&str, Target); 8] = [
    ("statement", super::statement),
    ("frame", super::frame),
    ("bundle", super::bundle),
    ("change", super::change),
    ("text", super::text),
    ("facet", super::facet),
    ("ingest", super::ingest),
    ("session", super::session),
];
/// Seeds of one target: few, so that everybody can keep them.
const SEEDS_MAX: usize = 200;
const SEED_BYTES_MAX: usize = 16 * 1024;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace").to_owned()
}

fn vectors(name: &str) -> Json {
    let path = root().join("tests/vectors").join(name);
    serde_json::from_slice(&std::fs::read(path).expect("vectors")).expect("JSON")
}

/// The bytes under this key in every row of a list.
fn bytes(rows: &Json, key: &str) -> Vec<Vec<u8>> {
    let rows = rows.as_array().expect("a list").iter();
    let texts = rows.filter_map(|row| row[key].as_str());
    texts.map(|text| data_encoding::HEXLOWER.decode(text.as_bytes()).expect("hex")).collect()
}

/// With the length before it, as [`super::bytes::Bytes::prefixed`] reads it.
fn prefixed(bytes: &[u8]) -> Vec<u8> {
    let len = (bytes.len() as u16).to_be_bytes();
    [&[255], &len[..], bytes].concat()
}

const TEXTS: [&str; 22] = [
    "2027-03-01T09:00:00+08:00",
    "2027-03-01",
    "12.50 CNY",
    r#"{"amount":"12.50","currency":"CNY"}"#,
    "vip; segment:press",
    "+86 139 0000 0001, +49 30 123456",
    "lin@example.com",
    "ja",
    "-41",
    "zh-CN",
    "https://example.com/a?b=c",
    r#"{"b":[1,2.50,1e3,"\u00e9"],"a":null}"#,
    "[\"a\",\"b\"]",
    "Europe/Berlin",
    "name=Lin, tags!=vip, notes~x",
    "evt_baeaqcaibaeaqcaibaeaqcaiba",
    "org_ebk4mmhvxoehywoqm4xnkw6xopfolaghszsochk65zbdp7",
    "会议；客户，北京",
    "true",
    "at=2027-03-01 channel=email basis=contract",
    r#"[{"street":"A","city":"B","country":"DE"}]"#,
    "0.1234",
];

/// The seeds that are made here.
fn made(target: &str) -> Vec<Vec<u8>> {
    let statements = bytes(&vectors("statements.json")["statements"], "bytes");
    let bodies: Vec<Vec<u8>> = statements
        .iter()
        .map(|bytes| codec::to_bytes(Statement::open(bytes).expect("a statement").body()))
        .collect();
    let changes = bytes(&vectors("facets.json")["cases"], "first_change");
    let bare: Vec<Vec<u8>> = changes.iter().map(|change| change[11..].to_vec()).collect();
    let frames = bytes(&vectors("frames.json")["frames"], "bytes");
    let bundles = bytes(&vectors("bundles.json")["bundles"], "bytes");
    let mut dice = Dice::new(target.len() as u64);
    let mut noise = |len: usize| (0..len).flat_map(|_| dice.bytes()).collect::<Vec<u8>>();
    match target {
        "statement" => [statements, bodies].concat(),
        "frame" => [frames, bytes(&vectors("transcript.json")["frames"], "bytes")].concat(),
        "bundle" => bundles,
        "change" => [changes, bare, bytes(&vectors("facets.json")["refused"], "bytes")].concat(),
        "text" => {
            let line =
                vectors("transcript.json")["invite_line"].as_str().expect("a line").to_owned();
            let texts = TEXTS.iter().copied().chain([line.as_str()]).enumerate();
            texts.map(|(n, text)| [&[n as u8, n as u8], text.as_bytes()].concat()).collect()
        }
        "facet" => (1..24).map(|n| noise(n % 12 + 2)).collect(),
        "ingest" => {
            let framed = bare.iter().map(|body| [&[1, 0, 0], &prefixed(body)[..]].concat());
            (1..24).map(|n| noise(n % 8 + 1)).chain(framed).collect()
        }
        "session" => {
            let frames = frames.iter().map(|frame| [&[0, 0], &prefixed(frame)[..]].concat());
            let said = bodies.iter().map(|body| [&[0, 2, 1, 0], &prefixed(body)[..]].concat());
            frames.chain(said).chain((1..12).map(noise)).collect()
        }
        other => unreachable!("{other}"),
    }
}

fn corpus(target: &str) -> PathBuf {
    root().join("fuzz/corpus").join(target)
}

#[test]
fn every_seed_of_the_fuzzers_keeps_what_its_target_promises() {
    for (name, target) in TARGETS {
        if std::env::var_os("UPDATE").is_some() {
            std::fs::create_dir_all(corpus(name)).expect("a directory");
            for (n, seed) in made(name).iter().enumerate() {
                std::fs::write(corpus(name).join(format!("made-{n:02}")), seed).expect("a seed");
            }
        }
        let entries =
            std::fs::read_dir(corpus(name)).expect("a corpus").map(|entry| entry.unwrap());
        let mut seeds: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        seeds.sort();
        assert!(seeds.len() >= 3 && seeds.len() <= SEEDS_MAX, "{name}: {}", seeds.len());
        for path in seeds {
            let seed = std::fs::read(&path).expect("a seed");
            assert!(seed.len() <= SEED_BYTES_MAX, "{}", path.display());
            println!("{}", path.display());
            target(&seed);
        }
    }
}
