//! A share's rules as one text: written out, compared with what stands, applied whole or not at
//! all; what was passed on is let in when its publisher approves.

use std::collections::BTreeMap;

use entente_protocol::grant::GrantInfo;
use entente_protocol::id::{GrantId, ShareId};
use entente_protocol::policy::{self as rules, Proposal};
use entente_protocol::sharing::{GrantState, NewGrant};
use entente_protocol::statement::Scope;

use super::problem::Problem;
use super::share::grant_order;
use super::{Answer, Replica, outlook, seeing, shown, when};
use crate::api::grant::{Access, Approve, Approved, PolicyChange, PolicyText, ShareConfig};
use crate::api::share::Leaving;
use crate::policy::{self, Clause, Fault, Policy, Reshare};

/// Every rule of this org in a share, as a text.
pub fn export(replica: &mut Replica, share: &str) -> Answer<PolicyText> {
    let share = replica.find_share(share)?;
    let mut clauses: Vec<Clause> = Vec::new();
    for grant in standing(replica, &share)? {
        clauses.push(Clause { line: 0, grant: clause_of(replica, &grant) });
    }
    clauses.sort_by(|a, b| {
        let key = |of: &Clause| (of.grant.partner.clone(), of.grant.kind, of.grant.fields.clone());
        key(a).cmp(&key(b))
    });
    let reshare = Some(seeing::reshare(replica, &share));
    let name = replica.share_name(&share).unwrap_or_default().to_owned();
    let policy = Policy { share: share.to_string(), reshare, clauses };
    Ok(PolicyText { policy: policy::write(&policy, &name), dry_run: false })
}

/// Grants that this org made in a share and that are in force or wait.
fn standing(replica: &Replica, share: &ShareId) -> Answer<Vec<GrantInfo>> {
    let me = replica.me().org;
    let live = |state: &GrantState| matches!(state, GrantState::Active | GrantState::Waiting);
    let grants = replica.share(share)?.grants.into_iter();
    let mine = grants.filter(|(grant, state)| grant.author == me && live(state));
    Ok(mine.map(|(grant, _)| grant).collect())
}

fn clause_of(replica: &Replica, of: &GrantInfo) -> crate::api::grant::NewGrant {
    let alias = |org| match replica.partner(org) {
        Ok(partner) => partner.partner.alias,
        Err(_) => org.to_string(),
    };
    let mut clause = crate::api::grant::NewGrant {
        partner: alias(&of.to.org),
        depth: of.depth,
        expires: of.expires_at.map(when::show),
        selector: replica.selector_of(&of.id),
        with_history: replica.shows_history(&of.id).unwrap_or(false),
        ..Default::default()
    };
    match &of.scope {
        Scope::Fields { kind, fields, edit, keep } => {
            clause.kind = Some(*kind);
            clause.fields = fields.clone();
            clause.can = if *edit { Access::Edit } else { Access::Read };
            clause.keep = *keep;
            clause.section = (of.section != replica.me().org).then(|| alias(&of.section));
        }
        Scope::Contribute { kinds } => clause.contribute = kinds.clone(),
    }
    clause
}

/// A text compared with what stands.
struct Compared {
    share: ShareId,
    proposal: Proposal,
    unchanged: u64,
}

/// Compares a text with what stands, or does what it says; every fault of it first.
pub fn change(replica: &mut Replica, order: &PolicyText) -> Answer<PolicyChange> {
    let policy = policy::policy(&order.policy).map_err(Problem::Policy)?;
    let compared = compare(replica, &policy)?;
    let Compared { share, proposal, unchanged } = compared;
    let name = replica.share_name(&share).unwrap_or_default().to_owned();
    let mut change = PolicyChange {
        share: share.to_string(),
        name,
        unchanged,
        add: proposal.add.iter().map(|new| new_words(replica, new)).collect(),
        end: proposal.end.iter().filter_map(|id| old_words(replica, id)).collect(),
        leaving: outlook::leaving(replica, &share, &proposal)?,
        applied: false,
    };
    if let Some(reshare) = proposal.reshare {
        change.leaving.notes.push(match reshare {
            rules::Reshare::Auto => "what partners pass on is let in by itself".to_owned(),
            rules::Reshare::Ask => "what partners pass on will wait for your approval".to_owned(),
        });
    }
    if !order.dry_run {
        replica.change_rules(&share, proposal)?;
        change.applied = true;
    }
    Ok(change)
}

fn compare(replica: &mut Replica, policy: &Policy) -> Answer<Compared> {
    let share = replica.find_share(&policy.share)?;
    let mut standing: BTreeMap<GrantId, NewGrant> = standing(replica, &share)?
        .into_iter()
        .map(|grant| (grant.id, as_new(replica, &grant)))
        .collect();
    let (mut proposal, mut unchanged) = (Proposal::default(), 0);
    let mut faults = Vec::new();
    for clause in &policy.clauses {
        let wanted = grant_order(replica, share, &clause.grant).and_then(|mut new| {
            new.scope = replica.completed(&new.scope)?;
            Ok(new)
        });
        let wanted = match wanted {
            Ok(wanted) => wanted,
            Err(problem) => {
                faults.push(fault(clause, &problem));
                continue;
            }
        };
        let same = standing.iter().find(|(_, known)| same_rule(known, &wanted)).map(|(id, _)| *id);
        if let Some(id) = same {
            standing.remove(&id);
            unchanged += 1;
        } else if let Err(refusal) = replica.check_grant(&wanted) {
            faults.push(fault(clause, &refusal.into()));
        } else {
            proposal.add.push(wanted);
        }
    }
    if !faults.is_empty() {
        return Err(Problem::Policy(faults));
    }
    proposal.end = standing.into_keys().collect();
    let wanted = policy.reshare.filter(|wanted| *wanted != seeing::reshare(replica, &share));
    proposal.reshare = wanted.map(protocol_reshare);
    Ok(Compared { share, proposal, unchanged })
}

