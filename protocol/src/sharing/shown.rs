//! Shares and grants as this org may know them: found by name or id, and how they stand.

use std::collections::{BTreeMap, BTreeSet};

use crate::codec;
use crate::dossier::Opening;
use crate::grant::{ChainError, GrantInfo};
use crate::id::{CompartmentId, GrantId, OrgId, RecordId, ShareId, StatementId};
use crate::keys;
use crate::refusal::Refusal;
use crate::replica::Replica;
use crate::section::{Publication, record_of};
use crate::statement::{Body, Scope};
use crate::store::{Store, for_each};
use crate::time::Millis;
use crate::vocabulary::Kind;

/// How a share stands for this org.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShareState {
    /// This org opened it or publishes into it.
    Open,
    /// It was offered; this org has not published into it.
    Offered,
    /// Its end date has passed, or no grant to this org is in force.
    Ended,
    /// Its opener closed it.
    Closed,
}

/// How a grant stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GrantState {
    /// Admitted, or a right to contribute.
    Active,
    /// Not admitted by the publisher yet.
    Waiting,
    /// It or a grant above it was revoked.
    Revoked,
    /// It or a grant above it has expired.
    Expired,
}

/// A share as this org may know it.
#[derive(Debug, Clone)]
pub struct ShareView {
    /// Its id, the same at every org.
    pub id: ShareId,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub purpose: String,
    /// When it ends, ms.
    pub ends_at: Option<Millis>,
    /// Who opened it.
    pub opened_by: OrgId,
    /// How it stands.
    pub state: ShareState,
    /// Its sections.
    pub sections: Vec<SectionView>,
    /// Its grants.
    pub grants: Vec<(GrantInfo, GrantState)>,
}

/// One org's section of a share.
#[derive(Debug, Clone)]
pub struct SectionView {
    /// Whose.
    pub org: OrgId,
    /// Its compartments.
    pub compartments: Vec<CompartmentView>,
}

/// Fields seen by the same partners.
#[derive(Debug, Clone)]
pub struct CompartmentView {
    /// Its id.
    pub id: CompartmentId,
    /// The kind of record.
    pub kind: Kind,
    /// Its fields.
    pub fields: Vec<String>,
    /// Who reads, as far as this org may know.
    pub readers: BTreeSet<OrgId>,
    /// Who edits.
    pub editors: BTreeSet<OrgId>,
    /// How many records of it are held here.
    pub records: u64,
    /// How many compartments with these fields came before it.
    pub epoch: u64,
}

impl Replica {
    /// How a grant stands, as far as this org knows.
    pub fn grant_state(&self, id: &GrantId) -> GrantState {
        match self.grants.in_force(id, self.now) {
            Err(ChainError::Expired(_) | ChainError::ShareEnded(_)) => return GrantState::Expired,
            Err(ChainError::Revoked(_) | ChainError::ShareClosed(_)) => {
                return if self.ended_by_date(id) {
                    GrantState::Expired
                } else {
                    GrantState::Revoked
                };
            }
            Err(_) => return GrantState::Waiting,
            Ok(()) => {}
        }
        let Some(info) = self.grants.get(id) else { return GrantState::Waiting };
        let contributes = matches!(info.scope, Scope::Contribute { .. });
        let own = info.section == self.me.party.org;
        let let_in = !own || self.may_let_in(id).unwrap_or(false);
        if let_in && (contributes || own || self.is_admitted(id)) {
            GrantState::Active
        } else {
            GrantState::Waiting
        }
    }

    /// Which records a grant of this org is meant for, if not for all.
    pub fn selector_of(&self, id: &GrantId) -> Option<String> {
        let text: Option<String> = self.read(&keys::selector(id)).ok().flatten();
        text.filter(|text| !text.is_empty())
    }

    /// A grant as it was signed.
    pub fn grant_info(&self, id: &GrantId) -> Option<&GrantInfo> {
        self.grants.get(id)
    }

