//! The engine thread: owns the replica, turns requests and network events into its inputs, makes a
//! group of them durable with one commit, and only then answers and sends. While one group becomes
//! durable it works on the next.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use entente_protocol::audit;
use entente_protocol::id::PublicKey;
use entente_protocol::refusal::{Refusal, RefusalClass};
use entente_protocol::replica::{Changes, Conn, Effect, Replica};
use entente_protocol::store::StoreError;
use entente_protocol::time::Millis;
use thiserror::Error;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{broadcast, mpsc, oneshot};

use crate::network::{ConnId, NetworkCommand, NetworkEvent, NetworkHandle, RoundTrip, SendOutcome};
use crate::store::{Afterwards, Reader, Report, RewriteError, Rewriter, Rewritten};

mod rewriting;

use rewriting::Rewriting;

/// Requests and events that wait for the engine.
const INPUTS_CAPACITY: usize = 256;
/// Inputs that share one durable commit at most.
const GROUP_MAX: usize = 64;
/// A group ends early when it has changed so many keys: memory stays bounded, and a peer that sends
/// in bulk has another one on its way while this becomes durable.
const GROUP_WRITES_MAX: usize = 1024;
/// Commits that a listener to changes may fall behind before it is told that it missed some.
const CHANGES_CAPACITY: usize = 64;
/// How often the engine wakes without an input.
const TICK: Duration = Duration::from_secs(1);

/// The engine has ended; nothing was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the node is shutting down")]
pub struct Stopped;

/// What an engine thread ends with if it does not end by itself.
#[derive(Debug, Error)]
pub enum EngineFault {
    /// The store failed, or what it holds cannot be read.
    #[error("the engine failed")]
    Replica(#[from] Refusal),
    /// What was committed did not become durable.
    #[error("the engine could not write to the store")]
    Store(#[from] StoreError),
    /// A mistake in this program; what it said is in the log.
    #[error("the engine ended unexpectedly")]
    Panicked,
}

type Answer = Box<dyn FnOnce() + Send>;
type Job = Box<dyn FnOnce(&mut Replica) -> Answer + Send>;

enum Input {
    Job(Job),
    Network(NetworkEvent),
    Compact(rewriting::Answer),
    Tick,
    Stop,
}

/// The way to the engine thread.
#[derive(Clone)]
pub struct EngineHandle {
    inputs: mpsc::Sender<Input>,
    changes: broadcast::Sender<Arc<Changes>>,
    reader: Reader,
    network: NetworkHandle,
    listen: Arc<[String]>,
}

impl std::fmt::Debug for EngineHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EngineHandle")
    }
}

/// The thread itself, to be waited for.
#[derive(Debug)]
pub struct EngineThread {
    ended: oneshot::Receiver<Result<(), EngineFault>>,
    inputs: mpsc::Sender<Input>,
}

impl std::fmt::Debug for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Input::Job(_) => "Job",
            Input::Network(_) => "Network",
            Input::Compact(_) => "Compact",
            Input::Tick => "Tick",
            Input::Stop => "Stop",
        })
    }
}

/// What the engine knows of the store besides what the replica reads and writes.
pub struct Files {
    /// What waits until the replica's commits are durable.
    pub afterwards: Afterwards,
    /// Reads, for other threads.
    pub reader: Reader,
    /// Writes it anew.
    pub rewriter: Rewriter,
    /// How long after an erasure it is written anew; none if only when asked.
    pub rewrite_after: Option<Duration>,
}

/// Starts the engine on the current tokio runtime's helper tasks and a thread of its own.
pub fn start(
    replica: Replica,
    network: NetworkHandle,
    mut events: mpsc::Receiver<NetworkEvent>,
    files: Files,
    listen: Vec<String>,
) -> io::Result<(EngineHandle, EngineThread)> {
    let Files { afterwards, reader, rewriter, rewrite_after } = files;
    let rewriting = Rewriting::new(rewriter, rewrite_after);
    let (inputs, queue) = mpsc::channel(INPUTS_CAPACITY);
    let (ended, end) = oneshot::channel();
    let changes = broadcast::Sender::new(CHANGES_CAPACITY);
    let voice = Voice { network: network.clone(), changes: changes.clone(), afterwards };
    std::thread::Builder::new().name("engine".into()).spawn(move || {
        let end = run(replica, voice, queue, rewriting);
        if let Err(fault) = &end {
            let cause: &dyn std::error::Error = fault;
            tracing::error!(cause = cause.source(), "the engine ended");
        }
        let _ = ended.send(end);
    })?;
    let forward = inputs.clone();
    tokio::spawn(async move {
        while let Some(event) = events.recv().await {
            if forward.send(Input::Network(event)).await.is_err() {
                return;
            }
        }
    });
    let clock = inputs.clone();
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(TICK);
        loop {
            ticks.tick().await;
            if clock.send(Input::Tick).await.is_err() {
                return;
            }
        }
    });
    let thread = EngineThread { ended: end, inputs: inputs.clone() };
    Ok((EngineHandle { inputs, changes, reader, network, listen: listen.into() }, thread))
}

