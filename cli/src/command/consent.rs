//! `customer consent`: who agreed to what.

use clap::{Args, Subcommand};
use entente_node::api::address::encoded;
use entente_node::api::customer::{
    Consent, Consented, GiveConsent, GiveConsentToMany, WithdrawConsent,
};
use entente_node::api::share::Leaving;

use crate::error::CliError;
use crate::output::{EMPTY, count, moment, short};
use crate::progress;
use crate::session::Session;
use crate::table::Table;

/// Who agreed to what: note it, take it back, show it
#[derive(Debug, Args)]
#[command(override_usage = "entente customer consent <ID> give|withdraw|show …\n       \
                            entente customer consent --where FIELD=VALUE give …")]
pub struct ConsentArgs {
    /// The customer
    #[arg(required_unless_present = "selector")]
    id: Option<String>,
    /// Every own customer that fits, instead of one
    #[arg(long = "where", value_name = "FIELD=VALUE", conflicts_with = "id")]
    selector: Option<String>,
    #[command(subcommand)]
    verb: ConsentVerb,
}

#[derive(Debug, Subcommand)]
enum ConsentVerb {
    /// Note that they agreed
    Give {
        /// To what: the purpose of a share
        #[arg(long, value_name = "TEXT")]
        purpose: String,
        /// Partners, with commas between, or `all`
        #[arg(long, default_value = "all", value_name = "all|P,…", value_delimiter = ',')]
        scope: Vec<String>,
        /// Until when: a day, a time, or a duration
        #[arg(long, value_name = "DATE")]
        expires: Option<String>,
        /// Where this can be looked up; never leaves the node
        #[arg(long, value_name = "TEXT")]
        evidence: Option<String>,
        /// The legal ground [default: consent]
        #[arg(long, value_name = "TEXT")]
        basis: Option<String>,
    },
    /// Note that they no longer agree
    Withdraw {
        /// To what [default: everything]
        #[arg(long, value_name = "TEXT")]
        purpose: Option<String>,
        /// Partners, with commas between [default: all of them]
        #[arg(long, value_name = "P,…", value_delimiter = ',')]
        scope: Vec<String>,
        /// Only tell who would lose what
        #[arg(long)]
        dry_run: bool,
    },
    /// What they agreed to
    Show,
}

/// Carries out a verb.
pub fn consent(session: &mut Session<'_>, args: ConsentArgs) -> Result<(), CliError> {
    let client = session.client()?;
    let at = |id: &str| format!("/customers/{}/consent", encoded(id));
    let one_only = || CliError::Usage {
        code: "one_customer",
        message: "only `give` works for many customers at once".into(),
        hint: Some("name one customer by its id".into()),
    };
    match args.verb {
        ConsentVerb::Give { purpose, mut scope, expires, evidence, basis } => {
            scope.retain(|name| name != "all");
            let consent = GiveConsent { purpose, scope, expires, evidence, basis };
            if let Some(selector) = args.selector {
                let order = GiveConsentToMany { selector, consent };
                let bar = progress::bar("noting consent");
                let given: Consented = client.work("/customers/consent", &order, bar)?;
                return session.print(&given, |given| {
                    let noted = count(given.changed, "customer");
                    format!("Noted for {noted}; {} had it already.\n", given.unchanged)
                });
            }
            let consents: Vec<Consent> =
                client.post(&at(&args.id.unwrap_or_default()), &consent)?;
            session.print(&consents, |consents| list(consents))
        }
        ConsentVerb::Withdraw { purpose, scope, dry_run } => {
            let id = args.id.ok_or_else(one_only)?;
            let path = format!("{}/withdraw", at(&id));
            let order = WithdrawConsent { purpose, scope, dry_run };
            if dry_run {
                let leaving: Leaving = client.post(&path, &order)?;
                return session.print_leaving(&leaving);
            }
            let consents: Vec<Consent> = client.post(&path, &order)?;
            session.print(&consents, |consents| list(consents))
        }
        ConsentVerb::Show => {
            let id = args.id.ok_or_else(one_only)?;
            let consents: Vec<Consent> = client.get(&at(&id))?;
            session.print(&consents, |consents| list(consents))
        }
    }
}

fn list(consents: &[Consent]) -> String {
    let mut table =
        Table::new(["PURPOSE", "STATUS", "BASIS", "SINCE", "UNTIL", "PARTNERS", "EVIDENCE"]);
    for one in consents {
        let scope: Vec<String> = one.scope.iter().map(|org| short(org)).collect();
        let text = |text: &Option<String>| text.clone().unwrap_or_else(|| EMPTY.into());
        table.row([
            one.purpose.clone().unwrap_or_else(|| "everything".into()),
            one.status.clone(),
            text(&one.basis),
            one.at.as_deref().map_or(EMPTY.into(), |at| moment(Some(at))),
            one.expires.as_deref().map_or(EMPTY.into(), |at| moment(Some(at))),
            if scope.is_empty() { "all".into() } else { scope.join(", ") },
            text(&one.evidence),
        ]);
    }
    table.text_or("No consent yet.")
}
