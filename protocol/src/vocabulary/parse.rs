//! Reads values of fields from what people type and from JSON, checked and in their normal form.
//! An error names the field, what was found and what is expected. A value that is to be removed
//! (JSON `null`) is the caller's affair: here it is an error.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::{Map, Value as Json};
use thiserror::Error;

use super::show::canonical_json;
use super::{Field, FieldType, Item, Kind, check, field, is_custom, nearest};
use crate::value::Value;

mod item;

/// The longest string, in bytes.
pub const MAX_STRING_BYTES: usize = 64 * 1024;
/// The longest collaborative text, in bytes.
pub const MAX_TEXT_BYTES: usize = 256 * 1024;
/// The longest list, map or custom JSON value, in bytes of its canonical form.
pub const MAX_JSON_BYTES: usize = 256 * 1024;
/// The most elements a list or a set may have.
pub const MAX_LIST_ITEMS: usize = 1000;
const MAX_QUOTED_CHARS: usize = 40;

/// Why a value cannot stand in a field.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ValueError {
    /// The kind has no such field.
    #[error("{kind} has no field `{name}`{}", hint(.nearest))]
    Unknown {
        /// The kind.
        kind: Kind,
        /// What was asked for.
        name: String,
        /// The nearest field there is.
        nearest: Option<&'static str>,
    },
    /// The name begins like a custom field's and goes on wrongly.
    #[error("`{name}` is no name of a custom field: use x_ and 1 to 60 of a-z, 0-9 and _")]
    CustomName {
        /// What was asked for.
        name: String,
    },
    /// The field exists, the value does not fit.
    #[error("{field}: {problem}")]
    Field {
        /// The field.
        field: String,
        /// What is wrong.
        problem: Problem,
    },
}

/// What is wrong with a value.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Problem {
    /// It is of another type or form.
    #[error("{found} is not {expected}")]
    Wrong {
        /// The beginning of what was found, quoted.
        found: String,
        /// What is expected.
        expected: Expected,
    },
    /// It is not one of the words allowed.
    #[error("{found} is not one of {}", .allowed.join(", "))]
    Choice {
        /// The beginning of what was found, quoted.
        found: String,
        /// The words allowed.
        allowed: &'static [&'static str],
    },
    /// An object has a key that does not belong there.
    #[error("{found} is no key of {expected}")]
    Key {
        /// The key, quoted.
        found: String,
        /// What is expected.
        expected: Expected,
    },
    /// It is too long.
    #[error("longer than {limit_bytes} bytes")]
    TooLong {
        /// The limit.
        limit_bytes: usize,
    },
    /// It has too many elements.
    #[error("more than {limit} elements")]
    TooMany {
        /// The limit.
        limit: usize,
    },
}

/// What a field expects, in words with an example.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// A value of this type.
    Type(FieldType),
    /// An element of this sort.
    Item(Item),
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ty = match self {
            Expected::Type(ty) => ty,
            Expected::Item(item) => return f.write_str(item::example(*item)),
        };
        f.write_str(match ty {
            FieldType::Text | FieldType::String => "a string",
            FieldType::Int | FieldType::Counter => "a whole number such as 120",
            FieldType::Decimal => "a decimal number such as 12.50",
            FieldType::Bool => "true or false",
            FieldType::Date => "a day such as 2027-03-01",
            FieldType::Instant => "a time with offset such as 2027-03-01T09:00:00+08:00",
            FieldType::Tzid => "a time zone such as Asia/Shanghai or UTC",
            FieldType::Enum(words) => return write!(f, "one of {}", words.join(", ")),
            FieldType::Money => {
                r#"an amount such as 12.50 CNY or {"amount":"12.50","currency":"CNY"}"#
            }
            FieldType::Phone => item::example(Item::Phone),
            FieldType::Email => item::example(Item::Email),
            FieldType::Url => "an address such as https://example.com/",
            FieldType::Lang => "a language such as zh-CN or en",
            FieldType::Set(item) | FieldType::List(item) => {
                return write!(f, "a list with each element {}", item::example(*item));
            }
            FieldType::Map => r#"a JSON object such as {"key":"value"}"#,
            FieldType::Ref(kind) => return write!(f, "an id that starts with {}", kind.prefix()),
            FieldType::Org => item::example(Item::Org),
        })
    }
}

/// Reads what a person typed after `field=`, or a cell of a table. Around everything but strings
/// and texts, blanks are dropped. Sets and lists are split at `;` and `,`; those of objects, and
/// maps, are also taken as JSON.
pub fn parse_text(kind: Kind, name: &str, text: &str) -> Result<Value, ValueError> {
    let value = match known(kind, name)? {
        Some(field) => typed_text(field.ty, text),
        None => bounded(text, MAX_STRING_BYTES).map(Value::Str),
    };
    value.map_err(|problem| ValueError::Field { field: name.to_owned(), problem })
}

