//! `backup` and `restore`.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::PathBuf;

use clap::Args;
use entente_node::start;
use serde_json::json;

use crate::error::CliError;
use crate::session::Session;

/// Write everything this node holds into one file, while it runs
///
/// The file holds the node's key and all records: keep it like the data itself. The root key is not
/// in it.
#[derive(Debug, Args)]
pub struct BackupArgs {
    /// The file to write
    file: PathBuf,
}

/// Put a backup into a new data directory
///
/// The node of the backup must not run anywhere else any more.
#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// The backup
    file: PathBuf,
}

/// Writes it.
pub fn backup(session: &mut Session<'_>, args: &BackupArgs) -> Result<(), CliError> {
    let mut stream = session.client()?.stream("/backup")?;
    let failed = |source| CliError::File { path: args.file.display().to_string(), source };
    let fresh = args.file.with_extension("partial");
    let mut options = File::options();
    options.create(true).truncate(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&fresh).map_err(failed)?;
    let copied = io::copy(&mut stream, &mut file).map_err(CliError::Answer);
    let bytes = match copied {
        Ok(bytes) => bytes,
        Err(error) => {
            let _ = std::fs::remove_file(&fresh);
            return Err(error);
        }
    };
    file.sync_all().map_err(failed)?;
    std::fs::rename(&fresh, &args.file).map_err(failed)?;
    session
        .note("It holds the node's key and all records: keep it safe. The root key is not in it.");
    let answer = json!({"file": args.file.display().to_string(), "bytes": bytes});
    session.print(&answer, |_| format!("{bytes} bytes in {}\n", args.file.display()))
}

/// Restores it.
pub fn restore(session: &mut Session<'_>, args: &RestoreArgs) -> Result<(), CliError> {
    let failed = |source| CliError::File { path: args.file.display().to_string(), source };
    let file = BufReader::new(File::open(&args.file).map_err(failed)?);
    let made = start::restore(&session.directory()?, file)?;
    session.note(
        "Start it with `entente run`. It decides nothing new about what is shared before it has met \
         every partner; `entente status` shows for whom it waits, `entente node go-on` ends that.",
    );
    session.print(&made, |made| {
        format!("company  {}\nnode     {}\ndata     {}\n", made.org, made.node, made.data)
    })
}
