//! A raw change chunk and its operations, read strictly and written canonically.
//! Owns the byte format alone: knows no schema, no ancestors, and never calls automerge.

use sha2::{Digest, Sha256};

use super::Inert;
use super::column::{Cursor, put_booleans, put_deltas, put_runs, put_signed, put_unsigned};
use super::rows::{
    ACTION, COLUMNS, INSERT, KEY_ACTOR, KEY_COUNTER, KEY_STRING, OBJ_ACTOR, OBJ_COUNTER,
    PRED_ACTOR, PRED_COUNT, PRED_COUNTER, VALUE, VALUE_META, count_ops, decode_ops,
};

/// The largest change that is taken, in bytes.
pub const MAX_CHANGE_BYTES: usize = 768 * 1024;
/// The longest key of a map, in bytes: a field name or an element of a set.
pub const MAX_KEY_BYTES: usize = 1024;
/// Operations beyond one per byte, deletions aside, that a change may have.
const FREE_OPS: usize = 256;
/// Other changes and other actors that one change may name.
const MAX_NAMED: usize = 4096;
const MAGIC: [u8; 4] = [0x85, 0x6f, 0x4a, 0x83];
const CHECKSUM: std::ops::Range<usize> = 4..8;
const RAW_CHANGE: u8 = 1;
/// An operation's id; `actor` counts in [`Chunk::actor`], then [`Chunk::others`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Id {
    pub actor: usize,
    pub counter: u64,
}

/// Where in its object an operation acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key<'a> {
    Name(&'a str),
    Head,
    Element(Id),
}

/// A scalar value; those that no shape uses are refused as [`Inert::ValueType`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scalar<'a> {
    Bool(bool),
    Int(i64),
    Str(&'a str),
    Bytes(&'a [u8]),
    Counter(i64),
    Instant(i64),
}

/// What an operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action<'a> {
    MakeMap,
    MakeText,
    Put(Scalar<'a>),
    Delete,
    Increment(i64),
}

/// One operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Op<'a> {
    pub object: Option<Id>,
    pub key: Key<'a>,
    pub insert: bool,
    pub action: Action<'a>,
    pub preds: Vec<Id>,
}

/// A change, borrowed from its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chunk<'a> {
    pub deps: Vec<[u8; 32]>,
    pub actor: &'a [u8],
    pub seq: u64,
    pub start_op: u64,
    pub others: Vec<&'a [u8]>,
    pub ops: Vec<Op<'a>>,
}

impl<'a> Chunk<'a> {
    /// Reads a chunk; what it returns encodes to the same bytes, the checksum aside.
    pub(crate) fn decode(bytes: &'a [u8]) -> Result<Self, Inert> {
        let chunk = Self::decode_body(&mut body(bytes)?)?;
        if chunk.encode()[CHECKSUM.end..] != bytes[CHECKSUM.end..] {
            return Err(Inert::NotCanonical);
        }
        // Deletions are many in few bytes, but each needs something of its own to delete.
        let paid = |op: &&Op<'_>| op.action != Action::Delete;
        if chunk.ops.iter().filter(paid).count() > FREE_OPS + bytes.len() {
            return Err(Inert::Bloated);
        }
        Ok(chunk)
    }

    fn decode_body(input: &mut Cursor<'a>) -> Result<Self, Inert> {
        let mut deps = Vec::new();
        for _ in 0..input.count(MAX_NAMED, Inert::TooManyNamed)? {
            let hash: [u8; 32] = input.take(32)?.try_into().map_err(|_| Inert::Truncated)?;
            deps.push(hash);
        }
        if !deps.is_sorted_by(|a, b| a < b) {
            return Err(Inert::NotCanonical);
        }
        let actor = input.prefixed()?;
        let seq = input.unsigned()?;
        let start_op = input.unsigned()?;
        if input.signed()? != 0 {
            return Err(Inert::Time);
        }
        if !input.prefixed()?.is_empty() {
            return Err(Inert::Message);
        }
        let mut others = Vec::new();
        for _ in 0..input.count(MAX_NAMED, Inert::TooManyNamed)? {
            others.push(input.prefixed()?);
        }
        let ops = decode_ops(input, others.len() + 1)?;
        if !input.is_empty() {
            return Err(Inert::ExtraBytes);
        }
        let chunk = Self { deps, actor, seq, start_op, others, ops };
        if !chunk.others.is_sorted_by(|a, b| a < b) || !chunk.all_used() {
            return Err(Inert::Actors);
        }
        Ok(chunk)
    }

