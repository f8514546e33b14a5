//! Brings rows of foreign tables into the vocabulary: which column feeds which field, which cells
//! fit, and what becomes of those that do not. Knows nothing of files, stores or the network;
//! one file per format below turns bytes into rows of cells.

use std::collections::BTreeMap;

use entente_protocol::value::{Fields, Value};
use entente_protocol::vocabulary::{
    self, Kind, ValueError, canonical_json, from_json, parse_text, to_json,
};
use serde::Serialize;
use serde_json::{Map, Value as Json};
use thiserror::Error;

mod columns;
pub mod csv;
mod decode;

pub use columns::UnknownColumn;
use columns::{Column, Columns, Target};

/// The key under which a heading `external_id` enters `external_ids`.
pub const EXTERNAL_ID_KEY: &str = "external_id";

/// What an import found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Imported {
    /// The rows that can become records, in the order of the file.
    pub rows: Vec<ImportedRow>,
    /// The rows that cannot, in the order of the file.
    pub rejected: Vec<Rejected>,
    /// The columns the vocabulary does not know, kept as custom fields.
    pub unknown_columns: Vec<UnknownColumn>,
}

/// A row that can become a record.
#[derive(Debug, Clone, PartialEq)]
pub struct ImportedRow {
    /// The physical line it begins on; the file's first line is 1.
    pub line: u64,
    /// Its values; empty cells give none.
    pub fields: Fields,
    /// Cells that were kept elsewhere because they do not fit.
    pub warnings: Vec<CellProblem>,
}

/// A cell that does not fit its field and was kept as a custom one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CellProblem {
    /// The heading, as in the file.
    pub column: String,
    /// The custom field that holds the value now.
    pub kept_as: String,
    /// Why it does not fit.
    pub why: String,
}

/// A row that cannot become a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rejected {
    /// The physical line it begins on; the file's first line is 1.
    pub line: u64,
    /// The heading of the cell at fault, if one is.
    pub column: Option<String>,
    /// Why, as a sentence for people.
    pub why: String,
}

/// Why a file as a whole cannot be read.
#[derive(Debug, Error)]
pub enum ImportError {
    /// There is not even a heading.
    #[error("the file is empty: its first line must name the columns")]
    Empty,
    /// The bytes are no text in any encoding that is known here.
    #[error("the file is not text in UTF-8, UTF-16 with a byte order mark, or GB18030")]
    Encoding,
    /// A quotation mark in the headings is never closed.
    #[error("a quotation mark in the headings is not closed")]
    Headings,
    /// The CSV reader gave up.
    #[error("the file is not CSV")]
    Csv(#[from] ::csv::Error),
}

impl Columns {
    /// Makes a record's fields of one row; `cells` in the order of the headings.
    fn row<'a>(
        &self,
        line: u64,
        cells: impl Iterator<Item = &'a str>,
    ) -> Result<ImportedRow, Rejected> {
        let mut draft = Draft::of(self.kind);
        for (at, cell) in cells.enumerate() {
            let cell = cell.trim();
            if cell.is_empty() {
                continue;
            }
            let beyond;
            let column = match self.columns.get(at) {
                Some(column) => column,
                None => {
                    beyond = Column::beyond(at);
                    draft.warn(&beyond, "there is no heading above it".to_owned());
                    &beyond
                }
            };
            draft.take(column, cell).map_err(|error| Rejected {
                line,
                column: Some(column.heading.clone()),
                why: error.to_string(),
            })?;
        }
        draft.finish(line)
    }
}

/// A row on its way to becoming a record.
struct Draft {
    kind: Kind,
    fields: Fields,
    lists: BTreeMap<&'static str, Vec<Json>>,
    external: Map<String, Json>,
    warnings: Vec<CellProblem>,
    /// The first heading that should have held a way to name or reach the customer.
    at_fault: Option<String>,
}

impl Draft {
    fn of(kind: Kind) -> Self {
        Self {
            kind,
            fields: Fields::new(),
            lists: BTreeMap::new(),
            external: Map::new(),
            warnings: Vec::new(),
            at_fault: None,
        }
    }

    fn warn(&mut self, column: &Column, why: String) {
        self.warnings.push(CellProblem {
            column: column.heading.clone(),
            kept_as: column.kept_as.clone(),
            why,
        });
    }

    fn take(&mut self, column: &Column, cell: &str) -> Result<(), ValueError> {
        match column.target {
            Target::ExternalId => {
                self.external.insert(EXTERNAL_ID_KEY.to_owned(), Json::from(cell));
                Ok(())
            }
            Target::Custom => self.keep(column, cell),
            Target::List(name) => self.take_list(column, name, cell),
            Target::Single(name) => match parse_text(self.kind, name, cell) {
                Ok(value) => {
                    self.fields.insert(name.to_owned(), value);
                    Ok(())
                }
                Err(error) => self.keep_bad(column, cell, error.to_string()),
            },
        }
    }

