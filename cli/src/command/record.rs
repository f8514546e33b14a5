//! The verbs that all kinds of records have.

use clap::Subcommand;
use entente_node::api::address::encoded;
use entente_node::api::record::{
    Change, Conflict, HistoryParams, ListParams, Record, Resolve, Undo, Whose,
};
use entente_node::api::share::Leaving;
use entente_node::api::{Done, Made};
use entente_protocol::vocabulary::{self, Kind};
use serde_json::{Value as Json, json};

use crate::assignment::{Assignment, values};
use crate::client::Paged;
use crate::error::CliError;
use crate::kinds;
use crate::output::{EMPTY, WITHHELD, moment, short, value};
use crate::session::Session;
use crate::table::Table;

/// Verbs of every kind of record.
#[derive(Debug, Subcommand)]
pub enum RecordVerb {
    /// Make one
    Create {
        /// Values: title="Spring launch", capacity=40, phones:='["+86 138 0013 8000"]'
        #[arg(value_name = "FIELD=VALUE")]
        fields: Vec<Assignment>,
    },
    /// List them
    List {
        /// Only those that fit: status=open
        #[arg(long = "where", value_name = "FIELD=VALUE")]
        selector: Option<String>,
        /// Own ones, received ones, or all
        #[arg(long, default_value = "all", value_parser = kinds::whose())]
        from: Whose,
        /// At most so many
        #[arg(long, default_value_t = entente_node::api::DEFAULT_LIMIT)]
        limit: usize,
        /// Go on where the page before ended
        #[arg(long)]
        cursor: Option<String>,
        /// Sort by this field
        #[arg(long, value_name = "FIELD", allow_hyphen_values = true)]
        sort: Option<String>,
    },
    /// Show one
    Show {
        /// Its id
        id: String,
    },
    /// Change fields; an empty value clears one
    Set {
        /// Its id
        id: String,
        /// Values: status=open
        #[arg(value_name = "FIELD=VALUE", required = true)]
        fields: Vec<Assignment>,
    },
    /// Delete an own one
    Delete {
        /// Its id
        id: String,
        /// Only tell who would lose what
        #[arg(long)]
        dry_run: bool,
    },
    /// Who changed what, newest first
    History {
        /// Its id
        id: String,
        /// Only this field
        field: Option<String>,
    },
    /// Take back a change by a new one
    Undo {
        /// Its id
        id: String,
        /// The change, as the history names it
        change: String,
    },
    /// Fields that were changed at two places at once
    Conflicts {
        /// Only of this one
        id: Option<String>,
    },
    /// Settle a conflict
    Resolve {
        /// Its id
        id: String,
        /// The field
        field: String,
        /// The number of the value to keep
        choice: usize,
    },
}

/// Carries out a verb on records of a kind.
pub fn record(session: &mut Session<'_>, kind: Kind, verb: RecordVerb) -> Result<(), CliError> {
    let client = session.client()?;
    let all = format!("/{}", kind.plural());
    let at = |id: &str| format!("{all}/{}", encoded(id));
    match verb {
        RecordVerb::Create { fields } => {
            let made: Made = client.post(&all, &values(fields)?)?;
            session.print(&made, |made| format!("{}\n", made.id))
        }
        RecordVerb::List { selector, from, limit, cursor, sort } => {
            let params = ListParams { from, selector, cursor, limit: Some(limit), sort };
            let Paged { page, next } = client.find::<Vec<Record>>(&all, &params)?;
            session.print(&page, |records| list(kind, records))?;
            if let Some(cursor) = next {
                session.note(&format!("There are more: --cursor {cursor}"));
            }
            Ok(())
        }
        RecordVerb::Show { id } => {
            let record: Record = client.get(&at(&id))?;
            session.print(&record, show)
        }
        RecordVerb::Set { id, fields } => {
            let record: Record = client.patch(&at(&id), &values(fields)?)?;
            session.print(&record, show)
        }
        RecordVerb::Delete { id, dry_run: true } => {
            let leaving: Leaving = client.get(&format!("{}/delete/preview", at(&id)))?;
            session.print_leaving(&leaving)
        }
        RecordVerb::Delete { id, dry_run: false } => {
            let done: Done = client.delete(&at(&id))?;
            session.print(&done, |_| String::new())
        }
        RecordVerb::History { id, field } => {
            let path = format!("{}/history", at(&id));
            let changes: Vec<Change> = client.find(&path, &HistoryParams { field })?.page;
            session.print(&changes, |changes| history(changes))
        }
        RecordVerb::Undo { id, change } => {
            let record: Record = client.post(&format!("{}/undo", at(&id)), &Undo { change })?;
            session.print(&record, show)
        }
        RecordVerb::Conflicts { id } => {
            let path = match id {
                Some(id) => format!("{}/conflicts", at(&id)),
                None => format!("{all}/conflicts"),
            };
            let found: Vec<Conflict> = client.get(&path)?;
            session.print(&found, |found| conflicts(found))
        }
        RecordVerb::Resolve { id, field, choice } => {
            let order = Resolve { field, choice };
            let record: Record = client.post(&format!("{}/resolve", at(&id)), &order)?;
            session.print(&record, show)
        }
    }
}

