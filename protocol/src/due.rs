//! Who is sent what: the statements due to an org, in an order in which they can be taken.
//! Due statements only grow, so a peer's outbox is append-only and a cursor says how far it got.

use std::collections::{BTreeMap, BTreeSet};

use crate::codec;
use crate::id::{GrantId, OrgId, PublicKey, StatementId};
use crate::keys;
use crate::mutation::{Law, broken};
use crate::refusal::Refusal;
use crate::replica::{Effect, Replica};
use crate::statement::{Body, Cause, Scope, Statement};

#[derive(Default)]
struct Due {
    seen: BTreeSet<StatementId>,
    list: Vec<StatementId>,
}

impl Due {
    fn add(&mut self, id: StatementId) {
        if self.seen.insert(id) {
            self.list.push(id);
        }
    }
}

impl Replica {
    /// Every statement that is due to an org, in an order in which it can be taken.
    pub(crate) fn due(&self, org: &OrgId) -> Vec<StatementId> {
        let mut due = Due::default();
        self.add_org(&mut due, &self.me.party.org);
        if *org == self.me.party.org {
            // The nodes of one org have no secrets from each other.
            let is_key = |s: &&Statement| matches!(s.body(), Body::Certificate { .. });
            self.statements.values().filter(is_key).for_each(|s| due.add(s.id()));
            self.statements.keys().for_each(|id| due.add(*id));
            return due.list;
        }
        for grant in self.grants.iter() {
            let Ok(chain) = self.grants.chain(&grant.id) else { continue };
            if !chain.iter().any(|link| link.author == *org || link.to.org == *org) {
                continue;
            }
            self.add_chain(&mut due, &chain);
        }
        let shared = |opening: &crate::dossier::Opening| opening.share.is_some();
        for (id, opening, _) in self.dossiers.iter().filter(|(_, opening, _)| shared(opening)) {
            if opening.section != *org && self.access().may_read(org, id) {
                self.add_dossier(&mut due, id, org);
            }
        }
        for (id, opening, dossier) in self.dossiers.iter().filter(|(_, o, _)| shared(o)) {
            if opening.section == *org {
                self.add_endings(&mut due, opening, dossier, org);
            }
            for (grant, admission) in dossier.admissions() {
                let chain = self.grants.chain(grant).unwrap_or_default();
                if chain.iter().any(|link| link.author == *org || link.to.org == *org) {
                    due.add(id.to_owned().into());
                    due.add(admission.statement);
                }
            }
        }
        for receipt in self.receipts_for(org) {
            due.add(receipt);
        }
        for (grant, erasures) in self.receipts.erasures() {
            if self.concerns(&grant, org) {
                let publisher = self.grants.get(&grant).map(|grant| grant.section);
                let by = |order: &StatementId| self.statements.get(order).map(Statement::author);
                erasures
                    .filter(|order| by(order) == publisher || broken(Law::ForgedOrders))
                    .for_each(|order| due.add(order));
            }
        }
        due.list
    }

    /// Whether an org stands in a grant's chain or below it.
    fn concerns(&self, grant: &GrantId, org: &OrgId) -> bool {
        let chain = self.grants.chain(grant).unwrap_or_default();
        chain.iter().any(|link| link.author == *org || link.to.org == *org)
            || self.grants.below(grant).iter().any(|link| link.to.org == *org)
    }

    /// Rotations, certificates and profile of an org.
    fn add_org(&self, due: &mut Due, org: &OrgId) {
        for id in self.directory.key_statements(org) {
            due.add(*id);
        }
        for profile in self.directory.profiles(org) {
            due.add(profile);
        }
    }

    /// A chain travels with what is needed to check it and to reach everybody in it.
    fn add_chain(&self, due: &mut Due, chain: &[&crate::grant::GrantInfo]) {
        for link in chain {
            self.add_org(due, &link.author);
            self.add_org(due, &link.to.org);
            if let Some(opener) = self.grants.opener(&link.share) {
                self.add_org(due, &opener);
                due.add(link.share.into());
                self.grants.closing(&link.share).into_iter().for_each(|closing| due.add(closing));
            }
        }
        for link in chain {
            due.add(link.id.into());
            for (revocation, _) in self.grants.revocations(&link.id) {
                if !broken(Law::Revocations) {
                    due.add(revocation);
                }
            }
        }
    }

    /// What decides what counts in a compartment, and what shows this reader its own admission.
    /// Whose right has ended hears only what ends things: not who came after it.
    fn add_dossier(&self, due: &mut Due, id: &crate::id::CompartmentId, org: &OrgId) {
        let Some((opening, dossier)) = self.dossiers.get(id) else { return };
        let reads = self.access().may_serve(org, id, self.now) || broken(Law::LaterNames);
        self.add_org(due, &opening.section);
        if let Some(share) = opening.share {
            if let Some(opener) = self.grants.opener(&share) {
                self.add_org(due, &opener);
            }
            due.add(share.into());
            self.grants.closing(&share).into_iter().for_each(|closing| due.add(closing));
        }
        due.add((*id).into());
        for (grant, admission) in dossier.admissions().filter(|_| reads) {
            let Ok(chain) = self.grants.chain(grant) else { continue };
            let writes = chain.last().is_some_and(|last| match &last.scope {
                Scope::Fields { edit, .. } => *edit,
                Scope::Contribute { .. } => true,
            });
            let own = chain.iter().any(|link| link.to.org == *org);
            let above_own = self.grants.below(grant).iter().any(|below| below.to.org == *org);
            if writes || own || above_own {
                self.add_chain(due, &chain);
                due.add(admission.statement);
            }
        }
        self.add_endings(due, opening, dossier, org);
    }

