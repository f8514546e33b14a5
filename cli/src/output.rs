//! Values as people read them in a table: short ids, lists with commas, words instead of null.

use entente_node::api::Org;
use entente_protocol::vocabulary;
use serde_json::Value as Json;

/// In the place of a field that is not shared with this org.
pub const WITHHELD: &str = "(not shared)";
/// In the place of a field without a value.
pub const EMPTY: &str = "–";
/// Enough of an id to be the only one, almost always.
const ID_CHARS: usize = 14;

/// The beginning of an id, long enough to be typed instead of it.
pub fn short(id: &str) -> String {
    id.chars().take(ID_CHARS).collect()
}

/// A value.
pub fn value(json: &Json) -> String {
    match json {
        Json::Null => EMPTY.to_owned(),
        Json::String(text) if is_id(text) => short(text),
        Json::String(text) => text.clone(),
        Json::Array(items) if items.is_empty() => EMPTY.to_owned(),
        Json::Array(items) => items.iter().map(value).collect::<Vec<_>>().join(", "),
        Json::Object(map) => match (map.get("group"), map.get("name"), map.len()) {
            (Some(Json::String(group)), Some(Json::String(name)), 2) => format!("{group}:{name}"),
            _ => vocabulary::canonical_json(json),
        },
        Json::Bool(_) | Json::Number(_) => json.to_string(),
    }
}

fn is_id(text: &str) -> bool {
    let Some((prefix, body)) = text.split_once('_') else { return false };
    prefix.len() == 3
        && body.len() >= 26
        && body.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
}

/// The names of companies.
pub fn names(orgs: &[Org]) -> String {
    match orgs {
        [] => EMPTY.to_owned(),
        orgs => orgs.iter().map(|org| org.name.as_str()).collect::<Vec<_>>().join(", "),
    }
}

/// A moment, to the minute.
pub fn moment(at: Option<&str>) -> String {
    match at {
        Some(at) if at.len() >= 16 && at.is_char_boundary(16) => at[..16].replace('T', " "),
        Some(at) => at.to_owned(),
        None => "never".to_owned(),
    }
}

/// One thing or many of it.
pub fn count(number: u64, one: &str) -> String {
    match number {
        1 => format!("1 {one}"),
        _ => format!("{} {one}s", thousands(number)),
    }
}

/// A number with a comma after every three digits.
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// How often something may be passed on.
pub fn pass_on(depth: u8) -> String {
    match depth {
        0 => "no".to_owned(),
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        more => format!("{more} times"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_people_write_them() {
        let said = [0, 1, 999, 3_120, 1_000_000].map(|number| count(number, "record"));
        assert_eq!(
            said,
            ["0 records", "1 record", "999 records", "3,120 records", "1,000,000 records"]
        );
    }
}
