//! The audit log: one numbered line for everything that was sent to a partner or said in this
//! org's name, each with the hash of the line before it. A line is in the same commit as what it
//! tells of. It holds ids, never a value or a name, so that erasures leave it as it is.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use minicbor::{Decode, Encode};
use thiserror::Error;

use crate::bundle::Header;
use crate::codec;
use crate::id::{CompartmentId, LogId, OrgId, RecordId, StatementId, hash};
use crate::keys;
use crate::message::{Blob, Frame};
use crate::mutation::{Law, broken};
use crate::refusal::Refusal;
use crate::replica::{Conn, Replica};
use crate::statement::Nonce32;
use crate::store::{Store, StoreError, for_each};
use crate::time::Millis;
use crate::vocabulary::Kind;

const DOMAIN: &str = "entente/audit/1";
/// Records named by one line.
const LINE_RECORDS: usize = 1024;
/// What was sent to an org so short a time ago needs no second line when its node asks again, so
/// that nobody can make the log grow at will. In ms.
const LATELY_MS: Millis = 60 * 1000;
/// How much is remembered of what was sent lately.
const LATELY_MAX: usize = 64 * 1024;
/// The longest line, in bytes.
const MAX_LINE_BYTES: usize = 1 << 20;

/// A part of a log that went to somebody: the bundles with `from <= seq < to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Range {
    /// The compartment.
    #[n(0)]
    pub compartment: CompartmentId,
    /// The log.
    #[n(1)]
    pub log: LogId,
    /// The first of them.
    #[n(2)]
    pub from: u64,
    /// The one after the last.
    #[n(3)]
    pub to: u64,
    /// How many changes they have together.
    #[n(4)]
    pub changes: u64,
}

/// What a line tells of.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Event {
    /// This node sent changes to a node of another org.
    #[n(0)]
    Sent {
        /// To whom.
        #[n(0)]
        to: OrgId,
        /// What.
        #[n(1)]
        ranges: Vec<Range>,
    },
    /// A node of another org said that it holds changes of this org that this node did not just
    /// send it: somebody else has.
    #[n(1)]
    Reported {
        /// Who.
        #[n(0)]
        by: OrgId,
        /// The compartment.
        #[n(1)]
        compartment: CompartmentId,
        /// The log.
        #[n(2)]
        log: LogId,
        /// How many bundles of it.
        #[n(3)]
        height: u64,
    },
    /// A statement in this org's name.
    #[n(2)]
    Said {
        /// The statement.
        #[n(0)]
        statement: StatementId,
    },
    /// Records were written into a file.
    #[n(3)]
    Exported {
        /// Their kind.
        #[n(0)]
        kind: Kind,
        /// The file's format.
        #[n(1)]
        format: String,
        /// The records, by their ids in the book.
        #[n(2)]
        records: Vec<RecordId>,
    },
    /// A record of the book was deleted.
    #[n(4)]
    Deleted {
        /// Its kind.
        #[n(0)]
        kind: Kind,
        /// Its id in the book.
        #[n(1)]
        record: RecordId,
    },
    /// What is noted of a customer's consent changed.
    #[n(5)]
    Consent {
        /// The customer.
        #[n(0)]
        customer: RecordId,
    },
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Line {
    /// Its number, from 0.
    #[n(0)]
    pub number: u64,
    /// The hash of the line before it; zero for the first.
    #[n(1)]
    pub previous: Nonce32,
    /// When, ms.
    #[n(2)]
    pub at: Millis,
    /// What.
    #[n(3)]
    pub event: Event,
}

/// What was sent lately, by org and log: from which bundle to which, and since when, ms.
pub(crate) type Lately = BTreeMap<(OrgId, LogId), (u64, u64, Millis)>;

/// How long the log is, and the hash of its last line. Whoever keeps one elsewhere can tell later
/// that the log was shortened or written anew, which nothing inside the store can.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Head {
    /// How many lines.
    #[n(0)]
    pub count: u64,
    /// Hash of the last; zero when there is none.
    #[n(1)]
    pub last: Nonce32,
}

