//! Measures the store: large values as bundles have them, many small keys, single small commits.
//! `cargo run --release -p entente-node --example store_speed -- DIR [CACHE_MIB]`
#![allow(clippy::disallowed_methods, reason = "a measurement needs a clock")]

use std::error::Error;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use entente_node::store::{Engine, open};
use entente_protocol::store::{Batch, Store, for_each};
use noise::noise;

mod noise;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let dir = PathBuf::from(args.next().ok_or("usage: store_speed DIR [CACHE_MIB]")?);
    let cache_mib: u64 = args.next().map_or(Ok(64), |text| text.parse())?;
    let engine = Engine::Sled { cache_bytes: cache_mib << 20 };
    let mut store = open(&dir, engine)?;

    for round in 0..3u64 {
        let mut batch = Batch::default();
        let mut bytes = 0;
        for index in 0..256u64 {
            let value = noise(round << 32 | index, 180_000);
            bytes += value.len();
            batch.put(key(b'b', round << 32 | index), value);
        }
        let took = time(|| store.commit(batch))?;
        let rate = bytes as f64 / 1e6 / took.as_secs_f64();
        println!("256 values of 180 kB in one commit: {:.0} ms, {rate:.0} MB/s", ms(took));
    }
    for round in 0..3u64 {
        let mut batch = Batch::default();
        for index in 0..65_536u64 {
            let spread = (round << 32 | index).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            batch.put(key(b's', spread), noise(index, 120));
        }
        let took = time(|| store.commit(batch))?;
        println!(
            "65536 new small keys in one commit: {:.0} ms, {:.1} µs a key",
            ms(took),
            took.as_secs_f64() * 1e6 / 65_536.0
        );
    }
    let took = time(|| {
        for index in 0..64u64 {
            let mut batch = Batch::default();
            for small in 0..1024u64 {
                let spread = (99 << 40 | index << 20 | small).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                batch.put(key(b's', spread), noise(small, 120));
            }
            store.commit(batch)?;
        }
        Ok::<_, Box<dyn Error>>(())
    })?;
    println!("the same in 64 commits: {:.1} µs a key", took.as_secs_f64() * 1e6 / 65_536.0);
    let took = time(|| {
        for index in 0..1000u64 {
            let mut batch = Batch::default();
            batch.put(key(b'o', index), noise(index, 300));
            batch.put(key(b'h', 0), index.to_be_bytes());
            store.commit(batch)?;
        }
        Ok::<_, Box<dyn Error>>(())
    })?;
    println!("1000 commits of two small keys: {:.2} ms each", ms(took) / 1000.0);
    let took = time(|| {
        for index in 0..65_536u64 {
            let spread = (1 << 32 | index).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            store.get(&key(b's', spread))?.ok_or("missing")?;
        }
        Ok::<_, Box<dyn Error>>(())
    })?;
    println!("65536 gets of small keys: {:.1} µs each", took.as_secs_f64() * 1e6 / 65_536.0);
    let mut bytes = 0;
    let took = time(|| {
        for_each::<Box<dyn Error>>(&store, b"b", |_, value| {
            bytes += value.len();
            Ok(())
        })
    })?;
    println!("scan of the large values: {:.0} MB/s", bytes as f64 / 1e6 / took.as_secs_f64());
    println!("on disk: {} MB", store.reader().size_bytes()? / 1_000_000);
    if let Ok(status) = std::fs::read_to_string("/proc/self/status") {
        status.lines().filter(|l| l.starts_with("VmHWM")).for_each(|l| println!("{l}"));
    }
    drop(store);
    let took = time(|| open(&dir, engine).map(drop))?;
    println!("opening it again: {:.0} ms", ms(took));
    Ok(())
}

fn time<E>(run: impl FnOnce() -> Result<(), E>) -> Result<Duration, E> {
    let started = Instant::now();
    run()?;
    Ok(started.elapsed())
}

fn ms(took: Duration) -> f64 {
    took.as_secs_f64() * 1e3
}

fn key(space: u8, number: u64) -> Vec<u8> {
    [&[space][..], &number.to_be_bytes(), b"and more to be as long"].concat()
}
