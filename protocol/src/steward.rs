//! The steward: the one node of an org that opens, admits, retires, cuts, erases, publishes from the
//! book and absorbs into it. Who it is, what it has to have heard before it decides anything, and
//! what becomes of the logs of a node that was ended.

use std::collections::BTreeSet;

use crate::codec;
use crate::id::{CompartmentId, OrgId, PublicKey, StatementId};
use crate::identity::Authority;
use crate::keys;
use crate::mutation::{Law, broken};
use crate::partner::PartnerState;
use crate::refusal::Refusal;
use crate::replica::{Conn, Effect, Replica};
use crate::session::Session;
use crate::statement::{Body, Cause, Scope, Statement};

impl Replica {
    /// Whether this node is its org's steward.
    pub fn is_steward(&self) -> bool {
        let steward = self.directory.steward_of(&self.me.party.org);
        steward.is_some_and(|(_, node)| node == self.node_key()) || broken(Law::Steward)
    }

    /// Whether this node decides for its org now: it is the steward, has met whom it must, and has
    /// compared what it keeps with what it heard from them.
    pub(crate) fn decides(&self) -> bool {
        let term = self.directory.steward_of(&self.me.party.org).map(|(term, _)| term);
        let compared = self.stock == term || broken(Law::StockFirst) || broken(Law::Steward);
        compared && self.is_steward() && self.has_to_meet().is_empty()
    }

    /// Refuses what only the steward may do.
    pub(crate) fn check_decides(&self) -> Result<(), Refusal> {
        if !self.is_steward() {
            let steward = self.directory.steward_of(&self.me.party.org);
            let steward = steward.map(|(_, node)| node);
            return Err(Refusal::NotSteward { steward });
        }
        match self.has_to_meet()[..] {
            [] => Ok(()),
            [first, ..] => {
                let name = self.directory.name(&first).to_owned();
                Err(Refusal::Behind { org: name, others: self.has_to_meet().len() - 1 })
            }
        }
    }

    /// The orgs that this node has to meet before it decides anything: its store is an older copy
    /// of itself, or it has just become the steward, and they know what it has missed.
    pub fn has_to_meet(&self) -> Vec<OrgId> {
        if broken(Law::Behind) {
            return Vec::new();
        }
        let me = self.me.party.org;
        let removed =
            |org: &OrgId| self.partners.get(org).is_some_and(|p| p.state == PartnerState::Removed);
        let reachable = |org: &&OrgId| **org == me || (self.may_speak(org) && !removed(org));
        self.behind.iter().filter(reachable).copied().collect()
    }

    pub(crate) fn load_behind(&mut self, fresh: bool) -> Result<(), Refusal> {
        self.behind = self.read(keys::BEHIND)?.unwrap_or_default();
        self.stock = self.read(keys::STOCK)?;
        // The first node of an org has nobody to ask.
        let first = matches!(self.me.certificate.body(), Body::Certificate { term: Some(1), .. });
        if fresh && !first {
            let me = self.me.party.org;
            self.wait_for([me].into())?;
        }
        Ok(())
    }

    pub(crate) fn wait_for(&mut self, orgs: BTreeSet<OrgId>) -> Result<(), Refusal> {
        self.behind.extend(orgs);
        let behind = codec::to_bytes(&self.behind);
        self.put(keys::BEHIND, behind)
    }

    /// Everything that a peer may serve is here: what it knows of our own doings, we know too.
    pub(crate) fn note_met(&mut self, conn: Conn) -> Result<(), Refusal> {
        let Some(session) = self.sessions.get(&conn) else { return Ok(()) };
        let answered = session.asked.as_ref().is_some_and(BTreeSet::is_empty);
        let (node, all) = (session.node, answered && session.offers.is_empty());
        let Some(org) = session.org else { return Ok(()) };
        if !all || self.has_parked(&node) || !self.behind.remove(&org) {
            return Ok(());
        }
        self.dirty.statements = true;
        let behind = codec::to_bytes(&self.behind);
        self.put(keys::BEHIND, behind)
    }

    /// What a peer was waited for another may have brought: whoever has said all is met now.
    pub(crate) fn note_all_met(&mut self) -> Result<(), Refusal> {
        if self.behind.is_empty() || broken(Law::MetThroughOthers) {
            return Ok(());
        }
        let all: Vec<Conn> = self.sessions.keys().copied().collect();
        all.into_iter().try_for_each(|conn| self.note_met(conn))
    }

    /// The user says go on: whoever was not met does not matter.
    pub fn go_on(&mut self) -> Result<Vec<OrgId>, Refusal> {
        let waited = self.has_to_meet();
        self.behind.clear();
        self.dirty.statements = true;
        self.remove(keys::BEHIND)?;
        Ok(waited)
    }

    /// What a new node of this org must know to reach the others: see [`Replica::learn`].
    pub fn introduction(&self) -> Vec<Statement> {
        let me = self.me.party.org;
        let keys = self.directory.key_statements(&me).copied();
        let all = keys.chain(self.directory.profiles(&me));
        all.filter_map(|id| self.statements.get(&id).cloned()).collect()
    }

