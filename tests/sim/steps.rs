//! What orgs may do in a random world. A step is a verb and a seed for all its choices, which are
//! made among what there is when it is taken: steps can be left out and the rest still run.

use crate::book::Address;
use crate::facet::Edit;
use crate::refusal::{Refusal, RefusalClass};
use crate::replica::Replica;
use crate::sharing::NewGrant;
use crate::statement::{Body, Scope};
use crate::value::{Fields, Value};
use crate::view::{From, ListQuery};
use crate::vocabulary::{self, Kind};
use crate::world::{Crash, Dice};

use super::check::Memory;
use super::model::{Consent, Grant, Known, Record, Secret, Share, What, tokens};
use super::random::Sim;

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    Create,
    Edit,
    Place,
    Withdraw,
    Delete,
    Consent,
    OpenShare,
    Grant,
    PassOn,
    Contribute,
    Revoke,
    EditReceived,
    Disconnect,
    Partition,
    Heal,
    Kill,
    Wait,
}

/// One step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    pub verb: Verb,
    pub dice: u64,
}

const WEIGHTS: [(Verb, usize); 17] = [
    (Verb::Create, 14),
    (Verb::Edit, 14),
    (Verb::Place, 14),
    (Verb::Withdraw, 4),
    (Verb::Delete, 2),
    (Verb::Consent, 9),
    (Verb::OpenShare, 1),
    (Verb::Grant, 16),
    (Verb::PassOn, 9),
    (Verb::Contribute, 5),
    (Verb::Revoke, 6),
    (Verb::EditReceived, 14),
    (Verb::Disconnect, 3),
    (Verb::Partition, 3),
    (Verb::Heal, 3),
    (Verb::Kill, 3),
    (Verb::Wait, 6),
];

impl Step {
    pub fn random(dice: &mut Dice) -> Self {
        let mut at = dice.below(WEIGHTS.iter().map(|(_, weight)| weight).sum());
        let mut verb = Verb::Wait;
        for (each, weight) in WEIGHTS {
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

/// How a token is put into a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Plain,
    Text,
    Set,
    Email,
    /// S5: never leaves.
    Internal,
}

fn fields_of(kind: Kind) -> &'static [(&'static str, Form)] {
    use Form::{Email, Internal, Plain, Set, Text};
    match kind {
        Kind::Event => &[
            ("title", Plain),
            ("summary", Text),
            ("venue", Plain),
            ("address", Plain),
            ("audience_brief", Text),
            ("target_tags", Set),
            ("notes", Internal),
        ],
        Kind::Customer => &[
            ("name", Plain),
            ("org_name", Plain),
            ("title", Plain),
            ("emails", Email),
            ("address", Plain),
            ("interests", Set),
            ("remark", Internal),
        ],
        Kind::Participation => &[("staff_name", Plain), ("fit_reason", Text), ("ticket", Plain)],
        Kind::Interaction => &[("channel", Plain), ("outcome", Plain), ("note", Internal)],
        Kind::Followup => &[("value_band", Plain), ("lost_reason", Internal)],
    }
}

const REGIONS: [&str; 2] = ["north", "south"];
const PURPOSES: [&str; 3] = ["launch", "summit", "fair"];

fn shared_fields(kind: Kind) -> Vec<&'static str> {
    let has_region = matches!(kind, Kind::Event | Kind::Customer);
    let about = !has_region;
    let mut names: Vec<&str> = fields_of(kind)
        .iter()
        .filter(|(_, form)| *form != Form::Internal)
        .map(|(name, _)| *name)
        .collect();
    names.extend(has_region.then_some("region"));
    names.extend(about.then_some("customer"));
    names
}

impl Sim {
    fn choose<T: Clone>(&mut self, from: &[T]) -> Option<T> {
        (!from.is_empty()).then(|| from[self.dice.below(from.len())].clone())
    }

    fn some_org(&mut self) -> Option<usize> {
        let up: Vec<usize> =
            (0..self.world.orgs.len()).filter(|org| self.world.is_up(*org)).collect();
        self.choose(&up)
    }

    fn other_org(&mut self, than: usize) -> usize {
        let orgs = self.world.orgs.len();
        (than + 1 + self.dice.below(orgs - 1)) % orgs
    }

