//! Rows of a file into records: known ones are found again and updated, the others made.

use std::collections::BTreeMap;

use data_encoding::BASE32_NOPAD;
use entente_protocol::book::Address;
use entente_protocol::facet::Edit;
use entente_protocol::time::Millis;
use entente_protocol::value::{Fields, Value};
use entente_protocol::view::{From, ListQuery};
use entente_protocol::vocabulary::{Kind, canonical_json};
use serde_json::{Map, Value as Json};
use thiserror::Error;

use super::consent::{self, Note, scope};
use super::{Answer, CHUNK, Replica};
use crate::api::customer::{ImportParams, Imported, Rejected};
use crate::api::problem::ErrorKind;
use crate::import::{self, Imported as Sheet, ImportedRow as Row};
/// Why nothing was imported.
#[derive(Debug, Error)]
pub enum ImportError {
    /// There is no such format.
    #[error("there is no format `{0}`")]
    Format(String),
    /// Mappings come later.
    #[error("`customer import --mapping` is not built yet")]
    Mapping,
    /// `--consent` is not `basis:evidence`.
    #[error("`{0}` names no basis and evidence")]
    Consent(String),
    /// The file cannot be read.
    #[error("the file cannot be read")]
    Read(#[from] import::ImportError),
    /// No random number for the name of the import.
    #[error("the system gives no random numbers")]
    Random,
}

impl ImportError {
    pub(super) fn kind(&self) -> ErrorKind {
        match self {
            ImportError::Format(_) | ImportError::Consent(_) => ErrorKind::Usage,
            ImportError::Mapping => ErrorKind::NotBuilt,
            ImportError::Read(_) => ErrorKind::Unmet,
            ImportError::Random => ErrorKind::Fault,
        }
    }

    pub(super) fn code(&self) -> &'static str {
        match self {
            ImportError::Format(_) => "unknown_format",
            ImportError::Mapping => "not_built_yet",
            ImportError::Consent(_) => "bad_consent",
            ImportError::Read(_) => "unreadable_file",
            ImportError::Random => "no_randomness",
        }
    }

    pub(super) fn hint(&self) -> Option<String> {
        match self {
            ImportError::Format(_) => Some("this version reads csv".into()),
            ImportError::Consent(_) => {
                Some("write BASIS:EVIDENCE, such as 'form:fair 2027'".into())
            }
            ImportError::Read(import::ImportError::Encoding) => {
                Some("save the file as UTF-8 and import it again".into())
            }
            ImportError::Read(_) | ImportError::Mapping | ImportError::Random => None,
        }
    }
}

/// An import in progress: one step is one call of the engine.
pub struct Importing {
    params: ImportParams,
    sheet: Sheet,
    at: usize,
    known: Option<BTreeMap<String, Option<Address>>>,
    result: Imported,
}

impl Importing {
    /// Reads the file; nothing is changed yet.
    pub fn read(params: ImportParams, file: &[u8]) -> Result<Self, ImportError> {
        if params.format.as_deref().is_some_and(|format| format != "csv") {
            return Err(ImportError::Format(params.format.unwrap_or_default()));
        }
        if params.mapping.is_some() {
            return Err(ImportError::Mapping);
        }
        if let Some(text) = &params.consent {
            text.split_once(':').ok_or_else(|| ImportError::Consent(text.clone()))?;
        }
        let sheet = import::csv::read_csv(Kind::Customer, file)?;
        let mut result = Imported {
            rejected: sheet.rejected.iter().map(rejected).collect(),
            warnings: warnings(&sheet),
            ..Imported::default()
        };
        if !params.dry_run {
            let mut id = [0; 16];
            getrandom::fill(&mut id).map_err(|_| ImportError::Random)?;
            result.import = Some(format!("imp_{}", BASE32_NOPAD.encode(&id).to_ascii_lowercase()));
        }
        Ok(Self { params, sheet, at: 0, known: None, result })
    }

    /// How many rows have been worked on.
    pub fn done(&self) -> u64 {
        self.at as u64
    }

    /// How many rows there are.
    pub fn total(&self) -> u64 {
        self.sheet.rows.len() as u64
    }

    /// What has come of it.
    pub fn imported(self) -> Imported {
        self.result
    }

    /// Takes the next rows; false when there are none left. New records of one step share bundles.
    pub fn step(&mut self, replica: &mut Replica) -> Answer<bool> {
        let note = self.note(replica)?;
        let mut known = match self.known.take() {
            Some(known) => known,
            None => who_is_known(replica)?,
        };
        let until = self.sheet.rows.len().min(self.at + CHUNK);
        let mut new: Vec<Fields> = Vec::new();
        let mut new_keys: BTreeMap<String, usize> = BTreeMap::new();
        for row in &self.sheet.rows[self.at..until] {
            let keys = keys(&row.fields);
            // Two rows of one file that share no more than a name are two people.
            let strong = keys.iter().filter(|key| is_strong(key));
            if let Some(at) = keys.iter().find_map(|key| known.get(key)) {
                let changed = match at {
                    Some(at) => update(replica, at, row, note.as_ref(), self.params.dry_run)?,
                    None => false,
                };
                match changed {
                    true => self.result.updated += 1,
                    false => self.result.unchanged += 1,
                }
                continue;
            }
            if let Some(at) = strong.clone().find_map(|key| new_keys.get(key)) {
                new[*at].extend(row.fields.clone());
                self.result.unchanged += 1;
                continue;
            }
            self.result.created += 1;
            new_keys.extend(strong.map(|key| (key.clone(), new.len())));
            new.push(with_consent(row.fields.clone(), note.as_ref(), replica.now()));
        }
        let made = if self.params.dry_run {
            vec![None; new.len()]
        } else {
            let made = replica.create_many(Kind::Customer, new)?;
            made.into_iter()
                .map(|record| Some(Address::Own { kind: Kind::Customer, record }))
                .collect()
        };
        known.extend(new_keys.into_iter().map(|(key, at)| (key, made[at])));
        self.at = until;
        self.known = Some(known);
        Ok(self.at < self.sheet.rows.len())
    }

