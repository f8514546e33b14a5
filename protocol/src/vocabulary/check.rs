//! Checks and normal forms of single values written as text: phone, e-mail, day, money and so on.
//! Knows nothing of fields; `parse.rs` says which check a field needs.

use std::str::FromStr;

use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Date, OffsetDateTime};

use super::Kind;
use crate::id::OrgId;

const MAX_DECIMAL_BYTES: usize = 64;
const MAX_EMAIL_BYTES: usize = 254;
const MAX_EMAIL_LOCAL_BYTES: usize = 64;

/// Milliseconds since 1970 of an RFC 3339 time with any offset; a space may stand for the `T`.
pub(super) fn instant(text: &str) -> Option<i64> {
    let mut text = text.to_owned();
    if text.as_bytes().get(10) == Some(&b' ') {
        text.replace_range(10..11, "T");
    }
    let at = OffsetDateTime::parse(&text, &Rfc3339).ok()?;
    i64::try_from(at.unix_timestamp_nanos().div_euclid(1_000_000)).ok()
}

/// `YYYY-MM-DD`, a day that exists.
pub(super) fn date(text: &str) -> Option<String> {
    let form = format_description!("[year repr:full padding:zero]-[month]-[day]");
    let exact = text.len() == 10 && Date::parse(text, form).is_ok();
    exact.then(|| text.to_owned())
}

/// A decimal number, its text unchanged: `-12.50`.
pub(super) fn decimal(text: &str) -> Option<String> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let good = text.len() <= MAX_DECIMAL_BYTES && all_digits(whole) && all_digits(fraction);
    good.then(|| text.to_owned())
}

/// true or false, as people write it.
pub(super) fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "1" | "是" => Some(true),
        "false" | "no" | "0" | "否" => Some(false),
        _ => None,
    }
}

/// Three letters of ISO 4217, in upper case.
pub(super) fn currency(text: &str) -> Option<String> {
    let good = text.len() == 3 && text.bytes().all(|b| b.is_ascii_alphabetic());
    good.then(|| text.to_ascii_uppercase())
}

/// `12.50 CNY` or `CNY 12.50` as amount and currency.
pub(super) fn money(text: &str) -> Option<(String, String)> {
    let (first, second) = text.split_once(char::is_whitespace)?;
    let (first, second) = (first.trim(), second.trim());
    match (decimal(first), currency(second)) {
        (Some(amount), Some(currency)) => Some((amount, currency)),
        (_, None) | (None, _) => Some((decimal(second)?, currency(first)?)),
    }
}

/// `+` and 7 to 15 digits (E.164); without a `+` the digits as typed, 3 to 15 of them.
pub(super) fn phone(text: &str) -> Option<String> {
    let narrow: String = text.trim().chars().map(narrow).collect();
    let (international, rest) = match narrow.strip_prefix('+') {
        // The trunk zero of "+44 (0)20 …" is not dialled from abroad.
        Some(rest) => (true, rest.replacen("(0)", "", 1)),
        None => (false, narrow.clone()),
    };
    let digits: String = rest
        .chars()
        .filter(|c| {
            !c.is_whitespace() && !matches!(c, '-' | '(' | ')' | '.' | '\u{2010}'..='\u{2015}')
        })
        .collect();
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    match international {
        true => ((7..=15).contains(&digits.len()) && !digits.starts_with('0'))
            .then(|| format!("+{digits}")),
        false => (3..=15).contains(&digits.len()).then_some(digits),
    }
}

/// Full-width digits and signs as Chinese keyboards write them, in their narrow form.
fn narrow(c: char) -> char {
    match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(c as u32 - 0xfee0).unwrap_or(c),
        _ => c,
    }
}

/// `local@domain.tld`; sane, not every oddity of RFC 5321.
pub(super) fn email(text: &str) -> Option<String> {
    let text = text.trim();
    let (local, domain) = text.split_once('@')?;
    let odd = |c: char| c.is_whitespace() || c.is_control() || "<>()[]\\,;:\"@".contains(c);
    let good = text.len() <= MAX_EMAIL_BYTES
        && (1..=MAX_EMAIL_LOCAL_BYTES).contains(&local.len())
        && !text.replacen('@', "", 1).contains(odd)
        && !local.starts_with('.')
        && !local.ends_with('.')
        && domain.contains('.')
        && domain
            .split('.')
            .all(|label| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-'));
    good.then(|| text.to_owned())
}

/// An http or https address with a host.
pub(super) fn url(text: &str) -> Option<String> {
    let (scheme, rest) = text.split_once("://")?;
    let web = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let clean = !text.contains(|c: char| c.is_whitespace() || c.is_control() || "<>\"".contains(c));
    (web && clean && !host.is_empty()).then(|| text.to_owned())
}

/// Loosely BCP 47: `zh-CN`; an underscore is read as a hyphen.
pub(super) fn lang(text: &str) -> Option<String> {
    let tag = text.replace('_', "-");
    let mut parts = tag.split('-');
    let primary = parts.next().unwrap_or_default();
    let good = (2..=8).contains(&primary.len())
        && primary.bytes().all(|b| b.is_ascii_alphabetic())
        && parts.all(|part| {
            (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric())
        });
    good.then_some(tag)
}

/// `Area/City` or `UTC`; whether the zone exists is for the calendar to say.
pub(super) fn tzid(text: &str) -> Option<String> {
    let part = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'+'))
    };
    let parts = text.split('/').count();
    let good = text == "UTC" || ((2..=3).contains(&parts) && text.split('/').all(part));
    good.then(|| text.to_owned())
}

