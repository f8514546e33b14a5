//! Writing the store anew, so that erased and overwritten bytes are gone from its files: the
//! entries are copied into a fresh engine beside the old one, a part at a time, while commits go on
//! and reach both; then the sentinel names the new one and the old one is removed.
//!
//! At any moment one complete store exists, and the sentinel says which: the copy gets its manifest
//! last, the sentinel changes in one rename, and what it does not name is removed at the next open.

use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;

use entente_protocol::store::StoreError;
use thiserror::Error;

use super::OpenError;
use super::check::{self, Manifest, Sentinel, fingerprint};
use super::sled::{
    CHUNK, ENTRY, Files, MANIFEST_KEY, OWN, Shared, SledError, State, Writes, engine,
};

/// What one step copies at most: bounds how long commits and readers wait for it. Steps are small
/// in tests, so that commits come between them.
const STEP_ENTRIES: usize = if cfg!(test) { 3 } else { 1024 };
const STEP_BYTES: usize = 1 << 20;
/// The copy is made durable as it grows, so that the last step has little left to wait for.
const SYNC_BYTES: usize = 8 << 20;

/// Why a store was not written anew; it is as it was.
#[derive(Debug, Error)]
pub enum RewriteError {
    /// The copy could not be made or put in place.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store or the copy failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A handle that writes the store anew.
#[derive(Clone)]
pub struct Rewriter {
    pub(super) shared: Arc<Shared>,
}

impl std::fmt::Debug for Rewriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Rewriter")
    }
}

/// What a step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A part was copied; more is left.
    Copied,
    /// The new store is in place and the old files are gone.
    Done(Rewritten),
}

/// What writing the store anew did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rewritten {
    /// The entries the store has.
    pub entries: u64,
    /// What it took on disk before.
    pub bytes_before: u64,
    /// What it takes now.
    pub bytes_after: u64,
}

/// A store on its way to take the place of the one it is made from.
pub(super) struct Copy {
    files: Files,
    /// The keys up to here are in the copy, with the values they have now.
    reached: Vec<u8>,
    unsynced: usize,
    /// What the copy has, counted as it is written; in the end it must be what the store has.
    entries: u64,
    chunks: u64,
    sum: u64,
}

impl Rewriter {
    /// Whether a copy has been begun.
    pub fn is_under_way(&self) -> bool {
        self.shared.alone(|state| Ok(state.copy.is_some())).unwrap_or(false)
    }

    /// Begins a copy, copies a part, or completes it. After an error nothing of the copy is left,
    /// and the store goes on as it is.
    pub fn step(&self) -> Result<Step, RewriteError> {
        self.shared.alone(|state| {
            let stepped = step(&self.shared, state);
            if stepped.is_err() {
                give_up(state, &self.shared.directory);
            }
            Ok(stepped)
        })?
    }

    /// Gives up a copy that was begun.
    pub fn give_up(&self) -> Result<(), StoreError> {
        self.shared.alone(|state| {
            give_up(state, &self.shared.directory);
            Ok(())
        })
    }
}

fn step(shared: &Shared, state: &mut State) -> Result<Step, RewriteError> {
    let Some(copy) = &mut state.copy else {
        let side = state.live.side.other();
        state.copy = Some(Copy::begin(side, &shared.directory, shared.cache_bytes)?);
        return Ok(Step::Copied);
    };
    if copy.take_more(&state.live.tree)? {
        return Ok(Step::Copied);
    }
    let bytes = |files: &Files| files.tree.size_on_disk().unwrap_or(0);
    let bytes_before = bytes(&state.live);
    complete(shared, state)?;
    let Manifest { entries, .. } = state.manifest;
    Ok(Step::Done(Rewritten { entries, bytes_before, bytes_after: bytes(&state.live) }))
}

