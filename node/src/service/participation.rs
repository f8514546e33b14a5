//! Adding customers and staff to an event.

use entente_protocol::id::RecordId;
use entente_protocol::vocabulary::{self, Kind};

use super::problem::Problem;
use super::{Answer, Replica, shown};
use crate::api::record::{AddParticipations, Participation, Participations};
use crate::api::share::Leaving;
use crate::placeholder::RecordAddress;

const FIRST_STATUS: &str = "invited";

/// Adds them, and places what they need in this org's part of the event's share.
pub fn add(
    replica: &mut Replica,
    event: &str,
    order: &AddParticipations,
) -> Answer<Participations> {
    let (event, customers) = named(replica, event, order)?;
    let status = order.status.as_deref().unwrap_or(FIRST_STATUS);
    let role = order.role.as_deref();
    // Refused here, before anything is written.
    vocabulary::parse_text(Kind::Participation, "status", status)?;
    if let Some(role) = role {
        vocabulary::parse_text(Kind::Participation, "role", role)?;
    }
    let (made, held) = replica.participation_add(&event, &customers, &order.staff, status, role)?;
    let one = |(id, customer): &(RecordId, Option<RecordId>)| Participation {
        id: Kind::Participation.id_text(id),
        customer: customer.as_ref().map(|id| Kind::Customer.id_text(id)),
    };
    Ok(Participations {
        participations: made.iter().map(one).collect(),
        held_back: shown::held_back(&held),
    })
}

/// What would leave if they were added.
pub fn preview(replica: &mut Replica, event: &str, order: &AddParticipations) -> Answer<Leaving> {
    let (event, customers) = named(replica, event, order)?;
    Ok(shown::leaving(replica.preview_participations(&event, &customers, order.staff.len())?))
}

fn named(
    replica: &mut Replica,
    event: &str,
    order: &AddParticipations,
) -> Answer<(RecordAddress, Vec<RecordId>)> {
    if order.customers.is_empty() && order.staff.is_empty() {
        return Err(Problem::Shape("name customers or staff to add"));
    }
    let event = replica.record(event, Some(Kind::Event))?.address;
    let mut customers = Vec::with_capacity(order.customers.len());
    for name in &order.customers {
        customers.push(replica.record(name, Some(Kind::Customer))?.address.record);
    }
    Ok((event, customers))
}
