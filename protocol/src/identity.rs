//! Who is who: org ids, root keys under rotation, which node acts for which org.
//! Decides authority over statements; knows nothing of shares.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::{OrgId, PublicKey, StatementId, hash};
use crate::sign::{SigningKey, verify};
use crate::statement::{Body, Nonce32, Party, Statement};
use crate::time::{Hlc, Millis};

const DOMAIN_ROTATION: &str = "entente/rotation/1";

/// An org's id: hash of its first root key and of that key's commitment to its successor.
pub fn org_id(root: &PublicKey, successor: &Nonce32) -> OrgId {
    OrgId(hash("entente/org/1", &[&root.0, &successor.0]))
}

/// What a root key commits to: the hash of the public key that may follow it.
pub fn commitment(successor: &PublicKey) -> Nonce32 {
    Nonce32(hash("entente/successor/1", &[&successor.0]))
}

/// The keys of an org as its owner holds them. `root` may be kept offline.
#[derive(Debug, Clone)]
pub struct OrgKeys {
    /// The root key in use.
    pub root: SigningKey,
    /// The key that will follow it.
    pub successor: SigningKey,
}

impl OrgKeys {
    /// The org these keys found, under a name.
    pub fn party(&self, name: &str) -> Party {
        let root = self.root.public();
        let successor = commitment(&self.successor.public());
        Party { org: org_id(&root, &successor), root, successor, name: name.to_owned() }
    }

    /// Certifies a node.
    pub fn certify(
        &self,
        party: &Party,
        node: PublicKey,
        term: Option<u64>,
        at: Hlc,
        expires_at: Millis,
    ) -> Statement {
        let body = Body::Certificate { party: party.clone(), node, term, expires_at };
        Statement::sign(party.org, &self.root, at, body)
    }

    /// Hands over to the successor key, which commits to `next`.
    pub fn rotate(&self, party: &Party, next: &PublicKey, at: Hlc) -> Statement {
        let root = self.successor.public();
        let successor = commitment(next);
        let digest = rotation_digest(&party.org, &self.root.public(), &root, &successor);
        let countersignature = self.successor.sign(DOMAIN_ROTATION, &digest);
        let body = Body::Rotation { root, successor, countersignature };
        Statement::sign(party.org, &self.root, at, body)
    }
}

fn rotation_digest(org: &OrgId, old: &PublicKey, new: &PublicKey, successor: &Nonce32) -> [u8; 32] {
    hash("entente/rotation-body/1", &[&org.0, &old.0, &new.0, &successor.0])
}

/// One certificate of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// For whom the node acts.
    pub org: OrgId,
    /// The steward's term, if it is one.
    pub term: Option<u64>,
    /// When it ends.
    pub expires_at: Millis,
    /// The statement.
    pub statement: StatementId,
}

/// Whether a statement's author stands behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authority {
    /// Yes.
    Holds,
    /// A certificate or rotation that would decide it has not come yet.
    Unknown,
    /// No, and nothing that may come changes that.
    Refused,
}

/// What is known of orgs and nodes: a pure function of the set of statements inserted.
#[derive(Debug, Clone, Default)]
pub struct Directory {
    parties: BTreeMap<OrgId, Party>,
    /// Root keys with the commitment each makes, in the order of rotation.
    roots: BTreeMap<OrgId, Vec<(PublicKey, Nonce32)>>,
    rotations: BTreeMap<OrgId, Vec<(PublicKey, PublicKey, Nonce32)>>,
    nodes: BTreeMap<PublicKey, Vec<Certificate>>,
    ended: BTreeSet<(OrgId, PublicKey)>,
    /// Rotations, certificates and ended nodes of an org.
    keys: BTreeMap<OrgId, BTreeSet<StatementId>>,
    profiles: BTreeMap<OrgId, (Hlc, StatementId, Vec<String>, String)>,
}

impl Directory {
    /// Learns who an org is; refused if the id is not that of the keys.
    pub fn learn(&mut self, party: &Party) -> bool {
        if org_id(&party.root, &party.successor) != party.org {
            return false;
        }
        self.parties.entry(party.org).or_insert_with(|| party.clone());
        let roots = self.roots.entry(party.org).or_default();
        if roots.is_empty() {
            roots.push((party.root, party.successor));
            self.extend_roots(&party.org);
        }
        true
    }

