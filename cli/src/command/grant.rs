//! `share grant` and what belongs to it: who may do what, how that ends, what it comes to.

use clap::Args;
use entente_node::api::grant::{
    Access, Grant, GrantState, Granted, NewGrant, Revoke, Revoked, Right, ShareWith, SharedWith,
};
use entente_node::api::share::Leaving;
use entente_protocol::vocabulary::Kind;

use super::share::at;
use crate::error::CliError;
use crate::kinds;
use crate::output::{EMPTY, moment, pass_on, short};
use crate::session::Session;
use crate::table::Table;

/// Let a partner see fields, edit them, or add records of its own
#[derive(Debug, Args)]
pub struct GrantArgs {
    /// The share
    share: String,
    /// The partner
    partner: String,
    /// The kind of record
    #[arg(
        long,
        value_parser = kinds::kind(),
        requires = "fields",
        required_unless_present = "contribute"
    )]
    kind: Option<Kind>,
    /// The fields, one by one, with commas between
    #[arg(long, value_delimiter = ',', value_name = "FIELD,…", requires = "kind")]
    fields: Vec<String>,
    /// Kinds of which the partner may add records, with commas between
    #[arg(
        long,
        value_parser = kinds::kind(),
        value_delimiter = ',',
        value_name = "KIND,…",
        conflicts_with_all = ["kind", "fields", "selector", "keep", "can", "with_history", "section"]
    )]
    contribute: Vec<Kind>,
    /// See, or see and edit
    #[arg(long, default_value = "read", value_parser = kinds::access())]
    can: Access,
    /// Only for records that fit; the condition stays at home
    #[arg(long = "where", value_name = "FIELD=VALUE")]
    selector: Option<String>,
    /// May keep a copy
    #[arg(long)]
    keep: bool,
    /// How often it may be passed on
    #[arg(long, default_value_t = 0, value_name = "N")]
    depth: u8,
    /// When it ends: a day, a time, or a duration
    #[arg(long, value_name = "DATE")]
    expires: Option<String>,
    /// Whose part of the share; another's means passing on what was granted to you there
    #[arg(long, value_name = "ORG")]
    section: Option<String>,
    /// Show values from before the grant as well
    #[arg(long)]
    with_history: bool,
    /// Only tell what would leave
    #[arg(long)]
    dry_run: bool,
}

/// Share an event with a partner in one step: your own, or what you show back of one you received
#[derive(Debug, Args)]
pub struct WithArgs {
    /// The partner
    partner: String,
    /// The event
    #[arg(long)]
    event: String,
    /// Which fields and rights: see `entente share presets`
    #[arg(long, default_value = "agency")]
    preset: String,
    /// Only tell what would leave
    #[arg(long)]
    dry_run: bool,
}

/// End grants at once
#[derive(Debug, Args)]
pub struct RevokeArgs {
    /// The share
    share: String,
    /// The grants
    #[arg(required_unless_present = "partner", conflicts_with = "partner")]
    grants: Vec<String>,
    /// Every grant to this partner instead
    #[arg(long)]
    partner: Option<String>,
    /// Why; it stays with you
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Only tell who would lose what
    #[arg(long)]
    dry_run: bool,
}

/// Grants, after showing what would leave.
pub fn grant(session: &mut Session<'_>, args: GrantArgs) -> Result<(), CliError> {
    let client = session.client()?;
    let dry_run = args.dry_run;
    let path = at(&args.share, "/grants");
    let order = NewGrant {
        partner: args.partner,
        kind: args.kind,
        fields: args.fields,
        contribute: args.contribute,
        can: args.can,
        selector: args.selector,
        keep: args.keep,
        depth: args.depth,
        expires: args.expires,
        section: args.section,
        with_history: args.with_history,
    };
    if dry_run || !session.globals.yes {
        let leaving: Leaving = client.post(&format!("{path}/preview"), &order)?;
        if dry_run {
            return session.print_leaving(&leaving);
        }
        session.let_leave(&leaving)?;
    }
    let granted: Granted = client.post(&path, &order)?;
    print(session, &granted)
}

