//! What waits for a person.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Why something waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum InboxKind {
    /// A share was offered to this company.
    Offer,
    /// A company asks to be let in: as a partner, or to see what a partner passed on.
    Request,
    /// A field has several values at once.
    Conflict,
    /// A change of a partner's record was not taken.
    Rejected,
    /// A partner's node has not confirmed that something is deleted.
    Receipt,
}

/// One line of the inbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InboxLine {
    /// Why it waits.
    pub kind: InboxKind,
    /// What it is, for people.
    pub text: String,
    /// The command that settles it.
    pub verb: String,
    /// The share it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<String>,
    /// The record it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<String>,
    /// The field of that record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The grant it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<String>,
    /// The company it waits for, or is from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub org: Option<String>,
}

/// Rejected changes to be forgotten, or an offer not to be told again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Dismiss {
    /// The record, or the share.
    pub record: String,
    /// Only of this field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
}

/// What was forgotten.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Dismissed {
    /// How many changes; 1 for an offer.
    pub dismissed: u64,
}
