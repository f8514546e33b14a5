//! One call of the command: its globals, where it writes, and whether somebody can be asked.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use entente_node::directory::Directory;
use serde::Serialize;

use crate::client::Client;
use crate::error::CliError;

/// Options that stand before or after every verb.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Everywhere")]
pub struct Globals {
    /// The data directory of the node [default: the platform's, with `entente` in it]
    #[arg(long, global = true, value_name = "DIR", env = "ENTENTE_DATA", hide_env_values = true)]
    pub data: Option<PathBuf>,
    /// Print exactly one JSON document
    #[arg(long, global = true)]
    pub json: bool,
    /// Answer every question with yes
    #[arg(long, global = true)]
    pub yes: bool,
    /// Say more on the error channel; twice for everything
    #[arg(short, long = "verbose", global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// One call of the command.
pub struct Session<'a> {
    /// The options that every verb has.
    pub globals: Globals,
    /// Where data goes.
    pub out: &'a mut dyn Write,
    /// Where all else goes.
    pub err: &'a mut dyn Write,
    /// Whether somebody sits at a terminal.
    pub asks: bool,
}

impl Session<'_> {
    /// The data directory.
    pub fn directory(&self) -> Result<Directory, CliError> {
        if let Some(path) = &self.globals.data {
            return Ok(Directory::at(path));
        }
        let place = directories::ProjectDirs::from("", "", "entente");
        Ok(Directory::at(place.ok_or(CliError::NoDirectory)?.data_dir()))
    }

    /// The running node.
    pub fn client(&self) -> Result<Client, CliError> {
        Client::open(&self.directory()?)
    }

    /// Prints an answer: as a document for programs, or in words for people.
    pub fn print<T: Serialize>(
        &mut self,
        answer: &T,
        words: impl FnOnce(&T) -> String,
    ) -> Result<(), CliError> {
        let text = match self.globals.json {
            true => serde_json::to_string(answer).map_err(io::Error::from)? + "\n",
            false => words(answer),
        };
        self.write(text.as_bytes())
    }

    /// Writes to the data channel; somebody who stops reading is no fault.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), CliError> {
        match self.out.write_all(bytes).and_then(|()| self.out.flush()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Tells people something beside the data.
    pub fn note(&mut self, text: &str) {
        // Nobody reading this is no reason to stop.
        let _ = writeln!(self.err, "{}", text.trim_end());
    }
}