/// Puts the copy in place. Once the sentinel may name it, an error leaves open which store the next
/// start finds, so that nothing may be written to either.
fn complete(shared: &Shared, state: &mut State) -> Result<(), RewriteError> {
    let Some(copy) = state.copy.take() else { return Ok(()) };
    let manifest = state.manifest;
    if (copy.entries, copy.chunks, copy.sum) != (manifest.entries, manifest.chunks, manifest.sum) {
        drop(copy);
        return Err(engine(SledError::UnlikeCopy).into());
    }
    copy.files.sync()?;
    copy.files.tree.insert(MANIFEST_KEY, manifest.encode()).map_err(engine)?;
    copy.files.sync()?;
    let old = state.live.side;
    let sentinel = Sentinel { id: manifest.id, side: copy.files.side };
    state.failed = true;
    check::write_sentinel(&shared.directory, sentinel)?;
    state.failed = false;
    shared.replace(state, copy.files);
    check::remove_engine(&shared.directory, old)?;
    Ok(())
}

/// Lets a commit reach the copy as far as that has come. A copy that cannot follow is given up: the
/// store has the commit.
pub(super) fn follow(state: &mut State, directory: &Path, writes: &Writes) {
    let Some(copy) = &mut state.copy else { return };
    if let Err(error) = copy.follow(writes) {
        tracing::warn!(%error, "writing the store anew was given up");
        give_up(state, directory);
    }
}

fn give_up(state: &mut State, directory: &Path) {
    drop(state.copy.take());
    // What cannot be removed now is removed at the next open.
    if !state.failed
        && let Err(error) = check::remove_engine(directory, state.live.side.other())
    {
        tracing::warn!(%error, "files of a copy of the store were left behind");
    }
}

impl Copy {
    fn begin(side: check::Side, directory: &Path, cache_bytes: u64) -> Result<Self, RewriteError> {
        let path = side.of(directory);
        let tree = check::make_engine(&path, cache_bytes)?;
        super::sync_directory(directory)?;
        let files = Files::of(tree, side, &path)?;
        // What the store says of itself lies below the entries and is written by other hands.
        let reached = vec![OWN, u8::MAX];
        Ok(Self { files, reached, unsynced: 0, entries: 0, chunks: 0, sum: 0 })
    }

    /// Copies the next part; false when nothing is left.
    fn take_more(&mut self, live: &::sled::Db) -> Result<bool, StoreError> {
        let rest = (Bound::Excluded(self.reached.clone()), Bound::Unbounded);
        let mut taken = 0;
        for pair in live.range::<Vec<u8>, _>(rest).take(STEP_ENTRIES) {
            let (key, stored) = pair.map_err(engine)?;
            taken += key.len() + stored.len();
            self.reached = key.to_vec();
            self.write(&key, Some(stored))?;
            if taken >= STEP_BYTES {
                break;
            }
        }
        self.unsynced += taken;
        if self.unsynced >= SYNC_BYTES {
            self.files.sync()?;
            self.unsynced = 0;
        }
        Ok(taken > 0)
    }

    /// Takes over what a commit changed of the keys that have been copied.
    fn follow(&mut self, writes: &Writes) -> Result<(), StoreError> {
        for (key, stored) in writes {
            if **key > *self.reached {
                continue;
            }
            self.unsynced += key.len() + stored.as_ref().map_or(0, |stored| stored.len());
            self.write(key, stored.clone())?;
        }
        Ok(())
    }

    fn write(&mut self, key: &[u8], stored: Option<::sled::IVec>) -> Result<(), StoreError> {
        let tree = &self.files.tree;
        let is = stored.clone();
        let was = match stored {
            Some(stored) => tree.insert(key, stored),
            None => tree.remove(key),
        };
        for (stored, more) in [(was.map_err(engine)?, false), (is, true)] {
            let Some(stored) = stored else { continue };
            let one = if more { 1 } else { 1u64.wrapping_neg() };
            match key.first() {
                Some(&ENTRY) => {
                    let sum = fingerprint(key, &stored).wrapping_mul(one);
                    self.entries = self.entries.wrapping_add(one);
                    self.sum = self.sum.wrapping_add(sum);
                }
                Some(&CHUNK) => self.chunks = self.chunks.wrapping_add(one),
                Some(_) | None => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
