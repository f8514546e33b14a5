//! The one door for changes: signed envelopes around anything, taken by a reader in two orders
//! and by the publisher, whose book they change.

use std::collections::BTreeMap;

use super::bytes::{Bytes, framed};
use crate::bundle::{Leaf, Verified};
use crate::codec;
use crate::facet::first_change;
use crate::id::{Nonce, RecordId};
use crate::ingest::{FacetRow, Hold};
use crate::keys::FacetKey;
use crate::replica::{Identity, Replica, Settings};
use crate::scene::{A, B, C, Pen, Scene};
use crate::store::{Batch, Entry, Store, for_each};
use crate::time::Millis;
use crate::world::Disk;

/// Bundles of one run.
const MANY: usize = 6;

/// A node as it stands before anything hostile happens.
pub struct Still {
    identity: Identity,
    entries: Vec<Entry>,
    now: Millis,
}

impl Still {
    pub fn of(scene: &Scene, org: usize) -> Self {
        let at = &scene.world.orgs[org];
        let entries = at.disk.contents();
        Self { identity: at.identity.clone(), entries, now: scene.world.now }
    }

    /// The node, on a disk of its own.
    pub fn wake(&self) -> (Replica, Disk) {
        let mut disk = Disk::default();
        let mut batch = Batch::default();
        for (key, value) in &self.entries {
            batch.put(key.clone(), value.clone());
        }
        disk.commit(batch).expect("memory");
        (self.open(&disk), disk)
    }

    pub fn open(&self, disk: &Disk) -> Replica {
        let (identity, settings) = (self.identity.clone(), Settings::default());
        let store = Box::new(disk.clone());
        let mut replica =
            Replica::open(identity, settings, store, self.now, [1; 32]).expect("its own store");
        replica.begin(self.now, [2; 32]);
        replica
    }
}

struct Stage {
    scene: Scene,
    publisher: Still,
    reader: Still,
}

thread_local! {
    static STAGE: Stage = {
        let scene = Scene::begin(1);
        let (publisher, reader) = (Still::of(&scene, A), Still::of(&scene, C));
        Stage { scene, publisher, reader }
    };
}

/// Bytes to a bundle, to an authorised one, to rows: no bytes fail a node, and the order between
/// logs makes no difference.
pub fn ingest(data: &[u8]) {
    STAGE.with(|stage| run(stage, &mut Bytes(data)));
}

fn run(stage: &Stage, bytes: &mut Bytes<'_>) {
    let (mut one, _) = stage.reader.wake();
    let (mut other, _) = stage.reader.wake();
    let (mut publisher, _) = stage.publisher.wake();
    let scene = &stage.scene;
    let pen = |org: usize, grant| Pen {
        key: scene.key(org),
        author: scene.world.id(org),
        compartment: scene.brief,
        epoch: Nonce([7; 16]),
        grant,
        seq: 0,
        prev: crate::statement::Nonce32([0; 32]),
        at: scene.now(),
    };
    let mut pens = [pen(A, None), pen(B, Some(scene.edit))];
    let mut sent: [Vec<Verified>; 2] = [Vec::new(), Vec::new()];
    while !bytes.is_empty() && sent.iter().map(Vec::len).sum::<usize>() < MANY {
        let writer = bytes.below(2);
        let count = 1 + bytes.below(3);
        let leaves: Vec<Leaf> =
            (0..count).map(|_| leaf(scene, &one, &pens[writer], bytes)).collect();
        let sealed = pens[writer].seal(leaves);
        let verified = Verified::open(&codec::to_bytes(sealed.bundle())).expect("as sealed");
        deliver(&mut one, verified.clone());
        sent[writer].push(verified);
    }
    for log in sent.iter().rev() {
        log.iter().for_each(|bundle| deliver(&mut other, bundle.clone()));
    }
    sent[1].iter().for_each(|bundle| deliver(&mut publisher, bundle.clone()));
    assert_eq!(rows(&one), rows(&other), "the order between logs makes a difference");
    publisher.tick_over().expect("the publisher goes on");
    for mut replica in [one, other, publisher] {
        replica.commit().expect("memory");
    }
}

/// A leaf of the event, of another record or turn; honest, damaged or anything.
fn leaf(scene: &Scene, reader: &Replica, pen: &Pen, bytes: &mut Bytes<'_>) -> Leaf {
    let (opening, _) = reader.dossiers.get(&scene.brief).expect("a compartment");
    let (key, row) = scene.facet(C, &scene.brief).expect("a facet");
    let flags = bytes.byte();
    let record = if flags & 1 == 0 { scene.record } else { RecordId([bytes.byte() % 4; 16]) };
    let turn = if flags & 2 == 0 { key.turn } else { u32::from(bytes.byte()) };
    let salt = Nonce([flags; 16]);
    let key = FacetKey { record, turn, ..key };
    let known: Option<FacetRow> = reader.read(&key.bytes()).expect("a row");
    let change = match flags >> 2 & 3 {
        0 => framed(bytes.prefixed()),
        1 => first_change(&opening.schema, &pen.log(), &row.fields).expect("values that fit"),
        _ => {
            let leaves = known.map(|row| row.leaves).unwrap_or_default();
            let facet = reader.facet(opening, &leaves).expect("a document");
            let edits: Vec<_> =
                (0..1 + bytes.below(3)).filter_map(|_| bytes.edit(&opening.schema)).collect();
            let mut change = match facet.edit(&pen.log(), &edits) {
                Ok(Some(change)) => change,
                Ok(None) | Err(_) => framed(bytes.prefixed()),
            };
            bytes.damage(&mut change);
            change
        }
    };
    let full = Leaf::Full { record, turn, salt, change };
    if flags & 0xf0 == 0xf0 { full.redacted() } else { full }
}

fn deliver(replica: &mut Replica, verified: Verified) {
    match replica.authorise(&verified, None) {
        Ok(authorised) => replica.apply(verified, authorised).expect("no change fails a node"),
        Err(Hold::Known | Hold::Predecessor | Hold::Waiting(_) | Hold::Refused(_)) => {}
    }
}

/// Every facet's state, and whether the short way and the document agree on it.
fn rows(replica: &Replica) -> BTreeMap<Vec<u8>, FacetRow> {
    let mut rows = BTreeMap::new();
    for_each(&replica.store, &[], |key, bytes| {
        if let (Some(at), Ok(mut row)) = (FacetKey::parse(key), codec::own::<FacetRow>(bytes)) {
            let (opening, _) = replica.dossiers.get(&at.compartment).expect("an opening");
            let again = replica.evaluate(opening, &row.leaves).expect("a document");
            assert_eq!(again, row, "a row is what its leaves make");
            row.leaves.sort_by_key(|leaf| (leaf.log, leaf.seq, leaf.index));
            rows.insert(key.to_vec(), row);
        }
        Ok::<_, crate::store::StoreError>(())
    })
    .expect("memory");
    rows
}
