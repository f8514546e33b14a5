//! `customer`: people and companies, coming in from files, and their consent.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use entente_node::api::customer::{ExportParams, ImportParams, Imported, Rejected};
use entente_protocol::vocabulary::Kind;
use serde_json::json;

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
    Export(ExportArgs),
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

/// Write your customers into a file; what a file holds cannot be taken back
///
/// Each is noted: `customer disclosures` lists the files it is in. Cells that a spreadsheet would take
/// for a formula begin with an apostrophe.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The format
    #[arg(long, default_value = "csv", value_parser = ["csv", "json"])]
    format: String,
    /// Only those that fit
    #[arg(long = "where", value_name = "FIELD=VALUE")]
    selector: Option<String>,
    /// Write it into this file [default: the data channel]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Carries out a verb.
pub fn customer(session: &mut Session<'_>, verb: CustomerVerb) -> Result<(), CliError> {
    match verb {
        CustomerVerb::Record(verb) => record::record(session, Kind::Customer, verb),
        CustomerVerb::Import(args) => import(session, args),
        CustomerVerb::Export(args) => export(session, args),
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

fn export(session: &mut Session<'_>, args: ExportArgs) -> Result<(), CliError> {
    // With --json, the one document is the customers.
    let format = match &args.out {
        None if session.globals.json => "json".to_owned(),
        Some(_) | None => args.format,
    };
    let client = session.client()?;
    let unwritable = |path: &Path, source| {
        let path = path.display().to_string();
        CliError::Unwritable { path, source }
    };
    // What cannot be written is not exported, and nothing is overwritten before all is here.
    let open = |path: &Path| {
        let opened = File::options().create(true).truncate(false).write(true).open(path);
        opened.map_err(|source| unwritable(path, source))
    };
    let file = args.out.as_deref().map(open).transpose()?;
    let params = ExportParams { format, selector: args.selector };
    let document = client.download("/customers/export", &params)?;
    match (file, args.out) {
        (Some(mut file), Some(path)) => {
            let written = file.set_len(0).and_then(|()| file.write_all(&document));
            written.map_err(|source| unwritable(&path, source))?;
            let shown = path.display().to_string();
            session.print(&json!({"file": shown}), |_| format!("Written: {shown}\n"))
        }
        (_, _) if session.globals.json => session.write(&[&document[..], b"\n"].concat()),
        (_, _) => session.write(&document),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, CliError> {
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
