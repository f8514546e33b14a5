//! The publisher's side of one share: places records, keeps every record in the compartments that
//! its rules and consents want, and lets edits of the book flow out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use minicbor::{Decode, Encode};

use crate::codec;
use crate::consent::{self, HeldBack};
use crate::id::{CompartmentId, GrantId, OrgId, RecordId, ShareId, hash};
use crate::keys;
use crate::mutation::{Law, broken};
use crate::plan::{self, Rule, Slot};
use crate::refusal::Refusal;
use crate::replica::Replica;
use crate::select::Selector;
use crate::statement::{Body, Nonce32, RecordTurn, Scope};
use crate::time::Millis;
use crate::value::{Fields, Value};
use crate::vocabulary::Kind;

mod kept;
mod place;
mod publish;
mod replan;
mod sight;
mod weight;

pub use place::{Held, Placed};
use sight::Sight;
pub(crate) use sight::Unseen;
pub(crate) use weight::Weight;

/// Where a record of the book stands in a share.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Publication {
    #[n(0)]
    pub kind: Kind,
    /// Its id in the share.
    #[n(1)]
    pub record: RecordId,
    /// The turn its latest move began.
    #[n(2)]
    pub turn: u32,
    /// The compartments it is in, with the turn it has there.
    #[n(3)]
    pub homes: BTreeMap<CompartmentId, u32>,
    /// The compartments it was in, with the last turn it had there.
    #[n(4)]
    #[cbor(default)]
    pub past: BTreeMap<CompartmentId, u32>,
}

impl Publication {
    /// Takes it out of a compartment; answers the turn it had there.
    pub fn leave(&mut self, home: &CompartmentId) -> Option<u32> {
        let turn = self.homes.remove(home)?;
        self.past.insert(*home, turn);
        Some(turn)
    }
}

/// What the publisher keeps in memory of its section: where which audience lives.
#[derive(Debug, Default)]
pub(crate) struct Section {
    pub rules: Vec<Rule>,
    pub selectors: BTreeMap<GrantId, (Kind, Selector)>,
    /// The classes as the last plan had them.
    pub classes: BTreeMap<Kind, Vec<plan::Class>>,
    pub homes: BTreeMap<Arc<Slot>, CompartmentId>,
    /// Whether a consent that decides it ends some time.
    pub ends: bool,
    /// How much more each compartment may be overwritten and erased before it is weighed again.
    pub room: BTreeMap<CompartmentId, u64>,
}

/// Where every record of a section is, and which grants reach it.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    pub assigned: plan::Assigned,
    pub reached: plan::Reached,
    /// When consents end that decide it.
    pub ends: BTreeSet<(RecordId, Millis)>,
}

impl Standing {
    /// Leaves out the records of kinds that may not be published any more.
    pub fn drop_unpublished(&mut self, may_publish: impl Fn(Kind) -> bool) {
        self.reached.retain(|_, reached| may_publish(reached.0));
    }

    /// Leaves out records; where they are.
    pub fn take_out(&mut self, records: &[RecordId]) -> Vec<(Kind, Arc<BTreeSet<CompartmentId>>)> {
        let taken = records.iter().filter_map(|record| {
            let reached = self.reached.remove(record)?;
            Some((reached.0, self.assigned.remove(record)?))
        });
        taken.collect()
    }
}

impl Section {
    /// Whom a rule is for.
    pub fn audience(&self, grant: &GrantId) -> Option<OrgId> {
        self.rules.iter().find(|rule| rule.grant == *grant).map(|rule| rule.org)
    }
}

/// Records whose moves become durable together while a plan is carried out.
const MOVES_AT_ONCE: usize = 1024;

/// First leaves to be written, by kind and home.
type Entries = BTreeMap<CompartmentId, Vec<(RecordId, u32, Fields)>>;

/// What a part of a plan writes.
#[derive(Default)]
struct Moving {
    entries: BTreeMap<Kind, Entries>,
    erased: BTreeMap<CompartmentId, (Vec<RecordTurn>, Unseen)>,
}

impl Moving {
    /// Takes a record out of a compartment that stays; these orgs lose sight of it.
    fn erase(&mut self, home: &CompartmentId, at: RecordTurn, lost: BTreeSet<OrgId>) {
        let (turns, unseen) = self.erased.entry(*home).or_default();
        turns.push(at);
        unseen.insert(at.record, lost);
    }
}

