//! `share policy`, `config`, `approve`, `presets` and `missing`: the rules of a share as a whole.

use clap::{Args, Subcommand};
use entente_node::api::grant::{Approve, Approved, PolicyChange, PolicyText, Preset, ShareConfig};
use entente_node::api::share::{Leaving, MissingField};
use entente_node::policy::Reshare;
use serde_json::json;

use super::share::at;
use crate::error::CliError;
use crate::leaving;
use crate::output::count;
use crate::session::Session;
use crate::table::Table;

#[derive(Debug, Subcommand)]
pub enum PolicyVerb {
    /// Write your rules of a share as TOML
    Export {
        /// The share
        share: String,
        /// Where to [default: the data channel]
        file: Option<String>,
    },
    /// Check a file of rules: every fault with its line
    Validate {
        /// The file
        file: String,
    },
    Diff(DiffArgs),
    /// Make the rules those of a file: all of it or nothing
    Apply {
        /// The file
        file: String,
        /// Only tell what would change
        #[arg(long)]
        dry_run: bool,
    },
}

/// What a file of rules would change: who would see more, who less, and what it costs
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// The file
    file: String,
}

/// Let in what partners passed on and that waits for your approval
#[derive(Debug, Args)]
pub struct ApproveArgs {
    /// The share
    share: String,
    /// The grants; `entente share show` lists those that wait
    #[arg(required = true)]
    grants: Vec<String>,
    /// Only tell what would leave
    #[arg(long)]
    dry_run: bool,
}

/// Show or change settings of your part of a share
#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// The share
    share: String,
    /// reshare=auto lets in what partners pass on, reshare=ask waits for your approval
    #[arg(value_name = "SETTING=VALUE")]
    settings: Vec<String>,
}

/// Carries out a verb of `policy`.
pub fn policy(session: &mut Session<'_>, verb: PolicyVerb) -> Result<(), CliError> {
    match verb {
        PolicyVerb::Export { share, file } => {
            let text: PolicyText = session.client()?.get(&at(&share, "/policy"))?;
            match file {
                None => session.print(&text, |text| text.policy.clone()),
                Some(path) => {
                    std::fs::write(&path, &text.policy)
                        .map_err(|source| CliError::File { path: path.clone(), source })?;
                    session.print(&json!({ "file": path }), |_| format!("Written to {path}.\n"))
                }
            }
        }
        PolicyVerb::Validate { file } => {
            let change = ask(session, &file)?;
            let grants = change.unchanged + change.add.len() as u64;
            let valid = json!({"valid": true, "share": change.share, "grants": grants});
            session.print(&valid, |_| {
                format!("{file} is valid: {} in {}.\n", count(grants, "grant"), change.name)
            })
        }
        PolicyVerb::Diff(args) => diff(session, &args),
        PolicyVerb::Apply { file, dry_run: true } => diff(session, &DiffArgs { file }),
        PolicyVerb::Apply { file, dry_run: false } => {
            let policy = read(&file)?;
            let change: PolicyChange = send(session, &policy, true)?;
            let nothing =
                change.add.is_empty() && change.end.is_empty() && change.leaving.notes.is_empty();
            if !nothing && !session.globals.yes {
                session.note(&words(&change));
                session.ask("Change the rules?")?;
            }
            let done: PolicyChange = send(session, &policy, false)?;
            session.print(&done, |done| match nothing {
                true => format!("Nothing to change in {}.\n", done.name),
                false => format!(
                    "{}: {} made, {} ended, {} as before.\n",
                    done.name,
                    count(done.add.len() as u64, "grant"),
                    done.end.len(),
                    done.unchanged
                ),
            })
        }
    }
}

/// Tells what a file would change.
pub fn diff(session: &mut Session<'_>, args: &DiffArgs) -> Result<(), CliError> {
    let change = ask(session, &args.file)?;
    session.print(&change, words)
}

fn ask(session: &Session<'_>, file: &str) -> Result<PolicyChange, CliError> {
    send(session, &read(file)?, true)
}

fn read(file: &str) -> Result<String, CliError> {
    std::fs::read_to_string(file).map_err(|source| CliError::File { path: file.to_owned(), source })
}

