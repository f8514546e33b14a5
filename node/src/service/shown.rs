//! The replica's views as the API shows them. No decisions, only forms.

use std::collections::BTreeMap;

use entente_protocol::adopt::Provenance;
use entente_protocol::grant::GrantInfo;
use entente_protocol::history;
use entente_protocol::id::OrgId;
use entente_protocol::roster;
use entente_protocol::section::Held;
use entente_protocol::sharing::{self, CompartmentView, SectionView, ShareView};
use entente_protocol::statement::Scope;
use entente_protocol::value::Value;
use entente_protocol::view::RecordView;
use entente_protocol::vocabulary::{self, Kind};
use serde_json::Value as Json;

use super::Replica;
use super::{seeing, when};
use crate::api::grant::{Grant, GrantState, Right};
use crate::api::record::{
    AdoptedFrom, Change, Choice, Conflict, Record, RosterCustomer, RosterRow,
};
use crate::api::share::{
    Compartment, HeldBack, Leaving, LeavingTo, Section, ShareLine, ShareState,
};
use crate::api::{self, Org};

/// A company.
pub fn org(replica: &Replica, id: &OrgId) -> Org {
    Org { org: id.to_string(), name: replica.directory().name(id).to_owned() }
}

/// A record; `conflicts` are those of its fields that have any.
pub fn record(replica: &Replica, of: &RecordView, conflicts: &[history::Conflict]) -> Record {
    let kind = of.at.kind();
    Record {
        id: of.at.text(),
        kind,
        share: of.share.map(|id| id.to_string()),
        section: org(replica, &of.section),
        fields: fields(kind, &of.fields),
        withheld: of.withheld.clone(),
        unmapped: Vec::new(),
        conflicts: conflicts.iter().map(|c| conflict(replica, kind, None, c)).collect(),
        updated_at: when::show(of.updated_at.millis()),
        updated_by: org(replica, &of.updated_by),
        adopted_from: None,
    }
}

/// Where a record was copied from.
pub fn adopted_from(replica: &Replica, of: &Provenance) -> AdoptedFrom {
    AdoptedFrom {
        org: org(replica, &of.section),
        id: of.kind.id_text(&of.record),
        share: of.share.to_string(),
        at: when::show(of.at),
    }
}

fn fields(kind: Kind, fields: &BTreeMap<String, Option<Value>>) -> BTreeMap<String, Json> {
    fields.iter().map(|(name, value)| (name.clone(), json(kind, name, value.as_ref()))).collect()
}

fn json(kind: Kind, name: &str, value: Option<&Value>) -> Json {
    value.map_or(Json::Null, |value| vocabulary::to_json(kind, name, value))
}

/// Several values of one field, the shown one first.
pub fn conflict(
    replica: &Replica,
    kind: Kind,
    id: Option<String>,
    of: &history::Conflict,
) -> Conflict {
    let choices = of.choices.iter().rev().map(|(value, by, at)| Choice {
        value: vocabulary::to_json(kind, &of.field, value),
        by: org(replica, by),
        at: when::show(at.millis()),
    });
    Conflict { id, field: of.field.clone(), choices: choices.collect() }
}

/// One change of one field, with the value before it.
pub fn change(
    replica: &Replica,
    kind: Kind,
    of: &history::Change,
    before: Option<&Value>,
) -> Change {
    let some =
        |value: Option<&Value>| value.map(|value| vocabulary::to_json(kind, &of.field, value));
    Change {
        change: of.id.clone(),
        field: of.field.clone(),
        from: some(before),
        to: some(of.value.as_ref()),
        by: org(replica, &of.by),
        at: when::show(of.at.millis()),
    }
}

/// One line of a roster. Staff have their name in the participation.
pub fn roster_row(replica: &Replica, of: &roster::RosterRow) -> RosterRow {
    let part = &of.participation;
    let word = |field: &str| {
        let value = part.fields.get(field)?.as_ref()?;
        Some(vocabulary::to_text(Kind::Participation, field, value))
    };
    let customer = match &of.customer {
        Some(customer) => RosterCustomer {
            id: Some(customer.at.text()),
            fields: fields(Kind::Customer, &customer.fields),
            withheld: customer.withheld.clone(),
        },
        None => RosterCustomer {
            id: None,
            fields: word("staff_name")
                .map(|name| BTreeMap::from([("name".to_owned(), Json::String(name))]))
                .unwrap_or_default(),
            withheld: match part.withheld.iter().any(|field| field == "staff_name") {
                true => vec!["name".to_owned()],
                false => Vec::new(),
            },
        },
    };
    RosterRow {
        participation: part.at.text(),
        status: word("status"),
        role: word("role"),
        contributed_by: org(replica, &of.contributed_by),
        via: of.via.iter().map(|id| org(replica, id)).collect(),
        customer,
    }
}

