//! `event`: what companies run together, and its roster.

use clap::Subcommand;
use entente_node::api::address::encoded;
use entente_node::api::record::RosterRow;
use entente_protocol::vocabulary::{self, Kind};

use super::record::{self, RecordVerb};
use crate::error::CliError;
use crate::output::{EMPTY, WITHHELD, value};
use crate::session::Session;
use crate::table::Table;

/// What a roster shows of a customer, where anyone's may be seen or is withheld.
const COLUMNS: [&str; 5] = ["name", "org_name", "title", "phones", "emails"];

#[derive(Debug, Subcommand)]
pub enum EventVerb {
    #[command(flatten)]
    Record(RecordVerb),
    /// Everyone at an event, whoever brought them, as far as you may see
    Roster {
        /// The event
        id: String,
    },
}

/// Carries out a verb.
pub fn event(session: &mut Session<'_>, verb: EventVerb) -> Result<(), CliError> {
    match verb {
        EventVerb::Record(verb) => record::record(session, Kind::Event, verb),
        EventVerb::Roster { id } => {
            let path = format!("/events/{}/roster", encoded(&id));
            let rows: Vec<RosterRow> = session.client()?.get(&path)?;
            session.print(&rows, |rows| roster(rows))
        }
    }
}

/// A roster as a table.
pub fn roster(rows: &[RosterRow]) -> String {
    let has = |name: &&&str| {
        rows.iter().any(|row| {
            row.customer.fields.contains_key(**name)
                || row.customer.withheld.iter().any(|field| field == *name)
        })
    };
    let shown: Vec<&&str> = COLUMNS.iter().filter(has).collect();
    let heading = |name: &&&str| {
        vocabulary::field(Kind::Customer, name)
            .map_or_else(|| name.to_uppercase(), |field| field.label_en.to_uppercase())
    };
    let mut headings: Vec<String> = shown.iter().map(heading).collect();
    headings.extend(["ROLE", "STATUS", "BROUGHT BY", "THROUGH"].map(str::to_owned));
    let mut table = Table::new(headings);
    for row in rows {
        let cell = |name: &&&str| match row.customer.fields.get(**name) {
            Some(json) => value(json),
            None if row.customer.withheld.iter().any(|field| field == **name) => WITHHELD.into(),
            None => EMPTY.to_owned(),
        };
        let mut cells: Vec<String> = shown.iter().map(cell).collect();
        cells.push(row.role.clone().unwrap_or_else(|| EMPTY.into()));
        cells.push(row.status.clone().unwrap_or_else(|| EMPTY.into()));
        cells.push(row.contributed_by.name.clone());
        cells.push(match row.via.as_slice() {
            [] => EMPTY.into(),
            via => via.iter().map(|org| org.name.as_str()).collect::<Vec<_>>().join(" → "),
        });
        table.row(cells);
    }
    table.text_or("Nobody is on the roster yet.")
}
