//! The roster of an event: a join over all sections this org may read.

use std::collections::BTreeSet;

use crate::book::Address;
use crate::id::{OrgId, RecordId, ShareId};
use crate::refusal::Refusal;
use crate::replica::Replica;
use crate::section::Held;
use crate::sharing::Leaving;
use crate::value::{Fields, Value};
use crate::view::{ListQuery, RecordView};
use crate::vocabulary::{Kind, canonical_json};

/// Whom to add to an event, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// Own customers.
    pub customers: Vec<RecordId>,
    /// Own people, by name.
    pub staff: Vec<String>,
    /// `participation.status`.
    pub status: String,
    /// `participation.role`; unless said, customers attend and staff are staff.
    pub role: Option<String>,
}

/// What came of an invitation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Invited {
    /// The participations, each with its customer if it is not staff.
    pub participations: Vec<(RecordId, Option<RecordId>)>,
    /// Records held back, customers and their participations.
    pub held_back: Vec<(Kind, Held)>,
}

/// One participation, with the customer as far as this org may see it.
#[derive(Debug, Clone, PartialEq)]
pub struct RosterRow {
    /// The participation.
    pub participation: RecordView,
    /// Who contributed it: the publisher of the section it is in.
    pub contributed_by: OrgId,
    /// The orgs through which the contributor was brought in.
    pub via: Vec<OrgId>,
    /// The customer, if it is one and visible here.
    pub customer: Option<RecordView>,
}

impl Replica {
    /// The share through which an event reached this org, or into which it was placed.
    pub fn share_of_event(&self, event: &Address) -> Result<Option<ShareId>, Refusal> {
        match event {
            Address::Received { share, .. } => Ok(Some(*share)),
            Address::Own { record, .. } => Ok(self.shares_of(record)?.first().copied()),
        }
    }

    /// Adds own customers and staff to an event, and places both in this org's section of the
    /// event's share.
    pub fn add_participations(
        &mut self,
        event: &Address,
        invitation: &Invitation,
    ) -> Result<Invited, Refusal> {
        let share = self.share_of_event(event)?;
        if let Some(share) = &share {
            self.check_open(share)?;
            self.publishing_grant(share, Kind::Participation)?;
        }
        for customer in &invitation.customers {
            if self.book_row(Kind::Customer, customer)?.is_none() {
                return Err(Refusal::NotOwn { text: Kind::Customer.id_text(customer) });
            }
        }
        let customers = invitation.customers.iter().map(|id| (Some(*id), None));
        let staff = invitation.staff.iter().map(|name| (None, Some(name.clone())));
        let people: Vec<(Option<RecordId>, Option<String>)> = customers.chain(staff).collect();
        let participations = people
            .iter()
            .map(|(customer, staff)| self.participation(event, share, invitation, *customer, staff))
            .collect();
        let ids = self.create_many(Kind::Participation, participations)?;
        let mut invited = Invited::default();
        if let Some(share) = share {
            if !invitation.customers.is_empty() {
                self.publishing_grant(&share, Kind::Customer)?;
                let placed = self.place(&share, Kind::Customer, &invitation.customers)?;
                let held = placed.held_back.into_iter().map(|held| (Kind::Customer, held));
                invited.held_back.extend(held);
            }
            let placed = self.place(&share, Kind::Participation, &ids)?;
            let held = placed.held_back.into_iter().map(|held| (Kind::Participation, held));
            invited.held_back.extend(held);
        }
        let customers = people.into_iter().map(|(customer, _)| customer);
        invited.participations = ids.into_iter().zip(customers).collect();
        Ok(invited)
    }

    /// What adding them would let out, customers and participations; and what would be held back.
    pub fn preview_participations(
        &self,
        event: &Address,
        invitation: &Invitation,
    ) -> Result<(Vec<Leaving>, Vec<Held>), Refusal> {
        let Some(share) = self.share_of_event(event)? else { return Ok(Default::default()) };
        let (mut leaving, held) =
            self.preview_place(&share, Kind::Customer, &invitation.customers)?;
        let customers = invitation.customers.iter().map(|id| (Some(*id), None));
        let staff = invitation.staff.iter().map(|name| (None, Some(name.clone())));
        let participations = customers
            .chain(staff)
            .map(|(customer, staff)| {
                self.participation(event, Some(share), invitation, customer, &staff)
            })
            .collect::<Vec<Fields>>();
        leaving.extend(self.preview_new(&share, Kind::Participation, &participations)?);
        Ok((leaving, held))
    }