    /// Whether the author stands behind a statement. Checks nothing else.
    pub fn authority(&self, statement: &Statement) -> Authority {
        let org = statement.author();
        match statement.body() {
            Body::Certificate { party, .. } => {
                if party.org != org || org_id(&party.root, &party.successor) != org {
                    Authority::Refused
                } else if party.root == statement.key() {
                    Authority::Holds
                } else {
                    self.root_authority(&org, &statement.key())
                }
            }
            Body::Rotation { root, successor, countersignature } => {
                let digest = rotation_digest(&org, &statement.key(), root, successor);
                if !verify(root, DOMAIN_ROTATION, &digest, countersignature) {
                    return Authority::Refused;
                }
                self.root_authority(&org, &statement.key())
            }
            Body::EndNode { .. } => self.root_authority(&org, &statement.key()),
            Body::Profile { party, .. } => {
                if party.org != org || org_id(&party.root, &party.successor) != org {
                    Authority::Refused
                } else {
                    self.node_authority(&org, &statement.key())
                }
            }
            Body::OpenShare { .. }
            | Body::OpenCompartment { .. }
            | Body::Admit { .. }
            | Body::Retire { .. }
            | Body::Grant { .. }
            | Body::Revoke { .. }
            | Body::Cut { .. }
            | Body::Erase { .. }
            | Body::Receipt { .. } => self.node_authority(&org, &statement.key()),
        }
    }

    fn root_authority(&self, org: &OrgId, key: &PublicKey) -> Authority {
        match self.roots.get(org) {
            Some(roots) if roots.iter().any(|(root, _)| root == key) => Authority::Holds,
            Some(_) | None => Authority::Unknown,
        }
    }

    fn node_authority(&self, org: &OrgId, node: &PublicKey) -> Authority {
        if self.certified(org, node) { Authority::Holds } else { Authority::Unknown }
    }

    /// Takes a statement whose authority holds.
    pub fn insert(&mut self, statement: &Statement) {
        let org = statement.author();
        if let Body::Certificate { .. } | Body::Rotation { .. } | Body::EndNode { .. } =
            statement.body()
        {
            self.keys.entry(org).or_default().insert(statement.id());
        }
        match statement.body() {
            Body::Certificate { party, node, term, expires_at } => {
                self.learn(party);
                let certificates = self.nodes.entry(*node).or_default();
                let certificate = Certificate {
                    org,
                    term: *term,
                    expires_at: *expires_at,
                    statement: statement.id(),
                };
                if !certificates.contains(&certificate) {
                    certificates.push(certificate);
                    certificates.sort_by_key(|c| c.statement);
                }
            }
            Body::Rotation { root, successor, .. } => {
                let rotations = self.rotations.entry(org).or_default();
                rotations.push((statement.key(), *root, *successor));
                self.extend_roots(&org);
            }
            Body::EndNode { node } => {
                self.ended.insert((org, *node));
            }
            Body::Profile { party, addresses, .. } => {
                self.learn(party);
                let new = (statement.at(), statement.id(), addresses.clone(), party.name.clone());
                let known = self.profiles.entry(org).or_insert_with(|| new.clone());
                if (new.0, new.1) > (known.0, known.1) {
                    *known = new;
                }
            }
            Body::Grant { to, .. } => {
                self.learn(to);
            }
            Body::OpenShare { .. }
            | Body::OpenCompartment { .. }
            | Body::Admit { .. }
            | Body::Retire { .. }
            | Body::Revoke { .. }
            | Body::Cut { .. }
            | Body::Erase { .. }
            | Body::Receipt { .. } => {}
        }
    }

    /// A rotation counts only if the new root is the one its predecessor committed to: a stolen
    /// root key cannot name another successor.
    fn extend_roots(&mut self, org: &OrgId) {
        let (Some(roots), Some(rotations)) = (self.roots.get_mut(org), self.rotations.get(org))
        else {
            return;
        };
        while let Some((last, committed)) = roots.last().copied() {
            let next = rotations.iter().find(|(old, new, _)| {
                *old == last && commitment(new) == committed && roots.iter().all(|r| r.0 != *new)
            });
            let Some((_, new, successor)) = next.copied() else { return };
            roots.push((new, successor));
        }
    }

    /// Whether a node was ever certified for an org.
    pub fn certified(&self, org: &OrgId, node: &PublicKey) -> bool {
        self.nodes.get(node).is_some_and(|all| all.iter().any(|c| c.org == *org))
    }

    /// Whether a node was ever its org's steward.
    pub fn steward(&self, org: &OrgId, node: &PublicKey) -> bool {
        self.nodes
            .get(node)
            .is_some_and(|all| all.iter().any(|c| c.org == *org && c.term.is_some()))
    }

