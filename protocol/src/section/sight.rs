//! Who loses sight of something when records are moved or taken out: noted at home when it is said,
//! so that it can be told afterwards whose node still has what it may not see any more. Whoever reads
//! the same fields as before is none of them, and whoever is ordered to erase is told as that.

use std::collections::{BTreeMap, BTreeSet};

use crate::codec;
use crate::id::{CompartmentId, GrantId, OrgId, RecordId, ShareId, StatementId};
use crate::keys;
use crate::mutation::{Law, broken};
use crate::plan::Rule;
use crate::refusal::Refusal;
use crate::replica::Replica;
use crate::statement::RecordTurn;
use crate::value::Fields;
use crate::vocabulary::Kind;

/// By record, as it is named in its share: who loses sight of something of it.
pub(crate) type Unseen = BTreeMap<RecordId, BTreeSet<OrgId>>;

/// The rules that records are moved by, and who reads the compartments that they leave.
#[derive(Default)]
pub(super) struct Sight<'a> {
    pub rules: &'a [Rule],
    readers: BTreeMap<CompartmentId, BTreeSet<GrantId>>,
}

impl<'a> Sight<'a> {
    pub fn of(rules: &'a [Rule]) -> Self {
        Self { rules, readers: BTreeMap::new() }
    }
}

impl Replica {
    /// Orgs that read a record in a compartment that it leaves and do not read all of those fields
    /// of it where these grants reach it.
    pub(super) fn out_of_sight(
        &self,
        sight: &mut Sight<'_>,
        home: &CompartmentId,
        at: RecordTurn,
        reach: &BTreeSet<GrantId>,
    ) -> BTreeSet<OrgId> {
        let rules = sight.rules;
        let readers = sight.readers.entry(*home).or_insert_with(|| self.rules_admitted(home));
        let told = !broken(Law::Unseen);
        if readers.is_subset(reach) && told {
            return BTreeSet::new();
        }
        let Some((opening, _)) = self.dossiers.get(home) else { return BTreeSet::new() };
        let still_reads = |org: &OrgId, field: &String| {
            let mut theirs = rules.iter().filter(|rule| rule.org == *org);
            theirs.any(|rule| reach.contains(&rule.grant) && rule.fields.contains(field))
        };
        let sees_all = |org: &OrgId| {
            opening.schema.fields().iter().all(|spec| still_reads(org, &spec.name)) && told
        };
        let lost = readers.iter().filter(|grant| !self.is_ordered(home, at, grant));
        let lost = lost.filter_map(|grant| self.grants.audience(grant));
        lost.filter(|org| !sees_all(org)).collect()
    }

    /// Whether those whom a grant is for are ordered to erase a record anyway.
    fn is_ordered(&self, home: &CompartmentId, at: RecordTurn, grant: &GrantId) -> bool {
        let me = self.me.party.org;
        let chain = self.grants.chain(grant).unwrap_or_default();
        let mut links = chain.iter().map(|link| link.id);
        links.any(|link| self.ordered.turn(&me, home, &link, &at.record) >= at.turn)
    }

    /// Leaves out whom the person's consent does not cover any more: it is ordered to erase.
    pub(super) fn without_consent(
        &self,
        share: &ShareId,
        kind: Kind,
        fields: &Fields,
        orgs: &mut BTreeSet<OrgId>,
    ) -> Result<(), Refusal> {
        if orgs.is_empty() {
            return Ok(());
        }
        let ended = self.consent_ended(share, kind, fields)?;
        orgs.retain(|org| !ended(org));
        Ok(())
    }

    /// Notes who loses sight of something by what this org has just said.
    pub(super) fn note_unseen<'a>(
        &mut self,
        by: StatementId,
        orgs: impl Iterator<Item = &'a OrgId>,
    ) -> Result<(), Refusal> {
        let orgs: BTreeSet<OrgId> = orgs.copied().collect();
        if orgs.is_empty() {
            return Ok(());
        }
        self.put(&keys::unseen(&by), codec::to_bytes(&orgs))
    }
}
