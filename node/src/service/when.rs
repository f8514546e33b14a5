//! Points in time as people type them: a duration from now, a day, or an RFC 3339 time.
//! Takes the present time as an argument.

use entente_protocol::time::Millis;
use entente_protocol::vocabulary::instant_text;
use thiserror::Error;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Date, OffsetDateTime};

/// A text that names no point in time.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum WhenError {
    /// None of the forms.
    #[error("`{0}` is no duration, day or time")]
    Form(String),
    /// Before 1970, or beyond what can be stored.
    #[error("`{0}` is out of range")]
    Range(String),
}

const UNITS: [(char, Millis); 5] =
    [('s', 1_000), ('m', 60_000), ('h', 3_600_000), ('d', 86_400_000), ('w', 604_800_000)];

/// The moment that `text` names. A day ends with its last millisecond (UTC).
pub fn parse(text: &str, now: Millis) -> Result<Millis, WhenError> {
    let text = text.trim();
    if let Some(ms) = duration(text) {
        let at = ms.and_then(|ms| now.checked_add(ms));
        return at.ok_or_else(|| WhenError::Range(text.to_owned()));
    }
    let moment = OffsetDateTime::parse(text, &Rfc3339).or_else(|_| {
        Date::parse(text, format_description!("[year]-[month]-[day]"))
            .map(|day| day.with_hms_milli(23, 59, 59, 999).unwrap_or(day.midnight()).assume_utc())
    });
    let moment = moment.map_err(|_| WhenError::Form(text.to_owned()))?;
    Millis::try_from(moment.unix_timestamp_nanos() / 1_000_000)
        .map_err(|_| WhenError::Range(text.to_owned()))
}

/// `parse` where there may be nothing to parse.
pub fn parse_some(text: Option<&str>, now: Millis) -> Result<Option<Millis>, WhenError> {
    text.map(|text| parse(text, now)).transpose()
}

/// A duration in ms. The outer `None`: no duration; the inner one: too long.
pub fn duration(text: &str) -> Option<Option<Millis>> {
    let unit = text.chars().last()?;
    let (_, unit_ms) = UNITS.iter().find(|(letter, _)| *letter == unit)?;
    let digits = &text[..text.len() - unit.len_utf8()];
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(digits.parse::<Millis>().ok().and_then(|count| count.checked_mul(*unit_ms)))
}

/// A moment as RFC 3339 in UTC.
pub fn show(at: Millis) -> String {
    i64::try_from(at).ok().and_then(instant_text).unwrap_or_else(|| format!("{at} ms"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_days_and_times_are_read_and_all_else_is_refused() {
        let now = 1_000_000;
        for (text, at) in [
            ("90s", Ok(now + 90_000)),
            ("7d", Ok(now + 604_800_000)),
            (" 2w ", Ok(now + 1_209_600_000)),
            ("2027-03-01T09:00:00+08:00", Ok(1_803_862_800_000)),
            ("2027-03-01", Ok(1_803_945_599_999)),
            ("1969-01-01", Err(WhenError::Range("1969-01-01".into()))),
            ("99999999999999999999d", Err(WhenError::Range("99999999999999999999d".into()))),
            ("d", Err(WhenError::Form("d".into()))),
            ("-1d", Err(WhenError::Form("-1d".into()))),
            ("7天", Err(WhenError::Form("7天".into()))),
            ("", Err(WhenError::Form(String::new()))),
        ] {
            assert_eq!(parse(text, now), at, "{text}");
        }
        assert_eq!(show(1_803_862_800_000), "2027-03-01T01:00:00Z");
    }
}
