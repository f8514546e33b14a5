//! Hostile orgs: each holds real keys and certificates, and signs and sends what no honest replica
//! would. Every test says in its name what is refused. What is sent goes through `Replica::frame`.

use crate::bundle::{Leaf, Verified};
use crate::codec;
use crate::id::{CompartmentId, GrantId, LogId, Nonce, OrgId, RecordId, ShareId, StatementId};
use crate::keys;
use crate::message::{Approach, Blob, Frame, Height, VERSION};
use crate::scene::*;
use crate::sign::SigningKey;
use crate::statement::{Body, Nonce32, Party, Statement};
use crate::time::Hlc;
use crate::value::Value;
use crate::vocabulary::Kind;
use crate::world::fields;

pub mod bundle;
mod chain;
mod gate;
pub mod mutant;
mod pairing;
pub mod session;
pub mod statement;
