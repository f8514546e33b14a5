//! Hostile orgs in random worlds. Each runs a real replica, so that it is paired and knows what it
//! may know; besides, it says to some node's face whatever it likes, signed with its real keys.
//! It is spared guessing: it knows every id that its victim knows.

use crate::bundle::{Leaf, Verified};
use crate::codec;
use crate::id::{CompartmentId, GrantId, LogId, Nonce, OrgId, ShareId, StatementId};
use crate::identity::OrgKeys;
use crate::ingest::FacetRow;
use crate::keys::{self, FacetKey};
use crate::message::{Approach, Blob, DeskEntry, Frame, Height, VERSION};
use crate::replica::{Conn, Replica};
use crate::scene::{Pen, bytes};
use crate::session::Session;
use crate::sign::SigningKey;
use crate::statement::{Body, Cause, Mark, Nonce32, RecordTurn, Scope, Statement};
use crate::store::Store;
use crate::time::Hlc;

use super::hostile::mutant::mutate;
use super::model::{Known, What};
use super::random::Sim;
use super::records::{Form, fields_of, shared_fields};

/// A bundle that a hostile org has signed and keeps until it hurts.
#[derive(Debug, Clone)]
pub struct Hoarded {
    villain: usize,
    owner: usize,
    share: ShareId,
    compartment: CompartmentId,
    grant: Option<usize>,
    bundle: Verified,
    tokens: Vec<usize>,
}

/// Where a hostile org speaks into a node's face.
#[derive(Debug, Clone, Copy)]
struct Face {
    villain: usize,
    victim: usize,
    conn: Conn,
}

impl Sim {
    /// Whether a node is one of a hostile org.
    pub fn is_hostile(&self, node: usize) -> bool {
        self.model.is_hostile(&self.world, node)
    }

    /// One hostile act against an honest node.
    pub fn misbehave(&mut self) -> Result<(), String> {
        let up: Vec<usize> = (0..self.world.orgs.len()).filter(|o| self.world.is_up(*o)).collect();
        let (bad, good): (Vec<usize>, Vec<usize>) =
            up.into_iter().partition(|org| self.is_hostile(*org));
        let (Some(villain), Some(victim)) = (self.choose(&bad), self.choose(&good)) else {
            return Ok(());
        };
        let Some(face) = self.intrude(villain, victim) else { return Ok(()) };
        let what = self.dice.below(100);
        self.log.push(format!("  org {villain} misbehaves ({what}) towards {victim}"));
        match what {
            0..28 => self.lie(face),
            28..56 => self.scribble(face)?,
            56..70 => self.bring_out(face)?,
            70..78 => self.fork(face),
            78..84 => self.redact_in_passing(face),
            84..90 => self.ask_for_everything(face),
            90..93 => self.park(face),
            93..96 => self.claim_to_have_everything(face),
            96 => self.replay_pairing(face),
            97 => self.claim_the_node(face),
            _ => self.babble(face),
        }
        if self.dice.chance(30) {
            self.world.close_raw();
        }
        Ok(())
    }

    /// Opens a connection beside the one that the replicas have, and is let in or not.
    fn intrude(&mut self, villain: usize, victim: usize) -> Option<Face> {
        let at = &self.world.orgs[villain];
        let (key, certificate) = (at.identity.node.public(), at.identity.certificate.bytes());
        let certificate = Blob(certificate.to_vec());
        let approach = self.world.replica(villain).approach(&self.world.id(victim));
        let store = match self.dice.chance(50) {
            true => Nonce([9; 16]),
            false => self.world.replica(villain).store_id,
        };
        let conn = self.world.connect_raw(key, victim);
        let face = Face { villain, victim, conn };
        self.say(face, &Frame::Gate { certificate, rotations: Vec::new(), approach });
        self.say(face, &Frame::Hello { version: VERSION, store });
        let cursor = if self.dice.chance(50) { 0 } else { u64::MAX };
        self.say(face, &Frame::Resume { cursor });
        self.world.raw.get(&conn).is_some_and(|raw| raw.closed.is_none()).then_some(face)
    }