/// Copies a received record into one's own.
pub fn adopt(session: &mut Session<'_>, record: &str) -> Result<(), CliError> {
    let path = format!("/records/{}/adopt", encoded(record));
    let made: Made = session.client()?.post(&path, &json!({}))?;
    session.print(&made, |made| format!("{}\n", made.id))
}

/// The fields that a list shows of each kind.
fn columns(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Event => &["title", "starts_at", "venue", "status"],
        Kind::Customer => &["name", "org_name", "phones", "emails", "tags"],
        Kind::Participation => &["event", "customer", "staff_name", "role", "status"],
        Kind::Interaction => &["at", "channel", "direction", "type", "customer"],
        Kind::Followup => &["stage", "due_at", "customer", "event", "assigned_org"],
    }
}

fn list(kind: Kind, records: &[Record]) -> String {
    let label = |name: &&str| {
        vocabulary::field(kind, name).map_or((*name).to_owned(), |f| f.label_en.to_owned())
    };
    let mut headings = vec!["ID".to_owned()];
    headings.extend(columns(kind).iter().map(|name| label(name).to_uppercase()));
    headings.push("WHOSE".to_owned());
    let mut table = Table::new(headings);
    for record in records {
        let mut row = vec![short(&record.id)];
        row.extend(columns(kind).iter().map(|name| cell(record, name)));
        row.push(match record.share {
            None => "own".to_owned(),
            Some(_) => record.section.name.clone(),
        });
        table.row(row);
    }
    table.text_or(&format!("No {} here.", kind.plural()))
}

fn cell(record: &Record, name: &str) -> String {
    match record.fields.get(name) {
        Some(json) => value(json),
        None if record.withheld.iter().any(|field| field == name) => WITHHELD.to_owned(),
        None => EMPTY.to_owned(),
    }
}

/// A record, a field a line.
pub fn show(record: &Record) -> String {
    let mut table = Table::new([""; 0]);
    table.row(["id", &record.id]);
    table.row(["whose", &record.section.name]);
    if let Some(share) = &record.share {
        table.row(["share", &short(share)]);
    }
    table.row([
        "updated",
        &format!("{} by {}", moment(Some(&record.updated_at)), record.updated_by.name),
    ]);
    for (name, json) in &record.fields {
        table.row([name, &value(json)]);
    }
    let mut text = table.text();
    if !record.withheld.is_empty() {
        text += &format!("\nNot shared with you: {}\n", record.withheld.join(", "));
    }
    if !record.unmapped.is_empty() {
        text += &format!("\nNo place in your mapping for: {}\n", record.unmapped.join(", "));
    }
    if !record.conflicts.is_empty() {
        text += "\nChanged at two places at once:\n";
        text += &conflicts(&record.conflicts);
    }
    text
}

fn history(changes: &[Change]) -> String {
    let mut table = Table::new(["WHEN", "WHO", "FIELD", "FROM", "TO", "CHANGE"]);
    let side = |side: &Option<Json>| side.as_ref().map_or(EMPTY.to_owned(), value);
    for change in changes {
        table.row([
            moment(Some(&change.at)),
            change.by.name.clone(),
            change.field.clone(),
            side(&change.from),
            side(&change.to),
            change.change.clone(),
        ]);
    }
    table.text_or("Nothing has been changed.")
}

fn conflicts(found: &[Conflict]) -> String {
    let mut table = Table::new(["ID", "FIELD", "CHOICE", "VALUE", "BY", "WHEN"]);
    for conflict in found {
        for (at, choice) in conflict.choices.iter().enumerate() {
            table.row([
                conflict.id.as_deref().map(short).unwrap_or_default(),
                conflict.field.clone(),
                (at + 1).to_string(),
                value(&choice.value),
                choice.by.name.clone(),
                moment(Some(&choice.at)),
            ]);
        }
    }
    table.text_or("No conflicts.")
}
