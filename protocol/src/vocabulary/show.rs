//! Shows values: as JSON for programs, as text for tables and cells. Never fails: what another
//! node wrote and this vocabulary cannot read is shown as it is.

use serde_json::Value as Json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{FieldType, Item, Kind, field, split_items};
use crate::value::Value;

/// JSON with sorted keys and no blanks: one text for equal values.
pub fn canonical_json(json: &Json) -> String {
    let mut out = String::new();
    write_canonical(json, &mut out);
    out
}

fn write_canonical(json: &Json, out: &mut String) {
    match json {
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {
            out.push_str(&json.to_string());
        }
        Json::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write_canonical(item, out);
            }
            out.push(']');
        }
        Json::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            out.push('{');
            for (at, (key, value)) in entries.into_iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                out.push_str(&Json::from(key.as_str()).to_string());
                out.push(':');
                write_canonical(value, out);
            }
            out.push('}');
        }
    }
}

/// Milliseconds since 1970 as RFC 3339 in UTC, with a fraction only where there is one;
/// `None` outside the years 0 to 9999.
pub fn instant_text(at_ms: i64) -> Option<String> {
    let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(at_ms) * 1_000_000).ok()?;
    at.format(&Rfc3339).ok()
}

/// A value as programs see it: [`super::from_json`] reads it back.
pub fn to_json(kind: Kind, name: &str, value: &Value) -> Json {
    match value {
        Value::Bool(bool) => Json::from(*bool),
        Value::Int(number) | Value::Counter(number) => Json::from(*number),
        Value::Instant(at_ms) => instant_text(*at_ms).map_or(Json::from(*at_ms), Json::from),
        Value::Str(text) | Value::Text(text) => Json::from(text.as_str()),
        Value::Json(text) => {
            serde_json::from_str(text).unwrap_or_else(|_| Json::from(text.as_str()))
        }
        Value::Set(elements) => {
            let tags =
                matches!(field(kind, name), Some(field) if field.ty == FieldType::Set(Item::Tag));
            let element = |text: &String| match tag_of(text) {
                Some(tag) if tags => tag,
                Some(_) | None => Json::from(text.as_str()),
            };
            elements.iter().map(element).collect()
        }
    }
}

/// A value as people see it in a table or a cell: [`super::parse_text`] reads it back.
pub fn to_text(kind: Kind, name: &str, value: &Value) -> String {
    let json = to_json(kind, name, value);
    let ty = field(kind, name).map(|field| field.ty);
    match (&json, ty) {
        (Json::String(text), _) => text.clone(),
        (Json::Object(map), Some(FieldType::Money)) => {
            match (
                map.get("amount").and_then(Json::as_str),
                map.get("currency").and_then(Json::as_str),
            ) {
                (Some(amount), Some(currency)) => format!("{amount} {currency}"),
                (None, _) | (_, None) => canonical_json(&json),
            }
        }
        (Json::Array(items), Some(FieldType::Set(_) | FieldType::List(_))) => {
            joined(items).unwrap_or_else(|| canonical_json(&json))
        }
        _ => canonical_json(&json),
    }
}

/// An element of a set as people write it: a tag as `group:name`, all else as it is.
pub fn element_text(element: &str) -> String {
    tag_of(element).as_ref().and_then(item_text).unwrap_or_else(|| element.to_owned())
}

fn tag_of(element: &str) -> Option<Json> {
    let json: Json = element.starts_with('{').then(|| serde_json::from_str(element).ok())??;
    let tag = json.as_object()?.len() == 2 && json["group"].is_string() && json["name"].is_string();
    tag.then_some(json)
}

/// The elements with `;` between them; `None` if that could not be read back.
fn joined(items: &[Json]) -> Option<String> {
    let mut texts = Vec::with_capacity(items.len());
    for item in items {
        let text = item_text(item)?;
        if text.starts_with('[') || split_items(&text).ne([text.as_str()]) {
            return None;
        }
        texts.push(text);
    }
    Some(texts.join(";"))
}

/// A string as it is, a tag as `group:name`; other objects have no short text.
fn item_text(item: &Json) -> Option<String> {
    match item {
        Json::String(text) => Some(text.clone()),
        Json::Object(map) if map.len() == 2 => {
            let group = map.get("group")?.as_str()?;
            let name = map.get("name")?.as_str()?;
            let clear = !group.is_empty() && !group.contains([':', '：']);
            clear.then(|| format!("{group}:{name}"))
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Array(_) | Json::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn equal_json_has_one_canonical_text() {
        let json = json!({"b": [1, {"z": null, "a": "x\n王"}], "a": true});
        assert_eq!(canonical_json(&json), r#"{"a":true,"b":[1,{"a":"x\n王","z":null}]}"#);
    }

    #[test]
    fn a_moment_is_shown_in_utc_with_a_fraction_only_where_there_is_one() {
        for (at_ms, expected) in [
            (1_803_862_800_000, Some("2027-03-01T01:00:00Z")),
            (1_803_862_800_250, Some("2027-03-01T01:00:00.25Z")),
            (-1, Some("1969-12-31T23:59:59.999Z")),
            (i64::MAX, None),
        ] {
            assert_eq!(instant_text(at_ms).as_deref(), expected);
        }
    }

    #[test]
    fn what_cannot_be_read_is_shown_as_it_is() {
        let broken = Value::Json("{".to_owned());
        assert_eq!(to_json(Kind::Customer, "phones", &broken), json!("{"));
        let far = Value::Instant(i64::MAX);
        assert_eq!(to_json(Kind::Event, "starts_at", &far), json!(i64::MAX));
        assert_eq!(to_json(Kind::Event, "unheard_of", &Value::Int(3)), json!(3));
    }

    #[test]
    fn a_tag_is_written_group_and_name() {
        for (element, text) in [
            (r#"{"group":"segment","name":"vip"}"#, "segment:vip"),
            ("vip", "vip"),
            ("{odd", "{odd"),
        ] {
            assert_eq!(element_text(element), text);
        }
    }
}
