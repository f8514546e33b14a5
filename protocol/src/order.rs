//! Orders to erase, at the orgs that were shown what is to be erased: whatever they took over of it
//! goes too, and is ordered on where they passed it on. Who has to answer, and who has answered, is
//! `receipt.rs`'s.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::{CompartmentId, GrantId, OrgId, RecordId, StatementId};
use crate::mutation::{Law, broken};
use crate::receipt::Asked;
use crate::refusal::Refusal;
use crate::replica::Replica;
use crate::statement::{Body, RecordTurn, Statement};
use crate::vocabulary::Kind;

/// What orders have named, so that none is said twice.
#[derive(Debug, Clone, Default)]
pub(crate) struct Orders(BTreeMap<(OrgId, CompartmentId, GrantId, RecordId), u32>);

impl Orders {
    /// Takes orders and ignores all else. Idempotent, in any order.
    pub fn insert(&mut self, statement: &Statement) {
        let Body::Erase { compartment, records, only_for: Some(grant), .. } = statement.body()
        else {
            return;
        };
        for at in records {
            let key = (statement.author(), *compartment, *grant, at.record);
            let turn = self.0.entry(key).or_default();
            *turn = at.turn.max(*turn);
        }
    }

    /// Up to which turn an org has ordered a record to be erased under a grant; 0 if never.
    pub fn turn(
        &self,
        by: &OrgId,
        compartment: &CompartmentId,
        grant: &GrantId,
        record: &RecordId,
    ) -> u32 {
        self.0.get(&(*by, *compartment, *grant, *record)).copied().unwrap_or(0)
    }
}

/// What an order names.
struct Named {
    by: OrgId,
    compartment: CompartmentId,
    records: Vec<RecordTurn>,
}

impl Replica {
    /// Carries out what orders ask of this org's own records: adopted copies go, and what it noted
    /// about the person; and is forgotten wherever this org had shown it.
    pub(crate) fn obey(&mut self) -> Result<(), Refusal> {
        if broken(Law::Obey) {
            return Ok(());
        }
        // Another node of this org may bring what was taken over after this one has answered.
        let others = self.siblings().next().is_some() && !broken(Law::LateCopies);
        let erasures =
            self.orders_to_me(others).into_iter().filter(|order| order.asked == Asked::Erasure);
        for order in erasures.collect::<Vec<_>>() {
            for (kind, record) in self.taken_over(&order.of)? {
                self.forget_own(kind, &record, None)?;
            }
        }
        Ok(())
    }

    /// Whether nothing of what an order names is left here.
    pub(crate) fn is_erased_here(&self, of: &StatementId) -> Result<bool, Refusal> {
        let Some(named) = self.named(of) else { return Ok(false) };
        let held = self.logs.values().any(|log| log.compartment == named.compartment);
        let marked = |at: &RecordTurn| {
            self.dossiers
                .get(&named.compartment)
                .is_some_and(|(_, d)| d.erased(&at.record) >= at.turn)
        };
        Ok((!held || named.records.iter().all(marked)) && self.taken_over(of)?.is_empty())
    }

    fn named(&self, of: &StatementId) -> Option<Named> {
        let statement = self.statements.get(of)?;
        let Body::Erase { compartment, records, .. } = statement.body() else { return None };
        let (by, compartment, records) = (statement.author(), *compartment, records.clone());
        Some(Named { by, compartment, records })
    }

    /// The own records that an order takes: copies of what it names, and what names it.
    fn taken_over(&self, of: &StatementId) -> Result<BTreeSet<(Kind, RecordId)>, Refusal> {
        let Some(named) = self.named(of) else { return Ok(BTreeSet::new()) };
        let records: BTreeSet<RecordId> = named.records.iter().map(|at| at.record).collect();
        let mut taken = self.copies_of(&named.by, &records)?;
        let named = [Kind::Customer, Kind::Participation];
        let ids = named.iter().flat_map(|kind| records.iter().map(|record| kind.id_text(record)));
        taken.extend(self.about(ids.collect())?);
        Ok(taken)
    }
}
