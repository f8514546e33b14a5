//! What is kept in memory of statements: who acts for whom, grants, dossiers, orders, deadlines.
//! All of it is made from the statements alone, and anew when keys have changed.

use super::{Dirty, Replica};
use crate::deadline::Deadlines;
use crate::dossier::Dossiers;
use crate::facet::Schema;
use crate::grant::Grants;
use crate::id::{CompartmentId, ShareId, StatementId};
use crate::identity::{Authority, Directory};
use crate::mutation::{Law, broken};
use crate::order::Orders;
use crate::receipt::Receipts;
use crate::statement::{Body, Cause, Scope, Statement};
use crate::vocabulary::{self, Kind};

/// What the book holds of a kind.
pub(crate) fn book_schema(kind: Kind) -> Schema {
    Schema::open(&vocabulary::book_fields(kind))
}

impl Replica {
    fn open_book(&mut self) {
        for kind in Kind::ALL {
            self.dossiers.open_book(self.me.party.org, kind, book_schema(kind));
        }
    }

    /// Statements were accepted before they were stored, so certificates go first and the rest
    /// needs no order.
    pub(super) fn restore_statements(&mut self, statements: Vec<Statement>) {
        self.index_all(statements);
        self.dirty = Dirty::default();
    }

    /// Makes directory, grants and dossiers anew after keys have changed: what was said by a node
    /// that turns out to have been the steward counts, and what nobody stands behind does not.
    pub(super) fn index_anew(&mut self) {
        let statements = std::mem::take(&mut self.statements);
        let late = std::mem::take(&mut self.dirty.cut_off);
        let orgs = std::mem::take(&mut self.dirty.keys);
        self.index_all(statements.into_values().collect());
        self.dirty.cut_off = late;
        self.dirty.keys.clear();
        let section = |id: &CompartmentId| self.dossiers.get(id).map(|(o, _)| o.section);
        let logs = self.logs.values().filter(|log| {
            orgs.contains(&log.author)
                || section(&log.compartment).is_some_and(|org| orgs.contains(&org))
        });
        let touched: Vec<CompartmentId> = logs.map(|log| log.compartment).collect();
        self.dirty.recount.extend(touched);
        self.dirty.sections.extend(self.grants.shares().copied());
    }

    fn index_all(&mut self, statements: Vec<Statement>) {
        self.directory = Directory::default();
        self.grants = Grants::default();
        self.dossiers = Dossiers::default();
        self.receipts = Receipts::default();
        self.ordered = Orders::default();
        self.deadlines = Deadlines::default();
        self.silent.clear();
        self.statement_bytes = 0;
        self.open_book();
        let is_key = |s: &Statement| {
            matches!(
                s.body(),
                Body::Certificate { .. } | Body::Rotation { .. } | Body::EndNode { .. }
            )
        };
        let (keys, rest): (Vec<_>, Vec<_>) = statements.into_iter().partition(is_key);
        for statement in &keys {
            self.directory.insert(statement);
        }
        for statement in keys.into_iter().chain(rest) {
            self.index(statement);
        }
    }

    pub(super) fn index(&mut self, statement: Statement) {
        self.dirty.statements = true;
        self.dirty.audiences = true;
        self.dirty.endings = true;
        self.statement_bytes += statement.bytes().len();
        self.directory.insert(&statement);
        self.note_keys(&statement);
        if self.directory.authority(&statement) != Authority::Holds {
            self.silent.insert((statement.author(), statement.key()));
            self.statements.insert(statement.id(), statement);
            return;
        }
        self.grants.insert(&statement);
        if !self.dossiers.insert(&statement, &self.directory) {
            self.silent.insert((statement.author(), statement.key()));
        }
        self.receipts.insert(&statement, &self.me.party.org);
        self.ordered.insert(&statement);
        self.deadlines.insert(&statement);
        if !broken(Law::LateCause) {
            self.dirty.recount.extend(self.dossiers.caused_by(&statement.id()).copied());
        }
        match statement.body() {
            Body::Grant { share, section, scope, .. } => {
                let contributes = matches!(scope, Scope::Contribute { .. });
                if *section == self.me.party.org || contributes {
                    self.dirty.sections.insert(*share);
                }
                self.dirty.changes.kinds.extend(Kind::ALL);
            }
            Body::Revoke { grant, .. } => {
                let me = self.me.party.org;
                let contributes = |scope: &Scope| matches!(scope, Scope::Contribute { .. });
                let share = self.grants.share_of(grant);
                let concerns = self
                    .grants
                    .get(grant)
                    .is_none_or(|info| info.section == me || contributes(&info.scope));
                self.dirty.sections.extend(share.filter(|_| concerns));
                self.dirty.changes.kinds.extend(Kind::ALL);
            }
            Body::Erase { compartment, records, only_for: None, .. } => {
                self.dirty.erased.push((*compartment, records.clone()));
            }
            // Anybody may say these of anything; only the publisher's and the opener's costs work.
            Body::Cut { compartment, cause, .. } => {
                let by = statement.author();
                let opener = |share: Option<ShareId>| self.grants.opener(&share?);
                if self
                    .dossiers
                    .get(compartment)
                    .is_some_and(|(o, _)| o.section == by || opener(o.share) == Some(by))
                {
                    self.dirty.recount.insert(*compartment);
                    let ending = |id: &StatementId| self.statements.get(id).map(|s| s.body());
                    if let Cause::EndNode(id) = cause
                        && let Some(Body::EndNode { node }) = ending(id)
                    {
                        self.dirty.cut_off.insert((*compartment, *node));
                    }
                }
            }
            Body::Retire { compartment, .. } => self.leave_if_retired(compartment),
            Body::OpenCompartment { .. } => self.leave_if_retired(&statement.id().into()),
            Body::EndNode { node } => {
                let org = statement.author();
                if self.directory.is_ended(&org, node) {
                    self.leave_ended(&org, node);
                }
            }
            Body::Erase { .. }
            | Body::Profile { .. }
            | Body::Certificate { .. }
            | Body::Rotation { .. }
            | Body::OpenShare { .. }
            | Body::Admit { .. }
            | Body::Receipt { .. } => {}
        }
        self.statements.insert(statement.id(), statement);
    }

    /// A rotation, or a certificate for somebody who has spoken before, changes what counts.
    fn note_keys(&mut self, statement: &Statement) {
        let org = statement.author();
        let changes = match statement.body() {
            Body::Rotation { .. } => true,
            Body::Certificate { node, term, .. } => {
                self.silent.contains(&(org, *node))
                    || (term.is_some() && self.dossiers.has_retired(&org, node))
            }
            _ => false,
        };
        if changes {
            self.dirty.keys.insert(org);
        }
    }

    fn leave_if_retired(&mut self, compartment: &CompartmentId) {
        if self.dossiers.get(compartment).is_some_and(|(_, dossier)| dossier.retired()) {
            self.leaving.insert(*compartment);
        }
    }
}