/// The full id of a record of this kind.
pub(super) fn reference(kind: Kind, text: &str) -> Option<String> {
    let (found, id) = Kind::parse_id(text)?;
    (found == kind).then(|| kind.id_text(&id))
}

/// The id of an org.
pub(super) fn org(text: &str) -> Option<String> {
    OrgId::from_str(text).ok().map(|org| org.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phone_number_loses_its_decoration_and_keeps_its_country() {
        for (typed, expected) in [
            ("+86 138-0013-8000", Some("+8613800138000")),
            ("＋86 138 0013 8000", Some("+8613800138000")),
            ("+44 (0)20 7946 0018", Some("+442079460018")),
            ("+1 (555) 010-0123", Some("+15550100123")),
            ("021-6288 1234", Some("02162881234")),
            ("120", Some("120")),
            ("+86", None),
            ("+0123456789", None),
            ("call me", None),
            ("138 0013 8000 ext. 5", None),
            ("", None),
        ] {
            assert_eq!(phone(typed).as_deref(), expected, "{typed}");
        }
    }

    #[test]
    fn an_email_address_has_one_at_sign_and_a_domain() {
        for (typed, good) in [
            ("li.wei@example.com", true),
            ("o'neil+crm@mail.example.co.uk", true),
            ("王伟@例子.示例", true),
            ("nobody", false),
            ("a@b", false),
            ("a@@example.com", false),
            ("a b@example.com", false),
            (".a@example.com", false),
            ("a@example..com", false),
            ("a@-example.com", false),
            ("Li <li@example.com>", false),
        ] {
            assert_eq!(email(typed).is_some(), good, "{typed}");
        }
    }

    #[test]
    fn a_time_needs_its_offset_and_becomes_utc_milliseconds() {
        for (typed, expected) in [
            ("2027-03-01T09:00:00+08:00", Some(1_803_862_800_000)),
            ("2027-03-01T01:00:00Z", Some(1_803_862_800_000)),
            ("2027-03-01 01:00:00Z", Some(1_803_862_800_000)),
            ("2027-03-01T01:00:00.250Z", Some(1_803_862_800_250)),
            ("1969-12-31T23:59:59.999Z", Some(-1)),
            ("2027-03-01T09:00:00", None),
            ("2027-02-30T09:00:00Z", None),
            ("tomorrow", None),
        ] {
            assert_eq!(instant(typed), expected, "{typed}");
        }
    }

    #[test]
    fn a_day_a_number_and_an_amount_are_exact() {
        for (typed, good) in [("2027-02-28", true), ("2027-02-29", false), ("2027-2-8", false)] {
            assert_eq!(date(typed).is_some(), good, "{typed}");
        }
        for (typed, good) in
            [("12.50", true), ("-0.1", true), ("007", true), ("1e3", false), (".5", false)]
        {
            assert_eq!(decimal(typed).is_some(), good, "{typed}");
        }
        let cny = Some(("12.50".to_owned(), "CNY".to_owned()));
        assert_eq!(money("12.50 CNY"), cny);
        assert_eq!(money("cny 12.50"), cny);
        assert_eq!(money("12.50"), None);
        assert_eq!(money("1,200 CNY"), None);
    }

    #[test]
    fn links_languages_and_time_zones_are_checked_loosely() {
        for (typed, good) in [
            ("https://example.com/a?b", true),
            ("HTTP://例子.example", true),
            ("ftp://example.com", false),
            ("javascript://", false),
            ("https:///x", false),
            ("https://a b", false),
        ] {
            assert_eq!(url(typed).is_some(), good, "{typed}");
        }
        assert_eq!(lang("zh_CN").as_deref(), Some("zh-CN"));
        assert_eq!(lang("zh-Hans-CN").as_deref(), Some("zh-Hans-CN"));
        assert_eq!(lang("z"), None);
        assert_eq!(lang("zh--CN"), None);
        for (typed, good) in [
            ("UTC", true),
            ("Asia/Shanghai", true),
            ("America/Argentina/Buenos_Aires", true),
            ("Shanghai", false),
            ("Asia/", false),
        ] {
            assert_eq!(tzid(typed).is_some(), good, "{typed}");
        }
    }
}
