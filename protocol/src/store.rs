//! The store as the protocol sees it: ordered keys, atomic durable batches.
//! Knows no engine; the node brings sled, tests bring memory.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use thiserror::Error;

/// Why a store could not answer.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The engine failed; nothing of the batch is visible.
    #[error("the store failed")]
    Engine(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// What was read is not what was written.
    #[error("the store is damaged at {key:02x?}: {what}")]
    Damaged {
        /// The key whose value cannot be used.
        key: Vec<u8>,
        /// What is wrong with it.
        what: &'static str,
    },
}

/// Writes that become visible and durable together: `None` removes the key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// The writes by key.
    pub writes: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    /// Keys among them that the store surely does not hold: it need not look what they replace.
    pub new: BTreeSet<Vec<u8>>,
}

impl Batch {
    /// Sets a key.
    pub fn put(&mut self, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.writes.insert(key.into(), Some(value.into()));
    }

    /// Removes a key.
    pub fn remove(&mut self, key: impl Into<Vec<u8>>) {
        self.writes.insert(key.into(), None);
    }

    /// Whether nothing would be written.
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }
}

/// One key and its value.
pub type Entry = (Vec<u8>, Vec<u8>);

/// An ordered map of byte strings with atomic, durable batches.
pub trait Store {
    /// The value of a key.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// At most `limit` entries with keys that start with `prefix` and are greater than `after`
    /// (an empty `after` starts at the beginning), in key order.
    fn scan(&self, prefix: &[u8], after: &[u8], limit: usize) -> Result<Vec<Entry>, StoreError>;

    /// Writes a batch: all of it or nothing, durable when this returns.
    fn commit(&mut self, batch: Batch) -> Result<(), StoreError>;
}

impl<S: Store + ?Sized> Store for Box<S> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        (**self).get(key)
    }
    fn scan(&self, prefix: &[u8], after: &[u8], limit: usize) -> Result<Vec<Entry>, StoreError> {
        (**self).scan(prefix, after, limit)
    }
    fn commit(&mut self, batch: Batch) -> Result<(), StoreError> {
        (**self).commit(batch)
    }
}

/// Calls `each` for every entry under `prefix`, reading in pages so that memory stays bounded.
pub fn for_each<E: From<StoreError>>(
    store: &dyn Store,
    prefix: &[u8],
    mut each: impl FnMut(&[u8], &[u8]) -> Result<(), E>,
) -> Result<(), E> {
    const PAGE: usize = 512;
    let mut after = Vec::new();
    loop {
        let page = store.scan(prefix, &after, PAGE)?;
        for (key, value) in &page {
            each(key, value)?;
        }
        match page.last() {
            Some((key, _)) if page.len() == PAGE => after.clone_from(key),
            _ => return Ok(()),
        }
    }
}

/// A store in memory, for tests and simulation.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    /// Everything it holds.
    pub entries: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Store for MemoryStore {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.entries.get(key).cloned())
    }

    fn scan(&self, prefix: &[u8], after: &[u8], limit: usize) -> Result<Vec<Entry>, StoreError> {
        Ok(range(&self.entries, prefix, after)
            .take(limit)
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect())
    }

    fn commit(&mut self, batch: Batch) -> Result<(), StoreError> {
        for (key, value) in batch.writes {
            debug_assert!(!(batch.new.contains(&key) && self.entries.contains_key(&key)));
            match value {
                Some(value) => self.entries.insert(key, value),
                None => self.entries.remove(&key),
            };
        }
        Ok(())
    }
}

fn range<'a, V>(
    map: &'a BTreeMap<Vec<u8>, V>,
    prefix: &'a [u8],
    after: &[u8],
) -> impl Iterator<Item = (&'a Vec<u8>, &'a V)> {
    let start = if !after.is_empty() && after >= prefix {
        Bound::Excluded(after.to_vec())
    } else {
        Bound::Included(prefix.to_vec())
    };
    map.range((start, Bound::Unbounded)).take_while(move |(key, _)| key.starts_with(prefix))
}

/// Batches gathered over a store: readable at once, durable with one [`Overlay::flush`].
/// This is how many inputs share one durable commit.
#[derive(Debug)]
pub struct Overlay<S> {
    base: S,
    pending: Batch,
}

impl<S: Store> Overlay<S> {
    /// An overlay with nothing pending.
    pub fn new(base: S) -> Self {
        Self { base, pending: Batch::default() }
    }

