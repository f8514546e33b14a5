//! What the root key does: certifies nodes, ends them, hands over to its successor. It is needed for
//! nothing else, and the running node never needs it.

use std::collections::BTreeSet;

use data_encoding::BASE64;
use entente_protocol::id::{PublicKey, StatementId};
use entente_protocol::identity::OrgKeys;
use entente_protocol::sign::SigningKey;
use entente_protocol::statement::{Body, Party, Statement};
use entente_protocol::time::Hlc;
use thiserror::Error;

use crate::api::own::{Introduction, Learn};
use crate::directory::{Directory, DirectoryError};
use crate::engine::{now, random};
use crate::join::JoinLine;
use crate::network::NetworkHandle;
use crate::renewal::CERTIFICATE_MS;

/// Why the root key cannot do it.
#[derive(Debug, Error)]
pub enum RootError {
    /// A file cannot be used.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The root key is not at hand.
    #[error("the root key is not in {0}")]
    NoKey(String),
    /// It is another company's, or one that was handed over.
    #[error("that is not the root key in force of this company")]
    OtherKey,
    /// Not the id of a node.
    #[error("`{0}` is not the id of a node")]
    NotNode(String),
    /// What the node says of itself cannot be read.
    #[error("the node's answer cannot be read")]
    Answer,
}

/// The root keys of an org with what its node knows.
#[derive(Debug)]
pub struct Root {
    keys: OrgKeys,
    party: Party,
    told: Introduction,
}

impl Root {
    /// Reads the keys from their file, and who the org is from the node's certificate.
    pub fn open(
        directory: &Directory,
        file: Option<&std::path::Path>,
        told: Introduction,
    ) -> Result<Self, RootError> {
        let path = file.map_or_else(|| directory.org_key(), std::path::Path::to_owned);
        if !path.exists() {
            return Err(RootError::NoKey(path.display().to_string()));
        }
        let keys = crate::start::read_org_keys(directory, &path)?;
        let certificate = directory.read(&directory.certificate())?;
        let certificate = Statement::open(&certificate).map_err(|_| RootError::Answer)?;
        let Body::Certificate { party, .. } = certificate.body() else {
            return Err(RootError::Answer);
        };
        if BASE64.encode(&keys.root.public().0) != told.root {
            return Err(RootError::OtherKey);
        }
        Ok(Self { keys, party: party.clone(), told })
    }

    fn at(&self) -> Hlc {
        Hlc::default().tick(now())
    }

    /// Certifies a node, perhaps as the main one; with the line for a node that is new.
    pub fn certify(&self, node: &str, main: bool) -> Result<(Learn, JoinLine), RootError> {
        let key = node_key(node)?;
        let term = main.then_some(self.told.term + 1);
        let end = now() + CERTIFICATE_MS;
        let certificate = self.keys.certify(&self.party, key, term, self.at(), end);
        let mut statements = vec![certificate.clone()];
        for text in &self.told.statements {
            statements.push(open(text)?);
        }
        Ok((learn(&certificate), JoinLine { certificate, statements }))
    }

    /// Ends a node.
    pub fn retire(&self, node: &str) -> Result<Learn, RootError> {
        Ok(learn(&self.keys.end(&self.party, node_key(node)?, self.at())))
    }

    /// Hands over to the successor; the content of the new key file comes with it.
    pub fn rotate(&self) -> Result<(Learn, Vec<u8>), RootError> {
        let next = SigningKey::from_bytes(&random());
        let keep = |text: &String| {
            let bytes = BASE64.decode(text.as_bytes()).ok()?;
            Some(StatementId(bytes.try_into().ok()?))
        };
        let keeps: Option<BTreeSet<StatementId>> = self.told.keep.iter().map(keep).collect();
        let keeps = keeps.ok_or(RootError::Answer)?;
        let rotation = self.keys.rotate(&self.party, &next.public(), &keeps, self.at());
        Ok((learn(&rotation), [self.keys.successor.to_bytes(), next.to_bytes()].concat()))
    }
}

fn node_key(text: &str) -> Result<PublicKey, RootError> {
    let key = NetworkHandle::key_of(text).map(PublicKey);
    key.ok_or_else(|| RootError::NotNode(text.to_owned()))
}

fn open(text: &str) -> Result<Statement, RootError> {
    let bytes = BASE64.decode(text.as_bytes()).map_err(|_| RootError::Answer)?;
    Statement::open(&bytes).map_err(|_| RootError::Answer)
}

fn learn(statement: &Statement) -> Learn {
    Learn { statements: vec![BASE64.encode(statement.bytes())] }
}
