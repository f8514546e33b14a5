//! Making a data directory and running a node in it: what `init` and `run` do.
//! The keys and the engine are placeholders until identity and replica are there.

use std::io::{self, Write};

use entente_protocol::id::{Nonce, OrgId, hash};
use entente_protocol::sign::SigningKey;
use thiserror::Error;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::api::node::{Initialised, Ready};
use crate::config::Config;
use crate::directory::{Directory, DirectoryError, Running};
use crate::http::access::{self, BindError, Token};
use crate::http::{self, App, HttpSettings};
use crate::placeholder::EngineHandle;
use crate::service::shown;

/// Why a data directory cannot be made.
#[derive(Debug, Error)]
pub enum InitError {
    /// There is an org in it already.
    #[error("{0} holds an org already")]
    Taken(String),
    /// A name is needed.
    #[error("an org needs a name")]
    Name,
    /// A file cannot be used.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The system gives no random numbers.
    #[error("the system gives no random numbers")]
    Random,
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
    /// The API cannot be served there.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The API failed.
    #[error("the API failed")]
    Serve(#[from] io::Error),
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
    let root = new_key()?;
    let node = new_key()?;
    directory.write_secret(&directory.org_key(), &root.to_bytes())?;
    directory.write_secret(&directory.path().join("org.name"), name.as_bytes())?;
    directory.token_or_new()?;
    // Last: its presence is what makes the directory count as initialised.
    directory.write_secret(&directory.node_key(), &node.to_bytes())?;
    Ok(Initialised {
        org: org_of(&root).to_string(),
        node: shown::node_id(&node.public()),
        data: directory.path().display().to_string(),
    })
}

/// A node that runs.
#[derive(Debug)]
pub struct Node {
    ready: Ready,
    directory: Directory,
    stop: oneshot::Sender<()>,
    served: JoinHandle<io::Result<()>>,
}

impl Node {
    /// Starts the node of a data directory; returns when it takes requests.
    pub async fn start(directory: Directory, config: &Config) -> Result<Self, StartError> {
        if !directory.is_initialised() {
            return Err(StartError::NotInitialised(directory.path().display().to_string()));
        }
        let root = read_key(&directory.org_key())?;
        let node = read_key(&directory.node_key())?;
        let name = std::fs::read_to_string(directory.path().join("org.name")).unwrap_or_default();
        let engine = EngineHandle::start(org_of(&root), &name, node.public());
        let token = Token::new(directory.token_or_new()?);
        let listener = access::bind(config.http.value, config.behind_proxy.value).await?;
        let address = listener.local_addr()?;
        let running = Running {
            http: format!("http://{address}"),
            org: org_of(&root).to_string(),
            pid: std::process::id(),
        };
        let behind_proxy = config.behind_proxy.value;
        let settings = HttpSettings { token, address, behind_proxy };
        let listen = engine.listen();
        let app = App { engine, settings: settings.into() };
        let (stop, stopped) = oneshot::channel();
        let served = tokio::spawn(http::serve(listener, app, async {
            let _ = stopped.await;
        }));
        directory.set_running(&running)?;
        let ready = Ready { ready: true, org: running.org, http: running.http, listen };
        Ok(Self { ready, directory, stop, served })
    }

    /// What the node says when it is ready.
    pub fn ready(&self) -> &Ready {
        &self.ready
    }

    /// Ends the node: requests under way are finished, what is acknowledged is on disk.
    pub async fn shutdown(self) -> Result<(), StartError> {
        let _ = self.stop.send(());
        match tokio::time::timeout(SHUTDOWN_MAX, self.served).await {
            Ok(Ok(result)) => result?,
            Ok(Err(_)) | Err(_) => tracing::warn!("the API did not end in time"),
        }
        self.directory.clear_running()?;
        Ok(())
    }
}

/// How long requests under way may take at the end; all of it must fit into five seconds.
const SHUTDOWN_MAX: std::time::Duration = std::time::Duration::from_secs(2);

/// Writes everything the store of a node that does not run holds, one JSON line each.
pub fn dump(directory: &Directory, out: &mut dyn Write) -> Result<(), StartError> {
    if !directory.is_initialised() {
        return Err(StartError::NotInitialised(directory.path().display().to_string()));
    }
    // The placeholder keeps nothing on disk.
    Ok(out.flush()?)
}

fn new_key() -> Result<SigningKey, InitError> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|_| InitError::Random)?;
    Ok(SigningKey::from_bytes(&seed))
}

fn read_key(path: &std::path::Path) -> Result<SigningKey, DirectoryError> {
    let bytes = std::fs::read(path)
        .map_err(|source| DirectoryError::Read { path: path.to_owned(), source })?;
    let seed = bytes.try_into().map_err(|_| DirectoryError::Damaged { path: path.to_owned() })?;
    Ok(SigningKey::from_bytes(&seed))
}

fn org_of(root: &SigningKey) -> OrgId {
    OrgId(hash("entente/placeholder/org", &[&root.public().0, &Nonce([0; 16]).0]))
}
