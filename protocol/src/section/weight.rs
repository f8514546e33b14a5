//! Dead weight: what is kept of a compartment and shown no more, because it was overwritten or
//! erased. Too much of it, and the compartment is rolled.

use std::collections::BTreeMap;

use crate::codec;
use crate::dossier::Opening;
use crate::id::{CompartmentId, ShareId};
use crate::ingest::FacetRow;
use crate::keys::{self, FacetKey};
use crate::mutation::{Law, broken};
use crate::refusal::Refusal;
use crate::replica::Replica;
use crate::store::for_each;
use crate::vocabulary::Kind;

/// Dead leaves that are never worth a roll.
const DEAD_FREE: u64 = 1024;
/// Dead leaves for each live facet that are not.
const DEAD_PER_FACET: u64 = 3;

/// What a compartment of this org's section carries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Weight {
    /// Facets that are shown.
    pub facets: u64,
    /// Leaves that were ever written.
    pub leaves: u64,
    /// Whether some facet holds an overwritten value.
    pub superseded: bool,
}

impl Weight {
    fn bearable(&self) -> u64 {
        self.facets + self.facets * DEAD_PER_FACET + DEAD_FREE
    }

    /// Whether a successor with the present values alone is worth sending them again.
    pub fn overgrown(&self) -> bool {
        self.leaves > self.bearable() && !broken(Law::Overgrown)
    }

    /// How many more leaves may die before that.
    pub fn room(&self) -> u64 {
        self.bearable().saturating_sub(self.leaves)
    }
}

impl Replica {
    /// The weights of all compartments of this org's section.
    pub(crate) fn weights(
        &self,
        share: &ShareId,
    ) -> Result<BTreeMap<CompartmentId, Weight>, Refusal> {
        let me = self.me.party.org;
        let mut weights: BTreeMap<CompartmentId, Weight> = BTreeMap::new();
        for kind in Kind::ALL {
            for_each(&self.store, &keys::facets(kind, Some(share), Some(&me)), |key, bytes| {
                if let Some(key) = FacetKey::parse(key) {
                    let weight = weights.entry(key.compartment).or_default();
                    weight.facets += 1;
                    weight.superseded |= codec::own::<FacetRow>(bytes)?.superseded();
                }
                Ok::<_, Refusal>(())
            })?;
        }
        for log in self.logs.values() {
            if let Some(weight) = weights.get_mut(&log.compartment) {
                weight.leaves += log.leaves;
            }
        }
        Ok(weights)
    }

    /// Takes note of leaves that died; when there is no room for more, the section is planned anew.
    pub(crate) fn weigh(&mut self, opening: &Opening, compartment: &CompartmentId, dead: usize) {
        let Some(share) = opening.share.filter(|_| opening.section == self.me.party.org) else {
            return;
        };
        let Some(section) = self.sections.get_mut(&share) else { return };
        let room = section.room.entry(*compartment).or_insert(DEAD_FREE);
        *room = room.saturating_sub(dead as u64);
        if *room == 0 {
            self.dirty.sections.insert(share);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compartment_is_overgrown_when_most_of_it_is_dead_and_not_before() {
        // (facets, leaves, room, overgrown)
        let cases = [
            (0, 0, 1024, false),
            (1, 1028, 0, false),
            (1, 1029, 0, true),
            (1000, 1000, 4024, false),
            (1000, 5025, 0, true),
        ];
        for (facets, leaves, room, overgrown) in cases {
            let weight = Weight { facets, leaves, superseded: false };
            assert_eq!((weight.room(), weight.overgrown()), (room, overgrown), "{weight:?}");
        }
    }
}
