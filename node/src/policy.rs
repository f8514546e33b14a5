//! The rules of a share as a text that people keep: TOML in, every fault with its line, and out in
//! one fixed form. Knows no replica; whose names and shares these are is looked up by others.

use std::fmt;

use entente_protocol::select::Selector;
use entente_protocol::vocabulary::{self, Kind};
use serde::{Deserialize, Serialize};
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use utoipa::ToSchema;

use crate::api::grant::{Access, NewGrant};
use crate::service::when;

/// How often a grant may be passed on at most: a chain has no more links.
const DEPTH_MAX: i64 = 7;
const TOP_KEYS: [&str; 4] = ["share", "name", "reshare", "grant"];
const PRESET_KEYS: [&str; 3] = ["about", "grant", "back"];
const GRANT_KEYS: [&str; 11] = [
    "partner",
    "kind",
    "fields",
    "contribute",
    "can",
    "where",
    "keep",
    "depth",
    "expires",
    "section",
    "with_history",
];

/// What happens to grants that partners pass on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Reshare {
    /// They are let in by themselves.
    Auto,
    /// They wait for this org's approval.
    Ask,
}

/// One fault of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The line, the first being 1.
    pub line: usize,
    /// What is wrong and what to write instead.
    pub what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

/// One grant of a text, with the line where it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clause {
    /// The line.
    pub line: usize,
    /// The grant; of a preset without its partner.
    pub grant: NewGrant,
}

/// A share's rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Which share: id or name.
    pub share: String,
    /// What happens to grants that partners pass on.
    pub reshare: Option<Reshare>,
    /// The grants.
    pub clauses: Vec<Clause>,
}

/// What one company lets another do at an event, and what that one shows back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrangement {
    /// What it is for, in one sentence.
    pub about: String,
    /// What the one who shares the event grants.
    pub grants: Vec<Clause>,
    /// What the other one grants in return, on its own node.
    pub back: Vec<Clause>,
}

/// Reads a share's rules; every fault, not only the first.
pub fn policy(text: &str) -> Result<Policy, Vec<Fault>> {
    let mut reader = Reader::new(text);
    let table = reader.table();
    reader.known_keys(&table, &TOP_KEYS);
    let share = reader.text(&table, "share");
    if share.is_none() && reader.faults.is_empty() {
        reader.fault(0, "name the share: share = \"…\"");
    }
    let reshare = reader.word(&table, "reshare", &[("auto", Reshare::Auto), ("ask", Reshare::Ask)]);
    let clauses = reader.clauses(&table, "grant", true);
    reader.done(Policy { share: share.unwrap_or_default(), reshare, clauses })
}

/// Reads an arrangement, as presets are written.
pub fn arrangement(text: &str) -> Result<Arrangement, Vec<Fault>> {
    let mut reader = Reader::new(text);
    let table = reader.table();
    reader.known_keys(&table, &PRESET_KEYS);
    let about = reader.text(&table, "about").unwrap_or_default();
    let grants = reader.clauses(&table, "grant", false);
    let back = reader.clauses(&table, "back", false);
    reader.done(Arrangement { about, grants, back })
}

/// Writes a share's rules in the form in which they are read.
pub fn write(policy: &Policy, name: &str) -> String {
    let mut text = format!("share = {}\nname = {}\n", quoted(&policy.share), quoted(name));
    if let Some(reshare) = policy.reshare {
        text += match reshare {
            Reshare::Auto => "reshare = \"auto\"\n",
            Reshare::Ask => "reshare = \"ask\"\n",
        };
    }
    for Clause { grant, .. } in &policy.clauses {
        text += "\n[[grant]]\n";
        let mut line = |key: &str, value: String| text += &format!("{key} = {value}\n");
        line("partner", quoted(&grant.partner));
        if let Some(section) = &grant.section {
            line("section", quoted(section));
        }
        if let Some(kind) = grant.kind {
            line("kind", quoted(kind.name()));
            line("fields", list(grant.fields.iter().map(String::as_str)));
            let can = match grant.can {
                Access::Read => "read",
                Access::Edit => "edit",
            };
            line("can", quoted(can));
        } else {
            line("contribute", list(grant.contribute.iter().map(|kind| kind.name())));
        }
        if let Some(selector) = &grant.selector {
            line("where", quoted(selector));
        }
        if grant.keep {
            line("keep", "true".to_owned());
        }
        if grant.with_history {
            line("with_history", "true".to_owned());
        }
        if grant.depth > 0 {
            line("depth", grant.depth.to_string());
        }
        if let Some(expires) = &grant.expires {
            line("expires", quoted(expires));
        }
    }
    text
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn list<'a>(items: impl Iterator<Item = &'a str>) -> String {
    format!("[{}]", items.map(quoted).collect::<Vec<_>>().join(", "))
}