    /// What a new node is told when it joins its org: certificates, rotations and addresses.
    pub fn learn(&mut self, statements: Vec<Statement>) -> Result<(), Refusal> {
        let mut rest = statements;
        loop {
            let holds = |s: &Statement| self.directory.authority(s) == Authority::Holds;
            let Some(next) = rest.iter().position(holds) else { return Ok(()) };
            self.take(rest.swap_remove(next))?;
        }
    }

    /// Whether there is an open session with a node.
    pub fn is_connected(&self, node: &PublicKey) -> bool {
        self.sessions.values().any(|s| s.node == *node && s.is_open())
    }

    /// A peer's store is an older copy of itself: tells it what its org has said.
    pub(crate) fn on_recall(&mut self, conn: Conn) -> Result<(), Refusal> {
        let Some(session) = self.sessions.get(&conn) else { return Ok(()) };
        let (node, Some(org)) = (session.node, session.org) else { return Ok(()) };
        let said = self.statements.values().filter(|s| s.author() == org).map(Statement::id);
        let said: Vec<StatementId> = said.collect();
        for id in said {
            self.add_to_outbox(&node, id)?;
        }
        Ok(())
    }

    /// Asks a peer for what this org has said, as long as something may be missing here.
    pub(crate) fn recall(&mut self, conn: Conn) {
        let org = self.sessions.get(&conn).and_then(|session| session.org);
        if org.is_some_and(|org| org != self.me.party.org && self.behind.contains(&org)) {
            self.send(conn, &crate::message::Frame::Recall);
        }
    }

    /// Begins to decide, or stops, as certificates say. Whoever begins takes stock first.
    pub(crate) fn follow_stewardship(&mut self) -> Result<(), Refusal> {
        let me = self.me.party.org;
        let Some((term, steward)) = self.directory.steward_of(&me) else { return Ok(()) };
        if steward != self.node_key() || self.stock == Some(term) {
            return Ok(());
        }
        if self.took_over != Some(term) {
            self.took_over = Some(term);
            // Whoever was the steward until now knows more: it is met anew.
            let siblings: Vec<PublicKey> = self.siblings().copied().collect();
            if !siblings.is_empty() && term > 1 {
                self.wait_for([me].into())?;
                for node in siblings {
                    self.close_sessions_with(&node, "stewardship");
                }
            }
        }
        if !self.has_to_meet().is_empty() {
            return Ok(());
        }
        self.stock = Some(term);
        self.put(keys::STOCK, codec::to_bytes(&term))?;
        // Receipts, ends and cuts that the one before did not say any more.
        self.dirty.endings = true;
        if self.read::<crate::statement::Nonce32>(keys::RECORD_SECRET)?.is_none() {
            let secret = crate::id::hash("entente/share-record-key/1", &[&self.me.node.to_bytes()]);
            self.put(keys::RECORD_SECRET, codec::to_bytes(&crate::statement::Nonce32(secret)))?;
        }
        if broken(Law::Stock) { Ok(()) } else { self.take_stock() }
    }

    /// A node was ended: it is not spoken to any more. Another org's word ends only its own nodes.
    pub(crate) fn leave_ended(&mut self, org: &OrgId, node: &PublicKey) {
        if broken(Law::EndedNodes) {
            return;
        }
        let speaks = |(_, s): &(&Conn, &Session)| s.node == *node && s.org == Some(*org);
        let conns: Vec<Conn> = self.sessions.iter().filter(speaks).map(|(c, _)| *c).collect();
        for conn in conns {
            self.refuse(conn, "node_ended");
        }
        let mut orgs = self.directory.certificates(node).iter().map(|c| c.org);
        if !orgs.any(|org| self.directory.acts_for(&org, node, self.now)) {
            self.dialling.remove(node);
            self.effect(Effect::Forget { node: *node });
        }
    }

    /// Says how far the logs of ended nodes count in what this org publishes, and in its book: as
    /// far as they are here.
    pub(crate) fn cut_ended_nodes(&mut self) -> Result<(), Refusal> {
        let me = self.me.party.org;
        let mut cuts: Vec<(CompartmentId, StatementId, OrgId, PublicKey)> = Vec::new();
        let ended: Vec<(OrgId, PublicKey, StatementId)> = self.directory.ended_nodes().collect();
        if ended.is_empty() || broken(Law::CutOnEnd) {
            return Ok(());
        }
        for (id, opening, dossier) in self.dossiers.iter() {
            if opening.section != me || dossier.retired() {
                continue;
            }
            for (org, node, ending) in &ended {
                let writes = *org == me || dossier.admissions().any(|(g, _)| self.edits(g, org));
                if writes && !dossier.has_cut(&me, &Cause::EndNode(*ending)) {
                    cuts.push((*id, *ending, *org, *node));
                }
            }
        }
        for (compartment, ending, org, node) in cuts {
            let mut logs = self.marks(&compartment);
            logs.retain(|mark| {
                self.logs.get(&mark.log).is_some_and(|log| log.author == org && log.node == node)
            });
            let number = self.next_number(&compartment);
            self.say(Body::Cut { compartment, cause: Cause::EndNode(ending), logs, number })?;
        }
        Ok(())
    }

    fn edits(&self, grant: &crate::id::GrantId, org: &OrgId) -> bool {
        let edits = |scope: &Scope| matches!(scope, Scope::Fields { edit: true, .. });
        self.grants.get(grant).is_some_and(|grant| grant.to.org == *org && edits(&grant.scope))
    }
}
