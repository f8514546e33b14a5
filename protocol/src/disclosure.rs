//! Who was given what of a customer: from what partners were admitted to, where the customer's
//! records stood, and the audit log. Keeps what that needs when a record goes: ids and names of
//! fields, never a value.

use std::collections::{BTreeMap, BTreeSet};

use minicbor::{Decode, Encode};

use crate::audit::{Event, Line};
use crate::codec;
use crate::dossier::Opening;
use crate::id::{GrantId, LogId, OrgId, RecordId, ShareId};
use crate::ingest::FacetRow;
use crate::keys::{self, FacetKey};
use crate::mutation::{Law, broken};
use crate::refusal::Refusal;
use crate::replica::Replica;
use crate::statement::Scope;
use crate::store::{Store, for_each};
use crate::time::Millis;
use crate::value::{Fields, Value};
use crate::vocabulary::Kind;

/// How an org came to hold something, as far as this node can know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// This node sent it.
    Sent,
    /// The org's own node reports that it holds it; another partner carried it.
    Reported,
    /// This node did not send it; others that hold it may have.
    Possible,
    /// It may have it, and nobody who could carry it has it yet.
    NotYet,
}

/// What one org was given of one customer under one grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disclosure {
    /// To whom.
    pub org: OrgId,
    /// In which share.
    pub share: ShareId,
    /// On what ground.
    pub grant: GrantId,
    /// How.
    pub way: Way,
    /// Which fields that had a value.
    pub fields: BTreeSet<(Kind, String)>,
    /// When first, ms, as far as it is known.
    pub first_at: Option<Millis>,
    /// When last.
    pub last_at: Option<Millis>,
    /// Through whom the grant was passed on, nearest to this org first.
    pub via: Vec<OrgId>,
    /// Who else held it and may have carried it.
    pub carriers: BTreeSet<OrgId>,
}

/// A file that records of a customer were written into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// When, ms.
    pub at: Millis,
    /// Its format.
    pub format: String,
    /// The kind of record.
    pub kind: Kind,
}

/// Everything that left of one customer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Disclosed {
    /// To partners.
    pub to: Vec<Disclosure>,
    /// Into files: software cannot call them back.
    pub exports: Vec<Export>,
}

/// A change of a facet that gave fields a value: where it lies, and which fields.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
struct Step {
    #[n(0)]
    log: LogId,
    #[n(1)]
    seq: u64,
    #[n(2)]
    fields: Vec<String>,
}

/// A facet that is no more: where its changes lay.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
struct Past {
    #[n(0)]
    kind: Kind,
    #[n(1)]
    steps: Vec<Step>,
    /// What was sent by this line of the audit log or a later one had it no more.
    #[n(2)]
    until: u64,
}

/// A facet of a customer's record, here or gone.
struct Trail {
    key: FacetKey,
    steps: Vec<Step>,
    until: u64,
}

/// What is known of one org and one trail.
#[derive(Debug, Default)]
struct Given {
    sent: BTreeSet<usize>,
    reported: BTreeSet<usize>,
    sent_at: Option<(Millis, Millis)>,
    reported_at: Option<(Millis, Millis)>,
}

/// The customer that a record is about.
pub(crate) fn subject(kind: Kind, record: &RecordId, fields: &Fields) -> Option<RecordId> {
    match kind {
        Kind::Customer => Some(*record),
        Kind::Event => None,
        Kind::Participation | Kind::Interaction | Kind::Followup => {
            let Some(Value::Str(text)) = fields.get("customer") else { return None };
            Kind::parse_id(text).map(|(_, customer)| customer)
        }
    }
}

impl Replica {
    /// Remembers, for ever, that a record that is placed in a share is about a customer.
    pub(crate) fn note_subject(
        &mut self,
        share: &ShareId,
        placed: &RecordId,
        kind: Kind,
        record: &RecordId,
        fields: &Fields,
    ) -> Result<(), Refusal> {
        let Some(customer) = subject(kind, record, fields) else { return Ok(()) };
        let about = keys::About { customer, share: *share, record: *placed }.bytes();
        match self.store.get(&about)? {
            Some(_) => Ok(()),
            None => self.put(&about, codec::to_bytes(&(kind, *record))),
        }
    }

    /// Remembers where the changes of a facet of this org lay, before it goes.
    pub(crate) fn note_past(&mut self, key: &FacetKey, row: &FacetRow) -> Result<(), Refusal> {
        if key.section != self.me.party.org || key.share == keys::NO_SHARE || broken(Law::Past) {
            return Ok(());
        }
        let Some((opening, _)) = self.dossiers.get(&key.compartment) else { return Ok(()) };
        let opening = opening.clone();
        let steps = self.steps(&opening, row)?;
        let past = Past { kind: key.kind, steps, until: self.audit_head().count };
        self.put(&keys::past(key), codec::to_bytes(&past))
    }

