//! One automerge document: one record's fields in one compartment, in one turn.
//! Its state is a pure function of the set of leaves given, whatever the order between logs.
//! Knows nothing of bundles, grants or cuts: whoever calls gives only leaves that lie within them.

use std::collections::{BTreeMap, BTreeSet};

use automerge::{Automerge, Change, ChangeHash};

use crate::change::chunk::Chunk;
use crate::change::{
    Actor, Ancestry, Checked, Hash, Identity, Inert, Slot, actor_of, check_ancestry, check_ops,
    guarded, identify, understand,
};
use crate::id::LogId;

mod edit;
mod first;
mod read;
pub mod schema;

pub use edit::{Edit, EditError};
pub use first::{first_change, first_values};
pub use read::HistoryEntry;
pub use schema::Schema;

/// Where a leaf stands in its log: the bundle's seq and the leaf's index in the bundle.
pub type Position = (u64, u16);

/// A change by the place of its leaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChangeRef {
    /// The log.
    pub log: LogId,
    /// Where in the log.
    pub position: Position,
}

/// A leaf as it stands in a log.
#[derive(Debug, Clone, Copy)]
pub struct Leaf<'a> {
    /// The log.
    pub log: LogId,
    /// Where in the log.
    pub position: Position,
    /// Whether the log is one of the section's publisher.
    pub by_publisher: bool,
    /// The raw change chunk; `None` if it was redacted.
    pub change: Option<&'a [u8]>,
}

/// Whether a leaf counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is part of the state.
    Active,
    /// An ancestor is not here.
    Waiting,
    /// It does not count and never will.
    Inert(Inert),
}

/// One document and the leaves that it is made of.
#[derive(Debug, Clone)]
pub struct Facet {
    schema: Schema,
    document: Automerge,
    leaves: Vec<Entry>,
    by_place: BTreeMap<ChangeRef, usize>,
    by_hash: BTreeMap<Hash, usize>,
    /// The last leaf of each actor in its log, whatever its standing.
    last_of: BTreeMap<Actor, usize>,
    /// Active leaves of each actor, by sequence number.
    chains: BTreeMap<Actor, Vec<usize>>,
    /// Active leaves in the order in which they were applied.
    applied: Vec<usize>,
    /// Leaves that wait for a hash.
    waiting: BTreeMap<Hash, BTreeSet<usize>>,
    heads: BTreeSet<Hash>,
}

#[derive(Debug, Clone)]
struct Entry {
    place: ChangeRef,
    by_publisher: bool,
    standing: Standing,
    change: Option<Known>,
}

/// A leaf whose change is what it says.
#[derive(Debug, Clone)]
struct Known {
    identity: Identity,
    checked: Checked,
    change: Change,
    previous: Option<usize>,
    /// Of the change and its ancestors, once it is active.
    ancestry: Ancestry,
}

impl Facet {
    /// A facet without leaves.
    pub fn new(schema: &Schema) -> Self {
        Self {
            schema: schema.clone(),
            document: schema.document(),
            leaves: Vec::new(),
            by_place: BTreeMap::new(),
            by_hash: BTreeMap::new(),
            last_of: BTreeMap::new(),
            chains: BTreeMap::new(),
            applied: Vec::new(),
            waiting: BTreeMap::new(),
            heads: BTreeSet::from([schema.genesis().0]),
        }
    }

    /// Takes a leaf: in log order within a log, in any order between logs.
    /// A leaf that is already here changes nothing.
    pub fn insert(&mut self, leaf: Leaf<'_>) -> Standing {
        let place = ChangeRef { log: leaf.log, position: leaf.position };
        if let Some(index) = self.by_place.get(&place) {
            return self.leaves[*index].standing;
        }
        let index = self.leaves.len();
        let (standing, change) = match leaf.change {
            None => (Standing::Inert(Inert::Redacted), None),
            Some(bytes) => match judged(bytes, &leaf.log) {
                Err(reason) => (Standing::Inert(reason), None),
                Ok((identity, chunk, change)) => {
                    let previous = self.last_of.insert(identity.actor, index);
                    let (standing, checked) = match self.check(&identity, previous, &chunk) {
                        Ok(checked) => (Standing::Waiting, checked),
                        Err(reason) => (Standing::Inert(reason), Checked::default()),
                    };
                    self.by_hash.entry(identity.hash).or_insert(index);
                    let ancestry = Ancestry::default();
                    (standing, Some(Known { identity, checked, change, previous, ancestry }))
                }
            },
        };
        let by_publisher = leaf.by_publisher;
        self.by_place.insert(place, index);
        self.leaves.push(Entry { place, by_publisher, standing, change });
        self.settle(index);
        self.leaves[index].standing
    }

