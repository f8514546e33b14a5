//! Writing the store anew, so that erased and overwritten bytes are gone from its files: the
//! entries are copied into a fresh engine beside the old one, a part at a time, while commits go on
//! and reach both; then the sentinel names the new one and a thread of its own removes the old one.
//!
//! At any moment one complete store exists, and the sentinel says which: the copy gets its manifest
//! last, the sentinel changes in one rename, and what it does not name is removed at the next open.

use std::ops::Bound;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::sync::{Arc, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use entente_protocol::store::StoreError;
use thiserror::Error;

use super::check::{self, Manifest, Sentinel, fingerprint};
use super::sled::{
    CHUNK, ENTRY, Files, MANIFEST_KEY, OWN, Shared, SledError, State, Writes, engine,
};
use super::{OpenError, at};

/// What one step copies at most: bounds how long commits and readers wait for it. Steps are small
/// in tests, so that commits come between them.
const STEP_ENTRIES: usize = if cfg!(test) { 3 } else { 1024 };
const STEP_BYTES: usize = 1 << 20;
/// The copy is made durable as it grows, so that the last step has little left to wait for.
const SYNC_BYTES: usize = 8 << 20;
/// What one step waits at most for the old files to be gone.
const REMOVAL_WAIT: Duration = Duration::from_millis(5);

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
    /// The new store is in place; the old files are being removed.
    Removing,
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

    /// Begins a copy, copies a part, puts it in place, or waits for the old files to be gone. After
    /// an error nothing of the copy is left, and the store goes on as it is.
    pub fn step(&self) -> Result<Step, RewriteError> {
        if let Some(step) = self.await_removal()? {
            return Ok(step);
        }
        self.shared.alone(|state| {
            let stepped = step(&self.shared, state);
            if stepped.is_err() {
                give_up(state, &self.shared.directory);
            }
            Ok(stepped)
        })?
    }

    /// What became of the old files; none when no step is to say so.
    fn await_removal(&self) -> Result<Option<Step>, RewriteError> {
        let mut removal = self.shared.removal();
        let Some(under_way) = &mut *removal else { return Ok(None) };
        if under_way.is_under_way(REMOVAL_WAIT) {
            return Ok(Some(Step::Removing));
        }
        let done = under_way.done;
        removal.take().map_or(Ok(()), Removal::finish)?;
        Ok(done.map(Step::Done))
    }

    /// Gives up a copy that was begun. One that is in place stays there, and no step says any more
    /// that it is done.
    pub fn give_up(&self) -> Result<(), StoreError> {
        if let Some(removal) = &mut *self.shared.removal() {
            removal.done = None;
        }
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
    let Some(old) = complete(shared, state)? else { return Ok(Step::Copied) };
    let Manifest { entries, .. } = state.manifest;
    let done = Rewritten { entries, bytes_before, bytes_after: bytes(&state.live) };
    *shared.removal() = Some(Removal::begin(old, &shared.directory, done)?);
    Ok(Step::Removing)
}

/// Puts the copy in place and gives back what was there. Once the sentinel may name it, an error leaves open which store the next
/// start finds, so that nothing may be written to either.
fn complete(shared: &Shared, state: &mut State) -> Result<Option<Files>, RewriteError> {
    let Some(copy) = state.copy.take() else { return Ok(None) };
    let manifest = state.manifest;
    if (copy.entries, copy.chunks, copy.sum) != (manifest.entries, manifest.chunks, manifest.sum) {
        drop(copy);
        return Err(engine(SledError::UnlikeCopy).into());
    }
    copy.files.sync()?;
    copy.files.tree.insert(MANIFEST_KEY, manifest.encode()).map_err(engine)?;
    copy.files.sync()?;
    let sentinel = Sentinel { id: manifest.id, side: copy.files.side };
    state.failed = true;
    check::write_sentinel(&shared.directory, sentinel)?;
    state.failed = false;
    Ok(Some(shared.replace(state, copy.files)))
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

/// Old files on their way out, on a thread of its own: letting go of an engine and freeing hundreds
/// of megabytes takes up to a second. Waited for when dropped.
pub(super) struct Removal {
    /// What was done, for who waits to hear that it is complete.
    done: Option<Rewritten>,
    ended: Receiver<()>,
    thread: Option<JoinHandle<Result<(), OpenError>>>,
}

impl Removal {
    fn begin(old: Files, directory: &Path, done: Rewritten) -> Result<Self, OpenError> {
        let (ends, ended) = sync_channel::<()>(0);
        let owned = directory.to_owned();
        let remove = move || {
            let _ends = ends;
            let side = old.side;
            drop(old);
            check::remove_engine(&owned, side)
        };
        let thread = thread::Builder::new().name("removal".into()).spawn(remove);
        let thread = Some(thread.map_err(at(directory))?);
        Ok(Self { done: Some(done), ended, thread })
    }

    fn is_under_way(&self, wait: Duration) -> bool {
        self.ended.recv_timeout(wait) == Err(RecvTimeoutError::Timeout)
    }

    fn finish(mut self) -> Result<(), RewriteError> {
        let Some(thread) = self.thread.take() else { return Ok(()) };
        let removed = thread.join().map_err(|_| engine(SledError::Panicked))?;
        Ok(removed?)
    }
}

impl Drop for Removal {
    fn drop(&mut self) {
        // What could not be removed is removed at the next open.
        if let Some(thread) = self.thread.take()
            && !matches!(thread.join(), Ok(Ok(())))
        {
            tracing::warn!("old files of the store were left behind");
        }
    }
}

impl Shared {
    fn removal(&self) -> MutexGuard<'_, Option<Removal>> {
        self.removal.lock().unwrap_or_else(PoisonError::into_inner)
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