fn protocol_reshare(of: Reshare) -> rules::Reshare {
    match of {
        Reshare::Auto => rules::Reshare::Auto,
        Reshare::Ask => rules::Reshare::Ask,
    }
}

fn fault(clause: &Clause, problem: &Problem) -> Fault {
    let hint = problem.hint().map(|hint| format!(" ({hint})")).unwrap_or_default();
    Fault { line: clause.line, what: format!("{problem}{hint}") }
}

/// A grant that stands, as it would be made today.
pub fn as_new(replica: &Replica, of: &GrantInfo) -> NewGrant {
    NewGrant {
        share: of.share,
        section: of.section,
        to: of.to.org,
        scope: of.scope.clone(),
        selector: replica.selector_of(&of.id),
        depth: of.depth,
        expires_at: of.expires_at,
        with_history: replica.shows_history(&of.id).unwrap_or(false),
    }
}

/// Whether two grants give the same.
pub fn same_rule(a: &NewGrant, b: &NewGrant) -> bool {
    let contributes = |of: &NewGrant| matches!(of.scope, Scope::Contribute { .. });
    (a.share, a.to, &a.scope, &a.selector, a.depth, a.expires_at, a.with_history)
        == (b.share, b.to, &b.scope, &b.selector, b.depth, b.expires_at, b.with_history)
        && (contributes(a) || a.section == b.section)
}

fn new_words(replica: &Replica, new: &NewGrant) -> String {
    let to = shown::org(replica, &new.to).name;
    let mut text = format!("{to} may {}", rights(&new.scope));
    if new.section != replica.me().org && matches!(new.scope, Scope::Fields { .. }) {
        text += &format!(" of {}'s part", shown::org(replica, &new.section).name);
    }
    if let Some(selector) = &new.selector {
        text += &format!(", where {selector}");
    }
    if new.with_history {
        text += ", with values from before";
    }
    if new.depth > 0 {
        text += &format!(", and pass it on {}", times(new.depth));
    }
    if let Some(end) = new.expires_at {
        text += &format!(", until {}", when::show(end));
    }
    text
}

fn old_words(replica: &Replica, id: &GrantId) -> Option<String> {
    let grant = replica.grant_info(id)?;
    let now = new_words(replica, &as_new(replica, grant));
    Some(format!("no longer: {now} ({id})"))
}

fn rights(scope: &Scope) -> String {
    match scope {
        Scope::Fields { kind, fields, edit, keep } => {
            let may = if *edit { "see and edit" } else { "see" };
            let keep = if *keep { " and keep a copy" } else { "" };
            format!("{may} {kind} {}{keep}", fields.join(", "))
        }
        Scope::Contribute { kinds } => {
            let kinds: Vec<&str> = kinds.iter().map(|kind| kind.plural()).collect();
            format!("add {}", kinds.join(" and "))
        }
    }
}

fn times(depth: u8) -> String {
    match depth {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        more => format!("{more} times"),
    }
}

/// Lets in what partners passed on.
pub fn approve(replica: &mut Replica, share: &str, order: &Approve) -> Answer<Approved> {
    let (share, let_in) = waiting_named(replica, share, order)?;
    let approved = let_in.iter().map(ToString::to_string).collect();
    replica.change_rules(&share, Proposal { let_in, ..Proposal::default() })?;
    Ok(Approved { approved })
}

/// What would leave if it were let in.
pub fn preview_approve(replica: &mut Replica, share: &str, order: &Approve) -> Answer<Leaving> {
    let (share, let_in) = waiting_named(replica, share, order)?;
    outlook::leaving(replica, &share, &Proposal { let_in, ..Proposal::default() })
}

fn waiting_named(
    replica: &mut Replica,
    share: &str,
    order: &Approve,
) -> Answer<(ShareId, Vec<GrantId>)> {
    let share = replica.find_share(share)?;
    let mut let_in = Vec::new();
    for text in &order.grants {
        let id = replica.find_grant(&share, text)?;
        replica.check_approve(&id)?;
        let_in.push(id);
    }
    Ok((share, let_in))
}

/// Changes settings of this org's part of a share; what is left out stays.
pub fn configure(replica: &mut Replica, share: &str, order: &ShareConfig) -> Answer<ShareConfig> {
    let share = replica.find_share(share)?;
    if let Some(reshare) = order.reshare {
        replica.set_reshare(&share, protocol_reshare(reshare))?;
    }
    Ok(ShareConfig { reshare: Some(seeing::reshare(replica, &share)) })
}
