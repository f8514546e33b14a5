//! What a facet may hold, and the genesis change that follows from it alone.
//! Knows field names and shapes, no vocabulary and no values.

use std::fmt;
use std::sync::Arc;

use automerge::Automerge;

use crate::change::chunk::{Action, Chunk, Key, Op, Scalar, seal};
use crate::change::{Hash, read};
use crate::statement::{FieldSpec, Nonce32};
use crate::value::Shape;

/// Who makes the containers. No log has such an actor: those are 20 bytes long.
pub(crate) const GENESIS_ACTOR: &[u8] = b"entente/genesis1";
/// What the names of fields outside any vocabulary begin with.
pub const OPEN_PREFIX: &str = "x_";

/// The fields of a compartment with their genesis; cheap to clone.
#[derive(Clone)]
pub struct Schema(Arc<Inner>);

struct Inner {
    fields: Vec<FieldSpec>,
    open: bool,
    /// Indices of the fields that genesis makes, in the order of its operations.
    made: Vec<usize>,
    genesis: Hash,
    document: Automerge,
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Schema")
            .field("fields", &self.0.fields)
            .field("open", &self.0.open)
            .finish()
    }
}

impl Schema {
    /// The schema of a compartment with exactly these fields, in any order, each name once.
    pub fn new(fields: &[FieldSpec]) -> Self {
        Self::build(fields, false)
    }

    /// The schema of a book: also takes any `x_…` field, as a string or as JSON.
    pub fn open(fields: &[FieldSpec]) -> Self {
        Self::build(fields, true)
    }

    fn build(fields: &[FieldSpec], open: bool) -> Self {
        let mut fields = fields.to_vec();
        fields.sort_by(|a, b| a.name.cmp(&b.name));
        fields.dedup_by(|a, b| a.name == b.name);
        let made: Vec<usize> =
            (0..fields.len()).filter(|index| action(fields[*index].shape).is_some()).collect();
        let ops = fields.iter().filter_map(|field| {
            let action = action(field.shape)?;
            let key = Key::Name(&field.name);
            Some(Op { object: None, key, insert: false, action, preds: Vec::new() })
        });
        let chunk = Chunk {
            deps: Vec::new(),
            actor: GENESIS_ACTOR,
            seq: 1,
            start_op: 1,
            others: Vec::new(),
            ops: ops.collect(),
        };
        let mut bytes = chunk.encode();
        // Our own change, made of valid operations: automerge reads and applies it.
        let change = read(&bytes).unwrap_or_else(|error| unreachable!("genesis: {error}"));
        let genesis = change.hash().0;
        seal(&mut bytes, &genesis);
        let mut document = Automerge::new();
        document.apply_changes([change]).unwrap_or_else(|error| unreachable!("genesis: {error}"));
        Self(Arc::new(Inner { fields, open, made, genesis, document }))
    }

    /// The hash of the genesis change, as it stands in the compartment's opening.
    pub fn genesis(&self) -> Nonce32 {
        Nonce32(self.0.genesis)
    }

    /// The fields, by name.
    pub fn fields(&self) -> &[FieldSpec] {
        &self.0.fields
    }

    /// The shape of a named field; `None` for `x_…` fields of a book, which have one of two.
    pub fn shape(&self, name: &str) -> Option<Shape> {
        self.find(name).map(|(_, shape)| shape)
    }

    /// Index and shape of a named field.
    pub(crate) fn find(&self, name: &str) -> Option<(usize, Shape)> {
        let index = self.0.fields.binary_search_by(|field| field.name.as_str().cmp(name)).ok()?;
        Some((index, self.0.fields[index].shape))
    }

    /// Whether this is a book's schema and `name` one of its open fields.
    pub fn takes(&self, name: &str) -> bool {
        self.0.open && name.starts_with(OPEN_PREFIX)
    }

    /// A document that holds genesis alone.
    pub(crate) fn document(&self) -> Automerge {
        self.0.document.clone()
    }

    /// The highest counter of genesis.
    pub(crate) fn max_op(&self) -> u64 {
        self.0.made.len() as u64
    }

    /// The field that the genesis operation with this counter makes.
    pub(crate) fn made_by(&self, counter: u64) -> Option<&FieldSpec> {
        self.container(counter).map(|(field, _)| &self.0.fields[field])
    }

    /// Index and shape of the field that the genesis operation with this counter makes.
    pub(crate) fn container(&self, counter: u64) -> Option<(usize, Shape)> {
        let index = usize::try_from(counter.checked_sub(1)?).ok()?;
        let field = *self.0.made.get(index)?;
        Some((field, self.0.fields[field].shape))
    }

    /// The counter of the genesis operation that makes a field.
    pub(crate) fn maker(&self, name: &str) -> Option<u64> {
        let at = self.0.made.iter().position(|index| self.0.fields[*index].name == name)?;
        Some(at as u64 + 1)
    }
}

fn action(shape: Shape) -> Option<Action<'static>> {
    match shape {
        Shape::Text => Some(Action::MakeText),
        Shape::Set => Some(Action::MakeMap),
        Shape::Counter => Some(Action::Put(Scalar::Counter(0))),
        Shape::Bool | Shape::Int | Shape::Instant | Shape::Str | Shape::Json => None,
    }
}
