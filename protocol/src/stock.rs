//! Taking stock: whoever begins to decide for its org compares what it keeps with what stands in the
//! shares, and carries on from there. A steward before it may have done more than it told this node,
//! and an older copy of a store knows less than its partners.

use std::collections::{BTreeMap, BTreeSet};

use crate::book::is_own_word;
use crate::codec;
use crate::consent;
use crate::dossier::Opening;
use crate::facet::{ChangeRef, Edit, Standing};
use crate::id::{CompartmentId, OrgId, RecordId, ShareId};
use crate::ingest::FacetRow;
use crate::keys::{self, FacetKey};
use crate::mutation::{Law, broken};
use crate::refusal::{Refusal, RefusalClass};
use crate::replica::Replica;
use crate::section::{Publication, record_of};
use crate::store::for_each;
use crate::time::Hlc;
use crate::value::{Fields, Value};
use crate::vocabulary::{self, FieldType, Kind};

/// The facets of one placed record that are in use, by its id in the share.
type Found = BTreeMap<RecordId, Vec<(FacetKey, FacetRow)>>;

impl Replica {
    /// Compares every share in which this org publishes with what it keeps of it.
    pub(crate) fn take_stock(&mut self) -> Result<(), Refusal> {
        let recover = self.read::<bool>(keys::RESTORED)?.unwrap_or(false);
        for share in self.grants.shares().copied().collect::<Vec<_>>() {
            for kind in Kind::ALL {
                let found = self.own_facets(&share, kind)?;
                let known = self.check_placements(&share, kind, &found)?;
                let unknown: Found =
                    found.into_iter().filter(|(record, _)| !known.contains(record)).collect();
                self.take_in(&share, kind, unknown, recover)?;
            }
            if recover {
                self.withdraw_as_ordered(&share)?;
            }
            for (record, publication) in self.placements_in(&share)? {
                self.compare_values(&share, &record, &publication, recover)?;
                self.dirty.records.insert((publication.kind, record));
            }
            self.dirty.sections.insert(share);
        }
        if recover {
            self.obey_again()?;
            self.put(keys::RESTORED, codec::to_bytes(&false))?;
        }
        Ok(())
    }

    fn placements_in(&self, share: &ShareId) -> Result<Vec<(RecordId, Publication)>, Refusal> {
        let mut all = Vec::new();
        for_each(&self.store, &keys::publications(share), |key, bytes| {
            let publication: Publication = codec::own(bytes)?;
            all.extend(record_of(key).map(|record| (record, publication)));
            Ok::<_, Refusal>(())
        })?;
        Ok(all)
    }

    fn own_facets(&self, share: &ShareId, kind: Kind) -> Result<Found, Refusal> {
        let mut found = Found::new();
        let prefix = keys::facets(kind, Some(share), Some(&self.me.party.org));
        for_each(&self.store, &prefix, |key, bytes| {
            let Some(key) = FacetKey::parse(key) else { return Ok(()) };
            let used = self.dossiers.get(&key.compartment).is_some_and(|(_, d)| !d.retired());
            let row: FacetRow = codec::own(bytes)?;
            if used && row.active > 0 {
                found.entry(key.record).or_default().push((key, row));
            }
            Ok::<_, Refusal>(())
        })?;
        Ok(found)
    }

    /// The highest turn up to which this org erased a record of its section.
    fn erased_turn(&self, share: &ShareId, record: &RecordId) -> u32 {
        let me = self.me.party.org;
        let own =
            self.dossiers.iter().filter(|(_, o, _)| o.share == Some(*share) && o.section == me);
        own.map(|(_, _, dossier)| dossier.erased(record)).max().unwrap_or(0)
    }

    /// Whether a record was erased without this node's knowledge: in a later turn than it knows of,
    /// or where it takes the record to be.
    fn was_taken_out(&self, share: &ShareId, known: &Publication) -> bool {
        let erased_there = |home: &CompartmentId| {
            self.dossiers.get(home).map_or(0, |(_, dossier)| dossier.erased(&known.record))
        };
        let in_a_later_turn = self.erased_turn(share, &known.record) > known.turn;
        let there = known.homes.iter().any(|(home, turn)| erased_there(home) >= *turn);
        (in_a_later_turn || there) && !broken(Law::StaysOut)
    }

    /// Brings what is kept of placed records in line with their facets; answers whose they are.
    /// What was erased without this node's knowledge is not placed any more.
    fn check_placements(
        &mut self,
        share: &ShareId,
        kind: Kind,
        found: &Found,
    ) -> Result<BTreeSet<RecordId>, Refusal> {
        let mut known = BTreeSet::new();
        for (record, mut publication) in self.placements_in(share)? {
            if publication.kind != kind {
                continue;
            }
            known.insert(publication.record);
            let facets = found.get(&publication.record).map_or(&[][..], Vec::as_slice);
            let homes: BTreeMap<CompartmentId, u32> =
                facets.iter().map(|(key, _)| (key.compartment, key.turn)).collect();
            let erased = self.erased_turn(share, &publication.record);
            let taken_out = self.was_taken_out(share, &publication);
            let before = publication.clone();
            for home in before.homes.keys().filter(|home| !homes.contains_key(home)) {
                publication.leave(home);
            }
            let turns = homes.values().copied().chain([erased, publication.turn]);
            publication.turn = turns.max().unwrap_or(0);
            publication.homes = homes;
            if publication.homes.is_empty() && taken_out {
                self.remove_publication(share, &record, &publication)?;
            } else if publication != before {
                self.put_publication(share, &record, &publication)?;
            }
        }
        Ok(known)
    }

