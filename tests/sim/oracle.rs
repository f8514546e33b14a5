//! Watches a world: no org's disk or line ever carries a token that the model does not allow it,
//! and nobody is served what, by the server's own knowledge, is no longer granted.

use std::collections::BTreeSet;

use crate::audit::{self, Event, Line};
use crate::bundle::Bundle;
use crate::codec;
use crate::id::{LogId, OrgId};
use crate::keys;
use crate::message::{Frame, MAX_FRAME_BYTES};
use crate::statement::Body;
use crate::store::Store;
use crate::world::{Disk, World};

use super::model::{Known, Model, Secret, What};

const MARK: &[u8] = b"tk0";
const DIGITS: usize = 5;

/// The text of a token: found wherever its bytes stand together.
pub fn token(number: usize) -> String {
    format!("tk0{number:05}q")
}

/// The tokens that stand in some bytes.
pub fn tokens_in(bytes: &[u8]) -> Vec<usize> {
    let mut found = Vec::new();
    let len = MARK.len() + DIGITS + 1;
    for at in 0..bytes.len().saturating_sub(len - 1) {
        if bytes[at] != MARK[0] || !bytes[at..].starts_with(MARK) || bytes[at + len - 1] != b'q' {
            continue;
        }
        let digits = &bytes[at + MARK.len()..at + len - 1];
        if digits.iter().all(u8::is_ascii_digit) {
            found.push(digits.iter().fold(0, |n, digit| n * 10 + usize::from(digit - b'0')));
        }
    }
    found
}

/// What was seen of each org when it was last looked at.
#[derive(Debug, Default)]
pub struct Oracle {
    seen: Vec<(usize, u64)>,
    audited: Vec<Audited>,
}

/// What an org's audit log says that it sent: to whom, of which log, which bundle.
#[derive(Debug, Default)]
struct Audited {
    lines: u64,
    sent: BTreeSet<(OrgId, LogId, u64)>,
}

impl Audited {
    /// Reads the lines that are on a disk and were not read yet.
    fn read(&mut self, disk: &Disk) {
        while let Some(bytes) = disk.get(&keys::audit(self.lines)).expect("memory") {
            let line: Line = codec::own(&bytes).expect("a line");
            self.lines += 1;
            let Event::Sent { to, ranges } = line.event else { continue };
            for range in ranges {
                self.sent.extend((range.from..range.to).map(|seq| (to, range.log, seq)));
            }
        }
    }
}

impl Oracle {
    /// Looks at everything that is new since the last time.
    pub fn look(&mut self, world: &mut World, model: &mut Model) -> Result<(), String> {
        self.seen.resize(world.orgs.len(), (0, u64::MAX));
        for org in 0..world.orgs.len() {
            if world.is_up(org) && self.changed(world, org) {
                model.observe(world, org);
            }
        }
        let frames = std::mem::take(&mut world.frames);
        for (to, frame) in &frames {
            check_tokens(model, world.home(*to), frame, "received")?;
        }
        for org in 0..world.orgs.len() {
            for bytes in world.orgs[org].disk.written() {
                check_tokens(model, world.home(org), &bytes, "stored")?;
            }
        }
        let sent = std::mem::take(&mut world.sent);
        self.audited.resize_with(world.orgs.len(), Audited::default);
        for (from, to, frame) in &sent {
            let siblings = world.id(*from) == world.id(*to);
            if !model.is_hostile(world, *from) && !siblings {
                check_served(world, model, *from, *to, frame)?;
                self.check_audited(world, *from, *to, frame)?;
            }
        }
        Ok(())
    }

    /// Every bundle that was sent to another org stands in the sender's audit log, on its disk.
    fn check_audited(
        &mut self,
        world: &World,
        from: usize,
        to: usize,
        frame: &[u8],
    ) -> Result<(), String> {
        let Ok(Frame::Bundles { bundles }) = codec::from_bytes::<Frame>(frame, MAX_FRAME_BYTES)
        else {
            return Ok(());
        };
        self.audited[from].read(&world.orgs[from].disk);
        for bundle in bundles.iter().filter(|_| world.id(from) != world.id(to)) {
            let header = &codec::own::<Bundle>(&bundle.0).map_err(|e| e.to_string())?.header;
            if !self.audited[from].sent.contains(&(world.id(to), header.log(), header.seq)) {
                return Err(format!("audit: org {from} has no line of what it sent to {to}"));
            }
        }
        Ok(())
    }

