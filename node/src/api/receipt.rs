//! What partners were asked to delete, and who has confirmed it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Org;

/// Why something is to be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ReceiptKind {
    /// A grant was revoked.
    Revocation,
    /// A customer was erased.
    Erasure,
    /// Records are not shared with it any more: taken out of the share, or out of its rule.
    Roll,
}

/// Whether a partner has confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ReceiptState {
    /// Its node has not reported yet.
    Pending,
    /// Its node reports that it is done.
    Confirmed,
}

/// What one partner was asked to delete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Receipt {
    /// What it answers: the grant that was revoked, or what was said of records.
    pub of: String,
    /// Why.
    pub kind: ReceiptKind,
    /// Who is to answer.
    #[serde(flatten)]
    pub org: Org,
    /// Whether it has.
    pub state: ReceiptState,
    /// When its node was done, RFC 3339; none while that is not known.
    pub at: Option<String>,
    /// When it was asked, RFC 3339.
    pub asked_at: String,
}
