//! The gate: who may speak. The first frame of a connection shows a certificate and why its node
//! should be let in: as a partner's, as introduced by a grant chain, or with an invite.

use crate::grant::{GrantInfo, Grants};
use crate::id::{OrgId, PublicKey};
use crate::identity::{Authority, Directory};
use crate::message::{Approach, Blob, Frame};
use crate::mutation::{Law, broken};
use crate::refusal::Refusal;
use crate::replica::{Conn, Effect, Replica};
use crate::session::Stage;
use crate::statement::{Body, Statement};

/// Why the gate stays shut; the code is told to the peer and logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.code())]
pub(crate) enum GateError {
    NoCertificate,
    OtherNode,
    Forged,
    Expired,
    Unknown,
    Paused,
    BadIntroduction,
    BadInvite,
    Unexpected,
}

impl GateError {
    /// The code that is told and logged. "Absent" and "forbidden" are one code.
    pub fn code(self) -> &'static str {
        match self {
            GateError::NoCertificate => "gate_no_certificate",
            GateError::OtherNode => "gate_other_node",
            GateError::Forged => "gate_forged",
            GateError::Expired => "gate_certificate_expired",
            GateError::Unknown | GateError::Paused => "gate_unknown",
            GateError::BadIntroduction => "gate_introduction",
            GateError::BadInvite => "gate_invite",
            GateError::Unexpected => "gate_unexpected",
        }
    }
}

fn stands(chain: &[&GrantInfo], who: &OrgId) -> bool {
    chain.iter().any(|link| link.author == *who || link.to.org == *who)
}

/// The chains by which the author of a section's grant may have a section in that share.
fn contributions_of<'a>(
    grants: &'a Grants,
    root: &'a GrantInfo,
) -> impl Iterator<Item = Vec<&'a GrantInfo>> {
    let rights = grants.contributions(&root.share).filter(|right| right.to.org == root.author);
    rights.filter_map(|right| grants.chain(&right.id).ok())
}

impl Replica {
    /// Our first frame on a connection.
    pub(crate) fn gate_frame(&self, approach: Approach) -> Frame {
        let me = self.me.party.org;
        let rotations = self
            .statements
            .values()
            .filter(|s| s.author() == me && matches!(s.body(), Body::Rotation { .. }))
            .map(|s| Blob(s.bytes().to_vec()))
            .collect();
        let shown = self.directory.shown_certificate(&me, &self.node_key());
        let shown = shown.and_then(|id| self.statements.get(&id)).unwrap_or(&self.me.certificate);
        let certificate = Blob(shown.bytes().to_vec());
        Frame::Gate { certificate, rotations, approach }
    }

    /// Why `org` should let us in: a chain both stand in, unless we have paired.
    pub(crate) fn approach(&self, org: &OrgId) -> Approach {
        let me = self.me.party.org;
        if *org == me || self.partners.get(org).is_some_and(|p| p.paired) {
            return Approach::Known;
        }
        // The other side believes its own word best, somebody else's next, and never ours alone.
        let weight = |chain: &Vec<&GrantInfo>| {
            (chain.iter().any(|l| l.author == *org), chain.iter().any(|l| l.author != me))
        };
        let chain = self
            .grants
            .iter()
            .filter_map(|grant| {
                let chain = self.grants.chain(&grant.id).ok()?;
                (stands(&chain, &me) && stands(&chain, org)).then_some(chain)
            })
            .max_by_key(weight);
        let Some(chain) = chain else { return Approach::Known };
        let mut statements = Vec::new();
        let mut add = |id: &crate::id::StatementId| {
            if let Some(statement) = self.statements.get(id) {
                let blob = Blob(statement.bytes().to_vec());
                if !statements.contains(&blob) {
                    statements.push(blob);
                }
            }
        };
        let right = chain.first().and_then(|root| contributions_of(&self.grants, root).next());
        for link in right.iter().flatten().chain(&chain) {
            let signer = self.statements.get(&link.id.into()).map(Statement::key);
            let certificates = signer.iter().flat_map(|key| self.directory.certificates(key));
            // Another org may have certified the same key as its own: that is nobody's concern.
            let own = |org: &OrgId| *org == link.author || broken(Law::OthersCertificates);
            for certificate in certificates.filter(|certificate| own(&certificate.org)) {
                add(&certificate.statement);
            }
            add(&link.share.into());
            add(&link.id.into());
        }
        Approach::Introduced { chain: statements }
    }

