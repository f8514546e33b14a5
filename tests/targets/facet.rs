//! Documents: three writers, honest and not, who hear of each other or do not.

use super::bytes::{Bytes, framed};
use super::decode::schema;
use crate::facet::{Facet, Leaf, Schema, Standing, first_change, first_values};
use crate::id::LogId;
use crate::value::Fields;

const PUBLISHER: usize = 0;
const WRITERS: usize = 3;
/// Leaves of one run.
const MANY: usize = 24;

fn log(writer: usize) -> LogId {
    LogId([writer as u8 + 1; 32])
}

struct Written {
    writer: usize,
    seq: u64,
    change: Vec<u8>,
}

impl Written {
    fn leaf(&self) -> Leaf<'_> {
        Leaf {
            log: log(self.writer),
            position: (self.seq, 0),
            by_publisher: self.writer == PUBLISHER,
            change: Some(&self.change),
        }
    }
}

struct Round {
    schema: Schema,
    written: Vec<Written>,
    views: Vec<Facet>,
}

impl Round {
    fn write(&mut self, writer: usize, change: Vec<u8>) -> Standing {
        let seq = self.written.iter().filter(|leaf| leaf.writer == writer).count() as u64;
        let leaf = Written { writer, seq, change };
        let standing = self.views[writer].insert(leaf.leaf());
        self.written.push(leaf);
        standing
    }

    /// A writer hears of everything.
    fn hear(&mut self, writer: usize) {
        for leaf in &self.written {
            self.views[writer].insert(leaf.leaf());
        }
    }

    /// What comes out when all logs arrive one after the other, this one first.
    fn end(&self, first: usize) -> Facet {
        let mut facet = Facet::new(&self.schema);
        for writer in (first..WRITERS).chain(0..first) {
            for leaf in self.written.iter().filter(|leaf| leaf.writer == writer) {
                facet.insert(leaf.leaf());
            }
        }
        facet
    }
}

/// An honest change stands, whatever others have sent; and no order of arrival makes a difference.
pub fn facet(data: &[u8]) {
    let mut bytes = Bytes(data);
    let schema = schema();
    let first = first_change(&schema, &log(PUBLISHER), &Fields::new()).expect("an empty change");
    let views = vec![Facet::new(&schema); WRITERS];
    let mut round = Round { schema, written: Vec::new(), views };
    assert_eq!(round.write(PUBLISHER, first), Standing::Active);
    (1..WRITERS).for_each(|writer| round.hear(writer));
    while !bytes.is_empty() && round.written.len() < MANY {
        let writer = bytes.below(WRITERS);
        match bytes.below(8) {
            0 => round.hear(writer),
            1 => {
                let change = framed(bytes.prefixed());
                round.write(writer, change);
            }
            2 => {
                // Undoes something of another, or of its own.
                let places: Vec<_> = round.views[writer].standings().map(|(at, _)| at).collect();
                let at = places[bytes.below(places.len())];
                if let Ok(Some(change)) = round.views[writer].undo(&log(writer), at) {
                    assert_eq!(round.write(writer, change), Standing::Active);
                }
            }
            _ => {
                let edits: Vec<_> =
                    (0..1 + bytes.below(3)).filter_map(|_| bytes.edit(&round.schema)).collect();
                let Ok(Some(mut change)) = round.views[writer].edit(&log(writer), &edits) else {
                    continue;
                };
                let damaged = bytes.damage(&mut change);
                let standing = round.write(writer, change);
                assert!(damaged || standing == Standing::Active, "{standing:?}: {edits:?}");
            }
        }
    }
    let one = round.end(0);
    for other in (1..WRITERS).map(|first| round.end(first)) {
        assert_eq!(one.values(), other.values());
        assert_eq!(one.conflicts(), other.conflicts());
        assert!(one.standings().eq(other.standings()));
        assert_eq!(one.heads(), other.heads());
    }
    for leaf in round.written.iter().filter(|leaf| leaf.writer == PUBLISHER) {
        // The short way of reading a first leaf gives what the document gives.
        let Ok(values) = first_values(&round.schema, &leaf.leaf()) else { continue };
        let mut alone = Facet::new(&round.schema);
        let standing = alone.insert(Leaf { position: (0, 0), ..leaf.leaf() });
        assert_eq!((standing, alone.values()), (Standing::Active, values));
    }
}
