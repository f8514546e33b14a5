//! Grant chains: the one place that decides what a grant allows, at every depth.
//! An index over the monotone statement set, the same in whatever order statements came.
//! Knows no clock (callers say what time it is), no compartments and no records.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::id::{GrantId, OrgId, ShareId, StatementId};
use crate::mutation::{Law, broken};
use crate::statement::{Body, Party, Scope, Statement};
use crate::time::{Hlc, Millis};
use crate::vocabulary::Kind;

mod error;
mod rules;

pub use error::{ChainError, LinkError};
pub use rules::scope_check;
use rules::{effective_expiry, handover_check, narrower_check, party_check, require};

/// The most links a chain may have, the root included.
pub const MAX_CHAIN: usize = 8;

/// A grant as it was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantInfo {
    /// Its id.
    pub id: GrantId,
    /// Who signed it.
    pub author: OrgId,
    /// When it was signed.
    pub at: Hlc,
    /// The share.
    pub share: ShareId,
    /// Whose section (for `Contribute`: the share's opener).
    pub section: OrgId,
    /// Who may.
    pub to: Party,
    /// What.
    pub scope: Scope,
    /// The grant it passes on.
    pub parent: Option<GrantId>,
    /// How many further hand-overs it allows.
    pub depth: u8,
    /// When it ends by its own word; a link without one ends with the link above it.
    pub expires_at: Option<Millis>,
    /// What is wrong with it whatever stands above it; judged once, when it comes in.
    fault: Option<LinkError>,
}

/// All grants and revocations that are known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants {
    openings: BTreeMap<ShareId, (OrgId, Option<Millis>)>,
    grants: BTreeMap<GrantId, GrantInfo>,
    children: BTreeMap<GrantId, BTreeSet<GrantId>>,
    by_audience: BTreeMap<OrgId, BTreeSet<GrantId>>,
    by_section: BTreeMap<(ShareId, OrgId), BTreeSet<GrantId>>,
    /// By grant: who said that it ends, and in which statement.
    revokes: BTreeMap<GrantId, BTreeSet<(StatementId, OrgId)>>,
    revoked_by: BTreeMap<StatementId, GrantId>,
    parties: BTreeMap<OrgId, (Hlc, GrantId)>,
}

impl Grants {
    /// Takes `OpenShare`, `Grant` and `Revoke` and ignores all else. Idempotent, in any order;
    /// what is not well formed is kept too, and allows nothing.
    pub fn insert(&mut self, statement: &Statement) {
        match statement.body() {
            Body::OpenShare { ends_at, .. } => {
                self.openings.insert(statement.id().into(), (statement.author(), *ends_at));
            }
            Body::Revoke { grant, .. } => {
                let said = (statement.id(), statement.author());
                self.revokes.entry(*grant).or_default().insert(said);
                self.revoked_by.insert(statement.id(), *grant);
            }
            Body::Grant { share, section, to, scope, parent, depth, expires_at, nonce: _ } => {
                let author = statement.author();
                self.insert_grant(GrantInfo {
                    id: statement.id().into(),
                    author,
                    at: statement.at(),
                    share: *share,
                    section: *section,
                    to: to.clone(),
                    scope: scope.clone(),
                    parent: *parent,
                    depth: *depth,
                    expires_at: *expires_at,
                    fault: party_check(to, &author, section).and(scope_check(scope)).err(),
                });
            }
            Body::Profile { .. }
            | Body::Certificate { .. }
            | Body::Rotation { .. }
            | Body::EndNode { .. }
            | Body::OpenCompartment { .. }
            | Body::Admit { .. }
            | Body::Retire { .. }
            | Body::Cut { .. }
            | Body::Erase { .. }
            | Body::Receipt { .. } => {}
        }
    }

    fn insert_grant(&mut self, info: GrantInfo) {
        if let Some(parent) = info.parent {
            self.children.entry(parent).or_default().insert(info.id);
        }
        self.by_audience.entry(info.to.org).or_default().insert(info.id);
        self.by_section.entry((info.share, info.section)).or_default().insert(info.id);
        if info.fault != Some(LinkError::Party) {
            let latest = self.parties.entry(info.to.org).or_insert((info.at, info.id));
            *latest = (*latest).max((info.at, info.id));
        }
        self.grants.insert(info.id, info);
    }

    /// Every share whose opening is known.
    pub fn shares(&self) -> impl Iterator<Item = &ShareId> {
        self.openings.keys()
    }

