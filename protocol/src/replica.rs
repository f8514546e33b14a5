//! The replica: all protocol state of one node, and the few ways into it.
//! Inputs change an overlay over the store; [`Replica::commit`] makes the changes durable and only
//! then hands out the effects that depend on them.

use std::collections::{BTreeMap, BTreeSet};

use minicbor::{Decode, Encode};

use crate::book::Address;
use crate::codec;
use crate::deadline::Deadlines;
use crate::dossier::{Access, Dossiers};
use crate::fork::ForkProof;
use crate::grant::Grants;
use crate::id::{CompartmentId, LogId, Nonce, OrgId, PublicKey, RecordId, ShareId, StatementId};
use crate::identity::Directory;
use crate::keys::{self, FacetKey};
use crate::log::LogState;
use crate::mutation::{Law, broken};
use crate::order::Orders;
use crate::partner::Partner;
use crate::receipt::Receipts;
use crate::refusal::Refusal;
use crate::session::Session;
use crate::sign::SigningKey;
use crate::statement::{Body, Party, RecordTurn, Statement};
use crate::store::{Overlay, Store, for_each};
use crate::time::{Hlc, Millis};
use crate::vocabulary::Kind;

mod index;
mod settle;

pub(crate) use index::book_schema;

/// A connection, as the shell numbers it; never used twice.
pub type Conn = u64;

/// What the shell is to do, once the batch before it is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Send a frame.
    Send {
        /// To whom.
        conn: Conn,
        /// The encoded frame.
        frame: Vec<u8>,
    },
    /// The gate has let this connection in.
    Admitted {
        /// The connection.
        conn: Conn,
    },
    /// Close a connection.
    Close {
        /// The connection.
        conn: Conn,
        /// A reason code.
        code: &'static str,
    },
    /// Keep trying to reach a node.
    Dial {
        /// Its key.
        node: PublicKey,
        /// Where it listens.
        addresses: Vec<String>,
    },
    /// Stop trying to reach a node.
    Forget {
        /// Its key.
        node: PublicKey,
    },
    /// A pairing is stored on both sides.
    Paired {
        /// With whom.
        org: OrgId,
    },
    /// Tell whoever listens what may read differently now.
    Changed(Changes),
}

/// What may read differently since the commit before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Records, by where this org sees them.
    pub records: BTreeSet<Address>,
    /// Kinds of which every record may have changed.
    pub kinds: BTreeSet<Kind>,
}

impl Changes {
    /// Whether everything reads as before.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty() && self.kinds.is_empty()
    }
}

/// What the shell decides once.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Whether persons without consent are held back.
    pub consent_required: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { consent_required: true }
    }
}

/// Who this node is.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Its org.
    pub party: Party,
    /// Its own key.
    pub node: SigningKey,
    /// Its certificate.
    pub certificate: Statement,
}

/// What a peer node has and wants; durable.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Peer {
    /// Whose node.
    #[n(0)]
    pub org: Option<OrgId>,
    /// The peer's store to which `heard` and `settled` belong.
    #[n(1)]
    pub store: Option<Nonce>,
    /// How many positions of the peer's outbox are stored here.
    #[n(2)]
    pub heard: u64,
    /// Digests of what the peer serves that were completely taken, by share.
    #[n(3)]
    pub settled: BTreeMap<ShareId, crate::statement::Nonce32>,
    /// How many positions of our outbox the peer has stored.
    #[n(4)]
    pub told: u64,
    /// How many positions our outbox for it has.
    #[n(5)]
    pub due: u64,
    /// When it last was seen settled, ms.
    #[n(6)]
    pub last_sync: Millis,
    /// Bytes of statements that this node was the first to bring.
    #[n(7)]
    #[cbor(default)]
    pub brought: u64,
    /// Whether something it sent waits in memory: after a restart it must be sent again.
    #[n(8)]
    #[cbor(default)]
    pub parked: bool,
    /// Of a sibling: how many positions of its desk are stored here.
    #[n(9)]
    #[cbor(default)]
    pub desk: u64,
    /// When all that it serves was last compared log by log, ms.
    #[n(10)]
    #[cbor(default)]
    pub compared: Millis,
}

