//! The second act: Cedar takes in its customers, decides who will see what of them, and brings
//! those to the launch who have agreed to that.

use std::collections::BTreeSet;

use entente_node::api::address::encoded;
use entente_node::api::customer::{
    Consented, GiveConsent, GiveConsentToMany, ImportParams, Imported,
};
use entente_node::api::grant::{Access, NewGrant};
use entente_node::api::record::{
    AddParticipations, ListParams, Participations, Record, RosterRow, Whose,
};
use entente_node::api::share::Leaving;
use entente_protocol::vocabulary::Kind;
use serde_json::Value as Json;

use super::company::Company;
use super::data::{CUSTOMERS, LAUNCH_TAG, PURPOSE};
use super::play::{Play, SOON, grant, read, received_event, roster, tell_leaving};
use super::telling::labels;
use crate::error::CliError;
use crate::output::count;

const ALL: usize = 10_000;
const EVIDENCE: &str = "answered the letter of 12 January";
const FOR_ACME: [&str; 3] = ["name", "org_name", "phones"];
const FOR_BRIGHT: [&str; 1] = ["org_name"];

impl Play<'_, '_> {
    /// The second act.
    pub fn cedar_brings_guests(&mut self) -> Result<(), CliError> {
        self.cedar_takes_customers_in()?;
        self.cedar_decides()?;
        self.cedar_contributes()
    }

    fn cedar_takes_customers_in(&mut self) -> Result<(), CliError> {
        let Self { telling, cedar, .. } = self;
        telling.step("Cedar Consulting takes in its customers, and notes who agreed")?;
        let params = ImportParams { format: Some("csv".into()), ..ImportParams::default() };
        let file = CUSTOMERS.as_bytes().to_vec();
        let imported: Imported =
            cedar.api().upload("/customers/import", &params, file, |_, _| {})?;
        telling.expect(imported.created == 300 && imported.rejected.is_empty(), || {
            format!("{} customers were taken in", imported.created)
        })?;
        let consent = GiveConsent {
            purpose: PURPOSE.into(),
            evidence: Some(EVIDENCE.into()),
            ..GiveConsent::default()
        };
        let selector = format!("tags={LAUNCH_TAG}");
        let order = GiveConsentToMany { selector: selector.clone(), consent };
        let given: Consented = cedar.api().work("/customers/consent", &order, |_, _| {})?;
        telling.expect(given.changed == 40, || format!("{} have agreed", given.changed))?;
        telling.said(format!(
            "{} from a CSV file, in Chinese and English. {} of them agreed to “{PURPOSE}”, and \
             Cedar notes that with its evidence.",
            count(imported.created, "customer"),
            given.changed
        ))?;
        telling.stayed(cedar.name, "all 300 of them".into())
    }

    fn cedar_decides(&mut self) -> Result<(), CliError> {
        let Self { telling, acme, bright, cedar, .. } = self;
        telling.step("Cedar Consulting decides who will see what of them")?;
        grant(telling, cedar, &read(acme, Kind::Customer, &FOR_ACME))?;
        grant(telling, cedar, &read(bright, Kind::Customer, &FOR_BRIGHT))?;
        let place = ["event", "customer", "role"];
        grant(telling, cedar, &read(acme, Kind::Participation, &place))?;
        let order = NewGrant { can: Access::Edit, ..read(acme, Kind::Participation, &["status"]) };
        grant(telling, cedar, &order)?;
        grant(telling, cedar, &read(bright, Kind::Participation, &["event", "customer"]))?;
        telling.said(format!(
            "Acme may see {}, and that they agreed; it may set their status at the event. Bright \
             may see no more than {}.",
            labels(Kind::Customer, &FOR_ACME),
            labels(Kind::Customer, &FOR_BRIGHT)
        ))?;
        telling.stayed(cedar.name, "still all 300: none of them is at the event yet".into())
    }

