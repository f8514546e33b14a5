//! The publisher's side of one share: places records, keeps every record in the compartments that
//! its rules and consents want, and lets edits of the book flow out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use minicbor::{Decode, Encode};

use crate::codec;
use crate::consent::{self, HeldBack};
use crate::facet::{self, Edit, Schema};
use crate::id::{
    CompartmentId, GrantId, LogId, Nonce, OrgId, RecordId, ShareId, StatementId, hash,
};
use crate::ingest::{Draft, FacetRow};
use crate::keys::{self, FacetKey};
use crate::mutation::{Law, broken};
use crate::plan::{self, Home, Open, Rule, Slot};
use crate::refusal::{Refusal, RefusalClass};
use crate::replica::Replica;
use crate::select::Selector;
use crate::sharing::Leaving;
use crate::statement::{Body, Cause, FieldSpec, MAX_ERASED, Mark, RecordTurn, Scope};
use crate::store::{Store, for_each};
use crate::value::{Fields, Value};
use crate::view::{From, ListQuery};
use crate::vocabulary::{self, FieldType, Kind};

/// Where a record of the book stands in a share.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Publication {
    #[n(0)]
    pub kind: Kind,
    /// Its id in the share.
    #[n(1)]
    pub record: RecordId,
    /// The turn its latest move began.
    #[n(2)]
    pub turn: u32,
    /// The compartments it is in, with the turn it has there.
    #[n(3)]
    pub homes: BTreeMap<CompartmentId, u32>,
}

/// What the publisher keeps in memory of its section: where which audience lives.
#[derive(Debug, Default)]
pub(crate) struct Section {
    pub rules: Vec<Rule>,
    pub selectors: BTreeMap<GrantId, (Kind, Selector)>,
    /// The classes as the last plan had them.
    pub classes: BTreeMap<Kind, Vec<plan::Class>>,
    pub homes: BTreeMap<Arc<Slot>, CompartmentId>,
}

/// A record that was not placed, or not for everybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The record in the book.
    pub record: RecordId,
    /// From whom; none means from everybody.
    pub org: Option<OrgId>,
    /// Why.
    pub reason: HeldBack,
}

/// Records whose moves become durable together while a plan is carried out.
const MOVES_AT_ONCE: usize = 1024;

/// First leaves to be written, by kind and home.
type Entries = BTreeMap<CompartmentId, Vec<(RecordId, u32, Fields)>>;

/// What a part of a plan writes.
#[derive(Default)]
struct Moving {
    entries: BTreeMap<Kind, Entries>,
    erased: BTreeMap<CompartmentId, Vec<RecordTurn>>,
}

/// What placing did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Placed {
    /// Records that are in the section now.
    pub published: Vec<RecordId>,
    /// Records held back.
    pub held_back: Vec<Held>,
}

impl Replica {
    pub(crate) fn load_sections(&mut self) -> Result<(), Refusal> {
        let shares: BTreeSet<ShareId> = self.grants.shares().copied().collect();
        for share in shares {
            if self.store.scan(&keys::publications(&share), &[], 1)?.is_empty() {
                continue;
            }
            self.dirty.sections.insert(share);
        }
        Ok(())
    }

    /// The contribute grant under which this org publishes into a share: none needed by its opener.
    pub(crate) fn publishing_grant(
        &self,
        share: &ShareId,
        kind: Kind,
    ) -> Result<Option<GrantId>, Refusal> {
        let me = self.me.party.org;
        if self.grants.opener(share) == Some(me) {
            return Ok(None);
        }
        let mine = self.grants.contributions(share).find(|grant| {
            grant.to.org == me
                && self.grants.covers_contribute(&grant.id, share, kind).is_ok()
                && self.grants.in_force(&grant.id, self.now).is_ok()
        });
        mine.map(|grant| Some(grant.id)).ok_or(Refusal::MayNotContribute { kind })
    }

