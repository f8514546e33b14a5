//! The roster of an event: a join over all sections this org may read.

use std::collections::BTreeSet;

use crate::book::Address;
use crate::id::{OrgId, ShareId};
use crate::refusal::Refusal;
use crate::replica::Replica;
use crate::statement::Scope;
use crate::value::Value;
use crate::view::{ListQuery, RecordView};
use crate::vocabulary::Kind;

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
    fn names_of(&self, event: &Address) -> Result<BTreeSet<(Option<ShareId>, String)>, Refusal> {
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
        let share = match (participation.share, event) {
            (Some(share), _) => Some(share),
            (None, Address::Received { share, .. }) => Some(*share),
            (None, Address::Own { record, .. }) => self.shares_of(record)?.first().copied(),
        };
        let Some(share) = share else { return Ok(Vec::new()) };
        let grant = self
            .grants
            .contributions(&share)
            .find(|g| g.to.org == *contributor && matches!(g.scope, Scope::Contribute { .. }));
        let chain = grant.and_then(|grant| self.grants.chain(&grant.id).ok()).unwrap_or_default();
        Ok(chain.iter().skip(1).map(|link| link.author).collect())
    }
}
