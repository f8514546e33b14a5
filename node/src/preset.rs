//! Presets: what companies usually let each other do at an event, each a text that can be read,
//! copied and changed. Files in the data directory go before those that are built in.

use std::path::Path;
use std::{fs, io};

use thiserror::Error;

use crate::api::grant::Preset;
use crate::policy::{self, Arrangement, Fault};

/// The presets that every node has.
const BUILT_IN: [(&str, &str); 4] = [
    ("agency", include_str!("preset/agency.toml")),
    ("attendance-counts-only", include_str!("preset/attendance-counts-only.toml")),
    ("co-organiser", include_str!("preset/co-organiser.toml")),
    ("lead-supplier", include_str!("preset/lead-supplier.toml")),
];
const EXTENSION: &str = "toml";

/// Why there is no such preset.
#[derive(Debug, Error)]
pub enum PresetError {
    /// None has this name.
    #[error("there is no preset `{name}`; there are {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// Those there are.
        known: String,
    },
    /// It cannot be understood.
    #[error("the preset `{name}` has faults\n{}", lines(faults))]
    Faulty {
        /// Which.
        name: String,
        /// What is wrong.
        faults: Vec<Fault>,
    },
    /// The directory or a file in it cannot be read.
    #[error("the presets cannot be read")]
    Unreadable(#[from] io::Error),
}

/// Faults, one a line.
pub fn lines(faults: &[Fault]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// Every preset by name: those of the directory, and of the built-in ones those it does not have.
pub fn list(directory: &Path) -> Result<Vec<Preset>, PresetError> {
    let mut presets: Vec<Preset> = Vec::new();
    let files = match fs::read_dir(directory) {
        Ok(files) => files.collect::<Result<Vec<_>, _>>()?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    for path in files.into_iter().map(|entry| entry.path()) {
        let name = path.file_stem().and_then(|name| name.to_str()).map(str::to_owned);
        if let Some(name) = name.filter(|_| path.extension().is_some_and(|e| e == EXTENSION)) {
            let text = fs::read_to_string(&path)?;
            presets.push(Preset { name, about: String::new(), built_in: false, text });
        }
    }
    for (name, text) in BUILT_IN {
        if presets.iter().all(|preset| preset.name != name) {
            let (name, text) = (name.to_owned(), text.to_owned());
            presets.push(Preset { name, about: String::new(), built_in: true, text });
        }
    }
    for preset in &mut presets {
        preset.about = match policy::arrangement(&preset.text) {
            Ok(arrangement) => arrangement.about,
            Err(faults) => format!("faulty: {}", lines(&faults)),
        };
    }
    presets.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(presets)
}

/// One preset.
pub fn find(directory: &Path, name: &str) -> Result<Arrangement, PresetError> {
    let presets = list(directory)?;
    let Some(preset) = presets.iter().find(|preset| preset.name == name) else {
        let known: Vec<&str> = presets.iter().map(|preset| preset.name.as_str()).collect();
        return Err(PresetError::Unknown { name: name.to_owned(), known: known.join(", ") });
    };
    policy::arrangement(&preset.text)
        .map_err(|faults| PresetError::Faulty { name: name.to_owned(), faults })
}

#[cfg(test)]
mod tests;
