//! Statements from outside: heard, let wait for their author's certificate, or refused. Owns the
//! quotas on what one org can make this node remember.

use crate::codec::CodecError;
use crate::id::PublicKey;
use crate::identity::Authority;
use crate::refusal::Refusal;
use crate::replica::Replica;
use crate::statement::{Statement, StatementError};

/// How many statements from one peer wait for their author's certificate at most.
const MAX_PARKED: usize = 4096;
/// Bytes of them.
const MAX_PARKED_BYTES: usize = 1024 * 1024;
/// Bytes of new statements that the nodes of one org may bring, ever: some 50,000 grants.
pub(crate) const MAX_BROUGHT_BYTES: u64 = 32 * 1024 * 1024;
/// Bytes of statements in all above which none is taken from outside.
pub(crate) const MAX_STATEMENTS_BYTES: usize = 512 * 1024 * 1024;

impl Replica {
    /// Hears a statement from outside. A wrong one is an error, one whose author is not certified
    /// yet waits in memory.
    pub(crate) fn hear(&mut self, bytes: &[u8], from: &PublicKey) -> Result<(), HearError> {
        let statement = Statement::open(bytes)?;
        if self.statements.contains_key(&statement.id()) {
            return Ok(());
        }
        match self.directory.authority(&statement) {
            Authority::Holds => {
                self.charge(from, bytes.len())?;
                self.take(statement)?;
                self.unpark()?;
            }
            Authority::Unknown => self.park(statement, from)?,
            Authority::Refused => return Err(HearError::Authority),
        }
        Ok(())
    }

    /// Counts bytes that a peer makes this node keep.
    fn charge(&mut self, from: &PublicKey, bytes: usize) -> Result<(), HearError> {
        let org = self.peers.get(from).and_then(|peer| peer.org);
        if org == Some(self.me.party.org) {
            return Ok(());
        }
        let brought: u64 =
            self.peers.values().filter(|p| p.org == org).map(|peer| peer.brought).sum();
        if brought + bytes as u64 > MAX_BROUGHT_BYTES
            || self.statement_bytes + bytes > MAX_STATEMENTS_BYTES
        {
            return Err(HearError::TooMuch);
        }
        if let Some(peer) = self.peers.get_mut(from) {
            peer.brought += bytes as u64;
        }
        Ok(())
    }

    /// Lets a statement wait; who lets too much wait loses all of it.
    fn park(&mut self, statement: Statement, from: &PublicKey) -> Result<(), HearError> {
        let waiting = self.parked.values().filter(|(by, _)| by == from);
        let (count, bytes) =
            waiting.fold((0, 0), |(count, bytes), (_, s)| (count + 1, bytes + s.bytes().len()));
        if count >= MAX_PARKED || bytes + statement.bytes().len() > MAX_PARKED_BYTES {
            self.parked.retain(|_, (by, _)| by != from);
            return Err(HearError::TooMuchParked);
        }
        self.parked.insert(statement.id(), (*from, statement));
        if let Some(peer) = self.peers.get_mut(from) {
            peer.parked = true;
        }
        Ok(())
    }

    /// Whether anything that a peer sent waits in memory.
    pub(crate) fn has_parked(&self, from: &PublicKey) -> bool {
        self.parked.values().any(|(by, _)| by == from)
    }

    fn unpark(&mut self) -> Result<(), Refusal> {
        loop {
            let mut parked = self.parked.values();
            let ready = parked.find(|(_, s)| self.directory.authority(s) == Authority::Holds);
            let Some(id) = ready.map(|(_, s)| s.id()) else { return Ok(()) };
            if let Some((_, statement)) = self.parked.remove(&id) {
                self.take(statement)?;
            }
        }
    }
}

/// Why a statement was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HearError {
    #[error(transparent)]
    Statement(#[from] StatementError),
    #[error("a statement's author does not stand behind it")]
    Authority,
    #[error("too many statements wait for a certificate")]
    TooMuchParked,
    #[error("more statements than one org may bring")]
    TooMuch,
    #[error(transparent)]
    Refusal(#[from] Refusal),
}

impl HearError {
    /// The code that is told and logged.
    pub fn code(&self) -> &'static str {
        match self {
            HearError::Statement(_) | HearError::Authority => "statement_refused",
            HearError::TooMuchParked => "statements_parked",
            HearError::TooMuch => "statements_quota",
            HearError::Refusal(refusal) => refusal.code(),
        }
    }
}

impl From<CodecError> for HearError {
    fn from(error: CodecError) -> Self {
        Self::Refusal(error.into())
    }
}
