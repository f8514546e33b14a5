//! Dossiers: all statements that decide what counts in one compartment, and the questions asked
//! of them. A pure function of the statement set; order of arrival never matters.

use std::collections::{BTreeMap, BTreeSet};

use crate::facet::Schema;
use crate::grant::Grants;
use crate::id::{CompartmentId, GrantId, LogId, OrgId, PublicKey, RecordId, ShareId, StatementId};
use crate::identity::Directory;
use crate::keys::{self, FacetKey};
use crate::mutation::{Law, broken};
use crate::statement::{Body, Cause, Mark, Scope, Statement};
use crate::time::Millis;
use crate::vocabulary::Kind;

/// How a compartment began.
#[derive(Debug, Clone)]
pub struct Opening {
    /// The share; none for a compartment of the own book.
    pub share: Option<ShareId>,
    /// Whose section.
    pub section: OrgId,
    /// The kind of record.
    pub kind: Kind,
    /// Its fields.
    pub schema: Schema,
}

impl Opening {
    /// Where a record's facet of this compartment is, in one of its turns.
    pub fn facet_key(&self, compartment: CompartmentId, record: RecordId, turn: u32) -> FacetKey {
        FacetKey {
            kind: self.kind,
            share: self.share.unwrap_or(keys::NO_SHARE),
            section: self.section,
            record,
            turn,
            compartment,
        }
    }
}

/// One admission.
#[derive(Debug, Clone)]
pub struct Admission {
    /// The `Admit`.
    pub statement: StatementId,
    /// Who said it; counts only if it is the publisher.
    author: OrgId,
    /// Its number among what the publisher said of the compartment.
    pub number: u64,
    /// What it takes the place of.
    pub replaces: Vec<CompartmentId>,
    /// From which heights on.
    pub from: Vec<Mark>,
}

/// What is known of one compartment.
#[derive(Debug, Clone, Default)]
pub struct Dossier {
    opening: Option<Opening>,
    admissions: BTreeMap<GrantId, Vec<Admission>>,
    /// With the term of the steward that said it.
    retirements: BTreeMap<StatementId, (OrgId, u64)>,
    /// By author and cause: how far each log that is named counts, whatever statement names it.
    cuts: BTreeMap<(OrgId, Cause), BTreeMap<LogId, u64>>,
    erasures: BTreeMap<RecordId, Vec<(OrgId, u32)>>,
    /// Every statement of the dossier with its author and number.
    numbers: BTreeMap<StatementId, (OrgId, u64)>,
}

/// All dossiers.
#[derive(Debug, Clone, Default)]
pub struct Dossiers {
    all: BTreeMap<CompartmentId, Dossier>,
    /// Who has opened compartments in a share.
    publishers: BTreeMap<ShareId, BTreeSet<OrgId>>,
    /// By statement: where there is a cut for it.
    caused: BTreeMap<StatementId, BTreeSet<CompartmentId>>,
    /// Nodes that have said a retirement.
    retirers: BTreeSet<(OrgId, PublicKey)>,
}

impl Dossiers {
    /// Takes a statement whose author's authority holds; false if it counts only once its node
    /// turns out to have been the author's steward.
    pub fn insert(&mut self, statement: &Statement, directory: &Directory) -> bool {
        let author = statement.author();
        let term = directory.term(&author, &statement.key());
        let steward = term.is_some();
        match statement.body() {
            Body::OpenCompartment { share, kind, fields, genesis, .. } => {
                let id = CompartmentId::from(statement.id());
                let schema = Schema::new(fields);
                if !steward || schema.genesis() != *genesis {
                    return steward;
                }
                let opening = Opening { share: Some(*share), section: author, kind: *kind, schema };
                self.all.entry(id).or_default().opening = Some(opening);
                self.publishers.entry(*share).or_default().insert(author);
            }
            Body::Admit { compartment, grant, replaces, from, number } if steward => {
                let dossier = self.all.entry(*compartment).or_default();
                let admission = Admission {
                    statement: statement.id(),
                    author,
                    number: *number,
                    replaces: replaces.clone(),
                    from: from.clone(),
                };
                let known = dossier.admissions.entry(*grant).or_default();
                if known.iter().all(|a| a.statement != admission.statement) {
                    known.push(admission);
                    known.sort_by_key(|a| a.statement);
                }
                dossier.numbers.insert(statement.id(), (author, *number));
            }
            Body::Retire { compartment, number } if steward => {
                self.retirers.insert((author, statement.key()));
                let dossier = self.all.entry(*compartment).or_default();
                dossier.retirements.insert(statement.id(), (author, term.unwrap_or(0)));
                dossier.numbers.insert(statement.id(), (author, *number));
            }
            Body::Cut { compartment, cause, logs, number } if steward => {
                let dossier = self.all.entry(*compartment).or_default();
                let cut = dossier.cuts.entry((author, *cause)).or_default();
                for mark in logs {
                    let height = cut.entry(mark.log).or_insert(mark.height);
                    *height = mark.height.min(*height);
                }
                if let Cause::Revoke(id) | Cause::Retire(id) | Cause::EndNode(id) = cause {
                    self.caused.entry(*id).or_default().insert(*compartment);
                }
                dossier.numbers.insert(statement.id(), (author, *number));
            }
            Body::Erase { compartment, records, only_for, number } if steward => {
                let dossier = self.all.entry(*compartment).or_default();
                if only_for.is_none() {
                    for at in records {
                        let known = dossier.erasures.entry(at.record).or_default();
                        if !known.contains(&(author, at.turn)) {
                            known.push((author, at.turn));
                        }
                    }
                    dossier.numbers.insert(statement.id(), (author, *number));
                }
            }
            Body::Admit { .. } | Body::Retire { .. } | Body::Cut { .. } | Body::Erase { .. } => {
                return false;
            }
            Body::Profile { .. }
            | Body::Certificate { .. }
            | Body::Rotation { .. }
            | Body::EndNode { .. }
            | Body::OpenShare { .. }
            | Body::Grant { .. }
            | Body::Revoke { .. }
            | Body::Receipt { .. } => {}
        }
        true
    }

