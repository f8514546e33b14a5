//! The store of a node: one directory, one engine, one process.
//! Opens it, holds the lock, and refuses a damaged store instead of showing an empty one.
//! Knows nothing of what is kept in it.
//!
//! The directory: `lock` (held while open), `sentinel` (which store this is and which engine
//! directory holds it), `commits` (how far the store got, for noticing a store that went back),
//! `sled/` or `sled-2/` (the engine's own files; the other one exists while the store is rewritten).

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

pub mod backup;
mod behind;
mod check;
mod dump;
mod encoding;
mod rewrite;
mod sled;
mod verify;

#[cfg(test)]
mod conformance;

pub use behind::{Afterwards, Behind};
pub use check::{Damage, StoreId};
pub use dump::{DumpError, dump};
pub use encoding::{Flaw, MAX_VALUE_BYTES};
pub use rewrite::{RewriteError, Rewriter, Rewritten, Step};
pub use sled::{MAX_KEY_BYTES, Reader, SledError, SledStore};
pub use verify::{Problem, RepairError, Repaired, Report, repair, verify};

/// Which engine keeps the data, and what it may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// sled 0.34, with the settings that survived the power cuts of `tests/powercut`.
    Sled {
        /// What the engine may keep of its pages in memory.
        cache_bytes: u64,
    },
}

impl Default for Engine {
    fn default() -> Self {
        Self::Sled { cache_bytes: 64 << 20 }
    }
}

/// Why a store did not open.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Another process has it.
    #[error("another process has the store open: it holds {}", lock.display())]
    Locked {
        /// The lock file.
        lock: PathBuf,
    },
    /// A file could not be used.
    #[error("cannot use {}", path.display())]
    File {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It was written by a newer Entente.
    #[error("the store at {} has format {found}, this Entente knows {}", path.display(), check::FORMAT)]
    NewerFormat {
        /// The store's directory.
        path: PathBuf,
        /// The format it has.
        found: u32,
    },
    /// It is not what was last written.
    #[error(
        "the store at {} is damaged: {damage}; nothing was changed. Put a copy of the data \
         directory in its place; `entente store dump` writes out what can still be read",
        path.display()
    )]
    Damaged {
        /// The store's directory.
        path: PathBuf,
        /// What is wrong.
        damage: Damage,
    },
    /// The engine failed.
    #[error("the engine could not open {}", path.display())]
    Engine {
        /// The engine's directory.
        path: PathBuf,
        /// What it said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Opens the store in a directory, making both where they do not exist.
///
/// A process that was killed leaves nothing behind that stops this; a living one is told apart by
/// the lock it holds.
pub fn open(path: &Path, engine: Engine) -> Result<SledStore, OpenError> {
    let Engine::Sled { cache_bytes } = engine;
    check::open(path, cache_bytes)
}

/// Opens a store that may be damaged, for reading only: what `verify`, `dump` and `repair` use.
/// Makes nothing; fails where there is no store.
pub fn inspect(path: &Path, engine: Engine) -> Result<Reader, OpenError> {
    let Engine::Sled { cache_bytes } = engine;
    check::inspect(path, cache_bytes)
}

/// The right of one process to a store directory; given back when dropped, or when the process
/// ends in whatever way.
#[derive(Debug)]
pub(crate) struct DirectoryLock {
    _file: File,
}

impl DirectoryLock {
    /// Takes the lock, making the directory and the lock file where they do not exist.
    fn take(directory: &Path) -> Result<Self, OpenError> {
        fs::create_dir_all(directory).map_err(at(directory))?;
        let lock = directory.join("lock");
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&lock)
            .map_err(at(&lock))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(OpenError::Locked { lock }),
            Err(TryLockError::Error(source)) => Err(OpenError::File { path: lock, source }),
        }
    }
}

/// Names the file of an I/O error.
pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    let path = path.to_owned();
    move |source| OpenError::File { path, source }
}

/// Makes what was created, renamed or removed in a directory last.
pub(crate) fn sync_directory(directory: &Path) -> Result<(), OpenError> {
    #[cfg(unix)]
    File::open(directory).and_then(|d| d.sync_all()).map_err(at(directory))?;
    #[cfg(not(unix))]
    let _ = directory;
    Ok(())
}
