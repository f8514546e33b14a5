//! What an edit and a start cost does not depend on how much there is besides; and a start that
//! spares itself a plan notices when the plan was not carried out.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::book::Address;
use crate::facet::Edit;
use crate::id::RecordId;
use crate::replica::{Replica, Settings};
use crate::sharing::NewGrant;
use crate::store::{Batch, Entry, Store, StoreError};
use crate::value::Value;
use crate::vocabulary::Kind;
use crate::world::{Disk, World, fields};

const A: usize = 0;
const B: usize = 1;

/// A disk that counts the entries that are read.
struct Counted {
    disk: Disk,
    reads: Arc<AtomicU64>,
}

impl Store for Counted {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.disk.get(key)
    }
    fn scan(&self, prefix: &[u8], after: &[u8], limit: usize) -> Result<Vec<Entry>, StoreError> {
        let found = self.disk.scan(prefix, after, limit)?;
        self.reads.fetch_add(1 + found.len() as u64, Ordering::Relaxed);
        Ok(found)
    }
    fn commit(&mut self, batch: Batch) -> Result<(), StoreError> {
        self.disk.commit(batch)
    }
}

/// What is read for a start, and for one edit of a customer who takes part, beside so many others
/// who do.
fn reads(others: usize) -> (u64, u64) {
    let mut world = World::new(31, &["Acme", "Bright"]);
    world.pair(A, B);
    let share = world.act(A, |r| r.open_share("launch", None, None)).unwrap();
    for (kind, names) in
        [(Kind::Customer, ["name", "address"]), (Kind::Participation, ["customer", "fit_reason"])]
    {
        world.grant(A, B, share, A, fields(kind, &names, false), 0).unwrap();
    }
    let mut customers = Vec::new();
    for _ in 0..=others {
        let customer = world.create(
            A,
            Kind::Customer,
            &[("name", "N"), ("type", "company"), ("address", "X")],
        );
        let about = Kind::Customer.id_text(&customer);
        let takes_part = [("customer", about.as_str()), ("fit_reason", "R")];
        let participation = world.create(A, Kind::Participation, &takes_part);
        world.place(A, share, Kind::Participation, &[participation]);
        customers.push(customer);
    }
    world.place(A, share, Kind::Customer, &customers);
    world.settle();
    let (me, now) = (world.orgs[A].identity.clone(), world.now);
    let reads = Arc::new(AtomicU64::new(0));
    let store = Counted { disk: world.orgs[A].disk.clone(), reads: Arc::clone(&reads) };
    let mut replica =
        Replica::open(me, Settings::default(), Box::new(store), now, [7; 32]).unwrap();
    replica.commit().unwrap();
    let start = reads.swap(0, Ordering::Relaxed);
    let at = Address::Own { kind: Kind::Customer, record: customers[0] };
    replica.begin(now, [8; 32]);
    replica.edit(&at, vec![Edit::Put("address".into(), Value::Str("Y".into()))]).unwrap();
    replica.commit().unwrap();
    (start, reads.load(Ordering::Relaxed))
}

#[test]
fn what_an_edit_of_a_customer_reads_does_not_grow_with_the_others() {
    let ((_, few), (_, many)) = (reads(2), reads(40));
    assert!(many <= few + 20, "{few} entries beside 2 others, {many} beside 40");
}

#[test]
fn a_start_does_not_read_every_record_that_is_placed() {
    let ((few, _), (many, _)) = (reads(2), reads(40));
    assert!(many <= few + 40, "{few} entries beside 2 others, {many} beside 40");
}

/// Whether they are granted before or after they are placed.
#[test]
fn records_reach_a_reader_in_the_order_in_which_it_stores_them() {
    let mut world = World::new(35, &["Acme", "Bright"]);
    world.pair(A, B);
    let share = world.act(A, |r| r.open_share("launch", None, None)).unwrap();
    let values = [("org_name", "N"), ("title", "T"), ("type", "company")];
    let customers: Vec<_> = (0..30).map(|_| world.create(A, Kind::Customer, &values)).collect();
    world.grant(A, B, share, A, fields(Kind::Customer, &["org_name"], false), 0).unwrap();
    world.place(A, share, Kind::Customer, &customers);
    world.grant(A, B, share, A, fields(Kind::Customer, &["title"], false), 0).unwrap();
    world.settle();
    let reader = world.replica(B);
    let mut logs = 0;
    for (id, log) in reader.logs.iter().filter(|(_, log)| log.author == world.id(A)) {
        let bundles = (0..log.height).map(|seq| reader.bundle(id, seq).unwrap());
        let records: Vec<RecordId> =
            bundles.flat_map(|bundle| bundle.leaves).map(|leaf| leaf.place().0).collect();
        assert_eq!(records.len(), customers.len());
        assert!(records.is_sorted());
        logs += 1;
    }
    assert_eq!(logs, 2);
}

/// A disk that fails after so many commits.
struct Dying {
    disk: Disk,
    left: u32,
}

impl Store for Dying {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.disk.get(key)
    }
    fn scan(&self, prefix: &[u8], after: &[u8], limit: usize) -> Result<Vec<Entry>, StoreError> {
        self.disk.scan(prefix, after, limit)
    }
    fn commit(&mut self, batch: Batch) -> Result<(), StoreError> {
        self.left = self.left.checked_sub(1).ok_or(StoreError::Engine("died".into()))?;
        self.disk.commit(batch)
    }
}

#[test]
pub fn a_node_that_dies_in_the_middle_of_a_plan_makes_it_again() {
    let mut world = World::new(32, &["Acme", "Bright"]);
    world.pair(A, B);
    let share = world.act(A, |r| r.open_share("launch", None, None)).unwrap();
    let new = NewGrant {
        share,
        section: world.id(A),
        to: world.id(B),
        scope: fields(Kind::Customer, &["name"], false),
        selector: Some("address=Here".into()),
        with_history: false,
        depth: 0,
        expires_at: None,
    };
    world.act(A, |r| r.grant(new)).unwrap();
    let company = [("name", "COMPANY"), ("type", "company"), ("address", "There")];
    let record = world.create(A, Kind::Customer, &company);
    world.place(A, share, Kind::Customer, &[record]);
    world.settle();
    let (me, now) = (world.orgs[A].identity.clone(), world.now);
    let store = Dying { disk: world.orgs[A].disk.clone(), left: 1 };
    world.kill(A);
    let mut replica =
        Replica::open(me, Settings::default(), Box::new(store), now, [7; 32]).unwrap();
    replica.pending_max = 0;
    replica.begin(now, [8; 32]);
    let at = Address::Own { kind: Kind::Customer, record };
    replica.edit(&at, vec![Edit::Put("address".into(), Value::Str("Here".into()))]).unwrap();
    assert!(replica.commit().is_err(), "it dies when the record is moved and nobody is admitted");
    drop(replica);
    world.start(A);
    world.settle();
    assert!(world.holds(B, "COMPANY"));
}