impl Replica {
    /// The contribute grant under which this org publishes into a share: none needed by its opener.
    pub(crate) fn publishing_grant(
        &self,
        share: &ShareId,
        kind: Kind,
    ) -> Result<Option<GrantId>, Refusal> {
        let me = self.me.party.org;
        if self.grants.opener(share) == Some(me) {
            return Ok(None);
        }
        let mine = self.grants.contributions(share).find(|grant| {
            grant.to.org == me
                && self.grants.covers_contribute(&grant.id, share, kind).is_ok()
                && self.grants.in_force(&grant.id, self.now).is_ok()
        });
        mine.map(|grant| Some(grant.id)).ok_or(Refusal::MayNotContribute { kind })
    }

    /// The grant to publish under into a compartment: one that began after it is admitted first.
    fn writing_grant(
        &mut self,
        share: &ShareId,
        kind: Kind,
        home: &CompartmentId,
    ) -> Result<Option<GrantId>, Refusal> {
        let grant = self.publishing_grant(share, kind)?;
        let admitted = |id: &GrantId| {
            let dossier = self.dossiers.get(home).map(|(_, dossier)| dossier);
            dossier.is_some_and(|dossier| dossier.admissions().any(|(grant, _)| grant == id))
        };
        if let Some(id) = grant.filter(|id| !admitted(id)) {
            self.admit(home, &id, &[], &[])?;
        }
        Ok(grant)
    }

    /// A record's id in a share: two partners cannot link a record across shares by it.
    pub(crate) fn share_record(
        &self,
        share: &ShareId,
        record: &RecordId,
    ) -> Result<RecordId, Refusal> {
        let known = self.read::<Nonce32>(keys::RECORD_SECRET)?;
        let Nonce32(secret) = known.ok_or(Refusal::Damaged("no secret for record ids"))?;
        let mut id = [0; 16];
        id.copy_from_slice(&hash("entente/share-record/1", &[&secret, &share.0, &record.0])[..16]);
        Ok(RecordId(id))
    }

    pub(crate) fn publication(
        &self,
        share: &ShareId,
        record: &RecordId,
    ) -> Result<Option<Publication>, Refusal> {
        self.read(&keys::publication(share, record))
    }

    pub(crate) fn shares_of(&self, record: &RecordId) -> Result<Vec<ShareId>, Refusal> {
        Ok(self.read(&keys::placements(record))?.unwrap_or_default())
    }

    pub(crate) fn put_publication(
        &mut self,
        share: &ShareId,
        record: &RecordId,
        publication: &Publication,
    ) -> Result<(), Refusal> {
        self.put(&keys::publication(share, record), codec::to_bytes(publication))?;
        self.put(&keys::published(share, &publication.record), codec::to_bytes(record))?;
        let mut shares = self.shares_of(record)?;
        if !shares.contains(share) {
            shares.push(*share);
            self.put(&keys::placements(record), codec::to_bytes(&shares))?;
        }
        Ok(())
    }

    /// Forgets that a record is placed in a share.
    pub(crate) fn remove_publication(
        &mut self,
        share: &ShareId,
        record: &RecordId,
        publication: &Publication,
    ) -> Result<(), Refusal> {
        if !broken(Law::Turn) {
            self.put(&keys::withdrawn(share, record), codec::to_bytes(publication))?;
        }
        self.remove(&keys::publication(share, record))?;
        self.remove(&keys::published(share, &publication.record))?;
        let mut shares = self.shares_of(record)?;
        shares.retain(|other| other != share);
        self.put(&keys::placements(record), codec::to_bytes(&shares))
    }

    /// Orgs that rules of this section are for.
    fn audience(&self, share: &ShareId, kind: Kind) -> BTreeSet<OrgId> {
        let me = self.me.party.org;
        self.grants
            .of_section(share, &me)
            .filter(|g| matches!(&g.scope, Scope::Fields { kind: k, .. } if *k == kind))
            .filter(|g| self.grants.in_force(&g.id, self.now).is_ok())
            .map(|g| g.to.org)
            .collect()
    }

