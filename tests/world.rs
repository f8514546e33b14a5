//! A simulated world: orgs with real replicas and stores, connections that carry real frames in an
//! order a seed decides. No clock, no thread: the same seed gives the same trace.

use std::collections::{BTreeMap, VecDeque};

use crate::book::Address;
use crate::id::{OrgId, PublicKey, RecordId, ShareId};
use crate::identity::OrgKeys;
use crate::refusal::Refusal;
use crate::replica::{Changes, Conn, Effect, Identity, Replica, Settings};
use crate::section::Placed;
use crate::sharing::NewGrant;
use crate::sign::SigningKey;
use crate::statement::{Scope, Statement};
use crate::time::{Hlc, Millis};
use crate::value::Fields;
use crate::view::RecordView;
use crate::vocabulary::{self, Kind};

mod disk;
mod lines;

pub use disk::{Dice, Disk};
pub use lines::Crash;
use lines::Link;

pub struct Org {
    pub keys: OrgKeys,
    pub identity: Identity,
    pub settings: Settings,
    pub disk: Disk,
    pub replica: Option<Replica>,
    /// Nodes it keeps dialling.
    pub dials: BTreeMap<PublicKey, Vec<String>>,
    pub paired: Vec<OrgId>,
    /// What listeners were told and have not looked at; none while they were told nothing because
    /// the node was down.
    pub changes: Option<Changes>,
    /// How far its clock is ahead of the world's, in ms.
    pub skew_ms: i64,
}

impl Org {
    /// One node of an org, on an empty disk and not started.
    fn new(keys: OrgKeys, identity: Identity, settings: Settings) -> Self {
        Self {
            keys,
            identity,
            settings,
            disk: Disk::default(),
            replica: None,
            dials: BTreeMap::new(),
            paired: Vec::new(),
            changes: None,
            skew_ms: 0,
        }
    }
}

pub struct World {
    pub orgs: Vec<Org>,
    pub now: Millis,
    pub dice: Dice,
    links: BTreeMap<Conn, Link>,
    next_conn: Conn,
    /// Pairs that cannot reach each other now.
    pub cut: Vec<(usize, usize)>,
    pub trace: blake3::Hasher,
    /// Every frame that reached an org, for the oracle: since it last looked.
    pub frames: Vec<(usize, Vec<u8>)>,
    /// Every frame that an org sent to another, likewise.
    pub sent: Vec<(usize, usize, Vec<u8>)>,
    /// Of 100 frames, how many arrive twice.
    pub doubled_in_100: usize,
    /// Of 1000 frames, how many are lost, and the connection with them.
    pub lost_in_1000: usize,
    /// Ends of broken connections that have not noticed yet: org, its peer, connection.
    unnoticed: Vec<(usize, usize, Conn)>,
    pub refusals: Vec<(usize, &'static str)>,
    /// Main nodes of orgs whose first node is it no more.
    mains: BTreeMap<usize, usize>,
    /// Connections whose other end is no replica but a test that sends what it likes.
    pub raw: BTreeMap<Conn, RawEnd>,
}

/// The other end of a connection that a test holds by hand.
#[derive(Debug)]
pub struct RawEnd {
    /// Who was connected to.
    pub to: usize,
    /// The org whose key the test uses, if it is one of the world.
    pub from: Option<usize>,
    /// Frames that came, oldest first.
    pub frames: Vec<Vec<u8>>,
    /// Why the honest side closed it.
    pub closed: Option<&'static str>,
}

impl World {
    pub fn new(seed: u64, names: &[&str]) -> Self {
        let mut world = Self {
            orgs: Vec::new(),
            now: 1_800_000_000_000,
            dice: Dice::new(seed),
            links: BTreeMap::new(),
            next_conn: 1,
            cut: Vec::new(),
            trace: blake3::Hasher::new(),
            frames: Vec::new(),
            sent: Vec::new(),
            doubled_in_100: 0,
            lost_in_1000: 0,
            unnoticed: Vec::new(),
            refusals: Vec::new(),
            raw: BTreeMap::new(),
            mains: BTreeMap::new(),
        };
        for name in names {
            world.add_org(name);
        }
        world
    }

