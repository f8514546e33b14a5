//! Asking for a yes. Never waits where nobody can answer.

use std::io::{self, BufRead};

use crate::error::CliError;
use crate::session::Session;

impl Session<'_> {
    /// Goes on only after a yes, given now or in advance.
    pub fn ask(&mut self, question: &str) -> Result<(), CliError> {
        if self.globals.yes {
            return Ok(());
        }
        if !self.asks {
            return Err(CliError::NeedsYes);
        }
        write!(self.err, "{question} [y/N] ")?;
        self.err.flush()?;
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line)?;
        match line.trim().to_lowercase().as_str() {
            "y" | "yes" | "j" | "是" => Ok(()),
            _ => Err(CliError::Declined),
        }
    }
}
