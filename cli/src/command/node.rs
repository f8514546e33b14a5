//! `node` and `key`: the nodes of one's own company, and the root key that certifies them.

use std::path::PathBuf;

use clap::Subcommand;
use entente_node::api::Done;
use entente_node::api::own::{Introduction, OwnNode, OwnNodeState, WentOn};
use entente_node::root::Root;
use serde::Serialize;
use serde_json::json;

use crate::error::CliError;
use crate::output::moment;
use crate::session::Session;
use crate::table::Table;

#[derive(Debug, Subcommand)]
pub enum NodeVerb {
    /// The company's nodes; the main one decides what is shared
    List,
    /// Certify a node: a new one by the id that `entente init --join` prints, or one that is there
    Certify {
        /// Its id
        node: String,
        /// Make it the main node, which decides what is shared
        #[arg(long)]
        main: bool,
        /// Where the root key is [default: org.key in the data directory]
        #[arg(long, value_name = "FILE")]
        org_key: Option<PathBuf>,
    },
    /// End a node for ever: lost, stolen or not needed any more
    Retire {
        /// Its id
        node: String,
        /// Where the root key is [default: org.key in the data directory]
        #[arg(long, value_name = "FILE")]
        org_key: Option<PathBuf>,
    },
    /// After a restore: do not wait any longer for partners who may know more
    GoOn,
}

#[derive(Debug, Subcommand)]
pub enum KeyVerb {
    /// The root key in force, and whether it is here
    Show,
    /// Hand over to the next root key; the old one certifies nobody from then on
    Rotate {
        /// Where the root key is [default: org.key in the data directory]
        #[arg(long, value_name = "FILE")]
        org_key: Option<PathBuf>,
    },
}

/// What `certify` answers.
#[derive(Debug, Serialize)]
struct Certified {
    node: String,
    main: bool,
    join: String,
}

/// What `key show` answers.
#[derive(Debug, Serialize)]
struct Key {
    root: String,
    here: bool,
}

/// Carries out a verb of `node`.
pub fn node(session: &mut Session<'_>, verb: NodeVerb) -> Result<(), CliError> {
    match verb {
        NodeVerb::List => {
            let nodes: Vec<OwnNode> = session.client()?.get("/nodes")?;
            session.print(&nodes, |nodes| list(nodes))
        }
        NodeVerb::Certify { node, main, org_key } => {
            let (signed, line) = root(session, org_key)?.certify(&node, main)?;
            let _: Done = session.client()?.post("/nodes/learn", &signed)?;
            let certified = Certified { node, main, join: line.text() };
            session.note("If that node is new, run this on its machine, then `entente run`:");
            session.print(&certified, |made| format!("entente init --join {}\n", made.join))
        }
        NodeVerb::Retire { node, org_key } => {
            session.ask(&format!("End {node} for ever?"))?;
            let signed = root(session, org_key)?.retire(&node)?;
            let done: Done = session.client()?.post("/nodes/learn", &signed)?;
            session.print(&done, |_| format!("{node} does not act for this company any more.\n"))
        }
        NodeVerb::GoOn => {
            let went: WentOn = session.client()?.post("/nodes/go-on", &json!({}))?;
            session.print(&went, |went| match &went.without[..] {
                [] => "It was waiting for nobody.\n".to_owned(),
                orgs => {
                    let names: Vec<&str> = orgs.iter().map(|org| org.name.as_str()).collect();
                    format!("Goes on without having heard from {}.\n", names.join(", "))
                }
            })
        }
    }
}

/// Carries out a verb of `key`.
pub fn key(session: &mut Session<'_>, verb: KeyVerb) -> Result<(), CliError> {
    match verb {
        KeyVerb::Show => {
            let told: Introduction = session.client()?.get("/nodes/introduction")?;
            let here = session.directory()?.org_key().exists();
            session.print(&Key { root: told.root, here }, |key| {
                let here = if key.here { "in the data directory" } else { "not on this machine" };
                format!("root key  {}\nkept      {here}\n", key.root)
            })
        }
        KeyVerb::Rotate { org_key } => {
            session.ask("Hand over to the next root key? The one in use certifies nobody then.")?;
            let directory = session.directory()?;
            let file = org_key.clone().unwrap_or_else(|| directory.org_key());
            let (signed, keys) = root(session, org_key)?.rotate()?;
            // The new keys are safe before anybody hears of them.
            let fresh = file.with_extension("rotated");
            directory.write_secret(&fresh, &keys)?;
            let done: Done = session.client()?.post("/nodes/learn", &signed)?;
            directory.write_secret(&file, &keys)?;
            directory.remove(&fresh)?;
            session.note(&format!("Keep a copy of {} in a safe place.", file.display()));
            session.print(&done, |_| "The next root key is in force.\n".to_owned())
        }
    }
}

fn root(session: &Session<'_>, org_key: Option<PathBuf>) -> Result<Root, CliError> {
    let told: Introduction = session.client()?.get("/nodes/introduction")?;
    Ok(Root::open(&session.directory()?, org_key.as_deref(), told)?)
}

fn list(nodes: &[OwnNode]) -> String {
    let mut table = Table::new(["NODE", "MAIN", "STATE", "CERTIFIED UNTIL", "CONNECTED"]);
    for node in nodes {
        let state = match node.state {
            OwnNodeState::Active => "active",
            OwnNodeState::Expired => "certificate expired",
            OwnNodeState::Retired => "retired",
        };
        table.row([
            node.node.clone(),
            if node.main { "yes" } else { "" }.into(),
            state.into(),
            moment(node.expires_at.as_deref()),
            match (node.this, node.connected) {
                (true, _) => "this node".into(),
                (false, true) => "yes".into(),
                (false, false) => "no".into(),
            },
        ]);
    }
    table.text_or("No nodes.")
}
