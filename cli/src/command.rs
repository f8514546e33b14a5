//! The verbs of the command line, and the way from arguments to an exit code.

mod audit;
mod backup;
mod consent;
mod customer;
mod disclosures;
mod doctor;
mod ending;
mod erasure;
mod event;
mod fields;
mod grant;
mod inbox;
mod init;
mod node;
mod open;
mod participation;
mod partner;
mod policy;
mod record;
pub mod run;
mod seeing;
mod settings;
mod share;
mod status;
mod store;

use std::ffi::OsString;
use std::io::Write;

use clap::error::ErrorKind as ClapKind;
use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use entente_protocol::vocabulary::Kind;

use crate::demo::{self, DemoArgs};
use crate::error::{CliError, document};
use crate::session::{Globals, Session};

const USAGE_EXIT: u8 = 2;
const AFTER: &str = "\
Ids may be cut to any unique beginning; partners also go by alias, shares by name.
Exit codes: 0 done, 1 cannot be met, 2 wrong usage, 3 node not reachable, 4 refused by a
permission or a missing consent, 70 a fault of this program.";

/// Run an event together without giving customer lists away
#[derive(Debug, Parser)]
#[command(name = "entente", version, after_help = AFTER, arg_required_else_help = true)]
pub struct Cli {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Init(init::InitArgs),
    Run(run::RunArgs),
    /// How the node stands
    Status,
    Wait(status::WaitArgs),
    /// What waits for you, each with the command that settles it
    Inbox {
        #[command(subcommand)]
        verb: Option<inbox::InboxVerb>,
    },
    Fields(fields::FieldsArgs),
    /// Companies this one works with
    #[command(subcommand)]
    Partner(partner::PartnerVerb),
    /// Something that companies run together
    #[command(subcommand)]
    Event(event::EventVerb),
    /// A person or a company
    #[command(subcommand)]
    Customer(customer::CustomerVerb),
    /// One customer or member of staff at one event
    #[command(subcommand)]
    Participation(participation::ParticipationVerb),
    /// A touch: a call, a message, a visit
    #[command(subcommand)]
    Interaction(record::RecordVerb),
    /// What sales does afterwards
    #[command(subcommand)]
    Followup(record::RecordVerb),
    /// What is shared with whom
    #[command(subcommand)]
    Share(share::ShareVerb),
    /// Copy a received record into one's own, where its owner allows that
    Adopt {
        /// The record
        record: String,
    },
    /// What this node has sent and said, line by line
    #[command(subcommand)]
    Audit(audit::AuditVerb),
    /// The company's own nodes
    #[command(subcommand)]
    Node(node::NodeVerb),
    /// The root key of the company
    #[command(subcommand)]
    Key(node::KeyVerb),
    Backup(backup::BackupArgs),
    Restore(backup::RestoreArgs),
    /// What the node keeps on disk
    #[command(subcommand)]
    Store(store::StoreVerb),
    /// Print the link to the node's pages, with the token that lets a browser in
    Open,
    /// The settings in force
    #[command(subcommand)]
    Config(settings::ConfigVerb),
    /// Check keys, clock, ports and store, and say what to do
    Doctor,
    Demo(DemoArgs),
    /// Print a script that completes commands in a shell
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// Carries out a command line; the exit code.
pub fn main(
    words: impl IntoIterator<Item = OsString>,
    out: &mut dyn Write,
    err: &mut dyn Write,
    asks: bool,
) -> u8 {
    let words: Vec<OsString> = words.into_iter().collect();
    // The grammar may fail before it has seen this one.
    let json = words.iter().skip(1).take_while(|word| *word != "--").any(|word| word == "--json");
    let cli = match Cli::try_parse_from(&words) {
        Ok(cli) => cli,
        Err(error) => return wrong_usage(&error, json, out, err),
    };
    let mut session = Session { globals: cli.globals, out, err, asks };
    match carry_out(cli.verb, &mut session) {
        Ok(()) => 0,
        Err(error) => {
            session.note(&error.text());
            if session.globals.json {
                let document = format!("{}\n", error.json());
                // There is no one left to tell if this fails.
                let _ = session.write(document.as_bytes());
            }
            error.exit()
        }
    }
}

fn carry_out(verb: Verb, session: &mut Session<'_>) -> Result<(), CliError> {
    match verb {
        Verb::Init(args) => init::init(session, &args),
        Verb::Run(args) => run::run(session, args),
        Verb::Status => status::status(session),
        Verb::Wait(args) => status::wait(session, &args),
        Verb::Inbox { verb } => inbox::inbox(session, verb),
        Verb::Fields(args) => fields::fields(session, &args),
        Verb::Partner(verb) => partner::partner(session, verb),
        Verb::Event(verb) => event::event(session, verb),
        Verb::Customer(verb) => customer::customer(session, verb),
        Verb::Participation(verb) => participation::participation(session, verb),
        Verb::Interaction(verb) => record::record(session, Kind::Interaction, verb),
        Verb::Followup(verb) => record::record(session, Kind::Followup, verb),
        Verb::Share(verb) => share::share(session, verb),
        Verb::Adopt { record } => record::adopt(session, &record),
        Verb::Audit(verb) => audit::audit(session, verb),
        Verb::Node(verb) => node::node(session, verb),
        Verb::Key(verb) => node::key(session, verb),
        Verb::Backup(args) => backup::backup(session, &args),
        Verb::Restore(args) => backup::restore(session, &args),
        Verb::Store(verb) => store::store(session, &verb),
        Verb::Open => open::open(session),
        Verb::Config(verb) => settings::config(session, &verb),
        Verb::Doctor => doctor::doctor(session),
        Verb::Demo(args) => demo::run(session, args),
        Verb::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "entente", &mut script);
            session.write(&script)
        }
    }
}

/// What the grammar has to say: help on the data channel, errors on the other.
fn wrong_usage(error: &clap::Error, json: bool, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    let text = error.render();
    match error.kind() {
        ClapKind::DisplayHelp | ClapKind::DisplayVersion => {
            // Somebody who stops reading the help is no fault.
            let _ = write!(out, "{text}");
            0
        }
        _ => {
            let text = text.to_string();
            let _ = write!(err, "{text}");
            if json {
                let first = text.lines().next().unwrap_or_default();
                let message = first.strip_prefix("error: ").unwrap_or(first);
                let hint = text.lines().find_map(|line| line.trim().strip_prefix("tip: "));
                let hint = hint.or(Some("see `entente help`"));
                let _ = writeln!(out, "{}", document("usage", message, hint));
            }
            USAGE_EXIT
        }
    }
}
