//! What is kept of a plan once it is carried out, so that a node that starts need not read every
//! placed record to know which audience lives where.

use std::collections::BTreeMap;
use std::sync::Arc;

use minicbor::{Decode, Encode};

use super::{Publication, Section, consent_ends, record_of};
use crate::codec;
use crate::id::{CompartmentId, ShareId, hash};
use crate::keys;
use crate::mutation::{Law, broken};
use crate::plan::{Class, Slot};
use crate::refusal::Refusal;
use crate::replica::Replica;
use crate::statement::Nonce32;
use crate::store::{Store, for_each};
use crate::time::Millis;
use crate::vocabulary::Kind;

/// The outcome of a plan.
#[derive(Debug, Encode, Decode)]
struct Kept {
    /// What it was made from, beside the records.
    #[n(0)]
    basis: Nonce32,
    #[n(1)]
    classes: BTreeMap<Kind, Vec<Class>>,
    #[n(2)]
    homes: Vec<(Slot, CompartmentId)>,
    #[n(3)]
    ends: bool,
    /// Consents that had ended by then have had their effect.
    #[n(4)]
    at: Millis,
}

impl Replica {
    /// Takes up this org's sections as they were left. One that was not left complete, or whose
    /// rules are others by now, is planned anew.
    pub(crate) fn load_sections(&mut self) -> Result<(), Refusal> {
        for share in self.grants.shares().copied().collect::<Vec<_>>() {
            if self.store.scan(&keys::publications(&share), &[], 1)?.is_empty() {
                continue;
            }
            match self.kept_section(&share)? {
                Some(section) => drop(self.sections.insert(share, section)),
                None => drop(self.dirty.sections.insert(share)),
            }
        }
        Ok(())
    }

    fn kept_section(&mut self, share: &ShareId) -> Result<Option<Section>, Refusal> {
        let Some(kept) = self.read::<Kept>(&keys::planned(share))? else { return Ok(None) };
        let mut section = self.rules(share)?;
        section.rules.retain(|rule| self.publishing_grant(share, rule.kind).is_ok());
        let other = kept.basis != self.basis(&section)?;
        if other || (kept.ends && self.has_consent_ended(share, kept.at)?) {
            return Ok(None);
        }
        section.classes = kept.classes;
        section.homes = kept.homes.into_iter().map(|(slot, at)| (Arc::new(slot), at)).collect();
        section.ends = kept.ends;
        Ok(Some(section))
    }

    /// What decides a plan beside the records: the program, its settings and the rules.
    fn basis(&self, section: &Section) -> Result<Nonce32, Refusal> {
        let mut selectors = Vec::new();
        for rule in &section.rules {
            selectors.push(self.read::<String>(&keys::selector(&rule.grant))?);
        }
        let rules = codec::to_bytes(&(&section.rules, selectors, self.settings.consent_required));
        let version = env!("CARGO_PKG_VERSION").as_bytes();
        Ok(Nonce32(hash("entente/plan-basis/1", &[version, &rules])))
    }

    /// Whether a consent that decides who sees a placed record has ended since; watches the others.
    fn has_consent_ended(&mut self, share: &ShareId, since: Millis) -> Result<bool, Refusal> {
        let mut ends = Vec::new();
        for_each(&self.store, &keys::publications(share), |key, bytes| {
            let Publication { kind, .. } = codec::own(bytes)?;
            let Some(record) = record_of(key) else { return Ok(()) };
            if let Some(row) = self.book_row(kind, &record)? {
                let person = self.person(kind, &row.fields)?;
                ends.extend(consent_ends(kind, &record, &row.fields, person.as_ref()));
            }
            Ok::<_, Refusal>(())
        })?;
        let ended = ends.iter().any(|(_, end)| *end > since && *end <= self.now);
        self.watch_consents(ends);
        Ok(ended)
    }

    /// Keeps what was planned, in the same batch as all that follows from it. Who does not decide for
    /// its org keeps none: another may have gone on.
    pub(crate) fn keep_plans(&mut self) -> Result<(), Refusal> {
        for share in std::mem::take(&mut self.dirty.planned) {
            let decided = self.sections.get(&share).filter(|_| self.decides());
            let Some(section) = decided else {
                self.remove(&keys::planned(&share))?;
                continue;
            };
            let homes = section.homes.iter().map(|(slot, at)| (Slot::clone(slot), *at)).collect();
            let kept = Kept {
                basis: self.basis(section)?,
                classes: section.classes.clone(),
                homes,
                ends: section.ends,
                at: self.now,
            };
            self.put(&keys::planned(&share), codec::to_bytes(&kept))?;
        }
        Ok(())
    }

    /// Something is left undone for now: until all of it is done, no plan counts as carried out.
    pub(crate) fn doubt_plans(&mut self) -> Result<(), Refusal> {
        if broken(Law::Doubt) {
            return Ok(());
        }
        for share in self.grants.shares().copied().collect::<Vec<_>>() {
            self.remove(&keys::planned(&share))?;
            self.dirty.planned.insert(share);
        }
        Ok(())
    }
}
