//! The laws of the compiler, on a small world that changes and is planned again and again.

use super::*;

const FIELDS: [&str; 6] = ["consent", "industry", "name", "org_name", "region", "title"];

struct Seed(u64);

impl Seed {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        (self.0 >> 33) as usize % n
    }
    fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            items.swap(at, self.below(at + 1));
        }
    }
}

fn grant(n: usize) -> GrantId {
    GrantId([n as u8; 32])
}
fn org(n: usize) -> OrgId {
    OrgId([n as u8; 32])
}
fn record(n: usize) -> RecordId {
    RecordId([n as u8; 16])
}
fn compartment(n: usize) -> CompartmentId {
    let mut id = [0; 32];
    id[..8].copy_from_slice(&n.to_be_bytes());
    CompartmentId(id)
}
fn names(fields: &[&str]) -> BTreeSet<String> {
    fields.iter().map(|field| (*field).to_owned()).collect()
}
fn rule(n: usize, to: usize, fields: &[&str]) -> Rule {
    Rule {
        grant: grant(n),
        parent: None,
        org: org(to),
        kind: Kind::Customer,
        fields: names(fields),
        edit: false,
        history: false,
    }
}

/// Two kinds: even records are customers, odd ones events.
fn kind_of(record: &RecordId) -> Kind {
    if record.0[0].is_multiple_of(2) { Kind::Customer } else { Kind::Event }
}

#[derive(Default)]
struct World {
    rules: Vec<Rule>,
    selected: BTreeMap<GrantId, BTreeSet<RecordId>>,
    refused: BTreeMap<OrgId, BTreeSet<RecordId>>,
    records: BTreeSet<RecordId>,
    open: BTreeMap<CompartmentId, Open>,
    assigned: Assigned,
    next: usize,
    issued: usize,
}

impl World {
    fn reach(&self, record: &RecordId) -> BTreeSet<GrantId> {
        let selects = |grant: &GrantId| self.selected.get(grant).is_none_or(|s| s.contains(record));
        let allows = |org: &OrgId| !self.refused.get(org).is_some_and(|r| r.contains(record));
        reach(&self.rules, selects, allows)
    }

    fn open(&self) -> Vec<Open> {
        let orgs: BTreeMap<GrantId, OrgId> = self.rules.iter().map(|r| (r.grant, r.org)).collect();
        let in_force = |open: &Open| {
            let mut open = open.clone();
            open.admitted.retain(|grant| orgs.contains_key(grant));
            open.readers = open.admitted.iter().map(|grant| orgs[grant]).collect();
            open
        };
        self.open.values().map(in_force).collect()
    }

    fn plan(&self) -> Plan {
        let reached =
            self.records.iter().map(|r| (*r, Arc::new((kind_of(r), self.reach(r))))).collect();
        let open = self.open();
        let wanted = wanted(&open, &self.rules, &self.assigned, &reached);
        plan(&open, &self.rules, &self.assigned, &wanted)
    }

    fn apply(&mut self, plan: &Plan) {
        let mut homes = BTreeMap::new();
        for (slot, home) in &plan.homes {
            let id = match home {
                Home::Existing(id) => *id,
                Home::New => {
                    self.next += 1;
                    let id = compartment(self.next);
                    let (kind, fields) = (slot.kind, slot.fields.clone());
                    let admitted = slot.grants.keys().copied().collect();
                    let (readers, superseded) = (BTreeSet::new(), false);
                    let open =
                        Open { compartment: id, kind, fields, admitted, readers, superseded };
                    self.open.insert(id, open);
                    id
                }
            };
            homes.insert(slot.clone(), id);
        }
        for (id, grants) in &plan.admit {
            self.open.get_mut(id).unwrap().admitted.extend(grants);
        }
        for (record, way) in &plan.moves {
            let now = Arc::make_mut(self.assigned.entry(*record).or_default());
            assert!(way.leave.is_subset(now));
            now.retain(|id| !way.leave.contains(id));
            now.extend(way.enter.iter().map(|slot| homes[slot]));
        }
        self.assigned.retain(|_, compartments| !compartments.is_empty());
        for id in &plan.retire {
            assert!(self.assigned.values().all(|own| !own.contains(id)), "retired while in use");
            self.open.remove(id);
        }
    }

