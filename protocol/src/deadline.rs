//! What has to be done at a time: the ends of grants, shares and consents, in their order. That
//! something has ended is asked wherever it matters; here is who says so when it has.

use std::collections::BTreeSet;

use crate::id::{GrantId, RecordId, ShareId, StatementId};
use crate::mutation::{Law, broken};
use crate::refusal::Refusal;
use crate::replica::Replica;
use crate::statement::{Body, Statement};
use crate::time::Millis;
use crate::vocabulary::Kind;

/// `Revoke.reason` of what ends by its own date.
pub(crate) const ENDED: u8 = 1;

/// Something whose time comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Deadline {
    /// A grant ends.
    Grant(GrantId),
    /// A share ends.
    Share(ShareId),
    /// A consent of a customer of the own book ends.
    Consent(RecordId),
}

/// Times that have still to come, in memory: made anew from statements and book.
#[derive(Debug, Default)]
pub(crate) struct Deadlines(BTreeSet<(Millis, Deadline)>);

impl Deadlines {
    /// Notes what a statement says to end, and when.
    pub fn insert(&mut self, statement: &Statement) {
        match statement.body() {
            Body::Grant { expires_at: Some(end), .. } => {
                self.0.insert((*end, Deadline::Grant(statement.id().into())));
            }
            Body::OpenShare { ends_at: Some(end), .. } => {
                self.0.insert((*end, Deadline::Share(statement.id().into())));
            }
            Body::Grant { .. }
            | Body::OpenShare { .. }
            | Body::Profile { .. }
            | Body::Certificate { .. }
            | Body::Rotation { .. }
            | Body::EndNode { .. }
            | Body::OpenCompartment { .. }
            | Body::Admit { .. }
            | Body::Retire { .. }
            | Body::Revoke { .. }
            | Body::Cut { .. }
            | Body::Erase { .. }
            | Body::Receipt { .. } => {}
        }
    }

    /// Notes when a consent of a customer ends.
    pub fn insert_consent(&mut self, customer: RecordId, end: Millis) {
        self.0.insert((end, Deadline::Consent(customer)));
    }

    /// Whether the time of something has come.
    #[cfg(test)]
    pub fn is_due(&self, now: Millis) -> bool {
        self.0.first().is_some_and(|(end, _)| *end <= now)
    }

    /// Takes out what is due first, if its time has come.
    pub fn take_due(&mut self, now: Millis) -> Option<Deadline> {
        let first = self.0.first().filter(|(end, _)| *end <= now)?;
        let deadline = first.1;
        self.0.pop_first();
        Some(deadline)
    }
}

impl Replica {
    /// What was said to have ended needs no second word.
    pub(crate) fn drop_met_deadlines(&mut self) {
        let grants = &self.grants;
        self.deadlines.0.retain(|(_, deadline)| match deadline {
            Deadline::Grant(id) => !grants.revoked(id),
            Deadline::Share(share) => grants.closing(share).is_none(),
            Deadline::Consent(_) => true,
        });
    }

    /// Does what is to be done when something has ended by its date. What must be said is said by
    /// the publisher of a section and by the opener of a share.
    pub(crate) fn on_deadline(&mut self, deadline: Deadline) -> Result<(), Refusal> {
        match deadline {
            Deadline::Consent(customer) => {
                self.dirty.records.insert((Kind::Customer, customer));
                Ok(())
            }
            Deadline::Grant(id) => {
                let Some(grant) = self.grants.get(&id) else { return Ok(()) };
                let (share, section) = (grant.share, grant.section);
                let ends = self.grants.chain(&id).is_ok() && !self.grants.revoked(&id);
                self.note_end(&share);
                if ends && section == self.me.party.org && !broken(Law::ExpiryIsSaid) {
                    self.say(Body::Revoke { grant: id, reason: ENDED })?;
                }
                Ok(())
            }
            Deadline::Share(share) => {
                self.note_end(&share);
                let mine = self.grants.opener(&share) == Some(self.me.party.org);
                if mine && !broken(Law::ExpiryIsSaid) {
                    self.end_share(&share)?;
                }
                Ok(())
            }
        }
    }

    /// Who may be served what has changed in a share.
    fn note_end(&mut self, share: &ShareId) {
        self.dirty.audiences = true;
        self.dirty.endings = true;
        self.dirty.sections.insert(*share);
        self.dirty.changes.kinds.extend(Kind::ALL);
    }

    /// Says that a share is closed, once. Only its opener's word counts.
    pub(crate) fn end_share(&mut self, share: &ShareId) -> Result<(), Refusal> {
        if self.grants.closing(share).is_none() {
            let grant = GrantId::from(StatementId::from(*share));
            self.say(Body::Revoke { grant, reason: ENDED })?;
        }
        Ok(())
    }

    /// Remembers when consents of customers of the own book end.
    pub(crate) fn watch_consents(&mut self, ends: impl IntoIterator<Item = (RecordId, Millis)>) {
        for (customer, end) in ends.into_iter().filter(|(_, end)| *end > self.now) {
            self.deadlines.insert_consent(customer, end);
            for (share, section) in self.sections.iter_mut().filter(|(_, at)| !at.ends) {
                section.ends = true;
                self.dirty.planned.insert(*share);
            }
        }
    }
}
