//! Why the demo could not be played to its end.

use std::io;

use thiserror::Error;

/// Why the demo ended early.
#[derive(Debug, Error)]
pub enum DemoError {
    /// The directory holds something that is not the demo's.
    #[error("{0} is not empty")]
    NotEmpty(String),
    /// There is no directory to play in.
    #[error("cannot make a directory at {path}")]
    Place {
        /// Where.
        path: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A node's process did not come up.
    #[error("{name}'s node did not start; the end of its log: {log}")]
    NotStarted {
        /// Whose.
        name: &'static str,
        /// The last line that it logged.
        log: String,
    },
    /// The program cannot start itself, or its files cannot be read.
    #[error("the system does not play along")]
    System(#[from] io::Error),
    /// A file that ships with the demo cannot be read.
    #[error("the demo's own {0} cannot be read")]
    Data(&'static str),
    /// Something did not come true in time.
    #[error("{what} did not happen within {seconds} s")]
    Late {
        /// What was waited for.
        what: String,
        /// For how long.
        seconds: u64,
    },
    /// Something is not as the story has it.
    #[error("step {step} does not hold: {what}")]
    Untrue {
        /// The number of the step.
        step: usize,
        /// What is not so.
        what: String,
    },
    /// Somebody has had enough.
    #[error("interrupted; the three nodes are stopped")]
    Interrupted,
}
