//! Partners: invited, accepted, shown.

use entente_protocol::id::OrgId;

use super::{Answer, Replica, shown, when};
use crate::api::Done;
use crate::api::partner::{
    Accepted, AcceptedPartner, Alias, Invite, NewInvite, Partner, PartnerState,
};
use crate::placeholder as view;

const INVITE_LASTS: &str = "7d";

/// Makes an invite.
pub fn invite(replica: &mut Replica, order: &NewInvite) -> Answer<Invite> {
    let expires = order.expires.as_deref().unwrap_or(INVITE_LASTS);
    let expires_at = when::parse(expires, replica.now())?;
    Ok(Invite { invite: replica.invite(expires_at, order.confirm_first)? })
}

/// Begins to accept an invite; who it is from.
pub fn accept(replica: &mut Replica, line: &str) -> Answer<OrgId> {
    Ok(replica.accept(line.trim())?)
}

/// The pairing with an org, once both nodes have stored it.
pub fn accepted(replica: &mut Replica, org: &OrgId) -> Answer<Option<Accepted>> {
    let partner = match replica.partner(&org.to_string()) {
        Ok(partner) => partner,
        Err(view::Refusal::Unknown { .. }) => return Ok(None),
        Err(refusal) => return Err(refusal.into()),
    };
    // Waiting for the other side's admin is as far as this side gets by itself.
    let stored = matches!(partner.state, view::PartnerState::Paired | view::PartnerState::Pending);
    Ok(match (stored, partner.code) {
        (true, Some(code)) => Some(Accepted {
            partner: AcceptedPartner {
                org: partner.org.org.to_string(),
                name: partner.org.name,
                alias: partner.alias,
            },
            code,
        }),
        (true, None) | (false, _) => None,
    })
}

/// Every partner.
pub fn list(replica: &mut Replica) -> Answer<Vec<Partner>> {
    Ok(replica.partners()?.iter().map(partner).collect())
}

/// One partner.
pub fn show(replica: &mut Replica, name: &str) -> Answer<Partner> {
    Ok(partner(&replica.partner(name)?))
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
    let org = replica.partner(name)?.org.org;
    match verb {
        Verb::Confirm => replica.confirm(&org)?,
        Verb::Pause => replica.pause(&org)?,
        Verb::Resume => replica.resume(&org)?,
    }
    show(replica, &org.to_string())
}

/// Ends the partnership.
pub fn remove(replica: &mut Replica, name: &str) -> Answer<Done> {
    let org = replica.partner(name)?.org.org;
    replica.remove(&org)?;
    Ok(Done {})
}

/// Gives a partner another name here.
pub fn alias(replica: &mut Replica, name: &str, order: &Alias) -> Answer<Partner> {
    let org = replica.partner(name)?.org.org;
    replica.alias(&org, &order.alias)?;
    show(replica, &org.to_string())
}

fn partner(of: &view::PartnerView) -> Partner {
    Partner {
        org: of.org.org.to_string(),
        name: of.org.name.clone(),
        alias: of.alias.clone(),
        state: match of.state {
            view::PartnerState::Paired => PartnerState::Paired,
            view::PartnerState::Pending => PartnerState::Pending,
            view::PartnerState::Introduced => PartnerState::Introduced,
            view::PartnerState::Paused => PartnerState::Paused,
        },
        code: of.code.clone(),
        confirmed: of.confirmed,
        connected: of.connected,
        last_sync: of.last_sync.map(when::show),
        met_through: of.met_through.as_ref().map(shown::org),
    }
}