    /// Checks certificate and rotations against the key that the connection has proved.
    fn check_certificate(
        &self,
        node: &PublicKey,
        certificate: &Blob,
        rotations: &[Blob],
    ) -> Result<(OrgId, Vec<Statement>), GateError> {
        let open = |blob: &Blob| Statement::open(&blob.0).map_err(|_| GateError::Forged);
        let certificate = open(certificate)?;
        let Body::Certificate { party, node: certified, .. } = certificate.body() else {
            return Err(GateError::NoCertificate);
        };
        if certified != node {
            return Err(GateError::OtherNode);
        }
        let mut directory = self.directory.clone();
        directory.learn(party);
        let mut taken = Vec::new();
        for rotation in rotations.iter().take(16) {
            let rotation = open(rotation)?;
            if directory.authority(&rotation) != Authority::Holds {
                return Err(GateError::Forged);
            }
            directory.insert(&rotation);
            taken.push(rotation);
        }
        if directory.authority(&certificate) != Authority::Holds {
            return Err(GateError::Forged);
        }
        directory.insert(&certificate);
        let org = certificate.author();
        if !directory.acts_for(&org, node, self.now) {
            return Err(GateError::Expired);
        }
        taken.push(certificate);
        Ok((org, taken))
    }

    /// Whether a chain brings an org to this one: both stand in it, and not by that org's word
    /// alone. Anybody can sign a grant to anybody; a publisher's grants in its own section are as
    /// good as its right to have one.
    fn vouches(&self, grants: &Grants, links: &[&GrantInfo], org: &OrgId) -> bool {
        let me = self.me.party.org;
        let known = |who: &OrgId| {
            *who == me
                || (who != org
                    && (self.partners.contains_key(who) || self.acquaintances.contains(who)))
        };
        let rooted = |links: &[&GrantInfo]| links.iter().any(|link| known(&link.author));
        let Some(root) = links.first() else { return false };
        let mut rights = contributions_of(grants, root).peekable();
        let publishes = grants.opener(&root.share) == Some(root.author) || rights.peek().is_some();
        // Whoever publishes in a share this org is in may grant to it.
        let takes_part = || {
            self.grants.opener(&root.share) == Some(me)
                || self.grants.to(&me).any(|grant| {
                    grant.share == root.share
                        && self.grants.chain(&grant.id).is_ok_and(|chain| rooted(&chain))
                })
        };
        stands(links, org)
            && stands(links, &me)
            && (rooted(links) || rights.any(|chain| rooted(&chain)) || (publishes && takes_part()))
    }

    /// Whether a chain that was shown lets its org in: well formed, and vouched for by somebody
    /// who is known here. Nothing of it is stored before that is sure.
    fn check_introduction(
        &self,
        org: &OrgId,
        shown: &[Statement],
        chain: &[Blob],
    ) -> Result<Vec<Statement>, GateError> {
        let mut directory: Directory = self.directory.clone();
        let mut grants = self.grants.clone();
        for statement in shown {
            directory.insert(statement);
        }
        let mut taken = Vec::new();
        for blob in chain.iter().take(64) {
            let statement = Statement::open(&blob.0).map_err(|_| GateError::BadIntroduction)?;
            if directory.authority(&statement) != Authority::Holds {
                return Err(GateError::BadIntroduction);
            }
            directory.insert(&statement);
            grants.insert(&statement);
            taken.push(statement);
        }
        let introduces = taken.iter().any(|statement| {
            grants
                .chain(&statement.id().into())
                .is_ok_and(|links| self.vouches(&grants, &links, org))
        });
        if introduces { Ok(taken) } else { Err(GateError::BadIntroduction) }
    }