    /// Every audit log is whole, and whatever an org holds of another, somebody's log says that it
    /// was sent there, unless somebody may have sent it who writes no log.
    pub fn check_logs(&mut self, world: &World, model: &Model) -> Result<(), String> {
        let mut sent: BTreeSet<(OrgId, LogId, u64)> = BTreeSet::new();
        for (org, audited) in self.audited.iter_mut().enumerate() {
            let disk = &world.orgs[org].disk;
            audit::verify(disk, None).map_err(|flaw| format!("audit: org {org}: {flaw}"))?;
            audited.read(disk);
            sent.extend(&audited.sent);
        }
        for org in (0..world.orgs.len()).filter(|_| model.hostile.is_empty()) {
            let me = world.id(org);
            let foreign = world.replica(org).logs.iter().filter(|(_, log)| log.author != me);
            for (id, log) in foreign {
                if let Some(seq) = (0..log.height).find(|seq| !sent.contains(&(me, *id, *seq))) {
                    return Err(format!("audit: nobody's log tells who sent {seq} to org {org}"));
                }
            }
        }
        Ok(())
    }

    /// Whether an org has heard a statement or written into its book since.
    fn changed(&mut self, world: &World, org: usize) -> bool {
        let replica = world.replica(org);
        let heights = replica.logs.values().map(|log| log.height + 1).sum::<u64>();
        let now = (replica.statements.len(), heights);
        std::mem::replace(&mut self.seen[org], now) != now
    }

    /// A node reads its audit log from an older copy of its store.
    pub fn read_again(&mut self, node: usize) {
        self.audited[node].lines = 0;
    }

    /// Forgets what was seen: what the model knows has changed without the replicas.
    pub fn look_again(&mut self) {
        self.seen.clear();
    }
}

fn check_tokens(model: &Model, org: usize, bytes: &[u8], how: &str) -> Result<(), String> {
    for token in tokens_in(bytes) {
        if token < model.secrets.len() && !model.may_hold(org, token) {
            let secret = &model.secrets[token];
            let which = match secret {
                Secret::Value { .. } => "I1",
                Secret::Never { .. } => "I8",
                Secret::Name { .. } => "I1 (name)",
            };
            let secret = match secret {
                Secret::Value { record, field, by } => {
                    let of = &model.records[*record];
                    format!("{field} by {by} of #{record}, a {} of org {}", of.kind, of.owner)
                }
                Secret::Never { owner, what } => format!("{what} of org {owner}"),
                Secret::Name { org } => format!("the name of org {org}"),
            };
            return Err(format!("{which}: org {org} {how} {secret}"));
        }
    }
    Ok(())
}

/// I4: by what the sender knew when it sent, the receiver could read the compartment.
fn check_served(
    world: &World,
    model: &Model,
    from: usize,
    to: usize,
    frame: &[u8],
) -> Result<(), String> {
    if !world.is_up(from) {
        return Ok(());
    }
    let Ok(Frame::Bundles { bundles }) = codec::from_bytes::<Frame>(frame, MAX_FRAME_BYTES) else {
        return Ok(());
    };
    let replica = world.replica(from);
    let known = Known::of(replica);
    for bundle in bundles {
        let bundle = crate::bundle::Verified::open(&bundle.0).map_err(|e| e.to_string())?;
        let compartment = bundle.header().compartment;
        let opening = replica.statements.get(&compartment.into()).map(|s| (s.author(), s.body()));
        let Some((section, Body::OpenCompartment { share, kind, fields, .. })) = opening else {
            return Err(format!("I4: org {from} served a compartment of nobody to {to}"));
        };
        let reads = (0..model.grants.len()).any(|grant| {
            let at = &model.grants[grant];
            let fits = matches!(&at.what, What::Fields { kind: k, .. } if k == kind);
            fits && at.to == world.home(to)
                && model.shares[at.share].id == *share
                && world.id(at.section) == section
                && fields.iter().all(|field| model.covers(grant, &field.name))
                && model.stands(world, &known, grant)
        });
        if section != world.id(to) && !reads {
            let names: Vec<&str> = fields.iter().map(|f| f.name.as_str()).collect();
            return Err(format!("I4: org {from} served {kind:?} {names:?} to {to}"));
        }
    }
    Ok(())
}
