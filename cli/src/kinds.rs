//! Words of the command line that stand for a value of the API.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use entente_node::api::grant::Access;
use entente_node::api::record::Whose;
use entente_protocol::vocabulary::Kind;

/// A kind of record, in the singular or the plural.
pub fn kind() -> impl TypedValueParser<Value = Kind> {
    let words = Kind::ALL.map(|kind| PossibleValue::new(kind.name()).alias(kind.plural()));
    PossibleValuesParser::new(words)
        .try_map(|word| Kind::from_name(&word).ok_or("no kind of record"))
}

/// What a grant lets somebody do.
pub fn access() -> impl TypedValueParser<Value = Access> {
    PossibleValuesParser::new(["read", "edit"]).map(|word| match word.as_str() {
        "edit" => Access::Edit,
        _ => Access::Read,
    })
}

/// Whose records a list gives.
pub fn whose() -> impl TypedValueParser<Value = Whose> {
    PossibleValuesParser::new(["all", "own", "partners"]).map(|word| match word.as_str() {
        "own" => Whose::Own,
        "partners" => Whose::Partners,
        _ => Whose::All,
    })
}