    /// Whether a record may be placed: someone may see it. Tells who may not, and why.
    fn consents(
        &self,
        share: &ShareId,
        kind: Kind,
        record: &RecordId,
        fields: &Fields,
        audience: &BTreeSet<OrgId>,
        placed: &mut Placed,
    ) -> Result<bool, Refusal> {
        let Some(person) = self.person(kind, fields)? else { return Ok(true) };
        let nobody = BTreeSet::from([self.grants.opener(share).unwrap_or(self.me.party.org)]);
        let audience = if audience.is_empty() { &nobody } else { audience };
        let purpose = self.purpose(share);
        let held: Vec<Held> = audience
            .iter()
            .filter_map(|org| {
                let reason = consent::consent_allows(&person, &purpose, org, self.now).err()?;
                Some(Held { record: *record, org: Some(*org), reason })
            })
            .collect();
        if held.len() == audience.len() {
            let reason = held[0].reason;
            placed.held_back.push(Held { record: *record, org: None, reason });
            return Ok(false);
        }
        placed.held_back.extend(held);
        Ok(true)
    }

    /// The person a record is about, if it is gated by consent.
    pub(crate) fn person(&self, kind: Kind, fields: &Fields) -> Result<Option<Fields>, Refusal> {
        if !self.settings.consent_required {
            return Ok(None);
        }
        match kind {
            Kind::Event => Ok(None),
            Kind::Customer => Ok(Some(fields.clone())),
            Kind::Participation | Kind::Interaction | Kind::Followup => {
                let Some(customer) = about(fields) else { return Ok(None) };
                if self.read::<u8>(&keys::tombstone(&customer))?.is_some() {
                    return Ok(Some(Fields::new()));
                }
                let row = self.book_row(Kind::Customer, &customer)?;
                // Whom nobody knows here, perhaps only not yet, has consented to nothing. Whom a
                // partner has placed is in that partner's care.
                if row.is_none()
                    && self.locate(Kind::Customer, &customer)?.is_none()
                    && !broken(Law::Unknown)
                {
                    return Ok(Some(Fields::new()));
                }
                Ok(row.map(|row| row.fields))
            }
        }
    }

    /// Why consent holds an own record back from an org, if it does.
    pub(crate) fn held_from(
        &self,
        share: &ShareId,
        kind: Kind,
        fields: &Fields,
        org: &OrgId,
    ) -> Result<Option<HeldBack>, Refusal> {
        let Some(person) = self.person(kind, fields)? else { return Ok(None) };
        Ok(consent::consent_allows(&person, &self.purpose(share), org, self.now).err())
    }

    /// What a share is for; empty if it is not known.
    pub fn purpose(&self, share: &ShareId) -> String {
        match self.statements.get(&(*share).into()).map(|s| s.body()) {
            Some(Body::OpenShare { purpose, .. }) => purpose.clone(),
            Some(_) | None => String::new(),
        }
    }

    /// The grants that reach a record, which may be about a person.
    pub(crate) fn reach(
        &self,
        section: &Section,
        share: &ShareId,
        kind: Kind,
        fields: &Fields,
        person: Option<&Fields>,
    ) -> BTreeSet<GrantId> {
        let purpose = self.purpose(share);
        let rules: Vec<Rule> =
            section.rules.iter().filter(|rule| rule.kind == kind).cloned().collect();
        let selects = |grant: &GrantId| {
            section.selectors.get(grant).is_none_or(|(kind, s)| s.selects(*kind, fields))
        };
        let allows = |org: &OrgId| {
            person.is_none_or(|p| consent::consent_allows(p, &purpose, org, self.now).is_ok())
        };
        plan::reach(&rules, selects, allows)
    }
}

/// When the consents end that a record depends on, with the customer who gave them: the person that
/// the record is about.
pub(crate) fn consent_ends(
    kind: Kind,
    record: &RecordId,
    fields: &Fields,
    person: Option<&Fields>,
) -> Vec<(RecordId, Millis)> {
    let customer = match kind {
        Kind::Event => None,
        Kind::Customer => Some(*record),
        Kind::Participation | Kind::Interaction | Kind::Followup => about(fields),
    };
    let Some((customer, person)) = customer.zip(person) else { return Vec::new() };
    consent::ends(person).into_iter().map(|end| (customer, end)).collect()
}

/// The customer that a record names.
pub(crate) fn about(fields: &Fields) -> Option<RecordId> {
    let Value::Str(text) = fields.get("customer")? else { return None };
    Kind::parse_id(text).map(|(_, customer)| customer)
}

/// The book id in a publication's key.
pub(crate) fn record_of(key: &[u8]) -> Option<RecordId> {
    Some(RecordId(*key.last_chunk::<16>()?))
}
