//! The proof: reads everything that each company's node keeps, and looks for what it must not
//! have. A search that finds nothing proves little, so each text must be found where it is at home.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::path::Path;

use aho_corasick::AhoCorasick;
use entente_node::api::record::Record;
use serde::Serialize;
use serde_json::Value as Json;

use super::company::Company;
use super::data;
use super::error::DemoError;
use super::guests::text;
use super::play::Play;
use crate::error::CliError;

/// Whose a company is, in the order of the story.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Acme,
    Bright,
    Cedar,
}

/// A text, and who must not have it.
#[derive(Debug)]
struct Secret {
    text: String,
    what: &'static str,
    home: Who,
    kept_from: &'static [Who],
}

/// Every text to look for.
#[derive(Debug, Default)]
pub struct Secrets(Vec<Secret>);

/// What a search found.
#[derive(Debug, Serialize)]
pub struct Proof {
    /// For each company, how many texts were looked for in how many bytes.
    searched: Vec<Searched>,
    /// How many texts there are.
    secrets: usize,
    /// How many were found somewhere they must not be. The demo fails unless it is 0.
    leaked: usize,
}

/// What was searched of one company.
#[derive(Debug, Serialize)]
struct Searched {
    name: &'static str,
    /// Texts that must not be there.
    secrets: usize,
    /// Texts that must be there, being its own, and were found.
    own_found: usize,
    /// The store, decompressed.
    store_bytes: usize,
    /// Every file of its data directory and its log, as they are.
    file_bytes: usize,
}

impl Secrets {
    /// Acme's: what it never granted, and to whom it did not grant it.
    pub fn of_event() -> Result<Self, DemoError> {
        use Who::{Acme, Bright, Cedar};
        let event = data::event()?;
        let value = |field: &str| event.get(field).cloned().unwrap_or_default();
        let budget = value("budget");
        let amount = budget.split(' ').next().unwrap_or_default().to_owned();
        let mut secrets = Self::default();
        let both: &[Who] = &[Bright, Cedar];
        secrets.add(amount, "Acme's budget", Acme, both);
        secrets.add("Ceiling agreed with the board".into(), "Acme's notes", Acme, both);
        secrets.add("720000 CNY".into(), "Acme's notes", Acme, both);
        for field in ["summary", "address", "registration_url"] {
            secrets.add(value(field), "a field that Acme shares with nobody", Acme, both);
        }
        secrets.add(value("venue"), "the venue", Acme, &[Cedar]);
        for name in data::staff()?.into_values().flatten() {
            secrets.add(name, "the name of one of Bright's staff", Bright, &[Cedar]);
        }
        Ok(secrets)
    }

    /// Cedar's: what it granted to one and not the other, and customers who agreed to nothing.
    pub fn of_customers(&mut self, guests: &[Record], others: &[Record]) {
        use Who::{Acme, Bright};
        let list = |record: &Record, field: &str| -> Vec<String> {
            let items = record.fields.get(field).and_then(Json::as_array);
            let items = items.into_iter().flatten().filter_map(Json::as_str);
            items.map(str::to_owned).collect()
        };
        for guest in guests {
            self.add_all(text(guest, "name"), "a guest's name", &[Bright]);
            self.add_all(list(guest, "phones"), "a guest's phone number", &[Bright]);
            self.add_all(list(guest, "emails"), "a guest's e-mail address", &[Acme, Bright]);
        }
        for other in others {
            // A company's name may be a guest's company.
            if other.fields.get("type") == Some(&Json::from("person")) {
                self.add_all(
                    text(other, "name"),
                    "a customer who agreed to nothing",
                    &[Acme, Bright],
                );
            }
            for field in ["phones", "emails"] {
                let what = "a way to reach a customer who agreed to nothing";
                self.add_all(list(other, field), what, &[Acme, Bright]);
            }
        }
    }

    fn add_all(
        &mut self,
        texts: impl IntoIterator<Item = String>,
        what: &'static str,
        kept_from: &'static [Who],
    ) {
        for text in texts {
            self.add(text, what, Who::Cedar, kept_from);
        }
    }

    fn add(&mut self, text: String, what: &'static str, home: Who, kept_from: &'static [Who]) {
        if !text.is_empty() {
            self.0.push(Secret { text, what, home, kept_from });
        }
    }
}

