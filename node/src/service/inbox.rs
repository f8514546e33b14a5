//! The inbox: what waits for a person, in words, with the command that settles it.

use entente_protocol::book::Address;
use entente_protocol::inbox::Waiting;
use entente_protocol::receipt::{Asked, ReceiptView};
use entente_protocol::reissue::Rejected;
use entente_protocol::vocabulary::{Kind, to_text};

use super::problem::Problem;
use super::{Answer, Replica};
use crate::api::inbox::{Dismiss, Dismissed, InboxKind, InboxLine};

/// Everything that waits for a person.
pub fn list(replica: &mut Replica) -> Answer<Vec<InboxLine>> {
    Ok(replica.inbox()?.iter().map(|of| line(replica, of)).collect())
}

/// Forgets changes that were rejected.
pub fn dismiss(replica: &mut Replica, order: &Dismiss) -> Answer<Dismissed> {
    let wrong = || Problem::Shape("name the record as the inbox does");
    let (_, record) = Kind::parse_id(&order.record).ok_or_else(wrong)?;
    Ok(Dismissed { dismissed: replica.dismiss(&record, order.field.as_deref())? })
}

fn line(replica: &Replica, of: &Waiting) -> InboxLine {
    match of {
        Waiting::Offer { share, name, by } => InboxLine {
            share: Some(share.to_string()),
            org: Some(by.to_string()),
            ..bare(
                InboxKind::Offer,
                format!("{} offers you the share {name}", replica.directory().name(by)),
                format!("entente share show {share}, then entente share add {share} …"),
            )
        },
        Waiting::Conflict { at, field } => conflict(at, field),
        Waiting::Rejected(late) => rejected(replica, late),
        Waiting::Receipt { share, receipt } => {
            let name = replica.share_name(share).unwrap_or_default();
            let verb = format!("entente share receipts {share}");
            InboxLine { share: Some(share.to_string()), ..missing(replica, name, receipt, verb) }
        }
    }
}

fn conflict(at: &Address, field: &str) -> InboxLine {
    let (kind, id) = (at.kind(), at.text());
    InboxLine {
        record: Some(id.clone()),
        field: Some(field.to_owned()),
        ..bare(
            InboxKind::Conflict,
            format!("{kind} {id} has several values of {field}"),
            format!(
                "entente {kind} conflicts {id}, then entente {kind} resolve {id} {field} CHOICE"
            ),
        )
    }
}

fn rejected(replica: &Replica, late: &Rejected) -> InboxLine {
    let (kind, id) = (late.kind, late.kind.id_text(&late.record));
    let owner = replica.directory().name(&late.section);
    let value = late.value.as_ref().map(|value| to_text(kind, &late.field, value));
    let what = match value {
        Some(value) => format!("your change of {} to {value:?}", late.field),
        None => format!("your change of {}", late.field),
    };
    InboxLine {
        share: Some(late.share.to_string()),
        record: Some(id.clone()),
        field: Some(late.field.clone()),
        org: Some(late.section.to_string()),
        ..bare(
            InboxKind::Rejected,
            format!("{owner} did not take {what} of {kind} {id}"),
            format!("entente inbox dismiss {id} {}", late.field),
        )
    }
}

fn missing(replica: &Replica, share: &str, of: &ReceiptView, verb: String) -> InboxLine {
    let who = replica.directory().name(&of.org);
    let why = match of.asked {
        Asked::Revocation => "what it may not see any more",
        Asked::Erasure => "what was erased",
    };
    InboxLine {
        org: Some(of.org.to_string()),
        grant: Some(of.grant.to_string()),
        ..bare(
            InboxKind::Receipt,
            format!("{who}'s node has not confirmed that {why} in {share} is deleted"),
            verb,
        )
    }
}

fn bare(kind: InboxKind, text: String, verb: String) -> InboxLine {
    let none = || None;
    let (share, record, field, grant, org) = (none(), none(), none(), none(), none());
    InboxLine { kind, text, verb, share, record, field, grant, org }
}
