//! The node of Entente: store, network, HTTP API and pages around the pure protocol.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "the node owns clock, threads and files"
)]

pub mod start;
pub mod config;
pub mod directory;
pub mod engine;
pub mod network;
pub mod store;
pub mod import;
pub mod policy;
pub mod preset;
pub mod join;
pub mod renewal;
pub mod root;
pub mod service;
pub mod api;
pub mod http;
pub mod pages;

#[cfg(any(test, fuzzing))]
#[path = "../../tests/targets/node.rs"]
pub mod targets;