    fn admit_law(&self, plan: &Plan) {
        let open = self.open();
        for (id, grants) in &plan.admit {
            let before = open.iter().find(|open| open.compartment == *id).unwrap();
            assert!(!grants.is_empty() && grants.is_disjoint(&before.admitted));
            for (record, _) in self.assigned.iter().filter(|(_, own)| own.contains(id)) {
                let meant = self.records.contains(record) && grants.is_subset(&self.reach(record));
                assert!(meant, "a newcomer would see a record that is not meant for it");
            }
            for grant in grants {
                let rule = self.rules.iter().find(|rule| rule.grant == *grant).unwrap();
                assert!(
                    !before.superseded || rule.history || before.readers.contains(&rule.org),
                    "a newcomer would see values from before its time"
                );
            }
        }
    }

    /// Every field that a grant reaches is in exactly one compartment of the record, and that
    /// compartment admits exactly the grants that cover its fields and reach the record.
    fn assignment_laws(&self) {
        let open: BTreeMap<_, _> =
            self.open().into_iter().map(|open| (open.compartment, open)).collect();
        for record in &self.records {
            let reach = self.reach(record);
            let rules = || {
                self.rules.iter().filter(|r| r.kind == kind_of(record) && reach.contains(&r.grant))
            };
            let published: BTreeSet<&String> = rules().flat_map(|rule| &rule.fields).collect();
            let mut seen = BTreeSet::new();
            for id in self.assigned.get(record).into_iter().flat_map(|homes| homes.iter()) {
                let own = &open[id];
                assert_eq!(own.kind, kind_of(record));
                for field in &own.fields {
                    assert!(seen.insert(field), "{field} is in two compartments");
                }
                let covering = rules().filter(|rule| own.fields.is_subset(&rule.fields));
                let covering: BTreeSet<GrantId> = covering.map(|rule| rule.grant).collect();
                assert_eq!(own.admitted, covering);
            }
            assert_eq!(seen, published);
        }
        for (record, compartments) in &self.assigned {
            assert!(self.records.contains(record));
            assert!(compartments.len() <= FIELDS.len());
        }
    }

    fn some_records(seed: &mut Seed) -> BTreeSet<RecordId> {
        (0..8).filter(|_| seed.below(2) == 0).map(record).collect()
    }

    /// Returns whether all that happened is that grants ended.
    fn change(&mut self, seed: &mut Seed) -> bool {
        match seed.below(8) {
            0 | 1 if self.rules.len() < 7 => {
                self.issued += 1;
                let id = 100 + self.issued;
                let parent = (seed.below(2) == 0 && !self.rules.is_empty())
                    .then(|| self.rules[seed.below(self.rules.len())].clone());
                let kind = if seed.below(3) == 0 { Kind::Event } else { Kind::Customer };
                let fields = FIELDS.iter().filter(|_| seed.below(2) == 0);
                let fields: BTreeSet<String> = fields.map(|field| (*field).to_owned()).collect();
                let rule = match parent {
                    Some(above) => Rule {
                        grant: grant(id),
                        parent: Some(above.grant),
                        org: org(seed.below(4)),
                        kind: above.kind,
                        fields: fields.intersection(&above.fields).cloned().collect(),
                        edit: above.edit && seed.below(2) == 0,
                        history: false,
                    },
                    None => {
                        let (parent, edit) = (None, seed.below(2) == 0);
                        let org = org(seed.below(4));
                        if seed.below(2) == 0 {
                            self.selected.insert(grant(id), Self::some_records(seed));
                        }
                        Rule { grant: grant(id), parent, org, kind, fields, edit, history: false }
                    }
                };
                if !rule.fields.is_empty() {
                    self.rules.push(rule);
                }
            }
            2 if !self.rules.is_empty() => {
                let mut ended = BTreeSet::from([self.rules[seed.below(self.rules.len())].grant]);
                for _ in 0..8 {
                    let below =
                        self.rules.iter().filter(|r| r.parent.is_some_and(|p| ended.contains(&p)));
                    ended.extend(below.map(|rule| rule.grant).collect::<Vec<_>>());
                }
                self.rules.retain(|rule| !ended.contains(&rule.grant));
                return true;
            }
            3 => {
                self.refused.insert(org(seed.below(4)), Self::some_records(seed));
            }
            4 => {
                let ids: Vec<_> = self.open.keys().copied().collect();
                if !ids.is_empty() {
                    let id = ids[seed.below(ids.len())];
                    self.open.get_mut(&id).unwrap().superseded = true;
                }
            }
            5 => {
                let ids: Vec<_> = self.selected.keys().copied().collect();
                if !ids.is_empty() {
                    let records = Self::some_records(seed);
                    self.selected.insert(ids[seed.below(ids.len())], records);
                }
            }
            6 => {
                let gone = record(seed.below(8));
                self.records.remove(&gone);
            }
            _ => {
                self.records.insert(record(seed.below(8)));
                self.records.insert(record(seed.below(8)));
            }
        }
        false
    }
}

