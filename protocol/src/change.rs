//! May this change stand? Judges one automerge change by itself, its ancestors and the schema.
//! Knows no bundles, grants or cuts, and keeps nothing.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use automerge::Change;
use thiserror::Error;

use crate::facet::Schema;
use crate::facet::schema::GENESIS_ACTOR;
use crate::id::LogId;
use crate::value::{Shape, canonical_json};

pub(crate) mod chunk;
mod column;

use chunk::{Action, Chunk, Id, Key, Op, Scalar};
pub use chunk::{MAX_CHANGE_BYTES, MAX_KEY_BYTES};
pub use column::MAX_OPS;

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

/// Why a leaf does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Error)]
pub enum Inert {
    /// The change was taken away by an erasure.
    #[error("the change was redacted")]
    Redacted,
    /// More than [`MAX_CHANGE_BYTES`].
    #[error("the change is too long")]
    TooLong,
    /// Not an automerge chunk.
    #[error("the bytes are no automerge chunk")]
    Magic,
    /// A compressed, document or bundle chunk.
    #[error("the chunk is not a raw change")]
    ChunkType,
    /// The chunk's length is not that of the bytes.
    #[error("the chunk's length is wrong")]
    Length,
    /// The bytes end too early.
    #[error("the bytes end too early")]
    Truncated,
    /// A number does not fit.
    #[error("a number is out of range")]
    Number,
    /// A text is not UTF-8.
    #[error("a text is not UTF-8")]
    Utf8,
    /// The checksum is not the hash's beginning.
    #[error("the checksum is wrong")]
    Checksum,
    /// The same change has another, canonical encoding.
    #[error("the encoding is not canonical")]
    NotCanonical,
    /// A column is compressed.
    #[error("a column is compressed")]
    Deflated,
    /// An unknown column, or columns out of order.
    #[error("the columns are not those of a change")]
    Column,
    /// Columns of different lengths.
    #[error("the columns differ in length")]
    ColumnLengths,
    /// More than [`MAX_OPS`] rows in a column.
    #[error("the change has too many operations")]
    TooManyOps,
    /// Too many dependencies or actors.
    #[error("the change names too many changes or actors")]
    TooManyNamed,
    /// The change bears a time.
    #[error("the change bears a time")]
    Time,
    /// The change bears a message.
    #[error("the change bears a message")]
    Message,
    /// Bytes after the columns.
    #[error("the change carries extra bytes")]
    ExtraBytes,
    /// A mark on a text.
    #[error("the change marks text")]
    Mark,
    /// An action that automerge does not have.
    #[error("an action is unknown")]
    Action,
    /// An operation that makes an object.
    #[error("the change makes an object")]
    Makes,
    /// A value of a type that its operation cannot have.
    #[error("a value's type does not fit its operation")]
    ValueType,
    /// An operation whose object or key is no key.
    #[error("a key is damaged or empty")]
    Key,
    /// More than [`MAX_KEY_BYTES`].
    #[error("a key is too long")]
    KeyTooLong,
    /// Predecessors missing, unsorted or where none may be.
    #[error("an operation's predecessors are wrong")]
    Preds,
    /// Listed actors are not exactly those that the operations name.
    #[error("the listed actors are wrong")]
    Actors,
    /// Automerge refuses to read it.
    #[error("automerge cannot read the change")]
    Unreadable,
    /// The actor is not one of the log.
    #[error("the actor is not the log's")]
    ForeignActor,
    /// It comes from nowhere.
    #[error("the change has no dependency")]
    NoDeps,
    /// The sequence number does not follow the log's previous change of this actor.
    #[error("the sequence number does not follow")]
    Sequence,
    /// The log's previous change of this actor is not an ancestor.
    #[error("the author's previous change is no ancestor")]
    NotAfterOwn,
    /// An ancestor is inert.
    #[error("an ancestor is inert")]
    Ancestor,
    /// The first counter is not one above the dependencies'.
    #[error("the first operation is misnumbered")]
    StartOp,
    /// Counters reach [`MAX_COUNTER`].
    #[error("the operation counters are too high")]
    MaxOp,
    /// It refers to an operation that is in no ancestor.
    #[error("it refers to an unknown operation")]
    UnknownOp,
    /// It refers to an operation elsewhere.
    #[error("it refers to an operation in another place")]
    OtherPlace,
    /// It acts in an object that genesis did not make.
    #[error("it acts in an unknown object")]
    Object,
    /// It puts or deletes a container.
    #[error("it puts or deletes a container")]
    Container,
    /// A field that the compartment does not have.
    #[error("the compartment has no such field")]
    Field,
    /// An operation or value that the field's shape does not allow.
    #[error("the operation does not fit the field's shape")]
    Shape,
    /// A counter's step above [`MAX_STEP`].
    #[error("the step of a counter is too large")]
    Step,
    /// Not canonical JSON.
    #[error("the value is not canonical JSON")]
    NotJson,
    /// An editor's change of a record that its publisher did not publish.
    #[error("no change of the publisher precedes it")]
    Uninvited,
    /// Automerge refused to apply it.
    #[error("automerge cannot apply the change")]
    NotApplied,
    /// Automerge panicked.
    #[error("automerge panicked")]
    Panicked,
}

