//! What the orgs did, and what follows from it in plain words: who was ever given what.
//! Knows grants and consents only from the actions, and shares no rule with the protocol's code;
//! of a replica it asks which statements it has heard and what stands in its own book.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::{GrantId, RecordId, ShareId};
use crate::replica::Replica;
use crate::statement::Body;
use crate::value::{Fields, Value};
use crate::vocabulary::{self, Kind};
use crate::world::World;

use super::oracle::tokens_in;
use super::persons::{Consent, Person};

/// Orgs as bits.
pub type Orgs = u32;

/// A record of some org's book.
#[derive(Debug, Clone)]
pub struct Record {
    pub owner: usize,
    pub kind: Kind,
    pub id: RecordId,
    pub company: bool,
    pub consents: Vec<Consent>,
    /// The customer of its own that it is about.
    pub about: Option<usize>,
    pub deleted: bool,
}

#[derive(Debug, Clone)]
pub struct Share {
    pub opener: usize,
    pub id: ShareId,
    pub purpose: &'static str,
}

/// What a grant was for.
#[derive(Debug, Clone)]
pub enum What {
    Fields { kind: Kind, fields: BTreeSet<String>, edit: bool },
    Contribute,
}

#[derive(Debug, Clone)]
pub struct Grant {
    pub id: GrantId,
    pub share: usize,
    pub section: usize,
    pub from: usize,
    pub to: usize,
    pub what: What,
    pub parent: Option<usize>,
    pub depth: u8,
    /// Only records with this region.
    pub region: Option<&'static str>,
}

