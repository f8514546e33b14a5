//! Sharing an event with a partner in one step: a preset's grants, from whichever side one stands.

use entente_protocol::book::Address;
use entente_protocol::id::{OrgId, RecordId, ShareId};
use entente_protocol::keys::NO_SHARE;
use entente_protocol::policy::Proposal;
use entente_protocol::sharing::NewGrant;
use entente_protocol::statement::Scope;
use entente_protocol::vocabulary::{self, Kind};

use super::policy::{as_new, same_rule};
use super::problem::Problem;
use super::share::{grant_order, granted, unconfirmed};
use super::{Answer, Replica, outlook, shown};
use crate::api::grant::{ShareWith, SharedWith};
use crate::api::share::Leaving;
use crate::policy::{Arrangement, Clause};

/// From which side the event is shared.
enum Side {
    /// It is this org's own; it is in this share, or in one that is to be opened.
    Host(RecordId, Option<ShareId>),
    /// It was shared by the partner, or reached this org through it: what is shown back.
    Guest(ShareId),
    /// It is another's, and the partner is brought in: what may be passed on of it.
    Between(ShareId, OrgId),
}

/// What is to be granted.
struct Plan {
    side: Side,
    name: String,
    grants: Vec<NewGrant>,
    already: u64,
}

/// What would leave.
pub fn preview(replica: &mut Replica, preset: &Arrangement, order: &ShareWith) -> Answer<Leaving> {
    let plan = plan(replica, preset, order)?;
    let mut leaving = match share_of(&plan.side) {
        None => outlook::of_new_share(replica, &plan.grants, &plan.name),
        Some(share) => {
            let proposal = Proposal { add: plan.grants.clone(), ..Proposal::default() };
            outlook::leaving(replica, &share, &proposal)?
        }
    };
    leaving.first |= !plan.grants.is_empty();
    leaving.notes.extend(after(replica, preset, order, &plan)?);
    Ok(leaving)
}

/// Opens or finds the event's share and grants what the preset says, whole or not at all.
pub fn share(replica: &mut Replica, preset: &Arrangement, order: &ShareWith) -> Answer<SharedWith> {
    let plan = plan(replica, preset, order)?;
    let mut notes = after(replica, preset, order, &plan)?;
    let partner = replica.find_partner(&order.partner)?;
    replica.may_grant_to(&partner)?;
    notes.extend(unconfirmed(replica, &partner)?);
    let (share, opened) = match (share_of(&plan.side), &plan.side) {
        (Some(share), _) => (share, false),
        (None, Side::Host(event, _)) => {
            let share = replica.open_share(&plan.name, None, None)?;
            replica.place(&share, Kind::Event, &[*event])?;
            (share, true)
        }
        (None, Side::Guest(_) | Side::Between(..)) => return Err(Problem::Shape("no share")),
    };
    let grants = plan.grants.into_iter().map(|grant| NewGrant { share, ..grant }).collect();
    let made = replica.change_rules(&share, Proposal { add: grants, ..Proposal::default() })?;
    Ok(SharedWith {
        share: share.to_string(),
        name: plan.name,
        opened,
        grants: made.into_iter().map(|(id, state)| granted(replica, &id, state)).collect(),
        already: plan.already,
        notes,
    })
}

fn share_of(side: &Side) -> Option<ShareId> {
    match side {
        Side::Host(_, share) => *share,
        Side::Guest(share) | Side::Between(share, _) => Some(*share),
    }
}

fn plan(replica: &mut Replica, preset: &Arrangement, order: &ShareWith) -> Answer<Plan> {
    let partner = replica.find_partner(&order.partner)?;
    let side = side(replica, &order.event, &partner)?;
    let clauses = match &side {
        Side::Host(..) | Side::Between(..) => &preset.grants,
        Side::Guest(_) => &preset.back,
    };
    if clauses.is_empty() {
        return Err(Problem::Shape("this preset grants nothing from your side"));
    }
    let share = share_of(&side).unwrap_or(NO_SHARE);
    let mut grants = Vec::new();
    for clause in clauses {
        let new = grant_of(replica, share, clause, &order.partner)?;
        match &side {
            Side::Host(..) | Side::Guest(_) => grants.push(new),
            Side::Between(share, owner) => grants.extend(held_of(replica, share, owner, &new)?),
        }
    }
    if grants.is_empty() {
        return Err(Problem::Shape(
            "nothing of this preset may be passed on: see what you hold with `entente share show`",
        ));
    }
    let all = grants.len();
    if share != NO_SHARE {
        let standing: Vec<NewGrant> = replica
            .granted_by_me(&share, &partner)
            .into_iter()
            .map(|grant| as_new(replica, &grant))
            .collect();
        grants.retain(|new| !standing.iter().any(|known| same_rule(known, new)));
    }
    let already = (all - grants.len()) as u64;
    let name = match share_of(&side).and_then(|share| replica.share_name(&share)) {
        Some(name) => name.to_owned(),
        None => free_name(replica, &order.event)?,
    };
    Ok(Plan { side, name, grants, already })
}

