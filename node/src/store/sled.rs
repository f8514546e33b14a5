//! The store over sled 0.34: one tree, atomic batches, durable when `commit` returns.
//! Holds the settings and the order of calls that lose nothing in a power cut; change neither
//! without running `tests/powercut/run`.
//!
//! The tree: `0x00 name` what the store says of itself, `0x01 key` the entries, `0x02 id` chunks.

use std::collections::BTreeSet;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use ::sled::IVec;
use entente_protocol::store::{Batch, Entry, Store, StoreError};
use thiserror::Error;

use super::behind::{self, Afterwards, Behind};
use super::check::{CommitCounter, Manifest, Side, StoreId, fingerprint};
use super::encoding::{self, CHUNK_BYTES, Chunks, Encoder, Flaw, MAX_VALUE_BYTES};
use super::rewrite::{self, Copy, Removal, Rewriter};
use super::{DirectoryLock, OpenError, at};

/// The longest key that is taken. An inner page of the engine holds some 300 of them and must stay
/// below 2 MiB.
pub const MAX_KEY_BYTES: usize = 4 << 10;

pub(super) const MANIFEST_KEY: &[u8] = b"\0manifest";
/// Empty keys around the manifest fill its page and the pages beside it. Every commit writes the
/// manifest, and every tenth write rewrites its page: without them that page may hold a megabyte of
/// the first entries, which made 48 kB of log for a commit of 20 bytes.
pub(super) const FENCE_KEYS: std::ops::Range<u8> = 0..24;
pub(super) const OWN: u8 = 0;
pub(super) const ENTRY: u8 = 1;
pub(super) const CHUNK: u8 = 2;

/// Why this engine refused or gave up, where sled itself has no error for it.
#[derive(Debug, Error)]
pub enum SledError {
    /// A key is longer than [`MAX_KEY_BYTES`].
    #[error("a key of {0} bytes is too long")]
    KeyTooLong(usize),
    /// A value is longer than [`MAX_VALUE_BYTES`].
    #[error("a value of {0} bytes is too long")]
    ValueTooLong(usize),
    /// A reader does not write.
    #[error("this handle only reads")]
    ReadOnly,
    /// An earlier commit failed, so that memory and disk may differ.
    #[error("an earlier write failed; the node has to be started again")]
    FailedBefore,
    /// A copy of the store has other entries than the store.
    #[error("the copy is not what the store is; `entente store dump` shows what can be read")]
    UnlikeCopy,
    /// The engine panicked, which it does on some damaged files.
    #[error("the engine gave up")]
    Panicked,
}

/// The store of a node: the only handle that writes.
pub struct SledStore {
    shared: Arc<Shared>,
}

/// A handle that reads, for other threads. It sees whole batches, each only once it is durable,
/// and keeps the store open.
#[derive(Clone)]
pub struct Reader {
    shared: Arc<Shared>,
}

pub(super) struct Shared {
    state: RwLock<State>,
    /// The engine once more, for who writes and reads past a commit under way.
    own: RwLock<::sled::Db>,
    /// As in [`State`], for who reads past it.
    failed: AtomicBool,
    pub directory: PathBuf,
    pub cache_bytes: u64,
    /// What a new store took the place of, until it is gone.
    pub removal: Mutex<Option<Removal>>,
    // Dropped last: the directory is ours until the engine has let go.
    pub lock: Arc<DirectoryLock>,
}

/// Readers share it while they look; a commit has it alone until the batch is durable.
pub(super) struct State {
    pub live: Files,
    pub manifest: Manifest,
    counter: CommitCounter,
    encoder: Encoder,
    pub failed: bool,
    /// What is to take the place of `live`, while it is made.
    pub copy: Option<Copy>,
    /// The keys that commits have written since a backup began.
    watched: Option<BTreeSet<Vec<u8>>>,
}

/// While it lives, the keys that commits write are noted.
pub(super) struct Watch<'a> {
    shared: &'a Shared,
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        let _ = self.shared.alone(|state| {
            state.watched = None;
            Ok(())
        });
    }
}

/// An open engine and its file.
pub(super) struct Files {
    pub tree: ::sled::Db,
    /// The engine's file once more, to sync it: the engine's own flush stops short of that.
    file: File,
    pub side: Side,
}

impl Files {
    /// The files of an engine that is open.
    pub fn of(tree: ::sled::Db, side: Side, engine_directory: &Path) -> Result<Self, OpenError> {
        let path = engine_directory.join("db");
        let file = File::options().read(true).write(true).open(&path).map_err(at(&path))?;
        Ok(Self { tree, file, side })
    }

