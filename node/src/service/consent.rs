//! Consent: noted for one customer or for many, shown, withdrawn.

use entente_protocol::book::Address;
use entente_protocol::facet::Edit;
use entente_protocol::id::OrgId;
use entente_protocol::policy::Proposal;
use entente_protocol::time::Millis;
use entente_protocol::value::Value;
use entente_protocol::view::{From, ListQuery};
use entente_protocol::vocabulary::{self, Kind};
use serde_json::{Map, Value as Json};

use super::record::selector;
use super::{Answer, CHUNK, Problem, Replica, disclosure, erasure, outlook, when};
use crate::api::customer::{Consent, Consented, GiveConsent, GiveConsentToMany, WithdrawConsent};
use crate::api::share::Leaving;

/// A consent to be noted, or its end.
#[derive(Debug, Clone)]
pub struct Note {
    /// For what; all purposes if not said.
    pub purpose: Option<String>,
    /// For whom; all if empty.
    pub scope: Vec<OrgId>,
    /// Until when.
    pub expires_at: Option<Millis>,
    /// Where to look it up; stays at home.
    pub evidence: Option<String>,
    /// The legal ground.
    pub basis: Option<String>,
    /// Given, or withdrawn.
    pub given: bool,
}

/// Notes a consent of one customer.
pub fn give(replica: &mut Replica, id: &str, order: &GiveConsent) -> Answer<Vec<Consent>> {
    let note = given(replica, order)?;
    let at = replica.find_record(id, Some(Kind::Customer))?;
    write(replica, &at, &note)?;
    show(replica, &at.text())
}

/// Notes that a consent is no longer given.
pub fn withdraw(replica: &mut Replica, id: &str, order: &WithdrawConsent) -> Answer<Vec<Consent>> {
    let (at, note) = withdrawal(replica, id, order)?;
    write(replica, &at, &note)?;
    show(replica, &at.text())
}

/// Who would lose what if a consent were withdrawn, and who would be asked to erase it.
pub fn preview_withdraw(
    replica: &mut Replica,
    id: &str,
    order: &WithdrawConsent,
) -> Answer<Leaving> {
    let (at, note) = withdrawal(replica, id, order)?;
    let Some(consent) = noted(replica, &at, &note)? else { return Ok(Leaving::default()) };
    let mut leaving = replica.if_it_read(&at, "consent", consent, |replica, shares| {
        let mut leaving = outlook::leaving_in(replica, shares, &Proposal::default())?;
        leaving.asked = erasure::asked(replica, &replica.without_consent_now(&at)?);
        Ok::<_, Problem>(leaving)
    })??;
    if !leaving.asked.is_empty() {
        let told =
            format!("who has confirmed is told by `entente customer erasures {}`", at.text());
        leaving.notes.push(told);
    }
    leaving.notes.extend(disclosure::files(replica, &at.record())?);
    Ok(leaving)
}

fn withdrawal(replica: &mut Replica, id: &str, order: &WithdrawConsent) -> Answer<(Address, Note)> {
    let at = replica.find_record(id, Some(Kind::Customer))?;
    let note = Note {
        purpose: order.purpose.clone(),
        scope: scope(replica, &order.scope)?,
        expires_at: None,
        evidence: None,
        basis: None,
        given: false,
    };
    Ok((at, note))
}

/// Adds an entry to a customer's consents; false if the same is noted already.
pub fn write(replica: &mut Replica, at: &Address, note: &Note) -> Answer<bool> {
    let Some(consent) = noted(replica, at, note)? else { return Ok(false) };
    replica.edit(at, vec![Edit::Put("consent".into(), consent)])?;
    Ok(true)
}

/// A customer's consents with one more entry; none if the same is noted already.
fn noted(replica: &mut Replica, at: &Address, note: &Note) -> Answer<Option<Value>> {
    let view = replica.record(at)?;
    let mut entries = entries(view.fields.get("consent").and_then(Option::as_ref));
    let new = add(&mut entries, note, replica.now());
    Ok(new.then(|| Value::Json(vocabulary::canonical_json(&Json::Array(entries)))))
}

/// The entries of a `consent` field.
pub fn entries(value: Option<&Value>) -> Vec<Json> {
    match value {
        Some(Value::Json(text)) => serde_json::from_str(text).unwrap_or_default(),
        Some(_) | None => Vec::new(),
    }
}

