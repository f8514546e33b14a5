//! How sharing ends: who has confirmed that it deleted what it was shown.

use entente_node::api::receipt::{Receipt, ReceiptKind, ReceiptState};

use super::share::at;
use crate::error::CliError;
use crate::output::{moment, short};
use crate::session::Session;
use crate::table::Table;

/// Shows who was asked to delete what, and who has confirmed it.
pub fn receipts(session: &mut Session<'_>, share: &str) -> Result<(), CliError> {
    let receipts: Vec<Receipt> = session.client()?.get(&at(share, "/receipts"))?;
    session.print(&receipts, |receipts| {
        let mut table = Table::new(["COMPANY", "WHY", "ASKED", "ANSWER", "OF"]);
        for one in receipts {
            let why = match one.kind {
                ReceiptKind::Revocation => "grant revoked",
                ReceiptKind::Erasure => "erased",
                ReceiptKind::Roll => "sent again",
            };
            let answer = match one.state {
                ReceiptState::Pending => "not confirmed yet".to_owned(),
                ReceiptState::Confirmed => {
                    format!("its node reports it deleted {}", moment(one.at.as_deref()))
                }
            };
            let asked = moment(Some(&one.asked_at));
            table.row([one.org.name.clone(), why.to_owned(), asked, answer, short(&one.of)]);
        }
        table.text_or("Nobody was asked to delete anything.")
    })
}
