//! The inbox: what waits for a person, in words, with the command that settles it.

use entente_protocol::book::Address;
use entente_protocol::id::{GrantId, OrgId, ShareId};
use entente_protocol::inbox::Waiting;
use entente_protocol::receipt::{Asked, ReceiptView};
use entente_protocol::reissue::Rejected;
use entente_protocol::vocabulary::{Kind, to_text};

use super::problem::Problem;
use super::{Answer, Replica, seeing};
use crate::api::inbox::{Dismiss, Dismissed, InboxKind, InboxLine};

/// Everything that waits for a person.
pub fn list(replica: &mut Replica) -> Answer<Vec<InboxLine>> {
    Ok(replica.inbox()?.iter().map(|of| line(replica, of)).collect())
}

/// Forgets changes that were rejected, or does not tell an offer again.
pub fn dismiss(replica: &mut Replica, order: &Dismiss) -> Answer<Dismissed> {
    let field = order.field.as_deref();
    if let Some((_, record)) = Kind::parse_id(&order.record) {
        return Ok(Dismissed { dismissed: replica.dismiss(&record, field)? });
    }
    let wrong = Problem::Shape("name a record or a share as `entente inbox` does");
    match replica.find_share(&order.record) {
        Ok(share) if field.is_none() => {
            replica.dismiss_offer(&share)?;
            Ok(Dismissed { dismissed: 1 })
        }
        Ok(_) | Err(_) => Err(wrong),
    }
}

/// One thing that waits, as people read it.
pub fn line(replica: &Replica, of: &Waiting) -> InboxLine {
    match of {
        Waiting::Offer { share, name, by, may_add } => {
            let then = match may_add {
                true => format!("entente share add {share} …"),
                false => format!("entente inbox dismiss {share}"),
            };
            let text = format!("{} offers you the share {name}", replica.directory().name(by));
            let verb = format!("entente share show {share}, then {then}");
            InboxLine {
                share: Some(share.to_string()),
                org: Some(by.to_string()),
                ..bare(InboxKind::Offer, text, verb)
            }
        }
        Waiting::Approval { share, grant, by, to } => approval(replica, share, grant, by, to),
        Waiting::Pairing { org } => pairing(replica, org),
        Waiting::Conflict { at, field } => conflict(at, field),
        Waiting::Rejected(late) => rejected(replica, late),
        Waiting::Receipt { share, receipt } => {
            let name = replica.share_name(share).unwrap_or_default();
            let verb = format!("entente share receipts {share}");
            InboxLine { share: Some(share.to_string()), ..missing(replica, name, receipt, verb) }
        }
    }
}

fn approval(
    replica: &Replica,
    share: &ShareId,
    grant: &GrantId,
    by: &OrgId,
    to: &OrgId,
) -> InboxLine {
    let name = |org| replica.directory().name(org);
    let what = replica.grant_info(grant).map(|grant| seeing::scope(&grant.scope));
    let (what, of) = (what.unwrap_or_default(), replica.share_name(share).unwrap_or_default());
    InboxLine {
        share: Some(share.to_string()),
        grant: Some(grant.to_string()),
        org: Some(to.to_string()),
        ..bare(
            InboxKind::Request,
            format!("{} passed on to {} what it has in {of}: {what}", name(by), name(to)),
            format!(
                "entente share approve {share} {grant}, or entente share revoke {share} {grant}"
            ),
        )
    }
}

fn pairing(replica: &Replica, org: &OrgId) -> InboxLine {
    let partner = replica.partner(org).ok();
    let alias = partner.as_ref().map_or_else(|| org.to_string(), |one| one.partner.alias.clone());
    let code = partner.and_then(|one| one.partner.code).unwrap_or_default();
    let name = replica.directory().name(org);
    InboxLine {
        org: Some(org.to_string()),
        ..bare(
            InboxKind::Request,
            format!("{name} asks to be your partner; the code is {code}, compare it by telephone"),
            format!("entente partner confirm {alias}, or entente partner remove {alias}"),
        )
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
        Asked::Move => "what is not shared with it any more",
    };
    InboxLine {
        org: Some(of.org.to_string()),
        grant: of.grant.map(|grant| grant.to_string()),
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
