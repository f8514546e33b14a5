//! The rules of one share as one thing: what a change of them would show and hide and cost, told
//! before it is made; the change itself, whole or not at all; and who is asked before a grant that
//! a partner passed on is let in.

use std::collections::{BTreeMap, BTreeSet};

use minicbor::{Decode, Encode};

use crate::codec;
use crate::grant::GrantInfo;
use crate::id::{CompartmentId, GrantId, OrgId, RecordId, ShareId, hash};
use crate::keys;
use crate::mutation::{Law, broken};
use crate::plan::{Rule, Warning};
use crate::refusal::Refusal;
use crate::replica::Replica;
use crate::section::{Held, Section};
use crate::select::Selector;
use crate::sharing::{GrantState, NewGrant};
use crate::statement::Scope;
use crate::sync::APPROVAL;
use crate::view::{From, ListQuery};
use crate::vocabulary::Kind;

/// What happens to a grant that a partner passed on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Reshare {
    /// It is let in by itself.
    #[default]
    #[n(0)]
    Auto,
    /// It waits for this org's approval.
    #[n(1)]
    Ask,
}

/// A change of a share's rules, or of what is in it.
#[derive(Debug, Clone, Default)]
pub struct Proposal {
    /// Grants to be made.
    pub add: Vec<NewGrant>,
    /// Grants to be ended; what was passed on under them ends with them.
    pub end: Vec<GrantId>,
    /// Why they are ended; stays at home.
    pub why: Option<String>,
    /// Grants that wait and are to be let in.
    pub let_in: Vec<GrantId>,
    /// What is to happen to grants that partners pass on, if that changes.
    pub reshare: Option<Reshare>,
    /// Own records to be taken out of the share.
    pub take_out: Vec<RecordId>,
}

/// Fields × records × who.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sight {
    /// Who.
    pub org: OrgId,
    /// The kind of record.
    pub kind: Kind,
    /// The fields.
    pub fields: BTreeSet<String>,
    /// Of how many records.
    pub records: u64,
}

/// What would come of a proposal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outlook {
    /// What orgs would see that they do not see now.
    pub gained: Vec<Sight>,
    /// What orgs see now and would not see any more.
    pub lost: Vec<Sight>,
    /// Records that would be sent again to orgs that have them already.
    pub resent: u64,
    /// Those orgs.
    pub resent_to: BTreeSet<OrgId>,
    /// Records that a new grant is meant for and consent holds back.
    pub held_back: Vec<(Kind, Held)>,
    /// What deserves attention.
    pub warnings: Vec<Warning>,
}

/// Per org, the fields of one record that it sees.
type Seen = BTreeMap<OrgId, BTreeSet<String>>;

/// Of how many records an org sees fields that it did not see (true), or not any more (false).
type Changes = BTreeMap<(bool, OrgId, Kind, BTreeSet<String>), u64>;

impl Replica {
    /// What happens in a share to grants that partners pass on.
    pub fn reshare(&self, share: &ShareId) -> Result<Reshare, Refusal> {
        Ok(self.read(&keys::reshare(share))?.unwrap_or_default())
    }

    /// Says what happens to grants that partners pass on. What was let in before stays in.
    pub fn set_reshare(&mut self, share: &ShareId, reshare: Reshare) -> Result<(), Refusal> {
        self.check_open(share)?;
        if reshare == Reshare::Ask && self.reshare(share)? == Reshare::Auto {
            for grant in self.passed_on(share) {
                self.put(&keys::approved(&grant), codec::to_bytes(&1u8))?;
            }
        }
        self.put(&keys::reshare(share), codec::to_bytes(&reshare))?;
        self.dirty.sections.insert(*share);
        self.take_up_again(APPROVAL);
        Ok(())
    }

    /// Grants in this org's own section that partners passed on.
    fn passed_on(&self, share: &ShareId) -> Vec<GrantId> {
        let me = self.me.party.org;
        let fields = self.grants.of_section(share, &me);
        let rights = self.grants.contributions(share).filter(|grant| grant.section == me);
        fields.chain(rights).filter(|grant| grant.parent.is_some()).map(|grant| grant.id).collect()
    }

