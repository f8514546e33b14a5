//! `demo`: the whole story with three real nodes on this machine, from the first event to the
//! proof that nobody has what was not granted to it.

mod afterwards;
mod company;
mod data;
pub mod error;
mod guests;
mod place;
mod play;
mod proof;
mod rosters;
mod telling;
mod waiting;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use serde::Serialize;

use crate::error::CliError;
use crate::session::Session;
use crate::table::Table;
use company::Company;
use error::DemoError;
use place::Place;
use play::{Play, received_event, roster};
use proof::{Proof, Secrets};
use rosters::Roster;
use telling::{Step, Telling};
use waiting::Waiting;

/// Play the whole story with three real nodes on this machine
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Where the three nodes keep their data [default: a new temporary directory]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Keep the three nodes and their pages up until interrupted
    #[arg(long)]
    pub stay: bool,
}

/// What programs get.
#[derive(Serialize)]
struct Report<'a> {
    held: bool,
    took_ms: u64,
    steps: &'a [Step],
    proof: Proof,
    rosters: Vec<Roster>,
    /// Where the nodes are, if they stay.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    nodes: Vec<NodeLine>,
}

/// Where a node is that stays.
#[derive(Serialize)]
struct NodeLine {
    name: &'static str,
    page: String,
    data: String,
    pid: u32,
}

/// Plays it.
pub fn run(session: &mut Session<'_>, args: DemoArgs) -> Result<(), CliError> {
    let begin = Instant::now();
    let waiting = Waiting::until_interrupted().map_err(DemoError::System)?;
    let place = Place::make(args.dir, args.stay)?;
    let mut telling = Telling::to(session);
    telling.title("Entente: three companies, one event")?;
    telling.paragraph(
        "Everything below happens now, between three real nodes on this machine, each with its \
         own keys and its own store. → is what crosses from one company to another, 🔒 what does \
         not, ✓ what was looked at and found to be so.",
    )?;
    let mut play = set_the_stage(telling, waiting, place.path())?;
    let played = perform(&mut play).and_then(|proof| finish(&mut play, proof, begin, args.stay));
    if played.is_ok() && args.stay {
        play.waiting.for_interruption();
    }
    // All three at once; dropping them waits for each.
    for company in [&mut play.acme, &mut play.bright, &mut play.cedar] {
        company.ask_to_stop();
    }
    drop(play);
    if args.stay {
        session.note(&format!("The three nodes are stopped. Their data: {}", place.text()));
    }
    drop(place);
    played
}

fn set_the_stage<'a, 'b>(
    mut telling: Telling<'a, 'b>,
    waiting: Waiting,
    place: &Path,
) -> Result<Play<'a, 'b>, CliError> {
    telling.step("Three companies, each with a node of its own")?;
    let mut found = |name, alias, what: &str| -> Result<Company, CliError> {
        let (company, took) = Company::found(name, alias, place, &waiting)?;
        telling.checked(
            format!("{name}, {what}: its node runs, process {}", company.pid()),
            Some(took),
        )?;
        Ok(company)
    };
    let acme = found("Acme Motors", "acme-motors", "a manufacturer")?;
    let bright = found("Bright Agency", "bright-agency", "its agency")?;
    let cedar = found("Cedar Consulting", "cedar-consulting", "a consultancy")?;
    let secrets = Secrets::of_event()?;
    Ok(Play { telling, waiting, acme, bright, cedar, event: String::new(), secrets })
}

fn perform(play: &mut Play<'_, '_>) -> Result<Proof, CliError> {
    play.they_meet()?;
    play.cedar_brings_guests()?;
    play.the_event_runs()?;
    play.prove()
}

/// The three rosters, and where to go from here.
fn finish(
    play: &mut Play<'_, '_>,
    proof: Proof,
    begin: Instant,
    stay: bool,
) -> Result<(), CliError> {
    let rosters = three_rosters(play)?;
    let Play { telling, acme, bright, cedar, .. } = play;
    telling.plain("")?;
    let text = rosters::text(&rosters, telling.columns());
    telling.plain(&format!("{text}🔒 not shared with this company"))?;
    let took = begin.elapsed();
    telling.title(&format!("\nEvery step held. The whole story took {}.", seconds(took)))?;
    let mut nodes = Vec::new();
    if stay {
        for company in [&*acme, bright, cedar] {
            nodes.push(NodeLine {
                name: company.name,
                page: company.api().page_link(),
                data: company.directory().display().to_string(),
                pid: company.pid(),
            });
        }
    }
    telling.plain("")?;
    match nodes.is_empty() {
        true => telling.paragraph(NEXT)?,
        false => telling.plain(&staying(&nodes))?,
    }
    let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    let report = Report { held: true, took_ms, steps: telling.all_held(), proof, rosters, nodes };
    let report = serde_json::to_string(&report).map_err(std::io::Error::from)?;
    telling.document(&report)
}

const NEXT: &str = "Next: `entente demo --stay` keeps the three nodes up and prints the link to \
    each company's page, so that you can change something at one and watch it arrive at the \
    others. `entente demo --dir DIR` keeps their data. To begin with a company of your own: \
    `entente init --name \"Your company\"`, then `entente run`.";

fn staying(nodes: &[NodeLine]) -> String {
    let mut table = Table::new(["COMPANY", "PAGE", "DATA"]);
    for node in nodes {
        table.row([node.name, &node.page, &node.data]);
    }
    let data = nodes.first().map_or("", |node| node.data.as_str());
    format!(
        "The three nodes stay up. Their pages, each with the token that lets a browser in:\n\n\
         {}\nTry:  entente --data {data} event list\n      \
         entente --data {data} share show {}\n\nCtrl-C stops them.",
        table.text(),
        data::SHARE
    )
}

fn three_rosters(play: &Play<'_, '_>) -> Result<Vec<Roster>, CliError> {
    let mut rosters = Vec::new();
    for company in [&play.acme, &play.bright, &play.cedar] {
        let event = match company.org == play.acme.org {
            true => Some(play.event.clone()),
            false => received_event(company)?.map(|event| event.id),
        };
        let rows = roster(company, &event.unwrap_or_default())?;
        rosters.push(Roster { name: company.name, rows });
    }
    Ok(rosters)
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
