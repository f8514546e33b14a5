//! The columns of a change chunk, read in step into operations. Knows no frame and no schema.

use super::Inert;
use super::chunk::{Action, Id, Key, MAX_CHANGE_BYTES, MAX_KEY_BYTES, Op, Scalar};
use super::column::{Booleans, Cursor, Deltas, MAX_OPS, Runs};

const DEFLATED: u64 = 8;
pub(super) const OBJ_ACTOR: u64 = 0x01;
pub(super) const OBJ_COUNTER: u64 = 0x02;
pub(super) const KEY_ACTOR: u64 = 0x11;
pub(super) const KEY_COUNTER: u64 = 0x13;
pub(super) const KEY_STRING: u64 = 0x15;
pub(super) const INSERT: u64 = 0x34;
pub(super) const ACTION: u64 = 0x42;
pub(super) const VALUE_META: u64 = 0x56;
pub(super) const VALUE: u64 = 0x57;
pub(super) const PRED_COUNT: u64 = 0x70;
pub(super) const PRED_ACTOR: u64 = 0x71;
pub(super) const PRED_COUNTER: u64 = 0x73;
pub(super) const EXPAND: u64 = 0x94;
pub(super) const MARK_NAME: u64 = 0xa5;

pub(super) const COLUMNS: [u64; 12] = [
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

/// Reads the columns of all operations.
pub(super) fn decode_ops<'a>(input: &mut Cursor<'a>, actors: usize) -> Result<Vec<Op<'a>>, Inert> {
    let columns = decode_columns(input)?;
    Rows::new(columns, actors).collect()
}

/// How many operations there are, counted and not unfolded.
pub(super) fn count_ops(input: &mut Cursor<'_>) -> Result<usize, Inert> {
    let columns = decode_columns(input)?;
    Runs::<u64>::new(columns[6]).count()
}

fn decode_columns<'a>(input: &mut Cursor<'a>) -> Result<[&'a [u8]; COLUMNS.len()], Inert> {
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
    Ok(columns)
}

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