    /// Grants in this org's own section that wait for its approval.
    pub fn waiting_for_approval(&self, share: &ShareId) -> Result<Vec<&GrantInfo>, Refusal> {
        let mut waiting = Vec::new();
        for id in self.passed_on(share) {
            if self.grants.in_force(&id, self.now).is_ok() && !self.may_let_in(&id)? {
                waiting.extend(self.grants.get(&id));
            }
        }
        Ok(waiting)
    }

    /// Whether a grant in this org's own section may be let in: every link of it that was passed
    /// on needs this org's approval where the share asks for it.
    pub(crate) fn may_let_in(&self, grant: &GrantId) -> Result<bool, Refusal> {
        let Ok(chain) = self.grants.chain(grant) else { return Ok(false) };
        for link in chain.iter().filter(|link| link.parent.is_some()) {
            let asks = self.reshare(&link.share)? == Reshare::Ask && !broken(Law::Approval);
            if asks && self.read::<u8>(&keys::approved(&link.id))?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether what is written under a grant is taken here: the opener of a share takes nothing of
    /// those it has not approved.
    pub(crate) fn takes_under(&self, grant: &GrantId) -> bool {
        let own = |info: &GrantInfo| info.section == self.me.party.org;
        !self.grants.get(grant).is_some_and(own) || self.may_let_in(grant).unwrap_or(false)
    }

    /// Whether this org may let a grant in.
    pub fn check_approve(&self, grant: &GrantId) -> Result<(), Refusal> {
        let missing = || Refusal::NotFound { what: "grant", text: grant.to_string() };
        let info = self.grants.get(grant).ok_or_else(missing)?;
        if info.section != self.me.party.org {
            return Err(Refusal::NotAllowed {
                org: self.directory.name(&info.section).to_owned(),
                what: "who may see its part".to_owned(),
            });
        }
        Ok(self.grants.in_force(grant, self.now)?)
    }

    /// Lets a grant in that a partner passed on and that waits for this org's approval.
    pub fn approve(&mut self, grant: &GrantId) -> Result<(), Refusal> {
        self.check_approve(grant)?;
        let Some(share) = self.grants.get(grant).map(|info| info.share) else { return Ok(()) };
        let waiting: Vec<GrantId> = self.grants.chain(grant)?.iter().map(|link| link.id).collect();
        for link in waiting {
            self.put(&keys::approved(&link), codec::to_bytes(&1u8))?;
        }
        self.dirty.sections.insert(share);
        self.take_up_again(APPROVAL);
        Ok(())
    }

    /// Makes a change of rules: everything is checked first, so all of it is done or nothing.
    pub fn change_rules(
        &mut self,
        share: &ShareId,
        proposal: Proposal,
    ) -> Result<Vec<(GrantId, GrantState)>, Refusal> {
        for new in &proposal.add {
            self.check_grant(new)?;
        }
        for grant in &proposal.end {
            self.check_revoke(grant)?;
        }
        for grant in &proposal.let_in {
            self.check_approve(grant)?;
        }
        if proposal.reshare.is_some() {
            self.check_open(share)?;
        }
        if !proposal.take_out.is_empty() {
            self.withdraw(share, &proposal.take_out)?;
        }
        let mut made = Vec::new();
        for new in proposal.add {
            made.push(self.grant(new)?);
        }
        self.revoke(&proposal.end, 0)?;
        for grant in proposal.why.iter().flat_map(|_| &proposal.end) {
            self.put(&keys::why_ended(grant), codec::to_bytes(&proposal.why))?;
        }
        for grant in &proposal.let_in {
            self.approve(grant)?;
        }
        if let Some(reshare) = proposal.reshare {
            self.set_reshare(share, reshare)?;
        }
        Ok(made)
    }

    /// Why this org ended a grant, if it said so.
    pub fn why_ended(&self, grant: &GrantId) -> Option<String> {
        self.read(&keys::why_ended(grant)).ok().flatten()
    }

    /// What was passed on under a grant and is in force, near before far.
    pub fn passed_on_under(&self, grant: &GrantId) -> Vec<&GrantInfo> {
        let mut below = self.grants.below(grant);
        below.retain(|info| self.grants.in_force(&info.id, self.now).is_ok());
        below
    }

    /// Grants that this org made to another in a share and that are in force.
    pub fn granted_by_me(&self, share: &ShareId, to: &OrgId) -> Vec<GrantInfo> {
        let me = self.me.party.org;
        let mine = self.grants.to(to).filter(|g| g.share == *share && g.author == me);
        mine.filter(|g| self.grants.in_force(&g.id, self.now).is_ok()).cloned().collect()
    }

    /// Grants in force to an org in a share that it may pass on.
    pub fn passable(&self, share: &ShareId, org: &OrgId) -> Vec<GrantInfo> {
        let held = self.grants.to(org).filter(|g| g.share == *share && g.depth > 0);
        held.filter(|g| self.grants.in_force(&g.id, self.now).is_ok()).cloned().collect()
    }

    /// Whether an org stands above another in the grants of a share: it let it in.
    pub fn stands_above(&self, share: &ShareId, org: &OrgId, other: &OrgId) -> bool {
        let held = self.grants.to(other).filter(|grant| grant.share == *share);
        held.into_iter().any(|grant| self.grants.issuers_above(&grant.id).contains(org))
    }

    /// The shares that this org opened and that have not ended in which an own record is.
    pub fn open_shares_of(&self, record: &RecordId) -> Result<Vec<ShareId>, Refusal> {
        let mut shares = self.shares_of(record)?;
        shares.retain(|share| {
            self.grants.opener(share) == Some(self.me.party.org) && self.check_open(share).is_ok()
        });
        Ok(shares)
    }

    /// Whether a share that is known here has this name.
    pub fn is_share_name(&self, name: &str) -> bool {
        self.grants.shares().any(|share| self.share_name(share) == Some(name))
    }

    /// What a change of the rules of this org's own section would show, hide and cost.
    pub fn outlook(&self, share: &ShareId, proposal: &Proposal) -> Result<Outlook, Refusal> {
        let mut outlook = Outlook::default();
        let ended: BTreeSet<GrantId> = proposal
            .end
            .iter()
            .flat_map(|id| self.grants.below(id).into_iter().map(|below| below.id).chain([*id]))
            .collect();
        let mut section = self.rules(share)?;
        section.rules.retain(|rule| !ended.contains(&rule.grant));
        let new = self.add_proposed(&mut section, proposal)?;
        let mut standing = self.standing(share, &section)?;
        standing.drop_unpublished(|kind| self.publishing_grant(share, kind).is_ok());
        let taken_out = standing.take_out(&proposal.take_out);
        let weights = self.weights(share)?;
        let mut open = self.open_compartments(share, &weights, None)?;
        let seen_in: BTreeMap<CompartmentId, (BTreeSet<String>, BTreeSet<OrgId>)> = open
            .iter()
            .map(|at| (at.compartment, (at.fields.clone(), at.readers.clone())))
            .collect();
        for at in &mut open {
            at.admitted.retain(|grant| !ended.contains(grant));
            at.readers = at.admitted.iter().filter_map(|id| self.grants.audience(id)).collect();
        }
        let plan = self.draft(share, &mut section, open, &weights, &mut standing);
        let mut changed = Changes::new();
        for (kind, homes) in &taken_out {
            let before = seen(homes.iter().filter_map(|home| seen_in.get(home)));
            count_changes(&mut changed, *kind, &before, &Seen::new());
        }
        for (record, reached) in &standing.reached {
            let (kind, reach) = reached.as_ref();
            let homes = standing.assigned.get(record).into_iter().flat_map(|at| at.iter());
            let before = seen(homes.filter_map(|home| seen_in.get(home)));
            let after = seen_under(&section, reach);
            count_changes(&mut changed, *kind, &before, &after);
            let again = plan.moves.get(record).map(|way| {
                let entered = way
                    .enter
                    .iter()
                    .flat_map(|slot| slot.grants.keys().map(move |grant| (grant, &slot.fields)));
                entered
                    .filter_map(|(grant, fields)| Some((section.audience(grant)?, fields)))
                    .filter(|(org, fields)| {
                        before.get(org).is_some_and(|known| !known.is_disjoint(fields))
                    })
                    .map(|(org, _)| org)
                    .collect::<BTreeSet<OrgId>>()
            });
            if let Some(again) = again.filter(|again| !again.is_empty()) {
                outlook.resent += 1;
                outlook.resent_to.extend(again);
            }
        }
        for ((gained, org, kind, fields), records) in changed {
            let sight = Sight { org, kind, fields, records };
            if gained { &mut outlook.gained } else { &mut outlook.lost }.push(sight);
        }
        self.add_empty(&mut outlook, &new);
        let records = standing.reached.iter().map(|(record, reached)| (record, reached.0));
        self.add_held(share, &mut outlook, &section, &new, records)?;
        outlook.warnings = plan.warnings;
        Ok(outlook)
    }

    /// A grant as the compiler sees it.
    pub(crate) fn rule_of(&self, grant: &GrantInfo) -> Result<Option<Rule>, Refusal> {
        let Scope::Fields { kind, fields, edit, .. } = &grant.scope else { return Ok(None) };
        Ok(Some(Rule {
            grant: grant.id,
            parent: grant.parent,
            org: grant.to.org,
            kind: *kind,
            fields: fields.iter().cloned().collect(),
            edit: *edit,
            history: self.shows_history(&grant.id)?,
        }))
    }

    /// Whether a grant of this org shows values from before its time.
    pub fn shows_history(&self, grant: &GrantId) -> Result<bool, Refusal> {
        Ok(self.read(&keys::history(grant))?.unwrap_or(false))
    }

    /// The proposal's grants as rules of the section, under ids that no grant has.
    fn add_proposed(
        &self,
        section: &mut Section,
        proposal: &Proposal,
    ) -> Result<Vec<Rule>, Refusal> {
        let mut new = Vec::new();
        for (at, grant) in proposal.add.iter().enumerate() {
            let scope = self.check_grant(grant)?;
            let Scope::Fields { kind, fields, edit, .. } = scope else { continue };
            if grant.section != self.me.party.org {
                continue;
            }
            let id = GrantId(hash("entente/proposed/1", &[&at.to_be_bytes()]));
            if let Some(text) = &grant.selector {
                section.selectors.insert(id, (kind, Selector::parse(kind, text)?));
            }
            let fields = fields.into_iter().collect();
            let (org, history) = (grant.to, grant.with_history);
            new.push(Rule { grant: id, parent: None, org, kind, fields, edit, history });
        }
        for id in &proposal.let_in {
            for link in self.grants.chain(id)? {
                let Some(rule) = self.rule_of(link)? else { continue };
                let known = section.rules.iter().chain(&new).any(|known| known.grant == rule.grant);
                new.extend((!known).then_some(rule));
            }
        }
        section.rules.extend(new.iter().cloned());
        Ok(new)
    }

    /// A new grant is told of also where there is no record for it yet.
    fn add_empty(&self, outlook: &mut Outlook, new: &[Rule]) {
        for rule in new {
            let told = |sight: &Sight| (sight.org, sight.kind) == (rule.org, rule.kind);
            if !outlook.gained.iter().any(told) {
                let (org, kind, fields) = (rule.org, rule.kind, rule.fields.clone());
                outlook.gained.push(Sight { org, kind, fields, records: 0 });
            }
        }
    }

    fn add_held<'a>(
        &self,
        share: &ShareId,
        outlook: &mut Outlook,
        section: &Section,
        new: &[Rule],
        records: impl Iterator<Item = (&'a RecordId, Kind)>,
    ) -> Result<(), Refusal> {
        let kinds: BTreeSet<Kind> = new.iter().map(|rule| rule.kind).collect();
        for (record, kind) in records.filter(|(_, kind)| kinds.contains(kind)) {
            let Some(row) = self.book_row(kind, record)? else { continue };
            let mut told = BTreeSet::new();
            for rule in new.iter().filter(|rule| rule.kind == kind) {
                let meant = section.selectors.get(&rule.grant);
                if meant.is_some_and(|(kind, selector)| !selector.selects(*kind, &row.fields)) {
                    continue;
                }
                if let Some(reason) = self.held_from(share, kind, &row.fields, &rule.org)?
                    && told.insert(rule.org)
                {
                    let held = Held { record: *record, org: Some(rule.org), reason };
                    outlook.held_back.push((kind, held));
                }
            }
        }
        Ok(())
    }

    /// What this org sees of others' parts of a share.
    pub fn received_sights(&self, share: &ShareId) -> Result<Vec<Sight>, Refusal> {
        const PAGE: usize = 512;
        let mut sights = Vec::new();
        for kind in Kind::ALL {
            let (mut fields, mut records) = (BTreeSet::new(), 0);
            let mut query = ListQuery { from: From::Partners, limit: PAGE, ..ListQuery::of(kind) };
            loop {
                let page = self.list(&query)?;
                for view in page.records.iter().filter(|view| view.share == Some(*share)) {
                    fields.extend(view.fields.keys().cloned());
                    records += 1;
                }
                query.after = page.next;
                if query.after.is_none() {
                    break;
                }
            }
            let org = self.me.party.org;
            sights.extend((records > 0).then_some(Sight { org, kind, fields, records }));
        }
        Ok(sights)
    }

    /// What a grant that passes on another's would let an org see: at most what is seen here.
    pub fn passed_sight(&self, new: &NewGrant) -> Result<Option<Sight>, Refusal> {
        let Scope::Fields { kind, fields, .. } = self.check_grant(new)? else { return Ok(None) };
        let here = |view: &&crate::view::RecordView| {
            view.share == Some(new.share) && view.section == new.section
        };
        let list = self.list(&ListQuery::of(kind))?;
        let records = list.records.iter().filter(here).count() as u64;
        Ok(Some(Sight { org: new.to, kind, fields: fields.into_iter().collect(), records }))
    }
}

/// Counts what each org sees more, and what less, of one record.
fn count_changes(changed: &mut Changes, kind: Kind, before: &Seen, after: &Seen) {
    for (gained, from, to) in [(true, before, after), (false, after, before)] {
        for (org, fields) in to {
            let known = from.get(org);
            let is_new = |field: &&String| known.is_none_or(|known| !known.contains(*field));
            let fields: BTreeSet<String> = fields.iter().filter(is_new).cloned().collect();
            if !fields.is_empty() {
                *changed.entry((gained, *org, kind, fields)).or_default() += 1;
            }
        }
    }
}

fn seen<'a>(homes: impl Iterator<Item = &'a (BTreeSet<String>, BTreeSet<OrgId>)>) -> Seen {
    let mut seen = Seen::new();
    for (fields, orgs) in homes {
        for org in orgs {
            seen.entry(*org).or_default().extend(fields.iter().cloned());
        }
    }
    seen
}

/// What the grants that reach a record show: the same fields whatever compartments they are in.
fn seen_under(section: &Section, reach: &BTreeSet<GrantId>) -> Seen {
    let mut seen = Seen::new();
    for rule in section.rules.iter().filter(|rule| reach.contains(&rule.grant)) {
        seen.entry(rule.org).or_default().extend(rule.fields.iter().cloned());
    }
    seen
}

#[cfg(test)]
mod tests;