/// All protocol state of one node.
pub struct Replica {
    pub(crate) me: Identity,
    pub(crate) settings: Settings,
    pub(crate) store: Overlay<Box<dyn Store + Send>>,
    pub(crate) store_id: Nonce,
    pub(crate) now: Millis,
    pub(crate) clock: Hlc,
    random: blake3::OutputReader,
    pub(crate) addresses: Vec<String>,
    pub(crate) statements: BTreeMap<StatementId, Statement>,
    /// Nodes that have said what does not count, as far as certificates and rotations are known now.
    silent: BTreeSet<(OrgId, PublicKey)>,
    /// Signed rightly, but by a node whose certificate has not come; bounded, in memory only.
    pub(crate) parked: BTreeMap<StatementId, (PublicKey, Statement)>,
    /// Bytes of all statements, which are kept in memory too.
    pub(crate) statement_bytes: usize,
    pub(crate) directory: Directory,
    pub(crate) grants: Grants,
    pub(crate) dossiers: Dossiers,
    pub(crate) receipts: Receipts,
    pub(crate) ordered: Orders,
    pub(crate) deadlines: Deadlines,
    pub(crate) logs: BTreeMap<LogId, LogState>,
    pub(crate) forks: BTreeMap<LogId, ForkProof>,
    pub(crate) fresh: crate::fresh::Fresh,
    pub(crate) partners: BTreeMap<OrgId, Partner>,
    pub(crate) peers: BTreeMap<PublicKey, Peer>,
    /// What each peer's outbox holds already.
    pub(crate) outboxes: BTreeMap<PublicKey, BTreeSet<StatementId>>,
    pub(crate) sessions: BTreeMap<Conn, Session>,
    /// What the nodes of those who were let in have asked for lately.
    pub(crate) paces: BTreeMap<PublicKey, crate::pace::Pace>,
    pub(crate) dirty: Dirty,
    /// Retired compartments that are still held, because their successor is not all here.
    leaving: BTreeSet<CompartmentId>,
    /// Compartments, with their shares, that were held or offered and are taken from this org.
    pub(crate) lost: BTreeMap<CompartmentId, ShareId>,
    /// Orgs that stand with this one in some grant chain.
    pub(crate) acquaintances: BTreeSet<OrgId>,
    pub(crate) sections: BTreeMap<ShareId, crate::section::Section>,
    pub(crate) dialling: BTreeMap<PublicKey, Vec<String>>,
    pub(crate) accepting: Option<crate::pairing::Accepting>,
    /// Where the audit log ends.
    pub(crate) audit: crate::audit::Head,
    pub(crate) lately: crate::audit::Lately,
    /// How many positions the journal of the desk has; none while there is no sibling.
    pub(crate) desk_end: Option<u64>,
    /// Orgs that must be met before this node decides anything.
    pub(crate) behind: BTreeSet<OrgId>,
    /// The term for which this node has begun to take over.
    pub(crate) took_over: Option<u64>,
    /// For which term this node, as the steward, has taken stock.
    pub(crate) stock: Option<u64>,
    effects: Vec<Effect>,
    /// So many writes wait at most in the middle of long work.
    pub(crate) pending_max: usize,
}

impl std::fmt::Debug for Replica {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Replica").field("org", &self.me.party.org).finish_non_exhaustive()
    }
}

/// What has to be looked at again before the next commit.
#[derive(Debug, Default)]
pub(crate) struct Dirty {
    /// Statements were added: outboxes and dial lists may grow.
    pub statements: bool,
    /// Something may have been taken from this org, or asked of it.
    pub endings: bool,
    /// Erasures that became known.
    pub erased: Vec<(CompartmentId, Vec<RecordTurn>)>,
    /// Compartments in which a cut changed what counts.
    pub recount: BTreeSet<CompartmentId>,
    /// Somebody may read now what it could not before, or the other way round.
    pub audiences: bool,
    /// Own sections whose rules changed.
    pub sections: BTreeSet<ShareId>,
    /// Own sections that were planned, and are to be kept as they are now.
    pub planned: BTreeSet<ShareId>,
    /// Logs that grew, with the compartment.
    pub logs: BTreeSet<(CompartmentId, LogId)>,
    /// Own records that changed: what is published of them follows.
    pub records: BTreeSet<(Kind, RecordId)>,
    /// What may read differently.
    pub changes: Changes,
    /// Orgs whose keys have changed: what they said so far may count for more, or for less.
    pub keys: BTreeSet<OrgId>,
    /// Compartments in which work of an ended node of this org was cut off.
    pub cut_off: BTreeSet<(CompartmentId, PublicKey)>,
}

