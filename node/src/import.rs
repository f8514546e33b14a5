//! Files from other systems, read into rows of fields: the trait and the list of all formats.
//! Knows the vocabulary, and nothing of stores or of what becomes of the rows.

mod canonical;
mod csv;

use entente_protocol::value::Fields;
use entente_protocol::vocabulary::Kind;
use thiserror::Error;

use crate::api::customer::Rejected;

/// A row that can be taken.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Its physical line, from 1, the heading counted.
    pub line: u64,
    /// What it says.
    pub fields: Fields,
    /// What the other system calls it.
    pub external_id: Option<String>,
}

/// What was read of a file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sheet {
    /// Rows that can be taken.
    pub rows: Vec<Row>,
    /// Rows that cannot.
    pub rejected: Vec<Rejected>,
    /// Values that were kept in another place than meant.
    pub warnings: Vec<Rejected>,
}

/// One format.
pub trait Importer: Sync {
    /// Its name on the command line.
    fn name(&self) -> &'static str;
    /// Reads a whole file into records of a kind.
    fn read(&self, kind: Kind, file: &[u8]) -> Result<Sheet, ReadError>;
}

/// Every format, the one that is taken when none is named first.
pub const FORMATS: [&dyn Importer; 1] = [&csv::Csv];

/// The format of this name.
pub fn format(name: Option<&str>) -> Option<&'static dyn Importer> {
    match name {
        None => FORMATS.first().copied(),
        Some(name) => FORMATS.into_iter().find(|format| format.name() == name),
    }
}

/// Why nothing of a file could be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ReadError {
    /// Not text in an encoding that is known.
    #[error("line {line} is not UTF-8 text")]
    Encoding {
        /// The first line that is not.
        line: u64,
    },
    /// There is nothing in it.
    #[error("the file has no heading line")]
    Empty,
    /// Two columns have one heading.
    #[error("the heading `{heading}` stands there twice")]
    Twice {
        /// The heading.
        heading: String,
    },
}