    /// What others than the org itself said to end something in a compartment, with its cause.
    fn add_endings(
        &self,
        due: &mut Due,
        opening: &crate::dossier::Opening,
        dossier: &crate::dossier::Dossier,
        org: &OrgId,
    ) {
        let by_others =
            |id: &&StatementId| self.statements.get(id).is_some_and(|said| said.author() != *org);
        let opener = opening.share.and_then(|share| self.grants.opener(&share));
        for statement in dossier.statements(opener).filter(by_others) {
            match self.statements.get(statement).map(|s| s.body()) {
                Some(Body::Cut { cause, .. }) => {
                    if let Some(cause) = self.ending(cause) {
                        due.add(cause);
                    }
                    due.add(*statement);
                }
                Some(Body::Retire { .. } | Body::Erase { .. }) => due.add(*statement),
                Some(_) | None => {}
            }
        }
    }

    /// Of what becomes due together, keys go first, then cuts: who hears what ended something knows
    /// by then what counts, also where that takes several statements.
    fn turn_in_outbox(&self, id: &StatementId) -> u8 {
        match self.statements.get(id).map(|s| s.body()) {
            Some(
                Body::Profile { .. }
                | Body::Certificate { .. }
                | Body::Rotation { .. }
                | Body::EndNode { .. },
            ) => 0,
            Some(Body::Cut { .. }) => 1,
            Some(_) | None => 2,
        }
    }

    /// The statement that a cut follows from, if it is one that ends something: no cut can make a
    /// node pass on any other.
    fn ending(&self, cause: &Cause) -> Option<StatementId> {
        let (Cause::Revoke(id) | Cause::Retire(id) | Cause::EndNode(id)) = cause else {
            return None;
        };
        let ends = match (cause, self.statements.get(id)?.body()) {
            (Cause::Revoke(_), Body::Revoke { .. })
            | (Cause::Retire(_), Body::Retire { .. })
            | (Cause::EndNode(_), Body::EndNode { .. }) => true,
            _ => broken(Law::Hearsay),
        };
        ends.then_some(*id)
    }

    /// Appends to every peer's outbox what has become due to its org.
    pub(crate) fn fill_outboxes(&mut self) -> Result<(), Refusal> {
        let peers: Vec<_> =
            self.peers.iter().filter_map(|(node, peer)| Some((*node, peer.org?))).collect();
        for (node, org) in peers {
            let mut due = self.due(&org);
            let outbox = self.outboxes.get(&node);
            due.retain(|id| !outbox.is_some_and(|outbox| outbox.contains(id)));
            due.sort_by_key(|id| self.turn_in_outbox(id));
            for id in due {
                self.add_to_outbox(&node, id)?;
            }
        }
        Ok(())
    }

    pub(crate) fn add_to_outbox(
        &mut self,
        node: &PublicKey,
        id: StatementId,
    ) -> Result<(), Refusal> {
        if !self.statements.contains_key(&id) || !self.outboxes.entry(*node).or_default().insert(id)
        {
            return Ok(());
        }
        let Some(peer) = self.peers.get_mut(node) else { return Ok(()) };
        let position = peer.due;
        peer.due += 1;
        let peer = codec::to_bytes(peer);
        self.put(&keys::outbox(node, position), codec::to_bytes(&id))?;
        self.put(&keys::peer(node), peer)
    }

    /// Learns whom this org stands with in a chain, and asks the shell to reach their nodes.
    pub(crate) fn dial_acquaintances(&mut self) {
        let me = self.me.party.org;
        let mut met = BTreeSet::new();
        for grant in self.grants.iter() {
            let Ok(chain) = self.grants.chain(&grant.id) else { continue };
            let orgs: BTreeSet<OrgId> =
                chain.iter().flat_map(|link| [link.author, link.to.org]).collect();
            if orgs.contains(&me) {
                met.extend(orgs);
            }
        }
        met.remove(&me);
        self.acquaintances = met;
        let wanted: Vec<OrgId> = self
            .acquaintances
            .iter()
            .chain(self.partners.keys())
            .copied()
            .filter(|org| self.may_speak(org))
            .chain([me])
            .collect();
        // Anybody may certify anybody's node: no org's word takes away where another says it is.
        let mut reach: BTreeMap<_, BTreeSet<String>> = Default::default();
        for org in wanted {
            let nodes: Vec<_> = self.directory.acting_nodes(org, self.now).copied().collect();
            for node in nodes.into_iter().filter(|node| *node != self.node_key()) {
                let addresses = self.directory.addresses(&org, &node);
                reach.entry(node).or_default().extend(addresses.iter().cloned());
            }
        }
        for (node, addresses) in reach {
            let addresses: Vec<String> = addresses.into_iter().collect();
            if !addresses.is_empty() && self.dialling.get(&node) != Some(&addresses) {
                self.dialling.insert(node, addresses.clone());
                self.effect(Effect::Dial { node, addresses });
            }
        }
    }
}
