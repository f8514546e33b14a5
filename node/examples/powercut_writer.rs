//! The program that `tests/powercut/run` cuts the power of: commits numbered batches and prints
//! each number once it is acknowledged; checks afterwards that what is there is what was acknowledged.
//!
//! `write DIR`, `check DIR ACKED`; the same with `rewrite-`, where the store is written anew all the
//! time, a step before every commit; and the same with `control-`, which uses the engine as it is
//! shipped and shows that the cuts do lose data where nothing is synced.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use entente_node::store::{Engine, open, verify};
use entente_protocol::store::{Batch, MemoryStore, Store};

/// How long a batch's own keys live, and how often a shared key is overwritten.
const LIFE: u64 = 40;
const SHARED_KEYS: u64 = 16;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let result = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["write", dir] => write(Path::new(dir), false),
        ["rewrite-write", dir] => write(Path::new(dir), true),
        ["rewrite-check", dir, acked] => check(Path::new(dir), acked.parse().unwrap_or(0)),
        ["check", dir, acked] => check(Path::new(dir), acked.parse().unwrap_or(0)),
        ["control-write", dir] => control_write(Path::new(dir)),
        ["control-check", dir, acked] => control_check(Path::new(dir), acked.parse().unwrap_or(0)),
        _ => Err("usage: [rewrite-|control-]write DIR | [rewrite-|control-]check DIR ACKED".into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            let mut cause = error.source();
            while let Some(error) = cause {
                eprintln!("  {error}");
                cause = error.source();
            }
            ExitCode::FAILURE
        }
    }
}

type Outcome = Result<(), Box<dyn Error>>;

fn acknowledge(number: u64) -> Outcome {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{number}")?;
    Ok(out.flush()?)
}

fn write(dir: &Path, anew: bool) -> Outcome {
    let store = open(dir, Engine::default())?;
    let rewriter = store.rewriter();
    let mut number = last(&store)?;
    let (mut store, afterwards) = store.behind()?;
    loop {
        if anew {
            rewriter.step()?;
        }
        number += 1;
        store.commit(batch(number))?;
        afterwards.then(move || {
            if acknowledge(number).is_err() {
                std::process::exit(1);
            }
        })?;
    }
}

fn check(dir: &Path, acked: u64) -> Outcome {
    let store = open(dir, Engine::default())?;
    let number = last(&store)?;
    if number < acked {
        return Err(format!("acknowledged up to {acked}, found up to {number}").into());
    }
    if number > acked + 1 {
        return Err(format!("{number} was never started: acknowledged up to {acked}").into());
    }
    let mut expected = MemoryStore::default();
    for number in number.saturating_sub(LIFE + SHARED_KEYS)..=number {
        if number > 0 {
            expected.commit(batch(number))?;
        }
    }
    let found: BTreeMap<_, _> = store.scan(&[], &[], usize::MAX)?.into_iter().collect();
    let name = |key: &[u8]| String::from_utf8_lossy(key).into_owned();
    for (key, value) in &expected.entries {
        match found.get(key) {
            None => return Err(format!("batch {number}: {} is missing", name(key)).into()),
            Some(f) if f != value => {
                return Err(format!("batch {number}: {} has another value", name(key)).into());
            }
            Some(_) => {}
        }
    }
    if let Some(key) = found.keys().find(|key| !expected.entries.contains_key(*key)) {
        return Err(format!("batch {number}: {} should be gone", name(key)).into());
    }
    let report = verify(&store.reader())?;
    if !report.is_sound() {
        return Err(format!("{report:?}").into());
    }
    println!("{number}");
    Ok(())
}

fn last(store: &dyn Store) -> Result<u64, Box<dyn Error>> {
    match store.get(b"last")? {
        Some(value) => Ok(std::str::from_utf8(&value)?.parse()?),
        None => Ok(0),
    }
}

/// The writes of a batch, from its number alone: keys of its own, a key that others overwrite, and
/// the end of a batch before it. Some batches are larger than two segments of the engine.
fn batch(number: u64) -> Batch {
    let mut batch = Batch::default();
    batch.put("last", number.to_string());
    for index in 0..own_keys(number) {
        batch.put(own_key(number, index), value(number, index));
    }
    batch.put(format!("shared/{:02}", number % SHARED_KEYS), value(number, 1000 + number % 3));
    if number > LIFE {
        for index in 0..own_keys(number - LIFE) {
            batch.remove(own_key(number - LIFE, index));
        }
    }
    batch
}

fn own_key(number: u64, index: u64) -> String {
    // Not in the order of writing, so that pages all over the tree are rewritten.
    format!("own/{:02}/{number}/{index}", number * 37 % 100)
}

fn own_keys(number: u64) -> u64 {
    if number.is_multiple_of(50) { 220 } else { 1 + number * 7 % 13 }
}

fn value(number: u64, index: u64) -> Vec<u8> {
    let len = [12, 20_000, 200_000][((number + index) % 3) as usize];
    let mut seed = number << 32 | index;
    let mut out = format!("{number}/{index} ").into_bytes();
    while out.len() < len {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        out.extend(seed.to_be_bytes().iter().take(4));
    }
    out
}

fn control_write(dir: &Path) -> Outcome {
    let tree = sled::Config::new().path(dir.join("control")).flush_every_ms(None).open()?;
    // Making the files does not count as lost data.
    for path in ["control/db", "control/conf", "control", "."] {
        File::open(dir.join(path))?.sync_all()?;
    }
    let mut number = control_last(&tree)?;
    loop {
        number += 1;
        tree.insert(b"last", &number.to_be_bytes())?;
        tree.insert(number.to_be_bytes(), value(number, 0))?;
        tree.flush()?;
        acknowledge(number)?;
    }
}

fn control_check(dir: &Path, acked: u64) -> Outcome {
    let tree = sled::Config::new().path(dir.join("control")).flush_every_ms(None).open()?;
    let number = control_last(&tree)?;
    if number < acked {
        return Err(format!("acknowledged up to {acked}, found up to {number}").into());
    }
    println!("{number}");
    Ok(())
}

fn control_last(tree: &sled::Db) -> Result<u64, Box<dyn Error>> {
    match tree.get(b"last")? {
        Some(value) => Ok(u64::from_be_bytes(value.as_ref().try_into()?)),
        None => Ok(0),
    }
}
