//! `config`: the settings in force and who said so.

use clap::Subcommand;
use entente_node::api::node::Source;
use entente_node::config::{Config, Flags};

use crate::error::CliError;
use crate::output::value;
use crate::session::Session;
use crate::table::Table;

#[derive(Debug, Subcommand)]
pub enum ConfigVerb {
    /// Every setting, its value, and which source won
    Show,
}

/// Shows them.
pub fn config(session: &mut Session<'_>, verb: &ConfigVerb) -> Result<(), CliError> {
    let ConfigVerb::Show = verb;
    let directory = session.directory()?;
    let flags = Flags { verbose: session.globals.verbose, ..Flags::default() };
    let config = Config::read(directory.path(), &flags, &|name| std::env::var(name).ok())?;
    session.print(&config.lines(), |lines| {
        let mut table = Table::new(["SETTING", "VALUE", "FROM", ""]);
        for line in lines {
            let from = match line.from {
                Source::Flag => "option",
                Source::Environment => "environment",
                Source::File => "file",
                Source::Default => "default",
            };
            let said_by = line.said_by.as_deref().unwrap_or_default();
            table.row([line.key.as_str(), &value(&line.value), from, said_by]);
        }
        table.text()
    })
}
