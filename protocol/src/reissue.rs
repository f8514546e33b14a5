//! Late edits: what this node wrote into a compartment that was retired without it is written anew
//! where the record is now, or kept as rejected. It is never lost in silence.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};

use crate::codec;
use crate::facet::{ChangeRef, Edit};
use crate::id::{CompartmentId, LogId, OrgId, PublicKey, RecordId, ShareId, StatementId};
use crate::ingest::FacetRow;
use crate::keys::{self, FacetKey};
use crate::mutation::{Law, broken};
use crate::refusal::{Refusal, RefusalClass};
use crate::replica::Replica;
use crate::statement::{Cause, RecordTurn};
use crate::store::{Store, for_each};
use crate::time::Hlc;
use crate::value::Value;
use crate::vocabulary::Kind;

/// An edit of this org's that the publisher did not take.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Rejected {
    /// The share.
    #[n(0)]
    pub share: ShareId,
    /// Whose record it is.
    #[n(1)]
    pub section: OrgId,
    /// The kind of record.
    #[n(2)]
    pub kind: Kind,
    /// The record's id in the share.
    #[n(3)]
    pub record: RecordId,
    /// The field.
    #[n(4)]
    pub field: String,
    /// What it should have become; none if it was cleared, or the record was erased.
    #[n(5)]
    pub value: Option<Value>,
    /// When it was rejected.
    #[n(6)]
    pub at: Hlc,
}

/// What late edits wanted, by record and field.
pub(crate) type Wishes = BTreeMap<RecordId, BTreeMap<String, Option<Value>>>;

impl Replica {
    /// Writes anew what this node wrote into a partner's compartment above its cut; the steward
    /// also what nodes wrote that were ended.
    pub(crate) fn reissue(&mut self, compartment: &CompartmentId) -> Result<(), Refusal> {
        let mut nodes = vec![self.node_key()];
        if self.decides() {
            let me = self.me.party.org;
            let found = self.dossiers.get(compartment);
            let done = |ending: StatementId| {
                found.is_some_and(|(opening, dossier)| {
                    dossier.has_cut(&opening.section, &Cause::EndNode(ending))
                })
            };
            let ended = self.directory.ended_nodes();
            let late = ended.filter(|(org, _, ending)| *org == me && !done(*ending));
            nodes.extend(late.map(|(_, node, _)| node));
        }
        nodes.iter().try_for_each(|node| self.reissue_of(compartment, node))
    }

    /// A publisher has cut what an ended node of this org wrote: the steward writes it anew.
    pub(crate) fn reissue_for(
        &mut self,
        compartment: &CompartmentId,
        node: &PublicKey,
    ) -> Result<(), Refusal> {
        let own = self.directory.certified(&self.me.party.org, node);
        if own { self.reissue_of(compartment, node) } else { Ok(()) }
    }

    fn reissue_of(&mut self, compartment: &CompartmentId, node: &PublicKey) -> Result<(), Refusal> {
        let wishes = self.late_wishes(compartment, node, &|_, _| Ok(u64::MAX))?;
        self.write_anew(compartment, wishes)
    }

