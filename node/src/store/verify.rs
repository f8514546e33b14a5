//! Looking through a whole store, and keeping what can be read of a damaged one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use entente_protocol::store::{Batch, Store, StoreError};
use thiserror::Error;

use super::encoding::{CHUNK_BYTES, Chunks};
use super::sled::{CHUNK, ENTRY, OWN, Reader, guarded, value};
use super::{Damage, Engine, OpenError, check, inspect};

/// What a repair writes at a time.
const REPAIR_BATCH_BYTES: usize = 4 << 20;

/// Problems beyond these are only counted.
const PROBLEMS_KEPT: usize = 100;

/// What a look through the whole store found.
#[derive(Debug, Default)]
pub struct Report {
    /// The entries that are whole.
    pub entries: u64,
    /// The chunks, whole or not.
    pub chunks: u64,
    /// The bytes of all values as they are read.
    pub value_bytes: u64,
    /// The bytes of all values as they are stored.
    pub stored_bytes: u64,
    /// The first problems.
    pub problems: Vec<Problem>,
    /// How many there are.
    pub problem_count: u64,
}

impl Report {
    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.problem_count == 0
    }

    fn note(&mut self, problem: Problem) {
        self.problem_count += 1;
        if self.problems.len() < PROBLEMS_KEPT {
            self.problems.push(problem);
        }
    }
}

