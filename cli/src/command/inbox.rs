//! `inbox`: what waits for a person, and with which command it is settled.

use clap::Subcommand;
use entente_node::api::inbox::{Dismiss, Dismissed, InboxLine};

use crate::error::CliError;
use crate::output::count;
use crate::session::Session;

#[derive(Debug, Subcommand)]
pub enum InboxVerb {
    /// Forget changes that a partner did not take, or be reminded of an offer no more
    Dismiss {
        /// The record or the share, as the inbox names it
        #[arg(value_name = "RECORD|SHARE")]
        record: String,
        /// Only the change of this field
        field: Option<String>,
    },
}

/// Shows the inbox, or settles something in it.
pub fn inbox(session: &mut Session<'_>, verb: Option<InboxVerb>) -> Result<(), CliError> {
    let client = session.client()?;
    match verb {
        None => {
            let lines: Vec<InboxLine> = client.get("/inbox")?;
            session.print(&lines, |lines| show(lines))
        }
        Some(InboxVerb::Dismiss { record, field }) => {
            let done: Dismissed = client.post("/inbox/dismiss", &Dismiss { record, field })?;
            session.print(&done, |done| format!("Dismissed {}.\n", count(done.dismissed, "line")))
        }
    }
}

fn show(lines: &[InboxLine]) -> String {
    if lines.is_empty() {
        return "Nothing waits for you.\n".to_owned();
    }
    lines.iter().map(|line| format!("{}\n    {}\n", line.text, line.verb)).collect()
}
