//! May this change stand? Judges one automerge change by itself, its ancestors and the schema.
//! Knows no bundles, grants or cuts, and keeps nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use automerge::Change;

use crate::facet::Schema;
use crate::facet::schema::GENESIS_ACTOR;
use crate::id::LogId;
use crate::value::Shape;

pub(crate) mod chunk;
mod column;
mod inert;
mod json;
mod rows;

use chunk::{Action, Chunk, Id, Key, Op, Scalar};
pub use chunk::{MAX_CHANGE_BYTES, MAX_KEY_BYTES, claimed_ops};
pub use column::MAX_OPS;
pub use inert::Inert;
pub use json::canonical_json;

/// Who writes in one log: its first 16 bytes.
pub type ActorPrefix = [u8; 16];
/// An automerge actor: [`ActorPrefix`] and a `u32`, big endian, that moves on when a chain breaks.
pub type Actor = [u8; 20];
/// The hash of a change.
pub type Hash = [u8; 32];

/// Operation counters stay below this, or a hostile author would win every conflict for ever.
pub const MAX_COUNTER: u64 = 1 << 31;

/// The largest step of a counter, either way: so no number of leaves makes a sum overflow.
pub const MAX_STEP: u64 = 1 << 31;

/// A change that is what it says, by bytes and author; its operations are not judged yet.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub hash: Hash,
    pub actor: Actor,
    pub seq: u64,
    pub deps: Vec<Hash>,
    pub start_op: u64,
    /// The last counter, one below `start_op` if there is no operation.
    pub max_op: u64,
}

/// Where an operation acts: the unit within which one operation may succeed another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// The field with this index.
    Field(usize),
    /// An open field of a book.
    Open(String),
    /// An element of the set in this field.
    Member(usize, String),
    /// The text in this field.
    Text(usize),
}

/// What later operations need to know of an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Slot {
    pub place: Place,
    /// Whether it leaves something that can be referred to: a put or an insertion.
    pub makes: bool,
}

/// A reference from the operation at index `op`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Link {
    pub op: usize,
    pub actor: Actor,
    pub counter: u64,
}

/// Operations that fit the schema; `links` are still to be found among the ancestors.
#[derive(Debug, Clone, Default)]
pub(crate) struct Checked {
    pub slots: Vec<Slot>,
    pub links: Vec<Link>,
}

/// What the ancestors of a change come to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ancestry {
    /// The last sequence number of each actor.
    pub clock: BTreeMap<Actor, u64>,
    pub max_op: u64,
    /// Whether a change of the publisher is among them.
    pub published: bool,
}

/// The first 16 bytes of a log's id.
pub fn actor_prefix(log: &LogId) -> ActorPrefix {
    let mut prefix = [0; 16];
    prefix.copy_from_slice(&log.0[..16]);
    prefix
}

/// The actor that writes into `log` for the `counter`-th time anew.
pub(crate) fn actor_of(log: &LogId, counter: u32) -> Actor {
    let mut actor = [0; 20];
    actor[..16].copy_from_slice(&actor_prefix(log));
    actor[16..].copy_from_slice(&counter.to_be_bytes());
    actor
}

/// A change as automerge reads it.
pub(crate) fn read(bytes: &[u8]) -> Result<Change, Inert> {
    guarded(|| Change::try_from(bytes).map_err(|_| Inert::Unreadable))
}

/// Calls into automerge; a panic there is a reason like any other.
pub(crate) fn guarded<T>(call: impl FnOnce() -> Result<T, Inert>) -> Result<T, Inert> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or(Err(Inert::Panicked))
}

