//! The book: the org's own records, and edits of whatever this org may edit.
//! Every change takes the door in `ingest.rs`; what is published follows by itself.

use std::collections::BTreeMap;

use crate::audit::Event;
use crate::codec;
use crate::facet::{self, Edit};
use crate::id::{CompartmentId, GrantId, OrgId, RecordId, ShareId};
use crate::ingest::{Draft, FacetRow};
use crate::keys::{self, FacetKey};
use crate::mutation::{Law, broken};
use crate::refusal::Refusal;
use crate::replica::{Replica, book_schema};
use crate::section::Unseen;
use crate::statement::RecordTurn;
use crate::store::Store;
use crate::value::{Fields, Value};
use crate::vocabulary::{self, Kind};

/// Where a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Address {
    /// In the own book.
    Own {
        /// Its kind.
        kind: Kind,
        /// Its id in the book.
        record: RecordId,
    },
    /// In a partner's section.
    Received {
        /// Its kind.
        kind: Kind,
        /// The share.
        share: ShareId,
        /// Whose section.
        section: OrgId,
        /// Its id in the share.
        record: RecordId,
    },
}

impl Address {
    /// The record's kind.
    pub fn kind(&self) -> Kind {
        match self {
            Address::Own { kind, .. } | Address::Received { kind, .. } => *kind,
        }
    }

    /// The record's id where it is.
    pub fn record(&self) -> RecordId {
        match self {
            Address::Own { record, .. } | Address::Received { record, .. } => *record,
        }
    }

    /// Its id as people write it.
    pub fn text(&self) -> String {
        self.kind().id_text(&self.record())
    }
}

impl Replica {
    pub(crate) fn book_key(&self, kind: Kind, record: &RecordId) -> FacetKey {
        FacetKey {
            kind,
            share: keys::NO_SHARE,
            section: self.me.party.org,
            record: *record,
            turn: 1,
            compartment: CompartmentId::of_book(&self.me.party.org, kind as u8),
        }
    }

    pub(crate) fn book_row(
        &self,
        kind: Kind,
        record: &RecordId,
    ) -> Result<Option<FacetRow>, Refusal> {
        self.read(&self.book_key(kind, record).bytes())
    }

    /// Creates a record.
    pub fn create(&mut self, kind: Kind, fields: Fields) -> Result<RecordId, Refusal> {
        Ok(self.create_many(kind, vec![fields])?.remove(0))
    }

    /// Creates records; they share bundles and signatures.
    pub fn create_many(&mut self, kind: Kind, all: Vec<Fields>) -> Result<Vec<RecordId>, Refusal> {
        for (field, value) in all.iter().flatten() {
            self.check_value(kind, field, value)?;
        }
        let compartment = CompartmentId::of_book(&self.me.party.org, kind as u8);
        let (log, _) = self.own_log(&compartment, None)?;
        let open = self.dossiers.get(&compartment).map(|(opening, _)| opening.schema.clone());
        let schema = open.unwrap_or_else(|| book_schema(kind));
        let mut drafts = Vec::new();
        let mut ids = Vec::new();
        for fields in all {
            let record = RecordId(self.draw());
            ids.push(record);
            if kind == Kind::Customer && fields.contains_key("consent") {
                self.note(Event::Consent { customer: record })?;
            }
            let change = facet::first_change(&schema, &log, &fields)?;
            drafts.push(Draft { record, turn: 1, change });
        }
        self.write(&compartment, None, drafts)?;
        let has_selection = |share| {
            self.store.get(&keys::selection(share, kind)).is_ok_and(|found| found.is_some())
        };
        if self.grants.shares().any(has_selection) {
            self.dirty.records.extend(ids.iter().map(|id| (kind, *id)));
        }
        Ok(ids)
    }

    pub(crate) fn check_value(
        &self,
        kind: Kind,
        field: &str,
        value: &Value,
    ) -> Result<(), Refusal> {
        let expected = match vocabulary::field(kind, field) {
            Some(known) => Some(known.ty.shape()),
            None if vocabulary::is_custom(field) => None,
            None => {
                return Err(Refusal::NotFound { what: "field", text: field.to_owned() });
            }
        };
        if expected.is_some_and(|shape| shape != value.shape()) {
            return Err(Refusal::NotFound { what: "field of that type", text: field.to_owned() });
        }
        Ok(())
    }