impl Replica {
    /// Opens a replica on its store, which is empty or was this node's before.
    pub fn open(
        me: Identity,
        settings: Settings,
        store: Box<dyn Store + Send>,
        now: Millis,
        seed: [u8; 32],
    ) -> Result<Self, Refusal> {
        let mut replica = Self {
            me,
            settings,
            store: Overlay::new(store),
            store_id: Nonce([0; 16]),
            now,
            clock: Hlc::default(),
            random: blake3::Hasher::new_keyed(&seed).finalize_xof(),
            addresses: Vec::new(),
            statements: BTreeMap::new(),
            silent: BTreeSet::new(),
            parked: BTreeMap::new(),
            statement_bytes: 0,
            directory: Directory::default(),
            grants: Grants::default(),
            dossiers: Dossiers::default(),
            receipts: Receipts::default(),
            ordered: Orders::default(),
            deadlines: Deadlines::default(),
            logs: BTreeMap::new(),
            forks: BTreeMap::new(),
            fresh: Default::default(),
            partners: BTreeMap::new(),
            peers: BTreeMap::new(),
            outboxes: BTreeMap::new(),
            sessions: BTreeMap::new(),
            paces: BTreeMap::new(),
            dirty: Dirty::default(),
            leaving: BTreeSet::new(),
            lost: BTreeMap::new(),
            acquaintances: BTreeSet::new(),
            sections: BTreeMap::new(),
            dialling: BTreeMap::new(),
            accepting: None,
            audit: crate::audit::Head::default(),
            lately: crate::audit::Lately::new(),
            desk_end: None,
            behind: BTreeSet::new(),
            took_over: None,
            stock: None,
            effects: Vec::new(),
            pending_max: 8 * 1024,
        };
        replica.load()?;
        Ok(replica)
    }

    fn load(&mut self) -> Result<(), Refusal> {
        let owner = codec::to_bytes(&(self.me.party.org, self.me.node.public()));
        let mut fresh = false;
        match self.store.get(keys::OWNER)? {
            None => {
                fresh = true;
                self.put(keys::OWNER, owner)?;
                self.store_id = Nonce(self.draw());
                let id = codec::to_bytes(&self.store_id);
                self.put(keys::STORE_ID, id)?;
            }
            Some(found) if found == owner => {
                let id = self.store.get(keys::STORE_ID)?.ok_or(Refusal::Damaged("store id"))?;
                self.store_id = codec::own(&id)?;
            }
            Some(_) => return Err(Refusal::ForeignStore),
        }
        if let Some(clock) = self.store.get(keys::CLOCK)? {
            self.clock = codec::own(&clock)?;
        }
        self.load_desk()?;
        self.load_behind(fresh)?;
        let mut statements = Vec::new();
        for_each(&self.store, keys::STATEMENTS, |_, bytes| {
            statements.push(Statement::stored(bytes)?);
            Ok::<_, Refusal>(())
        })?;
        self.restore_statements(statements);
        let mut logs = BTreeMap::new();
        for_each(&self.store, keys::LOGS, |key, bytes| {
            let id = key[1..].try_into().map_err(|_| Refusal::Damaged("log key"))?;
            logs.insert(LogId(id), codec::own::<LogState>(bytes)?);
            Ok::<_, Refusal>(())
        })?;
        self.logs = logs;
        self.load_forks()?;
        self.leaving = self
            .dossiers
            .iter()
            .filter(|(_, _, dossier)| dossier.retired())
            .map(|(id, _, _)| *id)
            .filter(|id| self.logs.values().any(|log| log.compartment == *id))
            .collect();
        self.load_partners()?;
        self.load_peers()?;
        self.load_audit()?;
        let certificate = self.me.certificate.clone();
        self.take(certificate)?;
        self.load_sections()?;
        self.dirty.statements = true;
        self.dirty.endings = true;
        self.drop_met_deadlines();
        Ok(())
    }

    fn load_peers(&mut self) -> Result<(), Refusal> {
        let mut peers = BTreeMap::new();
        for_each(&self.store, keys::PEERS, |key, bytes| {
            let node = key[1..].try_into().map_err(|_| Refusal::Damaged("peer key"))?;
            peers.insert(PublicKey(node), codec::own::<Peer>(bytes)?);
            Ok::<_, Refusal>(())
        })?;
        for node in peers.keys() {
            let mut outbox = BTreeSet::new();
            for_each(&self.store, &keys::outboxes(node), |_, bytes| {
                outbox.insert(codec::own::<StatementId>(bytes)?);
                Ok::<_, Refusal>(())
            })?;
            self.outboxes.insert(*node, outbox);
        }
        self.peers = peers;
        Ok(())
    }

    /// Every input begins here: what time it is, and fresh randomness.
    pub fn begin(&mut self, now: Millis, seed: [u8; 32]) {
        self.now = now;
        self.random = blake3::Hasher::new_keyed(&seed).finalize_xof();
    }

