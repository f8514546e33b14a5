//! What this org sees: one record over all its facets, lists, and how records are found by text.

use std::collections::{BTreeMap, BTreeSet};

use crate::book::Address;
use crate::codec;
use crate::id::{OrgId, RecordId, ShareId};
use crate::ingest::FacetRow;
use crate::keys::{self, FacetKey};
use crate::refusal::Refusal;
use crate::replica::Replica;
use crate::select::Selector;
use crate::store::Store;
use crate::time::Hlc;
use crate::value::{Fields, Value};
use crate::vocabulary::{self, Kind};

/// A record as this org sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordView {
    /// Where it is.
    pub at: Address,
    /// The share it came in; none for an own record.
    pub share: Option<ShareId>,
    /// Whose record it is.
    pub section: OrgId,
    /// Granted fields; none where nothing was entered.
    pub fields: BTreeMap<String, Option<Value>>,
    /// Vocabulary fields that this org may not see.
    pub withheld: Vec<String>,
    /// Fields with concurrent values.
    pub conflicts: Vec<String>,
    /// When it last changed.
    pub updated_at: Hlc,
    /// Who last changed it.
    pub updated_by: OrgId,
}

impl RecordView {
    /// The values alone.
    pub fn values(&self) -> Fields {
        self.fields.iter().filter_map(|(k, v)| Some((k.clone(), v.clone()?))).collect()
    }
}

/// Whose records a list has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum From {
    /// Own and received.
    #[default]
    All,
    /// Own ones.
    Own,
    /// Received ones.
    Partners,
}

/// What a list should have.
#[derive(Debug, Clone)]
pub struct ListQuery {
    /// The kind of record.
    pub kind: Kind,
    /// Whose.
    pub from: From,
    /// Which.
    pub selector: Selector,
    /// Begin after this place.
    pub after: Option<Vec<u8>>,
    /// At most so many.
    pub limit: usize,
}

impl ListQuery {
    /// Everything of a kind.
    pub fn of(kind: Kind) -> Self {
        Self {
            kind,
            from: From::All,
            selector: Selector::default(),
            after: None,
            limit: usize::MAX,
        }
    }
}

/// A part of a list, and where the next part begins.
#[derive(Debug, Clone)]
pub struct Page {
    /// The records.
    pub records: Vec<RecordView>,
    /// Where the next page begins; none at the end.
    pub next: Option<Vec<u8>>,
}

impl Replica {
    /// One record.
    pub fn record(&self, at: &Address) -> Result<RecordView, Refusal> {
        let missing = || Refusal::NotFound { what: at.kind().name(), text: at.text() };
        match at {
            Address::Own { kind, record } => {
                let row = self.book_row(*kind, record)?.ok_or_else(missing)?;
                Ok(self.own_view(*at, row))
            }
            Address::Received { kind, share, section, record } => {
                let facets = self.shown_facets(*kind, share, section, record)?;
                if facets.is_empty() {
                    return Err(missing());
                }
                Ok(self.received_view(*at, facets))
            }
        }
    }

    fn own_view(&self, at: Address, row: FacetRow) -> RecordView {
        RecordView {
            at,
            share: None,
            section: self.me.party.org,
            fields: row.fields.into_iter().map(|(name, value)| (name, Some(value))).collect(),
            withheld: Vec::new(),
            conflicts: row.conflicts,
            updated_at: row.at,
            updated_by: row.by,
        }
    }

    /// `facets` have the highest turn first; of each field the first that has it is shown.
    pub(crate) fn received_view(
        &self,
        at: Address,
        facets: Vec<(FacetKey, FacetRow)>,
    ) -> RecordView {
        let (key, _) = facets[0];
        let mut view = RecordView {
            at,
            share: Some(key.share),
            section: key.section,
            fields: BTreeMap::new(),
            withheld: Vec::new(),
            conflicts: Vec::new(),
            updated_at: Hlc::default(),
            updated_by: key.section,
        };
        for (key, row) in facets {
            let Some((opening, _)) = self.dossiers.get(&key.compartment) else { continue };
            for field in opening.schema.fields() {
                if !view.fields.contains_key(&field.name) {
                    view.fields.insert(field.name.clone(), row.fields.get(&field.name).cloned());
                    view.conflicts
                        .extend(row.conflicts.iter().filter(|c| **c == field.name).cloned());
                }
            }
            if row.at > view.updated_at {
                (view.updated_at, view.updated_by) = (row.at, row.by);
            }
        }
        view.withheld = vocabulary::fields(key.kind)
            .iter()
            .map(|field| field.name)
            .filter(|name| !view.fields.contains_key(*name))
            .map(str::to_owned)
            .collect();
        view
    }

    /// Records of a kind, own ones first.
    pub fn list(&self, query: &ListQuery) -> Result<Page, Refusal> {
        let prefix = keys::facets(query.kind, None, None);
        let mut after = query.after.clone().unwrap_or_default();
        let mut page = Page { records: Vec::new(), next: None };
        let mut facets: Vec<(FacetKey, FacetRow)> = Vec::new();
        loop {
            const PAGE: usize = 512;
            let rows = self.store.scan(&prefix, &after, PAGE)?;
            let last_page = rows.len() < PAGE;
            for (bytes, row) in rows {
                let Some(key) = FacetKey::parse(&bytes) else { continue };
                let same = facets.last().is_none_or(|(k, _)| {
                    (k.share, k.section, k.record) == (key.share, key.section, key.record)
                });
                if !same && self.list_one(query, std::mem::take(&mut facets), &mut page) {
                    page.next = Some(after);
                    return Ok(page);
                }
                let row: FacetRow = codec::own(&row)?;
                facets.push((key, row));
                after = bytes;
            }
            if last_page {
                self.list_one(query, facets, &mut page);
                return Ok(page);
            }
        }
    }

