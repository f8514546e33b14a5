//! What is missing in a share: fields granted in either direction that are not filled, and why.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use entente_protocol::book::Address;
use entente_protocol::grant::GrantInfo;
use entente_protocol::id::{OrgId, ShareId};
use entente_protocol::sharing::GrantState;
use entente_protocol::statement::Scope;
use entente_protocol::view::{From, ListQuery};
use entente_protocol::vocabulary::{self, Kind};

use super::{Answer, Replica, seeing, shown};
use crate::api::share::MissingField;

/// How many records there are, and in how many of them each field has a value.
#[derive(Default)]
struct Filled {
    records: u64,
    values: BTreeMap<String, u64>,
}

/// Fields that were granted, to this org or by it, and are not filled everywhere.
pub fn missing(replica: &mut Replica, share: &str) -> Answer<Vec<MissingField>> {
    let share = replica.find_share(share)?;
    let me = replica.me().org;
    let mut counted: BTreeMap<(OrgId, Kind), Filled> = BTreeMap::new();
    let mut all = Vec::new();
    let grants = replica.share(&share)?.grants;
    for (grant, state) in &grants {
        let Scope::Fields { kind, fields, .. } = &grant.scope else { continue };
        let (given, got) = (grant.section == me, grant.to.org == me);
        if !(given || got) || !matches!(state, GrantState::Active | GrantState::Waiting) {
            continue;
        }
        let filled = match counted.entry((grant.section, *kind)) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) if given => new.insert(filled_own(replica, &share, *kind)?),
            Entry::Vacant(new) => {
                new.insert(filled_received(replica, &share, &grant.section, *kind)?)
            }
        };
        for field in fields {
            let at = filled.values.get(field).copied().unwrap_or(0);
            if at == filled.records && at > 0 {
                continue;
            }
            all.push(MissingField {
                from: shown::org(replica, &grant.section),
                to: shown::org(replica, &grant.to.org),
                kind: *kind,
                field: field.clone(),
                filled: at,
                records: filled.records,
                why: why(replica, grant, *state, *kind, field, filled, given),
            });
        }
    }
    all.sort_by(|a, b| {
        let key =
            |of: &MissingField| (of.from.name.clone(), of.to.name.clone(), of.kind, of.filled);
        key(a).cmp(&key(b))
    });
    Ok(all)
}

fn why(
    replica: &Replica,
    grant: &GrantInfo,
    state: GrantState,
    kind: Kind,
    field: &str,
    filled: &Filled,
    given: bool,
) -> String {
    if state == GrantState::Waiting {
        return seeing::waiting(replica, grant);
    }
    if vocabulary::field(kind, field).is_none() {
        return "this version has no place for it: kept, and not shown".to_owned();
    }
    match (filled.records, given) {
        (0, true) => format!("no {kind} is in your part: entente share add"),
        (0, false) => format!("no {kind} has come"),
        (_, true) => {
            "nothing entered: entente customer set, or import".replace("customer", kind.name())
        }
        (_, false) => "granted to you, nothing entered there".to_owned(),
    }
}

fn filled_own(replica: &Replica, share: &ShareId, kind: Kind) -> Answer<Filled> {
    let mut filled = Filled::default();
    for record in replica.placed(share, kind)? {
        filled.records += 1;
        for name in replica.record(&Address::Own { kind, record })?.values().into_keys() {
            *filled.values.entry(name).or_default() += 1;
        }
    }
    Ok(filled)
}

fn filled_received(
    replica: &Replica,
    share: &ShareId,
    section: &OrgId,
    kind: Kind,
) -> Answer<Filled> {
    let mut filled = Filled::default();
    let query = ListQuery { from: From::Partners, ..ListQuery::of(kind) };
    for view in replica.list(&query)?.records {
        if view.share == Some(*share) && view.section == *section {
            filled.records += 1;
            for name in view.values().into_keys() {
                *filled.values.entry(name).or_default() += 1;
            }
        }
    }
    Ok(filled)
}
