//! How much one peer may ask of this node in a time: work that a bucket holds, and that runs in
//! again. What is taken and stored costs more time than it brings in, so an honest peer that sends
//! as fast as it is served never finds the bucket empty.

use crate::id::PublicKey;
use crate::message::Frame;
use crate::mutation::{Law, broken};
use crate::replica::Replica;
use crate::time::Millis;

/// Work that one peer's node may ask for at once; one signature that is checked is one.
pub(crate) const BURST: u64 = 64 * 1024;
/// Work that runs in again in a second.
const PER_SECOND: u64 = 4 * 1024;
/// Heights of all that may be served are looked up.
const ASK: u64 = 64;
/// So many logs that a peer has offered are looked through in one piece of work.
const OFFERS: usize = 1024;

/// What one node has asked for lately; in memory only.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    spent: u64,
    at: Millis,
}

/// The work that a frame makes, of a peer that has offered so many logs.
fn cost(frame: &Frame, offered: usize) -> u64 {
    match frame {
        Frame::Statements { statements, .. } => 1 + statements.len() as u64,
        Frame::Bundles { bundles } => 1 + bundles.len() as u64,
        Frame::Ask { .. } | Frame::Recall => ASK,
        Frame::Desk { entries, .. } => 1 + entries.len() as u64,
        Frame::Heights { .. } | Frame::Gone { .. } => 1 + (offered / OFFERS) as u64,
        Frame::Fork { .. } => 2,
        Frame::Gate { .. }
        | Frame::Welcome { .. }
        | Frame::Reveal { .. }
        | Frame::Paired
        | Frame::Hello { .. }
        | Frame::Resume { .. }
        | Frame::StatementsStored { .. }
        | Frame::Digests { .. }
        | Frame::Want { .. }
        | Frame::Stored { .. }
        | Frame::Stop { .. }
        | Frame::DeskWant { .. }
        | Frame::Refused { .. } => 1,
    }
}

impl Replica {
    /// Whether a node may still ask for this now; it is counted. Reconnecting begins nothing anew.
    pub(crate) fn keeps_pace(&mut self, node: &PublicKey, frame: &Frame, offered: usize) -> bool {
        let pace = self.paces.entry(*node).or_insert(Pace { spent: 0, at: self.now });
        let passed_ms = self.now.saturating_sub(pace.at);
        pace.spent = pace.spent.saturating_sub(passed_ms.saturating_mul(PER_SECOND) / 1000);
        pace.at = self.now;
        let spent = pace.spent + cost(frame, offered);
        pace.spent = spent.min(BURST);
        spent <= BURST || broken(Law::Pace)
    }
}