    /// Whether exactly the actors that operations name are listed.
    fn all_used(&self) -> bool {
        let mut used = vec![false; self.others.len() + 1];
        used[0] = true;
        for op in &self.ops {
            let key = match op.key {
                Key::Name(_) | Key::Head => None,
                Key::Element(id) => Some(id),
            };
            for id in op.preds.iter().chain(&op.object).chain(&key) {
                used[id.actor] = true;
            }
        }
        used.into_iter().all(|used| used) && !self.others.contains(&self.actor)
    }

    /// The canonical bytes, with a checksum of zeros.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(256 + 24 * self.ops.len());
        put_unsigned(&mut body, self.deps.len() as u64);
        for dep in &self.deps {
            body.extend_from_slice(dep);
        }
        let put_bytes = |out: &mut Vec<u8>, bytes: &[u8]| {
            put_unsigned(out, bytes.len() as u64);
            out.extend_from_slice(bytes);
        };
        put_bytes(&mut body, self.actor);
        put_unsigned(&mut body, self.seq);
        put_unsigned(&mut body, self.start_op);
        put_signed(&mut body, 0);
        put_bytes(&mut body, &[]);
        put_unsigned(&mut body, self.others.len() as u64);
        for other in &self.others {
            put_bytes(&mut body, other);
        }
        let (columns, data) = encode_ops(&self.ops);
        put_unsigned(&mut body, columns.len() as u64);
        for (spec, len) in columns {
            put_unsigned(&mut body, spec);
            put_unsigned(&mut body, len as u64);
        }
        body.extend_from_slice(&data);

        let mut bytes = Vec::with_capacity(body.len() + 16);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&[0; CHECKSUM.end - CHECKSUM.start]);
        bytes.push(RAW_CHANGE);
        put_unsigned(&mut bytes, body.len() as u64);
        bytes.extend_from_slice(&body);
        bytes
    }

    /// The id that the operation at `index` has.
    pub(crate) fn id(&self, index: usize) -> Id {
        Id { actor: 0, counter: self.start_op + index as u64 }
    }

    /// The bytes of the actor that an id names.
    pub(crate) fn actor_of(&self, id: Id) -> &'a [u8] {
        match id.actor.checked_sub(1) {
            None => self.actor,
            Some(other) => self.others[other],
        }
    }
}

/// What follows the chunk's own frame.
fn body(bytes: &[u8]) -> Result<Cursor<'_>, Inert> {
    if bytes.len() > MAX_CHANGE_BYTES {
        return Err(Inert::TooLong);
    }
    let mut input = Cursor(bytes);
    if input.take(4)? != MAGIC {
        return Err(Inert::Magic);
    }
    input.take(CHECKSUM.len())?;
    if input.byte()? != RAW_CHANGE {
        return Err(Inert::ChunkType);
    }
    if input.unsigned()? != input.0.len() as u64 {
        return Err(Inert::Length);
    }
    Ok(input)
}

/// How many operations a change claims to have, at most [`super::MAX_OPS`]: counted from the run lengths
/// without unfolding them, so that a bundle can be refused for their sum before any is read.
pub fn claimed_ops(bytes: &[u8]) -> Result<usize, Inert> {
    let mut input = body(bytes)?;
    let deps = input.count(MAX_NAMED, Inert::TooManyNamed)?;
    input.take(32 * deps)?;
    input.prefixed()?;
    for _ in 0..2 {
        input.unsigned()?;
    }
    input.signed()?;
    input.prefixed()?;
    for _ in 0..input.count(MAX_NAMED, Inert::TooManyNamed)? {
        input.prefixed()?;
    }
    count_ops(&mut input)
}

/// The hash of a chunk, by which other changes name the change in it.
pub(crate) fn hash(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(&bytes[CHECKSUM.end..]).into()
}

/// Puts the checksum into bytes from [`Chunk::encode`].
pub(crate) fn seal(bytes: &mut [u8], hash: &[u8; 32]) {
    bytes[CHECKSUM].copy_from_slice(&hash[..CHECKSUM.len()]);
}

/// Whether the checksum is the beginning of the hash.
pub(crate) fn is_sealed(bytes: &[u8], hash: &[u8; 32]) -> bool {
    bytes[CHECKSUM] == hash[..CHECKSUM.len()]
}

