//! `participation`: customers and staff at events.

use clap::Subcommand;
use entente_node::api::address::encoded;
use entente_node::api::record::{AddParticipations, Participations};
use entente_node::api::share::Leaving;
use entente_protocol::vocabulary::Kind;

use super::record::{self, RecordVerb};
use crate::error::CliError;
use crate::leaving::held_back;
use crate::output::count;
use crate::session::Session;

#[derive(Debug, Subcommand)]
pub enum ParticipationVerb {
    #[command(flatten)]
    Record(RecordVerb),
    /// Add own customers or staff to an event
    Add {
        /// The event
        event: String,
        /// Own customers
        #[arg(required_unless_present = "staff")]
        customers: Vec<String>,
        /// Names of own staff
        #[arg(long, num_args = 1.., value_name = "NAME")]
        staff: Vec<String>,
        /// The status they start with [default: invited]
        #[arg(long)]
        status: Option<String>,
        /// Their role [default: attendee, for staff: staff]
        #[arg(long)]
        role: Option<String>,
        /// Only tell what would leave
        #[arg(long)]
        dry_run: bool,
    },
}

/// Carries out a verb.
pub fn participation(session: &mut Session<'_>, verb: ParticipationVerb) -> Result<(), CliError> {
    match verb {
        ParticipationVerb::Record(verb) => record::record(session, Kind::Participation, verb),
        ParticipationVerb::Add { event, customers, staff, status, role, dry_run } => {
            let order = AddParticipations { customers, staff, status, role, dry_run };
            add(session, &event, order)
        }
    }
}

fn add(session: &mut Session<'_>, event: &str, order: AddParticipations) -> Result<(), CliError> {
    let client = session.client()?;
    let path = format!("/events/{}/participations", encoded(event));
    let rehearsal = AddParticipations { dry_run: true, ..order.clone() };
    if order.dry_run {
        let leaving: Leaving = client.post(&path, &rehearsal)?;
        return session.print_leaving(&leaving);
    }
    if !session.globals.yes {
        let leaving: Leaving = client.post(&path, &rehearsal)?;
        session.let_leave(&leaving)?;
    }
    let added: Participations = client.post(&path, &order)?;
    let placed = added.participations.len();
    if placed == 0 && !added.held_back.is_empty() {
        session.note(&held_back(&added.held_back));
        return Err(CliError::AllHeldBack { held_back: added.held_back.len() });
    }
    session.print(&added, |added| {
        let mut text = format!("Added {}.\n", count(placed as u64, "participation"));
        for one in &added.participations {
            text += &format!("  {}\n", one.id);
        }
        text + &held_back(&added.held_back)
    })
}
