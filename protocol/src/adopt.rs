//! Adopting: copying a received record into the own book, where the publisher has granted that it
//! may be kept. A copy is never placed in a share, and goes when its publisher orders it erased.

use std::collections::BTreeSet;

use minicbor::{Decode, Encode};

use crate::book::Address;
use crate::codec;
use crate::facet::Edit;
use crate::id::{OrgId, RecordId, ShareId};
use crate::keys;
use crate::mutation::{Law, broken};
use crate::refusal::Refusal;
use crate::replica::Replica;
use crate::store::for_each;
use crate::time::Millis;
use crate::value::Fields;
use crate::vocabulary::Kind;

/// Where an own record was copied from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Provenance {
    /// Its kind.
    #[n(0)]
    pub kind: Kind,
    /// The share it came in.
    #[n(1)]
    pub share: ShareId,
    /// Whose it is.
    #[n(2)]
    pub section: OrgId,
    /// Its id in the share.
    #[n(3)]
    pub record: RecordId,
    /// When it was copied first, ms.
    #[n(4)]
    pub at: Millis,
}

impl Replica {
    /// Copies a received record into the own book: the fields that a grant in force lets this org
    /// keep. Adopting it again brings the copy up to date.
    pub fn adopt(&mut self, at: &Address) -> Result<RecordId, Refusal> {
        let Address::Received { kind, share, section, record } = *at else {
            return Err(Refusal::OwnAlready { text: at.text() });
        };
        let fields = self.keepable(at)?;
        if fields.is_empty() {
            return Err(Refusal::MayNotKeep {
                org: self.directory.name(&section).to_owned(),
                text: at.text(),
            });
        }
        let known = self.copies_of(&section, &BTreeSet::from([record]))?;
        if let Some((kind, copy)) = known.first() {
            let edits = fields.into_iter().map(|(name, value)| Edit::Put(name, value)).collect();
            self.edit(&Address::Own { kind: *kind, record: *copy }, edits)?;
            return Ok(*copy);
        }
        let copy = self.create(kind, fields)?;
        let provenance = Provenance { kind, share, section, record, at: self.now };
        self.put(&keys::adopted(&copy), codec::to_bytes(&provenance))?;
        Ok(copy)
    }

    /// The values of a received record that this org may keep.
    fn keepable(&self, at: &Address) -> Result<Fields, Refusal> {
        let Address::Received { kind, share, section, record } = at else {
            return Ok(Fields::new());
        };
        let mut fields = Fields::new();
        for (key, row) in self.shown_facets(*kind, share, section, record)? {
            let keeps = self.access().may_keep(&self.me.party.org, &key.compartment, self.now);
            if keeps || broken(Law::Keep) {
                for (name, value) in row.fields {
                    fields.entry(name).or_insert(value);
                }
            }
        }
        Ok(fields)
    }

    /// Where an own record was copied from; none if it was entered here.
    pub fn provenance(&self, record: &RecordId) -> Result<Option<Provenance>, Refusal> {
        self.read(&keys::adopted(record))
    }

    /// An own record that may be placed in shares: none that was copied from a partner.
    pub(crate) fn check_placeable(&self, kind: Kind, record: &RecordId) -> Result<(), Refusal> {
        match self.provenance(record)? {
            Some(_) if !broken(Law::CopiesStay) => {
                Err(Refusal::NotOwn { text: kind.id_text(record) })
            }
            Some(_) | None => Ok(()),
        }
    }

    /// The own records that were copied from these records of a partner.
    pub(crate) fn copies_of(
        &self,
        section: &OrgId,
        records: &BTreeSet<RecordId>,
    ) -> Result<BTreeSet<(Kind, RecordId)>, Refusal> {
        let mut copies = BTreeSet::new();
        for_each(&self.store, keys::ADOPTED, |key, bytes| {
            let from: Provenance = codec::own(bytes)?;
            if from.section != *section || !records.contains(&from.record) {
                return Ok(());
            }
            let Some(copy) = crate::section::record_of(key) else { return Ok(()) };
            // Another node's copy may be told of before it comes.
            if self.book_row(from.kind, &copy)?.is_some() {
                copies.insert((from.kind, copy));
            }
            Ok::<_, Refusal>(())
        })?;
        Ok(copies)
    }
}
