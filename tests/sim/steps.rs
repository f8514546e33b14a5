//! What orgs may do in a random world. A step is a verb and a seed for all its choices, which are
//! made among what there is when it is taken: steps can be left out and the rest still run.

use std::collections::BTreeSet;

use crate::book::Address;
use crate::refusal::{Refusal, RefusalClass};
use crate::replica::Replica;
use crate::sharing::NewGrant;
use crate::statement::{Body, Scope};
use crate::view::{From, ListQuery};
use crate::vocabulary::Kind;
use crate::world::{Crash, Dice};

use super::check::Memory;
use super::model::{Grant, Record, Secret, Share, What};
use super::random::Sim;
use super::records::{Form, REGIONS, fields_of, shared_fields};

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    Create,
    Edit,
    Place,
    Withdraw,
    Delete,
    Forget,
    Adopt,
    Consent,
    OpenShare,
    Grant,
    PassOn,
    Contribute,
    Revoke,
    Close,
    Leave,
    Pass,
    EditReceived,
    Disconnect,
    Partition,
    Heal,
    Kill,
    Clock,
    /// A hostile org does something, if there is one.
    Misbehave,
    Wait,
}

/// One step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    pub verb: Verb,
    pub dice: u64,
}

const WEIGHTS: &[(Verb, usize)] = &[
    (Verb::Create, 14),
    (Verb::Edit, 14),
    (Verb::Place, 14),
    (Verb::Withdraw, 4),
    (Verb::Delete, 2),
    (Verb::Forget, 2),
    (Verb::Adopt, 6),
    (Verb::Consent, 9),
    (Verb::OpenShare, 1),
    (Verb::Grant, 16),
    (Verb::PassOn, 9),
    (Verb::Contribute, 5),
    (Verb::Revoke, 6),
    (Verb::Close, 1),
    (Verb::Leave, 1),
    (Verb::Pass, 4),
    (Verb::EditReceived, 14),
    (Verb::Disconnect, 3),
    (Verb::Partition, 3),
    (Verb::Heal, 3),
    (Verb::Kill, 3),
    (Verb::Clock, 2),
    (Verb::Misbehave, 25),
    (Verb::Wait, 6),
];

impl Step {
    pub fn random(dice: &mut Dice) -> Self {
        let mut at = dice.below(WEIGHTS.iter().map(|(_, weight)| weight).sum());
        let mut verb = Verb::Wait;
        for (each, weight) in WEIGHTS.iter().copied() {
            if at < weight {
                verb = each;
                break;
            }
            at -= weight;
        }
        Self::of(verb, dice)
    }

    pub fn of(verb: Verb, dice: &mut Dice) -> Self {
        Self { verb, dice: dice.below(1 << 30) as u64 }
    }
}

/// A grant that ends soon ends within some of these, in ms.
const MOMENT: u64 = 500;
const YEAR: u64 = 365 * 24 * 3_600_000;

const PURPOSES: [&str; 3] = ["launch", "summit", "fair"];

impl Sim {
    pub fn choose<T: Clone>(&mut self, from: &[T]) -> Option<T> {
        (!from.is_empty()).then(|| from[self.dice.below(from.len())].clone())
    }

    fn some_org(&mut self) -> Option<usize> {
        let up: Vec<usize> = (0..self.orgs).filter(|org| self.is_up(*org)).collect();
        self.choose(&up)
    }

    /// Which of an org's nodes is worked on in this step.
    pub fn node(&self, org: usize) -> usize {
        self.at.get(org).copied().unwrap_or(org)
    }

    fn is_up(&self, org: usize) -> bool {
        self.world.is_up(self.node(org))
    }

    /// Chooses for every org which of its nodes is worked on.
    fn sit_down(&mut self) {
        self.at = (0..self.orgs).collect();
        for org in 0..self.orgs {
            let mut nodes = self.world.nodes(org);
            if nodes.len() == 1 {
                continue;
            }
            let decides = self.dice.chance(60);
            nodes.retain(|node| self.world.is_up(*node));
            self.at[org] = match decides {
                true => self.world.main(org),
                false => self.choose(&nodes).unwrap_or(org),
            };
        }
    }

    pub fn other_org(&mut self, than: usize) -> usize {
        let orgs = self.orgs;
        (than + 1 + self.dice.below(orgs - 1)) % orgs
    }

    fn other_node(&mut self, than: usize) -> usize {
        let nodes = self.world.orgs.len();
        (than + 1 + self.dice.below(nodes - 1)) % nodes
    }

