//! Errors of the command line: what failed, why, what to do; and the exit code of each kind.

use std::error::Error;
use std::io;

use entente_node::api::problem::{ErrorKind, ProblemBody};
use entente_node::config::ConfigError;
use entente_node::directory::DirectoryError;
use entente_node::http::access::BindError;
use entente_node::root::RootError;
use entente_node::service::problem::{AUDIT_BROKEN, AUDIT_HINT};
use entente_node::start::{InitError, StartError};
use entente_node::store::OpenError;
use entente_protocol::audit::Flaw;
use serde_json::{Value as Json, json};
use thiserror::Error;

use crate::demo::error::DemoError;

/// Why a command did not do what it was asked to.
#[derive(Debug, Error)]
pub enum CliError {
    /// The node says no.
    #[error("{}", .0.detail)]
    Node(Box<ProblemBody>),
    /// No node answers.
    #[error("no node is running for {data}")]
    Unreachable {
        /// The data directory.
        data: String,
        /// What the connection said, if one was tried.
        #[source]
        source: Option<Box<ureq::Error>>,
    },
    /// There is no org in the data directory.
    #[error("there is no org in {data}")]
    NoOrg {
        /// The data directory.
        data: String,
    },
    /// The platform has no place for data, and none was named.
    #[error("no data directory is known")]
    NoDirectory,
    /// The node's answer cannot be used.
    #[error("the node's answer cannot be read")]
    Answer(#[source] io::Error),
    /// The command line is wrong in a way that its grammar does not catch.
    #[error("{message}")]
    Usage {
        /// Names it for programs.
        code: &'static str,
        /// What is wrong.
        message: String,
        /// What to write instead.
        hint: Option<String>,
    },
    /// A question would have to be asked, and nobody is there.
    #[error("this needs a yes, and there is no terminal to ask on")]
    NeedsYes,
    /// Somebody said no.
    #[error("nothing was done")]
    Declined,
    /// Something did not happen in time.
    #[error("{0}")]
    TimedOut(String),
    /// Some checks of the doctor failed.
    #[error("{failed} of {all} checks failed")]
    Unwell {
        /// How many.
        failed: usize,
        /// Of how many.
        all: usize,
    },
    /// Nothing was placed, all of it being held back.
    #[error("nothing was shared: all {held_back} records are held back")]
    AllHeldBack {
        /// How many.
        held_back: usize,
    },
    /// The demo did not come to its end.
    #[error(transparent)]
    Demo(#[from] DemoError),
    /// Part of a later version.
    #[error("`{0}` is not built yet")]
    NotBuiltYet(&'static str),
    /// A file cannot be read.
    #[error("cannot read {path}")]
    File {
        /// The file.
        path: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {path}")]
    Unwritable {
        /// The file.
        path: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The audit log is not whole, or not the one that was noted.
    #[error(transparent)]
    Audit(Flaw),
    /// The store is not what was last written.
    #[error("the store is damaged: {problems} things are wrong with it")]
    Unsound {
        /// How many.
        problems: u64,
    },
    /// The output cannot be written.
    #[error("cannot write the answer")]
    Output(#[from] io::Error),
    /// The settings cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A file of the data directory cannot be used.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// `init` failed.
    #[error(transparent)]
    Init(#[from] InitError),
    /// The root key cannot do it.
    #[error(transparent)]
    Root(#[from] RootError),
    /// `run` failed.
    #[error(transparent)]
    Start(Box<StartError>),
}

impl From<StartError> for CliError {
    fn from(error: StartError) -> Self {
        CliError::Start(Box::new(error))
    }
}

/// The exit code of a kind of error.
fn exit(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::Unmet
        | ErrorKind::Missing
        | ErrorKind::Stale
        | ErrorKind::TooLarge
        | ErrorKind::NotBuilt => 1,
        ErrorKind::Usage => 2,
        ErrorKind::Unready => 3,
        ErrorKind::Unauthorised | ErrorKind::Refused => 4,
        ErrorKind::Fault => 70,
    }
}

impl CliError {
    /// The exit code.
    pub fn exit(&self) -> u8 {
        exit(self.kind())
    }

    fn kind(&self) -> ErrorKind {
        match self {
            CliError::Node(problem) => problem.kind,
            CliError::Unreachable { .. } | CliError::NoOrg { .. } => ErrorKind::Unready,
            CliError::Usage { .. } | CliError::NeedsYes | CliError::Config(_) => ErrorKind::Usage,
            CliError::NoDirectory
            | CliError::Declined
            | CliError::TimedOut(_)
            | CliError::Unwell { .. }
            | CliError::Demo(_)
            | CliError::File { .. }
            | CliError::Unwritable { .. }
            | CliError::Audit(_)
            | CliError::Unsound { .. }
            | CliError::Directory(_)
            | CliError::Root(_)
            | CliError::Init(_) => ErrorKind::Unmet,
            CliError::Start(error) => match **error {
                StartError::Serve(_) | StartError::Engine(_) => ErrorKind::Fault,
                StartError::NotInitialised(_)
                | StartError::Directory(_)
                | StartError::Store(_)
                | StartError::Replica(_)
                | StartError::Network(_)
                | StartError::Bind(_)
                | StartError::Listen(_)
                | StartError::Rewrite(_)
                | StartError::Backup(_)
                | StartError::NotEmpty(_)
                | StartError::Dump(_) => ErrorKind::Unmet,
            },
            CliError::AllHeldBack { .. } => ErrorKind::Refused,
            CliError::NotBuiltYet(_) => ErrorKind::NotBuilt,
            CliError::Answer(_) | CliError::Output(_) => ErrorKind::Fault,
        }
    }

    /// Names it for programs.
    fn code(&self) -> &str {
        match self {
            CliError::Node(problem) => &problem.code,
            CliError::Unreachable { .. } => "node_not_reachable",
            CliError::NoOrg { .. } => "no_org",
            CliError::NoDirectory => "no_directory",
            CliError::Answer(_) | CliError::Output(_) => "fault",
            CliError::Usage { code, .. } => code,
            CliError::NeedsYes => "needs_yes",
            CliError::Declined => "declined",
            CliError::TimedOut(_) => "timed_out",
            CliError::Unwell { .. } => "unwell",
            CliError::AllHeldBack { .. } => "all_held_back",
            CliError::Demo(DemoError::NotEmpty(_)) => "not_empty",
            CliError::Demo(DemoError::Interrupted) => "interrupted",
            CliError::Demo(_) => "demo_failed",
            CliError::NotBuiltYet(_) => "not_built_yet",
            CliError::File { .. } => "unreadable_file",
            CliError::Unwritable { .. } => "unwritable_file",
            CliError::Unsound { .. } => "store_damaged",
            CliError::Audit(_) => AUDIT_BROKEN,
            CliError::Config(_) => "bad_settings",
            CliError::Directory(_) | CliError::Init(InitError::Directory(_)) => "bad_directory",
            CliError::Init(InitError::Taken(_)) => "taken",
            CliError::Init(InitError::Name) => "no_name",
            CliError::Init(InitError::Line | InitError::NotPrepared | InitError::OtherNode(_)) => {
                "bad_join_line"
            }
            CliError::Root(RootError::NoKey(_)) => "no_root_key",
            CliError::Root(_) => "root_key",
            CliError::Start(error) => match &**error {
                StartError::NotInitialised(_) => "no_org",
                StartError::Directory(_) => "bad_directory",
                StartError::Bind(_) | StartError::Network(_) => "cannot_listen",
                StartError::Listen(_) => "bad_address",
                StartError::Store(OpenError::Locked { .. }) => "running_already",
                StartError::Store(_) | StartError::Dump(_) => "store_not_open",
                StartError::Rewrite(_) => "not_rewritten",
                StartError::Backup(_) => "bad_backup",
                StartError::NotEmpty(_) => "not_empty",
                StartError::Replica(refusal) => refusal.code(),
                StartError::Serve(_) | StartError::Engine(_) => "fault",
            },
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            CliError::Node(problem) => problem.hint.clone(),
            CliError::Unreachable { data, .. } => {
                Some(format!("start it: entente --data {} run", quoted(data)))
            }
            CliError::NoOrg { data } => Some(init_hint(data)),
            CliError::NoDirectory => Some("name one with --data DIR or ENTENTE_DATA".into()),
            CliError::Usage { hint, .. } => hint.clone(),
            CliError::Audit(_) => Some(AUDIT_HINT.into()),
            CliError::Unsound { .. } => Some(
                "stop the node and keep a copy of its data directory; \
                 `entente store dump` prints what can be read"
                    .into(),
            ),
            CliError::NeedsYes => {
                Some("add --yes to agree, or --dry-run to see what would happen".into())
            }
            CliError::Unwell { .. } => Some("do what the advice column says".into()),
            CliError::AllHeldBack { .. } => Some(
                "note their consent: entente customer consent --where … give --purpose …".into(),
            ),
            CliError::Start(error) => match &**error {
                StartError::NotInitialised(data) => Some(init_hint(data)),
                StartError::Store(OpenError::Locked { .. }) => {
                    Some("a node runs there already; stop it first".into())
                }
                StartError::Bind(BindError::Open(_)) => {
                    Some("use 127.0.0.1, or --behind-proxy with a proxy that speaks TLS".into())
                }
                StartError::Rewrite(_) => {
                    Some("it needs room for a second copy of the data".into())
                }
                StartError::Directory(_)
                | StartError::Store(_)
                | StartError::Replica(_)
                | StartError::Network(_)
                | StartError::Bind(_)
                | StartError::Serve(_)
                | StartError::Listen(_)
                | StartError::Engine(_)
                | StartError::Backup(_)
                | StartError::NotEmpty(_)
                | StartError::Dump(_) => None,
            },
            CliError::Root(RootError::NoKey(_)) => {
                Some("fetch it from its safe place, or name it with --org-key FILE".into())
            }
            CliError::Demo(DemoError::NotEmpty(_)) => {
                Some("name a new directory, or leave --dir out".into())
            }
            CliError::Demo(DemoError::Untrue { .. } | DemoError::Late { .. }) => Some(
                "`entente demo --dir DIR` keeps what the three nodes hold, and their logs".into(),
            ),
            CliError::Answer(_)
            | CliError::Declined
            | CliError::TimedOut(_)
            | CliError::Demo(_)
            | CliError::NotBuiltYet(_)
            | CliError::File { .. }
            | CliError::Unwritable { .. }
            | CliError::Output(_)
            | CliError::Config(_)
            | CliError::Directory(_)
            | CliError::Root(_)
            | CliError::Init(_) => None,
        }
    }

    /// For people: the error, its causes, and a hint.
    pub fn text(&self) -> String {
        let mut text = format!("error: {self}\n");
        for cause in self.causes() {
            text += &format!("cause: {cause}\n");
        }
        if let Some(hint) = self.hint() {
            text += &format!("hint: {hint}\n");
        }
        text
    }

    /// For programs.
    pub fn json(&self) -> Json {
        document(self.code(), &self.to_string(), self.hint().as_deref())
    }

    fn causes(&self) -> Vec<String> {
        let mut causes = match self {
            CliError::Node(problem) => problem.causes.clone(),
            _ => Vec::new(),
        };
        let mut cause = self.source();
        while let Some(error) = cause {
            causes.push(error.to_string());
            cause = error.source();
        }
        causes
    }
}

/// The document of an error.
pub fn document(code: &str, message: &str, hint: Option<&str>) -> Json {
    json!({"error": {"code": code, "message": message, "hint": hint}})
}

fn init_hint(data: &str) -> String {
    format!("make one: entente --data {} init --name \"Your company\"", quoted(data))
}

/// A path as a shell takes it.
pub fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-+:=@".contains(c);
    match text.chars().all(plain) && !text.is_empty() {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}
