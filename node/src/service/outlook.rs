//! What a change of a share's rules would show, hide and cost, as people are told before it is made.

use std::collections::BTreeSet;

use entente_protocol::id::{GrantId, OrgId, ShareId};
use entente_protocol::plan::Warning;
use entente_protocol::policy::{Proposal, Sight};
use entente_protocol::sharing::{GrantState, NewGrant};
use entente_protocol::statement::Scope;
use entente_protocol::vocabulary::Kind;

use super::{Answer, Replica, seeing, shown};
use crate::api::share::{Leaving, LeavingTo, Resent};

/// What would come of a proposal in each of several shares.
pub fn leaving_in(
    replica: &Replica,
    shares: &BTreeSet<ShareId>,
    proposal: &Proposal,
) -> Answer<Leaving> {
    let mut all = Leaving::default();
    for share in shares {
        join(&mut all, leaving(replica, share, proposal)?);
    }
    Ok(all)
}

/// Adds what would come of a change in another share.
pub fn join(all: &mut Leaving, part: Leaving) {
    all.first |= part.first;
    all.to.extend(part.to);
    all.held_back.extend(part.held_back);
    all.back.extend(part.back);
    all.asked.extend(part.asked);
    all.notes.extend(part.notes);
    if let Some(more) = part.resent {
        let resent = all.resent.get_or_insert_default();
        resent.records += more.records;
        resent.to.extend(more.to);
        resent.to.sort();
        resent.to.dedup();
    }
}

/// What stays where a record goes: copies that partners were let keep, and a receipt from each.
pub fn staying(
    replica: &Replica,
    shares: &BTreeSet<ShareId>,
    leaving: &Leaving,
) -> Answer<Vec<String>> {
    let mut notes = BTreeSet::new();
    for share in shares {
        for (grant, state) in replica.share(share)?.grants {
            let Scope::Fields { kind, keep, .. } = grant.scope else { continue };
            let to = grant.to.org.to_string();
            let loses = |row: &LeavingTo| row.org.org == to && row.kind == kind;
            let counts = state == GrantState::Active && grant.section == replica.me().org;
            if counts && leaving.back.iter().any(loses) {
                let name = shown::org(replica, &grant.to.org).name;
                notes.extend(keep.then(|| format!("{name} keeps the copies it has made")));
                let share = replica.share_name(share).unwrap_or_default();
                notes.insert(format!(
                    "{name} is asked to delete it and to confirm: `entente share receipts {share}`"
                ));
            }
        }
    }
    Ok(notes.into_iter().collect())
}

/// What would come of a proposal.
pub fn leaving(replica: &Replica, share: &ShareId, proposal: &Proposal) -> Answer<Leaving> {
    let outlook = replica.outlook(share, proposal)?;
    let me = replica.me().org;
    let mut leaving = Leaving {
        to: outlook.gained.iter().map(|sight| row(replica, sight, proposal)).collect(),
        held_back: shown::held_back(
            replica,
            outlook.held_back.iter().map(|(kind, held)| (*kind, held)),
        ),
        back: outlook.lost.iter().map(|sight| row(replica, sight, proposal)).collect(),
        ..Leaving::default()
    };
    for new in &proposal.add {
        if new.section != me
            && let Some(sight) = replica.passed_sight(new)?
        {
            leaving.to.push(row(replica, &sight, proposal));
        }
    }
    if outlook.resent > 0 {
        let to = outlook.resent_to.iter().map(|org| shown::org(replica, org)).collect();
        leaving.resent = Some(Resent { records: outlook.resent, to });
    }
    leaving.notes = notes(replica, proposal);
    for warning in outlook.warnings {
        let Warning::ManyCompartments { kind, count } = warning;
        leaving.notes.push(seeing::too_many(kind, count));
    }
    leaving.first = !leaving.to.is_empty() || !leaving.back.is_empty();
    Ok(leaving)
}

