//! `partner`: companies this one works with.

use clap::Subcommand;
use entente_node::api::Done;
use entente_node::api::address::encoded;
use entente_node::api::partner::{Accepted, Alias, Invite, NewInvite, Partner, PartnerState, Ping};
use entente_node::api::share::Leaving;
use serde_json::json;

use crate::error::CliError;
use crate::leaving::words;
use crate::output::{EMPTY, moment, short};
use crate::session::Session;
use crate::table::Table;

#[derive(Debug, Subcommand)]
pub enum PartnerVerb {
    /// Make an invite: one line, good once, to be sent to one company
    Invite {
        /// How long it is good for
        #[arg(long, default_value = "7d", value_name = "DURATION")]
        expires: String,
        /// Nothing works before this side has confirmed the pairing
        #[arg(long)]
        confirm_first: bool,
    },
    /// Accept an invite
    Accept {
        /// The line, `entente1…`
        line: String,
    },
    /// Every partner
    List,
    /// One partner
    Show {
        /// The partner
        partner: String,
    },
    /// Note that both sides read out the same verification code
    Confirm {
        /// The partner
        partner: String,
    },
    /// Exchange nothing for now
    Pause {
        /// The partner
        partner: String,
    },
    /// Exchange again
    Resume {
        /// The partner
        partner: String,
    },
    /// End the partnership
    Remove {
        /// The partner
        partner: String,
        /// Only tell who would lose what
        #[arg(long)]
        dry_run: bool,
    },
    /// Call a partner by another name here
    Alias {
        /// The partner
        partner: String,
        /// The name
        name: String,
    },
    /// Measure the way to a partner and back; takes a few seconds
    Ping {
        /// The partner
        partner: String,
    },
}

/// Carries out a verb.
pub fn partner(session: &mut Session<'_>, verb: PartnerVerb) -> Result<(), CliError> {
    let client = session.client()?;
    let at = |partner: &str| format!("/partners/{}", encoded(partner));
    match verb {
        PartnerVerb::Invite { expires, confirm_first } => {
            let order = NewInvite { expires: Some(expires), confirm_first };
            let invite: Invite = client.post("/partners/invite", &order)?;
            session.note("Send this line to one company, by a way you trust. It is good once:");
            session.print(&invite, |invite| format!("{}\n", invite.invite))
        }
        PartnerVerb::Accept { line } => {
            let accepted: Accepted = client.post("/partners/accept", &Invite { invite: line })?;
            session.print(&accepted, |accepted| {
                let Accepted { partner, code } = accepted;
                format!(
                    "Paired with {} ({}).\n\nVerification code: {code}\n\
                     Call them and compare it, then: entente partner confirm {}\n",
                    partner.name,
                    short(&partner.org),
                    partner.alias
                )
            })
        }
        PartnerVerb::List => {
            let partners: Vec<Partner> = client.get("/partners")?;
            session.print(&partners, |partners| list(partners))
        }
        PartnerVerb::Show { partner } => {
            let partner: Partner = client.get(&at(&partner))?;
            session.print(&partner, show)
        }
        PartnerVerb::Confirm { partner } => act(session, &at(&partner), "confirm"),
        PartnerVerb::Pause { partner } => act(session, &at(&partner), "pause"),
        PartnerVerb::Resume { partner } => act(session, &at(&partner), "resume"),
        PartnerVerb::Remove { partner, dry_run } => {
            if dry_run || !session.globals.yes {
                let leaving: Leaving = client.get(&format!("{}/remove/preview", at(&partner)))?;
                if dry_run {
                    return session.print_leaving(&leaving);
                }
                session.note(&words(&leaving));
            }
            session.ask(&format!("End the partnership with {partner}?"))?;
            let done: Done = client.delete(&at(&partner))?;
            session.print(&done, |_| format!("{partner} is no partner any more.\n"))
        }
        PartnerVerb::Alias { partner, name } => {
            let path = format!("{}/alias", at(&partner));
            let partner: Partner = client.put(&path, &Alias { alias: name })?;
            session.print(&partner, show)
        }
        PartnerVerb::Ping { partner } => {
            let ping: Ping = client.post(&format!("{}/ping", at(&partner)), &json!({}))?;
            session.print(&ping, |ping| {
                let since = moment(Some(&ping.connected_since));
                let Ping { partner, round_trip_ms, .. } = ping;
                format!("{}: {round_trip_ms} ms, connected since {since}\n", partner.name)
            })
        }
    }
}

fn act(session: &mut Session<'_>, path: &str, verb: &str) -> Result<(), CliError> {
    let partner: Partner = session.client()?.post(&format!("{path}/{verb}"), &json!({}))?;
    session.print(&partner, show)
}

fn list(partners: &[Partner]) -> String {
    let mut table =
        Table::new(["ALIAS", "NAME", "STATE", "CODE", "CONNECTED", "LAST IN STEP", "ID"]);
    for partner in partners {
        table.row([
            partner.alias.clone(),
            partner.name.clone(),
            state(partner),
            code(partner),
            if partner.connected { "yes" } else { "no" }.into(),
            moment(partner.last_sync.as_deref()),
            short(&partner.org),
        ]);
    }
    table.text_or("No partners yet. `entente partner invite` makes an invite.")
}

fn show(partner: &Partner) -> String {
    format!(
        "name          {}\nalias         {}\nid            {}\nstate         {}\n\
         code          {}\nconnected     {}\nlast in step  {}\n",
        partner.name,
        partner.alias,
        partner.org,
        state(partner),
        code(partner),
        if partner.connected { "yes" } else { "no" },
        moment(partner.last_sync.as_deref()),
    )
}

fn state(partner: &Partner) -> String {
    match (partner.state, &partner.met_through) {
        (PartnerState::Paired, _) => "paired".into(),
        (PartnerState::Pending, _) => "waiting for a confirmation".into(),
        (PartnerState::Paused, _) => "paused".into(),
        (PartnerState::Removed, _) => "no partner any more".into(),
        (PartnerState::Introduced, Some(org)) => format!("met through {}", org.name),
        (PartnerState::Introduced, None) => "met through a share".into(),
    }
}

fn code(partner: &Partner) -> String {
    match (&partner.code, partner.confirmed) {
        (None, _) => EMPTY.into(),
        (Some(code), true) => format!("{code} (compared)"),
        (Some(code), false) => format!("{code} (not compared)"),
    }
}