fn send(session: &Session<'_>, policy: &str, dry_run: bool) -> Result<PolicyChange, CliError> {
    let text = PolicyText { policy: policy.to_owned(), dry_run };
    session.client()?.post("/shares/policy", &text)
}

/// A change of rules in words.
fn words(change: &PolicyChange) -> String {
    let (add, end) = (&change.add, &change.end);
    if add.is_empty() && end.is_empty() && change.leaving.notes.is_empty() {
        return format!("{}: nothing would change.\n", change.name);
    }
    let mut text = format!("{}:\n", change.name);
    for one in end {
        text += &format!("  - {one}\n");
    }
    for one in add {
        text += &format!("  + {one}\n");
    }
    text += "\n";
    text + &leaving::words(&change.leaving)
}

/// Lets in what waits.
pub fn approve(session: &mut Session<'_>, args: ApproveArgs) -> Result<(), CliError> {
    let client = session.client()?;
    let ApproveArgs { share, grants, dry_run } = args;
    let path = at(&share, "/approve");
    if dry_run || !session.globals.yes {
        let rehearsal = Approve { grants: grants.clone(), dry_run: true };
        let leaving: Leaving = client.post(&path, &rehearsal)?;
        if dry_run {
            return session.print_leaving(&leaving);
        }
        session.let_leave(&leaving)?;
    }
    let done: Approved = client.post(&path, &Approve { grants, dry_run: false })?;
    session.print(&done, |done| done.approved.iter().map(|id| format!("{id}\n")).collect())
}

/// Shows or changes the settings of one's part of a share.
pub fn config(session: &mut Session<'_>, args: ConfigArgs) -> Result<(), CliError> {
    let mut order = ShareConfig::default();
    for setting in &args.settings {
        order.reshare = Some(match setting.as_str() {
            "reshare=auto" => Reshare::Auto,
            "reshare=ask" => Reshare::Ask,
            _ => {
                return Err(CliError::Usage {
                    code: "unknown_setting",
                    message: format!("`{setting}` is no setting of a share"),
                    hint: Some("write reshare=auto or reshare=ask".into()),
                });
            }
        });
    }
    let now: ShareConfig = session.client()?.put(&at(&args.share, "/config"), &order)?;
    session.print(&now, |now| match now.reshare {
        Some(Reshare::Ask) => "reshare=ask: what partners pass on waits for your approval\n".into(),
        Some(Reshare::Auto) | None => "reshare=auto: what partners pass on is let in\n".into(),
    })
}

/// Shows the presets, or the text of one.
pub fn presets(session: &mut Session<'_>, name: Option<&str>) -> Result<(), CliError> {
    let presets: Vec<Preset> = session.client()?.get("/presets")?;
    let Some(name) = name else {
        return session.print(&presets, |presets| {
            let mut table = Table::new(["NAME", "FROM", "WHAT FOR"]);
            for preset in presets {
                let from = if preset.built_in { "built in" } else { "presets/" };
                table.row([preset.name.as_str(), from, &preset.about]);
            }
            table.text()
        });
    };
    let Some(preset) = presets.into_iter().find(|preset| preset.name == name) else {
        return Err(CliError::Usage {
            code: "unknown_preset",
            message: format!("there is no preset `{name}`"),
            hint: Some("`entente share presets` shows them".into()),
        });
    };
    session.print(&preset, |preset| preset.text.clone())
}

/// Shows fields that were granted and are not filled everywhere.
pub fn missing(session: &mut Session<'_>, share: &str) -> Result<(), CliError> {
    let missing: Vec<MissingField> = session.client()?.get(&at(share, "/missing"))?;
    session.print(&missing, |missing| {
        let mut table = Table::new(["FROM", "TO", "FIELD", "FILLED", "WHAT IS MISSING"]);
        for one in missing {
            table.row([
                one.from.name.clone(),
                one.to.name.clone(),
                format!("{}.{}", one.kind, one.field),
                format!("{} of {}", one.filled, one.records),
                one.why.clone(),
            ]);
        }
        table.text_or("Nothing: every granted field has a value in every record.")
    })
}
