//! Receipts: what the end of a grant, an erasure or a move asks of whom, which of them have said that
//! it is done, and what this org still has to answer. One place for whatever takes something away.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use crate::codec;
use crate::dossier::Access;
use crate::id::{CompartmentId, GrantId, OrgId, ShareId, StatementId};
use crate::keys;
use crate::mutation::{Law, broken};
use crate::refusal::Refusal;
use crate::replica::Replica;
use crate::statement::{Body, Statement};
use crate::store::for_each;
use crate::time::Millis;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Asked {
    /// Of the orgs below a grant: to delete what no other grant lets them read.
    Revocation,
    /// Of the orgs below a grant: to erase records.
    Erasure,
    /// Of the readers of a compartment: to delete what is not in it any more.
    Move,
}

/// Whom an order concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Whom {
    /// The audience of a grant, or of a whole share, and everybody below it.
    Below(GrantId),
    /// Who was let in to a compartment.
    Readers(CompartmentId),
}

/// A statement that asks for receipts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Order {
    pub of: StatementId,
    pub asked: Asked,
    pub whom: Whom,
    pub author: OrgId,
    /// Its number in its compartment; the highest there is where nobody can come too late for it.
    number: u64,
}

/// One receipt: that it is there, or that it is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiptView {
    /// The statement that asked.
    pub of: StatementId,
    /// What for.
    pub asked: Asked,
    /// The grant that it is about; none for a move.
    pub grant: Option<GrantId>,
    /// Who said it.
    pub author: OrgId,
    /// Who has to answer.
    pub org: OrgId,
    /// When it was done, ms; none while that is not known.
    pub done_at: Option<Millis>,
    /// When it was asked, ms.
    pub asked_at: Millis,
}

/// Orders by whom they concern, in the order of their numbers. Flat: anybody may say very many that
/// concern nobody.
#[derive(Debug, Clone, Default)]
struct ByWhom(BTreeSet<(Whom, u64, StatementId)>);

impl ByWhom {
    /// Orders that concern somebody, with a number above this one.
    fn above(&self, whom: Whom, number: u64) -> impl Iterator<Item = &StatementId> {
        let last = StatementId([u8::MAX; 32]);
        let from = Bound::Excluded((whom, number, last));
        let to = Bound::Included((whom, u64::MAX, last));
        self.0.range((from, to)).map(|(_, _, of)| of)
    }

    /// Whom there are orders to.
    fn whom(&self) -> impl Iterator<Item = Whom> {
        let mut next = self.0.first().map(|(whom, _, _)| *whom);
        std::iter::from_fn(move || {
            let whom = next?;
            let after = Bound::Excluded((whom, u64::MAX, StatementId([u8::MAX; 32])));
            next = self.0.range((after, Bound::Unbounded)).next().map(|(whom, _, _)| *whom);
            Some(whom)
        })
    }
}

/// All orders and all receipts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Receipts {
    orders: BTreeMap<StatementId, Order>,
    all: ByWhom,
    /// Those of others that this org has not answered.
    open: ByWhom,
    /// By what they answer and who says so: the receipt, and when it was done.
    given: BTreeMap<(StatementId, OrgId), (Millis, StatementId)>,
}

impl Receipts {
    /// Takes orders and receipts and ignores all else. Idempotent, in any order.
    pub fn insert(&mut self, statement: &Statement, me: &OrgId) {
        let (of, author) = (statement.id(), statement.author());
        let (asked, whom, number) = match statement.body() {
            Body::Revoke { grant, .. } => (Asked::Revocation, Whom::Below(*grant), u64::MAX),
            Body::Erase { only_for: Some(grant), .. } => {
                (Asked::Erasure, Whom::Below(*grant), u64::MAX)
            }
            Body::Erase { compartment, only_for: None, number, .. }
            | Body::Retire { compartment, number } => {
                (Asked::Move, Whom::Readers(*compartment), *number)
            }
            Body::Receipt { of: asked, done_at } => {
                return self.take(*asked, author, (*done_at, of), me);
            }
            Body::Profile { .. }
            | Body::Certificate { .. }
            | Body::Rotation { .. }
            | Body::EndNode { .. }
            | Body::OpenShare { .. }
            | Body::OpenCompartment { .. }
            | Body::Admit { .. }
            | Body::Grant { .. }
            | Body::Cut { .. } => return,
        };
        self.orders.insert(of, Order { of, asked, whom, author, number });
        self.all.0.insert((whom, number, of));
        if author != *me && !self.is_given(&of, me) {
            self.open.0.insert((whom, number, of));
        }
    }

    /// Every order to erase, by the grant that it names.
    pub fn erasures(&self) -> impl Iterator<Item = (GrantId, impl Iterator<Item = StatementId>)> {
        let is_erasure = |of: &StatementId| {
            self.orders.get(of).is_some_and(|order| order.asked == Asked::Erasure)
        };
        self.all.whom().filter_map(move |whom| {
            let Whom::Below(grant) = whom else { return None };
            Some((grant, self.all.above(whom, 0).copied().filter(is_erasure)))
        })
    }

