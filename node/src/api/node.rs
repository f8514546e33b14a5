//! The node itself: its state, what it still owes, its settings and its vocabulary.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use utoipa::{IntoParams, ToSchema};

use super::Org;

/// What `init` made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Initialised {
    /// The new org.
    pub org: String,
    /// Its first node.
    pub node: String,
    /// The data directory.
    pub data: String,
}

/// The one line that a node prints when it is ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Ready {
    /// Always true.
    pub ready: bool,
    /// Whose node it is.
    pub org: String,
    /// Where its API and pages are.
    pub http: String,
    /// Where partners reach it.
    pub listen: Vec<String>,
}

/// How the node stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Status {
    /// Whose node it is.
    pub org: OwnOrg,
    /// Its node id.
    pub node: String,
    /// Until when partners take it for a node of this org.
    pub certificate: Certificate,
    /// Where its API and pages are.
    pub http: String,
    /// Where partners reach it.
    pub listen: Vec<String>,
    /// Every partner.
    pub partners: Vec<PartnerStatus>,
    /// What it holds.
    pub store: StoreStatus,
    /// How many things wait for a decision.
    pub inbox: u64,
    /// Whom the node has to meet before it decides anything about what is shared: after a restore.
    #[serde(default)]
    pub waits_for: Vec<Org>,
}

/// This org.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OwnOrg {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
}

/// How long a node's certificate is good for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Certificate {
    /// When it ends.
    pub ends_at: String,
    /// How many whole days are left; 0 on the last day and after its end.
    pub days_left: u64,
    /// Whether the node should have renewed it by now, and has not.
    pub overdue: bool,
}

/// How the exchange with one partner stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PartnerStatus {
    /// The partner.
    #[serde(flatten)]
    pub partner: Org,
    /// Whether there is a connection now.
    pub connected: bool,
    /// When both were last in step, RFC 3339.
    pub last_sync: Option<String>,
    /// How many changes it has not confirmed yet.
    pub unsent: u64,
}

/// What the store holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StoreStatus {
    /// Its size on disk.
    pub bytes: u64,
    /// Own and received records.
    pub records: u64,
    /// Since when erased bytes may lie in its files, until it is written anew. RFC 3339.
    pub erased_since: Option<String>,
}

/// What writing the store anew did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Compacted {
    /// The entries the store has.
    pub entries: u64,
    /// What it took on disk before.
    pub bytes_before: u64,
    /// What it takes now.
    pub bytes_after: u64,
}

/// What a look through the whole store found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StoreReport {
    /// The entries that are whole.
    pub entries: u64,
    /// The bytes of all values as they are read.
    pub value_bytes: u64,
    /// The bytes of all values as they are stored.
    pub stored_bytes: u64,
    /// How many things are wrong.
    pub problem_count: u64,
    /// The first of them.
    pub problems: Vec<String>,
}

impl From<crate::store::Report> for StoreReport {
    fn from(of: crate::store::Report) -> Self {
        Self {
            entries: of.entries,
            value_bytes: of.value_bytes,
            stored_bytes: of.stored_bytes,
            problem_count: of.problem_count,
            problems: of.problems.iter().map(ToString::to_string).collect(),
        }
    }
}

/// The query about what is owed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct OwedParams {
    /// Only this partner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partner: Option<String>,
}

/// What is still on its way. All in step when `owed` is empty and `parked` is 0.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Owed {
    /// Partners that have not confirmed everything; paused ones are left out.
    pub owed: Vec<OwedTo>,
    /// Received, and waiting for something that is not there yet.
    pub parked: u64,
}

/// What one partner has not confirmed yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OwedTo {
    /// The partner.
    #[serde(flatten)]
    pub partner: Org,
    /// Whether there is a connection now.
    pub connected: bool,
    /// How many changes.
    pub unsent: u64,
}

/// The query of the vocabulary.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct FieldParams {
    /// Only this kind of record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
}

/// A field of the vocabulary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Field {
    /// The kind of record it belongs to.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub type_name: String,
    /// How sensitive it is: `S0` public … `S5` never leaves.
    pub class: String,
    /// How concurrent changes merge.
    pub merge: String,
    /// What people call it, in English and Chinese.
    pub label: Label,
    /// What it means, in one line.
    pub meaning: String,
}

/// A name in two languages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Label {
    /// English.
    pub en: String,
    /// Chinese.
    pub zh: String,
}

/// Where a setting came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// An option of the command line.
    Flag,
    /// An environment variable.
    Environment,
    /// `entente.toml`.
    File,
    /// Nothing said otherwise.
    Default,
}

/// A setting in force.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SettingLine {
    /// Its name in `entente.toml`.
    pub key: String,
    /// Its value.
    pub value: Json,
    /// Which source won.
    pub from: Source,
    /// The option, the variable or the file that said so.
    pub said_by: Option<String>,
}

/// One finding of the doctor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Finding {
    /// What was looked at.
    pub check: String,
    /// Whether it is as it should be.
    pub ok: bool,
    /// What was found.
    pub found: String,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}
