//! The audit log, and who was given what of a customer.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Org;

/// Which lines of the audit log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AuditParams {
    /// Only lines that concern this partner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partner: Option<String>,
    /// At most so many; 100 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// Go on where the page before ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// One line of the audit log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditLine {
    /// Its number, from 0.
    pub number: u64,
    /// When, RFC 3339.
    pub at: String,
    /// `sent`, `reported`, `said`, `exported`, `deleted` or `consent`.
    pub what: String,
    /// The partner it concerns.
    pub partner: Option<Org>,
    /// The same in words.
    pub text: String,
    /// What was sent, or is reported to be held.
    pub parts: Vec<AuditPart>,
    /// Names what was said, if something was: the same at every company that was told.
    pub reference: Option<String>,
    /// The own records that the line is about.
    pub records: Vec<String>,
}

/// Changes of records of one kind in one share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditPart {
    /// The share.
    pub share: String,
    /// Its name.
    pub share_name: String,
    /// Whose records.
    pub section: Org,
    /// The kind of record.
    pub kind: String,
    /// The fields that the changes may be of.
    pub fields: Vec<String>,
    /// How many changes, if known.
    pub changes: Option<u64>,
}

/// What to check an audit log against.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct VerifyParams {
    /// A head that was noted before: what it covers must still be there unchanged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noted: Option<String>,
}

/// An audit log that is whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Verified {
    /// How many lines.
    pub lines: u64,
    /// Their number and the hash of the last: kept elsewhere, it tells later whether the log was
    /// shortened or written anew.
    pub head: String,
}

/// How the disclosures of a customer are to be shown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DisclosureParams {
    /// `json`, `html` or `csv`; `json` when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// `en` or `zh`, for `html`; `en` when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lang: Option<String>,
}

/// How something left this company.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// This node sent it.
    Sent,
    /// Another partner carried it; the receiver's node reports that it holds it.
    Reported,
    /// Another partner may have carried it; nothing is known yet.
    Possible,
    /// It is allowed and was not sent yet.
    NotYet,
    /// Written into a file: nobody can tell where that went.
    Exported,
}

/// What one company was given of one customer, on one ground.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Disclosure {
    /// To whom; null for a file.
    pub org: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// In which share.
    pub share: Option<String>,
    /// Its name.
    pub share_name: Option<String>,
    /// For what.
    pub purpose: Option<String>,
    /// Which fields that had a value, each with its kind: `customer.name`.
    pub fields: Vec<String>,
    /// When first, RFC 3339, as far as it is known.
    pub first_at: Option<String>,
    /// When last.
    pub last_at: Option<String>,
    /// The grant that allowed it.
    pub grant: Option<String>,
    /// The legal ground that is noted with the customer's consent for this purpose.
    pub basis: Option<String>,
    /// How.
    pub way: Way,
    /// The companies that passed the grant on.
    pub via: Vec<Org>,
    /// Who else held it and may have carried it.
    pub carriers: Vec<Org>,
    /// Of a file: its format.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
}
