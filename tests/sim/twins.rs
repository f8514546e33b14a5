//! Worlds in which some orgs have two nodes: stewardship is handed over, and stores go back to older
//! copies of themselves.

use crate::codec;
use crate::id::RecordId;
use crate::keys;
use crate::store::Store;

use super::random::Sim;
use super::settled::{check_restored, check_settled};
use super::steps::Step;

/// A store as it was.
type Copy = Vec<(Vec<u8>, Vec<u8>)>;

impl Sim {
    /// Gives some orgs a second node; at least one.
    pub fn join_twins(&mut self) {
        for org in 0..self.orgs {
            if org == 0 || self.dice.chance(50) {
                self.world.join(org, None);
            }
        }
        self.world.settle();
    }

    /// When all is quiet: hands stewardship over, goes on a while, and puts older copies back.
    pub fn change_nodes(&mut self, steps: &[Step]) -> Result<(), String> {
        let copies: Vec<Copy> = self.world.orgs.iter().map(|org| org.disk.contents()).collect();
        let (twins, alone): (Vec<usize>, Vec<usize>) =
            (0..self.orgs).partition(|org| self.world.nodes(*org).len() > 1);
        for org in twins.iter().copied() {
            let nodes = self.world.nodes(org);
            self.log.push(format!("  org {org} hands over to node {}", nodes[1]));
            self.world.hand_over(nodes[0], nodes[1], 2);
        }
        self.settle()?;
        check_settled(self).map_err(|what| format!("handed over: {what}"))?;
        for step in steps.iter().rev().take(12) {
            // Other dice, or what is drawn would be drawn twice.
            self.take(Step { dice: step.dice | 1 << 40, ..*step })?;
        }
        self.settle()?;
        check_settled(self).map_err(|what| format!("after handing over: {what}"))?;
        for org in twins {
            let nodes = self.world.nodes(org);
            let node = nodes[self.dice.below(nodes.len())];
            self.put_back(node, &copies[node]);
        }
        self.settle()?;
        check_settled(self).map_err(|what| format!("one of two put back: {what}"))?;
        for org in alone.iter().copied() {
            self.put_back(org, &copies[org]);
        }
        self.settle()?;
        alone.iter().for_each(|org| self.name_anew(*org));
        check_restored(self, &alone).map_err(|what| format!("put back: {what}"))
    }

    fn put_back(&mut self, node: usize, copy: &Copy) {
        self.log.push(format!("  the store of node {node} goes back"));
        self.world.restore(node, copy);
        self.oracle.read_again(node);
        self.oracle.look_again();
    }

    /// Records that came back from the shares have new ids in the book.
    fn name_anew(&mut self, org: usize) {
        for ((share, id), record) in &self.model.names {
            let record = &mut self.model.records[*record];
            let key = keys::published(&self.model.shares[*share].id, id);
            let found = self.world.replica(org).store.get(&key).expect("memory");
            if let Some(bytes) = found.filter(|_| record.owner == org) {
                record.id = codec::own::<RecordId>(&bytes).expect("a record's id");
            }
        }
    }
}
