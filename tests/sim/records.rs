//! Steps that write records: values with tokens in them, and what must show of them at once.

use crate::book::Address;
use crate::facet::Edit;
use crate::value::{Fields, Value};
use crate::view::{From, ListQuery};
use crate::vocabulary::{self, Kind};

use super::model::{Known, Record, Secret, What, tokens};
use super::persons::Consent;
use super::random::Sim;

/// How a token is put into a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Plain,
    Text,
    Set,
    Email,
    /// S5: never leaves.
    Internal,
}

pub fn fields_of(kind: Kind) -> &'static [(&'static str, Form)] {
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

pub const REGIONS: [&str; 2] = ["north", "south"];
pub fn shared_fields(kind: Kind) -> Vec<&'static str> {
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
    fn secret(&mut self, record: usize, field: &'static str, form: Form, by: usize) -> String {
        let secret = match form {
            Form::Internal => Secret::Never { owner: by, what: field },
            _ => Secret::Value { record, field, by },
        };
        let token = self.model.token(secret);
        if form == Form::Email { format!("{token}@example.com") } else { token }
    }

    pub fn create(&mut self, org: usize) -> Result<(), String> {
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
            let consent = self.next_consent(record, "[]");
            fields.insert("consent".into(), consent);
        }
        self.log.push(format!("  org {org} creates {kind} #{record} about {about:?} {fields:?}"));
        if let Some(id) = self.act(org, |r| r.create(kind, fields))? {
            self.model.records[record].id = id;
            self.model.records[record].deleted = false;
        }
        Ok(())
    }

    /// Adds an entry to what is shown of a customer's consent.
    fn next_consent(&mut self, record: usize, shown: &str) -> Value {
        let orgs = self.orgs;
        let given = self.dice.chance(70);
        let share = (self.dice.chance(60) && !self.model.shares.is_empty())
            .then(|| self.dice.below(self.model.shares.len().max(1)));
        let only = self.dice.chance(25).then(|| self.dice.below(orgs));
        let Record { owner, consents, .. } = &self.model.records[record];
        let (owner, count) = (*owner, consents.len());
        let at = format!("2026-01-01T00:{:02}:{:02}Z", count / 60, count % 60);
        let evidence = self.model.token(Secret::Never { owner, what: "consent evidence" });
        let status = if given { "given" } else { "withdrawn" };
        let purpose = share.map_or("*", |share| self.model.shares[share].purpose);
        let scope = only.map(|org| format!(r#","scope":["{}"]"#, self.world.id(org)));
        let entry = format!(
            r#"{{"purpose":"{purpose}","status":"{status}","basis":"form","evidence":"{evidence}","at":"{at}"{}}}"#,
            scope.unwrap_or_default()
        );
        let only = only.map(|org| [org].into());
        self.model.records[record].consents.push(Consent { at, given, share, only });
        let before = shown.strip_suffix(']').expect("a list");
        let comma = if before == "[" { "" } else { "," };
        value(Kind::Customer, "consent", &format!("{before}{comma}{entry}]"))
    }

    pub fn edits(&mut self, record: usize, by: usize, name: &'static str, form: Form) -> Edit {
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

    pub fn edit(&mut self, org: usize) -> Result<(), String> {
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
        let values =
            self.world.replica(self.node(org)).record(&at).map_err(|e| e.to_string())?.values();
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

    pub fn consent(&mut self, org: usize) -> Result<(), String> {
        let own = self.own(org, Some(Kind::Customer));
        let Some(record) = self.choose(&own) else { return Ok(()) };
        let id = self.model.records[record].id;
        let shown = self.world.replica(self.node(org)).book_row(Kind::Customer, &id);
        let shown = match shown.map_err(|e| e.to_string())?.map(|row| row.fields) {
            Some(fields) => fields.get("consent").cloned(),
            // It was entered on another node, of which this one has not heard.
            None => return Ok(()),
        };
        let shown = match shown {
            Some(Value::Json(text)) => text,
            _ => "[]".to_owned(),
        };
        let consent = self.next_consent(record, &shown);
        let entry = self.model.records[record].consents.last().cloned();
        self.log.push(format!("  org {org} consent of #{record}: {entry:?}"));
        let at = Address::Own { kind: Kind::Customer, record: id };
        let edits = vec![Edit::Put("consent".into(), consent)];
        if self.act(org, |r| r.edit(&at, edits))?.is_none() {
            self.model.records[record].consents.pop();
        }
        Ok(())
    }

    pub fn edit_received(&mut self, org: usize) -> Result<(), String> {
        let mut all = Vec::new();
        for kind in Kind::ALL {
            let query = ListQuery { from: From::Partners, ..ListQuery::of(kind) };
            let list =
                self.world.replica(self.node(org)).list(&query).map_err(|e| e.to_string())?;
            all.extend(list.records.into_iter().map(|view| view.at));
        }
        let Some(at) = self.choose(&all) else { return Ok(()) };
        let Address::Received { kind, share, record, .. } = at else { return Ok(()) };
        let share = self.model.shares.iter().position(|s| s.id == share).unwrap_or_default();
        let Some(record) = self.model.names.get(&(share, record)).copied() else {
            return Err(format!("I3: org {org} shows a {kind} that nobody placed"));
        };
        let view = self.world.replica(self.node(org)).record(&at).map_err(|e| e.to_string())?;
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
        let known = Known::of(self.world.replica(self.node(org)));
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

fn value(kind: Kind, field: &str, text: &str) -> Value {
    vocabulary::parse_text(kind, field, text).expect("a good value")
}
