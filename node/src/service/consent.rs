//! Consent: noted for one customer or for many, shown, withdrawn.

use entente_protocol::vocabulary::Kind;
use serde_json::Value as Json;

use super::record::selector;
use super::{Answer, CHUNK, Replica, shown, when};
use crate::api::customer::{Consent, Consented, GiveConsent, GiveConsentToMany, WithdrawConsent};
use crate::placeholder::{ConsentOrder, From, ListQuery};

/// Notes a consent of one customer.
pub fn give(replica: &mut Replica, id: &str, order: &GiveConsent) -> Answer<Vec<Consent>> {
    let consent = consent_order(replica, order)?;
    let address = replica.record(id, Some(Kind::Customer))?.address;
    replica.consent_give(&address, &consent)?;
    show(replica, &Kind::Customer.id_text(&address.record))
}

/// Notes that a consent is no longer given.
pub fn withdraw(replica: &mut Replica, id: &str, order: &WithdrawConsent) -> Answer<Vec<Consent>> {
    let address = replica.record(id, Some(Kind::Customer))?.address;
    let consent = ConsentOrder {
        purpose: order.purpose.clone(),
        scope: scope(replica, &order.scope)?,
        expires_at: None,
        evidence: None,
        basis: None,
    };
    replica.consent_withdraw(&address, &consent)?;
    show(replica, &Kind::Customer.id_text(&address.record))
}

/// The consents of one customer.
pub fn show(replica: &mut Replica, id: &str) -> Answer<Vec<Consent>> {
    let record = shown::record(&replica.record(id, Some(Kind::Customer))?);
    let listed = record.fields.get("consent").and_then(Json::as_array);
    Ok(listed.into_iter().flatten().map(consent).collect())
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
    after: Option<String>,
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
        Ok(replica.count(Kind::Customer, selector.as_ref())?)
    }

    /// Notes it for the next customers; false when there are none left.
    pub fn step(&mut self, replica: &mut Replica) -> Answer<bool> {
        let consent = consent_order(replica, &self.order.consent)?;
        let query = ListQuery {
            from: From::Own,
            selector: selector(Kind::Customer, Some(&self.order.selector))?,
            after: self.after.take(),
            limit: CHUNK,
            sort: None,
        };
        let page = replica.list(Kind::Customer, &query)?;
        for customer in &page.items {
            match replica.consent_give(&customer.address, &consent)? {
                true => self.given.changed += 1,
                false => self.given.unchanged += 1,
            }
        }
        self.after = page.next;
        Ok(self.after.is_some())
    }
}

/// A consent as the replica takes it.
pub fn consent_order(replica: &mut Replica, order: &GiveConsent) -> Answer<ConsentOrder> {
    Ok(ConsentOrder {
        purpose: Some(order.purpose.clone()),
        scope: scope(replica, &order.scope)?,
        expires_at: when::parse_some(order.expires.as_deref(), replica.now())?,
        evidence: order.evidence.clone(),
        basis: order.basis.clone(),
    })
}

/// The orgs of these names; none for all of them.
pub fn scope(replica: &mut Replica, names: &[String]) -> Answer<Vec<entente_protocol::id::OrgId>> {
    let mut orgs = Vec::with_capacity(names.len());
    for name in names.iter().filter(|name| name.as_str() != "all") {
        orgs.push(replica.partner(name)?.org.org);
    }
    Ok(orgs)
}
