//! How sharing ends: a share is closed or left, and who has confirmed that it deleted what it was
//! shown.

use entente_protocol::receipt::{Asked, ReceiptView};
use entente_protocol::time::Millis;

use super::{Answer, Replica, outlook, shown, when};
use crate::api::Done;
use crate::api::receipt::{Receipt, ReceiptKind, ReceiptState};
use crate::api::share::Leaving;

/// What partners were asked to delete in a share, and who has confirmed it.
pub fn receipts(replica: &mut Replica, share: &str) -> Answer<Vec<Receipt>> {
    let share = replica.find_share(share)?;
    Ok(replica.receipts(&share)?.iter().map(|of| receipt(replica, of)).collect())
}

/// Who would lose what if a share were closed: also this company, of what others put into it.
pub fn preview_close(replica: &mut Replica, share: &str) -> Answer<Leaving> {
    let share = replica.find_share(share)?;
    let proposal = replica.closing(&share)?;
    let mut leaving = outlook::leaving(replica, &share, &proposal)?;
    let received = replica.received_sights(&share)?;
    leaving.back.extend(received.iter().map(|sight| outlook::row(replica, sight, &proposal)));
    leaving.notes.push("what other companies show each other in it ends too".to_owned());
    Ok(leaving)
}

/// Closes a share for everybody.
pub fn close(replica: &mut Replica, share: &str) -> Answer<Done> {
    let share = replica.find_share(share)?;
    replica.close_share(&share)?;
    Ok(Done {})
}

/// Who would lose what if this org left a share.
pub fn preview_leave(replica: &mut Replica, share: &str) -> Answer<Leaving> {
    let share = replica.find_share(share)?;
    let proposal = replica.leaving(&share)?;
    outlook::leaving(replica, &share, &proposal)
}

/// Takes everything of this org's out of a share.
pub fn leave(replica: &mut Replica, share: &str) -> Answer<Done> {
    let share = replica.find_share(share)?;
    replica.leave_share(&share)?;
    Ok(Done {})
}

/// Whether what was asked is known to be done.
pub fn state(done_at: Option<Millis>) -> ReceiptState {
    match done_at {
        Some(_) => ReceiptState::Confirmed,
        None => ReceiptState::Pending,
    }
}

fn receipt(replica: &Replica, of: &ReceiptView) -> Receipt {
    let kind = match of.asked {
        Asked::Revocation => ReceiptKind::Revocation,
        Asked::Erasure => ReceiptKind::Erasure,
        Asked::Move => ReceiptKind::Roll,
    };
    let grant = of.grant.filter(|_| of.asked == Asked::Revocation);
    Receipt {
        of: grant.map_or_else(|| of.of.to_string(), |grant| grant.to_string()),
        kind,
        org: shown::org(replica, &of.org),
        state: state(of.done_at),
        at: of.done_at.map(when::show),
        asked_at: when::show(of.asked_at),
    }
}
