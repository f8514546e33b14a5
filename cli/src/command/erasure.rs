//! Forgetting a customer, wherever it was shown.

use clap::Args;
use entente_node::api::address::encoded;
use entente_node::api::erasure::{EraseCustomer, Erased, Erasure, Forgetting};
use entente_node::api::receipt::ReceiptState;

use crate::error::CliError;
use crate::leaving::asked;
use crate::output::moment;
use crate::session::Session;
use crate::table::Table;

/// Forget a customer here and wherever it was shown
///
/// Deletes it with your participations, interactions and follow-ups about it, and orders every
/// partner that was ever shown it to do the same. `customer erasures` tells who has confirmed.
#[derive(Debug, Args)]
pub struct EraseArgs {
    /// The customer
    id: String,
    /// Why; it stays with you
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Only tell what would go, and who would be asked
    #[arg(long)]
    dry_run: bool,
}

/// Asks, then forgets.
pub fn erase(session: &mut Session<'_>, args: EraseArgs) -> Result<(), CliError> {
    let client = session.client()?;
    let path = format!("/customers/{}/erase", encoded(&args.id));
    if args.dry_run || !session.globals.yes {
        let rehearsal = EraseCustomer { dry_run: true, ..EraseCustomer::default() };
        let forgetting: Forgetting = client.post(&path, &rehearsal)?;
        if args.dry_run {
            return session.print(&forgetting, what_goes);
        }
        session.note(&what_goes(&forgetting));
    }
    session.ask(&format!("Forget {} for ever, here and at every partner?", args.id))?;
    let order = EraseCustomer { reason: args.reason, dry_run: false };
    let erased: Erased = client.post(&path, &order)?;
    session.print(&erased, |erased| words(&erased.erasures))
}

/// Shows who was asked to erase a customer, and who has confirmed it.
pub fn erasures(session: &mut Session<'_>, id: &str) -> Result<(), CliError> {
    let path = format!("/customers/{}/erasures", encoded(id));
    let erasures: Vec<Erasure> = session.client()?.get(&path)?;
    session.print(&erasures, |erasures| words(erasures))
}

fn what_goes(forgetting: &Forgetting) -> String {
    let mut text = String::from("This will be deleted for ever:\n\n");
    for record in &forgetting.records {
        text += &format!("  {record}\n");
    }
    if forgetting.asked.is_empty() {
        return text + "\nNo partner was shown it.\n";
    }
    text + "\n" + &asked(&forgetting.asked)
}

fn words(erasures: &[Erasure]) -> String {
    let mut table = Table::new(["COMPANY", "SHARE", "ASKED", "ANSWER"]);
    for one in erasures {
        let answer = match one.state {
            ReceiptState::Pending => "not confirmed yet".to_owned(),
            ReceiptState::Confirmed => {
                format!("its node reports it deleted {}", moment(one.at.as_deref()))
            }
        };
        let asked = moment(Some(&one.asked_at));
        table.row([one.org.name.clone(), one.share.clone(), asked, answer]);
    }
    table.text_or("No partner was shown it.")
}