    fn cedar_contributes(&mut self) -> Result<(), CliError> {
        let Self { telling, waiting, acme, bright, cedar, event, secrets, .. } = self;
        telling.step("Cedar Consulting brings forty guests, and one who never agreed")?;
        let guests = customers(cedar, Some(format!("tags={LAUNCH_TAG}")))?;
        let known: BTreeSet<&str> = guests.iter().map(|one| one.id.as_str()).collect();
        let others: Vec<Record> = customers(cedar, None)?
            .into_iter()
            .filter(|one| !known.contains(one.id.as_str()))
            .collect();
        let is_person = |one: &&Record| one.fields.get("type") == Some(&Json::from("person"));
        let stranger = others.iter().filter(is_person).min_by_key(|one| text(one, "name"));
        telling.expect(stranger.is_some(), || "everybody has agreed".into())?;
        let asked = guests.iter().chain(stranger).map(|one| one.id.clone()).collect();
        let at_cedar = received_event(cedar)?.map(|event| event.id).unwrap_or_default();
        let path = format!("/events/{}/participations", encoded(&at_cedar));
        let order = AddParticipations { customers: asked, ..AddParticipations::default() };
        let rehearsal = AddParticipations { dry_run: true, ..order.clone() };
        let leaving: Leaving = cedar.api().post(&path, &rehearsal)?;
        let added: Participations = cedar.api().post(&path, &order)?;
        tell_leaving(telling, cedar, &leaving)?;
        let fields = labels(Kind::Participation, &["event", "customer", "role", "status"]);
        telling.crossed(cedar.name, acme.name, format!("40 participations: {fields}"))?;
        let fields = labels(Kind::Participation, &["event", "customer"]);
        telling.crossed(cedar.name, bright.name, format!("40 participations: {fields}"))?;
        if let Some(stranger) = stranger {
            let held = added.held_back.iter().find(|held| held.record == stranger.id);
            let name = text(stranger, "name").unwrap_or_default();
            let reason = held.map(|held| held.reason.clone());
            telling.expect(reason.is_some(), || format!("{name} was not held back"))?;
            telling.stayed(cedar.name, format!("{name}: {}", reason.unwrap_or_default()))?;
        }
        let what = "the guests on Acme's roster";
        let (rows, took) =
            waiting.until(what, SOON, || of(cedar, roster(acme, event)?, &FOR_ACME))?;
        telling.expect(rows.len() == 40, || format!("Acme sees {} guests", rows.len()))?;
        telling.checked("Acme's roster is complete: 40 guests and 8 staff".into(), Some(took))?;
        let at_bright = received_event(bright)?.map(|event| event.id).unwrap_or_default();
        let what = "the guests on Bright's roster";
        let (rows, took) =
            waiting.until(what, SOON, || of(cedar, roster(bright, &at_bright)?, &FOR_BRIGHT))?;
        telling.expect(rows.len() == 40, || format!("Bright sees {} guests", rows.len()))?;
        telling.checked("Bright has the 40 companies, and not one name".into(), Some(took))?;
        secrets.of_customers(&guests, &others);
        Ok(())
    }
}

/// Own customers, all of them or those that fit.
fn customers(of: &Company, selector: Option<String>) -> Result<Vec<Record>, CliError> {
    let limit = Some(ALL);
    let params = ListParams { from: Whose::Own, selector, limit, ..ListParams::default() };
    Ok(of.api().find("/customers", &params)?.page)
}

/// A text field.
pub fn text(record: &Record, field: &str) -> Option<String> {
    record.fields.get(field).and_then(Json::as_str).map(str::to_owned)
}

/// A company's rows, once there are as many as guests and each has exactly these fields (and what
/// travels with a phone number: consent).
fn of(
    company: &Company,
    rows: Vec<RosterRow>,
    fields: &[&str],
) -> Result<Option<Vec<RosterRow>>, CliError> {
    let theirs = |row: &RosterRow| row.contributed_by.org == company.org;
    let rows: Vec<RosterRow> = rows.into_iter().filter(theirs).collect();
    let travels = ["consent", "do_not_contact"];
    let exact = |row: &RosterRow| {
        let seen: BTreeSet<&str> = row.customer.fields.keys().map(String::as_str).collect();
        fields.iter().all(|field| seen.contains(field))
            && seen.iter().all(|field| fields.contains(field) || travels.contains(field))
    };
    Ok((rows.len() >= 40 && rows.iter().all(exact)).then_some(rows))
}
