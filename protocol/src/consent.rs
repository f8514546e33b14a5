//! Consent: whether a customer may be shown to an org for a purpose, and what of it travels.
//! Reads the `type` and `consent` fields only; doubt is always decided against sharing.

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json};
use thiserror::Error;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Date, OffsetDateTime};

use crate::id::OrgId;
use crate::mutation::{Law, broken};
use crate::time::Millis;
use crate::value::{Fields, Value};
use crate::vocabulary::{self, Kind};

/// Stands for every purpose in an entry, as an import with a blanket consent records it.
const EVERY: &str = "*";
/// What an entry may take along, in the order of canonical JSON.
const TRAVELLING: [&str; 6] = ["at", "basis", "channel", "expires", "purpose", "status"];

/// Why a person is held back from an org.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Error)]
pub enum HeldBack {
    /// Nothing is recorded that could cover it.
    #[error("no consent is recorded")]
    NoConsent,
    /// It was given and taken back.
    #[error("the consent was withdrawn")]
    Withdrawn,
    /// It was given until a time that has passed.
    #[error("the consent has expired")]
    Expired,
    /// It was given for something else.
    #[error("the consent is for another purpose")]
    OtherPurpose,
    /// It was given for this purpose, to others.
    #[error("the consent is for other partners")]
    OtherPartner,
}

impl HeldBack {
    /// A short name for programs.
    pub fn code(&self) -> &'static str {
        match self {
            HeldBack::NoConsent => "no_consent",
            HeldBack::Withdrawn => "withdrawn",
            HeldBack::Expired => "expired",
            HeldBack::OtherPurpose => "other_purpose",
            HeldBack::OtherPartner => "other_partner",
        }
    }
}

/// Whether the customer with these fields may be shown to `org` for `purpose` at `now`.
///
/// Companies are not gated; every other customer is a person and needs an entry in `consent`
/// that is given for exactly this purpose (or all), for this org (or all), not expired, and not
/// withdrawn at the same time or later. A consent without a readable time counts as the oldest, a
/// withdrawal without one as the latest; an unreadable expiry has passed.
pub fn consent_allows(
    fields: &Fields,
    purpose: &str,
    org: &OrgId,
    now: Millis,
) -> Result<(), HeldBack> {
    if text(fields, "type") == Some("company") || broken(Law::Consent) {
        return Ok(());
    }
    let org = org.to_string();
    let entries = entries(fields);
    let here = |entry: &&Entry| entry.is_for(purpose, &org);
    let withdrawn = entries.iter().filter(|entry| entry.status == Status::Withdrawn).filter(here);
    let withdrawn_at = withdrawn.map(|entry| entry.at.unwrap_or(i64::MAX)).max();
    let given = || entries.iter().filter(|entry| entry.status == Status::Given);
    let (mut any_here, mut stands, mut valid) = (false, false, false);
    for entry in given().filter(here) {
        any_here = true;
        let still = withdrawn_at.is_none_or(|end| end < entry.at.unwrap_or(i64::MIN));
        stands |= still;
        valid |= still && entry.runs_at(now);
    }
    match (valid, stands, any_here, withdrawn_at) {
        (true, ..) => Ok(()),
        (false, true, ..) => Err(HeldBack::Expired),
        (false, false, true, _) | (false, false, false, Some(_)) => Err(HeldBack::Withdrawn),
        (false, false, false, None) => Err(if given().any(|entry| entry.names(purpose)) {
            HeldBack::OtherPartner
        } else if given().next().is_some() {
            HeldBack::OtherPurpose
        } else {
            HeldBack::NoConsent
        }),
    }
}

/// When the consents of a customer end that have an end.
pub fn ends(fields: &Fields) -> Vec<Millis> {
    let end = |entry: &Entry| {
        let end = entry.json.get("expires").and_then(instant)?;
        Millis::try_from(end).ok()
    };
    entries(fields).iter().filter_map(end).collect()
}

/// The `consent` field with withdrawals more: from these orgs, since then, for a purpose.
pub(crate) fn withdrawn(fields: &Fields, purpose: &str, from: &[(OrgId, Millis)]) -> Value {
    let mut all: Vec<Json> = match fields.get("consent") {
        Some(Value::Json(text)) => serde_json::from_str(text).unwrap_or_default(),
        Some(_) | None => Vec::new(),
    };
    for (org, at) in from {
        let at = Value::Instant(i64::try_from(*at).unwrap_or(i64::MAX));
        all.push(serde_json::json!({
            "purpose": purpose,
            "status": "withdrawn",
            "scope": [org.to_string()],
            "at": vocabulary::to_text(Kind::Event, "starts_at", &at),
        }));
    }
    Value::Json(vocabulary::canonical_json(&Json::Array(all)))
}