    /// Changes a record: an own one in the book, a received one where this org may edit it.
    pub fn edit(&mut self, at: &Address, edits: Vec<Edit>) -> Result<(), Refusal> {
        for edit in &edits {
            if let Edit::Put(field, value) = edit {
                self.check_value(at.kind(), field, value)?;
            } else if vocabulary::class(at.kind(), edit.field()).is_none() {
                let text = edit.field().to_owned();
                return Err(Refusal::NotFound { what: "field", text });
            }
        }
        match at {
            Address::Own { kind, record } => {
                self.edit_book(*kind, record, &edits, None)?;
                if *kind == Kind::Customer && edits.iter().any(|edit| edit.field() == "consent") {
                    self.note(Event::Consent { customer: *record })?;
                }
                self.dirty.records.insert((*kind, *record));
                Ok(())
            }
            Address::Received { kind, share, section, record } => {
                self.edit_received(*kind, share, section, record, edits)
            }
        }
    }

    /// Writes into the book; `by` names the partner whose edit is being absorbed.
    pub(crate) fn edit_book(
        &mut self,
        kind: Kind,
        record: &RecordId,
        edits: &[Edit],
        by: Option<OrgId>,
    ) -> Result<(), Refusal> {
        let key = self.book_key(kind, record);
        if !self.edit_facet(&key, None, edits)? {
            return Ok(());
        }
        if let Some(by) = by
            && let Some(row) = self.read::<FacetRow>(&key.bytes())?
            && let Some(at) = row.leaves.last()
        {
            let absorbed = keys::absorbed(&at.log, at.seq, at.index);
            self.put(&absorbed, codec::to_bytes(&by))?;
            self.reauthor(&absorbed)?;
        }
        Ok(())
    }

    /// Writes one change into one facet; false if it would change nothing.
    pub(crate) fn edit_facet(
        &mut self,
        key: &FacetKey,
        grant: Option<GrantId>,
        edits: &[Edit],
    ) -> Result<bool, Refusal> {
        let opening = self.dossiers.get(&key.compartment).map(|(opening, _)| opening.clone());
        let held = self.read::<FacetRow>(&key.bytes())?.zip(opening);
        let (row, opening) = held.ok_or_else(|| Refusal::NotFound {
            what: key.kind.name(),
            text: key.kind.id_text(&key.record),
        })?;
        let (log, _) = self.own_log(&key.compartment, grant)?;
        let facet = self.facet(&opening, &row.leaves)?;
        let Some(change) = facet.edit(&log, edits)? else { return Ok(false) };
        let draft = Draft { record: key.record, turn: key.turn, change };
        self.write(&key.compartment, grant, vec![draft])?;
        Ok(true)
    }

    pub(crate) fn edit_received(
        &mut self,
        kind: Kind,
        share: &ShareId,
        section: &OrgId,
        record: &RecordId,
        edits: Vec<Edit>,
    ) -> Result<(), Refusal> {
        for ((key, grant), edits) in self.edits_by_facet(kind, share, section, record, edits)? {
            self.edit_facet(&key, Some(grant), &edits)?;
        }
        Ok(())
    }

    /// The facets of a partner's record that edits go to, and the grants that allow each.
    pub(crate) fn edits_by_facet(
        &self,
        kind: Kind,
        share: &ShareId,
        section: &OrgId,
        record: &RecordId,
        edits: Vec<Edit>,
    ) -> Result<BTreeMap<(FacetKey, GrantId), Vec<Edit>>, Refusal> {
        let facets = self.shown_facets(kind, share, section, record)?;
        let mut work: BTreeMap<(FacetKey, GrantId), Vec<Edit>> = BTreeMap::new();
        for edit in edits {
            let home = facets.iter().map(|(key, _)| key).find(|key| {
                self.dossiers
                    .get(&key.compartment)
                    .is_some_and(|(o, _)| o.schema.shape(edit.field()).is_some())
            });
            let what = format!("{}.{}", kind.name(), edit.field());
            work.entry(self.may_change(section, home, what)?).or_default().push(edit);
        }
        Ok(work)
    }

    /// The facet of a partner's record that a field stands in, with the grant under which this org
    /// may change it now, unless its owner is moving it.
    pub(crate) fn may_change(
        &self,
        section: &OrgId,
        home: Option<&FacetKey>,
        what: String,
    ) -> Result<(FacetKey, GrantId), Refusal> {
        let may = home.and_then(|key| {
            let grant = self.access().edit_grant(&self.me.party.org, &key.compartment, self.now)?;
            Some((*key, grant))
        });
        let Some((key, grant)) = may else {
            return Err(Refusal::NotAllowed { org: self.directory.name(section).to_owned(), what });
        };
        if self.dossiers.get(&key.compartment).is_some_and(|(_, d)| d.retired()) {
            return Err(Refusal::Moving { what });
        }
        Ok((key, grant))
    }

