//! CSV: bytes to rows of cells, with the physical line each row begins on. A row that cannot be
//! read never takes its neighbours with it. Knows headings and cells only through `Columns`.

use csv::{ReaderBuilder, StringRecord};
use entente_protocol::vocabulary::Kind;

use super::columns::Columns;
use super::{ImportError, Imported, Rejected, decode};

/// Reads a table whose first row names the columns. Separators `,` `;` and tab are told from it.
pub fn read_csv(kind: Kind, bytes: &[u8]) -> Result<Imported, ImportError> {
    let text = decode::text(bytes)?;
    let mut table = Table::new(&text);
    let columns = match table.next()? {
        None => return Err(ImportError::Empty),
        Some(Record::Torn { .. }) => return Err(ImportError::Headings),
        Some(Record::Row { cells, .. }) => Columns::of(kind, cells.iter()),
    };
    let mut imported = Imported { unknown_columns: columns.unknown(), ..Imported::default() };
    while let Some(record) = table.next()? {
        match record {
            Record::Torn { line } => imported.rejected.push(Rejected {
                line,
                column: None,
                why: "a quotation mark is not closed, or text follows the closing one".to_owned(),
            }),
            Record::Row { line, cells } => match columns.row(line, cells.iter()) {
                Ok(row) => imported.rows.push(row),
                Err(rejected) => imported.rejected.push(rejected),
            },
        }
    }
    Ok(imported)
}

enum Record {
    /// A row.
    Row { line: u64, cells: StringRecord },
    /// A line that opens a quotation and does not close it properly.
    Torn { line: u64 },
}

/// A text on its way through the CSV reader.
struct Table<'a> {
    text: &'a str,
    separator: u8,
    reader: csv::Reader<&'a [u8]>,
    /// Where in the text the reader began.
    base: usize,
    counted: usize,
    line: u64,
}

impl<'a> Table<'a> {
    fn new(text: &'a str) -> Self {
        let separator = separator(text);
        let reader = reader(text, separator);
        Self { text, separator, reader, base: 0, counted: 0, line: 1 }
    }

    fn next(&mut self) -> Result<Option<Record>, ImportError> {
        let before = self.base + self.reader.position().byte() as usize;
        let mut cells = StringRecord::new();
        if !self.reader.read_record(&mut cells)? {
            return Ok(None);
        }
        let rest = &self.text[before..];
        let start = before + rest.len() - rest.trim_start_matches(['\r', '\n']).len();
        let end = self.base + self.reader.position().byte() as usize;
        let line = self.line_at(start);
        let raw = self.text[start..end].trim_end_matches(['\r', '\n']);
        match raw.find(['\r', '\n']) {
            // Only a quotation spans lines. If it is not well formed it has most likely swallowed
            // good rows: give up its first line and go on with the next.
            Some(first_line) if !well_quoted(raw, self.separator) => {
                self.base = start + first_line;
                self.reader = reader(&self.text[self.base..], self.separator);
                Ok(Some(Record::Torn { line }))
            }
            Some(_) | None => Ok(Some(Record::Row { line, cells })),
        }
    }

    /// The physical line of a byte; asked for rising positions only.
    fn line_at(&mut self, byte: usize) -> u64 {
        let bytes = self.text.as_bytes();
        let ends_line = |at: &usize| match bytes[*at] {
            b'\n' => true,
            b'\r' => bytes.get(at + 1) != Some(&b'\n'),
            _ => false,
        };
        self.line += (self.counted..byte).filter(ends_line).count() as u64;
        self.counted = byte;
        self.line
    }
}

fn reader(text: &str, separator: u8) -> csv::Reader<&[u8]> {
    ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(separator)
        .from_reader(text.as_bytes())
}

/// The separator that stands most often in the first line, outside quotations.
fn separator(text: &str) -> u8 {
    let mut counts = [(b',', 0), (b';', 0), (b'\t', 0)];
    let mut quoted = false;
    for byte in text.trim_start_matches(['\r', '\n']).bytes() {
        match byte {
            b'"' => quoted = !quoted,
            b'\r' | b'\n' if !quoted => break,
            _ if quoted => {}
            _ => counts.iter_mut().filter(|(known, _)| *known == byte).for_each(|(_, n)| *n += 1),
        }
    }
    let (separator, _) = counts.into_iter().rev().max_by_key(|(_, n)| *n).unwrap_or((b',', 0));
    separator
}

/// Whether every quotation closes, with nothing between its end and the next separator (RFC 4180).
fn well_quoted(record: &str, separator: u8) -> bool {
    enum At {
        CellStart,
        Plain,
        Quoted,
        QuoteInQuoted,
    }
    let mut at = At::CellStart;
    for byte in record.bytes() {
        at = match (at, byte) {
            (At::Quoted, b'"') => At::QuoteInQuoted,
            (At::Quoted, _) | (At::CellStart | At::QuoteInQuoted, b'"') => At::Quoted,
            (At::CellStart | At::Plain | At::QuoteInQuoted, byte) if byte == separator => {
                At::CellStart
            }
            (At::CellStart | At::Plain, _) => At::Plain,
            (At::QuoteInQuoted, _) => return false,
        };
    }
    !matches!(at, At::Quoted)
}

#[cfg(test)]
mod tests;