    /// Makes everything written so far durable.
    pub fn sync(&self) -> Result<(), StoreError> {
        self.tree.flush().map_err(engine)?;
        self.file.sync_data().map_err(engine)
    }
}

/// What a batch is in the engine: whole values by their keys there, none to remove one.
pub(super) type Writes = Vec<(IVec, Option<IVec>)>;

/// Opens the engine in its directory.
pub(super) fn open_engine(directory: &Path, cache_bytes: u64) -> Result<::sled::Db, OpenError> {
    // What an earlier handle of this process left behind lets go of the file a little later; no
    // other process can have it, as we hold the lock of the store.
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let config = ::sled::Config::new()
            .path(directory)
            .flush_every_ms(None)
            .segment_size(8 << 20)
            .cache_capacity(cache_bytes);
        let source: Box<dyn std::error::Error + Send + Sync> =
            match catch_unwind(AssertUnwindSafe(|| config.open())) {
                Ok(Ok(tree)) => return Ok(tree),
                Ok(Err(::sled::Error::Io(e)))
                    if e.to_string().contains("could not acquire lock")
                        && Instant::now() < deadline =>
                {
                    std::thread::sleep(Duration::from_millis(5));
                    continue;
                }
                Ok(Err(e)) => e.into(),
                Err(_) => SledError::Panicked.into(),
            };
        return Err(OpenError::Engine { path: directory.to_owned(), source });
    }
}

impl SledStore {
    pub(super) fn new(
        live: Files,
        manifest: Manifest,
        counter: CommitCounter,
        directory: &Path,
        cache_bytes: u64,
        lock: Arc<DirectoryLock>,
    ) -> Result<Self, OpenError> {
        let encoder = Encoder::new().map_err(at(directory))?;
        let state =
            State { live, manifest, counter, encoder, failed: false, copy: None, watched: None };
        let own = RwLock::new(state.live.tree.clone());
        let (state, failed) = (RwLock::new(state), AtomicBool::new(false));
        let directory = directory.to_owned();
        let removal = Mutex::default();
        let shared = Shared { state, own, failed, directory, cache_bytes, removal, lock };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Lets a thread of its own make batches durable from now on.
    pub fn behind(self) -> Result<(Behind, Afterwards), OpenError> {
        let directory = self.shared.directory.clone();
        behind::start(self.shared).map_err(at(&directory))
    }

    /// A handle that writes the store anew.
    pub fn rewriter(&self) -> Rewriter {
        Rewriter { shared: Arc::clone(&self.shared) }
    }

    /// A handle for another thread.
    pub fn reader(&self) -> Reader {
        Reader { shared: Arc::clone(&self.shared) }
    }

    /// How many commits the store has seen, the one that made it included.
    pub fn commits(&self) -> u64 {
        self.shared.manifest().commits
    }

    /// The identity it was given when it was made; a repair gives it a new one.
    pub fn id(&self) -> StoreId {
        self.shared.manifest().id
    }
}

impl Reader {
    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Notes which keys commits write, until what is given back is dropped; none if somebody does
    /// already.
    pub(super) fn watch(&self) -> Result<Option<Watch<'_>>, StoreError> {
        self.shared.alone(|state| {
            let free = state.watched.is_none();
            state.watched.get_or_insert_default();
            Ok(free.then_some(Watch { shared: &self.shared }))
        })
    }

    /// Tells of every key written since [`Reader::watch`] what it holds now; commits wait meanwhile.
    pub(super) fn changed_since(
        &self,
        mut each: impl FnMut(&[u8], Option<&[u8]>),
    ) -> Result<(), StoreError> {
        self.shared.alone(|state| {
            for key in state.watched.as_mut().map(std::mem::take).unwrap_or_default() {
                let tree = &state.live.tree;
                let stored = tree.get(entry_key(&key)).map_err(engine)?;
                let held = stored.map(|stored| value(tree, &key, &stored)).transpose()?;
                each(&key, held.as_deref());
            }
            Ok(())
        })
    }

    /// The bytes that the store takes on disk.
    pub fn size_bytes(&self) -> Result<u64, StoreError> {
        self.shared.read(|tree| tree.size_on_disk().map_err(engine))
    }
}

impl Store for SledStore {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.shared.get(key)
    }

    fn scan(&self, prefix: &[u8], after: &[u8], limit: usize) -> Result<Vec<Entry>, StoreError> {
        self.shared.scan(prefix, after, limit)
    }

    fn commit(&mut self, batch: Batch) -> Result<(), StoreError> {
        self.shared.commit(&batch)
    }
}

impl Store for Reader {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.shared.get(key)
    }

    fn scan(&self, prefix: &[u8], after: &[u8], limit: usize) -> Result<Vec<Entry>, StoreError> {
        self.shared.scan(prefix, after, limit)
    }

    /// Always an error: readers do not write.
    fn commit(&mut self, _: Batch) -> Result<(), StoreError> {
        Err(engine(SledError::ReadOnly))
    }
}