    /// The grant to publish under into a compartment: one that began after it is admitted first.
    fn writing_grant(
        &mut self,
        share: &ShareId,
        kind: Kind,
        home: &CompartmentId,
    ) -> Result<Option<GrantId>, Refusal> {
        let grant = self.publishing_grant(share, kind)?;
        let admitted = |id: &GrantId| {
            let dossier = self.dossiers.get(home).map(|(_, dossier)| dossier);
            dossier.is_some_and(|dossier| dossier.admissions().any(|(grant, _)| grant == id))
        };
        if let Some(id) = grant.filter(|id| !admitted(id)) {
            self.admit(home, &id, &[], Vec::new())?;
        }
        Ok(grant)
    }

    /// A record's id in a share: two partners cannot link a record across shares by it.
    fn share_record(&self, share: &ShareId, record: &RecordId) -> RecordId {
        let secret = hash("entente/share-record-key/1", &[&self.me.node.to_bytes()]);
        let mut id = [0; 16];
        id.copy_from_slice(&hash("entente/share-record/1", &[&secret, &share.0, &record.0])[..16]);
        RecordId(id)
    }

    pub(crate) fn publication(
        &self,
        share: &ShareId,
        record: &RecordId,
    ) -> Result<Option<Publication>, Refusal> {
        self.read(&keys::publication(share, record))
    }

    pub(crate) fn shares_of(&self, record: &RecordId) -> Result<Vec<ShareId>, Refusal> {
        Ok(self.read(&keys::placements(record))?.unwrap_or_default())
    }

    /// Places own records in this org's section of a share, and publishes what its rules let out.
    pub fn place(
        &mut self,
        share: &ShareId,
        kind: Kind,
        records: &[RecordId],
    ) -> Result<Placed, Refusal> {
        self.check_open(share)?;
        self.publishing_grant(share, kind)?;
        let mut placed = Placed::default();
        let audience = self.audience(share, kind);
        let mut new = Vec::new();
        for record in records {
            let Some(row) = self.book_row(kind, record)? else {
                return Err(Refusal::NotOwn { text: kind.id_text(record) });
            };
            if !self.consents(share, kind, record, &row.fields, &audience, &mut placed)? {
                continue;
            }
            placed.published.push(*record);
            if self.publication(share, record)?.is_none() {
                new.push(*record);
            }
        }
        for record in &new {
            let id = self.share_record(share, record);
            let turn = self.read(&keys::last_turn(share, record))?.unwrap_or(0);
            let publication = Publication { kind, record: id, turn, homes: BTreeMap::new() };
            self.put(&keys::publication(share, record), codec::to_bytes(&publication))?;
            self.put(&keys::published(share, &id), codec::to_bytes(record))?;
            let mut shares = self.shares_of(record)?;
            shares.push(*share);
            self.put(&keys::placements(record), codec::to_bytes(&shares))?;
        }
        if !self.publish_new(share, kind, &new)? {
            self.reconcile(share)?;
        }
        if kind == Kind::Event || kind == Kind::Customer {
            self.refresh_references(share)?;
        }
        Ok(placed)
    }

    /// Places own records that a selector selects: at most `limit` are looked at, after `after`.
    /// Answers where to go on.
    pub fn place_where(
        &mut self,
        share: &ShareId,
        kind: Kind,
        selector: &Selector,
        after: Option<Vec<u8>>,
        limit: usize,
    ) -> Result<(Placed, Option<Vec<u8>>), Refusal> {
        let query = ListQuery { from: From::Own, selector: selector.clone(), after, limit, kind };
        let page = self.list(&query)?;
        let records: Vec<RecordId> = page.records.iter().map(|view| view.at.record()).collect();
        Ok((self.place(share, kind, &records)?, page.next))
    }

    /// Keeps a selection up to date: records that come to be selected are placed by themselves.
    pub fn keep_placing(
        &mut self,
        share: &ShareId,
        kind: Kind,
        selector: &str,
    ) -> Result<(), Refusal> {
        Selector::parse(kind, selector)?;
        self.put(&keys::selection(share, kind), codec::to_bytes(&selector.to_owned()))
    }