    fn say(&mut self, face: Face, frame: &Frame) {
        self.world.send_raw(face.conn, &codec::to_bytes(frame));
    }

    fn tell(&mut self, face: Face, statements: &[Statement]) {
        let key = self.world.orgs[face.villain].identity.node.public();
        let position = self.world.replica(face.victim).peers.get(&key).map_or(0, |p| p.heard);
        let statements = statements.iter().map(|s| Blob(s.bytes().to_vec())).collect();
        self.say(face, &Frame::Statements { position, statements });
    }

    /// Offers a log far beyond what there is, and sends bundles of it.
    fn push(&mut self, face: Face, share: ShareId, bundle: &Verified) {
        let (compartment, log) = (bundle.header().compartment, bundle.log());
        let at = Height { compartment, log, height: 1 << 40, head: Nonce32([1; 32]) };
        self.say(face, &Frame::Heights { share, digest: Nonce32([2; 32]), logs: vec![at] });
        self.say(face, &Frame::Bundles { bundles: vec![Blob(bytes(bundle))] });
    }

    fn now_or_before(&mut self) -> Hlc {
        let back = if self.dice.chance(50) { self.dice.below(1 << 30) as u64 } else { 0 };
        Hlc(self.world.now.saturating_sub(back) << 16)
    }

    /// Says what is not its to say: ends, erases, admits, cuts and grants in others' sections.
    fn lie(&mut self, face: Face) {
        let mut said = Vec::new();
        for _ in 0..=self.dice.below(3) {
            if let Some(body) = self.untruth(face) {
                let (at, by) = (self.now_or_before(), &self.world.orgs[face.villain]);
                said.push(Statement::sign(by.identity.party.org, &by.identity.node, at, body));
            }
        }
        if self.dice.chance(30) {
            // Its own replica believes it, and passes it on as if it were true.
            for statement in &said {
                let body = statement.body().clone();
                let _ = self.world.act(face.villain, |r| r.say(body));
            }
        }
        self.tell(face, &said);
    }

    fn untruth(&mut self, face: Face) -> Option<Body> {
        let (me, known) = (self.world.id(face.villain), self.world.replica(face.victim));
        let foreign: Vec<(CompartmentId, ShareId)> = known
            .dossiers
            .iter()
            .filter_map(|(id, o, _)| Some((*id, o.share?)).filter(|_| self.honest(&o.section)))
            .collect();
        let logs: Vec<Mark> = known
            .logs
            .keys()
            .map(|log| Mark { log: *log, height: 0, head: Nonce32([0; 32]) })
            .collect();
        let statements: Vec<StatementId> = known.statements.keys().copied().collect();
        let grants: Vec<GrantId> = known.grants.iter().map(|g| g.id).collect();
        let mine: Vec<GrantId> = known.grants.to(&me).map(|g| g.id).collect();
        let victim_node = known.node_key();
        let (compartment, share) = self.choose(&foreign)?;
        let grant = self.choose(if self.dice.clone().chance(50) { &mine } else { &grants })?;
        let cause = self.choose(&statements)?;
        let number = [1, 2, 3, u64::MAX][self.dice.below(4)];
        let nonce = Nonce([self.dice.below(256) as u8; 16]);
        Some(match self.dice.below(10) {
            0 | 1 => {
                let replaces = self.choose(&foreign).map(|(id, _)| id).into_iter().collect();
                Body::Admit { compartment, grant, replaces, from: Vec::new(), number }
            }
            2 => Body::Retire { compartment, number },
            3 | 4 => {
                let causes = [Cause::Revoke(cause), Cause::Retire(cause), Cause::EndNode(cause)];
                let cause = causes[self.dice.below(3)];
                Body::Cut { compartment, cause, logs, number }
            }
            5 => {
                let records = self.model.names.keys().map(|(_, record)| *record).take(256);
                let records = records.map(|record| RecordTurn { record, turn: u32::MAX }).collect();
                let only_for = self.dice.chance(30).then_some(grant);
                Body::Erase { compartment, records, only_for, number }
            }
            6 => Body::Revoke { grant, reason: 0 },
            7 => Body::EndNode { node: victim_node },
            _ => {
                // Wider than it was given, and further than any grant may be passed on.
                let honest: Vec<usize> =
                    (0..self.world.orgs.len()).filter(|o| !self.is_hostile(*o)).collect();
                let section = self.choose(&honest)?;
                let section = self.world.id(section);
                let parent = self.dice.chance(70).then_some(grant);
                let to = if self.dice.chance(50) { face.villain } else { face.victim };
                let mut to = self.world.orgs[to].identity.party.clone();
                to.name = "Forged".to_owned();
                let kind = self.some_kind();
                let mut fields: Vec<String> =
                    shared_fields(kind).into_iter().map(str::to_owned).collect();
                fields.sort();
                let scope = Scope::Fields { kind, fields, edit: true, keep: true };
                let (depth, expires_at) = (u8::MAX, None);
                Body::Grant { share, section, to, scope, parent, depth, expires_at, nonce }
            }
        })
    }

