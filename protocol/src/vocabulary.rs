//! Kinds, fields, types and sensitivity of the built-in vocabulary, and the look-ups in its table.
//! The table itself is data in `vocabulary/fields.rs`; how values are read and shown stands in
//! `vocabulary/parse.rs` and `vocabulary/show.rs`. Knows nothing of grants or documents.

use std::fmt;

use data_encoding::BASE32_NOPAD;
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::id::RecordId;
use crate::statement::FieldSpec;
use crate::value::Shape;

mod check;
mod fields;
mod nearest;
mod parse;
mod show;

pub use nearest::nearest;
pub use parse::{
    Expected, MAX_JSON_BYTES, MAX_LIST_ITEMS, MAX_STRING_BYTES, MAX_TEXT_BYTES, Problem,
    ValueError, from_json, parse_text, split_items,
};
pub use show::{canonical_json, element_text, instant_text, to_json, to_text};

/// A kind of record.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize,
)]
#[cbor(index_only)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Something that companies run together.
    #[n(0)]
    Event,
    /// A person or a company.
    #[n(1)]
    Customer,
    /// One customer or staff member at one event.
    #[n(2)]
    Participation,
    /// A touch.
    #[n(3)]
    Interaction,
    /// What sales does afterwards.
    #[n(4)]
    Followup,
}

impl Kind {
    /// Every kind, in the order of the table.
    pub const ALL: [Kind; 5] =
        [Kind::Event, Kind::Customer, Kind::Participation, Kind::Interaction, Kind::Followup];

    /// The word for one record: `event`.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Event => "event",
            Kind::Customer => "customer",
            Kind::Participation => "participation",
            Kind::Interaction => "interaction",
            Kind::Followup => "followup",
        }
    }

    /// The word for several records, as in URLs: `events`.
    pub fn plural(self) -> &'static str {
        match self {
            Kind::Event => "events",
            Kind::Customer => "customers",
            Kind::Participation => "participations",
            Kind::Interaction => "interactions",
            Kind::Followup => "followups",
        }
    }

    /// What the text of a record's id starts with: `evt_`.
    pub fn prefix(self) -> &'static str {
        match self {
            Kind::Event => "evt_",
            Kind::Customer => "cus_",
            Kind::Participation => "par_",
            Kind::Interaction => "int_",
            Kind::Followup => "fup_",
        }
    }

    /// The kind of this name, in the singular or the plural.
    pub fn from_name(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.name() == name || kind.plural() == name)
    }

    /// The text of a record's id: the prefix and 26 lower-case base32 characters.
    pub fn id_text(self, id: &RecordId) -> String {
        format!("{}{}", self.prefix(), BASE32_NOPAD.encode(&id.0).to_ascii_lowercase())
    }

    /// Reads the full text of a record's id; `None` if it is cut short or of no kind.
    pub fn parse_id(text: &str) -> Option<(Kind, RecordId)> {
        let kind = Kind::ALL.into_iter().find(|kind| text.starts_with(kind.prefix()))?;
        let body = text[kind.prefix().len()..].to_ascii_uppercase();
        let bytes = BASE32_NOPAD.decode(body.as_bytes()).ok()?;
        Some((kind, RecordId(bytes.try_into().ok()?)))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How sensitive a field is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Class {
    /// Public.
    S0,
    /// Business.
    S1,
    /// Identity of a person.
    S2,
    /// Addresses and ids by which a person can be reached.
    S3,
    /// Profile of a person.
    S4,
    /// Internal: never leaves the node, cannot be granted.
    S5,
}

impl Class {
    /// `S0` to `S5`.
    pub fn name(self) -> &'static str {
        match self {
            Class::S0 => "S0",
            Class::S1 => "S1",
            Class::S2 => "S2",
            Class::S3 => "S3",
            Class::S4 => "S4",
            Class::S5 => "S5",
        }
    }

    /// One word for people: `public`, `internal`.
    pub fn meaning(self) -> &'static str {
        match self {
            Class::S0 => "public",
            Class::S1 => "business",
            Class::S2 => "identity",
            Class::S3 => "reach",
            Class::S4 => "profile",
            Class::S5 => "internal",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What one element of a set or a list is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item {
    /// Any string that is not empty.
    String,
    /// `{group, name}`, or a bare name.
    Tag,
    /// An e-mail address.
    Email,
    /// A phone number.
    Phone,
    /// An org.
    Org,
    /// `{kind, value, verified}`.
    Channel,
    /// `{purpose, channel, basis, status, at, expires, evidence, scope}`.
    Consent,
    /// `{org, share}`.
    Credit,
}

/// The type of a field, as people and forms know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldType {
    /// Text that several people write in at once.
    Text,
    /// A string.
    String,
    /// A 64-bit integer.
    Int,
    /// A decimal number, kept as typed.
    Decimal,
    /// true or false.
    Bool,
    /// A day, `YYYY-MM-DD`.
    Date,
    /// A moment, RFC 3339 outside, milliseconds inside.
    Instant,
    /// A time zone of the IANA database.
    Tzid,
    /// One of these words.
    Enum(&'static [&'static str]),
    /// `{amount, currency}`.
    Money,
    /// A phone number, E.164 where the country is known.
    Phone,
    /// An e-mail address.
    Email,
    /// An http or https address.
    Url,
    /// A language tag, BCP 47.
    Lang,
    /// A set; a concurrent addition wins over a removal.
    Set(Item),
    /// A list, replaced as a whole.
    List(Item),
    /// A JSON object, replaced as a whole.
    Map,
    /// The id of a record of this kind.
    Ref(Kind),
    /// The id of an org.
    Org,
    /// A sum of increments.
    Counter,
}

