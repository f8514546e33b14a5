//! `share`: what is shared with whom.

use clap::{Args, Subcommand};
use entente_node::api::Made;
use entente_node::api::address::encoded;
use entente_node::api::share::{
    Leaving, OpenShare, Place, Placed, Share, ShareLine, ShareState, Withdraw, Withdrawn,
};
use entente_node::policy::Reshare;
use entente_protocol::vocabulary::Kind;

use super::ending;
use super::grant::{self, GrantArgs, RevokeArgs, WithArgs};
use super::policy::{self, ApproveArgs, ConfigArgs, DiffArgs, PolicyVerb};
use super::seeing::{self, ExplainArgs, MatrixArgs, PreviewArgs};
use crate::error::CliError;
use crate::leaving::held_back;
use crate::output::{EMPTY, count, moment, names, short};
use crate::session::Session;
use crate::table::Table;
use crate::{kinds, progress};

#[derive(Debug, Subcommand)]
pub enum ShareVerb {
    /// Open a share that other companies can take part in
    Open {
        /// Its name
        name: String,
        /// The event it is about; placed in your part
        #[arg(long)]
        event: Option<String>,
        /// What it is for; consent is given for a purpose [default: the name]
        #[arg(long, value_name = "TEXT")]
        purpose: Option<String>,
        /// When it ends: a day, a time, or a duration
        #[arg(long, value_name = "DATE")]
        ends: Option<String>,
    },
    /// Every share you take part in or were offered
    List,
    /// One share: who put what into it, and who may do what
    Show {
        /// The share: id or name
        share: String,
        /// Also which fields are seen by the same partners
        #[arg(long)]
        detail: bool,
    },
    /// Close a share that you opened
    Close {
        /// The share
        share: String,
        /// Only tell who would lose what
        #[arg(long)]
        dry_run: bool,
    },
    /// Take everything of yours out of a share
    Leave {
        /// The share
        share: String,
        /// Only tell who would lose what
        #[arg(long)]
        dry_run: bool,
    },
    Add(AddArgs),
    /// Take records out of your part of a share
    Remove {
        /// The share
        share: String,
        /// The records
        #[arg(required = true)]
        records: Vec<String>,
        /// Only tell who would lose what
        #[arg(long)]
        dry_run: bool,
    },
    Grant(GrantArgs),
    With(WithArgs),
    Revoke(RevokeArgs),
    /// Who was asked to delete what, and who has confirmed it
    Receipts {
        /// The share
        share: String,
    },
    Approve(ApproveArgs),
    Config(ConfigArgs),
    Matrix(MatrixArgs),
    Preview(PreviewArgs),
    Explain(ExplainArgs),
    /// Fields that were granted, to you or by you, and are not filled everywhere
    Missing {
        /// The share
        share: String,
    },
    /// Your rules of a share as one file
    #[command(subcommand)]
    Policy(PolicyVerb),
    Diff(DiffArgs),
    /// What companies usually let each other do at an event, for `share with`
    Presets {
        /// Print the text of one, to be copied and changed in presets/ of the data directory
        name: Option<String>,
    },
}

/// Put records into your part of a share
#[derive(Debug, Args)]
pub struct AddArgs {
    /// The share
    share: String,
    /// Own records
    #[arg(required_unless_present = "kind", conflicts_with = "kind")]
    records: Vec<String>,
    /// All own records of this kind instead
    #[arg(long, value_parser = kinds::kind())]
    kind: Option<Kind>,
    /// Only those of the kind that fit
    #[arg(long = "where", value_name = "FIELD=VALUE", requires = "kind")]
    selector: Option<String>,
    /// Keep the selection up to date
    #[arg(long, requires = "kind")]
    live: bool,
    /// Only tell what would leave
    #[arg(long)]
    dry_run: bool,
}

