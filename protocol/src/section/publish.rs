//! Lets values of the book flow into the facets of its records, as each audience may have them.

use std::collections::BTreeSet;

use super::{Entries, Publication, about, consent_ends, record_of};
use crate::codec;
use crate::consent;
use crate::facet::{self, Edit, Schema};
use crate::id::{CompartmentId, GrantId, LogId, OrgId, RecordId, ShareId};
use crate::ingest::{Draft, FacetRow};
use crate::keys::{self, FacetKey};
use crate::mutation::{Law, broken};
use crate::plan::{self, Slot};
use crate::refusal::{Refusal, RefusalClass};
use crate::replica::Replica;
use crate::statement::Scope;
use crate::store::{Store, for_each};
use crate::value::{Fields, Value};
use crate::vocabulary::{self, FieldType, Kind};

impl Replica {
    /// Publishes newly placed records into compartments that exist; false if the plan must change.
    pub(super) fn publish_new(
        &mut self,
        share: &ShareId,
        kind: Kind,
        records: &[RecordId],
    ) -> Result<bool, Refusal> {
        let Some(section) = self.sections.remove(share) else { return Ok(false) };
        let classes = section.classes.get(&kind).cloned().unwrap_or_default();
        let mut entries = Entries::new();
        let mut known = true;
        let mut publications = Vec::new();
        let mut ends = Vec::new();
        'records: for record in records {
            let Some(row) = self.book_row(kind, record)? else { continue };
            let Some(mut publication) = self.publication(share, record)? else { continue };
            let person = self.person(kind, &row.fields)?;
            ends.extend(consent_ends(kind, record, &row.fields, person.as_ref()));
            let reach = self.reach(&section, share, kind, &row.fields, person.as_ref());
            let slots = plan::slots(&classes, &reach);
            if slots.is_empty() {
                continue;
            }
            publication.turn += 1;
            for slot in slots {
                let Some(home) = section.homes.get(&slot).copied() else {
                    known = false;
                    break 'records;
                };
                let fields = self.project_slot(share, &slot, &row.fields)?;
                publication.homes.insert(home, publication.turn);
                let entry = (publication.record, publication.turn, fields);
                entries.entry(home).or_default().push(entry);
            }
            publications.push((*record, publication));
        }
        self.sections.insert(*share, section);
        self.watch_consents(ends);
        if !known {
            return Ok(false);
        }
        for (record, publication) in publications {
            self.put(&keys::publication(share, &record), codec::to_bytes(&publication))?;
        }
        self.write_first(share, kind, entries)?;
        Ok(true)
    }

    /// Writes records' first leaves of a turn into their new homes.
    pub(super) fn write_first(
        &mut self,
        share: &ShareId,
        kind: Kind,
        entries: Entries,
    ) -> Result<(), Refusal> {
        for (home, records) in entries {
            let grant = self.writing_grant(share, kind, &home)?;
            let (log, _) = self.own_log(&home, grant)?;
            let Some((opening, _)) = self.dossiers.get(&home) else { continue };
            let schema = opening.schema.clone();
            let drafts = records
                .into_iter()
                .map(|(record, turn, fields)| {
                    let change = first_that_fits(&schema, &log, fields)?;
                    Ok(Draft { record, turn, change })
                })
                .collect::<Result<Vec<_>, Refusal>>()?;
            self.write(&home, grant, drafts)?;
        }
        Ok(())
    }

    /// The values of a record as a compartment's audience may have them.
    pub(crate) fn project<'a>(
        &self,
        share: &ShareId,
        kind: Kind,
        names: impl Iterator<Item = &'a str>,
        orgs: &BTreeSet<OrgId>,
        fields: &Fields,
    ) -> Result<Fields, Refusal> {
        let mut out = Fields::new();
        for name in names {
            let Some(value) = fields.get(name) else { continue };
            let value = match vocabulary::field(kind, name).map(|field| field.ty) {
                Some(FieldType::Ref(_)) => self.reference(share, value)?,
                Some(_) | None if kind == Kind::Customer && name == "consent" => {
                    Some(self.travelling_consent(share, orgs, fields))
                }
                Some(_) | None => Some(value.clone()),
            };
            out.extend(value.map(|value| (name.to_owned(), value)));
        }
        Ok(out)
    }

    pub(super) fn project_slot(
        &self,
        share: &ShareId,
        slot: &Slot,
        fields: &Fields,
    ) -> Result<Fields, Refusal> {
        let orgs = slot.grants.keys().filter_map(|grant| self.grants.audience(grant)).collect();
        self.project(share, slot.kind, slot.fields.iter().map(String::as_str), &orgs, fields)
    }

    /// A reference travels as the target's id in this share; nothing if the target is not in it.
    fn reference(&self, share: &ShareId, value: &Value) -> Result<Option<Value>, Refusal> {
        let Value::Str(text) = value else { return Ok(None) };
        let Some((kind, target)) = Kind::parse_id(text) else { return Ok(None) };
        if let Some(publication) = self.publication(share, &target)? {
            return Ok(Some(Value::Str(kind.id_text(&publication.record))));
        }
        let received = self.sections_of(share).into_iter().any(|section| {
            let prefix = FacetKey::record_prefix(kind, share, &section, &target);
            self.store.scan(&prefix, &[], 1).is_ok_and(|found| !found.is_empty())
        });
        Ok(received.then(|| value.clone()))
    }

    fn travelling_consent(
        &self,
        share: &ShareId,
        orgs: &BTreeSet<OrgId>,
        fields: &Fields,
    ) -> Value {
        let purpose = self.purpose(share);
        let mut entries: BTreeSet<String> = BTreeSet::new();
        for org in orgs {
            let travels = consent::travelling_consent(fields, &purpose, org);
            if let Value::Json(text) = travels
                && let Ok(serde_json::Value::Array(items)) = serde_json::from_str(&text)
            {
                entries.extend(items.iter().map(vocabulary::canonical_json));
            }
        }
        Value::Json(format!("[{}]", entries.into_iter().collect::<Vec<_>>().join(",")))
    }

    /// Lets the current values of an own record flow into every share it is placed in.
    pub(crate) fn republish(&mut self, kind: Kind, record: &RecordId) -> Result<(), Refusal> {
        for share in self.shares_of(record)? {
            self.refresh(&share, kind, record)?;
        }
        if kind == Kind::Customer && !broken(Law::FollowCustomer) {
            if let Some(row) = self.book_row(kind, record)? {
                let person = self.person(kind, &row.fields)?;
                self.watch_consents(consent_ends(kind, record, &row.fields, person.as_ref()));
            }
            self.follow_customer(record)?;
        }
        Ok(())
    }

    /// Consent is the customer's, but holds for what is recorded about it too; and for what was
    /// taken out of a share before, of which a copy may have been kept.
    pub(crate) fn follow_customer(&mut self, customer: &RecordId) -> Result<(), Refusal> {
        for (share, kind, record) in self.ever_placed_about(customer)? {
            let follows = match self.publication(&share, &record)? {
                Some(_) => kind != Kind::Customer,
                None => !broken(Law::TakenOutToo),
            };
            if follows {
                self.refresh(&share, kind, &record)?;
            }
        }
        Ok(())
    }

    /// Where an own record is placed and, of a customer, where it and what is noted about it ever was.
    pub(crate) fn ever_placed_with(
        &self,
        kind: Kind,
        record: &RecordId,
    ) -> Result<Vec<(ShareId, Kind, RecordId)>, Refusal> {
        let mut placed = match kind {
            Kind::Customer => self.ever_placed_about(record)?,
            Kind::Event | Kind::Participation | Kind::Interaction | Kind::Followup => Vec::new(),
        };
        placed.extend(self.shares_of(record)?.into_iter().map(|share| (share, kind, *record)));
        placed.sort();
        placed.dedup();
        Ok(placed)
    }

    /// A customer and the records that name it, wherever they were ever placed, by what was noted of
    /// it: never read from all of them.
    fn ever_placed_about(
        &self,
        customer: &RecordId,
    ) -> Result<Vec<(ShareId, Kind, RecordId)>, Refusal> {
        let mut noted = Vec::new();
        for_each(&self.store, &keys::about(customer), |key, bytes| {
            let about = keys::About::parse(key).ok_or(Refusal::Damaged("a customer's records"))?;
            let (kind, record): (Kind, RecordId) = codec::own(bytes)?;
            noted.push((about.share, kind, record));
            Ok::<_, Refusal>(())
        })?;
        let mut placed = Vec::new();
        for (share, kind, record) in noted {
            let Some(row) = self.book_row(kind, &record)? else { continue };
            if kind == Kind::Customer || about(&row.fields) == Some(*customer) {
                placed.push((share, kind, record));
            }
        }
        Ok(placed)
    }

    /// Brings one placed record's facets up to date; a changed audience goes through the plan.
    fn refresh(&mut self, share: &ShareId, kind: Kind, record: &RecordId) -> Result<(), Refusal> {
        let Some(row) = self.book_row(kind, record)? else { return Ok(()) };
        if !self.is_at_home(share, kind, record, &row.fields)? {
            self.plan_anew(share, Some((kind, *record)))?;
        }
        self.forget_without_consent(share, kind, record, &row.fields)?;
        let Some(publication) = self.publication(share, record)? else { return Ok(()) };
        self.note_subject(share, &publication.record, kind, record, &row.fields)?;
        if self.publishing_grant(share, kind).is_err() {
            return Ok(());
        }
        for (home, turn) in publication.homes {
            let Some((opening, _)) = self.dossiers.get(&home) else { continue };
            let admitted = self.rules_admitted(&home);
            let orgs = admitted.iter().filter_map(|grant| self.grants.audience(grant)).collect();
            let names = opening.schema.fields().iter().map(|field| field.name.as_str());
            let fields = self.project(share, kind, names, &orgs, &row.fields)?;
            let key = opening.facet_key(home, publication.record, turn);
            let Some(facet) = self.read::<FacetRow>(&key.bytes())? else { continue };
            let edits = difference(&facet.fields, &fields);
            if !edits.is_empty() {
                let grant = self.writing_grant(share, kind, &home)?;
                match self.edit_facet(&key, grant, &edits) {
                    // Values that fit the book and not one change of a facet stop nobody.
                    Err(error) if error.class() != RefusalClass::Fault => {}
                    done => drop(done?),
                }
            }
        }
        Ok(())
    }

    /// Whether a placed record is in compartments for exactly the grants that reach it now.
    fn is_at_home(
        &self,
        share: &ShareId,
        kind: Kind,
        record: &RecordId,
        fields: &Fields,
    ) -> Result<bool, Refusal> {
        let Some(publication) = self.publication(share, record)? else { return Ok(true) };
        let Some(section) = self.sections.get(share) else { return Ok(false) };
        let person = self.person(kind, fields)?;
        let reach = self.reach(section, share, kind, fields, person.as_ref());
        let classes = section.classes.get(&kind).map_or(&[][..], Vec::as_slice);
        let wanted: BTreeSet<(BTreeSet<String>, BTreeSet<GrantId>)> = plan::slots(classes, &reach)
            .into_iter()
            .map(|slot| (slot.fields, slot.grants.into_keys().collect()))
            .collect();
        let homes: BTreeSet<(BTreeSet<String>, BTreeSet<GrantId>)> = publication
            .homes
            .keys()
            .filter_map(|home| {
                let (opening, _) = self.dossiers.get(home)?;
                let names = opening.schema.fields().iter().map(|field| field.name.clone());
                Some((names.collect(), self.rules_admitted(home)))
            })
            .collect();
        Ok(wanted == homes)
    }

    /// Grants in force that are admitted to a compartment as readers or editors.
    pub(crate) fn rules_admitted(&self, compartment: &CompartmentId) -> BTreeSet<GrantId> {
        let Some((_, dossier)) = self.dossiers.get(compartment) else { return BTreeSet::new() };
        let is_rule = |grant: &GrantId| {
            self.grants.get(grant).is_some_and(|g| matches!(g.scope, Scope::Fields { .. }))
                && self.grants.in_force(grant, self.now).is_ok()
        };
        dossier.admissions().map(|(grant, _)| *grant).filter(is_rule).collect()
    }

    /// References to records that were placed just now can be shown from now on.
    pub(super) fn refresh_references(
        &mut self,
        share: &ShareId,
        kind: Kind,
        placed: &[RecordId],
    ) -> Result<(), Refusal> {
        let mut referring = Vec::new();
        for record in placed {
            match kind {
                Kind::Customer => {
                    for (at, kind, about) in self.ever_placed_about(record)? {
                        let here = at == *share && kind != Kind::Customer;
                        if here && self.publication(share, &about)?.is_some() {
                            referring.push((kind, about));
                        }
                    }
                }
                Kind::Event => referring.extend(self.referring_to_event(share, record)?),
                Kind::Participation | Kind::Interaction | Kind::Followup => {}
            }
        }
        for (kind, record) in referring {
            self.refresh(share, kind, &record)?;
        }
        Ok(())
    }

    /// Placed records that name an event. Reads all of them: events are few.
    fn referring_to_event(
        &self,
        share: &ShareId,
        event: &RecordId,
    ) -> Result<Vec<(Kind, RecordId)>, Refusal> {
        let name = Value::Str(Kind::Event.id_text(event));
        let mut referring = Vec::new();
        for_each(&self.store, &keys::publications(share), |key, bytes| {
            let Publication { kind, .. } = codec::own(bytes)?;
            let Some(record) = record_of(key) else { return Ok(()) };
            if !matches!(kind, Kind::Customer | Kind::Event)
                && self
                    .book_row(kind, &record)?
                    .is_some_and(|row| row.fields.get("event") == Some(&name))
            {
                referring.push((kind, record));
            }
            Ok::<_, Refusal>(())
        })?;
        Ok(referring)
    }
}

/// The change that begins a facet; where all values together are too long for one, with as many
/// of them as fit. The next change of the record brings the others.
fn first_that_fits(schema: &Schema, log: &LogId, fields: Fields) -> Result<Vec<u8>, Refusal> {
    if let Ok(change) = facet::first_change(schema, log, &fields) {
        return Ok(change);
    }
    let mut some = Fields::new();
    let mut change = facet::first_change(schema, log, &some)?;
    for (name, value) in fields {
        some.insert(name.clone(), value);
        match facet::first_change(schema, log, &some) {
            Ok(fits) => change = fits,
            Err(_) => drop(some.remove(&name)),
        }
    }
    Ok(change)
}

/// The edits that make one set of values into another.
fn difference(now: &Fields, wanted: &Fields) -> Vec<Edit> {
    let names: BTreeSet<&String> = now.keys().chain(wanted.keys()).collect();
    let changed = names.into_iter().filter(|name| now.get(*name) != wanted.get(*name));
    changed
        .map(|name| match wanted.get(name) {
            Some(value) => Edit::Put(name.clone(), value.clone()),
            None => Edit::Clear(name.clone()),
        })
        .collect()
}
