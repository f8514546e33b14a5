//! Shares: opened, filled, granted.

use entente_protocol::id::{GrantId, OrgId, RecordId, ShareId};
use entente_protocol::policy::Proposal;
use entente_protocol::section;
use entente_protocol::select::Selector;
use entente_protocol::sharing;
use entente_protocol::statement::Scope;
use entente_protocol::vocabulary::{self, Kind};

use super::participation::own;
use super::problem::Problem;
use super::record::selector;
use super::{Answer, CHUNK, Replica, outlook, seeing, shown, when};
use crate::api::Made;
use crate::api::grant::{Access, Granted, NewGrant, Revoke, Revoked};
use crate::api::share::{Leaving, OpenShare, Place, Placed, Share, ShareLine, Withdraw, Withdrawn};

/// Opens a share, with its event placed in it.
pub fn open(replica: &mut Replica, order: &OpenShare) -> Answer<Made> {
    let ends_at = when::parse_some(order.ends.as_deref(), replica.now())?;
    let event = match &order.event {
        Some(id) => Some(own(&replica.find_record(id, Some(Kind::Event))?)?),
        None => None,
    };
    let id = replica.open_share(&order.name, order.purpose.as_deref(), ends_at)?;
    if let Some(event) = event {
        replica.place(&id, Kind::Event, &[event])?;
    }
    Ok(Made { id: id.to_string() })
}

/// Every share this org knows.
pub fn list(replica: &mut Replica) -> Answer<Vec<ShareLine>> {
    Ok(replica.shares()?.iter().map(|of| shown::share_line(replica, of)).collect())
}

/// One share.
pub fn show(replica: &mut Replica, name: &str) -> Answer<Share> {
    let id = replica.find_share(name)?;
    Ok(shown::share(replica, &replica.share(&id)?))
}

/// A placing in progress: one step is one call of the engine.
#[derive(Debug, Clone)]
pub struct Placing {
    share: ShareId,
    records: Vec<(Kind, RecordId)>,
    /// What they have to fit still when it is their turn, unless they were named.
    selector: Option<Selector>,
    done: usize,
    placed: Placed,
}

impl Placing {
    /// Finds the records that are to be placed, and keeps a selection that is to stay.
    pub fn begin(replica: &mut Replica, share: &str, order: &Place) -> Answer<Self> {
        let found = Self::find(replica, share, order)?;
        if let (Some(kind), true) = (order.kind, order.live) {
            let text = order.selector.as_deref().unwrap_or_default();
            replica.keep_placing(&found.share, kind, text)?;
        }
        Ok(found)
    }

    fn find(replica: &mut Replica, share: &str, order: &Place) -> Answer<Self> {
        let share = replica.find_share(share)?;
        let (records, selector) = match (order.records.is_empty(), order.kind) {
            (true, None) => return Err(Problem::Shape("name the records, or a kind of record")),
            (false, Some(_)) => {
                return Err(Problem::Shape("name records or a kind of record, not both"));
            }
            (false, None) if order.selector.is_some() || order.live => {
                return Err(Problem::Shape("a selection needs a kind of record"));
            }
            (false, None) => (named(replica, &order.records)?, None),
            (true, Some(kind)) => {
                let selector = selector(kind, order.selector.as_deref())?;
                let found = replica.placeable(&share, kind, &selector)?;
                (found.into_iter().map(|record| (kind, record)).collect(), Some(selector))
            }
        };
        Ok(Self { share, records, selector, done: 0, placed: Placed::default() })
    }

    /// How many records there are.
    pub const fn total(&self) -> u64 {
        self.records.len() as u64
    }

    /// How many of them it has looked at.
    pub const fn done(&self) -> u64 {
        self.done as u64
    }

    /// What has come of it.
    pub fn placed(self) -> Placed {
        self.placed
    }