impl Default for Head {
    fn default() -> Self {
        Self { count: 0, last: Nonce32([0; 32]) }
    }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.count, data_encoding::HEXLOWER.encode(&self.last.0))
    }
}

/// A text that is no head of an audit log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("this is not what `audit verify` printed: a number, a colon, 64 hexadecimal digits")]
pub struct NoHead;

impl FromStr for Head {
    type Err = NoHead;

    fn from_str(text: &str) -> Result<Self, NoHead> {
        let (count, last) = text.trim().split_once(':').ok_or(NoHead)?;
        let last = data_encoding::HEXLOWER.decode(last.as_bytes()).map_err(|_| NoHead)?;
        let last = last.try_into().map_err(|_| NoHead)?;
        Ok(Self { count: count.parse().map_err(|_| NoHead)?, last: Nonce32(last) })
    }
}

/// What is wrong with an audit log. Lines are numbered from 0.
#[derive(Debug, Error)]
pub enum Flaw {
    /// The store cannot be read.
    #[error("the store cannot be read")]
    Store(#[from] StoreError),
    /// A line's bytes are no line.
    #[error("line {0} of the audit log cannot be read: it was changed")]
    Unreadable(u64),
    /// A line is not there.
    #[error("line {0} of the audit log is missing")]
    Missing(u64),
    /// A line stands where another belongs.
    #[error("line {number} of the audit log stands in the place of line {place}")]
    Moved {
        /// Where it stands.
        place: u64,
        /// What it says of itself.
        number: u64,
    },
    /// A line is not what the next one, or the end of the log, says of it.
    #[error("line {0} of the audit log was changed")]
    Changed(u64),
    /// The end is missing.
    #[error("the audit log ends at line {held} of {count}: the rest is missing")]
    Cut {
        /// How many lines are there.
        held: u64,
        /// How many there were.
        count: u64,
    },
    /// Where the log ends is not stored, or cannot be read.
    #[error("where the audit log ends cannot be read: it was changed or removed")]
    NoEnd,
    /// The noted head is not one of this log's.
    #[error("the audit log is not the one whose first {0} lines were noted: it was written anew")]
    Other(u64),
}

impl Line {
    /// What the next line says of this one.
    fn hash(&self) -> Nonce32 {
        Nonce32(hash(DOMAIN, &[&codec::to_bytes(self)]))
    }
}

/// Recomputes a whole audit log, which may grow meanwhile. `noted` is a head that was kept
/// elsewhere: what it covers must still be there unchanged.
pub fn verify(store: &dyn Store, noted: Option<&Head>) -> Result<Head, Flaw> {
    let first = end(store)?.unwrap_or_default();
    let mut at = Head::default();
    let mut walk = Walk::default();
    let (mut fits_first, mut other) = (first == at, false);
    for_each(store, keys::AUDIT_LINES, |key, bytes| {
        let place = keys::audit_place(key).ok_or(Flaw::Unreadable(at.count))?;
        if place != at.count {
            return Err(Flaw::Missing(at.count));
        }
        let line: Line =
            codec::from_bytes(bytes, MAX_LINE_BYTES).map_err(|_| Flaw::Unreadable(place))?;
        if line.number != place {
            return Err(Flaw::Moved { place, number: line.number });
        }
        walk.step(place, line.previous == at.last);
        at = Head { count: place + 1, last: line.hash() };
        fits_first |= first == at;
        other |= noted.is_some_and(|noted| noted.count == at.count && *noted != at);
        Ok(())
    })?;
    if at.count < first.count {
        return Err(Flaw::Cut { held: at.count, count: first.count });
    }
    if at.count == first.count {
        walk.step(at.count, fits_first);
    }
    if let Some(changed) = walk.changed() {
        return Err(Flaw::Changed(changed));
    }
    // Lines behind the end were added since it was read, or it is not the end.
    let grown = |end: Option<Head>| end.is_some_and(|end| end.count >= at.count);
    if at.count > first.count && !(fits_first && grown(end(store)?)) {
        return Err(Flaw::NoEnd);
    }
    match noted {
        Some(noted) if noted.count > at.count => {
            Err(Flaw::Cut { held: at.count, count: noted.count })
        }
        Some(noted) if other => Err(Flaw::Other(noted.count)),
        Some(_) | None => Ok(at),
    }
}

/// Where the log ends, as it is stored.
fn end(store: &dyn Store) -> Result<Option<Head>, Flaw> {
    let bytes = store.get(keys::AUDIT)?;
    bytes.map(|bytes| codec::own(&bytes).map_err(|_| Flaw::NoEnd)).transpose()
}

/// Which lines follow the ones before them.
#[derive(Default)]
struct Walk {
    /// The first that does not, and whether the one after it does.
    odd: Option<(u64, bool)>,
}

impl Walk {
    fn step(&mut self, place: u64, follows: bool) {
        match &mut self.odd {
            None if !follows => self.odd = Some((place, true)),
            Some((first, next)) if *first + 1 == place => *next = follows,
            None | Some(_) => {}
        }
    }