#[test]
fn the_laws_hold_however_rules_consents_and_records_change() {
    for seed in 1..400 {
        let mut seed = Seed(seed);
        let mut world = World::default();
        for _ in 0..40 {
            let mut only_ended = true;
            for _ in 0..=seed.below(3) {
                only_ended &= world.change(&mut seed);
            }
            let plan = world.plan();
            world.admit_law(&plan);
            if only_ended {
                assert!(plan.admit.is_empty(), "revoking admits nobody");
                let stays = |way: &Move| way.enter.is_empty();
                assert!(plan.moves.values().all(stays), "revoking rolls nothing: {plan:?}");
            }
            world.apply(&plan);
            world.assignment_laws();
            assert_eq!(world.plan().steps(), vec![], "planning again finds nothing to do");
        }
    }
}

#[test]
fn the_order_of_rules_and_compartments_changes_nothing() {
    for n in 1..200 {
        let mut seed = Seed(n);
        let mut world = World::default();
        for _ in 0..25 {
            world.change(&mut seed);
            let plan = world.plan();
            seed.shuffle(&mut world.rules);
            assert_eq!(world.plan(), plan);
            let mut open = world.open();
            let reached = world
                .records
                .iter()
                .map(|r| (*r, Arc::new((kind_of(r), world.reach(r)))))
                .collect();
            seed.shuffle(&mut open);
            let wanted = wanted(&open, &world.rules, &world.assigned, &reached);
            assert_eq!(super::plan(&open, &world.rules, &world.assigned, &wanted), plan);
            world.apply(&plan);
        }
    }
}

#[test]
fn fields_with_the_same_grants_and_rights_are_one_class() {
    let mut editor = rule(3, 3, &["title"]);
    editor.edit = true;
    let rules = [rule(1, 1, &["name", "region", "title"]), rule(2, 2, &["name", "region"]), editor];
    let classes = classes(&rules, Kind::Customer);
    let fields: Vec<_> = classes.iter().map(|class| class.fields.clone()).collect();
    assert_eq!(fields, vec![names(&["name", "region"]), names(&["title"])]);
    assert_eq!(classes[1].grants, BTreeMap::from([(grant(1), false), (grant(3), true)]));
    assert!(super::classes(&rules, Kind::Event).is_empty());
}

#[test]
fn nothing_reaches_further_than_the_grant_above_it_or_than_consent() {
    let below = |n, parent| Rule { parent: Some(grant(parent)), ..rule(n, n, &["name"]) };
    let rules = [below(3, 2), below(2, 1), rule(1, 1, &["name"]), below(9, 8)];
    let reached = |selects: fn(&GrantId) -> bool, allows: fn(&OrgId) -> bool| {
        reach(&rules, selects, allows).into_iter().map(|id| id.0[0]).collect::<Vec<_>>()
    };
    assert_eq!(reached(|_| true, |_| true), vec![1, 2, 3], "a grant under none in force: none");
    assert_eq!(reached(|id| id.0[0] != 1, |_| true), Vec::<u8>::new());
    assert_eq!(reached(|_| true, |org| org.0[0] != 2), vec![1]);
    assert_eq!(reached(|_| true, |org| org.0[0] != 3), vec![1, 2]);
    let mut circle = [below(1, 2), below(2, 1)];
    assert!(reach(&circle, |_| true, |_| true).is_empty());
    circle.reverse();
    assert!(reach(&circle, |_| true, |_| true).is_empty());
}

/// A world with one compartment for two records that org 1 sees.
fn settled_world() -> World {
    let mut world = World { rules: vec![rule(1, 1, &["name", "region"])], ..World::default() };
    world.records = [record(0), record(2)].into();
    let plan = world.plan();
    assert_eq!(plan.steps().len(), 3, "one opened, two records moved in");
    world.apply(&plan);
    world
}