    /// Whether its publisher has let a grant in anywhere.
    pub(crate) fn is_admitted(&self, id: &GrantId) -> bool {
        self.dossiers.iter().any(|(_, _, dossier)| dossier.admissions().any(|(g, _)| g == id))
    }

    /// Whether a revoked grant had reached its end date before anybody revoked it.
    pub(crate) fn ended_by_date(&self, id: &GrantId) -> bool {
        let Ok(Some(end)) = self.grants.expires_at(id) else { return false };
        let said = |id: &StatementId| self.statements.get(id).map(|s| s.at().millis());
        self.grants.revocations(id).iter().all(|(of, _)| said(of).is_some_and(|at| at >= end))
    }

    /// All shares this org opened or was invited into, by name.
    pub fn shares(&self) -> Result<Vec<ShareView>, Refusal> {
        let mut all = Vec::new();
        for share in self.grants.shares().copied().collect::<Vec<_>>() {
            all.push(self.share(&share)?);
        }
        all.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
        Ok(all)
    }

    /// What a share is called.
    pub fn share_name(&self, share: &ShareId) -> Option<&str> {
        match self.statements.get(&(*share).into()).map(|s| s.body()) {
            Some(Body::OpenShare { name, .. }) => Some(name),
            Some(_) | None => None,
        }
    }

    /// Finds a share by name, id or unique prefix of its id.
    pub fn find_share(&self, text: &str) -> Result<ShareId, Refusal> {
        let name = |share: &ShareId| match self.statements.get(&(*share).into()).map(|s| s.body()) {
            Some(Body::OpenShare { name, .. }) => name.as_str() == text,
            Some(_) | None => false,
        };
        let mut fits: Vec<ShareId> =
            self.grants.shares().filter(|share| name(share)).copied().collect();
        if fits.is_empty() && text.starts_with(ShareId::PREFIX) && text.len() > 4 {
            fits = self
                .grants
                .shares()
                .filter(|share| share.to_string().starts_with(text))
                .copied()
                .collect();
        }
        match fits[..] {
            [share] => Ok(share),
            [] => Err(Refusal::NotFound { what: "share", text: text.to_owned() }),
            [..] => Err(Refusal::Ambiguous { text: text.to_owned(), count: fits.len() }),
        }
    }

    /// One share, as far as this org may know.
    pub fn share(&self, id: &ShareId) -> Result<ShareView, Refusal> {
        let missing = || Refusal::NotFound { what: "share", text: id.to_string() };
        let statement = self.statements.get(&(*id).into()).ok_or_else(missing)?;
        let Body::OpenShare { name, purpose, ends_at, .. } = statement.body() else {
            return Err(missing());
        };
        let grants: Vec<(GrantInfo, GrantState)> = self
            .grants
            .iter()
            .filter(|grant| grant.share == *id)
            .map(|grant| (grant.clone(), self.grant_state(&grant.id)))
            .collect();
        let mut sections = Vec::new();
        for org in self.sections_of(id) {
            sections.push(SectionView { org, compartments: self.compartments_of(id, &org)? });
        }
        Ok(ShareView {
            id: *id,
            name: name.clone(),
            purpose: purpose.clone(),
            ends_at: *ends_at,
            opened_by: statement.author(),
            state: self.share_state(id, statement.author(), *ends_at, &grants)?,
            sections,
            grants,
        })
    }

    /// Whether a share's opener closed it; one that reached its end date has ended instead.
    pub(crate) fn closed_before_its_end(&self, id: &ShareId) -> bool {
        let ends_at = match self.statements.get(&(*id).into()).map(|s| s.body()) {
            Some(Body::OpenShare { ends_at, .. }) => *ends_at,
            Some(_) | None => None,
        };
        let closing = self.grants.closing(id).and_then(|closing| self.statements.get(&closing));
        closing.is_some_and(|closing| ends_at.is_none_or(|end| closing.at().millis() < end))
    }