    /// Writes everything pending as one durable batch.
    pub fn flush(&mut self) -> Result<(), StoreError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        self.base.commit(std::mem::take(&mut self.pending))
    }

    /// Sets or removes one key.
    pub fn write(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        self.pending.writes.insert(key, value);
    }

    /// Sets a key that is surely not there.
    pub fn write_new(&mut self, key: Vec<u8>, value: Vec<u8>) {
        // What was removed since the last flush is still there below.
        if !self.pending.writes.contains_key(&key) {
            self.pending.new.insert(key.clone());
        }
        self.write(key, Some(value));
    }

    /// Lets a key read so until [`Overlay::take_back`] is given what this answers.
    pub fn suppose(&mut self, key: Vec<u8>, value: Vec<u8>) -> Batch {
        let as_it_was = self.pending.clone();
        self.write(key, Some(value));
        as_it_was
    }

    /// Ends what was supposed: nothing else may have been written since.
    pub fn take_back(&mut self, as_it_was: Batch) {
        self.pending = as_it_was;
    }

    /// Forgets what is pending, as a crash before the commit would.
    pub fn abandon(self) -> S {
        self.base
    }

    /// How many writes wait for the flush.
    pub fn pending_len(&self) -> usize {
        self.pending.writes.len()
    }

    /// The store below.
    pub fn base(&self) -> &S {
        &self.base
    }
}

impl<S: Store> Store for Overlay<S> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        match self.pending.writes.get(key) {
            Some(value) => Ok(value.clone()),
            None => self.base.get(key),
        }
    }

    fn scan(&self, prefix: &[u8], after: &[u8], limit: usize) -> Result<Vec<Entry>, StoreError> {
        let base = |after: &[u8]| self.base.scan(prefix, after, limit);
        scan_over(&self.pending.writes, base, prefix, after, limit)
    }

    fn commit(&mut self, batch: Batch) -> Result<(), StoreError> {
        self.pending.writes.extend(batch.writes);
        Ok(())
    }
}

/// What [`Store::scan`] finds once `pending` is written over a store of which `base` scans what lies
/// after a key.
pub fn scan_over(
    pending: &BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    base: impl Fn(&[u8]) -> Result<Vec<Entry>, StoreError>,
    prefix: &[u8],
    after: &[u8],
    limit: usize,
) -> Result<Vec<Entry>, StoreError> {
    if limit == 0 {
        return Ok(Vec::new());
    }
    let mut pending = range(pending, prefix, after).peekable();
    let mut out = Vec::new();
    let mut after = after.to_vec();
    loop {
        let page = base(&after)?;
        let last_page = page.len() < limit;
        for (key, value) in page {
            while let Some((k, v)) = pending.next_if(|(k, _)| **k < key) {
                if let Some(v) = v {
                    out.push((k.clone(), v.clone()));
                }
            }
            after.clone_from(&key);
            match pending.next_if(|(k, _)| **k == key) {
                Some((_, None)) => {}
                Some((_, Some(v))) => out.push((key, v.clone())),
                None => out.push((key, value)),
            }
            if out.len() >= limit {
                out.truncate(limit);
                return Ok(out);
            }
        }
        if last_page {
            break;
        }
    }
    out.extend(pending.filter_map(|(k, v)| Some((k.clone(), v.clone()?))));
    out.truncate(limit);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_supposed_is_never_written() {
        let mut overlay = Overlay::new(MemoryStore::default());
        overlay.write(vec![1], Some(vec![1]));
        overlay.flush().unwrap();
        overlay.write(vec![2], Some(vec![2]));
        for key in [1, 2, 3] {
            let before = overlay.get(&[key]).unwrap();
            let as_it_was = overlay.suppose(vec![key], vec![9]);
            assert_eq!(overlay.get(&[key]).unwrap(), Some(vec![9]));
            overlay.take_back(as_it_was);
            assert_eq!(overlay.get(&[key]).unwrap(), before);
        }
        overlay.flush().unwrap();
        let all = [(vec![1], vec![1]), (vec![2], vec![2])];
        assert_eq!(overlay.abandon().entries, BTreeMap::from(all));
    }

    #[test]
    fn an_overlay_reads_like_the_store_it_will_become() {
        let mut seed = 9u64;
        let mut next = move |n: u64| {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (seed >> 33) % n
        };
        for _ in 0..300 {
            let mut plain = MemoryStore::default();
            let mut overlay = Overlay::new(MemoryStore::default());
            for step in 0..12 {
                let mut batch = Batch::default();
                for _ in 0..next(6) {
                    let key = vec![next(2) as u8, next(4) as u8];
                    if next(3) == 0 { batch.remove(key) } else { batch.put(key, vec![step]) }
                }
                for (key, value) in batch.writes.clone() {
                    match value {
                        Some(value) if overlay.get(&key).unwrap().is_none() => {
                            overlay.write_new(key, value);
                        }
                        value => overlay.write(key, value),
                    }
                }
                plain.commit(batch).unwrap();
                if next(4) == 0 {
                    overlay.flush().unwrap();
                }
                for (prefix, after) in [(vec![], vec![]), (vec![1], vec![]), (vec![1], vec![1, 1])]
                {
                    let limit = next(6) as usize;
                    assert_eq!(
                        plain.scan(&prefix, &after, limit).unwrap(),
                        overlay.scan(&prefix, &after, limit).unwrap()
                    );
                }
            }
        }
    }
}
