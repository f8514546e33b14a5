//! A raw change chunk and its operations, read strictly and written canonically.
//! Owns the byte format alone: knows no schema, no ancestors, and never calls automerge.

use super::Inert;
use super::column::{
    Booleans, Cursor, Deltas, MAX_OPS, Runs, put_booleans, put_deltas, put_runs, put_signed,
    put_unsigned,
};

/// The largest change that is taken, in bytes.
pub const MAX_CHANGE_BYTES: usize = 768 * 1024;
/// The longest key of a map, in bytes: a field name or an element of a set.
pub const MAX_KEY_BYTES: usize = 1024;
/// Other changes and other actors that one change may name.
const MAX_NAMED: usize = 4096;
const MAGIC: [u8; 4] = [0x85, 0x6f, 0x4a, 0x83];
const CHECKSUM: std::ops::Range<usize> = 4..8;
const RAW_CHANGE: u8 = 1;
const DEFLATED: u64 = 8;

const OBJ_ACTOR: u64 = 0x01;
const OBJ_COUNTER: u64 = 0x02;
const KEY_ACTOR: u64 = 0x11;
const KEY_COUNTER: u64 = 0x13;
const KEY_STRING: u64 = 0x15;
const INSERT: u64 = 0x34;
const ACTION: u64 = 0x42;
const VALUE_META: u64 = 0x56;
const VALUE: u64 = 0x57;
const PRED_COUNT: u64 = 0x70;
const PRED_ACTOR: u64 = 0x71;
const PRED_COUNTER: u64 = 0x73;
const EXPAND: u64 = 0x94;
const MARK_NAME: u64 = 0xa5;

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
        let chunk = Self::decode_body(&mut input)?;
        if chunk.encode()[CHECKSUM.end..] != bytes[CHECKSUM.end..] {
            return Err(Inert::NotCanonical);
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

/// Puts the checksum into bytes from [`Chunk::encode`].
pub(crate) fn seal(bytes: &mut [u8], hash: &[u8; 32]) {
    bytes[CHECKSUM].copy_from_slice(&hash[..CHECKSUM.len()]);
}

/// Whether the checksum is the beginning of the hash.
pub(crate) fn is_sealed(bytes: &[u8], hash: &[u8; 32]) -> bool {
    bytes[CHECKSUM] == hash[..CHECKSUM.len()]
}

fn decode_ops<'a>(input: &mut Cursor<'a>, actors: usize) -> Result<Vec<Op<'a>>, Inert> {
    let mut specs = Vec::new();
    for _ in 0..input.count(16, Inert::Column)? {
        let spec = input.unsigned()?;
        if spec & DEFLATED != 0 {
            return Err(Inert::Deflated);
        }
        specs.push((spec, input.count(MAX_CHANGE_BYTES, Inert::Truncated)?));
    }
    if !specs.is_sorted_by(|a, b| a.0 < b.0) {
        return Err(Inert::Column);
    }
    let empty: &[u8] = &[];
    let mut columns = [empty; COLUMNS.len()];
    for (spec, len) in specs {
        if spec == EXPAND || spec == MARK_NAME {
            return Err(Inert::Mark);
        }
        let place = COLUMNS.iter().position(|known| *known == spec).ok_or(Inert::Column)?;
        columns[place] = input.take(len)?;
    }
    Rows::new(columns, actors).collect()
}

const COLUMNS: [u64; 12] = [
    OBJ_ACTOR,
    OBJ_COUNTER,
    KEY_ACTOR,
    KEY_COUNTER,
    KEY_STRING,
    INSERT,
    ACTION,
    VALUE_META,
    VALUE,
    PRED_COUNT,
    PRED_ACTOR,
    PRED_COUNTER,
];

/// All columns, read in step.
struct Rows<'a> {
    actors: usize,
    object: (Runs<'a, u64>, Runs<'a, u64>),
    key: (Runs<'a, u64>, Deltas<'a>, Runs<'a, &'a str>),
    insert: Booleans<'a>,
    action: Runs<'a, u64>,
    value: (Runs<'a, u64>, Cursor<'a>),
    pred: (Runs<'a, u64>, Runs<'a, u64>, Deltas<'a>),
    preds: usize,
}