/// Adds a note to entries; false if the last entry of its kind says the same.
pub fn add(entries: &mut Vec<Json>, note: &Note, now: Millis) -> bool {
    let mut entry = Map::new();
    let status = if note.given { "given" } else { "withdrawn" };
    let purpose = note.purpose.as_deref().unwrap_or("*");
    entry.insert("purpose".into(), purpose.into());
    entry.insert("status".into(), status.into());
    entry.extend(note.basis.as_deref().map(|text| ("basis".to_owned(), text.into())));
    entry.extend(note.evidence.as_deref().map(|text| ("evidence".to_owned(), text.into())));
    entry.extend(note.expires_at.map(|at| ("expires".to_owned(), when::show(at).into())));
    if !note.scope.is_empty() {
        let scope: Vec<String> = note.scope.iter().map(OrgId::to_string).collect();
        entry.insert("scope".into(), scope.into());
    }
    let same = |known: &&Json| {
        let Json::Object(known) = known else { return false };
        let mut known = known.clone();
        known.remove("at");
        known == entry
    };
    if entries.last().is_some_and(|last| same(&last)) {
        return false;
    }
    entry.insert("at".into(), when::show(now).into());
    entries.push(Json::Object(entry));
    true
}

/// The consents of one customer.
pub fn show(replica: &mut Replica, id: &str) -> Answer<Vec<Consent>> {
    let at = replica.find_record(id, Some(Kind::Customer))?;
    let view = replica.record(&at)?;
    Ok(entries(view.fields.get("consent").and_then(Option::as_ref)).iter().map(consent).collect())
}

fn consent(json: &Json) -> Consent {
    let text = |key: &str| json.get(key).and_then(Json::as_str).map(str::to_owned);
    let scope = match json.get("scope") {
        Some(Json::Array(orgs)) => {
            orgs.iter().filter_map(Json::as_str).map(str::to_owned).collect()
        }
        Some(Json::String(org)) if org != "all" => vec![org.clone()],
        _ => Vec::new(),
    };
    Consent {
        purpose: text("purpose"),
        channel: text("channel"),
        basis: text("basis"),
        status: text("status").unwrap_or_else(|| "given".into()),
        at: text("at"),
        expires: text("expires"),
        evidence: text("evidence"),
        scope,
    }
}

/// Notes a consent of many customers: one step is one call of the engine.
#[derive(Debug, Clone)]
pub struct Giving {
    order: GiveConsentToMany,
    after: Option<Vec<u8>>,
    given: Consented,
}

impl Giving {
    /// A giving that has not begun.
    pub fn new(order: GiveConsentToMany) -> Self {
        Self { order, after: None, given: Consented::default() }
    }

    /// What has come of it.
    pub fn given(&self) -> Consented {
        self.given
    }

    /// How many customers there are to look at.
    pub fn total(&self, replica: &mut Replica) -> Answer<u64> {
        let selector = selector(Kind::Customer, Some(&self.order.selector))?;
        let query = ListQuery { from: From::Own, selector, ..ListQuery::of(Kind::Customer) };
        Ok(replica.list(&query)?.records.len() as u64)
    }

    /// Notes it for the next customers; false when there are none left.
    pub fn step(&mut self, replica: &mut Replica) -> Answer<bool> {
        let note = given(replica, &self.order.consent)?;
        let query = ListQuery {
            kind: Kind::Customer,
            from: From::Own,
            selector: selector(Kind::Customer, Some(&self.order.selector))?,
            after: self.after.take(),
            limit: CHUNK,
        };
        let page = replica.list(&query)?;
        for customer in &page.records {
            match write(replica, &customer.at, &note)? {
                true => self.given.changed += 1,
                false => self.given.unchanged += 1,
            }
        }
        self.after = page.next;
        Ok(self.after.is_some())
    }
}

fn given(replica: &mut Replica, order: &GiveConsent) -> Answer<Note> {
    Ok(Note {
        purpose: Some(order.purpose.clone()),
        scope: scope(replica, &order.scope)?,
        expires_at: when::parse_some(order.expires.as_deref(), replica.now())?,
        evidence: order.evidence.clone(),
        basis: order.basis.clone(),
        given: true,
    })
}

/// The orgs of these names; none for all of them.
pub fn scope(replica: &mut Replica, names: &[String]) -> Answer<Vec<OrgId>> {
    let names = names.iter().filter(|name| name.as_str() != "all");
    Ok(names.map(|name| replica.find_partner(name)).collect::<Result<_, _>>()?)
}