/// Grants an event by a preset, after showing what would leave.
pub fn with(session: &mut Session<'_>, args: WithArgs) -> Result<(), CliError> {
    let client = session.client()?;
    let WithArgs { partner, event, preset, dry_run } = args;
    let order = ShareWith { partner, event, preset, dry_run: false };
    if dry_run || !session.globals.yes {
        let rehearsal = ShareWith { dry_run: true, ..order.clone() };
        let leaving: Leaving = client.post("/shares/with", &rehearsal)?;
        if dry_run {
            return session.print_leaving(&leaving);
        }
        session.let_leave(&leaving)?;
    }
    let shared: SharedWith = client.post("/shares/with", &order)?;
    session.print(&shared, |shared| {
        let opened = if shared.opened { "opened" } else { "found" };
        let mut text = format!("{} ({opened}): {}\n", shared.name, shared.share);
        for granted in &shared.grants {
            let waiting = granted.waiting.as_deref().map(|why| format!(" ({why})"));
            text += &format!("  {}{}\n", granted.grant, waiting.unwrap_or_default());
        }
        for note in &shared.notes {
            text += &format!("{note}\n");
        }
        text
    })
}

fn print(session: &mut Session<'_>, granted: &Granted) -> Result<(), CliError> {
    for warning in &granted.warnings {
        session.note(&format!("warning: {warning}"));
    }
    session.print(granted, |granted| match &granted.waiting {
        Some(waiting) => format!("{} ({waiting})\n", granted.grant),
        None => format!("{}\n", granted.grant),
    })
}

/// Ends grants.
pub fn revoke(session: &mut Session<'_>, args: RevokeArgs) -> Result<(), CliError> {
    let RevokeArgs { share, grants, partner, reason, dry_run } = args;
    let order = Revoke { grants, partner, reason, dry_run };
    let path = at(&share, "/revoke");
    if dry_run {
        let leaving: Leaving = session.client()?.post(&path, &order)?;
        return session.print_leaving(&leaving);
    }
    let revoked: Revoked = session.client()?.post(&path, &order)?;
    session.print(&revoked, |done| match done.revoked.is_empty() {
        true => "Nothing is granted to it in this share.\n".to_owned(),
        false => done.revoked.iter().map(|id| format!("{id}\n")).collect(),
    })
}

/// Grants as a table.
pub fn list(grants: &[Grant]) -> String {
    let mut table =
        Table::new(["FROM", "TO", "OF", "WHAT", "MAY", "PASS ON", "ENDS", "STATE", "ID"]);
    for grant in grants {
        let what = match grant.kind {
            Some(kind) => format!("{kind}: {}", grant.fields.join(", ")),
            None => {
                grant.contribute.iter().map(|kind| kind.plural()).collect::<Vec<_>>().join(", ")
            }
        };
        let rights = grant.rights.iter().map(|right| match right {
            Right::Read => "see",
            Right::Edit => "edit",
            Right::Contribute => "add",
            Right::Keep => "keep",
        });
        table.row([
            grant.from.name.clone(),
            grant.to.name.clone(),
            format!("{}'s part", grant.section.name),
            what,
            rights.collect::<Vec<_>>().join(", "),
            pass_on(grant.depth),
            grant.expires_at.as_deref().map_or(EMPTY.to_owned(), |at| moment(Some(at))),
            match grant.state {
                GrantState::Active => "active",
                GrantState::Waiting => grant.waiting.as_deref().unwrap_or("waiting"),
                GrantState::Revoked => "revoked",
                GrantState::Expired => "expired",
            }
            .to_owned(),
            short(&grant.id),
        ]);
    }
    table.text_or("Nobody has been granted anything.")
}