/// What two nodes of an org wrote into the `consent` field at once: the entries of both, for neither
/// knew of the other's, and a withdrawal may not get lost.
pub(crate) fn joined(written: impl Iterator<Item = Value>) -> Option<Value> {
    let lists = written.filter_map(|value| {
        let Value::Json(text) = value else { return None };
        serde_json::from_str::<Vec<Json>>(&text).ok()
    });
    let all = lists.reduce(|mut all, more| {
        let new: Vec<Json> = more.into_iter().filter(|entry| !all.contains(entry)).collect();
        if !broken(Law::BothConsents) {
            all.extend(new);
        }
        all
    })?;
    Some(Value::Json(vocabulary::canonical_json(&Json::Array(all))))
}

/// A `consent` field as it came back from a share: for those only who were shown it there, as whom
/// else it covers did not travel.
pub(crate) fn come_back(value: &Value, shown: &BTreeSet<OrgId>) -> Value {
    let Value::Json(text) = value else { return value.clone() };
    let mut all = serde_json::from_str::<Vec<Json>>(text).unwrap_or_default();
    let scope: Vec<String> = shown.iter().map(OrgId::to_string).collect();
    for entry in all.iter_mut().filter_map(Json::as_object_mut) {
        if !broken(Law::CameBack) {
            entry.insert("scope".to_owned(), scope.clone().into());
        }
    }
    Value::Json(vocabulary::canonical_json(&Json::Array(all)))
}

/// The `consent` field as `org` may see it: the entries for this purpose that concern it, reduced
/// to purpose, channel, basis, status and times. Never evidence, nor whom or what else they cover.
pub fn travelling_consent(fields: &Fields, purpose: &str, org: &OrgId) -> Value {
    if broken(Law::Evidence) {
        return fields.get("consent").cloned().unwrap_or(Value::Json("[]".to_owned()));
    }
    let org = org.to_string();
    let mut out: Vec<Json> = Vec::new();
    for entry in entries(fields).iter().filter(|entry| entry.is_for(purpose, &org)) {
        let mut travels = Map::new();
        for name in TRAVELLING {
            let value = match name {
                "purpose" => Some(Json::from(purpose)),
                _ => entry.json.get(name).filter(|value| is_plain(value)).cloned(),
            };
            travels.extend(value.map(|value| (name.to_owned(), value)));
        }
        let travels = Json::Object(travels);
        if !out.contains(&travels) {
            out.push(travels);
        }
    }
    Value::Json(Json::Array(out).to_string())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    Given,
    Withdrawn,
    Other,
}

#[derive(Debug)]
struct Entry {
    json: Map<String, Json>,
    status: Status,
    at: Option<i64>,
}

impl Entry {
    fn new(json: Map<String, Json>) -> Self {
        let status = match json.get("status").and_then(Json::as_str) {
            Some("given" | "granted") => Status::Given,
            Some("withdrawn") => Status::Withdrawn,
            Some(_) | None => Status::Other,
        };
        let at = json.get("at").and_then(instant);
        Self { json, status, at }
    }

    fn is_for(&self, purpose: &str, org: &str) -> bool {
        self.names(purpose) && self.reaches(org)
    }

    /// A withdrawal that names no purpose is one from everything; a consent, one to nothing.
    fn names(&self, purpose: &str) -> bool {
        match self.json.get("purpose") {
            Some(Json::String(own)) => own == purpose || own == EVERY,
            Some(_) | None => self.status == Status::Withdrawn,
        }
    }

    fn reaches(&self, org: &str) -> bool {
        let named = |name: &str| name == "all" || name == org;
        match self.json.get("scope") {
            None | Some(Json::Null) => true,
            Some(Json::String(list)) => list.split([',', ' ']).any(named),
            Some(Json::Array(list)) => list.iter().filter_map(Json::as_str).any(named),
            Some(Json::Bool(_) | Json::Number(_) | Json::Object(_)) => {
                self.status == Status::Withdrawn
            }
        }
    }

    fn runs_at(&self, now: Millis) -> bool {
        match self.json.get("expires") {
            None | Some(Json::Null) => true,
            Some(end) => {
                instant(end).and_then(|end| Millis::try_from(end).ok()).is_some_and(|end| now < end)
            }
        }
    }
}

fn entries(fields: &Fields) -> Vec<Entry> {
    let Some(Value::Json(json)) = fields.get("consent") else { return Vec::new() };
    let Ok(Json::Array(list)) = serde_json::from_str(json) else { return Vec::new() };
    let entry = |json| match json {
        Json::Object(json) => Some(Entry::new(json)),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Array(_) => None,
    };
    list.into_iter().filter_map(entry).collect()
}

