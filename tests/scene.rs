//! A share with an honest publisher, an honest reader and a partner whose keys are in the test's
//! hands: what hostile tests and fuzzing begin with.

use crate::bundle::{Header, Leaf, Verified};
use crate::codec;
use crate::facet::Edit;
use crate::id::{
    CompartmentId, GrantId, LogId, Nonce, OrgId, PublicKey, RecordId, ShareId, StatementId,
};
use crate::ingest::FacetRow;
use crate::keys::FacetKey;
use crate::message::{Approach, Blob, Frame, Height, VERSION};
use crate::replica::Conn;
use crate::sign::SigningKey;
use crate::statement::{Body, Nonce32, Party, Statement};
use crate::time::Hlc;
use crate::value::Value;
use crate::vocabulary::Kind;
use crate::world::{World, fields};

/// Acme: opened the share, publishes an event.
pub const A: usize = 0;
/// Bright: may edit title and brief and pass them on. Hostile.
pub const B: usize = 1;
/// Cedar: reads title and brief, edits the venue. Honest unless a test says otherwise.
pub const C: usize = 2;
/// Delta: a stranger to all.
pub const D: usize = 3;

/// A share with an honest publisher; Bright's replica is gone, its keys are in the test's hands.
pub struct Scene {
    pub world: World,
    pub share: ShareId,
    /// The event's id in the share.
    pub record: RecordId,
    /// The event's id in Acme's book.
    pub event: RecordId,
    /// The compartment of title and brief.
    pub brief: CompartmentId,
    /// The compartment of the venue.
    pub venue: CompartmentId,
    /// Bright's right to edit.
    pub edit: GrantId,
    salt: u32,
}

/// A hostile end of a connection.
#[derive(Debug, Clone, Copy)]
pub struct Raw {
    pub conn: Conn,
    pub to: usize,
}

/// A log that the test writes with some org's keys, honestly or not.
#[derive(Debug, Clone)]
pub struct Pen {
    pub key: SigningKey,
    pub author: OrgId,
    pub compartment: CompartmentId,
    pub epoch: Nonce,
    pub grant: Option<GrantId>,
    pub seq: u64,
    pub prev: Nonce32,
    pub at: Hlc,
}

impl Pen {
    pub fn log(&self) -> LogId {
        LogId::of(&self.key.public(), &self.compartment, &self.epoch)
    }

    pub fn header(&self) -> Header {
        Header {
            compartment: self.compartment,
            author: self.author,
            node: self.key.public(),
            epoch: self.epoch,
            seq: self.seq,
            prev: self.prev,
            grant: self.grant,
            dossier_number: 1,
            at: self.at,
            leaf_count: 0,
            root: Nonce32([0; 32]),
        }
    }

    /// Signs leaves at the next place of the log.
    pub fn seal(&mut self, leaves: Vec<Leaf>) -> Verified {
        let verified = Verified::write(self.header(), leaves, &self.key);
        self.seq = self.seq.wrapping_add(1);
        self.prev = Nonce32(verified.id().0);
        verified
    }
}

pub fn bytes(verified: &Verified) -> Vec<u8> {
    codec::to_bytes(verified.bundle())
}

pub fn put(field: &str, text: &str) -> Edit {
    let value = match field {
        "audience_brief" => Value::Text(text.into()),
        _ => Value::Str(text.into()),
    };
    Edit::Put(field.into(), value)
}

impl Scene {
    pub fn begin(seed: u64) -> Self {
        let mut world = World::new(seed, &["Acme", "Bright", "Cedar", "Delta"]);
        world.pair(A, B);
        world.pair(A, C);
        let texts = [
            ("title", "TITLE-0"),
            ("starts_at", "2027-03-01T09:00:00+08:00"),
            ("audience_brief", "BRIEF-0"),
            ("venue", "VENUE-0"),
            ("budget", "12.50 CNY"),
        ];
        let event = world.create(A, Kind::Event, &texts);
        let share = world.act(A, |r| r.open_share("launch", None, None)).unwrap();
        let other = world.create(A, Kind::Event, &texts);
        world.place(A, share, Kind::Event, &[event, other]);
        let scope = fields(Kind::Event, &["title", "audience_brief"], true);
        let edit = world.grant(A, B, share, A, scope, 3).unwrap();
        let scope = fields(Kind::Event, &["title", "audience_brief"], false);
        world.grant(A, C, share, A, scope, 0).unwrap();
        world.grant(A, C, share, A, fields(Kind::Event, &["venue"], true), 0).unwrap();
        world.settle();
        let home = |world: &World, field: &str| {
            let found = world.replica(A).dossiers.iter().find(|(_, opening, dossier)| {
                opening.share == Some(share)
                    && !dossier.retired()
                    && opening.schema.shape(field).is_some()
            });
            *found.expect("a compartment").0
        };
        let (brief, venue) = (home(&world, "title"), home(&world, "venue"));
        let record = world.replica(A).publication(&share, &event).unwrap().unwrap().record;
        world.kill(B);
        Self { world, share, record, event, brief, venue, edit, salt: 0 }
    }

