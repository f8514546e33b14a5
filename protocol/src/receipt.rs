//! Receipts: what the end of a grant asks of the orgs below it, which of them have said that it is
//! done, and what this org still has to answer. One place for revocations and orders to erase.

use std::collections::{BTreeMap, BTreeSet};

use crate::grant::Grants;
use crate::id::{GrantId, OrgId, ShareId, StatementId};
use crate::mutation::{Law, broken};
use crate::refusal::Refusal;
use crate::replica::Replica;
use crate::statement::{Body, Statement};
use crate::time::Millis;

/// What is asked of the orgs below a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Asked {
    /// To delete what no other grant lets them read.
    Revocation,
    /// To erase records.
    Erasure,
}

/// A statement that asks for receipts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Order {
    pub of: StatementId,
    pub asked: Asked,
    /// The grant whose audience, and everybody below it, has to answer.
    pub grant: GrantId,
    pub author: OrgId,
}

/// One receipt: that it is there, or that it is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiptView {
    /// The statement that asked.
    pub of: StatementId,
    /// What for.
    pub asked: Asked,
    /// The grant that it is about.
    pub grant: GrantId,
    /// Who said it.
    pub author: OrgId,
    /// Who has to answer.
    pub org: OrgId,
    /// When it was done, ms; none while that is not known.
    pub done_at: Option<Millis>,
    /// When it was asked, ms.
    pub asked_at: Millis,
}

/// All orders to erase, and all receipts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Receipts {
    erasures: BTreeMap<StatementId, GrantId>,
    /// By what they answer and who says so: the receipt, and when it was done.
    given: BTreeMap<StatementId, BTreeMap<OrgId, (Millis, StatementId)>>,
}

impl Receipts {
    /// Takes orders to erase and receipts and ignores all else. Idempotent, in any order.
    pub fn insert(&mut self, statement: &Statement) {
        match statement.body() {
            Body::Erase { only_for: Some(grant), .. } => {
                self.erasures.insert(statement.id(), *grant);
            }
            Body::Receipt { of, done_at } => {
                let said = (*done_at, statement.id());
                let given = self.given.entry(*of).or_default();
                let first = given.entry(statement.author()).or_insert(said);
                *first = said.min(*first);
            }
            Body::Erase { .. }
            | Body::Profile { .. }
            | Body::Certificate { .. }
            | Body::Rotation { .. }
            | Body::EndNode { .. }
            | Body::OpenShare { .. }
            | Body::OpenCompartment { .. }
            | Body::Admit { .. }
            | Body::Retire { .. }
            | Body::Grant { .. }
            | Body::Revoke { .. }
            | Body::Cut { .. } => {}
        }
    }
}

/// Who has to answer orders. Many orders name the same grant: whom it concerns is found once.
#[derive(Default)]
pub(crate) struct Audiences(BTreeMap<GrantId, BTreeMap<OrgId, BTreeSet<OrgId>>>);

impl Audiences {
    /// Who has to answer an order, each with those whom its answer goes to: the issuers above it.
    pub fn of(
        &mut self,
        grants: &Grants,
        order: Order,
    ) -> impl Iterator<Item = (&OrgId, &BTreeSet<OrgId>)> {
        let below = self.0.entry(order.grant).or_insert_with(|| {
            let mut below: BTreeMap<OrgId, BTreeSet<OrgId>> = BTreeMap::new();
            for grant in grants.ended_with(&order.grant) {
                below.entry(grant.to.org).or_default().extend(grants.issuers_above(&grant.id));
            }
            below
        });
        below.iter().filter(move |(org, _)| **org != order.author)
    }
}

impl Replica {
    /// Every known statement that asks for receipts and may.
    pub(crate) fn orders(&self) -> impl Iterator<Item = Order> {
        let revocations = self.grants.all_revocations();
        let revocations = revocations.map(|(of, grant)| (of, Asked::Revocation, grant));
        let erasures = self.receipts.erasures.iter();
        let erasures = erasures.map(|(of, grant)| (*of, Asked::Erasure, *grant));
        let all = revocations.chain(erasures);
        all.filter_map(|(of, asked, grant)| self.order(of, asked, grant))
    }

