//! Forgetting a person: whatever this org published of a customer, and of what it noted about it, is
//! taken out of its shares for ever, and everybody who was ever shown it is ordered to erase what was
//! taken over of it as well. Consent that ends for one org is a move for the others and a forgetting
//! for that one.

use std::collections::{BTreeMap, BTreeSet};

use minicbor::{Decode, Encode};

use crate::book::Address;
use crate::codec;
use crate::consent;
use crate::facet::Edit;
use crate::id::{CompartmentId, GrantId, OrgId, RecordId, ShareId, StatementId};
use crate::ingest::FacetRow;
use crate::keys::{self, FacetKey};
use crate::mutation::{Law, broken};
use crate::receipt::Audiences;
use crate::refusal::Refusal;
use crate::replica::Replica;
use crate::section::{Publication, Unseen};
use crate::statement::{Body, RecordTurn, Scope};
use crate::store::for_each;
use crate::time::Millis;
use crate::value::{Fields, Value};
use crate::vocabulary::Kind;

/// What is noted about a customer, or about what was noted.
const NOTES: [Kind; 3] = [Kind::Participation, Kind::Interaction, Kind::Followup];

/// What was ordered to have a record forgotten; kept for ever, without anything that it held.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
struct Forgotten {
    /// Every order, as it was said.
    #[n(0)]
    orders: Vec<StatementId>,
    /// Why, as it was entered; never leaves.
    #[n(1)]
    reason: Option<String>,
    /// Whether it went from the own book too, and was not only taken from others.
    #[n(2)]
    #[cbor(default)]
    own: bool,
}

/// An order to erase a record where one compartment shows it.
struct Order {
    home: CompartmentId,
    at: RecordTurn,
    /// The grants whose audience, and everybody below, is ordered.
    grants: Vec<GrantId>,
}

/// An order, whom it was said to, and when, ms.
type Ordered = (StatementId, OrgId, Millis);

/// What forgetting a customer would take.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Forgetting {
    /// The customer, and what this org noted about it.
    pub records: BTreeSet<(Kind, RecordId)>,
    /// Who would be ordered to erase it, and in which share it was shown.
    pub asked: BTreeSet<(ShareId, OrgId)>,
}

/// Whether an org has erased a forgotten record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erasure {
    /// The share in which it was shown the record.
    pub share: ShareId,
    /// Who.
    pub org: OrgId,
    /// When it was asked, ms.
    pub asked_at: Millis,
    /// When it had done everything, ms; none while that is not known.
    pub done_at: Option<Millis>,
}

impl Replica {
    /// Forgets a customer of the own book, with what this org noted about it: out of every share,
    /// erased wherever it was shown, out of the book.
    pub fn forget(
        &mut self,
        at: &Address,
        reason: Option<String>,
    ) -> Result<Vec<Erasure>, Refusal> {
        let record = self.forgettable(at)?;
        self.check_decides()?;
        self.forget_own(Kind::Customer, &record, reason)?;
        self.erasures(&record)
    }

    /// What [`Replica::forget`] would take, and whom it would ask.
    pub fn would_forget(&self, at: &Address) -> Result<Forgetting, Refusal> {
        let record = self.forgettable(at)?;
        let records = self.forgotten_with(Kind::Customer, &record)?;
        let mut asked = BTreeSet::new();
        for share in self.grants.shares() {
            for (_, one) in &records {
                let orders = self.orders_to_erase(share, one, &|_| true, &|_| true)?;
                asked.extend(self.ordered_by(&orders).map(|org| (*share, org)));
            }
        }
        Ok(Forgetting { records, asked })
    }

    /// Whom orders go to: the audience of each grant, and everybody below.
    fn ordered_by(&self, orders: &[Order]) -> impl Iterator<Item = OrgId> {
        let me = self.me.party.org;
        let grants = orders.iter().flat_map(|order| &order.grants);
        let below = grants.flat_map(|id| self.grants.ended_with(id));
        below.map(|grant| grant.to.org).filter(move |org| *org != me)
    }

