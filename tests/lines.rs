//! The connections of a simulated world: dialled, broken and noticed late; frames that are under way,
//! delivered one at a time in an order the dice decide.

use std::collections::VecDeque;

use super::World;
use crate::replica::Conn;

/// Where a node dies while it does something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crash {
    /// Before the commit: nothing of it may be left.
    BeforeFlush,
    /// After the commit and before any effect was carried out: all of it is there, nobody heard.
    BeforeEffects,
}

/// A connection between two nodes.
#[derive(Debug)]
pub struct Link {
    pub dialer: usize,
    pub listener: usize,
    /// Frames under way to the dialer and to the listener.
    pub queues: [VecDeque<Vec<u8>>; 2],
}

impl World {
    pub fn hang_up(&mut self, conn: Conn) {
        let Some(link) = self.links.remove(&conn) else { return };
        for org in [link.dialer, link.listener] {
            self.notice(org, conn);
        }
    }

    fn link(&self, a: usize, b: usize) -> Option<Conn> {
        let joins = |link: &Link| [(a, b), (b, a)].contains(&(link.dialer, link.listener));
        self.links.iter().find(|(_, link)| joins(link)).map(|(conn, _)| *conn)
    }

    /// Breaks the connection between two orgs, if there is one; both know at once.
    pub fn disconnect(&mut self, a: usize, b: usize) {
        if let Some(conn) = self.link(a, b) {
            self.hang_up(conn);
        }
    }

    /// Breaks a connection with all that is under way on it; one end may notice later.
    pub fn sever(&mut self, a: usize, b: usize) {
        if let Some(conn) = self.link(a, b) {
            self.tear(conn);
        }
    }

    fn tear(&mut self, conn: Conn) {
        let Some(link) = self.links.remove(&conn) else { return };
        let late = self.dice.below(3);
        for (end, (org, peer)) in
            [(link.dialer, link.listener), (link.listener, link.dialer)].into_iter().enumerate()
        {
            if end == late {
                self.unnoticed.push((org, peer, conn));
            } else {
                self.notice(org, conn);
            }
        }
    }

    fn notice(&mut self, org: usize, conn: Conn) {
        if self.is_up(org) {
            self.act(org, |replica| replica.closed(conn)).expect("closing");
        }
    }

    /// Both ends know of what has broken: of every connection, or of those between two orgs.
    pub fn notice_broken(&mut self, between: Option<(usize, usize)>) {
        let fits = |a, b| between.is_none_or(|pair| pair == (a, b) || pair == (b, a));
        let (now, later) = std::mem::take(&mut self.unnoticed)
            .into_iter()
            .partition(|(org, peer, _)| fits(*org, *peer));
        self.unnoticed = later;
        for (org, _, conn) in now {
            self.notice(org, conn);
        }
    }

    /// Ends the connections that a test holds by hand.
    pub fn close_raw(&mut self) {
        for (conn, raw) in std::mem::take(&mut self.raw) {
            self.notice(raw.to, conn);
        }
    }

    /// Dials whom the nodes want to reach and can.
    pub fn dial(&mut self) {
        for org in 0..self.orgs.len() {
            if !self.is_up(org) {
                continue;
            }
            for node in self.orgs[org].dials.keys().copied().collect::<Vec<_>>() {
                let Some(other) = self.orgs.iter().position(|o| o.identity.node.public() == node)
                else {
                    continue;
                };
                let blocked = [(org, other), (other, org)].iter().any(|p| self.cut.contains(p));
                if !self.is_up(other) || blocked || self.link(org, other).is_some() {
                    continue;
                }
                // A node holds one session with a peer: a new connection ends an older one.
                self.notice_broken(Some((org, other)));
                let conn = self.next_conn;
                self.next_conn += 1;
                let queues = [VecDeque::new(), VecDeque::new()];
                self.links.insert(conn, Link { dialer: org, listener: other, queues });
                let key = self.orgs[org].identity.node.public();
                self.act(other, |r| r.opened(conn, key, false)).expect("opening");
                self.act(org, |r| r.opened(conn, node, true)).expect("opening");
            }
        }
    }

    /// Delivers one frame that is under way, chosen by the dice; false if there is none.
    pub fn deliver_one(&mut self) -> bool {
        self.deliver(None)
    }

    /// Delivers one frame; the receiver may die over it.
    pub fn deliver(&mut self, crash: Option<Crash>) -> bool {
        let ready: Vec<(Conn, usize)> = self
            .links
            .iter()
            .flat_map(|(conn, link)| {
                (0..2).filter(|side| !link.queues[*side].is_empty()).map(|side| (*conn, side))
            })
            .collect();
        if ready.is_empty() {
            return false;
        }
        let (conn, side) = ready[self.dice.below(ready.len())];
        let Some(link) = self.links.get_mut(&conn) else { return true };
        let Some(frame) = link.queues[side].pop_front() else { return true };
        let to = if side == 1 { link.listener } else { link.dialer };
        if frame.is_empty() {
            self.hang_up(conn);
            return true;
        }
        if self.lost_in_1000 > 0 && self.dice.below(1000) < self.lost_in_1000 {
            self.tear(conn);
            return true;
        }
        self.now += 1;
        self.frames.push((to, frame.clone()));
        let times = 1 + usize::from(self.dice.chance(self.doubled_in_100));
        for _ in 0..times {
            let done = match crash {
                None => self.act(to, |replica| replica.frame(conn, &frame)),
                Some(_) => self.begin(to, |replica| replica.frame(conn, &frame)),
            };
            done.expect("a frame never fails the node");
        }
        if crash == Some(Crash::BeforeEffects) {
            self.commit_in_silence(to);
        }
        if crash.is_some() {
            self.kill(to);
        }
        true
    }

    /// Lets everything arrive.
    pub fn settle(&mut self) {
        self.notice_broken(None);
        for _ in 0..200_000 {
            self.dial();
            if !self.deliver_one() {
                // Closed connections are dialled again; quiet means that nothing more comes.
                self.dial();
                if !self.deliver_one() {
                    return;
                }
            }
        }
        panic!("the world does not come to rest");
    }
}
