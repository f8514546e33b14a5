//! Plans a section anew and carries the plan out: opens, admits, moves, retires and cuts.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    MOVES_AT_ONCE, Moving, Publication, Section, Sight, Standing, Unseen, Weight, consent_ends,
    record_of,
};
use crate::codec;
use crate::facet::Schema;
use crate::id::{CompartmentId, GrantId, LogId, Nonce, OrgId, RecordId, ShareId};
use crate::keys;
use crate::plan::{self, Home, Open, Slot};
use crate::refusal::Refusal;
use crate::replica::Replica;
use crate::select::Selector;
use crate::statement::{Body, Cause, FieldSpec, MAX_ERASED, MAX_MARKS, Mark, RecordTurn};
use crate::store::for_each;
use crate::vocabulary::{self, Kind};

/// The compartments that each new home takes over from.
type Follows = BTreeMap<CompartmentId, BTreeSet<CompartmentId>>;

/// By compartment that is retired: who loses sight of something of what was in it.
type Lost = BTreeMap<CompartmentId, BTreeSet<OrgId>>;

/// A plan that is being carried out.
struct Going<'a> {
    share: &'a ShareId,
    section: &'a Section,
    plan: &'a plan::Plan,
    reached: &'a plan::Reached,
    sight: Sight<'a>,
    part: Moving,
    follows: Follows,
    lost: Lost,
}

impl Replica {
    /// The rules of a section: every grant in it that is in force, passed-on ones included.
    pub(crate) fn rules(&self, share: &ShareId) -> Result<Section, Refusal> {
        let mut section = Section::default();
        for grant in self.grants.of_section(share, &self.me.party.org) {
            let in_force = self.grants.in_force(&grant.id, self.now).is_ok();
            let Some(rule) = self.rule_of(grant)? else { continue };
            if !in_force || !self.may_let_in(&grant.id)? {
                continue;
            }
            let selector: Option<String> = self.read(&keys::selector(&grant.id))?;
            if grant.parent.is_none() && selector.is_none() {
                continue;
            }
            if let Some(text) = selector.filter(|text| !text.is_empty()) {
                let selector = Selector::parse(rule.kind, &text)?;
                section.selectors.insert(grant.id, (rule.kind, selector));
            }
            section.rules.push(rule);
        }
        Ok(section)
    }

    /// Plans a section anew and does what the plan says: opens, admits, moves, retires.
    pub(crate) fn reconcile(&mut self, share: &ShareId) -> Result<(), Refusal> {
        self.plan_anew(share, None)
    }

    /// Where every record of the section is, and which grants reach it.
    pub(crate) fn standing(&self, share: &ShareId, section: &Section) -> Result<Standing, Refusal> {
        let mut standing = Standing::default();
        let (mut homes, mut reaches) = (BTreeSet::new(), BTreeSet::new());
        for_each(&self.store, &keys::publications(share), |key, bytes| {
            let Publication { kind, homes: at, .. } = codec::own(bytes)?;
            let Some(record) = record_of(key) else { return Ok(()) };
            let Some(row) = self.book_row(kind, &record)? else { return Ok(()) };
            let person = self.person(kind, &row.fields)?;
            standing.ends.extend(consent_ends(kind, &record, &row.fields, person.as_ref()));
            let reach = self.reach(section, share, kind, &row.fields, person.as_ref());
            let at = plan::shared(&mut homes, at.into_keys().collect());
            standing.assigned.insert(record, at);
            standing.reached.insert(record, plan::shared(&mut reaches, (kind, reach)));
            Ok::<_, Refusal>(())
        })?;
        Ok(standing)
    }