/// Everything about a change that holds whatever its operations do (steps 1 and 4). What is taken
/// here automerge reads as the same: [`understand`] never fails then.
pub(crate) fn identify<'a>(bytes: &'a [u8], log: &LogId) -> Result<(Identity, Chunk<'a>), Inert> {
    let chunk = Chunk::decode(bytes)?;
    let actor: Actor = chunk.actor.try_into().map_err(|_| Inert::ForeignActor)?;
    if actor[..16] != log.0[..16] {
        return Err(Inert::ForeignActor);
    }
    if chunk.start_op == 0 {
        return Err(Inert::StartOp);
    }
    // Beyond this automerge's own counters wrap, so it must not see higher ones.
    let max_op = chunk.start_op.saturating_add(chunk.ops.len() as u64) - 1;
    let high = |id: &Id| id.counter >= MAX_COUNTER;
    let names_high = |op: &Op<'_>| op.preds.iter().chain(&op.object).chain(&element(op)).any(high);
    if max_op >= MAX_COUNTER || chunk.ops.iter().any(names_high) {
        return Err(Inert::MaxOp);
    }
    let hash = chunk::hash(bytes);
    if !chunk::is_sealed(bytes, &hash) {
        return Err(Inert::Checksum);
    }
    let identity = Identity {
        hash,
        actor,
        seq: chunk.seq,
        deps: chunk.deps.clone(),
        start_op: chunk.start_op,
        max_op,
    };
    Ok((identity, chunk))
}

/// A change that was identified, as automerge reads it.
pub(crate) fn understand(bytes: &[u8], identity: &Identity) -> Result<Change, Inert> {
    let change = read(bytes)?;
    if change.hash().0 != identity.hash || change.raw_bytes() != bytes {
        return Err(Inert::NotCanonical);
    }
    Ok(change)
}

fn element(op: &Op<'_>) -> Option<Id> {
    match op.key {
        Key::Element(id) => Some(id),
        Key::Name(_) | Key::Head => None,
    }
}

/// Whether each operation is one that the schema allows.
pub(crate) fn check_ops(schema: &Schema, chunk: &Chunk<'_>) -> Result<Checked, Inert> {
    let mut checked = Checked { slots: Vec::with_capacity(chunk.ops.len()), links: Vec::new() };
    let mut replaced = BTreeSet::new();
    for (index, op) in chunk.ops.iter().enumerate() {
        let order = |id: &Id| (id.counter, chunk.actor_of(*id));
        if !op.preds.is_sorted_by(|a, b| order(a) < order(b)) {
            return Err(Inert::Preds);
        }
        let slot = check_op(schema, chunk, op)?;
        // A counter's one predecessor is in genesis, which every change descends from.
        if !matches!(op.action, Action::Increment(_)) {
            // Or a few bytes could delete one thing many thousand times.
            if !op.preds.iter().all(|id| replaced.insert((id.actor, id.counter))) {
                return Err(Inert::Preds);
            }
            for id in op.preds.iter().chain(&element(op)) {
                let actor = chunk.actor_of(*id).try_into().map_err(|_| Inert::UnknownOp)?;
                checked.links.push(Link { op: index, actor, counter: id.counter });
            }
        }
        checked.slots.push(slot);
    }
    Ok(checked)
}

fn check_op(schema: &Schema, chunk: &Chunk<'_>, op: &Op<'_>) -> Result<Slot, Inert> {
    let makes = match op.action {
        Action::MakeMap | Action::MakeText => return Err(Inert::Makes),
        Action::Put(_) => true,
        Action::Delete | Action::Increment(_) => false,
    };
    if !makes && op.preds.is_empty() {
        return Err(Inert::Preds);
    }
    let place = match op.object {
        None => check_root(schema, chunk, op)?,
        Some(object) => {
            let made = (chunk.actor_of(object) == GENESIS_ACTOR)
                .then(|| schema.container(object.counter))
                .flatten();
            let (field, shape) = made.ok_or(Inert::Object)?;
            match shape {
                Shape::Set => check_member(field, op)?,
                Shape::Text => check_text(field, op)?,
                Shape::Bool
                | Shape::Int
                | Shape::Instant
                | Shape::Str
                | Shape::Json
                | Shape::Counter => return Err(Inert::Object),
            }
        }
    };
    Ok(Slot { place, makes })
}