    /// Places a record of the book into every share whose standing selection selects it.
    pub(crate) fn place_live(&mut self, kind: Kind, record: &RecordId) -> Result<(), Refusal> {
        for share in self.grants.shares().copied().collect::<Vec<_>>() {
            let Some(text) = self.read::<String>(&keys::selection(&share, kind))? else { continue };
            let Some(row) = self.book_row(kind, record)? else { return Ok(()) };
            let selected = Selector::parse(kind, &text)?.selects(kind, &row.fields);
            let open = self.check_open(&share).and_then(|()| self.publishing_grant(&share, kind));
            if selected && open.is_ok() && self.publication(&share, record)?.is_none() {
                self.place(&share, kind, &[*record])?;
            }
        }
        Ok(())
    }

    /// What placing records would let out, by rule; and what would be held back.
    pub fn preview_place(
        &self,
        share: &ShareId,
        kind: Kind,
        records: &[RecordId],
    ) -> Result<(Vec<Leaving>, Vec<Held>), Refusal> {
        self.check_open(share)?;
        self.publishing_grant(share, kind)?;
        let audience = self.audience(share, kind);
        let mut placed = Placed::default();
        let mut shown = Vec::new();
        for record in records {
            let Some(row) = self.book_row(kind, record)? else {
                return Err(Refusal::NotOwn { text: kind.id_text(record) });
            };
            if self.consents(share, kind, record, &row.fields, &audience, &mut placed)? {
                shown.push(row.fields);
            }
        }
        Ok((self.preview_new(share, kind, &shown)?, placed.held_back))
    }

    /// What records with these fields would let out, one entry a rule.
    pub(crate) fn preview_new(
        &self,
        share: &ShareId,
        kind: Kind,
        records: &[Fields],
    ) -> Result<Vec<Leaving>, Refusal> {
        let section = self.rules(share)?;
        let mut leaving: BTreeMap<GrantId, Leaving> = BTreeMap::new();
        for rule in section.rules.iter().filter(|rule| rule.kind == kind) {
            let fields = rule.fields.iter().cloned().collect();
            let none = Leaving { org: rule.org, kind, fields, records: 0, held_back: 0 };
            leaving.insert(rule.grant, none);
        }
        for fields in records {
            for grant in self.reach(&section, share, kind, fields)? {
                if let Some(leaving) = leaving.get_mut(&grant) {
                    leaving.records += 1;
                }
            }
        }
        Ok(leaving.into_values().collect())
    }

    /// Orgs that rules of this section are for.
    fn audience(&self, share: &ShareId, kind: Kind) -> BTreeSet<OrgId> {
        let me = self.me.party.org;
        self.grants
            .of_section(share, &me)
            .filter(|g| matches!(&g.scope, Scope::Fields { kind: k, .. } if *k == kind))
            .filter(|g| self.grants.in_force(&g.id, self.now).is_ok())
            .map(|g| g.to.org)
            .collect()
    }

    /// Whether a record may be placed: someone may see it. Tells who may not, and why.
    fn consents(
        &self,
        share: &ShareId,
        kind: Kind,
        record: &RecordId,
        fields: &Fields,
        audience: &BTreeSet<OrgId>,
        placed: &mut Placed,
    ) -> Result<bool, Refusal> {
        let Some(person) = self.person(kind, fields)? else { return Ok(true) };
        let nobody = BTreeSet::from([self.grants.opener(share).unwrap_or(self.me.party.org)]);
        let audience = if audience.is_empty() { &nobody } else { audience };
        let purpose = self.purpose(share);
        let held: Vec<Held> = audience
            .iter()
            .filter_map(|org| {
                let reason = consent::consent_allows(&person, &purpose, org, self.now).err()?;
                Some(Held { record: *record, org: Some(*org), reason })
            })
            .collect();
        if held.len() == audience.len() {
            let reason = held[0].reason;
            placed.held_back.push(Held { record: *record, org: None, reason });
            return Ok(false);
        }
        placed.held_back.extend(held);
        Ok(true)
    }

    /// The person a record is about, if it is gated by consent.
    fn person(&self, kind: Kind, fields: &Fields) -> Result<Option<Fields>, Refusal> {
        if !self.settings.consent_required {
            return Ok(None);
        }
        match kind {
            Kind::Event => Ok(None),
            Kind::Customer => Ok(Some(fields.clone())),
            Kind::Participation | Kind::Interaction | Kind::Followup => {
                let Some(Value::Str(text)) = fields.get("customer") else { return Ok(None) };
                let Some((_, customer)) = Kind::parse_id(text) else { return Ok(None) };
                if self.read::<u8>(&keys::tombstone(&customer))?.is_some() {
                    return Ok(Some(Fields::new()));
                }
                Ok(self.book_row(Kind::Customer, &customer)?.map(|row| row.fields))
            }
        }
    }

