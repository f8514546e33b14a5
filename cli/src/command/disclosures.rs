//! `customer disclosures`: who was given what of a customer, as a table, or as a document.

use std::io::Read;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use entente_node::api::address::{encoded, query};
use entente_node::api::audit::{Disclosure, DisclosureParams, Way};
use serde_json::json;

use crate::error::CliError;
use crate::output::{EMPTY, names};
use crate::session::Session;
use crate::table::Table;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Html,
    Csv,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Language {
    En,
    Zh,
}

/// Who was given what of a customer, also of one that was erased
#[derive(Debug, Args)]
pub struct DisclosuresArgs {
    /// The customer
    id: String,
    /// A page to hand to the customer, or a table for programs
    #[arg(long)]
    format: Option<Format>,
    /// The language of the page
    #[arg(long, requires = "format", default_value = "en")]
    lang: Language,
    /// Write it into this file
    #[arg(long, requires = "format", value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Carries out the verb.
pub fn disclosures(session: &mut Session<'_>, args: DisclosuresArgs) -> Result<(), CliError> {
    let path = format!("/customers/{}/disclosures", encoded(&args.id));
    let client = session.client()?;
    let Some(format) = args.format.filter(|_| args.out.is_some() || !session.globals.json) else {
        let items: Vec<Disclosure> = client.get(&path)?;
        return session.print(&items, |items| table(items));
    };
    let format = match format {
        Format::Html => "html",
        Format::Csv => "csv",
    };
    let lang = match args.lang {
        Language::En => "en",
        Language::Zh => "zh",
    };
    let params = DisclosureParams { format: Some(format.into()), lang: Some(lang.into()) };
    let mut document = Vec::new();
    let mut answer = client.stream(&format!("{path}?{}", query(&params)))?;
    answer.read_to_end(&mut document).map_err(CliError::Answer)?;
    match args.out {
        None => session.write(&document),
        Some(file) => {
            let shown = file.display().to_string();
            std::fs::write(&file, &document)
                .map_err(|source| CliError::Unwritable { path: shown.clone(), source })?;
            session.print(&json!({"file": shown}), |_| format!("Written: {shown}\n"))
        }
    }
}

fn table(items: &[Disclosure]) -> String {
    let mut table =
        Table::new(["COMPANY", "FOR", "FIELDS", "FIRST", "LAST", "HOW", "PASSED ON BY"]);
    for item in items {
        let some = |text: &Option<String>| text.clone().unwrap_or_else(|| EMPTY.to_owned());
        let day = |at: &Option<String>| {
            at.as_deref().map_or(EMPTY.to_owned(), |at| crate::output::moment(Some(at)))
        };
        table.row([
            some(&item.name),
            some(&item.purpose),
            item.fields.join(", "),
            day(&item.first_at),
            day(&item.last_at),
            how(item),
            names(&item.via),
        ]);
    }
    table.text_or("Nobody was given anything of this customer.")
}

fn how(item: &Disclosure) -> String {
    match item.way {
        Way::Sent => "sent from here".to_owned(),
        Way::Reported => {
            format!("its node reports that it holds it; carried by {}", names(&item.carriers))
        }
        Way::Possible => format!("perhaps, through {}", names(&item.carriers)),
        Way::NotYet => "allowed, not sent yet".to_owned(),
        Way::Exported => {
            format!("written into a file ({})", item.format.as_deref().unwrap_or(EMPTY))
        }
    }
}
