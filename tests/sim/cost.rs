//! What an edit costs does not depend on how much there is besides.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::book::Address;
use crate::facet::Edit;
use crate::replica::{Replica, Settings};
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

/// What is read for one edit of a customer who takes part, beside so many others who do.
fn reads_of_an_edit(others: usize) -> u64 {
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
    reads.store(0, Ordering::Relaxed);
    let at = Address::Own { kind: Kind::Customer, record: customers[0] };
    replica.begin(now, [8; 32]);
    replica.edit(&at, vec![Edit::Put("address".into(), Value::Str("Y".into()))]).unwrap();
    replica.commit().unwrap();
    reads.load(Ordering::Relaxed)
}

#[test]
fn what_an_edit_of_a_customer_reads_does_not_grow_with_the_others() {
    let (few, many) = (reads_of_an_edit(2), reads_of_an_edit(40));
    assert!(many <= few + 20, "{few} entries beside 2 others, {many} beside 40");
}