fn text<'a>(fields: &'a Fields, name: &str) -> Option<&'a str> {
    match fields.get(name)? {
        Value::Str(text) | Value::Text(text) => Some(text),
        Value::Bool(_)
        | Value::Int(_)
        | Value::Instant(_)
        | Value::Json(_)
        | Value::Set(_)
        | Value::Counter(_) => None,
    }
}

/// Milliseconds since 1970 from a number, an RFC 3339 time, or a date (its first moment, UTC).
fn instant(value: &Json) -> Option<i64> {
    match value {
        Json::Number(ms) => ms.as_i64(),
        Json::String(text) => {
            let date = || Date::parse(text, format_description!("[year]-[month]-[day]")).ok();
            let at = OffsetDateTime::parse(text, &Rfc3339).ok();
            let at = at.or_else(|| Some(date()?.midnight().assume_utc()))?;
            i64::try_from(at.unix_timestamp_nanos() / 1_000_000).ok()
        }
        Json::Null | Json::Bool(_) | Json::Array(_) | Json::Object(_) => None,
    }
}

/// Text, numbers and lists of them: nothing that could carry more than it is called.
fn is_plain(value: &Json) -> bool {
    match value {
        Json::String(_) | Json::Number(_) => true,
        Json::Array(list) => list.iter().all(|item| item.is_string() || item.is_number()),
        Json::Null | Json::Bool(_) | Json::Object(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = 1_800_000_000_000;

    fn b() -> OrgId {
        OrgId([2; 32])
    }

    fn customer(kind: Option<&str>, consent: &str) -> Fields {
        let consent = consent.replace("ORG_B", &b().to_string());
        let consent = consent.replace("ORG_C", &OrgId([3; 32]).to_string());
        let mut fields = Fields::from([("consent".to_owned(), Value::Json(consent))]);
        fields.extend(kind.map(|kind| ("type".to_owned(), Value::Str(kind.to_owned()))));
        fields
    }

    fn asked(consent: &str) -> Result<(), &'static str> {
        let fields = customer(None, consent);
        consent_allows(&fields, "Spring", &b(), NOW).map_err(|held| held.code())
    }

    #[test]
    fn a_person_is_shown_only_under_a_consent_that_covers_purpose_and_partner() {
        let cases: &[(&str, Result<(), &str>)] = &[
            (r#"[]"#, Err("no_consent")),
            (r#"not json"#, Err("no_consent")),
            (r#"{"purpose":"Spring","status":"given"}"#, Err("no_consent")),
            (r#"["given", 7, null]"#, Err("no_consent")),
            (r#"[{"purpose":"Spring","status":"pending"}]"#, Err("no_consent")),
            (r#"[{"purpose":"Spring","status":"Given"}]"#, Err("no_consent")),
            (r#"[{"status":"given"}]"#, Err("other_purpose")),
            (r#"[{"purpose":"Spring","status":"given"}]"#, Ok(())),
            (r#"[{"purpose":"Spring","status":"granted"}]"#, Ok(())),
            (r#"[{"purpose":"*","status":"given"}]"#, Ok(())),
            (r#"[{"purpose":"spring","status":"given"}]"#, Err("other_purpose")),
            (r#"[{"purpose":"Spring launch","status":"given"}]"#, Err("other_purpose")),
            (r#"[{"purpose":"Spring","status":"given","scope":"all"}]"#, Ok(())),
            (r#"[{"purpose":"Spring","status":"given","scope":null}]"#, Ok(())),
            (r#"[{"purpose":"Spring","status":"given","scope":"ORG_B"}]"#, Ok(())),
            (r#"[{"purpose":"Spring","status":"given","scope":"ORG_C,ORG_B"}]"#, Ok(())),
            (r#"[{"purpose":"Spring","status":"given","scope":["ORG_C","ORG_B"]}]"#, Ok(())),
            (r#"[{"purpose":"Spring","status":"given","scope":["ORG_C"]}]"#, Err("other_partner")),
            (r#"[{"purpose":"Spring","status":"given","scope":[]}]"#, Err("other_partner")),
            (r#"[{"purpose":"Spring","status":"given","scope":true}]"#, Err("other_partner")),
            (r#"[{"purpose":"Spring","status":"given","expires":1800000000001}]"#, Ok(())),
            (r#"[{"purpose":"Spring","status":"given","expires":1800000000000}]"#, Err("expired")),
            (r#"[{"purpose":"Spring","status":"given","expires":"2099-01-01"}]"#, Ok(())),
            (r#"[{"purpose":"Spring","status":"given","expires":"2020-01-01"}]"#, Err("expired")),
            (r#"[{"purpose":"Spring","status":"given","expires":"soon"}]"#, Err("expired")),
            (r#"[{"purpose":"Spring","status":"given","expires":-5}]"#, Err("expired")),
            (
                r#"[{"purpose":"Spring","status":"given","expires":"2020-01-01"},
                    {"purpose":"*","status":"given"}]"#,
                Ok(()),
            ),
        ];
        for (consent, expected) in cases {
            assert_eq!(asked(consent), *expected, "{consent}");
        }
    }

    #[test]
    fn a_withdrawal_ends_what_was_given_before_it_and_a_new_consent_begins_anew() {
        let given = r#"{"purpose":"Spring","status":"given","at":"2026-05-01T00:00:00Z"}"#;
        let cases: &[(&str, Result<(), &str>)] = &[
            (r#"{"purpose":"Spring","status":"withdrawn","at":"2026-06-01"}"#, Err("withdrawn")),
            (r#"{"purpose":"Spring","status":"withdrawn","at":"2026-05-01"}"#, Err("withdrawn")),
            (r#"{"purpose":"Spring","status":"withdrawn","at":"2026-04-30"}"#, Ok(())),
            (r#"{"purpose":"Spring","status":"withdrawn"}"#, Err("withdrawn")),
            (r#"{"purpose":"Spring","status":"withdrawn","at":"lately"}"#, Err("withdrawn")),
            (r#"{"purpose":"*","status":"withdrawn","at":"2026-06-01"}"#, Err("withdrawn")),
            (r#"{"status":"withdrawn","at":"2026-06-01"}"#, Err("withdrawn")),
            (r#"{"purpose":"Autumn","status":"withdrawn","at":"2026-06-01"}"#, Ok(())),
            (
                r#"{"purpose":"Spring","status":"withdrawn","at":"2026-06-01","scope":"ORG_B"}"#,
                Err("withdrawn"),
            ),
            (
                r#"{"purpose":"Spring","status":"withdrawn","at":"2026-06-01","scope":"ORG_C"}"#,
                Ok(()),
            ),
            (
                r#"{"purpose":"Spring","status":"withdrawn","at":"2026-06-01","scope":7}"#,
                Err("withdrawn"),
            ),
        ];
        for (withdrawal, expected) in cases {
            for list in [format!("[{given},{withdrawal}]"), format!("[{withdrawal},{given}]")] {
                assert_eq!(asked(&list), *expected, "{list}");
            }
        }
        let again = r#"{"purpose":"Spring","status":"given","at":"2026-07-01"}"#;
        let (end, _) = cases[0];
        assert_eq!(asked(&format!("[{given},{end},{again}]")), Ok(()));
        assert_eq!(asked(&format!("[{end}]")), Err("withdrawn"));
        let undated = r#"{"purpose":"Spring","status":"given"}"#;
        assert_eq!(asked(&format!("[{undated},{end}]")), Err("withdrawn"));
        let blanket = r#"{"purpose":"*","status":"given","at":"2026-05-01"}"#;
        assert_eq!(asked(&format!("[{blanket},{end}]")), Err("withdrawn"));
    }

    #[test]
    fn only_a_company_needs_no_consent() {
        let allows = |kind| consent_allows(&customer(kind, "[]"), "Spring", &b(), NOW).is_ok();
        assert!(allows(Some("company")));
        for person in [None, Some("person"), Some(""), Some("Company")] {
            assert!(!allows(person), "{person:?}");
        }
        assert_eq!(
            consent_allows(&Fields::new(), "Spring", &b(), NOW),
            Err(HeldBack::NoConsent),
            "no consent field at all"
        );
    }

    #[test]
    fn neither_evidence_nor_other_partners_nor_other_purposes_travel() {
        let fields = customer(
            None,
            r#"[{"purpose":"Spring","channel":["email","phone"],"basis":"contract","status":"given",
                 "at":"2026-05-01","expires":"2027-05-01","evidence":"SECRET",
                 "scope":["ORG_B","ORG_C"],"x_note":"SECRET"},
                {"purpose":"*","status":"given","basis":{"evidence":"SECRET"}},
                {"purpose":"*","status":"given","evidence":"SECRET"},
                {"purpose":"Autumn","status":"given","basis":"SECRET"},
                {"purpose":"Spring","status":"given","scope":["ORG_C"],"basis":"SECRET"}]"#,
        );
        let expected = concat!(
            r#"[{"at":"2026-05-01","basis":"contract","channel":["email","phone"],"#,
            r#""expires":"2027-05-01","purpose":"Spring","status":"given"},"#,
            r#"{"purpose":"Spring","status":"given"}]"#
        );
        let travels = travelling_consent(&fields, "Spring", &b());
        assert_eq!(travels, Value::Json(expected.to_owned()));
        let nothing = travelling_consent(&Fields::new(), "Spring", &b());
        assert_eq!(nothing, Value::Json("[]".to_owned()));
    }
}
