//! Forgetting a customer, wherever it was shown.

use clap::Args;
use entente_node::api::address::encoded;
use entente_node::api::erasure::{EraseCustomer, Erased, Erasure};
use entente_node::api::receipt::ReceiptState;

use crate::error::CliError;
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
}

/// Asks, then forgets.
pub fn erase(session: &mut Session<'_>, args: EraseArgs) -> Result<(), CliError> {
    let client = session.client()?;
    session.ask(&format!("Forget {} for ever, here and at every partner?", args.id))?;
    let order = EraseCustomer { reason: args.reason };
    let path = format!("/customers/{}/erase", encoded(&args.id));
    let erased: Erased = client.post(&path, &order)?;
    session.print(&erased, |erased| words(&erased.erasures))
}

/// Shows who was asked to erase a customer, and who has confirmed it.
pub fn erasures(session: &mut Session<'_>, id: &str) -> Result<(), CliError> {
    let path = format!("/customers/{}/erasures", encoded(id));
    let erasures: Vec<Erasure> = session.client()?.get(&path)?;
    session.print(&erasures, |erasures| words(erasures))
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