    /// The changes of a facet, each with the fields that it gave a value.
    fn steps(&self, opening: &Opening, row: &FacetRow) -> Result<Vec<Step>, Refusal> {
        if let [only] = row.leaves.as_slice() {
            let fields = row.fields.keys().cloned().collect();
            return Ok(vec![Step { log: only.log, seq: only.seq, fields }]);
        }
        // What a fork took away was never shown.
        let document = self.whole_facet(opening, &row.leaves)?;
        let mut steps: BTreeMap<(LogId, u64), BTreeSet<String>> = BTreeMap::new();
        for field in opening.schema.fields() {
            for entry in document.history(&field.name) {
                if entry.value.is_some() {
                    let place = (entry.change.log, entry.change.position.0);
                    steps.entry(place).or_default().insert(field.name.clone());
                }
            }
        }
        let step = |((log, seq), fields): ((LogId, u64), BTreeSet<String>)| Step {
            log,
            seq,
            fields: fields.into_iter().collect(),
        };
        Ok(steps.into_iter().map(step).collect())
    }

    /// A customer by its id or a unique beginning of it, also when it was erased.
    pub fn find_subject(&self, text: &str) -> Result<RecordId, Refusal> {
        let missing = || Refusal::NotFound { what: Kind::Customer.name(), text: text.to_owned() };
        if !text.starts_with(Kind::Customer.prefix()) {
            return Err(missing());
        }
        let mut fits = BTreeSet::new();
        match self.find_record(text, Some(Kind::Customer)) {
            Ok(crate::book::Address::Own { record, .. }) => return Ok(record),
            Ok(at) => return Err(Refusal::NotOwn { text: at.text() }),
            Err(Refusal::NotFound { .. }) => {}
            Err(error) => return Err(error),
        }
        for_each(&self.store, keys::ABOUT, |key, _| {
            let about = keys::About::parse(key).ok_or(Refusal::Damaged("a customer's records"))?;
            if Kind::Customer.id_text(&about.customer).starts_with(text) {
                fits.insert(about.customer);
            }
            Ok::<_, Refusal>(())
        })?;
        // A customer that was deleted and never shared: nothing was given to anybody.
        if let Some((Kind::Customer, record)) = Kind::parse_id(text)
            && self.read::<u8>(&keys::tombstone(&record))?.is_some()
        {
            fits.insert(record);
        }
        match fits.len() {
            0 => Err(missing()),
            1 => fits.pop_first().ok_or_else(missing),
            count => Err(Refusal::Ambiguous { text: text.to_owned(), count }),
        }
    }

    /// Who was given what of a customer. Reads the whole audit log.
    pub fn disclosures(&self, customer: &RecordId) -> Result<Disclosed, Refusal> {
        let (trails, records) = self.trails(customer)?;
        let mut at: BTreeMap<LogId, Vec<(usize, usize)>> = BTreeMap::new();
        for (index, trail) in trails.iter().enumerate() {
            for (step, Step { log, .. }) in trail.steps.iter().enumerate() {
                at.entry(*log).or_default().push((index, step));
            }
        }
        let mut given: BTreeMap<(usize, OrgId), Given> = BTreeMap::new();
        let mut exports = Vec::new();
        for_each(&self.store, keys::AUDIT_LINES, |_, bytes| {
            let line: Line = codec::own(bytes)?;
            let mut covers = |org: &OrgId, log: &LogId, from: u64, to: u64, sent: bool| {
                for (trail, step) in at.get(log).into_iter().flatten() {
                    let seq = trails[*trail].steps[*step].seq;
                    if (from..to).contains(&seq) && line.number < trails[*trail].until {
                        given.entry((*trail, *org)).or_default().add(*step, line.at, sent);
                    }
                }
            };
            match &line.event {
                Event::Sent { to, ranges } => {
                    for range in ranges {
                        covers(to, &range.log, range.from, range.to, true);
                    }
                }
                Event::Reported { by, log, height, .. } => covers(by, log, 0, *height, false),
                Event::Exported { kind, format, records: all } => {
                    if all.iter().any(|record| records.contains(record)) {
                        exports.push(Export { at: line.at, format: format.clone(), kind: *kind });
                    }
                }
                Event::Said { .. } | Event::Deleted { .. } | Event::Consent { .. } => {}
            }
            Ok::<_, Refusal>(())
        })?;
        Ok(Disclosed { to: self.gather(&trails, &given), exports })
    }

