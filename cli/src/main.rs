//! The `entente` command.
#![allow(
    clippy::disallowed_methods,
    reason = "only the protocol takes clock and files as arguments"
)]

mod ask;
mod assignment;
mod client;
mod command;
mod demo;
mod error;
mod kinds;
mod leaving;
mod output;
mod progress;
mod session;
mod table;

#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

use std::io::{self, IsTerminal};
use std::process::ExitCode;

fn main() -> ExitCode {
    let asks = io::stdin().is_terminal() && io::stderr().is_terminal();
    let exit = command::main(std::env::args_os(), &mut io::stdout(), &mut io::stderr(), asks);
    ExitCode::from(exit)
}
