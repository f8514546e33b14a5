//! The only door for changes: bytes → [`Verified`] → [`Authorised`] → applied. Local edits take it
//! too. Steps up to here judge the bundle; `change.rs` judges each leaf.

use minicbor::{Decode, Encode};

use crate::bundle::{Bundle, Header, Leaf, Verified};
use crate::codec;
use crate::consent;
use crate::dossier::Opening;
use crate::facet::{self, Facet};
use crate::id::{CompartmentId, GrantId, LogId, OrgId};
use crate::keys::{self, FacetKey};
use crate::log::LogState;
use crate::mutation::{Law, broken};
use crate::refusal::{Refusal, RefusalClass};
use crate::replica::Replica;
use crate::statement::{Body, Cause, Nonce32, RecordTurn};
use crate::store::{Store, for_each};
use crate::sync::APPROVAL;
use crate::time::Hlc;
use crate::value::Fields;
use crate::vocabulary::Kind;

mod own;

pub(crate) use own::Draft;

/// Logs that one org may begin in one compartment, and that may be forked.
pub(crate) const MAX_LOGS_BEGUN: usize = 1024;

/// A facet as it stands: a cache over bundles and dossier, rebuilt whenever those change.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct FacetRow {
    /// Its values.
    #[n(0)]
    pub fields: Fields,
    /// Where its leaves are, in the order they came.
    #[n(1)]
    pub leaves: Vec<LeafRef>,
    /// How many of them stand.
    #[n(2)]
    pub active: u32,
    /// When it last changed.
    #[n(3)]
    pub at: Hlc,
    /// Who last changed it.
    #[n(4)]
    pub by: OrgId,
    /// Fields with concurrent values.
    #[n(5)]
    pub conflicts: Vec<String>,
}

impl FacetRow {
    /// Whether a stored row can have fields with concurrent values: the list of them stands last,
    /// and an empty list is one known byte.
    pub(crate) fn may_conflict(bytes: &[u8]) -> bool {
        const EMPTY: u8 = 0x80;
        bytes.last() != Some(&EMPTY)
    }

    /// Whether the facet's bytes hold a value that was overwritten since.
    pub fn superseded(&self) -> bool {
        self.leaves.len() > 1
    }
}

/// Where a leaf is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct LeafRef {
    /// The log.
    #[n(0)]
    pub log: LogId,
    /// The bundle.
    #[n(1)]
    pub seq: u64,
    /// The leaf in the bundle.
    #[n(2)]
    pub index: u16,
}

/// A bundle that may be applied now. Only [`Replica::authorise`] makes one.
#[derive(Debug)]
pub struct Authorised {
    opening: Opening,
    state: LogState,
}

