//! `store`: what the node keeps on disk.

use std::io::{self, Write};

use clap::Subcommand;
use entente_node::api::Done;
use entente_node::api::node::{Compacted, StoreReport};
use entente_node::start;
use entente_node::store::Rewritten;

use crate::error::CliError;
use crate::session::Session;

#[derive(Debug, Subcommand)]
pub enum StoreVerb {
    /// Everything the store holds, decompressed, one JSON line each
    Dump,
    /// Look at everything in the store: whether it is what was last written
    ///
    /// With or without a running node; whatever is to be written meanwhile waits.
    Verify,
    /// Write the store anew, so that what was erased is in no file of it
    ///
    /// The node does this by itself some time after an erasure (`rewrite_after` in entente.toml).
    Compact,
}

pub fn store(session: &mut Session<'_>, verb: &StoreVerb) -> Result<(), CliError> {
    match verb {
        StoreVerb::Dump => dump(session),
        StoreVerb::Verify => verify(session),
        StoreVerb::Compact => compact(session),
    }
}

/// Looks at all of it; an error if something is wrong.
fn verify(session: &mut Session<'_>) -> Result<(), CliError> {
    let looked = session.client().and_then(|client| client.get("/store/verify"));
    let report: StoreReport = match looked {
        Err(CliError::Unreachable { .. }) => start::verify_store(&session.directory()?)?.into(),
        looked => looked?,
    };
    if report.problem_count == 0 {
        return session.print(&report, |report| {
            let size = megabytes(report.value_bytes);
            format!("The store is sound: {} entries, {size}.\n", report.entries)
        });
    }
    for problem in &report.problems {
        session.note(problem);
    }
    Err(CliError::Unsound { problems: report.problem_count })
}

/// By the node or, where none runs, in its directory.
fn compact(session: &mut Session<'_>) -> Result<(), CliError> {
    let compacted = session.client().and_then(|client| client.post("/store/compact", &Done {}));
    let done = match compacted {
        Err(CliError::Unreachable { .. }) => {
            let directory = session.directory()?;
            let Rewritten { entries, bytes_before, bytes_after } = start::compact(&directory)?;
            Compacted { entries, bytes_before, bytes_after }
        }
        done => done?,
    };
    session.print(&done, |done| {
        let (before, after) = (megabytes(done.bytes_before), megabytes(done.bytes_after));
        format!("{} entries written anew: {before} before, {after} now\n", done.entries)
    })
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

/// Dumps it as it comes, from the node or, where none runs, from its directory; with `--json` as
/// one array.
fn dump(session: &mut Session<'_>) -> Result<(), CliError> {
    let directory = session.directory()?;
    let stream = session.client().and_then(|client| client.stream("/store/dump"));
    let mut lines = Lines::new(session.globals.json, &mut *session.out);
    match stream {
        Ok(mut stream) => match io::copy(&mut stream, &mut lines) {
            // Somebody has seen enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            copied => {
                copied.map_err(CliError::Answer)?;
            }
        },
        Err(CliError::Unreachable { .. }) => start::dump(&directory, &mut lines)?,
        Err(error) => return Err(error),
    }
    Ok(lines.end()?)
}

/// JSON lines as they are, or as the elements of one array.
struct Lines<'a> {
    json: bool,
    /// What stands before the next line.
    before: &'static [u8],
    at_start: bool,
    out: &'a mut dyn Write,
}

impl<'a> Lines<'a> {
    fn new(json: bool, out: &'a mut dyn Write) -> Self {
        Self { json, before: b"[", at_start: true, out }
    }

    fn end(self) -> io::Result<()> {
        match (self.json, self.before) {
            (true, b"[") => self.out.write_all(b"[]\n"),
            (true, _) => self.out.write_all(b"]\n"),
            (false, _) => Ok(()),
        }
    }
}

impl Write for Lines<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n').filter(|_| self.json) {
            if self.at_start {
                self.out.write_all(self.before)?;
                self.before = b",";
            }
            self.out.write_all(piece)?;
            self.at_start = piece.ends_with(b"\n");
        }
        match self.json {
            true => Ok(bytes.len()),
            false => self.out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_one_array_wherever_they_are_cut() {
        for (pieces, array) in [
            (&[][..], "[]\n"),
            (&["1\n"], "[1\n]\n"),
            (&["1", "2\n3", "\n", "4\n"], "[12\n,3\n,4\n]\n"),
        ] {
            let mut out = Vec::new();
            let mut lines = Lines::new(true, &mut out);
            for piece in pieces {
                lines.write_all(piece.as_bytes()).unwrap();
            }
            lines.end().unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), array);
        }
    }
}
