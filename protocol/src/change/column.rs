//! The column encodings of a change chunk: LEB128, run lengths, deltas, booleans.
//! Readers count rows against a cap before anything is unfolded; writers are canonical.
//! Format: automerge binary format, "column formats".

use super::Inert;

/// Rows in any column of one change, and so its operations.
pub const MAX_OPS: usize = 65_536;

/// Bytes that are read from the front.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor<'a>(pub(super) &'a [u8]);

impl<'a> Cursor<'a> {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn take(&mut self, len: usize) -> Result<&'a [u8], Inert> {
        let (head, tail) = self.0.split_at_checked(len).ok_or(Inert::Truncated)?;
        self.0 = tail;
        Ok(head)
    }

    pub(super) fn byte(&mut self) -> Result<u8, Inert> {
        let (head, tail) = self.0.split_first().ok_or(Inert::Truncated)?;
        self.0 = tail;
        Ok(*head)
    }

    pub(super) fn unsigned(&mut self) -> Result<u64, Inert> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(Inert::Number);
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Inert::Number)
    }

    pub(super) fn signed(&mut self) -> Result<i64, Inert> {
        let mut value = 0i64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = i64::from(byte & 0x7f);
            if shift == 63 && bits != 0 && bits != 0x7f {
                return Err(Inert::Number);
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                if shift < 57 && byte & 0x40 != 0 {
                    value |= -1i64 << (shift + 7);
                }
                return Ok(value);
            }
        }
        Err(Inert::Number)
    }

    /// A length or a count, at most `limit`.
    pub(super) fn count(&mut self, limit: usize, excess: Inert) -> Result<usize, Inert> {
        let value = self.unsigned()?;
        usize::try_from(value).ok().filter(|value| *value <= limit).ok_or(excess)
    }

    pub(super) fn prefixed(&mut self) -> Result<&'a [u8], Inert> {
        let len = self.count(self.0.len(), Inert::Truncated)?;
        self.take(len)
    }
}

/// What stands in a run-length column.
pub(super) trait Cell<'a>: Copy + PartialEq {
    fn read(from: &mut Cursor<'a>) -> Result<Self, Inert>;
    fn write(self, out: &mut Vec<u8>);
}

impl Cell<'_> for u64 {
    fn read(from: &mut Cursor<'_>) -> Result<Self, Inert> {
        from.unsigned()
    }
    fn write(self, out: &mut Vec<u8>) {
        put_unsigned(out, self);
    }
}

impl Cell<'_> for i64 {
    fn read(from: &mut Cursor<'_>) -> Result<Self, Inert> {
        from.signed()
    }
    fn write(self, out: &mut Vec<u8>) {
        put_signed(out, self);
    }
}

impl<'a> Cell<'a> for &'a str {
    fn read(from: &mut Cursor<'a>) -> Result<Self, Inert> {
        std::str::from_utf8(from.prefixed()?).map_err(|_| Inert::Utf8)
    }
    fn write(self, out: &mut Vec<u8>) {
        put_unsigned(out, self.len() as u64);
        out.extend_from_slice(self.as_bytes());
    }
}

/// Reads a run-length column row by row; an absent column is all null.
pub(super) struct Runs<'a, T> {
    bytes: Cursor<'a>,
    rows: usize,
    left: usize,
    run: Run<T>,
}

#[derive(Clone, Copy)]
enum Run<T> {
    Null,
    Same(T),
    Literal,
}

impl<'a, T: Cell<'a>> Runs<'a, T> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes: Cursor(bytes), rows: 0, left: 0, run: Run::Null }
    }

    /// The next row; null also beyond the end.
    pub(super) fn next(&mut self) -> Result<Option<T>, Inert> {
        if self.left == 0 {
            if self.bytes.is_empty() {
                return Ok(None);
            }
            self.start()?;
        }
        self.left -= 1;
        match self.run {
            Run::Null => Ok(None),
            Run::Same(value) => Ok(Some(value)),
            Run::Literal => T::read(&mut self.bytes).map(Some),
        }
    }

    fn start(&mut self) -> Result<(), Inert> {
        let length = self.bytes.signed()?;
        let count = match length {
            0 => self.bytes.unsigned()?,
            _ => length.unsigned_abs(),
        };
        let room = MAX_OPS - self.rows;
        let count = usize::try_from(count).ok().filter(|n| *n <= room).ok_or(Inert::TooManyOps)?;
        if count == 0 {
            return Err(Inert::NotCanonical);
        }
        self.rows += count;
        self.left = count;
        self.run = match length {
            0 => Run::Null,
            1.. => Run::Same(T::read(&mut self.bytes)?),
            ..0 => Run::Literal,
        };
        Ok(())
    }

    /// The number of rows, none unfolded.
    pub(super) fn count(mut self) -> Result<usize, Inert> {
        while !self.bytes.is_empty() {
            self.start()?;
            if let Run::Literal = self.run {
                for _ in 0..self.left {
                    T::read(&mut self.bytes)?;
                }
            }
        }
        Ok(self.rows)
    }

    /// Whether every row was read.
    pub(super) fn done(&self) -> bool {
        self.left == 0 && self.bytes.is_empty()
    }
}