/// Reads a value from JSON, as the API and `field:=json` give it.
pub fn from_json(kind: Kind, name: &str, json: &Json) -> Result<Value, ValueError> {
    let value = match known(kind, name)? {
        Some(field) => typed_json(field.ty, json),
        None => match json {
            Json::String(text) => bounded(text, MAX_STRING_BYTES).map(Value::Str),
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::Array(_) | Json::Object(_) => {
                json_value(json)
            }
        },
    };
    value.map_err(|problem| ValueError::Field { field: name.to_owned(), problem })
}

/// The elements of a list as people type them: split at `;` and `,` (wide ones too), without
/// the blanks around and without empty ones.
pub fn split_items(text: &str) -> impl Iterator<Item = &str> {
    text.split([';', ',', '；', '，']).map(str::trim).filter(|part| !part.is_empty())
}

/// `; did you mean …?`, or nothing.
pub(super) fn hint(nearest: &Option<&'static str>) -> String {
    nearest.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default()
}

fn known(kind: Kind, name: &str) -> Result<Option<&'static Field>, ValueError> {
    match field(kind, name) {
        Some(field) => Ok(Some(field)),
        None if is_custom(name) => Ok(None),
        None if name.starts_with(super::CUSTOM_PREFIX) => {
            Err(ValueError::CustomName { name: name.to_owned() })
        }
        None => {
            Err(ValueError::Unknown { kind, name: name.to_owned(), nearest: nearest(kind, name) })
        }
    }
}

fn typed_text(ty: FieldType, text: &str) -> Result<Value, Problem> {
    let trimmed = text.trim();
    match ty {
        FieldType::Text => bounded(text, MAX_TEXT_BYTES).map(Value::Text),
        FieldType::String => bounded(text, MAX_STRING_BYTES).map(Value::Str),
        FieldType::Int | FieldType::Counter => {
            let number = trimmed.parse::<i64>().map_err(|_| wrong(text, ty))?;
            typed_json(ty, &Json::from(number))
        }
        FieldType::Bool => check::boolean(trimmed).map(Value::Bool).ok_or_else(|| wrong(text, ty)),
        FieldType::Money => {
            if let Some(object) = json_text(trimmed, '{') {
                return typed_json(ty, &object);
            }
            let (amount, currency) = check::money(trimmed).ok_or_else(|| wrong(text, ty))?;
            Ok(money(amount, currency))
        }
        FieldType::Set(item) | FieldType::List(item) => {
            if let Some(list) = json_text(trimmed, '[') {
                return typed_json(ty, &list);
            }
            let items = split_items(text)
                .take(MAX_LIST_ITEMS + 1)
                .map(|part| item::from_text(item, part))
                .collect::<Result<Vec<Json>, Problem>>()?;
            collection(ty, items)
        }
        FieldType::Map => {
            let object = json_text(trimmed, '{').ok_or_else(|| wrong(text, ty))?;
            typed_json(ty, &object)
        }
        FieldType::Decimal
        | FieldType::Date
        | FieldType::Instant
        | FieldType::Tzid
        | FieldType::Enum(_)
        | FieldType::Phone
        | FieldType::Email
        | FieldType::Url
        | FieldType::Lang
        | FieldType::Ref(_)
        | FieldType::Org => word(ty, trimmed),
    }
}

fn typed_json(ty: FieldType, json: &Json) -> Result<Value, Problem> {
    let no = || wrong_json(json, Expected::Type(ty));
    match ty {
        FieldType::Text => bounded(json.as_str().ok_or_else(no)?, MAX_TEXT_BYTES).map(Value::Text),
        FieldType::String => {
            bounded(json.as_str().ok_or_else(no)?, MAX_STRING_BYTES).map(Value::Str)
        }
        FieldType::Int => json.as_i64().map(Value::Int).ok_or_else(no),
        FieldType::Counter => json.as_i64().map(Value::Counter).ok_or_else(no),
        FieldType::Bool => json.as_bool().map(Value::Bool).ok_or_else(no),
        FieldType::Decimal => match json {
            Json::Number(number) => word(ty, &number.to_string()),
            _ => word(ty, json.as_str().ok_or_else(no)?),
        },
        FieldType::Money => {
            let object = json.as_object().ok_or_else(no)?;
            if let Some(key) =
                object.keys().find(|key| !matches!(key.as_str(), "amount" | "currency"))
            {
                return Err(Problem::Key { found: quote(key), expected: Expected::Type(ty) });
            }
            let amount = match object.get("amount") {
                Some(Json::Number(number)) => check::decimal(&number.to_string()),
                Some(Json::String(text)) => check::decimal(text),
                _ => None,
            };
            let currency = object.get("currency").and_then(Json::as_str).and_then(check::currency);
            Ok(money(amount.ok_or_else(no)?, currency.ok_or_else(no)?))
        }
        FieldType::Set(item) | FieldType::List(item) => {
            let list = json.as_array().ok_or_else(no)?;
            let items = list
                .iter()
                .take(MAX_LIST_ITEMS + 1)
                .map(|element| item::from_json(item, element))
                .collect::<Result<Vec<Json>, Problem>>()?;
            collection(ty, items)
        }
        FieldType::Map => match json {
            Json::Object(_) => json_value(json),
            _ => Err(no()),
        },
        FieldType::Date
        | FieldType::Instant
        | FieldType::Tzid
        | FieldType::Enum(_)
        | FieldType::Phone
        | FieldType::Email
        | FieldType::Url
        | FieldType::Lang
        | FieldType::Ref(_)
        | FieldType::Org => word(ty, json.as_str().ok_or_else(no)?),
    }
}