    /// Who has no consent any more, as the book reads, and would be ordered to erase an own record
    /// and, of a customer, what is noted about it: see [`Replica::forget_without_consent`].
    pub fn without_consent_now(&self, at: &Address) -> Result<BTreeSet<(ShareId, OrgId)>, Refusal> {
        let mut asked = BTreeSet::new();
        for (share, kind, record) in self.ever_placed_with(at.kind(), &at.record())? {
            let Some(row) = self.book_row(kind, &record)? else { continue };
            let ended = self.consent_ended(&share, kind, &row.fields)?;
            let (section, person) = (self.rules(&share)?, self.person(kind, &row.fields)?);
            let reach = self.reach(&section, &share, kind, &row.fields, person.as_ref());
            let left = |home: &CompartmentId| !self.rules_admitted(home).is_subset(&reach);
            let orders = self.orders_to_erase(&share, &record, &left, &ended)?;
            asked.extend(self.ordered_by(&orders).map(|org| (share, org)));
        }
        Ok(asked)
    }

    /// The customer of the own book that is to be forgotten.
    fn forgettable(&self, at: &Address) -> Result<RecordId, Refusal> {
        let Address::Own { kind: Kind::Customer, record } = at else {
            return Err(Refusal::NotYours { text: at.text() });
        };
        if self.book_row(Kind::Customer, record)?.is_none() {
            return Err(Refusal::NotFound { what: Kind::Customer.name(), text: at.text() });
        }
        Ok(*record)
    }

    /// A record, with what this org noted about it if it is a customer.
    fn forgotten_with(
        &self,
        kind: Kind,
        record: &RecordId,
    ) -> Result<BTreeSet<(Kind, RecordId)>, Refusal> {
        let mut all = BTreeSet::from([(kind, *record)]);
        if kind == Kind::Customer {
            all.extend(self.about(BTreeSet::from([kind.id_text(record)]))?);
        }
        Ok(all)
    }

    /// Forgets an own record and, of a customer, what was noted about it.
    pub(crate) fn forget_own(
        &mut self,
        kind: Kind,
        record: &RecordId,
        reason: Option<String>,
    ) -> Result<(), Refusal> {
        let all = self.forgotten_with(kind, record)?;
        let mut orders = Vec::new();
        // What is about a customer goes before the customer.
        for (kind, one) in all.iter().rev() {
            for share in self.grants.shares().copied().collect::<Vec<_>>() {
                orders.extend(self.order_erasure(&share, one, &|_| true, &|_| true)?);
            }
            self.delete(&Address::Own { kind: *kind, record: *one })?;
            self.note_forgotten(one, Forgotten { own: true, ..Forgotten::default() })?;
        }
        self.note_forgotten(record, Forgotten { orders, reason, own: true })
    }

