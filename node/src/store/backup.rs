//! A backup: one file with everything a store holds at one moment, and the files of its data
//! directory that go with it. It is written while the node works and says when it is complete.

use std::io::{self, Read, Write};

use entente_protocol::store::{Batch, Store, StoreError};
use thiserror::Error;

use super::Reader;

const MAGIC: &[u8; 16] = b"entente-backup/1";
/// Entries read at a time.
const PAGE: usize = 64;
/// Bytes of entries that are restored with one commit.
const BATCH_BYTES: usize = 4 << 20;
/// The longest part of an entry that is read back.
const PART_MAX: u32 = 64 << 20;

const END: u8 = 0;
const FILE: u8 = 1;
const ENTRY: u8 = 2;
const REMOVED: u8 = 3;

/// Why a backup was not written, or cannot be restored.
#[derive(Debug, Error)]
pub enum BackupError {
    /// The store could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file could not be read or written.
    #[error("the backup cannot be read or written")]
    File(#[from] io::Error),
    /// Another one is being written.
    #[error("another backup is being written")]
    Busy,
    /// It is no backup, or was cut short or changed.
    #[error("this is no complete backup")]
    Damaged,
}

/// Writes a backup: the named files, then the store as it is when the last of it is read.
/// Commits go on meanwhile; what they change is read once more at the end, while they wait.
pub fn write(
    reader: &Reader,
    files: &[(String, Vec<u8>)],
    out: impl Write,
) -> Result<u64, BackupError> {
    let mut frames = Frames::new(out)?;
    for (name, content) in files {
        frames.put(FILE, name.as_bytes(), content)?;
    }
    let mut entries = 0;
    let _watch = reader.watch()?.ok_or(BackupError::Busy)?;
    let mut after = Vec::new();
    loop {
        let page = reader.scan(&[], &after, PAGE)?;
        for (key, value) in &page {
            frames.put(ENTRY, key, value)?;
            entries += 1;
        }
        match page.last() {
            Some((key, _)) if page.len() == PAGE => after.clone_from(key),
            _ => break,
        }
    }
    let mut failed = Ok(());
    reader.changed_since(|key, value| {
        let kind = if value.is_some() { ENTRY } else { REMOVED };
        if failed.is_ok() {
            failed = frames.put(kind, key, value.unwrap_or_default());
        }
    })?;
    failed?;
    frames.end()?;
    Ok(entries)
}

/// Reads a backup back: entries into a store, files to whoever wants them. An error leaves a store
/// that must not be used.
pub fn read(
    input: impl Read,
    store: &mut dyn Store,
    mut file: impl FnMut(&str, Vec<u8>),
) -> Result<(), BackupError> {
    let mut input = Hashed { input, hash: blake3::Hasher::new() };
    let mut magic = [0; MAGIC.len()];
    input.exact(&mut magic)?;
    if magic != *MAGIC {
        return Err(BackupError::Damaged);
    }
    let (mut batch, mut size) = (Batch::default(), 0);
    loop {
        let sum = input.hash.finalize();
        let mut kind = [0];
        input.exact(&mut kind)?;
        let (key, value) = (input.part()?, input.part()?);
        size += key.len() + value.len();
        match kind[0] {
            FILE => file(&String::from_utf8(key).map_err(|_| BackupError::Damaged)?, value),
            ENTRY => batch.put(key, value),
            REMOVED => batch.remove(key),
            END if value == sum.as_bytes() => {
                store.commit(batch)?;
                return Ok(());
            }
            _ => return Err(BackupError::Damaged),
        }
        if size > BATCH_BYTES {
            store.commit(std::mem::take(&mut batch))?;
            size = 0;
        }
    }
}

struct Frames<W> {
    out: W,
    hash: blake3::Hasher,
}

impl<W: Write> Frames<W> {
    fn new(out: W) -> io::Result<Self> {
        let mut frames = Self { out, hash: blake3::Hasher::new() };
        frames.raw(MAGIC)?;
        Ok(frames)
    }

    fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hash.update(bytes);
        self.out.write_all(bytes)
    }

    fn put(&mut self, kind: u8, key: &[u8], value: &[u8]) -> Result<(), BackupError> {
        self.raw(&[kind])?;
        for part in [key, value] {
            let len = u32::try_from(part.len()).map_err(|_| BackupError::Damaged)?;
            self.raw(&len.to_be_bytes())?;
            self.raw(part)?;
        }
        Ok(())
    }

    fn end(mut self) -> Result<(), BackupError> {
        let sum = self.hash.finalize();
        self.put(END, &[], sum.as_bytes())?;
        Ok(self.out.flush()?)
    }
}

struct Hashed<R> {
    input: R,
    hash: blake3::Hasher,
}

impl<R: Read> Hashed<R> {
    fn exact(&mut self, bytes: &mut [u8]) -> Result<(), BackupError> {
        self.input.read_exact(bytes).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => BackupError::Damaged,
            _ => BackupError::File(error),
        })?;
        self.hash.update(bytes);
        Ok(())
    }

    fn part(&mut self) -> Result<Vec<u8>, BackupError> {
        let mut len = [0; 4];
        self.exact(&mut len)?;
        let len = u32::from_be_bytes(len);
        if len > PART_MAX {
            return Err(BackupError::Damaged);
        }
        let mut part = vec![0; len as usize];
        self.exact(&mut part)?;
        Ok(part)
    }
}

#[cfg(test)]
mod tests {
    use entente_protocol::store::MemoryStore;

    use super::*;
    use crate::store::{Engine, open};

    #[test]
    fn what_was_backed_up_comes_back_and_a_damaged_file_is_refused() {
        let path = std::env::temp_dir().join(format!("entente-backup-{}", std::process::id()));
        let mut store = open(&path, Engine::default()).unwrap();
        let mut batch = Batch::default();
        for n in 0..500u16 {
            batch.put(n.to_be_bytes(), vec![n as u8; usize::from(n)]);
        }
        store.commit(batch.clone()).unwrap();
        let mut file = Vec::new();
        let files = [("node.key".to_owned(), b"secret".to_vec())];
        assert_eq!(write(&store.reader(), &files, &mut file).unwrap(), 500);
        let mut back = MemoryStore::default();
        let mut names = Vec::new();
        read(&*file, &mut back, |name, content| names.push((name.to_owned(), content))).unwrap();
        let expected: Vec<_> = batch.writes.into_iter().map(|(k, v)| (k, v.unwrap())).collect();
        assert_eq!(back.scan(&[], &[], usize::MAX).unwrap(), expected);
        assert_eq!(names, files);
        for at in [3, 40, file.len() / 2, file.len() - 1] {
            let mut bad = file.clone();
            bad[at] ^= 1;
            let done = read(&*bad, &mut MemoryStore::default(), |_, _| {});
            assert!(matches!(done, Err(BackupError::Damaged)), "byte {at}");
            let cut = read(&file[..at], &mut MemoryStore::default(), |_, _| {});
            assert!(matches!(cut, Err(BackupError::Damaged)), "cut at {at}");
        }
        drop(store);
        std::fs::remove_dir_all(path).unwrap();
    }
}