#[test]
fn a_newcomer_joins_a_compartment_only_if_it_sees_nothing_from_before_its_time() {
    // (superseded, with history, newcomer, may join)
    let cases = [
        (false, false, 2, true),
        (true, false, 2, false),
        (true, true, 2, true),
        (true, false, 1, true),
    ];
    for (superseded, history, to, joins) in cases {
        let mut world = settled_world();
        let open = world.open.get_mut(&compartment(1)).unwrap();
        open.superseded = superseded;
        world.rules.push(Rule { history, ..rule(2, to, &["name", "region"]) });
        let plan = world.plan();
        let case = format!("{superseded} {history} {to}");
        assert_eq!(!plan.admit.is_empty(), joins, "{case}");
        assert_eq!(plan.moves.is_empty(), joins, "{case}");
        assert_eq!(plan.retire.is_empty(), joins, "{case}: else it is rolled");
    }
}

#[test]
fn a_newcomer_joins_only_if_it_is_meant_for_every_record_there() {
    let mut world = settled_world();
    world.rules.push(rule(2, 2, &["name", "region"]));
    world.selected.insert(grant(2), [record(0)].into());
    let plan = world.plan();
    assert!(plan.admit.is_empty());
    assert_eq!(plan.moves.keys().copied().collect::<Vec<_>>(), vec![record(0)]);
    world.apply(&plan);
    assert_eq!(*world.assigned[&record(2)], [compartment(1)].into());
    world.selected.clear();
    let plan = world.plan();
    assert_eq!(plan.admit, [(compartment(1), [grant(2)].into())].into(), "now for both");
    assert!(plan.moves.is_empty());
}

#[test]
fn a_newcomer_never_joins_where_a_record_it_is_not_meant_for_is_only_about_to_leave() {
    let mut world = settled_world();
    world.rules.push(rule(2, 2, &["name", "region"]));
    world.records.remove(&record(2));
    let plan = world.plan();
    assert!(plan.admit.is_empty());
    assert_eq!(plan.retire, [compartment(1)].into());
}

#[test]
fn a_grant_that_cuts_through_a_class_opens_fresh_compartments() {
    let mut world = settled_world();
    world.rules.push(rule(2, 2, &["name"]));
    let plan = world.plan();
    assert_eq!(plan.homes.values().filter(|home| **home == Home::New).count(), 2);
    assert_eq!(plan.retire, [compartment(1)].into());
    world.apply(&plan);
    world.rules.pop();
    assert_eq!(world.plan().steps(), vec![], "revoking it leaves the border where it is");
}

#[test]
fn a_record_whose_consent_ends_moves_and_the_others_stay() {
    let mut world = settled_world();
    world.refused.insert(org(1), [record(2)].into());
    let plan = world.plan();
    let leave = [compartment(1)].into();
    assert_eq!(plan.moves, [(record(2), Move { leave, enter: BTreeSet::new() })].into());
    assert!(plan.retire.is_empty());
    world.refused.insert(org(1), [record(0), record(2)].into());
    assert_eq!(world.plan().retire, [compartment(1)].into());
}

#[test]
fn one_new_record_does_not_displace_the_many_whose_audience_grows() {
    let mut world = settled_world();
    world.rules.push(rule(2, 2, &["name", "region"]));
    world.selected.insert(grant(2), world.records.clone());
    world.records.insert(record(4));
    let plan = world.plan();
    assert_eq!(plan.admit, [(compartment(1), [grant(2)].into())].into());
    assert_eq!(plan.moves.keys().copied().collect::<Vec<_>>(), vec![record(4)]);
}

#[test]
fn very_many_audiences_are_warned_of() {
    let mut world = World::default();
    for n in 0..MANY_COMPARTMENTS + 1 {
        world.rules.push(rule(n + 1, n + 1, &["name"]));
        world.selected.insert(grant(n + 1), [record(2 * n)].into());
        world.records.insert(record(2 * n));
    }
    let expected = Warning::ManyCompartments { kind: Kind::Customer, count: 33 };
    let plan = world.plan();
    assert_eq!(plan.warnings, vec![expected]);
    assert_eq!(plan.warnings[0].code(), "many_compartments");
    world.apply(&plan);
    assert_eq!(world.plan().warnings.len(), 1, "as long as it is so");
}