impl Shared {
    /// What the last commit said of the whole store.
    pub fn manifest(&self) -> Manifest {
        self.state.read().unwrap_or_else(PoisonError::into_inner).manifest
    }

    /// The engine, for as long as nobody commits or rewrites.
    pub fn tree(&self) -> ::sled::Db {
        self.state.read().unwrap_or_else(PoisonError::into_inner).live.tree.clone()
    }

    /// Runs a read while no commit is under way.
    pub fn read<T>(
        &self,
        read: impl FnOnce(&::sled::Db) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        if state.failed {
            return Err(engine(SledError::FailedBefore));
        }
        guarded(|| read(&state.live.tree))
    }

    /// Runs a change of the store that is alone with it.
    pub fn alone<T>(
        &self,
        change: impl FnOnce(&mut State) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if state.failed {
            return Err(engine(SledError::FailedBefore));
        }
        let changed = guarded(|| change(&mut state));
        self.failed.store(state.failed, Ordering::Relaxed);
        changed
    }

    /// Runs a read while commits may be under way: of what they write it sees any part.
    pub fn past<T>(
        &self,
        read: impl FnOnce(&::sled::Db) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        if self.failed.load(Ordering::Relaxed) {
            return Err(engine(SledError::FailedBefore));
        }
        let own = self.own.read().unwrap_or_else(PoisonError::into_inner);
        guarded(|| read(&own))
    }

    /// Puts other files in the place of those that are read and written, and gives those back.
    pub fn replace(&self, state: &mut State, files: Files) -> Files {
        *self.own.write().unwrap_or_else(PoisonError::into_inner) = files.tree.clone();
        std::mem::replace(&mut state.live, files)
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.read(|tree| get(tree, key))
    }

    fn scan(&self, prefix: &[u8], after: &[u8], limit: usize) -> Result<Vec<Entry>, StoreError> {
        self.read(|tree| scan(tree, (prefix, after, limit), |_| false))
    }

    /// Writes a batch; durable when it returns.
    pub fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        if batch.is_empty() {
            return Ok(());
        }
        refuse_oversized(batch)?;
        self.alone(|state| {
            if let Some(watched) = &mut state.watched {
                watched.extend(batch.writes.keys().cloned());
            }
            let (writes, manifest) = prepare(batch, state)?;
            let mut together = ::sled::Batch::default();
            for (key, value) in &writes {
                match value.clone() {
                    Some(value) => together.insert(key.clone(), value),
                    None => together.remove(key.clone()),
                }
            }
            together.insert(MANIFEST_KEY, manifest.encode());
            // From here on an error leaves open what is on disk; a sync that failed once says
            // nothing when it succeeds the next time. So nothing is read or written any more.
            state.failed = true;
            state.live.tree.apply_batch(together).map_err(engine)?;
            state.live.sync()?;
            state.failed = false;
            state.manifest = manifest;
            state.counter.note(manifest.commits);
            let_go(writes.len());
            rewrite::follow(state, &self.directory, &writes);
            Ok(())
        })
    }
}

/// Frees what so many writes replaced in the engine's memory. It does that by itself only while it
/// is read, and a node that takes in bulk what is new to it hardly reads.
fn let_go(writes: usize) {
    const FREED_AT_ONCE: usize = 64;
    // The first turns only end the times at which somebody could still be reading it.
    for _ in 0..4 + writes / FREED_AT_ONCE {
        ::sled::pin().flush();
    }
}

/// The value of an entry.
pub(super) fn get(tree: &::sled::Db, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
    match tree.get(entry_key(key)).map_err(engine)? {
        Some(stored) => value(tree, key, &stored).map(Some),
        None => Ok(None),
    }
}

/// The entries under a prefix, after a key. Of those that are `known` the value is not read.
pub(super) fn scan(
    tree: &::sled::Db,
    (prefix, after, limit): (&[u8], &[u8], usize),
    known: impl Fn(&[u8]) -> bool,
) -> Result<Vec<Entry>, StoreError> {
    let first = entry_key(prefix);
    let start = if !after.is_empty() && after >= prefix {
        let mut beyond = entry_key(after);
        beyond.push(0);
        beyond
    } else {
        first.clone()
    };
    let mut out = Vec::new();
    for entry in tree.range(start..).take(limit) {
        let (key, stored) = entry.map_err(engine)?;
        if !key.starts_with(&first) {
            break;
        }
        let key = &key[1..];
        let value = if known(key) { Vec::new() } else { value(tree, key, &stored)? };
        out.push((key.to_vec(), value));
    }
    Ok(out)
}

