//! When the store is written anew: some time after something was erased, or when somebody asks. A
//! part of it between two groups of inputs, so that nobody waits long.

use std::time::{Duration, Instant};

use entente_protocol::refusal::Refusal;
use entente_protocol::remains::Remains;
use entente_protocol::replica::Replica;
use entente_protocol::time::Millis;
use tokio::sync::oneshot;

use crate::store::{RewriteError, Rewriter, Rewritten, Step};

/// After a failure it is tried again no sooner.
const RETRY_AFTER: Duration = Duration::from_secs(600);

/// Whoever asked for it is told how it went.
pub(super) type Answer = oneshot::Sender<Result<Rewritten, RewriteError>>;

pub(super) struct Rewriting {
    rewriter: Rewriter,
    /// How long after an erasure; none if only when asked.
    after: Option<Duration>,
    not_before: Millis,
    under_way: Option<Begun>,
}

struct Begun {
    at: Millis,
    /// What remained then, and will be gone.
    remains: Option<Remains>,
    watch: Watch,
    answers: Vec<Answer>,
}

/// How long it took, and how long the node stood still for it at most.
struct Watch {
    begun: Instant,
    longest: Duration,
}

impl Rewriting {
    pub fn new(rewriter: Rewriter, after: Option<Duration>) -> Self {
        Self { rewriter, after, not_before: 0, under_way: None }
    }

    pub fn is_under_way(&self) -> bool {
        self.under_way.is_some()
    }

    /// Begins if it is time to.
    pub fn look(&mut self, replica: &Replica, now: Millis) -> Result<(), Refusal> {
        let Some(after) = self.after else { return Ok(()) };
        if self.is_under_way() || now < self.not_before {
            return Ok(());
        }
        if let Some(remains) = replica.remains()?
            && now >= remains.since.saturating_add(after.as_millis() as Millis)
        {
            self.begin(Some(remains), now);
        }
        Ok(())
    }

    /// Begins at once, or lets the asker wait for what is under way to be done: if something was
    /// erased since that began, once more.
    pub fn ask(&mut self, replica: &Replica, now: Millis, answer: Answer) -> Result<(), Refusal> {
        let remains = replica.remains()?;
        if self.under_way.as_ref().is_some_and(|begun| begun.remains != remains) {
            self.under_way = None;
            if let Err(error) = self.rewriter.give_up() {
                let _ = answer.send(Err(error.into()));
                return Ok(());
            }
        }
        if !self.is_under_way() {
            self.begin(remains, now);
        }
        if let Some(begun) = &mut self.under_way {
            begun.answers.push(answer);
        }
        Ok(())
    }

    fn begin(&mut self, remains: Option<Remains>, at: Millis) {
        let watch = Watch { begun: Instant::now(), longest: Duration::ZERO };
        self.under_way = Some(Begun { at, remains, watch, answers: Vec::new() });
    }

    /// Does a part; what is said to the replica becomes durable with its next commit.
    pub fn step(&mut self, replica: &mut Replica, now: Millis) -> Result<(), Refusal> {
        let Some(begun) = &mut self.under_way else { return Ok(()) };
        let start = Instant::now();
        let stepped = self.rewriter.step();
        begun.watch.longest = begun.watch.longest.max(start.elapsed());
        let done = match stepped {
            Ok(Step::Copied | Step::Removing) => return Ok(()),
            Ok(Step::Done(done)) => Ok(done),
            Err(error) => Err(error),
        };
        let Some(begun) = self.under_way.take() else { return Ok(()) };
        match &done {
            Ok(done) => {
                replica.remains_gone(begun.remains, begun.at)?;
                let (took, longest) = (begun.watch.begun.elapsed(), begun.watch.longest);
                tracing::info!(
                    entries = done.entries,
                    bytes_before = done.bytes_before,
                    bytes_after = done.bytes_after,
                    took_ms = took.as_millis() as u64,
                    longest_pause_ms = longest.as_millis() as u64,
                    "the store was written anew"
                );
            }
            Err(error) => {
                self.not_before = now + RETRY_AFTER.as_millis() as Millis;
                let cause: &dyn std::error::Error = error;
                tracing::error!(cause, "the store could not be written anew");
            }
        }
        let mut answers = begun.answers.into_iter();
        if let Some(first) = answers.next() {
            let again = done.as_ref().ok().copied();
            let _ = first.send(done);
            for answer in answers {
                if let Some(done) = again {
                    let _ = answer.send(Ok(done));
                }
            }
        }
        Ok(())
    }
}