impl FieldType {
    /// What carries values of this type on the wire, and with it how they merge.
    pub fn shape(self) -> Shape {
        match self {
            FieldType::Text => Shape::Text,
            FieldType::Int => Shape::Int,
            FieldType::Bool => Shape::Bool,
            FieldType::Instant => Shape::Instant,
            FieldType::Set(_) => Shape::Set,
            FieldType::Counter => Shape::Counter,
            FieldType::List(_) | FieldType::Map | FieldType::Money => Shape::Json,
            FieldType::String
            | FieldType::Decimal
            | FieldType::Date
            | FieldType::Tzid
            | FieldType::Enum(_)
            | FieldType::Phone
            | FieldType::Email
            | FieldType::Url
            | FieldType::Lang
            | FieldType::Ref(_)
            | FieldType::Org => Shape::Str,
        }
    }

    /// The merge rule in words: `last writer`, `set`, `text` or `counter`.
    pub fn merge_rule(self) -> &'static str {
        match self.shape() {
            Shape::Text => "text",
            Shape::Set => "set",
            Shape::Counter => "counter",
            Shape::Bool | Shape::Int | Shape::Instant | Shape::Str | Shape::Json => "last writer",
        }
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Item::String => "string",
            Item::Tag => "{group, name}",
            Item::Email => "email",
            Item::Phone => "phone",
            Item::Org => "org",
            Item::Channel => "{kind, value, verified}",
            Item::Consent => "{purpose, channel, basis, status, at, expires, evidence, scope}",
            Item::Credit => "{org, share}",
        })
    }
}

impl fmt::Display for FieldType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FieldType::Text => "text",
            FieldType::String => "string",
            FieldType::Int => "int",
            FieldType::Decimal => "decimal",
            FieldType::Bool => "bool",
            FieldType::Date => "date",
            FieldType::Instant => "instant",
            FieldType::Tzid => "tzid",
            FieldType::Enum(words) => return write!(f, "enum{{{}}}", words.join(", ")),
            FieldType::Money => "money",
            FieldType::Phone => "phone",
            FieldType::Email => "email",
            FieldType::Url => "url",
            FieldType::Lang => "lang",
            FieldType::Set(item) => return write!(f, "set<{item}>"),
            FieldType::List(item) => return write!(f, "list<{item}>"),
            FieldType::Map => "map",
            FieldType::Ref(kind) => return write!(f, "ref<{kind}>"),
            FieldType::Org => "org",
            FieldType::Counter => "counter",
        })
    }
}