/// A value that is one checked word.
fn word(ty: FieldType, text: &str) -> Result<Value, Problem> {
    let text = bounded(text, MAX_STRING_BYTES)?;
    let checked = match ty {
        FieldType::Instant => {
            return check::instant(&text).map(Value::Instant).ok_or_else(|| wrong(&text, ty));
        }
        FieldType::Enum(allowed) => {
            let known = allowed.contains(&text.as_str());
            return match known {
                true => Ok(Value::Str(text)),
                false => Err(Problem::Choice { found: quote(&text), allowed }),
            };
        }
        FieldType::Decimal => check::decimal(&text),
        FieldType::Date => check::date(&text),
        FieldType::Tzid => check::tzid(&text),
        FieldType::Phone => check::phone(&text),
        FieldType::Email => check::email(&text),
        FieldType::Url => check::url(&text),
        FieldType::Lang => check::lang(&text),
        FieldType::Ref(kind) => check::reference(kind, &text),
        FieldType::Org => check::org(&text),
        FieldType::Text
        | FieldType::String
        | FieldType::Int
        | FieldType::Bool
        | FieldType::Money
        | FieldType::Set(_)
        | FieldType::List(_)
        | FieldType::Map
        | FieldType::Counter => None,
    };
    checked.map(Value::Str).ok_or_else(|| wrong(&text, ty))
}

fn money(amount: String, currency: String) -> Value {
    let object = Map::from_iter([
        ("amount".to_owned(), Json::String(amount)),
        ("currency".to_owned(), Json::String(currency)),
    ]);
    Value::Json(canonical_json(&Json::Object(object)))
}

/// A set or a list of checked elements.
fn collection(ty: FieldType, items: Vec<Json>) -> Result<Value, Problem> {
    if items.len() > MAX_LIST_ITEMS {
        return Err(Problem::TooMany { limit: MAX_LIST_ITEMS });
    }
    let FieldType::Set(_) = ty else {
        return json_value(&Json::Array(items));
    };
    let elements = items.into_iter().map(|item| match item {
        Json::String(text) => text,
        other => canonical_json(&other),
    });
    Ok(Value::Set(elements.collect::<BTreeSet<String>>()))
}

fn json_value(json: &Json) -> Result<Value, Problem> {
    bounded(&canonical_json(json), MAX_JSON_BYTES).map(Value::Json)
}

/// JSON that begins with this bracket.
fn json_text(text: &str, bracket: char) -> Option<Json> {
    text.starts_with(bracket).then(|| serde_json::from_str(text).ok()).flatten()
}

fn bounded(text: &str, limit_bytes: usize) -> Result<String, Problem> {
    match text.len() <= limit_bytes {
        true => Ok(text.to_owned()),
        false => Err(Problem::TooLong { limit_bytes }),
    }
}

fn wrong(text: &str, ty: FieldType) -> Problem {
    Problem::Wrong { found: quote(text), expected: Expected::Type(ty) }
}

fn wrong_json(json: &Json, expected: Expected) -> Problem {
    let found = match json {
        Json::String(text) => quote(text),
        other => shortened(&canonical_json(other)),
    };
    Problem::Wrong { found, expected }
}

fn quote(text: &str) -> String {
    format!("\"{}\"", shortened(text))
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(MAX_QUOTED_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_without_a_field_is_read_the_same_from_text_and_json() {
        for (ty, text, expected) in [
            (FieldType::Decimal, "12.50", Some(Value::Str("12.50".to_owned()))),
            (FieldType::Decimal, "twelve", None),
            (FieldType::Date, "2027-03-01", Some(Value::Str("2027-03-01".to_owned()))),
            (FieldType::Date, "1 March", None),
            (FieldType::Phone, "+86 138 0013 8000", Some(Value::Str("+8613800138000".to_owned()))),
            (FieldType::Email, "li@example.com", Some(Value::Str("li@example.com".to_owned()))),
        ] {
            assert_eq!(typed_text(ty, text).ok(), expected, "{text}");
            assert_eq!(typed_json(ty, &Json::from(text)).ok(), expected, "{text}");
        }
        assert_eq!(typed_text(FieldType::Counter, "-3"), Ok(Value::Counter(-3)));
        assert_eq!(typed_json(FieldType::Counter, &Json::from(-3)), Ok(Value::Counter(-3)));
    }

    #[test]
    fn an_error_quotes_only_the_beginning_of_what_it_found() {
        let error = parse_text(Kind::Event, "capacity", &"王".repeat(1000)).unwrap_err();
        assert!(error.to_string().chars().count() < 110, "{error}");
    }
}
