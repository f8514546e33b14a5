//! The two things a simulated world is made of: disks that outlive their nodes, and dice.

use std::sync::{Arc, Mutex, MutexGuard};

use crate::id::hash;
use crate::store::{Batch, Entry, MemoryStore, Store, StoreError};

/// A disk that outlives the replica that writes it.
#[derive(Debug, Clone, Default)]
pub struct Disk(Arc<Mutex<Platter>>);

#[derive(Debug, Default)]
struct Platter {
    store: MemoryStore,
    /// What was written since somebody last looked.
    written: Vec<Vec<u8>>,
}

impl Disk {
    fn platter(&self) -> MutexGuard<'_, Platter> {
        self.0.lock().expect("one thread")
    }

    /// Everything written since this was last asked, overwritten values included.
    pub fn written(&self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.platter().written)
    }

    /// Makes it what it was once.
    pub fn put_back(&self, entries: &[Entry]) {
        self.platter().store.entries = entries.iter().cloned().collect();
    }

    /// Everything that is on it now, keys and values.
    pub fn contents(&self) -> Vec<Entry> {
        let entries = &self.platter().store.entries;
        entries.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
    }
}

impl Store for Disk {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.platter().store.get(key)
    }
    fn scan(&self, prefix: &[u8], after: &[u8], limit: usize) -> Result<Vec<Entry>, StoreError> {
        self.platter().store.scan(prefix, after, limit)
    }
    fn commit(&mut self, batch: Batch) -> Result<(), StoreError> {
        let mut platter = self.platter();
        for (key, value) in &batch.writes {
            platter.written.push(key.clone());
            platter.written.extend(value.clone());
        }
        platter.store.commit(batch)
    }
}

/// Random numbers from a seed: BLAKE3 in counter mode.
#[derive(Debug, Clone)]
pub struct Dice {
    seed: u64,
    drawn: u64,
}

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self { seed, drawn: 0 }
    }

    pub fn bytes(&mut self) -> [u8; 32] {
        self.drawn += 1;
        hash("dice", &[&self.seed.to_be_bytes(), &self.drawn.to_be_bytes()])
    }

    /// A number below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        let bytes = self.bytes();
        let mut number = [0; 8];
        number.copy_from_slice(&bytes[..8]);
        (u64::from_be_bytes(number) % n as u64) as usize
    }

    pub fn chance(&mut self, in_100: usize) -> bool {
        self.below(100) < in_100
    }
}
