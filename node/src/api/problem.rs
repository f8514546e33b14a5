//! What an error looks like on the wire: RFC 9457 members and three of our own.
//! The kinds of error are closed; status and exit code are each one match over them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What sort of error it is. Decides the HTTP status and the exit code of the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// The request cannot be met as things stand.
    Unmet,
    /// What the request names does not exist, or is not for this org to see.
    Missing,
    /// The record was changed since the version that the request was made for.
    Stale,
    /// The request itself is wrong: an unknown field, a value that does not parse.
    Usage,
    /// The body is longer than allowed here.
    TooLarge,
    /// No valid token, or a name in the `Host` header that is not this node's.
    Unauthorised,
    /// Refused by a permission or by a missing consent.
    Refused,
    /// The node is starting or shutting down.
    Unready,
    /// Known to the API, and not there yet in this version.
    NotBuilt,
    /// A fault of the node.
    Fault,
}

/// The body of every error answer, `application/problem+json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProblemBody {
    /// Names the problem for programs: `urn:entente:problem:` and the code.
    #[serde(rename = "type")]
    pub type_uri: String,
    /// The kind of error in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What went wrong, for people.
    pub detail: String,
    /// What lies behind it, outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<String>,
    /// The kind of error.
    pub kind: ErrorKind,
    /// Names the error for programs; never changes its meaning.
    pub code: String,
    /// What to do next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}
