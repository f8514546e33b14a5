//! Why an org may see or change a field, or not: the chain of grants that allows it, or the first
//! rule that fails, in the order in which the rules are asked.

use super::May;
use crate::book::Address;
use crate::consent::HeldBack;
use crate::grant::{ChainError, GrantInfo, LinkError};
use crate::id::{GrantId, OrgId, ShareId};
use crate::keys::FacetKey;
use crate::refusal::Refusal;
use crate::replica::Replica;
use crate::select::Selector;
use crate::sharing::GrantState;
use crate::statement::Scope;
use crate::vocabulary::{self, Class, Kind};

/// What is asked.
#[derive(Debug, Clone)]
pub struct Question {
    /// In which share.
    pub share: ShareId,
    /// In whose section.
    pub section: OrgId,
    /// Who.
    pub org: OrgId,
    /// Which kind of record.
    pub kind: Kind,
    /// Which field.
    pub field: String,
    /// Of which record; none asks about the field in general.
    pub record: Option<Address>,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Why {
    /// What the org may do.
    pub may: May,
    /// The grants that allow it, or would but for the hindrance; root first.
    pub chain: Vec<GrantId>,
    /// The first rule that fails; also where a field may be seen and has no value.
    pub hindrance: Option<Hindrance>,
}

/// A rule that fails, nearest to being met last.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hindrance {
    /// The field never leaves its org.
    Internal,
    /// No grant names it; these fields are granted.
    NotGranted(Vec<String>),
    /// A link of the chain breaks a rule, or is not known: which, counted from the root, and how.
    Broken(usize, String),
    /// This link was revoked.
    Revoked(GrantId),
    /// This link has expired.
    Expired(GrantId),
    /// The share was closed by its opener.
    Closed,
    /// The share's end date has passed.
    Ended,
    /// The grant is not let in yet.
    Waiting(GrantId),
    /// The record is not in the section.
    NotPlaced,
    /// This link is meant for other records: for those that fit this.
    NotSelected(GrantId, String),
    /// The person has not agreed that this org sees them.
    HeldBack(OrgId, HeldBack),
    /// Nobody let the org in where this record is, as far as is known here.
    NotShown,
    /// It may be seen; nothing was entered.
    NoValue,
}

impl Replica {
    /// Why an org may see or change a field, or not.
    pub fn explain(&self, asked: &Question) -> Result<Why, Refusal> {
        let nothing = |hindrance| Why { may: May::Nothing, chain: Vec::new(), hindrance };
        if asked.org == asked.section {
            return Ok(Why { may: May::Edit, chain: Vec::new(), hindrance: None });
        }
        if vocabulary::class(asked.kind, &asked.field) == Some(Class::S5) {
            return Ok(nothing(Some(Hindrance::Internal)));
        }
        let mut best: Option<Why> = None;
        let mut others = std::collections::BTreeSet::new();
        for grant in self.grants.iter().filter(|grant| {
            (grant.share, grant.section, grant.to.org) == (asked.share, asked.section, asked.org)
        }) {
            let Scope::Fields { kind, fields, edit, .. } = &grant.scope else { continue };
            if *kind != asked.kind {
                continue;
            }
            if !fields.contains(&asked.field) {
                if self.grant_state(&grant.id) == GrantState::Active {
                    others.extend(fields.iter().cloned());
                }
                continue;
            }
            let hindrance = self.hindrance(asked, grant)?;
            let stands = matches!(hindrance, None | Some(Hindrance::NoValue));
            let may = match (stands, edit) {
                (false, _) => May::Nothing,
                (true, false) => May::Read,
                (true, true) => May::Edit,
            };
            let chain = match self.grants.chain(&grant.id) {
                Ok(chain) => chain.iter().map(|link| link.id).collect(),
                Err(_) => vec![grant.id],
            };
            let why = Why { may, chain, hindrance };
            let rank = |why: &Why| (why.may, why.hindrance.clone());
            if best.as_ref().is_none_or(|best| rank(best) < rank(&why)) {
                best = Some(why);
            }
        }
        let others = others.into_iter().collect();
        Ok(best.unwrap_or_else(|| nothing(Some(Hindrance::NotGranted(others)))))
    }

    /// The first rule that keeps a grant from showing the field.
    fn hindrance(&self, asked: &Question, grant: &GrantInfo) -> Result<Option<Hindrance>, Refusal> {
        match self.grants.in_force(&grant.id, self.now) {
            Ok(()) => {}
            Err(ChainError::Revoked(link)) if self.ended_by_date(&grant.id) => {
                return Ok(Some(Hindrance::Expired(link)));
            }
            Err(ChainError::Revoked(link)) => return Ok(Some(Hindrance::Revoked(link))),
            Err(ChainError::Expired(link)) => return Ok(Some(Hindrance::Expired(link))),
            Err(ChainError::ShareClosed(share)) if !self.closed_before_its_end(&share) => {
                return Ok(Some(Hindrance::Ended));
            }
            Err(ChainError::ShareClosed(_)) => return Ok(Some(Hindrance::Closed)),
            Err(ChainError::ShareEnded(_)) => return Ok(Some(Hindrance::Ended)),
            Err(ChainError::Broken { link, rule }) => {
                return Ok(Some(broken_link(link, &rule)));
            }
            Err(other) => return Ok(Some(Hindrance::Broken(0, other.to_string()))),
        }
        if self.grant_state(&grant.id) == GrantState::Waiting {
            return Ok(Some(Hindrance::Waiting(grant.id)));
        }
        match &asked.record {
            None => Ok(None),
            Some(Address::Own { kind, record }) => {
                let Some(row) = self.book_row(*kind, record)? else {
                    return Ok(Some(Hindrance::NotPlaced));
                };
                if self.publication(&asked.share, record)?.is_none() {
                    return Ok(Some(Hindrance::NotPlaced));
                }
                for link in self.grants.chain(&grant.id)? {
                    if let Some(text) = self.selector_of(&link.id)
                        && !Selector::parse(*kind, &text)?.selects(*kind, &row.fields)
                    {
                        return Ok(Some(Hindrance::NotSelected(link.id, text)));
                    }
                    let org = link.to.org;
                    if let Some(why) = self.held_from(&asked.share, *kind, &row.fields, &org)? {
                        return Ok(Some(Hindrance::HeldBack(org, why)));
                    }
                }
                Ok((!row.fields.contains_key(&asked.field)).then_some(Hindrance::NoValue))
            }
            Some(Address::Received { kind, share, section, record }) => {
                let facets = self.shown_facets(*kind, share, section, record)?;
                let has = |(key, _): &&(FacetKey, crate::ingest::FacetRow)| {
                    self.dossiers.get(&key.compartment).is_some_and(|(opening, _)| {
                        opening.schema.fields().iter().any(|field| field.name == asked.field)
                    }) && self.access().may_serve(&asked.org, &key.compartment, self.now)
                };
                Ok(match facets.iter().find(has) {
                    None => Some(Hindrance::NotShown),
                    Some((_, row)) if row.fields.contains_key(&asked.field) => None,
                    Some(_) => Some(Hindrance::NoValue),
                })
            }
        }
    }
}

fn broken_link(link: usize, rule: &LinkError) -> Hindrance {
    Hindrance::Broken(link, rule.to_string())
}