    /// Places the next records; false when there are none left.
    pub fn step(&mut self, replica: &mut Replica) -> Answer<bool> {
        let next = self.records.iter().skip(self.done).take(CHUNK).copied().collect::<Vec<_>>();
        for (kind, records) in by_kind(&next) {
            let placed = match &self.selector {
                Some(selector) => replica.place_selected(&self.share, kind, selector, &records)?,
                None => replica.place(&self.share, kind, &records)?,
            };
            self.count(replica, kind, &placed);
        }
        self.done += next.len();
        Ok(self.done < self.records.len())
    }

    fn count(&mut self, replica: &Replica, kind: Kind, placed: &section::Placed) {
        self.placed.published += placed.published.len() as u64;
        let held = placed.held_back.iter().map(|held| (kind, held));
        self.placed.held_back.extend(shown::held_back(replica, held));
    }
}

/// What would leave if the records were placed.
pub fn preview_place(replica: &mut Replica, share: &str, order: &Place) -> Answer<Leaving> {
    let Placing { share, records, .. } = Placing::find(replica, share, order)?;
    let mut all = Leaving::default();
    for (kind, of_kind) in by_kind(&records) {
        let (to, held) = replica.preview_place(&share, kind, &of_kind)?;
        outlook::join(&mut all, shown::leaving(replica, kind, &to, &held));
    }
    Ok(all)
}

fn by_kind(records: &[(Kind, RecordId)]) -> impl Iterator<Item = (Kind, Vec<RecordId>)> {
    let of_kind = |kind: Kind| {
        let of_kind = records.iter().filter(move |(its, _)| *its == kind);
        (kind, of_kind.map(|(_, record)| *record).collect::<Vec<_>>())
    };
    Kind::ALL.into_iter().map(of_kind).filter(|(_, records)| !records.is_empty())
}

fn named(replica: &mut Replica, names: &[String]) -> Answer<Vec<(Kind, RecordId)>> {
    let mut ids = Vec::new();
    for name in names {
        let at = replica.find_record(name, None)?;
        ids.push((at.kind(), own(&at)?));
    }
    Ok(ids)
}

/// Takes records out of this org's part.
pub fn withdraw(replica: &mut Replica, share: &str, order: &Withdraw) -> Answer<Withdrawn> {
    let share = replica.find_share(share)?;
    let ids = ids_named(replica, &order.records)?;
    Ok(Withdrawn { removed: replica.withdraw(&share, &ids)? })
}

/// Who would lose what if the records were taken out.
pub fn preview_withdraw(replica: &mut Replica, share: &str, order: &Withdraw) -> Answer<Leaving> {
    let share = replica.find_share(share)?;
    let take_out = ids_named(replica, &order.records)?;
    outlook::leaving(replica, &share, &Proposal { take_out, ..Proposal::default() })
}

fn ids_named(replica: &mut Replica, names: &[String]) -> Answer<Vec<RecordId>> {
    Ok(named(replica, names)?.into_iter().map(|(_, id)| id).collect())
}

/// Grants fields, or the right to add records.
pub fn grant(replica: &mut Replica, share: &str, order: &NewGrant) -> Answer<Granted> {
    let share = replica.find_share(share)?;
    let new = grant_order(replica, share, order)?;
    let warnings = unconfirmed(replica, &new.to)?;
    let (id, state) = replica.grant(new)?;
    Ok(Granted { warnings, ..granted(replica, &id, state) })
}

/// A grant that was made just now.
pub fn granted(replica: &Replica, id: &GrantId, state: sharing::GrantState) -> Granted {
    let waits = replica.grant_info(id).filter(|_| state == sharing::GrantState::Waiting);
    Granted {
        grant: id.to_string(),
        state: shown::grant_state(state),
        waiting: waits.map(|grant| seeing::waiting(replica, grant)),
        warnings: Vec::new(),
    }
}

/// A warning if nobody has compared a partner's verification code.
pub fn unconfirmed(replica: &Replica, org: &OrgId) -> Answer<Vec<String>> {
    let partner = replica.partner(org)?;
    let never = !partner.partner.confirmed && partner.partner.paired;
    let warning = || {
        format!(
            "the verification code of {} was never compared; \
             call them, then `entente partner confirm {}`",
            partner.name, partner.partner.alias
        )
    };
    Ok(never.then(warning).into_iter().collect())
}

