//! The directory that the demo plays in: a new one, which goes when the demo ends, or a given one,
//! which stays.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::error::DemoError;

/// A directory to play in.
#[derive(Debug)]
pub struct Place {
    path: PathBuf,
    keep: bool,
}

impl Place {
    /// The given directory, which must be empty, or a new one.
    pub fn make(given: Option<PathBuf>, stay: bool) -> Result<Self, DemoError> {
        let Some(path) = given else {
            let path = fresh();
            let failed = |source| DemoError::Place { path: path.display().to_string(), source };
            // Fails if it is there: nobody else prepares a directory for us to write keys into.
            fs::create_dir(&path).map_err(failed)?;
            return Ok(Self { path, keep: stay });
        };
        let failed = |source| DemoError::Place { path: path.display().to_string(), source };
        fs::create_dir_all(&path).map_err(failed)?;
        if fs::read_dir(&path).map_err(failed)?.next().is_some() {
            return Err(DemoError::NotEmpty(path.display().to_string()));
        }
        let path = path.canonicalize().map_err(failed)?;
        Ok(Self { path, keep: true })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where it is, to be printed.
    pub fn text(&self) -> String {
        self.path.display().to_string()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.keep {
            // What cannot be removed from a temporary directory, the system removes in time.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

fn fresh() -> PathBuf {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let name = format!("entente-demo-{}-{}", std::process::id(), since.subsec_nanos());
    std::env::temp_dir().join(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_place_goes_with_the_demo_and_a_given_one_stays_and_must_be_empty() {
        let new = Place::make(None, false).unwrap();
        let path = new.path().to_owned();
        fs::write(path.join("file"), "").unwrap();
        drop(new);
        assert!(!path.exists());
        let given = Place::make(Some(path.clone()), false).unwrap();
        fs::write(path.join("file"), "").unwrap();
        drop(given);
        assert!(path.exists());
        assert!(matches!(Place::make(Some(path.clone()), false), Err(DemoError::NotEmpty(_))));
        fs::remove_dir_all(path).unwrap();
    }
}
