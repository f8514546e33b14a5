//! What every measured peer has: the command line, events, orders, and the clock of the driver.

use std::io::{BufRead, Write};
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value as Json, json};

pub const USAGE: &str =
    "usage: bench entente|plain serve --n N --dir D --port P | pull --n N --addr A --dir D";

/// What the peer is to be.
#[derive(Debug)]
pub enum Role {
    /// The one that has the records.
    Serve { port: u16 },
    /// The one that fetches them from there.
    Pull { addr: String },
}

#[derive(Debug)]
pub struct Args {
    pub role: Role,
    /// How many records.
    pub n: usize,
    /// Where it keeps them.
    pub dir: PathBuf,
}

impl Args {
    pub fn read(words: Vec<String>) -> Option<Self> {
        let option = |name: &str| {
            let at = words.iter().position(|word| word == name)?;
            words.get(at + 1).cloned()
        };
        let role = match words.first()?.as_str() {
            "serve" => Role::Serve { port: option("--port")?.parse().ok()? },
            "pull" => Role::Pull { addr: option("--addr")? },
            _ => return None,
        };
        Some(Self { role, n: option("--n")?.parse().ok()?, dir: option("--dir")?.into() })
    }
}

/// An order of the driver.
#[derive(Debug)]
pub enum Order {
    /// Give the field that is edited this value, in the record with this number.
    Edit { index: usize, value: String },
    /// End.
    Quit,
}

/// Reads orders on a thread of their own; the end of the input is the last.
pub fn orders(mut carry_out: impl FnMut(Order) + Send + 'static) {
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            match line.split_whitespace().collect::<Vec<_>>()[..] {
                ["edit", index, value] => match index.parse() {
                    Ok(index) => carry_out(Order::Edit { index, value: value.to_owned() }),
                    Err(error) => eprintln!("{line:?}: {error}"),
                },
                ["quit"] => break,
                _ => eprintln!("no such order: {line:?}"),
            }
        }
        carry_out(Order::Quit);
    });
}

/// Nanoseconds on the driver's clock: all processes of one machine share it. The driver says in
/// `BENCH_CLOCK_NS` by how much the wall clock is ahead of it.
pub fn now_ns() -> u64 {
    let ahead = std::env::var("BENCH_CLOCK_NS").ok().and_then(|text| text.parse().ok());
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos() as u64);
    wall - ahead.unwrap_or(0u64)
}

/// Tells the driver of something that happened just now.
pub fn emit(event: &str, mut more: Json) {
    more["event"] = json!(event);
    more["t_ns"] = json!(now_ns());
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{more}");
    let _ = out.flush();
}
