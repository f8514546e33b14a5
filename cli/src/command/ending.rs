//! How sharing ends: a share is closed or left, and who has confirmed that it deleted what it was
//! shown.

use entente_node::api::Done;
use entente_node::api::receipt::{Receipt, ReceiptKind, ReceiptState};
use entente_node::api::share::{End, Leaving};

use super::share::at;
use crate::error::CliError;
use crate::leaving::words;
use crate::output::{moment, short};
use crate::session::Session;
use crate::table::Table;

/// Closes or leaves a share, after telling who would lose what.
pub fn end(
    session: &mut Session<'_>,
    path: &str,
    dry_run: bool,
    question: &str,
) -> Result<(), CliError> {
    let client = session.client()?;
    if dry_run || !session.globals.yes {
        let leaving: Leaving = client.post(path, &End { dry_run: true })?;
        if dry_run {
            return session.print_leaving(&leaving);
        }
        session.note(&words(&leaving));
        session.ask(question)?;
    }
    let done: Done = client.post(path, &End { dry_run: false })?;
    session.print(&done, |_| String::new())
}

/// Shows who was asked to delete what, and who has confirmed it.
pub fn receipts(session: &mut Session<'_>, share: &str) -> Result<(), CliError> {
    let receipts: Vec<Receipt> = session.client()?.get(&at(share, "/receipts"))?;
    session.print(&receipts, |receipts| {
        let mut table = Table::new(["COMPANY", "WHY", "ASKED", "ANSWER", "OF"]);
        for one in receipts {
            let why = match one.kind {
                ReceiptKind::Revocation => "grant revoked",
                ReceiptKind::Erasure => "erased",
                ReceiptKind::Roll => "not shared any more",
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