    /// An org that is up and may publish, most of the time.
    fn some_publisher(&mut self, org: usize) -> usize {
        let may = |org: &usize| {
            let gets = |g: &Grant| g.to == *org && matches!(g.what, What::Contribute);
            self.world.is_up(*org)
                && (self.model.shares.iter().any(|s| s.opener == *org)
                    || self.model.grants.iter().any(gets))
        };
        let orgs: Vec<usize> = (0..self.world.orgs.len()).filter(may).collect();
        if self.dice.chance(80) { self.choose(&orgs).unwrap_or(org) } else { org }
    }

    fn some_kind(&mut self) -> Kind {
        self.kinds[self.dice.below(self.kinds.len())]
    }

    /// Own records of an org that are not deleted.
    fn own(&self, org: usize, kind: Option<Kind>) -> Vec<usize> {
        let fits = |r: &Record| r.owner == org && !r.deleted && kind.is_none_or(|k| k == r.kind);
        let all = self.model.records.iter().enumerate();
        all.filter(|(_, record)| fits(record)).map(|(index, _)| index).collect()
    }

    /// Does something at a node; the step may want it to die over it. None: refused, or undone by
    /// the crash. A refusal that is our own fault is a failure.
    fn act<T>(
        &mut self,
        org: usize,
        what: impl FnOnce(&mut Replica) -> Result<T, Refusal>,
    ) -> Result<Option<T>, String> {
        let done = match self.crash.take() {
            None => self.world.act(org, what),
            Some(crash) => {
                self.log.push(format!("  org {org} dies {crash:?}"));
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
                Err(format!("I9: org {org} fails: {refusal}"))
            }
            Err(refusal) => {
                self.log.push(format!("  refused: {refusal}"));
                Ok(None)
            }
        }
    }