impl Inert {
    /// A short, stable code.
    pub fn code(self) -> &'static str {
        match self {
            Inert::Redacted => "redacted",
            Inert::TooLong => "too-long",
            Inert::Magic => "magic",
            Inert::ChunkType => "chunk-type",
            Inert::Length => "length",
            Inert::Truncated => "truncated",
            Inert::Number => "number",
            Inert::Utf8 => "utf8",
            Inert::Checksum => "checksum",
            Inert::NotCanonical => "not-canonical",
            Inert::Deflated => "deflated",
            Inert::Column => "column",
            Inert::ColumnLengths => "column-lengths",
            Inert::TooManyOps => "too-many-ops",
            Inert::TooManyNamed => "too-many-named",
            Inert::Time => "time",
            Inert::Message => "message",
            Inert::ExtraBytes => "extra-bytes",
            Inert::Mark => "mark",
            Inert::Action => "action",
            Inert::Makes => "makes",
            Inert::ValueType => "value-type",
            Inert::Key => "key",
            Inert::KeyTooLong => "key-too-long",
            Inert::Preds => "preds",
            Inert::Actors => "actors",
            Inert::Unreadable => "unreadable",
            Inert::ForeignActor => "foreign-actor",
            Inert::NoDeps => "no-deps",
            Inert::Sequence => "sequence",
            Inert::NotAfterOwn => "not-after-own",
            Inert::Ancestor => "ancestor",
            Inert::StartOp => "start-op",
            Inert::MaxOp => "max-op",
            Inert::UnknownOp => "unknown-op",
            Inert::OtherPlace => "other-place",
            Inert::Object => "object",
            Inert::Container => "container",
            Inert::Field => "field",
            Inert::Shape => "shape",
            Inert::Step => "step",
            Inert::NotJson => "not-json",
            Inert::Uninvited => "uninvited",
            Inert::NotApplied => "not-applied",
            Inert::Panicked => "panicked",
        }
    }
}

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
    /// A root key.
    Root(String),
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

/// The hash of a chunk, and the change as automerge reads it.
pub(crate) fn read(bytes: &[u8]) -> Result<Change, Inert> {
    match catch_unwind(AssertUnwindSafe(|| Change::try_from(bytes))) {
        Ok(Ok(change)) => Ok(change),
        Ok(Err(_)) => Err(Inert::Unreadable),
        Err(_) => Err(Inert::Panicked),
    }
}

/// Everything about a change that holds whatever its operations do (steps 1 and 4).
pub(crate) fn identify<'a>(
    bytes: &'a [u8],
    log: &LogId,
) -> Result<(Identity, Chunk<'a>, Change), Inert> {
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
    let change = read(bytes)?;
    let hash = change.hash().0;
    if !chunk::is_sealed(bytes, &hash) {
        return Err(Inert::Checksum);
    }
    if change.raw_bytes() != bytes {
        return Err(Inert::NotCanonical);
    }
    let identity = Identity {
        hash,
        actor,
        seq: chunk.seq,
        deps: chunk.deps.clone(),
        start_op: chunk.start_op,
        max_op,
    };
    Ok((identity, chunk, change))
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
    for (index, op) in chunk.ops.iter().enumerate() {
        let order = |id: &Id| (id.counter, chunk.actor_of(*id));
        if !op.preds.is_sorted_by(|a, b| order(a) < order(b)) {
            return Err(Inert::Preds);
        }
        let slot = check_op(schema, chunk, op)?;
        // A counter's one predecessor is in genesis, which every change descends from.
        if !matches!(op.action, Action::Increment(_)) {
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
    let place = Place::Root(name.to_owned());
    let shape = match schema.shape(name) {
        Some(shape) => shape,
        None if schema.takes(name) => {
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