/// Reads a delta column: runs of differences.
pub(super) struct Deltas<'a> {
    runs: Runs<'a, i64>,
    last: i64,
}

impl<'a> Deltas<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { runs: Runs::new(bytes), last: 0 }
    }

    pub(super) fn next(&mut self) -> Result<Option<u64>, Inert> {
        let Some(delta) = self.runs.next()? else { return Ok(None) };
        self.last = self.last.checked_add(delta).ok_or(Inert::Number)?;
        u64::try_from(self.last).map(Some).map_err(|_| Inert::Number)
    }

    pub(super) fn done(&self) -> bool {
        self.runs.done()
    }
}

/// Reads a boolean column: lengths of runs, the first of them false.
pub(super) struct Booleans<'a> {
    bytes: Cursor<'a>,
    rows: usize,
    left: usize,
    value: bool,
}

impl<'a> Booleans<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes: Cursor(bytes), rows: 0, left: 0, value: true }
    }

    pub(super) fn next(&mut self) -> Result<bool, Inert> {
        while self.left == 0 {
            if self.rows > 0 && self.bytes.is_empty() {
                return Err(Inert::Truncated);
            }
            self.left = self.bytes.count(MAX_OPS - self.rows, Inert::TooManyOps)?;
            self.rows += self.left;
            self.value = !self.value;
        }
        self.left -= 1;
        Ok(self.value)
    }

    pub(super) fn done(&self) -> bool {
        self.left == 0 && self.bytes.is_empty()
    }
}

pub(super) fn put_unsigned(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub(super) fn put_signed(out: &mut Vec<u8>, mut value: i64) {
    loop {
        let byte = value as u8 & 0x7f;
        value >>= 7;
        if (value == 0 && byte & 0x40 == 0) || (value == -1 && byte & 0x40 != 0) {
            out.push(byte);
            return;
        }
        out.push(byte | 0x80);
    }
}

/// Writes a run-length column the one canonical way; nothing at all if every row is null.
pub(super) fn put_runs<'a, T: Cell<'a>>(out: &mut Vec<u8>, rows: &[Option<T>]) {
    if rows.iter().all(Option::is_none) {
        return;
    }
    let same = |from: usize| rows[from..].iter().take_while(|row| **row == rows[from]).count();
    let mut at = 0;
    while at < rows.len() {
        let run = same(at);
        match rows[at] {
            None => {
                put_signed(out, 0);
                put_unsigned(out, run as u64);
                at += run;
            }
            Some(value) if run > 1 => {
                put_signed(out, run as i64);
                value.write(out);
                at += run;
            }
            Some(_) => {
                let lone = |i: &usize| rows[*i].is_some() && rows.get(i + 1) != Some(&rows[*i]);
                let end = (at..rows.len()).find(|i| !lone(i)).unwrap_or(rows.len());
                put_signed(out, -((end - at) as i64));
                for value in rows[at..end].iter().flatten() {
                    value.write(out);
                }
                at = end;
            }
        }
    }
}

/// Writes a delta column.
pub(super) fn put_deltas(out: &mut Vec<u8>, rows: &[Option<u64>]) {
    let mut last = 0i64;
    let deltas: Vec<Option<i64>> = rows
        .iter()
        .map(|row| {
            row.map(|value| {
                let value = value as i64;
                let delta = value.wrapping_sub(last);
                last = value;
                delta
            })
        })
        .collect();
    put_runs(out, &deltas);
}

/// Writes a boolean column.
pub(super) fn put_booleans(out: &mut Vec<u8>, rows: impl Iterator<Item = bool>) {
    let (mut last, mut count) = (false, 0);
    for row in rows {
        if row != last {
            put_unsigned(out, count);
            (last, count) = (row, 0);
        }
        count += 1;
    }
    if count > 0 {
        put_unsigned(out, count);
    }
}