/// One field of one kind, as the table describes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// The kind it belongs to.
    pub kind: Kind,
    /// Its name, as in commands and JSON.
    pub name: &'static str,
    /// Its type.
    pub ty: FieldType,
    /// How sensitive it is.
    pub class: Class,
    /// What an English form calls it.
    pub label_en: &'static str,
    /// What a Chinese form calls it.
    pub label_zh: &'static str,
    /// One line on what belongs into it.
    pub help: &'static str,
}

/// The fields of a kind, in the order forms and lists show them.
pub fn fields(kind: Kind) -> &'static [Field] {
    let from = fields::FIELDS.partition_point(|field| field.kind < kind);
    let to = fields::FIELDS.partition_point(|field| field.kind <= kind);
    &fields::FIELDS[from..to]
}

/// The field of this name; `None` for custom and unknown ones.
pub fn field(kind: Kind, name: &str) -> Option<&'static Field> {
    fields(kind).iter().find(|field| field.name == name)
}

/// Every field of a kind as the book's compartment declares it, sorted by name.
pub fn book_fields(kind: Kind) -> Vec<FieldSpec> {
    let spec = |f: &Field| FieldSpec { name: f.name.to_owned(), shape: f.ty.shape() };
    let mut all: Vec<FieldSpec> = fields(kind).iter().map(spec).collect();
    all.sort();
    all
}

/// What the name of a custom field starts with.
pub const CUSTOM_PREFIX: &str = "x_";
/// The class of every custom field.
pub const CUSTOM_CLASS: Class = Class::S4;
const MAX_CUSTOM_NAME_BYTES: usize = 60;

/// Whether a name is that of a custom field: `x_[a-z0-9_]{1,60}`.
pub fn is_custom(name: &str) -> bool {
    name.strip_prefix(CUSTOM_PREFIX).is_some_and(|rest| {
        (1..=MAX_CUSTOM_NAME_BYTES).contains(&rest.len())
            && rest.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    })
}

/// How sensitive a field is, custom ones included; `None` if the kind has no such field.
pub fn class(kind: Kind, name: &str) -> Option<Class> {
    match field(kind, name) {
        Some(field) => Some(field.class),
        None => is_custom(name).then_some(CUSTOM_CLASS),
    }
}

/// Why a field cannot be granted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum GrantableError {
    /// It is internal.
    #[error("{kind}.{name} is internal (S5): it never leaves this node and cannot be granted")]
    Internal {
        /// The kind.
        kind: Kind,
        /// The field.
        name: String,
    },
    /// It is a custom field.
    #[error("{kind}.{name} is a field of your own: such fields stay on this node")]
    Custom {
        /// The kind.
        kind: Kind,
        /// The field.
        name: String,
    },
    /// There is no such field.
    #[error("{kind} has no field `{name}`{}", parse::hint(.nearest))]
    Unknown {
        /// The kind.
        kind: Kind,
        /// What was asked for.
        name: String,
        /// The nearest field there is.
        nearest: Option<&'static str>,
    },
}

/// Whether a field may stand in a grant: it exists, and is neither internal nor custom.
pub fn grantable(kind: Kind, name: &str) -> Result<(), GrantableError> {
    if is_custom(name) {
        return Err(GrantableError::Custom { kind, name: name.to_owned() });
    }
    match class(kind, name) {
        Some(Class::S0 | Class::S1 | Class::S2 | Class::S3 | Class::S4) => Ok(()),
        Some(Class::S5) => Err(GrantableError::Internal { kind, name: name.to_owned() }),
        None => Err(GrantableError::Unknown {
            kind,
            name: name.to_owned(),
            nearest: nearest(kind, name),
        }),
    }
}

#[cfg(test)]
mod tests;
