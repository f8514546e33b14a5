//! Addresses of the API: path segments and queries, percent-encoded (RFC 3986).

use serde::Serialize;
use serde_json::Value as Json;

/// A text as one segment of a path, or as a value in a query.
pub fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// The text that was encoded; as it stands where it is no encoding.
pub fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let pair = after.get(..2).and_then(|pair| str::from_utf8(pair).ok());
        match pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The members of a flat object as a query, without the question mark; null ones left out.
pub fn query(params: &impl Serialize) -> String {
    let Ok(Json::Object(members)) = serde_json::to_value(params) else { return String::new() };
    let pairs = members.iter().filter(|(_, value)| !value.is_null()).map(|(key, value)| {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        format!("{}={}", encoded(key), encoded(&value))
    });
    pairs.collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_with_blanks_slashes_and_wide_letters_stay_one_segment() {
        assert_eq!(encoded("春/a b?"), "%E6%98%A5%2Fa%20b%3F");
        assert_eq!(decoded("%E6%98%A5%2Fa%20b%3F"), "春/a b?");
        assert_eq!(decoded("100%, %x"), "100%, %x");
        assert_eq!(
            query(&json!({"a": "x=y", "b": 3, "c": null, "d": false})),
            "a=x%3Dy&b=3&d=false"
        );
        assert_eq!(query(&json!(null)), "");
    }
}