/// A share as lists show it.
pub fn share_line(replica: &Replica, of: &ShareView) -> ShareLine {
    let waits = of.grants.iter().find(|(grant, state)| {
        grant.to.org == replica.me().org && *state == sharing::GrantState::Waiting
    });
    ShareLine {
        id: of.id.to_string(),
        name: of.name.clone(),
        purpose: of.purpose.clone(),
        ends_at: of.ends_at.map(when::show),
        opened_by: org(replica, &of.opened_by),
        state: match of.state {
            sharing::ShareState::Open => ShareState::Open,
            sharing::ShareState::Offered => ShareState::Offered,
            sharing::ShareState::Ended => ShareState::Ended,
            sharing::ShareState::Closed => ShareState::Closed,
        },
        waiting: waits.map(|(grant, _)| seeing::waiting(replica, grant)),
    }
}

/// A share with its parts and grants.
pub fn share(replica: &Replica, of: &ShareView) -> api::share::Share {
    let compartment = |c: &CompartmentView| Compartment {
        kind: c.kind,
        fields: c.fields.clone(),
        epoch: c.epoch,
        readers: c.readers.iter().map(|id| org(replica, id)).collect(),
        editors: c.editors.iter().map(|id| org(replica, id)).collect(),
    };
    let section = |s: &SectionView| Section {
        org: s.org.to_string(),
        name: replica.directory().name(&s.org).to_owned(),
        compartments: s.compartments.iter().map(compartment).collect(),
    };
    api::share::Share {
        line: share_line(replica, of),
        sections: of.sections.iter().map(section).collect(),
        grants: of.grants.iter().map(|(info, state)| grant(replica, info, *state)).collect(),
        reshare: seeing::reshare(replica, &of.id),
        warnings: seeing::many_groups(replica, of),
    }
}

/// A grant.
pub fn grant(replica: &Replica, of: &GrantInfo, state: sharing::GrantState) -> Grant {
    let (kind, fields, contribute, rights) = match &of.scope {
        Scope::Fields { kind, fields, edit, keep } => {
            let mut rights = vec![Right::Read];
            rights.extend(edit.then_some(Right::Edit));
            rights.extend(keep.then_some(Right::Keep));
            (Some(*kind), fields.clone(), Vec::new(), rights)
        }
        Scope::Contribute { kinds } => (None, Vec::new(), kinds.clone(), vec![Right::Contribute]),
    };
    Grant {
        id: of.id.to_string(),
        from: org(replica, &of.author),
        to: org(replica, &of.to.org),
        section: org(replica, &of.section),
        kind,
        fields,
        contribute,
        rights,
        depth: of.depth,
        expires_at: of.expires_at.map(when::show),
        state: grant_state(state),
        waiting: (state == sharing::GrantState::Waiting).then(|| seeing::waiting(replica, of)),
        selector: replica.selector_of(&of.id),
    }
}

/// How a grant stands.
pub fn grant_state(of: sharing::GrantState) -> GrantState {
    match of {
        sharing::GrantState::Active => GrantState::Active,
        sharing::GrantState::Waiting => GrantState::Waiting,
        sharing::GrantState::Revoked => GrantState::Revoked,
        sharing::GrantState::Expired => GrantState::Expired,
    }
}

/// What would leave under a grant.
pub fn leaving_to(
    replica: &Replica,
    of: &sharing::Leaving,
    (edit, keep, depth): (bool, bool, u8),
) -> LeavingTo {
    LeavingTo {
        org: org(replica, &of.org),
        kind: of.kind,
        fields: of.fields.clone(),
        records: of.records,
        edit,
        keep,
        depth,
    }
}

/// What would leave when records are placed.
pub fn leaving(replica: &Replica, kind: Kind, to: &[sharing::Leaving], held: &[Held]) -> Leaving {
    Leaving {
        first: to.iter().any(|one| one.records > 0),
        to: to.iter().map(|one| leaving_to(replica, one, (false, false, 0))).collect(),
        held_back: held_back(replica, held.iter().map(|held| (kind, held))),
        ..Leaving::default()
    }
}

/// What stays here.
pub fn held_back<'a>(
    replica: &Replica,
    of: impl Iterator<Item = (Kind, &'a Held)>,
) -> Vec<HeldBack> {
    let one = |(kind, held): (Kind, &Held)| HeldBack {
        record: kind.id_text(&held.record),
        org: held.org.map(|org| org.to_string()),
        org_name: held.org.map(|org| replica.directory().name(&org).to_owned()),
        reason: held.reason.to_string(),
    };
    of.map(one).collect()
}

/// A node's id as peers write it.
pub fn node_id(key: &entente_protocol::id::PublicKey) -> String {
    libp2p::identity::ed25519::PublicKey::try_from_bytes(&key.0)
        .map(|key| libp2p::identity::PublicKey::from(key).to_peer_id().to_string())
        .unwrap_or_else(|_| key.to_string())
}