    /// An org that is up and may publish, most of the time.
    fn some_publisher(&mut self, org: usize) -> usize {
        let may = |org: &usize| {
            let gets = |g: &Grant| g.to == *org && matches!(g.what, What::Contribute);
            self.is_up(*org)
                && (self.model.shares.iter().any(|s| s.opener == *org)
                    || self.model.grants.iter().any(gets))
        };
        let orgs: Vec<usize> = (0..self.orgs).filter(may).collect();
        if self.dice.chance(80) { self.choose(&orgs).unwrap_or(org) } else { org }
    }

    pub fn some_kind(&mut self) -> Kind {
        self.kinds[self.dice.below(self.kinds.len())]
    }

    /// Own records of an org that are not deleted.
    pub fn own(&self, org: usize, kind: Option<Kind>) -> Vec<usize> {
        let fits = |r: &Record| r.owner == org && !r.deleted && kind.is_none_or(|k| k == r.kind);
        let all = self.model.records.iter().enumerate();
        all.filter(|(_, record)| fits(record)).map(|(index, _)| index).collect()
    }

    /// Does something at a node; the step may want it to die over it. None: refused, or undone by
    /// the crash. A refusal that is our own fault is a failure.
    pub fn act<T>(
        &mut self,
        org: usize,
        what: impl FnOnce(&mut Replica) -> Result<T, Refusal>,
    ) -> Result<Option<T>, String> {
        self.act_at(self.node(org), what)
    }

    /// The same at one of its nodes.
    pub fn act_at<T>(
        &mut self,
        org: usize,
        what: impl FnOnce(&mut Replica) -> Result<T, Refusal>,
    ) -> Result<Option<T>, String> {
        let done = match self.crash.take() {
            None => self.world.act(org, what),
            Some(crash) => {
                self.log.push(format!("  node {org} dies {crash:?}"));
                let before = Memory::of(self.world.replica(org));
                let done = self.world.begin(org, what);
                if crash == Crash::BeforeEffects {
                    self.world.commit_in_silence(org);
                    let after = Memory::of(self.world.replica(org));
                    self.restart(org, Some(after))?;
                    done
                } else {
                    self.restart(org, Some(before))?;
                    return Ok(None);
                }
            }
        };
        match done {
            Ok(done) => Ok(Some(done)),
            Err(refusal) if refusal.class() == RefusalClass::Fault => {
                Err(format!("I9: node {org} fails: {refusal}"))
            }
            Err(refusal) => {
                self.log.push(format!("  refused: {refusal}"));
                Ok(None)
            }
        }
    }

    /// Takes one step.
    pub fn step(&mut self, verb: Verb) -> Result<(), String> {
        self.sit_down();
        let Some(mut org) = self.some_org() else { return Ok(()) };
        if matches!(verb, Verb::Place | Verb::Grant | Verb::Contribute | Verb::Create) {
            org = self.some_publisher(org);
        }
        self.crash = match self.dice.below(100) {
            0..4 => Some(Crash::BeforeFlush),
            4..8 => Some(Crash::BeforeEffects),
            _ => None,
        };
        match verb {
            Verb::Create => self.create(org),
            Verb::Edit => self.edit(org),
            Verb::Place => self.place(org),
            Verb::Withdraw => self.withdraw(org),
            Verb::Delete => self.delete(org),
            Verb::Forget => self.forget(org),
            Verb::Adopt => self.adopt(org),
            Verb::Consent => self.consent(org),
            Verb::OpenShare => self.open_share(org),
            Verb::Grant => self.grant(org),
            Verb::PassOn => self.pass_on(org),
            Verb::Contribute => self.contribute(org),
            Verb::Revoke => self.revoke(org),
            Verb::Close => self.close(org),
            Verb::Leave => self.leave(org),
            Verb::Pass => {
                self.world.now += self.dice.below(2 * MOMENT as usize) as u64;
                self.tick()
            }
            Verb::EditReceived => self.edit_received(org),
            Verb::Disconnect => {
                let (node, other) = (self.node(org), self.other_node(org));
                self.world.sever(node, other);
                Ok(())
            }
            Verb::Partition => {
                self.partition(self.node(org));
                Ok(())
            }
            Verb::Heal => {
                self.world.cut.clear();
                Ok(())
            }
            Verb::Kill => {
                self.world.kill(self.node(org));
                Ok(())
            }
            Verb::Clock => {
                let node = self.node(org);
                self.world.orgs[node].skew_ms = self.some_skew();
                Ok(())
            }
            Verb::Misbehave => self.misbehave(),
            Verb::Wait => Ok(()),
        }
    }