fn encode_ops(ops: &[Op<'_>]) -> (Vec<(u64, usize)>, Vec<u8>) {
    let mut data = Vec::with_capacity(16 * ops.len());
    let mut columns = Vec::with_capacity(COLUMNS.len());
    let mut column = |spec: u64, write: &mut dyn FnMut(&mut Vec<u8>)| {
        let start = data.len();
        write(&mut data);
        if data.len() > start {
            columns.push((spec, data.len() - start));
        }
    };
    let element = |op: &Op<'_>| match op.key {
        Key::Element(id) => Some(id),
        Key::Name(_) | Key::Head => None,
    };
    if ops.iter().any(|op| op.object.is_some()) {
        let cell = |read: fn(Id) -> u64| rows(ops, |op| op.object.map(read));
        column(OBJ_ACTOR, &mut |out| put_runs(out, &cell(|id| id.actor as u64)));
        column(OBJ_COUNTER, &mut |out| put_runs(out, &cell(|id| id.counter)));
    }
    if ops.iter().any(|op| !matches!(op.key, Key::Name(_))) {
        let actors = rows(ops, |op| element(op).map(|id| id.actor as u64));
        column(KEY_ACTOR, &mut |out| put_runs(out, &actors));
        let counters = rows(ops, |op| match op.key {
            Key::Name(_) => None,
            Key::Head => Some(0),
            Key::Element(id) => Some(id.counter),
        });
        column(KEY_COUNTER, &mut |out| put_deltas(out, &counters));
    }
    let names = rows(ops, |op| match op.key {
        Key::Name(name) => Some(name),
        Key::Head | Key::Element(_) => None,
    });
    column(KEY_STRING, &mut |out| put_runs(out, &names));
    column(INSERT, &mut |out| put_booleans(out, ops.iter().map(|op| op.insert)));
    let mut raw = Vec::with_capacity(16 * ops.len());
    let (actions, metas): (Vec<_>, Vec<_>) =
        ops.iter().map(|op| encode_action(op.action, &mut raw)).unzip();
    column(ACTION, &mut |out| put_runs(out, &actions));
    column(VALUE_META, &mut |out| put_runs(out, &metas));
    column(VALUE, &mut |out| out.extend_from_slice(&raw));
    column(PRED_COUNT, &mut |out| put_runs(out, &rows(ops, |op| Some(op.preds.len() as u64))));
    let preds: Vec<Id> = ops.iter().flat_map(|op| &op.preds).copied().collect();
    let cell = |read: fn(&Id) -> u64| preds.iter().map(|id| Some(read(id))).collect::<Vec<_>>();
    column(PRED_ACTOR, &mut |out| put_runs(out, &cell(|id| id.actor as u64)));
    column(PRED_COUNTER, &mut |out| put_deltas(out, &cell(|id| id.counter)));
    (columns, data)
}

fn rows<'o, 'a, T>(ops: &'o [Op<'a>], read: impl Fn(&'o Op<'a>) -> T) -> Vec<T> {
    ops.iter().map(read).collect()
}

fn encode_action(action: Action<'_>, raw: &mut Vec<u8>) -> (Option<u64>, Option<u64>) {
    let start = raw.len();
    let (action, kind) = match action {
        Action::MakeMap => (0, 0),
        Action::MakeText => (4, 0),
        Action::Delete => (3, 0),
        Action::Increment(by) => {
            put_signed(raw, by);
            (5, 4)
        }
        Action::Put(value) => {
            match value {
                Scalar::Bool(_) => (),
                Scalar::Int(n) | Scalar::Counter(n) | Scalar::Instant(n) => put_signed(raw, n),
                Scalar::Str(text) => raw.extend_from_slice(text.as_bytes()),
                Scalar::Bytes(bytes) => raw.extend_from_slice(bytes),
            }
            let kind = match value {
                Scalar::Bool(false) => 1,
                Scalar::Bool(true) => 2,
                Scalar::Int(_) => 4,
                Scalar::Str(_) => 6,
                Scalar::Bytes(_) => 7,
                Scalar::Counter(_) => 8,
                Scalar::Instant(_) => 9,
            };
            (1, kind)
        }
    };
    (Some(action), Some(((raw.len() - start) as u64) << 4 | kind))
}