    fn note(&self, replica: &mut Replica) -> Answer<Option<Note>> {
        let Some(text) = &self.params.consent else { return Ok(None) };
        let (basis, evidence) = text.split_once(':').unwrap_or((text, ""));
        let names = self.params.consent_scope.as_deref().unwrap_or_default();
        let names: Vec<String> =
            names.split(',').map(str::trim).filter(|n| !n.is_empty()).map(str::to_owned).collect();
        Ok(Some(Note {
            purpose: self.params.consent_purpose.clone(),
            scope: scope(replica, &names)?,
            expires_at: None,
            evidence: Some(evidence.to_owned()),
            basis: Some(basis.to_owned()),
            given: true,
        }))
    }
}

fn rejected(row: &import::Rejected) -> Rejected {
    Rejected { line: row.line, column: row.column.clone(), why: row.why.clone() }
}

/// What was kept elsewhere than meant: unknown columns, and cells that do not fit.
fn warnings(sheet: &Sheet) -> Vec<Rejected> {
    let columns = sheet.unknown_columns.iter().map(|column| Rejected {
        line: 1,
        column: Some(column.heading.clone()),
        why: format!("no field of that name; kept as {}", column.kept_as),
    });
    let cells = sheet.rows.iter().flat_map(|row| {
        row.warnings.iter().map(|cell| Rejected {
            line: row.line,
            column: Some(cell.column.clone()),
            why: format!("{}; kept as {}", cell.why, cell.kept_as),
        })
    });
    columns.chain(cells).collect()
}

fn with_consent(mut fields: Fields, note: Option<&Note>, now: Millis) -> Fields {
    if let Some(note) = note {
        let mut entries = consent::entries(fields.get("consent"));
        consent::add(&mut entries, note, now);
        let value = Value::Json(canonical_json(&Json::Array(entries)));
        fields.insert("consent".into(), value);
    }
    fields
}

/// Writes what a row says otherwise than the record; false if that is nothing.
fn update(
    replica: &mut Replica,
    at: &Address,
    row: &Row,
    note: Option<&Note>,
    dry_run: bool,
) -> Answer<bool> {
    let view = replica.record(at)?;
    let differs = |(name, value): &(String, Value)| {
        view.fields.get(name).is_none_or(|old| old.as_ref() != Some(value))
    };
    let edits: Vec<Edit> = row
        .fields
        .clone()
        .into_iter()
        .filter(differs)
        .map(|(name, value)| Edit::Put(name, value))
        .collect();
    let changed = !edits.is_empty();
    if !dry_run {
        if changed {
            replica.edit(at, edits)?;
        }
        if let Some(note) = note {
            consent::write(replica, at, note)?;
        }
    }
    Ok(changed)
}

/// What a customer is known again by: another system's id; or else the name (of the person, or
/// the company) together with an address. Never an address alone: families and desks share them.
fn keys(fields: &Fields) -> Vec<String> {
    let text = |name: &str| match fields.get(name) {
        Some(Value::Str(text)) => text.trim().to_lowercase(),
        _ => String::new(),
    };
    if let Some(Value::Json(ids)) = fields.get("external_ids") {
        let ids: Map<String, Json> = serde_json::from_str(ids).unwrap_or_default();
        if let Some(id) = ids.get(import::EXTERNAL_ID_KEY).and_then(Json::as_str) {
            return vec![format!("id {id}")];
        }
    }
    let who = format!("{}|{}", text("name"), text("org_name"));
    let mut keys = Vec::new();
    for name in ["emails", "phones"] {
        let Some(Value::Json(list)) = fields.get(name) else { continue };
        let list: Vec<String> = serde_json::from_str(list).unwrap_or_default();
        keys.extend(list.iter().map(|one| format!("at {who}|{}", one.to_lowercase())));
    }
    if keys.is_empty() {
        keys.push(format!("name {who}"));
    }
    keys
}

fn is_strong(key: &str) -> bool {
    !key.starts_with("name ")
}

/// All own customers by what they are known by; none for one that a dry run would make.
fn who_is_known(replica: &mut Replica) -> Answer<BTreeMap<String, Option<Address>>> {
    let query = ListQuery { from: From::Own, ..ListQuery::of(Kind::Customer) };
    let mut known = BTreeMap::new();
    for customer in replica.list(&query)?.records {
        let values = customer.values();
        let mut all = keys(&values);
        if values.contains_key("external_ids") {
            let mut plain = values.clone();
            plain.remove("external_ids");
            all.extend(keys(&plain));
        }
        known.extend(all.into_iter().map(|key| (key, Some(customer.at))));
    }
    Ok(known)
}