fn check_root(schema: &Schema, chunk: &Chunk<'_>, op: &Op<'_>) -> Result<Place, Inert> {
    let (Key::Name(name), false) = (op.key, op.insert) else { return Err(Inert::Key) };
    let (place, shape) = match schema.find(name) {
        Some((field, shape)) => (Place::Field(field), shape),
        None if schema.takes(name) => {
            let place = Place::Open(name.to_owned());
            return match op.action {
                Action::Put(Scalar::Str(_)) | Action::Delete => Ok(place),
                Action::Put(value) => check_scalar(Shape::Json, value).map(|()| place),
                Action::MakeMap | Action::MakeText | Action::Increment(_) => Err(Inert::Shape),
            };
        }
        None => return Err(Inert::Field),
    };
    match (shape, op.action) {
        (Shape::Text | Shape::Set, _) | (Shape::Counter, Action::Put(_) | Action::Delete) => {
            Err(Inert::Container)
        }
        (Shape::Counter, Action::Increment(by)) if by.unsigned_abs() > MAX_STEP => Err(Inert::Step),
        (Shape::Counter, Action::Increment(_)) => match op.preds.as_slice() {
            [id] if chunk.actor_of(*id) == GENESIS_ACTOR
                && schema.made_by(id.counter).is_some_and(|field| field.name == name) =>
            {
                Ok(place)
            }
            _ => Err(Inert::Preds),
        },
        (_, Action::Put(value)) => check_scalar(shape, value).map(|()| place),
        (_, Action::Delete) => Ok(place),
        (_, Action::Increment(_) | Action::MakeMap | Action::MakeText) => Err(Inert::Shape),
    }
}

fn check_scalar(shape: Shape, value: Scalar<'_>) -> Result<(), Inert> {
    match (shape, value) {
        (Shape::Bool, Scalar::Bool(_))
        | (Shape::Int, Scalar::Int(_))
        | (Shape::Instant, Scalar::Instant(_))
        | (Shape::Str, Scalar::Str(_)) => Ok(()),
        (Shape::Json, Scalar::Bytes(bytes)) => {
            let text = std::str::from_utf8(bytes).map_err(|_| Inert::NotJson)?;
            let canonical = canonical_json(text).is_some_and(|canonical| canonical == text);
            if canonical { Ok(()) } else { Err(Inert::NotJson) }
        }
        (_, _) => Err(Inert::Shape),
    }
}

fn check_member(field: usize, op: &Op<'_>) -> Result<Place, Inert> {
    let (Key::Name(name), false) = (op.key, op.insert) else { return Err(Inert::Key) };
    if name.is_empty() {
        return Err(Inert::Key);
    }
    match op.action {
        Action::Put(Scalar::Bool(true)) | Action::Delete => {
            Ok(Place::Member(field, name.to_owned()))
        }
        Action::Put(_) | Action::Increment(_) | Action::MakeMap | Action::MakeText => {
            Err(Inert::Shape)
        }
    }
}

fn check_text(field: usize, op: &Op<'_>) -> Result<Place, Inert> {
    let fits = match (op.action, op.key) {
        (_, Key::Name(_)) => return Err(Inert::Key),
        (Action::Put(Scalar::Str(text)), Key::Head | Key::Element(_)) => {
            if !op.preds.is_empty() {
                return Err(Inert::Preds);
            }
            op.insert && text.chars().count() == 1
        }
        (Action::Delete, Key::Element(id)) => {
            if op.preds != [id] {
                return Err(Inert::Preds);
            }
            !op.insert
        }
        (_, Key::Head | Key::Element(_)) => false,
    };
    if fits { Ok(Place::Text(field)) } else { Err(Inert::Shape) }
}

/// Whether a change may stand on its ancestors; `find` looks an operation up among them.
pub(crate) fn check_ancestry<'s>(
    identity: &Identity,
    checked: &'s Checked,
    by_publisher: bool,
    past: &Ancestry,
    find: impl Fn(&Actor, u64) -> Option<&'s Slot>,
) -> Result<(), Inert> {
    if past.clock.get(&identity.actor).copied().unwrap_or(0) + 1 != identity.seq {
        return Err(Inert::NotAfterOwn);
    }
    if identity.start_op != past.max_op + 1 {
        return Err(Inert::StartOp);
    }
    if !by_publisher && !past.published {
        return Err(Inert::Uninvited);
    }
    for link in &checked.links {
        let own = (link.actor == identity.actor)
            .then(|| link.counter.checked_sub(identity.start_op))
            .flatten();
        let slot = match own {
            Some(index) if index >= link.op as u64 => return Err(Inert::UnknownOp),
            Some(index) => checked.slots.get(index as usize),
            None => find(&link.actor, link.counter),
        };
        let slot = slot.ok_or(Inert::UnknownOp)?;
        if !slot.makes || slot.place != checked.slots[link.op].place {
            return Err(Inert::OtherPlace);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
