//! The compiler: rules, consents and grants passed on become compartments, admissions, assignment.
//! Pure, and the same in whatever order its arguments were gathered.
//! Knows neither values nor selectors nor chains: callers say which grants are in force and select.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use minicbor::{Decode, Encode};

use crate::id::{CompartmentId, GrantId, OrgId, RecordId};
use crate::mutation::{Law, broken};
use crate::vocabulary::Kind;

mod matching;

use matching::Matching;

/// Open compartments of one kind in one section, above which the plan warns.
pub const MANY_COMPARTMENTS: usize = 32;

/// One in-force `Fields` grant of the section, passed-on ones included.
#[derive(Debug, Clone, PartialEq, Eq, Encode)]
pub struct Rule {
    /// The grant.
    #[n(0)]
    pub grant: GrantId,
    /// The grant it passes on.
    #[n(1)]
    pub parent: Option<GrantId>,
    /// Whom it is for.
    #[n(2)]
    pub org: OrgId,
    /// The kind of record.
    #[n(3)]
    pub kind: Kind,
    /// The fields it names.
    #[n(4)]
    pub fields: BTreeSet<String>,
    /// Whether they may be changed.
    #[n(5)]
    pub edit: bool,
    /// Whether the publisher lets its audience see overwritten values.
    #[n(6)]
    pub history: bool,
}

/// Fields of one kind that the same grants name with the same rights.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Class {
    /// The kind of record.
    #[n(0)]
    pub kind: Kind,
    /// The fields.
    #[n(1)]
    pub fields: BTreeSet<String>,
    /// The grants that name them; true where they may be changed.
    #[n(2)]
    pub grants: BTreeMap<GrantId, bool>,
}

/// What a record needs a compartment for: a class and the grants of it that reach the record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct Slot {
    /// The kind of record.
    #[n(0)]
    pub kind: Kind,
    /// The fields.
    #[n(1)]
    pub fields: BTreeSet<String>,
    /// The grants to admit; true where they may edit. Never empty.
    #[n(2)]
    pub grants: BTreeMap<GrantId, bool>,
}

/// A compartment that is open now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open {
    /// The compartment.
    pub compartment: CompartmentId,
    /// The kind of record.
    pub kind: Kind,
    /// Its fields.
    pub fields: BTreeSet<String>,
    /// The admitted grants that are in force.
    pub admitted: BTreeSet<GrantId>,
    /// The orgs that read it now.
    pub readers: BTreeSet<OrgId>,
    /// Whether some facet holds an overwritten value.
    pub superseded: bool,
}

/// The compartments that each record is in now; records that are in the same share one set.
pub type Assigned = BTreeMap<RecordId, Arc<BTreeSet<CompartmentId>>>;

/// The grants that reach each record; records that are reached alike share one entry.
pub type Reached = BTreeMap<RecordId, Arc<(Kind, BTreeSet<GrantId>)>>;

/// The slots each record should have; records that are reached alike share one set.
pub type Wanted = BTreeMap<RecordId, Arc<BTreeSet<Slot>>>;

/// Where records that enter a slot go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Home {
    /// Into an open compartment; whom to admit first stands in [`Plan::admit`].
    Existing(CompartmentId),
    /// Into one that is to be opened, with every grant of the slot admitted.
    New,
}

/// How one record moves: erased in what it leaves, its next turn in what it enters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Move {
    /// The compartments it is erased from.
    pub leave: BTreeSet<CompartmentId>,
    /// The slots whose homes it is published into.
    pub enter: BTreeSet<Arc<Slot>>,
}

/// Something the publisher should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Warning {
    /// Selectors and consents split this kind into very many compartments.
    ManyCompartments {
        /// The kind of record.
        kind: Kind,
        /// How many will be open.
        count: usize,
    },
}

impl Warning {
    /// A short name for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Warning::ManyCompartments { .. } => "many_compartments",
        }
    }
}

/// What is to be done so that every record is where it belongs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// The home of every wanted slot.
    pub homes: BTreeMap<Arc<Slot>, Home>,
    /// Grants to admit to open compartments.
    pub admit: BTreeMap<CompartmentId, BTreeSet<GrantId>>,
    /// The records that do not stay where they are.
    pub moves: BTreeMap<RecordId, Move>,
    /// Compartments to retire once the moves are done.
    pub retire: BTreeSet<CompartmentId>,
    /// What the publisher should know.
    pub warnings: Vec<Warning>,
}

