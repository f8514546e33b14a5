//! Permission as people read it: fields × companies, a partner's view, and reasons in plain words.

use std::collections::BTreeMap;

use entente_protocol::book::Address;
use entente_protocol::grant::GrantInfo;
use entente_protocol::id::{GrantId, OrgId, ShareId};
use entente_protocol::partner::PartnerState;
use entente_protocol::plan::MANY_COMPARTMENTS;
use entente_protocol::policy;
use entente_protocol::seeing::{Hindrance, May, Question, Wait, Why};
use entente_protocol::sharing::ShareView;
use entente_protocol::statement::Scope;
use entente_protocol::vocabulary::{self, Kind};

use super::problem::Problem;
use super::record::shown_view;
use super::share::org_named;
use super::{Answer, Replica, shown, when};
use crate::api::grant::{ExplainParams, Explanation, Matrix, MatrixParams, MatrixRow};
use crate::api::record::Record;
use crate::api::share::PreviewParams;
use crate::policy::Reshare;

/// Records of a preview when nothing else is asked for, as in lists.
const PREVIEW_LIMIT: usize = crate::api::DEFAULT_LIMIT;

/// Fields × companies of one company's part of a share.
pub fn matrix(replica: &mut Replica, share: &str, params: &MatrixParams) -> Answer<Matrix> {
    let share = replica.find_share(share)?;
    let kind = params.kind.as_deref().map(kind_named).transpose()?;
    let section = match &params.section {
        Some(name) => org_named(replica, name)?,
        None => replica.me().org,
    };
    let of = replica.matrix(&share, &section, kind)?;
    let cell = |may: &May| {
        match may {
            May::Nothing => "–",
            May::Read => "r",
            May::Edit => "e",
        }
        .to_owned()
    };
    let row = |(kind, field, cells): &(Kind, String, Vec<May>)| MatrixRow {
        kind: *kind,
        field: field.clone(),
        cells: cells.iter().map(cell).collect(),
    };
    let named = |id: &GrantId| replica.grant_info(id);
    let selective = of.selective.iter().filter_map(|(id, text)| {
        let to = shown::org(replica, &named(id)?.to.org).name;
        Some(format!("{to}: {} only where {text} ({id})", scope(&named(id)?.scope)))
    });
    let waiting = of.waiting.iter().filter_map(|id| {
        let grant = named(id)?;
        let to = shown::org(replica, &grant.to.org).name;
        Some(format!("{to}: {} is {} ({id})", scope(&grant.scope), waiting(replica, grant)))
    });
    Ok(Matrix {
        orgs: of.orgs.iter().map(|org| shown::org(replica, org)).collect(),
        rows: of.rows.iter().map(row).collect(),
        notes: selective.chain(waiting).collect(),
    })
}

/// What a grant is about, in few words.
pub fn scope(of: &Scope) -> String {
    match of {
        Scope::Fields { kind, fields, .. } => format!("{kind} {}", fields.join(", ")),
        Scope::Contribute { kinds } => {
            let kinds: Vec<&str> = kinds.iter().map(|kind| kind.plural()).collect();
            format!("adding {}", kinds.join(" and "))
        }
    }
}

/// For whom a grant waits, in words.
pub fn waiting(replica: &Replica, grant: &GrantInfo) -> String {
    let name = replica.directory().name(&grant.section);
    match replica.waits_for(grant) {
        Wait::OwnApproval => "waiting for your approval".to_owned(),
        Wait::Node => format!("waiting for {name}'s node"),
        Wait::Records => format!("waiting until {name} puts something in"),
        Wait::Approval => format!("waiting for {name}'s approval"),
    }
}

/// Whether what partners pass on of this org's part is let in by itself.
pub fn reshare(replica: &Replica, share: &ShareId) -> Reshare {
    match replica.reshare(share) {
        Ok(policy::Reshare::Ask) => Reshare::Ask,
        // Doubt is shown where it is decided; this only tells.
        Ok(policy::Reshare::Auto) | Err(_) => Reshare::Auto,
    }
}

