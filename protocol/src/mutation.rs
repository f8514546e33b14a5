//! Rules that a test can switch off, one at a time, to show that breaking them is noticed.
//! Outside tests every rule holds: [`broken`] is then a constant.

/// A rule of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Law {
    /// Depth counts down.
    Depth,
    /// Fields only shrink.
    Fields,
    /// Rights only shrink.
    Edit,
    /// Internal fields are never granted.
    Internal,
    /// Granted only to partners.
    Grantee,
    /// Only editors edit.
    Editors,
    /// What lies above a cut does not count.
    Cut,
    /// A publisher cuts when an editor's grant ends.
    CutOnRevoke,
    /// Nothing is served under a grant that has ended.
    Serving,
    /// Who has no right any more is not told who came later.
    LaterNames,
    /// A passed-on grant reaches no further than the one above.
    Reach,
    /// A rule's selector decides which records it is for.
    Selector,
    /// A passed-on grant waits for the approval that the publisher reserved.
    Approval,
    /// What another node notes about a customer that is forgotten goes too.
    LateNotes,
    /// Nothing is settled with a peer that has not said what it lacks.
    Unanswered,
    /// What was lost is asked for when it may be had again.
    AskForLost,
    /// What was deleted counts as sent by nobody.
    AskNoMore,
    /// What one peer may not bring is asked of the others at once.
    AskTheRest,
    /// What was settled is compared again after a while.
    CompareAgain,
    /// An edit that comes too late for a move is told.
    TooLate,
    /// Of a rejected edit the value is kept only while its field is shown.
    RejectedIsForgotten,
    /// Consent decides who may see a person.
    Consent,
    /// What is about somebody whom the book does not know is held back.
    Unknown,
    /// What of a consent travels is reduced.
    Evidence,
    /// What is about a customer follows its consent.
    FollowCustomer,
    /// No newcomer sees values from before its time.
    Superseded,
    /// A plan that was carried out in part only is made again.
    Doubt,
    /// What is mostly overwritten or erased is sent anew without it.
    Overgrown,
    /// Erased records are redacted.
    Redaction,
    /// An erased record that comes late is not taken.
    LateErased,
    /// An order to erase takes what was taken over of the record.
    Obey,
    /// Whose consent has ended is ordered to erase.
    WithdrawnIsForgotten,
    /// Whose consent has ended erases also what was taken out of the share before.
    TakenOutToo,
    /// Only the own company's word on a customer's type lifts the consent gate.
    OwnType,
    /// A record is copied into the own book only under a right to keep.
    Keep,
    /// A copy of a partner's record is never placed in a share.
    CopiesStay,
    /// An erasure leaves word that the store's files have to be written anew.
    Remains,
    /// A retired compartment goes once its successors are here.
    Retired,
    /// A record that comes back begins its next turn.
    Turn,
    /// Whoever was sent a statement is sent what ends it.
    Revocations,
    /// Only the publisher's word on its section is passed on, with what it follows from.
    Hearsay,
    /// Who can no longer serve a log says so.
    Gone,
    /// A log that goes another way elsewhere is looked into.
    Heads,
    /// What a fork takes from a section its publisher writes anew.
    PutRight,
    /// No heights are told before what was said of their share.
    SaidFirst,
    /// Who was let in is told of what was there before.
    Announce,
    /// A commit is durable before anybody hears of it.
    Durable,
    /// What a revocation takes away is deleted, and taken from nobody any more.
    Purge,
    /// What was asked and done is confirmed.
    Receipt,
    /// Who had what a move takes away confirms it.
    Moves,
    /// Who was let in after a move has nothing to confirm.
    Newcomers,
    /// A move is confirmed when nothing of what it takes is left, and not before.
    MovesAreDone,
    /// Of a move those are told who lose sight of something by it, and no others.
    Unseen,
    /// Nothing is served or written under what has ended by its date.
    Expired,
    /// What has ended by its date is revoked by its publisher.
    ExpiryIsSaid,
    /// The opener cuts what was written under a right to contribute that it revoked.
    CutContributors,
    /// What a publisher's cut lets count may come back to it from whoever wrote it.
    BelowCuts,
    /// What a cut is for may come after it.
    LateCause,
    /// A cursor moves on only over what was stored.
    Cursor,
    /// Partners' edits flow back into the book.
    Absorb,
    /// A peer asks for no more than runs in again.
    Pace,
    /// An org begins so many logs in a compartment and no more.
    Logs,
    /// No bundle leaves without a line in the audit log.
    Audited,
    /// Every line of the audit log has the hash of the one before it.
    Chain,
    /// A line is durable before what it tells of leaves.
    AuditFirst,
    /// What was given of a record stays told when the record is gone.
    Past,
    /// Whoever listens is told of every record that reads differently.
    Told,
    /// The book is offered to nobody but the org's own nodes.
    Book,
    /// Of what a root key signed that was handed over, only what its rotation names stands.
    OldRoots,
    /// An ended node is not let in.
    EndedNodes,
    /// A publisher cuts what an ended node wrote.
    CutOnEnd,
    /// An introduction shows certificates of those who stand in it, and of nobody else.
    OthersCertificates,
    /// An org ends its own nodes only.
    OwnNodes,
    /// Nothing is decided before what is kept was compared with what stands in the shares.
    StockFirst,
    /// What was taken out of a share stays out when an older copy of the store comes back.
    StaysOut,
    /// A consent that comes back from a share covers those only who were shown it there.
    CameBack,
    /// An order to erase is passed on only if the publisher said it.
    ForgedOrders,
    /// A pairing whose line breaks goes on with the same nonces.
    PairingGoesOn,
    /// No company pairs with itself.
    OwnInvite,
    /// Where a forked log ends says whoever decides next.
    ForkCuts,
    /// What two nodes enter about a consent at once counts, both of it.
    BothConsents,
    /// Only the steward publishes and absorbs.
    Steward,
    /// Of two retirements of a compartment the higher term's counts.
    Term,
    /// Who is behind decides nothing before it has met the others.
    Behind,
    /// Who has said all is met, whoever brought what that waited for.
    MetThroughOthers,
    /// A restored node begins new logs.
    NewEpoch,
    /// A new steward takes over what the one before left undone.
    Stock,
    /// Of two versions of an entry of the desk the later counts.
    DeskVersion,
    /// What another node took over goes too, though this org has answered the order.
    LateCopies,
    /// Whoever was restored carries out again what it has answered.
    ObeyAgain,
    /// Whom a restored node had ordered to erase a customer is not shown it again.
    OrdersStand,
    /// Of a facet that may be held the store is asked.
    Fresh,
}

#[cfg(test)]
thread_local! {
    static BROKEN: std::cell::Cell<Option<Law>> = const { std::cell::Cell::new(None) };
}

/// Whether this rule is switched off now.
#[cfg(test)]
pub(crate) fn broken(rule: Law) -> bool {
    BROKEN.get() == Some(rule)
}

/// No rule can be switched off.
#[cfg(not(test))]
pub(crate) const fn broken(_: Law) -> bool {
    false
}

/// Runs something without one rule.
#[cfg(test)]
pub(crate) fn without<T>(rule: Law, run: impl FnOnce() -> T) -> T {
    struct Mend;
    impl Drop for Mend {
        fn drop(&mut self) {
            BROKEN.set(None);
        }
    }
    let _mend = Mend;
    BROKEN.set(Some(rule));
    run()
}
