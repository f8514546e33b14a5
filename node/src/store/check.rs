//! Whether a directory holds the store that was last written there: the sentinel and the commit
//! counter beside the engine, the manifest inside it. Makes a store, too, so that a crash at any
//! point of that leaves either none or a whole one.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;

use super::encoding::u64_at;
use super::sled::{
    FENCE_KEYS, Files, MANIFEST_KEY, Reader, SledError, SledStore, fence_keys, open_engine,
};
use super::{DirectoryLock, OpenError, at, sync_directory};

/// The format that this version writes.
pub const FORMAT: u32 = 1;

const CREATING_DIRECTORY: &str = "creating";
const SENTINEL: &str = "sentinel";
const COMMITS: &str = "commits";
const SENTINEL_TITLE: &str = "entente store";

/// Which of its two places in the store's directory the engine is in. Writing the store anew fills
/// the other place; the sentinel says which of them counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    First,
    Second,
}

impl Side {
    const BOTH: [Self; 2] = [Self::First, Self::Second];

    fn name(self) -> &'static str {
        match self {
            Self::First => "sled",
            Self::Second => "sled-2",
        }
    }

    pub fn other(self) -> Self {
        match self {
            Self::First => Self::Second,
            Self::Second => Self::First,
        }
    }

    /// The engine's directory on this side.
    pub fn of(self, directory: &Path) -> PathBuf {
        directory.join(self.name())
    }

    fn parse(name: &str) -> Option<Self> {
        Self::BOTH.into_iter().find(|side| side.name() == name)
    }

    /// The side that holds the store where no sentinel says so: the only one there is.
    fn only(directory: &Path) -> Result<Option<Self>, Damage> {
        match Self::BOTH.map(|side| side.of(directory).exists()) {
            [false, false] => Ok(None),
            [true, false] => Ok(Some(Self::First)),
            [false, true] => Ok(Some(Self::Second)),
            [true, true] => Err(Damage::Sentinel),
        }
    }
}

/// What stands beside the engine's files and says what they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sentinel {
    pub id: StoreId,
    pub side: Side,
}

/// Which store this is: drawn when it is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StoreId(pub [u8; 16]);

impl fmt::Display for StoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl StoreId {
    fn draw() -> io::Result<Self> {
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(io::Error::other)?;
        Ok(Self(id))
    }

    fn parse(text: &str) -> Option<Self> {
        let mut id = [0; 16];
        if text.len() != 32 || !text.is_ascii() {
            return None;
        }
        for (index, byte) in id.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * index..2 * index + 2], 16).ok()?;
        }
        Some(Self(id))
    }
}

/// How a store differs from what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Damage {
    /// The sentinel has none of the contents we write.
    #[error("its sentinel file cannot be read")]
    Sentinel,
    /// The sentinel says that there is a store, its files are gone.
    #[error("the files of the engine are missing")]
    FilesMissing,
    /// The engine found its own files broken.
    #[error("the engine finds its files corrupt")]
    Corrupt,
    /// The engine opened and does not have the manifest, which every commit writes.
    #[error("the engine opens without the data")]
    ManifestMissing,
    /// The manifest has none of the contents we write.
    #[error("its manifest cannot be read")]
    Manifest,
    /// The engine's files are those of another store.
    #[error("its files belong to another store")]
    OtherStore,
    /// The last commits are gone.
    #[error("it saw {written} commits and has {found}")]
    WentBack {
        /// At least so many were acknowledged.
        written: u64,
        /// So many are there.
        found: u64,
    },
}

/// What every commit says of the whole store, under [`MANIFEST_KEY`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Manifest {
    pub id: StoreId,
    pub commits: u64,
    pub entries: u64,
    pub chunks: u64,
    /// The [`fingerprint`]s of all entries added up: an entry that went back to an older value, or
    /// one that went while another came back, changes it.
    pub sum: u64,
}