    fn honest(&self, org: &OrgId) -> bool {
        let found = (0..self.world.orgs.len()).find(|at| self.world.id(*at) == *org);
        found.is_some_and(|org| !self.is_hostile(org))
    }

    /// Writes into a compartment of an honest org, with a right or without, and sends it or keeps
    /// it for later.
    fn scribble(&mut self, face: Face) -> Result<(), String> {
        let from = if self.dice.chance(50) { face.villain } else { face.victim };
        let Some((key, row)) = self.some_facet(from) else { return Ok(()) };
        let Some([one, other]) = self.forge(face.villain, from, &key, &row) else { return Ok(()) };
        self.hoard.push(one.clone());
        let two_tales = self.dice.chance(25);
        if two_tales {
            self.hoard.push(other.clone());
        }
        if self.dice.chance(40) {
            return Ok(());
        }
        self.send_out(face, &one)?;
        let up = |org: &usize| !self.is_hostile(*org) && self.world.is_up(*org);
        let victims: Vec<usize> = (0..self.world.orgs.len()).filter(up).collect();
        match self.choose(&victims) {
            Some(victim) if two_tales => {
                let Some(face) = self.intrude(face.villain, victim) else { return Ok(()) };
                self.send_out(face, &other)
            }
            Some(_) | None => Ok(()),
        }
    }

    /// A facet that an org holds, of an honest org's section.
    fn some_facet(&mut self, at: usize) -> Option<(FacetKey, FacetRow)> {
        let facets = self.world.replica(at).store.scan(b"F", &[], usize::MAX).expect("memory");
        let facets: Vec<(FacetKey, FacetRow)> = facets
            .into_iter()
            .filter_map(|(key, row)| {
                let key = FacetKey::parse(&key).filter(|key| key.share != keys::NO_SHARE)?;
                Some((key, codec::own(&row).expect("a row")))
            })
            .filter(|(key, _): &(FacetKey, FacetRow)| self.honest(&key.section))
            .collect();
        self.choose(&facets)
    }