/// Why a bundle is not applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// Its place in the log is taken: by itself, or by a fork of it.
    Known,
    /// It follows another bundle than the one held before its place.
    Predecessor,
    /// Something that would decide is not here yet; ask again later.
    Waiting(&'static str),
    /// It will never be taken, for this reason.
    Refused(&'static str),
}

impl Replica {
    /// Step 3: may this author write this here, and does it continue its log?
    pub(crate) fn authorise(
        &self,
        verified: &Verified,
        from: Option<&OrgId>,
    ) -> Result<Authorised, Hold> {
        let header = verified.header();
        let Some((opening, dossier)) = self.dossiers.get(&header.compartment) else {
            return Err(Hold::Waiting("compartment_unknown"));
        };
        if dossier.retired() {
            return Err(Hold::Refused("compartment_retired"));
        }
        if !self.directory.certified(&header.author, &header.node) {
            return Err(Hold::Waiting("certificate_unknown"));
        }
        if !self.access().may_write(&header.author, &header.compartment, header.grant.as_ref()) {
            return Err(Hold::Waiting("not_permitted"));
        }
        let log = verified.log();
        let cut = self.cut_at(&log, header);
        if from == Some(&header.author) && header.author != self.me.party.org {
            let ended = |grant: &GrantId| self.grants.in_force(grant, self.now).is_err();
            // What a cut of this org lets count was here before, and comes back after a restore.
            let comes_back =
                opening.section == self.me.party.org && cut != u64::MAX && !broken(Law::BelowCuts);
            if header.grant.as_ref().is_some_and(ended) && !comes_back {
                return Err(Hold::Refused("grant_ended"));
            }
        }
        if header.grant.is_some_and(|grant| !self.takes_under(&grant)) {
            return Err(Hold::Waiting(APPROVAL));
        }
        if !self.logs.contains_key(&log) && !self.may_begin(header) {
            return Err(Hold::Refused("logs_quota"));
        }
        let state = self.logs.get(&log).cloned().unwrap_or_else(|| LogState::begin(header));
        if header.seq < state.height {
            return Err(Hold::Known);
        }
        if header.seq >= cut.min(self.unforked(&log)) {
            return Err(Hold::Refused("cut"));
        }
        if state.grant != header.grant {
            return Err(Hold::Refused("other_grant"));
        }
        if header.seq > state.height {
            return Err(Hold::Waiting("gap"));
        }
        if !state.continues(header) {
            return Err(Hold::Predecessor);
        }
        let uncovered = |leaf: &Leaf| {
            let (record, turn) = leaf.place();
            leaf.change().is_none() && turn > dossier.erased(&record)
        };
        if verified.bundle().leaves.iter().any(uncovered) {
            return Err(Hold::Waiting("erasure_unknown"));
        }
        Ok(Authorised { opening: opening.clone(), state })
    }

    /// Whether the author may begin one more log in the compartment, by a bundle or by the proof
    /// of a fork. An honest node begins one for each grant that it writes under and each cut.
    pub(crate) fn may_begin(&self, header: &Header) -> bool {
        let theirs = |compartment: &CompartmentId, author: &OrgId| {
            (compartment, author) == (&header.compartment, &header.author)
        };
        let logs = self.logs.values().filter(|log| theirs(&log.compartment, &log.author));
        let forks = self.forks.values().map(|proof| &proof.first);
        let forks = forks.filter(|at| theirs(&at.compartment, &at.author));
        broken(Law::Logs)
            || (logs.take(MAX_LOGS_BEGUN).count() < MAX_LOGS_BEGUN
                && forks.take(MAX_LOGS_BEGUN).count() < MAX_LOGS_BEGUN)
    }

    /// How many bundles of the log that `header` belongs to count, as its compartment's cuts say.
    fn cut_at(&self, log: &LogId, header: &Header) -> u64 {
        let Some((_, dossier)) = self.dossiers.get(&header.compartment) else { return 0 };
        let under = |by: &OrgId, cause: &Cause| {
            let writer = (header.author, header.node);
            self.falls_under(by, cause, &header.compartment, writer, header.grant.as_ref())
        };
        dossier.counted(log, &under)
    }

    /// Whether a log written by an org's node under `grant` falls under the cause of somebody's cut: the
    /// publisher's, or, for a revoked right to contribute, the share's opener's.
    fn falls_under(
        &self,
        by: &OrgId,
        cause: &Cause,
        compartment: &CompartmentId,
        (author, node): (OrgId, crate::id::PublicKey),
        grant: Option<&GrantId>,
    ) -> bool {
        let Some((opening, _)) = self.dossiers.get(compartment) else { return false };
        let publisher = opening.section == *by;
        match (cause, grant) {
            (Cause::Revoke(id), Some(grant)) => {
                let Some(ended) = self.grants.ended_by(id) else { return false };
                let opener = opening.share.and_then(|share| self.grants.opener(&share));
                let is_contribution = |info: &crate::grant::GrantInfo| {
                    matches!(info.scope, crate::statement::Scope::Contribute { .. })
                };
                let opened =
                    opener == Some(*by) && self.grants.get(grant).is_some_and(is_contribution);
                (publisher || opened) && self.grants.stands_under(grant, &ended)
            }
            (Cause::EndNode(id), _) => {
                // An org ends its own nodes only, whomever else it certifies.
                let ending = self.statements.get(id);
                let ending = ending.filter(|s| s.author() == author || broken(Law::OwnNodes));
                let body = ending.map(|s| s.body());
                publisher && matches!(body, Some(Body::EndNode { node: ended }) if *ended == node)
            }
            (Cause::Revoke(_) | Cause::Retire(_) | Cause::Fork(_), _) => false,
        }
    }

    /// How many bundles of a held log count.
    pub(crate) fn counted_height(&self, log: &LogId, state: &LogState) -> u64 {
        let Some((_, dossier)) = self.dossiers.get(&state.compartment) else { return 0 };
        if !self.directory.certified(&state.author, &state.node) {
            return 0;
        }
        let under = |by: &OrgId, cause: &Cause| {
            let writer = (state.author, state.node);
            self.falls_under(by, cause, &state.compartment, writer, state.grant.as_ref())
        };
        dossier.counted(log, &under).min(self.unforked(log)).min(state.height)
    }

    /// Steps 4 and 5: judges each leaf, applies those that stand, and persists all with the height.
    pub(crate) fn apply(
        &mut self,
        verified: Verified,
        authorised: Authorised,
    ) -> Result<(), Refusal> {
        let Authorised { opening, mut state } = authorised;
        let (log, id, size) = (verified.log(), verified.id(), verified.size());
        let mut bundle = verified.into_bundle();
        let compartment = bundle.header.compartment;
        if let Some((_, dossier)) = self.dossiers.get(&compartment) {
            for leaf in &mut bundle.leaves {
                let (record, turn) = leaf.place();
                if turn <= dossier.erased(&record) && !broken(Law::LateErased) {
                    *leaf = leaf.redacted();
                }
            }
        }
        self.clock = self.clock.observe(bundle.header.at, self.now);
        let seq = bundle.header.seq;
        self.put(&keys::bundle(&log, seq), codec::to_bytes_of(size, &bundle))?;
        if !self.logs.values().any(|log| log.compartment == compartment) {
            self.fresh.begin(compartment);
        }
        state.height = seq + 1;
        state.head = Nonce32(id.0);
        state.leaves += bundle.leaves.len() as u64;
        self.put(&keys::log(&log), codec::to_bytes(&state))?;
        self.logs.insert(log, state);
        for (index, leaf) in bundle.leaves.iter().enumerate() {
            let at = LeafRef { log, seq, index: index as u16 };
            self.apply_leaf(&opening, &bundle.header, at, leaf)?;
        }
        self.dirty.logs.insert((compartment, log));
        // What another node of this org wrote into the book is published by the steward.
        if opening.share.is_none() && bundle.header.node != self.node_key() {
            let records = bundle.leaves.iter().map(|leaf| (opening.kind, leaf.place().0));
            self.dirty.records.extend(records);
            self.dirty.endings = true;
        }
        Ok(())
    }

    fn apply_leaf(
        &mut self,
        opening: &Opening,
        header: &Header,
        at: LeafRef,
        leaf: &Leaf,
    ) -> Result<(), Refusal> {
        let (record, turn) = leaf.place();
        let key = opening.facet_key(header.compartment, record, turn);
        let erased = self.dossiers.get(&key.compartment).map_or(0, |(_, d)| d.erased(&record));
        if turn <= erased && !broken(Law::LateErased) {
            return Ok(());
        }
        self.note_changed(&key)?;
        let bytes = key.bytes();
        let new = self.fresh.is_new(&key);
        let known: Option<FacetRow> = if new { None } else { self.read(&bytes)? };
        let by_publisher = header.author == opening.section;
        let placed = facet::Leaf {
            log: at.log,
            position: (at.seq, at.index),
            by_publisher,
            change: leaf.change(),
        };
        let first = match known {
            None if by_publisher => facet::first_values(&opening.schema, &placed).ok(),
            None | Some(_) => None,
        };
        let row = match (first, known) {
            (Some(fields), _) => FacetRow {
                fields,
                leaves: vec![at],
                active: 1,
                at: header.at,
                by: header.author,
                conflicts: Vec::new(),
            },
            (None, known) => {
                let mut leaves = known.as_ref().map_or_else(Vec::new, |row| row.leaves.clone());
                leaves.push(at);
                self.weigh(opening, &key.compartment, 1);
                let row = self.evaluate(opening, &leaves)?;
                if opening.section == self.me.party.org
                    && opening.share.is_some()
                    && header.author != self.me.party.org
                    && self.decides()
                {
                    let before = known.map(|row| row.fields).unwrap_or_default();
                    if broken(Law::Absorb) {
                        return self.put(&bytes, codec::to_bytes(&row));
                    }
                    match self.absorb(&key, &before, &row.fields, header.author) {
                        // What the book cannot hold stays in the share alone.
                        Err(error) if error.class() != RefusalClass::Fault => {}
                        done => done?,
                    }
                }
                row
            }
        };
        let row = codec::to_bytes_of(leaf.change().map_or(0, <[u8]>::len), &row);
        if new { self.put_new(&bytes, row) } else { self.put(&bytes, row) }
    }

    /// A facet from its leaves: only those that count.
    pub(crate) fn evaluate(
        &self,
        opening: &Opening,
        leaves: &[LeafRef],
    ) -> Result<FacetRow, Refusal> {
        let facet = self.facet(opening, leaves)?;
        // The latest of the changes that stand, so that it never matters in which order they came.
        let mut last = (Hlc::default(), opening.section);
        for (place, standing) in facet.standings() {
            if standing == facet::Standing::Active {
                let (author, at) = self.said(&place)?;
                last = last.max((at, author));
            }
        }
        let (mut fields, mut conflicts) = (facet.values(), facet.conflicts());
        if opening.share.is_none() && opening.kind == Kind::Customer {
            let written = conflicts.remove("consent").unwrap_or_default();
            let joined = consent::joined(written.into_iter().map(|(_, value)| value));
            fields.extend(joined.map(|joined| ("consent".to_owned(), joined)));
        }
        Ok(FacetRow {
            fields,
            leaves: leaves.to_vec(),
            active: facet.active_len() as u32,
            at: last.0,
            by: last.1,
            conflicts: conflicts.into_keys().collect(),
        })
    }

    /// The document behind a row: the leaves that count.
    pub(crate) fn facet(&self, opening: &Opening, leaves: &[LeafRef]) -> Result<Facet, Refusal> {
        let counts = |at: &LeafRef| {
            let state = self.logs.get(&at.log);
            state.is_some_and(|state| at.seq < self.counted_height(&at.log, state))
        };
        let counted: Vec<LeafRef> = leaves.iter().copied().filter(counts).collect();
        self.whole_facet(opening, &counted)
    }

    /// The document that these leaves make, whether they count or not. What a fork took is not held.
    pub(crate) fn whole_facet(
        &self,
        opening: &Opening,
        leaves: &[LeafRef],
    ) -> Result<Facet, Refusal> {
        let mut facet = Facet::new(&opening.schema);
        let mut ordered = leaves.to_vec();
        ordered.sort_by_key(|at| (at.seq, at.index));
        for at in ordered {
            let held = self.logs.get(&at.log).filter(|state| at.seq < state.height);
            let Some(state) = held else { continue };
            let bundle = self.bundle(&at.log, at.seq)?;
            let leaf = bundle.leaves.get(usize::from(at.index));
            facet.insert(facet::Leaf {
                log: at.log,
                position: (at.seq, at.index),
                by_publisher: state.author == opening.section,
                change: leaf.and_then(Leaf::change),
            });
        }
        Ok(facet)
    }

    /// A held bundle.
    pub(crate) fn bundle(&self, log: &LogId, seq: u64) -> Result<Bundle, Refusal> {
        self.read(&keys::bundle(log, seq))?.ok_or(Refusal::Damaged("a bundle is missing"))
    }

    /// Erasures that became known: rows go, leaves are redacted where they lie.
    pub(crate) fn redact(
        &mut self,
        compartment: &CompartmentId,
        records: &[RecordTurn],
    ) -> Result<(), Refusal> {
        let Some((opening, _)) = self.dossiers.get(compartment) else { return Ok(()) };
        let opening = opening.clone();
        let share = opening.share.unwrap_or(keys::NO_SHARE);
        if broken(Law::Redaction) {
            return Ok(());
        }
        let late = self.too_late(compartment, records)?;
        let mut redactions: std::collections::BTreeMap<(LogId, u64), Vec<u16>> = Default::default();
        for erased in records {
            if self
                .dossiers
                .get(compartment)
                .is_none_or(|(_, d)| d.erased(&erased.record) < erased.turn)
            {
                continue;
            }
            if opening.share.is_none() {
                self.put(&keys::tombstone(&erased.record), codec::to_bytes(&1u8))?;
            }
            let prefix =
                FacetKey::record_prefix(opening.kind, &share, &opening.section, &erased.record);
            for (bytes, row) in self.store.scan(&prefix, &[], 4096)? {
                let Some(key) = FacetKey::parse(&bytes) else { continue };
                if key.compartment != *compartment || key.turn > erased.turn {
                    continue;
                }
                let row: FacetRow = codec::own(&row)?;
                self.weigh(&opening, compartment, row.leaves.len());
                self.note_past(&key, &row)?;
                for at in row.leaves {
                    redactions.entry((at.log, at.seq)).or_default().push(at.index);
                }
                self.remove(&bytes)?;
                self.leave_remains()?;
                self.note_changed(&key)?;
            }
            self.forget_rejected(&erased.record)?;
        }
        for ((log, seq), indices) in redactions {
            // A fork may have taken the bundle away, and what is not held needs no redaction.
            let Some(mut bundle) = self.read::<Bundle>(&keys::bundle(&log, seq))? else { continue };
            for index in indices {
                if let Some(leaf) = bundle.leaves.get_mut(usize::from(index)) {
                    *leaf = leaf.redacted();
                }
            }
            self.put(&keys::bundle(&log, seq), codec::to_bytes(&bundle))?;
        }
        late.into_iter().try_for_each(|late| self.reject(late))
    }

    /// Evaluates every facet of a compartment again, after a cut changed what counts.
    pub(crate) fn recount(&mut self, compartment: &CompartmentId) -> Result<(), Refusal> {
        let Some((opening, _)) = self.dossiers.get(compartment) else { return Ok(()) };
        let opening = opening.clone();
        self.dirty.changes.kinds.insert(opening.kind);
        for key in self.facet_keys(compartment, &opening)? {
            let bytes = key.bytes();
            let Some(known) = self.read::<FacetRow>(&bytes)? else { continue };
            let row = self.evaluate(&opening, &known.leaves)?;
            if row.fields != known.fields && !broken(Law::PutRight) {
                self.put_right(&key)?;
            }
            self.put(&bytes, codec::to_bytes(&row))?;
        }
        Ok(())
    }

    /// Forgets a retired compartment: rows, bundles and logs. Its dossier stays.
    pub(crate) fn drop_compartment(&mut self, compartment: &CompartmentId) -> Result<(), Refusal> {
        let Some((opening, _)) = self.dossiers.get(compartment) else { return Ok(()) };
        let opening = opening.clone();
        self.dirty.changes.kinds.insert(opening.kind);
        self.leave_remains()?;
        for key in self.facet_keys(compartment, &opening)? {
            if let Some(row) = self.read::<FacetRow>(&key.bytes())? {
                self.note_past(&key, &row)?;
            }
            self.remove(&key.bytes())?;
            if opening.section != self.me.party.org {
                self.forget_rejected(&key.record)?;
            }
        }
        let logs: Vec<LogId> = self
            .logs
            .iter()
            .filter(|(_, state)| state.compartment == *compartment)
            .map(|(log, _)| *log)
            .collect();
        self.ask_no_more(compartment, &logs);
        for log in logs {
            let mut bundles = Vec::new();
            for_each(&self.store, &keys::bundles(&log), |key, _| {
                bundles.push(key.to_vec());
                Ok::<_, Refusal>(())
            })?;
            for key in bundles {
                self.remove(&key)?;
            }
            self.remove(&keys::log(&log))?;
            self.logs.remove(&log);
            self.dirty.logs.insert((*compartment, log));
        }
        for conn in self.sessions.keys().copied().collect::<Vec<_>>() {
            self.conclude(conn)?;
        }
        self.remove(&keys::own_epoch(compartment))
    }

    pub(crate) fn facet_keys(
        &self,
        compartment: &CompartmentId,
        opening: &Opening,
    ) -> Result<Vec<FacetKey>, Refusal> {
        let share = opening.share.unwrap_or(keys::NO_SHARE);
        let prefix = keys::facets(opening.kind, Some(&share), Some(&opening.section));
        let mut found = Vec::new();
        for_each(&self.store, &prefix, |key, _| {
            found.extend(FacetKey::parse(key).filter(|k| k.compartment == *compartment));
            Ok::<_, Refusal>(())
        })?;
        Ok(found)
    }
}
