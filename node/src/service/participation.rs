//! Adding customers and staff to an event.

use entente_protocol::id::RecordId;
use entente_protocol::vocabulary::{self, Kind};

use super::problem::Problem;
use super::{Answer, Replica, shown};
use crate::api::record::{AddParticipations, Participation, Participations};
use crate::api::share::Leaving;
use entente_protocol::book::Address;
use entente_protocol::refusal::Refusal;
use entente_protocol::roster::Invitation;

const FIRST_STATUS: &str = "invited";

/// Adds them, and places what they need in this org's part of the event's share.
pub fn add(
    replica: &mut Replica,
    event: &str,
    order: &AddParticipations,
) -> Answer<Participations> {
    let (event, invitation) = invitation(replica, event, order)?;
    let made = replica.add_participations(&event, &invitation)?;
    let one = |(id, customer): &(RecordId, Option<RecordId>)| Participation {
        id: Kind::Participation.id_text(id),
        customer: customer.as_ref().map(|id| Kind::Customer.id_text(id)),
    };
    let held = made.held_back.iter().map(|(kind, held)| (*kind, held));
    Ok(Participations {
        participations: made.participations.iter().map(one).collect(),
        held_back: shown::held_back(replica, held),
    })
}

/// What would leave if they were added.
pub fn preview(replica: &mut Replica, event: &str, order: &AddParticipations) -> Answer<Leaving> {
    let (event, invitation) = invitation(replica, event, order)?;
    let (to, held) = replica.preview_participations(&event, &invitation)?;
    Ok(shown::leaving(replica, Kind::Customer, &to, &held))
}

/// The event and who is to be added, refused before anything is written.
fn invitation(
    replica: &mut Replica,
    event: &str,
    order: &AddParticipations,
) -> Answer<(Address, Invitation)> {
    let (event, customers) = named(replica, event, order)?;
    let status = order.status.as_deref().unwrap_or(FIRST_STATUS);
    vocabulary::parse_text(Kind::Participation, "status", status)?;
    if let Some(role) = &order.role {
        vocabulary::parse_text(Kind::Participation, "role", role)?;
    }
    let (status, role) = (status.to_owned(), order.role.clone());
    Ok((event, Invitation { customers, staff: order.staff.clone(), status, role }))
}

fn named(
    replica: &mut Replica,
    event: &str,
    order: &AddParticipations,
) -> Answer<(Address, Vec<RecordId>)> {
    if order.customers.is_empty() && order.staff.is_empty() {
        return Err(Problem::Shape("name customers or staff to add"));
    }
    let event = replica.find_record(event, Some(Kind::Event))?;
    let mut customers = Vec::with_capacity(order.customers.len());
    for name in &order.customers {
        customers.push(own(&replica.find_record(name, Some(Kind::Customer))?)?);
    }
    Ok((event, customers))
}

/// The id of an own record; a received one cannot be placed.
pub(super) fn own(at: &Address) -> Answer<RecordId> {
    match at {
        Address::Own { record, .. } => Ok(*record),
        Address::Received { .. } => Err(Refusal::NotOwn { text: at.text() }.into()),
    }
}