/// One thing that is wrong with a store.
#[derive(Debug, Error)]
pub enum Problem {
    /// It is not what was last written.
    #[error("{0}")]
    Damage(Damage),
    /// An entry cannot be read.
    #[error("the entry {key:02x?}: {what}")]
    Entry {
        /// Its key.
        key: Vec<u8>,
        /// What is wrong with its value.
        what: &'static str,
    },
    /// A chunk belongs to no value.
    #[error("a part of no value: {key:02x?}")]
    StrayChunk {
        /// Its key in the engine.
        key: Vec<u8>,
    },
    /// A key is in no space we use.
    #[error("an unknown key: {key:02x?}")]
    UnknownKey {
        /// The key in the engine.
        key: Vec<u8>,
    },
    /// The last commit counted something else.
    #[error("{found} entries where the last commit counted {counted}")]
    EntryCount {
        /// By the last commit.
        counted: u64,
        /// By this look.
        found: u64,
    },
    /// As many entries as there should be, but not the same.
    #[error("some entries are not what was last written")]
    OtherEntries,
    /// The last commit counted something else.
    #[error("{found} parts of values where the last commit counted {counted}")]
    ChunkCount {
        /// By the last commit.
        counted: u64,
        /// By this look.
        found: u64,
    },
    /// The engine failed; what follows was not looked at.
    #[error("the engine failed after {after:02x?}")]
    Engine {
        /// The last key in the engine that it gave.
        after: Vec<u8>,
        /// What it said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Looks at every entry and every chunk. Commits wait until it is done.
pub fn verify(store: &Reader) -> Result<Report, StoreError> {
    let shared = store.shared();
    let manifest = shared.manifest();
    shared.read(|tree| {
        let mut report = Report::default();
        match check::assess(&shared.directory, tree) {
            Ok(None) => {}
            Ok(Some(damage)) => report.note(Problem::Damage(damage)),
            Err(error) => return Err(StoreError::Engine(error.into())),
        }
        let mut expected: BTreeMap<[u8; 12], Chunks> = BTreeMap::new();
        let (mut seen, mut sum) = (0, 0u64);
        let mut after = Vec::new();
        for pair in tree.iter() {
            let (key, stored) = match pair {
                Ok(pair) => pair,
                Err(error) => {
                    report.note(Problem::Engine { after, source: error.into() });
                    break;
                }
            };
            after = key.to_vec();
            match key.first() {
                Some(&ENTRY) => {
                    seen += 1;
                    sum = sum.wrapping_add(check::fingerprint(&key, &stored));
                    look_at_entry(tree, &key[1..], &stored, &mut report, &mut expected);
                }
                Some(&CHUNK) => {
                    report.chunks += 1;
                    report.stored_bytes += stored.len() as u64;
                    if !is_expected(&key, stored.len(), &expected) {
                        report.note(Problem::StrayChunk { key: after.clone() });
                    }
                }
                // The manifest, which was looked at, and its fences.
                Some(&OWN) => {}
                _ => report.note(Problem::UnknownKey { key: after.clone() }),
            }
        }
        if seen != manifest.entries {
            report.note(Problem::EntryCount { counted: manifest.entries, found: seen });
        } else if sum != manifest.sum {
            report.note(Problem::OtherEntries);
        }
        if report.chunks != manifest.chunks {
            let found = report.chunks;
            report.note(Problem::ChunkCount { counted: manifest.chunks, found });
        }
        Ok(report)
    })
}

fn look_at_entry(
    tree: &::sled::Db,
    key: &[u8],
    stored: &[u8],
    report: &mut Report,
    expected: &mut BTreeMap<[u8; 12], Chunks>,
) {
    report.stored_bytes += stored.len() as u64;
    if let Ok(Some(chunks)) = Chunks::of(stored) {
        let mut id = [0; 12];
        id.copy_from_slice(&chunks.key(0)[..12]);
        expected.insert(id, chunks);
    }
    match guarded(|| value(tree, key, stored)) {
        Ok(value) => {
            report.entries += 1;
            report.value_bytes += value.len() as u64;
        }
        Err(StoreError::Damaged { key, what }) => report.note(Problem::Entry { key, what }),
        Err(StoreError::Engine(source)) => {
            report.note(Problem::Engine { after: key.to_vec(), source });
        }
    }
}

fn is_expected(key: &[u8], bytes: usize, expected: &BTreeMap<[u8; 12], Chunks>) -> bool {
    let Some((id, index)) = key[1..].split_first_chunk::<12>() else { return false };
    let Ok(index) = <[u8; 4]>::try_from(index).map(u32::from_be_bytes) else { return false };
    expected.get(id).is_some_and(|chunks| {
        let start = index as usize * CHUNK_BYTES;
        index < chunks.count && bytes == CHUNK_BYTES.min(chunks.bytes as usize - start)
    })
}

/// What a repair did.
#[derive(Debug)]
pub struct Repaired {
    /// The entries that the new store has.
    pub kept: u64,
    /// What could not be kept, and stray parts that were left behind.
    pub problems: Vec<Problem>,
    /// Where the files of the old store are now; nothing reads them any more.
    pub old_files: PathBuf,
}

/// Why a store could not be repaired; it is as it was.
#[derive(Debug, Error)]
pub enum RepairError {
    /// The old store does not open, or the new one could not be made.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The new store could not be written.
    #[error("the repaired store could not be written")]
    Write(#[from] StoreError),
}

/// Writes everything that can be read into a new store, with a new id, and puts it in place of the
/// old one, whose files are kept beside it. Also gives back the space that erased and overwritten
/// values still take.
///
/// Where the engine itself fails in the middle, it goes on from the other end.
pub fn repair(path: &Path, engine: Engine) -> Result<Repaired, RepairError> {
    let Engine::Sled { cache_bytes } = engine;
    let old = inspect(path, engine)?;
    let shared = old.shared();
    let tree = shared.tree();
    let (mut new, creating) = check::create(path, cache_bytes, &shared.lock)?;
    let mut salvage = Salvage { new: &mut new, batch: Batch::default(), bytes: 0, kept: 0 };
    let mut problems = Vec::new();
    let mut reached = vec![ENTRY];
    let mut broke = false;
    for pair in tree.range([ENTRY].as_slice()..[CHUNK].as_slice()) {
        match pair {
            Ok((key, stored)) => {
                salvage.take(&tree, &key, &stored, &mut problems)?;
                reached = key.to_vec();
            }
            Err(source) => {
                problems.push(Problem::Engine { after: reached.clone(), source: source.into() });
                broke = true;
                break;
            }
        }
    }
    if broke {
        let rest = tree.range(reached..vec![CHUNK]).rev();
        for (key, stored) in rest.map_while(Result::ok) {
            salvage.take(&tree, &key, &stored, &mut problems)?;
        }
    }
    salvage.flush()?;
    let kept = salvage.kept;
    let id = new.id();
    let (old_files, side) = check::set_aside(path)?;
    check::install(path, &creating, check::Sentinel { id, side })?;
    Ok(Repaired { kept, problems, old_files })
}

struct Salvage<'a> {
    new: &'a mut super::SledStore,
    batch: Batch,
    bytes: usize,
    kept: u64,
}

impl Salvage<'_> {
    fn take(
        &mut self,
        tree: &::sled::Db,
        key: &[u8],
        stored: &[u8],
        problems: &mut Vec<Problem>,
    ) -> Result<(), StoreError> {
        let key = &key[1..];
        match guarded(|| value(tree, key, stored)) {
            Ok(value) => {
                self.bytes += key.len() + value.len();
                self.kept += 1;
                self.batch.put(key, value);
            }
            Err(StoreError::Damaged { key, what }) => problems.push(Problem::Entry { key, what }),
            Err(StoreError::Engine(source)) => {
                problems.push(Problem::Engine { after: key.to_vec(), source });
            }
        }
        if self.bytes >= REPAIR_BATCH_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        self.bytes = 0;
        self.new.commit(std::mem::take(&mut self.batch))
    }
}
