//! The node as a whole: how it stands, what it owes, which fields there are.

use entente_protocol::partner::PartnerState;
use entente_protocol::vocabulary::{self, Kind};

use super::problem::Problem;
use super::{Answer, Replica, shown, when};
use crate::api::node::{
    Certificate, Field, Label, Owed, OwedTo, OwnOrg, PartnerStatus, Status, StoreStatus,
};
use crate::engine::now;
use crate::renewal::RENEW_BEFORE_MS;

/// How the node stands; what concerns sockets and files is the shell's to say.
pub fn status(
    replica: &mut Replica,
    http: String,
    listen: Vec<String>,
    store_bytes: u64,
) -> Answer<Status> {
    let partners = replica.partner_list();
    let me = replica.me();
    let remains = replica.remains()?;
    let ends_at = replica.directory().expires_at(&me.org, &replica.node_key()).unwrap_or(0);
    let left = ends_at.saturating_sub(now());
    Ok(Status {
        org: OwnOrg { id: me.org.to_string(), name: me.name.clone() },
        node: shown::node_id(&replica.node_key()),
        certificate: Certificate {
            ends_at: when::show(ends_at),
            days_left: left / (24 * 3600 * 1000),
            overdue: left < RENEW_BEFORE_MS,
        },
        http,
        listen,
        partners: partners
            .iter()
            .map(|of| PartnerStatus {
                partner: shown::org(replica, &of.partner.org),
                connected: of.connected,
                last_sync: of.last_sync.map(when::show),
                unsent: of.unsent,
            })
            .collect(),
        store: StoreStatus {
            bytes: store_bytes,
            records: replica.count_records()?,
            erased_since: remains.map(|remains| when::show(remains.since)),
        },
        inbox: replica.inbox()?.len() as u64,
        waits_for: replica.has_to_meet().iter().map(|org| shown::org(replica, org)).collect(),
    })
}

/// What is still on its way, to one partner or to all that are not paused.
pub fn owed(replica: &mut Replica, partner: Option<&str>) -> Answer<Owed> {
    let only = partner.map(|name| replica.find_partner(name)).transpose()?;
    let partners = replica.partner_list();
    let owed = partners
        .iter()
        .filter(|of| only.is_none_or(|only| only == of.partner.org))
        .filter(|of| of.partner.state != PartnerState::Paused && of.unsent > 0)
        .map(|of| OwedTo {
            partner: shown::org(replica, &of.partner.org),
            connected: of.connected,
            unsent: of.unsent,
        });
    Ok(Owed { owed: owed.collect(), parked: replica.unfinished() })
}

/// The vocabulary, or one kind's part of it.
pub fn fields(kind: Option<&str>) -> Answer<Vec<Field>> {
    let kinds = match kind {
        Some(name) => {
            vec![Kind::from_name(name).ok_or_else(|| Problem::Kind { name: name.to_owned() })?]
        }
        None => Kind::ALL.to_vec(),
    };
    let one = |of: &vocabulary::Field| Field {
        kind: of.kind.to_string(),
        name: of.name.to_owned(),
        type_name: of.ty.to_string(),
        class: of.class.to_string(),
        merge: of.ty.merge_rule().to_owned(),
        label: Label { en: of.label_en.to_owned(), zh: of.label_zh.to_owned() },
        meaning: of.help.to_owned(),
    };
    Ok(kinds.into_iter().flat_map(vocabulary::fields).map(one).collect())
}
