//! The line with which a second node joins its org: its certificate, and what it has to know to reach
//! the others. Nothing in it is secret.

use data_encoding::BASE32_NOPAD;
use entente_protocol::codec;
use entente_protocol::message::Blob;
use entente_protocol::statement::Statement;

const PREFIX: &str = "ententenode1";
const MAX_BYTES: usize = 256 * 1024;

/// What the line says.
#[derive(Debug, Clone)]
pub struct JoinLine {
    /// The new node's certificate.
    pub certificate: Statement,
    /// Certificates, rotations and profiles of its org, and the certificate itself.
    pub statements: Vec<Statement>,
}

impl JoinLine {
    /// Reads a line; none if it is not one, or was damaged on its way.
    pub fn parse(line: &str) -> Option<Self> {
        let body = line.trim().strip_prefix(PREFIX)?.to_ascii_uppercase();
        let bytes = BASE32_NOPAD.decode(body.as_bytes()).ok()?;
        let blobs: Vec<Blob> = codec::from_bytes(&bytes, MAX_BYTES).ok()?;
        let open = |blob: &Blob| Statement::open(&blob.0).ok();
        let statements: Vec<Statement> = blobs.iter().map(open).collect::<Option<_>>()?;
        Some(Self { certificate: statements.first()?.clone(), statements })
    }

    /// The line as text.
    pub fn text(&self) -> String {
        let blobs: Vec<Blob> =
            self.statements.iter().map(|statement| Blob(statement.bytes().to_vec())).collect();
        format!("{PREFIX}{}", BASE32_NOPAD.encode(&codec::to_bytes(&blobs)).to_ascii_lowercase())
    }
}