impl Manifest {
    const BYTES: usize = 4 + 16 + 4 * 8;

    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Self::BYTES);
        out.extend(FORMAT.to_be_bytes());
        out.extend(self.id.0);
        for number in [self.commits, self.entries, self.chunks, self.sum] {
            out.extend(number.to_be_bytes());
        }
        out
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != Self::BYTES || bytes[..4] != FORMAT.to_be_bytes() {
            return None;
        }
        Some(Self {
            id: StoreId(bytes[4..20].try_into().ok()?),
            commits: u64_at(bytes, 20)?,
            entries: u64_at(bytes, 28)?,
            chunks: u64_at(bytes, 36)?,
            sum: u64_at(bytes, 44)?,
        })
    }

    /// Reads it from an open engine.
    fn of(tree: &::sled::Db) -> Result<Self, Damage> {
        match tree.get(MANIFEST_KEY) {
            Ok(Some(bytes)) => Self::decode(&bytes).ok_or(Damage::Manifest),
            Ok(None) => Err(Damage::ManifestMissing),
            Err(_) => Err(Damage::Corrupt),
        }
    }
}

/// A number for an entry as it is stored; made to notice accidents, not adversaries.
pub(super) fn fingerprint(key: &[u8], stored: &[u8]) -> u64 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut state = FACTOR ^ key.len() as u64;
    let mut mix = |word: u64| state = (state ^ word).wrapping_mul(FACTOR).rotate_left(29);
    for bytes in [key, stored] {
        let (words, rest) = bytes.as_chunks::<8>();
        words.iter().for_each(|word| mix(u64::from_le_bytes(*word)));
        rest.iter().for_each(|byte| mix(u64::from(*byte)));
    }
    mix(stored.len() as u64);
    state
}

/// How many commits were acknowledged, in a file beside the engine. It is written after each
/// commit and never synced, so what a power cut leaves of it is a number the store must reach.
#[derive(Debug)]
pub(super) struct CommitCounter(File);

impl CommitCounter {
    fn open(directory: &Path) -> Result<Self, OpenError> {
        let path = directory.join(COMMITS);
        let file = File::options().create(true).truncate(false).read(true).write(true).open(&path);
        file.map(Self).map_err(at(&path))
    }

    /// Notes a commit that is durable. Losing the note loses a check, not data.
    pub fn note(&mut self, commits: u64) {
        let mut slot = [0; 16];
        slot[..8].copy_from_slice(&commits.to_be_bytes());
        slot[8..].copy_from_slice(&(!commits).to_be_bytes());
        let written = self.0.seek(SeekFrom::Start(0)).and_then(|_| self.0.write_all(&slot));
        if let Err(error) = written {
            tracing::debug!(%error, "the commit counter was not written");
        }
    }

    /// The number it has; 0 where none can be read.
    fn read(&mut self) -> u64 {
        let mut slot = [0; 16];
        let read = self.0.seek(SeekFrom::Start(0)).and_then(|_| self.0.read_exact(&mut slot));
        match (read, u64_at(&slot, 0), u64_at(&slot, 8)) {
            (Ok(()), Some(commits), Some(check)) if check == !commits => commits,
            _ => 0,
        }
    }
}

/// Opens a store, or makes one where the directory has neither sentinel nor engine files.
pub(super) fn open(directory: &Path, cache_bytes: u64) -> Result<SledStore, OpenError> {
    let lock = Arc::new(DirectoryLock::take(directory)?);
    let damaged = |damage| OpenError::Damaged { path: directory.to_owned(), damage };
    let sentinel = read_sentinel(directory)?.transpose().map_err(damaged)?;
    let side = match sentinel {
        Some(sentinel) => sentinel.side,
        None => match Side::only(directory).map_err(damaged)? {
            Some(side) => side,
            None => {
                let (store, creating) = create(directory, cache_bytes, &lock)?;
                let id = store.id();
                drop(store);
                install(directory, &creating, Sentinel { id, side: Side::First })?;
                Side::First
            }
        },
    };
    let engine_directory = side.of(directory);
    if !has_engine_files(&engine_directory) {
        return Err(damaged(Damage::FilesMissing));
    }
    let tree = open_engine(&engine_directory, cache_bytes).map_err(|error| match error {
        OpenError::Engine { source, .. } if is_corruption(&*source) => damaged(Damage::Corrupt),
        error => error,
    })?;
    // The engine renames a snapshot into place when it opens.
    sync_directory(&engine_directory)?;
    let manifest = Manifest::of(&tree).map_err(damaged)?;
    let mut counter = CommitCounter::open(directory)?;
    match read_sentinel(directory)?.transpose().map_err(damaged)? {
        Some(sentinel) => differs(sentinel.id, &manifest, &mut counter).map_err(damaged)?,
        // The power went between the last two steps of making it, or someone removed the file.
        None => write_sentinel(directory, Sentinel { id: manifest.id, side })?,
    }
    // A copy that was not completed, or what one took the place of.
    remove_engine(directory, side.other())?;
    let live = Files::of(tree, side, &engine_directory)?;
    SledStore::new(live, manifest, counter, directory, cache_bytes, lock)
}

