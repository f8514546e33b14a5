//! Orders to erase, at the orgs that were shown what is to be erased: whatever they took over of it
//! goes too, and is ordered on where they passed it on. Who has to answer, and who has answered, is
//! `receipt.rs`'s.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::{CompartmentId, GrantId, OrgId, RecordId, StatementId};
use crate::keys::{self, FacetKey};
use crate::mutation::{Law, broken};
use crate::receipt::{Asked, Order};
use crate::refusal::Refusal;
use crate::replica::Replica;
use crate::statement::{Body, RecordTurn, Statement};
use crate::store::for_each;
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
        // Another node of this org may bring what was taken over after this one has answered.
        let others = self.siblings().next().is_some() && !broken(Law::LateCopies);
        self.obey_orders(others)
    }

    /// After a restore: the older copy brings back what went when orders were answered.
    pub(crate) fn obey_again(&mut self) -> Result<(), Refusal> {
        if broken(Law::ObeyAgain) { Ok(()) } else { self.obey_orders(true) }
    }

    fn obey_orders(&mut self, answered: bool) -> Result<(), Refusal> {
        if broken(Law::Obey) {
            return Ok(());
        }
        let orders = self.erasures_to_me(answered);
        let named: Vec<Named> = orders.iter().filter_map(|order| self.named(&order.of)).collect();
        for (kind, record) in self.taken_over(&named)? {
            // What was noted about a copy has gone with it.
            if self.book_row(kind, &record)?.is_some() {
                self.forget_own(kind, &record, None)?;
            }
        }
        Ok(())
    }

    /// Whether this org has nothing, or nothing more, of its own that some order to erase takes.
    pub(crate) fn is_nothing_taken_over(&self, orders: &[Order]) -> Result<bool, Refusal> {
        let erasures = orders.iter().filter(|order| order.asked == Asked::Erasure);
        let named: Vec<Named> = erasures.filter_map(|order| self.named(&order.of)).collect();
        Ok(self.taken_over(&named)?.is_empty())
    }

    /// Whether nothing of what an order to erase names is left here. `taken_over`: whether own
    /// records are to be looked at too.
    pub(crate) fn is_erased_here(&self, order: &Order, taken_over: bool) -> Result<bool, Refusal> {
        let Some(named) = self.named(&order.of) else { return Ok(false) };
        let held = self.logs.values().any(|log| log.compartment == named.compartment);
        let marked = |at: &RecordTurn| {
            self.dossiers
                .get(&named.compartment)
                .is_some_and(|(_, d)| d.erased(&at.record) >= at.turn)
        };
        let gone = !held || named.records.iter().all(marked);
        Ok(gone && (!taken_over || self.taken_over(&[named])?.is_empty()))
    }

    /// Whether nothing is left here of what a move took out of a compartment: of these records, or
    /// of all where it is retired.
    pub(crate) fn is_moved_here(&self, of: &StatementId) -> Result<bool, Refusal> {
        let Some(named) = self.named(of) else {
            let Some(Body::Retire { compartment, .. }) = self.statements.get(of).map(|s| s.body())
            else {
                return Ok(false);
            };
            return Ok(self.logs.values().all(|log| log.compartment != *compartment));
        };
        let Some((opening, dossier)) = self.dossiers.get(&named.compartment) else {
            return Ok(false);
        };
        let share = opening.share.unwrap_or(keys::NO_SHARE);
        for at in &named.records {
            let record =
                FacetKey::record_prefix(opening.kind, &share, &opening.section, &at.record);
            let mut left = dossier.erased(&at.record) < at.turn;
            for_each(&self.store, &record, |key, _| {
                let key = FacetKey::parse(key).filter(|key| key.compartment == named.compartment);
                left |= key.is_some_and(|key| key.turn <= at.turn);
                Ok::<_, Refusal>(())
            })?;
            if left {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn named(&self, of: &StatementId) -> Option<Named> {
        let statement = self.statements.get(of)?;
        let Body::Erase { compartment, records, .. } = statement.body() else { return None };
        let (by, compartment, records) = (statement.author(), *compartment, records.clone());
        Some(Named { by, compartment, records })
    }

    /// The own records that orders take: copies of what they name, and what names it.
    fn taken_over(&self, orders: &[Named]) -> Result<BTreeSet<(Kind, RecordId)>, Refusal> {
        let mut by: BTreeMap<OrgId, BTreeSet<RecordId>> = BTreeMap::new();
        for named in orders {
            by.entry(named.by).or_default().extend(named.records.iter().map(|at| at.record));
        }
        let (mut taken, mut ids) = (BTreeSet::new(), BTreeSet::new());
        for (by, records) in by {
            taken.extend(self.copies_of(&by, &records)?);
            for kind in [Kind::Customer, Kind::Participation] {
                ids.extend(records.iter().map(|record| kind.id_text(record)));
            }
        }
        taken.extend(self.about(ids)?);
        Ok(taken)
    }
}
