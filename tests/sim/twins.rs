//! Worlds in which some orgs have two nodes: stewardship is handed over, and stores go back to older
//! copies of themselves.

use std::collections::BTreeSet;

use crate::codec;
use crate::id::RecordId;
use crate::keys;
use crate::store::Store;
use crate::world::World;

use super::model::{Model, What};
use super::random::Sim;
use super::settled::check_settled;
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

    /// When all is quiet: hands stewardship over, goes on a while, and puts older copies back: of
    /// one of two nodes, of each that is alone, of all of those at once.
    pub fn change_nodes(&mut self, steps: &[Step]) -> Result<(), String> {
        let copies: Vec<Copy> = self.world.orgs.iter().map(|org| org.disk.contents()).collect();
        let then = self.model.clone();
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
            if self.is_hostile(org) {
                continue;
            }
            let shown = self.model.shown.clone();
            self.put_back(org, &copies[org]);
            self.settle()?;
            self.model.go_back(&self.world, org, &then, Some(&shown))?;
            check_settled(self).map_err(|what| format!("put back: {what}"))?;
        }
        for org in alone.iter().copied() {
            self.put_back(org, &copies[org]);
        }
        self.settle()?;
        for org in alone {
            self.model.go_back(&self.world, org, &then, None)?;
        }
        check_settled(self).map_err(|what| format!("all put back: {what}"))
    }

    fn put_back(&mut self, node: usize, copy: &Copy) {
        self.log.push(format!("  the store of node {node} goes back"));
        self.world.restore(node, copy);
        self.oracle.read_again(node);
        self.oracle.look_again();
    }
}

impl Model {
    /// The only store of an org is a copy from back then again, and has met everybody. What it held
    /// then it holds, and what its partners hold has come back: what was `shown`, unless theirs went
    /// back too, is placed where it was, and what was taken out of a share stays out.
    fn go_back(
        &mut self,
        world: &World,
        org: usize,
        then: &Self,
        shown: Option<&BTreeSet<(usize, usize)>>,
    ) -> Result<(), String> {
        self.went_back.insert(org);
        let own: Vec<usize> =
            (0..self.records.len()).filter(|record| self.records[*record].owner == org).collect();
        for record in own.iter().copied() {
            match then.records.get(record) {
                Some(before) => self.records[record].deleted = before.deleted,
                None => _ = self.lost.insert(record),
            }
        }
        for ((share, id), record) in self.names.iter().filter(|(_, record)| own.contains(record)) {
            let (place, key) = ((*share, *record), keys::published(&self.shares[*share].id, id));
            let found = world.replica(world.main(org)).store.get(&key).expect("memory");
            let found = found.map(|bytes| codec::own::<RecordId>(&bytes).expect("a record's id"));
            match found {
                Some(id) => {
                    if shown.is_some() && self.taken.contains(&place) {
                        return Err(format!("#{record} is back in share {share} of org {org}"));
                    }
                    self.placed.insert(place);
                    self.anew.insert(place, id);
                }
                None => {
                    if shown.is_some_and(|shown| shown.contains(&place)) {
                        return Err(format!("#{record} is gone from share {share} of org {org}"));
                    }
                    self.placed.remove(&place);
                    self.anew.remove(&place);
                }
            }
        }
        for record in own.into_iter().filter(|record| self.lost.contains(record)) {
            self.records[record].deleted = !self.anew.keys().any(|(_, back)| *back == record);
        }
        let since = self.grants.iter().enumerate().skip(then.grants.len());
        let own_rules = since.filter(|(_, grant)| {
            (grant.from, grant.section) == (org, org) && !matches!(grant.what, What::Contribute)
        });
        self.unruled.extend(own_rules.map(|(index, _)| index));
        Ok(())
    }
}
