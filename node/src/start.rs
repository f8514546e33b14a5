//! Making a data directory and running a node in it: what `init` and `run` do.

use std::io::{self, Write};
use std::time::Duration;

use entente_protocol::audit;
use entente_protocol::id::OrgId;
use entente_protocol::identity::OrgKeys;
use entente_protocol::refusal::Refusal;
use entente_protocol::replica::{Identity, Replica, Settings};
use entente_protocol::sign::SigningKey;
use entente_protocol::statement::{Body, Statement};
use entente_protocol::time::Hlc;
use libp2p::Multiaddr;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::api::node::{Initialised, Ready};
use crate::config::Config;
use crate::directory::{Directory, DirectoryError, Running};
use crate::engine::{self, EngineFault, EngineHandle, EngineThread, now, random};
use crate::http::access::{self, BindError, Token};
use crate::http::{self, App, HttpSettings};
use crate::join::JoinLine;
use crate::network::{
    EVENTS_CAPACITY, Limits, Network, NetworkConfig, NetworkError, NetworkEvent, NetworkHandle,
};
use crate::renewal::{self, CERTIFICATE_MS};
use crate::service::shown;
use crate::store::backup::BackupError;
use crate::store::{self, DumpError, Engine, OpenError, Report, RewriteError, Rewritten, Step};

/// How long the listeners may take to come up.
const LISTEN_MAX: Duration = Duration::from_secs(10);
/// How long requests under way may take at the end; all of it must fit into five seconds.
const SHUTDOWN_MAX: Duration = Duration::from_secs(2);

/// Why a data directory cannot be made.
#[derive(Debug, Error)]
pub enum InitError {
    /// There is an org in it already.
    #[error("{0} holds an org already")]
    Taken(String),
    /// A name is needed.
    #[error("an org needs a name")]
    Name,
    /// What was given is no line of `entente node certify`.
    #[error("that is not a line of `entente node certify`")]
    Line,
    /// The directory was not prepared for joining.
    #[error("this directory has no key to join with; run `entente init --join` first")]
    NotPrepared,
    /// The line certifies another node.
    #[error("that line is for the node {0}")]
    OtherNode(String),
    /// A file cannot be used.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
}

