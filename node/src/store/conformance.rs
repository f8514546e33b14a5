//! What every store must do, run over each of them; then what only a store on disk can get wrong.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use entente_protocol::store::{Batch, Entry, MemoryStore, Store, StoreError};

use super::*;

pub(super) const SMALL: Engine = Engine::Sled { cache_bytes: 8 << 20 };

/// A directory that goes away with the test.
pub(super) struct Scratch(pub PathBuf);

impl Scratch {
    pub fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("entente-store-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&path);
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Runs a check over every store.
fn over_every_store(check: impl Fn(&mut dyn Store)) {
    check(&mut MemoryStore::default());
    let scratch = Scratch::new();
    let mut store = open(&scratch.0, SMALL).unwrap();
    check(&mut store);
    let report = verify(&store.reader()).unwrap();
    assert!(report.is_sound(), "{report:?}");
    over_a_store_behind(&check);
    let scratch = Scratch::new();
    let store = open(&scratch.0, SMALL).unwrap();
    let mut store = BeingRewritten { rewriter: store.rewriter(), store, rounds: 0 };
    check(&mut store);
    assert!(store.rounds > 0 || store.store.commits() < 9, "it was written anew meanwhile");
    let report = verify(&store.store.reader()).unwrap();
    assert!(report.is_sound(), "{report:?}");
}

/// As above, with a thread of its own for the commits.
fn over_a_store_behind(check: impl Fn(&mut dyn Store)) {
    let scratch = Scratch::new();
    let store = open(&scratch.0, SMALL).unwrap();
    let reader = store.reader();
    let (mut store, afterwards) = store.behind().unwrap();
    check(&mut store);
    afterwards.finish().unwrap();
    let report = verify(&reader).unwrap();
    assert!(report.is_sound(), "{report:?}");
}

/// A store that is written anew all the time, a step after every commit.
struct BeingRewritten {
    rewriter: Rewriter,
    store: SledStore,
    rounds: u64,
}

impl Store for BeingRewritten {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.store.get(key)
    }

    fn scan(&self, prefix: &[u8], after: &[u8], limit: usize) -> Result<Vec<Entry>, StoreError> {
        self.store.scan(prefix, after, limit)
    }

    fn commit(&mut self, batch: Batch) -> Result<(), StoreError> {
        self.store.commit(batch)?;
        for _ in 0..2 {
            match self.rewriter.step().unwrap() {
                Step::Copied | Step::Removing => {}
                Step::Done(_) => self.rounds += 1,
            }
        }
        Ok(())
    }
}

pub(super) fn put(store: &mut dyn Store, writes: &[(&[u8], Option<&[u8]>)]) {
    let writes = writes.iter().map(|(k, v)| (k.to_vec(), v.map(<[u8]>::to_vec))).collect();
    store.commit(Batch { writes, ..Batch::default() }).unwrap();
}

fn keys(entries: Vec<Entry>) -> Vec<Vec<u8>> {
    entries.into_iter().map(|(key, _)| key).collect()
}

pub(super) struct Rng(pub u64);

impl Rng {
    pub fn below(&mut self, n: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }

    /// Bytes that do not compress.
    pub fn noise(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.below(256) as u8).collect()
    }
}

#[test]
fn entries_come_in_key_order_and_only_under_the_prefix() {
    over_every_store(|store| {
        let all: [&[u8]; 9] =
            [b"", b"\0", b"a", b"a\0", b"ab", b"b", b"\xff", b"\xff\xff", b"\xff\xff\x01"];
        let writes: Vec<_> = all.iter().rev().map(|k| (*k, Some(*k))).collect();
        put(store, &writes);
        assert_eq!(keys(store.scan(b"", b"", 99).unwrap()), all);
        assert_eq!(keys(store.scan(b"a", b"", 99).unwrap()), all[2..5]);
        assert_eq!(keys(store.scan(b"\xff", b"", 99).unwrap()), all[6..]);
        assert_eq!(keys(store.scan(b"\xff\xff", b"", 99).unwrap()), all[7..]);
        assert_eq!(keys(store.scan(b"c", b"", 99).unwrap()), [b""; 0]);
        for (key, value) in store.scan(b"", b"", 99).unwrap() {
            assert_eq!(store.get(&key).unwrap(), Some(value));
        }
        assert_eq!(store.get(b"aa").unwrap(), None);
    });
}