    /// The plan for a section as it stands; says and changes nothing but what is given to it.
    pub(crate) fn draft(
        &self,
        share: &ShareId,
        section: &mut Section,
        mut open: Vec<Open>,
        weights: &BTreeMap<CompartmentId, Weight>,
        standing: &mut Standing,
    ) -> plan::Plan {
        let kept = |kind: Kind| self.publishing_grant(share, kind).is_ok();
        open.retain(|open| kept(open.kind));
        let mut rolled = self.written_under_ended_rights(&open);
        rolled.extend(
            open.iter()
                .map(|open| open.compartment)
                .filter(|id| weights.get(id).is_some_and(Weight::overgrown)),
        );
        open.retain(|open| !rolled.contains(&open.compartment));
        section.room = open
            .iter()
            .map(|open| (open.compartment, weights.get(&open.compartment).map_or(0, Weight::room)))
            .collect();
        section.rules.retain(|rule| kept(rule.kind));
        let Standing { assigned, reached, .. } = standing;
        assigned.retain(|record, _| reached.contains_key(record));
        let wanted = plan::wanted(&open, &section.rules, assigned, reached);
        let mut plan = plan::plan(&open, &section.rules, assigned, &wanted);
        plan.retire.extend(rolled);
        for kind in Kind::ALL {
            let classes = plan::classes(&section.rules, kind);
            section.classes.insert(kind, plan::settled(classes, &open, assigned));
        }
        plan
    }

    /// `edited` is a record whose facets do not have its newest values yet.
    pub(super) fn plan_anew(
        &mut self,
        share: &ShareId,
        edited: Option<(Kind, RecordId)>,
    ) -> Result<(), Refusal> {
        let mut section = self.rules(share)?;
        let mut standing = self.standing(share, &section)?;
        section.ends = !standing.ends.is_empty();
        self.watch_consents(std::mem::take(&mut standing.ends));
        self.retreat(share, &section, &mut standing.reached)?;
        let weights = self.weights(share)?;
        let open = self.open_compartments(share, &weights, edited)?;
        let plan = self.draft(share, &mut section, open, &weights, &mut standing);
        let mut opened = BTreeSet::new();
        for (slot, home) in &plan.homes {
            let home = match home {
                Home::Existing(id) => *id,
                Home::New => {
                    let id = self.open_compartment(share, slot)?;
                    opened.insert(id);
                    id
                }
            };
            section.homes.insert(slot.clone(), home);
        }
        for (compartment, grants) in &plan.admit {
            for grant in grants {
                self.admit(compartment, grant, &[], &[])?;
            }
        }
        let (follows, lost) = self.carry_out(share, &section, &plan, &standing.reached)?;
        for id in opened {
            let slot = section.homes.iter().find(|(_, home)| **home == id).map(|(s, _)| s.clone());
            let replaces: Vec<CompartmentId> = follows
                .get(&id)
                .into_iter()
                .flatten()
                .filter(|old| plan.retire.contains(old))
                .copied()
                .collect();
            let from = self.marks(&id);
            for grant in slot.iter().flat_map(|slot| slot.grants.keys()) {
                self.admit(&id, grant, &replaces, &from)?;
            }
        }
        for id in &plan.retire {
            let logs = self.marks(id);
            let number = self.next_number(id);
            let retire = self.say(Body::Retire { compartment: *id, number })?;
            self.note_unseen(retire, lost.get(id).into_iter().flatten())?;
            self.say_cut(id, Cause::Retire(retire), &logs)?;
        }
        self.cut_editors(share)?;
        self.sections.insert(*share, section);
        self.dirty.planned.insert(*share);
        Ok(())
    }

    /// Compartments in which this org wrote under a right to contribute that was revoked, or into a
    /// log that was forked. Partners did not take everything, so the records go into new ones.
    fn written_under_ended_rights(&self, open: &[Open]) -> BTreeSet<CompartmentId> {
        let me = self.me.party.org;
        let ended = |(id, log): &(&LogId, &crate::log::LogState)| {
            let revoked = log.grant.is_some_and(|grant| self.grants.revoked(&grant));
            log.author == me && (revoked || self.forks.contains_key(id))
        };
        let all: BTreeSet<CompartmentId> =
            self.logs.iter().filter(ended).map(|(_, log)| log.compartment).collect();
        open.iter().map(|open| open.compartment).filter(|id| all.contains(id)).collect()
    }