    /// The same where Bright, who is away, knows Cedar, and Cedar cannot reach Acme.
    pub fn parted(seed: u64) -> Self {
        let mut scene = Self::begin(seed);
        scene.world.start(B);
        scene.world.pair(B, C);
        scene.world.kill(B);
        scene.world.cut.push((A, C));
        scene.world.disconnect(A, C);
        scene
    }

    /// A new title in Bright's hand: the bundle that has it, and its log.
    pub fn titled(&mut self, title: &str) -> (LogId, Vec<u8>) {
        let (brief, edit) = (self.brief, self.edit);
        let mut pen = self.pen(B, brief, Some(edit));
        let leaf = self.leaf(&pen.log(), &brief, put("title", title));
        (pen.log(), bytes(&pen.seal(vec![leaf])))
    }

    pub fn key(&self, org: usize) -> SigningKey {
        self.world.orgs[org].identity.node.clone()
    }

    pub fn party(&self, org: usize) -> Party {
        self.world.orgs[org].identity.party.clone()
    }

    pub fn certificate(&self, org: usize) -> Blob {
        Blob(self.world.orgs[org].identity.certificate.bytes().to_vec())
    }

    pub fn now(&self) -> Hlc {
        Hlc(self.world.now << 16)
    }

    pub fn fresh(&mut self) -> Nonce {
        self.salt += 1;
        let mut nonce = [9; 16];
        nonce[..4].copy_from_slice(&self.salt.to_be_bytes());
        Nonce(nonce)
    }

    /// Says something in an org's name, signed by its node.
    pub fn sign(&self, org: usize, body: Body) -> Statement {
        Statement::sign(self.world.id(org), &self.key(org), self.now(), body)
    }

    pub fn send(&mut self, raw: Raw, frame: &Frame) {
        self.world.send_raw(raw.conn, &codec::to_bytes(frame));
    }

    /// The frames that came since the last look.
    pub fn heard(&mut self, raw: Raw) -> Vec<Frame> {
        let end = self.world.raw.get_mut(&raw.conn).expect("a raw connection");
        std::mem::take(&mut end.frames)
            .iter()
            .map(|bytes| codec::from_bytes(bytes, 1 << 20).expect("an honest frame"))
            .collect()
    }

