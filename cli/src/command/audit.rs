//! `audit`: what this node has sent and said, and whether that account of it is whole.

use clap::Subcommand;
use entente_node::api::audit::{AuditLine, AuditParams, Verified, VerifyParams};
use entente_node::start;
use entente_protocol::audit::Head;

use crate::client::Paged;
use crate::error::CliError;
use crate::output::{EMPTY, moment};
use crate::session::Session;
use crate::table::Table;

#[derive(Debug, Subcommand)]
pub enum AuditVerb {
    /// What was sent to partners and said in this company's name, newest first
    Log {
        /// Only what concerns this partner
        #[arg(long)]
        partner: Option<String>,
        /// At most so many
        #[arg(long, default_value_t = entente_node::api::DEFAULT_LIMIT)]
        limit: usize,
        /// Go on where the page before ended
        #[arg(long)]
        cursor: Option<String>,
    },
    /// Recompute it: finds what was changed, moved, removed or cut off
    ///
    /// Prints the number of lines and the hash of the last. Note it outside this machine: whoever
    /// can write the node's files could shorten the log or write it anew together with its end,
    /// and only a noted line tells. Works with and without a running node.
    Verify {
        /// What an earlier `audit verify` printed: it must still fit
        #[arg(long, value_name = "LINES:HASH")]
        noted: Option<Head>,
    },
}

/// Carries out a verb.
pub fn audit(session: &mut Session<'_>, verb: AuditVerb) -> Result<(), CliError> {
    match verb {
        AuditVerb::Log { partner, limit, cursor } => {
            let params = AuditParams { partner, limit: Some(limit), cursor };
            let Paged { page, next } =
                session.client()?.find::<Vec<AuditLine>>("/audit", &params)?;
            session.print(&page, |lines| table(lines))?;
            if let Some(cursor) = next {
                session.note(&format!("More: --cursor {cursor}"));
            }
            Ok(())
        }
        AuditVerb::Verify { noted } => {
            let verified = verify(session, noted.as_ref())?;
            session.print(&verified, |verified| {
                format!(
                    "The audit log is whole: {} lines.\nNote this outside this machine: {}\n",
                    verified.lines, verified.head
                )
            })
        }
    }
}

/// Recomputes the log: the running node does it, else this process.
pub fn verify(session: &Session<'_>, noted: Option<&Head>) -> Result<Verified, CliError> {
    let params = VerifyParams { noted: noted.map(Head::to_string) };
    let asked =
        session.client().and_then(|client| client.find::<Verified>("/audit/verify", &params));
    match asked {
        Ok(Paged { page, .. }) => Ok(page),
        Err(CliError::Unreachable { .. }) => {
            let head =
                start::verify_audit(&session.directory()?, noted)?.map_err(CliError::Audit)?;
            Ok(Verified { lines: head.count, head: head.to_string() })
        }
        Err(error) => Err(error),
    }
}

fn table(lines: &[AuditLine]) -> String {
    let mut table = Table::new(["LINE", "WHEN", "PARTNER", "WHAT"]);
    for line in lines {
        table.row([
            line.number.to_string(),
            moment(Some(&line.at)),
            line.partner.as_ref().map_or(EMPTY.to_owned(), |org| org.name.clone()),
            line.text.clone(),
        ]);
    }
    table.text_or("Nothing yet.")
}
