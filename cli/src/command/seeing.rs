//! `share matrix`, `preview` and `explain`: who sees what, and why.

use clap::Args;
use entente_node::api::grant::{ExplainParams, Explanation, Matrix, MatrixParams};
use entente_node::api::record::Record;
use entente_node::api::share::PreviewParams;
use entente_protocol::vocabulary::Kind;

use super::record;
use super::share::at;
use crate::error::CliError;
use crate::kinds;
use crate::output::count;
use crate::session::Session;
use crate::table::Table;

/// Fields × companies: r may see, e may edit, – neither
#[derive(Debug, Args)]
pub struct MatrixArgs {
    /// The share
    share: String,
    /// Only this kind of record
    #[arg(long, value_parser = kinds::kind())]
    kind: Option<Kind>,
    /// Whose part of the share [default: yours]
    #[arg(long, value_name = "ORG")]
    section: Option<String>,
}

/// The records exactly as a partner sees them
#[derive(Debug, Args)]
pub struct PreviewArgs {
    /// The share
    share: String,
    /// The partner
    #[arg(long = "as", value_name = "PARTNER")]
    partner: String,
    /// Only this kind of record
    #[arg(long, value_parser = kinds::kind())]
    kind: Option<Kind>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: usize,
}

/// What a partner may do with a field, and why
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The share
    share: String,
    /// The partner
    partner: String,
    /// The field: customer.phones
    #[arg(value_name = "KIND.FIELD")]
    field: String,
    /// Of this record: also whether it is in the share, selected and consented to
    #[arg(long, value_name = "ID")]
    record: Option<String>,
    /// Whose part of the share [default: the record's, or yours]
    #[arg(long, value_name = "ORG")]
    section: Option<String>,
}

/// Shows fields × companies.
pub fn matrix(session: &mut Session<'_>, args: MatrixArgs) -> Result<(), CliError> {
    let MatrixArgs { share, kind, section } = args;
    let params = MatrixParams { kind: kind.map(|kind| kind.name().to_owned()), section };
    let matrix: Matrix = session.client()?.find(&at(&share, "/matrix"), &params)?.page;
    session.print(&matrix, |matrix| {
        let mut headings = vec!["FIELD".to_owned()];
        headings.extend(matrix.orgs.iter().map(|org| org.name.clone()));
        let mut table = Table::new(headings);
        for row in &matrix.rows {
            let mut cells = vec![format!("{}.{}", row.kind, row.field)];
            cells.extend(row.cells.iter().cloned());
            table.row(cells);
        }
        let mut text = table.text_or("Nobody has been granted anything there.");
        for note in &matrix.notes {
            text += &format!("{note}\n");
        }
        text
    })
}

/// Shows the records as a partner sees them.
pub fn preview(session: &mut Session<'_>, args: PreviewArgs) -> Result<(), CliError> {
    let PreviewArgs { share, partner, kind, limit } = args;
    let kind = kind.map(|kind| kind.name().to_owned());
    let params = PreviewParams { partner, kind, limit: Some(limit) };
    let records: Vec<Record> = session.client()?.find(&at(&share, "/preview"), &params)?.page;
    if records.len() >= limit {
        let shown = count(limit as u64, "record");
        session.note(&format!("only the first {shown}; --limit shows more"));
    }
    session.print(&records, |records| match records.is_empty() {
        true => "They see nothing of this share.\n".to_owned(),
        false => records.iter().map(record::show).collect::<Vec<_>>().join("\n"),
    })
}

/// Says what a partner may do with a field, and why.
pub fn explain(session: &mut Session<'_>, args: ExplainArgs) -> Result<(), CliError> {
    let ExplainArgs { share, partner, field, record, section } = args;
    let params = ExplainParams { partner, field, record, section };
    let explanation: Explanation = session.client()?.find(&at(&share, "/explain"), &params)?.page;
    session.print(&explanation, |explanation| {
        let mut text = format!("{}\n", explanation.may);
        for one in &explanation.because {
            text += &format!("  {one}\n");
        }
        if let Some(hint) = &explanation.hint {
            text += &format!("hint: {hint}\n");
        }
        text
    })
}
