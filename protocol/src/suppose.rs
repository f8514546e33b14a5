//! What would come of a change of the book: it is supposed, whoever looks reads as if it were made, and
//! then it is taken back. So what is told of it is what carries it out: the same rules, the same plan.

use std::collections::BTreeSet;

use crate::book::Address;
use crate::codec;
use crate::facet::Edit;
use crate::id::ShareId;
use crate::keys;
use crate::refusal::Refusal;
use crate::replica::Replica;
use crate::value::Value;

impl Replica {
    /// What `look` sees if an own record were deleted; it is given the shares that this touches.
    pub fn if_deleted<T>(
        &mut self,
        at: &Address,
        look: impl FnOnce(&Self, &BTreeSet<ShareId>) -> T,
    ) -> Result<T, Refusal> {
        let (_, record, _) = self.deletable(at)?;
        let shares = self.touched(at)?;
        // Its row stays, so that it is still known where it stands.
        let gone = (keys::tombstone(&record), codec::to_bytes(&1u8));
        Ok(self.supposing(gone, |replica| look(replica, &shares)))
    }

    /// What `look` sees if a field of a record read so; it is given the shares that this touches.
    pub fn if_it_read<T>(
        &mut self,
        at: &Address,
        field: &str,
        value: Value,
        look: impl FnOnce(&Self, &BTreeSet<ShareId>) -> T,
    ) -> Result<T, Refusal> {
        let (kind, record) = match at {
            Address::Own { kind, record } => (*kind, *record),
            Address::Received { kind, share, section, record } => {
                let edits = vec![Edit::Put(field.to_owned(), value)];
                self.edits_by_facet(*kind, share, section, record, edits)?;
                return Ok(look(self, &BTreeSet::new()));
            }
        };
        self.check_value(kind, field, &value)?;
        let missing = || Refusal::NotFound { what: kind.name(), text: at.text() };
        let mut row = self.book_row(kind, &record)?.ok_or_else(missing)?;
        row.fields.insert(field.to_owned(), value);
        let shares = self.touched(at)?;
        let read = (self.book_key(kind, &record).bytes(), codec::to_bytes(&row));
        Ok(self.supposing(read, |replica| look(replica, &shares)))
    }

    /// The shares in which an own record is, or what is noted about it.
    fn touched(&self, at: &Address) -> Result<BTreeSet<ShareId>, Refusal> {
        let placed = self.ever_placed_with(at.kind(), &at.record())?;
        Ok(placed.into_iter().map(|(share, _, _)| share).collect())
    }

    fn supposing<T>(
        &mut self,
        (key, value): (Vec<u8>, Vec<u8>),
        look: impl FnOnce(&Self) -> T,
    ) -> T {
        let as_it_was = self.store.suppose(key, value);
        let seen = look(self);
        self.store.take_back(as_it_was);
        seen
    }
}