/// Why a node does not start, or ended with an error.
#[derive(Debug, Error)]
pub enum StartError {
    /// `init` was never here.
    #[error("there is no org in {0}")]
    NotInitialised(String),
    /// A file cannot be used.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The store does not open.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The store is not this node's, or cannot be read.
    #[error("the store cannot be used")]
    Replica(#[from] Refusal),
    /// The network does not start.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The API cannot be served there.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The API failed.
    #[error("the API failed")]
    Serve(#[from] io::Error),
    /// An address to listen on cannot be read.
    #[error("`{0}` is not an address to listen on, such as /ip4/0.0.0.0/tcp/7730")]
    Listen(String),
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineFault),
    /// The store cannot be written anew.
    #[error("the store was not written anew")]
    Rewrite(#[from] RewriteError),
    /// The store cannot be dumped.
    #[error(transparent)]
    Dump(#[from] DumpError),
    /// A backup cannot be restored.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// A backup goes into an empty directory.
    #[error("{0} is not empty: a backup is restored into a new data directory")]
    NotEmpty(String),
}

/// Makes an org and its first node in an empty directory.
pub fn init(directory: &Directory, name: &str) -> Result<Initialised, InitError> {
    let name = name.trim();
    if name.is_empty() {
        return Err(InitError::Name);
    }
    if directory.is_initialised() {
        return Err(InitError::Taken(directory.path().display().to_string()));
    }
    directory.create()?;
    let keys = OrgKeys {
        root: SigningKey::from_bytes(&random()),
        successor: SigningKey::from_bytes(&random()),
    };
    let node = SigningKey::from_bytes(&random());
    let party = keys.party(name);
    let now = now();
    let at = Hlc::default().tick(now);
    let certificate = keys.certify(&party, node.public(), Some(1), at, now + CERTIFICATE_MS);
    let both = [keys.root.to_bytes(), keys.successor.to_bytes()].concat();
    directory.write_secret(&directory.org_key(), &both)?;
    directory.write_secret(&directory.certificate(), certificate.bytes())?;
    directory.token_or_new()?;
    // Last: its presence is what makes the directory count as initialised.
    directory.write_secret(&directory.node_key(), &node.to_bytes())?;
    Ok(Initialised {
        org: party.org.to_string(),
        node: shown::node_id(&node.public()),
        data: directory.path().display().to_string(),
    })
}

fn identity(directory: &Directory) -> Result<Identity, StartError> {
    let damaged = |path: std::path::PathBuf| DirectoryError::Damaged { path };
    let seed = directory.read(&directory.node_key())?;
    let seed = seed.try_into().map_err(|_| damaged(directory.node_key()))?;
    let node = SigningKey::from_bytes(&seed);
    let bytes = directory.read(&directory.certificate())?;
    let certificate = Statement::open(&bytes).map_err(|_| damaged(directory.certificate()))?;
    let Body::Certificate { party, node: certified, .. } = certificate.body() else {
        return Err(damaged(directory.certificate()).into());
    };
    if *certified != node.public() {
        return Err(damaged(directory.certificate()).into());
    }
    Ok(Identity { party: party.clone(), node, certificate })
}

/// Makes a data directory for a second node of an org: a key, whose id the org's root certifies.
pub fn prepare(directory: &Directory) -> Result<String, InitError> {
    if directory.certificate().exists() {
        return Err(InitError::Taken(directory.path().display().to_string()));
    }
    directory.create()?;
    let key = directory.joining_key();
    let seed: [u8; 32] = match directory.read(&key).ok().and_then(|seed| seed.try_into().ok()) {
        Some(seed) => seed,
        None => {
            let seed = random();
            directory.write_secret(&key, &seed)?;
            seed
        }
    };
    Ok(shown::node_id(&SigningKey::from_bytes(&seed).public()))
}

/// Completes it with the line that `entente node certify` printed.
pub fn join(directory: &Directory, line: &str) -> Result<Initialised, InitError> {
    let told = JoinLine::parse(line).ok_or(InitError::Line)?;
    let seed = directory.read(&directory.joining_key()).map_err(|_| InitError::NotPrepared)?;
    let seed = seed.try_into().map_err(|_| InitError::NotPrepared)?;
    let node = SigningKey::from_bytes(&seed);
    let Body::Certificate { party, node: certified, .. } = told.certificate.body() else {
        return Err(InitError::Line);
    };
    if *certified != node.public() {
        return Err(InitError::OtherNode(shown::node_id(certified)));
    }
    directory.write_secret(&directory.certificate(), told.certificate.bytes())?;
    directory.write_secret(&directory.introduction(), line.trim().as_bytes())?;
    directory.token_or_new()?;
    directory.write_secret(&directory.node_key(), &node.to_bytes())?;
    directory.remove(&directory.joining_key())?;
    Ok(Initialised {
        org: party.org.to_string(),
        node: shown::node_id(&node.public()),
        data: directory.path().display().to_string(),
    })
}

/// Puts a backup into an empty data directory. Its node goes on by itself once it has met everybody
/// who may know more than the backup does.
pub fn restore(directory: &Directory, backup: impl io::Read) -> Result<Initialised, StartError> {
    if directory.is_initialised() || directory.store().exists() {
        return Err(StartError::NotEmpty(directory.path().display().to_string()));
    }
    directory.create()?;
    let mut files = Vec::new();
    let restored = restore_store(directory, backup, &mut files);
    let done = restored.and_then(|()| {
        // The key goes last: its presence is what makes the directory count as initialised.
        files.sort_by_key(|(name, _): &(String, _)| name == "node.key");
        for (name, content) in files {
            let path = directory.backed_up().into_iter().find(|path| path.ends_with(&name));
            if let Some(path) = path {
                directory.write_secret(&path, &content)?;
            }
        }
        let identity = identity(directory)?;
        directory.token_or_new()?;
        let (org, node) = (identity.party.org.to_string(), shown::node_id(&identity.node.public()));
        let store = store::open(&directory.store(), Engine::default())?;
        let settings = Settings::default();
        let mut replica = Replica::open(identity, settings, Box::new(store), now(), random())?;
        replica.begin(now(), random());
        replica.mark_restored()?;
        replica.commit()?;
        Ok(Initialised { org, node, data: directory.path().display().to_string() })
    });
    if done.is_err() {
        // Half a restore must not look like a node.
        let _ = directory.remove(&directory.node_key());
        let _ = std::fs::remove_dir_all(directory.store());
    }
    done
}

fn restore_store(
    directory: &Directory,
    backup: impl io::Read,
    files: &mut Vec<(String, Vec<u8>)>,
) -> Result<(), StartError> {
    let mut store = store::open(&directory.store(), Engine::default())?;
    store::backup::read(backup, &mut store, |name, content| {
        files.push((name.to_owned(), content))
    })?;
    Ok(())
}

/// A node that runs.
pub struct Node {
    ready: Ready,
    directory: Directory,
    engine: EngineThread,
    network: NetworkHandle,
    stop: oneshot::Sender<()>,
    served: JoinHandle<io::Result<()>>,
}

impl Node {
    /// Starts the node of a data directory; returns when it takes requests.
    pub async fn start(directory: Directory, config: &Config) -> Result<Self, StartError> {
        if !directory.is_initialised() {
            return Err(StartError::NotInitialised(directory.path().display().to_string()));
        }
        let prepared = Prepared::open(&directory, config).await?;
        let org = prepared.org().to_string();
        let (engine, thread, network) = prepared.start()?;
        let listen = engine.listen();
        tokio::spawn(renewal::keep(engine.clone(), directory.clone(), renewal::EVERY, now));
        let token = Token::new(directory.token_or_new()?);
        let listener = access::bind(config.http.value, config.behind_proxy.value).await?;
        let address = listener.local_addr()?;
        let http = format!("http://{address}");
        let running = Running { http: http.clone(), org: org.clone(), pid: std::process::id() };
        let behind_proxy = config.behind_proxy.value;
        let presets = directory.presets();
        let settings =
            HttpSettings { token, address, presets, behind_proxy, directory: directory.clone() };
        let (stop, stopped) = oneshot::channel();
        let served = serve(listener, engine, settings, stopped);
        directory.set_running(&running)?;
        let ready = Ready { ready: true, org, http, listen };
        Ok(Self { ready, directory, engine: thread, network, stop, served })
    }

    /// What the node says when it is ready.
    pub fn ready(&self) -> &Ready {
        &self.ready
    }

    /// Waits until the node fails by itself.
    pub async fn failed(&mut self) -> Result<(), StartError> {
        Ok(self.engine.failed().await?)
    }

    /// Ends the node: requests under way are finished, what is acknowledged is on disk.
    pub async fn shutdown(self) -> Result<(), StartError> {
        let _ = self.stop.send(());
        match tokio::time::timeout(SHUTDOWN_MAX, self.served).await {
            Ok(Ok(result)) => result?,
            Ok(Err(_)) | Err(_) => tracing::warn!("the API did not end in time"),
        }
        self.engine.stop().await?;
        self.network.shutdown().await;
        self.directory.clear_running()?;
        Ok(())
    }
}

/// A node without API and pages: its store is open, its listeners are up, and it has not begun to
/// dial or to answer.
pub struct Prepared {
    replica: Replica,
    files: engine::Files,
    network: NetworkHandle,
    heard: mpsc::Receiver<NetworkEvent>,
    listen: Vec<String>,
}

impl Prepared {
    /// Opens the store of a data directory and starts listening.
    pub async fn open(directory: &Directory, config: &Config) -> Result<Self, StartError> {
        let identity = identity(directory)?;
        let store = store::open(&directory.store(), Engine::default())?;
        let (reader, rewriter) = (store.reader(), store.rewriter());
        let (store, afterwards) = store.behind()?;
        let rewrite_after = config.rewrite_after.value;
        let files = engine::Files { afterwards, reader, rewriter, rewrite_after };
        let settings = Settings { consent_required: config.consent_required.value };
        let secret = identity.node.to_bytes();
        let mut replica = Replica::open(identity, settings, Box::new(store), now(), random())?;
        let (events, mut heard) = mpsc::channel(EVENTS_CAPACITY);
        let wanted = addresses(&config.listen.value)?;
        let count = wanted.len();
        let limits = Limits::default();
        let network = Network::start(NetworkConfig { listen: wanted, secret, limits }, events)?;
        let listen = listening(&mut heard, count).await;
        replica.begin(now(), random());
        if let Some(told) = introduced(directory)? {
            replica.learn(told)?;
        }
        renewal::renew(directory, &mut replica, now())?;
        replica.set_addresses(reachable(&listen))?;
        Ok(Self { replica, files, network, heard, listen })
    }

    /// Whose node it is.
    pub fn org(&self) -> OrgId {
        self.replica.me().org
    }

    /// Starts the engine: from now on the node dials and answers.
    pub fn start(self) -> io::Result<(EngineHandle, EngineThread, NetworkHandle)> {
        let Self { replica, files, network, heard, listen } = self;
        let (engine, thread) = engine::start(replica, network.clone(), heard, files, listen)?;
        Ok((engine, thread, network))
    }
}

/// What a node was told when it joined its org.
fn introduced(directory: &Directory) -> Result<Option<Vec<Statement>>, StartError> {
    let path = directory.introduction();
    if !path.exists() {
        return Ok(None);
    }
    let damaged = || DirectoryError::Damaged { path: path.clone() };
    let line = String::from_utf8(directory.read(&path)?).map_err(|_| damaged())?;
    Ok(Some(JoinLine::parse(&line).ok_or_else(damaged)?.statements))
}

/// The root keys of the org, if they are in the data directory.
pub fn org_keys(directory: &Directory) -> Result<Option<OrgKeys>, DirectoryError> {
    let path = directory.org_key();
    if path.exists() { read_org_keys(directory, &path).map(Some) } else { Ok(None) }
}

/// The root keys of an org from a file.
pub fn read_org_keys(
    directory: &Directory,
    path: &std::path::Path,
) -> Result<OrgKeys, DirectoryError> {
    let bytes = directory.read(path)?;
    let damaged = || DirectoryError::Damaged { path: path.to_owned() };
    let (root, successor) = bytes.split_first_chunk::<32>().ok_or_else(damaged)?;
    let successor: [u8; 32] = successor.try_into().map_err(|_| damaged())?;
    Ok(OrgKeys {
        root: SigningKey::from_bytes(root),
        successor: SigningKey::from_bytes(&successor),
    })
}

fn serve(
    listener: tokio::net::TcpListener,
    engine: EngineHandle,
    settings: HttpSettings,
    stopped: oneshot::Receiver<()>,
) -> JoinHandle<io::Result<()>> {
    let app = App { engine, settings: settings.into() };
    tokio::spawn(http::serve(listener, app, async {
        let _ = stopped.await;
    }))
}

/// Recomputes the audit log of a node that does not run.
pub fn verify_audit(
    directory: &Directory,
    noted: Option<&audit::Head>,
) -> Result<Result<audit::Head, audit::Flaw>, StartError> {
    if !directory.is_initialised() {
        return Err(StartError::NotInitialised(directory.path().display().to_string()));
    }
    if !directory.store().exists() {
        return Ok(Ok(audit::Head::default()));
    }
    let reader = store::inspect(&directory.store(), Engine::default())?;
    Ok(audit::verify(&reader, noted))
}

/// Looks at everything in the store of a node that does not run.
pub fn verify_store(directory: &Directory) -> Result<Report, StartError> {
    if !directory.is_initialised() {
        return Err(StartError::NotInitialised(directory.path().display().to_string()));
    }
    // A node that never ran has no store yet.
    if !directory.store().exists() {
        return Ok(Report::default());
    }
    let reader = store::inspect(&directory.store(), Engine::default())?;
    store::verify(&reader).map_err(|error| StartError::Replica(error.into()))
}

/// Writes everything the store of a node that does not run holds, one JSON line each.
pub fn dump(directory: &Directory, mut out: &mut dyn Write) -> Result<(), StartError> {
    if !directory.is_initialised() {
        return Err(StartError::NotInitialised(directory.path().display().to_string()));
    }
    // A node that never ran has no store yet.
    if directory.store().exists() {
        let reader = store::inspect(&directory.store(), Engine::default())?;
        store::dump(&reader, &mut out)?;
    }
    Ok(())
}

/// Writes the store of a node that does not run anew, so that what was erased is in no file of it.
pub fn compact(directory: &Directory) -> Result<Rewritten, StartError> {
    if !directory.is_initialised() {
        return Err(StartError::NotInitialised(directory.path().display().to_string()));
    }
    let identity = identity(directory)?;
    let store = store::open(&directory.store(), Engine::default())?;
    let rewriter = store.rewriter();
    let settings = Settings::default();
    let mut replica = Replica::open(identity, settings, Box::new(store), now(), random())?;
    let begun = replica.remains()?;
    let done = loop {
        if let Step::Done(done) = rewriter.step()? {
            break done;
        }
    };
    replica.remains_gone(begun, now())?;
    replica.commit()?;
    Ok(done)
}

fn addresses(texts: &[String]) -> Result<Vec<Multiaddr>, StartError> {
    let parse = |text: &String| text.parse().map_err(|_| StartError::Listen(text.clone()));
    texts.iter().map(parse).collect()
}

/// The addresses the network reports, until every listener has come up.
async fn listening(events: &mut mpsc::Receiver<NetworkEvent>, count: usize) -> Vec<String> {
    let mut listen = Vec::new();
    let deadline = tokio::time::Instant::now() + LISTEN_MAX;
    while listen.len() < count {
        match tokio::time::timeout_at(deadline, events.recv()).await {
            Ok(Some(NetworkEvent::Listening(address))) => listen.push(address.to_string()),
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => break,
        }
    }
    listen
}

/// What partners are told: loopback addresses only if the node listens nowhere else.
fn reachable(listen: &[String]) -> Vec<String> {
    let is_loopback =
        |address: &&String| address.starts_with("/ip4/127.") || address.starts_with("/ip6/::1/");
    let outside: Vec<String> = listen.iter().filter(|a| !is_loopback(a)).cloned().collect();
    if outside.is_empty() { listen.to_vec() } else { outside }
}