    /// Facets of this org that no placement knows: of a record in the book, or of one that the
    /// book has lost, which comes back from what was shared of it.
    fn take_in(
        &mut self,
        share: &ShareId,
        kind: Kind,
        found: Found,
        recover: bool,
    ) -> Result<(), Refusal> {
        if found.is_empty() {
            return Ok(());
        }
        let mut names: BTreeMap<RecordId, RecordId> = BTreeMap::new();
        let book = keys::facets(kind, Some(&keys::NO_SHARE), Some(&self.me.party.org));
        for_each(&self.store, &book, |key, _| {
            if let Some(key) = FacetKey::parse(key) {
                names.insert(self.share_record(share, &key.record)?, key.record);
            }
            Ok::<_, Refusal>(())
        })?;
        for (record, facets) in found {
            let own = match names.get(&record) {
                Some(own) => *own,
                None if recover => {
                    let fields = self.book_values(share, kind, &facets)?;
                    self.create(kind, fields)?
                }
                None => continue,
            };
            let homes: BTreeMap<CompartmentId, u32> =
                facets.iter().map(|(key, _)| (key.compartment, key.turn)).collect();
            let turn = homes.values().copied().max().unwrap_or(0);
            let turn = turn.max(self.erased_turn(share, &record));
            let before: Option<Publication> = self.read(&keys::withdrawn(share, &own))?;
            let past = before.map_or_else(Default::default, |before| before.past);
            let found = Publication { kind, record, turn, homes, past };
            self.put_publication(share, &own, &found)?;
        }
        Ok(())
    }

    /// What the book can hold of the values of some facets: references as the book has them.
    fn book_values(
        &self,
        share: &ShareId,
        kind: Kind,
        facets: &[(FacetKey, FacetRow)],
    ) -> Result<Fields, Refusal> {
        let mut fields = Fields::new();
        let all =
            facets.iter().flat_map(|(key, row)| row.fields.iter().map(move |field| (key, field)));
        for (key, (name, value)) in all {
            let value = match (vocabulary::field(kind, name).map(|field| field.ty), value) {
                (Some(FieldType::Ref(_)), Value::Str(text)) => {
                    let Some((of, target)) = Kind::parse_id(text) else { continue };
                    let own: Option<RecordId> = self.read(&keys::published(share, &target))?;
                    Value::Str(of.id_text(&own.unwrap_or(target)))
                }
                _ if kind == Kind::Customer && name == "consent" => {
                    let readers = self.rules_admitted(&key.compartment);
                    let orgs = readers.iter().filter_map(|grant| self.grants.audience(grant));
                    consent::come_back(value, &orgs.collect())
                }
                (_, value) => value.clone(),
            };
            fields.insert(name.clone(), value);
        }
        Ok(fields)
    }

    /// A partner's edit that was not absorbed yet flows into the book if it is newer than what the
    /// book has; after a restore, so does what this org itself had published.
    fn compare_values(
        &mut self,
        share: &ShareId,
        record: &RecordId,
        publication: &Publication,
        recover: bool,
    ) -> Result<(), Refusal> {
        let (kind, me) = (publication.kind, self.me.party.org);
        let Some(book) = self.book_row(kind, record)? else { return Ok(()) };
        let book_key = self.book_key(kind, record);
        let mut edits: Vec<(OrgId, Edit)> = Vec::new();
        for (home, turn) in &publication.homes {
            let Some((opening, _)) = self.dossiers.get(home) else { continue };
            let key = opening.facet_key(*home, publication.record, *turn);
            let Some(row) = self.read::<FacetRow>(&key.bytes())? else { continue };
            let audience = self.rules_admitted(home);
            let orgs = audience.iter().filter_map(|grant| self.grants.audience(grant)).collect();
            let names = opening.schema.fields().iter().map(|field| field.name.as_str());
            let projected = self.project(share, kind, names, &orgs, &book.fields)?;
            if projected == row.fields {
                continue;
            }
            let there = self.last_changes(opening, &row)?;
            let Some((book_opening, _)) = self.dossiers.get(&book_key.compartment) else {
                continue;
            };
            let here = self.last_changes(book_opening, &book)?;
            for spec in opening.schema.fields() {
                let name = &spec.name;
                let same = projected.get(name) == row.fields.get(name);
                let Some((at, by)) = there.get(name).filter(|_| !same) else { continue };
                let newer = here.get(name).is_none_or(|(mine, _)| at > mine);
                if is_own_word(kind, name) || !newer || (*by == me && !recover) {
                    continue;
                }
                edits.push((
                    *by,
                    match row.fields.get(name) {
                        Some(value) => Edit::Put(name.clone(), value.clone()),
                        None => Edit::Clear(name.clone()),
                    },
                ));
            }
        }
        for (by, edit) in edits {
            match self.edit_book(kind, record, &[edit], (by != me).then_some(by)) {
                Err(error) if error.class() == RefusalClass::Fault => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// When each field was last changed, and by whom.
    fn last_changes(
        &self,
        opening: &Opening,
        row: &FacetRow,
    ) -> Result<BTreeMap<String, (Hlc, OrgId)>, Refusal> {
        let facet = self.facet(opening, &row.leaves)?;
        let mut last: BTreeMap<String, (Hlc, OrgId)> = BTreeMap::new();
        let standings: Vec<(ChangeRef, Standing)> = facet.standings().collect();
        for (of, _) in standings.into_iter().filter(|(_, standing)| *standing == Standing::Active) {
            let (by, at) = self.said(&of)?;
            for field in facet.touched(of) {
                let known = last.entry(field).or_insert((at, by));
                *known = (*known).max((at, by));
            }
        }
        Ok(last)
    }
}
