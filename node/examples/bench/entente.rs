//! Entente as a measured peer: two real nodes without API and pages, with sled, libp2p and the
//! engine as they are. The server pairs them and fills its book before anything is timed; the
//! puller takes over the directory of the paired node, which has not heard of any share yet.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use entente_node::config::{Config, Flags};
use entente_node::directory::Directory;
use entente_node::engine::{EngineHandle, EngineThread};
use entente_node::network::NetworkHandle;
use entente_node::service::Problem;
use entente_node::start::{Prepared, init};
use entente_protocol::book::Address;
use entente_protocol::facet::Edit;
use entente_protocol::id::{OrgId, RecordId};
use entente_protocol::replica::{Changes, Replica};
use entente_protocol::select::Selector;
use entente_protocol::sharing::NewGrant;
use entente_protocol::statement::Scope;
use entente_protocol::value::Value;
use entente_protocol::view::ListQuery;
use entente_protocol::vocabulary::Kind;
use serde_json::json;
use tokio::sync::{Notify, broadcast};

use crate::Res;
use crate::customers::{self, EDITED};
use crate::peer::{Args, Order, Role, emit, now_ns, orders};

/// Records that are made or placed with one call, as the node's own services do.
const CHUNK: usize = entente_node::service::CHUNK;

pub fn run(args: Args) -> Res<()> {
    tokio::runtime::Runtime::new()?.block_on(async {
        match &args.role {
            Role::Serve { port } => serve(&args, *port).await,
            Role::Pull { addr } => pull(&args, Path::new(addr)).await,
        }
    })
}

/// A node that runs.
struct Running {
    engine: EngineHandle,
    thread: EngineThread,
    network: NetworkHandle,
    org: OrgId,
}

async fn prepare(dir: &Path, port: u16) -> Res<Prepared> {
    let listen = vec![format!("/ip4/127.0.0.1/tcp/{port}")];
    let config = Config::read(dir, &Flags { listen, ..Flags::default() }, &|_| None)?;
    Ok(Prepared::open(&Directory::at(dir), &config).await?)
}

impl Running {
    async fn start(dir: &Path, port: u16) -> Res<Self> {
        Self::of(prepare(dir, port).await?)
    }

    fn of(prepared: Prepared) -> Res<Self> {
        let org = prepared.org();
        let (engine, thread, network) = prepared.start()?;
        Ok(Self { engine, thread, network, org })
    }

    async fn ask<T, F>(&self, job: F) -> Result<T, Problem>
    where
        F: FnOnce(&mut Replica) -> Result<T, Problem> + Send + 'static,
        T: Send + 'static,
    {
        self.engine.call(job).await
    }

    async fn stop(self) -> Res<()> {
        self.thread.stop().await?;
        self.network.shutdown().await;
        Ok(())
    }
}

async fn serve(args: &Args, port: u16) -> Res<()> {
    let (data, partner) = (args.dir.join("node"), args.dir.join("partner"));
    let index = args.dir.join("records");
    let node = if Directory::at(&data).is_initialised() {
        Running::start(&data, port).await?
    } else {
        fs::create_dir_all(&args.dir)?;
        seed(args.n, &data, &partner, &index, port).await?
    };
    let node = Arc::new(node);
    let quit = quitting();
    let (worker, mut index) = (Arc::clone(&node), File::open(&index)?);
    let runtime = tokio::runtime::Handle::current();
    orders({
        let quit = Arc::clone(&quit);
        move |order| match order {
            Order::Quit => quit.notify_one(),
            Order::Edit { index: at, value } => {
                let done = edit(&mut index, at, |record| {
                    let at = Address::Own { kind: Kind::Customer, record };
                    let edits = vec![Edit::Put(EDITED.into(), Value::Str(value))];
                    runtime.block_on(worker.ask(move |replica| Ok(replica.edit(&at, edits)?)))
                });
                if let Err(error) = done {
                    eprintln!("edit {at}: {error}");
                }
            }
        }
    });
    emit("ready", json!({ "addr": fs::canonicalize(&args.dir)?.join("partner") }));
    quit.notified().await;
    end(node).await
}

fn edit(
    index: &mut File,
    at: usize,
    write: impl FnOnce(RecordId) -> Result<(), Problem>,
) -> Res<()> {
    let mut record = [0; 16];
    index.seek(SeekFrom::Start(16 * at as u64))?;
    index.read_exact(&mut record)?;
    let began = now_ns();
    write(RecordId(record))?;
    emit("edited", json!({ "t0_ns": began, "index": at }));
    Ok(())
}