/// Carries out a verb.
pub fn share(session: &mut Session<'_>, verb: ShareVerb) -> Result<(), CliError> {
    let client = session.client()?;
    match verb {
        ShareVerb::Open { name, event, purpose, ends } => {
            let made: Made = client.post("/shares", &OpenShare { name, purpose, ends, event })?;
            session.print(&made, |made| format!("{}\n", made.id))
        }
        ShareVerb::List => {
            let shares: Vec<ShareLine> = client.get("/shares")?;
            session.print(&shares, |shares| list(shares))
        }
        ShareVerb::Show { share, detail } => {
            let share: Share = client.get(&at(&share, ""))?;
            session.print(&share, |share| show(share, detail))
        }
        ShareVerb::Close { share, dry_run } => {
            let question = format!("Close {share} for everyone?");
            ending::end(session, &at(&share, "/close"), dry_run, &question)
        }
        ShareVerb::Leave { share, dry_run } => {
            let question = format!("Take everything of yours out of {share}?");
            ending::end(session, &at(&share, "/leave"), dry_run, &question)
        }
        ShareVerb::Add(args) => add(session, args),
        ShareVerb::Remove { share, records, dry_run } => {
            let path = at(&share, "/records/remove");
            let order = Withdraw { records, dry_run };
            if dry_run {
                let leaving: Leaving = client.post(&path, &order)?;
                return session.print_leaving(&leaving);
            }
            let withdrawn: Withdrawn = client.post(&path, &order)?;
            session
                .print(&withdrawn, |done| format!("Removed {}.\n", count(done.removed, "record")))
        }
        ShareVerb::Grant(args) => grant::grant(session, args),
        ShareVerb::With(args) => grant::with(session, args),
        ShareVerb::Revoke(args) => grant::revoke(session, args),
        ShareVerb::Receipts { share } => ending::receipts(session, &share),
        ShareVerb::Approve(args) => policy::approve(session, args),
        ShareVerb::Config(args) => policy::config(session, args),
        ShareVerb::Missing { share } => policy::missing(session, &share),
        ShareVerb::Policy(verb) => policy::policy(session, verb),
        ShareVerb::Diff(args) => policy::diff(session, &args),
        ShareVerb::Presets { name } => policy::presets(session, name.as_deref()),
        ShareVerb::Matrix(args) => seeing::matrix(session, args),
        ShareVerb::Preview(args) => seeing::preview(session, args),
        ShareVerb::Explain(args) => seeing::explain(session, args),
    }
}

/// The address of a share, or of something of it.
pub fn at(share: &str, rest: &str) -> String {
    format!("/shares/{}{rest}", encoded(share))
}

fn add(session: &mut Session<'_>, args: AddArgs) -> Result<(), CliError> {
    let client = session.client()?;
    let path = at(&args.share, "/records");
    let AddArgs { share: _, records, kind, selector, live, dry_run } = args;
    let order = Place { records, kind, selector, live, dry_run: false };
    let rehearsal = Place { dry_run: true, ..order.clone() };
    if dry_run {
        let leaving: Leaving = client.post(&path, &rehearsal)?;
        return session.print_leaving(&leaving);
    }
    if !session.globals.yes {
        let leaving: Leaving = client.post(&path, &rehearsal)?;
        session.let_leave(&leaving)?;
    }
    let placed: Placed = client.work(&path, &order, progress::bar("sharing"))?;
    if placed.published == 0 && !placed.held_back.is_empty() {
        session.note(&held_back(&placed.held_back));
        return Err(CliError::AllHeldBack { held_back: placed.held_back.len() });
    }
    session.print(&placed, |placed| {
        let text = format!("Placed {}.\n", count(placed.published, "record"));
        text + &held_back(&placed.held_back)
    })
}

fn state(line: &ShareLine) -> String {
    let state = match line.state {
        ShareState::Open => "open",
        ShareState::Offered => "offered",
        ShareState::Ended => "ended",
        ShareState::Closed => "closed",
    };
    match &line.waiting {
        Some(waiting) => format!("{state}, {waiting}"),
        None => state.to_owned(),
    }
}

fn ends(line: &ShareLine) -> String {
    line.ends_at.as_deref().map_or(EMPTY.to_owned(), |at| moment(Some(at)))
}

fn list(shares: &[ShareLine]) -> String {
    let mut table = Table::new(["NAME", "OPENED BY", "STATE", "ENDS", "PURPOSE", "ID"]);
    for share in shares {
        table.row([
            share.name.clone(),
            share.opened_by.name.clone(),
            state(share),
            ends(share),
            share.purpose.clone(),
            short(&share.id),
        ]);
    }
    table.text_or("No shares yet. `entente share open NAME --event EVENT` opens one.")
}

fn show(share: &Share, detail: bool) -> String {
    let line = &share.line;
    let mut text = format!(
        "name       {}\nid         {}\npurpose    {}\nopened by  {}\nends       {}\nstate      {}\n",
        line.name,
        line.id,
        line.purpose,
        line.opened_by.name,
        ends(line),
        state(line)
    );
    for section in share.sections.iter().filter(|_| detail) {
        let groups = count(section.compartments.len() as u64, "group");
        text +=
            &format!("\n{}'s part – fields seen by the same partners, {groups}:\n", section.name);
        let mut table = Table::new(["KIND", "FIELDS", "MAY SEE", "MAY EDIT", "RE-SENT"]);
        for one in &section.compartments {
            table.row([
                one.kind.to_string(),
                one.fields.join(", "),
                names(&one.readers),
                names(&one.editors),
                count(one.epoch, "time"),
            ]);
        }
        text += &table.text_or("  nothing");
    }
    for warning in &share.warnings {
        text += &format!("\nwarning: {warning}\n");
    }
    if share.reshare == Reshare::Ask {
        text += "\nWhat partners pass on of your part waits for your approval.\n";
    }
    text += "\n";
    text + &grant::list(&share.grants)
}