impl EngineThread {
    /// Waits until the engine ends by itself, which it does only when it fails.
    pub async fn failed(&mut self) -> Result<(), EngineFault> {
        (&mut self.ended).await.unwrap_or(Err(EngineFault::Panicked))
    }

    /// Ends the engine after what it has taken up.
    pub async fn stop(self) -> Result<(), EngineFault> {
        let _ = self.inputs.send(Input::Stop).await;
        self.ended.await.unwrap_or(Err(EngineFault::Panicked))
    }
}

impl EngineHandle {
    /// Runs a closure on the engine thread; answers when what it changed is durable.
    pub async fn call<T, E, F>(&self, job: F) -> Result<T, E>
    where
        F: FnOnce(&mut Replica) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Stopped> + Send + 'static,
    {
        let (sender, answer) = oneshot::channel();
        let job: Job = Box::new(move |replica| {
            let done = job(replica);
            Box::new(move || {
                let _ = sender.send(done);
            })
        });
        self.inputs.send(Input::Job(job)).await.map_err(|_| Stopped)?;
        answer.await.map_err(|_| Stopped)?
    }

    /// What each commit from now on changes, told once it is durable. Whoever listens first and
    /// then reads misses nothing; one that falls too far behind is told so and reads again.
    pub fn changes(&self) -> broadcast::Receiver<Arc<Changes>> {
        self.changes.subscribe()
    }

    /// Where the node listens.
    pub fn listen(&self) -> Vec<String> {
        self.listen.to_vec()
    }

    /// Waits for the next answer to a ping on one of the replica's connections; none if it is over.
    pub async fn round_trip(&self, conn: Conn) -> Option<RoundTrip> {
        self.network.round_trip(ConnId(conn)).await
    }

    /// How many bytes the store takes on disk.
    pub fn store_bytes(&self) -> u64 {
        self.reader.size_bytes().unwrap_or(0)
    }

    /// Writes the store anew, so that what was erased is in no file of it; answers when it is.
    pub async fn compact<E>(&self) -> Result<Rewritten, E>
    where
        E: From<Stopped> + From<RewriteError>,
    {
        let (sender, answer) = oneshot::channel();
        self.inputs.send(Input::Compact(sender)).await.map_err(|_| Stopped)?;
        Ok(answer.await.map_err(|_| Stopped)??)
    }

    /// Recomputes the audit log; blocks.
    pub fn verify_audit(&self, noted: Option<&audit::Head>) -> Result<audit::Head, audit::Flaw> {
        audit::verify(&self.reader, noted)
    }

    /// Looks at everything in the store; blocks, and commits wait for it.
    pub fn verify_store(&self) -> Result<Report, StoreError> {
        crate::store::verify(&self.reader)
    }

    /// Writes a backup of the store with the files that go with it; blocks.
    pub fn backup(&self, files: &[(String, Vec<u8>)], out: impl Write) -> io::Result<()> {
        let written = crate::store::backup::write(&self.reader, files, out);
        written.map(|_| ()).map_err(io::Error::other)
    }

    /// Writes everything the store holds, one JSON line each; blocks.
    pub fn dump(&self, out: &mut impl Write) -> io::Result<()> {
        crate::store::dump(&self.reader, out).map(|_| ()).map_err(io::Error::other)
    }
}

/// What the engine says to others, once what it depends on is durable.
struct Voice {
    network: NetworkHandle,
    changes: broadcast::Sender<Arc<Changes>>,
    afterwards: Afterwards,
}

impl Voice {
    /// Commits; then, when that is durable, carries out the effects and answers.
    fn commit(&self, replica: &mut Replica, answers: Vec<Answer>) -> Result<(), EngineFault> {
        let effects = replica.commit()?;
        if effects.is_empty() && answers.is_empty() {
            return Ok(self.afterwards.check()?);
        }
        let (network, changes) = (self.network.clone(), self.changes.clone());
        Ok(self.afterwards.then(move || {
            carry_out(&network, &changes, effects);
            for answer in answers {
                answer();
            }
        })?)
    }
}