/// One thing to do; a plan's steps are done in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Open a compartment for this slot and admit its grants.
    Open(Arc<Slot>),
    /// Admit grants to an open compartment.
    Admit(CompartmentId, BTreeSet<GrantId>),
    /// Move a record.
    Move(RecordId, Move),
    /// Retire a compartment.
    Retire(CompartmentId),
}

impl Plan {
    /// What is to be done, in order; empty when everything is in its place.
    pub fn steps(&self) -> Vec<Step> {
        let new = self.homes.iter().filter(|(_, home)| **home == Home::New);
        let open = new.map(|(slot, _)| Step::Open(slot.clone()));
        let admit = self.admit.iter().map(|(id, grants)| Step::Admit(*id, grants.clone()));
        let moves = self.moves.iter().map(|(record, way)| Step::Move(*record, way.clone()));
        let retire = self.retire.iter().map(|id| Step::Retire(*id));
        open.chain(admit).chain(moves).chain(retire).collect()
    }
}

/// The classes of one kind, ordered by their first field. Every granted field is in exactly one.
pub fn classes(rules: &[Rule], kind: Kind) -> Vec<Class> {
    let mut by_field: BTreeMap<&String, BTreeMap<GrantId, bool>> = BTreeMap::new();
    for rule in rules.iter().filter(|rule| rule.kind == kind) {
        for field in &rule.fields {
            by_field.entry(field).or_default().insert(rule.grant, rule.edit);
        }
    }
    let mut by_grants: BTreeMap<BTreeMap<GrantId, bool>, BTreeSet<String>> = BTreeMap::new();
    for (field, grants) in by_field {
        by_grants.entry(grants).or_default().insert(field.clone());
    }
    let class = |(grants, fields)| Class { kind, fields, grants };
    let mut classes: Vec<Class> = by_grants.into_iter().map(class).collect();
    classes.sort_by(|a, b| a.fields.cmp(&b.fields));
    classes
}

/// Keeps the borders between occupied compartments inside a class. A revocation can make two
/// classes one; their compartments stay two, because revoking rolls nothing.
pub fn settled(classes: Vec<Class>, open: &[Open], assigned: &Assigned) -> Vec<Class> {
    let occupied: BTreeSet<&CompartmentId> =
        assigned.values().flat_map(|homes| homes.iter()).collect();
    let mut out = Vec::new();
    for class in classes {
        let parts: BTreeSet<&BTreeSet<String>> = open
            .iter()
            .filter(|o| o.kind == class.kind && occupied.contains(&o.compartment))
            .filter(|o| !o.admitted.is_empty() && !o.fields.is_empty())
            .filter(|o| o.fields.is_subset(&class.fields))
            .map(|o| &o.fields)
            .collect();
        let inside: BTreeSet<&String> = parts.iter().copied().flatten().collect();
        let disjoint = parts.iter().map(|part| part.len()).sum::<usize>() == inside.len();
        if !disjoint {
            out.push(class);
            continue;
        }
        let rest: BTreeSet<String> =
            class.fields.iter().filter(|field| !inside.contains(field)).cloned().collect();
        let parts = parts.into_iter().chain((!rest.is_empty()).then_some(&rest));
        out.extend(parts.map(|fields| Class { fields: fields.clone(), ..class.clone() }));
    }
    out.sort_by(|a, b| (a.kind, &a.fields).cmp(&(b.kind, &b.fields)));
    out
}

/// The one of these that equals `value`, or itself from now on: so very many records share few.
pub fn shared<T: Ord>(known: &mut BTreeSet<Arc<T>>, value: T) -> Arc<T> {
    if let Some(same) = known.get(&value) {
        return same.clone();
    }
    let value = Arc::new(value);
    known.insert(value.clone());
    value
}

/// The grants that reach a record: selected by their own rule (`selects`; a passed-on grant has no
/// selector at the publisher's, so true), consented to (`allows`), and never further than the
/// grant above.
pub fn reach(
    rules: &[Rule],
    selects: impl Fn(&GrantId) -> bool,
    allows: impl Fn(&OrgId) -> bool,
) -> BTreeSet<GrantId> {
    let mut waiting: Vec<&Rule> =
        rules.iter().filter(|rule| selects(&rule.grant) && allows(&rule.org)).collect();
    let mut reached = BTreeSet::new();
    loop {
        let before = waiting.len();
        waiting.retain(|rule| {
            let above = |parent| reached.contains(&parent) || broken(Law::Reach);
            let reaches = rule.parent.is_none_or(above);
            if reaches {
                reached.insert(rule.grant);
            }
            !reaches
        });
        if waiting.len() == before {
            return reached;
        }
    }
}