    /// Whether consent lets an own record be shown to an org.
    pub(crate) fn may_be_shown(
        &self,
        share: &ShareId,
        kind: Kind,
        fields: &Fields,
        org: &OrgId,
    ) -> Result<bool, Refusal> {
        let Some(person) = self.person(kind, fields)? else { return Ok(true) };
        Ok(consent::consent_allows(&person, &self.purpose(share), org, self.now).is_ok())
    }

    pub(crate) fn purpose(&self, share: &ShareId) -> String {
        match self.statements.get(&(*share).into()).map(|s| s.body()) {
            Some(Body::OpenShare { purpose, .. }) => purpose.clone(),
            Some(_) | None => String::new(),
        }
    }

    /// The grants that reach a record.
    fn reach(
        &self,
        section: &Section,
        share: &ShareId,
        kind: Kind,
        fields: &Fields,
    ) -> Result<BTreeSet<GrantId>, Refusal> {
        let person = self.person(kind, fields)?;
        let purpose = self.purpose(share);
        let rules: Vec<Rule> =
            section.rules.iter().filter(|rule| rule.kind == kind).cloned().collect();
        let selects = |grant: &GrantId| {
            section.selectors.get(grant).is_none_or(|(kind, s)| s.selects(*kind, fields))
        };
        let allows = |org: &OrgId| {
            person
                .as_ref()
                .is_none_or(|p| consent::consent_allows(p, &purpose, org, self.now).is_ok())
        };
        Ok(plan::reach(&rules, selects, allows))
    }

