//! `init`: an org and its first node.

use clap::Args;
use entente_node::start;
use serde_json::json;

use crate::error::CliError;
use crate::session::Session;

/// Make a company and its first node in the data directory
#[derive(Debug, Args)]
pub struct InitArgs {
    /// What the company calls itself
    #[arg(long, required_unless_present = "join", conflicts_with = "join")]
    name: Option<String>,
    /// Instead: a further node of a company that has one. Without LINE, prints the id that `entente
    /// node certify` takes there; with the LINE that it prints, completes this node
    #[arg(long, value_name = "LINE", num_args = 0..=1, default_missing_value = "")]
    join: Option<String>,
}

/// Makes them.
pub fn init(session: &mut Session<'_>, args: &InitArgs) -> Result<(), CliError> {
    let directory = session.directory()?;
    let name = args.name.as_deref().unwrap_or_default();
    let made = match args.join.as_deref() {
        Some("") => {
            let node = start::prepare(&directory)?;
            session.note("On a machine of your company that has the root key, run:");
            let answer = json!({ "node": node });
            return session.print(&answer, |_| format!("entente node certify {node}\n"));
        }
        Some(line) => start::join(&directory, line)?,
        None => {
            let made = start::init(&directory, name)?;
            session.note(&format!(
                "Keep a copy of {} in a safe place: whoever has it is {}, and it cannot be made again.",
                directory.org_key().display(),
                name.trim()
            ));
            made
        }
    };
    session.print(&made, |made| {
        format!("company  {}\nnode     {}\ndata     {}\n", made.org, made.node, made.data)
    })
}
