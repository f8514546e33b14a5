//! The node of Entente: store, network, HTTP API and pages around the pure protocol.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "the node owns clock, threads and files"
)]

pub mod api;
pub mod config;
pub mod directory;
pub mod http;
pub mod import;
pub mod placeholder;
pub mod service;
pub mod start;