/// Removes the engine's files on a side that does not count.
pub(super) fn remove_engine(directory: &Path, side: Side) -> Result<(), OpenError> {
    let path = side.of(directory);
    match fs::remove_dir_all(&path) {
        Ok(()) => sync_directory(directory),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(at(&path)(error)),
    }
}

/// The side that the sentinel names, or the only one there is.
fn side_of(directory: &Path) -> Result<Side, OpenError> {
    let sentinel = read_sentinel(directory)?.and_then(Result::ok);
    let side = sentinel.map(|sentinel| sentinel.side);
    Ok(side.or_else(|| Side::only(directory).ok().flatten()).unwrap_or(Side::First))
}

/// Opens what is there for reading, whatever the checks say.
pub(super) fn inspect(directory: &Path, cache_bytes: u64) -> Result<Reader, OpenError> {
    let side = side_of(directory)?;
    let engine_directory = side.of(directory);
    if !has_engine_files(&engine_directory) {
        let path = directory.to_owned();
        return Err(OpenError::Damaged { path, damage: Damage::FilesMissing });
    }
    let lock = Arc::new(DirectoryLock::take(directory)?);
    let tree = open_engine(&engine_directory, cache_bytes)?;
    let manifest = Manifest::of(&tree).unwrap_or_default();
    let counter = CommitCounter::open(directory)?;
    let live = Files::of(tree, side, &engine_directory)?;
    let store = SledStore::new(live, manifest, counter, directory, cache_bytes, lock)?;
    Ok(store.reader())
}

/// What `open` would complain of, for a store that is open for inspection.
pub(super) fn assess(directory: &Path, tree: &::sled::Db) -> Result<Option<Damage>, OpenError> {
    let damage = match (read_sentinel(directory)?, Manifest::of(tree)) {
        (Some(Err(damage)), _) | (_, Err(damage)) => Some(damage),
        (Some(Ok(sentinel)), Ok(manifest)) => {
            differs(sentinel.id, &manifest, &mut CommitCounter::open(directory)?).err()
        }
        (None, Ok(_)) => None,
    };
    Ok(damage)
}

fn differs(id: StoreId, manifest: &Manifest, counter: &mut CommitCounter) -> Result<(), Damage> {
    let written = counter.read();
    match () {
        () if id != manifest.id => Err(Damage::OtherStore),
        () if written > manifest.commits => {
            Err(Damage::WentBack { written, found: manifest.commits })
        }
        () => Ok(()),
    }
}

/// Makes an empty engine: everything but the manifest, without which it is no store.
pub(super) fn make_engine(path: &Path, cache_bytes: u64) -> Result<::sled::Db, OpenError> {
    match fs::remove_dir_all(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(at(path)(e)),
        _ => {}
    }
    let tree = open_engine(path, cache_bytes)?;
    let failed = |e: ::sled::Error| OpenError::Engine { path: path.to_owned(), source: e.into() };
    for key in FENCE_KEYS.flat_map(fence_keys) {
        tree.insert(key, &[]).map_err(failed)?;
    }
    tree.flush().map_err(failed)?;
    for name in ["db", "conf"] {
        let path = path.join(name);
        let file = File::options().read(true).write(true).open(&path).map_err(at(&path))?;
        file.sync_all().map_err(at(&path))?;
    }
    sync_directory(path)?;
    Ok(tree)
}

