//! Shares: opening them, placing records in them, and what would leave by that.

use entente_protocol::vocabulary::Kind;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Org;
use super::erasure::Asked;
use super::grant::Grant;
use super::record::Record;
use crate::policy::Reshare;

/// Opens a share.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OpenShare {
    /// Its name.
    pub name: String,
    /// What it is for; the name when left out. Consent is given for a purpose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    /// When it ends: a date, a time, or a duration from now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends: Option<String>,
    /// The event it is about; placed in the opener's part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
}

/// How a share stands with this org.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ShareState {
    /// This org takes part in it.
    Open,
    /// It was offered to this org, which has not put anything into it yet.
    Offered,
    /// Its end date has passed, or no grant to this org is in force.
    Ended,
    /// Its opener has closed it.
    Closed,
}

/// A share in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ShareLine {
    /// Its id, the same at every org.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub purpose: String,
    /// When it ends, RFC 3339.
    pub ends_at: Option<String>,
    /// Who opened it.
    pub opened_by: Org,
    /// How it stands with this org.
    pub state: ShareState,
    /// What is still missing before anything can be seen: `waiting for Acme's node`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<String>,
}

/// A share with what this org may know of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Share {
    /// What the list says of it.
    #[serde(flatten)]
    pub line: ShareLine,
    /// Who put what into it.
    pub sections: Vec<Section>,
    /// Who may do what.
    pub grants: Vec<Grant>,
    /// Whether what partners pass on of this org's part is let in by itself.
    pub reshare: Reshare,
    /// What deserves attention.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// A field of which something is missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MissingField {
    /// Who grants it.
    pub from: Org,
    /// To whom.
    pub to: Org,
    /// The kind of record.
    #[schema(value_type = String)]
    pub kind: Kind,
    /// The field.
    pub field: String,
    /// In how many records it has a value.
    pub filled: u64,
    /// Of how many.
    pub records: u64,
    /// What is missing: a value, a record, a place for it, or somebody's approval.
    pub why: String,
}

/// What one org put into a share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Section {
    /// The org.
    pub org: String,
    /// Its name.
    pub name: String,
    /// Fields that are seen by the same partners.
    pub compartments: Vec<Compartment>,
}

/// Fields of one kind that are seen by the same partners.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Compartment {
    /// The kind of record.
    #[schema(value_type = String, example = "customer")]
    pub kind: Kind,
    /// The fields.
    pub fields: Vec<String>,
    /// How often they have been re-sent from scratch.
    pub epoch: u64,
    /// Who may read them.
    pub readers: Vec<Org>,
    /// Who may edit them.
    pub editors: Vec<Org>,
}

/// What would leave this node: fields × records × who.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Leaving {
    /// Whether it would be the first time, so that a person should be asked.
    pub first: bool,
    /// Who would see which fields of how many records.
    pub to: Vec<LeavingTo>,
    /// What stays here, and why.
    pub held_back: Vec<HeldBack>,
    /// Who would no longer see which fields of how many records.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub back: Vec<LeavingTo>,
    /// Who would be asked to erase it, with copies and notes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub asked: Vec<Asked>,
    /// What is sent again to those who have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resent: Option<Resent>,
    /// What else would come of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// What a change of rules costs: records that partners get again, though they have them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Resent {
    /// How many records.
    pub records: u64,
    /// To whom.
    pub to: Vec<Org>,
}

/// What one org would see that it does not see now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LeavingTo {
    /// The org.
    #[serde(flatten)]
    pub org: Org,
    /// The kind of record.
    #[schema(value_type = String)]
    pub kind: Kind,
    /// The fields.
    pub fields: Vec<String>,
    /// How many records.
    pub records: u64,
    /// Whether it may change them too.
    pub edit: bool,
    /// Whether it may keep a copy.
    pub keep: bool,
    /// How often it may pass them on.
    pub depth: u8,
}

/// A record that is kept from everyone, or from one org.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub struct HeldBack {
    /// The record.
    pub record: String,
    /// From whom; left out when from everyone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub org: Option<String>,
    /// The name of that org.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub org_name: Option<String>,
    /// Why.
    pub reason: String,
}

/// Places records in this org's part of a share: named ones, or all of a kind that fit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// Own records.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub records: Vec<String>,
    /// All own records of this kind instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub kind: Option<Kind>,
    /// Only those of the kind that this selector fits.
    #[serde(rename = "where", default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
    /// Keep the selection up to date.
    #[serde(default)]
    pub live: bool,
    /// Only tell what would leave.
    #[serde(default)]
    pub dry_run: bool,
}

/// What came of placing records.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Placed {
    /// Records placed after the consent check, readers or not.
    pub published: u64,
    /// What stays here, and why.
    pub held_back: Vec<HeldBack>,
}

/// Takes records out of this org's part of a share.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Withdraw {
    /// The records.
    pub records: Vec<String>,
    /// Only tell who would lose what.
    #[serde(default)]
    pub dry_run: bool,
}

/// Closes or leaves a share.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct End {
    /// Only tell who would lose what.
    #[serde(default)]
    pub dry_run: bool,
}

/// What came of taking records out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Withdrawn {
    /// How many were there and are no more.
    pub removed: u64,
}

/// The query of a preview.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PreviewParams {
    /// The partner with whose eyes to look.
    #[serde(rename = "as")]
    pub partner: String,
    /// Only this kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// At most so many records; 100 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// A share's records as one partner sees them.
pub type Preview = Vec<Record>;
