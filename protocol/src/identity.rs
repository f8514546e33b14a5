//! Who is who: org ids, root keys under rotation, which node acts for which org.
//! Decides authority over statements; knows nothing of shares.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::{OrgId, PublicKey, StatementId, hash};
use crate::mutation::{Law, broken};
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

    /// Ends a node.
    pub fn end(&self, party: &Party, node: PublicKey, at: Hlc) -> Statement {
        Statement::sign(party.org, &self.root, at, Body::EndNode { node })
    }

    /// Hands over to the successor key, which commits to `next`. Of what this root has signed only
    /// `keeps` stands from then on.
    pub fn rotate(
        &self,
        party: &Party,
        next: &PublicKey,
        keeps: &BTreeSet<StatementId>,
        at: Hlc,
    ) -> Statement {
        let root = self.successor.public();
        let successor = commitment(next);
        let keeps: Vec<StatementId> = keeps.iter().copied().collect();
        let old = self.root.public();
        let digest = rotation_digest(&party.org, &old, &root, &successor, &keeps);
        let countersignature = self.successor.sign(DOMAIN_ROTATION, &digest);
        let body = Body::Rotation { root, successor, keeps, countersignature };
        Statement::sign(party.org, &self.root, at, body)
    }
}

fn rotation_digest(
    org: &OrgId,
    old: &PublicKey,
    new: &PublicKey,
    successor: &Nonce32,
    keeps: &[StatementId],
) -> [u8; 32] {
    let kept: Vec<u8> = keeps.iter().flat_map(|id| id.0).collect();
    hash("entente/rotation-body/1", &[&org.0, &old.0, &new.0, &successor.0, &kept])
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
    /// The root key that signed it.
    root: PublicKey,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Rotated {
    statement: StatementId,
    old: PublicKey,
    new: PublicKey,
    successor: Nonce32,
    keeps: BTreeSet<StatementId>,
}

#[derive(Debug, Clone)]
struct Profile {
    at: Hlc,
    statement: StatementId,
    addresses: Vec<String>,
    name: String,
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
    rotations: BTreeMap<OrgId, BTreeSet<Rotated>>,
    /// What still stands of each root key that was handed over.
    handed_over: BTreeMap<(OrgId, PublicKey), BTreeSet<StatementId>>,
    nodes: BTreeMap<PublicKey, Vec<Certificate>>,
    /// Ended nodes: who said so, under which root.
    ended: BTreeMap<(OrgId, PublicKey), BTreeMap<StatementId, PublicKey>>,
    /// Rotations, certificates and ended nodes of an org.
    keys: BTreeMap<OrgId, BTreeSet<StatementId>>,
    /// The newest of each node.
    profiles: BTreeMap<OrgId, BTreeMap<PublicKey, Profile>>,
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
            Body::Rotation { root, successor, keeps, countersignature } => {
                let digest = rotation_digest(&org, &statement.key(), root, successor, keeps);
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
                    root: statement.key(),
                };
                if !certificates.contains(&certificate) {
                    certificates.push(certificate);
                    certificates.sort_by_key(|c| c.statement);
                }
            }
            Body::Rotation { root, successor, keeps, .. } => {
                self.rotations.entry(org).or_default().insert(Rotated {
                    statement: statement.id(),
                    old: statement.key(),
                    new: *root,
                    successor: *successor,
                    keeps: keeps.iter().copied().collect(),
                });
                self.extend_roots(&org);
            }
            Body::EndNode { node } => {
                let ended = self.ended.entry((org, *node)).or_default();
                ended.insert(statement.id(), statement.key());
            }
            Body::Profile { party, addresses, .. } => {
                self.learn(party);
                let profile = Profile {
                    at: statement.at(),
                    statement: statement.id(),
                    addresses: addresses.clone(),
                    name: party.name.clone(),
                };
                let profiles = self.profiles.entry(org).or_default();
                let known = profiles.entry(statement.key()).or_insert_with(|| profile.clone());
                if (profile.at, profile.statement) > (known.at, known.statement) {
                    *known = profile;
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
        roots.truncate(1);
        self.handed_over.retain(|(of, _), _| of != org);
        while let Some((last, committed)) = roots.last().copied() {
            let next = rotations.iter().find(|next| {
                next.old == last
                    && commitment(&next.new) == committed
                    && roots.iter().all(|root| root.0 != next.new)
            });
            let Some(next) = next else { return };
            roots.push((next.new, next.successor));
            self.handed_over.insert((*org, last), next.keeps.clone());
        }
    }

    /// Whether what a root key has signed counts: the root in force stands behind all of it, one
    /// that was handed over behind what its rotation names. So a stolen root key that is rotated
    /// away certifies and ends nobody, however it dates what it signs.
    fn stands(&self, org: &OrgId, root: &PublicKey, statement: &StatementId) -> bool {
        match self.handed_over.get(&(*org, *root)) {
            None => true,
            Some(keeps) => keeps.contains(statement) || broken(Law::OldRoots),
        }
    }

    /// The root key in force.
    pub fn root_of(&self, org: &OrgId) -> Option<PublicKey> {
        Some(self.roots.get(org)?.last()?.0)
    }

    /// The certificate that a node shows: of those that stand the one that ends last.
    pub fn shown_certificate(&self, org: &OrgId, node: &PublicKey) -> Option<StatementId> {
        self.standing(org, node).max_by_key(|c| c.expires_at).map(|c| c.statement)
    }

    /// Certificates of a node for an org that stand.
    fn standing(&self, org: &OrgId, node: &PublicKey) -> impl Iterator<Item = &Certificate> {
        let all = self.nodes.get(node).into_iter().flatten();
        all.filter(move |c| c.org == *org && self.stands(org, &c.root, &c.statement))
    }

    /// Whether a node was ever certified for an org.
    pub fn certified(&self, org: &OrgId, node: &PublicKey) -> bool {
        self.standing(org, node).next().is_some()
    }

    /// The highest term for which a node was ever its org's steward.
    pub fn term(&self, org: &OrgId, node: &PublicKey) -> Option<u64> {
        self.standing(org, node).filter_map(|c| c.term).max()
    }

    /// Whether a node was ever its org's steward.
    pub fn steward(&self, org: &OrgId, node: &PublicKey) -> bool {
        self.term(org, node).is_some()
    }

    /// The one steward of an org: of the nodes that were not ended the one with the highest term.
    pub fn steward_of(&self, org: &OrgId) -> Option<(u64, PublicKey)> {
        let nodes = self.nodes_of(org).filter(|node| !self.is_ended(org, node));
        nodes.filter_map(|node| Some((self.term(org, node)?, *node))).max()
    }

    /// Whether a node was ended.
    pub fn is_ended(&self, org: &OrgId, node: &PublicKey) -> bool {
        self.endings(org, node).next().is_some()
    }

    fn endings(&self, org: &OrgId, node: &PublicKey) -> impl Iterator<Item = StatementId> {
        let all = self.ended.get(&(*org, *node)).into_iter().flatten();
        all.filter(move |(id, root)| self.stands(org, root, id)).map(|(id, _)| *id)
    }

    /// Every ended node, with the first statement that says so.
    pub fn ended_nodes(&self) -> impl Iterator<Item = (OrgId, PublicKey, StatementId)> {
        let first =
            |(org, node): &(OrgId, PublicKey)| Some((*org, *node, self.endings(org, node).next()?));
        self.ended.keys().filter_map(first)
    }

    /// Whether a node may act for an org now: certified, not expired, not ended.
    pub fn acts_for(&self, org: &OrgId, node: &PublicKey, now: Millis) -> bool {
        (!self.is_ended(org, node) || broken(Law::EndedNodes))
            && self.expires_at(org, node).is_some_and(|end| end > now)
    }

    /// When a node's last certificate ends.
    pub fn expires_at(&self, org: &OrgId, node: &PublicKey) -> Option<Millis> {
        self.standing(org, node).map(|c| c.expires_at).max()
    }

    /// What a rotation names, so that nothing that was said becomes void: all that stands.
    pub fn to_keep(&self, org: &OrgId) -> BTreeSet<StatementId> {
        let nodes: Vec<&PublicKey> = self.nodes_of(org).collect();
        let certificates = nodes.iter().flat_map(|node| self.standing(org, node));
        let endings = nodes.iter().flat_map(|node| self.endings(org, node));
        certificates.map(|c| c.statement).chain(endings).collect()
    }

    /// Certificates of a node.
    pub fn certificates(&self, node: &PublicKey) -> &[Certificate] {
        self.nodes.get(node).map_or(&[], Vec::as_slice)
    }

    /// Nodes ever certified for an org.
    pub fn nodes_of(&self, org: &OrgId) -> impl Iterator<Item = &PublicKey> {
        self.nodes.keys().filter(move |node| self.certified(org, node))
    }

    /// Nodes that act for an org now.
    pub fn acting_nodes(&self, org: OrgId, now: Millis) -> impl Iterator<Item = &PublicKey> {
        self.nodes.keys().filter(move |node| self.acts_for(&org, node, now))
    }

    /// Who an org is.
    pub fn party(&self, org: &OrgId) -> Option<&Party> {
        self.parties.get(org)
    }

    fn newest_profile(&self, org: &OrgId) -> Option<&Profile> {
        let all = self.profiles.get(org)?;
        all.values().max_by_key(|profile| (profile.at, profile.statement))
    }

    /// What an org calls itself: its newest profile's name, else the first name heard.
    pub fn name(&self, org: &OrgId) -> &str {
        match self.newest_profile(org) {
            Some(profile) => &profile.name,
            None => self.parties.get(org).map_or("", |party| &party.name),
        }
    }

    /// Where one of an org's nodes listens, by its newest profile.
    pub fn addresses(&self, org: &OrgId, node: &PublicKey) -> &[String] {
        let profile = self.profiles.get(org).and_then(|all| all.get(node));
        profile.map_or(&[], |profile| &profile.addresses)
    }

    /// Rotations, certificates and ended nodes of an org.
    pub fn key_statements(&self, org: &OrgId) -> impl Iterator<Item = &StatementId> {
        self.keys.get(org).into_iter().flatten()
    }

    /// The newest profile statement of one of an org's nodes.
    pub fn profile(&self, org: &OrgId, node: &PublicKey) -> Option<StatementId> {
        Some(self.profiles.get(org)?.get(node)?.statement)
    }

    /// The newest profile statement of each of an org's nodes.
    pub fn profiles(&self, org: &OrgId) -> impl Iterator<Item = StatementId> {
        self.profiles.get(org).into_iter().flatten().map(|(_, profile)| profile.statement)
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
        let rotation = keys.rotate(&party, &key(3).public(), &BTreeSet::new(), Hlc(1));
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
        let rotation = thief.rotate(&party, &key(67).public(), &BTreeSet::new(), Hlc(1));
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

    #[test]
    fn of_an_old_root_only_what_its_rotation_names_stands() {
        let (keys, party) = acme();
        let org = party.org;
        let kept = keys.certify(&party, key(8).public(), Some(1), Hlc(1), 1000);
        let forged = keys.certify(&party, key(9).public(), Some(2), Hlc(1), 1000);
        let thief_ends = keys.end(&party, key(8).public(), Hlc(1));
        let keeps = BTreeSet::from([kept.id()]);
        let rotation = keys.rotate(&party, &key(3).public(), &keeps, Hlc(2));
        let mut orders = vec![vec![&kept, &forged, &thief_ends, &rotation]];
        orders.push(vec![&rotation, &thief_ends, &forged, &kept]);
        orders.push(vec![&forged, &rotation, &kept, &thief_ends]);
        for order in orders {
            let mut directory = Directory::default();
            directory.learn(&party);
            for statement in order {
                assert_eq!(directory.authority(statement), Authority::Holds);
                directory.insert(statement);
            }
            assert_eq!(directory.steward_of(&org), Some((1, key(8).public())));
            assert!(!directory.certified(&org, &key(9).public()));
            assert!(directory.acts_for(&org, &key(8).public(), 999), "a thief ends nobody");
        }
    }

    #[test]
    fn the_steward_is_the_node_with_the_highest_term_that_was_not_ended() {
        let (keys, party) = acme();
        let mut directory = Directory::default();
        for (node, term) in [(7, Some(1)), (8, None), (9, Some(2))] {
            directory.insert(&keys.certify(&party, key(node).public(), term, Hlc(1), 1000));
        }
        assert_eq!(directory.steward_of(&party.org), Some((2, key(9).public())));
        directory.insert(&keys.end(&party, key(9).public(), Hlc(2)));
        assert_eq!(directory.steward_of(&party.org), Some((1, key(7).public())));
        assert!(!directory.acts_for(&party.org, &key(9).public(), 0));
        assert!(directory.steward(&party.org, &key(9).public()), "what it said still counts");
    }
}
