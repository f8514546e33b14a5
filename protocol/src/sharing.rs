//! Shares as their people use them: open, grant, revoke, and what may be told about them.

use std::collections::BTreeSet;

use crate::codec;
use crate::grant::{ChainError, GrantInfo};
use crate::id::{CompartmentId, GrantId, Nonce, OrgId, RecordId, ShareId, StatementId};
use crate::keys;
use crate::mutation::{Law, broken};
use crate::refusal::Refusal;
use crate::replica::Replica;
use crate::select::Selector;
use crate::statement::{Body, Party, Scope};
use crate::store::Store;
use crate::time::Millis;
use crate::vocabulary::{self, Class, Kind};

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

/// A grant to be made.
#[derive(Debug, Clone)]
pub struct NewGrant {
    /// The share.
    pub share: ShareId,
    /// Whose section: own, or the one of whom it is passed on.
    pub section: OrgId,
    /// To whom.
    pub to: OrgId,
    /// What.
    pub scope: Scope,
    /// For which records; stays at home.
    pub selector: Option<String>,
    /// Whether values from before the grant may be seen; the publisher's to say.
    pub with_history: bool,
    /// How many further hand-overs.
    pub depth: u8,
    /// When it ends, ms.
    pub expires_at: Option<Millis>,
}

/// What would leave this node, or be let go further.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaving {
    /// To whom.
    pub org: OrgId,
    /// The kind of record.
    pub kind: Kind,
    /// Its fields.
    pub fields: Vec<String>,
    /// How many records now.
    pub records: u64,
    /// How many are held back for want of consent.
    pub held_back: u64,
}

impl Replica {
    /// Opens a share; its purpose is its name unless said otherwise.
    pub fn open_share(
        &mut self,
        name: &str,
        purpose: Option<&str>,
        ends_at: Option<Millis>,
    ) -> Result<ShareId, Refusal> {
        if name.trim().is_empty() || name.len() > 200 {
            return Err(Refusal::Range { what: "the length of a share's name", min: 1, max: 200 });
        }
        let nonce = Nonce(self.draw());
        let id = self.say(Body::OpenShare {
            name: name.to_owned(),
            purpose: purpose.unwrap_or(name).to_owned(),
            ends_at,
            retention_days: None,
            nonce,
        })?;
        Ok(id.into())
    }

    pub(crate) fn check_open(&self, share: &ShareId) -> Result<(), Refusal> {
        match self.statements.get(&(*share).into()).map(|s| s.body()) {
            Some(Body::OpenShare { ends_at: Some(end), .. }) if *end <= self.now => {
                Err(Refusal::ShareEnded)
            }
            Some(Body::OpenShare { .. }) if self.grants.closing(share).is_some() => {
                Err(Refusal::ShareEnded)
            }
            Some(Body::OpenShare { .. }) => Ok(()),
            Some(_) | None => Err(Refusal::NotFound { what: "share", text: share.to_string() }),
        }
    }

    fn party(&self, org: &OrgId) -> Result<Party, Refusal> {
        let known = self
            .directory
            .party(org)
            .ok_or_else(|| Refusal::NotFound { what: "partner", text: org.to_string() })?;
        Ok(Party { name: self.directory.name(org).to_owned(), ..known.clone() })
    }

    /// To whom this org may grant: a partner, paired with or met through a chain. Of an org that is
    /// known only as an editor of what both read nobody vouches for us there: it would never let
    /// us in.
    pub fn may_grant_to(&self, org: &OrgId) -> Result<(), Refusal> {
        self.grantee(org).map(drop)
    }

    fn grantee(&self, org: &OrgId) -> Result<Party, Refusal> {
        let stands = self.partners.contains_key(org) && self.check_stands(org).is_ok();
        if stands || broken(Law::Grantee) {
            return self.party(org);
        }
        let org = self.party(org).map_or_else(|_| org.to_string(), |party| party.name);
        Err(Refusal::NotPartner { org })
    }