    /// What can be judged before the ancestors are here.
    fn check(
        &self,
        identity: &Identity,
        previous: Option<usize>,
        chunk: &Chunk<'_>,
    ) -> Result<Checked, Inert> {
        if identity.deps.is_empty() {
            return Err(Inert::NoDeps);
        }
        let before = previous.and_then(|index| self.known(index)).map_or(0, |k| k.identity.seq);
        if before.checked_add(1) != Some(identity.seq) {
            return Err(Inert::Sequence);
        }
        check_ops(&self.schema, chunk)
    }

    /// Judges a leaf, then those that waited for it, and so on.
    fn settle(&mut self, first: usize) {
        let mut queue = vec![first];
        while let Some(index) = queue.pop() {
            if self.leaves[index].standing == Standing::Waiting {
                self.leaves[index].standing = self.judge(index);
            }
            let hash = match self.known(index) {
                Some(known) if self.by_hash.get(&known.identity.hash) == Some(&index) => {
                    known.identity.hash
                }
                Some(_) | None => continue,
            };
            if self.leaves[index].standing != Standing::Waiting {
                queue.extend(self.waiting.remove(&hash).unwrap_or_default());
            }
        }
    }

    fn judge(&mut self, index: usize) -> Standing {
        let Some(known) = self.leaves[index].change.as_ref() else {
            return self.leaves[index].standing;
        };
        let mut past = Ancestry { max_op: self.schema.max_op(), ..Ancestry::default() };
        let mut missing = Vec::new();
        for dep in known.identity.deps.iter().filter(|dep| **dep != self.schema.genesis().0) {
            let at = self.by_hash.get(dep).copied();
            match at.map(|at| (&self.leaves[at].standing, self.known(at))) {
                Some((Standing::Active, Some(dep))) => past.include(&dep.ancestry),
                Some((Standing::Inert(_), _)) => return Standing::Inert(Inert::Ancestor),
                Some((Standing::Active | Standing::Waiting, _)) | None => missing.push(*dep),
            }
        }
        if !missing.is_empty() {
            for dep in missing {
                self.waiting.entry(dep).or_default().insert(index);
            }
            return Standing::Waiting;
        }
        let by_publisher = self.leaves[index].by_publisher;
        let broken = known.previous.is_some_and(|at| self.leaves[at].standing != Standing::Active);
        let find = |actor: &Actor, counter: u64| self.find(actor, counter, &past);
        let judged = if broken {
            Err(Inert::NotAfterOwn)
        } else {
            check_ancestry(&known.identity, &known.checked, by_publisher, &past, find)
        };
        let applied = judged.and_then(|()| apply(&mut self.document, &known.change));
        match applied {
            Ok(()) => {
                past.published |= by_publisher;
                self.activate(index, past);
                Standing::Active
            }
            Err(reason) => {
                if matches!(reason, Inert::Panicked | Inert::NotApplied) {
                    self.rebuild();
                }
                Standing::Inert(reason)
            }
        }
    }

    fn activate(&mut self, index: usize, mut past: Ancestry) {
        let Some(known) = self.leaves[index].change.as_mut() else { return };
        past.clock.insert(known.identity.actor, known.identity.seq);
        past.max_op = past.max_op.max(known.identity.max_op);
        known.checked.links = Vec::new();
        known.ancestry = past;
        for dep in &known.identity.deps {
            self.heads.remove(dep);
        }
        self.heads.insert(known.identity.hash);
        self.chains.entry(known.identity.actor).or_default().push(index);
        self.applied.push(index);
    }

    /// Makes the document anew from the active leaves.
    fn rebuild(&mut self) {
        self.document = self.schema.document();
        for index in &self.applied {
            let Some(known) = self.leaves[*index].change.as_ref() else { continue };
            // Each was applied in this very order before.
            let _applied = apply(&mut self.document, &known.change);
        }
    }

