//! One field as people see it: a value in the form of its type, an empty place, a padlock.
//! Whatever another node wrote is text here, never markup and never a link of an unknown scheme.

use std::collections::BTreeMap;

use entente_protocol::id::OrgId;
use entente_protocol::value::Value;
use entente_protocol::view::RecordView;
use entente_protocol::vocabulary::{self, Field, FieldType, Item, Kind};
use maud::{Markup, html};
use serde_json::Value as Json;

use super::moment::Zone;
use super::words::Words;
use crate::service::Replica;

/// What is known of a field.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum State<'a> {
    /// It has a value.
    Value(&'a Value),
    /// It may be seen, and nothing was entered.
    Empty,
    /// It is not shared with this org.
    Withheld,
}

/// What is known of a field of a record.
pub fn state<'a>(view: &'a RecordView, name: &str) -> State<'a> {
    match view.fields.get(name) {
        Some(Some(value)) if !is_blank(value) => State::Value(value),
        Some(_) => State::Empty,
        None if view.withheld.iter().any(|hidden| hidden == name) => State::Withheld,
        None => State::Empty,
    }
}

fn is_blank(value: &Value) -> bool {
    match value {
        Value::Str(text) | Value::Text(text) => text.trim().is_empty(),
        Value::Json(text) => matches!(text.as_str(), "[]" | "{}" | "null"),
        Value::Set(elements) => elements.is_empty(),
        Value::Bool(_) | Value::Int(_) | Value::Instant(_) | Value::Counter(_) => false,
    }
}

/// The text of a field that has one.
pub fn text<'a>(view: &'a RecordView, name: &str) -> Option<&'a str> {
    match state(view, name) {
        State::Value(Value::Str(text) | Value::Text(text)) => Some(text),
        State::Value(_) | State::Empty | State::Withheld => None,
    }
}

/// The moment in a field that has one, in ms.
pub fn instant(view: &RecordView, name: &str) -> Option<i64> {
    match state(view, name) {
        State::Value(Value::Instant(ms)) => Some(*ms),
        State::Value(_) | State::Empty | State::Withheld => None,
    }
}

/// Names of companies by the text of their ids.
#[derive(Debug, Clone, Default)]
pub struct OrgNames(BTreeMap<String, String>);

impl OrgNames {
    /// Looks up every company that a record names.
    pub fn add(&mut self, replica: &Replica, view: &RecordView) {
        for (name, value) in &view.fields {
            let Some(value) = value else { continue };
            match vocabulary::field(view.at.kind(), name).map(|field| field.ty) {
                Some(FieldType::Org | FieldType::Set(Item::Org) | FieldType::List(Item::Org)) => {
                    for text in strings(view.at.kind(), name, value) {
                        self.look_up(replica, &text);
                    }
                }
                Some(_) | None => {}
            }
        }
    }

    fn look_up(&mut self, replica: &Replica, text: &str) {
        let known = text.parse::<OrgId>().map(|org| replica.directory().name(&org).to_owned());
        if let Ok(name) = known
            && !name.is_empty()
        {
            self.0.insert(text.to_owned(), name);
        }
    }

    /// What a company calls itself; the text as it is if that is not known.
    pub fn name<'a>(&'a self, text: &'a str) -> &'a str {
        self.0.get(text).map_or(text, String::as_str)
    }
}

/// How values are to be shown.
#[derive(Debug, Clone, Copy)]
pub struct Manner<'a> {
    /// The language.
    pub words: &'static Words,
    /// The zone of moments.
    pub zone: &'a Zone,
    /// Names of companies.
    pub orgs: &'a OrgNames,
}

/// A value in the form of its type.
pub fn shown(manner: Manner<'_>, kind: Kind, name: &str, value: &Value) -> Markup {
    let ty = vocabulary::field(kind, name).map(|field: &Field| field.ty);
    match (ty, value) {
        (Some(FieldType::Enum(_)), Value::Str(word)) => {
            html! { bdi { (manner.words.lang.term(word)) } }
        }
        (Some(FieldType::Instant), Value::Instant(ms)) => html! {
            time datetime=(manner.zone.machine(*ms)) {
                (manner.zone.moment(*ms, manner.words.lang))
            }
            " " span.quiet { (manner.zone.name()) }
        },
        (Some(FieldType::Url), Value::Str(url)) => link(url),
        (Some(FieldType::Org), Value::Str(org)) => html! { bdi { (manner.orgs.name(org)) } },
        (Some(FieldType::Email), Value::Str(address)) => email(address),
        (Some(FieldType::Phone), Value::Str(number)) => phone(number),
        (Some(FieldType::Set(item) | FieldType::List(item)), _) => {
            list(manner, item, &strings(kind, name, value))
        }
        (_, Value::Bool(true)) => html! { (manner.words.yes) },
        (_, Value::Bool(false)) => html! { (manner.words.no) },
        (_, Value::Text(text)) => html! { span.prose { bdi { (text) } } },
        (_, value) => html! { bdi { (vocabulary::to_text(kind, name, value)) } },
    }
}

