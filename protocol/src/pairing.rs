//! Pairing: a mutual, explicit act. An invite line carries a secret that is used once; both sides
//! end with the same verification code, which people compare by phone.

use data_encoding::BASE32_NOPAD;
use minicbor::{Decode, Encode};

use crate::codec;
use crate::gate::GateError;
use crate::id::{Nonce, OrgId, PublicKey, hash};
use crate::keys;
use crate::message::{Approach, Blob, Frame, InviteLine};
use crate::mutation::{Law, broken};
use crate::partner::{Partner, PartnerState};
use crate::refusal::Refusal;
use crate::replica::{Conn, Effect, Replica};
use crate::session::Stage;
use crate::statement::{Nonce32, Statement};
use crate::time::Millis;

const LINE_PREFIX: &str = "entente1";
/// How long an invite is good for unless said otherwise, in ms.
pub const INVITE_MS: Millis = 7 * 24 * 3600 * 1000;

/// An invite as the inviter keeps it: never the secret, only its hash.
#[derive(Debug, Clone, Encode, Decode)]
struct Invite {
    #[n(0)]
    secret_hash: Nonce32,
    #[n(1)]
    expires_at: Millis,
    #[n(2)]
    confirm_first: bool,
    #[n(3)]
    spent: bool,
    /// What the newcomer that spent it committed to, and the nonce that it was welcomed with, until
    /// the pairing is stored.
    #[n(4)]
    welcomed: Option<(Nonce32, Nonce32)>,
}

impl Invite {
    /// Whether it is good for a newcomer with this commitment: for the first, and for the same again
    /// whose line broke before the pairing was stored.
    fn is_good_for(&self, shown: &Nonce32, now: Millis) -> bool {
        let again = self.welcomed.is_some_and(|(commitment, _)| commitment == *shown);
        (again || !self.spent) && self.expires_at > now
    }
}

/// A pairing this node has begun by accepting a line.
#[derive(Debug, Clone)]
pub(crate) struct Accepting {
    pub line: InviteLine,
    nonce: Nonce32,
    /// The inviter's nonce, once it may have ours. Whoever has that could choose its own to fit a
    /// code, so no other nonce is taken from then on.
    welcome: Option<Nonce32>,
    /// The inviting node does not take the line, or not any more.
    refused: bool,
}

impl Accepting {
    /// The line was refused before anything was paired by it.
    fn turned_away(&self) -> bool {
        self.refused && self.welcome.is_none()
    }
}

/// A pairing at the inviter, between `Welcome` and `Reveal`.
#[derive(Debug, Clone)]
pub(crate) struct Welcomed {
    invite: Nonce,
    commitment: Nonce32,
    nonce: Nonce32,
    confirm_first: bool,
}

fn secret_hash(secret: &Nonce32) -> Nonce32 {
    Nonce32(hash("entente/invite-secret/1", &[&secret.0]))
}

fn mac(key: &Nonce32, inviter: (&OrgId, &PublicKey), newcomer: (&OrgId, &PublicKey)) -> Nonce32 {
    let mut hasher = blake3::Hasher::new_keyed(&key.0);
    hasher.update(b"entente/invite-mac/1\0");
    for part in [&inviter.0.0, &inviter.1.0, &newcomer.0.0, &newcomer.1.0] {
        hasher.update(part);
    }
    Nonce32(*hasher.finalize().as_bytes())
}

fn commitment(nonce: &Nonce32) -> Nonce32 {
    Nonce32(hash("entente/pairing-commitment/1", &[&nonce.0]))
}

/// What both sides compare: 8 digits over both orgs' root keys, both nodes and both nonces.
fn code(
    inviter: (&PublicKey, &PublicKey, &Nonce32),
    newcomer: (&PublicKey, &PublicKey, &Nonce32),
) -> String {
    let digest = hash(
        "entente/pairing-code/1",
        &[&inviter.0.0, &inviter.1.0, &inviter.2.0, &newcomer.0.0, &newcomer.1.0, &newcomer.2.0],
    );
    let mut number = [0; 8];
    number.copy_from_slice(&digest[..8]);
    let number = u64::from_be_bytes(number) % 100_000_000;
    format!("{:04} {:04}", number / 10_000, number % 10_000)
}