#[test]
fn a_scan_goes_on_strictly_behind_after() {
    over_every_store(|store| {
        let writes: Vec<_> = [&b"a"[..], b"a1", b"a1\0", b"a2", b"b"].map(|k| (k, Some(k))).into();
        put(store, &writes);
        let scan = |after: &[u8], limit| keys(store.scan(b"a", after, limit).unwrap());
        assert_eq!(scan(b"", 2), [&b"a"[..], b"a1"]);
        assert_eq!(scan(b"a1", 2), [&b"a1\0"[..], b"a2"]);
        assert_eq!(scan(b"a1\0", 2), [b"a2"]);
        assert_eq!(scan(b"a15", 2), [b"a2"], "after need not be there");
        assert_eq!(scan(b"A", 1), [b"a"], "after below the prefix starts at the beginning");
        assert_eq!(scan(b"a2", 9), [b""; 0]);
        assert_eq!(scan(b"z", 9), [b""; 0]);
        assert_eq!(scan(b"", 0), [b""; 0]);
    });
}

#[test]
fn values_of_every_size_come_back_and_take_each_others_place() {
    let mut rng = Rng(4);
    let chunk = super::encoding::CHUNK_BYTES;
    let mut values = Vec::new();
    for len in [0, 1, 511, 512, chunk - 2, chunk - 1, chunk, 2 * chunk - 1, 180_000, 1 << 20] {
        values.push(rng.noise(len));
        values.push(vec![b'x'; len]);
    }
    over_every_store(|store| {
        put(store, &[(b"before", Some(b"1")), (b"z", Some(b"2"))]);
        for (n, value) in values.iter().enumerate() {
            let other = &values[(n * 7 + 3) % values.len()];
            put(store, &[(b"one", Some(value)), (b"two", Some(other))]);
            assert_eq!(store.get(b"one").unwrap().as_ref(), Some(value));
            assert_eq!(store.get(b"two").unwrap().as_ref(), Some(other));
            assert_eq!(store.scan(b"o", b"", 9).unwrap(), [(b"one".to_vec(), value.clone())]);
            assert_eq!(keys(store.scan(b"", b"", 9).unwrap()).len(), 4);
        }
        put(store, &[(b"one", None), (b"two", None), (b"never there", None)]);
        assert_eq!(keys(store.scan(b"", b"", 9).unwrap()), [&b"before"[..], b"z"]);
        put(store, &[]);
    });
}

#[test]
fn random_batches_leave_what_a_map_would_have() {
    over_every_store(|store| {
        let mut rng = Rng(11);
        let mut model = BTreeMap::new();
        for step in 0..400 {
            let mut batch = Batch::default();
            for _ in 0..rng.below(12) {
                let len = 1 + rng.below(3) as usize;
                let key: Vec<u8> =
                    (0..len).map(|_| [0, 1, 0x7f, 0xff][rng.below(4) as usize]).collect();
                match rng.below(8) {
                    0 | 1 => batch.remove(key),
                    2 => {
                        let len = rng.below(200_000) as usize;
                        batch.put(key, rng.noise(len));
                    }
                    3 => batch.put(key, vec![step as u8; rng.below(3_000) as usize]),
                    _ => batch.put(key, vec![step as u8; rng.below(40) as usize]),
                }
            }
            for (key, value) in &batch.writes {
                match value {
                    Some(value) => model.insert(key.clone(), value.clone()),
                    None => model.remove(key),
                };
            }
            store.commit(batch).unwrap();
            let expected = MemoryStore { entries: model };
            for (prefix, after) in [(&[][..], &[][..]), (&[0xff], &[]), (&[1], &[1, 0x7f])] {
                let limit = 1 + rng.below(30) as usize;
                assert_eq!(
                    store.scan(prefix, after, limit).unwrap(),
                    expected.scan(prefix, after, limit).unwrap()
                );
            }
            model = expected.entries;
        }
        assert_eq!(
            store.scan(&[], &[], usize::MAX).unwrap(),
            model.into_iter().collect::<Vec<_>>()
        );
    });
}

#[test]
fn what_was_committed_is_there_when_the_store_is_opened_again() {
    let scratch = Scratch::new();
    let mut rng = Rng(5);
    let mut model = MemoryStore::default();
    let mut id = None;
    for round in 0..4u8 {
        let mut store = open(&scratch.0, SMALL).unwrap();
        assert_eq!(*id.get_or_insert(store.id()), store.id());
        assert_eq!(store.scan(&[], &[], 9999).unwrap(), model.scan(&[], &[], 9999).unwrap());
        for n in 0..30u8 {
            let mut batch = Batch::default();
            batch.put([n], vec![round; 3]);
            batch.put([n, 1], rng.noise(100_000));
            batch.remove([n / 2, 1]);
            model.commit(batch.clone()).unwrap();
            store.commit(batch).unwrap();
        }
        assert!(verify(&store.reader()).unwrap().is_sound());
    }
}

