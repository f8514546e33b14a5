//! The least that can be done: the same records as JSON in one file that only grows, sent over TCP
//! as they lie there. The puller reads every row, appends it, and syncs the file every thousand
//! rows. No permission, no signature, no history, no index: what anything else costs, it costs
//! beside this.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};

use entente_protocol::value::{Fields, Value};
use serde_json::{Value as Json, json};

use crate::Res;
use crate::customers::{self, EDITED};
use crate::peer::{Args, Order, Role, emit, now_ns, orders};

/// Rows between two syncs.
const BATCH: usize = 1000;

/// How far the file goes, for those who wait for more.
type End = Arc<(Mutex<u64>, Condvar)>;

pub fn run(args: Args) -> Res<()> {
    std::fs::create_dir_all(&args.dir)?;
    match &args.role {
        Role::Serve { port } => serve(&args, *port),
        Role::Pull { addr } => pull(&args, addr),
    }
}

fn open(args: &Args) -> Res<File> {
    let path = args.dir.join("rows");
    Ok(OpenOptions::new().create(true).read(true).append(true).open(path)?)
}

fn row(index: usize, fields: &Fields) -> Res<String> {
    let text = |value: &Value| match value {
        Value::Str(text) | Value::Json(text) => text.clone(),
        other => format!("{other:?}"),
    };
    let fields: serde_json::Map<String, Json> =
        fields.iter().map(|(name, value)| (name.clone(), Json::String(text(value)))).collect();
    Ok(format!("{}\n", serde_json::to_string(&json!({ "index": index, "fields": fields }))?))
}

fn serve(args: &Args, port: u16) -> Res<()> {
    let mut file = open(args)?;
    if file.metadata()?.len() == 0 {
        for index in 0..args.n {
            file.write_all(row(index, &customers::customer(index))?.as_bytes())?;
        }
        file.sync_data()?;
    }
    let end: End = Arc::new((Mutex::new(file.metadata()?.len()), Condvar::new()));
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    let grown = Arc::clone(&end);
    orders(move |order| match order {
        Order::Quit => std::process::exit(0),
        Order::Edit { index, value } => {
            let began = now_ns();
            let mut fields = customers::customer(index);
            fields.insert(EDITED.into(), Value::Str(value));
            let written = row(index, &fields).and_then(|row| {
                file.write_all(row.as_bytes())?;
                file.sync_data()?;
                Ok(row.len())
            });
            match (written, grown.0.lock()) {
                (Ok(bytes), Ok(mut end)) => *end += bytes as u64,
                (written, _) => return eprintln!("edit {index}: {written:?}"),
            }
            grown.1.notify_all();
            emit("edited", json!({ "t0_ns": began, "index": index }));
        }
    });
    emit("ready", json!({ "addr": listener.local_addr()?.to_string() }));
    for stream in listener.incoming() {
        let (stream, end, file) = (stream?, Arc::clone(&end), open(args)?);
        std::thread::spawn(move || feed(stream, file, &end));
    }
    Ok(())
}

/// Sends the file from where the puller is, then whatever is added.
fn feed(mut stream: TcpStream, mut file: File, end: &End) -> Res<()> {
    stream.set_nodelay(true)?;
    let mut have = [0; 8];
    stream.read_exact(&mut have)?;
    let mut at = u64::from_be_bytes(have);
    file.seek(SeekFrom::Start(at))?;
    loop {
        let until = *end
            .1
            .wait_while(end.0.lock().map_err(|_| "poisoned")?, |end| *end <= at)
            .map_err(|_| "poisoned")?;
        at += std::io::copy(&mut (&mut file).take(until - at), &mut stream)?;
    }
}

fn pull(args: &Args, addr: &str) -> Res<()> {
    let mut file = open(args)?;
    let have = file.metadata()?.len();
    orders(|order| match order {
        Order::Quit => std::process::exit(0),
        Order::Edit { .. } => eprintln!("the puller only reads"),
    });
    emit("connect", json!({}));
    let mut stream = TcpStream::connect(addr)?;
    stream.set_nodelay(true)?;
    stream.write_all(&have.to_be_bytes())?;
    let mut input = BufReader::with_capacity(256 << 10, stream);
    let mut held = if have == 0 { 0 } else { args.n };
    let (mut waiting, mut rows) = (Vec::new(), Vec::new());
    loop {
        let start = waiting.len();
        input.read_until(b'\n', &mut waiting)?;
        if !waiting.ends_with(b"\n") {
            return Ok(());
        }
        rows.push(serde_json::from_slice::<Json>(&waiting[start..])?);
        if rows.len() < BATCH && !input.buffer().is_empty() {
            continue;
        }
        file.write_all(&waiting)?;
        file.sync_data()?;
        waiting.clear();
        let was = held;
        held += rows.len();
        for row in rows.drain(..) {
            if was >= args.n {
                emit("change", json!({ "index": row["index"], "value": row["fields"][EDITED] }));
            }
        }
        if was < args.n && held >= args.n {
            emit("synced", json!({ "records": held }));
        }
    }
}