    /// Draws random bytes from the seed of this input.
    pub(crate) fn draw<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        self.random.fill(&mut out);
        out
    }

    /// The time of something said now.
    pub(crate) fn tick(&mut self) -> Hlc {
        self.clock = self.clock.tick(self.now);
        self.clock
    }

    /// Says something in the org's name.
    pub(crate) fn say(&mut self, body: Body) -> Result<StatementId, Refusal> {
        let at = self.tick();
        let statement = Statement::sign(self.me.party.org, &self.me.node, at, body);
        let id = statement.id();
        self.take(statement)?;
        Ok(id)
    }

    /// Stores and indexes a statement whose authority holds.
    pub(crate) fn take(&mut self, statement: Statement) -> Result<(), Refusal> {
        if self.statements.contains_key(&statement.id()) {
            return Ok(());
        }
        self.clock = self.clock.observe(statement.at(), self.now);
        self.put(&keys::statement(&statement.id()), statement.bytes().to_vec())?;
        if statement.author() == self.me.party.org {
            self.note(crate::audit::Event::Said { statement: statement.id() })?;
        }
        self.index(statement);
        Ok(())
    }

    /// Notes that a facet may read differently. Of an own record the book is what shows, not what
    /// is published of it.
    pub(crate) fn note_changed(&mut self, key: &FacetKey) -> Result<(), Refusal> {
        let shown = key.share == keys::NO_SHARE || key.section != self.me.party.org;
        if shown && !broken(Law::Told) {
            let at = self.address_of(key)?;
            self.dirty.changes.records.extend(at);
        }
        Ok(())
    }

    /// Compartment rules over grants.
    pub(crate) fn access(&self) -> Access<'_> {
        Access { grants: &self.grants, dossiers: &self.dossiers }
    }

    pub(crate) fn put(&mut self, key: &[u8], value: Vec<u8>) -> Result<(), Refusal> {
        self.journal(key)?;
        self.store.write(key.to_vec(), Some(value));
        Ok(())
    }

    /// Sets a key that is surely not there.
    pub(crate) fn put_new(&mut self, key: &[u8], value: Vec<u8>) -> Result<(), Refusal> {
        self.journal(key)?;
        self.store.write_new(key.to_vec(), value);
        Ok(())
    }

    pub(crate) fn remove(&mut self, key: &[u8]) -> Result<(), Refusal> {
        self.journal(key)?;
        self.store.write(key.to_vec(), None);
        Ok(())
    }

    pub(crate) fn read<T: for<'b> Decode<'b, ()>>(&self, key: &[u8]) -> Result<Option<T>, Refusal> {
        self.store.get(key)?.map(|bytes| codec::own(&bytes)).transpose().map_err(Refusal::from)
    }

    pub(crate) fn effect(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    /// What time it is for this input.
    pub fn now(&self) -> Millis {
        self.now
    }

    /// How many writes wait for the commit.
    pub fn pending_writes(&self) -> usize {
        self.store.pending_len()
    }

    /// Time has passed without an input.
    pub fn tick_over(&mut self) -> Result<(), Refusal> {
        self.ask_others();
        self.compare_again()
    }

    /// This node's org.
    pub fn me(&self) -> &Party {
        &self.me.party
    }

    /// This node's key.
    pub fn node_key(&self) -> PublicKey {
        self.me.node.public()
    }

    /// What is known of orgs and nodes.
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Every grant known here.
    pub fn grants(&self) -> &Grants {
        &self.grants
    }

    /// A statement.
    pub fn statement(&self, id: &StatementId) -> Option<&Statement> {
        self.statements.get(id)
    }

    /// How a compartment began.
    pub fn opening(&self, id: &CompartmentId) -> Option<&crate::dossier::Opening> {
        self.dossiers.get(id).map(|(opening, _)| opening)
    }

    /// The store, for inspection.
    pub fn store(&self) -> &dyn Store {
        &self.store
    }

    /// Tells where this node can be reached; says a new profile when that has changed.
    pub fn set_addresses(&mut self, addresses: Vec<String>) -> Result<(), Refusal> {
        let (me, node) = (self.me.party.org, self.node_key());
        let known = self.directory.addresses(&me, &node);
        if self.directory.profile(&me, &node).is_none() || known != addresses {
            self.say(Body::Profile {
                party: self.me.party.clone(),
                addresses: addresses.clone(),
                languages: Vec::new(),
            })?;
        }
        self.addresses = addresses;
        Ok(())
    }
}