    /// The line that was changed: the one before the odd one, whose hash does not fit; or the odd
    /// one, if its own hash does not fit either.
    fn changed(&self) -> Option<u64> {
        self.odd.map(|(first, next)| if next { first.saturating_sub(1) } else { first })
    }
}

impl Replica {
    pub(crate) fn load_audit(&mut self) -> Result<(), Refusal> {
        self.audit = match self.read(keys::AUDIT)? {
            Some(head) => head,
            None if self.store.scan(keys::AUDIT_LINES, &[], 1)?.is_empty() => Head::default(),
            None => return Err(Refusal::Damaged("the end of the audit log")),
        };
        Ok(())
    }

    /// Adds a line; durable with the commit that makes durable what it tells of.
    pub(crate) fn note(&mut self, event: Event) -> Result<(), Refusal> {
        let Head { count: number, last } = self.audit;
        let previous = if broken(Law::Chain) { Nonce32([0; 32]) } else { last };
        let line = Line { number, previous, at: self.now, event };
        self.audit = Head { count: number + 1, last: line.hash() };
        self.put(&keys::audit(number), codec::to_bytes(&line))?;
        self.put(keys::AUDIT, codec::to_bytes(&self.audit))
    }

    /// Sends bundles: the only way they leave. The line is in the commit that the frame waits for.
    pub(crate) fn serve(
        &mut self,
        conn: Conn,
        bundles: Vec<Blob>,
        ranges: Vec<Range>,
    ) -> Result<(), Refusal> {
        let to = self.sessions.get(&conn).and_then(|session| session.org);
        if let Some(to) = to.filter(|to| *to != self.me.party.org && !broken(Law::Audited)) {
            let ranges: Vec<Range> =
                ranges.into_iter().filter(|range| self.is_news(to, range)).collect();
            if !ranges.is_empty() {
                self.note(Event::Sent { to, ranges })?;
            }
        }
        self.send(conn, &Frame::Bundles { bundles });
        Ok(())
    }

    /// Whether no line of the last minute says that all of this was sent to that org.
    fn is_news(&mut self, to: OrgId, range: &Range) -> bool {
        let now = self.now;
        if self.lately.len() > LATELY_MAX {
            self.lately.clear();
        }
        let Range { log, from, to: end, .. } = *range;
        let known = self.lately.entry((to, log)).or_insert((from, from, now));
        let (first, last, since) = *known;
        if now.saturating_sub(since) >= LATELY_MS || from > last || end < first {
            *known = (from, end, now);
            return true;
        }
        *known = (first.min(from), last.max(end), since);
        from < first || end > last
    }

    /// Notes that an org's node says it holds what this node did not just send it; once.
    pub(crate) fn note_reported(
        &mut self,
        by: OrgId,
        compartment: CompartmentId,
        log: LogId,
        height: u64,
    ) -> Result<(), Refusal> {
        let key = keys::reported(&by, &log);
        if self.read::<u64>(&key)?.unwrap_or(0) >= height {
            return Ok(());
        }
        self.put(&key, codec::to_bytes(&height))?;
        self.note(Event::Reported { by, compartment, log, height })
    }