    /// Two bundles for the same place of a new log: to be used alone, or as two tales.
    fn forge(
        &mut self,
        villain: usize,
        from: usize,
        key: &FacetKey,
        row: &FacetRow,
    ) -> Option<[Hoarded; 2]> {
        let share = self.model.shares.iter().position(|share| share.id == key.share)?;
        let owner = (0..self.world.orgs.len()).find(|org| self.world.id(*org) == key.section)?;
        let record = self.model.names.get(&(share, key.record)).copied()?;
        let home = self.world.home(villain);
        let mine = |grant: &usize| {
            let at = &self.model.grants[*grant];
            at.to == home && (at.share, at.section) == (share, owner)
        };
        let all: Vec<usize> = (0..self.model.grants.len()).collect();
        let mine: Vec<usize> = all.iter().copied().filter(mine).collect();
        let grant = self.choose(if self.dice.clone().chance(85) { &mine } else { &all });
        let (opening, _) = self.world.replica(from).dossiers.get(&key.compartment)?;
        let names: Vec<String> = opening.schema.fields().iter().map(|f| f.name.clone()).collect();
        let opening = opening.clone();
        let pen = self.pen(villain, key.compartment, grant.map(|g| self.model.grants[g].id));
        let own: Vec<_> = fields_of(key.kind)
            .iter()
            .filter(|(name, form)| *form != Form::Internal && names.iter().any(|n| n == name))
            .copied()
            .collect();
        let (name, form) = self.choose(&own)?;
        let facet = self.world.replica(from).facet(&opening, &row.leaves).ok()?;
        // Rights in another share or section are none, nor are those for less than is written to.
        let grant = grant.filter(|grant| {
            let at = &self.model.grants[*grant];
            let edits =
                matches!(&at.what, What::Fields { edit: true, kind, .. } if *kind == key.kind);
            mine.contains(grant) && edits && names.iter().all(|n| self.model.covers(*grant, n))
        });
        let mut tale = || {
            let first = self.model.secrets.len();
            let edit = self.edits(record, home, name, form);
            let tokens = (first..self.model.secrets.len()).collect();
            let change = facet.edit(&pen.log(), &[edit]).ok()??;
            let (record, turn, salt) = (key.record, key.turn, Nonce([7; 16]));
            let bundle = pen.clone().seal(vec![Leaf::Full { record, turn, salt, change }]);
            let (compartment, share) = (key.compartment, key.share);
            Some(Hoarded { villain, owner, share, compartment, grant, bundle, tokens })
        };
        Some([tale()?, tale()?])
    }

    fn pen(&mut self, org: usize, compartment: CompartmentId, grant: Option<GrantId>) -> Pen {
        let mut epoch = [0; 16];
        epoch.copy_from_slice(&self.dice.bytes()[..16]);
        Pen {
            key: self.world.orgs[org].identity.node.clone(),
            author: self.world.id(org),
            compartment,
            epoch: Nonce(epoch),
            grant,
            seq: 0,
            prev: Nonce32([0; 32]),
            at: self.now_or_before(),
        }
    }

    /// Sends what was kept. Once its publisher knows that the right has ended, and nobody was sent
    /// it before, it never counts.
    fn send_out(&mut self, face: Face, kept: &Hoarded) -> Result<(), String> {
        let publisher = self.world.main(kept.owner);
        if !self.world.is_up(publisher) {
            return Ok(());
        }
        let known = Known::of(self.world.replica(publisher));
        let stands = kept.grant.is_some_and(|g| self.model.stands(&self.world, &known, g));
        if stands {
            self.given_out.insert(kept.bundle.log());
        } else if !self.given_out.contains(&kept.bundle.log()) {
            self.model.void.extend(&kept.tokens);
        }
        self.log.push(format!(
            "  a change of {} with {:?}: by right {stands}",
            kept.compartment, kept.tokens
        ));
        self.push(face, kept.share, &kept.bundle.clone());
        self.oracle.look_again();
        Ok(())
    }

    fn bring_out(&mut self, face: Face) -> Result<(), String> {
        let own: Vec<Hoarded> =
            self.hoard.iter().filter(|kept| kept.villain == face.villain).cloned().collect();
        let Some(kept) = self.choose(&own) else { return Ok(()) };
        self.send_out(face, &kept)
    }

