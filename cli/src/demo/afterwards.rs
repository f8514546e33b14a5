//! The third act: the event runs. Changes arrive within milliseconds, a node that was off catches
//! up, one that was killed has lost nothing, and who may not change something cannot.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use entente_node::api::address::encoded;
use entente_node::api::node::{Owed, OwedParams};
use entente_node::api::problem::ErrorKind;
use entente_node::api::record::{Record, RosterRow, Values};
use serde_json::Value as Json;

use super::company::Company;
use super::guests::text;
use super::play::{Play, SOON, name_of, partner, received_event, roster};
use super::waiting::Waiting;
use crate::error::CliError;
use crate::output::count;

const ATTENDED: usize = 2;

impl Play<'_, '_> {
    /// The third act.
    pub fn the_event_runs(&mut self) -> Result<(), CliError> {
        self.acme_marks_two()?;
        self.acme_changes_the_title()?;
        self.cedar_is_off()?;
        self.acme_is_killed()?;
        self.bright_may_not()
    }

    fn acme_marks_two(&mut self) -> Result<(), CliError> {
        let Self { telling, waiting, acme, cedar, event, .. } = self;
        telling.step("Two of the guests are there, and Cedar Consulting learns it")?;
        let rows = roster(acme, event)?;
        let guests = || rows.iter().filter(|row| row.contributed_by.org == cedar.org);
        let in_english = |row: &&RosterRow| name_of(row).is_some_and(|name| name.is_ascii());
        let two: Vec<&RosterRow> = guests()
            .find(in_english)
            .into_iter()
            .chain(guests().find(|row| !in_english(row)))
            .collect();
        for row in &two {
            let path = format!("/participations/{}", encoded(&row.participation));
            let _: Record = acme.api().patch(&path, &one("status", "attended"))?;
        }
        let both: Vec<String> = two.iter().filter_map(|row| name_of(row)).collect();
        telling.said(format!(
            "At the door Acme marks {} as attended. Cedar lets it do that, and nothing else.",
            both.join(" and ")
        ))?;
        let at_cedar = received_event(cedar)?.map(|event| event.id).unwrap_or_default();
        let (seen, took) = waiting.until("two attended guests at Cedar", SOON, || {
            let mut attended = roster(cedar, &at_cedar)?;
            attended.retain(|row| row.status.as_deref() == Some("attended"));
            Ok((attended.len() == ATTENDED).then_some(attended))
        })?;
        telling.crossed(acme.name, cedar.name, "2 participations: status".into())?;
        // Ids are each company's own; a name is the same at both.
        let names = |rows: &mut dyn Iterator<Item = &RosterRow>| -> BTreeSet<Option<String>> {
            rows.map(name_of).collect()
        };
        let same = names(&mut seen.iter()) == names(&mut two.into_iter());
        telling.expect(same, || "Cedar sees other guests as attended".into())?;
        telling.checked("Cedar sees both, in its own records".into(), Some(took))
    }

    fn acme_changes_the_title(&mut self) -> Result<(), CliError> {
        let Self { telling, waiting, acme, bright, cedar, event, .. } = self;
        telling.step("Acme Motors changes the title")?;
        let title = "Aurora E9 — first drive in Shanghai";
        let begin = Instant::now();
        set(acme, event, "title", title)?;
        arrives(waiting, cedar, "title", title)?;
        let took = begin.elapsed();
        arrives(waiting, bright, "title", title)?;
        telling.said(format!("It is now “{title}”."))?;
        telling.crossed(acme.name, "Bright Agency and Cedar Consulting", "title".into())?;
        telling.checked("Cedar has it, and Bright".into(), Some(took))
    }