/// The slots of a record that `reach` reaches. Fields that no grant reaches are in none.
pub fn slots(classes: &[Class], reach: &BTreeSet<GrantId>) -> BTreeSet<Slot> {
    let mut slots = BTreeSet::new();
    for Class { kind, fields, grants } in classes {
        let grants: BTreeMap<GrantId, bool> =
            grants.iter().filter(|(id, _)| reach.contains(id)).map(|(id, e)| (*id, *e)).collect();
        if !grants.is_empty() {
            slots.insert(Slot { kind: *kind, fields: fields.clone(), grants });
        }
    }
    slots
}

/// The slots of all records, from the grants that reach each: [`classes`], [`settled`], [`slots`].
pub fn wanted(open: &[Open], rules: &[Rule], assigned: &Assigned, reached: &Reached) -> Wanted {
    let kinds: BTreeSet<Kind> = reached.values().map(|audience| audience.0).collect();
    let of_kind = |kind| (kind, settled(classes(rules, kind), open, assigned));
    let classes: BTreeMap<Kind, Vec<Class>> = kinds.into_iter().map(of_kind).collect();
    let mut alike: BTreeMap<&(Kind, BTreeSet<GrantId>), Arc<BTreeSet<Slot>>> = BTreeMap::new();
    let mut wanted = Wanted::new();
    for (record, audience) in reached {
        let audience = audience.as_ref();
        let (kind, grants) = audience;
        let shared =
            alike.entry(audience).or_insert_with(|| Arc::new(slots(&classes[kind], grants)));
        wanted.insert(*record, shared.clone());
    }
    wanted
}

/// Finds every slot a home and every record its compartments, disturbing as little as it may.
///
/// A record stays in a compartment that *serves* one of its slots: same kind, same fields, and the
/// admitted grants are the slot's. Missing grants are admitted, instead of opening another
/// compartment, only if every record in it wants that slot and no newcomer would see an
/// overwritten value. A compartment that no record stays in and no slot calls home is retired.
pub fn plan(open: &[Open], rules: &[Rule], assigned: &Assigned, wanted: &Wanted) -> Plan {
    let matching = Matching::new(open, rules, assigned, wanted);
    let mut plan = Plan::default();
    let mut served: BTreeMap<CompartmentId, usize> = BTreeMap::new();
    for (id, compartment) in &matching.open {
        if let Some(slot) = matching.serves(id, compartment) {
            served.insert(*id, slot);
        }
    }
    let homes = matching.homes(&mut served);
    for (id, slot) in &served {
        let newcomers = matching.newcomers(matching.open[id], slot);
        if !newcomers.is_empty() {
            plan.admit.insert(*id, newcomers);
        }
    }
    let mut in_use: BTreeSet<CompartmentId> = homes.iter().flatten().copied().collect();
    let nothing = Arc::default();
    for record in assigned.keys().chain(wanted.keys()).collect::<BTreeSet<_>>() {
        let now = assigned.get(record).unwrap_or(&nothing);
        let mut way = Move { leave: BTreeSet::clone(now), enter: BTreeSet::new() };
        for slot in matching.slots_of(record) {
            let serving = || now.iter().filter(|id| served.get(id) == Some(slot));
            let stays = homes[*slot].filter(|home| now.contains(home));
            match stays.or_else(|| serving().next().copied()) {
                Some(id) => {
                    way.leave.remove(&id);
                    in_use.insert(id);
                }
                None => {
                    way.enter.insert(matching.slots[*slot].clone());
                }
            }
        }
        if way != Move::default() {
            plan.moves.insert(*record, way);
        }
    }
    plan.retire = matching.open.keys().filter(|id| !in_use.contains(id)).copied().collect();
    let home = |id: &Option<CompartmentId>| id.map_or(Home::New, Home::Existing);
    plan.homes = matching.slots.iter().cloned().zip(homes.iter().map(home)).collect();
    plan.warnings = matching.warnings(&plan);
    plan
}

#[cfg(test)]
mod tests;