    /// Cuts an org off from another, or a group of orgs from all others, until it is healed.
    fn partition(&mut self, org: usize) {
        let mut group = vec![org];
        let mut rest = vec![self.other_node(org)];
        if self.dice.chance(50) {
            let others = (0..self.world.orgs.len()).filter(|other| *other != org);
            let (with, without): (Vec<_>, Vec<_>) = others.partition(|_| self.dice.chance(40));
            group.extend(with);
            rest = without;
        }
        self.log.push(format!("  {group:?} cannot reach {rest:?}"));
        for (a, b) in group.iter().flat_map(|a| rest.iter().map(move |b| (*a, *b))) {
            self.world.cut.push((a, b));
            self.world.sever(a, b);
        }
    }

    /// How far a clock is off: at most half an hour, three times what others follow.
    pub fn some_skew(&mut self) -> i64 {
        self.dice.below(3_600_000) as i64 - 1_800_000
    }

    fn place(&mut self, org: usize) -> Result<(), String> {
        let Some(share) = self.some_share(org) else { return Ok(()) };
        let kind = self.some_kind();
        let mut records = self.own(org, Some(kind));
        records.retain(|_| self.dice.chance(75));
        if records.is_empty() {
            return Ok(());
        }
        let ids: Vec<_> = records.iter().map(|r| self.model.records[*r].id).collect();
        let id = self.model.shares[share].id;
        self.log.push(format!("  org {org} places {records:?} in share {share}"));
        let Some(placed) = self.act(org, |r| r.place(&id, kind, &ids))? else { return Ok(()) };
        for record in records {
            let book = self.model.records[record].id;
            if placed.published.contains(&book) {
                self.model.placed.insert((share, record));
                self.model.taken.remove(&(share, record));
            }
            let publication = self.world.replica(self.node(org)).publication(&id, &book);
            if let Ok(Some(publication)) = publication {
                self.model.names.insert((share, publication.record), record);
            }
        }
        self.oracle.look_again();
        Ok(())
    }

    fn some_share(&mut self, org: usize) -> Option<usize> {
        let known: Vec<usize> = (0..self.model.shares.len())
            .filter(|s| {
                self.world
                    .replica(self.node(org))
                    .grants
                    .opener(&self.model.shares[*s].id)
                    .is_some()
            })
            .collect();
        self.choose(&known)
    }

    fn withdraw(&mut self, org: usize) -> Result<(), String> {
        let placed: Vec<(usize, usize)> = self.model.placed.iter().copied().collect();
        let own: Vec<_> =
            placed.into_iter().filter(|(_, r)| self.model.records[*r].owner == org).collect();
        let Some((share, record)) = self.choose(&own) else { return Ok(()) };
        let (at, id) = (self.model.shares[share].id, self.model.records[record].id);
        self.log.push(format!("  org {org} withdraws #{record} from share {share}"));
        if self.act(org, |r| r.withdraw(&at, &[id]))?.is_some() {
            self.model.take_out(|s, r| (s, r) == (share, record));
        }
        Ok(())
    }

    fn delete(&mut self, org: usize) -> Result<(), String> {
        let own = self.own(org, None);
        let Some(record) = self.choose(&own) else { return Ok(()) };
        let Record { kind, id, .. } = self.model.records[record];
        self.log.push(format!("  org {org} deletes #{record}"));
        if self.act(org, |r| r.delete(&Address::Own { kind, record: id }))?.is_some() {
            self.model.records[record].deleted = true;
            self.model.take_out(|_, other| other == record);
        }
        Ok(())
    }

    /// Has a customer forgotten, and with it what was noted about it.
    fn forget(&mut self, org: usize) -> Result<(), String> {
        let own = self.own(org, Some(Kind::Customer));
        let Some(record) = self.choose(&own) else { return Ok(()) };
        let at = Address::Own { kind: Kind::Customer, record: self.model.records[record].id };
        self.log.push(format!("  org {org} forgets #{record}"));
        if self.act(org, |r| r.forget(&at, None))?.is_some() {
            let about = |index: usize, one: &Record| index == record || one.about == Some(record);
            let mut gone = BTreeSet::new();
            for (index, one) in self.model.records.iter_mut().enumerate() {
                if about(index, one) && !one.deleted {
                    one.deleted = true;
                    gone.insert(index);
                }
            }
            self.model.take_out(|_, other| gone.contains(&other));
            self.model.forgotten.extend(gone);
        }
        Ok(())
    }

