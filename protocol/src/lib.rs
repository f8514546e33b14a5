//! The sharing protocol of Entente: pure and deterministic. No clock, no socket, no thread.
#![deny(clippy::disallowed_types, clippy::disallowed_methods)]

pub mod codec;
pub mod consent;
pub mod grant;
pub mod id;
pub mod plan;
pub mod sign;
pub mod statement;
pub mod store;
pub mod time;
pub mod value;
pub mod vocabulary;
