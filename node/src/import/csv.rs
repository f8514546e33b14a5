//! Tables as text: comma, semicolon or tab between the cells, the vocabulary's names as headings.
//! Reads cells and counts physical lines; what a cell means is `canonical.rs`'s to say.

use std::str;

use entente_protocol::vocabulary::Kind;

use super::canonical::Columns;
use super::{Importer, ReadError, Sheet};
use crate::api::customer::Rejected;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Comma-separated values.
pub struct Csv;

impl Importer for Csv {
    fn name(&self) -> &'static str {
        "csv"
    }

    fn read(&self, kind: Kind, file: &[u8]) -> Result<Sheet, ReadError> {
        let file = file.strip_prefix(BYTE_ORDER_MARK).unwrap_or(file);
        let text = str::from_utf8(file).map_err(|error| {
            let before = &file[..error.valid_up_to()];
            let breaks = before.iter().filter(|byte| **byte == b'\n').count();
            ReadError::Encoding { line: breaks as u64 + 1 }
        })?;
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(delimiter(text))
            .has_headers(false)
            .flexible(true)
            .from_reader(text.as_bytes());
        let mut records = reader.records();
        let Some(Ok(headings)) = records.next() else { return Err(ReadError::Empty) };
        let mut sheet = Sheet::default();
        let columns = Columns::new(kind, headings.iter(), &mut sheet)?;
        // A quoted cell may hold line breaks, and blank lines are skipped: count from the bytes.
        let mut lines = Lines::new(text);
        for record in records {
            let Ok(record) = record else { continue };
            let start = record.position().map_or(0, csv::Position::byte);
            let line = lines.of(start as usize);
            match record.iter().skip(columns.len()).find(|cell| !cell.trim().is_empty()) {
                Some(_) => sheet.rejected.push(Rejected {
                    line,
                    column: None,
                    why: format!("{} cells under {} headings", record.len(), columns.len()),
                }),
                None => columns.row(kind, line, record.iter(), &mut sheet),
            }
        }
        Ok(sheet)
    }
}

/// The one that the first line has most of.
fn delimiter(text: &str) -> u8 {
    let heading = text.lines().next().unwrap_or_default();
    let count = |byte: u8| heading.bytes().filter(|b| *b == byte).count();
    [b';', b'\t']
        .into_iter()
        .fold(b',', |best, byte| if count(byte) > count(best) { byte } else { best })
}

/// Turns rising byte offsets into line numbers.
struct Lines<'a> {
    text: &'a [u8],
    at: usize,
    line: u64,
}

impl<'a> Lines<'a> {
    fn new(text: &'a str) -> Self {
        Self { text: text.as_bytes(), at: 0, line: 1 }
    }

    /// The line of the first cell at or after an offset; blank lines before it are passed over.
    fn of(&mut self, offset: usize) -> u64 {
        let mut to = offset.min(self.text.len());
        while matches!(self.text.get(to), Some(b'\n' | b'\r')) {
            to += 1;
        }
        let breaks = self.text[self.at..to].iter().filter(|byte| **byte == b'\n').count();
        self.line += breaks as u64;
        self.at = to;
        self.line
    }
}

#[cfg(test)]
mod tests {
    use entente_protocol::value::Value;

    use super::*;

    fn read(text: &str) -> Sheet {
        Csv.read(Kind::Customer, text.as_bytes()).unwrap()
    }

    fn said(sheet: &Sheet, row: usize, field: &str) -> String {
        match sheet.rows[row].fields.get(field) {
            Some(Value::Str(text) | Value::Json(text) | Value::Text(text)) => text.clone(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn headings_are_the_vocabularys_in_either_language_and_unknown_ones_are_kept() {
        let sheet = read(
            "\u{feff}external_id,name,Emails,电话,Shoe size\n7,王芳,w@example.com,+8613800138000,38\n",
        );
        assert_eq!(sheet.rows[0].external_id.as_deref(), Some("7"));
        assert_eq!(said(&sheet, 0, "name"), "王芳");
        assert_eq!(said(&sheet, 0, "emails"), r#"["w@example.com"]"#);
        assert_eq!(said(&sheet, 0, "x_shoe_size"), "38");
        assert!(sheet.rejected.is_empty(), "{:?}", sheet.rejected);
    }

    #[test]
    fn a_bad_row_is_named_by_its_physical_line_and_never_aborts_the_good_ones() {
        let sheet =
            read("name,remark\n\"Li\nWei\",a\n\n,only a remark\nAna,\"b\",too many\nBo,c\n");
        let lines: Vec<_> = sheet.rows.iter().map(|row| row.line).collect();
        assert_eq!(lines, [2, 7]);
        let lines: Vec<_> = sheet.rejected.iter().map(|row| row.line).collect();
        assert_eq!(lines, [5, 6]);
    }

    #[test]
    fn a_value_that_does_not_fit_is_kept_beside_with_a_warning() {
        let sheet = read("name;emails;gender\nAna;not an address;unsaid\n");
        assert_eq!(said(&sheet, 0, "x_emails"), "not an address");
        assert_eq!(said(&sheet, 0, "x_gender"), "unsaid");
        assert_eq!(sheet.warnings.len(), 2);
        assert_eq!(sheet.warnings[0].line, 2);
        assert_eq!(sheet.warnings[0].column.as_deref(), Some("emails"));
    }

    #[test]
    fn a_row_needs_something_to_know_the_customer_by() {
        let sheet = read(
            "name,family_name,given_name,org_name,emails\n,王,芳,,\n,Doe,Jane,,\n,,,ACME,\n,,,,nobody\n",
        );
        assert_eq!(said(&sheet, 0, "name"), "王芳");
        assert_eq!(said(&sheet, 1, "name"), "Jane Doe");
        assert_eq!(sheet.rows.len(), 3);
        assert_eq!(sheet.rejected[0].line, 5);
    }

    #[test]
    fn text_in_another_encoding_is_refused_with_the_line() {
        assert_eq!(
            Csv.read(Kind::Customer, b"name\nAna\n\xcd\xf5\n"),
            Err(ReadError::Encoding { line: 3 })
        );
        assert_eq!(Csv.read(Kind::Customer, b""), Err(ReadError::Empty));
    }
}
