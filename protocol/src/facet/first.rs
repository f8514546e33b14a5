//! A publisher's first leaf, written and read without a document: most facets never have another.

use std::collections::{BTreeMap, BTreeSet};

use super::edit::{EditError, fits, step, valid_element};
use super::schema::GENESIS_ACTOR;
use super::{Facet, Leaf, Schema};
use crate::change::chunk::{Action, Chunk, Id, Key, Op, Scalar, hash, seal};
use crate::change::{
    Actor, Ancestry, Inert, MAX_OPS, actor_of, canonical_json, check_ancestry, check_ops, identify,
};
use crate::id::LogId;
use crate::value::{Fields, Value};

/// The raw change that begins a facet in the publisher's `log`, on genesis alone. Without fields
/// it is an empty change: granted, nothing entered.
pub fn first_change(schema: &Schema, log: &LogId, fields: &Fields) -> Result<Vec<u8>, EditError> {
    begin(schema, &actor_of(log, 0), fields)
}

impl Facet {
    /// [`first_change`], with regard to leaves of the log that are here but do not count.
    pub fn first(&self, log: &LogId, fields: &Fields) -> Result<Vec<u8>, EditError> {
        begin(&self.schema, &self.next_actor(log), fields)
    }
}

const SELF: usize = 0;
const GENESIS: usize = 1;

fn begin(schema: &Schema, actor: &Actor, fields: &Fields) -> Result<Vec<u8>, EditError> {
    let json = canonical(schema, fields)?;
    let start_op = schema.max_op() + 1;
    let mut ops = Vec::with_capacity(fields.len());
    for (name, value) in fields {
        let made = schema.maker(name).map(|counter| Id { actor: GENESIS, counter });
        let put = |object, key, value| Op {
            object,
            key,
            insert: false,
            action: Action::Put(value),
            preds: Vec::new(),
        };
        let root = |value| put(None, Key::Name(name), value);
        match value {
            Value::Bool(value) => ops.push(root(Scalar::Bool(*value))),
            Value::Int(value) => ops.push(root(Scalar::Int(*value))),
            Value::Instant(value) => ops.push(root(Scalar::Instant(*value))),
            Value::Str(value) => ops.push(root(Scalar::Str(value))),
            Value::Json(value) => {
                let text = json.get(name.as_str()).unwrap_or(value);
                ops.push(root(Scalar::Bytes(text.as_bytes())));
            }
            Value::Text(text) => {
                let mut key = Key::Head;
                for (at, char) in text.char_indices() {
                    let scalar = Scalar::Str(&text[at..at + char.len_utf8()]);
                    let counter = start_op + ops.len() as u64;
                    ops.push(Op { insert: true, ..put(made, key, scalar) });
                    key = Key::Element(Id { actor: SELF, counter });
                }
            }
            Value::Set(elements) => {
                for element in elements {
                    valid_element(name, element)?;
                    ops.push(put(made, Key::Name(element), Scalar::Bool(true)));
                }
            }
            Value::Counter(0) => (),
            Value::Counter(sum) => ops.push(Op {
                action: Action::Increment(step(name, *sum)?),
                preds: made.into_iter().collect(),
                ..root(Scalar::Int(*sum))
            }),
        }
    }
    if ops.len() > MAX_OPS {
        return Err(Inert::TooManyOps.into());
    }
    let names_genesis = ops.iter().any(|op| op.object.is_some() || !op.preds.is_empty());
    let chunk = Chunk {
        deps: vec![schema.genesis().0],
        actor,
        seq: 1,
        start_op,
        others: if names_genesis { vec![GENESIS_ACTOR] } else { Vec::new() },
        ops,
    };
    let mut bytes = chunk.encode();
    if bytes.len() > crate::change::MAX_CHANGE_BYTES {
        return Err(Inert::TooLong.into());
    }
    let hash = hash(&bytes);
    seal(&mut bytes, &hash);
    Ok(bytes)
}

/// Checks every value, and gives those JSON texts that were not canonical.
fn canonical<'f>(
    schema: &Schema,
    fields: &'f Fields,
) -> Result<BTreeMap<&'f str, String>, EditError> {
    let mut json = BTreeMap::new();
    for (name, value) in fields {
        fits(schema, name, value)?;
        if let Value::Json(text) = value {
            let text = canonical_json(text).ok_or_else(|| EditError::NotJson(name.clone()))?;
            json.insert(name.as_str(), text);
        }
    }
    Ok(json)
}