fn list(manner: Manner<'_>, item: Item, items: &[String]) -> Markup {
    let one = |text: &str| match item {
        Item::Email => email(text),
        Item::Phone => phone(text),
        Item::Org => html! { bdi { (manner.orgs.name(text)) } },
        Item::String | Item::Tag | Item::Channel | Item::Consent | Item::Credit => {
            html! { bdi { (vocabulary::element_text(text)) } }
        }
    };
    let plain = matches!(item, Item::Email | Item::Phone | Item::Org);
    match items {
        [only] if plain => one(only),
        items => html! {
            ul.items.chips[!plain] { @for text in items { li { (one(text)) } } }
        },
    }
}

/// The elements of a set or list, as text.
fn strings(kind: Kind, name: &str, value: &Value) -> Vec<String> {
    match vocabulary::to_json(kind, name, value) {
        Json::Array(items) => items
            .iter()
            .map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned))
            .collect(),
        Json::String(text) => vec![text],
        other => vec![other.to_string()],
    }
}

fn link(url: &str) -> Markup {
    let lower = url.to_ascii_lowercase();
    if lower.starts_with("https://") || lower.starts_with("http://") {
        html! { a href=(url) rel="noopener noreferrer external" { bdi { (url) } } }
    } else {
        html! { bdi { (url) } }
    }
}

fn email(address: &str) -> Markup {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"@.+-_".contains(&b);
    if address.bytes().all(plain) {
        html! { a href={ "mailto:" (address) } { bdi { (address) } } }
    } else {
        html! { bdi { (address) } }
    }
}

fn phone(number: &str) -> Markup {
    let plain = |b: u8| b.is_ascii_digit() || b"+-() ".contains(&b);
    if number.bytes().all(plain) {
        let digits: String = number.chars().filter(|c| c.is_ascii_digit() || *c == '+').collect();
        html! { a.phone href={ "tel:" (digits) } { bdi { (number) } } }
    } else {
        html! { bdi { (number) } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::words::Lang;

    fn of(kind: Kind, name: &str, value: Value) -> String {
        let (zone, orgs) = (Zone::named(None), OrgNames::default());
        let manner = Manner { words: Lang::En.words(), zone: &zone, orgs: &orgs };
        shown(manner, kind, name, &value).into_string()
    }

    #[test]
    fn what_another_node_wrote_is_text_and_no_link_of_another_scheme() {
        let str = |text: &str| Value::Str(text.to_owned());
        for (name, value, html) in [
            ("title", str("<b>&\"'"), "<bdi>&lt;b&gt;&amp;&quot;'</bdi>"),
            ("online_url", str("javascript:alert(1)"), "<bdi>javascript:alert(1)</bdi>"),
            (
                "online_url",
                str("https://a.example/\"x"),
                "<a href=\"https://a.example/&quot;x\" rel=\"noopener noreferrer external\">\
                 <bdi>https://a.example/&quot;x</bdi></a>",
            ),
            ("status", str("open"), "<bdi>Open</bdi>"),
            ("status", str("odd<"), "<bdi>odd&lt;</bdi>"),
            ("organiser", str("org_unknown"), "<bdi>org_unknown</bdi>"),
            ("capacity", Value::Int(120), "<bdi>120</bdi>"),
        ] {
            assert_eq!(of(Kind::Event, name, value), html);
        }
        for (name, json, html) in [
            (
                "phones",
                r#"["+86 154 5202 0074"]"#,
                "<a class=\"phone\" href=\"tel:+8615452020074\"><bdi>+86 154 5202 0074</bdi></a>",
            ),
            ("phones", r#"["1;postd=2"]"#, "<bdi>1;postd=2</bdi>"),
            ("emails", r#"["a?bcc=b@c.example"]"#, "<bdi>a?bcc=b@c.example</bdi>"),
            ("phones", "{", "<bdi>{</bdi>"),
        ] {
            assert_eq!(of(Kind::Customer, name, Value::Json(json.to_owned())), html);
        }
    }
}
