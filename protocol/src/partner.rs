//! Partners: orgs this org has paired with, or met through a grant chain.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};

use crate::codec;
use crate::id::{OrgId, PublicKey, ShareId};
use crate::keys;
use crate::refusal::Refusal;
use crate::replica::{Conn, Effect, Replica};
use crate::store::for_each;
use crate::time::Millis;

/// How this org stands with a partner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum PartnerState {
    /// Both have stored the pairing.
    #[n(0)]
    Paired,
    /// Paired, but this side's admin has not approved yet.
    #[n(1)]
    Pending,
    /// Nothing is exchanged until resumed.
    #[n(2)]
    Paused,
    /// Removed; only what ends things is still exchanged.
    #[n(3)]
    Removed,
    /// Met through a grant chain.
    #[n(4)]
    Introduced,
}

/// One partner, as stored.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Partner {
    /// The org.
    #[n(0)]
    pub org: OrgId,
    /// A short name of this node's own.
    #[n(1)]
    pub alias: String,
    /// How we stand.
    #[n(2)]
    pub state: PartnerState,
    /// The verification code of the pairing.
    #[n(3)]
    pub code: Option<String>,
    /// Whether somebody has compared it.
    #[n(4)]
    pub confirmed: bool,
    /// Since when, ms.
    #[n(5)]
    pub since: Millis,
    /// Whether it was paired before it was paused.
    #[n(6)]
    pub paired: bool,
}

/// A partner with everything one would like to know of it.
#[derive(Debug, Clone)]
pub struct PartnerView {
    /// As stored.
    pub partner: Partner,
    /// What it calls itself.
    pub name: String,
    /// Whether a session is open.
    pub connected: bool,
    /// When everything was last settled with it, ms.
    pub last_sync: Option<Millis>,
    /// The orgs of the chain through which it was met, if it was not paired.
    pub met_through: Vec<OrgId>,
    /// How many statements and logs it has not stored yet.
    pub unsent: u64,
    /// Its nodes.
    pub nodes: Vec<PublicKey>,
}

impl Replica {
    pub(crate) fn load_partners(&mut self) -> Result<(), Refusal> {
        let mut partners = BTreeMap::new();
        for_each(&self.store, keys::PARTNERS, |_, bytes| {
            let partner: Partner = codec::own(bytes)?;
            partners.insert(partner.org, partner);
            Ok::<_, Refusal>(())
        })?;
        self.partners = partners;
        Ok(())
    }

    pub(crate) fn store_partner(&mut self, partner: Partner) -> Result<(), Refusal> {
        self.put(&keys::partner(&partner.org), codec::to_bytes(&partner))?;
        self.partners.insert(partner.org, partner);
        self.dirty.statements = true;
        Ok(())
    }

    /// Whether anything at all is exchanged with an org now.
    pub(crate) fn may_speak(&self, org: &OrgId) -> bool {
        match self.partners.get(org).map(|p| p.state) {
            Some(PartnerState::Paired | PartnerState::Removed | PartnerState::Introduced) => true,
            Some(PartnerState::Pending | PartnerState::Paused) => false,
            None => self.acquaintances.contains(org),
        }
    }

    /// Orgs met through a chain are listed as soon as a chain names them.
    pub(crate) fn introduce(&mut self) -> Result<(), Refusal> {
        let new: Vec<OrgId> = self
            .acquaintances
            .iter()
            .filter(|org| !self.partners.contains_key(org))
            .copied()
            .collect();
        for org in new {
            let alias = self.free_alias(self.directory.name(&org));
            self.store_partner(Partner {
                org,
                alias,
                state: PartnerState::Introduced,
                code: None,
                confirmed: false,
                since: self.now,
                paired: false,
            })?;
        }
        Ok(())
    }

    /// A slug of a name that no other partner has.
    pub(crate) fn free_alias(&self, name: &str) -> String {
        let slug: String = name
            .to_lowercase()
            .split(|c: char| !c.is_alphanumeric())
            .filter(|word| !word.is_empty())
            .collect::<Vec<_>>()
            .join("-");
        let slug = if slug.is_empty() { "partner".to_owned() } else { slug };
        let taken = |alias: &str| self.partners.values().any(|p| p.alias == alias);
        if !taken(&slug) {
            return slug;
        }
        // Names are chosen by others: a thousand of one name must not cost a million looks.
        let from = if taken(&format!("{slug}-16")) { self.partners.len() } else { 2 };
        (from..).map(|n| format!("{slug}-{n}")).find(|alias| !taken(alias)).unwrap_or(slug)
    }

    /// Finds a partner by alias, name, id or a unique prefix of its id or alias.
    pub fn find_partner(&self, text: &str) -> Result<OrgId, Refusal> {
        let exact = self.partners.values().find(|p| {
            p.alias == text || p.org.to_string() == text || self.directory.name(&p.org) == text
        });
        if let Some(partner) = exact {
            return Ok(partner.org);
        }
        let fits: Vec<OrgId> = self
            .partners
            .values()
            .filter(|p| {
                !text.is_empty()
                    && (p.alias.starts_with(text) || p.org.to_string().starts_with(text))
            })
            .map(|p| p.org)
            .collect();
        match fits[..] {
            [org] => Ok(org),
            [] if self.me.party.org.to_string() == text || self.me.party.name == text => {
                Err(Refusal::Oneself(self.me.party.org))
            }
            [] => Err(Refusal::NotFound { what: "partner", text: text.to_owned() }),
            [..] => Err(Refusal::Ambiguous { text: text.to_owned(), count: fits.len() }),
        }
    }