impl Replica {
    /// Makes an invite and its line.
    pub fn invite(&mut self, lasts_ms: Millis, confirm_first: bool) -> Result<String, Refusal> {
        let (invite, secret) = (Nonce(self.draw()), Nonce32(self.draw()));
        let expires_at = self.now + lasts_ms;
        let secret_hash = secret_hash(&secret);
        let kept = Invite { secret_hash, expires_at, confirm_first, spent: false, welcomed: None };
        self.put(&keys::invite(&invite.0), codec::to_bytes(&kept))?;
        let line = InviteLine {
            org: self.me.party.org,
            name: self.me.party.name.clone(),
            node: self.me.node.public(),
            addresses: self.addresses.clone(),
            invite,
            secret,
            expires_at,
        };
        let text = BASE32_NOPAD.encode(&codec::to_bytes(&line)).to_ascii_lowercase();
        Ok(format!("{LINE_PREFIX}{text}"))
    }

    /// Begins a pairing from an invite line; [`Effect::Paired`] tells when it is done.
    pub fn accept(&mut self, text: &str) -> Result<OrgId, Refusal> {
        let refuse = |why| Refusal::Invite { why };
        let body = text.trim().strip_prefix(LINE_PREFIX);
        let body = body.ok_or(refuse("it does not start with `entente1`"))?;
        let damaged = "it is damaged or was cut short while copying";
        let bytes = BASE32_NOPAD
            .decode(body.to_ascii_uppercase().as_bytes())
            .map_err(|_| refuse(damaged))?;
        let line: InviteLine = codec::from_bytes(&bytes, 4096).map_err(|_| refuse(damaged))?;
        if line.org == self.me.party.org {
            return Err(Refusal::Oneself(line.org));
        }
        if line.expires_at <= self.now {
            return Err(refuse("it has expired"));
        }
        let (org, node, addresses) = (line.org, line.node, line.addresses.clone());
        let nonce = Nonce32(self.draw());
        self.accepting = Some(Accepting { line, nonce, welcome: None, refused: false });
        for conn in self.connections_of(&node) {
            self.refuse(conn, "pairing_again");
        }
        self.dialling.insert(node, addresses.clone());
        self.effect(Effect::Dial { node, addresses });
        Ok(org)
    }

    /// Whether a pairing with an org was begun here and is not stored on both sides yet.
    pub fn is_pairing(&self, org: &OrgId) -> bool {
        self.accepting.as_ref().is_some_and(|a| a.line.org == *org && !a.turned_away())
    }

    /// Whether the line accepted last was one of this org's, and its node did not take it.
    pub fn is_turned_away(&self, org: &OrgId) -> bool {
        self.accepting.as_ref().is_some_and(|a| a.line.org == *org && a.turned_away())
    }

    /// Whether the line is still to be shown to its node: until that says that both have paired, or
    /// does not take it any more. A line that breaks is shown again.
    pub(crate) fn is_accepting(&self, node: &PublicKey) -> bool {
        let over = |a: &Accepting| a.welcome.is_some() && broken(Law::PairingGoesOn);
        let open = |a: &Accepting| a.line.node == *node && !a.refused && !over(a);
        self.accepting.as_ref().is_some_and(open)
    }

    pub(crate) fn has_revealed_to(&self, node: &PublicKey) -> bool {
        self.accepting.as_ref().is_some_and(|a| a.line.node == *node && a.welcome.is_some())
    }

    /// Newcomer: the inviter does not take the line. It is not tried again. Who had our nonce may
    /// have stored the pairing; then it lets us in without the line.
    pub(crate) fn on_invite_refused(&mut self, node: &PublicKey) {
        let Some(accepting) = self.accepting.as_mut().filter(|a| a.line.node == *node) else {
            return;
        };
        accepting.refused = true;
        let (org, turned_away) = (accepting.line.org, accepting.turned_away());
        if turned_away && !self.may_speak(&org) {
            self.dialling.remove(node);
            self.effect(Effect::Forget { node: *node });
        }
    }

