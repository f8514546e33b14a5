//! Which records of the book stand in a share: placed by name or selection, previewed, taken out.

use std::collections::{BTreeMap, BTreeSet};

use super::{Moving, Publication, Sight};
use crate::codec;
use crate::consent::HeldBack;
use crate::id::{GrantId, OrgId, RecordId, ShareId};
use crate::keys;
use crate::refusal::Refusal;
use crate::replica::Replica;
use crate::select::Selector;
use crate::sharing::Leaving;
use crate::statement::RecordTurn;
use crate::value::Fields;
use crate::view::{From, ListQuery};
use crate::vocabulary::Kind;

/// Records looked through at once for a selection.
const PAGE: usize = 1024;

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

/// What placing did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Placed {
    /// Records that are in the section now.
    pub published: Vec<RecordId>,
    /// Records held back.
    pub held_back: Vec<Held>,
}

impl Replica {
    /// Places own records in this org's section of a share, and publishes what its rules let out.
    pub fn place(
        &mut self,
        share: &ShareId,
        kind: Kind,
        records: &[RecordId],
    ) -> Result<Placed, Refusal> {
        self.check_decides()?;
        self.check_placing(share, kind)?;
        let rows = self.rows_to_place(kind, records)?;
        self.place_rows(share, kind, rows)
    }

    /// Whether this org may place records of a kind in a share that is open.
    fn check_placing(&self, share: &ShareId, kind: Kind) -> Result<(), Refusal> {
        self.check_open(share)?;
        self.publishing_grant(share, kind).map(|_| ())
    }

    /// The rows of own records that may be placed.
    fn rows_to_place(
        &self,
        kind: Kind,
        records: &[RecordId],
    ) -> Result<Vec<(RecordId, Fields)>, Refusal> {
        let row = |record: &RecordId| {
            let row = self.book_row(kind, record)?;
            let row = row.ok_or_else(|| Refusal::NotOwn { text: kind.id_text(record) })?;
            self.check_placeable(kind, record)?;
            Ok((*record, row.fields))
        };
        records.iter().map(row).collect()
    }

    fn place_rows(
        &mut self,
        share: &ShareId,
        kind: Kind,
        rows: Vec<(RecordId, Fields)>,
    ) -> Result<Placed, Refusal> {
        let mut placed = Placed::default();
        let audience = self.audience(share, kind);
        // By id in the share: readers store them in the order of these.
        let mut new: BTreeMap<RecordId, RecordId> = BTreeMap::new();
        for (record, fields) in &rows {
            if !self.consents(share, kind, record, fields, &audience, &mut placed)? {
                continue;
            }
            placed.published.push(*record);
            if self.publication(share, record)?.is_none() {
                let id = self.share_record(share, record)?;
                self.note_subject(share, &id, kind, record, fields)?;
                new.insert(id, *record);
            }
        }
        for (id, record) in &new {
            let before: Option<Publication> = self.read(&keys::withdrawn(share, record))?;
            let (turn, past) = before.map_or_else(Default::default, |b| (b.turn, b.past));
            let publication = Publication { kind, record: *id, turn, homes: BTreeMap::new(), past };
            self.put_publication(share, record, &publication)?;
        }
        let new: Vec<RecordId> = new.into_values().collect();
        if !self.publish_new(share, kind, &new)? {
            self.reconcile(share)?;
        }
        self.refresh_references(share, kind, &new)?;
        Ok(placed)
    }

    /// Own records that a selector selects and that may be placed, by id in the share.
    pub fn placeable(
        &self,
        share: &ShareId,
        kind: Kind,
        selector: &Selector,
    ) -> Result<Vec<RecordId>, Refusal> {
        self.check_placing(share, kind)?;
        let mut found: BTreeMap<RecordId, RecordId> = BTreeMap::new();
        let mut query = ListQuery::of(kind);
        (query.from, query.selector, query.limit) = (From::Own, selector.clone(), PAGE);
        loop {
            let page = self.list(&query)?;
            for record in page.records.iter().map(|view| view.at.record()) {
                if self.check_placeable(kind, &record).is_ok() {
                    found.insert(self.share_record(share, &record)?, record);
                }
            }
            match page.next {
                Some(next) => query.after = Some(next),
                None => return Ok(found.into_values().collect()),
            }
        }
    }

    /// Places those of some own records that a selector still selects.
    pub fn place_selected(
        &mut self,
        share: &ShareId,
        kind: Kind,
        selector: &Selector,
        records: &[RecordId],
    ) -> Result<Placed, Refusal> {
        self.check_decides()?;
        self.check_placing(share, kind)?;
        let mut rows = Vec::new();
        for record in records {
            let row = self.book_row(kind, record)?;
            let selected = row.filter(|row| selector.selects(kind, &row.fields));
            let may = selected.filter(|_| self.check_placeable(kind, record).is_ok());
            rows.extend(may.map(|row| (*record, row.fields)));
        }
        self.place_rows(share, kind, rows)
    }

    /// Keeps a selection up to date: records that come to be selected are placed by themselves.
    pub fn keep_placing(
        &mut self,
        share: &ShareId,
        kind: Kind,
        selector: &str,
    ) -> Result<(), Refusal> {
        self.check_decides()?;
        Selector::parse(kind, selector)?;
        self.put(&keys::selection(share, kind), codec::to_bytes(&selector.to_owned()))
    }

    /// Places a record of the book into every share whose standing selection selects it.
    pub(crate) fn place_live(&mut self, kind: Kind, record: &RecordId) -> Result<(), Refusal> {
        for share in self.grants.shares().copied().collect::<Vec<_>>() {
            let Some(text) = self.read::<String>(&keys::selection(&share, kind))? else { continue };
            let Some(row) = self.book_row(kind, record)? else { return Ok(()) };
            let selected = Selector::parse(kind, &text)?.selects(kind, &row.fields);
            let open = self.check_placing(&share, kind);
            let may = open.and_then(|()| self.check_placeable(kind, record));
            if selected && may.is_ok() && self.publication(&share, record)?.is_none() {
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
        self.check_placing(share, kind)?;
        let audience = self.audience(share, kind);
        let mut placed = Placed::default();
        let mut shown = Vec::new();
        for (record, fields) in self.rows_to_place(kind, records)? {
            if self.consents(share, kind, &record, &fields, &audience, &mut placed)? {
                shown.push(fields);
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
            let person = self.person(kind, fields)?;
            for grant in self.reach(&section, share, kind, fields, person.as_ref()) {
                if let Some(leaving) = leaving.get_mut(&grant) {
                    leaving.records += 1;
                }
            }
        }
        Ok(leaving.into_values().collect())
    }

    /// Takes records out of this org's section: erased for its readers.
    pub fn withdraw(&mut self, share: &ShareId, records: &[RecordId]) -> Result<u64, Refusal> {
        self.check_decides()?;
        let mut removed = 0;
        let (mut part, mut sight) = (Moving::default(), Sight::default());
        for record in records {
            let Some(mut publication) = self.publication(share, record)? else { continue };
            for home in publication.homes.keys().copied().collect::<Vec<_>>() {
                let turn = publication.leave(&home).unwrap_or_default();
                let at = RecordTurn { record: publication.record, turn };
                let lost = self.out_of_sight(&mut sight, &home, at, &BTreeSet::new());
                part.erase(&home, at, lost);
            }
            removed += 1;
            self.remove_publication(share, record, &publication)?;
        }
        self.erase_all(part)?;
        self.dirty.sections.insert(*share);
        Ok(removed)
    }
}
