//! Which facets are surely not held, without asking the store: of compartments in which nothing was
//! held when their first bundle came. After a start it knows nothing, and the store is asked.

use std::collections::BTreeSet;

use crate::id::CompartmentId;
use crate::keys::FacetKey;
use crate::mutation::{Law, broken};

/// Bits of the filter: 512 KiB. A quarter of a million facets are told apart from all others but for
/// one in a hundred; of many more the store is asked.
const BITS: u64 = 1 << 22;
/// How many bits a facet sets.
const PROBES: u64 = 4;

/// Compartments that began since the start, and a Bloom filter over all facets put in them.
#[derive(Debug, Default)]
pub(crate) struct Fresh {
    begun: BTreeSet<CompartmentId>,
    /// Empty until a compartment begins.
    bits: Vec<u64>,
}

impl Fresh {
    /// Nothing is held of a compartment so far.
    pub(crate) fn begin(&mut self, compartment: CompartmentId) {
        self.begun.insert(compartment);
        self.bits.resize((BITS / 64) as usize, 0);
    }

    /// Whether a facet is surely not held; it is noted as one that may be from now on.
    pub(crate) fn is_new(&mut self, key: &FacetKey) -> bool {
        if !self.begun.contains(&key.compartment) {
            return false;
        }
        let mut new = broken(Law::Fresh);
        for (word, bit) in places(key) {
            new |= self.bits[word] & bit == 0;
            self.bits[word] |= bit;
        }
        new
    }
}

/// The bits of a facet. Ids of records and compartments are hashes; whoever makes up others only
/// has the store asked.
fn places(key: &FacetKey) -> impl Iterator<Item = (usize, u64)> {
    let half = |bytes: &[u8]| bytes.iter().fold(0, |sum: u64, byte| sum << 8 | u64::from(*byte));
    let (first, second) = key.record.0.split_at(8);
    let start = half(first) ^ half(&key.compartment.0[..8]) ^ u64::from(key.turn) << 17;
    let step = half(second) | 1;
    (0..PROBES).map(move |probe| {
        let at = start.wrapping_add(probe.wrapping_mul(step)) % BITS;
        ((at / 64) as usize, 1 << (at % 64))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{OrgId, RecordId, hash};
    use crate::keys::NO_SHARE;
    use crate::vocabulary::Kind;

    fn facet(compartment: u8, record: u32, turn: u32) -> FacetKey {
        let id = hash("entente/test/1", &[&record.to_be_bytes()]);
        let mut short = [0; 16];
        short.copy_from_slice(&id[..16]);
        FacetKey {
            kind: Kind::Customer,
            share: NO_SHARE,
            section: OrgId([0; 32]),
            record: RecordId(short),
            turn,
            compartment: CompartmentId([compartment; 32]),
        }
    }

    #[test]
    fn a_facet_is_new_at_most_once_and_only_where_nothing_was_held() {
        let mut fresh = Fresh::default();
        assert!(!fresh.is_new(&facet(1, 0, 1)), "nobody knows what is held");
        fresh.begin(CompartmentId([1; 32]));
        fresh.begin(CompartmentId([2; 32]));
        let mut asked = 0;
        for record in 0..100_000 {
            for key in [facet(1, record, 1), facet(1, record, 2), facet(2, record, 1)] {
                asked += u32::from(!fresh.is_new(&key));
                assert!(!fresh.is_new(&key), "{record}");
            }
        }
        assert!(asked < 6_000, "{asked} of 300,000 are taken for known");
        assert!(!fresh.is_new(&facet(3, 0, 1)));
    }
}