fn run(
    mut replica: Replica,
    voice: Voice,
    mut queue: mpsc::Receiver<Input>,
    mut rewriting: Rewriting,
) -> Result<(), EngineFault> {
    let mut seed = Seeds::new();
    voice.commit(&mut replica, Vec::new())?;
    // While the store is written anew the engine does not wait for inputs.
    let first = |queue: &mut mpsc::Receiver<Input>, waits: bool| match waits {
        true => queue.blocking_recv().ok_or(TryRecvError::Disconnected),
        false => queue.try_recv(),
    };
    loop {
        let mut next = match first(&mut queue, !rewriting.is_under_way()) {
            Ok(input) => Some(input),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => return Ok(()),
        };
        let mut answers = Vec::new();
        let mut taken = 0;
        let mut stop = false;
        while let Some(input) = next.take() {
            taken += 1;
            replica.begin(now(), seed.next());
            match input {
                Input::Job(job) => answers.push(job(&mut replica)),
                Input::Network(event) => survive(on_network(&mut replica, event))?,
                Input::Compact(answer) => rewriting.ask(&replica, now(), answer)?,
                Input::Tick => {
                    replica.tick_over()?;
                    rewriting.look(&replica, now())?;
                }
                Input::Stop => stop = true,
            }
            // An input that was taken from the queue is always worked on.
            if !stop && taken < GROUP_MAX && replica.pending_writes() <= GROUP_WRITES_MAX {
                next = queue.try_recv().ok();
            }
        }
        voice.commit(&mut replica, answers)?;
        if stop {
            return Ok(voice.afterwards.finish()?);
        }
        if rewriting.is_under_way() {
            // What is to be gone from the files must be gone from the store first.
            voice.afterwards.wait()?;
            rewriting.step(&mut replica, now())?;
        }
    }
}

/// What a peer sends may be refused; only a fault of ours ends the node.
fn survive(done: Result<(), Refusal>) -> Result<(), Refusal> {
    match done {
        Err(refusal) if refusal.class() != RefusalClass::Fault => {
            tracing::warn!(code = refusal.code(), "an input was refused");
            Ok(())
        }
        done => done,
    }
}

fn on_network(replica: &mut Replica, event: NetworkEvent) -> Result<(), Refusal> {
    match event {
        NetworkEvent::Opened { conn, peer, dialer, address } => {
            tracing::debug!(conn = conn.0, peer = %peer_text(&peer), dialer, address, "opened");
            replica.opened(conn.0, PublicKey(peer), dialer)
        }
        NetworkEvent::Frame { conn, bytes } => replica.frame(conn.0, &bytes),
        NetworkEvent::Closed { conn, peer, reason } => {
            tracing::debug!(conn = conn.0, peer = %peer_text(&peer), %reason, "closed");
            replica.closed(conn.0)
        }
        NetworkEvent::DialFailed { peer, reason } => {
            tracing::debug!(peer = %peer_text(&peer), %reason, "not reached");
            Ok(())
        }
        NetworkEvent::Listening(_) | NetworkEvent::Writable { .. } => Ok(()),
    }
}

fn peer_text(key: &[u8; 32]) -> String {
    NetworkHandle::peer_id_text(key)
}

fn carry_out(
    network: &NetworkHandle,
    changes: &broadcast::Sender<Arc<Changes>>,
    effects: Vec<Effect>,
) {
    let mut broken = BTreeSet::new();
    for effect in effects {
        match effect {
            Effect::Send { conn, frame } => {
                if broken.contains(&conn) {
                    continue;
                }
                match network.send(ConnId(conn), frame) {
                    SendOutcome::Queued { .. } | SendOutcome::Closed => {}
                    // A gap in a session cannot be mended; a new one resumes where this one was.
                    SendOutcome::Full { .. } | SendOutcome::TooLarge => {
                        broken.insert(conn);
                        let reason = "slow";
                        network.command(NetworkCommand::Close { conn: ConnId(conn), reason });
                    }
                }
            }
            Effect::Admitted { conn } => {
                network.command(NetworkCommand::Admitted { conn: ConnId(conn) });
            }
            Effect::Close { conn, code } => {
                tracing::info!(conn, code, "connection refused");
                network.command(NetworkCommand::Close { conn: ConnId(conn), reason: code });
            }
            Effect::Dial { node, addresses } => {
                network.command(NetworkCommand::Dial { peer: node.0, addresses });
            }
            Effect::Forget { node } => network.command(NetworkCommand::Forget { peer: node.0 }),
            Effect::Paired { org } => tracing::info!(%org, "paired"),
            // Nobody may be listening.
            Effect::Changed(these) => drop(changes.send(Arc::new(these))),
        }
    }
}

/// What time it is, in ms since 1970.
pub fn now() -> Millis {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as Millis)
}

/// Fresh randomness for every input: from the system now and then, stretched in between.
struct Seeds {
    seed: [u8; 32],
    used: u64,
}

impl Seeds {
    const RENEW_AFTER: u64 = 1024;

    fn new() -> Self {
        Self { seed: random(), used: 0 }
    }

    fn next(&mut self) -> [u8; 32] {
        if self.used >= Self::RENEW_AFTER {
            *self = Self::new();
        }
        self.used += 1;
        entente_protocol::id::hash("entente/seed/1", &[&self.seed, &self.used.to_be_bytes()])
    }
}

/// Random bytes of the system. Without them no key may be made and no node may run.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    match getrandom::fill(&mut bytes) {
        Ok(()) => bytes,
        Err(error) => panic!("the system gives no random numbers: {error}"),
    }
}
