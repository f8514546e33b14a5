//! What is fuzzed: one function per target, from bytes to a promise that must hold for any bytes.
//! `fuzz/` calls them for hours; the seeds of its corpora go through them in every test run.

mod bytes;
mod decode;
mod facet;
mod ingest;
#[cfg(test)]
mod seeds;
mod session;

pub use decode::{bundle, change, frame, statement, text};
pub use facet::facet;
pub use ingest::ingest;
pub use session::session;