    fn cedar_is_off(&mut self) -> Result<(), CliError> {
        let Self { telling, waiting, acme, cedar, event, .. } = self;
        telling.step("Cedar Consulting's node is off, and misses nothing")?;
        cedar.stop();
        waiting.until("Acme noticing that Cedar is gone", SOON, || {
            Ok(partner(acme, &cedar.org)?.filter(|cedar| !cedar.connected))
        })?;
        let brief = "Two guests per company at most. Invitations go out on 1 February.";
        set(acme, event, "audience_brief", brief)?;
        let params = OwedParams { partner: Some(cedar.alias.into()) };
        let owed: Owed = acme.api().find("/owed", &params)?.page;
        let unsent: u64 = owed.owed.iter().map(|one| one.unsent).sum();
        telling.expect(unsent > 0, || "Acme's node owes Cedar nothing".into())?;
        telling.said(format!(
            "Cedar's node is stopped. Acme rewrites the audience brief meanwhile; its node keeps \
             {} for Cedar.",
            count(unsent, "change")
        ))?;
        let up = cedar.start(waiting)?;
        let begin = Instant::now();
        arrives(waiting, cedar, "audience_brief", brief)?;
        telling.said(format!("Cedar's node starts again, in {} ms.", up.as_millis()))?;
        telling.crossed(acme.name, cedar.name, "audience brief".into())?;
        telling.checked("Cedar has the new brief".into(), Some(begin.elapsed()))
    }

    fn acme_is_killed(&mut self) -> Result<(), CliError> {
        let Self { telling, waiting, acme, bright, cedar, event, .. } = self;
        telling.step("Acme Motors' node is killed, and loses nothing")?;
        let starts = "2027-03-18T02:30:00Z";
        set(acme, event, "starts_at", starts)?;
        let read = |acme: &Company, event: &str| -> Result<_, CliError> {
            let own: Record = acme.api().get(&format!("/events/{}", encoded(event)))?;
            Ok((own.fields, roster(acme, event)?))
        };
        let before = read(acme, event)?;
        acme.kill();
        telling.said(
            "Acme moves the start by half an hour, and the very moment its node has confirmed \
             that, the process is killed (SIGKILL), as by a power cut."
                .into(),
        )?;
        let up = acme.start(waiting)?;
        let after = read(acme, event)?;
        telling.expect(before == after, || "Acme's data is not what it was".into())?;
        let fields = count(after.0.len() as u64, "field");
        telling.checked(
            format!("back with every one of {fields} and {} on the roster", after.1.len()),
            Some(up),
        )?;
        let begin = Instant::now();
        arrives(waiting, cedar, "starts_at", starts)?;
        arrives(waiting, bright, "starts_at", starts)?;
        telling.crossed(acme.name, "Bright Agency and Cedar Consulting", "starts at".into())?;
        telling.checked("both have the new time".into(), Some(begin.elapsed()))
    }

    fn bright_may_not(&mut self) -> Result<(), CliError> {
        let Self { telling, acme, bright, event, .. } = self;
        telling.step("Bright Agency tries to change Acme's title")?;
        let at_bright = received_event(bright)?;
        let id = at_bright.as_ref().map(|event| event.id.clone()).unwrap_or_default();
        let tried = set(bright, &id, "title", "Bright Agency presents: the Aurora E9");
        let refused = match tried {
            Err(CliError::Node(problem)) if problem.kind == ErrorKind::Refused => problem.detail,
            Err(other) => return Err(other),
            Ok(_) => String::new(),
        };
        telling.expect(!refused.is_empty(), || "Bright was not refused".into())?;
        telling.said(format!("Its own node refuses: “{refused}”."))?;
        let own: Record = acme.api().get(&format!("/events/{}", encoded(event)))?;
        let same = at_bright.and_then(|event| text(&event, "title")) == text(&own, "title");
        telling.expect(same, || "the titles differ".into())?;
        telling.checked("the title is what Acme made it, at both".into(), None)
    }
}

fn one(field: &str, value: &str) -> Values {
    let text = BTreeMap::from([(field.to_owned(), value.to_owned())]);
    Values { text, ..Values::default() }
}

/// Sets a field of the event.
fn set(at: &Company, event: &str, field: &str, value: &str) -> Result<Record, CliError> {
    at.api().patch(&format!("/events/{}", encoded(event)), &one(field, value))
}

/// Waits until a company has received this value of a field of the event.
fn arrives(waiting: &Waiting, at: &Company, field: &str, value: &str) -> Result<(), CliError> {
    let what = format!("the arrival of the new {field} at {}", at.name);
    let expected = Some(Json::from(value));
    let arrived = || {
        let event = received_event(at)?;
        Ok(event.filter(|event| event.fields.get(field) == expected.as_ref()).map(|_| ()))
    };
    waiting.until(&what, SOON, arrived).map(|_| ())
}
