//! The stage of the demo, and the first act: three companies meet, and an event reaches each of
//! them with exactly the fields that were granted to it.

use std::collections::BTreeSet;
use std::time::Duration;

use entente_node::api::Made;
use entente_node::api::address::encoded;
use entente_node::api::grant::{Access, Granted, NewGrant};
use entente_node::api::partner::{Accepted, Invite, NewInvite, Partner, PartnerState};
use entente_node::api::record::{
    AddParticipations, ListParams, Participations, Record, RosterRow, Values, Whose,
};
use entente_node::api::share::{Leaving, OpenShare};
use entente_protocol::vocabulary::Kind;
use serde_json::json;

use super::company::Company;
use super::data::{self, PURPOSE, SHARE};
use super::proof::Secrets;
use super::telling::{Telling, labels, some_labels};
use super::waiting::Waiting;
use crate::error::CliError;
use crate::output::count;

/// How long anything may take to reach another company. It takes milliseconds.
pub const SOON: Duration = Duration::from_secs(10);
const FOR_BRIGHT: [&str; 4] = ["title", "starts_at", "venue", "audience_brief"];
const FOR_CEDAR: [&str; 3] = ["title", "starts_at", "audience_brief"];

/// The three companies, and what the story has made so far.
pub struct Play<'a, 'b> {
    /// Who tells.
    pub telling: Telling<'a, 'b>,
    /// Who waits.
    pub waiting: Waiting,
    /// A manufacturer.
    pub acme: Company,
    /// Its agency.
    pub bright: Company,
    /// A consultancy.
    pub cedar: Company,
    /// The event, as Acme names it.
    pub event: String,
    /// What must stay where it is.
    pub secrets: Secrets,
}

impl Play<'_, '_> {
    /// The first act.
    pub fn they_meet(&mut self) -> Result<(), CliError> {
        self.acme_plans()?;
        self.acme_pairs_with_bright()?;
        self.acme_shares()?;
        self.bright_adds_its_people()?;
        self.bright_brings_cedar_in()
    }

    fn acme_plans(&mut self) -> Result<(), CliError> {
        let Self { telling, acme, .. } = self;
        telling.step("Acme Motors plans the launch of a car")?;
        let text = data::event()?;
        let fields: Vec<String> = text.keys().cloned().collect();
        let (title, budget) = (text["title"].clone(), text["budget"].clone());
        let made: Made = acme.api().post("/events", &Values { text, ..Values::default() })?;
        self.event = made.id;
        telling.said(format!(
            "“{title}”, with {}: where and when, whom to invite, a budget of {budget}, notes.",
            count(fields.len() as u64, "field")
        ))?;
        telling.stayed(acme.name, "all of it. Nobody else knows that there is an event".into())
    }

    fn acme_pairs_with_bright(&mut self) -> Result<(), CliError> {
        let Self { telling, waiting, acme, bright, .. } = self;
        telling.step("Acme Motors and Bright Agency become partners")?;
        pair(telling, waiting, acme, bright)?;
        telling.crossed(
            acme.name,
            bright.name,
            "its name and its public keys. No record".into(),
        )?;
        telling.crossed(bright.name, acme.name, "the same of its own".into())
    }

    fn acme_shares(&mut self) -> Result<(), CliError> {
        let Self { telling, waiting, acme, bright, event, .. } = self;
        telling.step("Acme Motors lets Bright Agency see four fields of the event")?;
        let order = OpenShare {
            name: SHARE.into(),
            purpose: Some(PURPOSE.into()),
            ends: None,
            event: Some(event.clone()),
        };
        let _: Made = acme.api().post("/shares", &order)?;
        telling.said(format!(
            "Acme opens the share “{SHARE}”, for the purpose “{PURPOSE}”. Bright may pass on what \
             it sees, once, and may add customers and staff of its own."
        ))?;
        let order = NewGrant { depth: 1, ..read(bright, Kind::Event, &FOR_BRIGHT) };
        grant(telling, acme, &order)?;
        let contribute = vec![Kind::Customer, Kind::Participation];
        let order =
            NewGrant { partner: bright.alias.into(), contribute, depth: 1, ..NewGrant::default() };
        grant(telling, acme, &order)?;
        let (seen, took) = sees_event(waiting, bright, &FOR_BRIGHT)?;
        let withheld: Vec<&str> = seen.withheld.iter().map(String::as_str).collect();
        for field in ["budget", "notes"] {
            telling.expect(withheld.contains(&field), || format!("Bright sees Acme's {field}"))?;
        }
        let mut first = vec!["budget", "notes"];
        first.extend(withheld.iter().filter(|field| !["budget", "notes"].contains(field)));
        telling.stayed(acme.name, some_labels(Kind::Event, &first))?;
        telling.checked("Bright sees the event: these four fields and no other".into(), Some(took))
    }

