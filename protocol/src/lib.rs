//! The sharing protocol of Entente: pure and deterministic. No clock, no socket, no thread.
//!
//! In reading order, the way of one shared field: it is a [`value`] of a kind and field of the
//! [`vocabulary`], entered into the [`book`]; [`grant`]s and [`consent`] say who may have it, and
//! [`plan`] compiles them into compartments; [`section`] publishes it as a change of a [`facet`],
//! sealed into a signed [`bundle`]; [`session`] and [`sync`] carry it; [`ingest`] lets it in, by
//! the [`dossier`] and by what a [`change`] may do; [`view`] shows it.
#![deny(clippy::disallowed_types, clippy::disallowed_methods)]

mod mutation;

pub mod codec;
pub mod id;
pub mod sign;
pub mod time;
pub mod value;
pub mod vocabulary;

pub mod statement;
pub mod identity;
pub mod grant;
pub mod consent;
pub mod plan;
pub mod dossier;

pub mod change;
pub mod facet;
pub mod bundle;
pub mod log;
pub mod fork;

pub mod keys;
pub mod store;

pub mod refusal;
pub mod replica;
pub mod audit;
pub mod disclosure;
pub mod deadline;
pub mod hear;
pub mod book;
pub mod section;
pub mod select;
pub mod sharing;
pub mod policy;
pub mod suppose;
pub mod closing;
mod fresh;
pub mod ingest;
pub mod remains;
pub mod reissue;
pub mod forget;
pub mod order;
pub mod adopt;
pub mod cut;
pub mod purge;
pub mod receipt;
pub mod view;
pub mod seeing;
pub mod history;
pub mod roster;
pub mod inbox;

pub mod steward;
pub mod desk;
pub mod stock;
pub mod restore;

pub mod message;
pub mod gate;
pub mod pairing;
pub mod partner;
pub mod due;
pub mod session;
pub mod pace;
pub mod sync;
pub mod stored;

#[cfg(any(test, fuzzing))]
#[cfg_attr(fuzzing, allow(dead_code))]
#[path = "../../tests/world.rs"]
mod world;
#[cfg(any(test, fuzzing))]
#[cfg_attr(fuzzing, allow(dead_code))]
#[path = "../../tests/scene.rs"]
mod scene;
#[cfg(any(test, fuzzing))]
#[path = "../../tests/targets/mod.rs"]
pub mod targets;
#[cfg(test)]
#[path = "../../tests/sim/mod.rs"]
mod sim;
#[cfg(test)]
#[path = "../../tests/vectors.rs"]
mod vectors;
