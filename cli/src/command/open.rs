//! `open`: the way to the node's pages.

use serde_json::json;

use crate::error::CliError;
use crate::session::Session;

/// Prints the link with the token.
pub fn open(session: &mut Session<'_>) -> Result<(), CliError> {
    let client = session.client()?;
    // The link is of use only while the node runs.
    client.get::<serde_json::Value>("/status")?;
    let link = client.page_link();
    session.print(&json!({ "url": link }), |_| format!("{link}\n"))
}
