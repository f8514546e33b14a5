//! Reads single elements of sets and lists. Knows nothing of fields and of what holds them.

use serde_json::{Map, Value as Json};

use super::super::{Item, check};
use super::{Expected, MAX_STRING_BYTES, Problem, bounded, quote, wrong_json};

const CHANNELS: &[&str] = &[
    "wechat_unionid",
    "wechat_openid",
    "wecom_external_userid",
    "qq",
    "weibo",
    "douyin",
    "linkedin",
    "other",
];
const CONSENT_KEYS: &[&str] =
    &["purpose", "channel", "basis", "status", "at", "expires", "evidence", "scope"];

/// What an element looks like, in words with an example.
pub(super) fn example(item: Item) -> &'static str {
    match item {
        Item::String => "a string that is not empty",
        Item::Tag => r#"a tag such as segment:vip or {"group":"segment","name":"vip"}"#,
        Item::Email => "an e-mail address such as li@example.com",
        Item::Phone => "a phone number such as +86 138 0013 8000",
        Item::Org => "the id of an org (org_…)",
        Item::Channel => r#"a channel such as linkedin:li or {"kind":"linkedin","value":"li"}"#,
        Item::Consent => {
            r#"a consent such as {"purpose":"launch","basis":"form","status":"given"}"#
        }
        Item::Credit => r#"a credit such as {"org":"org_…","share":50}"#,
    }
}

/// An element as typed.
pub(super) fn from_text(item: Item, text: &str) -> Result<Json, Problem> {
    let no = || Problem::Wrong { found: quote(text), expected: Expected::Item(item) };
    let checked = match item {
        Item::String => (!text.trim().is_empty()).then(|| text.to_owned()),
        Item::Email => check::email(text),
        Item::Phone => check::phone(text),
        Item::Org => check::org(text),
        Item::Tag => {
            let (group, name) = text.split_once([':', '：']).unwrap_or(("", text));
            return tag(group, name).ok_or_else(no);
        }
        Item::Channel => {
            let (kind, value) = text.split_once([':', '：']).ok_or_else(no)?;
            let object = object([("kind", kind.trim().into()), ("value", value.trim().into())]);
            return from_json(item, &object);
        }
        Item::Consent | Item::Credit => None,
    };
    let checked = checked.ok_or_else(no)?;
    bounded(&checked, MAX_STRING_BYTES).map(Json::String)
}

/// An element of a JSON array. A tag written `group:name` becomes the object, so that one tag has
/// one form in a set.
pub(super) fn from_json(item: Item, json: &Json) -> Result<Json, Problem> {
    let no = || wrong_json(json, Expected::Item(item));
    let map = match json {
        Json::String(text) => return from_text(item, text),
        Json::Object(map) => map,
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Array(_) => return Err(no()),
    };
    let text = |key: &str| map.get(key).and_then(Json::as_str).filter(|text| !text.is_empty());
    match item {
        Item::String | Item::Email | Item::Phone | Item::Org => Err(no()),
        Item::Tag => {
            only(item, map, &["group", "name"])?;
            let group = match map.get("group") {
                None | Some(Json::Null) => "",
                Some(group) => group.as_str().ok_or_else(no)?,
            };
            tag(group, text("name").ok_or_else(no)?).ok_or_else(no)
        }
        Item::Channel => {
            only(item, map, &["kind", "value", "verified"])?;
            let kind = text("kind").ok_or_else(no)?;
            if !CHANNELS.contains(&kind) {
                return Err(Problem::Choice { found: quote(kind), allowed: CHANNELS });
            }
            let verified = map.get("verified").is_none_or(Json::is_boolean);
            let whole = text("value").is_some() && verified;
            whole.then(|| json.clone()).ok_or_else(no)
        }
        Item::Consent => consent(map).ok_or_else(no).and_then(|consent| {
            only(item, map, CONSENT_KEYS)?;
            Ok(consent)
        }),
        Item::Credit => {
            only(item, map, &["org", "share"])?;
            let org = text("org").and_then(check::org).ok_or_else(no)?;
            let share = match map.get("share") {
                Some(Json::Number(share)) => {
                    check::decimal(&share.to_string()).map(|_| share.clone().into())
                }
                Some(Json::String(share)) => check::decimal(share).map(Json::String),
                _ => None,
            };
            Ok(object([("org", org.into()), ("share", share.ok_or_else(no)?)]))
        }
    }
}

/// What stands before a colon is the group, also if an empty one was named: a tag has one form.
fn tag(group: &str, name: &str) -> Option<Json> {
    let (group, name) = (group.trim(), name.trim());
    match (group.is_empty(), name.is_empty(), name.split_once([':', '：'])) {
        (_, true, _) => None,
        (true, false, Some((group, name))) => tag(group, name),
        (true, false, None) => Some(Json::String(name.to_owned())),
        (false, false, _) => Some(object([("group", group.into()), ("name", name.into())])),
    }
}

/// Every value a string, `scope` also a list of strings; times in UTC, unsaid keys left out.
fn consent(map: &Map<String, Json>) -> Option<Json> {
    let mut out = Map::new();
    for (key, value) in map {
        let value = match (key.as_str(), value) {
            (_, Json::Null) => continue,
            ("at" | "expires", Json::String(text)) => {
                let at = check::instant(text).and_then(super::super::instant_text);
                Json::String(at.or_else(|| check::date(text))?)
            }
            ("scope", Json::Array(orgs)) if orgs.iter().all(Json::is_string) => value.clone(),
            (_, Json::String(_)) => value.clone(),
            (_, Json::Bool(_) | Json::Number(_) | Json::Array(_) | Json::Object(_)) => return None,
        };
        out.insert(key.clone(), value);
    }
    (!out.is_empty()).then_some(Json::Object(out))
}

fn only(item: Item, map: &Map<String, Json>, keys: &[&str]) -> Result<(), Problem> {
    match map.keys().find(|key| !keys.contains(&key.as_str())) {
        Some(key) => Err(Problem::Key { found: quote(key), expected: Expected::Item(item) }),
        None => Ok(()),
    }
}

fn object<const N: usize>(entries: [(&str, Json); N]) -> Json {
    Json::Object(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}
