//! Rows of a file into records: known ones are found again and updated, the others made.

use std::collections::BTreeMap;

use data_encoding::BASE32_NOPAD;
use entente_protocol::value::{Fields, Value};
use entente_protocol::vocabulary::Kind;
use serde_json::{Map, Value as Json};
use thiserror::Error;

use super::consent::scope;
use super::{Answer, CHUNK, Replica};
use crate::api::customer::{ImportParams, Imported};
use crate::api::problem::ErrorKind;
use crate::import::{self, ReadError, Row, Sheet};
use crate::placeholder::{ConsentOrder, Edit, From, ListQuery, RecordAddress, RecordView};

/// Why nothing was imported.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
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
    Read(#[from] ReadError),
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
            ImportError::Format(_) => {
                let names: Vec<_> = import::FORMATS.iter().map(|format| format.name()).collect();
                Some(format!("this version reads {}", names.join(", ")))
            }
            ImportError::Consent(_) => {
                Some("write BASIS:EVIDENCE, such as 'form:fair 2027'".into())
            }
            ImportError::Read(ReadError::Encoding { .. }) => {
                Some("save the file as UTF-8 and import it again".into())
            }
            ImportError::Read(ReadError::Empty | ReadError::Twice { .. })
            | ImportError::Mapping
            | ImportError::Random => None,
        }
    }
}

/// An import in progress: one step is one call of the engine.
pub struct Importing {
    params: ImportParams,
    sheet: Sheet,
    at: usize,
    known: Option<BTreeMap<String, String>>,
    result: Imported,
}

