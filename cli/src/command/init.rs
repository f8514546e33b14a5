//! `init`: an org and its first node.

use clap::Args;
use entente_node::start;

use crate::error::CliError;
use crate::session::Session;

/// Make a company and its first node in the data directory
#[derive(Debug, Args)]
pub struct InitArgs {
    /// What the company calls itself
    #[arg(long)]
    name: String,
}

/// Makes them.
pub fn init(session: &mut Session<'_>, args: &InitArgs) -> Result<(), CliError> {
    let directory = session.directory()?;
    let made = start::init(&directory, &args.name)?;
    session.note(&format!(
        "Keep a copy of {} in a safe place: whoever has it is {}, and it cannot be made again.",
        directory.org_key().display(),
        args.name.trim()
    ));
    session.print(&made, |made| {
        format!("company  {}\nnode     {}\ndata     {}\n", made.org, made.node, made.data)
    })
}
