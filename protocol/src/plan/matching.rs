//! Which open compartment serves which slot: the lookups behind `plan`, and its one choice.
//! Knows no classes and no rules beyond whose a grant is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Assigned, Home, MANY_COMPARTMENTS, Open, Plan, Rule, Slot, Wanted, Warning};
use crate::id::{CompartmentId, GrantId, OrgId, RecordId};
use crate::mutation::{Law, broken};
use crate::vocabulary::Kind;

/// What [`plan`] looks things up in. Slots are numbered in their order.
pub(super) struct Matching<'a> {
    pub(super) open: BTreeMap<CompartmentId, &'a Open>,
    orgs: BTreeMap<GrantId, OrgId>,
    histories: BTreeSet<GrantId>,
    pub(super) slots: Vec<Arc<Slot>>,
    by_record: BTreeMap<RecordId, Arc<Vec<usize>>>,
    /// Per compartment: how many records are in it, and how many of them want each slot.
    counts: BTreeMap<CompartmentId, (usize, BTreeMap<usize, usize>)>,
}

impl<'a> Matching<'a> {
    pub(super) fn new(
        open: &'a [Open],
        rules: &[Rule],
        assigned: &Assigned,
        wanted: &Wanted,
    ) -> Self {
        // Records share their sets, so the address finds the numbers without comparing slots.
        let sets: BTreeMap<*const BTreeSet<Slot>, &Arc<BTreeSet<Slot>>> =
            wanted.values().map(|set| (Arc::as_ptr(set), set)).collect();
        let distinct: BTreeSet<&Slot> = sets.values().flat_map(|set| set.iter()).collect();
        let number: BTreeMap<&Slot, usize> =
            distinct.iter().enumerate().map(|(at, slot)| (*slot, at)).collect();
        let numbers: BTreeMap<_, Arc<Vec<usize>>> = sets
            .iter()
            .map(|(at, set)| (*at, Arc::new(set.iter().map(|slot| number[slot]).collect())))
            .collect();
        let by_record: BTreeMap<RecordId, Arc<Vec<usize>>> = wanted
            .iter()
            .map(|(record, set)| (*record, numbers[&Arc::as_ptr(set)].clone()))
            .collect();
        let mut counts: BTreeMap<CompartmentId, (usize, BTreeMap<usize, usize>)> = BTreeMap::new();
        for (record, compartments) in assigned {
            for id in compartments.iter() {
                let (total, per_slot) = counts.entry(*id).or_default();
                *total += 1;
                for slot in by_record.get(record).into_iter().flat_map(|slots| slots.iter()) {
                    *per_slot.entry(*slot).or_default() += 1;
                }
            }
        }
        Self {
            open: open.iter().map(|o| (o.compartment, o)).collect(),
            orgs: rules.iter().map(|rule| (rule.grant, rule.org)).collect(),
            histories: rules.iter().filter(|r| r.history).map(|r| r.grant).collect(),
            slots: distinct.into_iter().map(|slot| Arc::new(slot.clone())).collect(),
            by_record,
            counts,
        }
    }

    pub(super) fn slots_of(&self, record: &RecordId) -> &[usize] {
        self.by_record.get(record).map_or(&[], |slots| slots.as_slice())
    }

    pub(super) fn newcomers(&self, open: &Open, slot: &usize) -> BTreeSet<GrantId> {
        let grants = self.slots[*slot].grants.keys();
        grants.filter(|grant| !open.admitted.contains(grant)).copied().collect()
    }

    /// Whether the compartment has the slot's fields and admits no grant that is not the slot's.
    fn fits(&self, open: &Open, slot: usize) -> bool {
        let wanted = &self.slots[slot];
        open.kind == wanted.kind
            && open.fields == wanted.fields
            && open.admitted.iter().all(|grant| wanted.grants.contains_key(grant))
    }

    fn exact(&self, open: &Open, slot: usize) -> bool {
        self.fits(open, slot) && open.admitted.len() == self.slots[slot].grants.len()
    }

    /// Whether nobody would be let in to values from before its time.
    fn may_admit(&self, open: &Open, slot: usize) -> bool {
        let may_look_back = |grant| {
            self.histories.contains(grant)
                || self.orgs.get(grant).is_some_and(|org| open.readers.contains(org))
        };
        broken(Law::Superseded)
            || !open.superseded
            || self.newcomers(open, &slot).iter().all(may_look_back)
    }

    /// The slot for whose sake records stay in the compartment.
    pub(super) fn serves(&self, id: &CompartmentId, open: &Open) -> Option<usize> {
        let (total, per_slot) = self.counts.get(id)?;
        let of_records = || per_slot.iter().map(|(slot, count)| (*slot, *count));
        of_records().find(|(slot, _)| self.exact(open, *slot)).map(|(slot, _)| slot).or_else(|| {
            of_records()
                .find(|(slot, count)| {
                    count == total && self.fits(open, *slot) && self.may_admit(open, *slot)
                })
                .map(|(slot, _)| slot)
        })
    }

    /// Per slot: the compartment in which most records stay for it; else one of the same audience
    /// that all records leave; else an empty one whose audience may be widened; else none.
    pub(super) fn homes(
        &self,
        served: &mut BTreeMap<CompartmentId, usize>,
    ) -> Vec<Option<CompartmentId>> {
        let mut homes: Vec<Option<(usize, CompartmentId)>> = vec![None; self.slots.len()];
        for (id, slot) in served.iter() {
            let staying = self.counts[id].1[slot];
            if homes[*slot].is_none_or(|(most, _)| staying > most) {
                homes[*slot] = Some((staying, *id));
            }
        }
        let mut homes: Vec<Option<CompartmentId>> =
            homes.into_iter().map(|home| home.map(|(_, id)| id)).collect();
        let is_empty = |id: &CompartmentId| !self.counts.contains_key(id);
        for must_be_exact in [true, false] {
            for (slot, home) in homes.iter_mut().enumerate().filter(|(_, home)| home.is_none()) {
                let free = self.open.iter().find(|(id, open)| {
                    let suits = if must_be_exact {
                        self.exact(open, slot)
                    } else {
                        is_empty(id) && self.fits(open, slot) && self.may_admit(open, slot)
                    };
                    suits && !served.contains_key(id)
                });
                if let Some((id, _)) = free {
                    *home = Some(*id);
                    served.insert(*id, slot);
                }
            }
        }
        homes
    }

    pub(super) fn warnings(&self, plan: &Plan) -> Vec<Warning> {
        let mut count: BTreeMap<Kind, usize> = BTreeMap::new();
        let stay = self.open.values().filter(|open| !plan.retire.contains(&open.compartment));
        let new = plan.homes.iter().filter(|(_, home)| **home == Home::New);
        for kind in stay.map(|open| open.kind).chain(new.map(|(slot, _)| slot.kind)) {
            *count.entry(kind).or_default() += 1;
        }
        let many = |(kind, count)| {
            (count > MANY_COMPARTMENTS).then_some(Warning::ManyCompartments { kind, count })
        };
        count.into_iter().filter_map(many).collect()
    }
}