#[test]
fn readers_see_whole_batches_while_commits_go_on() {
    let scratch = Scratch::new();
    let mut store = open(&scratch.0, SMALL).unwrap();
    let big = Rng(1).noise(150_000);
    let commit = |store: &mut SledStore, n: u64| {
        let mut batch = Batch::default();
        for key in 0..20u8 {
            batch.put([key], n.to_be_bytes());
        }
        batch.put([99], [&n.to_be_bytes()[..], &big].concat());
        store.commit(batch).unwrap();
    };
    commit(&mut store, 0);
    let done = AtomicBool::new(false);
    let reads = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            let reader = store.reader();
            scope.spawn(|| {
                let reader = reader;
                let mut last = 0;
                while !done.load(Ordering::Relaxed) {
                    let entries = reader.scan(&[], &[], 99).unwrap();
                    assert_eq!(entries.len(), 21);
                    let number = entries[0].1.clone();
                    assert!(entries.iter().all(|(_, value)| value.starts_with(&number)));
                    let number = u64::from_be_bytes(number.try_into().unwrap());
                    assert!(number >= last, "time goes forward");
                    last = number;
                    reads.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for n in 1..300 {
            commit(&mut store, n);
        }
        done.store(true, Ordering::Relaxed);
    });
    assert!(reads.load(Ordering::Relaxed) > 10, "readers got their turn");
    let mut batch = Batch::default();
    batch.remove([1]);
    let error = store.reader().commit(batch).unwrap_err();
    assert!(matches!(error, StoreError::Engine(_)));
}

#[test]
fn what_is_said_to_be_new_is_like_any_other_entry() {
    over_every_store(|store| {
        let long = Rng(3).noise(200_000);
        for value in [&b"first"[..], &long, b"last"] {
            let mut batch = Batch::default();
            for key in [b"a", b"b"] {
                batch.put(*key, value);
                if store.get(key).unwrap().is_none() {
                    batch.new.insert(key.to_vec());
                }
            }
            store.commit(batch).unwrap();
            assert_eq!(store.get(b"b").unwrap().as_deref(), Some(value));
            put(store, &[(b"a", None)]);
            assert_eq!(store.get(b"a").unwrap(), None);
        }
    });
}

#[test]
fn handles_go_to_other_threads() {
    fn is_shared<T: Send + Sync + 'static>() {}
    is_shared::<SledStore>();
    is_shared::<Reader>();
}

#[test]
fn a_batch_that_is_refused_changes_nothing_and_the_next_one_works() {
    let scratch = Scratch::new();
    let mut store = open(&scratch.0, SMALL).unwrap();
    for (key, value) in
        [(vec![1; MAX_KEY_BYTES + 1], vec![]), (vec![1], vec![0; MAX_VALUE_BYTES + 1])]
    {
        let mut batch = Batch::default();
        batch.put([0], [1]);
        batch.put(key, value);
        assert!(matches!(store.commit(batch), Err(StoreError::Engine(_))));
        assert_eq!(store.scan(&[], &[], 9).unwrap(), []);
    }
    let (key, value) = (vec![1; MAX_KEY_BYTES], Rng(3).noise(MAX_VALUE_BYTES));
    put(&mut store, &[(&key, Some(&value))]);
    assert_eq!(store.get(&key).unwrap(), Some(value));
    assert!(fs::read_dir(scratch.0.join("sled/blobs")).unwrap().next().is_none());
}

#[test]
fn pages_full_of_the_longest_keys_and_values_stay_in_the_log() {
    let scratch = Scratch::new();
    let mut store = open(&scratch.0, SMALL).unwrap();
    let mut rng = Rng(8);
    for round in 0..12u64 {
        let mut batch = Batch::default();
        for n in 0..40 {
            let mut key = vec![7; MAX_KEY_BYTES];
            key[MAX_KEY_BYTES - 8..].copy_from_slice(&(round + n * 12).to_be_bytes());
            batch.put(key, rng.noise(super::encoding::CHUNK_BYTES - 1));
        }
        store.commit(batch).unwrap();
    }
    let mut batch = Batch::default();
    for n in 0..4000u64 {
        let mut key = vec![9; MAX_KEY_BYTES];
        key[..8].copy_from_slice(&rng.below(u64::MAX).to_be_bytes());
        key[8..16].copy_from_slice(&n.to_be_bytes());
        batch.put(key, []);
    }
    store.commit(batch).unwrap();
    assert!(fs::read_dir(scratch.0.join("sled/blobs")).unwrap().next().is_none());
    assert!(verify(&store.reader()).unwrap().is_sound());
}

#[test]
fn a_second_opener_is_told_which_lock_is_held() {
    let scratch = Scratch::new();
    let store = open(&scratch.0, SMALL).unwrap();
    let reader = store.reader();
    for error in [open(&scratch.0, SMALL).err(), inspect(&scratch.0, SMALL).err()] {
        let Some(OpenError::Locked { lock }) = error else { panic!("{error:?}") };
        assert_eq!(lock, scratch.0.join("lock"));
    }
    drop(store);
    assert!(matches!(open(&scratch.0, SMALL), Err(OpenError::Locked { .. })), "a reader holds it");
    drop(reader);
    open(&scratch.0, SMALL).unwrap();
}

#[test]
fn a_crash_while_a_store_is_made_leaves_none_or_a_whole_one() {
    let scratch = Scratch::new();
    fs::create_dir_all(scratch.0.join("creating")).unwrap();
    fs::write(scratch.0.join("creating/db"), b"half").unwrap();
    let mut store = open(&scratch.0, SMALL).unwrap();
    put(&mut store, &[(b"k", Some(b"v"))]);
    let id = store.id();
    drop(store);
    fs::remove_file(scratch.0.join("sentinel")).unwrap();
    let store = open(&scratch.0, SMALL).unwrap();
    assert_eq!((store.id(), store.get(b"k").unwrap()), (id, Some(b"v".to_vec())));
    assert!(scratch.0.join("sentinel").exists());
}

/// A store with 101 entries, one of them overwritten by every commit; closed.
fn filled(scratch: &Scratch) {
    let mut store = open(&scratch.0, SMALL).unwrap();
    let mut rng = Rng(6);
    for n in 0..100u8 {
        put(&mut store, &[(&[n], Some(&rng.noise(1000 * usize::from(n)))), (b"last", Some(&[n]))]);
    }
}

fn damage_at(path: &Path) -> Damage {
    match open(path, SMALL).err() {
        Some(error @ OpenError::Damaged { damage, .. }) => {
            let text = error.to_string();
            for way_out in ["copy of the data directory", "store dump"] {
                assert!(text.contains(way_out), "{text}");
            }
            damage
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_store_that_lost_its_files_is_damaged_and_not_empty() {
    for gone in ["sled", "sled/db", "sled/conf"] {
        let scratch = Scratch::new();
        filled(&scratch);
        let path = scratch.0.join(gone);
        if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.unwrap();
        assert_eq!(damage_at(&scratch.0), Damage::FilesMissing, "{gone}");
        assert_eq!(damage_at(&scratch.0), Damage::FilesMissing, "{gone}, again");
    }
}

#[test]
fn a_store_whose_files_are_empty_older_or_of_another_store_is_damaged() {
    let scratch = Scratch::new();
    filled(&scratch);
    let db = scratch.0.join("sled/db");
    let whole = fs::read(&db).unwrap();
    for keep in [1, 30_000, 1 << 20, whole.len() / 2] {
        fs::write(&db, &whole[..keep]).unwrap();
        for file in fs::read_dir(scratch.0.join("sled")).unwrap().map(|f| f.unwrap().path()) {
            if file.to_string_lossy().contains("snap.") {
                fs::remove_file(file).unwrap();
            }
        }
        let damage = damage_at(&scratch.0);
        assert!(
            matches!(damage, Damage::WentBack { .. } | Damage::ManifestMissing | Damage::Corrupt),
            "{keep}: {damage:?}"
        );
    }

    let (scratch, other) = (Scratch::new(), Scratch::new());
    filled(&scratch);
    filled(&other);
    fs::remove_dir_all(scratch.0.join("sled")).unwrap();
    fs::rename(other.0.join("sled"), scratch.0.join("sled")).unwrap();
    assert_eq!(damage_at(&scratch.0), Damage::OtherStore);

    let sentinel = scratch.0.join("sentinel");
    fs::write(&sentinel, "entente store\nformat 1\nid 12\n").unwrap();
    assert_eq!(damage_at(&scratch.0), Damage::Sentinel);
    fs::write(&sentinel, "entente store\nformat 2\nsomething new\n").unwrap();
    assert!(matches!(open(&scratch.0, SMALL), Err(OpenError::NewerFormat { found: 2, .. })));
}

#[test]
fn a_block_of_the_file_that_went_bad_is_never_passed_over() {
    const ROUNDS: u32 = 24;
    let whole = Scratch::new();
    filled(&whole);
    let expected = open(&whole.0, SMALL).unwrap().scan(&[], &[], 999).unwrap();
    let (mut refused, mut unsound) = (0, 0);
    let mut rng = Rng(9);
    let size = fs::metadata(whole.0.join("sled/db")).unwrap().len();
    for _ in 0..ROUNDS {
        let scratch = Scratch::new();
        fs::create_dir_all(scratch.0.join("sled/blobs")).unwrap();
        for file in ["sentinel", "commits"] {
            fs::copy(whole.0.join(file), scratch.0.join(file)).unwrap();
        }
        for file in fs::read_dir(whole.0.join("sled")).unwrap().map(|f| f.unwrap().path()) {
            if file.is_file() {
                fs::copy(&file, scratch.0.join("sled").join(file.file_name().unwrap())).unwrap();
            }
        }
        let db = scratch.0.join("sled/db");
        let mut bytes = fs::read(&db).unwrap();
        let at = (rng.below(size) as usize).min(bytes.len() - 512);
        bytes[at..at + 512].copy_from_slice(&rng.noise(512));
        fs::write(&db, bytes).unwrap();
        let Ok(store) = open(&scratch.0, SMALL) else {
            refused += 1;
            continue;
        };
        if verify(&store.reader()).unwrap().is_sound() {
            assert_eq!(store.scan(&[], &[], 999).unwrap(), expected, "bad block at {at} of {size}");
        } else {
            unsound += 1;
        }
    }
    assert!(refused + unsound > 0, "no bad block hit anything");
    println!("{refused} refused, {unsound} unsound");
}

#[test]
fn verify_finds_what_is_wrong_and_repair_keeps_the_rest() {
    let scratch = Scratch::new();
    filled(&scratch);
    let reader = inspect(&scratch.0, SMALL).unwrap();
    let tree = reader.shared().tree();
    tree.insert([1, 3], vec![77, 1, 2]).unwrap();
    tree.insert([1, 200], vec![0, 1]).unwrap();
    let (chunk, _) = tree.scan_prefix([2]).next().unwrap().unwrap();
    tree.remove(&chunk).unwrap();
    tree.insert([&[2][..], &[9; 16]].concat(), vec![0]).unwrap();
    tree.insert([3, 1], vec![0]).unwrap();
    tree.flush().unwrap();
    let report = verify(&reader).unwrap();
    let has = |matching: fn(&Problem) -> bool| report.problems.iter().any(matching);
    assert!(has(|p| matches!(p, Problem::Entry { key, .. } if key == &[3])), "{report:?}");
    assert!(has(|p| matches!(p, Problem::Entry { what, .. } if what.contains("missing"))));
    assert!(has(|p| matches!(p, Problem::StrayChunk { .. })));
    assert!(has(|p| matches!(p, Problem::UnknownKey { .. })));
    assert!(has(|p| matches!(p, Problem::EntryCount { counted: 101, found: 102 })));
    assert_eq!(report.entries, 100);
    let old = tree.get([1, 1]).unwrap().unwrap();
    tree.remove([1, 200]).unwrap();
    tree.insert([1, 1], [&old[..], b"x"].concat()).unwrap();
    let report = verify(&reader).unwrap();
    assert!(report.problems.iter().any(|p| matches!(p, Problem::OtherEntries)), "{report:?}");
    tree.insert([1, 200], vec![0, 1]).unwrap();
    tree.flush().unwrap();
    drop((reader, tree));

    let before = open(&scratch.0, SMALL).unwrap().id();
    let repaired = repair(&scratch.0, SMALL).unwrap();
    assert_eq!((repaired.kept, repaired.problems.len()), (100, 2));
    assert!(repaired.old_files.join("db").exists());
    let store = open(&scratch.0, SMALL).unwrap();
    assert_ne!(store.id(), before, "partners must notice that this is another store");
    assert_eq!(store.scan(&[], &[], 999).unwrap().len(), 100);
    let report = verify(&store.reader()).unwrap();
    assert!(report.is_sound(), "{report:?}");
}
