//! What counts after something ended: the publisher's word on how far logs count, and the opener's
//! on what was written under a right to contribute that was revoked.

use std::collections::{BTreeMap, BTreeSet};

use crate::dossier::Dossier;
use crate::id::{CompartmentId, GrantId, LogId, ShareId, StatementId};
use crate::log::LogState;
use crate::mutation::{Law, broken};
use crate::refusal::Refusal;
use crate::replica::Replica;
use crate::statement::{Body, Cause, MAX_MARKS, Mark, Scope};

impl Replica {
    /// How far every log of a compartment is held.
    pub(crate) fn marks(&self, compartment: &CompartmentId) -> Vec<Mark> {
        let logs: BTreeMap<&LogId, &LogState> =
            self.logs.iter().filter(|(_, log)| log.compartment == *compartment).collect();
        let mark = |(log, state): (&LogId, &LogState)| Mark {
            log: *log,
            height: state.height,
            head: state.head,
        };
        logs.into_iter().map(mark).collect()
    }

    /// Says how far the logs of a compartment count, in as many statements as that takes: those of
    /// one author for one cause count as one.
    pub(crate) fn say_cut(
        &mut self,
        compartment: &CompartmentId,
        cause: Cause,
        logs: &[Mark],
    ) -> Result<(), Refusal> {
        let own = self
            .dossiers
            .get(compartment)
            .is_some_and(|(opening, _)| opening.section == self.me.party.org);
        let parts = if logs.is_empty() { vec![&[][..]] } else { logs.chunks(MAX_MARKS).collect() };
        for part in parts {
            // Only the publisher numbers what it says.
            let number = if own { self.next_number(compartment) } else { 0 };
            let (compartment, logs) = (*compartment, part.to_vec());
            self.say(Body::Cut { compartment, cause, logs, number })?;
        }
        Ok(())
    }

    /// In its own section a publisher says how far the changes of an editor count whose grant has
    /// ended: as far as they are here.
    pub(crate) fn cut_editors(&mut self, share: &ShareId) -> Result<(), Refusal> {
        let me = self.me.party.org;
        let mut cuts = BTreeSet::new();
        for (id, opening, dossier) in self.dossiers.iter() {
            if opening.share == Some(*share) && opening.section == me && !dossier.retired() {
                let edits = |scope: &Scope| matches!(scope, Scope::Fields { edit: true, .. });
                cuts.extend(self.uncut(id, dossier, edits).filter(|_| !broken(Law::CutOnRevoke)));
            }
        }
        self.cut_all(cuts)
    }

    /// In another's section the opener says how far what was written under a right to contribute
    /// counts that was revoked, in what it reads itself: as far as it is here.
    pub(crate) fn cut_contributors(&mut self) -> Result<(), Refusal> {
        let me = self.me.party.org;
        let mut cuts = BTreeSet::new();
        for (id, opening, dossier) in self.dossiers.iter() {
            let opened = opening.share.and_then(|share| self.grants.opener(&share)) == Some(me);
            if opened && opening.section != me && !dossier.retired() {
                let contributes = |scope: &Scope| matches!(scope, Scope::Contribute { .. });
                if self.access().may_serve(&me, id, self.now) && !broken(Law::CutContributors) {
                    cuts.extend(self.uncut(id, dossier, contributes));
                }
            }
        }
        self.cut_all(cuts)
    }

    /// Revocations of grants that are admitted to a compartment which this org has not cut for,
    /// with what they end.
    fn uncut<'a>(
        &'a self,
        id: &'a CompartmentId,
        dossier: &'a Dossier,
        of: impl Fn(&Scope) -> bool + 'a,
    ) -> impl Iterator<Item = (CompartmentId, StatementId, GrantId)> + 'a {
        let me = self.me.party.org;
        let grants = dossier.admissions().map(|(grant, _)| grant);
        let grants = grants.filter(move |id| self.grants.get(id).is_some_and(|g| of(&g.scope)));
        grants
            .flat_map(move |grant| self.grants.revocations(grant))
            .filter(move |(revocation, _)| !dossier.has_cut(&me, &Cause::Revoke(*revocation)))
            .map(move |(revocation, ended)| (*id, revocation, ended))
    }

    fn cut_all(
        &mut self,
        cuts: BTreeSet<(CompartmentId, StatementId, GrantId)>,
    ) -> Result<(), Refusal> {
        for (compartment, revocation, ended) in cuts {
            let mut logs = self.marks(&compartment);
            logs.retain(|mark| {
                let grant = self.logs.get(&mark.log).and_then(|log| log.grant);
                grant.is_some_and(|grant| self.grants.stands_under(&grant, &ended))
            });
            self.say_cut(&compartment, Cause::Revoke(revocation), &logs)?;
        }
        Ok(())
    }
}
