//! Kinds and fields as one table: data, not match arms.

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

/// A kind of record.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize,
)]
#[cbor(index_only)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Something that companies run together.
    #[n(0)]
    Event,
    /// A person or a company.
    #[n(1)]
    Customer,
    /// One customer or staff member at one event.
    #[n(2)]
    Participation,
    /// A touch.
    #[n(3)]
    Interaction,
    /// What sales does afterwards.
    #[n(4)]
    Followup,
}
