//! The closed set of values and how each merges. Knows nothing of vocabularies or documents.

use std::collections::{BTreeMap, BTreeSet};

use minicbor::{Decode, Encode};

/// What a field of a compartment holds on the wire, and with it how it merges.
/// Richer types (phone, date, money, …) are the vocabulary's and ride on one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum Shape {
    /// true or false; last writer wins.
    #[n(0)]
    Bool,
    /// A 64-bit signed integer; last writer wins.
    #[n(1)]
    Int,
    /// Milliseconds since 1970; last writer wins.
    #[n(2)]
    Instant,
    /// A string; last writer wins.
    #[n(3)]
    Str,
    /// Canonical JSON as bytes (lists, maps, money); last writer wins.
    #[n(4)]
    Json,
    /// Text that merges by character.
    #[n(5)]
    Text,
    /// A set of strings; a concurrent addition wins over a removal.
    #[n(6)]
    Set,
    /// A sum of increments.
    #[n(7)]
    Counter,
}

/// A value of a field.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub enum Value {
    /// true or false.
    #[n(0)]
    Bool(#[n(0)] bool),
    /// An integer.
    #[n(1)]
    Int(#[n(0)] i64),
    /// Milliseconds since 1970.
    #[n(2)]
    Instant(#[n(0)] i64),
    /// A string.
    #[n(3)]
    Str(#[n(0)] String),
    /// Canonical JSON.
    #[n(4)]
    Json(#[n(0)] String),
    /// Collaborative text.
    #[n(5)]
    Text(#[n(0)] String),
    /// A set of strings.
    #[n(6)]
    Set(#[n(0)] BTreeSet<String>),
    /// A sum.
    #[n(7)]
    Counter(#[n(0)] i64),
}

impl Value {
    /// The shape this value has.
    pub fn shape(&self) -> Shape {
        match self {
            Value::Bool(_) => Shape::Bool,
            Value::Int(_) => Shape::Int,
            Value::Instant(_) => Shape::Instant,
            Value::Str(_) => Shape::Str,
            Value::Json(_) => Shape::Json,
            Value::Text(_) => Shape::Text,
            Value::Set(_) => Shape::Set,
            Value::Counter(_) => Shape::Counter,
        }
    }
}

/// Values by field name. A field without a value is absent.
pub type Fields = BTreeMap<String, Value>;