    /// Copies a received record; refused wherever no grant lets this org keep it.
    fn adopt(&mut self, org: usize) -> Result<(), String> {
        let kind = self.some_kind();
        let query = ListQuery { from: From::Partners, ..ListQuery::of(kind) };
        let list = self.world.replica(self.node(org)).list(&query).map_err(|e| e.to_string())?;
        let all: Vec<Address> = list.records.into_iter().map(|view| view.at).collect();
        let Some(at) = self.choose(&all) else { return Ok(()) };
        let Address::Received { share, record, .. } = at else { return Ok(()) };
        let share = self.model.shares.iter().position(|s| s.id == share).unwrap_or_default();
        let Some(record) = self.model.names.get(&(share, record)).copied() else {
            return Err(format!("I3: org {org} shows a {kind} that nobody placed"));
        };
        self.log.push(format!("  org {org} adopts #{record} from share {share}"));
        if self.act(org, |r| r.adopt(&at))?.is_none() {
            return Ok(());
        }
        self.model.adopted.insert((org, share, record));
        let owner = self.model.records[record].owner;
        let may = self.model.keeps.iter().any(|grant| {
            let g = &self.model.grants[*grant];
            g.to == org
                && (g.share, g.section) == (share, owner)
                && matches!(&g.what, What::Fields { kind: k, .. } if *k == kind)
        });
        if may { Ok(()) } else { Err(format!("I3: org {org} adopted #{record}")) }
    }

    pub fn open_share(&mut self, org: usize) -> Result<(), String> {
        let Some(purpose) = PURPOSES.get(self.model.shares.len()).copied() else { return Ok(()) };
        self.log.push(format!("  org {org} opens share {}", self.model.shares.len()));
        if let Some(id) = self.act(org, |r| r.open_share(purpose, None, None))? {
            self.model.shares.push(Share { opener: org, id, purpose });
        }
        Ok(())
    }

    fn some_fields(&mut self, names: &[&str]) -> Vec<String> {
        let mut fields: Vec<String> = Vec::new();
        for _ in 0..1 + self.dice.below(6) {
            fields.push(names[self.dice.below(names.len())].to_owned());
        }
        fields.sort();
        fields.dedup();
        fields
    }

    fn grant(&mut self, org: usize) -> Result<(), String> {
        let Some(share) = self.some_share(org) else { return Ok(()) };
        let (to, kind) = (self.other_org(org), self.some_kind());
        let own = |g: &&Grant| (g.share, g.section, g.from) == (share, org, org);
        let alike: Vec<Grant> = self.model.grants.iter().filter(own).cloned().collect();
        let alike = if self.dice.chance(35) { self.choose(&alike) } else { None };
        if let Some(Grant { what: What::Fields { kind, fields, edit }, region, .. }) = alike {
            // Another org for the same: two readers of one compartment.
            let fields = fields.into_iter().collect();
            let scope = Scope::Fields { kind, fields, edit, keep: false };
            return self.give(org, share, org, to, scope, region, 1);
        }
        let mut names = shared_fields(kind);
        if self.dice.chance(20) {
            let internal = fields_of(kind).iter().filter(|(_, form)| *form == Form::Internal);
            names.extend(internal.map(|(name, _)| *name));
        }
        let fields = self.some_fields(&names);
        let (edit, keep) = (self.dice.chance(45), self.dice.chance(30));
        let scope = Scope::Fields { kind, fields, edit, keep };
        let selectable = matches!(kind, Kind::Event | Kind::Customer);
        let region = (selectable && self.dice.chance(25)).then(|| REGIONS[self.dice.below(2)]);
        let depth = self.dice.below(3) as u8;
        self.give(org, share, org, to, scope, region, depth)
    }

    fn pass_on(&mut self, org: usize) -> Result<(), String> {
        let mine: Vec<Grant> = self.model.grants.iter().filter(|g| g.to == org).cloned().collect();
        let Some(grant) = self.choose(&mine) else { return Ok(()) };
        let to = self.other_org(org);
        let depth = self.dice.below(2) as u8;
        let scope = match &grant.what {
            What::Contribute => contribution(),
            What::Fields { kind, fields, .. } => {
                let names: Vec<&str> = fields.iter().map(String::as_str).collect();
                let mut fields = self.some_fields(&names);
                if self.dice.chance(25) {
                    fields = self.some_fields(&shared_fields(*kind));
                }
                Scope::Fields { kind: *kind, fields, edit: self.dice.chance(40), keep: false }
            }
        };
        self.give(org, grant.share, grant.section, to, scope, None, depth)
    }

    fn contribute(&mut self, org: usize) -> Result<(), String> {
        let Some(share) = self.some_share(org) else { return Ok(()) };
        let (to, depth) = (self.other_org(org), self.dice.below(3) as u8);
        let opener = self.model.shares[share].opener;
        self.give(org, share, opener, to, contribution(), None, depth)
    }

