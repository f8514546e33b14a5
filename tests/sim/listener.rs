//! Listens to what each node tells of its changes: whoever reads only what it was told of must see
//! what whoever reads everything sees.

use std::collections::BTreeMap;

use crate::book::Address;
use crate::replica::{Changes, Replica};
use crate::view::{ListQuery, RecordView};
use crate::vocabulary::Kind;
use crate::world::World;

/// One listener at each node.
#[derive(Debug, Default)]
pub struct Listener {
    seen: Vec<BTreeMap<Address, RecordView>>,
}

impl Listener {
    /// Reads what was told of since the last time, and compares.
    pub fn check(&mut self, world: &mut World) -> Result<(), String> {
        self.seen.resize_with(world.orgs.len(), BTreeMap::new);
        for (org, seen) in self.seen.iter_mut().enumerate() {
            let node = &mut world.orgs[org];
            let Some(replica) = &node.replica else { continue };
            let all = everything(replica);
            match node.changes.replace(Changes::default()) {
                None => seen.clone_from(&all),
                Some(told) => {
                    seen.retain(|at, _| !told.kinds.contains(&at.kind()));
                    let of_kind = |at: &Address| told.kinds.contains(&at.kind());
                    seen.extend(all.clone().into_iter().filter(|(at, _)| of_kind(at)));
                    for at in &told.records {
                        match replica.record(at) {
                            Ok(view) => seen.insert(*at, view),
                            Err(_) => seen.remove(at),
                        };
                    }
                }
            }
            let of = |map: &BTreeMap<Address, RecordView>, at: &Address| map.get(at).cloned();
            let untold = all.keys().chain(seen.keys()).find(|at| of(&all, at) != of(seen, at));
            if let Some(at) = untold {
                return Err(format!("Told: org {org} tells nobody that {} changed", at.text()));
            }
        }
        Ok(())
    }
}

fn everything(replica: &Replica) -> BTreeMap<Address, RecordView> {
    let lists = Kind::ALL.map(|kind| replica.list(&ListQuery::of(kind)).expect("memory"));
    lists.into_iter().flat_map(|page| page.records).map(|view| (view.at, view)).collect()
}