    /// Whether a node has retired anything.
    pub fn has_retired(&self, org: &OrgId, node: &PublicKey) -> bool {
        self.retirers.contains(&(*org, *node))
    }

    /// Opens a compartment of the own book.
    pub fn open_book(&mut self, org: OrgId, kind: Kind, schema: Schema) {
        let opening = Opening { share: None, section: org, kind, schema };
        let id = CompartmentId::of_book(&org, kind as u8);
        self.all.entry(id).or_default().opening = Some(opening);
    }

    /// One dossier, if its compartment's opening is known.
    pub fn get(&self, id: &CompartmentId) -> Option<(&Opening, &Dossier)> {
        let dossier = self.all.get(id)?;
        Some((dossier.opening.as_ref()?, dossier))
    }

    /// Orgs that have opened compartments in a share.
    pub fn publishers(&self, share: &ShareId) -> impl Iterator<Item = &OrgId> {
        self.publishers.get(share).into_iter().flatten()
    }

    /// Compartments with a cut that a statement is the cause of.
    pub fn caused_by(&self, statement: &StatementId) -> impl Iterator<Item = &CompartmentId> {
        self.caused.get(statement).into_iter().flatten()
    }

    /// Every compartment whose opening is known.
    pub fn iter(&self) -> impl Iterator<Item = (&CompartmentId, &Opening, &Dossier)> {
        self.all.iter().filter_map(|(id, d)| Some((id, d.opening.as_ref()?, d)))
    }
}

impl Dossier {
    fn section(&self) -> Option<OrgId> {
        self.opening.as_ref().map(|o| o.section)
    }

    /// Admissions said by the publisher.
    pub fn admissions(&self) -> impl Iterator<Item = (&GrantId, &Admission)> {
        let section = self.section();
        self.admissions
            .iter()
            .flat_map(|(grant, all)| all.iter().map(move |a| (grant, a)))
            .filter(move |(_, a)| Some(a.author) == section)
    }

    /// Whether the publisher has retired the compartment.
    pub fn retired(&self) -> bool {
        self.retirement().is_some()
    }

    /// The retirement that counts: two stewards that did not know of each other may both have
    /// said one, and the higher term's decides.
    fn retirement(&self) -> Option<StatementId> {
        let section = self.section();
        let mine = self.retirements.iter().filter(|(_, (author, _))| Some(*author) == section);
        mine.max_by_key(|(id, (_, term))| (*term, std::cmp::Reverse(**id))).map(|(id, _)| *id)
    }

    /// Whether a cut's cause is a retirement that another one has overruled.
    fn overruled(&self, cause: &Cause) -> bool {
        let Cause::Retire(id) = cause else { return false };
        self.retirements.contains_key(id)
            && self.retirement().is_some_and(|counts| counts != *id)
            && !broken(Law::Term)
    }

    /// Up to which turn a record is erased here; 0 if never.
    pub fn erased(&self, record: &RecordId) -> u32 {
        let section = self.section();
        let turns = self.erasures.get(record).into_iter().flatten();
        turns.filter(|(author, _)| Some(*author) == section).map(|(_, t)| *t).max().unwrap_or(0)
    }

    /// The highest number among the publisher's statements known here.
    pub fn number(&self) -> u64 {
        let section = self.section();
        let mine = self.numbers.values().filter(|(author, _)| Some(*author) == section);
        mine.map(|(_, number)| *number).max().unwrap_or(0)
    }