/// What a token stands for.
#[derive(Debug, Clone)]
pub enum Secret {
    /// A value that `by` entered into a field.
    Value { record: usize, field: &'static str, by: usize },
    /// What never leaves its org.
    Never { owner: usize, what: &'static str },
    /// An org's name.
    Name { org: usize },
}

/// Everything that was done so far.
#[derive(Debug, Default, Clone)]
pub struct Model {
    pub shares: Vec<Share>,
    pub records: Vec<Record>,
    pub grants: Vec<Grant>,
    pub secrets: Vec<Secret>,
    /// By token: the orgs that may hold it.
    pub allowed: Vec<Orgs>,
    pub paired: BTreeSet<(usize, usize)>,
    /// Records that are placed, by share and record.
    pub placed: BTreeSet<(usize, usize)>,
    /// Records that were forgotten, not only deleted.
    pub forgotten: BTreeSet<usize>,
    /// Grants that let their audience keep what it reads.
    pub keeps: BTreeSet<usize>,
    /// What was adopted: by whom, from which share, which record.
    pub adopted: BTreeSet<(usize, usize, usize)>,
    /// From a share and the id a record has there to the record.
    pub names: BTreeMap<(usize, RecordId), usize>,
    /// Orgs that sign whatever they like: nothing is promised to them or about what is theirs.
    pub hostile: BTreeSet<usize>,
    /// Tokens of changes that must never count.
    pub void: BTreeSet<usize>,
    /// By record and field: the orgs that could ever read it.
    pub ever: BTreeMap<(usize, String), Orgs>,
    /// By share and record: what honest orgs read now.
    pub shown: BTreeSet<(usize, usize)>,
    /// What was taken out of a share where it was shown.
    pub taken: BTreeSet<(usize, usize)>,
    /// Orgs whose only store went back to an older copy.
    pub went_back: BTreeSet<usize>,
    /// Records that such a copy does not have.
    pub lost: BTreeSet<usize>,
    /// By share and record, as which such a record came back from there.
    pub anew: BTreeMap<(usize, usize), RecordId>,
    /// Grants of which such a copy does not know whom they are meant for.
    pub unruled: BTreeSet<usize>,
}

/// A statement set's view of the grants: which are known, and which have ended.
pub struct Known {
    grants: BTreeSet<GrantId>,
    revoked: BTreeSet<(GrantId, crate::id::OrgId)>,
}

impl Known {
    pub fn of(replica: &Replica) -> Self {
        let mut known = Self { grants: BTreeSet::new(), revoked: BTreeSet::new() };
        for (id, statement) in &replica.statements {
            match statement.body() {
                Body::Grant { .. } => _ = known.grants.insert((*id).into()),
                Body::Revoke { grant, .. } => {
                    known.revoked.insert((*grant, statement.author()));
                }
                _ => {}
            }
        }
        known
    }

    /// Whether a grant is known.
    pub fn heard_of(&self, grant: GrantId) -> bool {
        self.grants.contains(&grant)
    }

    /// Whether an org is known to have revoked a grant.
    pub fn revoked_by(&self, grant: &GrantId, org: &crate::id::OrgId) -> bool {
        self.revoked.contains(&(*grant, *org))
    }
}

impl Model {
    /// A new token for a secret; its owner may hold it.
    pub fn token(&mut self, secret: Secret) -> String {
        let owner = match &secret {
            Secret::Value { record, by, .. } => 1 << self.owner(*record) | 1 << by,
            Secret::Never { owner, .. } | Secret::Name { org: owner } => 1 << owner,
        };
        self.secrets.push(secret);
        self.allowed.push(owner);
        super::oracle::token(self.secrets.len() - 1)
    }

    /// Whether a node is one of a hostile org.
    pub fn is_hostile(&self, world: &World, node: usize) -> bool {
        self.hostile.contains(&world.home(node))
    }

    fn owner(&self, record: usize) -> usize {
        self.records.get(record).map_or(0, |record| record.owner)
    }

    /// Whether a grant passes on no more than the one above it allows.
    pub fn narrower(&self, grant: &Grant) -> bool {
        let Some(above) = grant.parent.map(|parent| &self.grants[parent]) else {
            return grant.section == grant.from || matches!(grant.what, What::Contribute);
        };
        let less = match (&above.what, &grant.what) {
            (What::Contribute, What::Contribute) => true,
            (
                What::Fields { kind, fields, edit },
                What::Fields { kind: own_kind, fields: own, edit: own_edit },
            ) => kind == own_kind && own.is_subset(fields) && edit >= own_edit,
            (What::Contribute, What::Fields { .. }) | (What::Fields { .. }, What::Contribute) => {
                false
            }
        };
        less && above.to == grant.from && grant.depth < above.depth
    }

    /// A grant and those above it, root first.
    pub fn chain(&self, grant: usize) -> Vec<usize> {
        let mut chain = vec![grant];
        while let Some(parent) = self.grants[chain[0]].parent {
            chain.insert(0, parent);
        }
        chain
    }

    /// Whether a node that has heard `known` must take a grant for one that holds.
    pub fn stands(&self, world: &World, known: &Known, grant: usize) -> bool {
        let mut issuers = Vec::new();
        self.chain(grant).iter().all(|link| {
            let link = &self.grants[*link];
            issuers.push(world.id(link.from));
            let ended = issuers.iter().any(|org| known.revoked.contains(&(link.id, *org)));
            known.grants.contains(&link.id) && !ended
        }) && !self.closed(world, known, self.grants[grant].share)
    }

    /// Whether a share's opener is known to have closed it.
    pub fn closed(&self, world: &World, known: &Known, share: usize) -> bool {
        let Share { opener, id, .. } = self.shares[share];
        known.revoked_by(&GrantId(id.0), &world.id(opener))
    }

    /// Whether an org may publish into a share.
    pub fn contributes(&self, world: &World, known: &Known, share: usize, org: usize) -> bool {
        let right = |grant: usize| {
            let at = &self.grants[grant];
            matches!(at.what, What::Contribute)
                && (at.share, at.to) == (share, org)
                && self.stands(world, known, grant)
        };
        let opener = self.shares[share].opener == org && !self.closed(world, known, share);
        opener || (0..self.grants.len()).any(right)
    }

    /// Whether an org may have a copy of a record that it adopted, as far as anybody knows.
    pub fn may_keep(&self, world: &World, org: usize, record: usize) -> bool {
        let consented = |share: usize| {
            self.person(record).is_none_or(|person| {
                self.records[person].deleted
                    || Person::of(self, world, share, person).consents(self, share, org)
            })
        };
        !self.forgotten.contains(&record)
            && self
                .adopted
                .iter()
                .any(|(by, share, what)| (*by, *what) == (org, record) && consented(*share))
    }

    /// The person whose consent a record needs.
    fn person(&self, record: usize) -> Option<usize> {
        match self.records[record].kind {
            Kind::Event => None,
            Kind::Customer => Some(record),
            Kind::Participation | Kind::Interaction | Kind::Followup => self.records[record].about,
        }
    }

    /// The grants that let their audience read a record in a share now, by what its owner knows.
    pub fn readers(&self, world: &World, known: &Known, share: usize, record: usize) -> Vec<usize> {
        let at = &self.records[record];
        if at.deleted || !self.placed.contains(&(share, record)) {
            return Vec::new();
        }
        let region = self.region(world, share, record);
        let person = self.person(record).map(|person| Person::of(self, world, share, person));
        let reads = |grant: &usize| {
            let chain = self.chain(*grant);
            let (root, last) = (&self.grants[chain[0]], &self.grants[*grant]);
            let of_kind = matches!(&last.what, What::Fields { kind, .. } if *kind == at.kind);
            of_kind
                && last.share == share
                && last.section == at.owner
                && !self.unruled.contains(&chain[0])
                && root.region.is_none_or(|wanted| region.as_deref() == Some(wanted))
                && chain.iter().all(|link| {
                    let to = self.grants[*link].to;
                    person.as_ref().is_none_or(|person| person.consents(self, share, to))
                })
                && self.stands(world, known, *grant)
        };
        (0..self.grants.len()).filter(reads).collect()
    }

    /// The id that a record has in its owner's book, by the share in which it is looked for: what
    /// a store had lost comes back under another in each.
    pub fn id_in(&self, share: usize, record: usize) -> Option<RecordId> {
        match self.lost.contains(&record) {
            true => self.anew.get(&(share, record)).copied(),
            false => Some(self.records[record].id),
        }
    }

    /// What the node that decides for its owner has of a record.
    pub fn book(&self, world: &World, share: usize, record: usize) -> Fields {
        let Record { owner, kind, .. } = self.records[record];
        let row = |id| world.replica(world.main(owner)).book_row(kind, &id).expect("memory");
        self.id_in(share, record).and_then(row).map(|row| row.fields).unwrap_or_default()
    }

    fn region(&self, world: &World, share: usize, record: usize) -> Option<String> {
        let value = self.book(world, share, record).remove("region")?;
        Some(vocabulary::to_text(self.records[record].kind, "region", &value))
    }

    /// The fields of `to` that a grant covers.
    pub fn covers(&self, grant: usize, field: &str) -> bool {
        matches!(&self.grants[grant].what, What::Fields { fields, .. } if fields.contains(field))
    }

    /// Notes who may have what now, as far as one org's book and statements decide it.
    pub fn observe(&mut self, world: &World, node: usize) {
        let owner = world.home(node);
        if !world.is_up(node) || world.main(owner) != node {
            return;
        }
        let known = Known::of(world.replica(node));
        for record in 0..self.records.len() {
            if self.records[record].owner != owner || self.records[record].deleted {
                continue;
            }
            for share in 0..self.shares.len() {
                let mut may: BTreeMap<String, Orgs> = BTreeMap::new();
                let readers = self.readers(world, &known, share, record);
                let honest = |grant: &usize| !self.hostile.contains(&self.grants[*grant].to);
                match readers.iter().any(honest) {
                    true => self.shown.insert((share, record)),
                    false => self.shown.remove(&(share, record)),
                };
                for grant in readers {
                    let Grant { to, what: What::Fields { fields, .. }, .. } = &self.grants[grant]
                    else {
                        continue;
                    };
                    for field in fields {
                        *may.entry(field.clone()).or_default() |= 1 << to;
                    }
                }
                let values = self.book(world, share, record);
                for (field, orgs) in may {
                    for token in values.get(&field).map(tokens).unwrap_or_default() {
                        // Granted or not: what never leaves never leaves.
                        if matches!(self.secrets[token], Secret::Value { .. }) {
                            self.allowed[token] |= orgs;
                        }
                    }
                    *self.ever.entry((record, field)).or_default() |= orgs;
                }
            }
        }
    }

    /// Takes records of an org out of shares.
    pub fn take_out(&mut self, gone: impl Fn(usize, usize) -> bool) {
        let all: Vec<(usize, usize)> =
            self.placed.iter().copied().filter(|(share, record)| gone(*share, *record)).collect();
        for place in all {
            self.placed.remove(&place);
            if self.shown.remove(&place) {
                self.taken.insert(place);
            }
        }
    }

    /// Whether an org may hold a token.
    pub fn may_hold(&self, org: usize, token: usize) -> bool {
        if self.allowed[token] & 1 << org != 0 {
            return true;
        }
        match &self.secrets[token] {
            // What a partner entered, its other readers get from whoever has it.
            Secret::Value { record, field, by } if self.owner(*record) != *by => {
                let ever = self.ever.get(&(*record, (*field).to_owned()));
                ever.is_some_and(|orgs| orgs & 1 << org != 0)
            }
            Secret::Value { .. } | Secret::Never { .. } => false,
            Secret::Name { org: named } => self.may_know(org, *named),
        }
    }

    /// Whether an org may know another: paired, in one chain, or by what it reads.
    fn may_know(&self, org: usize, named: usize) -> bool {
        let members = |grant: usize| -> BTreeSet<usize> {
            self.chain(grant)
                .iter()
                .flat_map(|l| [self.grants[*l].from, self.grants[*l].to])
                .collect()
        };
        let all = || 0..self.grants.len();
        if self.paired.contains(&(org, named)) || self.paired.contains(&(named, org)) {
            return true;
        }
        all().any(|grant| {
            members(grant).contains(&org) && {
                let at = &self.grants[grant];
                // Its own chain, and the share's opener, who began the publisher's right.
                let mut met = members(grant);
                met.insert(self.shares[at.share].opener);
                for other in all() {
                    let there = &self.grants[other];
                    let same = there.share == at.share;
                    let writes = match (&there.what, &at.what) {
                        // Writers of what it reads: their right is checked by every reader.
                        (What::Fields { kind: a, edit, .. }, What::Fields { kind: b, .. }) => {
                            *edit && a == b && there.section == at.section
                        }
                        (What::Contribute, _) => there.to == at.section,
                        (What::Fields { .. }, What::Contribute) => false,
                    };
                    if same && writes {
                        met.extend(members(other));
                    }
                }
                met.contains(&named)
            }
        })
    }
}

/// The tokens in a value.
pub fn tokens(value: &Value) -> Vec<usize> {
    match value {
        Value::Str(text) | Value::Text(text) | Value::Json(text) => tokens_in(text.as_bytes()),
        Value::Set(set) => set.iter().flat_map(|text| tokens_in(text.as_bytes())).collect(),
        Value::Bool(_) | Value::Int(_) | Value::Instant(_) | Value::Counter(_) => Vec::new(),
    }
}