    /// The grant of ours that `new` would pass on; none in our own section.
    fn parent_of(&self, new: &NewGrant) -> Result<Option<GrantId>, Refusal> {
        let me = self.me.party.org;
        let own = match &new.scope {
            Scope::Fields { .. } => new.section == me,
            Scope::Contribute { .. } => self.grants.opener(&new.share) == Some(me),
        };
        if own {
            return Ok(None);
        }
        let mut failure = None;
        for grant in self.grants.to(&me) {
            let contributes = matches!(new.scope, Scope::Contribute { .. });
            let same = grant.share == new.share
                && (contributes || grant.section == new.section)
                && std::mem::discriminant(&grant.scope) == std::mem::discriminant(&new.scope);
            if !same || self.grants.in_force(&grant.id, self.now).is_err() {
                continue;
            }
            match self.pass_on(grant, new) {
                Ok(()) => return Ok(Some(grant.id)),
                Err(error) => failure = Some(error),
            }
        }
        match (failure, &new.scope) {
            (Some(error), _) => Err(error.into()),
            (None, Scope::Contribute { kinds }) => {
                Err(Refusal::MayNotContribute { kind: kinds[0] })
            }
            (None, Scope::Fields { kind, .. }) => Err(Refusal::NotAllowed {
                org: self.directory.name(&new.section).to_owned(),
                what: format!("who may read its {}s", kind.name()),
            }),
        }
    }

    /// For which records, and from when on: the publisher's to say, so not of what is passed on.
    fn check_choices(&self, new: &NewGrant, parent: Option<GrantId>) -> Result<(), Refusal> {
        let what = match new {
            _ if parent.is_none() => return Ok(()),
            NewGrant { selector: Some(_), .. } => "for which of its records a grant is meant",
            NewGrant { with_history: true, .. } => "whether values from before may be seen",
            NewGrant { .. } => return Ok(()),
        };
        Err(Refusal::Publishers { org: self.directory.name(&new.section).to_owned(), what })
    }

    fn pass_on(&self, parent: &GrantInfo, new: &NewGrant) -> Result<(), ChainError> {
        self.grants.pass_on_check(&parent.id, &new.scope, new.depth, new.expires_at)
    }

    /// A person's addresses travel only with consent and do-not-contact: adds what is missing.
    pub fn completed(&self, scope: &Scope) -> Result<Scope, Refusal> {
        let Scope::Fields { kind, fields, edit, keep } = scope else {
            let Scope::Contribute { kinds } = scope else { return Ok(scope.clone()) };
            let kinds: BTreeSet<Kind> = kinds.iter().copied().collect();
            return Ok(Scope::Contribute { kinds: kinds.into_iter().collect() });
        };
        let mut all: BTreeSet<String> = fields.iter().cloned().collect();
        for field in &all {
            let internal = vocabulary::class(*kind, field) == Some(Class::S5);
            if internal && !broken(Law::Internal) {
                return Err(Refusal::Internal { kind: *kind, field: field.clone() });
            }
            if vocabulary::field(*kind, field).is_none() {
                return Err(Refusal::NotFound { what: "field", text: field.clone() });
            }
        }
        let reach = all.iter().any(|f| vocabulary::class(*kind, f) == Some(Class::S3));
        if *kind == Kind::Customer && reach {
            all.extend(["consent".to_owned(), "do_not_contact".to_owned()]);
        }
        Ok(Scope::Fields {
            kind: *kind,
            fields: all.into_iter().collect(),
            edit: *edit,
            keep: *keep,
        })
    }

    /// Every check of a grant that is to be made; its scope with what has to travel along.
    pub fn check_grant(&self, new: &NewGrant) -> Result<Scope, Refusal> {
        self.check_open(&new.share)?;
        if new.to == self.me.party.org {
            return Err(Refusal::Oneself(new.to));
        }
        let holder = match &new.scope {
            Scope::Fields { .. } => Some(new.section),
            Scope::Contribute { .. } => self.grants.opener(&new.share),
        };
        if holder == Some(new.to) {
            return Err(Refusal::MayAlready { org: self.directory.name(&new.to).to_owned() });
        }
        let scope = self.completed(&new.scope)?;
        let new = NewGrant { scope, ..new.clone() };
        let parent = self.parent_of(&new)?;
        self.check_choices(&new, parent)?;
        if let Scope::Fields { kind, .. } = &new.scope {
            if let Some(text) = &new.selector {
                Selector::parse(*kind, text)?;
            }
            if parent.is_none() {
                self.check_decides()?;
                self.publishing_grant(&new.share, *kind)?;
            }
        }
        self.grantee(&new.to)?;
        Ok(new.scope)
    }