    /// Whether a node may act for an org now: certified, not expired, not ended.
    pub fn acts_for(&self, org: &OrgId, node: &PublicKey, now: Millis) -> bool {
        !self.ended.contains(&(*org, *node))
            && self
                .nodes
                .get(node)
                .is_some_and(|all| all.iter().any(|c| c.org == *org && c.expires_at > now))
    }

    /// Certificates of a node.
    pub fn certificates(&self, node: &PublicKey) -> &[Certificate] {
        self.nodes.get(node).map_or(&[], Vec::as_slice)
    }

    /// Nodes ever certified for an org.
    pub fn nodes_of(&self, org: &OrgId) -> impl Iterator<Item = &PublicKey> {
        self.nodes
            .iter()
            .filter(move |(_, all)| all.iter().any(|c| c.org == *org))
            .map(|(node, _)| node)
    }

    /// Who an org is.
    pub fn party(&self, org: &OrgId) -> Option<&Party> {
        self.parties.get(org)
    }

    /// What an org calls itself: its newest profile's name, else the first name heard.
    pub fn name(&self, org: &OrgId) -> &str {
        match self.profiles.get(org) {
            Some((_, _, _, name)) => name,
            None => self.parties.get(org).map_or("", |party| &party.name),
        }
    }

    /// Where an org's nodes listen, by its newest profile.
    pub fn addresses(&self, org: &OrgId) -> &[String] {
        self.profiles.get(org).map_or(&[], |(_, _, addresses, _)| addresses)
    }

    /// Rotations, certificates and ended nodes of an org.
    pub fn key_statements(&self, org: &OrgId) -> impl Iterator<Item = &StatementId> {
        self.keys.get(org).into_iter().flatten()
    }

    /// The newest profile statement of an org.
    pub fn profile(&self, org: &OrgId) -> Option<StatementId> {
        self.profiles.get(org).map(|(_, id, _, _)| *id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u8) -> SigningKey {
        SigningKey::from_bytes(&[n; 32])
    }

    fn acme() -> (OrgKeys, Party) {
        let keys = OrgKeys { root: key(1), successor: key(2) };
        let party = keys.party("Acme");
        (keys, party)
    }

    #[test]
    fn an_org_keeps_its_id_when_its_root_key_changes() {
        let (keys, party) = acme();
        let rotation = keys.rotate(&party, &key(3).public(), Hlc(1));
        let next = OrgKeys { root: key(2), successor: key(3) };
        let certificate = next.certify(&party, key(9).public(), Some(1), Hlc(2), 1000);
        for order in [[&rotation, &certificate], [&certificate, &rotation]] {
            let mut directory = Directory::default();
            directory.learn(&party);
            let mut waiting: Vec<&Statement> = order.to_vec();
            while !waiting.is_empty() {
                let ready = waiting
                    .iter()
                    .position(|s| directory.authority(s) == Authority::Holds)
                    .expect("one of them can be taken");
                directory.insert(waiting.remove(ready));
            }
            assert!(directory.acts_for(&party.org, &key(9).public(), 999));
            assert!(!directory.acts_for(&party.org, &key(9).public(), 1000), "expired");
            assert!(directory.certified(&party.org, &key(9).public()));
        }
    }

    #[test]
    fn a_stolen_root_cannot_name_another_successor() {
        let (_, party) = acme();
        let thief = OrgKeys { root: key(1), successor: key(66) };
        let rotation = thief.rotate(&party, &key(67).public(), Hlc(1));
        let mut directory = Directory::default();
        directory.learn(&party);
        directory.insert(&rotation);
        let late = OrgKeys { root: key(66), successor: key(67) }.certify(
            &party,
            key(9).public(),
            None,
            Hlc(2),
            1000,
        );
        assert_eq!(directory.authority(&late), Authority::Unknown);
    }

    #[test]
    fn only_a_root_certifies_and_only_a_certified_node_speaks() {
        let (keys, party) = acme();
        let mut directory = Directory::default();
        let revoke =
            Statement::sign(party.org, &key(9), Hlc(1), Body::EndNode { node: key(9).public() });
        assert_eq!(directory.authority(&revoke), Authority::Unknown);
        let mut foreign = party.clone();
        foreign.root = key(50).public();
        let forged = OrgKeys { root: key(50), successor: key(2) }.certify(
            &foreign,
            key(9).public(),
            None,
            Hlc(1),
            9,
        );
        assert_eq!(directory.authority(&forged), Authority::Refused);
        let good = keys.certify(&party, key(9).public(), None, Hlc(1), 9);
        assert_eq!(directory.authority(&good), Authority::Holds);
        directory.insert(&good);
        assert!(!directory.steward(&party.org, &key(9).public()));
        assert_eq!(directory.name(&party.org), "Acme");
    }
}
