//! Own customers into a file, each noted before it leaves: what a file holds cannot be taken back.

use std::collections::BTreeSet;

use entente_protocol::book::Address;
use entente_protocol::id::RecordId;
use entente_protocol::value::Fields;
use entente_protocol::view::{From, ListQuery};
use entente_protocol::vocabulary::{self, Kind, to_json, to_text};
use serde_json::{Map, Value as Json};

use super::problem::Problem;
use super::record::selector;
use super::{Answer, CHUNK, Replica, sheet};

/// What a file is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A table, its headings the names of fields.
    Csv,
    /// An array of objects.
    Json,
}

impl Format {
    /// By its name.
    pub fn named(name: &str) -> Answer<Self> {
        match name {
            "csv" => Ok(Self::Csv),
            "json" => Ok(Self::Json),
            _ => Err(Problem::Shape("the formats of an export are csv and json")),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Json => "json",
        }
    }
}

/// An export in progress: one step is one call of the engine.
#[derive(Debug)]
pub struct Exporting {
    format: Format,
    selector: Option<String>,
    after: Option<Vec<u8>>,
    rows: Vec<(RecordId, Fields)>,
}

impl Exporting {
    /// An export that has not begun.
    pub fn new(format: Format, selector: Option<String>) -> Self {
        Self { format, selector, after: None, rows: Vec::new() }
    }

    /// Takes the next customers, and notes that they leave; false when there are none left.
    pub fn step(&mut self, replica: &mut Replica) -> Answer<bool> {
        let query = ListQuery {
            from: From::Own,
            selector: selector(Kind::Customer, self.selector.as_deref())?,
            after: self.after.take(),
            limit: CHUNK,
            ..ListQuery::of(Kind::Customer)
        };
        let page = replica.list(&query)?;
        let mut taken = Vec::new();
        for view in &page.records {
            if let Address::Own { record, .. } = view.at {
                taken.push(record);
                self.rows.push((record, view.values()));
            }
        }
        replica.note_export(Kind::Customer, self.format.name(), &taken)?;
        self.after = page.next;
        Ok(self.after.is_some())
    }

    /// The file. A table has the vocabulary's columns that are used, then the custom ones; it has no
    /// ids, so that `customer import` reads it back.
    pub fn file(self) -> Answer<Vec<u8>> {
        match self.format {
            Format::Csv => table(&self.rows),
            Format::Json => {
                let all: Vec<Json> = self.rows.iter().map(|(id, row)| object(id, row)).collect();
                Ok(Json::Array(all).to_string().into_bytes())
            }
        }
    }
}

fn table(rows: &[(RecordId, Fields)]) -> Answer<Vec<u8>> {
    let used: BTreeSet<&str> = rows.iter().flat_map(|(_, row)| row.keys().map(|k| &**k)).collect();
    let known = vocabulary::fields(Kind::Customer).iter().map(|field| field.name);
    let mut columns: Vec<&str> = known.filter(|name| used.contains(name)).collect();
    columns.extend(used.iter().filter(|name| vocabulary::is_custom(name)));
    if columns.is_empty() {
        columns.push("name");
    }
    let heading = columns.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let lines = rows.iter().map(|(_, row)| {
        let cell = |name: &&str| {
            row.get(*name).map(|value| to_text(Kind::Customer, name, value)).unwrap_or_default()
        };
        columns.iter().map(cell).collect::<Vec<_>>()
    });
    sheet::csv([heading].into_iter().chain(lines))
}

fn object(id: &RecordId, row: &Fields) -> Json {
    let mut object = Map::new();
    object.insert("id".into(), Kind::Customer.id_text(id).into());
    let fields = row.iter().map(|(name, of)| (name.clone(), to_json(Kind::Customer, name, of)));
    object.insert("fields".into(), Json::Object(fields.collect()));
    Json::Object(object)
}
