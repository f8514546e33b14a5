//! The nodes of this org.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Org;

/// One node of this org.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OwnNode {
    /// Its id.
    pub node: String,
    /// Whether it is the one that was asked.
    pub this: bool,
    /// Whether it is the main node: the one that decides what is shared.
    pub main: bool,
    /// How it stands.
    pub state: OwnNodeState,
    /// When its certificate ends, RFC 3339.
    pub expires_at: Option<String>,
    /// Whether there is a connection with it now.
    pub connected: bool,
}

/// How a node stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum OwnNodeState {
    /// It acts for the org.
    Active,
    /// Its certificate has expired.
    Expired,
    /// It was ended.
    Retired,
}

/// What whoever holds the root key needs to know to certify, retire or rotate. Nothing is secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Introduction {
    /// The highest term of a main node so far.
    pub term: u64,
    /// The root key in force.
    pub root: String,
    /// Certificates, rotations, ended nodes and profiles of this org, base64.
    pub statements: Vec<String>,
    /// Ids of certificates and ended nodes that stand, base64.
    pub keep: Vec<String>,
}

/// Signed by the root key, to be taken and told to all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Learn {
    /// Base64.
    pub statements: Vec<String>,
}

/// Whom the node waited for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WentOn {
    /// The partners, and perhaps this org itself.
    pub without: Vec<Org>,
}