impl<'a> Rows<'a> {
    fn new(columns: [&'a [u8]; COLUMNS.len()], actors: usize) -> Self {
        let [obj_actor, obj_counter, key_actor, key_counter, key_string, insert, action, ..] =
            columns;
        let [.., meta, value, pred_count, pred_actor, pred_counter] = columns;
        Self {
            actors,
            object: (Runs::new(obj_actor), Runs::new(obj_counter)),
            key: (Runs::new(key_actor), Deltas::new(key_counter), Runs::new(key_string)),
            insert: Booleans::new(insert),
            action: Runs::new(action),
            value: (Runs::new(meta), Cursor(value)),
            pred: (Runs::new(pred_count), Runs::new(pred_actor), Deltas::new(pred_counter)),
            preds: 0,
        }
    }

    fn collect(mut self) -> Result<Vec<Op<'a>>, Inert> {
        let mut ops = Vec::new();
        while !self.action.done() {
            ops.push(self.row()?);
        }
        let done = self.object.0.done()
            && self.object.1.done()
            && self.key.0.done()
            && self.key.1.done()
            && self.key.2.done()
            && self.insert.done()
            && self.value.0.done()
            && self.value.1.is_empty()
            && self.pred.0.done()
            && self.pred.1.done()
            && self.pred.2.done();
        if done { Ok(ops) } else { Err(Inert::ColumnLengths) }
    }

    fn id(&self, actor: u64, counter: u64) -> Result<Id, Inert> {
        let actor = usize::try_from(actor).ok().filter(|actor| *actor < self.actors);
        match actor {
            Some(actor) if counter > 0 => Ok(Id { actor, counter }),
            Some(_) | None => Err(Inert::Actors),
        }
    }

    fn row(&mut self) -> Result<Op<'a>, Inert> {
        let action = self.action.next()?.ok_or(Inert::Action)?;
        let object = match (self.object.0.next()?, self.object.1.next()?) {
            (None, None) => None,
            (Some(actor), Some(counter)) => Some(self.id(actor, counter)?),
            (None, Some(_)) | (Some(_), None) => return Err(Inert::Key),
        };
        let key = match (self.key.0.next()?, self.key.1.next()?, self.key.2.next()?) {
            (None, None, Some(name)) if name.len() > MAX_KEY_BYTES => {
                return Err(Inert::KeyTooLong);
            }
            (None, None, Some(name)) => Key::Name(name),
            (None, Some(0), None) => Key::Head,
            (Some(actor), Some(counter), None) => Key::Element(self.id(actor, counter)?),
            (_, _, _) => return Err(Inert::Key),
        };
        let insert = self.insert.next()?;
        let meta = self.value.0.next()?.ok_or(Inert::ValueType)?;
        let value = scalar(meta, &mut self.value.1)?;
        let action = match (action, value) {
            (0, None) => Action::MakeMap,
            (4, None) => Action::MakeText,
            (1, Some(value)) => Action::Put(value),
            (3, None) => Action::Delete,
            (5, Some(Scalar::Int(by))) => Action::Increment(by),
            (7, _) => return Err(Inert::Mark),
            (0 | 1 | 3 | 4 | 5, _) => return Err(Inert::ValueType),
            (2 | 6, _) => return Err(Inert::Makes),
            (_, _) => return Err(Inert::Action),
        };
        let mut preds = Vec::new();
        let count = self.pred.0.next()?.ok_or(Inert::Preds)?;
        for _ in 0..count {
            self.preds += 1;
            if self.preds > MAX_OPS {
                return Err(Inert::TooManyOps);
            }
            let (Some(actor), Some(counter)) = (self.pred.1.next()?, self.pred.2.next()?) else {
                return Err(Inert::Preds);
            };
            preds.push(self.id(actor, counter)?);
        }
        Ok(Op { object, key, insert, action, preds })
    }
}

fn scalar<'a>(meta: u64, raw: &mut Cursor<'a>) -> Result<Option<Scalar<'a>>, Inert> {
    let len = usize::try_from(meta >> 4).map_err(|_| Inert::Truncated)?;
    let mut bytes = Cursor(raw.take(len)?);
    let value = match meta & 15 {
        0 => return if len == 0 { Ok(None) } else { Err(Inert::ValueType) },
        1 => Scalar::Bool(false),
        2 => Scalar::Bool(true),
        4 => Scalar::Int(bytes.signed()?),
        6 => Scalar::Str(std::str::from_utf8(bytes.take(len)?).map_err(|_| Inert::Utf8)?),
        7 => Scalar::Bytes(bytes.take(len)?),
        8 => Scalar::Counter(bytes.signed()?),
        9 => Scalar::Instant(bytes.signed()?),
        _ => return Err(Inert::ValueType),
    };
    if bytes.is_empty() { Ok(Some(value)) } else { Err(Inert::ValueType) }
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
