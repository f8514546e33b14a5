//! Grants: what one org lets another do, how that ends, and what it comes to.

use entente_protocol::vocabulary::Kind;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Org;
use crate::policy::Reshare;

/// One thing that a grant allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Right {
    /// See the fields.
    Read,
    /// Change the fields.
    Edit,
    /// Add own records of a kind.
    Contribute,
    /// Copy into one's own records and retain.
    Keep,
}

/// How a grant stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum GrantState {
    /// In force.
    Active,
    /// Not yet let in by the org whose data it is about.
    Waiting,
    /// Ended by its issuer.
    Revoked,
    /// Its end date has passed.
    Expired,
}

/// A grant, as far as this org may know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Grant {
    /// Its id.
    pub id: String,
    /// Who gave it.
    pub from: Org,
    /// Who may.
    pub to: Org,
    /// Whose part of the share it is about.
    pub section: Org,
    /// The kind of record; null when it allows adding records of several kinds.
    #[schema(value_type = Option<String>)]
    pub kind: Option<Kind>,
    /// The fields; empty when it allows adding records.
    pub fields: Vec<String>,
    /// The kinds that may be added.
    #[schema(value_type = Vec<String>)]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contribute: Vec<Kind>,
    /// What it allows.
    pub rights: Vec<Right>,
    /// How often it may be passed on.
    pub depth: u8,
    /// When it ends, RFC 3339.
    pub expires_at: Option<String>,
    /// How it stands.
    pub state: GrantState,
    /// For whom it waits: `waiting for Acme's approval`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<String>,
    /// Only for records that fit; known to its issuer alone.
    #[serde(rename = "where", default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
}

/// Reading, or editing too.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// May see.
    #[default]
    Read,
    /// May see and change.
    Edit,
}

/// Grants fields to a partner, or the right to add records. One of `kind` and `contribute`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewGrant {
    /// The partner: id, unique prefix, alias or name.
    pub partner: String,
    /// The kind of record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub kind: Option<Kind>,
    /// The fields, one by one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
    /// Kinds of which the partner may add records of its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>)]
    pub contribute: Vec<Kind>,
    /// Reading, or editing too.
    #[serde(default)]
    pub can: Access,
    /// Only records that this selector fits; it stays at home.
    #[serde(rename = "where", default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
    /// May keep a copy.
    #[serde(default)]
    pub keep: bool,
    /// How often it may be passed on.
    #[serde(default)]
    pub depth: u8,
    /// When it ends: a date, a time, or a duration from now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// Whose part of the share; this org's own when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub section: Option<String>,
    /// Show values from before the grant as well.
    #[serde(default)]
    pub with_history: bool,
}

/// A grant was signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Granted {
    /// Its id.
    pub grant: String,
    /// Whether it is in force.
    pub state: GrantState,
    /// For whom it waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<String>,
    /// What deserves attention: the partner's code was never compared, …
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// Grants an event to a partner in one step.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ShareWith {
    /// The partner.
    pub partner: String,
    /// The event.
    pub event: String,
    /// Which fields and rights: a preset such as `agency`.
    pub preset: String,
    /// Only tell what would leave.
    #[serde(default)]
    pub dry_run: bool,
}

/// What came of granting an event in one step.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SharedWith {
    /// The share.
    pub share: String,
    /// Its name.
    pub name: String,
    /// Whether it was opened for this.
    pub opened: bool,
    /// The grants that were made.
    pub grants: Vec<Granted>,
    /// How many of the preset's grants stood already.
    pub already: u64,
    /// What deserves attention, and what the partner can do next.
    pub notes: Vec<String>,
}

/// What companies usually let each other do at an event.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Preset {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub about: String,
    /// Whether it came with the program; else it is a file in the data directory.
    pub built_in: bool,
    /// Its text, to be copied and changed.
    pub text: String,
}

/// Lets in what partners passed on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Approve {
    /// The grants that wait.
    pub grants: Vec<String>,
    /// Only tell what would leave.
    #[serde(default)]
    pub dry_run: bool,
}

/// The grants that were let in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Approved {
    /// Their ids.
    pub approved: Vec<String>,
}

/// A share's rules as a text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyText {
    /// The rules, TOML.
    pub policy: String,
    /// Only tell what would change.
    #[serde(default)]
    pub dry_run: bool,
}

/// What a text changes in a share's rules.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PolicyChange {
    /// The share.
    pub share: String,
    /// Its name.
    pub name: String,
    /// Grants of the text that stand already.
    pub unchanged: u64,
    /// Grants to be made, in words.
    pub add: Vec<String>,
    /// Grants to be ended, in words.
    pub end: Vec<String>,
    /// What leaves, what is taken back, what is sent again.
    pub leaving: super::share::Leaving,
    /// Whether it was done.
    pub applied: bool,
}

/// Settings of this org's part of a share.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ShareConfig {
    /// Whether what partners pass on is let in by itself or waits for approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reshare: Option<Reshare>,
}

/// Ends grants.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Revoke {
    /// The grants.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub grants: Vec<String>,
    /// All grants to this partner instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partner: Option<String>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Only tell who would lose what.
    #[serde(default)]
    pub dry_run: bool,
}

/// The grants that were ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Revoked {
    /// Their ids.
    pub revoked: Vec<String>,
}

/// The query of a matrix.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct MatrixParams {
    /// Only this kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Whose part of the share; this org's own when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub section: Option<String>,
}

/// Fields × orgs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Matrix {
    /// The orgs, in the order of the cells.
    pub orgs: Vec<Org>,
    /// One row per field.
    pub rows: Vec<MatrixRow>,
    /// What the cells cannot say: grants for some records only, grants that wait.
    pub notes: Vec<String>,
}

/// What each org may do with one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MatrixRow {
    /// The kind of record.
    #[schema(value_type = String)]
    pub kind: Kind,
    /// The field.
    pub field: String,
    /// `r`, `e` or `–` for each org.
    pub cells: Vec<String>,
}

/// The query of an explanation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ExplainParams {
    /// The partner.
    pub partner: String,
    /// The field: `customer.phones`.
    pub field: String,
    /// Of this record; left out, the field in general.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<String>,
    /// Whose part of the share; that of the record, or this org's own when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub section: Option<String>,
}

/// What a partner may do with a field, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Explanation {
    /// `read`, `edit` or `nothing`.
    pub may: String,
    /// The chain that allows it, and the first rule that fails.
    pub because: Vec<String>,
    /// What would change the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}
