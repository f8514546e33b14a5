//! Every request and response of the HTTP API, shared with the command line: the shapes that
//! scripts rely on. Knows nothing of stores, replicas or networks.

pub mod address;
pub mod audit;
pub mod customer;
pub mod erasure;
pub mod grant;
pub mod inbox;
pub mod node;
pub mod own;
pub mod partner;
pub mod problem;
pub mod receipt;
pub mod record;
pub mod share;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Where the API begins.
pub const ROOT: &str = "/api/v1";
/// The media type of answers that report progress: JSON lines, the last of them the result.
pub const PROGRESS_TYPE: &str = "application/x-ndjson";
/// How many items a list gives when nothing else is asked for.
pub const DEFAULT_LIMIT: usize = 100;

/// A company, as answers name it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub struct Org {
    /// Its id.
    #[schema(example = "org_…")]
    pub org: String,
    /// What it calls itself.
    pub name: String,
}

/// The id of what was just made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Made {
    /// Its id.
    pub id: String,
}

/// An answer without content: the request was carried out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Done {}

/// One line of an answer that reports progress.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Step<T> {
    /// How far the work has come.
    Progress {
        /// Items finished.
        done: u64,
        /// Items in all, if known.
        total: Option<u64>,
    },
    /// The last line: what the plain request would have answered.
    Result(T),
    /// The last line when the work could not go on.
    Problem(problem::ProblemBody),
}