fn grant_of(
    replica: &mut Replica,
    share: ShareId,
    clause: &Clause,
    partner: &str,
) -> Answer<NewGrant> {
    let mut order = clause.grant.clone();
    partner.clone_into(&mut order.partner);
    let mut new = grant_order(replica, share, &order)?;
    new.scope = replica.completed(&new.scope)?;
    Ok(new)
}

/// Whose event it is, and where this org stands to the partner.
fn side(replica: &mut Replica, event: &str, partner: &OrgId) -> Answer<Side> {
    match replica.find_record(event, Some(Kind::Event))? {
        Address::Own { record, .. } => {
            let mut shares = replica.open_shares_of(&record)?;
            let share = shares.pop();
            if !shares.is_empty() {
                return Err(Problem::Shape(
                    "the event is in several shares of yours; \
                     grant in one of them with `entente share grant`",
                ));
            }
            Ok(Side::Host(record, share))
        }
        Address::Received { share, section, .. } => {
            let me = replica.me().org;
            Ok(match replica.stands_above(&share, partner, &me) {
                true => Side::Guest(share),
                false => Side::Between(share, section),
            })
        }
    }
}

/// What of a grant this org may pass on: the part of it that each grant it holds covers.
fn held_of(
    replica: &Replica,
    share: &ShareId,
    owner: &OrgId,
    wanted: &NewGrant,
) -> Answer<Vec<NewGrant>> {
    let mut parts = Vec::new();
    let mut left: Vec<String> = match &wanted.scope {
        Scope::Fields { fields, .. } => fields.clone(),
        Scope::Contribute { .. } => Vec::new(),
    };
    for held in replica.passable(share, &replica.me().org) {
        let depth = wanted.depth.min(held.depth.saturating_sub(1));
        let scope = match (&wanted.scope, &held.scope) {
            (
                Scope::Fields { kind, edit, keep, .. },
                Scope::Fields { kind: of, fields, edit: may_edit, keep: may_keep },
            ) if kind == of && held.section == *owner => {
                let mine = left.iter().filter(|f| fields.contains(f)).cloned().collect();
                left.retain(|field| !fields.contains(field));
                let (edit, keep) = (*edit && *may_edit, *keep && *may_keep);
                Scope::Fields { kind: *kind, fields: mine, edit, keep }
            }
            (Scope::Contribute { kinds }, Scope::Contribute { kinds: of }) => {
                let kinds = kinds.iter().filter(|kind| of.contains(kind)).copied().collect();
                Scope::Contribute { kinds }
            }
            (Scope::Fields { .. } | Scope::Contribute { .. }, _) => continue,
        };
        let empty = match &scope {
            Scope::Fields { fields, .. } => fields.is_empty(),
            Scope::Contribute { kinds } => kinds.is_empty(),
        };
        if !empty {
            let section = held.section;
            let expires_at = held.expires_at;
            let scope = replica.completed(&scope)?;
            parts.push(NewGrant { section, scope, depth, expires_at, ..wanted.clone() });
        }
    }
    Ok(parts)
}

/// What the one or the other can do next.
fn after(
    replica: &Replica,
    preset: &Arrangement,
    order: &ShareWith,
    plan: &Plan,
) -> Answer<Vec<String>> {
    let mut notes = Vec::new();
    if plan.already > 0 {
        notes.push(format!("{} of the preset's grants stand already", plan.already));
    }
    if matches!(plan.side, Side::Host(..) | Side::Between(..)) && !preset.back.is_empty() {
        let partner = shown::org(replica, &replica.find_partner(&order.partner)?).name;
        let me = &replica.me().name;
        notes.push(format!(
            "{partner} decides what it shows back; on its node: \
             entente share with {me:?} --event … --preset {}",
            order.preset
        ));
    }
    Ok(notes)
}

/// The event's title, as the name of a share that does not exist yet.
fn free_name(replica: &mut Replica, event: &str) -> Answer<String> {
    let at = replica.find_record(event, Some(Kind::Event))?;
    let values = replica.record(&at)?.values();
    let title = values.get("title").map(|value| vocabulary::to_text(Kind::Event, "title", value));
    let title = title.filter(|title| !title.trim().is_empty()).ok_or(Problem::Shape(
        "give the event a title first, so that the share has a name: entente event set … title=…",
    ))?;
    let title: String = title.chars().take(60).collect();
    let mut name = title.clone();
    let mut number = 1;
    while replica.is_share_name(&name) {
        number += 1;
        name = format!("{title} {number}");
    }
    Ok(name)
}