/// The value behind what is stored under an entry's key.
pub(super) fn value(tree: &::sled::Db, key: &[u8], stored: &[u8]) -> Result<Vec<u8>, StoreError> {
    let damaged = |flaw: Flaw| StoreError::Damaged { key: key.to_vec(), what: flaw.what() };
    let Some(chunks) = Chunks::of(stored).map_err(damaged)? else {
        return encoding::decode(stored).map_err(damaged);
    };
    let mut whole = Vec::with_capacity(chunks.bytes as usize);
    for index in 0..chunks.count {
        let chunk = tree.get(chunk_key(&chunks, index)).map_err(engine)?;
        whole.extend_from_slice(&chunk.ok_or_else(|| damaged(Flaw::MissingChunk))?);
    }
    if whole.len() != chunks.bytes as usize {
        return Err(damaged(Flaw::WrongLength));
    }
    encoding::decode(&whole).map_err(damaged)
}

/// The engine's writes for a batch: values encoded and cut, the chunks of what they replace
/// removed; and what the manifest says with them.
fn prepare(batch: &Batch, state: &mut State) -> Result<(Writes, Manifest), StoreError> {
    let mut manifest = state.manifest;
    manifest.commits += 1;
    let mut writes = Writes::new();
    let mut ordinal = 0;
    for (key, value) in &batch.writes {
        let new = batch.new.contains(key);
        let key = entry_key(key);
        let old = if new { None } else { state.live.tree.get(&key).map_err(engine)? };
        debug_assert!(!new || !state.live.tree.contains_key(&key).is_ok_and(|held| held));
        // A head that cannot be read is no reason to refuse what replaces it.
        let old_chunks = old.as_ref().and_then(|old| Chunks::of(old).ok().flatten());
        if let Some(chunks) = old_chunks {
            for index in 0..chunks.count {
                writes.push(((&chunk_key(&chunks, index)).into(), None));
            }
            manifest.chunks = manifest.chunks.saturating_sub(u64::from(chunks.count));
        }
        if let Some(old) = &old {
            manifest.entries = manifest.entries.saturating_sub(1);
            manifest.sum = manifest.sum.wrapping_sub(fingerprint(&key, old));
        }
        let Some(value) = value else {
            if old.is_some() {
                writes.push((key.into(), None));
            }
            continue;
        };
        manifest.entries += 1;
        let stored = state.encoder.encode(value);
        if stored.len() <= CHUNK_BYTES {
            manifest.sum = manifest.sum.wrapping_add(fingerprint(&key, &stored));
            writes.push((key.into(), Some(stored.into())));
            continue;
        }
        let pieces = stored.chunks(CHUNK_BYTES);
        let chunks = Chunks {
            commit: manifest.commits,
            ordinal,
            count: pieces.len() as u32,
            bytes: stored.len() as u32,
        };
        ordinal += 1;
        manifest.chunks += u64::from(chunks.count);
        for (index, piece) in pieces.enumerate() {
            writes.push(((&chunk_key(&chunks, index as u32)).into(), Some(piece.into())));
        }
        let head = chunks.head();
        manifest.sum = manifest.sum.wrapping_add(fingerprint(&key, &head));
        writes.push((key.into(), Some(head.into())));
    }
    Ok((writes, manifest))
}

fn refuse_oversized(batch: &Batch) -> Result<(), StoreError> {
    for (key, value) in &batch.writes {
        if key.len() > MAX_KEY_BYTES {
            return Err(engine(SledError::KeyTooLong(key.len())));
        }
        match value {
            Some(value) if value.len() > MAX_VALUE_BYTES => {
                return Err(engine(SledError::ValueTooLong(value.len())));
            }
            _ => {}
        }
    }
    Ok(())
}

fn entry_key(key: &[u8]) -> Vec<u8> {
    let mut full = Vec::with_capacity(2 + key.len());
    full.push(ENTRY);
    full.extend_from_slice(key);
    full
}

pub(super) fn chunk_key(chunks: &Chunks, index: u32) -> [u8; 17] {
    let mut key = [CHUNK; 17];
    key[1..].copy_from_slice(&chunks.key(index));
    key
}

/// The fences below and above the manifest that have a number.
pub(super) fn fence_keys(number: u8) -> [[u8; 3]; 2] {
    [[OWN, b'f', number], [OWN, b'n', number]]
}

pub(super) fn engine(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StoreError {
    StoreError::Engine(error.into())
}

/// Turns a panic of the engine, its answer to some kinds of damage, into an error.
pub(super) fn guarded<T>(run: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| Err(engine(SledError::Panicked)))
}
