//! Settings: option over environment over `entente.toml` over default, and which of them won.
//! Reads no environment by itself; whoever starts the node passes it in.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io};

use serde_json::{Value as Json, json};
use thiserror::Error;
use toml::Value as Toml;

use crate::api::node::{SettingLine, Source};
use crate::service::when;

/// The name of the file in the data directory.
pub const FILE: &str = "entente.toml";
/// The engines that can keep the data.
pub const STORES: [&str; 1] = ["sled"];
const LOG_VARIABLE: &str = "RUST_LOG";

/// Where partners reach a node that was told nothing else.
const LISTEN: [&str; 1] = ["/ip4/0.0.0.0/tcp/7730"];
const HTTP: &str = "127.0.0.1:7731";

/// Moves erase too, and come in bursts; a legal duty to erase is counted in days.
const REWRITE_AFTER: &str = "1h";
const NEVER: &str = "never";

/// What the command line said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flags {
    /// `--listen`, if it stood there.
    pub listen: Vec<String>,
    /// `--http`.
    pub http: Option<String>,
    /// `--behind-proxy`.
    pub behind_proxy: bool,
    /// `-v`, `-vv`.
    pub verbose: u8,
}

/// A value and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting<T> {
    /// The value.
    pub value: T,
    /// Which source won.
    pub from: Source,
    /// The option, the variable or the file.
    pub said_by: Option<String>,
}

/// Every setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Multiaddresses where partners reach the node.
    pub listen: Setting<Vec<String>>,
    /// Where the API and the pages are.
    pub http: Setting<SocketAddr>,
    /// Whether a proxy in front speaks TLS, so that `http` may be reachable from outside.
    pub behind_proxy: Setting<bool>,
    /// The engine that keeps the data: one of [`STORES`].
    pub store: Setting<String>,
    /// What is logged, as `RUST_LOG` says it.
    pub log: Setting<String>,
    /// Whether a person's data leaves only with that person's consent.
    pub consent_required: Setting<bool>,
    /// How long after an erasure the store is written anew; none if only when asked.
    pub rewrite_after: Setting<Option<Duration>>,
}

/// Why the settings cannot be used.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file exists and cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file is not TOML.
    #[error("{} is not valid TOML", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where and why.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// The file has a key that means nothing.
    #[error("{} has no setting `{key}`", path.display())]
    UnknownKey {
        /// The file.
        path: PathBuf,
        /// The key.
        key: String,
    },
    /// A value that its setting does not take.
    #[error("{said_by}: `{found}` is not {expected}")]
    Value {
        /// The option, the variable or the file with the key.
        said_by: String,
        /// What was found.
        found: String,
        /// What is expected.
        expected: &'static str,
    },
}

/// A setting's three names and what it takes.
struct Row {
    key: &'static str,
    variable: &'static str,
    flag: &'static str,
    expected: &'static str,
}

const fn row(
    key: &'static str,
    variable: &'static str,
    flag: &'static str,
    expected: &'static str,
) -> Row {
    Row { key, variable, flag, expected }
}

const ADDRESSES: &str = "a list of addresses such as /ip4/0.0.0.0/tcp/7730";
const LISTEN_ROW: Row = row("listen", "ENTENTE_LISTEN", "--listen", ADDRESSES);
const HTTP_ROW: Row =
    row("http", "ENTENTE_HTTP", "--http", "an address with a port such as 127.0.0.1:7731");
const PROXY_ROW: Row =
    row("behind_proxy", "ENTENTE_BEHIND_PROXY", "--behind-proxy", "true or false");
const STORE_ROW: Row = row("store", "ENTENTE_STORE", "", "sled");
const LOG_ROW: Row = row("log", "ENTENTE_LOG", "-v", "a filter such as info or entente=debug");
const CONSENT_ROW: Row = row("consent.required", "ENTENTE_CONSENT_REQUIRED", "", "true or false");
const REWRITE_ROW: Row =
    row("rewrite_after", "ENTENTE_REWRITE_AFTER", "", "a duration such as 1h, or never");
const ROWS: [&Row; 7] =
    [&LISTEN_ROW, &HTTP_ROW, &PROXY_ROW, &STORE_ROW, &LOG_ROW, &CONSENT_ROW, &REWRITE_ROW];

/// The variables of the environment that are looked at.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The sources in their order.
struct Sources<'a> {
    path: PathBuf,
    file: toml::Table,
    environment: Environment<'a>,
}

impl Config {
    /// Reads the settings that hold in a data directory.
    pub fn read(
        data: &Path,
        flags: &Flags,
        environment: Environment<'_>,
    ) -> Result<Self, ConfigError> {
        let path = data.join(FILE);
        let file = read_file(&path)?;
        let sources = Sources { path, file, environment };
        let listen = (!flags.listen.is_empty()).then(|| json!(flags.listen));
        let verbose = match flags.verbose {
            0 => None,
            1 => Some(json!("info,entente=debug,entente_node=debug")),
            _ => Some(json!("info,entente=trace,entente_node=trace")),
        };
        let http = flags.http.as_ref().map(|http| json!(http));
        let proxy = flags.behind_proxy.then_some(Json::Bool(true));
        Ok(Self {
            listen: sources.find(&LISTEN_ROW, listen, &json!(LISTEN), addresses)?,
            http: sources.find(&HTTP_ROW, http, &json!(HTTP), |v| v.as_str()?.parse().ok())?,
            behind_proxy: sources.find(&PROXY_ROW, proxy, &json!(false), boolean)?,
            store: sources.find(&STORE_ROW, None, &json!("sled"), |v| {
                let name = v.as_str()?;
                STORES.contains(&name).then(|| name.to_owned())
            })?,
            log: match (sources.environment)(LOG_VARIABLE).filter(|_| verbose.is_none()) {
                Some(value) => {
                    Setting { value, from: Source::Environment, said_by: Some(LOG_VARIABLE.into()) }
                }
                None => sources.find(&LOG_ROW, verbose, &json!("info"), |v| {
                    v.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
                })?,
            },
            consent_required: sources.find(&CONSENT_ROW, None, &json!(true), boolean)?,
            rewrite_after: sources.find(&REWRITE_ROW, None, &json!(REWRITE_AFTER), delay)?,
        })
    }

