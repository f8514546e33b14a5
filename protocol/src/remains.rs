//! What was erased and may still lie in the files of the store: an engine keeps old bytes until the
//! store is written anew. Says that this is due, and since when; the shell does it.

use minicbor::{Decode, Encode};

use crate::codec;
use crate::keys;
use crate::mutation::{Law, broken};
use crate::refusal::Refusal;
use crate::replica::Replica;
use crate::time::Millis;

/// Erasures whose bytes the store's files may still have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Remains {
    /// When the first of them was made, ms.
    #[n(0)]
    pub since: Millis,
    /// How many commits erased something, since the store was made.
    #[n(1)]
    pub erasures: u64,
}

impl Replica {
    /// Says, in the batch that erases, that old bytes are left.
    pub(crate) fn leave_remains(&mut self) -> Result<(), Refusal> {
        if broken(Law::Remains) {
            return Ok(());
        }
        let known = self.remains()?;
        let since = known.map_or(self.now, |known| known.since);
        let erasures = known.map_or(0, |known| known.erasures) + 1;
        self.put(keys::REMAINS, codec::to_bytes(&Remains { since, erasures }))
    }

    /// What was erased since the store was last written anew.
    pub fn remains(&self) -> Result<Option<Remains>, Refusal> {
        self.read(keys::REMAINS)
    }

    /// The store has been written anew; `begun` is what remained when that began, at `at`. What was
    /// erased meanwhile remains.
    pub fn remains_gone(&mut self, begun: Option<Remains>, at: Millis) -> Result<(), Refusal> {
        match self.remains()? {
            now if now == begun => self.remove(keys::REMAINS),
            Some(now) => {
                let now = Remains { since: at, ..now };
                self.put(keys::REMAINS, codec::to_bytes(&now))
            }
            None => Ok(()),
        }
    }
}
