//! Shares as their people use them: open, grant, revoke. What is told of them: `sharing/shown.rs`.

use std::collections::BTreeSet;

use crate::codec;
use crate::grant::{ChainError, GrantInfo};
use crate::id::{GrantId, Nonce, OrgId, ShareId};
use crate::keys;
use crate::mutation::{Law, broken};
use crate::refusal::Refusal;
use crate::replica::Replica;
use crate::select::Selector;
use crate::statement::{Body, Party, Scope};
use crate::time::Millis;
use crate::vocabulary::{self, Class, Kind};

mod shown;

pub use shown::{CompartmentView, GrantState, SectionView, ShareState, ShareView};

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
}
