//! What the API does: one file per noun, each function a request turned into calls of the replica
//! and back into an answer. Runs on the engine thread; knows nothing of HTTP.

pub mod audit;
pub mod consent;
pub mod disclosure;
pub mod ending;
pub mod erasure;
pub mod export;
pub mod import;
pub mod inbox;
pub mod missing;
pub mod outlook;
pub mod own;
pub mod participation;
pub mod partner;
pub mod policy;
pub mod problem;
pub mod record;
pub mod seeing;
pub mod share;
mod sheet;
pub mod shown;
pub mod status;
pub mod when;
pub mod with;

pub use problem::Problem;

pub use entente_protocol::replica::Replica;
/// What a service function answers.
pub type Answer<T> = Result<T, Problem>;
/// How many records one call works on before the engine thread is free for others.
pub const CHUNK: usize = 256;