    /// The peer's first frame.
    pub(crate) fn on_gate(
        &mut self,
        conn: Conn,
        certificate: &Blob,
        rotations: &[Blob],
        approach: &Approach,
    ) -> Result<(), Refusal> {
        match self.judge_gate(conn, certificate, rotations, approach) {
            Ok((org, statements)) => self.enter(conn, org, statements, approach),
            Err(error) => {
                self.refuse(conn, error.code());
                Ok(())
            }
        }
    }

    fn judge_gate(
        &self,
        conn: Conn,
        certificate: &Blob,
        rotations: &[Blob],
        approach: &Approach,
    ) -> Result<(OrgId, Vec<Statement>), GateError> {
        let session = self.sessions.get(&conn).ok_or(GateError::Unexpected)?;
        if session.stage != Stage::Gate {
            return Err(GateError::Unexpected);
        }
        let (org, mut statements) =
            self.check_certificate(&session.node, certificate, rotations)?;
        if org == self.me.party.org {
            let itself = session.node == self.node_key();
            // No company pairs with itself, however well its nodes know the line.
            let invited = matches!(approach, Approach::Invited { .. });
            return match (itself, invited && !broken(Law::OwnInvite)) {
                (true, _) => Err(GateError::Unknown),
                (false, true) => Err(GateError::BadInvite),
                (false, false) => Ok((org, statements)),
            };
        }
        let answered = self
            .accepting
            .as_ref()
            .is_some_and(|a| session.dialer && a.line.node == session.node && a.line.org == org);
        if answered {
            return Ok((org, statements));
        }
        match approach {
            Approach::Invited { invite, mac, commitment, profile } => {
                self.check_invite(&org, &session.node, invite, (mac, commitment))?;
                let profile = Statement::open(&profile.0).map_err(|_| GateError::BadInvite)?;
                if !matches!(profile.body(), Body::Profile { .. }) || profile.author() != org {
                    return Err(GateError::BadInvite);
                }
                statements.push(profile);
            }
            Approach::Introduced { chain } if !self.partners.contains_key(&org) => {
                statements.extend(self.check_introduction(&org, &statements, chain)?);
            }
            Approach::Known | Approach::Introduced { .. } => {
                if !self.partners.contains_key(&org) && !self.acquaintances.contains(&org) {
                    return Err(GateError::Unknown);
                }
                if !self.may_speak(&org) {
                    return Err(GateError::Paused);
                }
            }
        }
        Ok((org, statements))
    }

    fn enter(
        &mut self,
        conn: Conn,
        org: OrgId,
        statements: Vec<Statement>,
        approach: &Approach,
    ) -> Result<(), Refusal> {
        for statement in statements {
            self.take(statement)?;
        }
        let Some(session) = self.sessions.get_mut(&conn) else { return Ok(()) };
        session.org = Some(org);
        let (node, dialer) = (session.node, session.dialer);
        self.effect(Effect::Admitted { conn });
        self.know_peer(&node, org)?;
        let pairing = match approach {
            Approach::Invited { invite, commitment, .. } => Some((*invite, *commitment)),
            Approach::Known | Approach::Introduced { .. } => None,
        };
        if !dialer {
            // Who is known may dial while it is being paired with anew: the line is shown in answer.
            let line = self.invited_approach().filter(|_| self.is_accepting(&node));
            let answer = line.filter(|_| pairing.is_none()).unwrap_or(Approach::Known);
            let frame = self.gate_frame(answer);
            self.send(conn, &frame);
        }
        match pairing {
            Some((invite, commitment)) => self.welcome(conn, org, invite, commitment),
            None if self.is_accepting(&node) => {
                self.set_stage(conn, Stage::Pairing);
                Ok(())
            }
            // Our nonce was revealed and the line is not taken any more: being let in says that it was.
            None if self.has_revealed_to(&node) => self.on_paired(conn),
            None => {
                self.greet(conn);
                Ok(())
            }
        }
    }
}