    /// A statement that asks for receipts, if it may.
    fn order(&self, of: StatementId, asked: Asked, grant: GrantId) -> Option<Order> {
        let author = self.statements.get(&of)?.author();
        let publisher = || self.grants.get(&grant).map(|info| info.section);
        let may = asked == Asked::Revocation || publisher() == Some(author);
        may.then_some(Order { of, asked, grant, author })
    }

    /// Orders to this org that it has not answered.
    pub(crate) fn open_orders(&self) -> Vec<Order> {
        self.orders_to_me(false)
    }

    /// Orders to this org, those that it has answered only if asked for.
    pub(crate) fn orders_to_me(&self, answered: bool) -> Vec<Order> {
        let (me, mut audiences) = (self.me.party.org, Audiences::default());
        let mine = |order: &Order| {
            order.author != me
                && (answered || !self.receipt_of(order, &me))
                && audiences.of(&self.grants, *order).any(|(org, _)| *org == me)
        };
        self.orders().filter(mine).collect()
    }

    /// Says for every order that this org has carried out that it is done, once.
    pub(crate) fn answer_orders(&mut self) -> Result<(), Refusal> {
        for order in self.open_orders() {
            if self.is_carried_out(&order)? && !broken(Law::Receipt) {
                let done_at = self.now;
                self.say(Body::Receipt { of: order.of, done_at })?;
            }
        }
        Ok(())
    }

    /// Whether this org has done what an order asks. What a revocation takes away is gone as soon
    /// as it is known ([`Replica::purge`]).
    fn is_carried_out(&self, order: &Order) -> Result<bool, Refusal> {
        match order.asked {
            Asked::Revocation => Ok(true),
            Asked::Erasure => self.is_erased_here(&order.of),
        }
    }

    fn receipt_of(&self, order: &Order, org: &OrgId) -> bool {
        self.receipts.given.get(&order.of).is_some_and(|given| given.contains_key(org))
    }

    /// Every receipt that is due to an org: answers to orders below a link that it signed.
    pub(crate) fn receipts_for(&self, org: &OrgId) -> Vec<StatementId> {
        let (mut due, mut audiences) = (Vec::new(), Audiences::default());
        for order in self.orders() {
            let Some(given) = self.receipts.given.get(&order.of) else { continue };
            for (from, issuers) in audiences.of(&self.grants, order) {
                if issuers.contains(org)
                    && let Some((_, receipt)) = given.get(from)
                {
                    due.push(*receipt);
                }
            }
        }
        due
    }

    /// Who below this org's grants in a share has confirmed what it was asked, and who has not.
    pub fn receipts(&self, share: &ShareId) -> Vec<ReceiptView> {
        let (mut all, mut audiences) = (Vec::new(), Audiences::default());
        for order in self.orders() {
            if self.grants.share_of(&order.grant) == Some(*share) {
                all.extend(self.receipts_of(order, &mut audiences));
            }
        }
        all.sort_by_key(|one| (one.asked_at, one.of, one.org));
        all
    }

    /// Who below this org's grants has confirmed an order to erase, and who has not.
    pub(crate) fn receipts_of_erasure(
        &self,
        of: StatementId,
        audiences: &mut Audiences,
    ) -> Vec<ReceiptView> {
        let grant = self.receipts.erasures.get(&of);
        let order = grant.and_then(|grant| self.order(of, Asked::Erasure, *grant));
        order.map_or_else(Vec::new, |order| self.receipts_of(order, audiences))
    }

    fn receipts_of(&self, order: Order, audiences: &mut Audiences) -> Vec<ReceiptView> {
        let me = self.me.party.org;
        let Some(statement) = self.statements.get(&order.of) else { return Vec::new() };
        let given = self.receipts.given.get(&order.of);
        let below_me = audiences.of(&self.grants, order).filter(|(_, above)| above.contains(&me));
        let view = |(org, _): (&OrgId, &BTreeSet<OrgId>)| ReceiptView {
            of: order.of,
            asked: order.asked,
            grant: order.grant,
            author: order.author,
            org: *org,
            done_at: given.and_then(|given| given.get(org)).map(|(done_at, _)| *done_at),
            asked_at: statement.at().millis(),
        };
        below_me.map(view).collect()
    }
}