    /// Notes that records were written into a file, before they are.
    pub fn note_export(
        &mut self,
        kind: Kind,
        format: &str,
        records: &[RecordId],
    ) -> Result<(), Refusal> {
        for records in records.chunks(LINE_RECORDS) {
            let (format, records) = (format.to_owned(), records.to_vec());
            self.note(Event::Exported { kind, format, records })?;
        }
        Ok(())
    }

    /// How long the audit log is, and the hash of its last line.
    pub fn audit_head(&self) -> Head {
        self.audit
    }

    /// The newest lines with a smaller number than `before` that `fits` takes, newest first, and
    /// where to go on. Looks at a bounded number of lines, so that a page may have fewer than
    /// `limit` and still not be the last.
    pub fn audit_lines(
        &self,
        before: Option<u64>,
        limit: usize,
        fits: impl Fn(&Line) -> bool,
    ) -> Result<(Vec<Line>, Option<u64>), Refusal> {
        const LOOK_AT: usize = 4096;
        let mut number = before.unwrap_or(u64::MAX).min(self.audit.count);
        let mut lines = Vec::new();
        for _ in 0..LOOK_AT {
            if number == 0 || lines.len() == limit {
                break;
            }
            number -= 1;
            let line: Option<Line> = self.read(&keys::audit(number))?;
            lines.extend(line.filter(&fits));
        }
        Ok((lines, (number > 0).then_some(number)))
    }
}

/// Adds a bundle to the ranges of a frame.
pub(crate) fn extend(ranges: &mut Vec<Range>, log: LogId, seq: u64, bundle: &[u8]) {
    let Some((compartment, changes)) = head_of(bundle) else { return };
    match ranges.last_mut() {
        Some(last) if last.log == log && last.to == seq => {
            last.to = seq + 1;
            last.changes += changes;
        }
        Some(_) | None => {
            ranges.push(Range { compartment, log, from: seq, to: seq + 1, changes });
        }
    }
}

/// The compartment and the number of changes of an encoded bundle, from its header alone.
fn head_of(bundle: &[u8]) -> Option<(CompartmentId, u64)> {
    let mut decoder = minicbor::Decoder::new(bundle);
    decoder.array().ok()?;
    let header: Header = decoder.decode().ok()?;
    Some((header.compartment, u64::from(header.leaf_count)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Batch, MemoryStore};

    fn log(lines: u64) -> MemoryStore {
        let mut store = MemoryStore::default();
        let mut head = Head::default();
        for number in 0..lines {
            let event = Event::Deleted { kind: Kind::Event, record: RecordId([number as u8; 16]) };
            let line = Line { number, previous: head.last, at: 1_000 + number, event };
            head = Head { count: number + 1, last: line.hash() };
            store.entries.insert(keys::audit(number), codec::to_bytes(&line));
        }
        store.entries.insert(keys::AUDIT.to_vec(), codec::to_bytes(&head));
        store
    }

    fn flaw(store: &MemoryStore, noted: Option<&Head>) -> String {
        verify(store, noted).unwrap_err().to_string()
    }

    #[test]
    fn a_log_that_nobody_touched_is_whole_and_its_head_survives_being_written_down() {
        for lines in [0, 1, 2, 700] {
            let head = verify(&log(lines), None).unwrap();
            assert_eq!(head.count, lines);
            let noted: Head = head.to_string().parse().unwrap();
            assert_eq!(verify(&log(lines), Some(&noted)).unwrap(), noted);
            assert_eq!(verify(&log(lines + 3), Some(&noted)).unwrap().count, lines + 3);
        }
        for text in ["", "4", "4:", "x:00", "4:0g"] {
            assert_eq!(text.parse::<Head>(), Err(NoHead));
        }
        assert_eq!(verify(&MemoryStore::default(), None).unwrap(), Head::default());
    }

    #[test]
    fn any_flipped_bit_of_any_line_names_that_line() {
        let whole = log(5);
        for number in 0..5 {
            let key = keys::audit(number);
            for at in 0..whole.entries[&key].len() {
                for bit in 0..8 {
                    let mut store = whole.clone();
                    store.entries.get_mut(&key).unwrap()[at] ^= 1 << bit;
                    let said = flaw(&store, None);
                    let named = format!("line {number} of the audit log");
                    let moved = format!("in the place of line {number}");
                    assert!(
                        said.contains(&named) || said.contains(&moved),
                        "{number} {at}: {said}"
                    );
                }
            }
        }
        for at in 0..whole.entries[keys::AUDIT].len() {
            let mut store = whole.clone();
            store.entries.get_mut(keys::AUDIT).unwrap()[at] ^= 1;
            assert!(verify(&store, None).is_err(), "end, byte {at}");
        }
    }

    #[test]
    fn missing_moved_and_cut_lines_are_found() {
        let line = |store: &MemoryStore, n| store.entries[&keys::audit(n)].clone();
        let mut missing = log(5);
        missing.entries.remove(&keys::audit(2));
        assert_eq!(flaw(&missing, None), "line 2 of the audit log is missing");
        let mut closed_up = log(5);
        for n in 2..4 {
            let next = line(&closed_up, n + 1);
            closed_up.entries.insert(keys::audit(n), next);
        }
        closed_up.entries.remove(&keys::audit(4));
        assert!(flaw(&closed_up, None).contains("line 3 of the audit log stands in the place"));
        let mut swapped = log(5);
        let (one, three) = (line(&swapped, 1), line(&swapped, 3));
        swapped.entries.insert(keys::audit(1), three);
        swapped.entries.insert(keys::audit(3), one);
        assert!(
            flaw(&swapped, None).contains("line 3 of the audit log stands in the place of line 1")
        );
        let mut cut = log(5);
        cut.entries.remove(&keys::audit(4));
        assert!(flaw(&cut, None).contains("ends at line 4 of 5"));
        let mut endless = log(5);
        endless.entries.remove(keys::AUDIT);
        assert!(matches!(verify(&endless, None), Err(Flaw::NoEnd)));
    }

    /// A store that is read while a line is added: its end is read before, its lines after.
    struct Growing(std::cell::Cell<Option<Head>>, MemoryStore);

    impl Store for Growing {
        fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
            match self.0.take() {
                Some(head) if key == keys::AUDIT => Ok(Some(codec::to_bytes(&head))),
                Some(_) | None => self.1.get(key),
            }
        }
        fn scan(
            &self,
            prefix: &[u8],
            after: &[u8],
            limit: usize,
        ) -> Result<Vec<crate::store::Entry>, StoreError> {
            self.1.scan(prefix, after, limit)
        }
        fn commit(&mut self, batch: Batch) -> Result<(), StoreError> {
            self.1.commit(batch)
        }
    }

    #[test]
    fn a_log_that_grows_while_it_is_checked_is_whole() {
        let before = verify(&log(3), None).unwrap();
        let growing = Growing(Some(before).into(), log(5));
        assert_eq!(verify(&growing, None).unwrap().count, 5);
        let mut behind = log(5);
        behind.entries.insert(keys::AUDIT.to_vec(), codec::to_bytes(&before));
        assert!(matches!(verify(&behind, None), Err(Flaw::NoEnd)), "lines behind the end");
    }

    #[test]
    fn only_a_head_kept_elsewhere_tells_a_log_that_was_cut_or_written_anew_with_its_end() {
        let noted = verify(&log(5), None).unwrap();
        let shorter = log(4);
        assert!(verify(&shorter, None).is_ok(), "nothing inside the store can tell");
        assert!(flaw(&shorter, Some(&noted)).contains("ends at line 4 of 5"));
        let mut anew = log(0);
        let mut head = Head::default();
        let mut batch = Batch::default();
        for number in 0..6 {
            let event = Event::Deleted { kind: Kind::Event, record: RecordId([99; 16]) };
            let line = Line { number, previous: head.last, at: 1, event };
            head = Head { count: number + 1, last: line.hash() };
            batch.put(keys::audit(number), codec::to_bytes(&line));
        }
        batch.put(keys::AUDIT, codec::to_bytes(&head));
        anew.commit(batch).unwrap();
        assert!(verify(&anew, None).is_ok());
        assert!(matches!(verify(&anew, Some(&noted)), Err(Flaw::Other(5))));
    }
}
