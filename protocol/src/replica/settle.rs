//! The end of every input: works off what it left to do, makes all of it durable, and only then
//! lets effects out.

use super::{Effect, Replica};
use crate::codec;
use crate::id::CompartmentId;
use crate::keys;
use crate::mutation::{Law, broken};
use crate::refusal::Refusal;

impl Replica {
    /// Follows up what changed, makes everything durable, then hands out the effects.
    pub fn commit(&mut self) -> Result<Vec<Effect>, Refusal> {
        self.settle()?;
        self.keep_plans()?;
        // What is sent has its line in the audit log, so it is decided before the flush.
        if !broken(Law::AuditFirst) {
            self.follow_up()?;
        }
        if self.store.pending_len() > 0 {
            let clock = codec::to_bytes(&self.clock);
            self.put(keys::CLOCK, clock)?;
            if !broken(Law::Durable) || self.sessions.is_empty() {
                self.store.flush()?;
            }
        }
        if broken(Law::AuditFirst) {
            self.follow_up()?;
        }
        let changes = std::mem::take(&mut self.dirty.changes);
        if !changes.is_empty() {
            self.effects.push(Effect::Changed(changes));
        }
        Ok(std::mem::take(&mut self.effects))
    }

    /// Works off what changed until nothing is left to do.
    fn settle(&mut self) -> Result<(), Refusal> {
        loop {
            if !self.dirty.keys.is_empty() {
                self.index_anew();
            } else if self.decides()
                && let Some(deadline) = self.deadlines.take_due(self.now)
            {
                self.on_deadline(deadline)?;
            } else if let Some((compartment, records)) = self.dirty.erased.pop() {
                self.redact(&compartment, &records)?;
            } else if self.decides()
                && let Some((compartment, node)) = self.dirty.cut_off.pop_first()
            {
                self.reissue_for(&compartment, &node)?;
            } else if let Some(compartment) = self.dirty.recount.pop_first() {
                self.recount(&compartment)?;
            } else if self.drop_one_left()? {
            } else if let Some((kind, record)) = self.dirty.records.pop_first() {
                if self.decides() {
                    if !self.forget_late(kind, &record)? {
                        self.republish(kind, &record)?;
                        self.place_live(kind, &record)?;
                    }
                } else {
                    self.doubt_plans()?;
                }
            } else if let Some(share) = self.dirty.sections.pop_first() {
                if self.decides() {
                    self.reconcile(&share)?;
                } else {
                    self.doubt_plans()?;
                }
            } else if std::mem::take(&mut self.dirty.endings) {
                self.purge()?;
                if self.decides() {
                    self.cut_contributors()?;
                    self.obey()?;
                    self.answer_orders()?;
                }
            } else if std::mem::take(&mut self.dirty.statements) {
                self.dial_acquaintances();
                self.note_all_met()?;
                self.follow_stewardship()?;
                if self.decides() {
                    self.introduce()?;
                    self.cut_ended_nodes()?;
                    self.cut_forks()?;
                }
                self.fill_outboxes()?;
            } else {
                return Ok(());
            }
        }
    }

    /// Drops one retired compartment whose successors have been taken; false when none is left.
    fn drop_one_left(&mut self) -> Result<bool, Refusal> {
        if broken(Law::Retired) {
            return Ok(false);
        }
        let ready = self.leaving.iter().find(|id| self.may_drop(id)).copied();
        let Some(id) = ready else { return Ok(false) };
        self.leaving.remove(&id);
        self.reissue(&id)?;
        self.drop_compartment(&id)?;
        self.dirty.endings = true;
        Ok(true)
    }

    /// A retired compartment is shown until what replaces it for this org has come that far.
    fn may_drop(&self, id: &CompartmentId) -> bool {
        let Some((opening, dossier)) = self.dossiers.get(id) else { return false };
        if !dossier.retired() {
            return false;
        }
        opening.section == self.me.party.org
            || self.dossiers.iter().all(|(_, _, successor)| {
                successor.admissions().all(|(grant, admission)| {
                    !admission.replaces.contains(id)
                        || self.grants.audience(grant) != Some(self.me.party.org)
                        || successor.retired()
                        || self.grants.in_force(grant, self.now).is_err()
                        || admission.from.iter().all(|mark| {
                            self.logs.get(&mark.log).is_some_and(|l| l.height >= mark.height)
                        })
                })
            })
    }

    /// Makes what is written so far durable in the middle of long work, so that memory stays
    /// bounded. Effects still wait for the commit.
    pub(crate) fn relieve(&mut self) -> Result<(), Refusal> {
        if self.store.pending_len() <= self.pending_max {
            return Ok(());
        }
        self.doubt_plans()?;
        // An erasure that was said is carried out in the same batch.
        while let Some((compartment, records)) = self.dirty.erased.pop() {
            self.redact(&compartment, &records)?;
        }
        Ok(self.store.flush()?)
    }
}