/// One line of fields × records × who, with the rights that the proposal's grants give.
pub fn row(replica: &Replica, sight: &Sight, proposal: &Proposal) -> LeavingTo {
    let mut row = LeavingTo {
        org: shown::org(replica, &sight.org),
        kind: sight.kind,
        fields: sight.fields.iter().cloned().collect(),
        records: sight.records,
        edit: false,
        keep: false,
        depth: 0,
    };
    let mut give = |scope: &Scope, depth: u8| {
        if let Scope::Fields { kind, fields, edit, keep } = scope
            && *kind == sight.kind
            && fields.iter().any(|field| sight.fields.contains(field))
        {
            row.edit |= *edit;
            row.keep |= *keep;
            row.depth = row.depth.max(depth);
        }
    };
    for new in proposal.add.iter().filter(|new| new.to == sight.org) {
        give(&new.scope, new.depth);
    }
    for grant in proposal.let_in.iter().filter_map(|id| replica.grant_info(id)) {
        if grant.to.org == sight.org {
            give(&grant.scope, grant.depth);
        }
    }
    row
}

/// What a table of records cannot say: who may add records, and what ends with what.
fn notes(replica: &Replica, proposal: &Proposal) -> Vec<String> {
    let name = |org: &OrgId| shown::org(replica, org).name;
    let mut notes = Vec::new();
    for new in &proposal.add {
        if let Scope::Contribute { kinds } = &new.scope {
            notes.push(may_add(&name(&new.to), kinds, new.depth));
        }
    }
    for id in &proposal.let_in {
        if let Some(grant) = replica.grant_info(id)
            && let Scope::Contribute { kinds } = &grant.scope
        {
            notes.push(may_add(&name(&grant.to.org), kinds, grant.depth));
        }
    }
    for id in &proposal.end {
        let Some(grant) = replica.grant_info(id) else { continue };
        match &grant.scope {
            Scope::Contribute { kinds } => {
                notes.push(format!("{} may no longer add {}", name(&grant.to.org), plurals(kinds)));
            }
            // How many records these are is known at whoever they are of.
            Scope::Fields { .. } if grant.section != replica.me().org => notes.push(format!(
                "{} no longer sees of {}'s part: {}",
                name(&grant.to.org),
                name(&grant.section),
                seeing::scope(&grant.scope)
            )),
            Scope::Fields { keep: true, .. } => {
                notes.push(format!("{} keeps the copies it has made", name(&grant.to.org)));
            }
            Scope::Fields { keep: false, .. } => {}
        }
        notes.extend(ends_below(replica, id, &proposal.end));
    }
    notes
}

/// That a company may add records.
pub fn may_add(name: &str, kinds: &[Kind], depth: u8) -> String {
    let on = if depth > 0 { ", and may let others do so" } else { "" };
    format!("{name} may add {} of its own{on}", plurals(kinds))
}

fn plurals(kinds: &[Kind]) -> String {
    kinds.iter().map(|kind| kind.plural()).collect::<Vec<_>>().join(" and ")
}

/// What was passed on under a grant ends with it.
fn ends_below(replica: &Replica, id: &GrantId, told: &[GrantId]) -> Vec<String> {
    let name = |org: &OrgId| shown::org(replica, org).name;
    let below = replica.passed_on_under(id);
    let ended = |grant: &entente_protocol::grant::GrantInfo| {
        let what = seeing::scope(&grant.scope);
        format!(
            "what {} passed on to {} ends with it: {what}",
            name(&grant.author),
            name(&grant.to.org)
        )
    };
    below.into_iter().filter(|grant| !told.contains(&grant.id)).map(ended).collect()
}

/// What one event brings to an org under grants in a share that is not open yet.
pub fn of_new_share(replica: &Replica, grants: &[NewGrant], name: &str) -> Leaving {
    let mut leaving = Leaving { first: true, ..Leaving::default() };
    leaving.notes.push(format!("opens the share {name:?} with the event in it"));
    let proposal = Proposal { add: grants.to_vec(), ..Proposal::default() };
    for grant in grants {
        let Scope::Fields { kind, fields, .. } = &grant.scope else { continue };
        let sight = Sight {
            org: grant.to,
            kind: *kind,
            fields: fields.iter().cloned().collect(),
            records: u64::from(*kind == Kind::Event),
        };
        leaving.to.push(row(replica, &sight, &proposal));
    }
    leaving.notes.extend(notes(replica, &proposal));
    leaving
}