    fn add_org(&mut self, name: &str) {
        let keys = OrgKeys {
            root: SigningKey::from_bytes(&self.dice.bytes()),
            successor: SigningKey::from_bytes(&self.dice.bytes()),
        };
        let node = SigningKey::from_bytes(&self.dice.bytes());
        let party = keys.party(name);
        let year = 365 * 24 * 3600 * 1000;
        let at = Hlc(self.now << 16);
        let certificate = keys.certify(&party, node.public(), Some(1), at, self.now + 2 * year);
        let identity = Identity { party, node, certificate };
        self.orgs.push(Org::new(keys, identity, Settings::default()));
        self.start(self.orgs.len() - 1);
    }

    /// A second node of an org, as if it were an org of its own: answers its index.
    pub fn join(&mut self, org: usize, term: Option<u64>) -> usize {
        let node = SigningKey::from_bytes(&self.dice.bytes());
        let certificate = self.certificate(org, node.public(), term);
        let first = &self.orgs[org];
        let identity = Identity { node, certificate, ..first.identity.clone() };
        let (keys, settings) = (first.keys.clone(), first.settings.clone());
        self.orgs.push(Org::new(keys, identity, settings));
        let joined = self.orgs.len() - 1;
        self.open(joined);
        let told = self.replica(org).introduction();
        self.act(joined, |r| r.learn(told)).expect("a new node learns");
        self.announce(joined);
        joined
    }

    /// What an org's root says of a node.
    pub fn certificate(&self, org: usize, node: PublicKey, term: Option<u64>) -> Statement {
        let at = &self.orgs[org];
        let end = self.now + 365 * 24 * 3600 * 1000;
        at.keys.certify(&at.identity.party, node, term, Hlc(self.now << 16), end)
    }

    /// Another node becomes its org's steward.
    pub fn hand_over(&mut self, told: usize, to: usize, term: u64) {
        let node = self.orgs[to].identity.node.public();
        let certificate = self.certificate(to, node, Some(term));
        self.orgs[to].identity.certificate = certificate.clone();
        self.act(told, |r| r.learn(vec![certificate])).expect("learn");
        self.mains.insert(self.home(to), to);
    }

    /// The root ends a node, and tells one of the org's others.
    pub fn end_node(&mut self, told: usize, ended: usize) {
        let at = &self.orgs[ended];
        let node = at.identity.node.public();
        let ending = at.keys.end(&at.identity.party, node, Hlc(self.now << 16));
        self.act(told, |r| r.learn(vec![ending])).expect("learn");
    }

    /// Puts an older copy of its store back under a node.
    pub fn restore(&mut self, org: usize, copy: &[(Vec<u8>, Vec<u8>)]) {
        self.kill(org);
        self.orgs[org].disk.put_back(copy);
        self.open(org);
        self.act(org, Replica::mark_restored).expect("restore");
        self.announce(org);
    }

    /// The org of a node: the index of its first one.
    pub fn home(&self, node: usize) -> usize {
        let id = self.id(node);
        (0..node).find(|other| self.id(*other) == id).unwrap_or(node)
    }

    /// The nodes of an org, the first one first.
    pub fn nodes(&self, org: usize) -> Vec<usize> {
        (org..self.orgs.len()).filter(|node| self.home(*node) == org).collect()
    }

    /// The node that decides for an org, as the root key has last said.
    pub fn main(&self, org: usize) -> usize {
        self.mains.get(&org).copied().unwrap_or(org)
    }

    pub fn id(&self, org: usize) -> OrgId {
        self.orgs[org].identity.party.org
    }

    /// What an org's own clock says.
    pub fn clock(&self, org: usize) -> Millis {
        self.now.saturating_add_signed(self.orgs[org].skew_ms)
    }

    /// Starts a node on its disk.
    pub fn start(&mut self, org: usize) {
        self.open(org);
        self.announce(org);
    }

