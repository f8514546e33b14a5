//! Partners: invited, accepted, shown.

use entente_protocol::id::OrgId;

use super::{Answer, Problem, Replica, outlook, shown, when};
use crate::api::partner::{
    Accepted, AcceptedPartner, Alias, Invite, NewInvite, Partner, PartnerState, Ping,
};
use crate::api::share::Leaving;
use crate::api::{Done, Org};
use crate::engine;
use crate::network::RoundTrip;
use entente_protocol::partner::{self as known, PartnerView};
use entente_protocol::policy::Proposal;
use entente_protocol::refusal::Refusal;
use entente_protocol::replica::Conn;
use entente_protocol::time::Millis;

const INVITE_LASTS: &str = "7d";

/// Makes an invite.
pub fn invite(replica: &mut Replica, order: &NewInvite) -> Answer<Invite> {
    let expires = order.expires.as_deref().unwrap_or(INVITE_LASTS);
    let now = replica.now();
    let lasts_ms = when::parse(expires, now)?.saturating_sub(now);
    Ok(Invite { invite: replica.invite(lasts_ms, order.confirm_first)? })
}

/// Begins to accept an invite; who it is from.
pub fn accept(replica: &mut Replica, line: &str) -> Answer<OrgId> {
    Ok(replica.accept(line.trim())?)
}

/// The pairing with an org, once both nodes have stored it.
pub fn accepted(replica: &mut Replica, org: &OrgId) -> Answer<Option<Accepted>> {
    if replica.is_turned_away(org) {
        let why = "the inviting node does not take it; it was used, has expired or is not its own";
        return Err(Refusal::Invite { why }.into());
    }
    let view = match replica.partner(org) {
        Ok(view) => view,
        Err(Refusal::NotFound { .. }) => return Ok(None),
        Err(refusal) => return Err(refusal.into()),
    };
    if replica.is_pairing(org) {
        return Ok(None);
    }
    Ok(view.partner.code.map(|code| Accepted {
        partner: AcceptedPartner {
            org: org.to_string(),
            name: view.name,
            alias: view.partner.alias,
        },
        code,
    }))
}

/// Every partner.
pub fn list(replica: &mut Replica) -> Answer<Vec<Partner>> {
    Ok(replica.partner_list().iter().map(|of| partner(replica, of)).collect())
}

/// One partner.
pub fn show(replica: &mut Replica, name: &str) -> Answer<Partner> {
    let org = replica.find_partner(name)?;
    Ok(partner(replica, &replica.partner(&org)?))
}

/// What can be done to a partner without saying more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// The codes were compared.
    Confirm,
    /// Exchange nothing for now.
    Pause,
    /// Exchange again.
    Resume,
}

/// Does it, and shows the partner.
pub fn act(replica: &mut Replica, name: &str, verb: Verb) -> Answer<Partner> {
    let org = replica.find_partner(name)?;
    match verb {
        Verb::Confirm => replica.confirm_partner(&org)?,
        Verb::Pause => replica.pause_partner(&org)?,
        Verb::Resume => replica.resume_partner(&org)?,
    }
    show(replica, &org.to_string())
}

/// Who would lose what, in every share, if the partnership ended.
pub fn preview_remove(replica: &mut Replica, name: &str) -> Answer<Leaving> {
    let org = replica.find_partner(name)?;
    let mut all = Leaving::default();
    for share in replica.shares()? {
        let end = replica.revocable(&share.id, &org);
        if !end.is_empty() {
            let proposal = Proposal { end, ..Proposal::default() };
            let mut part = outlook::leaving(replica, &share.id, &proposal)?;
            part.notes.iter_mut().for_each(|note| *note = format!("{}: {note}", share.name));
            outlook::join(&mut all, part);
        }
    }
    Ok(all)
}

/// Ends the partnership.
pub fn remove(replica: &mut Replica, name: &str) -> Answer<Done> {
    let org = replica.find_partner(name)?;
    replica.remove_partner(&org)?;
    Ok(Done {})
}

/// A partner that is connected: its name, and the connection to measure.
pub fn connection(replica: &mut Replica, name: &str) -> Answer<(Org, Conn)> {
    let org = replica.find_partner(name)?;
    match replica.connections_with(&org).first() {
        Some(conn) => Ok((shown::org(replica, &org), *conn)),
        None => Err(not_connected(replica, name)?),
    }
}

/// How it answered.
pub fn ping(partner: Org, RoundTrip { took, connected_for }: RoundTrip) -> Ping {
    let connected_ms = Millis::try_from(connected_for.as_millis()).unwrap_or_default();
    Ping {
        partner,
        // To the microsecond.
        round_trip_ms: took.as_micros() as f64 / 1000.0,
        connected_since: when::show(engine::now().saturating_sub(connected_ms)),
    }
}

/// Why a partner cannot be asked anything now.
pub fn not_connected(replica: &mut Replica, name: &str) -> Answer<Problem> {
    let org = replica.find_partner(name)?;
    let view = replica.partner(&org)?;
    let alias = view.partner.alias;
    Ok(match view.partner.state {
        known::PartnerState::Paused | known::PartnerState::Removed => {
            Problem::Paused { name: view.name, alias }
        }
        known::PartnerState::Paired
        | known::PartnerState::Pending
        | known::PartnerState::Introduced => Problem::NotConnected { name: view.name, alias },
    })
}

/// Gives a partner another name here.
pub fn alias(replica: &mut Replica, name: &str, order: &Alias) -> Answer<Partner> {
    let org = replica.find_partner(name)?;
    replica.alias_partner(&org, &order.alias)?;
    show(replica, &org.to_string())
}

fn partner(replica: &Replica, of: &PartnerView) -> Partner {
    let partner = &of.partner;
    Partner {
        org: partner.org.to_string(),
        name: of.name.clone(),
        alias: partner.alias.clone(),
        state: match partner.state {
            known::PartnerState::Paired => PartnerState::Paired,
            known::PartnerState::Pending => PartnerState::Pending,
            known::PartnerState::Introduced => PartnerState::Introduced,
            known::PartnerState::Removed => PartnerState::Removed,
            known::PartnerState::Paused => PartnerState::Paused,
        },
        code: partner.code.clone(),
        confirmed: partner.confirmed,
        connected: of.connected,
        last_sync: of.last_sync.map(when::show),
        met_through: of.met_through.first().map(|org| shown::org(replica, org)),
    }
}