    /// Signs another bundle for a place of its log that is taken.
    fn fork(&mut self, face: Face) {
        let me = self.world.id(face.villain);
        let replica = self.world.replica(face.victim);
        let shared = |c: &CompartmentId| replica.dossiers.get(c).and_then(|(o, _)| o.share);
        let logs: Vec<(LogId, u64, ShareId)> = replica
            .logs
            .iter()
            .filter(|(_, log)| log.author == me && log.height > 0)
            .filter_map(|(id, log)| Some((*id, log.height, shared(&log.compartment)?)))
            .collect();
        let Some((log, height, share)) = self.choose(&logs) else { return };
        let seq = self.dice.below(height as usize) as u64;
        let Ok(bundle) = self.world.replica(face.victim).bundle(&log, seq) else { return };
        let mut header = bundle.header.clone();
        header.at = Hlc(header.at.0 + 1);
        let twin =
            Verified::write(header, bundle.leaves, &self.world.orgs[face.villain].identity.node);
        self.log.push(format!("  a fork of {log} at {seq} of {height}"));
        self.push(face, share, &twin);
    }

    /// Passes on an honest org's bundle with a leaf taken out that nobody has erased.
    fn redact_in_passing(&mut self, face: Face) {
        let held = self.world.replica(face.villain).store.scan(b"B", &[], usize::MAX);
        let held: Vec<Verified> = held
            .expect("memory")
            .iter()
            .filter_map(|(_, bytes)| Verified::open(bytes).ok())
            .filter(|bundle| self.honest(&bundle.header().author))
            .collect();
        let Some(bundle) = self.choose(&held) else { return };
        let replica = self.world.replica(face.villain);
        let opening = replica.dossiers.get(&bundle.header().compartment);
        let Some(share) = opening.and_then(|(opening, _)| opening.share) else { return };
        let mut bundle = bundle.into_bundle();
        let leaf = self.dice.below(bundle.leaves.len());
        bundle.leaves[leaf] = bundle.leaves[leaf].redacted();
        if let Ok(redacted) = Verified::open(&codec::to_bytes(&bundle)) {
            self.push(face, share, &redacted);
        }
    }

    /// Wants every log its victim has, whether it may have it or not.
    fn ask_for_everything(&mut self, face: Face) {
        let logs: Vec<LogId> = self.world.replica(face.victim).logs.keys().copied().collect();
        let mut shares: Vec<ShareId> = self.model.shares.iter().map(|share| share.id).collect();
        shares.push(keys::NO_SHARE);
        self.say(face, &Frame::Ask { shares, settled: Vec::new() });
        for log in logs {
            self.say(face, &Frame::Want { log, from: 0 });
        }
        for _ in 0..3 {
            let position = u64::MAX;
            self.say(face, &Frame::StatementsStored { position });
        }
        self.say(face, &Frame::DeskWant { from: 0 });
    }

    /// Says statements of orgs and nodes that nobody has certified.
    fn park(&mut self, face: Face) {
        let keys = OrgKeys {
            root: SigningKey::from_bytes(&self.dice.bytes()),
            successor: SigningKey::from_bytes(&self.dice.bytes()),
        };
        let nobody = SigningKey::from_bytes(&self.dice.bytes());
        let said: Vec<Statement> = (0..20)
            .filter_map(|n| {
                let author = match n % 2 {
                    0 => self.world.id(face.villain),
                    _ => keys.party("Nobody").org,
                };
                let body = self.untruth(face)?;
                Some(Statement::sign(author, &nobody, self.now_or_before(), body))
            })
            .collect();
        self.tell(face, &said);
    }

    /// Offers and acknowledges everything, and sends nothing.
    fn claim_to_have_everything(&mut self, face: Face) {
        let replica = self.world.replica(face.victim);
        let shared = |c: &CompartmentId| replica.dossiers.get(c).and_then(|(o, _)| o.share);
        let logs: Vec<(ShareId, Height)> = replica
            .logs
            .iter()
            .filter_map(|(log, state)| {
                let compartment = state.compartment;
                let (height, head) = (1 << 40, Nonce32([3; 32]));
                Some((shared(&compartment)?, Height { compartment, log: *log, height, head }))
            })
            .collect();
        for (share, at) in logs {
            self.say(face, &Frame::Stored { log: at.log, height: u64::MAX });
            self.say(face, &Frame::Heights { share, digest: Nonce32([4; 32]), logs: vec![at] });
        }
    }