    /// Every known grant, well formed or not.
    pub fn iter(&self) -> impl Iterator<Item = &GrantInfo> {
        self.grants.values()
    }

    /// Who opened a share.
    pub fn opener(&self, share: &ShareId) -> Option<OrgId> {
        self.openings.get(share).map(|(opener, _)| *opener)
    }

    /// When a share ends by its opener's first word.
    pub fn share_ends_at(&self, share: &ShareId) -> Option<Millis> {
        self.openings.get(share).and_then(|(_, ends_at)| *ends_at)
    }

    /// The opener's word that a share is closed: a revocation that names the share itself.
    pub fn closing(&self, share: &ShareId) -> Option<StatementId> {
        let (opener, _) = self.openings.get(share)?;
        let said = self.revokes.get(&GrantId::from(StatementId::from(*share)))?;
        said.iter().find(|(_, author)| author == opener).map(|(closing, _)| *closing)
    }

    /// A known grant, well formed or not.
    pub fn get(&self, id: &GrantId) -> Option<&GrantInfo> {
        self.grants.get(id)
    }

    /// The links from the root down to the grant, well formed all of them, or the first rule that
    /// fails (counted from the root). Neither revocations nor clocks have a say here.
    pub fn chain(&self, id: &GrantId) -> Result<Vec<&GrantInfo>, ChainError> {
        let chain = self.links(id)?;
        for (link, info) in chain.iter().enumerate() {
            let broken = |rule| ChainError::Broken { link, rule };
            info.fault.clone().map_or(Ok(()), Err).map_err(broken)?;
            match link.checked_sub(1) {
                None => self.root_check(info)?.map_err(broken)?,
                Some(above) => {
                    let parent = chain[above];
                    let ends = effective_expiry(&chain[..link]);
                    handover_check(parent, info).map_err(broken)?;
                    narrower_check(parent, ends, &info.scope, info.depth, info.expires_at)
                        .map_err(broken)?;
                }
            }
        }
        Ok(chain)
    }

    /// Root first, unchecked. An id is a hash of what is above it, so that there are no cycles.
    fn links(&self, id: &GrantId) -> Result<Vec<&GrantInfo>, ChainError> {
        let mut chain = VecDeque::new();
        let mut next = Some(*id);
        while let Some(id) = next {
            if chain.len() == MAX_CHAIN {
                return Err(ChainError::TooLong);
            }
            let info = self.grants.get(&id).ok_or(ChainError::Missing(id))?;
            chain.push_front(info);
            next = info.parent;
        }
        Ok(chain.into())
    }

    fn root_check(&self, root: &GrantInfo) -> Result<Result<(), LinkError>, ChainError> {
        let (may, error) = match root.scope {
            Scope::Fields { .. } => (root.section, LinkError::NotPublisher),
            Scope::Contribute { .. } => {
                let missing = ChainError::MissingShare(root.share);
                (self.opener(&root.share).ok_or(missing)?, LinkError::NotOpener)
            }
        };
        Ok(if root.author == may && root.section == may { Ok(()) } else { Err(error) })
    }

    /// Well formed, and neither the share nor a link of it revoked or, at `now`, expired.
    pub fn in_force(&self, id: &GrantId, now: Millis) -> Result<(), ChainError> {
        let chain = self.chain(id)?;
        let share = chain.last().map(|last| last.share);
        if let Some(share) = share.filter(|share| self.closing(share).is_some()) {
            return Err(ChainError::ShareClosed(share));
        }
        if let Some((_, link)) = self.revocations(id).first() {
            return Err(ChainError::Revoked(*link));
        }
        let over = |end: Option<Millis>| end.is_some_and(|end| end <= now) && !broken(Law::Expired);
        if let Some(share) = share.filter(|share| over(self.share_ends_at(share))) {
            return Err(ChainError::ShareEnded(share));
        }
        match chain.iter().find(|link| over(link.expires_at)) {
            Some(link) => Err(ChainError::Expired(link.id)),
            None => Ok(()),
        }
    }

    /// Whether a revocation that counts ends the grant or one above it.
    pub fn revoked(&self, id: &GrantId) -> bool {
        !self.revocations(id).is_empty()
    }

