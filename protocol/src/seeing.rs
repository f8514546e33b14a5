//! Permission as it stands, for those who answer for it: fields × orgs, and the records as a
//! partner sees them. Why somebody may see a field or not is in `seeing/explain.rs`. Only reads.

use std::collections::{BTreeMap, BTreeSet};

use crate::book::Address;
use crate::codec;
use crate::grant::GrantInfo;
use crate::id::{CompartmentId, GrantId, OrgId, ShareId};
use crate::ingest::FacetRow;
use crate::keys::{self, FacetKey};
use crate::refusal::Refusal;
use crate::replica::Replica;
use crate::sharing::GrantState;
use crate::statement::Scope;
use crate::store::Store;
use crate::view::RecordView;
use crate::vocabulary::{self, Kind};

mod explain;

pub use explain::{Hindrance, Question, Why};

/// What an org may do with a field, the most last.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum May {
    /// It does not have it.
    #[default]
    Nothing,
    /// See it.
    Read,
    /// See and change it.
    Edit,
}

/// Fields × orgs of one section.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Matrix {
    /// Every org that a grant in force names, in the order of the cells.
    pub orgs: Vec<OrgId>,
    /// Every field of the kinds, and what each org may do with it.
    pub rows: Vec<(Kind, String, Vec<May>)>,
    /// Grants that are not let in yet; they count for nothing in the rows.
    pub waiting: Vec<GrantId>,
    /// Grants that are meant for some records only.
    pub selective: Vec<(GrantId, String)>,
}

impl Replica {
    /// What every org may do with every field of a section's records, as far as this org knows.
    pub fn matrix(
        &self,
        share: &ShareId,
        section: &OrgId,
        kind: Option<Kind>,
    ) -> Result<Matrix, Refusal> {
        let mut matrix = Matrix::default();
        let mut granted: BTreeMap<Kind, BTreeMap<String, BTreeMap<OrgId, May>>> = BTreeMap::new();
        let mut orgs = BTreeSet::new();
        for grant in self.grants.of_section(share, section) {
            let Scope::Fields { kind: of, fields, edit, .. } = &grant.scope else { continue };
            let state = self.grant_state(&grant.id);
            let live = matches!(state, GrantState::Active | GrantState::Waiting);
            if !live || kind.is_some_and(|kind| kind != *of) {
                continue;
            }
            orgs.insert(grant.to.org);
            let rows = granted.entry(*of).or_default();
            if state == GrantState::Waiting {
                matrix.waiting.push(grant.id);
                continue;
            }
            if let Some(text) = self.selector_of(&grant.id) {
                matrix.selective.push((grant.id, text));
            }
            for field in fields {
                let cell = rows.entry(field.clone()).or_default().entry(grant.to.org).or_default();
                *cell = (*cell).max(if *edit { May::Edit } else { May::Read });
            }
        }
        matrix.orgs = orgs.into_iter().collect();
        matrix.orgs.sort_by_key(|org| (self.directory.name(org), *org));
        for (kind, mut rows) in granted {
            let known = vocabulary::fields(kind).iter().map(|field| field.name.to_owned());
            let named: Vec<String> =
                known.chain(rows.keys().cloned().collect::<Vec<_>>()).collect();
            let mut seen = BTreeSet::new();
            for field in named {
                if seen.insert(field.clone()) {
                    let cells = rows.remove(&field).unwrap_or_default();
                    let cell = |org: &OrgId| cells.get(org).copied().unwrap_or_default();
                    let cells = matrix.orgs.iter().map(cell).collect();
                    matrix.rows.push((kind, field, cells));
                }
            }
        }
        Ok(matrix)
    }

    /// The records of a share exactly as an org sees them: made of the facets that it is served,
    /// by the same view that its own node has. Other sections than one's own as far as this org
    /// knows whom they let in; the org's own section not at all.
    pub fn seen_by(
        &self,
        share: &ShareId,
        org: &OrgId,
        kind: Option<Kind>,
        limit: usize,
    ) -> Result<Vec<RecordView>, Refusal> {
        let access = self.access();
        let served: BTreeSet<CompartmentId> = self
            .dossiers
            .iter()
            .filter(|(_, opening, _)| opening.share == Some(*share) && opening.section != *org)
            .map(|(id, _, _)| *id)
            .filter(|id| access.may_serve(org, id, self.now))
            .collect();
        let mut seen = Vec::new();
        for kind in Kind::ALL.into_iter().filter(|of| kind.is_none_or(|kind| kind == *of)) {
            self.seen_of_kind(share, kind, &served, limit, &mut seen)?;
        }
        Ok(seen)
    }

    fn seen_of_kind(
        &self,
        share: &ShareId,
        kind: Kind,
        served: &BTreeSet<CompartmentId>,
        limit: usize,
        seen: &mut Vec<RecordView>,
    ) -> Result<(), Refusal> {
        const PAGE: usize = 512;
        let prefix = keys::facets(kind, Some(share), None);
        let mut after = Vec::new();
        let mut facets: Vec<(FacetKey, FacetRow)> = Vec::new();
        while seen.len() < limit {
            let page = self.store.scan(&prefix, &after, PAGE)?;
            let last = page.len() < PAGE;
            for (bytes, row) in page {
                let Some(key) = FacetKey::parse(&bytes) else { continue };
                let same = facets
                    .last()
                    .is_none_or(|(k, _)| (k.section, k.record) == (key.section, key.record));
                if !same {
                    seen.extend(self.seen_one(std::mem::take(&mut facets)));
                    if seen.len() >= limit {
                        return Ok(());
                    }
                }
                after = bytes;
                let row: FacetRow = codec::own(&row)?;
                if served.contains(&key.compartment) && row.active > 0 {
                    facets.push((key, row));
                }
            }
            if last {
                seen.extend(self.seen_one(facets));
                return Ok(());
            }
        }
        Ok(())
    }

    fn seen_one(&self, mut facets: Vec<(FacetKey, FacetRow)>) -> Option<RecordView> {
        facets.sort_by_key(|(key, _)| std::cmp::Reverse(key.turn));
        let FacetKey { kind, share, section, record, .. } = facets.first()?.0;
        let at = Address::Received { kind, share, section, record };
        Some(self.received_view(at, facets))
    }

    /// What holds up a grant that waits to be let in.
    pub fn waits_for(&self, grant: &GrantInfo) -> Wait {
        let me = self.me.party.org;
        if grant.section == me {
            return Wait::OwnApproval;
        }
        let told = |node: &crate::id::PublicKey| {
            let peer = self.peers.get(node);
            let has = self.outboxes.get(node).is_some_and(|out| out.contains(&grant.id.into()));
            peer.is_some_and(|peer| has && peer.told >= peer.due)
        };
        let heard = self.directory.nodes_of(&grant.section).any(told);
        let above_is_in = grant.parent.is_some_and(|parent| self.is_admitted(&parent));
        match (heard, above_is_in) {
            (true, true) => Wait::Approval,
            (true, false) => Wait::Records,
            (false, _) => Wait::Node,
        }
    }
}

/// For what a grant waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// This org's own approval.
    OwnApproval,
    /// The publisher's node has not heard of it.
    Node,
    /// The publisher knows of it and has put nothing into its part that the grant is about.
    Records,
    /// The publisher knows of it and has not let it in.
    Approval,
}

#[cfg(test)]
mod tests;