    /// Certifies its victim's node as one of its own, ends it, and speaks to it as a node of its org.
    fn claim_the_node(&mut self, face: Face) {
        let node = self.world.orgs[face.victim].identity.node.public();
        let at = &self.world.orgs[face.villain];
        let end = at.keys.end(&at.identity.party, node, Hlc(self.world.now << 16));
        let mut said = vec![self.world.certificate(face.villain, node, Some(9))];
        said.extend(self.dice.chance(50).then_some(end));
        self.tell(face, &said);
        let (at, by) = (Hlc(self.world.now << 16), node);
        let key = keys::partner(&self.world.id(face.villain));
        let entries = vec![DeskEntry { key, value: None, at, by }];
        self.say(face, &Frame::Desk { from: 0, next: 1, entries });
    }

    /// Shows an invite that was spent, as it was shown or in its own name.
    fn replay_pairing(&mut self, face: Face) {
        let Some(spent) = self.choose(&self.invited.clone()) else { return };
        if !self.world.is_up(spent.0) {
            return;
        }
        let key = self.world.orgs[face.villain].identity.node.public();
        let conn = self.world.connect_raw(key, spent.0);
        self.world.send_raw(conn, &spent.1);
        let Ok(Frame::Gate { approach, .. }) = codec::from_bytes(&spent.1, spent.1.len()) else {
            return;
        };
        let certificate = self.world.orgs[face.villain].identity.certificate.bytes().to_vec();
        let conn = self.world.connect_raw(key, spent.0);
        let gate = Frame::Gate { certificate: Blob(certificate), rotations: Vec::new(), approach };
        self.world.send_raw(conn, &codec::to_bytes(&gate));
        let known = self.world.raw.get(&conn).is_some_and(|raw| raw.closed.is_none());
        self.log.push(format!("  a spent invite at {}: open {known}", spent.0));
    }

    /// Sends frames with broken bytes.
    fn babble(&mut self, face: Face) {
        let frames: Vec<Vec<u8>> = self.world.raw[&face.conn].frames.clone();
        for _ in 0..5 {
            let Some(mut bytes) = self.choose(&frames) else { return };
            mutate(&mut bytes, &mut self.dice);
            self.world.send_raw(face.conn, &bytes);
        }
    }

    /// Whether an approach is one with an invite: kept to be shown again.
    pub fn keep_invites(&mut self) {
        for (to, frame) in &self.world.frames {
            let decoded = codec::from_bytes::<Frame>(frame, frame.len());
            if let Ok(Frame::Gate { approach: Approach::Invited { .. }, .. }) = decoded {
                self.invited.push((*to, frame.clone()));
            }
        }
    }

    /// Whether an honest node has asked a hostile org for a log that does not come.
    pub fn asks_in_vain(&self) -> bool {
        let hostile = |session: &Session| session.org.is_some_and(|org| !self.honest(&org));
        let open =
            |session: &Session| session.wanted.iter().any(|log| session.offers.contains_key(log));
        let honest = (0..self.world.orgs.len()).filter(|node| !self.is_hostile(*node));
        let mut sessions = honest.flat_map(|node| self.world.replica(node).sessions.values());
        sessions.any(|session| hostile(session) && open(session))
    }

    /// Offers that a node waits for from honest orgs, or logs of theirs that wait for something.
    pub fn waits(&self, replica: &Replica) -> Vec<String> {
        let honest = |org: &Option<OrgId>| org.as_ref().is_none_or(|org| self.honest(org));
        let sessions = replica.sessions.values().filter(|session| honest(&session.org));
        sessions
            .flat_map(|s| {
                let stalled = s.stalled.iter().map(|(log, why)| format!("{log}: {why}"));
                stalled.chain(s.offers.keys().map(|log| format!("{log}: offered")))
            })
            .collect()
    }
}
