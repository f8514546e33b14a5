//! Why a request was not carried out: every kind of failure of the services, with its code for
//! programs and its hint for people. Status codes and exit codes are somebody else's.

use entente_protocol::audit::Flaw;
use entente_protocol::refusal::{Refusal, RefusalClass};
use entente_protocol::vocabulary::{GrantableError, Kind, ValueError};
use thiserror::Error;

use super::import::ImportError;
use super::when::WhenError;
use crate::api::problem::ErrorKind;
use crate::engine::Stopped;
use crate::policy::Fault;
use crate::preset::{self, PresetError};
use crate::store::RewriteError;

/// Names an audit log that is not whole.
pub const AUDIT_BROKEN: &str = "audit_broken";
/// What to do about it.
pub const AUDIT_HINT: &str = "keep a copy of the data directory as it is; compare it with a backup";

/// Why a request was not carried out.
#[derive(Debug, Error)]
pub enum Problem {
    /// The replica says no.
    #[error(transparent)]
    Refusal(#[from] Refusal),
    /// A value does not fit its field, or there is no such field.
    #[error(transparent)]
    Value(#[from] ValueError),
    /// A field cannot be granted.
    #[error(transparent)]
    Grantable(#[from] GrantableError),
    /// The engine has ended.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// The store could not be written anew.
    #[error("the store could not be written anew; it is as it was")]
    Rewrite(#[from] RewriteError),
    /// A time cannot be read.
    #[error(transparent)]
    When(#[from] WhenError),
    /// A file cannot be imported.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// A field was given twice, once as JSON and once as text.
    #[error("`{field}` is given twice")]
    Twice {
        /// The field.
        field: String,
    },
    /// There is no kind of record of this name.
    #[error("there is no kind of record `{name}`")]
    Kind {
        /// What was asked for.
        name: String,
    },
    /// A part of the request is missing, or parts exclude each other.
    #[error("{0}")]
    Shape(&'static str),
    /// A text of rules has faults.
    #[error("{}", preset::lines(.0))]
    Policy(Vec<Fault>),
    /// There is no such preset, or it cannot be used.
    #[error(transparent)]
    Preset(#[from] PresetError),
    /// The record is not what the request was made for.
    #[error("{kind} {id} has been changed since then")]
    Stale {
        /// The kind.
        kind: Kind,
        /// The record.
        id: String,
    },
    /// The audit log is not whole, or not the one that was noted.
    #[error(transparent)]
    Audit(#[from] Flaw),
    /// There is no connection with the partner.
    #[error("{name} is not connected")]
    NotConnected {
        /// The partner.
        name: String,
        /// What this org calls it.
        alias: String,
    },
    /// Nothing is exchanged with the partner, by this org's own word.
    #[error("{name} is paused or removed; nothing is exchanged with it")]
    Paused {
        /// The partner.
        name: String,
        /// What this org calls it.
        alias: String,
    },
    /// The partner is connected and does not answer.
    #[error("{name} is connected and has not answered within {waited_s} s")]
    Hangs {
        /// The partner.
        name: String,
        /// How long this node waited, in seconds.
        waited_s: u64,
    },
    /// The partner did not answer in time.
    #[error("{name} has not answered within {waited_s} s")]
    Silent {
        /// The partner.
        name: String,
        /// How long this node waited, in seconds.
        waited_s: u64,
    },
}

impl Problem {
    /// What sort of failure it is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Problem::Refusal(refusal) => match refusal.class() {
                RefusalClass::Fault => ErrorKind::Fault,
                RefusalClass::Request => ErrorKind::Unmet,
                RefusalClass::Usage => ErrorKind::Usage,
                RefusalClass::Missing => ErrorKind::Missing,
                RefusalClass::Permission => ErrorKind::Refused,
            },
            Problem::Stopped(_) => ErrorKind::Unready,
            Problem::Rewrite(_) => ErrorKind::Unmet,
            Problem::Grantable(GrantableError::Internal { .. } | GrantableError::Custom { .. }) => {
                ErrorKind::Refused
            }
            Problem::Value(_)
            | Problem::Grantable(GrantableError::Unknown { .. })
            | Problem::When(_)
            | Problem::Twice { .. }
            | Problem::Kind { .. }
            | Problem::Policy(_)
            | Problem::Preset(PresetError::Unknown { .. } | PresetError::Faulty { .. })
            | Problem::Shape(_) => ErrorKind::Usage,
            Problem::Preset(PresetError::Unreadable(_)) => ErrorKind::Unmet,
            Problem::Import(error) => error.kind(),
            Problem::Stale { .. } => ErrorKind::Stale,
            Problem::NotConnected { .. }
            | Problem::Paused { .. }
            | Problem::Hangs { .. }
            | Problem::Silent { .. }
            | Problem::Audit(_) => ErrorKind::Unmet,
        }
    }

    /// Names it for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Problem::Refusal(refusal) => refusal.code(),
            Problem::Value(ValueError::Unknown { .. } | ValueError::CustomName { .. })
            | Problem::Grantable(GrantableError::Unknown { .. }) => "unknown_field",
            Problem::Stopped(_) => "stopped",
            Problem::Rewrite(_) => "not_rewritten",
            Problem::Value(ValueError::Field { .. }) => "bad_value",
            Problem::Grantable(GrantableError::Internal { .. }) => "internal_field",
            Problem::Grantable(GrantableError::Custom { .. }) => "custom_field",
            Problem::When(_) => "bad_time",
            Problem::Import(error) => error.code(),
            Problem::Twice { .. } => "given_twice",
            Problem::Kind { .. } => "unknown_kind",
            Problem::Shape(_) => "bad_request",
            Problem::Policy(_) => "bad_policy",
            Problem::Preset(PresetError::Unknown { .. }) => "unknown_preset",
            Problem::Preset(_) => "bad_preset",
            Problem::Stale { .. } => "stale",
            Problem::NotConnected { .. } => "not_connected",
            Problem::Paused { .. } => "paused",
            Problem::Hangs { .. } | Problem::Silent { .. } => "no_answer",
            Problem::Audit(_) => AUDIT_BROKEN,
        }
    }

    /// What to do next.
    pub fn hint(&self) -> Option<String> {
        match self {
            Problem::Refusal(Refusal::Value(ValueError::Unknown { kind, .. }))
            | Problem::Value(ValueError::Unknown { kind, .. })
            | Problem::Grantable(GrantableError::Unknown { kind, .. }) => Some(field_hint(*kind)),
            Problem::Refusal(refusal) => refusal.hint().map(str::to_owned),
            Problem::Value(ValueError::CustomName { .. } | ValueError::Field { .. })
            | Problem::Grantable(GrantableError::Internal { .. })
            | Problem::Shape(_)
            | Problem::Policy(_)
            | Problem::Twice { .. }
            | Problem::Stopped(_) => None,
            Problem::Grantable(GrantableError::Custom { kind, .. }) => Some(format!(
                "what a partner is to see has to stand in a field that all companies know: \
                 `entente fields {kind}`"
            )),
            Problem::Rewrite(_) => {
                Some("it needs room for a second copy of the data; see the node's log".into())
            }
            Problem::Preset(PresetError::Unknown { .. }) => {
                Some("`entente share presets` shows them; a file in presets/ adds one".into())
            }
            Problem::Preset(PresetError::Faulty { .. } | PresetError::Unreadable(_)) => {
                Some("mend the file in the directory presets/ of the data directory".into())
            }
            Problem::When(_) => {
                Some("write a duration such as 7d or 90s, a day, or an RFC 3339 time".into())
            }
            Problem::Import(error) => error.hint(),
            Problem::Kind { .. } => {
                Some(format!("the kinds are {}", Kind::ALL.map(Kind::name).join(", ")))
            }
            Problem::Stale { .. } => Some("read it again and repeat the change".into()),
            Problem::Audit(_) => Some(AUDIT_HINT.into()),
            Problem::NotConnected { alias, .. } => Some(format!(
                "its node may be down; `entente partner show {alias}` tells when both were last in \
                 step, `entente doctor` whether this node can be reached"
            )),
            Problem::Paused { alias, .. } => {
                Some(format!("`entente partner resume {alias}` exchanges with it again"))
            }
            Problem::Hangs { .. } => Some(
                "its node or the way to it is stuck; a connection that stays silent is made anew \
                 by itself, so try again in a minute"
                    .into(),
            ),
            Problem::Silent { .. } => {
                Some("`entente partner list` shows whether it has arrived since".into())
            }
        }
    }
}

fn field_hint(kind: Kind) -> String {
    format!("`entente fields {kind}` lists them all; custom fields are x_…")
}