    /// Adds a record to a page if it is asked for; true when the page is full.
    fn list_one(
        &self,
        query: &ListQuery,
        mut facets: Vec<(FacetKey, FacetRow)>,
        page: &mut Page,
    ) -> bool {
        facets.retain(|(_, row)| row.active > 0);
        facets.sort_by_key(|(key, _)| std::cmp::Reverse(key.turn));
        let Some((key, _)) = facets.first() else { return false };
        let (own, received) = (key.share == keys::NO_SHARE, key.section != self.me.party.org);
        let wanted = match query.from {
            From::All => own || received,
            From::Own => own,
            From::Partners => !own && received,
        };
        if !wanted {
            return false;
        }
        let (kind, record) = (key.kind, key.record);
        let view = if own {
            let Some((_, row)) = facets.pop() else { return false };
            self.own_view(Address::Own { kind, record }, row)
        } else {
            let (share, section) = (key.share, key.section);
            self.received_view(Address::Received { kind, share, section, record }, facets)
        };
        if query.selector.selects(kind, &view.values()) {
            page.records.push(view);
        }
        page.records.len() >= query.limit
    }

    /// Finds a record by its id, or by a unique beginning of it.
    pub fn find_record(&self, text: &str, kind: Option<Kind>) -> Result<Address, Refusal> {
        let named = Kind::ALL.into_iter().find(|k| text.starts_with(k.prefix()));
        let what = kind.or(named).map_or("record", Kind::name);
        let missing = || Refusal::NotFound { what, text: text.to_owned() };
        let named =
            named.filter(|named| kind.is_none_or(|kind| kind == *named)).ok_or_else(missing)?;
        if let Some((kind, record)) = Kind::parse_id(text) {
            return self.locate(kind, &record)?.ok_or_else(missing);
        }
        let mut fits = BTreeSet::new();
        let prefix = keys::facets(named, None, None);
        crate::store::for_each(&self.store, &prefix, |key, _| {
            if let Some(key) = FacetKey::parse(key)
                && named.id_text(&key.record).starts_with(text)
            {
                fits.extend(self.address_of(&key)?);
            }
            Ok::<_, Refusal>(())
        })?;
        match fits.len() {
            0 => Err(missing()),
            1 => fits.pop_first().ok_or_else(missing),
            count => Err(Refusal::Ambiguous { text: text.to_owned(), count }),
        }
    }

    /// A facet's record as this org addresses it: what it published itself is in its book.
    pub(crate) fn address_of(&self, key: &FacetKey) -> Result<Option<Address>, Refusal> {
        let FacetKey { kind, share, section, record, .. } = *key;
        if share == keys::NO_SHARE {
            return Ok(Some(Address::Own { kind, record }));
        }
        if section == self.me.party.org {
            let own = self.read::<RecordId>(&keys::published(&share, &record))?;
            return Ok(own.map(|record| Address::Own { kind, record }));
        }
        Ok(Some(Address::Received { kind, share, section, record }))
    }

    /// Where the record with this id is: in the book, published from it, or received.
    pub fn locate(&self, kind: Kind, record: &RecordId) -> Result<Option<Address>, Refusal> {
        if self.book_row(kind, record)?.is_some() {
            return Ok(Some(Address::Own { kind, record: *record }));
        }
        for share in self.grants.shares().copied().collect::<Vec<_>>() {
            if let Some(at) = self.locate_in(&share, kind, record, None)? {
                return Ok(Some(at));
            }
        }
        Ok(None)
    }

    /// Where a record of a share is, looking in `first` before the other sections.
    pub(crate) fn locate_in(
        &self,
        share: &ShareId,
        kind: Kind,
        record: &RecordId,
        first: Option<OrgId>,
    ) -> Result<Option<Address>, Refusal> {
        if let Some(own) = self.read::<RecordId>(&keys::published(share, record))? {
            return Ok(Some(Address::Own { kind, record: own }));
        }
        for section in first.into_iter().chain(self.sections_of(share)) {
            let prefix = FacetKey::record_prefix(kind, share, &section, record);
            if !self.store.scan(&prefix, &[], 1)?.is_empty() {
                return Ok(Some(Address::Received {
                    kind,
                    share: *share,
                    section,
                    record: *record,
                }));
            }
        }
        Ok(None)
    }

    /// How many records are held, own and received.
    pub fn count_records(&self) -> Result<u64, Refusal> {
        let mut seen = BTreeSet::new();
        for kind in Kind::ALL {
            crate::store::for_each(&self.store, &keys::facets(kind, None, None), |key, _| {
                if let Some(key) = FacetKey::parse(key)
                    && (key.share == keys::NO_SHARE || key.section != self.me.party.org)
                {
                    seen.insert((key.share, key.section, key.record));
                }
                Ok::<_, Refusal>(())
            })?;
        }
        Ok(seen.len() as u64)
    }
}