/// Makes an empty store in a directory of its own, so that a crash leaves nothing that looks like
/// a store. [`install`] puts it in place.
pub(super) fn create(
    directory: &Path,
    cache_bytes: u64,
    lock: &Arc<DirectoryLock>,
) -> Result<(SledStore, PathBuf), OpenError> {
    let creating = directory.join(CREATING_DIRECTORY);
    let tree = make_engine(&creating, cache_bytes)?;
    let id = StoreId::draw().map_err(at(directory))?;
    let manifest = Manifest { id, commits: 1, ..Manifest::default() };
    let failed = |source: Box<dyn std::error::Error + Send + Sync>| OpenError::Engine {
        path: creating.clone(),
        source,
    };
    tree.insert(MANIFEST_KEY, manifest.encode()).map_err(|e| failed(e.into()))?;
    let live = Files::of(tree, Side::First, &creating)?;
    live.sync().map_err(|e| failed(e.into()))?;
    // It counts beside its own files: the counter in the store's directory is another store's yet.
    let counter = CommitCounter::open(&creating)?;
    let lock = Arc::clone(lock);
    let store = SledStore::new(live, manifest, counter, directory, cache_bytes, lock)?;
    Ok((store, creating))
}

/// Puts a made store in place, where no engine directory may be; the sentinel comes last, so that
/// a crash before it is noticed or mended, never taken for a new store.
pub(super) fn install(
    directory: &Path,
    creating: &Path,
    sentinel: Sentinel,
) -> Result<(), OpenError> {
    let mut counter = CommitCounter::open(directory)?;
    counter.note(1);
    counter.0.sync_all().map_err(at(directory))?;
    let engine_directory = sentinel.side.of(directory);
    fs::rename(creating, &engine_directory).map_err(at(&engine_directory))?;
    sync_directory(directory)?;
    write_sentinel(directory, sentinel)
}

/// Moves the engine's files out of the way and says where they are now, and where they were.
pub(super) fn set_aside(directory: &Path) -> Result<(PathBuf, Side), OpenError> {
    let mut number = 1;
    let aside = loop {
        let aside = directory.join(format!("damaged-{number}"));
        if !aside.exists() {
            break aside;
        }
        number += 1;
    };
    let side = side_of(directory)?;
    let engine_directory = side.of(directory);
    fs::rename(&engine_directory, &aside).map_err(at(&engine_directory))?;
    sync_directory(directory)?;
    Ok((aside, side))
}

fn has_engine_files(engine_directory: &Path) -> bool {
    ["db", "conf"]
        .iter()
        .all(|name| fs::metadata(engine_directory.join(name)).is_ok_and(|m| m.len() > 0))
}

fn is_corruption(source: &(dyn std::error::Error + 'static)) -> bool {
    matches!(source.downcast_ref::<::sled::Error>(), Some(::sled::Error::Corruption { .. }))
        || matches!(source.downcast_ref::<SledError>(), Some(SledError::Panicked))
}

fn read_sentinel(directory: &Path) -> Result<Option<Result<Sentinel, Damage>>, OpenError> {
    let path = directory.join(SENTINEL);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(at(&path)(e)),
    };
    let Some((format, sentinel)) = parse_sentinel(&bytes) else {
        return Ok(Some(Err(Damage::Sentinel)));
    };
    if format > FORMAT {
        return Err(OpenError::NewerFormat { path: directory.to_owned(), found: format });
    }
    Ok(Some(sentinel.ok_or(Damage::Sentinel)))
}

fn parse_sentinel(bytes: &[u8]) -> Option<(u32, Option<Sentinel>)> {
    let text = std::str::from_utf8(bytes).ok()?;
    let mut lines = text.strip_prefix(SENTINEL_TITLE)?.strip_prefix('\n')?.lines();
    let format = lines.next()?.strip_prefix("format ")?.parse().ok()?;
    let id = lines.next().and_then(|l| l.strip_prefix("id ")).and_then(StoreId::parse);
    let side = match lines.next() {
        None => Some(Side::First),
        Some(line) => line.strip_prefix("engine ").and_then(Side::parse),
    };
    Some((format, id.zip(side).map(|(id, side)| Sentinel { id, side })))
}

/// Says which store this is and where its engine is: all at once, and for ever when it returns.
pub(super) fn write_sentinel(directory: &Path, sentinel: Sentinel) -> Result<(), OpenError> {
    let path = directory.join(SENTINEL);
    let new = directory.join("sentinel.new");
    let (id, engine) = (sentinel.id, sentinel.side.name());
    let text = format!("{SENTINEL_TITLE}\nformat {FORMAT}\nid {id}\nengine {engine}\n");
    let written = File::create(&new).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    written.map_err(at(&new))?;
    fs::rename(&new, &path).map_err(at(&path))?;
    sync_directory(directory)
}
