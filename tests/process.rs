//! Real nodes as real processes, driven by the command line alone.

/// A company with its node's process, and calls of the command line.
mod node;
/// Three companies, paired and granted as in the story.
mod cast;

mod story;

mod leak;

mod consent;

mod contract;

mod lists;

mod gate;

mod hostile;

mod restart;

mod bulk;
