//! What only customers have: consent, and coming in from files.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Notes that a person agreed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GiveConsent {
    /// To what; compared exactly with a share's purpose.
    pub purpose: String,
    /// Partners, or empty for all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scope: Vec<String>,
    /// Until when: a date, a time, or a duration from now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// Where this can be looked up; never leaves the node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<String>,
    /// The legal ground; `consent` when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basis: Option<String>,
}

/// Notes the same for every customer that a selector fits.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GiveConsentToMany {
    /// Which own customers.
    #[serde(rename = "where")]
    pub selector: String,
    /// What they agreed to.
    #[serde(flatten)]
    pub consent: GiveConsent,
}

/// Notes that a person no longer agrees.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WithdrawConsent {
    /// To what; everything when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    /// Partners, or empty for all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scope: Vec<String>,
    /// Only tell who would lose what.
    #[serde(default)]
    pub dry_run: bool,
}

/// One consent of one customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Consent {
    /// To what; null for everything.
    pub purpose: Option<String>,
    /// By which channel; null for every one.
    pub channel: Option<String>,
    /// The legal ground.
    pub basis: Option<String>,
    /// `given` or `withdrawn`.
    pub status: String,
    /// Since when, RFC 3339.
    pub at: Option<String>,
    /// Until when, RFC 3339.
    pub expires: Option<String>,
    /// Where this can be looked up; never leaves the node.
    pub evidence: Option<String>,
    /// The partners it covers; empty for all of them.
    pub scope: Vec<String>,
}

/// How many customers a consent was noted for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Consented {
    /// Customers whose consents changed.
    pub changed: u64,
    /// Customers that were covered already.
    pub unchanged: u64,
}

/// The query of an import; its body is the file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ImportParams {
    /// The format; guessed from the content when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// The name of a mapping.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mapping: Option<String>,
    /// Change nothing; only tell what would happen.
    #[serde(default)]
    pub dry_run: bool,
    /// Note a consent for every row: `basis:evidence`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consent: Option<String>,
    /// The purpose of that consent; everything when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consent_purpose: Option<String>,
    /// The partners of that consent, with commas between; all of them when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consent_scope: Option<String>,
}

/// The query of an export.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ExportParams {
    /// `csv` or `json`.
    pub format: String,
    /// Only customers that this selector fits.
    #[serde(rename = "where", default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
}

/// What came of an import.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Imported {
    /// New customers.
    pub created: u64,
    /// Known customers with something new.
    pub updated: u64,
    /// Known customers with nothing new.
    pub unchanged: u64,
    /// Rows that were not taken.
    pub rejected: Vec<Rejected>,
    /// Values that were kept in another place than meant.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Rejected>,
    /// Names the import for `undo`; null for a dry run.
    pub import: Option<String>,
}

/// A row, or a value in it, that could not be taken as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Rejected {
    /// The physical line, from 1, the heading counted.
    pub line: u64,
    /// The heading of the column; null for the whole row.
    pub column: Option<String>,
    /// Why.
    pub why: String,
}
