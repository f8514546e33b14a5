//! `run`: the node, until it is told to stop.

use std::io;

use clap::Args;
use entente_node::config::{Config, Flags};
use entente_node::start::Node;
use tracing_subscriber::EnvFilter;

use crate::error::CliError;
use crate::session::Session;

/// Run the node; says when it is ready in one line of JSON
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Where partners reach it, instead of the configured addresses; port 0 takes a free one
    #[arg(long, value_name = "MULTIADDR")]
    listen: Vec<String>,
    /// Where its API and pages are [default: 127.0.0.1:7731]
    #[arg(long, value_name = "ADDR")]
    http: Option<String>,
    /// Allow --http on an address that other machines reach: a proxy with TLS is in front
    #[arg(long)]
    behind_proxy: bool,
}

/// Runs it.
pub fn run(session: &mut Session<'_>, args: RunArgs) -> Result<(), CliError> {
    let directory = session.directory()?;
    let flags = Flags {
        listen: args.listen,
        http: args.http,
        behind_proxy: args.behind_proxy,
        verbose: session.globals.verbose,
    };
    let config = Config::read(directory.path(), &flags, &|name| std::env::var(name).ok())?;
    log(&config);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        // Before the ready line: whoever reads it may stop the node at once.
        let stopped = stop_signal()?;
        let mut node = Node::start(directory, &config).await?;
        let ready = serde_json::to_string(node.ready()).map_err(io::Error::from)?;
        session.write(format!("{ready}\n").as_bytes())?;
        tokio::select! {
            () = stopped => tracing::info!("stopping"),
            failed = node.failed() => failed?,
        }
        Ok(node.shutdown().await?)
    })
}

fn log(config: &Config) {
    let filter = EnvFilter::try_new(&config.log.value).unwrap_or_else(|_| EnvFilter::new("info"));
    // Fails only where a log is set up already, as in tests.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::IsTerminal::is_terminal(&io::stderr()))
        .try_init();
}

#[cfg(unix)]
pub fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

#[cfg(not(unix))]
pub fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    Ok(async {
        let _ = tokio::signal::ctrl_c().await;
    })
}