    /// Publishes newly placed records into compartments that exist; false if the plan must change.
    fn publish_new(
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
        'records: for record in records {
            let Some(row) = self.book_row(kind, record)? else { continue };
            let Some(mut publication) = self.publication(share, record)? else { continue };
            let reach = self.reach(&section, share, kind, &row.fields)?;
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
    fn write_first(
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
    fn project<'a>(
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

    fn project_slot(
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
            self.follow_customer(record)?;
        }
        Ok(())
    }

    /// Consent is the customer's, but holds for what is recorded about it too.
    pub(crate) fn follow_customer(&mut self, record: &RecordId) -> Result<(), Refusal> {
        for share in self.grants.shares().copied().collect::<Vec<_>>() {
            let text = Kind::Customer.id_text(record);
            let mut about = Vec::new();
            for_each(&self.store, &keys::publications(&share), |key, bytes| {
                let publication: Publication = codec::own(bytes)?;
                if publication.kind != Kind::Customer && publication.kind != Kind::Event {
                    about.extend(record_of(key).map(|record| (publication.kind, record)));
                }
                Ok::<_, Refusal>(())
            })?;
            for (kind, record) in about {
                let row = self.book_row(kind, &record)?;
                let names = row.is_some_and(|row| {
                    row.fields.get("customer") == Some(&Value::Str(text.clone()))
                });
                if names {
                    self.refresh(&share, kind, &record)?;
                }
            }
        }
        Ok(())
    }

    /// Brings one placed record's facets up to date; a changed audience goes through the plan.
    fn refresh(&mut self, share: &ShareId, kind: Kind, record: &RecordId) -> Result<(), Refusal> {
        let Some(row) = self.book_row(kind, record)? else { return Ok(()) };
        if !self.is_at_home(share, kind, record, &row.fields)? {
            self.plan_anew(share, Some((kind, *record)))?;
        }
        let Some(publication) = self.publication(share, record)? else { return Ok(()) };
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
        let reach = self.reach(section, share, kind, fields)?;
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
    fn rules_admitted(&self, compartment: &CompartmentId) -> BTreeSet<GrantId> {
        let Some((_, dossier)) = self.dossiers.get(compartment) else { return BTreeSet::new() };
        let is_rule = |grant: &GrantId| {
            self.grants.get(grant).is_some_and(|g| matches!(g.scope, Scope::Fields { .. }))
                && self.grants.in_force(grant, self.now).is_ok()
        };
        dossier.admissions().map(|(grant, _)| *grant).filter(is_rule).collect()
    }

    /// References to records that were placed just now can be shown from now on.
    fn refresh_references(&mut self, share: &ShareId) -> Result<(), Refusal> {
        let mut about = Vec::new();
        for_each(&self.store, &keys::publications(share), |key, bytes| {
            let publication: Publication = codec::own(bytes)?;
            if !matches!(publication.kind, Kind::Customer | Kind::Event) {
                about.extend(record_of(key).map(|record| (publication.kind, record)));
            }
            Ok::<_, Refusal>(())
        })?;
        for (kind, record) in about {
            self.refresh(share, kind, &record)?;
        }
        Ok(())
    }

    /// Takes records out of this org's section: erased for its readers.
    pub fn withdraw(&mut self, share: &ShareId, records: &[RecordId]) -> Result<u64, Refusal> {
        let mut removed = 0;
        let mut erased: BTreeMap<CompartmentId, Vec<RecordTurn>> = BTreeMap::new();
        for record in records {
            let Some(publication) = self.publication(share, record)? else { continue };
            for (home, turn) in &publication.homes {
                let at = RecordTurn { record: publication.record, turn: *turn };
                erased.entry(*home).or_default().push(at);
            }
            removed += 1;
            if !broken(Law::Turn) {
                self.put(&keys::last_turn(share, record), codec::to_bytes(&publication.turn))?;
            }
            self.remove(&keys::publication(share, record))?;
            self.remove(&keys::published(share, &publication.record))?;
            let mut shares = self.shares_of(record)?;
            shares.retain(|other| other != share);
            self.put(&keys::placements(record), codec::to_bytes(&shares))?;
        }
        for (home, turns) in erased {
            self.erase(&home, turns)?;
        }
        self.dirty.sections.insert(*share);
        Ok(removed)
    }

    fn erase(&mut self, home: &CompartmentId, turns: Vec<RecordTurn>) -> Result<(), Refusal> {
        let turns = crate::book::sorted_turns(turns);
        for records in turns.chunks(MAX_ERASED) {
            let number = self.next_number(home);
            self.say(Body::Erase {
                compartment: *home,
                records: records.to_vec(),
                only_for: None,
                number,
            })?;
        }
        Ok(())
    }

    fn next_number(&self, compartment: &CompartmentId) -> u64 {
        self.dossiers.get(compartment).map_or(0, |(_, dossier)| dossier.number()) + 1
    }

    /// The rules of a section: every grant in it that is in force, passed-on ones included.
    fn rules(&self, share: &ShareId) -> Result<Section, Refusal> {
        let mut section = Section::default();
        for grant in self.grants.of_section(share, &self.me.party.org) {
            let Scope::Fields { kind, fields, edit, .. } = &grant.scope else { continue };
            if self.grants.in_force(&grant.id, self.now).is_err() {
                continue;
            }
            section.rules.push(Rule {
                grant: grant.id,
                parent: grant.parent,
                org: grant.to.org,
                kind: *kind,
                fields: fields.iter().cloned().collect(),
                edit: *edit,
            });
            if let Some(text) = self.read::<String>(&keys::selector(&grant.id))? {
                section.selectors.insert(grant.id, (*kind, Selector::parse(*kind, &text)?));
            }
        }
        Ok(section)
    }

    /// Plans a section anew and does what the plan says: opens, admits, moves, retires.
    pub(crate) fn reconcile(&mut self, share: &ShareId) -> Result<(), Refusal> {
        self.plan_anew(share, None)
    }

    /// `edited` is a record whose facets do not have its newest values yet.
    fn plan_anew(
        &mut self,
        share: &ShareId,
        edited: Option<(Kind, RecordId)>,
    ) -> Result<(), Refusal> {
        let mut section = self.rules(share)?;
        let mut publications: BTreeMap<RecordId, Publication> = BTreeMap::new();
        for_each(&self.store, &keys::publications(share), |key, bytes| {
            let publication: Publication = codec::own(bytes)?;
            publications.extend(record_of(key).map(|record| (record, publication)));
            Ok::<_, Refusal>(())
        })?;
        let mut assigned = plan::Assigned::new();
        let mut reached = BTreeMap::new();
        for (record, publication) in &publications {
            let kind = publication.kind;
            let Some(row) = self.book_row(kind, record)? else { continue };
            let reach = self.reach(&section, share, kind, &row.fields)?;
            assigned.insert(*record, publication.homes.keys().copied().collect());
            reached.insert(*record, (kind, reach));
        }
        self.retreat(share, &mut publications, &mut reached)?;
        let kept = |kind: Kind| self.publishing_grant(share, kind).is_ok();
        let mut open = self.open_compartments(share, edited)?;
        open.retain(|open| kept(open.kind));
        let ended = self.written_under_ended_rights(&open);
        open.retain(|open| !ended.contains(&open.compartment));
        section.rules.retain(|rule| kept(rule.kind));
        assigned.retain(|record, _| reached.contains_key(record));
        let wanted = plan::wanted(&open, &section.rules, &assigned, &reached);
        let mut plan = plan::plan(&open, &section.rules, &assigned, &wanted);
        plan.retire.extend(ended);
        for kind in Kind::ALL {
            let classes = plan::classes(&section.rules, kind);
            section.classes.insert(kind, plan::settled(classes, &open, &assigned));
        }
        let mut opened = BTreeSet::new();
        for (slot, home) in &plan.homes {
            let home = match home {
                Home::Existing(id) => *id,
                Home::New => {
                    let id = self.open_compartment(share, slot)?;
                    opened.insert(id);
                    id
                }
            };
            section.homes.insert(slot.clone(), home);
        }
        for (compartment, grants) in &plan.admit {
            for grant in grants {
                self.admit(compartment, grant, &[], Vec::new())?;
            }
        }
        let successors = self.carry_out(share, &section, &plan, publications)?;
        for id in opened {
            let slot = section.homes.iter().find(|(_, home)| **home == id).map(|(s, _)| s.clone());
            let replaces: Vec<CompartmentId> = successors
                .get(&id)
                .into_iter()
                .flatten()
                .filter(|old| plan.retire.contains(old))
                .copied()
                .collect();
            let from = self.marks(&id);
            for grant in slot.iter().flat_map(|slot| slot.grants.keys()) {
                self.admit(&id, grant, &replaces, from.clone())?;
            }
        }
        for id in &plan.retire {
            let logs = self.marks(id);
            let number = self.next_number(id);
            let retire = self.say(Body::Retire { compartment: *id, number })?;
            let number = self.next_number(id);
            let cause = Cause::Retire(retire);
            self.say(Body::Cut { compartment: *id, cause, logs, number })?;
        }
        self.cut_ended(share)?;
        self.sections.insert(*share, section);
        Ok(())
    }

    /// Says how far the changes of an editor count whose grant has ended: as far as they are here.
    fn cut_ended(&mut self, share: &ShareId) -> Result<(), Refusal> {
        let me = self.me.party.org;
        let mut cuts: BTreeMap<(CompartmentId, StatementId), GrantId> = BTreeMap::new();
        for (id, opening, dossier) in self.dossiers.iter() {
            if opening.share != Some(*share) || opening.section != me || dossier.retired() {
                continue;
            }
            for (grant, _) in dossier.admissions() {
                let edits = |g: &crate::grant::GrantInfo| {
                    matches!(g.scope, Scope::Fields { edit: true, .. })
                };
                if !self.grants.get(grant).is_some_and(edits) {
                    continue;
                }
                for (revocation, ended) in self.grants.revocations(grant) {
                    if !dossier.has_cut(&Cause::Revoke(revocation)) && !broken(Law::CutOnRevoke) {
                        cuts.insert((*id, revocation), ended);
                    }
                }
            }
        }
        for ((compartment, revocation), ended) in cuts {
            let mut logs = self.marks(&compartment);
            logs.retain(|mark| {
                let grant = self.logs.get(&mark.log).and_then(|log| log.grant);
                let chain = grant.and_then(|grant| self.grants.chain(&grant).ok());
                chain.is_some_and(|chain| chain.iter().any(|link| link.id == ended))
            });
            let number = self.next_number(&compartment);
            self.say(Body::Cut { compartment, cause: Cause::Revoke(revocation), logs, number })?;
        }
        Ok(())
    }

    /// Compartments in which this org wrote under a right to contribute that was revoked. Partners
    /// that knew of it first did not take everything, so the records go into new ones.
    fn written_under_ended_rights(&self, open: &[Open]) -> BTreeSet<CompartmentId> {
        let me = self.me.party.org;
        let ended = |log: &&crate::log::LogState| {
            log.author == me && log.grant.is_some_and(|grant| self.grants.revoked(&grant))
        };
        let all: BTreeSet<CompartmentId> =
            self.logs.values().filter(ended).map(|log| log.compartment).collect();
        open.iter().map(|open| open.compartment).filter(|id| all.contains(id)).collect()
    }

    /// Where the right to publish has ended nothing new is written, but what somebody must not see
    /// any more is still taken out. The plan is made for the other kinds.
    fn retreat(
        &mut self,
        share: &ShareId,
        publications: &mut BTreeMap<RecordId, Publication>,
        reached: &mut BTreeMap<RecordId, (Kind, BTreeSet<GrantId>)>,
    ) -> Result<(), Refusal> {
        let mut erased: BTreeMap<CompartmentId, Vec<RecordTurn>> = BTreeMap::new();
        for (record, publication) in publications.iter_mut() {
            if self.publishing_grant(share, publication.kind).is_ok() {
                continue;
            }
            let Some((_, reach)) = reached.remove(record) else { continue };
            let homes = publication.homes.clone();
            for (home, turn) in
                homes.iter().filter(|(h, _)| !self.rules_admitted(h).is_subset(&reach))
            {
                publication.homes.remove(home);
                let at = RecordTurn { record: publication.record, turn: *turn };
                erased.entry(*home).or_default().push(at);
            }
            if publication.homes != homes {
                let bytes = codec::to_bytes(publication);
                self.put(&keys::publication(share, record), bytes)?;
            }
        }
        for (home, turns) in erased {
            self.erase(&home, turns)?;
        }
        Ok(())
    }

    /// Moves records; answers which compartments each new home takes over from. A plan for very
    /// many records is made durable in parts, each complete in itself; whatever a crash leaves
    /// undone is planned again when the node starts.
    fn carry_out(
        &mut self,
        share: &ShareId,
        section: &Section,
        plan: &plan::Plan,
        mut publications: BTreeMap<RecordId, Publication>,
    ) -> Result<BTreeMap<CompartmentId, BTreeSet<CompartmentId>>, Refusal> {
        let mut follows: BTreeMap<CompartmentId, BTreeSet<CompartmentId>> = BTreeMap::new();
        let moves: Vec<(&RecordId, &plan::Move)> = plan.moves.iter().collect();
        for moves in moves.chunks(MOVES_AT_ONCE) {
            let mut part = Moving::default();
            for (record, way) in moves {
                let Some(publication) = publications.get_mut(record) else { continue };
                self.move_one(share, section, plan, (record, way), publication, &mut part)?;
                for home in publication.homes.keys() {
                    follows.entry(*home).or_default().extend(way.leave.iter().copied());
                }
            }
            for (kind, entries) in part.entries {
                self.write_first(share, kind, entries)?;
            }
            for (home, turns) in part.erased {
                self.erase(&home, turns)?;
            }
            self.relieve()?;
        }
        Ok(follows)
    }

    fn move_one(
        &mut self,
        share: &ShareId,
        section: &Section,
        plan: &plan::Plan,
        (record, way): (&RecordId, &plan::Move),
        publication: &mut Publication,
        part: &mut Moving,
    ) -> Result<(), Refusal> {
        let kind = publication.kind;
        let Some(row) = self.book_row(kind, record)? else { return Ok(()) };
        for old in &way.leave {
            let turn = publication.homes.remove(old).unwrap_or_default();
            if !plan.retire.contains(old) {
                let at = RecordTurn { record: publication.record, turn };
                part.erased.entry(*old).or_default().push(at);
            }
        }
        if !way.enter.is_empty() {
            publication.turn += 1;
        }
        for slot in &way.enter {
            let Some(home) = section.homes.get(slot).copied() else { continue };
            let fields = self.project_slot(share, slot, &row.fields)?;
            let entry = (publication.record, publication.turn, fields);
            part.entries.entry(kind).or_default().entry(home).or_default().push(entry);
            publication.homes.insert(home, publication.turn);
        }
        self.put(&keys::publication(share, record), codec::to_bytes(publication))
    }

    fn open_compartments(
        &self,
        share: &ShareId,
        edited: Option<(Kind, RecordId)>,
    ) -> Result<Vec<Open>, Refusal> {
        let me = self.me.party.org;
        let mut superseded: BTreeSet<CompartmentId> = BTreeSet::new();
        // What has changed in the book and not in the facets yet is as good as overwritten: a
        // newcomer must not be let in on the old value just before the new one comes.
        for (_, record) in self.dirty.records.iter().chain(&edited) {
            if let Some(publication) = self.publication(share, record)? {
                superseded.extend(publication.homes.keys());
            }
        }
        for kind in Kind::ALL {
            for_each(&self.store, &keys::facets(kind, Some(share), Some(&me)), |key, bytes| {
                if let Some(key) = FacetKey::parse(key)
                    && !superseded.contains(&key.compartment)
                    && codec::own::<FacetRow>(bytes)?.superseded()
                {
                    superseded.insert(key.compartment);
                }
                Ok::<_, Refusal>(())
            })?;
        }
        let mine = self.dossiers.iter().filter(|(_, opening, dossier)| {
            opening.share == Some(*share) && opening.section == me && !dossier.retired()
        });
        let open = mine.map(|(id, opening, _)| {
            let admitted = self.rules_admitted(id);
            Open {
                compartment: *id,
                kind: opening.kind,
                fields: opening.schema.fields().iter().map(|f| f.name.clone()).collect(),
                readers: admitted.iter().filter_map(|g| self.grants.audience(g)).collect(),
                admitted,
                superseded: superseded.contains(id),
                with_history: false,
            }
        });
        Ok(open.collect())
    }

    /// Opens a compartment for a slot. A contributor admits its own right to contribute at once;
    /// readers are admitted when the values are in.
    fn open_compartment(&mut self, share: &ShareId, slot: &Slot) -> Result<CompartmentId, Refusal> {
        let fields: Vec<FieldSpec> = slot
            .fields
            .iter()
            .filter_map(|name| {
                let shape = vocabulary::field(slot.kind, name)?.ty.shape();
                Some(FieldSpec { name: name.clone(), shape })
            })
            .collect();
        let genesis = Schema::new(&fields).genesis();
        let nonce = Nonce(self.draw());
        let contribution = self.publishing_grant(share, slot.kind)?;
        let (share, kind) = (*share, slot.kind);
        let body = Body::OpenCompartment { share, kind, fields, nonce, genesis };
        let id = CompartmentId::from(self.say(body)?);
        if let Some(grant) = contribution {
            self.admit(&id, &grant, &[], Vec::new())?;
        }
        Ok(id)
    }

    fn admit(
        &mut self,
        compartment: &CompartmentId,
        grant: &GrantId,
        replaces: &[CompartmentId],
        from: Vec<Mark>,
    ) -> Result<(), Refusal> {
        let number = self.next_number(compartment);
        let (compartment, grant) = (*compartment, *grant);
        self.say(Body::Admit { compartment, grant, replaces: replaces.to_vec(), from, number })?;
        Ok(())
    }

    /// How far every log of a compartment is held.
    fn marks(&self, compartment: &CompartmentId) -> Vec<Mark> {
        let logs: BTreeMap<&LogId, _> =
            self.logs.iter().filter(|(_, log)| log.compartment == *compartment).collect();
        let mark = |(log, state): (&LogId, &crate::log::LogState)| Mark {
            log: *log,
            height: state.height,
            head: state.head,
        };
        logs.into_iter().map(|(log, state)| mark((log, state))).collect()
    }
}

/// The book id in a publication's key.
pub(crate) fn record_of(key: &[u8]) -> Option<RecordId> {
    Some(RecordId(*key.last_chunk::<16>()?))
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
