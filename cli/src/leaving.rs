//! What will leave this node, shown before it does: fields × records × who.

use entente_node::api::erasure::Asked;
use entente_node::api::share::{HeldBack, Leaving};

use crate::error::CliError;
use crate::output::{count, names, pass_on};
use crate::session::Session;
use crate::table::Table;

/// How many held-back records are named one by one.
const NAMED: usize = 5;

impl Session<'_> {
    /// Shows what would leave, and asks if it is the first time.
    pub fn let_leave(&mut self, leaving: &Leaving) -> Result<(), CliError> {
        if !leaving.first {
            return Ok(());
        }
        self.note(&words(leaving));
        self.ask("Let it leave?")
    }

    /// Answers a dry run.
    pub fn print_leaving(&mut self, leaving: &Leaving) -> Result<(), CliError> {
        self.print(leaving, words)
    }
}

/// What would leave, and what would stay.
pub fn words(leaving: &Leaving) -> String {
    let mut text = String::new();
    if leaving.to.is_empty() && leaving.back.is_empty() && leaving.asked.is_empty() {
        text += "Nothing leaves this node by this.\n";
    }
    if !leaving.to.is_empty() {
        text += "This will leave your node:\n\n";
        let mut table = Table::new(["TO", "RECORDS", "FIELDS", "MAY EDIT", "KEEP", "PASS ON"]);
        for to in &leaving.to {
            let yes = |is: bool| if is { "yes" } else { "no" }.to_owned();
            table.row([
                to.org.name.clone(),
                count(to.records, to.kind.name()),
                to.fields.join(", "),
                yes(to.edit),
                yes(to.keep),
                pass_on(to.depth),
            ]);
        }
        text += &table.text();
    }
    if !leaving.back.is_empty() {
        text += if text.is_empty() { "" } else { "\n" };
        text += "This will not be seen any more:\n\n";
        let mut table = Table::new(["BY", "RECORDS", "FIELDS"]);
        for back in &leaving.back {
            let records = count(back.records, back.kind.name());
            table.row([back.org.name.clone(), records, back.fields.join(", ")]);
        }
        text += &table.text();
    }
    if !leaving.asked.is_empty() {
        text += if text.is_empty() { "" } else { "\n" };
        text += &asked(&leaving.asked);
    }
    if let Some(resent) = &leaving.resent {
        let (records, to) = (count(resent.records, "record"), resent.to.len() as u64);
        text += &format!(
            "\nIt will re-send {records} to {} ({}).\n",
            count(to, "partner"),
            names(&resent.to)
        );
    }
    if !leaving.notes.is_empty() {
        text += "\n";
    }
    for note in &leaving.notes {
        text += &format!("{note}\n");
    }
    text + &held_back(&leaving.held_back)
}

/// Who would be asked to erase what it was shown.
pub fn asked(asked: &[Asked]) -> String {
    let mut table = Table::new(["COMPANY", "SHARE"]);
    for one in asked {
        table.row([one.org.name.clone(), one.share.clone()]);
    }
    format!("These will be asked to delete it, with copies and notes:\n\n{}", table.text())
}

/// What stays here, and why: a count for each reason, and the first of them by name.
pub fn held_back(held: &[HeldBack]) -> String {
    if held.is_empty() {
        return String::new();
    }
    let mut reasons: Vec<(&str, Option<&str>)> =
        held.iter().map(|one| (one.reason.as_str(), one.org_name.as_deref())).collect();
    reasons.sort_unstable();
    reasons.dedup();
    let mut text = String::from("\nHeld back:\n");
    for (reason, org) in reasons {
        let those = || {
            held.iter().filter(move |one| one.reason == reason && one.org_name.as_deref() == org)
        };
        let from = org.map(|org| format!(" from {org}")).unwrap_or_default();
        let number = those().count();
        text += &format!("  {}{from}: {reason}\n", count(number as u64, "record"));
        for one in those().take(NAMED) {
            text += &format!("    {}\n", one.record);
        }
        if number > NAMED {
            text += &format!("    … and {} more\n", number - NAMED);
        }
    }
    text
}