    /// Every revocation that counts for the grant, with the link that it names, root first: those
    /// whose author signed that link or one above it, whatever became of that author since. One
    /// that closes the share names the share and stands above the root.
    pub fn revocations(&self, id: &GrantId) -> Vec<(StatementId, GrantId)> {
        let Ok(chain) = self.chain(id) else { return Vec::new() };
        let mut issuers = BTreeSet::new();
        let share = chain.first().map(|root| root.share);
        let closing = share.and_then(|share| {
            Some((self.closing(&share)?, GrantId::from(StatementId::from(share))))
        });
        let mut out: Vec<(StatementId, GrantId)> = closing.into_iter().collect();
        for link in chain {
            issuers.insert(link.author);
            for (statement, author) in self.revokes.get(&link.id).into_iter().flatten() {
                if issuers.contains(author) {
                    out.push((*statement, link.id));
                }
            }
        }
        out
    }

    /// Every revocation that counts, with the grant that it names.
    pub fn all_revocations(&self) -> impl Iterator<Item = (StatementId, GrantId)> {
        self.revoked_by.keys().filter_map(|revoke| Some((*revoke, self.ended_by(revoke)?)))
    }

    /// The grant that a `Revoke` ends, if that statement is known and counts.
    pub fn ended_by(&self, revoke: &StatementId) -> Option<GrantId> {
        let grant = self.revoked_by.get(revoke)?;
        let share = ShareId::from(StatementId::from(*grant));
        let counts = self.closing(&share) == Some(*revoke)
            || self.revocations(grant).contains(&(*revoke, *grant));
        counts.then_some(*grant)
    }

    /// The grants that end when this one is revoked: itself and all below; all of a share that is
    /// closed, if it names a share.
    pub fn ended_with(&self, id: &GrantId) -> Vec<&GrantInfo> {
        let share = ShareId::from(StatementId::from(*id));
        if self.openings.contains_key(&share) {
            let all = self.grants.values().filter(|info| info.share == share);
            return all.filter(|info| self.chain(&info.id).is_ok()).collect();
        }
        let itself = self.get(id).filter(|info| self.chain(&info.id).is_ok());
        itself.into_iter().chain(self.below(id)).collect()
    }

    /// Whether a grant ends when `ended` is revoked: a link of its chain, or its share.
    pub fn stands_under(&self, id: &GrantId, ended: &GrantId) -> bool {
        let share = ShareId::from(StatementId::from(*ended));
        self.chain(id)
            .is_ok_and(|chain| chain.iter().any(|link| link.id == *ended || link.share == share))
    }

    /// The share that a revocable id is of: a grant's, or the share that it names.
    pub fn share_of(&self, id: &GrantId) -> Option<ShareId> {
        let share = ShareId::from(StatementId::from(*id));
        let named = self.openings.contains_key(&share).then_some(share);
        named.or_else(|| self.get(id).map(|info| info.share))
    }

    /// When the grant ends at the latest: the earliest end in its chain, or that of its share.
    pub fn expires_at(&self, id: &GrantId) -> Result<Option<Millis>, ChainError> {
        let chain = self.chain(id)?;
        let share = chain.last().and_then(|last| self.share_ends_at(&last.share));
        Ok(effective_expiry(&chain).into_iter().chain(share).min())
    }

    /// Whether the chain lets its audience read all these fields (of `kind`, in that section).
    pub fn covers_read(
        &self,
        id: &GrantId,
        share: &ShareId,
        section: &OrgId,
        kind: Kind,
        fields: &[&str],
    ) -> Result<(), ChainError> {
        self.covers(id, share, section, kind, fields, false)
    }

    /// Whether the chain lets its audience change all these fields.
    pub fn covers_edit(
        &self,
        id: &GrantId,
        share: &ShareId,
        section: &OrgId,
        kind: Kind,
        fields: &[&str],
    ) -> Result<(), ChainError> {
        self.covers(id, share, section, kind, fields, true)
    }

    fn covers(
        &self,
        id: &GrantId,
        share: &ShareId,
        section: &OrgId,
        kind: Kind,
        wanted: &[&str],
        to_edit: bool,
    ) -> Result<(), ChainError> {
        if wanted.is_empty() {
            return Err(ChainError::NoField);
        }
        for link in self.chain(id)? {
            let Scope::Fields { kind: granted, fields, edit, keep: _ } = &link.scope else {
                return Err(ChainError::OtherSort);
            };
            require(link.share == *share, ChainError::OtherShare)?;
            require(link.section == *section, ChainError::OtherSection)?;
            require(*granted == kind, ChainError::OtherKind)?;
            for field in wanted {
                if fields.binary_search_by(|name| name.as_str().cmp(field)).is_err() {
                    return Err(ChainError::NotGranted((*field).to_owned()));
                }
            }
            require(*edit || !to_edit, ChainError::ReadOnly)?;
        }
        Ok(())
    }