impl Importing {
    /// Reads the file; nothing is changed yet.
    pub fn read(params: ImportParams, file: &[u8]) -> Result<Self, ImportError> {
        let unknown = || ImportError::Format(params.format.clone().unwrap_or_default());
        let format = import::format(params.format.as_deref()).ok_or_else(unknown)?;
        if params.mapping.is_some() {
            return Err(ImportError::Mapping);
        }
        if let Some(text) = &params.consent {
            text.split_once(':').ok_or_else(|| ImportError::Consent(text.clone()))?;
        }
        let mut sheet = format.read(Kind::Customer, file)?;
        let mut result = Imported {
            rejected: std::mem::take(&mut sheet.rejected),
            warnings: std::mem::take(&mut sheet.warnings),
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

    /// Takes the next rows; false when there are none left.
    pub fn step(&mut self, replica: &mut Replica) -> Answer<bool> {
        let consent = self.consent(replica)?;
        let mut known = match self.known.take() {
            Some(known) => known,
            None => who_is_known(replica)?,
        };
        let until = self.sheet.rows.len().min(self.at + CHUNK);
        for row in &self.sheet.rows[self.at..until] {
            let keys = keys(&row.fields, row.external_id.as_deref());
            let found = keys.iter().find_map(|key| known.get(key)).cloned();
            let id = match found {
                Some(id) => {
                    // In a dry run, a row that repeats one before it has nothing to compare with.
                    let changed = match id.is_empty() {
                        true => false,
                        false => update(replica, &id, row, self.params.dry_run)?,
                    };
                    match changed {
                        true => self.result.updated += 1,
                        false => self.result.unchanged += 1,
                    }
                    id
                }
                None => {
                    self.result.created += 1;
                    match self.params.dry_run {
                        true => String::new(),
                        false => {
                            let id = replica.create(Kind::Customer, with_external_id(row))?;
                            Kind::Customer.id_text(&id)
                        }
                    }
                }
            };
            if let (Some(consent), false) = (&consent, self.params.dry_run) {
                let address = address(replica, &id)?;
                replica.consent_give(&address, consent)?;
            }
            // Two rows of one file that share no more than a name are two people.
            known.extend(keys.into_iter().filter(|k| is_strong(k)).map(|key| (key, id.clone())));
        }
        self.at = until;
        self.known = Some(known);
        Ok(self.at < self.sheet.rows.len())
    }

    fn consent(&self, replica: &mut Replica) -> Answer<Option<ConsentOrder>> {
        let Some(text) = &self.params.consent else { return Ok(None) };
        let (basis, evidence) = text.split_once(':').unwrap_or((text, ""));
        let names = self.params.consent_scope.as_deref().unwrap_or_default();
        let names: Vec<String> =
            names.split(',').map(str::trim).filter(|n| !n.is_empty()).map(str::to_owned).collect();
        Ok(Some(ConsentOrder {
            purpose: self.params.consent_purpose.clone(),
            scope: scope(replica, &names)?,
            expires_at: None,
            evidence: Some(evidence.to_owned()),
            basis: Some(basis.to_owned()),
        }))
    }
}

fn address(replica: &mut Replica, id: &str) -> Answer<RecordAddress> {
    Ok(replica.record(id, Some(Kind::Customer))?.address)
}

/// Writes what a row says otherwise than the record; false if that is nothing.
fn update(replica: &mut Replica, id: &str, row: &Row, dry_run: bool) -> Answer<bool> {
    let view = replica.record(id, Some(Kind::Customer))?;
    let differs = |(name, value): &(String, Value)| {
        view.fields.get(name).is_none_or(|old| old.as_ref() != Some(value))
    };
    let mut fields = row.fields.clone();
    if let Some(ids) = external_ids(row.external_id.as_deref(), view.fields.get("external_ids")) {
        fields.insert("external_ids".into(), ids);
    }
    let edits: Vec<Edit> =
        fields.into_iter().filter(differs).map(|(name, value)| Edit::Set(name, value)).collect();
    if edits.is_empty() {
        return Ok(false);
    }
    if !dry_run {
        replica.edit(&view.address, edits)?;
    }
    Ok(true)
}

fn with_external_id(row: &Row) -> Fields {
    let mut fields = row.fields.clone();
    if let Some(ids) = external_ids(row.external_id.as_deref(), None) {
        fields.insert("external_ids".into(), ids);
    }
    fields
}

/// The ids that other systems have for a customer, with this one among them.
fn external_ids(id: Option<&str>, old: Option<&Option<Value>>) -> Option<Value> {
    let mut ids = match old {
        Some(Some(Value::Json(text))) => serde_json::from_str(text).unwrap_or_default(),
        _ => Map::new(),
    };
    ids.insert("external_id".into(), Json::String(id?.to_owned()));
    Some(Value::Json(entente_protocol::vocabulary::canonical_json(&Json::Object(ids))))
}

/// What a customer is known again by: another system's id; or else the name (of the person, or
/// the company) together with an address. Never an address alone: families and desks share them.
fn keys(fields: &Fields, external_id: Option<&str>) -> Vec<String> {
    let text = |name: &str| match fields.get(name) {
        Some(Value::Str(text)) => text.trim().to_lowercase(),
        _ => String::new(),
    };
    if let Some(id) = external_id {
        return vec![format!("id {id}")];
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

/// The ids of all own customers by what they are known by.
fn who_is_known(replica: &mut Replica) -> Answer<BTreeMap<String, String>> {
    let mut known = BTreeMap::new();
    let mut after = None;
    loop {
        let query = ListQuery { from: From::Own, after, limit: CHUNK, selector: None, sort: None };
        let page = replica.list(Kind::Customer, &query)?;
        for customer in &page.items {
            let id = Kind::Customer.id_text(&customer.address.record);
            for key in keys_of(customer) {
                known.insert(key, id.clone());
            }
        }
        after = page.next;
        if after.is_none() {
            return Ok(known);
        }
    }
}

fn keys_of(customer: &RecordView) -> Vec<String> {
    let fields: Fields =
        customer.fields.iter().filter_map(|(k, v)| Some((k.clone(), v.clone()?))).collect();
    let mut all = keys(&fields, None);
    if let Some(Value::Json(ids)) = fields.get("external_ids") {
        let ids: Map<String, Json> = serde_json::from_str(ids).unwrap_or_default();
        let id = ids.get("external_id").and_then(Json::as_str);
        all.extend(id.map(|id| format!("id {id}")));
    }
    all
}
