//! Measures writing the store anew while commits go on: how long it takes, and how long commits wait.
//! `cargo run --release -p entente-node --example store_rewrite -- DIR RECORDS`
#![allow(clippy::disallowed_methods, reason = "a measurement needs a clock")]

use std::error::Error;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use entente_node::store::{Engine, Step, open};
use entente_protocol::store::{Batch, Store};
use noise::noise;

mod noise;

/// A customer of 20 fields: rows in the book and in two compartments, its place in a share both
/// ways; and its part of a bundle in three logs.
const ROW_BYTES: [usize; 5] = [900, 500, 400, 120, 60];
const LEAF_BYTES: usize = 700;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let dir = PathBuf::from(args.next().ok_or("usage: store_rewrite DIR RECORDS")?);
    let records: u64 = args.next().ok_or("usage: store_rewrite DIR RECORDS")?.parse()?;
    let mut store = open(&dir, Engine::default())?;
    for first in (0..records).step_by(256) {
        let mut batch = Batch::default();
        for record in first..records.min(first + 256) {
            for (kind, bytes) in ROW_BYTES.into_iter().enumerate() {
                batch.put(key(kind as u8, record), noise(record, bytes));
            }
        }
        for log in 0..3 {
            batch.put(key(10 + log, first), noise(first, 256 * LEAF_BYTES));
        }
        store.commit(batch)?;
    }
    let alone = longest_commits(&mut store, 200)?;
    let rewriter = store.rewriter();
    let (started, mut steps, mut commits) = (Instant::now(), Vec::new(), Vec::new());
    let done = loop {
        let start = Instant::now();
        let step = rewriter.step()?;
        steps.push(start.elapsed());
        if let Step::Done(done) = step {
            break done;
        }
        commits.push(commit(&mut store, steps.len() as u64)?);
    };
    let took = started.elapsed();
    println!(
        "{records} records, {} entries: {:.1} s, {} commits meanwhile; {} MB before, {} MB after",
        done.entries,
        took.as_secs_f64(),
        commits.len(),
        done.bytes_before >> 20,
        done.bytes_after >> 20
    );
    for (what, all) in [("steps", steps), ("commits meanwhile", commits), ("commits alone", alone)]
    {
        println!("{what}: {}", summary(all));
    }
    if let Ok(status) = std::fs::read_to_string("/proc/self/status") {
        status.lines().filter(|l| l.starts_with("VmHWM")).for_each(|l| println!("{l}"));
    }
    Ok(())
}

fn longest_commits(store: &mut dyn Store, count: u64) -> Result<Vec<Duration>, Box<dyn Error>> {
    (0..count).map(|number| commit(store, number)).collect()
}

fn commit(store: &mut dyn Store, number: u64) -> Result<Duration, Box<dyn Error>> {
    let mut batch = Batch::default();
    for index in 0..8 {
        batch.put(key(20, number * 8 + index), noise(number, 300));
    }
    let start = Instant::now();
    store.commit(batch)?;
    Ok(start.elapsed())
}

fn summary(mut all: Vec<Duration>) -> String {
    all.sort_unstable();
    let at = |part: usize| all.get(all.len() * part / 100).map_or(0.0, |d| d.as_secs_f64() * 1e3);
    let longest = all.last().map_or(0.0, |d| d.as_secs_f64() * 1e3);
    format!("half within {:.1} ms, 99 % within {:.1} ms, longest {longest:.1} ms", at(50), at(99))
}

fn key(space: u8, number: u64) -> Vec<u8> {
    let spread = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    [&[space][..], &spread.to_be_bytes(), b"and more to be as long as a key"].concat()
}