    /// The first frame to the inviter.
    pub(crate) fn invited_approach(&self) -> Option<Approach> {
        let accepting = self.accepting.as_ref()?;
        let line = &accepting.line;
        let profile = self.directory.profile(&self.me.party.org, &self.node_key())?;
        let profile = self.statements.get(&profile)?;
        Some(Approach::Invited {
            invite: line.invite,
            mac: mac(
                &secret_hash(&line.secret),
                (&line.org, &line.node),
                (&self.me.party.org, &self.me.node.public()),
            ),
            commitment: commitment(&accepting.nonce),
            profile: Blob(profile.bytes().to_vec()),
        })
    }

    pub(crate) fn check_invite(
        &self,
        org: &OrgId,
        node: &PublicKey,
        invite: &Nonce,
        (shown, commitment): (&Nonce32, &Nonce32),
    ) -> Result<(), GateError> {
        let kept = self.read::<Invite>(&keys::invite(&invite.0)).ok().flatten();
        let kept = kept.ok_or(GateError::BadInvite)?;
        let me = (&self.me.party.org, &self.me.node.public());
        let expected = mac(&kept.secret_hash, me, (org, node));
        let fits = blake3::Hash::from(expected.0) == blake3::Hash::from(shown.0);
        let good = fits && kept.is_good_for(commitment, self.now);
        good.then_some(()).ok_or(GateError::BadInvite)
    }

    /// Inviter: spends the invite, durably before the answer leaves. Whoever comes again is given the
    /// same nonce: of many it could choose one that fits a code.
    pub(crate) fn welcome(
        &mut self,
        conn: Conn,
        org: OrgId,
        invite: Nonce,
        commitment: Nonce32,
    ) -> Result<(), Refusal> {
        let key = keys::invite(&invite.0);
        let Some(mut kept) = self.read::<Invite>(&key)? else { return Ok(()) };
        let nonce = kept.welcomed.map_or_else(|| Nonce32(self.draw()), |(_, nonce)| nonce);
        (kept.spent, kept.welcomed) = (true, Some((commitment, nonce)));
        self.put(&key, codec::to_bytes(&kept))?;
        let profile = self.directory.profile(&self.me.party.org, &self.node_key());
        let profile = profile.and_then(|id| self.statements.get(&id)).map(Statement::bytes);
        let frame = Frame::Welcome { nonce, profile: Blob(profile.unwrap_or_default().to_vec()) };
        self.send(conn, &frame);
        let welcomed = Welcomed { invite, commitment, nonce, confirm_first: kept.confirm_first };
        if let Some(session) = self.sessions.get_mut(&conn) {
            session.welcomed = Some(welcomed);
            session.stage = Stage::Pairing;
        }
        debug_assert_ne!(org, self.me.party.org);
        Ok(())
    }

    /// Newcomer: the inviter's nonce has come; ours is revealed now.
    pub(crate) fn on_welcome(
        &mut self,
        conn: Conn,
        nonce: Nonce32,
        profile: &Blob,
    ) -> Result<(), Refusal> {
        let session = self.sessions.get(&conn).map(|s| (s.stage, s.org, s.node));
        let (Some(accepting), Some((Stage::Pairing, Some(org), node))) =
            (self.accepting.clone(), session)
        else {
            self.refuse(conn, "pairing_unexpected");
            return Ok(());
        };
        let known = accepting.welcome;
        if !self.is_accepting(&node) || known.is_some_and(|known| known != nonce) {
            self.refuse(conn, "pairing_unexpected");
            return Ok(());
        }
        let Ok(()) = self.hear(&profile.0, &node) else {
            self.refuse(conn, "pairing_profile");
            return Ok(());
        };
        let inviter_root = self.directory.party(&org).map(|p| p.root).unwrap_or(PublicKey([0; 32]));
        let code = code(
            (&inviter_root, &accepting.line.node, &nonce),
            (&self.me.party.root, &self.me.node.public(), &accepting.nonce),
        );
        if known.is_none() {
            self.pair(org, code, PartnerState::Paired)?;
        }
        if let Some(accepting) = &mut self.accepting {
            accepting.welcome = Some(nonce);
        }
        self.send(conn, &Frame::Reveal { nonce: accepting.nonce });
        Ok(())
    }

