//! Records of all kinds: as they are shown, made, changed and listed; the roster of an event.

use std::collections::BTreeMap;

use entente_protocol::vocabulary::Kind;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use utoipa::{IntoParams, ToSchema};

use super::Org;
use super::share::HeldBack;

/// A record as this org may see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Record {
    /// Its id: `evt_…`, `cus_…`, `par_…`, `int_…` or `fup_…`.
    pub id: String,
    /// Its kind.
    #[schema(value_type = String, example = "event")]
    pub kind: Kind,
    /// The share it was received in; null for an own record.
    pub share: Option<String>,
    /// Whose record it is.
    pub section: Org,
    /// Fields that have a value; a field that was granted and has none is null.
    #[schema(value_type = Object)]
    pub fields: BTreeMap<String, Json>,
    /// Fields that exist and are not shared with this org.
    pub withheld: Vec<String>,
    /// Fields that are shared and that this org's mapping has no place for.
    pub unmapped: Vec<String>,
    /// Fields that were changed at two places at once.
    pub conflicts: Vec<Conflict>,
    /// When it last changed, RFC 3339.
    pub updated_at: String,
    /// Who changed it last.
    pub updated_by: Org,
    /// Where an own record was copied from; left out in lists and for what was entered here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adopted_from: Option<AdoptedFrom>,
}

/// Where a record was copied from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AdoptedFrom {
    /// Whose record it is.
    #[serde(flatten)]
    pub org: Org,
    /// Its id there.
    pub id: String,
    /// The share it came in.
    pub share: String,
    /// When it was copied first, RFC 3339.
    pub at: String,
}

/// Several values of one field that were set at the same time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Conflict {
    /// The record; left out inside a record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The field.
    pub field: String,
    /// The values, the one that is shown first; a choice is named by its number from 1.
    pub choices: Vec<Choice>,
}

/// One of several values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Choice {
    /// The value.
    pub value: Json,
    /// Who set it.
    pub by: Org,
    /// When, RFC 3339.
    pub at: String,
}

/// One change of one field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Change {
    /// Names the change for `undo`.
    pub change: String,
    /// The field.
    pub field: String,
    /// Its value before; null if it had none.
    pub from: Option<Json>,
    /// Its value after; null if it was cleared.
    pub to: Option<Json>,
    /// Who changed it.
    pub by: Org,
    /// When, RFC 3339.
    pub at: String,
}

/// Values for a new record, or changes to one. A field stands in one of the two maps.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Values {
    /// Values as JSON; null clears a field.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = Object)]
    pub fields: BTreeMap<String, Json>,
    /// Values as a person types them, read by the type of the field; an empty text clears it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub text: BTreeMap<String, String>,
}

/// Which own or received records a list gives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Whose {
    /// Own and received ones.
    #[default]
    All,
    /// Own ones.
    Own,
    /// Received ones.
    Partners,
}

/// The query of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListParams {
    /// Own records, received ones, or all.
    #[serde(default)]
    #[param(inline)]
    pub from: Whose,
    /// Only records that this selector fits: `status=open`.
    #[serde(rename = "where", default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
    /// Where the previous page ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// At most so many; 100 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// The field to sort by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sort: Option<String>,
}

/// The query of a history.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct HistoryParams {
    /// Only this field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
}

/// Takes back one change by a new one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Undo {
    /// The change, as the history names it.
    pub change: String,
}

/// Settles a conflict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Resolve {
    /// The field.
    pub field: String,
    /// The number of the choice, from 1.
    pub choice: usize,
}

/// One line of the roster of an event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RosterRow {
    /// The participation.
    pub participation: String,
    /// Its status; null if there is none or it is not shared with this org.
    pub status: Option<String>,
    /// Its role; null if there is none or it is not shared with this org.
    pub role: Option<String>,
    /// Who brought this person.
    pub contributed_by: Org,
    /// Through whom, in order.
    pub via: Vec<Org>,
    /// The person or company.
    pub customer: RosterCustomer,
}

/// The customer of a roster row, as far as this org may see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RosterCustomer {
    /// Its id; null for a member of staff, or when nothing of the customer is shared.
    pub id: Option<String>,
    /// Fields that have a value; a field that was granted and has none is null.
    #[schema(value_type = Object)]
    pub fields: BTreeMap<String, Json>,
    /// Fields that exist and are not shared with this org.
    pub withheld: Vec<String>,
}

/// Adds customers or staff to an event.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddParticipations {
    /// Own customers.
    #[serde(default)]
    pub customers: Vec<String>,
    /// Names of own staff.
    #[serde(default)]
    pub staff: Vec<String>,
    /// The status they start with; `invited` when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// Their role; `attendee`, for staff `staff`, when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Only tell what would leave.
    #[serde(default)]
    pub dry_run: bool,
}

/// What came of adding participations.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Participations {
    /// The new participations.
    pub participations: Vec<Participation>,
    /// Whom nobody, or not everybody, will see, and why.
    pub held_back: Vec<HeldBack>,
}

/// A new participation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Participation {
    /// Its id.
    pub id: String,
    /// The customer; null for a member of staff.
    pub customer: Option<String>,
}