    /// The first thing a node does once it is open.
    pub fn announce(&mut self, org: usize) {
        let address = format!("/sim/{org}");
        self.act(org, |replica| replica.set_addresses(vec![address])).expect("addresses");
    }

    /// Opens a replica on its disk and lets it do nothing yet.
    pub fn open(&mut self, org: usize) {
        let seed = self.dice.bytes();
        let now = self.clock(org);
        let at = &self.orgs[org];
        let replica = Replica::open(
            at.identity.clone(),
            at.settings.clone(),
            Box::new(at.disk.clone()),
            now,
            seed,
        )
        .expect("a store that was written opens");
        self.orgs[org].replica = Some(replica);
    }

    /// Kills a node: what was not flushed is gone, and so are its connections.
    pub fn kill(&mut self, org: usize) {
        self.orgs[org].replica = None;
        self.orgs[org].changes = None;
        self.orgs[org].dials.clear();
        let conns: Vec<Conn> = self
            .links
            .iter()
            .filter(|(_, link)| link.dialer == org || link.listener == org)
            .map(|(conn, _)| *conn)
            .collect();
        for conn in conns {
            self.hang_up(conn);
        }
        self.unnoticed.retain(|(at, ..)| *at != org);
        self.raw.retain(|_, raw| raw.to != org);
    }

    pub fn is_up(&self, org: usize) -> bool {
        self.orgs[org].replica.is_some()
    }

    pub fn replica(&self, org: usize) -> &Replica {
        self.orgs[org].replica.as_ref().expect("the node is up")
    }

    /// Connects to a node as whoever has this key, without a replica behind it.
    pub fn connect_raw(&mut self, key: PublicKey, to: usize) -> Conn {
        let conn = self.next_conn;
        self.next_conn += 1;
        self.raw.insert(conn, self.raw_end(key, to));
        self.act(to, |r| r.opened(conn, key, false)).expect("opening");
        conn
    }

    fn raw_end(&self, key: PublicKey, to: usize) -> RawEnd {
        let from = self.orgs.iter().position(|org| org.identity.node.public() == key);
        RawEnd { to, from, frames: Vec::new(), closed: None }
    }

    /// The same, as if the node had dialled.
    pub fn connect_raw_as_listener(&mut self, key: PublicKey, dialer: usize) -> Conn {
        let conn = self.next_conn;
        self.next_conn += 1;
        self.raw.insert(conn, self.raw_end(key, dialer));
        self.act(dialer, |r| r.opened(conn, key, true)).expect("opening");
        conn
    }

    /// Hands a node the bytes of one frame on such a connection.
    pub fn send_raw(&mut self, conn: Conn, frame: &[u8]) {
        let to = self.raw[&conn].to;
        self.now += 1;
        self.act(to, |r| r.frame(conn, frame)).expect("a frame never fails the node");
    }

    /// Does something at a node, commits, and carries out the effects.
    pub fn act<T>(
        &mut self,
        org: usize,
        what: impl FnOnce(&mut Replica) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let done = self.begin(org, what);
        let replica = self.orgs[org].replica.as_mut().expect("the node is up");
        let effects = replica.commit().expect("memory does not fail");
        self.carry_out(org, effects);
        done
    }

    /// Does something at a node and commits nothing yet.
    pub fn begin<T>(
        &mut self,
        org: usize,
        what: impl FnOnce(&mut Replica) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let (seed, now) = (self.dice.bytes(), self.clock(org));
        let replica = self.orgs[org].replica.as_mut().expect("the node is up");
        replica.begin(now, seed);
        what(replica)
    }

    /// Commits what was begun and carries out nothing of what it asks for.
    pub fn commit_in_silence(&mut self, org: usize) {
        let replica = self.orgs[org].replica.as_mut().expect("the node is up");
        let _lost = replica.commit().expect("memory does not fail");
    }