    fn take(&mut self, of: StatementId, by: OrgId, said: (Millis, StatementId), me: &OrgId) {
        let first = self.given.entry((of, by)).or_insert(said);
        *first = said.min(*first);
        if by == *me
            && let Some(order) = self.orders.get(&of)
        {
            self.open.0.remove(&(order.whom, order.number, of));
        }
    }

    fn is_given(&self, of: &StatementId, by: &OrgId) -> bool {
        self.given.contains_key(&(*of, *by))
    }
}

/// What is asked of an org.
#[derive(Debug, Default)]
struct Concern {
    /// Orders above this number.
    above: u64,
    /// Whom its answers go to.
    issuers: BTreeSet<OrgId>,
}

/// Who has to answer orders. Many orders concern the same orgs: who they are is found once.
#[derive(Default)]
pub(crate) struct Audiences(BTreeMap<Whom, BTreeMap<OrgId, Concern>>);

impl Audiences {
    /// Who has to answer an order, each with those whom its answer goes to: the issuers above it.
    fn of(
        &mut self,
        access: Access<'_>,
        order: Order,
    ) -> impl Iterator<Item = (&OrgId, &BTreeSet<OrgId>)> {
        let concerned = self.concerned(access, order.whom).iter();
        let asked = concerned
            .filter(move |(org, concern)| **org != order.author && concern.above < order.number);
        asked.map(|(org, concern)| (org, &concern.issuers))
    }

    fn concerned(&mut self, access: Access<'_>, whom: Whom) -> &BTreeMap<OrgId, Concern> {
        self.0.entry(whom).or_insert_with(|| match whom {
            Whom::Below(grant) => below(access, &grant),
            Whom::Readers(compartment) => readers(access, &compartment),
        })
    }
}

/// Who has to answer what is said of a grant.
fn below(access: Access<'_>, grant: &GrantId) -> BTreeMap<OrgId, Concern> {
    let mut below: BTreeMap<OrgId, Concern> = BTreeMap::new();
    for grant in access.grants.ended_with(grant) {
        let concern = below.entry(grant.to.org).or_default();
        concern.issuers.extend(access.grants.issuers_above(&grant.id));
    }
    below
}

/// Who has to answer what takes records out of a compartment: whoever was let in to it before. Whose
/// grant was revoked answers that, and nothing else is waited for.
fn readers(access: Access<'_>, compartment: &CompartmentId) -> BTreeMap<OrgId, Concern> {
    let mut readers: BTreeMap<OrgId, Concern> = BTreeMap::new();
    for (org, grant, number) in access.readers_admissions(compartment) {
        if access.grants.revoked(&grant) || broken(Law::Moves) {
            continue;
        }
        let above = if broken(Law::Newcomers) { 0 } else { number };
        let concern = readers.entry(org).or_insert(Concern { above, ..Concern::default() });
        concern.above = concern.above.min(above);
        concern.issuers.extend(access.grants.issuers_above(&grant));
    }
    readers
}

impl Replica {
    /// Whether an order asks for anything: whoever said it may.
    fn counts(&self, order: &Order) -> bool {
        let author = order.author;
        match (order.asked, order.whom) {
            (Asked::Revocation, _) => self.grants.ended_by(&order.of).is_some(),
            (_, Whom::Below(grant)) => {
                self.grants.get(&grant).is_some_and(|info| info.section == author)
            }
            (_, Whom::Readers(id)) => {
                self.dossiers.get(&id).is_some_and(|(opening, _)| opening.section == author)
            }
        }
    }

    /// The share that an order is about.
    fn share_of(&self, whom: &Whom) -> Option<ShareId> {
        match whom {
            Whom::Below(grant) => self.grants.share_of(grant),
            Whom::Readers(id) => self.dossiers.get(id).and_then(|(opening, _)| opening.share),
        }
    }

    /// Of these orders those that are asked of this org.
    fn asked_of_me(&self, orders: &ByWhom, of: impl Fn(&Whom) -> bool) -> Vec<Order> {
        let (me, mut audiences) = (self.me.party.org, Audiences::default());
        let mut mine = Vec::new();
        for whom in orders.whom().filter(of) {
            let concerned = audiences.concerned(self.access(), whom);
            let Some(above) = concerned.get(&me).map(|concern| concern.above) else { continue };
            // What was said before this org was let in is never looked at.
            let found = orders.above(whom, above);
            let found = found.filter_map(|of| self.receipts.orders.get(of));
            mine.extend(found.filter(|order| order.author != me && self.counts(order)));
        }
        mine
    }

    /// Orders to this org that it has not answered.
    pub(crate) fn open_orders(&self) -> Vec<Order> {
        self.asked_of_me(&self.receipts.open, |_| true)
    }