    fn bright_adds_its_people(&mut self) -> Result<(), CliError> {
        let Self { telling, waiting, acme, bright, event, .. } = self;
        telling.step("Bright Agency puts its people on the roster")?;
        let fields = ["event", "staff_name", "role", "status"];
        grant(telling, bright, &read(acme, Kind::Participation, &fields))?;
        let at_bright = sees_event(waiting, bright, &FOR_BRIGHT)?.0.id;
        let path = format!("/events/{}/participations", encoded(&at_bright));
        let mut names = BTreeSet::new();
        for (role, staff) in data::staff()? {
            names.extend(staff.iter().cloned());
            let status = Some("confirmed".to_owned());
            let role = Some(role);
            let order = AddParticipations { staff, status, role, ..AddParticipations::default() };
            let _: Participations = bright.api().post(&path, &order)?;
        }
        telling.crossed(
            bright.name,
            acme.name,
            format!("{} members of staff: {}", names.len(), labels(Kind::Participation, &fields)),
        )?;
        let (_, took) = waiting.until("Bright's staff on Acme's roster", SOON, || {
            let rows = roster(acme, event)?;
            let seen: BTreeSet<String> = rows.iter().filter_map(name_of).collect();
            Ok((seen == names).then_some(()))
        })?;
        telling.checked("all eight stand on Acme's roster, by name".into(), Some(took))
    }

    fn bright_brings_cedar_in(&mut self) -> Result<(), CliError> {
        let Self { telling, waiting, acme, bright, cedar, .. } = self;
        telling.step("Bright Agency brings Cedar Consulting in")?;
        pair(telling, waiting, bright, cedar)?;
        telling.said(
            "Bright passes three of Acme's fields on to Cedar, and the right to add customers. It \
             could not pass on more than it has, and Acme's node has the last word: it checks the \
             chain and lets Cedar in."
                .into(),
        )?;
        let section = Some(acme.org.clone());
        let order = NewGrant { section, ..read(cedar, Kind::Event, &FOR_CEDAR) };
        let _: Granted = bright.api().post(&grants(), &order)?;
        let contribute = vec![Kind::Customer, Kind::Participation];
        let order = NewGrant { partner: cedar.alias.into(), contribute, ..NewGrant::default() };
        let _: Granted = bright.api().post(&grants(), &order)?;
        let (seen, took) = sees_event(waiting, cedar, &FOR_CEDAR)?;
        telling.expect(seen.withheld.iter().any(|field| field == "venue"), || {
            "Cedar sees the venue, which Bright did not pass on".into()
        })?;
        telling.crossed(
            acme.name,
            cedar.name,
            format!("1 event: {}", labels(Kind::Event, &FOR_CEDAR)),
        )?;
        telling.stayed("Acme Motors and Bright Agency", "the venue".into())?;
        telling.checked("Cedar sees these three fields and no other".into(), Some(took))?;
        let acme_at_cedar = partner(cedar, &acme.org)?;
        let met = acme_at_cedar.as_ref().is_some_and(|one| {
            one.state == PartnerState::Introduced
                && one.met_through.as_ref().is_some_and(|org| org.org == bright.org)
        });
        telling.expect(met, || "Cedar does not know Acme as met through Bright".into())?;
        telling.checked(
            "Cedar and Acme were never paired: Cedar's node knows Acme as “met through Bright \
             Agency”, and the two talk directly"
                .into(),
            None,
        )
    }
}

