//! `customer`: people and companies, coming in from files, and their consent.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use entente_node::api::customer::{ImportParams, Imported, Rejected};
use entente_protocol::vocabulary::Kind;

use super::consent::{self, ConsentArgs};
use super::disclosures::{self, DisclosuresArgs};
use super::erasure::{self, EraseArgs};
use super::record::{self, RecordVerb};
use crate::error::CliError;
use crate::output::EMPTY;
use crate::progress;
use crate::session::Session;
use crate::table::Table;

#[derive(Debug, Subcommand)]
pub enum CustomerVerb {
    #[command(flatten)]
    Record(RecordVerb),
    Import(ImportArgs),
    Consent(ConsentArgs),
    Erase(EraseArgs),
    /// Who was asked to forget a customer, and who has confirmed it
    Erasures {
        /// The customer, also one that is forgotten here
        id: String,
    },
    Disclosures(DisclosuresArgs),
}

/// Take customers from a file; known ones are updated
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct ImportArgs {
    #[command(subcommand)]
    verb: Option<ImportVerb>,
    /// The file; `-` reads standard input
    #[arg(required = true)]
    file: Option<PathBuf>,
    /// The format: csv, xlsx, json, vcard, ical, wecom, salesforce, hubspot [default: csv]
    #[arg(long)]
    format: Option<String>,
    /// Which column is which field: the name of a mapping, or a file
    #[arg(long, value_name = "NAME|FILE")]
    mapping: Option<String>,
    /// Change nothing; only tell what would happen
    #[arg(long)]
    dry_run: bool,
    /// Note a consent for every row
    #[arg(long, value_name = "BASIS:EVIDENCE")]
    consent: Option<String>,
    /// The purpose of that consent [default: every purpose]
    #[arg(long, value_name = "TEXT", requires = "consent")]
    consent_purpose: Option<String>,
    /// The partners of that consent [default: every partner]
    #[arg(long, value_name = "P,…", requires = "consent")]
    consent_scope: Option<String>,
}

#[derive(Debug, Subcommand)]
enum ImportVerb {
    /// Take back an import
    Undo {
        /// The import, `imp_…`
        import: String,
    },
}

/// Carries out a verb.
pub fn customer(session: &mut Session<'_>, verb: CustomerVerb) -> Result<(), CliError> {
    match verb {
        CustomerVerb::Record(verb) => record::record(session, Kind::Customer, verb),
        CustomerVerb::Import(args) => import(session, args),
        CustomerVerb::Consent(args) => consent::consent(session, args),
        CustomerVerb::Erase(args) => erasure::erase(session, args),
        CustomerVerb::Erasures { id } => erasure::erasures(session, &id),
        CustomerVerb::Disclosures(args) => disclosures::disclosures(session, args),
    }
}

fn import(session: &mut Session<'_>, args: ImportArgs) -> Result<(), CliError> {
    if let Some(ImportVerb::Undo { import: _ }) = args.verb {
        return Err(CliError::NotBuiltYet("customer import undo"));
    }
    let client = session.client()?;
    let file = read(&args.file.unwrap_or_default())?;
    let params = ImportParams {
        format: args.format,
        mapping: args.mapping,
        dry_run: args.dry_run,
        consent: args.consent,
        consent_purpose: args.consent_purpose,
        consent_scope: args.consent_scope,
    };
    let bar = progress::bar("importing");
    let imported: Imported = client.upload("/customers/import", &params, file, bar)?;
    session.print(&imported, |imported| words(imported, params.dry_run))
}

fn read(path: &std::path::Path) -> Result<Vec<u8>, CliError> {
    let read = match path.as_os_str() == "-" {
        true => {
            let mut file = Vec::new();
            std::io::Read::read_to_end(&mut std::io::stdin().lock(), &mut file).map(|_| file)
        }
        false => std::fs::read(path),
    };
    read.map_err(|source| CliError::File { path: path.display().to_string(), source })
}

fn words(imported: &Imported, dry_run: bool) -> String {
    let mut text = String::new();
    if dry_run {
        text += "Nothing was changed; this would happen:\n";
    }
    text += &format!(
        "{} new, {} updated, {} unchanged, {} rejected\n",
        imported.created,
        imported.updated,
        imported.unchanged,
        imported.rejected.len()
    );
    for (title, lines) in [("Rejected", &imported.rejected), ("Kept, but", &imported.warnings)] {
        if !lines.is_empty() {
            text += &format!("\n{title}:\n{}", lines_table(lines));
        }
    }
    text
}

fn lines_table(lines: &[Rejected]) -> String {
    let mut table = Table::new(["LINE", "COLUMN", "WHY"]);
    for one in lines {
        let line = one.line.to_string();
        table.row([line.as_str(), one.column.as_deref().unwrap_or(EMPTY), &one.why]);
    }
    table.text()
}
