//! Who was given what of a customer: as items, as a table for machines, and as everything that a
//! document for the customer says.

use entente_protocol::book::Address;
use entente_protocol::disclosure::{self, Export};
use entente_protocol::id::{OrgId, RecordId};
use entente_protocol::time::Millis;
use entente_protocol::value::Value;
use entente_protocol::vocabulary::Kind;
use serde_json::Value as Json;

use super::consent::entries;
use super::{Answer, Replica, sheet, shown, when};
use crate::api::audit::{Disclosure, Way};

/// Everything that a document for a customer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Whose customer.
    pub company: String,
    /// The customer's id.
    pub customer: String,
    /// The customer's name; none when it was erased.
    pub name: Option<String>,
    /// When this was put together, ms.
    pub at: Millis,
    /// What was given to whom.
    pub items: Vec<Disclosure>,
}

/// Who was given what of a customer, also when it was erased.
pub fn report(replica: &mut Replica, id: &str) -> Answer<Report> {
    let customer = replica.find_subject(id)?;
    let fields = match replica.record(&Address::Own { kind: Kind::Customer, record: customer }) {
        Ok(view) => view.values(),
        Err(_) => Default::default(),
    };
    let consents = entries(fields.get("consent"));
    let found = replica.disclosures(&customer)?;
    let mut items: Vec<Disclosure> =
        found.to.iter().map(|of| to_partner(replica, of, &consents)).collect();
    items.sort_by(|a, b| (&a.name, &a.first_at).cmp(&(&b.name, &b.first_at)));
    items.extend(found.exports.iter().map(export));
    let name = match fields.get("name") {
        Some(Value::Str(name)) => Some(name.clone()),
        Some(_) | None => None,
    };
    Ok(Report {
        company: replica.me().name.clone(),
        customer: Kind::Customer.id_text(&customer),
        name,
        at: replica.now(),
        items,
    })
}

/// Into how many files a customer was exported: those stay whatever becomes of it here.
pub fn files(replica: &Replica, customer: &RecordId) -> Answer<Option<String>> {
    let id = Kind::Customer.id_text(customer);
    Ok(match replica.disclosures(customer)?.exports.len() {
        0 => None,
        1 => Some(format!("it stays in an exported file: `entente customer disclosures {id}`")),
        more => {
            Some(format!("it stays in {more} exported files: `entente customer disclosures {id}`"))
        }
    })
}

fn to_partner(replica: &Replica, of: &disclosure::Disclosure, consents: &[Json]) -> Disclosure {
    let purpose = replica.purpose(&of.share);
    let orgs =
        |orgs: &mut dyn Iterator<Item = &OrgId>| orgs.map(|o| shown::org(replica, o)).collect();
    Disclosure {
        org: Some(of.org.to_string()),
        name: Some(replica.directory().name(&of.org).to_owned()),
        share: Some(of.share.to_string()),
        share_name: replica.share_name(&of.share).map(str::to_owned),
        basis: basis(consents, &purpose, &of.org),
        purpose: Some(purpose),
        fields: of.fields.iter().map(|(kind, field)| format!("{}.{field}", kind.name())).collect(),
        first_at: of.first_at.map(when::show),
        last_at: of.last_at.map(when::show),
        grant: Some(of.grant.to_string()),
        way: match of.way {
            disclosure::Way::Sent => Way::Sent,
            disclosure::Way::Reported => Way::Reported,
            disclosure::Way::Possible => Way::Possible,
            disclosure::Way::NotYet => Way::NotYet,
        },
        via: orgs(&mut of.via.iter()),
        carriers: orgs(&mut of.carriers.iter()),
        format: None,
    }
}

fn export(of: &Export) -> Disclosure {
    Disclosure {
        org: None,
        name: None,
        share: None,
        share_name: None,
        purpose: None,
        fields: Vec::new(),
        first_at: Some(when::show(of.at)),
        last_at: Some(when::show(of.at)),
        grant: None,
        basis: None,
        way: Way::Exported,
        via: Vec::new(),
        carriers: Vec::new(),
        format: Some(of.format.clone()),
    }
}

/// The legal ground of the last consent noted for a purpose and an org.
fn basis(consents: &[Json], purpose: &str, org: &OrgId) -> Option<String> {
    let text = |entry: &Json, key: &str| entry.get(key).and_then(Json::as_str).map(str::to_owned);
    let org = org.to_string();
    let covers = |entry: &&Json| {
        let purposes = text(entry, "purpose");
        let scope = match entry.get("scope") {
            Some(Json::Array(orgs)) => orgs.iter().any(|one| one.as_str() == Some(&org)),
            Some(Json::String(one)) => *one == org || one == "all",
            _ => true,
        };
        scope && purposes.is_none_or(|at| at == "*" || at == purpose)
    };
    let last = consents.iter().rev().find(covers)?;
    text(last, "basis").or_else(|| Some("consent".to_owned()))
}

const COLUMNS: [&str; 14] = [
    "customer",
    "org",
    "name",
    "share",
    "share_name",
    "purpose",
    "fields",
    "way",
    "first_at",
    "last_at",
    "grant",
    "basis",
    "via",
    "carriers",
];

/// The items as a table, one a line; lists are joined by blanks or by semicolons.
pub fn csv(report: &Report) -> Answer<Vec<u8>> {
    let heading = COLUMNS.map(str::to_owned);
    let rows = report.items.iter().map(|item| {
        let some = |text: &Option<String>| text.clone().unwrap_or_default();
        let names = |orgs: &[crate::api::Org]| {
            orgs.iter().map(|org| org.name.as_str()).collect::<Vec<_>>().join("; ")
        };
        let way = serde_json::to_value(item.way).unwrap_or_default();
        [
            report.customer.clone(),
            some(&item.org),
            some(&item.name),
            some(&item.share),
            some(&item.share_name),
            some(&item.purpose),
            item.fields.join(" "),
            way.as_str().unwrap_or_default().to_owned(),
            some(&item.first_at),
            some(&item.last_at),
            some(&item.grant),
            some(&item.basis),
            names(&item.via),
            names(&item.carriers),
        ]
    });
    sheet::csv([heading].into_iter().chain(rows))
}