    /// All partners, by alias.
    pub fn partner_list(&self) -> Vec<PartnerView> {
        let mut all: Vec<PartnerView> =
            self.partners.values().map(|partner| self.partner_view(partner)).collect();
        all.sort_by(|a, b| a.partner.alias.cmp(&b.partner.alias));
        all
    }

    /// One partner.
    pub fn partner(&self, org: &OrgId) -> Result<PartnerView, Refusal> {
        let missing = || Refusal::NotFound { what: "partner", text: org.to_string() };
        self.partners.get(org).map(|partner| self.partner_view(partner)).ok_or_else(missing)
    }

    fn partner_view(&self, partner: &Partner) -> PartnerView {
        let org = partner.org;
        let mut met_through: Vec<OrgId> = Vec::new();
        if !partner.paired {
            for grant in self.grants.iter() {
                let chain = self.grants.chain(&grant.id).unwrap_or_default();
                let orgs: Vec<OrgId> =
                    chain.iter().flat_map(|link| [link.author, link.to.org]).collect();
                if orgs.contains(&org) && orgs.contains(&self.me.party.org) {
                    met_through.extend(orgs);
                }
            }
            met_through.sort_unstable();
            met_through.dedup();
            met_through.retain(|other| *other != org && *other != self.me.party.org);
        }
        let peers = self.peers.iter().filter(|(_, peer)| peer.org == Some(org));
        PartnerView {
            name: self.directory.name(&org).to_owned(),
            connected: !self.connections_with(&org).is_empty(),
            last_sync: peers.map(|(_, peer)| peer.last_sync).filter(|at| *at > 0).max(),
            met_through,
            unsent: self.owed(&org),
            nodes: self.directory.nodes_of(&org).copied().collect(),
            partner: partner.clone(),
        }
    }

    /// The open connections with an org's nodes.
    pub fn connections_with(&self, org: &OrgId) -> Vec<Conn> {
        let mut open = self.open_sessions();
        open.retain(|conn| self.sessions.get(conn).is_some_and(|s| s.org == Some(*org)));
        open
    }

    fn change_partner(
        &mut self,
        org: &OrgId,
        change: impl FnOnce(&mut Partner),
    ) -> Result<(), Refusal> {
        let Some(mut partner) = self.partners.get(org).cloned() else {
            return Err(Refusal::NotFound { what: "partner", text: org.to_string() });
        };
        change(&mut partner);
        self.store_partner(partner)?;
        if !self.may_speak(org) {
            for node in self.directory.nodes_of(org).copied().collect::<Vec<_>>() {
                self.dialling.remove(&node);
                self.effect(Effect::Forget { node });
            }
            self.close_sessions(org, "paused");
        }
        Ok(())
    }

    /// Marks a partner's verification code as compared; lets a pending partner in.
    pub fn confirm_partner(&mut self, org: &OrgId) -> Result<(), Refusal> {
        self.check_stands(org)?;
        let state = self.partners.get(org).map(|partner| partner.state);
        self.change_partner(org, |partner| {
            partner.confirmed = true;
            if partner.state == PartnerState::Pending {
                partner.state = PartnerState::Paired;
            }
        })?;
        if state == Some(PartnerState::Pending) {
            // It greeted while it was not let in; it comes again and is answered.
            self.close_sessions(org, "confirmed");
        }
        Ok(())
    }

    /// A partner that was removed is none until it is paired again or resumed.
    pub(crate) fn check_stands(&self, org: &OrgId) -> Result<(), Refusal> {
        match self.partners.get(org).map(|partner| partner.state) {
            Some(PartnerState::Removed) => {
                Err(Refusal::NotPartner { org: self.directory.name(org).to_owned() })
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Exchanges nothing with a partner until it is resumed. One that waits for its confirmation
    /// goes on waiting for it.
    pub fn pause_partner(&mut self, org: &OrgId) -> Result<(), Refusal> {
        self.check_stands(org)?;
        self.change_partner(org, |partner| {
            if partner.state != PartnerState::Pending {
                partner.state = PartnerState::Paused;
            }
        })
    }

    /// Ends a pause, or takes a removal back; what was revoked stays revoked. One that waits for its
    /// confirmation goes on waiting for it.
    pub fn resume_partner(&mut self, org: &OrgId) -> Result<(), Refusal> {
        self.change_partner(org, |partner| {
            if matches!(partner.state, PartnerState::Paused | PartnerState::Removed) {
                partner.state =
                    if partner.paired { PartnerState::Paired } else { PartnerState::Introduced };
            }
        })
    }

    /// Gives a partner another alias.
    pub fn alias_partner(&mut self, org: &OrgId, alias: &str) -> Result<(), Refusal> {
        let taken = self.partners.values().any(|p| p.alias == alias && p.org != *org);
        if taken || alias.is_empty() {
            return Err(Refusal::Ambiguous { text: alias.to_owned(), count: 2 });
        }
        self.change_partner(org, |partner| alias.clone_into(&mut partner.alias))
    }

    /// Ends a partnership: what this org granted it is revoked, nothing new is exchanged.
    pub fn remove_partner(&mut self, org: &OrgId) -> Result<(), Refusal> {
        self.change_partner(org, |partner| partner.state = PartnerState::Removed)?;
        let shares: Vec<ShareId> = self.grants.to(org).map(|g| g.share).collect();
        for share in shares {
            self.revoke_partner(&share, org, 1)?;
        }
        Ok(())
    }
}
