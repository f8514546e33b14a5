//! `doctor`: what keeps a node from working, and what to do about it.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use entente_node::api::node::{Finding, Status, StoreStatus};
use entente_node::config::{Config, Flags};
use entente_node::directory::Directory;

use crate::error::CliError;
use crate::session::Session;
use crate::table::Table;

/// No clock of a machine that works is before 2025.
const EARLIEST_S: u64 = 1_735_689_600;

/// Looks at everything; an error if something is wrong.
pub fn doctor(session: &mut Session<'_>) -> Result<(), CliError> {
    let directory = session.directory()?;
    let mut findings = vec![data(&directory)];
    for (check, path) in [("company key", directory.org_key()), ("node key", directory.node_key())]
    {
        findings.push(secret(check, &path));
    }
    findings.push(clock());
    findings.push(settings(&directory));
    findings.extend(node(session));
    findings.push(audit(session));
    let failed = findings.iter().filter(|finding| !finding.ok).count();
    let all = findings.len();
    let words = |findings: &Vec<Finding>| {
        let mut table = Table::new(["CHECK", "", "FOUND", "ADVICE"]);
        for finding in findings {
            table.row([
                finding.check.as_str(),
                if finding.ok { "ok" } else { "WRONG" },
                &finding.found,
                finding.advice.as_deref().unwrap_or_default(),
            ]);
        }
        table.text()
    };
    match failed {
        0 => session.print(&findings, words),
        // With --json, the one document is the error.
        _ => {
            if session.globals.json {
                session.note(&words(&findings));
            } else {
                session.print(&findings, words)?;
            }
            Err(CliError::Unwell { failed, all })
        }
    }
}

fn finding(check: &str, found: Result<String, (String, &str)>) -> Finding {
    let check = check.to_owned();
    match found {
        Ok(found) => Finding { check, ok: true, found, advice: None },
        Err((found, advice)) => {
            Finding { check, ok: false, found, advice: Some(advice.to_owned()) }
        }
    }
}

fn data(directory: &Directory) -> Finding {
    let path = directory.path().display().to_string();
    finding(
        "data",
        match directory.is_initialised() {
            true => Ok(path),
            false => Err((format!("no company in {path}"), "entente init --name \"Your company\"")),
        },
    )
}

fn secret(check: &str, path: &Path) -> Finding {
    let shown = path.display();
    let found = match std::fs::metadata(path) {
        Err(error) => Err((format!("{shown}: {error}"), "bring it back from where you kept it")),
        #[cfg(unix)]
        Ok(data) if std::os::unix::fs::PermissionsExt::mode(&data.permissions()) & 0o077 != 0 => {
            Err((format!("others can read {shown}"), "chmod 600 it"))
        }
        Ok(_) => Ok(shown.to_string()),
    };
    finding(check, found)
}

fn clock() -> Finding {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    finding(
        "clock",
        match seconds > EARLIEST_S {
            true => Ok("plausible".into()),
            false => Err((format!("{seconds} s since 1970"), "set the clock of this machine")),
        },
    )
}

fn settings(directory: &Directory) -> Finding {
    let read = Config::read(directory.path(), &Flags::default(), &|name| std::env::var(name).ok());
    finding(
        "settings",
        match read {
            Ok(config) if config.consent_required.value => Ok("readable".into()),
            Ok(_) => Ok("readable; consent is NOT required".into()),
            Err(error) => Err((error.to_string(), "mend entente.toml")),
        },
    )
}

/// The node, and of one that runs its store.
fn node(session: &Session<'_>) -> Vec<Finding> {
    let status: Result<Status, CliError> =
        session.client().and_then(|client| client.get("/status"));
    match status {
        // Not running is no illness: what is wrong with the data can be found all the same.
        Err(CliError::Unreachable { .. }) => vec![Finding {
            check: "node".into(),
            ok: true,
            found: "not running".into(),
            advice: Some("entente run".into()),
        }],
        Err(error) => vec![finding("node", Err((error.to_string(), "see its log")))],
        Ok(status) => {
            let runs = finding("node", Ok(format!("runs at {}", status.http)));
            vec![runs, certificate(&status), store(&status.store)]
        }
    }
}

/// A node without its company's key cannot renew its certificate itself.
fn certificate(status: &Status) -> Finding {
    let until = &status.certificate;
    let found = format!("good until {} ({} days)", until.ends_at, until.days_left);
    let advice = format!("entente node certify {} --org-key FILE", status.node);
    finding("certificate", if until.overdue { Err((found, &advice)) } else { Ok(found) })
}

fn store(store: &StoreStatus) -> Finding {
    let found = match &store.erased_since {
        None => "nothing that was erased is in its files".to_owned(),
        Some(since) => format!("bytes erased since {since} are in its files until it is rewritten"),
    };
    let advice = store.erased_since.as_ref().map(|_| "entente store compact".to_owned());
    Finding { check: "store".into(), ok: true, found, advice }
}

fn audit(session: &Session<'_>) -> Finding {
    finding(
        "audit log",
        match super::audit::verify(session, None) {
            Ok(verified) => Ok(format!("whole, {} lines", verified.lines)),
            // What keeps it from being read is told by the other checks.
            Err(CliError::NoOrg { .. }) => Ok("none".into()),
            Err(error) => Err((error.to_string(), "entente audit verify")),
        },
    )
}