/// What would leave under a grant.
pub fn preview_grant(replica: &mut Replica, share: &str, order: &NewGrant) -> Answer<Leaving> {
    let share = replica.find_share(share)?;
    let new = grant_order(replica, share, order)?;
    outlook::leaving(replica, &share, &Proposal { add: vec![new], ..Proposal::default() })
}

/// Ends grants: those named, or all to one partner.
pub fn revoke(replica: &mut Replica, share: &str, order: &Revoke) -> Answer<Revoked> {
    let (share, end) = ending(replica, share, order)?;
    let revoked = end.iter().map(ToString::to_string).collect();
    let why = order.reason.clone();
    replica.change_rules(&share, Proposal { end, why, ..Proposal::default() })?;
    Ok(Revoked { revoked })
}

/// Who would lose what if the grants were ended.
pub fn preview_revoke(replica: &mut Replica, share: &str, order: &Revoke) -> Answer<Leaving> {
    let (share, end) = ending(replica, share, order)?;
    for grant in &end {
        replica.check_revoke(grant)?;
    }
    outlook::leaving(replica, &share, &Proposal { end, ..Proposal::default() })
}

/// The grants to be ended: those named, or all to one partner.
fn ending(replica: &mut Replica, share: &str, order: &Revoke) -> Answer<(ShareId, Vec<GrantId>)> {
    let share = replica.find_share(share)?;
    let mut end = Vec::new();
    match (&order.partner, order.grants.is_empty()) {
        (Some(name), true) => {
            let org = replica.find_partner(name)?;
            end = replica.revocable(&share, &org);
        }
        (None, false) => {
            for text in &order.grants {
                end.push(replica.find_grant(&share, text)?);
            }
        }
        (Some(_), false) | (None, true) => {
            return Err(Problem::Shape("name the grants, or the partner whose grants are to end"));
        }
    }
    Ok((share, end))
}

/// A grant as it was asked for, with its names looked up.
pub fn grant_order(
    replica: &mut Replica,
    share: ShareId,
    order: &NewGrant,
) -> Answer<sharing::NewGrant> {
    let expires_at = when::parse_some(order.expires.as_deref(), replica.now())?;
    let scope = match order.kind {
        Some(kind) if order.contribute.is_empty() => {
            for field in &order.fields {
                vocabulary::grantable(kind, field)?;
            }
            let mut fields = order.fields.clone();
            fields.sort();
            fields.dedup();
            if fields.is_empty() {
                return Err(Problem::Shape("name the fields to share, one by one"));
            }
            let edit = order.can == Access::Edit;
            Scope::Fields { kind, fields, edit, keep: order.keep }
        }
        None if !order.contribute.is_empty() => {
            if !order.fields.is_empty() || order.selector.is_some() || order.keep {
                return Err(Problem::Shape("the right to add records names kinds and no fields"));
            }
            let mut kinds = order.contribute.clone();
            kinds.sort();
            kinds.dedup();
            Scope::Contribute { kinds }
        }
        Some(_) | None => {
            return Err(Problem::Shape("name a kind with its fields, or kinds that may be added"));
        }
    };
    let section = match &order.section {
        Some(name) => org_named(replica, name)?,
        None => replica.me().org,
    };
    Ok(sharing::NewGrant {
        share,
        section,
        to: replica.find_partner(&order.partner)?,
        scope,
        selector: order.selector.clone(),
        with_history: order.with_history,
        depth: order.depth,
        expires_at,
    })
}

/// This org or a partner, by what people call it.
pub fn org_named(replica: &mut Replica, name: &str) -> Answer<OrgId> {
    let me = replica.me();
    if me.org.to_string() == name || me.name == name {
        return Ok(me.org);
    }
    Ok(replica.find_partner(name)?)
}
