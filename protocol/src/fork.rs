//! Forks: two headers that one node signed for one place in its log. Whoever holds both has the
//! proof; it stops the log just below, until the publisher's cut names the head that counts.

use minicbor::{Decode, Encode};

use crate::bundle::{Header, Verified, signed_by_its_node};
use crate::codec;
use crate::id::{CompartmentId, LogId};
use crate::keys;
use crate::message::Frame;
use crate::mutation::{Law, broken};
use crate::refusal::Refusal;
use crate::reissue::Wishes;
use crate::replica::{Conn, Replica};
use crate::sign::Signature;
use crate::statement::{Cause, Mark, Nonce32};
use crate::store::for_each;

/// Two validly signed headers at one `(log, seq)`; the one with the smaller id first.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ForkProof {
    /// One header.
    #[n(0)]
    pub first: Header,
    /// Its signature.
    #[n(1)]
    pub first_signature: Signature,
    /// The other.
    #[n(2)]
    pub second: Header,
    /// Its signature.
    #[n(3)]
    pub second_signature: Signature,
}

impl ForkProof {
    /// A proof from two bundles of one place; none if they are the same or of different places.
    pub fn of(one: &Verified, other: &Verified) -> Option<Self> {
        let (first, second) = if one.id() < other.id() { (one, other) } else { (other, one) };
        let proof = Self {
            first: first.header().clone(),
            first_signature: first.bundle().signature,
            second: second.header().clone(),
            second_signature: second.bundle().signature,
        };
        proof.shows_a_fork().then_some(proof)
    }

    fn shows_a_fork(&self) -> bool {
        self.first.log() == self.second.log()
            && self.first.seq == self.second.seq
            && self.first.id() < self.second.id()
    }

    /// Whether it proves what it says.
    pub fn holds(&self) -> bool {
        self.shows_a_fork()
            && signed_by_its_node(&self.first, &self.first_signature)
            && signed_by_its_node(&self.second, &self.second_signature)
    }

    /// The log that was forked.
    pub fn log(&self) -> LogId {
        self.first.log()
    }
}

impl Replica {
    pub(crate) fn load_forks(&mut self) -> Result<(), Refusal> {
        let mut forks = std::collections::BTreeMap::new();
        for_each(&self.store, keys::FORKS, |_, bytes| {
            let proof: ForkProof = codec::own(bytes)?;
            forks.insert(proof.log(), proof);
            Ok::<_, Refusal>(())
        })?;
        self.forks = forks;
        Ok(())
    }

    /// Up to where a log counts as far as forks go: just below the lowest that is known.
    pub(crate) fn unforked(&self, log: &LogId) -> u64 {
        self.forks.get(log).map_or(u64::MAX, |proof| proof.first.seq)
    }

    /// Takes a proof: the log ends just below the fork, here and wherever the proof gets.
    pub(crate) fn prove_fork(&mut self, proof: ForkProof) -> Result<(), Refusal> {
        let log = proof.log();
        if proof.first.seq >= self.unforked(&log) {
            return Ok(());
        }
        if !self.logs.contains_key(&log) && !self.may_begin(&proof.first) {
            return Ok(());
        }
        let (compartment, seq) = (proof.first.compartment, proof.first.seq);
        self.put(&keys::fork(&log), codec::to_bytes(&proof))?;
        self.forks.insert(log, proof.clone());
        let own = proof.first.node == self.node_key();
        let wishes = if own {
            self.late_wishes(&compartment, &self.node_key(), &|_, _| Ok(u64::MAX))?
        } else {
            Wishes::new()
        };
        self.cut_back(&log, seq)?;
        self.dirty.recount.insert(compartment);
        self.cut_fork(&compartment, &log, seq)?;
        if !wishes.is_empty() {
            self.recount(&compartment)?;
            self.write_anew(&compartment, wishes)?;
        }
        self.dirty.logs.insert((compartment, log));
        for conn in self.open_sessions() {
            self.tell_fork(conn, &proof);
        }
        Ok(())
    }