impl Play<'_, '_> {
    /// Searches all three.
    pub fn prove(&mut self) -> Result<Proof, CliError> {
        let Self { telling, acme, bright, cedar, secrets, waiting, .. } = self;
        telling.step("The proof: what is not shared is nowhere to be found")?;
        telling.said(
            "Everything that each node keeps is read, its store decompressed and its files as \
             they are, and searched for what this company must not have. The same search must \
             find each text at the company whose it is."
                .into(),
        )?;
        let texts: Vec<&str> = secrets.0.iter().map(|secret| secret.text.as_str()).collect();
        let search = AhoCorasick::new(&texts).map_err(|_| DemoError::Data("secrets"))?;
        let mut proof = Proof { searched: Vec::new(), secrets: texts.len(), leaked: 0 };
        let mut leaks = Vec::new();
        let mut lost = Vec::new();
        for (who, company) in [(Who::Acme, &*acme), (Who::Bright, bright), (Who::Cedar, cedar)] {
            waiting.check()?;
            let store = store(company)?;
            let files = files(company)?;
            let in_store = found(&search, &store);
            let in_files = found(&search, &files);
            let foreign = |secret: &Secret| secret.kept_from.contains(&who);
            for (at, secret) in secrets.0.iter().enumerate() {
                let is_there = in_store.contains(&at) || in_files.contains(&at);
                if foreign(secret) && is_there {
                    leaks.push(format!("{} has {}", company.name, secret.what));
                }
                if secret.home == who && !in_store.contains(&at) {
                    lost.push(format!("{} at {}", secret.what, company.name));
                }
            }
            proof.searched.push(Searched {
                name: company.name,
                secrets: secrets.0.iter().filter(|secret| foreign(secret)).count(),
                own_found: secrets.0.iter().filter(|secret| secret.home == who).count(),
                store_bytes: store.len(),
                file_bytes: files.len(),
            });
        }
        telling.expect(leaks.is_empty(), || leaks.join("; "))?;
        telling.expect(lost.is_empty(), || {
            format!("the search is blind: it does not find {}", lost.join("; "))
        })?;
        proof.leaked = leaks.len();
        for one in proof.words() {
            telling.checked(one, None)?;
        }
        Ok(proof)
    }
}

impl Proof {
    fn words(&self) -> Vec<String> {
        let lines = self.searched.iter().map(|one| {
            let own = match one.own_found {
                0 => String::new(),
                own => format!("; all {own} of its own found"),
            };
            format!(
                "{}: searched {} secrets in {} of store and {} of files: none where it must not \
                 be{own}",
                one.name,
                one.secrets,
                megabytes(one.store_bytes),
                megabytes(one.file_bytes)
            )
        });
        lines.collect()
    }
}

fn megabytes(bytes: usize) -> String {
    format!("{}.{} MB", bytes / 1_000_000, bytes / 100_000 % 10)
}

/// Which texts are in there, by their number; also those that lie within others.
fn found(search: &AhoCorasick, bytes: &[u8]) -> BTreeSet<usize> {
    search.find_overlapping_iter(bytes).map(|found| found.pattern().as_usize()).collect()
}

fn store(company: &Company) -> Result<Vec<u8>, CliError> {
    let mut bytes = Vec::new();
    let mut dump = company.api().stream("/store/dump")?;
    dump.read_to_end(&mut bytes).map_err(CliError::Answer)?;
    Ok(bytes)
}

fn files(company: &Company) -> Result<Vec<u8>, DemoError> {
    let mut bytes = fs::read(company.log())?;
    append(company.directory(), &mut bytes)?;
    Ok(bytes)
}

fn append(directory: &Path, bytes: &mut Vec<u8>) -> Result<(), DemoError> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        match path.is_dir() {
            true => append(&path, bytes)?,
            false => match fs::read(&path) {
                Ok(content) => bytes.extend(content),
                // The node tidies up meanwhile.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(error.into()),
            },
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_within_another_is_found_too() {
        let search = AhoCorasick::new(["an@x.example", "an", "nobody"]).unwrap();
        assert_eq!(found(&search, b"\0\xffan@x.example"), BTreeSet::from([0, 1]));
        assert_eq!(megabytes(2_138_641), "2.1 MB");
    }
}