/// Checks a leaf that depends on genesis alone as [`Facet::insert`] would, and reads its values
/// from its operations.
pub fn first_values(schema: &Schema, leaf: &Leaf<'_>) -> Result<Fields, Inert> {
    let bytes = leaf.change.ok_or(Inert::Redacted)?;
    let (identity, chunk) = identify(bytes, &leaf.log)?;
    match identity.deps.as_slice() {
        [] => return Err(Inert::NoDeps),
        [dep] if *dep == schema.genesis().0 => (),
        _ => return Err(Inert::Ancestor),
    }
    if identity.seq != 1 {
        return Err(Inert::Sequence);
    }
    let checked = check_ops(schema, &chunk)?;
    let past = Ancestry { max_op: schema.max_op(), ..Ancestry::default() };
    check_ancestry(&identity, &checked, leaf.by_publisher, &past, |_, _| None)?;
    Ok(Reader { schema, chunk: &chunk }.values())
}

/// Plays the operations of one checked change that has only genesis before it.
struct Reader<'r, 'a> {
    schema: &'r Schema,
    chunk: &'r Chunk<'a>,
}

impl<'a> Reader<'_, 'a> {
    fn values(&self) -> Fields {
        let mut replaced = BTreeSet::new();
        for op in &self.chunk.ops {
            replaced.extend(op.preds.iter().filter(|id| id.actor == SELF).map(|id| id.counter));
        }
        let mut fields = Fields::new();
        let mut texts: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (index, op) in self.chunk.ops.iter().enumerate() {
            let stands = !replaced.contains(&self.chunk.id(index).counter);
            let held = op.object.and_then(|object| self.schema.container(object.counter));
            match (held, op.key, op.action) {
                (Some((field, _)), Key::Head | Key::Element(_), Action::Put(_)) => {
                    texts.entry(field).or_default().push(index);
                }
                (Some((field, _)), Key::Name(element), Action::Put(_)) if stands => {
                    let name = self.schema.fields()[field].name.clone();
                    let set = fields.entry(name).or_insert_with(|| Value::Set(BTreeSet::new()));
                    if let Value::Set(set) = set {
                        set.insert(element.to_owned());
                    }
                }
                (None, Key::Name(name), Action::Put(value)) if stands => {
                    fields.insert(name.to_owned(), self.value(value));
                }
                (None, Key::Name(name), Action::Increment(by)) => {
                    let sum = fields.entry(name.to_owned()).or_insert(Value::Counter(0));
                    if let Value::Counter(sum) = sum {
                        *sum = sum.wrapping_add(by);
                    }
                }
                (_, _, _) => (),
            }
        }
        for (field, inserted) in texts {
            let text = self.text(&inserted, &replaced);
            if !text.is_empty() {
                fields.insert(self.schema.fields()[field].name.clone(), Value::Text(text));
            }
        }
        fields.retain(|_, value| *value != Value::Counter(0));
        fields
    }

    fn value(&self, value: Scalar<'a>) -> Value {
        match value {
            Scalar::Bool(value) => Value::Bool(value),
            Scalar::Int(value) => Value::Int(value),
            Scalar::Instant(value) => Value::Instant(value),
            Scalar::Str(value) => Value::Str(value.to_owned()),
            Scalar::Bytes(value) => Value::Json(String::from_utf8_lossy(value).into_owned()),
            Scalar::Counter(value) => Value::Counter(value),
        }
    }

    /// The text that insertions make: each stands right after the one it names, because nothing
    /// older than it can be newer than what it names (RGA with a single author).
    fn text(&self, inserted: &[usize], replaced: &BTreeSet<u64>) -> String {
        let mut next: BTreeMap<u64, u64> = BTreeMap::new();
        for index in inserted {
            let after = match self.chunk.ops[*index].key {
                Key::Element(id) => id.counter,
                Key::Head | Key::Name(_) => 0,
            };
            let own = self.chunk.id(*index).counter;
            if let Some(follower) = next.insert(after, own) {
                next.insert(own, follower);
            }
        }
        let mut text = String::new();
        let mut at = 0;
        while let Some(counter) = next.get(&at) {
            at = *counter;
            let op = &self.chunk.ops[(at - self.chunk.start_op) as usize];
            if let (Action::Put(Scalar::Str(char)), false) = (op.action, replaced.contains(&at)) {
                text.push_str(char);
            }
        }
        text
    }
}