    /// The fields of a participation to be.
    fn participation(
        &self,
        event: &Address,
        share: Option<ShareId>,
        invitation: &Invitation,
        customer: Option<RecordId>,
        staff: &Option<String>,
    ) -> Fields {
        let me = self.me.party.org;
        let usual = if staff.is_some() { "staff" } else { "attendee" };
        let role = invitation.role.clone().unwrap_or_else(|| usual.to_owned());
        let via = share.map(|share| {
            let via: Vec<String> =
                self.chain_to(&share, &me).iter().map(OrgId::to_string).collect();
            Value::Json(canonical_json(&serde_json::Value::from(via)))
        });
        let named = [
            ("event", Some(Value::Str(event.text()))),
            ("customer", customer.map(|id| Value::Str(Kind::Customer.id_text(&id)))),
            ("staff_name", staff.clone().map(Value::Str)),
            ("status", Some(Value::Str(invitation.status.clone()))),
            ("role", Some(Value::Str(role))),
            ("contributed_by", Some(Value::Str(me.to_string()))),
            ("via", via),
        ];
        named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    }

    /// The orgs between a share's opener and a contributor, as far as this org knows.
    fn chain_to(&self, share: &ShareId, contributor: &OrgId) -> Vec<OrgId> {
        let grant = self.grants.contributions(share).find(|g| g.to.org == *contributor);
        let chain = grant.and_then(|grant| self.grants.chain(&grant.id).ok()).unwrap_or_default();
        chain.iter().skip(1).map(|link| link.author).collect()
    }

    /// Everybody who takes part in an event, own participations first.
    pub fn roster(&self, event: &Address) -> Result<Vec<RosterRow>, Refusal> {
        let ids = self.names_of(event)?;
        let mut rows = Vec::new();
        for participation in self.list(&ListQuery::of(Kind::Participation))?.records {
            let Some(Some(Value::Str(named))) = participation.fields.get("event") else { continue };
            if !ids.contains(&(None, named.clone()))
                && !ids.contains(&(participation.share, named.clone()))
            {
                continue;
            }
            let customer = self.customer_of(&participation)?;
            let contributed_by = participation.section;
            let via = self.via(&participation, &contributed_by, event)?;
            rows.push(RosterRow { participation, contributed_by, via, customer });
        }
        Ok(rows)
    }

    /// The ids under which an event is referred to, with the share in which each holds.
    pub fn names_of(
        &self,
        event: &Address,
    ) -> Result<BTreeSet<(Option<ShareId>, String)>, Refusal> {
        let mut ids = BTreeSet::from([(None, event.text())]);
        if let Address::Own { record, .. } = event {
            for share in self.shares_of(record)? {
                if let Some(publication) = self.publication(&share, record)? {
                    ids.insert((Some(share), Kind::Event.id_text(&publication.record)));
                }
            }
        }
        Ok(ids)
    }

    fn customer_of(&self, participation: &RecordView) -> Result<Option<RecordView>, Refusal> {
        let Some(Some(Value::Str(text))) = participation.fields.get("customer") else {
            return Ok(None);
        };
        let Some((kind, record)) = Kind::parse_id(text) else { return Ok(None) };
        let at = match participation.share {
            None => self.locate(kind, &record)?,
            Some(share) => self.locate_in(&share, kind, &record, Some(participation.section))?,
        };
        match at {
            Some(at) => match self.record(&at) {
                Ok(view) => Ok(Some(view)),
                Err(Refusal::NotFound { .. }) => Ok(None),
                Err(error) => Err(error),
            },
            None => Ok(None),
        }
    }

    /// The chain between the share's opener and a contributor, as far as this org knows it.
    fn via(
        &self,
        participation: &RecordView,
        contributor: &OrgId,
        event: &Address,
    ) -> Result<Vec<OrgId>, Refusal> {
        let share = match participation.share {
            Some(share) => Some(share),
            None => self.share_of_event(event)?,
        };
        Ok(share.map(|share| self.chain_to(&share, contributor)).unwrap_or_default())
    }
}