/// A warning for every kind whose conditions and consents make very many groups of fields.
pub fn many_groups(replica: &Replica, of: &ShareView) -> Vec<String> {
    let mut count: BTreeMap<Kind, usize> = BTreeMap::new();
    let own = of.sections.iter().filter(|section| section.org == replica.me().org);
    for one in own.flat_map(|section| &section.compartments) {
        *count.entry(one.kind).or_default() += 1;
    }
    let many = count.into_iter().filter(|(_, count)| *count > MANY_COMPARTMENTS);
    many.map(|(kind, count)| too_many(kind, count)).collect()
}

/// What is said of very many groups of fields.
pub fn too_many(kind: Kind, count: usize) -> String {
    format!(
        "the {} are split into {count} groups of fields and partners; \
         fewer conditions (--where) and fewer different grants make sharing faster",
        kind.plural()
    )
}

fn kind_named(name: &str) -> Answer<Kind> {
    Kind::from_name(name).ok_or_else(|| Problem::Kind { name: name.to_owned() })
}

/// The records exactly as a partner sees them.
pub fn preview(replica: &mut Replica, share: &str, params: &PreviewParams) -> Answer<Vec<Record>> {
    let share = replica.find_share(share)?;
    let org = replica.find_partner(&params.partner)?;
    let kind = params.kind.as_deref().map(kind_named).transpose()?;
    let limit = params.limit.unwrap_or(PREVIEW_LIMIT);
    let views = replica.seen_by(&share, &org, kind, limit)?;
    views.iter().map(|view| shown_view(replica, view)).collect()
}

/// What a partner may do with a field, and why.
pub fn explain(replica: &mut Replica, share: &str, params: &ExplainParams) -> Answer<Explanation> {
    let share = replica.find_share(share)?;
    let org = org_named(replica, &params.partner)?;
    let (kind, field) = params
        .field
        .split_once('.')
        .ok_or(Problem::Shape("write the field with its kind, such as customer.phones"))?;
    let kind = kind_named(kind)?;
    if vocabulary::class(kind, field).is_none() {
        let (name, nearest) = (field.to_owned(), vocabulary::nearest(kind, field));
        return Err(vocabulary::ValueError::Unknown { kind, name, nearest }.into());
    }
    let record = params.record.as_deref();
    let record = record.map(|id| replica.find_record(id, Some(kind))).transpose()?;
    let section = match (&params.section, &record) {
        (Some(name), _) => org_named(replica, name)?,
        (None, Some(Address::Received { section, .. })) => *section,
        (None, _) => replica.me().org,
    };
    let field = field.to_owned();
    let question = Question { share, section, org, kind, field, record };
    let why = replica.explain(&question)?;
    let (because, hint) = words(replica, &question, &why)?;
    let may = match why.may {
        May::Nothing => "nothing",
        May::Read => "read",
        May::Edit => "edit",
    };
    Ok(Explanation { may: may.to_owned(), because, hint })
}

/// The reasons, and what would change the answer.
fn words(replica: &Replica, asked: &Question, why: &Why) -> Answer<(Vec<String>, Option<String>)> {
    let name = |org: &OrgId| replica.directory().name(org).to_owned();
    let (who, kind, field) = (name(&asked.org), asked.kind, &asked.field);
    if asked.org == asked.section {
        return Ok((vec![format!("it is {who}'s own part of the share")], None));
    }
    let mut because: Vec<String> =
        why.chain.iter().filter_map(|id| Some(link(replica, replica.grant_info(id)?))).collect();
    let mut hint = None;
    if let Some(hindrance) = &why.hindrance {
        let (reason, advice) = hindered(replica, asked, hindrance);
        because.push(reason);
        hint = advice;
    }
    let paused = replica.partner(&asked.org).is_ok_and(|partner| {
        matches!(partner.partner.state, PartnerState::Paused | PartnerState::Pending)
    });
    if paused && why.may != May::Nothing {
        because.push(format!("but nothing is exchanged with {who} now, so it may be behind"));
        hint = Some("`entente partner resume` or `confirm` lets it go on".to_owned());
    }
    let mine = asked.section == replica.me().org;
    if mine && why.may != May::Nothing && replica.placed(&asked.share, kind)?.is_empty() {
        because.push(format!(
            "but there is no {kind} in your part of the share, so nothing of {field} has left"
        ));
    }
    Ok((because, hint))
}