/// Invite, accept, compare the code, confirm on both sides.
fn pair(
    telling: &mut Telling<'_, '_>,
    waiting: &Waiting,
    inviter: &Company,
    guest: &Company,
) -> Result<(), CliError> {
    let order = NewInvite { expires: Some("1h".into()), confirm_first: false };
    let invite: Invite = inviter.api().post("/partners/invite", &order)?;
    let accepted: Accepted = guest.api().post("/partners/accept", &invite)?;
    let what = format!("the pairing of {} and {}", inviter.name, guest.name);
    let (code, _) =
        waiting.until(&what, SOON, || Ok(partner(inviter, &guest.org)?.and_then(|p| p.code)))?;
    telling.expect(code == accepted.code, || "the verification codes differ".into())?;
    for (one, other) in [(inviter, guest), (guest, inviter)] {
        let path = format!("/partners/{}/confirm", other.alias);
        let confirmed: Partner = one.api().post(&path, &json!({}))?;
        telling.expect(confirmed.confirmed, || format!("{} has not confirmed", one.name))?;
    }
    telling.said(format!(
        "{} sends an invite, one line, and {} accepts it. On the phone both read out the same \
         verification code, and confirm it: {code} = {}",
        inviter.name, guest.name, accepted.code
    ))
}

/// The way to the grants of the share.
pub fn grants() -> String {
    format!("/shares/{SHARE}/grants")
}

/// A grant that lets a company see fields.
pub fn read(to: &Company, kind: Kind, fields: &[&str]) -> NewGrant {
    NewGrant {
        partner: to.alias.into(),
        kind: Some(kind),
        fields: fields.iter().map(|field| (*field).to_owned()).collect(),
        can: Access::Read,
        ..NewGrant::default()
    }
}

/// Grants, and tells what the node says will leave by that.
pub fn grant(
    telling: &mut Telling<'_, '_>,
    from: &Company,
    order: &NewGrant,
) -> Result<(), CliError> {
    let leaving: Leaving = from.api().post(&format!("{}/preview", grants()), order)?;
    let granted: Granted = from.api().post(&grants(), order)?;
    telling.expect(granted.warnings.is_empty(), || granted.warnings.join("; "))?;
    tell_leaving(telling, from, &leaving)
}

/// Tells what leaves, as the node puts it before it asks.
pub fn tell_leaving(
    telling: &mut Telling<'_, '_>,
    from: &Company,
    leaving: &Leaving,
) -> Result<(), CliError> {
    let mut leaves: Vec<_> = leaving.to.iter().filter(|to| to.records > 0).collect();
    leaves.sort_by_key(|to| &to.org.name);
    for to in leaves {
        let records = count(to.records, to.kind.name());
        let fields = labels(to.kind, &to.fields);
        telling.crossed(from.name, &to.org.name, format!("{records}: {fields}"))?;
    }
    Ok(())
}

/// The event as a company received it, once it has exactly these fields.
pub fn sees_event(
    waiting: &Waiting,
    company: &Company,
    fields: &[&str],
) -> Result<(Record, Duration), CliError> {
    let what = format!("the event at {} with these fields: {}", company.name, fields.join(", "));
    let expected: BTreeSet<&str> = fields.iter().copied().collect();
    waiting.until(&what, SOON, || {
        let found = received_event(company)?;
        Ok(found.filter(|event| event.fields.keys().map(String::as_str).eq(expected.clone())))
    })
}

/// The event as a company received it.
pub fn received_event(company: &Company) -> Result<Option<Record>, CliError> {
    let params = ListParams { from: Whose::Partners, ..ListParams::default() };
    let events: Vec<Record> = company.api().find("/events", &params)?.page;
    Ok(events.into_iter().next())
}

/// A company as another knows it.
pub fn partner(at: &Company, org: &str) -> Result<Option<Partner>, CliError> {
    let partners: Vec<Partner> = at.api().get("/partners")?;
    Ok(partners.into_iter().find(|partner| partner.org == org))
}

/// The roster of the event, as a company sees it.
pub fn roster(at: &Company, event: &str) -> Result<Vec<RosterRow>, CliError> {
    at.api().get(&format!("/events/{}/roster", encoded(event)))
}

/// The name in a row of a roster.
pub fn name_of(row: &RosterRow) -> Option<String> {
    row.customer.fields.get("name").and_then(|name| name.as_str()).map(str::to_owned)
}