    /// Where the right to publish has ended nothing new is written, but what somebody must not see
    /// any more is still taken out. The plan is made for the other kinds.
    fn retreat(
        &mut self,
        share: &ShareId,
        section: &Section,
        reached: &mut plan::Reached,
    ) -> Result<(), Refusal> {
        let (mut part, mut sight) = (Moving::default(), Sight::of(&section.rules));
        let ended = |kind: &Kind| self.publishing_grant(share, *kind).is_err();
        let ended: BTreeSet<Kind> = Kind::ALL.into_iter().filter(ended).collect();
        let leaving: plan::Reached =
            reached.extract_if(.., |_, audience| ended.contains(&audience.0)).collect();
        for (record, audience) in &leaving {
            let Some(mut publication) = self.publication(share, record)? else { continue };
            let homes = publication.homes.clone();
            for (home, turn) in
                homes.iter().filter(|(h, _)| !self.rules_admitted(h).is_subset(&audience.1))
            {
                publication.leave(home);
                let at = RecordTurn { record: publication.record, turn: *turn };
                let mut lost = self.out_of_sight(&mut sight, home, at, &audience.1);
                if let Some(row) = self.book_row(audience.0, record)? {
                    self.without_consent(share, audience.0, &row.fields, &mut lost)?;
                }
                part.erase(home, at, lost);
            }
            if publication.homes != homes {
                let bytes = codec::to_bytes(&publication);
                self.put(&keys::publication(share, record), bytes)?;
            }
        }
        self.erase_all(part)
    }

    /// Erases what a part of a plan takes out of compartments that stay.
    pub(super) fn erase_all(&mut self, part: Moving) -> Result<(), Refusal> {
        for (home, (turns, unseen)) in part.erased {
            self.erase(&home, turns, &unseen)?;
        }
        Ok(())
    }

    /// Moves records; answers which compartments each new home takes over from, and who loses sight of
    /// something. A plan for very many records is made durable in parts, each complete in itself;
    /// whatever a crash leaves undone is planned again when the node starts. Records go by id in
    /// the share: readers store them in the order of these.
    fn carry_out(
        &mut self,
        share: &ShareId,
        section: &Section,
        plan: &plan::Plan,
        reached: &plan::Reached,
    ) -> Result<(Follows, Lost), Refusal> {
        let (follows, lost, part) = (Follows::new(), Lost::new(), Moving::default());
        let sight = Sight::of(&section.rules);
        let mut going = Going { share, section, plan, reached, sight, part, follows, lost };
        let mut moves: Vec<(RecordId, (&RecordId, &plan::Move))> = Vec::new();
        for way in &plan.moves {
            moves.push((self.share_record(share, way.0)?, way));
        }
        moves.sort_unstable_by_key(|(id, _)| *id);
        for moves in moves.chunks(MOVES_AT_ONCE) {
            for (_, (record, way)) in moves {
                let Some(mut publication) = self.publication(share, record)? else { continue };
                self.move_one(&mut going, (record, way), &mut publication)?;
                for home in publication.homes.keys() {
                    let follows = going.follows.entry(*home).or_default();
                    follows.extend(way.leave.iter().copied());
                }
            }
            let mut part = std::mem::take(&mut going.part);
            for (kind, entries) in std::mem::take(&mut part.entries) {
                self.write_first(share, kind, entries)?;
            }
            self.erase_all(part)?;
            self.relieve()?;
        }
        Ok((going.follows, going.lost))
    }

    fn move_one(
        &mut self,
        going: &mut Going<'_>,
        (record, way): (&RecordId, &plan::Move),
        publication: &mut Publication,
    ) -> Result<(), Refusal> {
        let (kind, share) = (publication.kind, going.share);
        let Some(row) = self.book_row(kind, record)? else { return Ok(()) };
        let reach = going.reached.get(record).map(|reached| &reached.1);
        for old in &way.leave {
            let turn = publication.leave(old).unwrap_or_default();
            let at = RecordTurn { record: publication.record, turn };
            let reach = reach.unwrap_or(const { &BTreeSet::new() });
            let mut lost = self.out_of_sight(&mut going.sight, old, at, reach);
            self.without_consent(share, kind, &row.fields, &mut lost)?;
            if going.plan.retire.contains(old) {
                going.lost.entry(*old).or_default().extend(lost);
            } else {
                going.part.erase(old, at, lost);
            }
        }
        if !way.enter.is_empty() {
            publication.turn += 1;
        }
        for slot in &way.enter {
            let Some(home) = going.section.homes.get(slot).copied() else { continue };
            let fields = self.project_slot(share, slot, &row.fields)?;
            let entry = (publication.record, publication.turn, fields);
            going.part.entries.entry(kind).or_default().entry(home).or_default().push(entry);
            publication.homes.insert(home, publication.turn);
        }
        self.put(&keys::publication(share, record), codec::to_bytes(publication))
    }