    /// Why the honest side has closed the connection, if it has.
    pub fn closed(&self, raw: Raw) -> Option<&'static str> {
        self.world.raw[&raw.conn].closed
    }

    pub fn connect(&mut self, key: PublicKey, to: usize) -> Raw {
        Raw { conn: self.world.connect_raw(key, to), to }
    }

    /// Connects as an org's node and shows its certificate.
    pub fn knock(&mut self, org: usize, to: usize, approach: Approach) -> Raw {
        let raw = self.connect(self.key(org).public(), to);
        let certificate = self.certificate(org);
        self.send(raw, &Frame::Gate { certificate, rotations: Vec::new(), approach });
        raw
    }

    /// An open session of a partner that has taken all statements.
    pub fn enter(&mut self, org: usize, to: usize) -> Raw {
        let raw = self.knock(org, to, Approach::Known);
        self.greet(raw);
        raw
    }

    pub fn greet(&mut self, raw: Raw) {
        self.send(raw, &Frame::Hello { version: VERSION, store: Nonce([9; 16]) });
        self.send(raw, &Frame::Resume { cursor: u64::MAX });
        assert_eq!(self.closed(raw), None, "let in");
    }

    /// Tells statements; the position is the one that is expected.
    pub fn tell(&mut self, raw: Raw, statements: &[&Statement]) {
        let node = self.world.replica(raw.to).sessions.get(&raw.conn).map(|s| s.node);
        let Some(node) = node else { return };
        let position = self.world.replica(raw.to).peers.get(&node).map_or(0, |p| p.heard);
        let statements = statements.iter().map(|s| Blob(s.bytes().to_vec())).collect();
        self.send(raw, &Frame::Statements { position, statements });
    }

    /// Offers a log and sends bundles of it, as if they had been asked for.
    pub fn push(&mut self, raw: Raw, log: LogId, compartment: CompartmentId, bundles: &[Vec<u8>]) {
        let at = Height { compartment, log, height: 1 << 40, head: Nonce32([1; 32]) };
        let (share, digest) = (self.share, Nonce32([2; 32]));
        self.send(raw, &Frame::Heights { share, digest, logs: vec![at] });
        for bundle in bundles {
            self.send(raw, &Frame::Bundles { bundles: vec![Blob(bundle.clone())] });
        }
    }

    /// A new log of an org in a compartment.
    pub fn pen(&mut self, org: usize, compartment: CompartmentId, grant: Option<GrantId>) -> Pen {
        Pen {
            key: self.key(org),
            author: self.world.id(org),
            compartment,
            epoch: self.fresh(),
            grant,
            seq: 0,
            prev: Nonce32([0; 32]),
            at: self.now(),
        }
    }

    /// A leaf that would stand if its author were allowed to write it.
    pub fn leaf(&mut self, log: &LogId, compartment: &CompartmentId, edit: Edit) -> Leaf {
        let replica = self.world.replica(A);
        let (opening, _) = replica.dossiers.get(compartment).expect("a compartment");
        let (key, row) = self.facet(A, compartment).expect("a facet");
        let facet = replica.facet(opening, &row.leaves).unwrap();
        let change = facet.edit(log, &[edit]).unwrap().expect("a change");
        Leaf::Full { record: self.record, turn: key.turn, salt: self.fresh(), change }
    }

    /// The event's facet in a compartment, as an org has it.
    pub fn facet(&self, org: usize, compartment: &CompartmentId) -> Option<(FacetKey, FacetRow)> {
        let replica = self.world.replica(org);
        let prefix =
            FacetKey::record_prefix(Kind::Event, &self.share, &self.world.id(A), &self.record);
        let facets = replica.store().scan(&prefix, &[], 4096).unwrap();
        let mut facets = facets.into_iter().filter_map(|(key, row)| {
            let key = FacetKey::parse(&key).filter(|key| key.compartment == *compartment)?;
            Some((key, codec::own::<FacetRow>(&row).unwrap()))
        });
        facets.find(|(_, row)| row.active > 0)
    }

    pub fn row(&self, org: usize, compartment: &CompartmentId) -> Option<FacetRow> {
        self.facet(org, compartment).map(|(_, row)| row)
    }

    pub fn text(&self, org: usize, compartment: &CompartmentId, field: &str) -> String {
        let row = self.row(org, compartment).expect("a facet");
        match row.fields.get(field) {
            Some(Value::Str(text) | Value::Text(text)) => text.clone(),
            other => format!("{other:?}"),
        }
    }

    /// Whether an org holds anything of a log.
    pub fn holds(&self, org: usize, log: &LogId) -> u64 {
        self.world.replica(org).logs.get(log).map_or(0, |state| state.height)
    }

    pub fn knows(&self, org: usize, id: &StatementId) -> bool {
        self.world.replica(org).statements.contains_key(id)
    }

    /// Bytes on an org's disk.
    pub fn disk(&self, org: usize) -> usize {
        let mut all = 0;
        crate::store::for_each(self.world.replica(org).store(), &[], |key, value| {
            all += key.len() + value.len();
            Ok::<_, crate::store::StoreError>(())
        })
        .unwrap();
        all
    }

    /// Whether an honest edit still gets from Acme to Cedar.
    pub fn honest_edit_arrives(&mut self, text: &str) {
        let at = crate::book::Address::Own { kind: Kind::Event, record: self.event };
        self.world.act(A, |r| r.edit(&at, vec![put("title", text)])).unwrap();
        self.world.settle();
        let home = self.world.replica(A).publication(&self.share, &self.event).unwrap().unwrap();
        let shows = home.homes.keys().any(|compartment| {
            let row = self.row(C, compartment);
            row.is_some_and(|row| row.fields.get("title") == Some(&Value::Str(text.into())))
        });
        assert!(shows, "an honest edit arrives");
    }
}