    fn known(&self, index: usize) -> Option<&Known> {
        self.leaves[index].change.as_ref()
    }

    /// The operation with this id, if it lies in `past`.
    fn find(&self, actor: &Actor, counter: u64, past: &Ancestry) -> Option<&Slot> {
        let seq = *past.clock.get(actor)?;
        let (index, known) = self.holder(actor, counter)?;
        let slot = known.checked.slots.get((counter - known.identity.start_op) as usize)?;
        (self.known(index)?.identity.seq <= seq).then_some(slot)
    }

    /// The active leaf with this operation.
    fn holder(&self, actor: &Actor, counter: u64) -> Option<(usize, &Known)> {
        let chain = self.chains.get(actor)?;
        let start = |index: &usize| self.known(*index).map_or(0, |known| known.identity.start_op);
        let after = chain.partition_point(|index| start(index) <= counter);
        let index = chain[after.checked_sub(1)?];
        let known = self.known(index)?;
        (counter <= known.identity.max_op).then_some((index, known))
    }

    /// How a leaf stands; `None` if it was never inserted.
    pub fn standing(&self, of: ChangeRef) -> Option<Standing> {
        self.by_place.get(&of).map(|index| self.leaves[*index].standing)
    }

    /// Every leaf that was inserted, by place.
    pub fn standings(&self) -> impl Iterator<Item = (ChangeRef, Standing)> {
        self.by_place.iter().map(|(place, index)| (*place, self.leaves[*index].standing))
    }

    /// The hashes of the changes that nothing follows; of genesis if there are none.
    pub fn heads(&self) -> Vec<Hash> {
        self.heads.iter().copied().collect()
    }

    /// How many leaves count.
    pub fn active_len(&self) -> usize {
        self.applied.len()
    }

    /// The schema it was made with.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The actor as which the owner of a log writes next: a sequence number is never used twice,
    /// so where an own leaf does not count, the next `u32` follows.
    fn next_actor(&self, log: &LogId) -> Actor {
        let own = self.by_place.iter().filter(|(place, _)| place.log == *log);
        let (mut count, mut last) = (0u32, None);
        let mut whole = true;
        for (_, index) in own {
            count += 1;
            whole &= self.leaves[*index].standing == Standing::Active;
            if let Some(known) = self.known(*index) {
                let [.., a, b, c, d] = known.identity.actor;
                last = last.max(Some(u32::from_be_bytes([a, b, c, d])));
            }
        }
        let Some(last) = last else { return actor_of(log, count) };
        let newest = actor_of(log, last);
        let stands = self
            .last_of
            .get(&newest)
            .is_some_and(|index| self.leaves[*index].standing == Standing::Active);
        // What cannot be read may have used a number as well; there are no more than leaves.
        let counter = match (whole, stands) {
            (true, _) => last,
            (false, true) if self.readable(log) => last,
            (false, _) => last.saturating_add(1).max(count),
        };
        actor_of(log, counter)
    }

    /// Whether the change of every leaf of a log is known.
    fn readable(&self, log: &LogId) -> bool {
        let own = self.by_place.iter().filter(|(place, _)| place.log == *log);
        own.map(|(_, index)| self.known(*index)).all(|known| known.is_some())
    }
}

fn judged<'a>(bytes: &'a [u8], log: &LogId) -> Result<(Identity, Chunk<'a>, Change), Inert> {
    let (identity, chunk) = identify(bytes, log)?;
    let change = understand(bytes, &identity)?;
    Ok((identity, chunk, change))
}

impl Ancestry {
    fn include(&mut self, other: &Ancestry) {
        for (actor, seq) in &other.clock {
            let mine = self.clock.entry(*actor).or_default();
            *mine = (*mine).max(*seq);
        }
        self.max_op = self.max_op.max(other.max_op);
        self.published |= other.published;
    }
}

/// Applies one change; after an error the document must not be used.
fn apply(document: &mut Automerge, change: &Change) -> Result<(), Inert> {
    let hash = ChangeHash(change.hash().0);
    guarded(|| {
        document.apply_changes([change.clone()]).map_err(|_| Inert::NotApplied)?;
        let applied = document.get_heads().contains(&hash);
        applied.then_some(()).ok_or(Inert::NotApplied)
    })
}

#[cfg(test)]
mod tests;