    /// Whether the chain lets its audience have a section of its own with records of `kind`.
    pub fn covers_contribute(
        &self,
        id: &GrantId,
        share: &ShareId,
        kind: Kind,
    ) -> Result<(), ChainError> {
        for link in self.chain(id)? {
            let Scope::Contribute { kinds } = &link.scope else {
                return Err(ChainError::OtherSort);
            };
            require(link.share == *share, ChainError::OtherShare)?;
            require(kinds.contains(&kind), ChainError::OtherKind)?;
        }
        Ok(())
    }

    /// Whether the grant, well formed, could be passed on like this: for the one who signs.
    pub fn pass_on_check(
        &self,
        parent: &GrantId,
        scope: &Scope,
        depth: u8,
        expires_at: Option<Millis>,
    ) -> Result<(), ChainError> {
        let chain = self.chain(parent)?;
        require(chain.len() < MAX_CHAIN, ChainError::TooLong)?;
        let Some(holder) = chain.last() else { return Err(ChainError::Missing(*parent)) };
        scope_check(scope)
            .and_then(|()| {
                narrower_check(holder, effective_expiry(&chain), scope, depth, expires_at)
            })
            .map_err(|rule| ChainError::Broken { link: chain.len(), rule })
    }

    /// Whom a known grant is for.
    pub fn audience(&self, id: &GrantId) -> Option<OrgId> {
        self.get(id).map(|info| info.to.org)
    }

    /// Who signed the grant and those above it, root first; nobody if it is not well formed.
    pub fn issuers_above(&self, id: &GrantId) -> Vec<OrgId> {
        self.chain(id).map_or_else(|_| Vec::new(), |c| c.iter().map(|link| link.author).collect())
    }

    /// The well-formed grants passed on under this one, near before far.
    pub fn below(&self, id: &GrantId) -> Vec<&GrantInfo> {
        let mut out = Vec::new();
        let mut queue = VecDeque::from([*id]);
        let mut seen = BTreeSet::from([*id]);
        while let Some(id) = queue.pop_front() {
            for child in self.well_formed(self.children.get(&id)) {
                if seen.insert(child.id) {
                    out.push(child);
                    queue.push_back(child.id);
                }
            }
        }
        out
    }

    /// The well-formed grants of fields in a section, passed-on ones included.
    pub fn of_section(&self, share: &ShareId, section: &OrgId) -> impl Iterator<Item = &GrantInfo> {
        self.well_formed(self.by_section.get(&(*share, *section)))
            .filter(|info| matches!(info.scope, Scope::Fields { .. }))
    }

    /// The well-formed grants to contribute to a share.
    pub fn contributions(&self, share: &ShareId) -> impl Iterator<Item = &GrantInfo> {
        let section = self.opener(share);
        self.well_formed(section.and_then(|opener| self.by_section.get(&(*share, opener))))
            .filter(|info| matches!(info.scope, Scope::Contribute { .. }))
    }

    /// The well-formed grants to an org.
    pub fn to(&self, org: &OrgId) -> impl Iterator<Item = &GrantInfo> {
        self.well_formed(self.by_audience.get(org))
    }

    fn well_formed<'a>(
        &'a self,
        ids: Option<&'a BTreeSet<GrantId>>,
    ) -> impl Iterator<Item = &'a GrantInfo> {
        ids.into_iter()
            .flatten()
            .filter_map(|id| self.chain(id).is_ok().then(|| self.get(id)).flatten())
    }

    /// How the latest grant to an org describes it. The keys fit its id; the name is what the
    /// grant's author calls it, so the org's own profile goes first where it is known.
    pub fn party(&self, org: &OrgId) -> Option<&Party> {
        self.parties.get(org).and_then(|(_, id)| self.get(id)).map(|info| &info.to)
    }

    /// Parents that are named and not known.
    pub fn missing(&self) -> impl Iterator<Item = GrantId> {
        self.children.keys().filter(|id| !self.grants.contains_key(id)).copied()
    }
}

#[cfg(test)]
mod tests;