    #[allow(clippy::too_many_arguments)]
    pub fn give(
        &mut self,
        org: usize,
        share: usize,
        section: usize,
        to: usize,
        scope: Scope,
        region: Option<&'static str>,
        depth: u8,
    ) -> Result<(), String> {
        let selector = region.map(|region| {
            let what = "selector";
            let token = self.model.token(Secret::Never { owner: org, what });
            let other = if matches!(scope, Scope::Fields { kind: Kind::Event, .. }) {
                "notes"
            } else {
                "remark"
            };
            format!("region={region}, {other}!={token}")
        });
        self.log.push(format!(
            "  org {org} grants {to} {scope:?} of {section} in share {share} where {region:?} depth {depth}"
        ));
        let soon = self.dice.chance(8);
        let end = if soon { self.dice.below(4 * MOMENT as usize) as u64 } else { YEAR };
        let expires_at = (soon || self.dice.chance(5)).then(|| self.world.clock(section) + end);
        let new = NewGrant {
            share: self.model.shares[share].id,
            section: self.world.id(section),
            to: self.world.id(to),
            scope,
            selector,
            with_history: false,
            depth,
            expires_at,
        };
        let Some((id, _)) = self.act(org, |r| r.grant(new))? else { return Ok(()) };
        let statement =
            self.world.replica(self.node(org)).statements.get(&id.into()).map(|s| s.body());
        let Some(Body::Grant { scope, parent, .. }) = statement else {
            return Err(format!("I5: org {org} does not have its own grant"));
        };
        let keeps = matches!(scope, Scope::Fields { keep: true, .. });
        let what = match scope {
            Scope::Contribute { .. } => What::Contribute,
            Scope::Fields { kind, fields, edit, .. } => {
                What::Fields { kind: *kind, fields: fields.iter().cloned().collect(), edit: *edit }
            }
        };
        let parent = parent.and_then(|p| self.model.grants.iter().position(|g| g.id == p));
        let region = if parent.is_some() { None } else { region };
        let grant = Grant { id, share, section, from: org, to, what, parent, depth, region };
        if !self.model.narrower(&grant) {
            return Err(format!("I1: org {org} passed on more than it holds: {grant:?}"));
        }
        if keeps {
            self.model.keeps.insert(self.model.grants.len());
        }
        self.model.grants.push(grant);
        self.log.push(format!("  = grant {}", self.model.grants.len() - 1));
        self.oracle.look_again();
        Ok(())
    }

    /// Every node that is up notices that time has passed.
    pub fn tick(&mut self) -> Result<(), String> {
        for node in 0..self.world.orgs.len() {
            if self.world.is_up(node) {
                self.act_at(node, |r| r.tick_over())?;
            }
        }
        Ok(())
    }

    fn close(&mut self, org: usize) -> Result<(), String> {
        let Some(share) = self.some_share(org) else { return Ok(()) };
        let id = self.model.shares[share].id;
        self.log.push(format!("  org {org} closes share {share}"));
        self.act(org, |r| r.close_share(&id)).map(|_| ())
    }

    fn leave(&mut self, org: usize) -> Result<(), String> {
        let Some(share) = self.some_share(org) else { return Ok(()) };
        let id = self.model.shares[share].id;
        self.log.push(format!("  org {org} leaves share {share}"));
        if self.act(org, |r| r.leave_share(&id))?.is_some() {
            let own: BTreeSet<usize> = self.own(org, None).into_iter().collect();
            self.model.take_out(|s, record| s == share && own.contains(&record));
        }
        Ok(())
    }

    fn revoke(&mut self, org: usize) -> Result<(), String> {
        let mut all: Vec<usize> = (0..self.model.grants.len()).collect();
        if self.dice.chance(75) {
            all.retain(|grant| !matches!(self.model.grants[*grant].what, What::Contribute));
        }
        let Some(grant) = self.choose(&all) else { return Ok(()) };
        let above: Vec<usize> =
            self.model.chain(grant).iter().map(|l| self.model.grants[*l].from).collect();
        let by = match self.choose(&above) {
            Some(by) if self.dice.chance(85) && self.is_up(by) => by,
            Some(_) | None => org,
        };
        let id = self.model.grants[grant].id;
        self.log.push(format!("  org {by} revokes grant {grant}"));
        self.act(by, |r| r.revoke(&[id], 1)).map(|_| ())
    }
}

fn contribution() -> Scope {
    let kinds = vec![Kind::Customer, Kind::Participation, Kind::Interaction, Kind::Followup];
    Scope::Contribute { kinds }
}