    /// Writes late edits of a partner's records where the records are now, or keeps them as
    /// rejected.
    pub(crate) fn write_anew(
        &mut self,
        compartment: &CompartmentId,
        wishes: Wishes,
    ) -> Result<(), Refusal> {
        let Some((opening, _)) = self.dossiers.get(compartment) else { return Ok(()) };
        let (Some(share), section, kind) = (opening.share, opening.section, opening.kind) else {
            return Ok(());
        };
        if section == self.me.party.org {
            return Ok(());
        }
        for (record, fields) in wishes {
            for (field, value) in fields {
                let edit = match &value {
                    Some(value) => Edit::Put(field.clone(), value.clone()),
                    None => Edit::Clear(field.clone()),
                };
                match self.edit_received(kind, &share, &section, &record, vec![edit]) {
                    Ok(()) => {}
                    Err(error) if error.class() == RefusalClass::Fault => return Err(error),
                    Err(_) => {
                        let at = self.tick();
                        let late = Rejected { share, section, kind, record, field, value, at };
                        self.reject(late)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Tells of a rejected edit. What was to be written is kept only of what this org is shown.
    pub(crate) fn reject(&mut self, mut late: Rejected) -> Result<(), Refusal> {
        if !self.is_shown(&late)? {
            late.value = None;
        }
        let key = keys::rejected(&late.record, &late.field);
        self.put(&key, codec::to_bytes(&late))
    }

    /// Own changes of a partner's records that are taken out of a compartment before the publisher had
    /// them. The next turn does not have them: they are told.
    pub(crate) fn too_late(
        &mut self,
        compartment: &CompartmentId,
        erased: &[RecordTurn],
    ) -> Result<Vec<Rejected>, Refusal> {
        let Some((opening, _)) = self.dossiers.get(compartment) else { return Ok(Vec::new()) };
        let (kind, section) = (opening.kind, opening.section);
        let Some(share) = opening.share.filter(|_| section != self.me.party.org) else {
            return Ok(Vec::new());
        };
        let mut late = Vec::new();
        let is_erased = |record: &RecordId| erased.iter().any(|at| at.record == *record);
        for (record, fields) in self.unsent_wishes(compartment, &section)? {
            for (field, value) in fields.into_iter().filter(|_| is_erased(&record)) {
                let at = self.tick();
                late.push(Rejected { share, section, kind, record, field, value, at });
            }
        }
        late.retain(|_| !broken(Law::TooLate));
        Ok(late)
    }

    /// Whether the field is still in a compartment that is in use and was not taken away.
    fn is_shown(&self, late: &Rejected) -> Result<bool, Refusal> {
        let shown = |key: &FacetKey| {
            self.dossiers.get(&key.compartment).is_some_and(|(opening, dossier)| {
                let has = opening.schema.fields().iter().any(|spec| spec.name == late.field);
                has && !dossier.retired()
            }) && !self.is_lost(&key.compartment)
        };
        let facets = self.shown_facets(late.kind, &late.share, &late.section, &late.record)?;
        Ok(facets.iter().any(|(key, _)| shown(key)) || broken(Law::RejectedIsForgotten))
    }

    /// Looks again at rejected edits of a record of which something is shown no more.
    pub(crate) fn forget_rejected(&mut self, record: &RecordId) -> Result<(), Refusal> {
        for (_, bytes) in self.store.scan(&keys::rejected(record, ""), &[], 4096)? {
            self.reject(codec::own(&bytes)?)?;
        }
        Ok(())
    }

    /// The fields that a node's bundles above the cut touched, and those above `taken`, with the
    /// values it saw then.
    pub(crate) fn late_wishes(
        &self,
        compartment: &CompartmentId,
        node: &PublicKey,
        taken: &dyn Fn(&Self, &LogId) -> Result<u64, Refusal>,
    ) -> Result<Wishes, Refusal> {
        let mut wishes = Wishes::new();
        let Some((opening, _)) = self.dossiers.get(compartment) else { return Ok(wishes) };
        let own: Vec<(LogId, u64, u64)> = self
            .logs
            .iter()
            .filter(|(_, log)| log.compartment == *compartment && log.node == *node)
            .map(|(id, log)| (*id, self.counted_height(id, log), log.height))
            .collect();
        for (log, counted, height) in own {
            let counted = if counted < height { counted } else { taken(self, &log)? };
            for seq in counted..height {
                for (index, leaf) in self.bundle(&log, seq)?.leaves.iter().enumerate() {
                    let (record, turn) = leaf.place();
                    let key = opening.facet_key(*compartment, record, turn);
                    let Some(row) = self.read::<FacetRow>(&key.bytes())? else { continue };
                    let document = self.whole_facet(opening, &row.leaves)?;
                    let of = ChangeRef { log, position: (seq, index as u16) };
                    for field in document.touched(of) {
                        let value = document.get(&field);
                        wishes.entry(record).or_default().insert(field, value);
                    }
                }
            }
        }
        Ok(wishes)
    }

    /// Edits of this org's that publishers did not take.
    pub fn rejected(&self) -> Result<Vec<Rejected>, Refusal> {
        let mut all = Vec::new();
        for_each(&self.store, keys::REJECTED, |_, bytes| {
            all.push(codec::own(bytes)?);
            Ok::<_, Refusal>(())
        })?;
        Ok(all)
    }
}
