//! What became of a record's fields: changes with author and time, taking back, settling conflicts.

use data_encoding::BASE32_NOPAD;

use crate::book::Address;
use crate::facet::{ChangeRef, Edit, Facet};
use crate::id::{OrgId, hash};
use crate::ingest::{Draft, FacetRow};
use crate::keys::{self, FacetKey};
use crate::refusal::Refusal;
use crate::replica::Replica;
use crate::time::Hlc;
use crate::value::Value;

/// One change of one field.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Names it for [`Replica::undo`].
    pub id: String,
    /// The field.
    pub field: String,
    /// Its value afterwards.
    pub value: Option<Value>,
    /// Who.
    pub by: OrgId,
    /// When.
    pub at: Hlc,
}

/// Concurrent values of one field; the last is shown.
#[derive(Debug, Clone, PartialEq)]
pub struct Conflict {
    /// The field.
    pub field: String,
    /// The values with author and time.
    pub choices: Vec<(Value, OrgId, Hlc)>,
}

fn change_id(of: &ChangeRef) -> String {
    let (seq, index) = of.position;
    let digest =
        hash("entente/change-id/1", &[&of.log.0, &seq.to_be_bytes(), &index.to_be_bytes()]);
    format!("chg_{}", BASE32_NOPAD.encode(&digest[..10]).to_ascii_lowercase())
}

impl Replica {
    /// The facets of a record, own or received.
    fn facets_of(&self, at: &Address) -> Result<Vec<(FacetKey, FacetRow)>, Refusal> {
        let facets = match at {
            Address::Own { kind, record } => {
                let key = self.book_key(*kind, record);
                self.book_row(*kind, record)?.map(|row| (key, row)).into_iter().collect()
            }
            Address::Received { kind, share, section, record } => {
                self.shown_facets(*kind, share, section, record)?
            }
        };
        if facets.is_empty() {
            return Err(Refusal::NotFound { what: at.kind().name(), text: at.text() });
        }
        Ok(facets)
    }

    fn documents(&self, at: &Address) -> Result<Vec<(FacetKey, Facet)>, Refusal> {
        let mut documents = Vec::new();
        for (key, row) in self.facets_of(at)? {
            if let Some((opening, _)) = self.dossiers.get(&key.compartment) {
                documents.push((key, self.facet(opening, &row.leaves)?));
            }
        }
        Ok(documents)
    }

    /// Who made a change, and when: in the book perhaps a partner whose edit was taken over.
    pub(crate) fn said(&self, of: &ChangeRef) -> Result<(OrgId, Hlc), Refusal> {
        let (seq, index) = of.position;
        let header = self.bundle(&of.log, seq)?.header;
        let absorbed: Option<OrgId> = self.read(&keys::absorbed(&of.log, seq, index))?;
        Ok((absorbed.unwrap_or(header.author), header.at))
    }

    /// The changes of a record, or of one of its fields; newest first.
    pub fn history(&self, at: &Address, field: Option<&str>) -> Result<Vec<Change>, Refusal> {
        let mut changes = Vec::new();
        for (key, document) in self.documents(at)? {
            let Some((opening, _)) = self.dossiers.get(&key.compartment) else { continue };
            for spec in opening.schema.fields() {
                if field.is_some_and(|field| field != spec.name) {
                    continue;
                }
                for entry in document.history(&spec.name) {
                    let (by, said) = self.said(&entry.change)?;
                    changes.push(Change {
                        id: change_id(&entry.change),
                        field: spec.name.clone(),
                        value: entry.value,
                        by,
                        at: said,
                    });
                }
            }
        }
        changes.sort_by(|a, b| (b.at, &a.field).cmp(&(a.at, &b.field)));
        Ok(changes)
    }

    /// Takes back a change by a new one.
    pub fn undo(&mut self, at: &Address, change: &str) -> Result<(), Refusal> {
        for (key, document) in self.documents(at)? {
            let of = document.standings().map(|(of, _)| of).find(|of| change_id(of) == change);
            let Some(of) = of else { continue };
            let grant = match at {
                Address::Own { .. } => None,
                Address::Received { section, .. } => {
                    let what = at.kind().name().to_owned();
                    Some(self.may_change(section, Some(&key), what)?.1)
                }
            };
            let (log, _) = self.own_log(&key.compartment, grant)?;
            if let Some(change) = document.undo(&log, of)? {
                let draft = Draft { record: key.record, turn: key.turn, change };
                self.write(&key.compartment, grant, vec![draft])?;
                if let Address::Own { kind, record } = at {
                    self.dirty.records.insert((*kind, *record));
                }
            }
            return Ok(());
        }
        Err(Refusal::NotFound { what: "change", text: change.to_owned() })
    }

    /// Fields of a record with concurrent values.
    pub fn conflicts(&self, at: &Address) -> Result<Vec<Conflict>, Refusal> {
        let mut found = Vec::new();
        for (key, row) in self.facets_of(at)? {
            let Some((opening, _)) = self.dossiers.get(&key.compartment) else { continue };
            let all = self.facet(opening, &row.leaves)?.conflicts();
            for (field, values) in all.into_iter().filter(|(f, _)| row.conflicts.contains(f)) {
                let mut choices = Vec::new();
                for (of, value) in values {
                    let (by, said) = self.said(&of)?;
                    choices.push((value, by, said));
                }
                found.push(Conflict { field, choices });
            }
        }
        Ok(found)
    }

    /// Settles a conflict by writing one of its values anew.
    pub fn resolve(&mut self, at: &Address, field: &str, choice: usize) -> Result<(), Refusal> {
        let conflicts = self.conflicts(at)?;
        let conflict = conflicts.iter().find(|c| c.field == field);
        let conflict = conflict
            .ok_or_else(|| Refusal::NotFound { what: "conflict in", text: field.to_owned() })?;
        let count = conflict.choices.len() as u64;
        let (value, _, _) = conflict.choices.get(choice).ok_or(Refusal::Range {
            what: "the choice",
            min: 1,
            max: count,
        })?;
        self.edit(at, vec![Edit::Put(field.to_owned(), value.clone())])
    }
}