    fn share_state(
        &self,
        id: &ShareId,
        opener: OrgId,
        ends_at: Option<Millis>,
        grants: &[(GrantInfo, GrantState)],
    ) -> Result<ShareState, Refusal> {
        let me = self.me.party.org;
        let mut mine = grants.iter().filter(|(grant, _)| grant.to.org == me);
        let live = |state: &GrantState| matches!(state, GrantState::Active | GrantState::Waiting);
        if self.closed_before_its_end(id) {
            return Ok(ShareState::Closed);
        }
        if ends_at.is_some_and(|end| end <= self.now)
            || (opener != me && !mine.any(|(_, state)| live(state)))
        {
            return Ok(ShareState::Ended);
        }
        let publishes = !self.store.scan(&keys::publications(id), &[], 1)?.is_empty();
        Ok(if opener == me || publishes { ShareState::Open } else { ShareState::Offered })
    }

    /// Orgs that publish in a share, the opener first.
    pub(crate) fn sections_of(&self, share: &ShareId) -> Vec<OrgId> {
        let opener = self.grants.opener(share);
        let others = self.dossiers.publishers(share).copied();
        opener.into_iter().chain(others.filter(|org| Some(*org) != opener)).collect()
    }

    fn compartments_of(
        &self,
        share: &ShareId,
        org: &OrgId,
    ) -> Result<Vec<CompartmentView>, Refusal> {
        let access = self.access();
        let mut views = Vec::new();
        for (id, opening, dossier) in self.dossiers.iter() {
            if opening.share != Some(*share) || opening.section != *org || dossier.retired() {
                continue;
            }
            let readers = access.readers(id, self.now);
            let editors = readers
                .iter()
                .filter(|reader| access.edit_grant(reader, id, self.now).is_some())
                .copied()
                .collect();
            views.push(CompartmentView {
                id: *id,
                kind: opening.kind,
                fields: opening.schema.fields().iter().map(|f| f.name.clone()).collect(),
                readers,
                editors,
                records: 0,
                epoch: self.epoch(id, opening),
            });
        }
        let mut count = BTreeMap::<CompartmentId, u64>::new();
        for kind in Kind::ALL {
            let prefix = keys::facets(kind, Some(share), Some(org));
            for_each(&self.store, &prefix, |key, _| {
                if let Some(key) = keys::FacetKey::parse(key) {
                    *count.entry(key.compartment).or_default() += 1;
                }
                Ok::<_, Refusal>(())
            })?;
        }
        for view in &mut views {
            view.records = count.get(&view.id).copied().unwrap_or(0);
        }
        Ok(views)
    }

    /// How many retired compartments of the section had the same fields.
    fn epoch(&self, id: &CompartmentId, of: &Opening) -> u64 {
        let before = self.dossiers.iter().filter(|(other, opening, dossier)| {
            *other != id
                && dossier.retired()
                && (opening.share, opening.section, opening.kind) == (of.share, of.section, of.kind)
                && opening.schema.fields() == of.schema.fields()
        });
        before.count() as u64
    }

    /// Finds a grant of a share by its id or a unique prefix of it.
    pub fn find_grant(&self, share: &ShareId, text: &str) -> Result<GrantId, Refusal> {
        let fits: Vec<GrantId> = self
            .grants
            .iter()
            .filter(|g| g.share == *share && g.id.to_string().starts_with(text))
            .map(|g| g.id)
            .collect();
        match fits[..] {
            [id] => Ok(id),
            [] => Err(Refusal::NotFound { what: "grant", text: text.to_owned() }),
            [..] => Err(Refusal::Ambiguous { text: text.to_owned(), count: fits.len() }),
        }
    }

    /// Own records of one kind that are placed in a share.
    pub fn placed(&self, share: &ShareId, kind: Kind) -> Result<Vec<RecordId>, Refusal> {
        let mut placed = Vec::new();
        for_each(&self.store, &keys::publications(share), |key, bytes| {
            let publication: Publication = codec::own(bytes)?;
            if publication.kind == kind {
                placed.extend(record_of(key));
            }
            Ok::<_, Refusal>(())
        })?;
        Ok(placed)
    }
}