/// One link of a chain.
fn link(replica: &Replica, of: &GrantInfo) -> String {
    let name = |org: &OrgId| replica.directory().name(org).to_owned();
    let (kind, edit) = match &of.scope {
        Scope::Fields { kind, edit, .. } => (kind.plural(), *edit),
        Scope::Contribute { .. } => ("records", false),
    };
    let may = if edit { "see and edit" } else { "see" };
    let ends = of.expires_at.map(|at| format!(" until {}", when::show(at))).unwrap_or_default();
    format!(
        "{} lets {} {may} these fields of {}'s {kind}{ends} ({})",
        name(&of.author),
        name(&of.to.org),
        name(&of.section),
        of.id
    )
}

/// A rule that fails, and what to do about it.
fn hindered(
    replica: &Replica,
    asked: &Question,
    hindrance: &Hindrance,
) -> (String, Option<String>) {
    let name = |org: &OrgId| replica.directory().name(org).to_owned();
    let (who, kind, field) = (name(&asked.org), asked.kind, &asked.field);
    let share = replica.share_name(&asked.share).unwrap_or_default();
    let owner = name(&asked.section);
    match hindrance {
        Hindrance::Internal => {
            (format!("{kind}.{field} is internal: it never leaves its company"), None)
        }
        Hindrance::NotGranted(others) => {
            let rest = match others.is_empty() {
                true => format!("{who} has been granted no field of {owner}'s {}", kind.plural()),
                false => format!("{who} has been granted {} only", others.join(", ")),
            };
            let mut grant =
                format!("entente share grant '{share}' '{who}' --kind {kind} --fields {field}");
            if asked.section != replica.me().org {
                grant += &format!(" --section '{owner}'");
            }
            (rest, Some(format!("`{grant}` would let it see the field")))
        }
        Hindrance::Broken(link, rule) => {
            (format!("hand-over {link} of the chain does not count: {rule}"), None)
        }
        Hindrance::Revoked(id) => {
            let why = replica.why_ended(id).map(|why| format!(": {why}")).unwrap_or_default();
            (format!("that ended: {} was revoked{why}", by_whom(replica, id)), None)
        }
        Hindrance::Expired(id) => {
            (format!("that ended: {} has expired", by_whom(replica, id)), None)
        }
        Hindrance::Closed => {
            let opener = replica.share(&asked.share).map(|share| name(&share.opened_by));
            let opener = opener.unwrap_or_else(|_| "its opener".to_owned());
            (format!("that ended: {opener} closed the share {share}"), open_another(kind))
        }
        Hindrance::Ended => {
            let end = replica.share(&asked.share).ok().and_then(|share| share.ends_at);
            let end = end.map(|at| format!(" on {}", when::show(at))).unwrap_or_default();
            (format!("that ended: the share {share} ended{end}"), open_another(kind))
        }
        Hindrance::Waiting(id) => {
            let state = replica.grant_info(id).map(|grant| waiting(replica, grant));
            let own = asked.section == replica.me().org;
            let hint = own.then(|| format!("`entente share approve '{share}' {id}` lets it in"));
            (format!("but it is {}", state.unwrap_or_else(|| "waiting".to_owned())), hint)
        }
        Hindrance::NotPlaced => (
            "but this record is not in your part of the share".to_owned(),
            Some(format!("`entente share add '{share}' …` puts it in")),
        ),
        Hindrance::NotSelected(id, text) => {
            (format!("but {} is meant only for records where {text}", by_whom(replica, id)), None)
        }
        Hindrance::HeldBack(org, reason) => (
            format!("but this person is held back from {}: {reason}", name(org)),
            Some("`entente customer consent … give` records a consent".to_owned()),
        ),
        Hindrance::NotShown => {
            (format!("but as far as is known here {owner} does not show it this record"), None)
        }
        Hindrance::NoValue => ("nothing has been entered there".to_owned(), None),
    }
}

fn open_another(kind: Kind) -> Option<String> {
    let of = kind.plural();
    Some(format!("an ended share stays ended; `entente share open` opens another for the {of}"))
}

fn by_whom(replica: &Replica, id: &GrantId) -> String {
    let name = |org: &OrgId| replica.directory().name(org).to_owned();
    match replica.grant_info(id) {
        Some(grant) => format!("what {} granted {}", name(&grant.author), name(&grant.to.org)),
        None => format!("the grant {id}"),
    }
}
