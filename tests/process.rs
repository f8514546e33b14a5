//! Real nodes as real processes, driven by the command line alone.

/// One call of the command line.
mod call;
/// A company with its node's process.
mod node;
/// Three companies, paired and granted as in the story.
mod cast;

mod story;

mod seeing;

mod leak;

mod consent;

mod audit;

mod ending;

mod losing;

mod inbox;

mod erasure;

mod contract;

mod lists;

mod gate;

mod hostile;

mod nodes;

mod ping;

mod restart;

mod bulk;

mod demo;
