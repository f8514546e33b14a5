//! `fields`: the vocabulary.

use clap::Args;
use entente_node::api::node::{Field, FieldParams};
use entente_protocol::vocabulary::Kind;

use crate::error::CliError;
use crate::kinds;
use crate::session::Session;
use crate::table::Table;

/// The fields that records have: name, type, sensitivity, meaning
#[derive(Debug, Args)]
pub struct FieldsArgs {
    /// Only of this kind of record
    #[arg(value_parser = kinds::kind())]
    kind: Option<Kind>,
}

/// Lists them.
pub fn fields(session: &mut Session<'_>, args: &FieldsArgs) -> Result<(), CliError> {
    let params = FieldParams { kind: args.kind.map(|kind| kind.name().to_owned()) };
    let fields: Vec<Field> = session.client()?.find("/fields", &params)?.page;
    session.print(&fields, |fields| {
        let mut table = Table::new(["KIND", "NAME", "TYPE", "CLASS", "MEANING"]);
        for field in fields {
            table.row([&field.kind, &field.name, &field.type_name, &field.class, &field.meaning]);
        }
        table.text()
    })
}
