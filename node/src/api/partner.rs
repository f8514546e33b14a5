//! Partners: inviting, accepting, and how the connection to each stands.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Org;

/// Makes an invite.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewInvite {
    /// How long it is good for: a duration, a date or a time; 7 days when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// Nothing works before this org has confirmed the pairing.
    #[serde(default)]
    pub confirm_first: bool,
}

/// An invite: one line, good once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Invite {
    /// `entente1…`; whoever has it can pair once.
    pub invite: String,
}

/// How a partner is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum PartnerState {
    /// By an invite that both have stored.
    Paired,
    /// By an invite that waits for a confirmation.
    Pending,
    /// Met through a share.
    Introduced,
    /// Paired, and nothing is exchanged for now.
    Paused,
    /// The partnership was ended; only what ends things is still exchanged.
    Removed,
}

/// A partner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Partner {
    /// Its id.
    pub org: String,
    /// What it calls itself.
    pub name: String,
    /// What this org calls it on the command line.
    pub alias: String,
    /// How it is known.
    pub state: PartnerState,
    /// The verification code, to be compared by phone; null for one met through a share.
    pub code: Option<String>,
    /// Whether the codes were compared.
    pub confirmed: bool,
    /// Whether there is a connection now.
    pub connected: bool,
    /// When both were last in step, RFC 3339.
    pub last_sync: Option<String>,
    /// Who brought the two together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub met_through: Option<Org>,
}

/// The partner of a new pairing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Accepted {
    /// The partner.
    pub partner: AcceptedPartner,
    /// The verification code, to be compared by phone.
    pub code: String,
}

/// Who was paired with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AcceptedPartner {
    /// Its id.
    pub org: String,
    /// What it calls itself.
    pub name: String,
    /// What this org calls it on the command line.
    pub alias: String,
}

/// Calls a partner by another name here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Alias {
    /// The name.
    pub alias: String,
}

/// How long a partner took to answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Ping {
    /// The partner.
    #[serde(flatten)]
    pub partner: Org,
    /// The way there and back, in milliseconds, measured after it was asked for.
    pub round_trip_ms: f64,
    /// Since when it has been connected, RFC 3339.
    pub connected_since: String,
}