    /// Whether a record came too late: another node noted it about a customer before it heard that
    /// the customer is forgotten. Then it is forgotten too.
    pub(crate) fn forget_late(&mut self, kind: Kind, record: &RecordId) -> Result<bool, Refusal> {
        if !NOTES.contains(&kind) {
            return Ok(false);
        }
        let Some(row) = self.book_row(kind, record)? else { return Ok(false) };
        for field in ["customer", "participation"] {
            let Some(Value::Str(text)) = row.fields.get(field) else { continue };
            let Some((of, named)) = Kind::parse_id(text) else { continue };
            let forgotten: Option<Forgotten> = self.read(&keys::forgotten(&named))?;
            let forgotten = forgotten.is_some_and(|known| known.own);
            if forgotten && self.book_row(of, &named)?.is_none() && !broken(Law::LateNotes) {
                self.forget_own(kind, record, None)?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Own records that are about one of these customers or participations, by their ids as they
    /// are written; and what is about those.
    pub(crate) fn about(
        &self,
        mut named: BTreeSet<String>,
    ) -> Result<BTreeSet<(Kind, RecordId)>, Refusal> {
        let mut about = BTreeSet::new();
        while !named.is_empty() {
            let mut found = BTreeSet::new();
            for kind in NOTES {
                let book = keys::facets(kind, Some(&keys::NO_SHARE), None);
                for_each(&self.store, &book, |key, row| {
                    let row: FacetRow = codec::own(row)?;
                    let names = |field| match row.fields.get(field) {
                        Some(Value::Str(text)) => named.contains(text),
                        Some(_) | None => false,
                    };
                    if names("customer") || names("participation") {
                        found.extend(FacetKey::parse(key).map(|key| (kind, key.record)));
                    }
                    Ok::<_, Refusal>(())
                })?;
            }
            let new = found.difference(&about).map(|(kind, record)| kind.id_text(record)).collect();
            about.append(&mut found);
            named = new;
        }
        Ok(about)
    }

    /// Orders whoever has no consent any more, and was shown the record, to erase it.
    pub(crate) fn forget_without_consent(
        &mut self,
        share: &ShareId,
        kind: Kind,
        record: &RecordId,
        fields: &Fields,
    ) -> Result<(), Refusal> {
        let ended = self.consent_ended(share, kind, fields)?;
        let orders = self.order_erasure(share, record, &|_| false, &ended)?;
        if orders.is_empty() {
            return Ok(());
        }
        let customer = match kind {
            Kind::Customer => Some(*record),
            _ => crate::section::about(fields),
        };
        let ordered = Forgotten { orders, ..Forgotten::default() };
        self.note_forgotten(&customer.unwrap_or(*record), ordered)
    }

    /// From whom consent holds back a record that was perhaps shown: nobody, if it names no person.
    /// A customer that was only deleted has no consent either; nobody withdrew it.
    pub(crate) fn consent_ended(
        &self,
        share: &ShareId,
        kind: Kind,
        fields: &Fields,
    ) -> Result<impl Fn(&OrgId) -> bool + use<>, Refusal> {
        let person = self.person(kind, fields)?.filter(|person| !person.is_empty());
        let person = person.filter(|_| !broken(Law::WithdrawnIsForgotten));
        let (purpose, now) = (self.purpose(share), self.now);
        Ok(move |org: &OrgId| {
            let allows = |person| consent::consent_allows(person, &purpose, org, now).is_ok();
            person.as_ref().is_some_and(|person| !allows(person))
        })
    }

    /// Says what [`Replica::orders_to_erase`] lists.
    fn order_erasure(
        &mut self,
        share: &ShareId,
        record: &RecordId,
        left: &dyn Fn(&CompartmentId) -> bool,
        meant: &dyn Fn(&OrgId) -> bool,
    ) -> Result<Vec<StatementId>, Refusal> {
        let still_at = self.ever_published(share, record)?.map(|p| p.homes).unwrap_or_default();
        let mut said = Vec::new();
        for Order { home, at, grants } in self.orders_to_erase(share, record, left, meant)? {
            let marked =
                self.dossiers.get(&home).is_some_and(|(_, d)| d.erased(&at.record) >= at.turn);
            if !grants.is_empty() && !marked && !still_at.contains_key(&home) {
                self.erase(&home, vec![at], &Unseen::new())?;
            }
            for grant in grants {
                said.push(self.say(Body::Erase {
                    compartment: home,
                    records: vec![at],
                    only_for: Some(grant),
                    number: 0,
                })?);
            }
        }
        Ok(said)
    }

    /// An order for every compartment that ever held a record, to everybody who was admitted to it
    /// and is meant; where the record still is only if that is `left` too. What has been ordered is not
    /// ordered again.
    fn orders_to_erase(
        &self,
        share: &ShareId,
        record: &RecordId,
        left: &dyn Fn(&CompartmentId) -> bool,
        meant: &dyn Fn(&OrgId) -> bool,
    ) -> Result<Vec<Order>, Refusal> {
        let Some(publication) = self.ever_published(share, record)? else {
            return Ok(Vec::new());
        };
        let homes = publication.homes.iter().filter(|(home, _)| left(home));
        let mut held: BTreeMap<CompartmentId, u32> =
            homes.map(|(home, turn)| (*home, *turn)).collect();
        for (home, turn) in &publication.past {
            let highest = held.entry(*home).or_default();
            *highest = (*turn).max(*highest);
        }
        let me = self.me.party.org;
        let orders = held.into_iter().map(|(home, turn)| {
            let at = RecordTurn { record: publication.record, turn };
            let mut grants: Vec<GrantId> = self.ever_admitted(&home, meant).into_iter().collect();
            grants.retain(|grant| self.ordered.turn(&me, &home, grant, &at.record) < turn);
            Order { home, at, grants }
        });
        Ok(orders.collect())
    }

    /// A record's place in a share, also after it was taken out of it.
    fn ever_published(
        &self,
        share: &ShareId,
        record: &RecordId,
    ) -> Result<Option<Publication>, Refusal> {
        match self.publication(share, record)? {
            Some(publication) => Ok(Some(publication)),
            None => self.read(&keys::withdrawn(share, record)),
        }
    }

    /// Grants that were ever admitted to a compartment and whose audience is meant; of a chain the
    /// uppermost, as an order goes to everybody below.
    fn ever_admitted(
        &self,
        compartment: &CompartmentId,
        meant: &dyn Fn(&OrgId) -> bool,
    ) -> BTreeSet<GrantId> {
        let Some((_, dossier)) = self.dossiers.get(compartment) else { return BTreeSet::new() };
        let reads = |grant: &&GrantId| {
            self.grants
                .get(grant)
                .is_some_and(|g| matches!(g.scope, Scope::Fields { .. }) && meant(&g.to.org))
        };
        let all: BTreeSet<GrantId> =
            dossier.admissions().map(|(grant, _)| grant).filter(reads).copied().collect();
        let below_another = |grant: &GrantId| {
            let chain = self.grants.chain(grant).unwrap_or_default();
            chain.iter().any(|link| link.id != *grant && all.contains(&link.id))
        };
        all.iter().filter(|grant| !below_another(grant)).copied().collect()
    }

    /// After a restore: whoever has been ordered since to erase a customer may not be shown it before
    /// consent is given anew. The book that came back is older than the order, and does not say so.
    pub(crate) fn withdraw_as_ordered(&mut self, share: &ShareId) -> Result<(), Refusal> {
        let mut ended: BTreeMap<RecordId, Vec<Ordered>> = BTreeMap::new();
        for (customer, order) in self.customers_ordered(share)? {
            let forgotten: Option<Forgotten> = self.read(&keys::forgotten(&customer))?;
            if !forgotten.is_some_and(|known| known.orders.contains(&order.0)) {
                ended.entry(customer).or_default().push(order);
            }
        }
        let purpose = self.purpose(share);
        for (customer, orders) in ended {
            let Some(row) = self.book_row(Kind::Customer, &customer)? else { continue };
            let from: Vec<(OrgId, Millis)> =
                orders.iter().map(|(_, org, at)| (*org, *at)).collect();
            let consent = consent::withdrawn(&row.fields, &purpose, &from);
            let edit = Edit::Put("consent".into(), consent);
            if !broken(Law::OrdersStand) {
                self.edit_book(Kind::Customer, &customer, &[edit], None)?;
            }
            self.dirty.records.insert((Kind::Customer, customer));
            let orders = orders.iter().map(|order| order.0).collect();
            self.note_forgotten(&customer, Forgotten { orders, ..Forgotten::default() })?;
        }
        Ok(())
    }

    /// The customers of the book about whom this org has said orders in a share: which, to whom, when.
    fn customers_ordered(&self, share: &ShareId) -> Result<Vec<(RecordId, Ordered)>, Refusal> {
        let me = self.me.party.org;
        let mut customers: BTreeMap<RecordId, RecordId> = BTreeMap::new();
        for kind in Kind::ALL {
            let book = keys::facets(kind, Some(&keys::NO_SHARE), Some(&me));
            for_each(&self.store, &book, |key, row| {
                let Some(key) = FacetKey::parse(key) else { return Ok(()) };
                let customer = match kind {
                    Kind::Customer => Some(key.record),
                    _ => crate::section::about(&codec::own::<FacetRow>(row)?.fields),
                };
                let id = self.share_record(share, &key.record)?;
                customers.extend(customer.map(|customer| (id, customer)));
                Ok::<_, Refusal>(())
            })?;
        }
        let mut all = Vec::new();
        for statement in self.statements.values().filter(|said| said.author() == me) {
            let Body::Erase { compartment, records, only_for: Some(grant), .. } = statement.body()
            else {
                continue;
            };
            let there =
                self.dossiers.get(compartment).is_some_and(|(o, _)| o.share == Some(*share));
            let Some(org) = self.grants.audience(grant).filter(|_| there) else { continue };
            let order = (statement.id(), org, statement.at().millis());
            let about = records.iter().filter_map(|at| customers.get(&at.record));
            all.extend(about.map(|customer| (*customer, order)));
        }
        Ok(all)
    }

    fn note_forgotten(&mut self, record: &RecordId, more: Forgotten) -> Result<(), Refusal> {
        let key = keys::forgotten(record);
        let mut forgotten: Forgotten = self.read(&key)?.unwrap_or_default();
        forgotten.orders.extend(more.orders);
        forgotten.reason = more.reason.or(forgotten.reason);
        forgotten.own |= more.own;
        self.put(&key, codec::to_bytes(&forgotten))
    }

    /// Who was ordered to erase a customer, or what was noted about it, and who has done so.
    pub fn erasures(&self, record: &RecordId) -> Result<Vec<Erasure>, Refusal> {
        let forgotten: Forgotten = self.read(&keys::forgotten(record))?.unwrap_or_default();
        let mut audiences = Audiences::default();
        let mut all: BTreeMap<(ShareId, OrgId), Erasure> = BTreeMap::new();
        for of in forgotten.orders {
            for one in self.receipts_of(&of, &mut audiences) {
                let share = one.grant.and_then(|grant| self.grants.share_of(&grant));
                let Some(share) = share else { continue };
                let (org, asked_at, done_at) = (one.org, one.asked_at, one.done_at);
                let new = Erasure { share, org, asked_at, done_at };
                let known = all.entry((share, org)).or_insert(new);
                known.asked_at = known.asked_at.max(asked_at);
                known.done_at = known.done_at.zip(done_at).map(|(a, b)| a.max(b));
            }
        }
        Ok(all.into_values().collect())
    }

    /// A customer that erasures are asked of, by its id or a unique beginning of it: one that is
    /// there, or one that was forgotten.
    pub fn find_forgotten(&self, text: &str) -> Result<RecordId, Refusal> {
        if let Ok(Address::Own { record, .. }) = self.find_record(text, Some(Kind::Customer)) {
            return Ok(record);
        }
        let mut fits = BTreeSet::new();
        for_each(&self.store, keys::FORGOTTEN, |key, _| {
            let record = crate::section::record_of(key);
            fits.extend(record.filter(|r| Kind::Customer.id_text(r).starts_with(text)));
            Ok::<_, Refusal>(())
        })?;
        match (fits.pop_first(), fits.len()) {
            (Some(record), 0) => Ok(record),
            (None, _) => Err(Refusal::NotFound { what: "customer", text: text.to_owned() }),
            (Some(_), more) => Err(Refusal::Ambiguous { text: text.to_owned(), count: more + 1 }),
        }
    }
}