    fn carry_out(&mut self, org: usize, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Send { conn, frame } => {
                    self.trace.update(&frame);
                    if let Some(link) = self.links.get_mut(&conn) {
                        let side = usize::from(link.dialer == org);
                        let to = if link.dialer == org { link.listener } else { link.dialer };
                        self.sent.push((org, to, frame.clone()));
                        link.queues[side].push_back(frame);
                    } else if let Some(raw) = self.raw.get_mut(&conn) {
                        if let Some(to) = raw.from {
                            self.sent.push((org, to, frame.clone()));
                            self.frames.push((to, frame.clone()));
                        }
                        raw.frames.push(frame);
                    }
                }
                Effect::Close { conn, code } => {
                    self.refusals.push((org, code));
                    if let Some(raw) = self.raw.get_mut(&conn) {
                        raw.closed = Some(code);
                    }
                    if let Some(link) = self.links.get_mut(&conn) {
                        // What was sent before still arrives; then the line is dead.
                        let side = usize::from(link.dialer == org);
                        let last = link.queues[side].pop_back();
                        link.queues = [VecDeque::new(), VecDeque::new()];
                        link.queues[side].extend(last);
                        link.queues[side].push_back(Vec::new());
                    }
                }
                Effect::Dial { node, addresses } => {
                    self.orgs[org].dials.insert(node, addresses);
                }
                Effect::Forget { node } => {
                    self.orgs[org].dials.remove(&node);
                }
                Effect::Paired { org: partner } => self.orgs[org].paired.push(partner),
                Effect::Changed(these) => {
                    if let Some(changes) = &mut self.orgs[org].changes {
                        changes.records.extend(these.records);
                        changes.kinds.extend(these.kinds);
                    }
                }
                Effect::Admitted { .. } => {}
            }
        }
    }

    pub fn pair(&mut self, inviter: usize, newcomer: usize) {
        let line = self.act(inviter, |r| r.invite(1_000_000_000, false)).expect("invite");
        self.act(newcomer, |r| r.accept(&line)).expect("accept");
        self.settle();
    }

    pub fn create(&mut self, org: usize, kind: Kind, fields: &[(&str, &str)]) -> RecordId {
        let fields: Fields = fields
            .iter()
            .map(|(name, text)| {
                let value = vocabulary::parse_text(kind, name, text).expect("a good value");
                ((*name).to_owned(), value)
            })
            .collect();
        self.act(org, |r| r.create(kind, fields)).expect("create")
    }

    pub fn place(&mut self, org: usize, share: ShareId, kind: Kind, ids: &[RecordId]) -> Placed {
        self.act(org, |r| r.place(&share, kind, ids)).expect("place")
    }

    pub fn grant(
        &mut self,
        from: usize,
        to: usize,
        share: ShareId,
        section: usize,
        scope: Scope,
        depth: u8,
    ) -> Result<crate::id::GrantId, Refusal> {
        let new = NewGrant {
            share,
            section: self.id(section),
            to: self.id(to),
            scope,
            selector: None,
            with_history: false,
            depth,
            expires_at: None,
        };
        Ok(self.act(from, |r| r.grant(new))?.0)
    }

    /// What an org sees of a record, found in any section.
    pub fn sees(
        &self,
        org: usize,
        share: &ShareId,
        kind: Kind,
        id: &RecordId,
    ) -> Option<RecordView> {
        let replica = self.replica(org);
        let at: Address = replica.locate_in(share, kind, id, None).expect("store")?;
        replica.record(&at).ok()
    }

    /// Everything on an org's disk and in its frames that contains a token.
    pub fn holds(&self, org: usize, token: &str) -> bool {
        let token = token.as_bytes();
        let has = |bytes: &[u8]| bytes.windows(token.len()).any(|window| window == token);
        self.orgs[org].disk.contents().iter().any(|(key, value)| has(key) || has(value))
    }
}

pub fn fields(kind: Kind, names: &[&str], edit: bool) -> Scope {
    let mut fields: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    fields.sort();
    Scope::Fields { kind, fields, edit, keep: false }
}

pub fn contribute(kinds: &[Kind]) -> Scope {
    Scope::Contribute { kinds: kinds.to_vec() }
}