    /// Whether every statement of the publisher up to its highest number is known.
    pub fn complete_to(&self, number: u64) -> bool {
        let section = self.section();
        let mine = self.numbers.values().filter(|(author, _)| Some(*author) == section);
        let known: BTreeSet<u64> = mine.map(|(_, number)| *number).collect();
        known.range(1..=number).count() as u64 == number
    }

    /// How many bundles of a log count: the lowest of the cuts that concern it. `under` are the
    /// causes that the log falls under, by whom a cut for it counts. The publisher's also count for
    /// every log that they name, and for its retirements.
    pub fn counted(&self, log: &LogId, under: &dyn Fn(&OrgId, &Cause) -> bool) -> u64 {
        let section = self.section();
        let height = |((author, cause), logs): (&(OrgId, Cause), &BTreeMap<LogId, u64>)| {
            let named = logs.get(log).copied();
            let publisher = Some(*author) == section;
            match named {
                _ if broken(Law::Cut) || self.overruled(cause) => None,
                Some(height) if publisher => Some(height),
                None if publisher && matches!(cause, Cause::Retire(_)) => Some(0),
                Some(_) | None => under(author, cause).then(|| named.unwrap_or(0)),
            }
        };
        self.cuts.iter().filter_map(height).min().unwrap_or(u64::MAX)
    }

    /// Whether an org has cut for this cause.
    pub fn has_cut(&self, author: &OrgId, cause: &Cause) -> bool {
        self.cuts.contains_key(&(*author, *cause))
    }

    /// Statements that name this compartment, of those whose word may count in it: the publisher,
    /// and for cuts the share's opener.
    pub fn statements(&self, opener: Option<OrgId>) -> impl Iterator<Item = &StatementId> {
        let section = self.section();
        let said = move |author: &OrgId| {
            Some(*author) == section || Some(*author) == opener || broken(Law::Hearsay)
        };
        self.numbers.iter().filter(move |(_, (author, _))| said(author)).map(|(id, _)| id)
    }
}

/// Who may read and write: compartment rules over grant chains.
#[derive(Debug, Clone, Copy)]
pub struct Access<'a> {
    /// Grants and revocations.
    pub grants: &'a Grants,
    /// Dossiers.
    pub dossiers: &'a Dossiers,
}