    /// Grants a partner something, or passes on what was granted to this org.
    pub fn grant(&mut self, mut new: NewGrant) -> Result<(GrantId, GrantState), Refusal> {
        new.scope = self.check_grant(&new)?;
        let parent = self.parent_of(&new)?;
        let to = self.grantee(&new.to)?;
        let nonce = Nonce(self.draw());
        let section = match &new.scope {
            Scope::Fields { .. } => new.section,
            Scope::Contribute { .. } => self.grants.opener(&new.share).unwrap_or(new.section),
        };
        let id = GrantId::from(self.say(Body::Grant {
            share: new.share,
            section,
            to,
            scope: new.scope,
            parent,
            depth: new.depth,
            expires_at: new.expires_at,
            nonce,
        })?);
        if parent.is_none() {
            // Also when there is none: a rule whose selector is not known here lets nothing out.
            let text = new.selector.unwrap_or_default();
            self.put(&keys::selector(&id), codec::to_bytes(&text))?;
        }
        if new.with_history {
            self.put(&keys::history(&id), codec::to_bytes(&true))?;
        }
        // In one's own section the plan admits it with the commit.
        Ok((id, self.grant_state(&id)))
    }

    /// Whether this org may end a grant.
    pub fn check_revoke(&self, grant: &GrantId) -> Result<(), Refusal> {
        let missing = || Refusal::NotFound { what: "grant", text: grant.to_string() };
        let info = self.grants.get(grant).ok_or_else(missing)?;
        let me = self.me.party.org;
        if info.author != me && !self.grants.issuers_above(grant).contains(&me) {
            return Err(Refusal::NotAllowed {
                org: self.directory.name(&info.author).to_owned(),
                what: "its grants".to_owned(),
            });
        }
        Ok(())
    }

    /// Revokes grants; what was passed on under them ends with them.
    pub fn revoke(&mut self, grants: &[GrantId], reason: u8) -> Result<Vec<GrantId>, Refusal> {
        let mut revoked = Vec::new();
        for grant in grants {
            self.check_revoke(grant)?;
            if !self.grants.revoked(grant) {
                self.say(Body::Revoke { grant: *grant, reason })?;
            }
            revoked.push(*grant);
        }
        Ok(revoked)
    }

    /// Everything in a share that a partner has by this org's word, and that this org may end.
    pub fn revocable(&self, share: &ShareId, org: &OrgId) -> Vec<GrantId> {
        let me = self.me.party.org;
        let standing =
            self.grants.to(org).filter(|g| g.share == *share && !self.grants.revoked(&g.id));
        let mine =
            standing.filter(|g| g.author == me || self.grants.issuers_above(&g.id).contains(&me));
        mine.map(|g| g.id).collect()
    }

    /// Revokes everything this org has granted a partner in a share.
    pub fn revoke_partner(
        &mut self,
        share: &ShareId,
        org: &OrgId,
        reason: u8,
    ) -> Result<Vec<GrantId>, Refusal> {
        let mine = self.revocable(share, org);
        self.revoke(&mine, reason)
    }

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
        let orgs: BTreeSet<OrgId> = self
            .dossiers
            .iter()
            .filter(|(_, opening, _)| opening.share == Some(*share))
            .map(|(_, opening, _)| opening.section)
            .collect();
        let opener = self.grants.opener(share);
        let mut sections: Vec<OrgId> = opener.into_iter().collect();
        sections.extend(orgs.into_iter().filter(|org| Some(*org) != opener));
        sections
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
        let mut count = std::collections::BTreeMap::<CompartmentId, u64>::new();
        for kind in Kind::ALL {
            let prefix = keys::facets(kind, Some(share), Some(org));
            crate::store::for_each(&self.store, &prefix, |key, _| {
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
    fn epoch(&self, id: &CompartmentId, of: &crate::dossier::Opening) -> u64 {
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
        crate::store::for_each(&self.store, &keys::publications(share), |key, bytes| {
            let publication: crate::section::Publication = codec::own(bytes)?;
            if publication.kind == kind {
                placed.extend(crate::section::record_of(key));
            }
            Ok::<_, Refusal>(())
        })?;
        Ok(placed)
    }
}