    /// Orders to this org to erase, those that it has answered only if asked for.
    pub(crate) fn erasures_to_me(&self, answered: bool) -> Vec<Order> {
        let receipts = &self.receipts;
        let orders = if answered { &receipts.all } else { &receipts.open };
        let mut orders = self.asked_of_me(orders, |whom| matches!(whom, Whom::Below(_)));
        orders.retain(|order| order.asked == Asked::Erasure);
        orders
    }

    /// Says for every order that this org has carried out that it is done, once.
    pub(crate) fn answer_orders(&mut self) -> Result<(), Refusal> {
        let orders = self.open_orders();
        let taken_over = !self.is_nothing_taken_over(&orders)?;
        for order in orders {
            if self.is_carried_out(&order, taken_over)? && !broken(Law::Receipt) {
                let done_at = self.now;
                self.say(Body::Receipt { of: order.of, done_at })?;
            }
        }
        Ok(())
    }

    /// Whether this org has done what an order asks. What a revocation takes away is gone as soon
    /// as it is known ([`Replica::purge`]). `taken_over`: whether some order is not done with yet.
    fn is_carried_out(&self, order: &Order, taken_over: bool) -> Result<bool, Refusal> {
        match order.asked {
            Asked::Revocation => Ok(true),
            Asked::Erasure => self.is_erased_here(order, taken_over),
            Asked::Move => Ok(self.is_moved_here(&order.of)? || broken(Law::MovesAreDone)),
        }
    }

    /// Every receipt that is due to an org: answers to orders below a link that it signed.
    pub(crate) fn receipts_for(&self, org: &OrgId) -> Vec<StatementId> {
        let (mut due, mut audiences) = (Vec::new(), Audiences::default());
        for whom in self.receipts.all.whom() {
            let concerned = audiences.concerned(self.access(), whom);
            if !concerned.values().any(|concern| concern.issuers.contains(org)) {
                continue;
            }
            let orders = self.receipts.all.above(whom, 0);
            for order in orders.filter_map(|of| self.receipts.orders.get(of)) {
                let asked = audiences.of(self.access(), *order);
                let given = asked.filter(|(_, issuers)| issuers.contains(org));
                let given =
                    given.filter_map(|(from, _)| self.receipts.given.get(&(order.of, *from)));
                let mut given = given.peekable();
                if given.peek().is_some() && self.counts(order) {
                    due.extend(given.map(|(_, receipt)| *receipt));
                }
            }
        }
        due
    }

    /// Who below this org's grants in a share has confirmed what it was asked, and who has not. Of a
    /// move of its own records this org is told whether those have who lost sight of them.
    pub fn receipts(&self, share: &ShareId) -> Result<Vec<ReceiptView>, Refusal> {
        let (mut all, mut audiences) = (Vec::new(), Audiences::default());
        let below = self.receipts.all.whom().filter(|whom| matches!(whom, Whom::Below(_)));
        for whom in below.filter(|whom| self.share_of(whom) == Some(*share)) {
            for of in self.receipts.all.above(whom, 0) {
                all.extend(self.receipts_of(of, &mut audiences));
            }
        }
        for_each(&self.store, keys::UNSEEN, |key, bytes| {
            let of: [u8; 32] = key[1..].try_into().map_err(|_| Refusal::Damaged("a move"))?;
            let unseen: BTreeSet<OrgId> = codec::own(bytes)?;
            let of = StatementId(of);
            let order = self.receipts.orders.get(&of);
            if order.is_none_or(|order| self.share_of(&order.whom) != Some(*share)) {
                return Ok(());
            }
            let mut views = self.receipts_of(&of, &mut audiences);
            views.retain(|view| unseen.contains(&view.org));
            all.extend(views);
            Ok::<_, Refusal>(())
        })?;
        all.sort_by_key(|one| (one.asked_at, one.of, one.org));
        Ok(all)
    }

    /// Who below this org's grants has confirmed an order, and who has not.
    pub(crate) fn receipts_of(
        &self,
        of: &StatementId,
        audiences: &mut Audiences,
    ) -> Vec<ReceiptView> {
        let me = self.me.party.org;
        let order = self.receipts.orders.get(of).filter(|order| self.counts(order));
        let Some((order, statement)) = order.zip(self.statements.get(of)) else {
            return Vec::new();
        };
        let asked = audiences.of(self.access(), *order);
        let view = |(org, _): (&OrgId, &BTreeSet<OrgId>)| ReceiptView {
            of: order.of,
            asked: order.asked,
            grant: match order.whom {
                Whom::Below(grant) => Some(grant),
                Whom::Readers(_) => None,
            },
            author: order.author,
            org: *org,
            done_at: self.receipts.given.get(&(order.of, *org)).map(|(done_at, _)| *done_at),
            asked_at: statement.at().millis(),
        };
        asked.filter(|(_, above)| above.contains(&me)).map(view).collect()
    }
}