impl Access<'_> {
    /// Admitted grants of a compartment that cover all its fields, well formed at every link.
    fn readers_grants(&self, id: &CompartmentId) -> impl Iterator<Item = (OrgId, GrantId)> {
        self.readers_admissions(id).map(|(org, grant, _)| (org, grant))
    }

    /// The admissions of such grants, with the number of each.
    pub(crate) fn readers_admissions(
        &self,
        id: &CompartmentId,
    ) -> impl Iterator<Item = (OrgId, GrantId, u64)> {
        let found = self.dossiers.get(id);
        found.into_iter().flat_map(move |(opening, dossier)| {
            let names: Vec<&str> =
                opening.schema.fields().iter().map(|f| f.name.as_str()).collect();
            dossier.admissions().filter_map(move |(grant, admission)| {
                let share = opening.share?;
                let covered = self
                    .grants
                    .covers_read(grant, &share, &opening.section, opening.kind, &names)
                    .is_ok();
                covered.then_some((self.grants.audience(grant)?, *grant, admission.number))
            })
        })
    }

    /// Whether an org may read a compartment, as far as well-formedness and admission go.
    pub fn may_read(&self, org: &OrgId, id: &CompartmentId) -> bool {
        self.dossiers.get(id).is_some_and(|(opening, _)| opening.section == *org)
            || self.readers_grants(id).any(|(reader, _)| reader == *org)
    }

    /// Whether a compartment may be served to an org now: its reading chain must be in force.
    pub fn may_serve(&self, org: &OrgId, id: &CompartmentId, now: Millis) -> bool {
        let Some((opening, _)) = self.dossiers.get(id) else { return false };
        if opening.section == *org {
            return true;
        }
        if opening.share.is_none() {
            return broken(Law::Book);
        }
        self.readers_grants(id)
            .filter(|(reader, _)| reader == org)
            .any(|(_, grant)| self.grants.in_force(&grant, now).is_ok() || broken(Law::Serving))
    }

    /// Whether an org could read a compartment until a revocation, and cannot by another grant.
    pub fn lost(&self, org: &OrgId, id: &CompartmentId, now: Millis) -> bool {
        let Some((opening, _)) = self.dossiers.get(id) else { return false };
        if opening.section == *org || opening.share.is_none() {
            return false;
        }
        let mut revoked = false;
        for (_, grant) in self.readers_grants(id).filter(|(reader, _)| reader == org) {
            if self.grants.in_force(&grant, now).is_ok() {
                return false;
            }
            revoked |= self.grants.revoked(&grant);
        }
        revoked
    }

    /// Orgs that may be served a compartment now, the publisher included.
    pub fn readers(&self, id: &CompartmentId, now: Millis) -> BTreeSet<OrgId> {
        let Some((opening, _)) = self.dossiers.get(id) else { return BTreeSet::new() };
        let in_force = self
            .readers_grants(id)
            .filter(|(_, grant)| self.grants.in_force(grant, now).is_ok())
            .map(|(org, _)| org);
        in_force.chain([opening.section]).collect()
    }

    /// Whether an org may keep copies of what it reads in a compartment: a grant in force says so.
    pub fn may_keep(&self, org: &OrgId, id: &CompartmentId, now: Millis) -> bool {
        self.readers_grants(id).any(|(reader, grant)| {
            let keeps = |info: &crate::grant::GrantInfo| {
                matches!(info.scope, Scope::Fields { keep: true, .. })
            };
            reader == *org
                && self.grants.get(&grant).is_some_and(keeps)
                && self.grants.in_force(&grant, now).is_ok()
        })
    }

    /// The grant under which an org may edit a compartment now, if it may.
    pub fn edit_grant(&self, org: &OrgId, id: &CompartmentId, now: Millis) -> Option<GrantId> {
        let found = self.readers_grants(id).find(|(reader, grant)| {
            reader == org
                && self.may_write(org, id, Some(grant))
                && self.grants.in_force(grant, now).is_ok()
        });
        found.map(|(_, grant)| grant)
    }

    /// Whether what an org wrote into a compartment under a grant counts: the publisher of a
    /// section that was opened under a well-formed contribute chain (or the share's opener, or the
    /// book's owner), or an editor whose admitted grant covers every field at every link.
    pub fn may_write(&self, org: &OrgId, id: &CompartmentId, grant: Option<&GrantId>) -> bool {
        let Some((opening, dossier)) = self.dossiers.get(id) else { return false };
        let Some(share) = opening.share else {
            return opening.section == *org && grant.is_none();
        };
        let admitted = |grant: &GrantId| dossier.admissions().any(|(g, _)| g == grant);
        let Some(grant) = grant else {
            return opening.section == *org && self.grants.opener(&share) == Some(*org);
        };
        if self.grants.audience(grant) != Some(*org) || !admitted(grant) {
            return false;
        }
        let is_contribution =
            self.grants.get(grant).is_some_and(|g| matches!(g.scope, Scope::Contribute { .. }));
        if is_contribution {
            opening.section == *org
                && self.grants.covers_contribute(grant, &share, opening.kind).is_ok()
        } else {
            let names: Vec<&str> =
                opening.schema.fields().iter().map(|f| f.name.as_str()).collect();
            let covered =
                self.grants.covers_edit(grant, &share, &opening.section, opening.kind, &names);
            covered.is_ok() || broken(Law::Editors)
        }
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::id::Nonce;
    use crate::identity::OrgKeys;
    use crate::sign::SigningKey;
    use crate::statement::Nonce32;
    use crate::time::Hlc;

    fn key(n: u8) -> SigningKey {
        SigningKey::from_bytes(&[n; 32])
    }

    #[test]
    pub fn of_two_retirements_the_higher_term_s_decides_what_counts() {
        let keys = OrgKeys { root: key(1), successor: key(2) };
        let party = keys.party("Acme");
        let mut directory = Directory::default();
        for (node, term) in [(8, 1), (9, 2)] {
            directory.insert(&keys.certify(&party, key(node).public(), Some(term), Hlc(1), 1000));
        }
        let schema = Schema::new(&[]);
        let open = Body::OpenCompartment {
            share: ShareId([7; 32]),
            kind: Kind::Event,
            fields: Vec::new(),
            nonce: Nonce([1; 16]),
            genesis: schema.genesis(),
        };
        let open = Statement::sign(party.org, &key(8), Hlc(2), open);
        let compartment = CompartmentId::from(open.id());
        let log = LogId([5; 32]);
        let mut said = vec![open];
        for (node, height) in [(8, 3), (9, 6)] {
            let say = |body| Statement::sign(party.org, &key(node), Hlc(3), body);
            let retire = say(Body::Retire { compartment, number: 1 });
            let cause = Cause::Retire(retire.id());
            let logs = vec![Mark { log, height, head: Nonce32([0; 32]) }];
            said.extend([say(Body::Cut { compartment, cause, logs, number: 2 }), retire]);
        }
        for _ in 0..said.len() {
            said.rotate_left(1);
            let mut dossiers = Dossiers::default();
            assert!(said.iter().all(|statement| dossiers.insert(statement, &directory)));
            let (_, dossier) = dossiers.get(&compartment).unwrap();
            assert!(dossier.retired());
            assert_eq!(dossier.counted(&log, &|_, _| false), 6);
        }
    }
}