    /// Inviter: the newcomer's nonce must be the one it committed to.
    pub(crate) fn on_reveal(&mut self, conn: Conn, nonce: Nonce32) -> Result<(), Refusal> {
        let Some(session) = self.sessions.get_mut(&conn) else { return Ok(()) };
        let (node, org, welcomed) = (session.node, session.org, session.welcomed.take());
        let (Some(welcomed), Some(org)) = (welcomed, org) else {
            self.refuse(conn, "pairing_unexpected");
            return Ok(());
        };
        if commitment(&nonce) != welcomed.commitment {
            self.refuse(conn, "pairing_commitment");
            return Ok(());
        }
        let newcomer_root =
            self.directory.party(&org).map(|p| p.root).unwrap_or(PublicKey([0; 32]));
        let code = code(
            (&self.me.party.root, &self.me.node.public(), &welcomed.nonce),
            (&newcomer_root, &node, &nonce),
        );
        let state =
            if welcomed.confirm_first { PartnerState::Pending } else { PartnerState::Paired };
        self.pair(org, code, state)?;
        let key = keys::invite(&welcomed.invite.0);
        if let Some(kept) = self.read::<Invite>(&key)? {
            self.put(&key, codec::to_bytes(&Invite { welcomed: None, ..kept }))?;
        }
        self.send(conn, &Frame::Paired);
        if state == PartnerState::Paired {
            self.effect(Effect::Paired { org });
            self.greet(conn);
        }
        Ok(())
    }

    /// Newcomer: both sides have stored the pairing.
    pub(crate) fn on_paired(&mut self, conn: Conn) -> Result<(), Refusal> {
        let session = self.sessions.get(&conn).and_then(|s| Some((s.org?, s.node)));
        let Some((org, node)) = session else { return Ok(()) };
        if !self.has_revealed_to(&node) {
            self.refuse(conn, "pairing_unexpected");
            return Ok(());
        }
        self.accepting = None;
        self.effect(Effect::Paired { org });
        self.greet(conn);
        Ok(())
    }

    fn pair(&mut self, org: OrgId, code: String, state: PartnerState) -> Result<(), Refusal> {
        let known = self.partners.get(&org);
        let alias = match known {
            Some(partner) => partner.alias.clone(),
            None => self.free_alias(self.directory.name(&org)),
        };
        // A pause is ended by whoever made it, not by an invite from before.
        let paused = known.is_some_and(|partner| partner.state == PartnerState::Paused);
        let state = if paused { PartnerState::Paused } else { state };
        self.store_partner(Partner {
            org,
            alias,
            state,
            code: Some(code),
            confirmed: false,
            since: self.now,
            paired: true,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_depends_on_every_key_and_nonce() {
        let (a, b, n, m) =
            (PublicKey([1; 32]), PublicKey([2; 32]), Nonce32([3; 32]), Nonce32([4; 32]));
        let plain = code((&a, &b, &n), (&b, &a, &m));
        assert_eq!(plain.len(), 9);
        for other in [
            code((&b, &b, &n), (&b, &a, &m)),
            code((&a, &a, &n), (&b, &a, &m)),
            code((&a, &b, &m), (&b, &a, &m)),
            code((&a, &b, &n), (&a, &a, &m)),
            code((&a, &b, &n), (&b, &b, &m)),
            code((&a, &b, &n), (&b, &a, &n)),
        ] {
            assert_ne!(plain, other);
        }
    }
}