    /// A received record's facets, highest turn first: what is shown of each field is the first
    /// that has it.
    pub(crate) fn shown_facets(
        &self,
        kind: Kind,
        share: &ShareId,
        section: &OrgId,
        record: &RecordId,
    ) -> Result<Vec<(FacetKey, FacetRow)>, Refusal> {
        let prefix = FacetKey::record_prefix(kind, share, section, record);
        let mut facets = Vec::new();
        for (key, row) in self.store.scan(&prefix, &[], 4096)? {
            let Some(key) = FacetKey::parse(&key) else { continue };
            let row: FacetRow = codec::own(&row)?;
            if row.active > 0 {
                facets.push((key, row));
            }
        }
        facets.sort_by_key(|(key, _)| std::cmp::Reverse(key.turn));
        Ok(facets)
    }

    /// Removes an own record: from every share, then from the book.
    pub fn delete(&mut self, at: &Address) -> Result<(), Refusal> {
        let (kind, record, row) = self.deletable(at)?;
        let key = self.book_key(kind, &record);
        let book = key.compartment;
        let at = RecordTurn { record, turn: key.turn };
        self.erase(&book, vec![at], &Unseen::new())?;
        for share in self.shares_of(&record)? {
            self.withdraw(&share, &[record])?;
        }
        self.note(Event::Deleted { kind, record })?;
        self.put(&keys::tombstone(&record), codec::to_bytes(&1u8))?;
        self.remove(&key.bytes())?;
        if self.provenance(&record)?.is_some() {
            self.remove(&keys::adopted(&record))?;
        }
        self.leave_remains()?;
        for at in row.leaves {
            let mut bundle = self.bundle(&at.log, at.seq)?;
            if let Some(leaf) = bundle.leaves.get_mut(usize::from(at.index)) {
                *leaf = leaf.redacted();
                self.put(&keys::bundle(&at.log, at.seq), codec::to_bytes(&bundle))?;
            }
        }
        self.note_changed(&key)?;
        if kind == Kind::Customer {
            self.follow_customer(&record)?;
        }
        Ok(())
    }

    /// The own record that is to be deleted, if this node may.
    pub(crate) fn deletable(&self, at: &Address) -> Result<(Kind, RecordId, FacetRow), Refusal> {
        let Address::Own { kind, record } = at else {
            return Err(Refusal::NotOwn { text: at.text() });
        };
        self.check_decides()?;
        let Some(row) = self.book_row(*kind, record)? else {
            return Err(Refusal::NotFound { what: kind.name(), text: at.text() });
        };
        Ok((*kind, *record, row))
    }

    /// A partner's permitted edit of a published record flows back into the book.
    pub(crate) fn absorb(
        &mut self,
        key: &FacetKey,
        before: &Fields,
        after: &Fields,
        by: OrgId,
    ) -> Result<(), Refusal> {
        let Some(record) = self.read::<RecordId>(&keys::published(&key.share, &key.record))? else {
            return Ok(());
        };
        if before != after {
            self.put_right(key)?;
        }
        let mut edits = Vec::new();
        let names: std::collections::BTreeSet<&String> =
            before.keys().chain(after.keys()).collect();
        for name in names {
            if before.get(name) == after.get(name) || is_own_word(key.kind, name) {
                continue;
            }
            edits.push(match after.get(name) {
                Some(value) => Edit::Put(name.clone(), value.clone()),
                None => Edit::Clear(name.clone()),
            });
        }
        if !edits.is_empty() {
            self.edit_book(key.kind, &record, &edits, Some(by))?;
        }
        Ok(())
    }

    /// What this org's book does not take from a facet of its section, and what a fork takes from
    /// the facet, the publisher's next change puts right for all readers.
    pub(crate) fn put_right(&mut self, key: &FacetKey) -> Result<(), Refusal> {
        if let Some(record) = self.read::<RecordId>(&keys::published(&key.share, &key.record))? {
            self.dirty.records.insert((key.kind, record));
        }
        Ok(())
    }
}

/// Fields on which only the publisher's own word counts: whom a record is about, and what the
/// consent gate asks, for no partner may open that.
pub(crate) fn is_own_word(kind: Kind, field: &str) -> bool {
    let is_ref = vocabulary::field(kind, field)
        .is_some_and(|f| matches!(f.ty, vocabulary::FieldType::Ref(_)));
    let gated = match field {
        "consent" => true,
        "type" => kind == Kind::Customer && !broken(Law::OwnType),
        _ => false,
    };
    is_ref || gated
}

/// Erased records in the order statements need, without doubles.
pub(crate) fn sorted_turns(mut turns: Vec<RecordTurn>) -> Vec<RecordTurn> {
    turns.sort_unstable();
    turns.reverse();
    turns.dedup_by_key(|at| at.record);
    turns.reverse();
    turns
}