/// Reads one text and collects what is wrong with it.
struct Reader<'a> {
    text: &'a str,
    faults: Vec<Fault>,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, faults: Vec::new() }
    }

    fn done<T>(mut self, read: T) -> Result<T, Vec<Fault>> {
        self.faults.sort_by_key(|fault| fault.line);
        if self.faults.is_empty() { Ok(read) } else { Err(self.faults) }
    }

    fn line(&self, at: usize) -> usize {
        let before = self.text.as_bytes().iter().take(at);
        1 + before.filter(|byte| **byte == b'\n').count()
    }

    fn fault(&mut self, at: usize, what: impl Into<String>) {
        let (line, what) = (self.line(at), what.into());
        self.faults.push(Fault { line, what });
    }

    fn table(&mut self) -> DeTable<'a> {
        let (table, errors) = DeTable::parse_recoverable(self.text);
        for error in errors {
            let at = error.span().map_or(0, |span| span.start);
            self.fault(at, error.message().to_owned());
        }
        table.into_inner()
    }

    fn known_keys(&mut self, table: &DeTable<'_>, known: &[&str]) {
        for key in table.keys() {
            let name: &str = key.get_ref();
            if !known.contains(&name) {
                let known = known.join(", ");
                self.fault(key.span().start, format!("`{name}` is not one of {known}"));
            }
        }
    }

    fn get<'t>(
        &self,
        table: &'t DeTable<'_>,
        key: &str,
    ) -> Option<(usize, &'t Spanned<DeValue<'t>>)> {
        let (_, value) = table.iter().find(|(name, _)| name.get_ref() == key)?;
        Some((value.span().start, value))
    }

    fn text(&mut self, table: &DeTable<'_>, key: &str) -> Option<String> {
        let (at, value) = self.get(table, key)?;
        let text = value.get_ref().as_str().map(str::to_owned);
        if text.as_ref().is_none_or(String::is_empty) {
            self.fault(at, format!("`{key}` must be a text between quotes"));
        }
        text
    }

    fn word<T: Copy>(&mut self, table: &DeTable<'_>, key: &str, words: &[(&str, T)]) -> Option<T> {
        let (at, value) = self.get(table, key)?;
        let word = value.get_ref().as_str().unwrap_or_default();
        let found = words.iter().find(|(name, _)| *name == word).map(|(_, value)| *value);
        if found.is_none() {
            let words: Vec<&str> = words.iter().map(|(name, _)| *name).collect();
            self.fault(at, format!("`{key}` must be {}", words.join(" or ")));
        }
        found
    }

    /// Texts with the places where they stand.
    fn texts(&mut self, table: &DeTable<'_>, key: &str) -> Vec<(usize, String)> {
        let Some((at, value)) = self.get(table, key) else { return Vec::new() };
        let items: Vec<(usize, Option<String>)> = match value.get_ref().as_array() {
            Some(items) => items
                .iter()
                .map(|item| (item.span().start, item.get_ref().as_str().map(str::to_owned)))
                .collect(),
            None => vec![(at, None)],
        };
        let mut texts = Vec::new();
        for (at, text) in items {
            match text {
                Some(text) => texts.push((at, text)),
                None => self.fault(at, format!("`{key}` must be a list of texts: [\"…\", \"…\"]")),
            }
        }
        texts
    }

    fn flag(&mut self, table: &DeTable<'_>, key: &str) -> bool {
        let Some((at, value)) = self.get(table, key) else { return false };
        let flag = value.get_ref().as_bool();
        if flag.is_none() {
            self.fault(at, format!("`{key}` must be true or false"));
        }
        flag.unwrap_or_default()
    }

    fn depth(&mut self, table: &DeTable<'_>) -> u8 {
        let Some((at, value)) = self.get(table, "depth") else { return 0 };
        let number = value.get_ref().as_integer().and_then(|n| n.as_str().parse::<i64>().ok());
        match number.filter(|n| (0..=DEPTH_MAX).contains(n)).and_then(|n| u8::try_from(n).ok()) {
            Some(depth) => depth,
            None => {
                self.fault(at, format!("`depth` must be a number from 0 to {DEPTH_MAX}"));
                0
            }
        }
    }

    fn clauses(&mut self, table: &DeTable<'_>, key: &str, named: bool) -> Vec<Clause> {
        let Some((at, value)) = self.get(table, key) else { return Vec::new() };
        let Some(items) = value.get_ref().as_array() else {
            self.fault(at, format!("write every grant under a line [[{key}]]"));
            return Vec::new();
        };
        let mut clauses = Vec::new();
        for item in items.iter() {
            match item.get_ref().as_table() {
                Some(table) => clauses.extend(self.clause(item.span().start, table, named)),
                None => self.fault(item.span().start, format!("write it under a line [[{key}]]")),
            }
        }
        clauses
    }

    fn clause(&mut self, at: usize, table: &DeTable<'_>, named: bool) -> Option<Clause> {
        let before = self.faults.len();
        let keys: Vec<&str> = GRANT_KEYS
            .into_iter()
            .filter(|key| named || !["partner", "section"].contains(key))
            .collect();
        self.known_keys(table, &keys);
        let partner = self.text(table, "partner");
        if named && partner.is_none() {
            self.fault(at, "name whom it is for: partner = \"…\"");
        }
        let kinds = Kind::ALL.map(|kind| (kind.name(), kind));
        let kind = self.word(table, "kind", &kinds);
        let access = [("read", Access::Read), ("edit", Access::Edit)];
        let mut grant = NewGrant {
            partner: partner.unwrap_or_default(),
            kind,
            can: self.word(table, "can", &access).unwrap_or_default(),
            selector: self.text(table, "where"),
            keep: self.flag(table, "keep"),
            depth: self.depth(table),
            expires: self.text(table, "expires"),
            section: self.text(table, "section"),
            with_history: self.flag(table, "with_history"),
            ..NewGrant::default()
        };
        let fields = self.texts(table, "fields");
        let contribute = self.texts(table, "contribute");
        for (at, name) in &contribute {
            match Kind::from_name(name) {
                Some(kind) => grant.contribute.push(kind),
                None => self.fault(*at, format!("there is no kind of record `{name}`")),
            }
        }
        self.shape(at, &grant, !fields.is_empty(), !contribute.is_empty());
        if let Some(kind) = kind {
            self.details(table, kind, &grant, &fields);
        }
        grant.fields = fields.into_iter().map(|(_, name)| name).collect();
        grant.fields.sort();
        grant.fields.dedup();
        grant.contribute.sort();
        grant.contribute.dedup();
        (self.faults.len() == before).then(|| Clause { line: self.line(at), grant })
    }

    /// Either fields of a kind, or kinds that may be added.
    fn shape(&mut self, at: usize, grant: &NewGrant, fields: bool, contribute: bool) {
        match (grant.kind.is_some(), fields, contribute) {
            (true, true, false) | (false, false, true) => {}
            (true, false, false) => self.fault(at, "name the fields one by one: fields = [\"…\"]"),
            (false, true, false) => self.fault(at, "name the kind of record: kind = \"…\""),
            (false, false, false) => {
                self.fault(at, "name a kind with its fields, or contribute = [\"…\"]");
            }
            (_, _, true) => self.fault(at, "write fields and `contribute` as two grants"),
        }
        if contribute && (grant.selector.is_some() || grant.keep || grant.can == Access::Edit) {
            self.fault(at, "`contribute` goes with partner, depth and expires only");
        }
    }

    fn details(
        &mut self,
        table: &DeTable<'_>,
        kind: Kind,
        grant: &NewGrant,
        fields: &[(usize, String)],
    ) {
        for (at, field) in fields {
            if let Err(error) = vocabulary::grantable(kind, field) {
                self.fault(*at, error.to_string());
            }
        }
        if let (Some(text), Some((at, _))) = (&grant.selector, self.get(table, "where"))
            && let Err(error) = Selector::parse(kind, text)
        {
            self.fault(at, error.to_string());
        }
        if let (Some(text), Some((at, _))) = (&grant.expires, self.get(table, "expires")) {
            match (when::parse(text, 0), when::parse(text, 1)) {
                (Ok(one), Ok(other)) if one == other => {}
                (Ok(_), _) => self
                    .fault(at, "write a day or a time: a duration would never be the same twice"),
                (Err(error), _) => self.fault(at, format!("{error}; write a day or a time")),
            }
        }
    }
}

#[cfg(test)]
mod tests;
