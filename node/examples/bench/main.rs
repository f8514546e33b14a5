//! The nodes that `tests/bench/run` measures: `bench entente|plain serve --n N --dir D --port P`,
//! `… pull --n N --addr A --dir D`. Events go to stdout, one JSON object a line; orders come on
//! stdin.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "a measurement")]

use std::error::Error;

mod customers;
mod entente;
mod peer;
mod plain;

type Res<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Res<()> {
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    let what = if words.is_empty() { String::new() } else { words.remove(0) };
    let args = peer::Args::read(words).ok_or(peer::USAGE)?;
    match what.as_str() {
        "entente" => entente::run(args),
        "plain" => plain::run(args),
        _ => Err(peer::USAGE.into()),
    }
}