    /// Every setting, as `config show` lists them.
    pub fn lines(&self) -> Vec<SettingLine> {
        fn line<T>(row: &Row, setting: &Setting<T>, value: Json) -> SettingLine {
            SettingLine {
                key: row.key.to_owned(),
                value,
                from: setting.from,
                said_by: setting.said_by.clone(),
            }
        }
        vec![
            line(&LISTEN_ROW, &self.listen, json!(self.listen.value)),
            line(&HTTP_ROW, &self.http, json!(self.http.value.to_string())),
            line(&PROXY_ROW, &self.behind_proxy, json!(self.behind_proxy.value)),
            line(&STORE_ROW, &self.store, json!(self.store.value)),
            line(&LOG_ROW, &self.log, json!(self.log.value)),
            line(&CONSENT_ROW, &self.consent_required, json!(self.consent_required.value)),
            line(
                &REWRITE_ROW,
                &self.rewrite_after,
                match self.rewrite_after.value {
                    Some(after) => json!(format!("{}s", after.as_secs())),
                    None => json!(NEVER),
                },
            ),
        ]
    }
}

impl Sources<'_> {
    fn find<T>(
        &self,
        row: &Row,
        flag: Option<Json>,
        default: &Json,
        read: impl Fn(&Json) -> Option<T>,
    ) -> Result<Setting<T>, ConfigError> {
        let variable = (self.environment)(row.variable).filter(|text| !text.is_empty());
        let (value, from, said_by) = if let Some(value) = flag {
            (value, Source::Flag, Some(row.flag.to_owned()))
        } else if let Some(text) = variable {
            (Json::String(text), Source::Environment, Some(row.variable.to_owned()))
        } else if let Some(value) = look_up(&self.file, row.key) {
            (value, Source::File, Some(self.path.display().to_string()))
        } else {
            (default.clone(), Source::Default, None)
        };
        match read(&value) {
            Some(value) => Ok(Setting { value, from, said_by }),
            None => Err(ConfigError::Value {
                said_by: match from {
                    Source::File => format!("{}: {}", self.path.display(), row.key),
                    Source::Flag | Source::Environment | Source::Default => {
                        said_by.unwrap_or_else(|| row.key.to_owned())
                    }
                },
                found: value.as_str().map_or_else(|| value.to_string(), str::to_owned),
                expected: row.expected,
            }),
        }
    }
}

fn read_file(path: &Path) -> Result<toml::Table, ConfigError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(source) => return Err(ConfigError::Unreadable { path: path.to_owned(), source }),
    };
    let table: toml::Table = text.parse().map_err(|source| ConfigError::Syntax {
        path: path.to_owned(),
        source: Box::new(source),
    })?;
    let mut keys = Vec::new();
    for (key, value) in &table {
        match value {
            Toml::Table(inner) => keys.extend(inner.keys().map(|name| format!("{key}.{name}"))),
            _ => keys.push(key.clone()),
        }
    }
    match keys.into_iter().find(|key| ROWS.iter().all(|row| row.key != key)) {
        Some(key) => Err(ConfigError::UnknownKey { path: path.to_owned(), key }),
        None => Ok(table),
    }
}

fn look_up(table: &toml::Table, key: &str) -> Option<Json> {
    let value = match key.split_once('.') {
        Some((outer, inner)) => table.get(outer)?.as_table()?.get(inner)?,
        None => table.get(key)?,
    };
    serde_json::to_value(value).ok()
}

fn boolean(value: &Json) -> Option<bool> {
    match value {
        Json::Bool(value) => Some(*value),
        Json::String(text) => match text.as_str() {
            "true" | "1" | "yes" => Some(true),
            "false" | "0" | "no" => Some(false),
            _ => None,
        },
        Json::Null | Json::Number(_) | Json::Array(_) | Json::Object(_) => None,
    }
}

/// A duration, or never: the outer `None` is neither.
fn delay(value: &Json) -> Option<Option<Duration>> {
    match value.as_str()? {
        NEVER => Some(None),
        text => when::duration(text)?.map(|ms| Some(Duration::from_millis(ms))),
    }
}

/// A list, or one text with commas between.
fn addresses(value: &Json) -> Option<Vec<String>> {
    let list: Vec<String> = match value {
        Json::String(text) => text.split(',').map(|one| one.trim().to_owned()).collect(),
        Json::Array(list) => {
            list.iter().map(|one| one.as_str().map(str::to_owned)).collect::<Option<_>>()?
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Object(_) => return None,
    };
    let good = |one: &String| one.parse::<libp2p::Multiaddr>().is_ok_and(|a| !a.is_empty());
    list.iter().all(good).then_some(list)
}

#[cfg(test)]
mod tests;
