//! The replica's views as the API shows them. No decisions, only forms.

use std::collections::BTreeMap;

use entente_protocol::statement::Scope;
use entente_protocol::value::Value;
use entente_protocol::vocabulary::{self, Kind};
use serde_json::Value as Json;

use super::when;
use crate::api::grant::{Grant, GrantState, Right};
use crate::api::record::{Change, Choice, Conflict, Record, RosterCustomer, RosterRow};
use crate::api::share::{
    Compartment, HeldBack, Leaving, LeavingTo, Section, ShareLine, ShareState,
};
use crate::api::{self, Org};
use crate::placeholder as view;

/// A company.
pub fn org(name: &view::Name) -> Org {
    Org { org: name.org.to_string(), name: name.name.clone() }
}

/// A record.
pub fn record(of: &view::RecordView) -> Record {
    let kind = of.address.kind;
    Record {
        id: kind.id_text(&of.address.record),
        kind,
        share: of.address.share.map(|id| id.to_string()),
        section: org(&of.section),
        fields: fields(kind, &of.fields),
        withheld: of.withheld.clone(),
        unmapped: of.unmapped.clone(),
        conflicts: of.conflicts.iter().map(|c| conflict(kind, None, c)).collect(),
        updated_at: when::show(of.updated_at),
        updated_by: org(&of.updated_by),
    }
}

fn fields(kind: Kind, fields: &BTreeMap<String, Option<Value>>) -> BTreeMap<String, Json> {
    fields.iter().map(|(name, value)| (name.clone(), json(kind, name, value.as_ref()))).collect()
}

fn json(kind: Kind, name: &str, value: Option<&Value>) -> Json {
    value.map_or(Json::Null, |value| vocabulary::to_json(kind, name, value))
}

/// Several values of one field.
pub fn conflict(kind: Kind, id: Option<String>, of: &view::ConflictView) -> Conflict {
    let choices = of.choices.iter().map(|(value, by, at)| Choice {
        value: vocabulary::to_json(kind, &of.field, value),
        by: org(by),
        at: when::show(*at),
    });
    Conflict { id, field: of.field.clone(), choices: choices.collect() }
}

/// One change of one field.
pub fn change(kind: Kind, of: &view::ChangeView) -> Change {
    let some = |value: &Option<Value>| {
        value.as_ref().map(|value| vocabulary::to_json(kind, &of.field, value))
    };
    Change {
        change: of.change.clone(),
        field: of.field.clone(),
        from: some(&of.from),
        to: some(&of.to),
        by: org(&of.by),
        at: when::show(of.at),
    }
}

/// One line of a roster. Staff have their name in the participation.
pub fn roster_row(of: &view::RosterRow) -> RosterRow {
    let part = &of.participation;
    let word = |field: &str| {
        let value = part.fields.get(field)?.as_ref()?;
        Some(vocabulary::to_text(Kind::Participation, field, value))
    };
    let customer = match &of.customer {
        Some(customer) => RosterCustomer {
            id: Some(Kind::Customer.id_text(&customer.address.record)),
            fields: fields(Kind::Customer, &customer.fields),
            withheld: customer.withheld.clone(),
        },
        None => RosterCustomer {
            id: None,
            fields: word("staff_name")
                .map(|name| BTreeMap::from([("name".to_owned(), Json::String(name))]))
                .unwrap_or_default(),
            withheld: Vec::new(),
        },
    };
    RosterRow {
        participation: Kind::Participation.id_text(&part.address.record),
        status: word("status"),
        role: word("role"),
        contributed_by: org(&of.contributed_by),
        via: of.via.iter().map(org).collect(),
        customer,
    }
}

/// A share as lists show it.
pub fn share_line(of: &view::ShareView) -> ShareLine {
    ShareLine {
        id: of.id.to_string(),
        name: of.name.clone(),
        purpose: of.purpose.clone(),
        ends_at: of.ends_at.map(when::show),
        opened_by: org(&of.opened_by),
        state: match of.state {
            view::ShareState::Open => ShareState::Open,
            view::ShareState::Offered => ShareState::Offered,
            view::ShareState::Ended => ShareState::Ended,
            view::ShareState::Closed => ShareState::Closed,
        },
        waiting: of.waiting_for.as_ref().map(waiting),
    }
}

/// A share with its parts and grants.
pub fn share(of: &view::ShareView) -> api::share::Share {
    let compartment = |c: &view::CompartmentView| Compartment {
        kind: c.kind,
        fields: c.fields.clone(),
        epoch: c.epoch,
        readers: c.readers.iter().map(org).collect(),
        editors: c.editors.iter().map(org).collect(),
    };
    let section = |s: &view::SectionView| Section {
        org: s.org.org.to_string(),
        name: s.org.name.clone(),
        compartments: s.compartments.iter().map(compartment).collect(),
    };
    api::share::Share {
        line: share_line(of),
        sections: of.sections.iter().map(section).collect(),
        grants: of.grants.iter().map(grant).collect(),
    }
}

/// A grant.
pub fn grant(of: &view::GrantView) -> Grant {
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
        from: org(&of.from),
        to: org(&of.to),
        section: org(&of.section),
        kind,
        fields,
        contribute,
        rights,
        depth: of.depth,
        expires_at: of.expires_at.map(when::show),
        state: grant_state(of.state),
    }
}

/// How a grant stands.
pub fn grant_state(of: view::GrantState) -> GrantState {
    match of {
        view::GrantState::Active => GrantState::Active,
        view::GrantState::Waiting => GrantState::Waiting,
        view::GrantState::Revoked => GrantState::Revoked,
        view::GrantState::Expired => GrantState::Expired,
    }
}

/// For whom something waits, in words.
pub fn waiting(of: &view::Name) -> String {
    format!("waiting for {}'s node", of.name)
}

/// What would leave.
pub fn leaving(of: (Vec<view::LeavingView>, Vec<view::HeldBackView>)) -> Leaving {
    let (to, held) = of;
    Leaving {
        first: to.iter().any(|one| one.first),
        to: to
            .into_iter()
            .map(|one| LeavingTo {
                org: org(&one.org),
                kind: one.kind,
                fields: one.fields,
                records: one.records,
                edit: one.edit,
                keep: one.keep,
                depth: one.depth,
            })
            .collect(),
        held_back: held_back(&held),
    }
}

/// What stays here.
pub fn held_back(of: &[view::HeldBackView]) -> Vec<HeldBack> {
    let one = |held: &view::HeldBackView| HeldBack {
        record: held.kind.id_text(&held.record),
        org: held.org.as_ref().map(|org| org.org.to_string()),
        org_name: held.org.as_ref().map(|org| org.name.clone()),
        reason: held.reason.clone(),
    };
    of.iter().map(one).collect()
}

/// A node's id as peers write it.
pub fn node_id(key: &entente_protocol::id::PublicKey) -> String {
    libp2p::identity::ed25519::PublicKey::try_from_bytes(&key.0)
        .map(|key| libp2p::identity::PublicKey::from(key).to_peer_id().to_string())
        .unwrap_or_else(|_| key.to_string())
}