    /// Good elements are taken, bad ones kept aside.
    fn take_list(
        &mut self,
        column: &Column,
        name: &'static str,
        cell: &str,
    ) -> Result<(), ValueError> {
        let whole = parse_text(self.kind, name, cell);
        let (good, bad) = match whole {
            Ok(value) => (vec![value], None),
            Err(error) => {
                let (mut good, mut bad) = (Vec::new(), Vec::new());
                for part in vocabulary::split_items(cell) {
                    match parse_text(self.kind, name, part) {
                        Ok(value) => good.push(value),
                        Err(_) => bad.push(part),
                    }
                }
                match bad.is_empty() {
                    // Each element fits and all together do not: the list is too long.
                    true => (Vec::new(), Some((cell.to_owned(), error.to_string()))),
                    false => (good, Some((bad.join("; "), error.to_string()))),
                }
            }
        };
        let list = self.lists.entry(name).or_default();
        for value in good {
            if let Json::Array(elements) = to_json(self.kind, name, &value) {
                for element in elements {
                    if !list.contains(&element) {
                        list.push(element);
                    }
                }
            }
        }
        match bad {
            Some((bad, why)) => self.keep_bad(column, &bad, why),
            None => Ok(()),
        }
    }

    fn keep_bad(&mut self, column: &Column, cell: &str, why: String) -> Result<(), ValueError> {
        if column.names_customer() && self.at_fault.is_none() {
            self.at_fault = Some(column.heading.clone());
        }
        self.warn(column, why);
        self.keep(column, cell)
    }

    fn keep(&mut self, column: &Column, cell: &str) -> Result<(), ValueError> {
        let value = parse_text(self.kind, &column.kept_as, cell)?;
        self.fields.insert(column.kept_as.clone(), value);
        Ok(())
    }

    fn finish(mut self, line: u64) -> Result<ImportedRow, Rejected> {
        for (name, list) in std::mem::take(&mut self.lists) {
            if list.is_empty() {
                continue;
            }
            match from_json(self.kind, name, &Json::Array(list)) {
                Ok(value) => self.fields.insert(name.to_owned(), value),
                Err(error) => {
                    let column = Some(name.to_owned());
                    return Err(Rejected { line, column, why: error.to_string() });
                }
            };
        }
        self.add_external_id();
        if self.kind == Kind::Customer {
            self.derive_name();
            self.require_a_handle(line)?;
        }
        if self.fields.is_empty() {
            return Err(Rejected { line, column: None, why: "the row is empty".to_owned() });
        }
        Ok(ImportedRow { line, fields: self.fields, warnings: self.warnings })
    }

    fn add_external_id(&mut self) {
        if self.external.is_empty() {
            return;
        }
        let held =
            self.fields.get("external_ids").map(|ids| to_json(self.kind, "external_ids", ids));
        if let Some(Json::Object(ids)) = held {
            self.external.extend(ids);
        }
        let ids = canonical_json(&Json::Object(std::mem::take(&mut self.external)));
        self.fields.insert("external_ids".to_owned(), Value::Json(ids));
    }

    fn text(&self, name: &str) -> Option<&str> {
        match self.fields.get(name) {
            Some(Value::Str(text)) => Some(text.as_str()),
            _ => None,
        }
    }

    /// 张 and 伟 are 张伟; Zhang and Wei are Wei Zhang.
    fn derive_name(&mut self) {
        if self.text("name").is_some() {
            return;
        }
        let name = match (self.text("family_name"), self.text("given_name")) {
            (Some(family), Some(given)) if is_han(family) && is_han(given) => {
                format!("{family}{given}")
            }
            (Some(family), Some(given)) => format!("{given} {family}"),
            (Some(only), None) | (None, Some(only)) => only.to_owned(),
            (None, None) => return,
        };
        self.fields.insert("name".to_owned(), Value::Str(name));
    }

    fn require_a_handle(&self, line: u64) -> Result<(), Rejected> {
        let handles = ["name", "org_name", "emails", "phones"];
        if handles.iter().any(|name| self.fields.contains_key(*name)) {
            return Ok(());
        }
        let bad =
            self.warnings.iter().find(|problem| Some(&problem.column) == self.at_fault.as_ref());
        let wants = "a customer needs a name, an organisation, a valid e-mail or a valid phone";
        Err(Rejected {
            line,
            column: Some(self.at_fault.clone().unwrap_or_else(|| "name".to_owned())),
            why: match bad {
                Some(bad) => format!("{wants}; {}", bad.why),
                None => wants.to_owned(),
            },
        })
    }
}

fn is_han(text: &str) -> bool {
    text.chars().all(|c| matches!(c, '\u{3400}'..='\u{9fff}' | '\u{20000}'..='\u{3ffff}' | '·'))
}