/// Pairs two new nodes, then fills the first and shares everything with the second, which is down.
async fn seed(n: usize, data: &Path, partner: &Path, index: &Path, port: u16) -> Res<Running> {
    init(&Directory::at(data), "Origin")?;
    init(&Directory::at(partner), "Reader")?;
    let node = Running::start(data, port).await?;
    let reader = Running::start(partner, 0).await?;
    let line = node.ask(|replica| Ok(replica.invite(60_000, false)?)).await?;
    let origin = node.org;
    reader.ask(move |replica| Ok(replica.accept(&line)?)).await?;
    let paired = move |replica: &mut Replica| {
        Ok(replica.partner(&origin).is_ok() && !replica.is_pairing(&origin))
    };
    while !reader.ask(paired).await? {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let to = reader.org;
    reader.stop().await?;

    let mut ids = File::create(index)?;
    for first in (0..n).step_by(CHUNK) {
        let rows = (first..n.min(first + CHUNK)).map(customers::customer).collect();
        let made = node.ask(move |replica| Ok(replica.create_many(Kind::Customer, rows)?)).await?;
        ids.write_all(&made.iter().flat_map(|id| id.0).collect::<Vec<u8>>())?;
    }
    let share = node.ask(|replica| Ok(replica.open_share("Bench", None, None)?)).await?;
    let scope = Scope::Fields {
        kind: Kind::Customer,
        fields: customers::fields(),
        edit: false,
        keep: false,
    };
    let new = NewGrant {
        share,
        section: origin,
        to,
        scope,
        selector: None,
        with_history: false,
        depth: 0,
        expires_at: None,
    };
    node.ask(move |replica| Ok(replica.grant(new)?)).await?;
    let all = Selector::default();
    let found =
        node.ask(move |replica| Ok(replica.placeable(&share, Kind::Customer, &all)?)).await?;
    for part in found.chunks(CHUNK).map(<[_]>::to_vec) {
        let placed =
            node.ask(move |replica| Ok(replica.place(&share, Kind::Customer, &part)?)).await?;
        if !placed.held_back.is_empty() {
            return Err("a company was held back".into());
        }
    }
    Ok(node)
}

async fn pull(args: &Args, prepared: &Path) -> Res<()> {
    let (data, complete) = (args.dir.join("node"), args.dir.join("complete"));
    fs::create_dir_all(&args.dir)?;
    if !data.exists() {
        fs::rename(prepared, &data)?;
    }
    let prepared = prepare(&data, 0).await?;
    emit("loaded", json!({}));
    let quit = quitting();
    orders({
        let quit = Arc::clone(&quit);
        move |order| match order {
            Order::Quit => quit.notify_one(),
            Order::Edit { .. } => eprintln!("the puller only reads"),
        }
    });
    emit("connect", json!({}));
    let node = Arc::new(Running::of(prepared)?);
    let mut changes = node.engine.changes();
    let following = async {
        if !complete.exists() {
            let held = fetch(&node, &mut changes, args.n).await?;
            emit("synced", json!({ "records": held }));
            OpenOptions::new().create(true).append(true).open(&complete)?;
            if std::env::var_os("BENCH_CHECK").is_some() {
                check(&node, args.n).await?;
                emit("checked", json!({}));
            }
        }
        follow(&node, &mut changes).await
    };
    tokio::select! {
        done = following => done?,
        () = quit.notified() => {}
    }
    drop(changes);
    end(node).await
}

/// Waits until so many records are here, each of them durable.
async fn fetch(
    node: &Running,
    changes: &mut broadcast::Receiver<Arc<Changes>>,
    n: usize,
) -> Res<usize> {
    let held = node.ask(|replica| Ok(replica.count_records()?)).await?;
    let mut came = BTreeSet::new();
    while came.len() + (held as usize) < n {
        came.extend(changes.recv().await?.records.iter().map(Address::record));
    }
    Ok(came.len() + held as usize)
}

/// Every record is here, and what is in it is what the server made of its number.
async fn check(node: &Running, n: usize) -> Res<()> {
    let mut seen = 0;
    let mut after = None;
    loop {
        let from = after.take();
        let page = node.ask(move |replica| {
            let mut query = ListQuery::of(Kind::Customer);
            (query.after, query.limit) = (from, CHUNK);
            Ok(replica.list(&query)?)
        });
        let page = page.await?;
        for record in &page.records {
            let values = record.values();
            let index = customers::number(&values).ok_or("a record without a number")?;
            if values != customers::customer(index) {
                return Err(format!("record {index} is not what was sent").into());
            }
        }
        seen += page.records.len();
        let Some(next) = page.next else { break };
        after = Some(next);
    }
    if seen == n { Ok(()) } else { Err(format!("{seen} records instead of {n}").into()) }
}

/// Tells of every record that changes, as it reads then.
async fn follow(node: &Running, changes: &mut broadcast::Receiver<Arc<Changes>>) -> Res<()> {
    loop {
        let these = changes.recv().await?;
        for &at in &these.records {
            let values = node.ask(move |replica| Ok(replica.record(&at)?.values())).await?;
            if let (Some(index), Some(Value::Str(value))) =
                (customers::number(&values), values.get(EDITED))
            {
                emit("change", json!({ "index": index, "value": value }));
            }
        }
    }
}

fn quitting() -> Arc<Notify> {
    Arc::new(Notify::new())
}

async fn end(node: Arc<Running>) -> Res<()> {
    emit("bye", json!({}));
    match Arc::into_inner(node) {
        Some(node) => node.stop().await,
        // Orders are still being read; what is acknowledged is on disk.
        None => std::process::exit(0),
    }
}