    pub(crate) fn open_compartments(
        &self,
        share: &ShareId,
        weights: &BTreeMap<CompartmentId, Weight>,
        edited: Option<(Kind, RecordId)>,
    ) -> Result<Vec<Open>, Refusal> {
        let me = self.me.party.org;
        let is_superseded =
            |(id, weight): (&CompartmentId, &Weight)| weight.superseded.then_some(*id);
        let mut superseded: BTreeSet<CompartmentId> =
            weights.iter().filter_map(is_superseded).collect();
        // What has changed in the book and not in the facets yet is as good as overwritten: a
        // newcomer must not be let in on the old value just before the new one comes.
        for (_, record) in self.dirty.records.iter().chain(&edited) {
            if let Some(publication) = self.publication(share, record)? {
                superseded.extend(publication.homes.keys());
            }
        }
        let mine = self.dossiers.iter().filter(|(_, opening, dossier)| {
            opening.share == Some(*share) && opening.section == me && !dossier.retired()
        });
        let open = mine.map(|(id, opening, _)| {
            let admitted = self.rules_admitted(id);
            Open {
                compartment: *id,
                kind: opening.kind,
                fields: opening.schema.fields().iter().map(|f| f.name.clone()).collect(),
                readers: admitted.iter().filter_map(|g| self.grants.audience(g)).collect(),
                admitted,
                superseded: superseded.contains(id),
            }
        });
        Ok(open.collect())
    }

    /// Opens a compartment for a slot. A contributor admits its own right to contribute at once;
    /// readers are admitted when the values are in.
    fn open_compartment(&mut self, share: &ShareId, slot: &Slot) -> Result<CompartmentId, Refusal> {
        let fields: Vec<FieldSpec> = slot
            .fields
            .iter()
            .filter_map(|name| {
                let shape = vocabulary::field(slot.kind, name)?.ty.shape();
                Some(FieldSpec { name: name.clone(), shape })
            })
            .collect();
        let genesis = Schema::new(&fields).genesis();
        let nonce = Nonce(self.draw());
        let contribution = self.publishing_grant(share, slot.kind)?;
        let (share, kind) = (*share, slot.kind);
        let body = Body::OpenCompartment { share, kind, fields, nonce, genesis };
        let id = CompartmentId::from(self.say(body)?);
        if let Some(grant) = contribution {
            self.admit(&id, &grant, &[], &[])?;
        }
        Ok(id)
    }

    pub(super) fn admit(
        &mut self,
        compartment: &CompartmentId,
        grant: &GrantId,
        replaces: &[CompartmentId],
        from: &[Mark],
    ) -> Result<(), Refusal> {
        // Several admissions of one grant count together: all of their marks have to be reached.
        let parts = if from.is_empty() { vec![&[][..]] } else { from.chunks(MAX_MARKS).collect() };
        for part in parts {
            let number = self.next_number(compartment);
            let (compartment, grant) = (*compartment, *grant);
            let (replaces, from) = (replaces.to_vec(), part.to_vec());
            self.say(Body::Admit { compartment, grant, replaces, from, number })?;
        }
        Ok(())
    }

    pub(crate) fn erase(
        &mut self,
        home: &CompartmentId,
        turns: Vec<RecordTurn>,
        unseen: &Unseen,
    ) -> Result<(), Refusal> {
        let turns = crate::book::sorted_turns(turns);
        for records in turns.chunks(MAX_ERASED) {
            let number = self.next_number(home);
            let erase = self.say(Body::Erase {
                compartment: *home,
                records: records.to_vec(),
                only_for: None,
                number,
            })?;
            let lost = records.iter().filter_map(|at| unseen.get(&at.record));
            self.note_unseen(erase, lost.flatten())?;
        }
        Ok(())
    }

    pub(crate) fn next_number(&self, compartment: &CompartmentId) -> u64 {
        self.dossiers.get(compartment).map_or(0, |(_, dossier)| dossier.number()) + 1
    }
}
