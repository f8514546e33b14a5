//! `demo`: the whole story with three real nodes on this machine.

use std::path::PathBuf;

use clap::Args;

use crate::error::CliError;

/// Play the whole story with three real nodes on this machine
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Where the three nodes keep their data [default: a new temporary directory]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Keep the three nodes and their pages up until interrupted
    #[arg(long)]
    pub stay: bool,
}

/// Plays it.
pub fn run(args: DemoArgs) -> Result<(), CliError> {
    let DemoArgs { dir: _, stay: _ } = args;
    Err(CliError::NotBuiltYet("demo"))
}
