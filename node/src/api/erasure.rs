//! A customer that is to be forgotten, and who has confirmed it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Org;
use super::receipt::ReceiptState;

/// Has a customer forgotten.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EraseCustomer {
    /// Why; never leaves the node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Only tell what would go, and who would be asked.
    #[serde(default)]
    pub dry_run: bool,
}

/// What erasing a customer would take.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Forgetting {
    /// The customer, and this company's records about it.
    pub records: Vec<String>,
    /// Every share and partner that was ever shown it, and would be asked to erase it.
    pub asked: Vec<Asked>,
}

/// A partner that would be asked to erase what it was shown of a customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Asked {
    /// The share.
    pub share: String,
    /// Who.
    #[serde(flatten)]
    pub org: Org,
}

/// What was ordered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Erased {
    /// One entry for every share and partner that was ever shown the customer.
    pub erasures: Vec<Erasure>,
}

/// Whether one partner has erased a customer that it was shown in one share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Erasure {
    /// The share.
    pub share: String,
    /// Who.
    #[serde(flatten)]
    pub org: Org,
    /// Whether its node has reported that everything is done.
    pub state: ReceiptState,
    /// When it was done, RFC 3339; none while that is not known.
    pub at: Option<String>,
    /// When it was asked, RFC 3339.
    pub asked_at: String,
}