    /// In its own section a publisher says for good where a forked log ends, so that those hear it
    /// too whom the proof does not reach. What it wrote itself it publishes anew.
    fn cut_fork(
        &mut self,
        compartment: &CompartmentId,
        log: &LogId,
        height: u64,
    ) -> Result<(), Refusal> {
        let Some((opening, dossier)) = self.dossiers.get(compartment) else { return Ok(()) };
        let Some(share) = opening.share.filter(|_| opening.section == self.me.party.org) else {
            return Ok(());
        };
        let said = dossier.counted(log, &|_, _| false) <= height;
        if !self.decides() || dossier.retired() || said {
            return Ok(());
        }
        let held = self.logs.get(log).filter(|state| state.height == height);
        let head = held.map_or(Nonce32([0; 32]), |state| state.head);
        self.dirty.sections.insert(share);
        self.say_cut(compartment, Cause::Fork(head), &[Mark { log: *log, height, head }])
    }

    /// What was proved while another node decided, or before this one had met whom it must.
    pub(crate) fn cut_forks(&mut self) -> Result<(), Refusal> {
        if broken(Law::ForkCuts) {
            return Ok(());
        }
        let ends = self
            .forks
            .values()
            .map(|proof| (proof.first.compartment, proof.log(), proof.first.seq));
        for (compartment, log, height) in ends.collect::<Vec<_>>() {
            self.cut_fork(&compartment, &log, height)?;
        }
        Ok(())
    }

    /// Forgets the bundles of a log from `height` on.
    fn cut_back(&mut self, log: &LogId, height: u64) -> Result<(), Refusal> {
        let Some(mut state) = self.logs.get(log).cloned() else { return Ok(()) };
        if state.height <= height {
            return Ok(());
        }
        for seq in height..state.height {
            self.remove(&keys::bundle(log, seq))?;
        }
        state.height = height;
        state.head = match height.checked_sub(1) {
            Some(last) => Nonce32(self.bundle(log, last)?.header.id().0),
            None => Nonce32([0; 32]),
        };
        self.put(&keys::log(log), codec::to_bytes(&state))?;
        self.logs.insert(*log, state);
        Ok(())
    }

    fn tell_fork(&mut self, conn: Conn, proof: &ForkProof) {
        let Some(org) = self.sessions.get(&conn).and_then(|s| s.org) else { return };
        if self.access().may_read(&org, &proof.first.compartment) {
            self.send(conn, &Frame::Fork { proof: Box::new(proof.clone()) });
        }
    }

    /// Tells a peer, once a session, of every fork in what it may read.
    pub(crate) fn tell_forks(&mut self, conn: Conn) {
        for proof in self.forks.values().cloned().collect::<Vec<_>>() {
            self.tell_fork(conn, &proof);
        }
    }

    pub(crate) fn on_fork(&mut self, conn: Conn, proof: ForkProof) -> Result<(), Refusal> {
        if !proof.holds() {
            self.refuse(conn, "fork_unproven");
            return Ok(());
        }
        if self.may_have_written(&proof.first) || self.may_have_written(&proof.second) {
            self.prove_fork(proof)?;
        }
        Ok(())
    }

    /// Whether a bundle with this header could count. Anybody can fork a log of their own; only
    /// those that matter are kept.
    fn may_have_written(&self, header: &Header) -> bool {
        self.directory.certified(&header.author, &header.node)
            && self.access().may_write(&header.author, &header.compartment, header.grant.as_ref())
    }

    /// A bundle came for a place that is taken: the same again, or the proof of a fork.
    pub(crate) fn compare(&mut self, verified: &Verified) -> Result<(), Refusal> {
        let Some(bytes) = crate::store::Store::get(
            &self.store,
            &keys::bundle(&verified.log(), verified.header().seq),
        )?
        else {
            return Ok(());
        };
        let Ok(held) = Verified::open(&bytes) else {
            return Err(Refusal::Damaged("a bundle cannot be read back"));
        };
        match ForkProof::of(&held, verified) {
            Some(proof) => self.prove_fork(proof),
            None => Ok(()),
        }
    }
}
