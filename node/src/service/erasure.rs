//! Forgetting customers, and adopting what partners let this org keep.

use std::collections::BTreeSet;

use entente_protocol::forget;
use entente_protocol::id::{OrgId, ShareId};
use entente_protocol::vocabulary::Kind;

use super::{Answer, Replica, ending, shown, when};
use crate::api::Made;
use crate::api::erasure::{Asked, EraseCustomer, Erased, Erasure, Forgetting};

/// Forgets an own customer, with what was noted about it, wherever it was shown.
pub fn erase(replica: &mut Replica, id: &str, order: EraseCustomer) -> Answer<Erased> {
    let at = replica.find_record(id, Some(Kind::Customer))?;
    let erasures = replica.forget(&at, order.reason)?;
    Ok(Erased { erasures: erasures.iter().map(|of| erasure(replica, of)).collect() })
}

/// What erasing a customer would take, and who would be asked.
pub fn preview(replica: &mut Replica, id: &str) -> Answer<Forgetting> {
    let at = replica.find_record(id, Some(Kind::Customer))?;
    let forget::Forgetting { records, asked: orgs } = replica.would_forget(&at)?;
    Ok(Forgetting {
        records: records.iter().map(|(kind, record)| kind.id_text(record)).collect(),
        asked: asked(replica, &orgs),
    })
}

/// Who would be asked to erase what it was shown, share by share.
pub fn asked(replica: &Replica, orgs: &BTreeSet<(ShareId, OrgId)>) -> Vec<Asked> {
    let one = |(share, org): &(ShareId, OrgId)| Asked {
        share: share.to_string(),
        org: shown::org(replica, org),
    };
    orgs.iter().map(one).collect()
}

/// Who was asked to erase a customer, and who has confirmed it; also of one that is forgotten.
pub fn erasures(replica: &mut Replica, id: &str) -> Answer<Vec<Erasure>> {
    let record = replica.find_forgotten(id)?;
    Ok(replica.erasures(&record)?.iter().map(|of| erasure(replica, of)).collect())
}

/// Copies a received record into this org's own records.
pub fn adopt(replica: &mut Replica, id: &str) -> Answer<Made> {
    let at = replica.find_record(id, None)?;
    let copy = replica.adopt(&at)?;
    Ok(Made { id: at.kind().id_text(&copy) })
}

fn erasure(replica: &Replica, of: &forget::Erasure) -> Erasure {
    Erasure {
        share: of.share.to_string(),
        org: shown::org(replica, &of.org),
        state: ending::state(of.done_at),
        at: of.done_at.map(when::show),
        asked_at: when::show(of.asked_at),
    }
}
