//! The data directory: which file is which, and what must not be readable by others.
//! Knows nothing of what the store or the keys mean.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};
use thiserror::Error;

const TOKEN_BYTES: usize = 32;

/// A data directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory {
    path: PathBuf,
}

/// Where the running node answers: the content of `node.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// Where its API is.
    pub http: String,
    /// Whose node it is.
    pub org: String,
    /// Its process.
    pub pid: u32,
}

/// Why a file of the directory cannot be used.
#[derive(Debug, Error)]
pub enum DirectoryError {
    /// It cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It is there and means nothing.
    #[error("{} is damaged", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// The system gives no random numbers.
    #[error("the system gives no random numbers")]
    Random,
}

impl Directory {
    /// The directory at this path, which need not exist.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The org's root key.
    pub fn org_key(&self) -> PathBuf {
        self.path.join("org.key")
    }

    /// The node's key.
    pub fn node_key(&self) -> PathBuf {
        self.path.join("node.key")
    }

    /// The node's certificate, signed by the root key.
    pub fn certificate(&self) -> PathBuf {
        self.path.join("node.cert")
    }

    /// The key of a node that is to join an org.
    pub fn joining_key(&self) -> PathBuf {
        self.path.join("joining.key")
    }

    /// What a node was told when it joined.
    pub fn introduction(&self) -> PathBuf {
        self.path.join("node.join")
    }

    /// The files that a backup holds beside the store. The root key is not among them.
    pub fn backed_up(&self) -> [PathBuf; 4] {
        let settings = self.path.join("entente.toml");
        [self.node_key(), self.certificate(), self.introduction(), settings]
    }

    /// Their contents, by name.
    pub fn to_back_up(&self) -> Result<Vec<(String, Vec<u8>)>, DirectoryError> {
        let mut files = Vec::new();
        for path in self.backed_up().into_iter().filter(|path| path.exists()) {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
            files.push((name.unwrap_or_default(), self.read(&path)?));
        }
        Ok(files)
    }

    /// Removes a file.
    pub fn remove(&self, path: &Path) -> Result<(), DirectoryError> {
        let failed = |source| DirectoryError::Write { path: path.to_owned(), source };
        fs::remove_file(path).map_err(failed)
    }

    /// A file's bytes.
    pub fn read(&self, path: &Path) -> Result<Vec<u8>, DirectoryError> {
        fs::read(path).map_err(|source| DirectoryError::Read { path: path.to_owned(), source })
    }

    /// The store.
    pub fn store(&self) -> PathBuf {
        self.path.join("store")
    }

    /// Presets of the org's own: `presets/NAME.toml`.
    pub fn presets(&self) -> PathBuf {
        self.path.join("presets")
    }

    fn token_file(&self) -> PathBuf {
        self.path.join("api.token")
    }

    fn running_file(&self) -> PathBuf {
        self.path.join("node.json")
    }

    /// Whether `init` has been here.
    pub fn is_initialised(&self) -> bool {
        self.node_key().exists()
    }

    /// Makes the directory, for its owner alone.
    pub fn create(&self) -> Result<(), DirectoryError> {
        let failed = |source| DirectoryError::Write { path: self.path.clone(), source };
        fs::create_dir_all(&self.path).map_err(failed)?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(&self.path, fs::Permissions::from_mode(0o700)).map_err(failed)?;
        }
        Ok(())
    }

    /// Writes a file that only its owner can read, whole or not at all.
    pub fn write_secret(&self, path: &Path, content: &[u8]) -> Result<(), DirectoryError> {
        let failed = |source| DirectoryError::Write { path: path.to_owned(), source };
        let fresh = path.with_extension("new");
        let mut options = File::options();
        options.create(true).truncate(true).write(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&fresh).map_err(failed)?;
        file.write_all(content).and_then(|()| file.sync_all()).map_err(failed)?;
        fs::rename(&fresh, path).map_err(failed)
    }

    /// The token of the API, made if there is none.
    pub fn token_or_new(&self) -> Result<String, DirectoryError> {
        if let Some(token) = self.token()? {
            return Ok(token);
        }
        let mut bytes = [0; TOKEN_BYTES];
        getrandom::fill(&mut bytes).map_err(|_| DirectoryError::Random)?;
        let token = BASE64URL_NOPAD.encode(&bytes);
        self.write_secret(&self.token_file(), token.as_bytes())?;
        Ok(token)
    }

    /// The token of the API, if there is one.
    pub fn token(&self) -> Result<Option<String>, DirectoryError> {
        let text = self.read_text(&self.token_file())?;
        Ok(text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()))
    }

    /// Where the node answers, if one has run here. It may have been killed since.
    pub fn running(&self) -> Result<Option<Running>, DirectoryError> {
        let path = self.running_file();
        let Some(text) = self.read_text(&path)? else { return Ok(None) };
        serde_json::from_str(&text).map(Some).map_err(|_| DirectoryError::Damaged { path })
    }

    /// Says where the node answers.
    pub fn set_running(&self, running: &Running) -> Result<(), DirectoryError> {
        let path = self.running_file();
        let text = serde_json::to_vec(running)
            .map_err(|_| DirectoryError::Damaged { path: path.clone() })?;
        self.write_secret(&path, &text)
    }

    /// Says that no node answers any more.
    pub fn clear_running(&self) -> Result<(), DirectoryError> {
        let path = self.running_file();
        match fs::remove_file(&path) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(source) => Err(DirectoryError::Write { path, source }),
        }
    }

    fn read_text(&self, path: &Path) -> Result<Option<String>, DirectoryError> {
        match fs::read_to_string(path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(DirectoryError::Read { path: path.to_owned(), source }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_made_once_and_no_one_else_can_read_it() {
        let path = std::env::temp_dir().join(format!("entente-directory-{}", std::process::id()));
        let directory = Directory::at(&path);
        directory.create().unwrap();
        assert_eq!(directory.token().unwrap(), None);
        let token = directory.token_or_new().unwrap();
        assert_eq!(directory.token_or_new().unwrap(), token);
        assert!(token.len() >= 43);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(directory.token_file()).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        let running = Running { http: "http://127.0.0.1:1".into(), org: "org_".into(), pid: 1 };
        assert_eq!(directory.running().unwrap(), None);
        directory.set_running(&running).unwrap();
        assert_eq!(directory.running().unwrap(), Some(running));
        directory.clear_running().unwrap();
        directory.clear_running().unwrap();
        assert_eq!(directory.running().unwrap(), None);
        fs::remove_dir_all(path).unwrap();
    }
}
