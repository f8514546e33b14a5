//! Bytes taken apart into what a target needs; what is missing is zero.

use crate::change;
use crate::change::chunk::seal;
use crate::facet::{Edit, Schema};
use crate::value::{Shape, Value};

#[derive(Debug, Clone, Copy)]
pub struct Bytes<'a>(pub &'a [u8]);

impl<'a> Bytes<'a> {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or(0)
    }

    /// A number below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        usize::from(self.byte()) % n
    }

    pub fn number(&mut self) -> u64 {
        self.take(8).iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    pub fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// Bytes after their length: one byte, or two if that is 255.
    pub fn prefixed(&mut self) -> &'a [u8] {
        let len = match self.byte() {
            255 => usize::from(self.byte()) << 8 | usize::from(self.byte()),
            len => usize::from(len),
        };
        self.take(len)
    }

    pub fn text(&mut self) -> String {
        String::from_utf8_lossy(self.prefixed()).into_owned()
    }

    /// An edit of some field that a schema has.
    pub fn edit(&mut self, schema: &Schema) -> Option<Edit> {
        let field = schema.fields().get(self.below(schema.fields().len().max(1)))?;
        let name = field.name.clone();
        let part = self.byte();
        Some(match (field.shape, part % 3) {
            (Shape::Set, 0) => Edit::SetAdd(name, self.text()),
            (Shape::Set, 1) => Edit::SetRemove(name, self.text()),
            (Shape::Counter, 0) => Edit::Increment(name, self.number() as i64),
            (Shape::Text, 0 | 1) => Edit::Splice {
                field: name,
                at: self.below(16),
                delete: self.below(4),
                insert: self.text(),
            },
            (_, 2) if part > 200 => Edit::Clear(name),
            (shape, _) => Edit::Put(name, self.value(shape)),
        })
    }

    fn value(&mut self, shape: Shape) -> Value {
        match shape {
            Shape::Bool => Value::Bool(self.byte() & 1 == 1),
            Shape::Int => Value::Int(self.number() as i64),
            Shape::Instant => Value::Instant(self.number() as i64),
            Shape::Str => Value::Str(self.text()),
            Shape::Json => Value::Json(self.text()),
            Shape::Text => Value::Text(self.text()),
            Shape::Set => Value::Set((0..self.below(4)).map(|_| self.text()).collect()),
            Shape::Counter => Value::Counter(self.number() as i64),
        }
    }

    /// Turns over some bits of a change, with a checksum that fits again; whether any were.
    pub fn damage(&mut self, change: &mut [u8]) -> bool {
        let times = self.below(8).saturating_sub(4);
        for _ in 0..times {
            let at = usize::from(self.byte()) << 8 | usize::from(self.byte());
            let mask = self.byte();
            let len = change.len();
            change[at % len] ^= mask;
        }
        reseal(change);
        times > 0
    }
}

/// The bytes of a change around a body, with a checksum that fits if automerge can read it.
pub fn framed(body: &[u8]) -> Vec<u8> {
    let mut change = vec![0x85, 0x6f, 0x4a, 0x83, 0, 0, 0, 0, 1];
    let mut len = body.len();
    while len >= 0x80 {
        change.push(len as u8 | 0x80);
        len >>= 7;
    }
    change.push(len as u8);
    change.extend_from_slice(body);
    reseal(&mut change);
    change
}

fn reseal(change: &mut [u8]) {
    if let Ok(read) = change::read(change) {
        seal(change, &read.hash().0);
    }
}