    /// Every facet of this org's that is or was about a customer, and the customer's records by
    /// their ids in the book.
    fn trails(&self, customer: &RecordId) -> Result<(Vec<Trail>, BTreeSet<RecordId>), Refusal> {
        let me = self.me.party.org;
        let mut trails = Vec::new();
        let mut records = BTreeSet::from([*customer]);
        let mut placed = Vec::new();
        for_each(&self.store, &keys::about(customer), |key, bytes| {
            let about = keys::About::parse(key).ok_or(Refusal::Damaged("a customer's records"))?;
            let (kind, record): (Kind, RecordId) = codec::own(bytes)?;
            records.insert(record);
            placed.push((kind, about));
            Ok::<_, Refusal>(())
        })?;
        for (kind, about) in placed {
            let prefix = FacetKey::record_prefix(kind, &about.share, &me, &about.record);
            for (key, row) in self.store.scan(&prefix, &[], usize::MAX)? {
                let Some(key) = FacetKey::parse(&key) else { continue };
                let Some((opening, _)) = self.dossiers.get(&key.compartment) else { continue };
                let steps = self.steps(opening, &codec::own(&row)?)?;
                trails.push(Trail { key, steps, until: u64::MAX });
            }
            let prefix = keys::pasts(kind, &about.share, &me, &about.record);
            for (key, past) in self.store.scan(&prefix, &[], usize::MAX)? {
                let Some(key) = keys::past_of(&key) else { continue };
                let Past { steps, until, .. } = codec::own(&past)?;
                trails.push(Trail { key, steps, until });
            }
        }
        Ok((trails, records))
    }

    /// One entry for each org, share, grant and way.
    fn gather(&self, trails: &[Trail], given: &BTreeMap<(usize, OrgId), Given>) -> Vec<Disclosure> {
        let me = self.me.party.org;
        let mut all: BTreeMap<(OrgId, ShareId, GrantId, Way), Disclosure> = BTreeMap::new();
        for (index, trail) in trails.iter().enumerate() {
            let Some((_, dossier)) = self.dossiers.get(&trail.key.compartment) else { continue };
            let holders = given.range((index, OrgId([0; 32]))..=(index, OrgId([255; 32])));
            let holders: BTreeSet<OrgId> = holders.map(|((_, org), _)| *org).collect();
            for (grant, _) in dossier.admissions() {
                let Some(info) = self.grants.get(grant) else { continue };
                let org = info.to.org;
                if !matches!(info.scope, Scope::Fields { .. }) || org == me {
                    continue;
                }
                let nothing = Given::default();
                let known = given.get(&(index, org)).unwrap_or(&nothing);
                let carriers: BTreeSet<OrgId> =
                    holders.iter().filter(|holder| **holder != org).copied().collect();
                let here = trail.until == u64::MAX && self.grants.in_force(grant, self.now).is_ok();
                for (way, steps, at) in known.ways(trail.steps.len(), !carriers.is_empty(), here) {
                    let fields: BTreeSet<(Kind, String)> = steps
                        .iter()
                        .flat_map(|step| &trail.steps[*step].fields)
                        .map(|field| (trail.key.kind, field.clone()))
                        .collect();
                    if fields.is_empty() {
                        continue;
                    }
                    let entry = all.entry((org, trail.key.share, *grant, way));
                    let entry = entry.or_insert_with(|| Disclosure {
                        org,
                        share: trail.key.share,
                        grant: *grant,
                        way,
                        fields: BTreeSet::new(),
                        first_at: None,
                        last_at: None,
                        via: self.grants.issuers_above(grant),
                        carriers: BTreeSet::new(),
                    });
                    entry.via.retain(|via| *via != me && *via != org);
                    entry.fields.extend(fields);
                    if way != Way::Sent && way != Way::NotYet {
                        entry.carriers.extend(&carriers);
                    }
                    if let Some((first, last)) = at {
                        entry.first_at = Some(entry.first_at.map_or(first, |at| at.min(first)));
                        entry.last_at = Some(entry.last_at.map_or(last, |at| at.max(last)));
                    }
                }
            }
        }
        all.into_values().collect()
    }
}

/// First and last time of something.
type Span = Option<(Millis, Millis)>;

impl Given {
    fn add(&mut self, step: usize, at: Millis, sent: bool) {
        let (steps, span) = match sent {
            true => (&mut self.sent, &mut self.sent_at),
            false => (&mut self.reported, &mut self.reported_at),
        };
        steps.insert(step);
        *span = Some(span.map_or((at, at), |(first, last)| (first.min(at), last.max(at))));
    }

    /// How each of `count` steps came to the org, if it did. `carried`: others hold it. `here`: it
    /// is still there, and may still be served.
    fn ways(&self, count: usize, carried: bool, here: bool) -> Vec<(Way, BTreeSet<usize>, Span)> {
        let reported: BTreeSet<usize> = self.reported.difference(&self.sent).copied().collect();
        let rest = (0..count).filter(|n| !self.sent.contains(n) && !reported.contains(n));
        let rest_way = if carried { Way::Possible } else { Way::NotYet };
        let rest: BTreeSet<usize> = if carried || here { rest.collect() } else { BTreeSet::new() };
        let ways = [
            (Way::Sent, self.sent.clone(), self.sent_at),
            (Way::Reported, reported, self.reported_at),
            (rest_way, rest, None),
        ];
        ways.into_iter().filter(|(_, steps, _)| !steps.is_empty()).collect()
    }
}