    /// Takes one step.
    pub fn step(&mut self, verb: Verb) -> Result<(), String> {
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
            Verb::Consent => self.consent(org),
            Verb::OpenShare => self.open_share(org),
            Verb::Grant => self.grant(org),
            Verb::PassOn => self.pass_on(org),
            Verb::Contribute => self.contribute(org),
            Verb::Revoke => self.revoke(org),
            Verb::EditReceived => self.edit_received(org),
            Verb::Disconnect => {
                let other = self.other_org(org);
                self.world.disconnect(org, other);
                Ok(())
            }
            Verb::Partition => {
                let other = self.other_org(org);
                self.world.cut.push((org, other));
                self.world.disconnect(org, other);
                Ok(())
            }
            Verb::Heal => {
                self.world.cut.clear();
                Ok(())
            }
            Verb::Kill => {
                self.world.kill(org);
                Ok(())
            }
            Verb::Wait => Ok(()),
        }
    }

    fn secret(&mut self, record: usize, field: &'static str, form: Form, by: usize) -> String {
        let secret = match form {
            Form::Internal => Secret::Never { owner: by, what: field },
            _ => Secret::Value { record, field, by },
        };
        let token = self.model.token(secret);
        if form == Form::Email { format!("{token}@example.com") } else { token }
    }

    fn create(&mut self, org: usize) -> Result<(), String> {
        let kind = self.some_kind();
        let record = self.model.records.len();
        // The owner must be known before tokens are made for it.
        let about = match kind {
            Kind::Event | Kind::Customer => None,
            _ => {
                let customers = self.own(org, Some(Kind::Customer));
                self.choose(&customers)
            }
        };
        let company = kind == Kind::Customer && self.dice.chance(15);
        let id = crate::id::RecordId([0; 16]);
        let (owner, consents, deleted) = (org, Vec::new(), true);
        self.model.records.push(Record { owner, kind, id, company, consents, about, deleted });
        let mut fields = Fields::new();
        for (name, form) in fields_of(kind) {
            if self.dice.chance(75) {
                let text = self.secret(record, name, *form, org);
                fields.insert((*name).to_owned(), value(kind, name, &text));
            }
        }
        if matches!(kind, Kind::Event | Kind::Customer) && self.dice.chance(80) {
            let region = REGIONS[self.dice.below(2)];
            fields.insert("region".into(), value(kind, "region", region));
        }
        if company {
            fields.insert("type".into(), value(kind, "type", "company"));
        }
        if let Some(about) = about {
            let text = Kind::Customer.id_text(&self.model.records[about].id);
            fields.insert("customer".into(), Value::Str(text));
        }
        if kind == Kind::Customer && self.dice.chance(75) {
            let consent = self.next_consent(record);
            fields.insert("consent".into(), consent);
        }
        self.log.push(format!("  org {org} creates {kind} #{record} about {about:?} {fields:?}"));
        if let Some(id) = self.act(org, |r| r.create(kind, fields))? {
            self.model.records[record].id = id;
            self.model.records[record].deleted = false;
        }
        Ok(())
    }

    /// Adds an entry to a customer's consent and writes all of them out.
    fn next_consent(&mut self, record: usize) -> Value {
        let orgs = self.world.orgs.len();
        let entry = Consent {
            given: self.dice.chance(70),
            share: (self.dice.chance(60) && !self.model.shares.is_empty())
                .then(|| self.dice.below(self.model.shares.len().max(1))),
            only: self.dice.chance(25).then(|| self.dice.below(orgs)),
        };
        self.model.records[record].consents.push(entry);
        let owner = self.model.records[record].owner;
        let entries = self.model.records[record].consents.clone();
        let mut texts = Vec::new();
        for (at, entry) in entries.iter().enumerate() {
            let what = "consent evidence";
            let evidence = self.model.token(Secret::Never { owner, what });
            let status = if entry.given { "given" } else { "withdrawn" };
            let purpose = entry.share.map_or("*", |share| self.model.shares[share].purpose);
            let scope = entry.only.map(|org| format!(r#","scope":["{}"]"#, self.world.id(org)));
            texts.push(format!(
                r#"{{"purpose":"{purpose}","status":"{status}","basis":"form","evidence":"{evidence}",
                   "at":"2026-01-01T00:{:02}:{:02}Z"{}}}"#,
                at / 60,
                at % 60,
                scope.unwrap_or_default()
            ));
        }
        value(Kind::Customer, "consent", &format!("[{}]", texts.join(",")))
    }

    fn edits(&mut self, record: usize, by: usize, name: &'static str, form: Form) -> Edit {
        let kind = self.model.records[record].kind;
        let field = name.to_owned();
        if self.dice.chance(12) {
            return Edit::Clear(field);
        }
        let text = self.secret(record, name, form, by);
        match form {
            Form::Text if self.dice.chance(60) => {
                Edit::Splice { field, at: 0, delete: 0, insert: text }
            }
            Form::Set if self.dice.chance(60) => Edit::SetAdd(field, text),
            _ => Edit::Put(field, value(kind, name, &text)),
        }
    }

    fn edit(&mut self, org: usize) -> Result<(), String> {
        let mut own = self.own(org, None);
        if self.dice.chance(70) {
            let placed = |record: &usize| self.model.placed.iter().any(|(_, r)| r == record);
            let (placed, other): (Vec<_>, Vec<_>) = own.into_iter().partition(placed);
            own = if placed.is_empty() { other } else { placed };
        }
        let Some(record) = self.choose(&own) else { return Ok(()) };
        let Record { kind, id, .. } = self.model.records[record];
        let at = Address::Own { kind, record: id };
        let mut edits = Vec::new();
        for _ in 0..1 + self.dice.below(2) {
            let Some((name, form)) = self.choose(fields_of(kind)) else { continue };
            if edits.iter().all(|edit: &Edit| edit.field() != name) {
                edits.push(self.edits(record, org, name, form));
            }
        }
        if matches!(kind, Kind::Event | Kind::Customer) && self.dice.chance(15) {
            let region = REGIONS[self.dice.below(2)];
            edits.push(Edit::Put("region".into(), value(kind, "region", region)));
        }
        self.log.push(format!("  org {org} edits #{record}: {edits:?}"));
        self.edit_and_see(org, at, edits).map(|_| ())
    }

    /// Edits; what was acknowledged must show at once.
    fn edit_and_see(&mut self, org: usize, at: Address, edits: Vec<Edit>) -> Result<bool, String> {
        let wanted = edits.clone();
        if self.act(org, |r| r.edit(&at, edits))?.is_none() {
            return Ok(false);
        }
        let values = self.world.replica(org).record(&at).map_err(|e| e.to_string())?.values();
        for edit in wanted {
            let entered = match &edit {
                Edit::Put(_, value) => tokens(value),
                Edit::Splice { insert: text, .. } | Edit::SetAdd(_, text) => {
                    super::oracle::tokens_in(text.as_bytes())
                }
                Edit::Clear(_) | Edit::SetRemove(..) | Edit::Increment(..) => Vec::new(),
            };
            let shown = values.get(edit.field()).map(tokens).unwrap_or_default();
            if !entered.iter().all(|token| shown.contains(token)) {
                return Err(format!(
                    "I9: org {org} was told that {edit:?} is stored; it shows {shown:?}"
                ));
            }
        }
        Ok(true)
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
            }
            let publication = self.world.replica(org).publication(&id, &book);
            if let Ok(Some(publication)) = publication {
                self.model.names.insert((share, publication.record), record);
            }
        }
        self.oracle.look_again();
        Ok(())
    }

    fn some_share(&mut self, org: usize) -> Option<usize> {
        let known: Vec<usize> = (0..self.model.shares.len())
            .filter(|s| self.world.replica(org).grants.opener(&self.model.shares[*s].id).is_some())
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
            self.model.placed.remove(&(share, record));
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
            self.model.placed.retain(|(_, other)| *other != record);
        }
        Ok(())
    }

    fn consent(&mut self, org: usize) -> Result<(), String> {
        let own = self.own(org, Some(Kind::Customer));
        let Some(record) = self.choose(&own) else { return Ok(()) };
        let id = self.model.records[record].id;
        let consent = self.next_consent(record);
        let entry = self.model.records[record].consents.last().cloned();
        self.log.push(format!("  org {org} consent of #{record}: {entry:?}"));
        let at = Address::Own { kind: Kind::Customer, record: id };
        let edits = vec![Edit::Put("consent".into(), consent)];
        if self.act(org, |r| r.edit(&at, edits))?.is_none() {
            self.model.records[record].consents.pop();
        }
        Ok(())
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
        let scope = Scope::Fields { kind, fields, edit: self.dice.chance(45), keep: false };
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
        let new = NewGrant {
            share: self.model.shares[share].id,
            section: self.world.id(section),
            to: self.world.id(to),
            scope,
            selector,
            depth,
            expires_at: None,
        };
        let Some((id, _)) = self.act(org, |r| r.grant(new))? else { return Ok(()) };
        let statement = self.world.replica(org).statements.get(&id.into()).map(|s| s.body());
        let Some(Body::Grant { scope, parent, .. }) = statement else {
            return Err(format!("I5: org {org} does not have its own grant"));
        };
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
        self.model.grants.push(grant);
        self.log.push(format!("  = grant {}", self.model.grants.len() - 1));
        self.oracle.look_again();
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
            Some(by) if self.dice.chance(85) && self.world.is_up(by) => by,
            Some(_) | None => org,
        };
        let id = self.model.grants[grant].id;
        self.log.push(format!("  org {by} revokes grant {grant}"));
        self.act(by, |r| r.revoke(&[id], 1)).map(|_| ())
    }

    fn edit_received(&mut self, org: usize) -> Result<(), String> {
        let mut all = Vec::new();
        for kind in Kind::ALL {
            let query = ListQuery { from: From::Partners, ..ListQuery::of(kind) };
            let list = self.world.replica(org).list(&query).map_err(|e| e.to_string())?;
            all.extend(list.records.into_iter().map(|view| view.at));
        }
        let Some(at) = self.choose(&all) else { return Ok(()) };
        let Address::Received { kind, share, record, .. } = at else { return Ok(()) };
        let share = self.model.shares.iter().position(|s| s.id == share).unwrap_or_default();
        let Some(record) = self.model.names.get(&(share, record)).copied() else {
            return Err(format!("I3: org {org} shows a {kind} that nobody placed"));
        };
        let view = self.world.replica(org).record(&at).map_err(|e| e.to_string())?;
        let mut fields = fields_of(kind).to_vec();
        if self.dice.chance(85) {
            fields.retain(|(name, _)| view.fields.contains_key(*name));
        }
        let Some((name, form)) = self.choose(&fields) else { return Ok(()) };
        if form == Form::Internal {
            return Ok(());
        }
        let edit = self.edits(record, org, name, form);
        self.log.push(format!("  org {org} edits received #{record}: {edit:?}"));
        if !self.edit_and_see(org, at, vec![edit])? {
            return Ok(());
        }
        let owner = self.model.records[record].owner;
        let known = Known::of(self.world.replica(org));
        let may = (0..self.model.grants.len()).any(|grant| {
            let g = &self.model.grants[grant];
            g.to == org
                && (g.share, g.section) == (share, owner)
                && matches!(&g.what, What::Fields { kind: k, edit: true, fields } if *k == kind && fields.contains(name))
                && self.model.stands(&self.world, &known, grant)
        });
        if may { Ok(()) } else { Err(format!("I3: org {org} edited {name} of #{record}")) }
    }
}

fn contribution() -> Scope {
    let kinds = vec![Kind::Customer, Kind::Participation, Kind::Interaction, Kind::Followup];
    Scope::Contribute { kinds }
}

fn value(kind: Kind, field: &str, text: &str) -> Value {
    vocabulary::parse_text(kind, field, text).expect("a good value")
}
