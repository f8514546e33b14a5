//! `status` and `wait`: how the node stands, and until it stands otherwise.

use std::thread::sleep;
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use entente_node::api::node::{Owed, OwedParams, Status};

use crate::error::CliError;
use crate::output::{count, moment};
use crate::session::Session;
use crate::table::Table;

const POLL: Duration = Duration::from_millis(100);

/// Wait until something has come true
#[derive(Debug, Args)]
pub struct WaitArgs {
    #[command(subcommand)]
    verb: WaitVerb,
}

#[derive(Debug, Subcommand)]
enum WaitVerb {
    /// Until partners have confirmed everything that is owed to them
    Synced {
        /// Only this partner
        #[arg(long)]
        partner: Option<String>,
        /// Give up after this long
        #[arg(long, default_value = "30s", value_parser = duration)]
        timeout: Duration,
    },
}

/// Shows how the node stands.
pub fn status(session: &mut Session<'_>) -> Result<(), CliError> {
    let status: Status = session.client()?.get("/status")?;
    session.print(&status, |status| {
        let mut text = format!(
            "company  {} ({})\nnode     {}\npages    {}\nlisten   {}\nstore    {}, {} bytes\ninbox    {}\n",
            status.org.name,
            status.org.id,
            status.node,
            status.http,
            status.listen.join(", "),
            count(status.store.records, "record"),
            status.store.bytes,
            status.inbox
        );
        if let Some(since) = &status.store.erased_since {
            text += &format!(
                "erased   something, {}; old bytes are in the store's files until it is written \
                 anew (`entente store compact` does it at once)\n",
                moment(Some(since))
            );
        }
        if !status.waits_for.is_empty() {
            let names: Vec<&str> = status.waits_for.iter().map(|org| org.name.as_str()).collect();
            text += &format!("waits    to hear from {}\n", names.join(", "));
        }
        let mut table = Table::new(["PARTNER", "CONNECTED", "LAST IN STEP", "UNCONFIRMED"]);
        for one in &status.partners {
            table.row([
                one.partner.name.clone(),
                if one.connected { "yes" } else { "no" }.into(),
                moment(one.last_sync.as_deref()),
                one.unsent.to_string(),
            ]);
        }
        text += "\n";
        text + &table.text_or("No partners yet. `entente partner invite` makes an invite.")
    })
}

/// Waits.
pub fn wait(session: &mut Session<'_>, args: &WaitArgs) -> Result<(), CliError> {
    let WaitVerb::Synced { partner, timeout } = &args.verb;
    let client = session.client()?;
    let deadline = Instant::now() + *timeout;
    loop {
        let params = OwedParams { partner: partner.clone() };
        let owed: Owed = client.find("/owed", &params)?.page;
        if owed.owed.is_empty() && owed.parked == 0 {
            return session.print(&owed, |_| "in step\n".into());
        }
        if Instant::now() >= deadline {
            return Err(CliError::TimedOut(lacking(&owed)));
        }
        sleep(POLL);
    }
}

fn lacking(owed: &Owed) -> String {
    let mut parts: Vec<String> = owed
        .owed
        .iter()
        .map(|one| {
            let away = if one.connected { "" } else { " and is not connected" };
            format!("{} lacks {}{away}", one.partner.name, count(one.unsent, "change"))
        })
        .collect();
    if owed.parked > 0 {
        let things = count(owed.parked, "received change");
        parts.push(format!("{things} wait for something that is not here yet"));
    }
    parts.join("; ")
}

/// `90s`, `500ms`, `5m`; a bare number is seconds.
fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..digits].parse().map_err(|_| "write a duration such as 30s")?;
    let ms = match &text[digits..] {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err("write a duration such as 30s".into()),
    };
    number.checked_mul(ms).map(Duration::from_millis).ok_or_else(|| "too long".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_has_a_number_and_a_unit() {
        assert_eq!(duration("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        for wrong in ["", "s", "3 s", "3y", "99999999999999999999h"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
