//! Shares: opened, filled, granted.

use entente_protocol::id::{RecordId, ShareId};
use entente_protocol::statement::Scope;
use entente_protocol::vocabulary::{self, Kind};

use super::problem::Problem;
use super::record::selector;
use super::{Answer, CHUNK, Replica, shown, when};
use crate::api::Made;
use crate::api::grant::{Access, Granted, NewGrant};
use crate::api::share::{Leaving, OpenShare, Place, Placed, Share, ShareLine, Withdraw, Withdrawn};
use crate::placeholder::{GrantOrder, PartnerState};

/// Opens a share, with its event placed in it.
pub fn open(replica: &mut Replica, order: &OpenShare) -> Answer<Made> {
    let ends_at = when::parse_some(order.ends.as_deref(), replica.now())?;
    let event = match &order.event {
        Some(id) => Some(replica.record(id, Some(Kind::Event))?.address.record),
        None => None,
    };
    let purpose = order.purpose.as_deref().unwrap_or(&order.name);
    let id = replica.open_share(&order.name, purpose, ends_at, event)?;
    Ok(Made { id: id.to_string() })
}

/// Every share this org knows.
pub fn list(replica: &mut Replica) -> Answer<Vec<ShareLine>> {
    Ok(replica.shares()?.iter().map(shown::share_line).collect())
}

/// One share.
pub fn show(replica: &mut Replica, name: &str) -> Answer<Share> {
    Ok(shown::share(&replica.share(name)?))
}

/// A placing in progress: one step is one call of the engine.
#[derive(Debug, Clone)]
pub struct Placing {
    share: String,
    order: Place,
    after: Option<RecordId>,
    done: usize,
    placed: Placed,
}

impl Placing {
    /// A placing that has not begun.
    pub fn new(share: String, order: Place) -> Self {
        Self { share, order, after: None, done: 0, placed: Placed::default() }
    }

    /// How many records it has looked at.
    pub fn done(&self) -> u64 {
        self.placed.published + self.placed.held_back.len() as u64
    }

    /// What has come of it.
    pub fn placed(self) -> Placed {
        self.placed
    }

    /// How many records there are to look at.
    pub fn total(&self, replica: &mut Replica) -> Answer<u64> {
        match self.order.kind {
            Some(kind) => {
                let selector = selector(kind, self.order.selector.as_deref())?;
                Ok(replica.count(kind, selector.as_ref())?)
            }
            None => Ok(self.order.records.len() as u64),
        }
    }

    /// Places the next records; false when there are none left.
    pub fn step(&mut self, replica: &mut Replica) -> Answer<bool> {
        let share = replica.share(&self.share)?.id;
        let placed = match check(&self.order)? {
            Some(kind) => {
                let selector = selector(kind, self.order.selector.as_deref())?;
                let live = self.order.live;
                let after = self.after;
                let placed =
                    replica.place_where(share, kind, selector.as_ref(), live, after, CHUNK)?;
                self.after = placed.next;
                placed
            }
            None => {
                let names = self.order.records.iter().skip(self.done).take(CHUNK);
                let ids = named(replica, names)?;
                self.done += ids.len();
                replica.place(share, &ids)?
            }
        };
        self.placed.published += placed.published;
        self.placed.held_back.extend(shown::held_back(&placed.held_back));
        Ok(self.after.is_some() || self.done < self.order.records.len())
    }
}

/// What would leave if the records were placed.
pub fn preview_place(replica: &mut Replica, share: &str, order: &Place) -> Answer<Leaving> {
    let kind = check(order)?;
    let share = replica.share(share)?.id;
    let ids = named(replica, order.records.iter())?;
    let selector = match kind {
        Some(kind) => selector(kind, order.selector.as_deref())?,
        None => None,
    };
    let all = kind.map(|kind| (kind, selector.as_ref()));
    Ok(shown::leaving(replica.preview_place(share, &ids, all)?))
}

fn check(order: &Place) -> Answer<Option<Kind>> {
    match (order.records.is_empty(), order.kind) {
        (true, None) => Err(Problem::Shape("name the records, or a kind of record")),
        (false, Some(_)) => Err(Problem::Shape("name records or a kind of record, not both")),
        (false, None) if order.selector.is_some() || order.live => {
            Err(Problem::Shape("a selection needs a kind of record"))
        }
        (_, kind) => Ok(kind),
    }
}

fn named<'a>(
    replica: &mut Replica,
    names: impl Iterator<Item = &'a String>,
) -> Answer<Vec<RecordId>> {
    let mut ids = Vec::new();
    for name in names {
        ids.push(replica.record(name, None)?.address.record);
    }
    Ok(ids)
}

/// Takes records out of this org's part.
pub fn withdraw(replica: &mut Replica, share: &str, order: &Withdraw) -> Answer<Withdrawn> {
    let share = replica.share(share)?.id;
    let ids = named(replica, order.records.iter())?;
    Ok(Withdrawn { removed: replica.withdraw(share, &ids)? })
}

/// Grants fields, or the right to add records.
pub fn grant(replica: &mut Replica, share: &str, order: &NewGrant) -> Answer<Granted> {
    let share = replica.share(share)?.id;
    let partner = replica.partner(&order.partner)?;
    let order = grant_order(replica, share, order)?;
    let mut warnings = Vec::new();
    if !partner.confirmed && partner.state != PartnerState::Introduced {
        let name = &partner.org.name;
        warnings.push(format!(
            "the verification code of {name} was never compared; \
             call them, then `entente partner confirm {}`",
            partner.alias
        ));
    }
    let made = replica.grant(&order)?;
    Ok(Granted {
        grant: made.id.to_string(),
        state: shown::grant_state(made.state),
        waiting: made.waiting_for.as_ref().map(shown::waiting),
        warnings,
    })
}

/// What would leave under a grant.
pub fn preview_grant(replica: &mut Replica, share: &str, order: &NewGrant) -> Answer<Leaving> {
    let share = replica.share(share)?.id;
    let order = grant_order(replica, share, order)?;
    Ok(shown::leaving(replica.preview_grant(&order)?))
}

fn grant_order(replica: &mut Replica, share: ShareId, order: &NewGrant) -> Answer<GrantOrder> {
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
    Ok(GrantOrder {
        share,
        to: replica.partner(&order.partner)?.org.org,
        selector: match order.kind {
            Some(kind) => selector(kind, order.selector.as_deref())?,
            None => None,
        },
        scope,
        depth: order.depth,
        expires_at,
        section: match &order.section {
            Some(name) => Some(org_named(replica, name)?),
            None => None,
        },
        with_history: order.with_history,
    })
}

fn org_named(replica: &mut Replica, name: &str) -> Answer<entente_protocol::id::OrgId> {
    let me = replica.me();
    if me.org.to_string() == name || me.name == name {
        return Ok(me.org);
    }
    Ok(replica.partner(name)?.org.org)
}
