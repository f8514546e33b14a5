//! The store while a thread of its own makes batches durable: whoever writes goes on reading and
//! working meanwhile, past the one batch that is under way, and what must not be said before it is
//! durable waits for it.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::{io, thread};

use entente_protocol::store::{Batch, Entry, Store, StoreError, scan_over};

use super::sled::{self, Shared, SledError, engine};

/// What may wait for batches to become durable before whoever adds to it waits as well.
const WORK_CAPACITY: usize = 8;

/// The store of a node whose batches become durable on another thread. A commit returns as soon as
/// the batch before it is durable; reads see what was committed at once.
pub struct Behind {
    shared: Arc<Shared>,
    progress: Arc<Progress>,
    work: SyncSender<Work>,
}

/// What is to happen once everything committed so far is durable. Ends the thread when dropped.
pub struct Afterwards {
    progress: Arc<Progress>,
    work: SyncSender<Work>,
    thread: Option<JoinHandle<()>>,
}

enum Work {
    Commit(Arc<Batch>),
    Then(Box<dyn FnOnce() + Send>),
    End,
}

#[derive(Default)]
struct Progress {
    now: Mutex<Now>,
    moved: Condvar,
}

#[derive(Default)]
struct Now {
    /// What is committed and perhaps not durable.
    under_way: Option<Arc<Batch>>,
    /// Nothing becomes durable any more.
    ended: bool,
    /// Why, until somebody was told.
    cause: Option<StoreError>,
}

impl Progress {
    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn move_to(&self, change: impl FnOnce(&mut Now)) {
        change(&mut self.now());
        self.moved.notify_all();
    }

    /// Waits until no batch is under way.
    fn at_rest(&self) -> Result<MutexGuard<'_, Now>, StoreError> {
        let waits = |now: &mut Now| now.under_way.is_some() && !now.ended;
        let now = self.moved.wait_while(self.now(), waits);
        let mut now = now.unwrap_or_else(PoisonError::into_inner);
        if now.ended {
            return Err(now.cause.take().unwrap_or_else(|| engine(SledError::FailedBefore)));
        }
        Ok(now)
    }
}

pub(super) fn start(shared: Arc<Shared>) -> io::Result<(Behind, Afterwards)> {
    let (work, queue) = sync_channel(WORK_CAPACITY);
    let progress = Arc::<Progress>::default();
    let (store, ends) = (Arc::clone(&shared), Ends(Arc::clone(&progress)));
    let thread = thread::Builder::new().name("commits".into()).spawn(move || {
        let Ends(progress) = &ends;
        if let Err(error) = make_durable(&store, progress, &queue) {
            progress.move_to(|now| now.cause = Some(error));
        }
        // Before it is known that this has ended, so that the store is free by then.
        drop((store, queue));
    })?;
    let afterwards =
        Afterwards { progress: Arc::clone(&progress), work: work.clone(), thread: Some(thread) };
    Ok((Behind { shared, progress, work }, afterwards))
}

/// Says, however the thread ends, that it has.
struct Ends(Arc<Progress>);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.move_to(|now| now.ended = true);
    }
}

fn make_durable(
    store: &Shared,
    progress: &Progress,
    queue: &Receiver<Work>,
) -> Result<(), StoreError> {
    while let Ok(work) = queue.recv() {
        match work {
            Work::Commit(batch) => {
                store.commit(&batch)?;
                progress.move_to(|now| now.under_way = None);
            }
            Work::Then(then) => then(),
            Work::End => break,
        }
    }
    Ok(())
}

impl Behind {
    fn under_way(&self) -> Option<Arc<Batch>> {
        self.progress.now().under_way.clone()
    }
}

impl Store for Behind {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        if let Some(batch) = self.under_way()
            && let Some(value) = batch.writes.get(key)
        {
            return Ok(value.clone());
        }
        self.shared.past(|tree| sled::get(tree, key))
    }

    fn scan(&self, prefix: &[u8], after: &[u8], limit: usize) -> Result<Vec<Entry>, StoreError> {
        // What becomes durable meanwhile reads the same from the batch; what it replaces may be
        // half gone.
        let under_way = self.under_way();
        let known = |key: &[u8]| under_way.as_ref().is_some_and(|b| b.writes.contains_key(key));
        let base =
            |after: &[u8]| self.shared.past(|tree| sled::scan(tree, (prefix, after, limit), known));
        match &under_way {
            Some(batch) => scan_over(&batch.writes, base, prefix, after, limit),
            None => base(after),
        }
    }

    /// Durable once what [`Afterwards::then`] was given next has run.
    fn commit(&mut self, batch: Batch) -> Result<(), StoreError> {
        if batch.is_empty() {
            return Ok(());
        }
        let batch = Arc::new(batch);
        self.progress.at_rest()?.under_way = Some(Arc::clone(&batch));
        self.work.send(Work::Commit(batch)).map_err(|_| engine(SledError::FailedBefore))
    }
}

impl Afterwards {
    /// Runs something when all that was committed before is durable; never, if that fails.
    pub fn then(&self, then: impl FnOnce() + Send + 'static) -> Result<(), StoreError> {
        let sent = self.work.send(Work::Then(Box::new(then)));
        sent.or_else(|_| self.wait())
    }

    /// Waits until all that was committed is durable.
    pub fn wait(&self) -> Result<(), StoreError> {
        self.progress.at_rest().map(drop)
    }

    /// Fails if nothing becomes durable any more.
    pub fn check(&self) -> Result<(), StoreError> {
        if self.progress.now().ended { self.wait() } else { Ok(()) }
    }

    /// Waits until everything that was given before has happened.
    pub fn finish(mut self) -> Result<(), StoreError> {
        self.wait()?;
        self.end();
        Ok(())
    }

    fn end(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        // It may have ended by itself.
        let _ = self.work.send(Work::End);
        if thread.join().is_err() {
            tracing::error!("the thread that commits ended unexpectedly");
        }
    }
}

impl Drop for Afterwards {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests;
